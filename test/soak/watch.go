// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// watcher has seen every version of every MeetingRoom.
type watcher struct {
	client client.WithWatch
	stop   func()

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew with each event
	sessions map[types.UID]map[string]bool
	names    map[types.UID]string
	gone     map[types.UID]bool
	markers  map[string]bool
}

// markerLabel is on rooms that only show how far the watch is.
const markerLabel = "test.breakout-operator.io/marker"

func watchRooms(ctx context.Context, r *rig.Rig) (*watcher, error) {
	w := &watcher{
		client: r.Client, changed: make(chan struct{}), sessions: map[types.UID]map[string]bool{},
		names: map[types.UID]string{}, gone: map[types.UID]bool{}, markers: map[string]bool{},
	}
	ctx, w.stop = context.WithCancel(ctx)
	opened, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	go w.follow(ctx, opened)
	return w, nil
}

// open lists the rooms, and opens a watch of what comes after.
func (w *watcher) open(ctx context.Context) (watch.Interface, error) {
	var list v1alpha1.MeetingRoomList
	opened, err := fixture.Watch(ctx, w.client, &list)
	if err != nil {
		return nil, err
	}
	there := map[types.UID]bool{}
	for i := range list.Items {
		there[list.Items[i].UID] = true
		w.see(watch.Event{Type: watch.Added, Object: &list.Items[i]})
	}
	w.mu.Lock()
	for uid := range w.names {
		w.gone[uid] = w.gone[uid] || !there[uid]
	}
	w.mu.Unlock()
	return opened, nil
}

// follow takes the events of a watch, and of the next one when the API server, which has restarted, knows nothing of
// what was before.
func (w *watcher) follow(ctx context.Context, opened watch.Interface) {
	for ctx.Err() == nil {
		for e := range opened.ResultChan() {
			if e.Type != watch.Error {
				w.see(e)
			}
		}
		for next := opened; next == opened && ctx.Err() == nil; {
			if again, err := w.open(ctx); err == nil {
				opened = again
			} else {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
}

func (w *watcher) see(e watch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		close(w.changed)
		w.changed = make(chan struct{})
	}()
	room, ok := e.Object.(*v1alpha1.MeetingRoom)
	if !ok {
		return
	}
	if room.Labels[markerLabel] != "" {
		w.markers[room.Name] = true
		return
	}
	w.names[room.UID] = room.Name
	if w.sessions[room.UID] == nil {
		w.sessions[room.UID] = map[string]bool{}
	}
	if id := room.Status.SessionID; id != "" {
		w.sessions[room.UID][id] = true
	}
	if e.Type == watch.Deleted {
		w.gone[room.UID] = true
	}
}

// catchUp waits until everything was seen that was written before.
func (w *watcher) catchUp(ctx context.Context) error {
	marker := fixture.MeetingRoom(fmt.Sprintf("marker-%d", time.Now().UnixNano()))
	marker.Labels = map[string]string{markerLabel: "true"}
	marker.Spec.AccountRef = &v1alpha1.LocalObjectReference{Name: "none"} // nobody is to make a session for it
	if err := w.client.Create(ctx, marker); err != nil {
		return err
	}
	defer func() { _ = w.client.Delete(context.WithoutCancel(ctx), marker) }()
	for {
		w.mu.Lock()
		seen, changed := w.markers[marker.Name], w.changed
		w.mu.Unlock()
		if seen {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// published are the sessions that some room has had.
func (w *watcher) published(ctx context.Context) (map[string]bool, error) {
	if err := w.catchUp(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]bool{}
	for _, sessions := range w.sessions {
		for id := range sessions {
			all[id] = true
		}
	}
	return all, nil
}

// complaints tells of rooms that had several sessions, and of sessions that had several rooms.
func (w *watcher) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var complaints []string
	owner := map[string]string{}
	for uid, sessions := range w.sessions {
		if len(sessions) > 1 {
			complaints = append(complaints, fmt.Sprintf("room %s has had %d sessions", w.names[uid], len(sessions)))
		}
		for id := range sessions {
			if owner[id] != "" {
				complaints = append(complaints,
					fmt.Sprintf("rooms %s and %s have had the same session", owner[id], w.names[uid]))
			}
			owner[id] = w.names[uid]
		}
	}
	return complaints
}

// goneWithoutSession is how many rooms were deleted before they had a session.
func (w *watcher) goneWithoutSession() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for uid := range w.gone {
		if len(w.sessions[uid]) == 0 {
			n++
		}
	}
	return n
}

func (w *watcher) rooms() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.names)
}
