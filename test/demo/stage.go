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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// pollPeriod is how often something is looked at that cannot be watched.
const pollPeriod = 100 * time.Millisecond

// mainRoom is what people call the class's meeting room itself.
const mainRoom = "main"

// stage is where the demo plays: it sees what happens at the API server and at the vendor, lets the browsers react, and
// prints it. One goroutine uses it; nothing happens but within until.
type stage struct {
	*environment.Environment
	timeline *timeline
	bulletin *bulletin
	class    *classroom
	root     string

	vendorEvents <-chan simulator.Event
	watches      []watch.Interface // of rooms, sets and signals, in this order

	// rooms, sets and roomSignals are the objects as last seen; shown is what was last printed of each.
	rooms       map[string]*v1alpha1.MeetingRoom
	sets        map[string]*v1alpha1.BreakoutSet
	roomSignals map[string]*v1alpha1.RoomSignal
	shown       map[string]string

	// history is when what appeared in objects.
	history history

	// sessions is which room each session is of, gone rooms too.
	sessions map[string]place

	// meeting and set name what the present scene is about.
	meeting, set string

	// marks are where the last scene of each meeting ended, and lastNews when something last happened there that
	// belongs to the story.
	marks    map[string]*mark
	lastNews map[string]time.Time
}

// place is a room of a meeting, by what people call it.
type place struct{ meeting, room string }

// mark is a moment, to count from.
type mark struct {
	calls    int
	received map[string]int
	changes  map[string]int
	places   map[string][]string
	rooms    map[string]bool
	signals  map[string]bool
	moving   []string // who was on the way
}

// newStage begins to watch. The result ends it.
func newStage(
	ctx context.Context, e *environment.Environment, root string, t *timeline,
) (_ *stage, end func(), err error) {
	s := &stage{
		Environment: e, timeline: t, bulletin: &bulletin{timeline: t}, root: root,
		rooms: map[string]*v1alpha1.MeetingRoom{}, sets: map[string]*v1alpha1.BreakoutSet{},
		roomSignals: map[string]*v1alpha1.RoomSignal{},
		shown:       map[string]string{}, sessions: map[string]place{}, history: newHistory(),
		marks: map[string]*mark{}, lastNews: map[string]time.Time{},
	}
	s.class = &classroom{
		vendor: e.Vendor.Simulator,
		token:  func(room, participant string) (string, string, error) { return s.token(ctx, room, participant) },
		roomOf: s.roomOf,
		moved: func(p *person, from, to []string) {
			s.lastNews[p.meeting] = time.Now()
			s.bulletin.moved(time.Now(), p.name, list(from), list(to))
		},
	}
	events, cancel := e.Vendor.Subscribe()
	s.vendorEvents = events
	end = func() {
		cancel()
		for _, w := range s.watches {
			w.Stop()
		}
	}
	for _, kind := range []client.ObjectList{
		&v1alpha1.MeetingRoomList{}, &v1alpha1.BreakoutSetList{}, &v1alpha1.RoomSignalList{},
	} {
		w, err := fixture.Watch(ctx, e.Client, kind)
		if err != nil {
			end()
			return nil, nil, fmt.Errorf("watch rooms, sets and signals: %w", err)
		}
		s.watches = append(s.watches, w)
	}
	return s, end, nil
}

// enter begins a scene of a meeting, which counts from where the meeting's last one ended.
func (s *stage) enter(meeting, set string) {
	s.meeting, s.set = meeting, set
	if s.marks[meeting] == nil {
		s.remember()
	}
	s.lastNews[meeting] = time.Now()
}

// remember begins to count anew for the meeting of the scene.
func (s *stage) remember() {
	m := &mark{
		calls: s.Vendor.LastSeq(), received: map[string]int{}, changes: map[string]int{}, places: map[string][]string{},
		rooms: map[string]bool{}, signals: map[string]bool{},
	}
	for name := range s.rooms {
		m.rooms[name] = true
	}
	for name := range s.roomSignals {
		m.signals[name] = true
	}
	for _, name := range s.breakoutSet().Status.Signals.Moving {
		m.moving = append(m.moving, string(name))
	}
	for _, p := range s.people() {
		m.received[p.name], m.changes[p.name], m.places[p.name] = len(p.received), p.changes(), s.class.places(p)
	}
	s.marks[s.meeting] = m
}

func (s *stage) mark() *mark { return s.marks[s.meeting] }

// room is the meeting room of the scene as last seen, and breakoutSet its set; empty ones when there are none.
func (s *stage) room() *v1alpha1.MeetingRoom {
	return cmp.Or(s.rooms[s.meeting], &v1alpha1.MeetingRoom{})
}

func (s *stage) breakoutSet() *v1alpha1.BreakoutSet {
	return cmp.Or(s.sets[s.set], &v1alpha1.BreakoutSet{})
}

// child is the meeting room of one of the set's breakout rooms; an empty one when there is none.
func (s *stage) child(room string) *v1alpha1.MeetingRoom {
	return cmp.Or(s.rooms[s.set+"-"+room], &v1alpha1.MeetingRoom{})
}

// people are those who are in the meeting of the scene.
func (s *stage) people() []*person {
	return slices.DeleteFunc(slices.Clone(s.class.people), func(p *person) bool { return p.meeting != s.meeting })
}

// busy is whether somebody's page is about to do something.
func (s *stage) busy() bool {
	return slices.ContainsFunc(s.people(), func(p *person) bool { return p.page.Busy() })
}

// token is a participant's token in the room's status.
func (s *stage) token(ctx context.Context, room, participant string) (session, token string, err error) {
	if known := s.rooms[room]; known != nil {
		if t := fixture.Token(known, participant); t != "" {
			return known.Status.SessionID, t, nil
		}
	}
	r := &v1alpha1.MeetingRoom{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: fixture.Namespace, Name: room}, r); err != nil {
		return "", "", fmt.Errorf("get a token: %w", err)
	}
	s.learn(r)
	if t := fixture.Token(r, participant); t != "" {
		return r.Status.SessionID, t, nil
	}
	return "", "", fmt.Errorf("the status of MeetingRoom %s has no token for %s", room, participant)
}

// learn remembers which session is which room's.
func (s *stage) learn(r *v1alpha1.MeetingRoom) {
	if r.Status.SessionID == "" {
		return
	}
	at := place{meeting: r.Name, room: mainName(r.Name)}
	if child, is := r.Labels[v1alpha1.BreakoutRoomLabel]; is {
		at = place{meeting: meetingOf(r), room: child}
	}
	s.sessions[r.Status.SessionID] = at
}

// meetingOf is the name of the meeting room that a room belongs to, which may be itself.
func meetingOf(r *v1alpha1.MeetingRoom) string {
	return cmp.Or(r.Labels[v1alpha1.MeetingRoomLabel], r.Name)
}

// mainName is what people call a meeting room.
func mainName(meeting string) string {
	if meeting == className {
		return mainRoom
	}
	return meeting
}

func (s *stage) roomOf(session string) string {
	return cmp.Or(s.sessions[session].room, "a room unknown")
}

// kubectl prints what somebody does.
func (s *stage) kubectl(format string, args ...any) {
	s.bulletin.flush()
	s.lastNews[s.meeting] = time.Now()
	s.timeline.at(time.Now(), "kubectl", format, args...)
}

// until lets things happen until done, for at most a time.
func (s *stage) until(ctx context.Context, limit time.Duration, what string, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("after %s it was not so that %s", limit, what))
	defer cancel()
	for !done() {
		if err := s.step(ctx); err != nil {
			return err
		}
		s.bulletin.flushOld(time.Now())
	}
	return nil
}

// step lets one thing happen.
func (s *stage) step(ctx context.Context) error {
	timer := time.NewTimer(s.untilNext(time.Now()))
	defer timer.Stop()
	var e watch.Event
	open := true
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.Operator.Done():
		return fmt.Errorf("the operator ended (%s)", s.Operator.State())
	case <-timer.C:
		s.class.advance(time.Now())
		return nil
	case e := <-s.vendorEvents:
		s.atVendor(e)
		return nil
	case e, open = <-s.watches[0].ResultChan():
	case e, open = <-s.watches[1].ResultChan():
	case e, open = <-s.watches[2].ResultChan():
	}
	return s.atObject(e.Type, e.Object, open)
}

func (s *stage) atObject(kind watch.EventType, object runtime.Object, open bool) error {
	switch o := object.(type) {
	case *v1alpha1.MeetingRoom:
		s.history.atRoom(kind, o)
		s.atRoom(kind, o)
	case *v1alpha1.BreakoutSet:
		s.history.atSet(o)
		s.atSet(kind, o)
	case *v1alpha1.RoomSignal:
		s.atRoomSignal(o)
	default:
		return fmt.Errorf("the watch of rooms, sets and signals ended (open: %t, %T)", open, object)
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
	at := s.sessions[e.SessionID]
	switch e.Kind {
	case simulator.EventSignal:
		recipients := s.class.receive(e.SessionID, *e.Signal, e.Time)
		s.atSignal(e, recipients, describe(e.Signal.Type, e.Signal.Data))
	case simulator.EventConnectionDestroyed:
		if e.Reason == simulator.ReasonClientDisconnected {
			return
		}
		if p := s.class.expel(e.Connection.ID); p != nil {
			s.lastNews[p.meeting] = time.Now()
			s.bulletin.expelled(e.Time, p.name, s.roomOf(e.SessionID))
		}
	case simulator.EventCall:
		switch {
		case e.Call.Status == http.StatusNotFound && e.Call.Op == simulator.OpSignal:
			s.atSignal(e, nil, describe(e.Call.SignalType, e.Call.SignalData))
		case e.Call.Status == http.StatusNotFound: // nobody there to be listed or disconnected
		case e.Call.Status >= http.StatusBadRequest:
			s.lastNews[at.meeting] = time.Now()
			s.bulletin.say(e.Time, "vonage", fmt.Sprintf("refuses %s: %d %s", e.Call.Op, e.Call.Status, e.Call.Reason))
		}
	default: // what browsers do is printed when they do it
	}
}

func (s *stage) atSignal(e simulator.Event, recipients []string, what string) {
	meeting := s.sessions[e.SessionID].meeting
	s.lastNews[meeting] = time.Now()
	all := 0
	for _, p := range s.class.people {
		if p.meeting == meeting {
			all++
		}
	}
	s.bulletin.signal(e.Time, s.roomOf(e.SessionID), recipients, all, what)
}

func (s *stage) atRoom(kind watch.EventType, r *v1alpha1.MeetingRoom) {
	s.learn(r)
	if kind == watch.Deleted {
		delete(s.rooms, r.Name)
		s.showRoom(r, "is gone", "")
		return
	}
	s.rooms[r.Name] = r
	switch ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ReadyCondition); {
	case r.DeletionTimestamp != nil:
	case ready == nil || ready.ObservedGeneration != r.Generation:
	case ready.Status == metav1.ConditionTrue:
		s.showRoom(r, "is Ready, with a session and tokens", fmt.Sprintf(" for %d people", len(r.Status.Tokens)))
	case ready.Reason != v1alpha1.ReconcilingReason:
		s.showRoom(r, "is not Ready: "+ready.Message, "")
	}
}

// showRoom prints what is new about a room.
func (s *stage) showRoom(r *v1alpha1.MeetingRoom, text, detail string) {
	if s.isNew("room "+r.Name, meetingOf(r), text+detail) {
		s.bulletin.room(time.Now(), r.Name, text, detail)
	}
}

func (s *stage) atSet(kind watch.EventType, b *v1alpha1.BreakoutSet) {
	if kind == watch.Deleted {
		delete(s.sets, b.Name)
		s.show("set "+b.Name, b.Spec.MeetingRoomRef.Name, "is gone")
		return
	}
	s.sets[b.Name] = b
	ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ReadyCondition)
	if b.Status.State == "" || ready == nil {
		return
	}
	text := "is " + string(b.Status.State)
	switch {
	case meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.StalledCondition):
		text += ", stalled: " + ready.Message
	case ready.Status == metav1.ConditionTrue && ready.Reason != string(b.Status.State) &&
		ready.Reason != v1alpha1.OpenedReason:
		text += fmt.Sprintf(" (%s) and Ready", ready.Reason)
	case ready.Status == metav1.ConditionTrue:
		text += " and Ready"
	case ready.Reason != string(b.Status.State):
		text += fmt.Sprintf(" (%s)", ready.Reason)
	}
	s.show("set "+b.Name, b.Spec.MeetingRoomRef.Name, text)
}

func (s *stage) atRoomSignal(r *v1alpha1.RoomSignal) {
	s.roomSignals[r.Name] = r
	delivered := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.DeliveredCondition)
	if r.Status.CompletionTime == nil || delivered == nil {
		return
	}
	s.show("roomsignal", s.meeting, fmt.Sprintf("%s is %s: %s", r.Name, delivered.Reason, deliveries(r)))
}

// deliveries is what became of a signal, room by room.
func deliveries(r *v1alpha1.RoomSignal) string {
	var all []string
	for _, d := range r.Status.Deliveries {
		all = append(all, fmt.Sprintf("%s %s", d.Room, d.Result))
	}
	return strings.Join(all, ", ")
}

// show prints what is new about an object.
func (s *stage) show(actor, meeting, text string) {
	if s.isNew(actor, meeting, text) {
		s.bulletin.say(time.Now(), actor, text)
	}
}

func (s *stage) isNew(actor, meeting, text string) bool {
	if s.shown[actor] == text {
		return false
	}
	s.shown[actor] = text
	s.lastNews[meeting] = time.Now()
	return true
}

// receivedBy is what a person received in this scene.
func (s *stage) receivedBy(p *person) []received { return p.received[s.mark().received[p.name]:] }

// changesOf is how often a person changed rooms in this scene.
func (s *stage) changesOf(p *person) int { return p.changes() - s.mark().changes[p.name] }

// calls are the calls of one operation in this scene, for sessions of its meeting or unknown ones.
func (s *stage) calls(op simulator.Op) []simulator.Call {
	return slices.DeleteFunc(s.allCalls(), func(c simulator.Call) bool { return c.Op != op })
}

// allCalls are the calls in this scene, for sessions of its meeting or unknown ones; not those that check the account.
func (s *stage) allCalls() []simulator.Call {
	return slices.DeleteFunc(s.Vendor.CallsSince(s.mark().calls), func(c simulator.Call) bool {
		at, known := s.sessions[cmp.Or(c.SessionID, c.CreatedSessionID)]
		return c.Op == simulator.OpListArchives || (known && at.meeting != s.meeting)
	})
}

// children are the meeting's breakout rooms that exist, by object name.
func (s *stage) children() []string {
	var names []string
	for name, r := range s.rooms {
		if r.Labels[v1alpha1.MeetingRoomLabel] == s.meeting {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// joinAll lets everybody who is a participant of the meeting room and has not joined yet open its page, but for some.
func (s *stage) joinAll(late ...string) error {
	room := s.room()
	var joined []string
	for _, p := range room.Spec.Participants {
		if s.person(string(p.Name)) != nil || slices.Contains(late, string(p.Name)) {
			continue
		}
		j := joining{name: string(p.Name), coHost: p.Role == v1alpha1.RoleCoHost, main: pageOf(room)}
		if p.Role == v1alpha1.RoleHost {
			j.page, j.paged = browser.HostPage, true
		}
		if err := s.class.join(j, time.Now()); err != nil {
			return err
		}
		joined = append(joined, j.name)
	}
	s.lastNews[s.meeting] = time.Now()
	s.bulletin.say(time.Now(), fmt.Sprintf("%d browsers", len(joined)),
		fmt.Sprintf("join %s with the tokens from its status: %s", mainName(room.Name), some(joined, fewNames)))
	return nil
}

// pageOf is what the page of a meeting room knows of it when it is loaded.
func pageOf(room *v1alpha1.MeetingRoom) browser.Room {
	return browser.Room{ID: room.Name, Name: cmp.Or(room.Spec.DisplayName, room.Name), SessionID: room.Status.SessionID}
}

// person is the one of that name in the meeting of the scene; nil when they have not joined.
func (s *stage) person(name string) *person {
	if i := slices.IndexFunc(
		s.class.people, func(p *person) bool { return p.name == name && p.meeting == s.meeting },
	); i >= 0 {
		return s.class.people[i]
	}
	return nil
}

// list is the names of rooms in a row.
func list(of []string) string { return cmp.Or(strings.Join(of, " and "), "nowhere") }

var errNobody = errors.New("there is nobody whom the scene could be about")
