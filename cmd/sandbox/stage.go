// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// mainRoom is what people call the meeting room itself.
const mainRoom = "main"

// stage is where the demo plays: it sees what happens at the API server and at the vendor, lets the browsers react, and prints it. One
// goroutine uses it; nothing happens but within until.
type stage struct {
	*environment
	timeline *timeline
	class    *classroom
	root     string

	vendorEvents <-chan simulator.Event
	roomEvents   watch.Interface
	setEvents    watch.Interface

	// rooms and sets are the objects as last seen; shown is what was last printed of each.
	rooms map[string]*v1alpha1.MeetingRoom
	sets  map[string]*v1alpha1.BreakoutSet
	shown map[string]string

	// sessions is what people call the room of each session, gone rooms too.
	sessions map[string]string

	// lastNews is when something last happened that belongs to the story.
	lastNews time.Time

	// before is how things were when the scene began.
	before mark
}

// mark is a moment, to count from.
type mark struct {
	calls   int
	heard   map[string]int
	changes map[string]int
	rooms   map[string]bool
}

// newStage begins to watch. The result ends it.
func newStage(ctx context.Context, e *environment, root string, t *timeline) (_ *stage, end func(), err error) {
	s := &stage{
		environment: e, timeline: t, root: root,
		rooms: map[string]*v1alpha1.MeetingRoom{}, sets: map[string]*v1alpha1.BreakoutSet{},
		shown: map[string]string{}, sessions: map[string]string{},
	}
	s.class = &classroom{
		vendor: e.vonage.Simulator,
		token:  func(room, participant string) (string, string, error) { return s.token(ctx, room, participant) },
		roomOf: s.roomOf,
		say:    func(who, what string) { s.news(time.Now(), who, "%s", what) },
	}
	if s.roomEvents, err = e.client.Watch(ctx, &v1alpha1.MeetingRoomList{}, client.InNamespace(roomsNamespace)); err != nil {
		return nil, nil, fmt.Errorf("watch the meeting rooms: %w", err)
	}
	if s.setEvents, err = e.client.Watch(ctx, &v1alpha1.BreakoutSetList{}, client.InNamespace(roomsNamespace)); err != nil {
		s.roomEvents.Stop()
		return nil, nil, fmt.Errorf("watch the breakout sets: %w", err)
	}
	events, cancel := e.vonage.Subscribe()
	s.vendorEvents = events
	s.remember()
	return s, func() { cancel(); s.roomEvents.Stop(); s.setEvents.Stop() }, nil
}

// token is a participant's token as the room's status has it now.
func (s *stage) token(ctx context.Context, room, participant string) (session, token string, err error) {
	r := &v1alpha1.MeetingRoom{}
	if err := s.client.Get(ctx, client.ObjectKey{Namespace: roomsNamespace, Name: room}, r); err != nil {
		return "", "", fmt.Errorf("get a token: %w", err)
	}
	s.learn(r)
	for _, t := range r.Status.Tokens {
		if string(t.Participant) == participant && t.Token != "" {
			return r.Status.SessionID, t.Token, nil
		}
	}
	return "", "", fmt.Errorf("the status of MeetingRoom %s has no token for %s", room, participant)
}

// learn remembers which session is which room's.
func (s *stage) learn(r *v1alpha1.MeetingRoom) {
	if r.Status.SessionID == "" {
		return
	}
	name := mainRoom
	if child, is := r.Labels[v1alpha1.BreakoutRoomLabel]; is {
		name = child
	}
	s.sessions[r.Status.SessionID] = name
}

func (s *stage) roomOf(session string) string { return cmp.Or(s.sessions[session], "a room unknown") }

// news prints something that belongs to the story.
func (s *stage) news(when time.Time, actor, format string, args ...any) {
	s.lastNews = time.Now()
	s.timeline.at(when, actor, format, args...)
}

// until lets things happen until done, for at most a time.
func (s *stage) until(ctx context.Context, limit time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("after %s it was not so that %s", limit, what))
	defer cancel()
	for !done() {
		if err := s.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step lets one thing happen.
func (s *stage) step(ctx context.Context) error {
	timer := time.NewTimer(s.untilNext(time.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.operator.done:
		return fmt.Errorf("the operator ended (%s)", s.operator.state)
	case <-timer.C:
		s.class.advance(time.Now())
	case e := <-s.vendorEvents:
		s.atVendor(e)
	case e, open := <-s.roomEvents.ResultChan():
		room, is := e.Object.(*v1alpha1.MeetingRoom)
		if !open || !is {
			return errors.New("the watch of the meeting rooms ended")
		}
		s.atRoom(e.Type, room)
	case e, open := <-s.setEvents.ResultChan():
		set, is := e.Object.(*v1alpha1.BreakoutSet)
		if !open || !is {
			return errors.New("the watch of the breakout sets ended")
		}
		s.atSet(e.Type, set)
	}
	return nil
}

// untilNext is how long until a browser acts, or until conditions that depend on the time are looked at again.
func (s *stage) untilNext(now time.Time) time.Duration {
	wait := pollPeriod
	if at, any := s.class.next(); any {
		wait = min(wait, max(0, at.Sub(now)))
	}
	return wait
}

func (s *stage) atVendor(e simulator.Event) {
	switch e.Kind {
	case simulator.EventSignal:
		told := s.class.receive(e.SessionID, *e.Signal, time.Now())
		s.news(e.Time, "signal to "+s.roomOf(e.SessionID), "heard by %s: %s", names(told, len(s.class.people)), describe(e.Signal.Type, e.Signal.Data))
	case simulator.EventConnectionDestroyed:
		if e.Reason == simulator.ReasonClientDisconnected {
			return
		}
		if who := s.class.expel(e.Connection.ID); who != "" {
			s.news(e.Time, who, "was disconnected from %s", s.roomOf(e.SessionID))
		}
	case simulator.EventCall:
		switch {
		case e.Call.Status == http.StatusNotFound && e.Call.Op == simulator.OpSignal:
			s.news(e.Time, "signal to "+s.roomOf(e.SessionID), "nobody is there: %s", describe(e.Call.SignalType, e.Call.SignalData))
		case e.Call.Status == http.StatusNotFound: // nobody there to be listed or disconnected
		case e.Call.Status >= http.StatusBadRequest:
			s.news(e.Time, "vonage", "refuses %s: %d %s", e.Call.Op, e.Call.Status, e.Call.Reason)
		}
	}
}

func (s *stage) atRoom(kind watch.EventType, r *v1alpha1.MeetingRoom) {
	s.learn(r)
	if kind == watch.Deleted {
		delete(s.rooms, r.Name)
		s.show("room "+r.Name, "is gone")
		return
	}
	s.rooms[r.Name] = r
	switch ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ReadyCondition); {
	case r.DeletionTimestamp != nil:
	case ready == nil || ready.ObservedGeneration != r.Generation:
	case ready.Status == metav1.ConditionTrue:
		s.show("room "+r.Name, fmt.Sprintf("is Ready, with a session and tokens for %d people", len(r.Status.Tokens)))
	case ready.Reason != v1alpha1.ReconcilingReason:
		s.show("room "+r.Name, fmt.Sprintf("is not Ready: %s", ready.Message))
	}
}

func (s *stage) atSet(kind watch.EventType, b *v1alpha1.BreakoutSet) {
	if kind == watch.Deleted {
		delete(s.sets, b.Name)
		s.show("set "+b.Name, "is gone")
		return
	}
	s.sets[b.Name] = b
	if b.Status.State == "" {
		return
	}
	text := "is " + string(b.Status.State)
	if ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ReadyCondition); ready != nil && ready.Status == metav1.ConditionTrue {
		text += " and Ready"
	} else if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.StalledCondition) {
		text += ", stalled: " + ready.Message
	}
	s.show("set "+b.Name, text)
}

// show prints what is new about an object.
func (s *stage) show(actor, text string) {
	if s.shown[actor] != text {
		s.shown[actor] = text
		s.news(time.Now(), actor, "%s", text)
	}
}

// remember begins to count anew.
func (s *stage) remember() {
	s.before = mark{calls: s.vonage.LastSeq(), heard: map[string]int{}, changes: map[string]int{}, rooms: map[string]bool{}}
	for name := range s.rooms {
		s.before.rooms[name] = true
	}
	for _, p := range s.class.people {
		s.before.heard[p.name], s.before.changes[p.name] = len(p.heard), p.page.Changes()
	}
	s.lastNews = time.Now()
}

// heardBy is what a person received in this scene.
func (s *stage) heardBy(p *person) []heard { return p.heard[s.before.heard[p.name]:] }

// changesOf is how often a person changed rooms in this scene.
func (s *stage) changesOf(p *person) int { return p.page.Changes() - s.before.changes[p.name] }

// calls are the calls of one operation in this scene.
func (s *stage) calls(op simulator.Op) []simulator.Call {
	return slices.DeleteFunc(s.vonage.CallsSince(s.before.calls), func(c simulator.Call) bool { return c.Op != op })
}

// children are the breakout rooms that exist, by object name.
func (s *stage) children() []string {
	var names []string
	for name, r := range s.rooms {
		if r.Labels[v1alpha1.BreakoutSetLabel] != "" {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// joinAll lets everybody who is a participant of a room and has not joined yet open its page.
func (s *stage) joinAll(room *v1alpha1.MeetingRoom) error {
	main := browser.Room{ID: room.Name, Name: cmp.Or(room.Spec.DisplayName, room.Name), SessionID: room.Status.SessionID}
	var joined []string
	for _, p := range room.Spec.Participants {
		if s.class.person(string(p.Name)) != nil {
			continue
		}
		page := browser.ParticipantPage
		if p.Role == v1alpha1.RoleHost {
			page = browser.HostPage
		}
		if err := s.class.join(string(p.Name), page, p.Role == v1alpha1.RoleCoHost, main, time.Now()); err != nil {
			return err
		}
		joined = append(joined, string(p.Name))
	}
	s.news(time.Now(), fmt.Sprintf("%d browsers", len(joined)), "join main with the tokens from its status: %s", strings.Join(joined, ", "))
	return nil
}

// list is the names of rooms in a row.
func list(of []string) string { return cmp.Or(strings.Join(of, " and "), "nowhere") }
