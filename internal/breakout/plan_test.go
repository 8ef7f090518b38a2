// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

type (
	person = v1alpha1.ParticipantName
	room   = v1alpha1.BreakoutRoomName
)

// listed is a room of a view.
func listed(name room, displayName string, members ...person) v1alpha1.BreakoutRoomStatus {
	return v1alpha1.BreakoutRoomStatus{
		Name: name, DisplayName: displayName, MeetingRoomName: "groups-" + string(name), SessionID: "1_" + string(name),
		Participants: members,
	}
}

// leaving is a room that people are called out of.
func leaving(name room, displayName string) v1alpha1.BreakoutRoomStatus {
	r := listed(name, displayName)
	r.State = v1alpha1.RoomLeaving
	return r
}

// classroom is the view that most tests begin with: a host, a co-host, and three people in two rooms.
func classroom() breakout.View {
	return breakout.View{
		MainDisplayName: "Algebra", MainSessionID: "1_main", MainParticipants: []person{"Jo", "Co"},
		Hosts: []person{"Jo"}, CoHosts: []person{"Co"}, Mode: v1alpha1.ModeAutomatic,
		Rooms: []v1alpha1.BreakoutRoomStatus{listed("red", "Red", "Ada", "Bob"), listed("blue", "Blue", "Cyd")},
	}
}

func timerOf(end int, mode v1alpha1.ReturnMode) *v1alpha1.TimerStatus {
	return &v1alpha1.TimerStatus{EndTime: *at(end), DurationSeconds: 600, WarningSeconds: 30, ReturnMode: mode}
}

// openStatus is the classroom, opened a minute before nine, when everybody has arrived.
func openStatus() *v1alpha1.BreakoutSetStatus {
	st := &v1alpha1.BreakoutSetStatus{OpenedAt: at(-60)}
	breakout.PlanOpening(st, classroom(), at(-60).Time)
	arrived(st, nine)
	return st
}

// An act is something that happens to a status.
type act func(st *v1alpha1.BreakoutSetStatus, now time.Time)

// change makes another view the planned one.
func change(edit func(v *breakout.View)) act { return ask(breakout.Request{}, edit) }

// ask is a change of the view with a request.
func ask(request breakout.Request, edit func(v *breakout.View)) act {
	return func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
		v := breakout.Planned(st.DeepCopy())
		edit(&v)
		breakout.PlanUpdate(st, v, request, now)
	}
}

func asIs(*breakout.View) {}

// arrived is when every session has had the state, and all rounds are over.
func arrived(st *v1alpha1.BreakoutSetStatus, _ time.Time) {
	st.Signals.Sessions, st.Signals.Moving = nil, nil
}

// repeating is when every session has had the state, and is sent these messages again.
func repeating(kinds ...v1alpha1.SignalKind) act {
	return func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
		for i := range st.Signals.Sessions {
			st.Signals.Sessions[i] = v1alpha1.SessionSignals{
				Room: st.Signals.Sessions[i].Room, Revision: st.Signals.Revision, Time: metav1.NewMicroTime(now),
				Reason: v1alpha1.RepeatingReason, Messages: kinds,
			}
		}
	}
}

// failing is when a session's messages fail.
func failing(name room, reason string) act {
	return func(st *v1alpha1.BreakoutSetStatus, _ time.Time) {
		for i := range st.Signals.Sessions {
			if e := &st.Signals.Sessions[i]; e.Room == name {
				e.Reason = reason
			}
		}
	}
}

// move puts somebody into another room, or the main room, of a view.
func move(v *breakout.View, p person, to room) {
	gone := func(q person) bool { return q == p }
	v.MainParticipants = slices.DeleteFunc(v.MainParticipants, gone)
	for i := range v.Rooms {
		v.Rooms[i].Participants = slices.DeleteFunc(v.Rooms[i].Participants, gone)
		if v.Rooms[i].Name == to {
			v.Rooms[i].Participants = append(v.Rooms[i].Participants, p)
		}
	}
	if to == "main" {
		v.MainParticipants = append(v.MainParticipants, p)
	}
}

func moved(p person, to room) act { return change(func(v *breakout.View) { move(v, p, to) }) }

// remove takes a room out of a view, and leaves its people nowhere.
func remove(v *breakout.View, name room) {
	v.Rooms = slices.DeleteFunc(v.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == name })
}

// removeTo takes a room out of a view, and its people go to another.
func removeTo(name, to room) act {
	return change(func(v *breakout.View) {
		for _, p := range slices.Clone(v.Room(name).Participants) {
			move(v, p, to)
		}
		remove(v, name)
	})
}

// owed is what a status owes: a line for each session with how it stands and its messages, and who is on the move.
// A session is new while it has had nothing of this opening, and lags or repeats after that.
func owed(st *v1alpha1.BreakoutSetStatus) []string {
	var lines []string
	for _, e := range st.Signals.Sessions {
		state := "lags"
		switch e.Revision {
		case 0:
			state = "new"
		case st.Signals.Revision:
			state = "repeats"
		}
		if e.Reason != v1alpha1.PendingReason && e.Reason != v1alpha1.RepeatingReason {
			state += " " + e.Reason
		}
		line := string(e.Room) + " " + state + ":"
		for _, k := range e.Messages {
			line += " " + string(k)
		}
		lines = append(lines, line)
	}
	if m := st.Signals.Moving; len(m) > 0 {
		lines = append(lines, fmt.Sprint(m))
	}
	return lines
}

func TestPlanOpening(t *testing.T) {
	choose := func(v *breakout.View) {
		v.Mode = v1alpha1.ModeChoose
		for _, p := range []person{"Ada", "Bob", "Cyd"} {
			move(v, p, "main")
		}
	}
	for name, tc := range map[string]struct {
		edit func(v *breakout.View)
		want []string
	}{
		"automatic": {
			edit: func(v *breakout.View) { v.CoHosts = nil },
			want: []string{"main new: Opening", "[Ada Bob Cyd]"},
		},
		"manual is no other": {
			edit: func(v *breakout.View) { v.CoHosts, v.Mode = nil, v1alpha1.ModeManual },
			want: []string{"main new: Opening", "[Ada Bob Cyd]"},
		},
		"with a co-host, who has controls from then on": {
			edit: asIs, want: []string{"main new: Opening Roles", "[Ada Bob Cyd]"},
		},
		"with a host who is placed, whom the opening itself does not move": {
			edit: func(v *breakout.View) { move(v, "Jo", "red"); v.CoHosts = nil },
			want: []string{"main new: Opening Moves", "[Ada Bob Jo Cyd]"},
		},
		"with a co-host who is placed": {
			edit: func(v *breakout.View) { move(v, "Co", "red") },
			want: []string{"main new: Opening Roles", "[Ada Bob Co Cyd]"},
		},
		"with a countdown, before all else": {
			edit: func(v *breakout.View) { move(v, "Jo", "red"); v.Timer = timerOf(600, v1alpha1.ReturnManual) },
			want: []string{"main new: Countdown Opening Moves Roles", "[Ada Bob Jo Cyd]"},
		},
		"nobody goes anywhere": {
			edit: func(v *breakout.View) { choose(v); v.Mode, v.CoHosts = v1alpha1.ModeManual, nil },
			want: []string{"main new: Opening"},
		},
		"choose": {
			edit: choose, want: []string{"main new: Prompt Roles"},
		},
		"choose, with somebody who is placed": {
			edit: func(v *breakout.View) { choose(v); move(v, "Ada", "red"); v.CoHosts = nil },
			want: []string{"main new: Moves Prompt", "[Ada]"},
		},
		"without rooms nobody is sent anything": {
			edit: func(v *breakout.View) { choose(v); v.Rooms, v.CoHosts = nil, nil },
		},
		"but the countdown and roles": {
			edit: func(v *breakout.View) { choose(v); v.Rooms, v.Timer = nil, timerOf(60, v1alpha1.ReturnManual) },
			want: []string{"main new: Countdown Roles"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := classroom()
			tc.edit(&v)
			st := &v1alpha1.BreakoutSetStatus{OpenedAt: at(0)}
			breakout.PlanOpening(st, v, nine)
			if diff := cmp.Diff(tc.want, owed(st), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(v, breakout.Planned(st), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("planned (-want +got):\n%s", diff)
			}
			if got, want := breakout.IsOpening(st), len(tc.want) > 0; got != want {
				t.Errorf("is opening: %t, want %t", got, want)
			}
		})
	}
}

func TestPlanUpdate(t *testing.T) {
	timed := change(func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) })
	gold := func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }
	crimson := change(func(v *breakout.View) { v.Rooms[0].DisplayName = "Crimson" })
	backAgain := func(to room, people ...person) act {
		return change(func(v *breakout.View) {
			v.Rooms = append([]v1alpha1.BreakoutRoomStatus{listed("red", "Red")}, v.Rooms...)
			for _, p := range people {
				move(v, p, to)
			}
		})
	}
	for name, tc := range map[string]struct {
		acts []act
		want []string
	}{
		"nothing changes": {acts: []act{change(asIs)}},
		"somebody new in the main room is nobody's business": {
			acts: []act{change(func(v *breakout.View) { v.MainParticipants = append(v.MainParticipants, "Eve") })},
		},
		"nor is somebody who left the meeting": {
			acts: []act{change(func(v *breakout.View) { v.Rooms[0].Participants = []person{"Ada"} })},
		},
		"a name": {acts: []act{crimson}, want: []string{"main lags: Rooms", "red lags: Rooms"}},
		"a name, and a room with a co-host": {
			acts: []act{moved("Co", "blue"), arrived, crimson},
			want: []string{"main lags: Rooms", "blue lags: Rooms", "red lags: Rooms"},
		},
		"a size": {
			acts: []act{change(func(v *breakout.View) { v.Rooms[1].MaxParticipants = 7 })},
			want: []string{"main lags: Rooms", "blue lags: Rooms"},
		},
		"a room more": {acts: []act{change(gold)}, want: []string{"main lags: Added"}},
		"a room more, and a room with a host": {
			acts: []act{moved("Jo", "blue"), arrived, change(gold)},
			want: []string{"main lags: Added", "blue lags: Added"},
		},
		"a room more, and somebody goes there": {
			acts: []act{change(func(v *breakout.View) { gold(v); move(v, "Ada", "gold") })},
			want: []string{"main lags: Added Moves", "red lags: Moves", "[Ada]"},
		},
		"a room more, and the host goes there, where nobody is yet": {
			acts: []act{change(func(v *breakout.View) { gold(v); move(v, "Jo", "gold") })},
			want: []string{"main lags: Added Moves", "[Jo]"},
		},
		"a room less, and its people go to the main room": {
			acts: []act{removeTo("red", "main")},
			want: []string{"red lags: Moves Removal", "main lags: Rooms Moves Removal", "[Ada Bob]"},
		},
		"a room less, and its people go to another": {
			acts: []act{removeTo("red", "blue")},
			want: []string{"red lags: Moves Removal", "main lags: Rooms Moves Removal", "[Ada Bob]"},
		},
		"a room less, with the host, who goes to another": {
			acts: []act{moved("Jo", "red"), arrived, removeTo("red", "blue")},
			want: []string{
				"red lags: Moves Removal", "main lags: Rooms Moves Removal", "blue lags: Rooms Moves", "[Ada Bob Jo]",
			},
		},
		"a room less that is empty": {
			acts: []act{moved("Cyd", "red"), arrived, removeTo("blue", "main")},
			want: []string{"blue lags: Moves Removal", "main lags: Rooms Removal"},
		},
		"the last room less": {
			acts: []act{removeTo("red", "main"), arrived, removeTo("blue", "main")},
			want: []string{"blue lags: Moves Removal", "main lags: Rooms Moves Removal", "[Cyd]"},
		},
		"a room is back before it was gone": {
			acts: []act{removeTo("red", "main"), backAgain("red", "Ada", "Bob")},
			want: []string{"red lags: Moves", "main lags: Rooms Added Moves", "[Ada Bob]"},
		},
		"a room is back, and its people are elsewhere": {
			acts: []act{
				removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval), backAgain("blue"),
			},
			want: []string{"red repeats: Moves", "main lags: Added Moves", "[Ada Bob]"},
		},
		"one person moves": {
			acts: []act{moved("Ada", "blue")}, want: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
		},
		"to the main room": {
			acts: []act{moved("Ada", "main")}, want: []string{"main lags: Moves", "red lags: Moves", "[Ada]"},
		},
		"from the main room": {
			acts: []act{moved("Co", "red")}, want: []string{"main lags: Moves", "red lags: Moves", "[Co]"},
		},
		"somebody new goes to a room": {
			acts: []act{moved("Eve", "red")}, want: []string{"main lags: Moves", "[Eve]"},
		},
		"the host goes where nobody leads": {
			acts: []act{moved("Jo", "blue")}, want: []string{"main lags: Moves", "blue lags: Moves", "[Jo]"},
		},
		"two swap": {
			acts: []act{change(func(v *breakout.View) { move(v, "Ada", "blue"); move(v, "Cyd", "red") })},
			want: []string{"main lags: Moves", "blue lags: Moves", "red lags: Moves", "[Cyd Ada]"},
		},
		"on the move, and elsewhere now: all sessions that lag": {
			acts: []act{moved("Ada", "blue"), moved("Ada", "main")},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada]"},
		},
		"on the move, and back": {
			acts: []act{moved("Ada", "blue"), moved("Ada", "red")},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada]"},
		},
		"on the move, and elsewhere now: all sessions that repeat": {
			acts: []act{moved("Ada", "blue"), repeating(v1alpha1.SignalMoves), moved("Ada", "main")},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada]"},
		},
		"where nobody was looked for, nobody is": {
			acts: []act{moved("Ada", "blue"), repeating(v1alpha1.SignalRooms), moved("Ada", "main")},
			want: []string{"main lags: Moves", "red repeats: Rooms", "blue lags: Moves", "[Ada]"},
		},
		"one person moves while another is on the move": {
			acts: []act{moved("Ada", "main"), repeating(v1alpha1.SignalMoves), moved("Cyd", "main")},
			want: []string{"main lags: Moves", "red repeats: Moves", "blue lags: Moves", "[Ada Cyd]"},
		},
		"who is on the move leaves the meeting": {
			acts: []act{moved("Ada", "blue"), repeating(v1alpha1.SignalMoves), change(func(v *breakout.View) {
				v.Rooms[1].Participants = []person{"Cyd"}
			})},
			want: []string{"main repeats: Moves", "red repeats: Moves"},
		},
		"one leads no more": {
			acts: []act{change(func(v *breakout.View) { v.CoHosts = nil })},
			want: []string{"main lags: Roles", "red lags: Roles", "blue lags: Roles"},
		},
		"one more leads": {
			acts: []act{change(func(v *breakout.View) { v.Hosts = []person{"Jo", "Cyd"} })},
			want: []string{"main lags: Roles", "red lags: Roles", "blue lags: Rooms Roles"},
		},
		"one more leads, as a co-host": {
			acts: []act{change(func(v *breakout.View) { v.CoHosts = []person{"Ada", "Co"} })},
			want: []string{"main lags: Roles", "red lags: Rooms Roles", "blue lags: Roles"},
		},
		"one more leads where somebody does already": {
			acts: []act{
				moved("Jo", "blue"), arrived, change(func(v *breakout.View) { v.CoHosts = []person{"Co", "Cyd"} }),
			},
			want: []string{"main lags: Roles", "red lags: Roles", "blue lags: Roles"},
		},
		"one more leads, and is on the way to a room": {
			acts: []act{change(func(v *breakout.View) { v.CoHosts = []person{"Ada", "Co"}; move(v, "Ada", "blue") })},
			want: []string{
				"main lags: Moves Roles", "blue lags: Rooms Moves Roles", "red lags: Moves Roles", "[Ada]",
			},
		},
		"one more leads, in a room that is new": {
			acts: []act{change(func(v *breakout.View) {
				gold(v)
				v.CoHosts = []person{"Ada", "Co"}
				move(v, "Ada", "gold")
			})},
			want: []string{"main lags: Added Moves Roles", "red lags: Moves Roles", "blue lags: Roles", "[Ada]"},
		},
		"roles, with a room that is new": {
			acts: []act{change(func(v *breakout.View) { gold(v); v.CoHosts = nil })},
			want: []string{"main lags: Added Roles", "red lags: Roles", "blue lags: Roles"},
		},
		"roles, with people who are called out of a room": {
			acts: []act{
				removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval),
				change(func(v *breakout.View) { v.CoHosts = nil }),
			},
			want: []string{"red repeats: Moves Removal", "main lags: Moves Roles", "blue lags: Roles", "[Ada Bob]"},
		},
		"roles, with people who are not called out of a room yet": {
			acts: []act{removeTo("red", "blue"), change(func(v *breakout.View) { v.CoHosts = nil })},
			want: []string{
				"red lags: Moves Removal Roles", "main lags: Rooms Moves Removal Roles", "blue lags: Roles",
				"[Ada Bob]",
			},
		},
		"who was called out of a room is owed nothing more": {
			acts: []act{
				removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval), timed,
				moved("Ada", "main"), ask(breakout.Request{Resend: true, Recall: []person{"Bob"}}, asIs),
			},
			want: []string{
				"red repeats: Moves Removal", "main lags: Countdown Rooms Moves Roles",
				"blue lags: Countdown Rooms Moves Roles", "[Ada Cyd Bob]",
			},
		},
		"nor is who is in a room that is back since": {
			acts: []act{
				removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval),
				change(func(v *breakout.View) {
					v.Rooms = append(v.Rooms, listed("red", "Red"))
					v.Timer = timerOf(600, v1alpha1.ReturnAutomatic)
				}),
			},
			want: []string{
				"red repeats: Moves", "main lags: Countdown Added Moves", "blue lags: Countdown", "[Ada Bob]",
			},
		},
		"but for what changes after that": {
			acts: []act{
				removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval), backAgain("blue"),
				timed,
			},
			want: []string{
				"red lags: Countdown Moves", "main lags: Countdown Added Moves", "blue lags: Countdown", "[Ada Bob]",
			},
		},
		"two rooms less, and one is back": {
			acts: []act{removeTo("blue", "main"), removeTo("red", "main"), backAgain("main")},
			want: []string{
				"blue lags: Moves Removal", "main lags: Rooms Added Moves Removal", "red lags: Moves", "[Cyd Ada Bob]",
			},
		},
		"one room less after the other, and the second is back": {
			acts: []act{
				removeTo("blue", "main"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval),
				removeTo("red", "main"), backAgain("main"),
			},
			want: []string{
				"blue repeats: Moves Removal", "main lags: Rooms Added Moves", "red lags: Moves", "[Cyd Ada Bob]",
			},
		},
		"of what is sent again, moves and the countdown are owed again": {
			acts: []act{
				moved("Ada", "blue"), repeating(
					v1alpha1.SignalCountdown, v1alpha1.SignalRooms, v1alpha1.SignalMoves, v1alpha1.SignalPrompt,
				), change(func(v *breakout.View) { v.CoHosts = nil }),
			},
			want: []string{
				"main lags: Countdown Moves Roles", "red lags: Countdown Moves Roles", "blue lags: Roles", "[Ada]",
			},
		},
		"a countdown": {
			acts: []act{timed}, want: []string{"main lags: Countdown", "red lags: Countdown", "blue lags: Countdown"},
		},
		"the same countdown": {acts: []act{timed, arrived, timed}},
		"another end": {
			acts: []act{
				timed, arrived, change(func(v *breakout.View) { v.Timer = timerOf(300, v1alpha1.ReturnAutomatic) }),
			},
			want: []string{"main lags: Countdown", "red lags: Countdown", "blue lags: Countdown"},
		},
		"no end any more": {
			acts: []act{timed, arrived, change(func(v *breakout.View) { v.Timer = breakout.NoEnd(nine) })},
			want: []string{"main lags: Countdown", "red lags: Countdown", "blue lags: Countdown"},
		},
		"automatic to choose": {
			acts: []act{change(func(v *breakout.View) {
				v.Mode = v1alpha1.ModeChoose
				move(v, "Ada", "main")
				move(v, "Bob", "main")
			})},
			want: []string{"main lags: Moves Prompt", "red lags: Moves", "[Ada Bob]"},
		},
		"choose to automatic": {
			acts: []act{
				change(func(v *breakout.View) { v.Mode = v1alpha1.ModeChoose }), arrived,
				change(func(v *breakout.View) { v.Mode = v1alpha1.ModeAutomatic; move(v, "Co", "red") }),
			},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada Bob Co Cyd]"},
		},
		"choose, and somebody is placed, who can be anywhere": {
			acts: []act{
				change(func(v *breakout.View) { v.Mode = v1alpha1.ModeChoose; move(v, "Ada", "main") }), arrived,
				moved("Ada", "blue"),
			},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada]"},
		},
		"another mode in which nobody is asked": {
			acts: []act{change(func(v *breakout.View) { v.Mode = v1alpha1.ModeManual })},
		},
		"everything again": {
			acts: []act{ask(breakout.Request{Resend: true}, asIs)},
			want: []string{
				"main lags: Rooms Moves Roles", "red lags: Rooms Moves Roles",
				"blue lags: Rooms Moves Roles", "[Ada Bob Cyd]",
			},
		},
		"everything again, with a countdown, in mode choose": {
			acts: []act{
				timed, change(func(v *breakout.View) { v.Mode = v1alpha1.ModeChoose; move(v, "Cyd", "main") }), arrived,
				ask(breakout.Request{Resend: true}, asIs),
			},
			want: []string{
				"main lags: Countdown Rooms Moves Prompt Roles", "red lags: Countdown Rooms Moves Roles",
				"blue lags: Countdown Rooms Moves Roles", "[Ada Bob]",
			},
		},
		"everything again, with nobody placed": {
			acts: []act{
				moved("Ada", "main"), moved("Bob", "main"), moved("Cyd", "main"), arrived,
				ask(breakout.Request{Resend: true}, asIs),
			},
			want: []string{"main lags: Rooms Roles", "red lags: Rooms Roles", "blue lags: Rooms Roles"},
		},
		"everything again, with a room more": {
			acts: []act{ask(breakout.Request{Resend: true}, gold)},
			want: []string{
				"main lags: Rooms Added Moves Roles", "red lags: Rooms Moves Roles",
				"blue lags: Rooms Moves Roles", "[Ada Bob Cyd]",
			},
		},
		"one person is recalled": {
			acts: []act{ask(breakout.Request{Recall: []person{"Ada"}}, asIs)},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Ada]"},
		},
		"one person is recalled to the main room": {
			acts: []act{ask(breakout.Request{Recall: []person{"Co"}}, asIs)},
			want: []string{"main lags: Moves", "red lags: Moves", "blue lags: Moves", "[Co]"},
		},
		"one person is recalled while another is on the move": {
			acts: []act{
				moved("Cyd", "red"), repeating(v1alpha1.SignalMoves),
				ask(breakout.Request{Recall: []person{"Ada"}}, asIs),
			},
			want: []string{"main lags: Moves", "blue lags: Moves", "red lags: Moves", "[Ada Cyd]"},
		},
		"somebody is recalled who is not in the meeting": {
			acts: []act{ask(breakout.Request{Recall: []person{"Zoe"}}, asIs)},
		},
		"what was owed stays owed": {
			acts: []act{
				timed, failing("blue", v1alpha1.VendorUnavailableReason), moved("Ada", "blue"),
				change(func(v *breakout.View) { v.CoHosts = nil }),
			},
			want: []string{
				"main lags: Countdown Moves Roles", "red lags: Countdown Moves Roles",
				"blue lags VendorUnavailable: Countdown Roles", "[Ada]",
			},
		},
		"the opening stays owed": {
			acts: []act{
				func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
					*st = v1alpha1.BreakoutSetStatus{OpenedAt: at(0)}
					breakout.PlanOpening(st, classroom(), now)
				},
				moved("Ada", "blue"),
			},
			want: []string{"main new: Opening Moves Roles", "red lags: Moves", "[Bob Cyd Ada]"},
		},
		"what is sent again is owed again where something is owed beside": {
			acts: []act{moved("Ada", "blue"), repeating(v1alpha1.SignalMoves), timed},
			want: []string{
				"main lags: Countdown Moves", "red lags: Countdown Moves", "blue lags: Countdown", "[Ada]",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus()
			for i, do := range tc.acts {
				do(st, nine.Add(time.Duration(i)*time.Second))
			}
			if diff := cmp.Diff(tc.want, owed(st), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
			before := st.DeepCopy()
			if breakout.PlanUpdate(st, breakout.Planned(st), breakout.Request{}, at(60).Time) {
				t.Error("the same plan once more changes something")
			}
			if diff := cmp.Diff(before, st); diff != "" {
				t.Errorf("the same plan once more (-before +after):\n%s", diff)
			}
		})
	}
}

func TestPlanClosing(t *testing.T) {
	timed := change(func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) })
	withdrawn := change(func(v *breakout.View) { v.Timer = breakout.NoEnd(nine) })
	for name, tc := range map[string]struct {
		acts      []act
		notBefore int
		want      []string
		wantTime  int                // of every entry that lags
		wantSince map[room]time.Time // since when others have had all
		wantTimer *v1alpha1.TimerStatus
		wantRooms []v1alpha1.BreakoutRoomStatus
	}{
		"everybody is called back": {
			want:     []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"},
			wantTime: 10, wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"not before they have arrived": {
			notBefore: 15, want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"},
			wantTime: 15, wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"what was owed is owed no more": {
			acts: []act{moved("Ada", "blue"), failing("red", v1alpha1.VendorUnavailableReason)},
			want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}, wantTime: 10,
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"nor is what was sent again": {
			acts: []act{moved("Ada", "blue"), repeating(v1alpha1.SignalMoves)},
			want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}, wantTime: 10,
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"also out of a room that they are called out of": {
			acts: []act{removeTo("red", "blue")},
			want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}, wantTime: 10,
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"but not out of one that they were called out of": {
			acts: []act{
				timed, removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval),
			},
			notBefore: 15,
			want: []string{
				"red repeats: Moves Removal", "main lags: Countdown Removal", "blue lags: Countdown Removal",
			},
			wantTime: 15, wantTimer: breakout.NoEnd(at(10).Time), wantSince: map[room]time.Time{"red": at(2).Time},
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"nor long after that": {
			acts: []act{removeTo("red", "blue"), arrived},
			want: []string{"main lags: Removal", "blue lags: Removal"}, wantTime: 10,
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"before the end": {
			acts: []act{timed, arrived},
			want: []string{
				"main lags: Countdown Removal", "red lags: Countdown Removal", "blue lags: Countdown Removal",
			},
			wantTime: 10, wantTimer: breakout.NoEnd(at(10).Time),
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"just before the end, and called back after it": {
			acts: []act{timed, arrived}, notBefore: 600,
			want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}, wantTime: 600,
			wantTimer: timerOf(600, v1alpha1.ReturnAutomatic),
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"after the countdown was withdrawn": {
			acts: []act{timed, withdrawn, arrived},
			want: []string{"main lags: Removal", "red lags: Removal", "blue lags: Removal"}, wantTime: 10,
			wantTimer: breakout.NoEnd(nine),
			wantRooms: []v1alpha1.BreakoutRoomStatus{leaving("red", "Red"), leaving("blue", "Blue")},
		},
		"without rooms nobody is called": {
			acts: []act{change(func(v *breakout.View) {
				*v = breakout.View{MainDisplayName: "Algebra", MainSessionID: "1_main"}
			}), func(st *v1alpha1.BreakoutSetStatus, _ time.Time) {
				arrived(st, nine)
				breakout.ForgetRooms(st, func(v1alpha1.BreakoutRoomStatus) bool { return true })
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus()
			for i, do := range tc.acts {
				do(st, nine.Add(time.Duration(i)*time.Second))
			}
			main := breakout.Planned(st).People()
			breakout.PlanClosing(st, at(tc.notBefore).Time, at(10).Time)
			if diff := cmp.Diff(tc.want, owed(st), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("owed (-want +got):\n%s", diff)
			}
			for _, e := range st.Signals.Sessions {
				want, has := tc.wantSince[e.Room]
				if !has {
					want = at(tc.wantTime).Time
				}
				if !e.Time.Time.Equal(want) {
					t.Errorf("%s from %v on, want %v", e.Room, e.Time, want)
				}
			}
			byName := cmpopts.SortSlices(func(a, b v1alpha1.BreakoutRoomStatus) bool { return a.Name > b.Name })
			if diff := cmp.Diff(tc.wantRooms, st.Rooms, byName, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("rooms (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantTimer, st.Timer); diff != "" {
				t.Errorf("countdown (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(main, st.MainParticipants); diff != "" {
				t.Errorf("in the main room (-want +got):\n%s", diff)
			}
		})
	}
}

// Revisions rise, also within a millisecond and when the clock goes back, and leave some for what is sent again.
func TestRevisions(t *testing.T) {
	st := openStatus()
	for i, tc := range []struct {
		now  time.Time
		want int64
	}{
		{nine, nine.UnixMilli()},
		{nine, nine.UnixMilli() + 100},
		{nine.Add(-time.Hour), nine.UnixMilli() + 200},
		{nine.Add(299 * time.Millisecond), nine.UnixMilli() + 300},
		{nine.Add(401 * time.Millisecond), nine.UnixMilli() + 401},
		{at(60).Time, at(60).UnixMilli()},
	} {
		change(func(v *breakout.View) { v.Rooms[0].MaxParticipants = int32(i + 1) })(st, tc.now)
		if st.Signals.Revision != tc.want {
			t.Errorf("revision %d, want %d", st.Signals.Revision, tc.want)
		}
	}
	breakout.PlanClosing(st, nine, nine)
	if want := at(60).UnixMilli() + 100; st.Signals.Revision != want {
		t.Errorf("revision %d of a closing, want %d", st.Signals.Revision, want)
	}
}

// A plan that owes nobody anything has no revision of its own: no session lags by it.
func TestRevisionsUnowed(t *testing.T) {
	st := openStatus()
	before := st.Signals.Revision
	v := breakout.Planned(st.DeepCopy())
	v.MainParticipants = append(v.MainParticipants, "Eve")
	if !breakout.PlanUpdate(st, v, breakout.Request{}, nine) {
		t.Error("the status does not change")
	}
	if st.Signals.Revision != before {
		t.Errorf("revision %d, want %d", st.Signals.Revision, before)
	}
}

// When a session lags since is when it began to, however often more is owed to it.
func TestLagsSince(t *testing.T) {
	st := openStatus()
	moved("Ada", "blue")(st, at(1).Time)
	change(func(v *breakout.View) { v.CoHosts = nil })(st, at(2).Time)
	got := map[room]time.Time{}
	for _, e := range breakout.Lagging(st) {
		got[e.Room] = e.Time.Time
	}
	want := map[room]time.Time{"main": at(1).Time, "red": at(1).Time, "blue": at(2).Time}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lag since (-want +got):\n%s", diff)
	}
}

// What is known of rooms at each step of a removal, as the dialect says how far its messages are.
func TestRooms(t *testing.T) {
	type known struct {
		Known    []room // rooms that people may take to be open
		Left     []room // whose session was sent that they are gone
		Sessions map[room]string
		Rooms    []room // after those that are gone were forgotten
		Owed     []room // sessions with an entry then
	}
	all := []room{"main", "red", "blue", "gold"}
	sessions := map[room]string{"main": "1_main", "red": "1_red", "blue": "1_blue"}
	for name, tc := range map[string]struct {
		acts []act
		gone []room
		want known
	}{
		"open": {
			gone: []room{"red"},
			want: known{Known: []room{"red", "blue"}, Sessions: sessions, Rooms: []room{"red", "blue"}},
		},
		"not sent yet that red is gone": {
			acts: []act{removeTo("red", "blue")}, gone: []room{"red"},
			want: known{
				Known: []room{"red", "blue"}, Sessions: sessions, Rooms: []room{"blue", "red"},
				Owed: []room{"red", "main"},
			},
		},
		"sent": {
			acts: []act{removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval)},
			want: known{
				Known: []room{"blue"}, Left: []room{"red", "main"}, Sessions: sessions, Rooms: []room{"blue", "red"},
				Owed: []room{"red", "main"},
			},
		},
		"sent, and its MeetingRoom is gone": {
			acts: []act{removeTo("red", "blue"), repeating(v1alpha1.SignalMoves, v1alpha1.SignalRemoval)},
			gone: []room{"red"},
			want: known{
				Known: []room{"blue"}, Left: []room{"red", "main"}, Sessions: sessions, Rooms: []room{"blue"},
				Owed: []room{"main"},
			},
		},
		"long ago": {
			acts: []act{removeTo("red", "blue"), arrived},
			want: known{Known: []room{"blue"}, Sessions: sessions, Rooms: []room{"blue", "red"}},
		},
		"closing": {
			acts: []act{func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }},
			gone: []room{"red", "blue"},
			want: known{
				Known: []room{"red", "blue"}, Sessions: sessions, Rooms: []room{"red", "blue"},
				Owed: []room{"main", "red", "blue"},
			},
		},
		"closed": {
			acts: []act{
				func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) },
				repeating(v1alpha1.SignalRemoval),
			},
			gone: []room{"red", "blue"},
			want: known{Left: []room{"main", "red", "blue"}, Sessions: sessions, Owed: []room{"main"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus()
			for i, do := range tc.acts {
				do(st, nine.Add(time.Duration(i)*time.Second))
			}
			got := known{Sessions: map[room]string{}}
			for _, r := range all {
				if breakout.IsKnown(st, r) {
					got.Known = append(got.Known, r)
				}
				if s := breakout.SessionOf(st, r); s != "" {
					got.Sessions[r] = s
				}
			}
			for _, e := range st.Signals.Sessions {
				if left := breakout.LeftAt(st, e.Room); !left.IsZero() {
					got.Left = append(got.Left, e.Room)
				}
			}
			breakout.ForgetRooms(
				st, func(r v1alpha1.BreakoutRoomStatus) bool { return slices.Contains(tc.gone, r.Name) },
			)
			for _, r := range st.Rooms {
				got.Rooms = append(got.Rooms, r.Name)
			}
			for _, e := range st.Signals.Sessions {
				got.Owed = append(got.Owed, e.Room)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsOpening(t *testing.T) {
	opening := func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
		*st = v1alpha1.BreakoutSetStatus{OpenedAt: at(0)}
		breakout.PlanOpening(st, classroom(), now)
	}
	for name, tc := range map[string]struct {
		acts []act
		want bool
	}{
		"the opening is owed":              {acts: []act{opening}, want: true},
		"it is still, when more is":        {acts: []act{opening, moved("Ada", "blue")}, want: true},
		"it is sent again":                 {acts: []act{opening, repeating(v1alpha1.SignalMoves)}},
		"all have arrived":                 {},
		"something else is owed":           {acts: []act{moved("Ada", "blue")}},
		"and to a room that is new by now": {acts: []act{change(func(v *breakout.View) { v.CoHosts = nil })}},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus()
			for i, do := range tc.acts {
				do(st, nine.Add(time.Duration(i)*time.Second))
			}
			if got := breakout.IsOpening(st); got != tc.want {
				t.Errorf("IsOpening: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestTargetsOf(t *testing.T) {
	st := openStatus()
	removeTo("red", "blue")(st, nine)
	set := &v1alpha1.BreakoutSet{Status: *st}
	set.Spec.MeetingRoomRef.Name = "algebra"
	want := []breakout.SignalTarget{
		{Name: "main", MeetingRoomName: "algebra", DisplayName: "Algebra", SessionID: "1_main"},
		{Name: "blue", MeetingRoomName: "groups-blue", DisplayName: "Blue", SessionID: "1_blue"},
	}
	if diff := cmp.Diff(want, breakout.TargetsOf(set)); diff != "" {
		t.Errorf("TargetsOf (-want +got):\n%s", diff)
	}
}
