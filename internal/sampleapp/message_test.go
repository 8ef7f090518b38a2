// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// nine is when the tables' stories happen, and after a time so many seconds later.
var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return nine.Add(time.Duration(seconds) * time.Second) }

var source = Source{Set: "school/groups", UID: "2b7c", MeetingRoom: "algebra"}

// listed is a room of a status.
func listed(name roomName, displayName string, members ...personName) v1alpha1.BreakoutRoomStatus {
	return v1alpha1.BreakoutRoomStatus{
		Name: name, DisplayName: displayName, MeetingRoomName: "groups-" + string(name), SessionID: "1_" + string(name),
		Participants: members,
	}
}

// classroom is the view that most tests begin with: a host, a co-host, and three people in two rooms.
func classroom() breakout.View {
	return breakout.View{
		MainDisplayName: "Algebra", MainSessionID: "1_main", MainParticipants: []personName{"Jo", "Co"},
		Hosts: []personName{"Jo"}, CoHosts: []personName{"Co"}, Mode: v1alpha1.ModeAutomatic,
		Rooms: []v1alpha1.BreakoutRoomStatus{listed("red", "Red", "Ada", "Bob"), listed("blue", "Blue", "Cyd")},
	}
}

// openStatus is the classroom, opened a minute before nine, when everybody has arrived.
func openStatus() *v1alpha1.BreakoutSetStatus {
	st := &v1alpha1.BreakoutSetStatus{OpenedAt: &metav1.Time{Time: after(-60)}}
	breakout.PlanOpening(st, classroom(), after(-60))
	st.Signals.Sessions, st.Signals.Moving = nil, nil
	return st
}

func timerOf(end int, mode v1alpha1.ReturnMode) *v1alpha1.TimerStatus {
	return &v1alpha1.TimerStatus{
		EndTime: metav1.NewTime(after(end)), DurationSeconds: 600, WarningSeconds: 30, ReturnMode: mode,
	}
}

// The exact bytes of every kind of message: the order of keys, nothing escaped that JavaScript would not escape, no
// limit as 1000.
func TestMessages(t *testing.T) {
	const (
		set     = `"breakoutSet":{"name":"school/groups","uid":"2b7c"}`
		origin  = `"revision":1795424340000,` + set
		main    = `{"id":"algebra","name":"Algebra","sessionId":"1_main","mainRoomId":null,"maxParticipants":1000,`
		red     = `{"id":"groups-red","name":"Red","sessionId":"1_red","mainRoomId":"algebra","maxParticipants":1000,`
		blue    = `{"id":"groups-blue","name":"Blue","sessionId":"1_blue","mainRoomId":"algebra","maxParticipants":1000,`
		leaders = main + `"member":["Jo","Co"],"memberAssigned":[]},`
		inRed   = red + `"member":["Ada","Bob"],"memberAssigned":[]}`
		inBlue  = blue + `"member":["Cyd"],"memberAssigned":[]}`
	)
	list := func(message, rooms string) string {
		return `breakout-room {"message":"` + message + `","breakoutRooms":[` + rooms + `],` + origin + `}`
	}
	leave := func(st *v1alpha1.BreakoutSetStatus) {
		st.Rooms[1].State, st.Rooms[1].Participants = v1alpha1.RoomLeaving, nil
		st.MainParticipants = append(st.MainParticipants, "Cyd")
	}
	const (
		withoutBlue = main + `"member":["Jo","Co","Cyd"],"memberAssigned":[]},` + inRed
		emptyBlue   = blue + `"member":[],"memberAssigned":[]}`
	)
	for name, tc := range map[string]struct {
		edit func(st *v1alpha1.BreakoutSetStatus)
		room roomName // in whose session; the main room's
		step Step
		want string
	}{
		"roomCreated (automatic)": {
			step: Step{Kind: v1alpha1.SignalOpening, Names: []personName{"Ada", "Bob", "Cyd"}},
			want: list("roomCreated (automatic)", leaders+red+`"member":[],"memberAssigned":["Ada","Bob"]},`+
				blue+`"member":[],"memberAssigned":["Cyd"]}`),
		},
		"roomCreated (chooseroom)": {
			step: Step{Kind: v1alpha1.SignalPrompt}, want: list("roomCreated (chooseroom)", leaders+inRed+`,`+inBlue),
		},
		"participantMoved": {
			step: Step{Kind: v1alpha1.SignalMoves, Names: []personName{"Bob"}},
			want: list("participantMoved", leaders+red+`"member":["Ada"],"memberAssigned":["Bob"]},`+inBlue),
		},
		"participantMoved, to the main room": {
			step: Step{Kind: v1alpha1.SignalMoves, Names: []personName{"Co", "Jo"}}, room: "red",
			want: list("participantMoved", main+`"member":[],"memberAssigned":["Co","Jo"]},`+inRed+`,`+inBlue),
		},
		"participantMoved, with nobody on the move": {
			step: Step{Kind: v1alpha1.SignalMoves}, want: list("participantMoved", leaders+inRed+`,`+inBlue),
		},
		"participantMoved, the second time": {
			step: Step{Kind: v1alpha1.SignalMoves, Round: 2},
			want: `breakout-room {"message":"participantMoved","breakoutRooms":[` + leaders + inRed + `,` + inBlue +
				`],"revision":1795424340002,` + set + `}`,
		},
		"roomAdded": {step: Step{Kind: v1alpha1.SignalAdded}, want: list("roomAdded", leaders+inRed+`,`+inBlue)},
		"roomEdited: names and sizes as they are": {
			edit: func(st *v1alpha1.BreakoutSetStatus) {
				st.Rooms[0].DisplayName, st.Rooms[0].MaxParticipants = `<b>"Füße" & 組</b> \o/`, 7
			},
			step: Step{Kind: v1alpha1.SignalRooms}, room: "blue",
			want: list("roomEdited", leaders+`{"id":"groups-red","name":"<b>\"Füße\" & 組</b> \\o/","sessionId":"1_red",`+
				`"mainRoomId":"algebra","maxParticipants":7,"member":["Ada","Bob"],"memberAssigned":[]},`+inBlue),
		},
		"a room that people are called out of is listed where it is known": {
			edit: leave, step: Step{Kind: v1alpha1.SignalRooms, known: true},
			want: list("roomEdited", withoutBlue+`,`+emptyBlue),
		},
		"and in its own session": {
			edit: leave, step: Step{Kind: v1alpha1.SignalMoves, known: true, Names: []personName{"Cyd"}}, room: "blue",
			want: list("participantMoved", main+`"member":["Jo","Co"],"memberAssigned":["Cyd"]},`+inRed+`,`+emptyBlue),
		},
		"but not in others": {
			edit: leave, step: Step{Kind: v1alpha1.SignalRooms, known: true}, room: "red",
			want: list("roomEdited", withoutBlue),
		},
		"roomRemoved": {
			edit: leave, step: Step{Kind: v1alpha1.SignalRemoval}, room: "blue", want: list("roomRemoved", withoutBlue),
		},
		"allRoomRemoved": {
			edit: func(st *v1alpha1.BreakoutSetStatus) {
				revision := st.Signals.Revision
				breakout.PlanClosing(st, nine, nine)
				st.Signals.Revision = revision
			},
			step: Step{Kind: v1alpha1.SignalRemoval}, room: "blue", want: list("allRoomRemoved", ""),
		},
		"allRoomRemoved, though a room is known": {
			edit: func(st *v1alpha1.BreakoutSetStatus) {
				leave(st)
				st.Rooms = st.Rooms[1:]
			},
			step: Step{Kind: v1alpha1.SignalRemoval, known: true}, room: "blue", want: list("allRoomRemoved", ""),
		},
		"count-down-timer: the minutes that are left, rounded up": {
			edit: func(st *v1alpha1.BreakoutSetStatus) { st.Timer = timerOf(61, v1alpha1.ReturnAutomatic) },
			step: Step{Kind: v1alpha1.SignalCountdown},
			want: `count-down-timer {"endTime":1795424461000,"period":2,"countDownTimer":30,"isManualReturn":true,` + origin + `}`,
		},
		"count-down-timer: whole minutes are no more": {
			edit: func(st *v1alpha1.BreakoutSetStatus) { st.Timer = timerOf(60, v1alpha1.ReturnManual) },
			step: Step{Kind: v1alpha1.SignalCountdown}, room: "red",
			want: `count-down-timer {"endTime":1795424460000,"period":1,"countDownTimer":30,"isManualReturn":true,` + origin + `}`,
		},
		"count-down-timer: late": {
			edit: func(st *v1alpha1.BreakoutSetStatus) { st.Timer = timerOf(-90, v1alpha1.ReturnManual) },
			step: Step{Kind: v1alpha1.SignalCountdown},
			want: `count-down-timer {"endTime":1795424310000,"period":0,"countDownTimer":30,"isManualReturn":true,` + origin + `}`,
		},
		"count-down-timer: withdrawn": {
			edit: func(st *v1alpha1.BreakoutSetStatus) { st.Timer = breakout.NoEnd(nine) },
			step: Step{Kind: v1alpha1.SignalCountdown, Round: 1},
			want: `count-down-timer {"endTime":1826960400000,"period":"more than 1000","countDownTimer":0,"isManualReturn":true,` +
				`"revision":1795424340001,` + set + `}`,
		},
		"update-participant": {
			step: Step{Kind: v1alpha1.SignalRoles}, room: "red",
			want: `update-participant [{"id":"Jo","name":"Jo","role":"moderator","isCohost":false},` +
				`{"id":"Co","name":"Co","role":"participant","isCohost":true},` +
				`{"id":"Ada","name":"Ada","role":"participant","isCohost":false},` +
				`{"id":"Bob","name":"Bob","role":"participant","isCohost":false},` +
				`{"id":"Cyd","name":"Cyd","role":"participant","isCohost":false}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus()
			if tc.edit != nil {
				tc.edit(st)
			}
			if tc.room == "" {
				tc.room = mainRoom
			}
			c := NewComposer(source, st)
			for range 2 { // the same bytes each time
				var got []string
				for _, s := range c.Signals(tc.room, tc.step, nine) {
					got = append(got, s.Type+" "+s.Data)
				}
				if diff := cmp.Diff([]string{tc.want}, got); diff != "" {
					t.Errorf("signals (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Roles are those of the whole roster, on as many signals as that takes.
func TestRolesOfManyPeople(t *testing.T) {
	for name, tc := range map[string]struct{ people, want int }{
		"a class":    {people: 80, want: 1},
		"a lecture":  {people: 1000, want: 13},
		"not a soul": {people: 0, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			st := &v1alpha1.BreakoutSetStatus{}
			for i := range tc.people {
				st.MainParticipants = append(st.MainParticipants, personName(fmt.Sprintf("somebody %04d", i)))
			}
			signals := NewComposer(source, st).Signals(mainRoom, Step{Kind: v1alpha1.SignalRoles}, nine)
			var names []personName
			for _, s := range signals {
				if n := quotedLength(t, s.Data); n > maxLength {
					t.Errorf("%d bytes", n)
				}
				var people []Participant
				if err := json.Unmarshal([]byte(s.Data), &people); err != nil {
					t.Fatal(err)
				}
				for _, p := range people {
					names = append(names, personName(p.Name))
				}
			}
			if diff := cmp.Diff(st.MainParticipants, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if len(signals) != tc.want {
				t.Errorf("%d signals, want %d", len(signals), tc.want)
			}
		})
	}
}

// quotedLength is how many bytes data has as a JSON string.
func quotedLength(t interface{ Fatal(args ...any) }, data string) int {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		t.Fatal(err)
	}
	return len(strings.TrimSuffix(b.String(), "\n"))
}

// The longest data that a RoomSignal can have is not too large, whatever is escaped in it.
func TestTooLarge(t *testing.T) {
	for name, tc := range map[string]struct {
		data string
		want bool
	}{
		"nothing":       {},
		"8000 letters":  {data: strings.Repeat("a", 8000)},
		"8000 quotes":   {data: strings.Repeat(`"`, 8000)},
		"8001 letters":  {data: strings.Repeat("a", 8001), want: true},
		"umlauts count": {data: strings.Repeat("ä", 4001), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Signal{Type: "poll", Data: tc.data}).TooLarge(); got != tc.want {
				t.Errorf("TooLarge: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestCallBackAt(t *testing.T) {
	for name, tc := range map[string]struct {
		mode  v1alpha1.ReturnMode
		grace *int32
		want  int
	}{
		"automatic, unless said otherwise":       {want: 12},
		"automatic, whatever the grace":          {mode: v1alpha1.ReturnAutomatic, grace: new(int32(60)), want: 12},
		"manual: people have the grace to come":  {mode: v1alpha1.ReturnManual, want: 15},
		"manual: or another one":                 {mode: v1alpha1.ReturnManual, grace: new(int32(60)), want: 60},
		"manual: but clocks that are slow count": {mode: v1alpha1.ReturnManual, grace: new(int32(0)), want: 12},
	} {
		t.Run(name, func(t *testing.T) {
			set := &v1alpha1.BreakoutSet{
				Spec: v1alpha1.BreakoutSetSpec{ReturnMode: tc.mode, CloseGraceSeconds: tc.grace},
			}
			if got, want := CallBackAt(set, nine), after(tc.want); !got.Equal(want) {
				t.Errorf("called back at %v, want %v", got, want)
			}
		})
	}
}
