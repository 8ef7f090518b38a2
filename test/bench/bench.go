// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

const (
	// concurrency is how much the bare client does at once: more made it no faster, see docs/performance.md.
	concurrency = 64

	// patience is how long anything may take.
	patience = 5 * time.Minute
)

// bench is what all rows share.
type bench struct {
	*rig.Rig
	options options
	tracker *tracker
	metrics kubernetes.Interface
	vendor  *vonage.Client // the bare client's
	serial  int
}

func newBench(ctx context.Context, r *rig.Rig, o options) (*bench, error) {
	b := &bench{Rig: r, options: o}
	credentials, err := vonage.NewCredentials(vonage.Unified, r.ProjectID, r.PrivateKey)
	if err != nil {
		return nil, err
	}
	if b.vendor, err = vonage.NewClient(credentials, vonage.WithEndpoint(r.URL)); err != nil {
		return nil, err
	}
	if b.metrics, err = kubernetes.NewForConfig(r.Config); err != nil {
		return nil, err
	}
	b.tracker, err = track(ctx, r.Client)
	return b, err
}

// count is so many objects, or the part of them that the options ask for.
func (b *bench) count(n int) int { return max(int(float64(n)*b.options.scale), 2) }

// name is a name that no object has had.
func (b *bench) name(prefix string) string {
	b.serial++
	return fmt.Sprintf("%s-%05d", prefix, b.serial)
}

// newRoom is a room with two participants, not created yet.
func (b *bench) newRoom(name string) *v1alpha1.MeetingRoom {
	return fixture.MeetingRoom(name, fixture.Participants("Host=Host", "Ada"))
}

// each does something for n things, several at once.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// makeRooms makes rooms, and returns their names.
func (b *bench) makeRooms(ctx context.Context, n int) ([]string, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = b.name("room")
	}
	return names, each(ctx, n, func(ctx context.Context, i int) error {
		return b.Client.Create(ctx, b.newRoom(names[i]))
	})
}

// removeAll removes all rooms and sets, with an operator or without one.
func (b *bench) removeAll(ctx context.Context) error {
	for _, list := range []client.ObjectList{&v1alpha1.BreakoutSetList{}, &v1alpha1.MeetingRoomList{}} {
		if err := b.Client.List(ctx, list, client.InNamespace(fixture.Namespace)); err != nil {
			return err
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			return err
		}
		err = each(ctx, len(objects), func(ctx context.Context, i int) error {
			object := objects[i].(client.Object)
			err := b.Client.Patch(ctx, object,
				client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))
			if err == nil {
				err = b.Client.Delete(ctx, object)
			}
			return client.IgnoreNotFound(err)
		})
		if err != nil {
			return err
		}
	}
	b.tracker.forget()
	b.Simulator.ResetCalls()
	return nil
}

// writes is how many writes to MeetingRooms and their status the API server has carried out, by its own metrics.
func (b *bench) writes(ctx context.Context) (float64, error) {
	text, err := b.metrics.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, verb := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		sum += rig.Sum(families["apiserver_request_total"], map[string]string{"resource": "meetingrooms", "verb": verb})
	}
	return sum, nil
}

// ownWrites is how many writes the operator has sent, by its client's metrics.
func ownWrites(families map[string]*dto.MetricFamily) float64 {
	sum := 0.0
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		sum += rig.Sum(families["rest_client_requests_total"], map[string]string{"method": method})
	}
	return sum
}

// tracker notes when rooms and sets become Ready, and when they were changed first.
type tracker struct {
	stop func()

	mu             sync.Mutex
	changed        chan struct{}
	ready, touched map[string]time.Time
}

func track(ctx context.Context, c client.WithWatch) (*tracker, error) {
	t := &tracker{changed: make(chan struct{})}
	t.forget()
	ctx, t.stop = context.WithCancel(ctx)
	for _, list := range []client.ObjectList{&v1alpha1.MeetingRoomList{}, &v1alpha1.BreakoutSetList{}} {
		opened, err := fixture.Watch(ctx, c, list)
		if err != nil {
			return nil, err
		}
		go func() {
			for e := range opened.ResultChan() {
				t.see(e)
			}
		}()
	}
	return t, nil
}

func (t *tracker) see(e watch.Event) {
	now := time.Now()
	obj, ok := e.Object.(fixture.Conditioned)
	if !ok || e.Type == watch.Deleted {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := keyOf(obj)
	if t.touched[key].IsZero() && e.Type == watch.Modified {
		t.touched[key] = now
	}
	if t.ready[key].IsZero() && fixture.IsReady(obj) == nil {
		t.ready[key] = now
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// keyOf names an object; sets apart from rooms.
func keyOf(obj client.Object) string {
	if _, set := obj.(*v1alpha1.BreakoutSet); set {
		return "set " + obj.GetName()
	}
	return obj.GetName()
}

func (t *tracker) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready, t.touched = map[string]time.Time{}, map[string]time.Time{}
}

// awaitReady waits until all of these are Ready, and returns when the last one was.
func (t *tracker) awaitReady(ctx context.Context, keys ...string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		t.mu.Lock()
		changed, last, missing := t.changed, time.Time{}, 0
		for _, key := range keys {
			switch at := t.ready[key]; {
			case at.IsZero():
				missing++
			case at.After(last):
				last = at
			}
		}
		t.mu.Unlock()
		if missing == 0 {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d objects are not Ready: %w", missing, len(keys), ctx.Err())
		case <-changed:
		}
	}
}

// firstTouched is when the first of these was changed.
func (t *tracker) firstTouched(keys []string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var first time.Time
	for _, key := range keys {
		if at := t.touched[key]; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// mint signs a token as the operator does.
func (b *bench) mint(session string, p v1alpha1.Participant) (v1alpha1.ParticipantToken, error) {
	now := time.Now()
	role := vonage.RolePublisher
	if p.Role == v1alpha1.RoleHost {
		role = vonage.RoleModerator
	}
	token, err := b.vendor.Credentials().MintToken(vonage.TokenOptions{
		SessionID: session, Role: role, Data: `{"name":"` + string(p.Name) + `"}`, IssuedAt: now,
		ExpiresAt: now.Add(4 * time.Hour),
	})
	if p.Role == "" {
		p.Role = v1alpha1.RoleParticipant
	}
	return v1alpha1.ParticipantToken{Participant: p.Name, TokenStatus: v1alpha1.TokenStatus{
		Role: p.Role, Token: token, InputsHash: "0123456789abcdef",
		IssuedAt:  metav1.NewTime(now.Truncate(time.Second)),
		ExpiresAt: metav1.NewTime(now.Add(4 * time.Hour).Truncate(time.Second)),
	}}, err
}
