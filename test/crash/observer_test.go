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
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// observer watches the API server for all cases, so that nothing an object ever said is missed.
type observer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	versions map[string]uint64 // the latest by resource
	records  map[string]*record
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
	ctx, o.cancel = context.WithCancel(ctx)
	for resource, list := range resources {
		w, err := o.open(ctx, resource, list)
		if err != nil {
			return nil, err
		}
		o.done.Go(func() { o.follow(ctx, resource, list, w) })
	}
	return o, nil
}

// open lists objects, and opens a watch of what comes after. The API server ends watches whose events are not taken fast enough; then it goes on
// where it was.
func (o *observer) open(ctx context.Context, resource string, list client.ObjectList) (watch.Interface, error) {
	list = list.DeepCopyObject().(client.ObjectList)
	if err := admin.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing %s: %w", resource, err)
	}
	err := meta.EachListItem(list, func(obj runtime.Object) error {
		o.see(resource, watch.Event{Type: watch.Added, Object: obj})
		return nil
	})
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.versions[resource] = max(o.versions[resource], versionOf(list.GetResourceVersion()))
	o.changed.Broadcast()
	o.mu.Unlock()
	return toolswatch.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), watched{list})
}

// follow takes the events of a watch, and of the next one when the API server, which has restarted, does not know what was before.
func (o *observer) follow(ctx context.Context, resource string, list client.ObjectList, w watch.Interface) {
	for {
		for e := range w.ResultChan() {
			if e.Type != watch.Error {
				o.see(resource, e)
			}
		}
		for {
			next, err := o.open(ctx, resource, list)
			if err == nil {
				w = next
				break
			}
			if ctx.Err() != nil {
				return
			}
			time.Sleep(lookPause)
		}
	}
}

// watched is a kind whose objects are watched.
type watched struct{ list client.ObjectList }

// WatchWithContext opens a watch.
func (w watched) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return admin.Watch(ctx, w.list, &client.ListOptions{Raw: &options})
}

func (o *observer) stop() {
	o.cancel()
	o.done.Wait()
}

func (o *observer) see(resource string, e watch.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	obj, ok := e.Object.(client.Object)
	if !ok {
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

// forget drops the record of a namespace in which nothing happens any more.
func (o *observer) forget(namespace string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.records, namespace)
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
func (o *observer) until(versions map[string]uint64, namespace string) *record {
	o.mu.Lock()
	defer o.mu.Unlock()
	for resource, want := range versions {
		for o.versions[resource] < want {
			o.changed.Wait()
		}
	}
	return o.of(namespace)
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
