// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// observer watches the API server for all cases, so that nothing an object ever said is missed.
type observer struct {
	watches []watch.Interface
	done    sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	versions map[string]uint64 // the latest by resource
	records  map[string]*record
	broken   error
}

// record is what was seen of the objects of one namespace.
type record struct {
	// sessions are all that a MeetingRoom has ever published, by UID; rooms the name of the room by session, names that of any object by UID.
	sessions map[types.UID]map[string]bool
	rooms    map[string]string
	names    map[types.UID]string
	// tokens are all that were ever published.
	tokens map[string]bool
	// indiscretions are condition messages with something like a token or a key in them.
	indiscretions []string
}

// resources are the kinds that the operator writes, by their plural name.
var resources = map[string]client.ObjectList{
	"meetingrooms": &v1alpha1.MeetingRoomList{},
	"breakoutsets": &v1alpha1.BreakoutSetList{},
	"roomsignals":  &v1alpha1.RoomSignalList{},
}

func observe(ctx context.Context) (*observer, error) {
	o := &observer{versions: map[string]uint64{}, records: map[string]*record{}}
	o.changed = sync.NewCond(&o.mu)
	for resource, list := range resources {
		if err := admin.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing %s: %w", resource, err)
		}
		// The API server ends watches whose events are not taken fast enough.
		w, err := toolswatch.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), watched{list})
		if err != nil {
			return nil, fmt.Errorf("watching %s: %w", resource, err)
		}
		o.watches = append(o.watches, w)
		o.done.Go(func() {
			for e := range w.ResultChan() {
				o.see(resource, e)
			}
		})
	}
	return o, nil
}

// watched is a kind whose objects are watched.
type watched struct{ list client.ObjectList }

// WatchWithContext opens a watch.
func (w watched) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return admin.Watch(ctx, w.list, &client.ListOptions{Raw: &options})
}

func (o *observer) stop() {
	for _, w := range o.watches {
		w.Stop()
	}
	o.done.Wait()
}

func (o *observer) see(resource string, e watch.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	obj, ok := e.Object.(client.Object)
	if !ok {
		o.broken = fmt.Errorf("the watch of %s ended: %v", resource, e.Object)
		return
	}
	o.versions[resource] = max(o.versions[resource], versionOf(obj.GetResourceVersion()))
	r := o.of(obj.GetNamespace())
	r.names[obj.GetUID()] = obj.GetName()
	if room, ok := obj.(*v1alpha1.MeetingRoom); ok {
		r.seeRoom(room)
	}
	if c, ok := obj.(conditioned); ok {
		for _, condition := range c.GetConditions() {
			if indiscreet.MatchString(condition.Message) {
				r.indiscretions = append(r.indiscretions, fmt.Sprintf("condition %s of %s: %s", condition.Type, obj.GetName(), condition.Message))
			}
		}
	}
}

// of is the record of a namespace. The lock must be held.
func (o *observer) of(namespace string) *record {
	r := o.records[namespace]
	if r == nil {
		r = &record{sessions: map[types.UID]map[string]bool{}, rooms: map[string]string{}, names: map[types.UID]string{}, tokens: map[string]bool{}}
		o.records[namespace] = r
	}
	return r
}

func (r *record) seeRoom(room *v1alpha1.MeetingRoom) {
	if id := room.Status.SessionID; id != "" {
		if r.sessions[room.UID] == nil {
			r.sessions[room.UID] = map[string]bool{}
		}
		r.sessions[room.UID][id] = true
		r.rooms[id] = room.Name
	}
	for _, t := range room.Status.Tokens {
		if t.Token != "" {
			r.tokens[t.Token] = true
		}
	}
	for _, t := range room.Status.SharedTokens {
		if t.Token != "" {
			r.tokens[t.Token] = true
		}
	}
}

// until waits until the observer has seen these versions, and returns the record of a namespace, which changes no more as long as nobody
// writes there.
func (o *observer) until(versions map[string]uint64, namespace string) (*record, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for resource, want := range versions {
		for o.broken == nil && o.versions[resource] < want {
			o.changed.Wait()
		}
	}
	return o.of(namespace), o.broken
}

// indiscreet is what a token, a JWT or a key looks like.
var indiscreet = regexp.MustCompile(`eyJ[\w-]{8,}|T1==|PRIVATE KEY|` + regexp.QuoteMeta("-----BEGIN"))

// versionOf is a resourceVersion as a number; 0 for none.
func versionOf(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(resourceVersion), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
