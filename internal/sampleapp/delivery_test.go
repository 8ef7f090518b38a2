// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// stage is a status whose messages are sent as soon as they are due, on a clock of its own.
type stage struct {
	t   failer
	st  *v1alpha1.BreakoutSetStatus
	d   *Delivery
	now time.Time

	// outcome is what becomes of a message; nil delivers all.
	outcome func(room roomName, step Step) Outcome

	// gone are rooms whose MeetingRoom is gone.
	gone []roomName

	log []string
}

// failer is a test.
type failer interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// act is something that happens at a time, so many seconds after nine.
type act struct {
	at int
	do func(s *stage)
}

// record notes what happened to a room's session, or to the status; what happens to one at one time is one line.
func (s *stage) record(whom, what string) {
	head := fmt.Sprintf("+%v %s", s.now.Sub(nine), whom)
	if last := len(s.log) - 1; last >= 0 && strings.HasPrefix(s.log[last], head+" ") {
		s.log[last] += ", " + what
	} else {
		s.log = append(s.log, head+" "+what)
	}
}

// play has the acts happen and everything sent that is due, until nothing is any more, or until the end.
func (s *stage) play(until int, acts ...act) {
	s.now = nine
	for n := 0; ; n++ {
		for len(acts) > 0 && !after(acts[0].at).After(s.now) {
			acts[0].do(s)
			acts = acts[1:]
		}
		next := s.work()
		if n > 1000 {
			s.t.Fatalf("it never ends:\n%s", strings.Join(s.log[len(s.log)-20:], "\n"))
		}
		if len(acts) > 0 && (next.IsZero() || after(acts[0].at).Before(next)) {
			next = after(acts[0].at)
		}
		if next.IsZero() || next.After(after(until)) {
			return
		}
		if !next.After(s.now) {
			s.t.Fatalf("at %v the next is at %v:\n%s", s.now, next, strings.Join(s.log, "\n"))
		}
		s.now = next
	}
}

// work sends what is due now, and returns when more is.
func (s *stage) work() time.Time {
	s.d.Observe(s.st, s.now)
	for {
		rooms, _ := s.d.Due(s.st, s.now)
		if len(rooms) == 0 {
			break
		}
		for _, room := range rooms {
			for s.send(room) {
			}
		}
	}
	before, reasons := s.st.Signals, s.reasons()
	s.d.Conclude(s.st, func(r roomName) bool { return !slices.Contains(s.gone, r) }, s.now)
	if now := s.reasons(); now != reasons && now != "" {
		s.record("=>", now)
	}
	if s.st.Signals.DeliveredTime != before.DeliveredTime {
		s.record("=>", "delivered")
	}
	if len(before.Sessions)+len(before.Moving) > 0 && len(s.st.Signals.Moving) == 0 && len(s.lasting()) == 0 {
		s.record("=>", "over")
	}
	rooms, next := s.d.Due(s.st, s.now)
	if len(rooms) > 0 {
		s.t.Fatalf("due to %v at %v still", rooms, s.now)
	}
	return next
}

// lasting are the sessions that are sent anything still.
func (s *stage) lasting() []v1alpha1.SessionSignals {
	return slices.DeleteFunc(slices.Clone(s.st.Signals.Sessions), func(e v1alpha1.SessionSignals) bool {
		_, ok, at := s.d.Next(s.st, e.Room, s.now)
		return !ok && at.IsZero()
	})
}

// reasons are why sessions lag that failed.
func (s *stage) reasons() string {
	var reasons []string
	for _, e := range breakout.Lagging(s.st) {
		if e.Reason != v1alpha1.PendingReason {
			reasons = append(reasons, fmt.Sprintf("%s %s", e.Room, e.Reason))
		}
	}
	return strings.Join(reasons, ", ")
}

// send sends a session its next message, and reports whether it may be sent another.
func (s *stage) send(room roomName) bool {
	step, ok, _ := s.d.Next(s.st, room, s.now)
	if !ok {
		return false
	}
	outcome, reason := Delivered, ""
	if s.outcome != nil {
		outcome = s.outcome(room, step)
	}
	line := string(step.Kind)
	for _, name := range step.Names {
		to := breakout.Planned(s.st).Places()[name]
		if to == "" {
			to = mainRoom
		}
		if to == room {
			s.t.Errorf("%s is sent to %s in its own session", name, to)
		}
		line += fmt.Sprintf(" %s>%s", name, to)
	}
	if step.Round > 0 {
		line += fmt.Sprintf(" (%d)", step.Round)
	}
	if outcome != Delivered {
		line, reason = line+[]string{"", " ambiguous", " failed"}[outcome], v1alpha1.VendorUnavailableReason
	}
	s.record(string(room), line)
	s.d.Note(s.st, room, step, outcome, reason, s.now)
	return outcome == Delivered
}

// change makes another view the planned one.
func change(edit func(v *breakout.View)) func(s *stage) { return ask(breakout.Request{}, edit) }

func ask(request breakout.Request, edit func(v *breakout.View)) func(s *stage) {
	return func(s *stage) {
		v := breakout.Planned(s.st.DeepCopy())
		edit(&v)
		s.d.Observe(s.st, s.now)
		s.d.Fold(s.st, s.now)
		if request.Resend {
			s.d.Recall(v.People(), s.now)
		}
		s.d.Recall(request.Recall, s.now)
		breakout.PlanUpdate(s.st, v, request, s.now)
	}
}

// open opens a view instead of what there is.
func open(edit func(v *breakout.View)) func(s *stage) {
	return func(s *stage) {
		v := classroom()
		edit(&v)
		s.d.Observe(s.st, s.now)
		*s.st = v1alpha1.BreakoutSetStatus{OpenedAt: &metav1.Time{Time: s.now}}
		breakout.PlanOpening(s.st, v, s.now)
	}
}

// closes has all called back, not before those on the move have arrived.
func closes(s *stage) {
	s.d.Observe(s.st, s.now)
	s.d.Fold(s.st, s.now)
	breakout.PlanClosing(s.st, s.d.MovingUntil(), s.now)
	s.st.ClosedAt = &metav1.Time{Time: s.now}
}

// restart has another process go on from the status.
func restart(s *stage) {
	s.st, s.d = s.st.DeepCopy(), &Delivery{}
	s.record("=>", "restart")
}

// forget drops the rooms that are gone.
func forget(s *stage) {
	breakout.ForgetRooms(s.st, func(r v1alpha1.BreakoutRoomStatus) bool { return slices.Contains(s.gone, r.Name) })
	s.d.Observe(s.st, s.now)
}

func asIs(*breakout.View) {}

// move puts somebody into another room, or the main room, of a view.
func move(v *breakout.View, p personName, to roomName) {
	gone := func(q personName) bool { return q == p }
	v.MainParticipants = slices.DeleteFunc(v.MainParticipants, gone)
	for i := range v.Rooms {
		v.Rooms[i].Participants = slices.DeleteFunc(v.Rooms[i].Participants, gone)
		if v.Rooms[i].Name == to {
			v.Rooms[i].Participants = append(v.Rooms[i].Participants, p)
		}
	}
	if to == mainRoom {
		v.MainParticipants = append(v.MainParticipants, p)
	}
}

func moved(p personName, to roomName) func(s *stage) {
	return change(func(v *breakout.View) { move(v, p, to) })
}

// removed takes a room out, whose people go to another.
func removed(name, to roomName) func(s *stage) {
	return change(func(v *breakout.View) {
		for _, p := range slices.Clone(v.Room(name).Participants) {
			move(v, p, to)
		}
		v.Rooms = slices.DeleteFunc(v.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == name })
	})
}

func renamed(name roomName, to string) func(s *stage) {
	return change(func(v *breakout.View) { v.Room(name).DisplayName = to })
}

// first has the first messages of some kinds to a room end otherwise.
func first(times int, outcome Outcome, room roomName, kinds ...v1alpha1.SignalKind) func(roomName, Step) Outcome {
	return func(to roomName, step Step) Outcome {
		if times == 0 || to != room || (len(kinds) > 0 && !slices.Contains(kinds, step.Kind)) {
			return Delivered
		}
		times--
		return outcome
	}
}

// failsFromRound has messages of a round fail so many times.
func failsFromRound(round, times int, room roomName) func(roomName, Step) Outcome {
	return func(to roomName, step Step) Outcome {
		if times == 0 || to != room || step.Round < round {
			return Delivered
		}
		times--
		return Failed
	}
}

// failsFrom has all messages to breakout rooms that send people somewhere fail, after so many, so many times.
func failsFrom(after, times int) func(roomName, Step) Outcome {
	return func(to roomName, step Step) Outcome {
		if to == mainRoom || len(step.Names) == 0 || times == 0 {
			return Delivered
		}
		if after--; after >= 0 {
			return Delivered
		}
		times--
		return Failed
	}
}

func TestDelivery(t *testing.T) {
	gold := func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }
	choose := func(v *breakout.View) {
		v.Mode = v1alpha1.ModeChoose
		for _, p := range []personName{"Ada", "Bob", "Cyd"} {
			move(v, p, mainRoom)
		}
	}
	timed := func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnManual) }
	placed := func(v *breakout.View) { choose(v); move(v, "Ada", "red") }
	noCoHost := func(v *breakout.View) { v.CoHosts = nil }
	for name, tc := range map[string]struct {
		acts    []act
		outcome func(room roomName, step Step) Outcome
		gone    []roomName
		want    []string
		stays   []roomName // whose entry stays: of rooms that people were called out of and whose MeetingRoom is there
	}{
		"nothing is owed": {},
		"an opening": {
			acts: []act{{0, open(asIs)}},
			want: []string{
				"+0s main Opening Ada>red Bob>red Cyd>blue, Roles",
				"+0s => delivered",
				"+10s main Moves Ada>red Bob>red Cyd>blue (1)",
				"+20s main Moves Ada>red Bob>red Cyd>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"an opening without a co-host": {
			acts: []act{{0, open(noCoHost)}},
			want: []string{
				"+0s main Opening Ada>red Bob>red Cyd>blue",
				"+0s => delivered",
				"+10s main Moves Ada>red Bob>red Cyd>blue (1)",
				"+20s main Moves Ada>red Bob>red Cyd>blue (2)",
				"+30s main Rooms (3)",
				"+30s => over",
			},
		},
		"an opening without anybody who leads": {
			acts: []act{{0, open(func(v *breakout.View) { v.Hosts, v.CoHosts = nil, nil })}},
			want: []string{
				"+0s main Opening Ada>red Bob>red Cyd>blue",
				"+0s => delivered",
				"+10s main Moves Ada>red Bob>red Cyd>blue (1)",
				"+20s main Moves Ada>red Bob>red Cyd>blue (2)",
				"+30s => over",
			},
		},
		"an opening with a countdown, and a host who is placed": {
			acts: []act{{0, open(func(v *breakout.View) { timed(v); move(v, "Jo", "red") })}},
			want: []string{
				"+0s main Countdown, Opening Ada>red Bob>red Cyd>blue, Moves Jo>red, Roles",
				"+0s => delivered",
				"+10s main Moves Ada>red Bob>red Jo>red Cyd>blue (1)",
				"+20s main Moves Ada>red Bob>red Jo>red Cyd>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"an opening that asks to choose": {
			acts: []act{{0, open(choose)}},
			want: []string{
				"+0s main Prompt, Roles",
				"+0s => delivered, over",
			},
		},
		"an opening that asks to choose, with somebody who is placed": {
			acts: []act{{0, open(placed)}},
			want: []string{
				"+0s main Moves Ada>red, Prompt, Roles",
				"+0s => delivered",
				"+10s main Moves Ada>red (1), Prompt (1)",
				"+20s main Moves Ada>red (2), Prompt (2)",
				"+30s main Rooms (3), Roles (3), Prompt (3)",
				"+30s => over",
			},
		},
		"one person moves": {
			acts: []act{{0, moved("Ada", "blue")}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1)",
				"+20s main Moves Ada>blue (2)",
				"+20s red Moves Ada>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"one person moves to the main room": {
			acts: []act{{0, moved("Ada", mainRoom)}},
			want: []string{
				"+0s main Moves",
				"+0s red Moves Ada>main",
				"+0s => delivered",
				"+10s red Moves Ada>main (1)",
				"+20s red Moves Ada>main (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"the host moves, without a co-host": {
			acts: []act{{0, change(func(v *breakout.View) { noCoHost(v); move(v, "Jo", "blue") })}},
			want: []string{
				"+0s main Moves Jo>blue, Roles",
				"+0s blue Rooms, Moves, Roles",
				"+0s red Roles",
				"+0s => delivered",
				"+10s main Moves Jo>blue (1)",
				"+20s main Moves Jo>blue (2)",
				"+30s main Rooms (3)",
				"+30s blue Rooms (3)",
				"+30s => over",
			},
		},
		"a room more, with somebody who goes there": {
			acts: []act{{0, change(func(v *breakout.View) { gold(v); move(v, "Ada", "gold") })}},
			want: []string{
				"+0s main Added, Moves Ada>gold",
				"+0s red Moves Ada>gold",
				"+0s => delivered",
				"+10s main Moves Ada>gold (1)",
				"+10s red Moves Ada>gold (1)",
				"+20s main Moves Ada>gold (2)",
				"+20s red Moves Ada>gold (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"a name": {
			acts: []act{{0, renamed("red", "Crimson")}},
			want: []string{
				"+0s main Rooms",
				"+0s red Rooms",
				"+0s => delivered, over",
			},
		},
		"a name, a moment after somebody went there": {
			acts: []act{{0, moved("Cyd", "red")}, {4, renamed("red", "Crimson")}},
			want: []string{
				"+0s main Moves Cyd>red",
				"+0s blue Moves Cyd>red",
				"+0s => delivered",
				"+4s main Rooms, Moves",
				"+4s red Rooms",
				"+4s => delivered",
				"+10s blue Moves Cyd>red (1)",
				"+14s main Rooms (1), Moves Cyd>red (1)",
				"+14s red Rooms (1)",
				"+20s blue Moves Cyd>red (2)",
				"+24s main Moves Cyd>red (2)",
				"+34s main Rooms (3), Roles (3)",
				"+34s => over",
			},
		},
		"a name of the room that somebody leaves": {
			acts: []act{{0, moved("Ada", mainRoom)}, {4, renamed("red", "Crimson")}},
			want: []string{
				"+0s main Moves",
				"+0s red Moves Ada>main",
				"+0s => delivered",
				"+4s main Rooms, Moves",
				"+10s red Rooms, Moves Ada>main",
				"+10s => delivered",
				"+14s main Rooms (1)",
				"+20s red Moves Ada>main (1)",
				"+30s red Moves Ada>main (2)",
				"+34s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"a room less": {
			acts: []act{{0, removed("red", "blue")}}, gone: []roomName{"red"},
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal",
				"+10s main Removal",
				"+10s => delivered",
				"+20s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+20s main Moves Ada>blue Bob>blue (1)",
				"+30s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+30s main Moves Ada>blue Bob>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"a room less, and its MeetingRoom stays": {
			acts:  []act{{0, removed("red", "blue")}},
			stays: []roomName{"red"},
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal",
				"+10s main Removal",
				"+10s => delivered",
				"+20s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+20s main Moves Ada>blue Bob>blue (1)",
				"+30s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+30s main Moves Ada>blue Bob>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"a room less that is empty": {
			acts: []act{{0, moved("Cyd", "red")}, {60, removed("blue", mainRoom)}}, gone: []roomName{"blue"},
			want: []string{
				"+0s main Moves Cyd>red",
				"+0s blue Moves Cyd>red",
				"+0s => delivered",
				"+10s main Moves Cyd>red (1)",
				"+10s blue Moves Cyd>red (1)",
				"+20s main Moves Cyd>red (2)",
				"+20s blue Moves Cyd>red (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
				"+1m0s blue Moves Jo>main Co>main Ada>red Bob>red Cyd>red",
				"+1m0s main Rooms",
				"+1m10s blue Removal",
				"+1m10s main Removal",
				"+1m10s => delivered",
				"+1m20s blue Removal (1)",
				"+1m30s => over",
			},
		},
		"a room less, in mode choose": {
			acts: []act{{0, open(placed)}, {60, removed("red", mainRoom)}},
			gone: []roomName{"red"},
			want: []string{
				"+0s main Moves Ada>red, Prompt, Roles",
				"+0s => delivered",
				"+10s main Moves Ada>red (1), Prompt (1)",
				"+20s main Moves Ada>red (2), Prompt (2)",
				"+30s main Rooms (3), Roles (3), Prompt (3)",
				"+30s => over",
				"+1m0s red Moves Jo>main Co>main Bob>main Cyd>main Ada>main",
				"+1m0s main Rooms, Moves",
				"+1m0s blue Moves Ada>main",
				"+1m10s red Removal",
				"+1m10s main Removal, Prompt",
				"+1m10s blue Moves Ada>main (1)",
				"+1m10s => delivered",
				"+1m20s red Moves Jo>main Co>main Bob>main Cyd>main Ada>main (1), Removal (1)",
				"+1m20s main Prompt (1)",
				"+1m20s blue Moves Ada>main (2)",
				"+1m30s red Moves Jo>main Co>main Bob>main Cyd>main Ada>main (2)",
				"+1m30s main Prompt (2)",
				"+1m30s blue Rooms (3), Roles (3)",
				"+1m40s red Rooms (3), Roles (3)",
				"+1m40s main Rooms (3), Roles (3), Prompt (3)",
				"+1m40s => over",
			},
		},
		"a room less, and back": {
			acts: []act{{0, removed("red", mainRoom)}, {2, change(func(v *breakout.View) {
				v.Rooms = append(v.Rooms, listed("red", "Red"))
				move(v, "Ada", "red")
			})}},
			want: []string{
				"+0s red Moves Jo>main Co>main Ada>main Bob>main Cyd>blue",
				"+0s main Rooms, Moves",
				"+2s main Added",
				"+10s main Moves Ada>red",
				"+10s => delivered",
				"+12s red Moves Bob>main (1)",
				"+20s main Moves Ada>red (1)",
				"+22s red Moves Bob>main (2)",
				"+30s main Moves Ada>red (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"elsewhere a moment later": {
			acts: []act{{0, moved("Ada", "blue")}, {2, moved("Ada", mainRoom)}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+2s main Moves",
				"+10s red Moves Ada>main",
				"+10s blue Moves Ada>main",
				"+10s => delivered",
				"+20s red Moves Ada>main (1)",
				"+20s blue Moves Ada>main (1)",
				"+30s red Moves Ada>main (2)",
				"+30s blue Moves Ada>main (2)",
				"+32s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"there and back": {
			acts: []act{{0, moved("Ada", "blue")}, {2, moved("Ada", "red")}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>red",
				"+10s blue Moves Ada>red",
				"+10s => delivered",
				"+20s main Moves Ada>red (1)",
				"+20s blue Moves Ada>red (1)",
				"+30s main Moves Ada>red (2)",
				"+30s blue Moves Ada>red (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"another one a moment later": {
			acts: []act{{0, moved("Ada", "blue")}, {2, moved("Bob", "blue")}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+2s main Moves Bob>blue",
				"+2s red Moves Bob>blue",
				"+2s => delivered",
				"+12s main Moves Ada>blue Bob>blue (1)",
				"+12s red Moves Ada>blue Bob>blue (1)",
				"+22s main Moves Ada>blue Bob>blue (2)",
				"+22s red Moves Ada>blue Bob>blue (2)",
				"+32s main Rooms (3), Roles (3)",
				"+32s => over",
			},
		},
		"ten times in ten seconds": {
			acts: []act{
				{0, moved("Ada", "blue")}, {1, moved("Ada", "red")}, {2, moved("Ada", mainRoom)},
				{3, moved("Ada", "blue")}, {4, moved("Ada", "red")}, {5, moved("Ada", mainRoom)},
				{6, moved("Ada", "blue")}, {7, moved("Ada", "red")}, {8, moved("Ada", mainRoom)},
				{9, moved("Ada", "red")},
			},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+2s main Moves",
				"+3s main Moves",
				"+3s => delivered",
				"+5s main Moves",
				"+6s main Moves",
				"+6s => delivered",
				"+8s main Moves",
				"+10s main Moves Ada>red",
				"+10s blue Moves Ada>red",
				"+10s => delivered",
				"+20s main Moves Ada>red (1)",
				"+20s blue Moves Ada>red (1)",
				"+30s main Moves Ada>red (2)",
				"+30s blue Moves Ada>red (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"a countdown": {
			acts: []act{{0, change(timed)}},
			want: []string{
				"+0s main Countdown",
				"+0s red Countdown",
				"+0s blue Countdown",
				"+0s => delivered, over",
			},
		},
		"a countdown, while somebody is on the move": {
			acts: []act{{0, moved("Ada", "blue")}, {3, change(timed)}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+3s main Countdown, Moves",
				"+3s red Countdown",
				"+3s blue Countdown",
				"+3s => delivered",
				"+13s main Countdown (1), Moves Ada>blue (1)",
				"+13s red Countdown (1), Moves Ada>blue (1)",
				"+13s blue Countdown (1)",
				"+23s main Moves Ada>blue (2)",
				"+23s red Moves Ada>blue (2)",
				"+33s main Rooms (3), Roles (3)",
				"+33s => over",
			},
		},
		"roles": {
			acts: []act{{0, change(noCoHost)}},
			want: []string{
				"+0s main Roles",
				"+0s red Roles",
				"+0s blue Roles",
				"+0s => delivered, over",
			},
		},
		"automatic to choose": {
			acts: []act{{0, change(choose)}},
			want: []string{
				"+0s main Moves, Prompt",
				"+0s red Moves Ada>main Bob>main Cyd>main",
				"+0s blue Moves Ada>main Bob>main Cyd>main",
				"+0s => delivered",
				"+10s main Prompt (1)",
				"+10s red Moves Ada>main Bob>main Cyd>main (1)",
				"+10s blue Moves Ada>main Bob>main Cyd>main (1)",
				"+20s main Prompt (2)",
				"+20s red Moves Ada>main Bob>main Cyd>main (2)",
				"+20s blue Moves Ada>main Bob>main Cyd>main (2)",
				"+30s main Rooms (3), Roles (3), Prompt (3)",
				"+30s red Rooms (3), Roles (3)",
				"+30s blue Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"everything again": {
			acts: []act{{0, ask(breakout.Request{Resend: true}, asIs)}},
			want: []string{
				"+0s main Rooms, Moves Ada>red Bob>red Cyd>blue, Roles",
				"+0s red Rooms, Moves Cyd>blue, Roles",
				"+0s blue Rooms, Moves Ada>red Bob>red, Roles",
				"+0s => delivered",
				"+10s main Moves Ada>red Bob>red Cyd>blue (1)",
				"+10s red Moves Cyd>blue (1)",
				"+10s blue Moves Ada>red Bob>red (1)",
				"+20s main Moves Ada>red Bob>red Cyd>blue (2)",
				"+20s red Moves Cyd>blue (2)",
				"+20s blue Moves Ada>red Bob>red (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"one person is recalled": {
			acts: []act{{0, ask(breakout.Request{Recall: []personName{"Ada"}}, asIs)}},
			want: []string{
				"+0s main Moves Ada>red",
				"+0s blue Moves Ada>red",
				"+0s => delivered",
				"+10s main Moves Ada>red (1)",
				"+10s blue Moves Ada>red (1)",
				"+20s main Moves Ada>red (2)",
				"+20s blue Moves Ada>red (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"a closing": {
			acts: []act{{0, closes}}, gone: []roomName{"red", "blue"},
			want: []string{
				"+0s main Removal",
				"+0s red Removal",
				"+0s blue Removal",
				"+0s => delivered",
				"+10s main Removal (1)",
				"+10s red Removal (1)",
				"+10s blue Removal (1)",
				"+20s => over",
			},
		},
		"a closing while somebody is on the move": {
			acts:  []act{{0, moved("Ada", "blue")}, {4, closes}},
			stays: []roomName{"red", "blue"},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Removal",
				"+10s red Removal",
				"+10s blue Removal",
				"+10s => delivered",
				"+20s main Removal (1)",
				"+20s red Removal (1)",
				"+20s blue Removal (1)",
				"+30s => over",
			},
		},
		"a closing before the end": {
			acts:  []act{{0, change(timed)}, {5, closes}},
			stays: []roomName{"red", "blue"},
			want: []string{
				"+0s main Countdown",
				"+0s red Countdown",
				"+0s blue Countdown",
				"+0s => delivered, over",
				"+5s main Countdown, Removal",
				"+5s red Countdown, Removal",
				"+5s blue Countdown, Removal",
				"+5s => delivered",
				"+15s main Removal (1)",
				"+15s red Removal (1)",
				"+15s blue Removal (1)",
				"+25s => over",
			},
		},
		"a closing, and rooms stay": {
			acts:  []act{{0, closes}},
			stays: []roomName{"red", "blue"},
			want: []string{
				"+0s main Removal",
				"+0s red Removal",
				"+0s blue Removal",
				"+0s => delivered",
				"+10s main Removal (1)",
				"+10s red Removal (1)",
				"+10s blue Removal (1)",
				"+20s => over",
			},
		},
		"a message fails": {
			acts: []act{{0, moved("Ada", "blue")}}, outcome: first(9, Failed, "red"),
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue failed",
				"+0s => red VendorUnavailable",
				"+1s red Moves Ada>blue failed",
				"+3s red Moves Ada>blue failed",
				"+7s red Moves Ada>blue failed",
				"+10s main Moves Ada>blue (1)",
				"+11s red Moves Ada>blue failed",
				"+20s main Moves Ada>blue (2)",
				"+21s red Moves Ada>blue failed",
				"+30s main Rooms (3), Roles (3)",
				"+31s red Moves Ada>blue failed",
				"+1m31s red Moves Ada>blue failed",
				"+2m31s red Moves Ada>blue failed",
				"+3m31s red Moves Ada>blue",
				"+3m31s => delivered",
				"+3m41s red Moves Ada>blue (1)",
				"+3m51s red Moves Ada>blue (2)",
				"+4m1s => over",
			},
		},
		"a message may have arrived": {
			acts: []act{{0, moved("Ada", "blue")}}, outcome: first(1, Ambiguous, "red"),
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue ambiguous",
				"+0s => red VendorUnavailable",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue",
				"+10s => delivered",
				"+20s main Moves Ada>blue (2)",
				"+20s red Moves Ada>blue (1)",
				"+30s main Rooms (3), Roles (3)",
				"+30s red Moves Ada>blue (2)",
				"+40s => over",
			},
		},
		"an opening may have arrived": {
			acts: []act{{0, open(asIs)}}, outcome: first(1, Ambiguous, mainRoom),
			want: []string{
				"+0s main Opening Ada>red Bob>red Cyd>blue ambiguous",
				"+0s => main VendorUnavailable",
				"+10s main Opening Ada>red Bob>red Cyd>blue, Roles",
				"+10s => delivered",
				"+20s main Moves Ada>red Bob>red Cyd>blue (1)",
				"+30s main Moves Ada>red Bob>red Cyd>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"the first of two messages fails": {
			acts: []act{{0, removed("red", "blue")}}, gone: []roomName{"red"}, outcome: first(1, Failed, "red"),
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue failed",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+0s => red VendorUnavailable",
				"+1s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+11s red Removal",
				"+11s main Removal",
				"+11s => delivered",
				"+21s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+21s main Moves Ada>blue Bob>blue (1)",
				"+31s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+31s main Moves Ada>blue Bob>blue (2)",
				"+41s main Rooms (3), Roles (3)",
				"+41s => over",
			},
		},
		"the second of two messages fails": {
			acts: []act{{0, removed("red", "blue")}}, gone: []roomName{"red"},
			outcome: first(1, Failed, "red", v1alpha1.SignalRemoval),
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal failed",
				"+10s main Removal",
				"+10s => red VendorUnavailable",
				"+11s red Removal",
				"+11s => delivered",
				"+20s main Moves Ada>blue Bob>blue (1)",
				"+21s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+30s main Moves Ada>blue Bob>blue (2)",
				"+31s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+41s => over",
			},
		},
		"a repetition fails": {
			acts: []act{{0, moved("Ada", "blue")}}, outcome: failsFromRound(1, 4, "red"),
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1) failed",
				"+11s red Moves Ada>blue (1) failed",
				"+13s red Moves Ada>blue (1) failed",
				"+17s red Moves Ada>blue (1) failed",
				"+20s main Moves Ada>blue (2)",
				"+21s red Moves Ada>blue (1)",
				"+30s main Rooms (3), Roles (3)",
				"+31s red Moves Ada>blue (2)",
				"+41s => over",
			},
		},
		"a second change while a session fails": {
			acts: []act{{0, moved("Ada", "blue")}, {20, change(noCoHost)}}, outcome: first(6, Failed, "red"),
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue failed",
				"+0s => red VendorUnavailable",
				"+1s red Moves Ada>blue failed",
				"+3s red Moves Ada>blue failed",
				"+7s red Moves Ada>blue failed",
				"+10s main Moves Ada>blue (1)",
				"+11s red Moves Ada>blue failed",
				"+20s main Moves Ada>blue, Roles",
				"+20s blue Roles",
				"+21s red Moves Ada>blue failed",
				"+30s main Moves Ada>blue (1)",
				"+31s red Moves Ada>blue, Roles",
				"+31s => delivered",
				"+40s main Moves Ada>blue (2)",
				"+41s red Moves Ada>blue (1)",
				"+50s main Rooms (3)",
				"+51s red Moves Ada>blue (2)",
				"+1m1s => over",
			},
		},
		"a room less whose people cannot be reached a second time": {
			acts:    []act{{0, moved("Ada", "blue")}, {2, removed("blue", mainRoom)}},
			outcome: failsFrom(1, 14),
			stays:   []roomName{"blue"},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+2s main Rooms, Moves",
				"+2s red Moves Cyd>main failed",
				"+2s blue Moves Jo>main Co>main Cyd>main Bob>red failed",
				"+2s => red VendorUnavailable, blue VendorUnavailable",
				"+3s red Moves Cyd>main failed",
				"+3s blue Moves Jo>main Co>main Cyd>main Bob>red failed",
				"+5s red Moves Cyd>main failed",
				"+5s blue Moves Jo>main Co>main Cyd>main Bob>red failed",
				"+9s red Moves Cyd>main failed",
				"+9s blue Moves Jo>main Co>main Cyd>main Bob>red failed",
				"+12s main Removal",
				"+13s red Moves Cyd>main Ada>main failed",
				"+13s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red failed",
				"+22s main Rooms (1)",
				"+23s red Moves Cyd>main Ada>main failed",
				"+23s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red failed",
				"+42s main Rooms (3), Roles (3)",
				"+43s red Moves Cyd>main Ada>main failed",
				"+43s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red failed",
				"+1m43s red Moves Cyd>main Ada>main",
				"+1m43s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red",
				"+1m53s red Moves Cyd>main Ada>main (1)",
				"+1m53s blue Removal",
				"+1m53s => delivered",
				"+2m3s red Moves Cyd>main Ada>main (2)",
				"+2m3s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red (1), Removal (1)",
				"+2m13s blue Moves Jo>main Co>main Cyd>main Ada>main Bob>red (2)",
				"+2m23s => over",
			},
		},
		"a room less that is gone, and made anew": {
			acts: []act{{0, removed("red", "blue")}, {50, forget}, {50, change(func(v *breakout.View) {
				red := listed("red", "Red")
				red.SessionID = "1_again"
				v.Rooms = append(v.Rooms, red)
				move(v, "Ada", "red")
			})}, {95, renamed("red", "Crimson")}},
			gone: []roomName{"red"},
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal",
				"+10s main Removal",
				"+10s => delivered",
				"+20s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+20s main Moves Ada>blue Bob>blue (1)",
				"+30s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+30s main Moves Ada>blue Bob>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
				"+50s main Added, Moves Ada>red",
				"+50s blue Moves Ada>red",
				"+50s => delivered",
				"+1m0s main Moves Ada>red (1)",
				"+1m0s blue Moves Ada>red (1)",
				"+1m10s main Moves Ada>red (2)",
				"+1m10s blue Moves Ada>red (2)",
				"+1m20s main Rooms (3), Roles (3)",
				"+1m20s => over",
				"+1m35s main Rooms",
				"+1m35s red Rooms",
				"+1m35s => delivered, over",
			},
		},
		"one person is recalled who is on the move": {
			acts: []act{{0, moved("Ada", "blue")}, {4, ask(breakout.Request{Recall: []personName{"Ada"}}, asIs)}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue",
				"+10s red Moves Ada>blue",
				"+10s => delivered",
				"+20s main Moves Ada>blue (1)",
				"+20s red Moves Ada>blue (1)",
				"+30s main Moves Ada>blue (2)",
				"+30s red Moves Ada>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"one person after the other, each with rounds of their own": {
			acts: []act{{0, moved("Ada", "blue")}, {5, moved("Bob", "blue")}, {33, moved("Cyd", "red")}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+5s main Moves Bob>blue",
				"+5s red Moves Bob>blue",
				"+5s => delivered",
				"+15s main Moves Ada>blue Bob>blue (1)",
				"+15s red Moves Ada>blue Bob>blue (1)",
				"+25s main Moves Ada>blue Bob>blue (2)",
				"+25s red Moves Ada>blue Bob>blue (2)",
				"+33s main Moves Cyd>red",
				"+33s blue Moves Cyd>red",
				"+33s => delivered",
				"+43s main Moves Cyd>red Bob>blue (1)",
				"+43s blue Moves Cyd>red (1)",
				"+53s main Moves Cyd>red Bob>blue (2)",
				"+53s blue Moves Cyd>red (2)",
				"+1m3s main Rooms (3), Roles (3)",
				"+1m3s => over",
			},
		},
		"a countdown, and somebody moves": {
			acts: []act{{0, change(func(v *breakout.View) { timed(v); move(v, "Ada", "blue") })}},
			want: []string{
				"+0s main Countdown, Moves Ada>blue",
				"+0s red Countdown, Moves Ada>blue",
				"+0s blue Countdown",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1)",
				"+20s main Moves Ada>blue (2)",
				"+20s red Moves Ada>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"a name of a room that somebody goes to": {
			acts: []act{{0, change(func(v *breakout.View) {
				v.Room("blue").DisplayName = "Navy"
				move(v, "Ada", "blue")
			})}},
			want: []string{
				"+0s main Rooms, Moves Ada>blue",
				"+0s blue Rooms",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1)",
				"+20s main Moves Ada>blue (2)",
				"+20s red Moves Ada>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"a name, and a countdown before it is sent again": {
			acts: []act{
				{0, moved("Ada", mainRoom)}, {1, renamed("blue", "Navy")}, {3, change(timed)},
			},
			want: []string{
				"+0s main Moves",
				"+0s red Moves Ada>main",
				"+0s => delivered",
				"+1s main Rooms, Moves",
				"+1s blue Rooms",
				"+1s => delivered",
				"+3s main Countdown, Moves",
				"+3s red Countdown",
				"+3s blue Countdown",
				"+3s => delivered",
				"+13s main Countdown (1)",
				"+13s red Countdown (1), Moves Ada>main (1)",
				"+13s blue Countdown (1)",
				"+23s red Moves Ada>main (2)",
				"+33s main Rooms (3), Roles (3)",
				"+33s => over",
			},
		},
		"somebody begins to lead in a room": {
			acts: []act{{0, change(func(v *breakout.View) { v.CoHosts = []personName{"Cyd", "Co"} })}},
			want: []string{
				"+0s main Roles",
				"+0s red Roles",
				"+0s blue Rooms, Roles",
				"+0s => delivered, over",
			},
		},
		"somebody who leads goes to a room": {
			acts: []act{{0, moved("Co", "blue")}},
			want: []string{
				"+0s main Moves Co>blue",
				"+0s blue Moves",
				"+0s => delivered",
				"+10s main Moves Co>blue (1)",
				"+20s main Moves Co>blue (2)",
				"+30s main Rooms (3), Roles (3)",
				"+30s blue Rooms (3), Roles (3)",
				"+30s => over",
			},
		},
		"two rooms less, and one is back": {
			acts: []act{
				{0, change(func(v *breakout.View) {
					for _, p := range []personName{"Ada", "Bob", "Cyd"} {
						move(v, p, mainRoom)
					}
					v.Rooms = nil
				})},
				{2, change(func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("red", "Red")) })},
			},
			gone: []roomName{"blue"},
			want: []string{
				"+0s red Moves Jo>main Co>main Ada>main Bob>main Cyd>main",
				"+0s main Rooms, Moves",
				"+0s blue Moves Jo>main Co>main Ada>main Bob>main Cyd>main",
				"+2s main Added",
				"+10s main Removal",
				"+10s blue Removal",
				"+10s => delivered",
				"+12s red Moves Ada>main Bob>main Cyd>main (1)",
				"+20s blue Moves Jo>main Co>main Ada>main Bob>main Cyd>main (1), Removal (1)",
				"+22s red Moves Ada>main Bob>main Cyd>main (2)",
				"+30s blue Moves Jo>main Co>main Ada>main Bob>main Cyd>main (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"two rooms less, and one cannot be reached": {
			acts:    []act{{0, change(gold)}, {0, removed("red", "gold")}, {0, removed("blue", "gold")}},
			outcome: first(6, Failed, "red"),
			gone:    []roomName{"red", "blue"},
			want: []string{
				"+0s main Rooms, Added, Moves Ada>gold Bob>gold Cyd>gold",
				"+0s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+0s blue Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold",
				"+0s => red VendorUnavailable",
				"+1s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+3s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+7s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+10s main Removal",
				"+10s blue Removal",
				"+11s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+20s main Moves Ada>gold Bob>gold Cyd>gold (1)",
				"+20s blue Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold (1), Removal (1)",
				"+21s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold failed",
				"+30s main Moves Ada>gold Bob>gold Cyd>gold (2)",
				"+30s blue Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold (2)",
				"+31s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold",
				"+40s main Rooms (3), Roles (3)",
				"+41s red Removal",
				"+41s => delivered",
				"+51s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold (1), Removal (1)",
				"+1m1s red Moves Jo>main Co>main Ada>gold Bob>gold Cyd>gold (2)",
				"+1m11s => over",
			},
		},
		"a room less, whose people all left the meeting": {
			acts: []act{{0, moved("Ada", "blue")}, {2, change(func(v *breakout.View) {
				v.MainParticipants, v.Rooms = nil, v.Rooms[:1]
				v.Rooms[0].Participants = nil
			})}},
			gone: []roomName{"blue"},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+2s main Rooms, Moves",
				"+10s main Removal",
				"+10s blue Removal",
				"+10s => delivered",
				"+20s main Rooms (1)",
				"+20s blue Removal (1)",
				"+30s => over",
			},
		},
		"a countdown, and everything again, after people were called out of a room": {
			acts: []act{
				{0, removed("red", "blue")}, {12, change(timed)}, {60, ask(breakout.Request{Resend: true}, asIs)},
			},
			stays: []roomName{"red"},
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal",
				"+10s main Removal",
				"+10s => delivered",
				"+12s main Countdown, Moves Ada>blue Bob>blue",
				"+12s blue Countdown",
				"+12s => delivered",
				"+20s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (1), Removal (1)",
				"+22s main Moves Ada>blue Bob>blue (1)",
				"+30s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue (2)",
				"+32s main Moves Ada>blue Bob>blue (2)",
				"+42s main Rooms (3), Roles (3)",
				"+42s => over",
				"+1m0s main Countdown, Rooms, Moves Cyd>blue Ada>blue Bob>blue, Roles",
				"+1m0s blue Countdown, Rooms, Roles",
				"+1m0s => delivered",
				"+1m10s main Moves Cyd>blue Ada>blue Bob>blue (1)",
				"+1m20s main Moves Cyd>blue Ada>blue Bob>blue (2)",
				"+1m30s main Rooms (3), Roles (3)",
				"+1m30s => over",
			},
		},
		"a closing after people were called out of a room": {
			acts: []act{{0, removed("red", "blue")}, {12, closes}}, gone: []roomName{"red", "blue"},
			want: []string{
				"+0s red Moves Jo>main Co>main Cyd>blue Ada>blue Bob>blue",
				"+0s main Rooms, Moves Ada>blue Bob>blue",
				"+10s red Removal",
				"+10s main Removal",
				"+10s => delivered",
				"+12s main Removal",
				"+12s blue Removal",
				"+12s => delivered",
				"+20s red Moves Jo>main Co>main Cyd>main Ada>main Bob>main (1), Removal (1)",
				"+22s main Removal (1)",
				"+22s blue Removal (1)",
				"+30s red Moves Jo>main Co>main Cyd>main Ada>main Bob>main (2)",
				"+40s => over",
			},
		},
		"a restart at rest": {
			acts: []act{{0, restart}, {1, moved("Ada", "blue")}},
			want: []string{
				"+0s => restart",
				"+1s main Moves Ada>blue",
				"+1s red Moves Ada>blue",
				"+1s => delivered",
				"+11s main Moves Ada>blue (1)",
				"+11s red Moves Ada>blue (1)",
				"+21s main Moves Ada>blue (2)",
				"+21s red Moves Ada>blue (2)",
				"+31s main Rooms (3), Roles (3)",
				"+31s => over",
			},
		},
		"a restart before anything was sent": {
			acts: []act{{0, moved("Ada", "blue")}, {0, restart}},
			want: []string{
				"+0s => restart",
				"+10s main Moves Ada>blue",
				"+10s red Moves Ada>blue",
				"+10s => delivered",
				"+20s main Moves Ada>blue (1)",
				"+20s red Moves Ada>blue (1)",
				"+30s main Moves Ada>blue (2)",
				"+30s red Moves Ada>blue (2)",
				"+40s main Rooms (3), Roles (3)",
				"+40s => over",
			},
		},
		"a restart while a session lags": {
			acts: []act{{0, moved("Ada", "blue")}, {3, restart}}, outcome: first(2, Failed, "red"),
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue failed",
				"+0s => red VendorUnavailable",
				"+1s red Moves Ada>blue failed",
				"+3s => restart",
				"+13s main Moves Ada>blue (1)",
				"+13s red Moves Ada>blue",
				"+13s => delivered",
				"+23s main Moves Ada>blue (2)",
				"+23s red Moves Ada>blue (1)",
				"+33s main Rooms (3), Roles (3)",
				"+33s red Moves Ada>blue (2)",
				"+43s => over",
			},
		},
		"a restart between rounds": {
			acts: []act{{0, moved("Ada", "blue")}, {13, restart}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1)",
				"+13s => restart",
				"+23s main Moves Ada>blue (2)",
				"+23s red Moves Ada>blue (2)",
				"+33s main Rooms (3), Roles (3)",
				"+33s => over",
			},
		},
		"a restart after the last round": {
			acts: []act{{0, moved("Ada", "blue")}, {25, restart}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+10s main Moves Ada>blue (1)",
				"+10s red Moves Ada>blue (1)",
				"+20s main Moves Ada>blue (2)",
				"+20s red Moves Ada>blue (2)",
				"+25s => restart",
				"+35s main Moves Ada>blue (3)",
				"+35s red Moves Ada>blue (3)",
				"+45s main Rooms (4), Roles (4)",
				"+45s => over",
			},
		},
		"a restart, and elsewhere a moment later": {
			acts: []act{{0, moved("Ada", "blue")}, {1, restart}, {2, moved("Ada", mainRoom)}},
			want: []string{
				"+0s main Moves Ada>blue",
				"+0s red Moves Ada>blue",
				"+0s => delivered",
				"+1s => restart",
				"+2s main Moves",
				"+11s red Moves Ada>main",
				"+11s blue Moves Ada>main",
				"+11s => delivered",
				"+21s red Moves Ada>main (1)",
				"+21s blue Moves Ada>main (1)",
				"+31s red Moves Ada>main (2)",
				"+31s blue Moves Ada>main (2)",
				"+32s main Rooms (3), Roles (3)",
				"+41s => over",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{t: t, st: openStatus(), d: &Delivery{}, outcome: tc.outcome, gone: tc.gone}
			s.play(3600, tc.acts...)
			if diff := cmp.Diff(tc.want, s.log); diff != "" {
				t.Errorf("what happened (-want +got):\n%s", diff)
			}
			var stays []roomName
			for _, e := range s.st.Signals.Sessions {
				stays = append(stays, e.Room)
			}
			if diff := cmp.Diff(tc.stays, stays); diff != "" {
				t.Errorf("entries that stay (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing is known of a room that is owed nothing.
func TestDeliveryOfNothing(t *testing.T) {
	d, st := &Delivery{}, openStatus()
	d.Observe(st, nine)
	if step, ok, at := d.Next(st, "red", nine); ok || !at.IsZero() {
		t.Errorf("next: %v, or at %v", step, at)
	}
	d.Delay("red", after(60))
	d.Note(st, "red", Step{Kind: v1alpha1.SignalMoves, Names: []personName{"Cyd"}}, Delivered, "", nine)
	if !d.MovingUntil().IsZero() {
		t.Errorf("moving until %v", d.MovingUntil())
	}
}

// People are on their way to a room from when they are sent there until they can be sent elsewhere; after a restart
// everybody on the move is taken to have been sent anywhere just now.
func TestMoving(t *testing.T) {
	type moving struct {
		Until time.Time
		To    map[roomName]time.Time
	}
	on := func(d *Delivery, now time.Time) moving { // a time that is over says nothing
		to := d.MovingTo()
		maps.DeleteFunc(to, func(_ roomName, until time.Time) bool { return !until.After(now) })
		return moving{d.MovingUntil(), to}
	}
	s := &stage{t: t, st: openStatus(), d: &Delivery{}}
	s.play(5, act{0, moved("Ada", "blue")}, act{2, moved("Bob", "blue")}, act{3, moved("Cyd", mainRoom)})
	want := moving{after(13), map[roomName]time.Time{"blue": after(12), mainRoom: after(13)}}
	if diff := cmp.Diff(want, on(s.d, s.now)); diff != "" {
		t.Errorf("moving (-want +got):\n%s", diff)
	}
	again := &Delivery{}
	again.Observe(s.st, after(4))
	want = moving{after(14), map[roomName]time.Time{
		"": after(14), mainRoom: after(14), "red": after(14), "blue": after(14),
	}}
	if diff := cmp.Diff(want, on(again, after(4))); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	s.play(3600)
	s.d.Observe(s.st, after(3600))
	if diff := cmp.Diff(moving{To: map[roomName]time.Time{}}, on(s.d, after(3600))); diff != "" {
		t.Errorf("long after they arrived (-want +got):\n%s", diff)
	}
}

// Names that a session was sent a moment ago hold, without anybody on the way; those that it was not sent do not.
func TestMovingToNames(t *testing.T) {
	to := func(outcome Outcome) map[roomName]time.Time {
		s := &stage{t: t, st: openStatus(), d: &Delivery{}, outcome: first(1, outcome, "red")}
		s.play(3, act{3, renamed("red", "Crimson")})
		held := s.d.MovingTo()
		maps.DeleteFunc(held, func(_ roomName, until time.Time) bool { return !until.After(s.now) })
		return held
	}
	want := map[roomName]time.Time{mainRoom: after(13), "red": after(13)}
	if diff := cmp.Diff(want, to(Delivered)); diff != "" {
		t.Errorf("a name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, to(Ambiguous)); diff != "" {
		t.Errorf("a name that may have arrived (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[roomName]time.Time{mainRoom: after(13)}, to(Failed)); diff != "" {
		t.Errorf("a name that was not sent (-want +got):\n%s", diff)
	}
}

// What the vendor asks to be put off waits for that long, and longer only if it would have been anyway.
func TestDelay(t *testing.T) {
	for name, tc := range map[string]struct {
		until int
		retry bool // at once, at +2 s
		want  []string
	}{
		"longer than the next try": {until: 7, want: []string{
			"+0s main Moves Ada>blue", "+0s red Moves Ada>blue failed", "+0s => red VendorUnavailable",
			"+7s red Moves Ada>blue", "+7s => delivered",
		}},
		"shorter": {until: 0, want: []string{
			"+0s main Moves Ada>blue", "+0s red Moves Ada>blue failed", "+0s => red VendorUnavailable",
			"+1s red Moves Ada>blue", "+1s => delivered",
		}},
		"all is tried at once": {until: 7, retry: true, want: []string{
			"+0s main Moves Ada>blue", "+0s red Moves Ada>blue failed", "+0s => red VendorUnavailable",
			"+2s red Moves Ada>blue", "+2s => delivered",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{t: t, st: openStatus(), d: &Delivery{}, outcome: first(1, Failed, "red")}
			s.d.Delay("red", after(60)) // nothing is known of it
			acts := []act{
				{0, moved("Ada", "blue")}, {0, func(s *stage) { s.work(); s.d.Delay("red", after(tc.until)) }},
			}
			if tc.retry {
				acts = append(acts, act{2, func(s *stage) { s.d.RetryNow() }})
			}
			s.play(9, acts...)
			if diff := cmp.Diff(tc.want, s.log); diff != "" {
				t.Errorf("what happened (-want +got):\n%s", diff)
			}
		})
	}
}

// The kinds that were sent since it was asked last are those of a state, not of its repetitions.
func TestTakeSent(t *testing.T) {
	s := &stage{t: t, st: openStatus(), d: &Delivery{}, outcome: first(1, Failed, "red")}
	var got [][]v1alpha1.SignalKind
	take := func(s *stage) { s.work(); got = append(got, s.d.TakeSent()) }
	s.play(3600, act{0, removed("red", "blue")}, act{0, take}, act{5, take}, act{11, take}, act{100, take})
	want := [][]v1alpha1.SignalKind{
		{v1alpha1.SignalRooms, v1alpha1.SignalMoves}, {v1alpha1.SignalMoves}, {v1alpha1.SignalRemoval}, nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

// kinds is the order of messages within a session. The prompt follows whatever list closes it.
var kinds = []v1alpha1.SignalKind{
	v1alpha1.SignalCountdown, v1alpha1.SignalRooms, v1alpha1.SignalOpening, v1alpha1.SignalAdded, v1alpha1.SignalMoves,
	v1alpha1.SignalRemoval, v1alpha1.SignalRoles,
}

// judge checks what is sent: JSON that is short enough, that sends nobody elsewhere within 10 s and nobody to where
// they are, kind after kind.
type judge struct {
	t       *rapid.T
	s       *stage
	last    map[string]naming
	ordered map[roomName]ordered
}

// ordered is the last message of a state.
type ordered struct {
	revision int64
	kind     int
}

func (j *judge) check(room roomName, step Step, outcome Outcome) {
	st := j.s.st
	session := breakout.SessionOf(st, room)
	if session == "" {
		j.t.Fatalf("%s has no session", room)
	}
	for _, signal := range NewComposer(source, st).Signals(room, step, j.s.now) {
		if n := quotedLength(j.t, signal.Data); n > maxLength || !json.Valid([]byte(signal.Data)) {
			j.t.Fatalf("%s to %s has %d bytes: %s", step.Kind, room, n, signal.Data)
		}
		if signal.Type != TypeBreakoutRoom {
			continue
		}
		var list shownList
		if err := json.Unmarshal([]byte(signal.Data), &list); err != nil {
			j.t.Fatal(err)
		}
		for _, r := range list.BreakoutRooms {
			for _, name := range r.MemberAssigned {
				if r.SessionID == session {
					j.t.Fatalf("%s sends %s to %s in its own session", step.Kind, name, room)
				}
				last := j.last[name]
				if last.room != roomName(r.SessionID) && j.s.now.Sub(last.at) < 10*time.Second {
					j.t.Fatalf("%s is sent to %s %v after %s:\n%s", name, r.SessionID, j.s.now.Sub(last.at), last.room,
						strings.Join(j.s.log, "\n"))
				}
				// Others are there long since.
				if outcome != Failed && slices.Contains(st.Signals.Moving, personName(name)) {
					j.last[name] = naming{room: roomName(r.SessionID), at: j.s.now}
				}
			}
		}
	}
	if kind := slices.Index(kinds, step.Kind); step.Round == 0 && kind >= 0 {
		if o := j.ordered[room]; o.revision == st.Signals.Revision && kind < o.kind {
			j.t.Fatalf("%s is sent %s after %s", room, step.Kind, kinds[o.kind])
		}
		j.ordered[room] = ordered{st.Signals.Revision, kind}
	}
}

// Random views one after the other, with calls that fail and processes that die: what is sent keeps to the rules, and
// comes to an end.
func checkDelivery(t *rapid.T) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "views"), 0))
	people, names, modes := rng.IntN(8), []string{"Red", "Blue", "Green", "Gold", "Grey"}, []v1alpha1.BreakoutSetMode{
		v1alpha1.ModeAutomatic, v1alpha1.ModeAutomatic, v1alpha1.ModeChoose,
	}
	view := func() breakout.View {
		st := crowd(rng, 1+rng.IntN(4), people, true)
		v := breakout.Planned(st)
		for i := range v.Rooms {
			v.Rooms[i].DisplayName = names[(i+rng.IntN(2))%len(names)] + strings.Repeat("'", i)
		}
		v.MainDisplayName, v.MainSessionID = "Algebra", "1_main"
		rng.Shuffle(len(v.Rooms), func(i, j int) { v.Rooms[i], v.Rooms[j] = v.Rooms[j], v.Rooms[i] })
		for _, r := range v.Rooms[rng.IntN(len(v.Rooms)+1):] {
			v.MainParticipants = append(v.MainParticipants, r.Participants...)
		}
		v.Rooms = slices.DeleteFunc(v.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool {
			return intersect(r.Participants, v.MainParticipants)
		})
		if leaders := v.People(); len(leaders) > 0 && rng.IntN(2) == 0 {
			v.Hosts, v.CoHosts = leaders[:1], leaders[1:min(len(leaders), 1+rng.IntN(3))]
		}
		v.Mode = modes[rng.IntN(len(modes))]
		return v
	}
	s := &stage{t: t, st: &v1alpha1.BreakoutSetStatus{}, d: &Delivery{}}
	j := &judge{t: t, s: s, last: map[string]naming{}, ordered: map[roomName]ordered{}}
	faults := rapid.Float64Range(0, 0.7).Draw(t, "faults")
	s.outcome = func(room roomName, step Step) Outcome {
		outcome := Delivered
		if rng.Float64() < faults {
			outcome = []Outcome{Ambiguous, Failed}[rng.IntN(2)]
		}
		j.check(room, step, outcome)
		return outcome
	}
	acts, at := []act{{0, open(func(v *breakout.View) { *v = view() })}}, 0
	for range rapid.IntRange(1, 6).Draw(t, "changes") {
		at += rng.IntN(15)
		do := ask(breakout.Request{Resend: rng.IntN(8) == 0}, func(v *breakout.View) {
			timer := v.Timer
			if *v = view(); timer != nil || rng.IntN(3) == 0 {
				v.Timer = timerOf(rng.IntN(1000), v1alpha1.ReturnManual)
			}
		})
		if rng.IntN(5) == 0 {
			do = func(s *stage) { restart(s); clear(j.ordered) }
		}
		acts = append(acts, act{at, do})
	}
	if rng.IntN(2) == 0 {
		acts = append(acts, act{at + rng.IntN(15), closes})
	}
	acts = append(acts, act{at + 20, func(*stage) { faults = 0 }})
	s.play(100000, acts...)
	if len(s.lasting()) > 0 || len(s.st.Signals.Moving) > 0 || len(breakout.Lagging(s.st)) > 0 {
		t.Fatalf("never at rest: %+v\n%s", s.st.Signals, strings.Join(s.log, "\n"))
	}
}

func intersect(a, b []personName) bool {
	return slices.ContainsFunc(a, func(p personName) bool { return slices.Contains(b, p) })
}

func TestDeliveryRules(t *testing.T) { rapid.Check(t, checkDelivery) }

func FuzzDelivery(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkDelivery)) }
