// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

var source = breakout.Source{Set: "school/groups", UID: "2b7c", MeetingRoom: "algebra"}

type (
	person = v1alpha1.ParticipantName
	room   = v1alpha1.BreakoutRoomName
)

// listed is a room of a view.
func listed(name room, displayName string, members ...person) v1alpha1.BreakoutRoomStatus {
	return v1alpha1.BreakoutRoomStatus{Name: name, DisplayName: displayName, MeetingRoomName: "groups-" + string(name), SessionID: "1_" + string(name), Participants: members}
}

// classroom is the view that the stories begin with: a host, a co-host, and three people in two rooms.
func classroom() breakout.View {
	return breakout.View{
		MainDisplayName: "Algebra", MainSessionID: "1_main", MainParticipants: []person{"Jo", "Co"},
		Hosts: []person{"Jo"}, CoHosts: []person{"Co"}, Mode: v1alpha1.ModeAutomatic,
		Rooms: []v1alpha1.BreakoutRoomStatus{listed("red", "Red", "Ada", "Bob"), listed("blue", "Blue", "Cyd")},
	}
}

// openStatus is the classroom, opened a minute before nine, which everybody was told.
func openStatus(t *testing.T) *v1alpha1.BreakoutSetStatus {
	t.Helper()
	st := &v1alpha1.BreakoutSetStatus{OpenedAt: at(-60)}
	breakout.PlanOpening(st, classroom(), at(-60).Time)
	tell(t, st, at(-60).Time)
	if st.Signals.Pending != nil {
		t.Fatalf("the opening is not settled: %v", st.Signals.Pending)
	}
	return st
}

// tell tells everybody what can be told now.
func tell(t *testing.T, st *v1alpha1.BreakoutSetStatus, now time.Time) {
	t.Helper()
	steps, _ := breakout.NextSteps(st, now)
	if len(steps) == 0 {
		t.Fatalf("nothing can be told at %v: %v", now, st.Signals.Pending)
	}
	breakout.Settle(st, steps, nil, now)
}

// act is one thing that happens in a story.
type act struct {
	after time.Duration // since nine
	do    func(st *v1alpha1.BreakoutSetStatus, now time.Time)

	// begun keeps what can be told then from being settled: the next act comes in the middle of the telling.
	begun bool

	// cut has the telling in the middle of which this act comes be broken off when each room's session had so many steps.
	cut map[room]int
}

// change is an act that makes another view the planned one.
func change(after time.Duration, edit func(v *breakout.View)) act {
	return act{after: after, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
		v := clone(breakout.Planned(st))
		edit(&v)
		breakout.PlanUpdate(st, v, false, now)
	}}
}

// resend is an act that asks for everything once more.
func resend(after time.Duration) act {
	return act{after: after, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
		breakout.PlanUpdate(st, breakout.Planned(st), true, now)
	}}
}

func (a act) inTheMiddle() act { a.begun = true; return a }

func (a act) cutting(told map[room]int) act { a.cut = told; return a }

func clone(v breakout.View) breakout.View {
	st := v1alpha1.BreakoutSetStatus{
		MainDisplayName: v.MainDisplayName, MainSessionID: v.MainSessionID, MainParticipants: v.MainParticipants,
		Rooms: v.Rooms, Hosts: v.Hosts, CoHosts: v.CoHosts, Timer: v.Timer, Mode: v.Mode,
	}
	return breakout.Planned(st.DeepCopy())
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

func remove(v *breakout.View, name room) {
	v.Rooms = slices.DeleteFunc(v.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool { return r.Name == name })
}

// play has the acts happen and everything told as soon as it can be, and describes what was said: when, to whom, and in the main room's session
// (the first of the audience) with which lists, as room[members|sent there].
func play(t *testing.T, st *v1alpha1.BreakoutSetStatus, acts ...act) []string {
	t.Helper()
	var said []string
	now := nine
	for i := range len(acts) + 1 {
		for n := 0; ; n++ {
			steps, due := breakout.NextSteps(st, now)
			if i > 0 && acts[i-1].begun {
				if i < len(acts) && acts[i].cut != nil {
					breakout.Interrupt(st, steps, acts[i].cut, nine.Add(acts[i].after))
				}
				break
			}
			if len(steps) > 0 {
				said = append(said, describe(t, st, steps, now))
				breakout.Settle(st, steps, nil, now)
				continue
			}
			if st.Signals.Pending == nil || n > 50 {
				break
			}
			if !due.After(now) {
				t.Fatalf("at %v nothing can be said, and more at %v: %v", now.Sub(nine), due, st.Signals.Pending)
			}
			if i < len(acts) && due.After(nine.Add(acts[i].after)) {
				break
			}
			now = due
		}
		if i < len(acts) {
			now = nine.Add(acts[i].after)
			acts[i].do(st, now)
		}
	}
	if st.Signals.Pending != nil || st.Signals.Missing != nil {
		t.Errorf("left unsaid: %v to %v", st.Signals.Pending, st.Signals.Missing)
	}
	return said
}

func describe(t *testing.T, st *v1alpha1.BreakoutSetStatus, steps []breakout.Step, now time.Time) string {
	t.Helper()
	out := fmt.Sprintf("+%v to", now.Sub(nine))
	for _, r := range st.Signals.Missing {
		out += " " + string(r)
	}
	for _, signals := range breakout.NewScript(source, st, steps, now).Signals(st.Signals.Missing[0]) {
		for _, s := range signals {
			out += "; " + brief(t, s, now)
		}
	}
	return out
}

// brief is a signal in short.
func brief(t *testing.T, s breakout.Signal, now time.Time) string {
	t.Helper()
	decode := func(into any) {
		if err := json.Unmarshal([]byte(s.Data), into); err != nil {
			t.Fatalf("%s: %v: %s", s.Type, err, s.Data)
		}
	}
	switch s.Type {
	case breakout.TypeBreakoutRoom:
		var data struct {
			Message       string
			BreakoutRooms []struct {
				Name                   string
				Member, MemberAssigned []string
			}
		}
		decode(&data)
		out := data.Message
		for _, r := range data.BreakoutRooms {
			out += fmt.Sprintf(" %s[%s|%s]", r.Name, strings.Join(r.Member, " "), strings.Join(r.MemberAssigned, " "))
		}
		return out
	case breakout.TypeCountDownTimer:
		var data struct {
			EndTime        *int64
			IsManualReturn bool
		}
		decode(&data)
		if data.EndTime == nil {
			return "timer {}"
		}
		return fmt.Sprintf("timer %v manual=%t", time.UnixMilli(*data.EndTime).Sub(now), data.IsManualReturn)
	default:
		var data []breakout.Participant
		decode(&data)
		out := "roles"
		for _, p := range data {
			out += fmt.Sprintf(" %s:%s:%t", p.Name, p.Role, p.IsCohost)
		}
		return out
	}
}

func timerOf(end int, mode v1alpha1.ReturnMode) *v1alpha1.TimerStatus {
	return &v1alpha1.TimerStatus{EndTime: metav1.NewTime(at(end).Time), DurationSeconds: 600, WarningSeconds: 30, ReturnMode: mode}
}

const (
	second = time.Second
	none   = 0 * time.Second
)

func TestStories(t *testing.T) {
	for name, tc := range map[string]struct {
		acts []act
		want []string
	}{
		"nothing changes": {acts: []act{change(none, func(*breakout.View) {})}},
		"somebody new in the main room is nobody's business": {
			acts: []act{change(none, func(v *breakout.View) { v.MainParticipants = append(v.MainParticipants, "Eve") })},
		},
		"a room is added": {
			acts: []act{change(none, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) })},
			want: []string{"+0s to main red blue; roomAdded Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|] Gold[|]"},
		},
		"a room is added, and somebody goes there": {
			acts: []act{change(none, func(v *breakout.View) {
				v.Rooms = append(v.Rooms, listed("gold", "Gold"))
				move(v, "Ada", "gold")
			})},
			want: []string{"+0s to main red blue; roomAdded Algebra[Jo Co|] Red[Bob Ada|] Blue[Cyd|] Gold[|]; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|] Gold[|Ada]"},
		},
		"a room is renamed": {
			acts: []act{change(none, func(v *breakout.View) { v.Rooms[0].DisplayName = "Crimson" })},
			want: []string{"+0s to main red blue; roomEdited Algebra[Jo Co|] Crimson[Ada Bob|] Blue[Cyd|]"},
		},
		"a room is resized": {
			acts: []act{change(none, func(v *breakout.View) { v.Rooms[0].MaxParticipants = 7 })},
			want: []string{"+0s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]"},
		},
		"somebody moves": {
			acts: []act{change(none, func(v *breakout.View) { move(v, "Ada", "blue") })},
			want: []string{"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]"},
		},
		"several move, one to the main room": {
			acts: []act{change(none, func(v *breakout.View) { move(v, "Ada", "blue"); move(v, "Cyd", "main"); move(v, "Jo", "red") })},
			want: []string{"+0s to main red blue; participantMoved Algebra[Co|Cyd] Red[Bob|Jo] Blue[|Ada]"},
		},
		"somebody new goes to a room": {
			acts: []act{change(none, func(v *breakout.View) { move(v, "Eve", "red") })},
			want: []string{"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Ada Bob|Eve] Blue[Cyd|]"},
		},
		"two moves of one person keep six seconds apart": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				change(2*second, func(v *breakout.View) { move(v, "Ada", "main") }),
			},
			want: []string{
				"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]",
				"+6s to main red blue; participantMoved Algebra[Jo Co|Ada] Red[Bob|] Blue[Cyd|]",
			},
		},
		"others need not wait for that": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				change(2*second, func(v *breakout.View) { move(v, "Ada", "main"); move(v, "Bob", "blue") }),
			},
			want: []string{
				"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]",
				"+2s to main red blue; participantMoved Algebra[Jo Co|] Red[|] Blue[Ada Cyd|Bob]",
				"+6s to main red blue; participantMoved Algebra[Jo Co|Ada] Red[|] Blue[Cyd Bob|]",
			},
		},
		"there, back, and there again before the way back was said": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				change(2*second, func(v *breakout.View) { move(v, "Ada", "red") }),
				change(4*second, func(v *breakout.View) { move(v, "Ada", "blue") }),
			},
			want: []string{"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]"},
		},
		"there and back in the middle of the telling: told in any case": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }).inTheMiddle(),
				change(second, func(v *breakout.View) { move(v, "Ada", "red") }),
			},
			want: []string{"+7s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|Ada] Blue[Cyd|]"},
		},
		"also when something else changes meanwhile": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }).inTheMiddle(),
				change(second, func(v *breakout.View) { move(v, "Ada", "red") }),
				change(2*second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }),
			},
			want: []string{
				"+2s to main red blue; roomAdded Algebra[Jo Co|] Red[Bob Ada|] Blue[Cyd|] Gold[|]",
				"+7s to main red blue gold; participantMoved Algebra[Jo Co|] Red[Bob|Ada] Blue[Cyd|] Gold[|]",
			},
		},
		"a removal that may have been said is said again six seconds later": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }),
				change(10*second, func(v *breakout.View) { remove(v, "gold") }).inTheMiddle(),
				change(11*second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("grey", "Grey")) }),
			},
			want: []string{
				"+0s to main red blue; roomAdded Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|] Gold[|]",
				"+11s to main red blue gold; roomAdded Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|] Grey[|] Gold[|]",
				"+17s to main red blue grey gold; roomRemoved Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|] Grey[|]",
			},
		},
		"a room that is removed while its rename is told: its people learn the name, and go back by it": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }).inTheMiddle(),
				change(second, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }),
			},
			want: []string{
				"+1s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Azure[Cyd|]",
				"+7s to main red blue; roomRemoved Algebra[Jo Co Cyd|] Red[Ada Bob|]",
			},
		},
		"there and back, told for certain": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }).inTheMiddle(),
				change(second, func(v *breakout.View) { move(v, "Ada", "red") }).cutting(map[room]int{"red": 1}),
			},
			want: []string{
				"+7s to main red blue; roomEdited Algebra[Jo Co|] Red[Bob|] Blue[Ada Cyd|]; participantMoved Algebra[Jo Co|] Red[Bob|Ada] Blue[Cyd|]",
			},
		},
		"told for certain, while something else changes: only the others hear the list": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }).inTheMiddle(),
				change(second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }).cutting(map[room]int{"red": 1, "main": 1}),
			},
			want: []string{
				"+1s to main red blue; roomAdded Algebra[Jo Co|] Red[Bob|] Blue[Cyd Ada|] Gold[|]",
				"+7s to main red blue gold; roomEdited Algebra[Jo Co|] Red[Bob|] Blue[Cyd Ada|] Gold[|]",
			},
		},
		"added and removed again in the middle of the telling": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }).inTheMiddle(),
				change(second, func(v *breakout.View) { remove(v, "gold") }),
			},
			want: []string{"+1s to main red blue gold; roomRemoved Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]"},
		},
		"removed and added again in the middle of the telling": {
			acts: []act{
				change(none, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }).inTheMiddle(),
				change(second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("blue", "Blue")); move(v, "Cyd", "blue") }),
			},
			want: []string{
				"+1s to main red blue; roomAdded Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]",
				"+7s to main red blue; participantMoved Algebra[Jo Co|] Red[Ada Bob|] Blue[|Cyd]",
			},
		},
		"renamed, removed and added again before anybody was told: its people learn the name": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }).inTheMiddle(),
				change(none, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }).inTheMiddle(),
				change(second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("blue", "Azure")); move(v, "Cyd", "blue") }).inTheMiddle(),
				change(2*second, func(v *breakout.View) { move(v, "Ada", "blue") }),
			},
			want: []string{
				"+2s to main red blue; roomEdited Algebra[Jo Co|] Red[Bob Ada|] Azure[Cyd|]; " +
					"roomAdded Algebra[Jo Co|] Red[Bob Ada|] Azure[Cyd|]; participantMoved Algebra[Jo Co|] Red[Bob|] Azure[Cyd|Ada]",
			},
		},
		"added again under another name: first the old one, then a rename": {
			acts: []act{
				change(none, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }).inTheMiddle(),
				change(second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("blue", "Azure")) }),
				change(14*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
			},
			want: []string{
				"+1s to main red blue; roomAdded Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]",
				"+7s to main red blue; participantMoved Algebra[Jo Co|Cyd] Red[Ada Bob|] Blue[|]",
				"+14s to main red blue; roomEdited Algebra[Jo Co Cyd|] Red[Ada Bob|] Azure[|]",
			},
		},
		"an edit while the opening is not settled": {
			acts: []act{
				{do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
					*st = v1alpha1.BreakoutSetStatus{}
					breakout.PlanOpening(st, classroom(), now)
				}, begun: true},
				change(second, func(v *breakout.View) { move(v, "Eve", "red") }),
			},
			want: []string{
				"+1s to main red blue; roomCreated (automatic) Algebra[Jo Co Ada Bob Cyd|] Red[|Eve] Blue[|]",
				"+7s to main red blue; participantMoved Algebra[Jo Co|] Red[Eve|Ada Bob] Blue[|Cyd]",
			},
		},
		"a rename waits for those on the way": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				change(2*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
				change(5*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
				change(6*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
			},
			want: []string{
				"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]",
				"+6s to main red blue; roomEdited Algebra[Jo Co|] Red[Bob|] Azure[Cyd Ada|]",
			},
		},
		"a rename there and back keeps six seconds": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
				change(5*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Blue" }),
				change(6*second, func(v *breakout.View) { v.Rooms[1].DisplayName = "Blue" }),
			},
			want: []string{
				"+0s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Azure[Cyd|]",
				"+6s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]",
			},
		},
		"a resize does not wait": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
				change(second, func(v *breakout.View) { v.Rooms[1].MaxParticipants = 3 }),
			},
			want: []string{
				"+0s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Azure[Cyd|]",
				"+1s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Azure[Cyd|]",
			},
		},
		"a room is removed, and its people go back": {
			acts: []act{change(none, func(v *breakout.View) { remove(v, "red"); move(v, "Ada", "main"); move(v, "Bob", "main") })},
			want: []string{"+0s to main blue red; roomRemoved Algebra[Jo Co Ada Bob|] Blue[Cyd|]"},
		},
		"a room is removed, and its people moved out first": {
			acts: []act{change(none, func(v *breakout.View) { remove(v, "red"); move(v, "Ada", "blue"); move(v, "Bob", "main") })},
			want: []string{
				"+0s to main blue red; participantMoved Algebra[Jo Co|] Blue[Cyd|Ada] Red[Bob|]",
				"+6s to main blue red; roomRemoved Algebra[Jo Co Bob|] Blue[Cyd Ada|]",
			},
		},
		"a removal waits for a rename": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Rooms[1].DisplayName = "Azure" }),
				change(second, func(v *breakout.View) { remove(v, "red"); move(v, "Ada", "main"); move(v, "Bob", "main") }),
			},
			want: []string{
				"+0s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Azure[Cyd|]",
				"+6s to main blue red; roomRemoved Algebra[Jo Co Ada Bob|] Azure[Cyd|]",
			},
		},
		"also in the same edit": {
			acts: []act{change(none, func(v *breakout.View) {
				v.Rooms[1].DisplayName = "Azure"
				remove(v, "red")
				move(v, "Ada", "main")
				move(v, "Bob", "main")
			})},
			want: []string{
				"+0s to main blue red; roomEdited Algebra[Jo Co|] Azure[Cyd|] Red[Ada Bob|]",
				"+6s to main blue red; roomRemoved Algebra[Jo Co Ada Bob|] Azure[Cyd|]",
			},
		},
		"everything at once": {
			acts: []act{change(none, func(v *breakout.View) {
				v.Rooms[1].DisplayName = "Azure"
				remove(v, "red")
				v.Rooms = append(v.Rooms, listed("gold", "Gold"))
				move(v, "Ada", "gold")
				move(v, "Bob", "main")
				v.Timer = timerOf(600, v1alpha1.ReturnAutomatic)
				v.CoHosts = []person{"Co", "Cyd"}
			})},
			want: []string{
				"+0s to main blue red; roomEdited Algebra[Jo Co|] Azure[Cyd|] Red[Bob Ada|]; roomAdded Algebra[Jo Co|] Azure[Cyd|] Gold[|] Red[Bob Ada|]; " +
					"participantMoved Algebra[Jo Co|] Azure[Cyd|] Gold[|Ada] Red[Bob|]; timer 10m0s manual=false",
				"+6s to main blue gold red; roomRemoved Algebra[Jo Co Bob|] Azure[Cyd|] Gold[Ada|]; " +
					"roles Jo:moderator:false Co:participant:true Bob:participant:false Cyd:participant:true Ada:participant:false",
			},
		},
		"a scale to nothing": {
			acts: []act{change(none, func(v *breakout.View) {
				for _, p := range []person{"Ada", "Bob", "Cyd"} {
					move(v, p, "main")
				}
				v.Rooms = nil
			})},
			want: []string{"+0s to main red blue; allRoomRemoved"},
		},
		"a room made anew is removed, then added": {
			acts: []act{
				change(none, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }),
				change(second, func(v *breakout.View) {
					again := listed("blue", "Blue")
					again.SessionID = "1_again"
					v.Rooms = append(v.Rooms, again)
					move(v, "Cyd", "blue")
				}),
			},
			want: []string{
				"+0s to main red blue; roomRemoved Algebra[Jo Co Cyd|] Red[Ada Bob|]",
				"+1s to main red; roomAdded Algebra[Jo Co Cyd|] Red[Ada Bob|] Blue[|]",
				"+6s to main red blue; participantMoved Algebra[Jo Co|] Red[Ada Bob|] Blue[|Cyd]",
			},
		},
		"somebody is promoted": {
			acts: []act{change(none, func(v *breakout.View) { v.CoHosts = []person{"Co", "Ada"} })},
			want: []string{"+0s to main red blue; roles Jo:moderator:false Co:participant:true Ada:participant:true Bob:participant:false Cyd:participant:false"},
		},
		"a countdown is set, extended, and dropped": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
				change(10*second, func(v *breakout.View) { v.Timer = timerOf(900, v1alpha1.ReturnManual) }),
				change(20*second, func(v *breakout.View) { v.Timer = nil }),
			},
			want: []string{
				"+0s to main red blue; timer 10m0s manual=false", "+10s to main red blue; timer 14m50s manual=true",
				"+20s to main red blue; timer 8s manual=true", "+28s to main red blue; timer {}",
			},
		},
		"a countdown that is told while people move is told once more": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				change(2*second, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
			},
			want: []string{
				"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]",
				"+2s to main red blue; timer 9m58s manual=false", "+6s to main red blue; timer 9m54s manual=false",
			},
		},
		"nobody is told to move in the first seconds after a countdown was dropped": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
				change(10*second, func(v *breakout.View) { v.Timer = nil }),
				change(11*second, func(v *breakout.View) { move(v, "Ada", "blue") }),
			},
			want: []string{
				"+0s to main red blue; timer 10m0s manual=false", "+10s to main red blue; timer 8s manual=true",
				"+13s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]", "+21s to main red blue; timer {}",
			},
		},
		"nobody is moved in the last seconds": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnAutomatic) }),
				change(52*second, func(v *breakout.View) { move(v, "Ada", "blue"); move(v, "Jo", "red") }),
			},
			want: []string{
				"+0s to main red blue; timer 1m0s manual=false",
				"+1m6s to main red blue; participantMoved Algebra[Co|] Red[Bob|Jo] Blue[Cyd|Ada]",
			},
		},
		"with a manual return they are": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnManual) }),
				change(58*second, func(v *breakout.View) { move(v, "Ada", "blue") }),
			},
			want: []string{"+0s to main red blue; timer 1m0s manual=true", "+58s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]"},
		},
		"a resend": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
				resend(30 * second),
			},
			want: []string{"+0s to main red blue; timer 10m0s manual=false", "+30s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]; timer 9m30s manual=false"},
		},
		"a resend without rooms": {
			acts: []act{
				change(none, func(v *breakout.View) {
					for _, p := range []person{"Ada", "Bob", "Cyd"} {
						move(v, p, "main")
					}
					v.Rooms = nil
				}),
				resend(30 * second),
			},
			want: []string{"+0s to main red blue; allRoomRemoved", "+30s to main; allRoomRemoved"},
		},
		"closing": {
			acts: []act{{do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }}},
			want: []string{"+0s to main red blue; allRoomRemoved"},
		},
		"closing while somebody may still go back by a countdown that was changed": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnAutomatic) }),
				change(44*second, func(v *breakout.View) { v.Timer = timerOf(45, v1alpha1.ReturnManual) }).inTheMiddle(),
				{after: 45 * second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now.Add(15*second), now) }},
			},
			want: []string{
				"+0s to main red blue; timer 1m0s manual=false",
				"+1m6s to main red blue; allRoomRemoved; timer 8s manual=true",
				"+1m14s to main; timer {}",
			},
		},
		"people are moved when all have heard that they are not called back": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnAutomatic) }),
				change(54*second, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }).inTheMiddle(),
				change(55*second, func(v *breakout.View) { move(v, "Ada", "blue") }),
			},
			want: []string{
				"+0s to main red blue; timer 1m0s manual=false",
				"+55s to main red blue; timer 9m5s manual=false",
				"+55s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]",
			},
		},
		"closing with a running countdown": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
				{after: 60 * second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }},
			},
			want: []string{"+0s to main red blue; timer 10m0s manual=false", "+1m0s to main red blue; allRoomRemoved; timer 8s manual=true", "+1m8s to main; timer {}"},
		},
		"closing when the time is up": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnAutomatic) }),
				{after: 60 * second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now.Add(6*second), now) }},
			},
			want: []string{"+0s to main red blue; timer 1m0s manual=false", "+1m6s to main red blue; allRoomRemoved"},
		},
		"closing by hand just before that waits for it": {
			acts: []act{
				change(none, func(v *breakout.View) { v.Timer = timerOf(60, v1alpha1.ReturnAutomatic) }),
				{after: 58 * second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }},
			},
			want: []string{"+0s to main red blue; timer 1m0s manual=false", "+1m6s to main red blue; allRoomRemoved"},
		},
		"closing while people are on the way": {
			acts: []act{
				change(none, func(v *breakout.View) { move(v, "Ada", "blue") }),
				{after: second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }},
			},
			want: []string{"+0s to main red blue; participantMoved Algebra[Jo Co|] Red[Bob|] Blue[Cyd|Ada]", "+6s to main red blue; allRoomRemoved"},
		},
		"closing in the middle of a removal": {
			acts: []act{
				change(none, func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }).inTheMiddle(),
				{after: second, do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) { breakout.PlanClosing(st, now, now) }},
			},
			want: []string{"+7s to main red blue; allRoomRemoved"},
		},
		"another mode: all go back to choose": {
			acts: []act{change(none, func(v *breakout.View) {
				for _, p := range []person{"Ada", "Bob", "Cyd"} {
					move(v, p, "main")
				}
				v.Mode = v1alpha1.ModeChoose
			})},
			want: []string{"+0s to main red blue; roomEdited Algebra[Jo Co|] Red[Ada Bob|] Blue[Cyd|]; participantMoved Algebra[Jo Co|Ada Bob Cyd] Red[|] Blue[|]; " +
				"roomCreated (chooseroom) Algebra[Jo Co Ada Bob Cyd|] Red[|] Blue[|]"},
		},
		"choosing, with a placement, a room added, a countdown, and a move": {
			acts: []act{
				{do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
					*st = v1alpha1.BreakoutSetStatus{}
					v := classroom()
					v.Mode = v1alpha1.ModeChoose
					move(&v, "Bob", "main")
					move(&v, "Cyd", "main")
					breakout.PlanOpening(st, v, now)
				}},
				change(10*second, func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }),
				change(20*second, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }),
				change(30*second, func(v *breakout.View) { move(v, "Bob", "gold") }),
			},
			want: []string{
				"+0s to main; participantMoved Algebra[Jo Co Bob Cyd|] Red[|Ada] Blue[|]; roomCreated (chooseroom) Algebra[Jo Co Bob Cyd|] Red[Ada|] Blue[|]",
				"+10s to main red blue; roomAdded Algebra[Jo Co Bob Cyd|] Red[Ada|] Blue[|] Gold[|]; roomCreated (chooseroom) Algebra[Jo Co Bob Cyd|] Red[Ada|] Blue[|] Gold[|]",
				"+20s to main red blue gold; timer 9m40s manual=false",
				"+30s to main red blue gold; participantMoved Algebra[Jo Co Cyd|] Red[Ada|] Blue[|] Gold[|Bob]; roomCreated (chooseroom) Algebra[Jo Co Cyd|] Red[Ada|] Blue[|] Gold[Bob|]",
			},
		},
		"an opening, with a placed host and a countdown": {
			acts: []act{{do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
				*st = v1alpha1.BreakoutSetStatus{}
				v := classroom()
				move(&v, "Jo", "red")
				v.Timer = timerOf(600, v1alpha1.ReturnAutomatic)
				breakout.PlanOpening(st, v, now)
			}}},
			want: []string{"+0s to main; roomCreated (automatic) Algebra[Co Jo|] Red[|Ada Bob] Blue[|Cyd]; participantMoved Algebra[Co|] Red[Ada Bob|Jo] Blue[Cyd|]; timer 10m0s manual=false"},
		},
		"an opening without rooms": {
			acts: []act{{do: func(st *v1alpha1.BreakoutSetStatus, now time.Time) {
				*st = v1alpha1.BreakoutSetStatus{}
				v := classroom()
				v.Rooms = nil
				breakout.PlanOpening(st, v, now)
			}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := play(t, openStatus(t), tc.acts...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	everybodyBack := func(v *breakout.View) {
		for _, p := range []person{"Ada", "Bob", "Cyd"} {
			move(v, p, "main")
		}
		v.Rooms = nil
	}
	again := microTime(nine.Add(7 * time.Second)) // 6 s after the telling was broken off, at +1 s
	maybe := func(p person, from room) v1alpha1.PendingMove {
		return v1alpha1.PendingMove{Participant: p, From: from, NotBefore: again}
	}
	type noted struct {
		Moved   []v1alpha1.PendingMove
		Recent  []person // remembered as told
		Renamed bool     // remembered as busy
		Resend  bool
	}
	for name, tc := range map[string]struct {
		edit func(v *breakout.View)
		told map[room]int
		want noted
	}{
		"nobody was told for certain": {
			edit: func(v *breakout.View) { move(v, "Ada", "blue"); move(v, "Cyd", "red") },
			want: noted{Moved: []v1alpha1.PendingMove{maybe("Cyd", "blue"), maybe("Ada", "red")}},
		},
		"one was": {
			edit: func(v *breakout.View) { move(v, "Ada", "blue"); move(v, "Cyd", "red") }, told: map[room]int{"red": 1, "main": 1},
			want: noted{Moved: []v1alpha1.PendingMove{maybe("Cyd", "blue")}, Recent: []person{"Ada"}, Resend: true},
		},
		"the steps before do not count": {
			edit: func(v *breakout.View) { v.Rooms[0].MaxParticipants = 3; move(v, "Ada", "blue") }, told: map[room]int{"red": 1},
			want: noted{Moved: []v1alpha1.PendingMove{maybe("Ada", "red")}, Renamed: true},
		},
		"the removal of all rooms": {
			edit: everybodyBack, told: map[room]int{"blue": 1, "main": 1},
			want: noted{Moved: []v1alpha1.PendingMove{maybe("Ada", "red"), maybe("Bob", "red")}, Recent: []person{"Cyd"}, Renamed: true, Resend: true},
		},
		"who is told only later was not told": {
			edit: func(v *breakout.View) { remove(v, "red"); move(v, "Ada", "blue"); move(v, "Bob", "main") }, told: map[room]int{"red": 1, "main": 1},
			want: noted{Moved: []v1alpha1.PendingMove{{Participant: "Bob", From: "red"}}, Recent: []person{"Ada"}, Resend: true},
		},
		"who found the room gone may be in the main room, which has not heard it": {
			edit: func(v *breakout.View) { remove(v, "red"); move(v, "Ada", "blue"); move(v, "Bob", "main") }, told: map[room]int{"red": 1},
			want: noted{Moved: []v1alpha1.PendingMove{{Participant: "Bob", From: "red"}, maybe("Ada", "red")}},
		},
		"nobody moves": {edit: func(v *breakout.View) { v.CoHosts = nil }, told: map[room]int{"red": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus(t)
			change(0, tc.edit).do(st, nine)
			steps, _ := breakout.NextSteps(st, nine)
			breakout.Interrupt(st, steps, tc.told, nine.Add(time.Second))
			got := noted{Moved: st.Signals.Pending.Moved, Renamed: st.Signals.RenamedAt != nil, Resend: st.Signals.Pending.Announcement == v1alpha1.AnnounceResend}
			for _, r := range st.Signals.RecentMoves {
				if r.Time.After(nine) {
					got.Recent = append(got.Recent, r.Participants...)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("noted (-want +got):\n%s", diff)
			}
		})
	}
}

func microTime(at time.Time) *metav1.MicroTime {
	m := metav1.NewMicroTime(at)
	return &m
}

// Rooms keep their names until browsers can learn new ones; the time is told where it is known.
func TestRenamesHeld(t *testing.T) {
	type answer struct {
		Held  bool
		Until time.Duration
	}
	for name, tc := range map[string]struct {
		acts []act
		now  time.Duration
		want answer
	}{
		"at rest":                       {},
		"something is still to be said": {acts: []act{change(0, func(v *breakout.View) { move(v, "Ada", "blue") }).inTheMiddle()}, want: answer{Held: true}},
		"people are on the way":         {acts: []act{change(0, func(v *breakout.View) { move(v, "Ada", "blue") })}, now: second, want: answer{Held: true, Until: 6 * second}},
		"another name is being learnt":  {acts: []act{change(0, func(v *breakout.View) { v.Rooms[0].DisplayName = "Crimson" })}, now: second, want: answer{Held: true, Until: 6 * second}},
		"it has been":                   {acts: []act{change(0, func(v *breakout.View) { v.Rooms[0].DisplayName = "Crimson" })}, now: 6 * second},
		"a countdown holds nothing":     {acts: []act{change(0, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnManual) }).inTheMiddle()}},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus(t)
			for _, a := range tc.acts {
				a.do(st, nine.Add(a.after))
				if !a.begun {
					tell(t, st, nine.Add(a.after))
				}
			}
			var got answer
			held, until := breakout.RenamesHeld(st, nine.Add(tc.now))
			if got.Held = held; !until.IsZero() {
				got.Until = until.Sub(nine)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
