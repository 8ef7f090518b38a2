// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

var (
	meetingsSeed  = flag.Uint64("meetings.seed", 1, "the seed of the first meeting; 0 picks one")
	meetingsCount = flag.Int("meetings.count", 1000, "how many meetings")
	meetingsTime  = flag.Duration("meetings.time", 0, "have meetings for so long instead of by count")
)

// meeting is a set with its people on a clock of its own: what is decided and sent is what the operator decides and
// sends; only reading and writing objects is left out.
type meeting struct {
	rng      *rand.Rand
	now      time.Time
	set      *v1alpha1.BreakoutSet
	main     *v1alpha1.MeetingRoom
	children map[roomName]breakout.Child
	stored   *v1alpha1.BreakoutSetStatus // as it was written last
	delivery *Delivery
	asked    breakout.Request
	people   map[string]*person
	faults   float64 // of the calls
	deaths   float64 // per call
	log      []string
}

type person struct {
	page    *browser.Client
	skew    time.Duration
	planned int  // how often they were to change rooms
	strayed bool // they went somewhere by themselves
	place   string
	deletes bool // the page asked to delete the rooms
}

var begin = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

func newMeeting(seed uint64) *meeting {
	m := &meeting{
		rng: rand.New(
			rand.NewPCG(seed, 3),
		),
		now:      begin,
		delivery: &Delivery{},
		people:   map[string]*person{},
		children: map[roomName]breakout.Child{},
		main:     &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Name: "class"}},
		set: &v1alpha1.BreakoutSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "groups", UID: "uid"},
			Spec: v1alpha1.BreakoutSetSpec{
				MeetingRoomRef: v1alpha1.LocalObjectReference{
					Name: "class",
				},
				Assignment: &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeManual},
			},
		},
	}
	m.main.Spec.DisplayName, m.main.Status.SessionID = "Class", "main"
	connect := time.Duration(m.rng.IntN(31)) * 100 * time.Millisecond
	for i, name := range []string{"Host", "Ada", "Ben", "Cyd", "Dan", "Eve"}[:2+m.rng.IntN(5)] {
		p := v1alpha1.Participant{Name: personName(name)}
		switch {
		case i == 0:
			p.Role = v1alpha1.RoleHost
		case m.rng.IntN(6) == 0:
			p.Role = v1alpha1.RoleCoHost
		}
		m.main.Spec.Participants = append(m.main.Spec.Participants, p)
		m.people[name] = &person{skew: time.Duration(m.rng.IntN(21)-10) * time.Second, place: "main"}
		m.join(p, connect)
	}
	m.stored = m.set.Status.DeepCopy()
	return m
}

func (m *meeting) join(p v1alpha1.Participant, connect time.Duration) {
	who := m.people[string(p.Name)]
	cfg := browser.Config{
		Name: string(
			p.Name,
		),
		Main:        browser.Room{ID: "class", Name: "Class", SessionID: "main"},
		ConnectTime: connect,
		FreshList:   m.rng.IntN(2) == 0,
		CoHost:      p.Role == v1alpha1.RoleCoHost,
	}
	if p.Role == v1alpha1.RoleHost {
		cfg.Page = browser.HostPage
	}
	who.page = browser.Join(cfg, m.now.Add(who.skew))
}

func (m *meeting) logf(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%8.2f ", m.now.Sub(begin).Seconds())+fmt.Sprintf(format, args...))
}

// edit changes the spec at random.
func (m *meeting) edit() {
	spec := &m.set.Spec
	switch m.rng.IntN(10) {
	case 0:
		spec.State = ""
		if m.rng.IntN(3) == 0 {
			spec.State = v1alpha1.DesiredClosed
		}
	case 1:
		spec.DurationSeconds = nil
		if m.rng.IntN(2) == 0 {
			spec.DurationSeconds = new(int32(60 + m.rng.IntN(200)))
		}
	case 2:
		for i := range spec.Rooms {
			if m.rng.IntN(2) == 0 {
				spec.Rooms[i].DisplayName = []string{"Red", "Blue", "Green", ""}[m.rng.IntN(4)]
			}
		}
	case 3, 4:
		spec.Rooms = nil
		for _, r := range []string{"a", "b", "c", "d"} {
			if m.rng.IntN(3) > 0 {
				spec.Rooms = append(spec.Rooms, v1alpha1.BreakoutRoomSpec{Name: roomName(r)})
			}
		}
		fallthrough
	case 5, 6, 7:
		spec.Assignment.Placements = nil
		for _, p := range m.main.Spec.Participants {
			if len(spec.Rooms) > 0 && m.rng.IntN(5) > 0 && (p.Role != v1alpha1.RoleHost || m.rng.IntN(3) == 0) {
				room := spec.Rooms[m.rng.IntN(len(spec.Rooms))].Name
				spec.Assignment.Placements = append(
					spec.Assignment.Placements,
					v1alpha1.Placement{Participant: p.Name, Room: room},
				)
			}
		}
	case 8:
		m.asked.Resend = true
	case 9:
		p := m.main.Spec.Participants[m.rng.IntN(len(m.main.Spec.Participants))]
		m.join(p, time.Second)
		m.people[string(p.Name)].strayed = true
		m.asked.Recall = append(m.asked.Recall, p.Name)
		m.logf("%s reloads", p.Name)
	}
	m.logf("EDIT %v %v %s", spec.Rooms, spec.Assignment.Placements, spec.State)
}

// work is one reconcile. It returns when the next is due.
func (m *meeting) work() time.Time {
	st := &m.set.Status
	m.delivery.Observe(st, m.now)
	wanted := breakout.RoomsOf(&m.set.Spec)
	for _, r := range wanted {
		if _, ok := m.children[r.Name]; !ok {
			m.children[r.Name] = breakout.Child{
				MeetingRoomName: "groups-" + string(r.Name),
				SessionID:       fmt.Sprintf("%s%d", r.Name, m.now.Sub(begin).Milliseconds()),
				Ready:           true,
			}
		}
	}
	for name, c := range m.children {
		c.Tokens = map[personName]bool{}
		for _, p := range m.main.Spec.Participants {
			c.Tokens[p.Name] = true
		}
		m.children[name] = c
	}
	schedule := breakout.ScheduleOf(m.set, m.now)
	places := breakout.Assign(
		m.main.Spec.Participants,
		wanted,
		*m.set.Spec.Assignment,
		breakout.Planned(st).Places(),
		"uid",
	).Places
	d := breakout.Decide(breakout.Input{
		Set:       m.set,
		Schedule:  schedule,
		Now:       m.now,
		Main:      m.main,
		Rooms:     wanted,
		Children:  m.children,
		FirstMade: begin,
		Places:    places,
		Holds:     true,
		MovingTo:  m.delivery.MovingTo(),
		Request:   m.asked,
	})
	due := earliest(schedule.Next, d.Again)
	if st.Timer != nil {
		m.main.Status.CountdownTime = &metav1.Time{Time: m.now} // as the MeetingRoom's reconciler writes it
	}
	if d.Action != breakout.DoNothing {
		m.delivery.Fold(st, m.now)
		at := m.delivery.MovingUntil()
		if schedule.Reason == v1alpha1.TimeUpReason {
			if up := CallBackAt(m.set, schedule.ClosesAt); up.After(at) {
				at = up
			}
		}
		if m.asked.Resend {
			m.asked.Recall = breakout.Planned(st).People()
		}
		m.delivery.Recall(m.asked.Recall, m.now)
		d.Apply(m.set, at, m.now)
		m.asked = breakout.Request{}
		m.logf("%s %d moving %v", d.Action, st.Signals.Revision, st.Signals.Moving)
		m.count()
		m.write()
	}
	for {
		rooms, next := m.delivery.Due(st, m.now)
		if len(rooms) == 0 {
			due = earliest(due, next)
			break
		}
		composer := NewComposer(Source{Set: "default/groups", UID: "uid", MeetingRoom: "class"}, st)
		for _, room := range rooms {
			for {
				step, ok, _ := m.delivery.Next(st, room, m.now)
				if !ok {
					break
				}
				if m.rng.Float64() < m.deaths {
					m.die()
					return m.now.Add(time.Duration(m.rng.IntN(5000)) * time.Millisecond)
				}
				outcome := m.send(room, composer.Signals(room, step, m.now))
				m.logf("%s %s %v round %d: %d", room, step.Kind, step.Names, step.Round, outcome)
				m.delivery.Note(st, room, step, outcome, "VendorUnavailable", m.now)
				if outcome != Delivered {
					break
				}
			}
		}
	}
	m.delivery.Conclude(st, func(room roomName) bool { _, ok := m.children[room]; return ok }, m.now)
	for name := range m.children {
		wants := slices.ContainsFunc(wanted, func(r v1alpha1.BreakoutRoomSpec) bool { return r.Name == name }) &&
			breakout.IsOpen(m.set)
		if left := breakout.LeftAt(st, name); !wants && !breakout.IsKnown(st, name) {
			if at := left.Add(15 * time.Second); left.IsZero() || !at.After(m.now) {
				delete(m.children, name)
			} else {
				due = earliest(due, at)
			}
		}
	}
	breakout.ForgetRooms(
		st,
		func(r v1alpha1.BreakoutRoomStatus) bool { return m.children[r.Name].SessionID != r.SessionID },
	)
	if breakout.IsClosing(m.set) && len(st.Signals.Sessions) == 0 && len(m.children) == 0 {
		breakout.Forget(st)
		due = earliest(due, m.now.Add(time.Millisecond))
	}
	m.write()
	_, next := m.delivery.Due(st, m.now)
	return earliest(due, next)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// count counts to how many places everybody was to go.
func (m *meeting) count() {
	places := breakout.Planned(&m.set.Status).Places()
	for name, p := range m.people {
		place := string(places[personName(name)])
		if place == "" {
			place = "main"
		}
		if place != p.place {
			p.place, p.planned = place, p.planned+1
		}
	}
}

func (m *meeting) write() { m.stored = m.set.Status.DeepCopy() }

// die has another process take over, which knows what was written.
func (m *meeting) die() {
	m.logf("the operator dies")
	m.set.Status, m.delivery = *m.stored.DeepCopy(), &Delivery{}
}

// send sends a message's signals to a session, if nothing comes between.
func (m *meeting) send(room roomName, signals []Signal) Outcome {
	session := breakout.SessionOf(&m.set.Status, room)
	outcome := Delivered
	if m.rng.Float64() < m.faults {
		outcome = []Outcome{Ambiguous, Failed}[m.rng.IntN(2)]
		if outcome == Failed || m.rng.IntN(2) == 0 {
			return outcome
		}
	}
	for _, s := range signals {
		for name, p := range m.people {
			asked := p.page.Deletions()
			p.page.Receive(session, s.Type, s.Data)
			end := m.set.Status.Timer
			if p.page.Deletions() > asked &&
				(end == nil || end.EndTime.Sub(m.now) > 11*time.Second) { // whose clock is ahead takes it to be over
				p.deletes = true
				m.logf("%s's page asks to delete the rooms: %v", name, p.page.Notices())
			}
		}
	}
	return outcome
}

// run lets time go on.
func (m *meeting) run(end time.Time, edits bool) {
	edit, due := m.now, m.now
	for m.now.Before(end) {
		next := end
		if edits && edit.Before(next) {
			next = edit
		}
		if !due.IsZero() && due.Before(next) {
			next = due
		}
		for _, p := range m.people {
			if at, ok := p.page.Next(); ok && at.Add(-p.skew).Before(next) {
				next = at.Add(-p.skew)
			}
		}
		if next.After(m.now) {
			m.now = next
		}
		for name, p := range m.people {
			changes := p.page.Changes()
			p.page.Advance(m.now.Add(p.skew))
			if p.page.Changes() != changes {
				m.logf("%s is in %s", name, p.page.Session())
			}
		}
		worked := false
		if edits && !edit.After(m.now) {
			m.edit()
			edit, worked = m.now.Add(time.Duration(m.rng.ExpFloat64()*8*float64(time.Second))), true
		}
		if worked || (!due.IsZero() && !due.After(m.now)) {
			if due = m.work(); !due.IsZero() && !due.After(m.now) {
				due = m.now.Add(time.Millisecond)
			}
		}
	}
}

// judge returns the rules that were broken.
func (m *meeting) judge() []string {
	var broken []string
	complain := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	if s := m.set.Status.Signals; len(s.Sessions)+len(s.Moving) > 0 {
		complain("not at rest: %+v", s)
	}
	places := breakout.Planned(&m.set.Status).Places()
	for name, p := range m.people {
		session := breakout.SessionOf(&m.set.Status, places[personName(name)])
		if session == "" {
			session = "main"
		}
		if is := p.page.Connections(); len(is) != 1 || is[0] != session {
			complain("%s is in %v and belongs to %s (%s)", name, is, session, places[personName(name)])
		}
		if len(p.page.Errors()) > 0 {
			complain("%s's page is broken: %v", name, p.page.Errors())
		}
		if !p.page.Visible() {
			complain("%s is invisible", name)
		}
		if p.deletes {
			complain("%s's page asks to delete the rooms", name)
		}
		if !p.strayed && p.page.Changes() > p.planned {
			complain("%s changed rooms %d times, and was to %d times", name, p.page.Changes(), p.planned)
		}
	}
	slices.Sort(broken)
	return broken
}

// TestMeetings has random meetings take place: everybody ends where they belong, visible, connected once, having
// changed rooms no more often than they were to; no page breaks; and when everything is sent again nobody moves.
// -meetings.seed=N -meetings.count=1 has one of them again.
func TestMeetings(t *testing.T) {
	began, first := time.Now(), *meetingsSeed
	if first == 0 {
		first = rand.Uint64N(1e9)
	}
	t.Logf("seed %d", first)
	seed := first
	defer func() { t.Logf("%d meetings in %s", seed-first, time.Since(began).Round(time.Second)) }()
	goOn := func() bool {
		if *meetingsTime > 0 {
			return time.Since(began) < *meetingsTime
		}
		return seed < first+uint64(*meetingsCount)
	}
	for ; goOn(); seed++ {
		m := newMeeting(seed)
		m.faults, m.deaths = []float64{0, 0, 0.1, 0.5}[m.rng.IntN(4)], []float64{0, 0, 0.02}[m.rng.IntN(3)]
		m.run(begin.Add(3*time.Minute), true)
		m.logf("no more faults")
		m.faults, m.deaths = 0, 0
		m.set.Spec.DurationSeconds = nil
		m.run(m.now.Add(10*time.Minute), false)
		if broken := m.judge(); len(broken) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(broken, "\n"), strings.Join(m.log, "\n"))
		}
		m.asked.Resend = true
		changes := map[string]int{}
		for name, p := range m.people {
			changes[name] = p.page.Changes()
		}
		m.run(m.now.Add(2*time.Minute), false)
		for name, p := range m.people {
			if p.page.Changes() != changes[name] {
				t.Fatalf("seed %d: everything was sent again, and %s changed rooms", seed, name)
			}
		}
	}
}
