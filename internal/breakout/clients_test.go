// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

type (
	person = v1alpha1.ParticipantName
	room   = v1alpha1.BreakoutRoomName
)

// reaction is how long after the last signal the sample app's clients are where they were told to be.
const reaction = 7 * time.Second

// world is a meeting on a simulated clock: a main room and a breakout set, edited at random times; a controller that does with them what the
// operator's does, on the pure functions of this package; sessions that deliver signals a little later; and a browser for everybody.
type world struct {
	t   *rapid.T
	rng *rand.Rand // for delays, of which there are too many to draw each

	now    time.Time
	events []event
	seq    int
	log    []string

	main     *v1alpha1.MeetingRoom
	set      *v1alpha1.BreakoutSet
	children map[room]*child
	seats    map[person]*seat
	left     []*seat // whoever left the meeting
	sessions int

	opening    time.Time // since when an opening waits for its rooms
	doomed     map[room]time.Time
	delivery   *delivery
	lastPlan   time.Time
	handledAsk int // resends handled of those asked for
	asked      int
	slow       bool // rooms are sometimes slow to become ready
	wakes      map[time.Time]bool
	steps      int
	hasty      bool // a newer plan cuts a delivery short, wherever it is
	rough      bool // signals fail at times, and the operator dies
	downUntil  time.Time
	foreign    bool // the plan is one of an operator that died since
	lost       bool // somebody deleted a room by hand, maybe one that people were on the way to
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

// child is a breakout room's MeetingRoom.
type child struct {
	sessionID string
	wanted    []person
	tokens    map[person]bool
	observed  bool
	version   int
}

// seat is somebody in the meeting, at their browser.
type seat struct {
	name      person
	client    *browser.Client
	assigned  int  // how often it was planned that they belong elsewhere
	chose     bool // took a room by themselves
	maybe     int  // how often a delivery was cut short in which they may have been told to go elsewhere
	everChose bool
	choseAt   time.Time
	raced     bool // were told something just then, which their browser may have missed
	reloaded  bool // loaded the page anew, and are in the main room until they are told to move, wherever they belong
}

// delivery is a phase of steps on its way to the sessions.
type delivery struct {
	began    time.Time
	steps    []breakout.Step
	rooms    []room
	flying   map[room]func() // what is on its way to a session
	told     map[room]int    // how many of the steps each session has had
	failed   map[room]bool   // whose next step failed, and is tried again
	waiting  bool            // for the next try
	unsure   bool            // whether somebody was told to go somewhere
	canceled bool
}

// missing are the rooms whose session has not had everything.
func (d *delivery) missing() []room {
	return slices.DeleteFunc(slices.Clone(d.rooms), func(name room) bool { return d.told[name] == len(d.steps) })
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "delays"), 1)),
		now:      time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC),
		main:     &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Name: "algebra", Namespace: "school"}},
		set:      &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{Name: "groups", Namespace: "school", UID: "uid"}},
		children: map[room]*child{}, seats: map[person]*seat{}, doomed: map[room]time.Time{}, wakes: map[time.Time]bool{},
	}
	w.main.Spec.DisplayName = "Algebra"
	w.main.Status.SessionID = "session-main"
	w.slow = rapid.Bool().Draw(t, "slow rooms")
	w.hasty = rapid.Bool().Draw(t, "hasty")
	w.rough = rapid.Bool().Draw(t, "rough")
	return w
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, w.now.Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(w.log[max(0, len(w.log)-200):], "\n"))
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	w.events = append(w.events, event{w.now.Add(d), w.seq, do})
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

// run lets the time go on.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, at := -1, end
		for i, e := range w.events {
			if !e.at.After(at) && (next < 0 || cmp.Or(e.at.Compare(w.events[next].at), cmp.Compare(e.seq, w.events[next].seq)) < 0) {
				next = i
			}
		}
		if next >= 0 {
			at = w.events[next].at
		}
		w.advanceClients(at)
		w.now = at
		if next < 0 {
			return
		}
		do := w.events[next].do
		if w.steps++; w.steps > 2000 {
			w.failf("the controller never comes to rest")
		}
		w.events = slices.Delete(w.events, next, next+1)
		do()
	}
}

func (w *world) advanceClients(at time.Time) {
	for _, name := range slices.Sorted(maps.Keys(w.seats)) {
		s := w.seats[name]
		before := s.client.Changes()
		s.client.Advance(at)
		if after := s.client.Changes(); after != before {
			w.logf("    %s is now in %s (change %d)", name, s.client.Session(), after)
		}
		if refused := s.client.Refusals(); len(refused) > 0 && !w.lost && !s.everChose && s.maybe == 0 {
			w.failf("%s was sent where they cannot go: %v", name, refused)
		}
		if errs := s.client.Errors(); len(errs) > 0 {
			w.failf("%s's browser: %v", name, errs)
		}
	}
}

// join has somebody join the meeting's main room.
func (w *world) join(name person, role v1alpha1.ParticipantRole) {
	cfg := browser.Config{
		Name: string(name), CoHost: role == v1alpha1.RoleCoHost,
		Main:        browser.Room{ID: w.main.Name, Name: w.main.Spec.DisplayName, SessionID: w.main.Status.SessionID},
		FreshList:   w.rng.IntN(2) == 0,
		ConnectTime: time.Duration(w.rng.IntN(3)) * 150 * time.Millisecond,
		Credential: func(r browser.Room) (string, bool) {
			for _, c := range w.children {
				if c.sessionID == r.SessionID {
					return c.sessionID, c.tokens[name]
				}
			}
			return "", false
		},
	}
	if role == v1alpha1.RoleHost {
		cfg.Page = browser.HostPage
	}
	w.seats[name] = &seat{name: name, client: browser.Join(cfg, w.now)}
}

// status is written as the API server would: what it does not keep is lost.
func (w *world) write() {
	data, err := json.Marshal(w.set.Status)
	if err != nil {
		w.failf("encode status: %v", err)
	}
	st := v1alpha1.BreakoutSetStatus{}
	if err := json.Unmarshal(data, &st); err != nil {
		w.failf("decode status: %v", err)
	}
	if !breakout.Planned(&st).Equal(breakout.Planned(&w.set.Status)) {
		w.failf("the planned view does not survive the API server: %s", data)
	}
	w.set.Status = st
}

// plan runs a planning function and counts whom it sends elsewhere.
func (w *world) plan(what string, do func()) {
	before := breakout.Planned(&w.set.Status).Places()
	do()
	after := breakout.Planned(&w.set.Status).Places()
	for name, s := range w.seats {
		if before[name] != after[name] {
			s.assigned++
		}
	}
	w.lastPlan, w.foreign = w.now, false
	w.write()
	w.logf("plan %s: %s; pending %s", what, places(after), asJSON(w.set.Status.Signals.Pending))
}

// summary is a signal as a test's log shows it: each room with its members | those sent there.
func summary(s breakout.Signal) string {
	var list struct {
		Message       string
		BreakoutRooms []browser.Room
	}
	if s.Type != breakout.TypeBreakoutRoom || json.Unmarshal([]byte(s.Data), &list) != nil {
		return s.Type + " " + s.Data
	}
	out := list.Message
	for _, r := range list.BreakoutRooms {
		out += fmt.Sprintf(" %q(%s)[%s|%s]", r.Name, r.SessionID, strings.Join(r.Member, " "), strings.Join(r.MemberAssigned, " "))
	}
	return out
}

func places(p breakout.Places) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		out = append(out, fmt.Sprintf("%s→%s", name, p[name]))
	}
	return strings.Join(out, " ")
}

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// reconcile is what the operator's controller does on every event.
func (w *world) reconcile() {
	if w.now.Before(w.downUntil) {
		return
	}
	st := &w.set.Status
	sched := breakout.ScheduleOf(w.set, w.now)
	if !sched.Next.IsZero() {
		w.wake(sched.Next)
	}
	if !sched.Open && !breakout.IsOpen(w.set) && sched.Reason != v1alpha1.TimeUpReason && st.OpenedAt != nil {
		st.OpenedAt = nil
		w.write()
	}
	rooms, asked := breakout.RoomsOf(&w.set.Spec), v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeAutomatic}
	if w.set.Spec.Assignment != nil {
		asked = *w.set.Spec.Assignment
	}
	assignment := breakout.Assign(w.main.Spec.Participants, rooms, asked, breakout.Planned(st).Places(), string(w.set.UID))
	if !sched.Open {
		w.opening = time.Time{}
	}
	wantsRooms := sched.Open && (!breakout.IsClosing(w.set) || breakout.IsOpen(w.set))
	w.tend(rooms, assignment.Places, wantsRooms, asked.Mode)

	in := breakout.ViewInput{Main: w.main, Rooms: rooms, Children: w.known(), Places: assignment.Places, Planned: breakout.Planned(st), Mode: asked.Mode, Linger: true}
	switch {
	case breakout.IsOpen(w.set) && !sched.Open:
		w.close(sched)
	case breakout.IsOpen(w.set):
		in.Open, in.Timer = true, breakout.TimerOf(w.set, st.OpenedAt.Time)
		if st.Signals.Pending != nil {
			in.Leaving = st.Signals.Pending.Removed
		}
		var free time.Time
		if in.FormerNames, free = breakout.FormerNames(st, w.now); !free.IsZero() {
			w.wake(free)
		}
		if in.Mode == v1alpha1.ModeChoose && slices.ContainsFunc(slices.Collect(maps.Values(w.children)), func(c *child) bool { return !c.observed }) {
			in.Mode = in.Planned.Mode // nobody is asked to choose before there are tokens for it
		}
		view, _ := breakout.ViewOf(in)
		resend := w.asked > w.handledAsk
		changed := breakout.PlanUpdate(st.DeepCopy(), view, resend, w.now)
		if changed && w.cancel() {
			return
		}
		if held, until := breakout.RenamesHeld(st, w.now); held && !until.IsZero() {
			w.wake(until)
		}
		if changed {
			w.handledAsk = w.asked
			w.plan("update", func() { breakout.PlanUpdate(st, view, resend, w.now) })
		}
	case wantsRooms:
		w.open(in, rooms)
	}
	w.deliver()
}

// wake has the controller look again at a time.
func (w *world) wake(at time.Time) {
	if at.Before(w.now) {
		at = w.now
	}
	if !w.wakes[at] {
		w.wakes[at] = true
		w.after(at.Sub(w.now), func() {
			delete(w.wakes, at)
			w.reconcile()
		})
	}
}

// open opens the rooms when they are ready, or some are and others take too long.
func (w *world) open(in breakout.ViewInput, rooms []v1alpha1.BreakoutRoomSpec) {
	if w.opening.IsZero() {
		w.opening = w.now
		w.wake(w.now.Add(breakout.OpeningPatience))
	}
	for _, r := range rooms {
		if c := in.Children[r.Name]; !c.Ready && w.now.Before(w.opening.Add(breakout.OpeningPatience)) {
			return
		}
	}
	w.opening = time.Time{}
	st := &w.set.Status
	if sched := breakout.ScheduleOf(w.set, w.now); !sched.ClosesAt.After(w.now) {
		st.OpenedAt = &metav1.Time{Time: w.now.Truncate(time.Second)}
	}
	st.ClosedAt = nil
	in.Timer, in.Planned = breakout.TimerOf(w.set, st.OpenedAt.Time), breakout.View{}
	for _, s := range w.seats {
		s.chose, s.raced = false, false
	}
	w.plan("opening", func() {
		view, _ := breakout.ViewOf(in)
		breakout.PlanOpening(st, view, w.now)
	})
	w.wake(w.now) // the next look at the schedule
}

func timeOf(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func (w *world) close(sched breakout.Schedule) {
	if w.cancel() {
		return
	}
	farewell := w.now
	if sched.Reason == v1alpha1.TimeUpReason {
		farewell = breakout.FarewellAt(w.set, sched.ClosesAt)
	}
	st := &w.set.Status
	st.ClosedAt = &metav1.Time{Time: w.now}
	if sched.Reason != v1alpha1.TimeUpReason {
		st.OpenedAt = nil
	}
	w.plan("closing", func() { breakout.PlanClosing(st, farewell, w.now) })
}

// tend makes the breakout rooms that should be there, lists in each who may need a token, and deletes the others after the grace.
func (w *world) tend(rooms []v1alpha1.BreakoutRoomSpec, assigned breakout.Places, wanted bool, mode v1alpha1.BreakoutSetMode) {
	st := &w.set.Status
	planned := breakout.Planned(st)
	keep := map[room]bool{}
	for _, r := range planned.Rooms {
		keep[r.Name] = true
	}
	if st.Signals.Pending != nil {
		for _, r := range st.Signals.Pending.Removed {
			keep[r.Name] = true
		}
	}
	if wanted {
		for _, r := range rooms {
			keep[r.Name] = true
			if w.children[r.Name] == nil {
				w.sessions++
				w.children[r.Name] = &child{sessionID: fmt.Sprintf("session-%s-%d", r.Name, w.sessions), tokens: map[person]bool{}, version: -1}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.children)) {
		c := w.children[name]
		if !keep[name] {
			if since, ok := w.doomed[name]; !ok {
				w.doomed[name] = w.now
				w.after(breakout.CloseGrace(w.set), w.reconcile)
			} else if !w.now.Before(since.Add(breakout.CloseGrace(w.set))) {
				w.disconnect(c.sessionID)
				delete(w.children, name)
				delete(w.doomed, name)
				w.logf("room %s is deleted", name)
				w.wake(w.now)
			}
			continue
		}
		delete(w.doomed, name)
		if wanted { // a closing leaves them as they are
			w.list(c, w.mayNeedTokens(name, planned, assigned, mode))
		}
	}
	if breakout.IsClosing(w.set) && st.Signals.Pending == nil && len(w.children) == 0 {
		if back := timeOf(st.Signals.SettledAt).Add(reaction); back.After(w.now) {
			w.wake(back)
			return
		}
		breakout.Forget(st)
		w.write()
		w.wake(w.now)
	}
}

// disconnect ends the session of a deleted room, in which nobody should be left who did not choose it in its last moment: they load the page anew.
func (w *world) disconnect(session string) {
	for _, p := range slices.Sorted(maps.Keys(w.seats)) {
		s := w.seats[p]
		if !slices.Contains(s.client.Connections(), session) {
			continue
		}
		if !s.raced {
			w.failf("%s is left in %s, which is gone", p, session)
		}
		w.join(p, v1alpha1.RoleParticipant)
		w.seats[p].reloaded = true
	}
}

func (w *world) mayNeedTokens(name room, planned breakout.View, assigned breakout.Places, mode v1alpha1.BreakoutSetMode) []person {
	var people []person
	before := planned.Places()
	for _, p := range w.main.Spec.Participants {
		leaving := false
		if pending := w.set.Status.Signals.Pending; pending != nil {
			leaving = slices.ContainsFunc(pending.Moved, func(m v1alpha1.PendingMove) bool { return m.Participant == p.Name && m.From == name }) ||
				slices.ContainsFunc(pending.Removed, func(r v1alpha1.BreakoutRoomStatus) bool {
					return r.Name == name && slices.Contains(r.Participants, p.Name)
				})
		}
		leads := p.Role == v1alpha1.RoleHost || p.Role == v1alpha1.RoleCoHost
		if leads || leaving || mode == v1alpha1.ModeChoose || planned.Mode == v1alpha1.ModeChoose || assigned[p.Name] == name || before[p.Name] == name {
			people = append(people, p.Name)
		}
	}
	return people
}

// list makes people the participants of a child room, which publishes their tokens a little later.
func (w *world) list(c *child, people []person) {
	if c.version >= 0 && slices.Equal(c.wanted, people) {
		return
	}
	c.wanted, c.observed = people, false
	c.version++
	version := c.version
	delay := w.upTo(300 * time.Millisecond)
	if w.slow && w.rng.IntN(8) == 0 {
		delay = w.upTo(40 * time.Second)
	}
	w.after(delay, func() {
		if c.version != version {
			return
		}
		c.observed, c.tokens = true, map[person]bool{}
		for _, p := range people {
			c.tokens[p] = true
		}
		w.reconcile()
	})
}

func (w *world) known() map[room]breakout.Child {
	known := map[room]breakout.Child{}
	for name, c := range w.children {
		sessionID := c.sessionID
		if c.version == 0 && !c.observed {
			sessionID = ""
		}
		known[name] = breakout.Child{MeetingRoomName: "groups-" + string(name), SessionID: sessionID, Ready: c.observed, Tokens: c.tokens}
	}
	return known
}

// cancel stops a running delivery for a newer plan and takes note of who was told; or it reports that the plan has to wait for the delivery.
func (w *world) cancel() bool {
	d, st := w.delivery, &w.set.Status
	if d == nil {
		return false
	}
	if !w.hasty && !d.waiting {
		return true
	}
	w.cut(d)
	breakout.Interrupt(st, d.steps, d.told, w.now)
	for _, m := range st.Signals.Pending.Moved {
		if s := w.seats[m.Participant]; s != nil && slices.ContainsFunc(d.steps, func(step breakout.Step) bool { return slices.Contains(step.Moves, m.Participant) }) {
			s.maybe++
		}
	}
	w.logf("cut short: %v", d.told)
	return false
}

// cut ends a delivery. What is on its way arrives, or not.
func (w *world) cut(d *delivery) {
	d.canceled, w.delivery = true, nil
	for _, name := range slices.Sorted(maps.Keys(d.flying)) {
		if w.rng.IntN(2) == 0 {
			d.flying[name]()
		}
	}
}

// die has the operator forget all that is not in the status, and come back later.
func (w *world) die(down time.Duration) {
	if d := w.delivery; d != nil {
		w.cut(d)
		w.mayBeTold(d.steps)
	}
	w.downUntil, w.foreign = later(w.downUntil, w.now.Add(down)), true
	w.wake(w.downUntil)
}

// mayBeTold notes that whoever is sent somewhere by one of the steps may be told so once more.
func (w *world) mayBeTold(steps []breakout.Step) {
	for _, step := range steps {
		for _, name := range step.Moves {
			if s := w.seats[name]; s != nil {
				s.maybe++
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deliver tells the sessions what can be told now.
func (w *world) deliver() {
	if w.delivery != nil {
		return
	}
	st := &w.set.Status
	steps, due := breakout.NextSteps(st, w.now)
	if len(steps) == 0 {
		if !due.IsZero() {
			if !due.After(w.now) {
				w.failf("nothing to say, and more at once: %s", asJSON(st.Signals))
			}
			w.wake(due)
		} else if st.Signals.Pending != nil {
			w.failf("what is pending is never said: %s", asJSON(st.Signals.Pending))
		}
		return
	}
	w.logf("steps %s to %v", asJSON(steps), st.Signals.Missing)
	d := &delivery{began: w.now, steps: steps, rooms: slices.Clone(st.Signals.Missing), flying: map[room]func(){}, told: map[room]int{}}
	w.delivery = d
	if !w.foreign || !slices.ContainsFunc(steps, breakout.Step.ActsLater) {
		w.try(d)
		return
	}
	d.waiting = true
	w.after(breakout.RepeatAfter, func() {
		if !d.canceled {
			w.try(d)
		}
	})
}

// try tells the sessions what they have not had yet.
func (w *world) try(d *delivery) {
	st := &w.set.Status
	d.failed, d.waiting, d.unsure = map[room]bool{}, false, false
	script := breakout.NewScript(breakout.Source{Set: "school/groups", UID: "uid", MeetingRoom: w.main.Name}, st, d.steps, w.now)
	crowded := w.rng.IntN(3) == 0 // some sessions have to wait for others
	for _, name := range d.missing() {
		session := breakout.SessionOf(st, name)
		if session == "" {
			w.failf("no session for room %s of the audience", name)
		}
		start := w.upTo(5 * time.Millisecond)
		if crowded {
			start = w.upTo(time.Second)
		}
		steps := script.Signals(name)
		w.after(start, func() { w.send(d, name, session, steps) })
	}
}

// send sends a session the first of the steps that it has not had and then the others.
func (w *world) send(d *delivery, name room, session string, steps [][]breakout.Signal) {
	if d.canceled {
		return
	}
	if d.told[name] == len(steps) || d.failed[name] {
		w.conclude(d)
		return
	}
	d.flying[name] = func() {
		delete(d.flying, name)
		for _, s := range steps[d.told[name]] {
			w.receive(name, session, s)
		}
	}
	w.after(w.upTo(150*time.Millisecond), func() {
		if d.canceled {
			return
		}
		if w.rough && w.rng.IntN(6) == 0 {
			d.failed[name] = true
			if w.rng.IntN(2) == 0 { // only the answer is lost
				d.flying[name]()
				d.unsure = d.unsure || d.steps[d.told[name]].ActsLater()
			}
			delete(d.flying, name)
		} else {
			d.flying[name]()
			d.told[name]++
		}
		w.send(d, name, session, steps)
	})
}

// conclude settles a delivery that is through, or has what failed tried again.
func (w *world) conclude(d *delivery) {
	missing := d.missing()
	if len(missing) == 0 {
		w.settle(d)
		return
	}
	if len(missing) > len(d.failed) {
		return
	}
	d.waiting = true
	w.mayBeTold(d.steps) // who has come from a session that heard it into one that hears it later
	breakout.NoteProgress(&w.set.Status, missing, d.began)
	w.write()
	w.logf("failed for %v", missing)
	wait := time.Second
	if d.unsure {
		wait = breakout.RepeatAfter
	}
	w.after(wait, func() {
		if !d.canceled {
			w.try(d)
		}
	})
	w.wake(w.now)
}

// receive has everybody who is in a session hear a signal.
func (w *world) receive(name room, session string, s breakout.Signal) {
	if len(s.Data) > breakout.MaxDataBytes {
		w.failf("%d bytes to %s", len(s.Data), name)
	}
	w.logf("  to %s: %s", name, summary(s))
	for _, p := range slices.Sorted(maps.Keys(w.seats)) {
		seat := w.seats[p]
		seat.raced = seat.raced || (seat.chose && w.now.Before(seat.choseAt.Add(time.Second)))
		seat.client.Receive(session, s.Type, s.Data)
	}
	w.choose()
}

// settle writes down that a delivery is through.
func (w *world) settle(d *delivery) {
	w.delivery, w.foreign = nil, false
	breakout.Settle(&w.set.Status, d.steps, nil, w.now)
	w.logf("settled; pending %s", asJSON(w.set.Status.Signals.Pending))
	w.write()
	w.wake(w.now)
}

// choose has some of those who are asked to choose take a room a while later.
func (w *world) choose() {
	for _, p := range slices.Sorted(maps.Keys(w.seats)) {
		s := w.seats[p]
		if !s.client.Prompted() || w.rng.IntN(4) != 0 {
			continue
		}
		w.after(w.upTo(8*time.Second), func() {
			if p := w.set.Status.Signals.Pending; p != nil && p.Timer != "" {
				return // who enters a room in the last second of a countdown breaks with the end of it, and nothing can be done about that
			}
			if rooms := s.client.Rooms(); s.client.Prompted() && !s.client.Busy() && len(rooms) > 1 {
				r := rooms[1+w.rng.IntN(len(rooms)-1)]
				s.everChose = true // also when they are refused
				s.raced = s.raced || w.delivery != nil || (w.rough && w.set.Status.Signals.Pending != nil)
				w.logf("    %s chooses %s", p, r.Name)
				if s.client.Choose(r.Name) == nil {
					s.chose, s.choseAt = true, w.now
				}
			}
		})
	}
}

// quiet tells whether all is said and everybody had time to act on it.
func (w *world) quiet() bool {
	st := &w.set.Status
	if st.Signals.Pending != nil || w.delivery != nil || w.now.Before(w.downUntil.Add(time.Second)) || w.now.Before(w.lastPlan.Add(reaction)) {
		return false
	}
	if st.Signals.SettledAt != nil && w.now.Before(st.Signals.SettledAt.Add(reaction)) {
		return false
	}
	for name, c := range w.children {
		if _, doomed := w.doomed[name]; !doomed && !c.observed {
			return false
		}
	}
	sched := breakout.ScheduleOf(w.set, w.now)
	return !breakout.IsOpen(w.set) || sched.ClosesAt.IsZero() || w.now.Before(sched.ClosesAt.Add(-time.Second))
}

// check tells whether everybody is where the planned view says.
func (w *world) check() {
	view := breakout.Planned(&w.set.Status)
	belongs := view.Places()
	for _, p := range slices.Sorted(maps.Keys(w.seats)) {
		s := w.seats[p]
		want, wantRoom := view.MainSessionID, ""
		if r := belongs[p]; r != "" {
			want = breakout.SessionOf(&w.set.Status, r)
			wantRoom = view.Rooms[slices.IndexFunc(view.Rooms, func(s v1alpha1.BreakoutRoomStatus) bool { return s.Name == r })].DisplayName
		}
		if want == "" || (s.reloaded && s.client.Changes() == 0) {
			want, wantRoom = w.main.Status.SessionID, ""
		}
		got := s.client.Connections()
		if s.raced || (s.chose && len(view.Rooms) > 0) { // is where they like to be
			if len(got) != 1 && !s.client.Busy() {
				w.failf("%s is connected to %v", p, got)
			}
			continue
		}
		if len(got) != 1 || got[0] != want || s.client.Session() != want {
			w.failf("%s is connected to %v, belongs to %s", p, got, want)
		}
		if name := s.client.Room(); name != wantRoom {
			w.failf("%s takes their room for %q, it is %q", p, name, wantRoom)
		}
		if !s.everChose && s.client.Changes() > s.assigned+s.maybe {
			w.failf("%s changed rooms %d times, was assigned elsewhere %d times (and maybe told of it again %d times)", p, s.client.Changes(), s.assigned, s.maybe)
		}
		w.checkList(s, view)
	}
}

// checkList tells whether the list of somebody who was in the main room all the time is the view.
func (w *world) checkList(s *seat, view breakout.View) {
	if s.client.Changes() > 0 || s.client.Rooms() == nil {
		return
	}
	if len(view.Rooms) == 0 {
		if len(s.client.Rooms()) > 1 || (!breakout.IsOpen(w.set) && s.client.Panel()) {
			w.failf("%s still sees %v", s.name, s.client.Rooms())
		}
		return
	}
	got, want := map[string][]string{}, map[string][]string{}
	for _, r := range s.client.Rooms() {
		got[r.Name] = w.stayed(slices.Concat(r.Member, r.MemberAssigned))
	}
	want[view.MainDisplayName] = w.stayed(names(view.MainParticipants))
	for _, r := range view.Rooms {
		want[r.DisplayName] = w.stayed(names(r.Participants))
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		w.failf("%s sees %v, it is %v", s.name, got, want)
	}
}

// stayed are those of people who were there from the beginning, sorted: nothing is said about others coming and going.
func (w *world) stayed(people []string) []string {
	return slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(people), func(p string) bool {
		return strings.HasPrefix(p, "Eve") || w.seats[person(p)] == nil
	})))
}

func names(people []person) []string {
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = string(p)
	}
	return out
}
