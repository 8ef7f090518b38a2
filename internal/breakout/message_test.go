// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// The exact bytes of every kind of message: the order of keys, nothing escaped that JavaScript would not escape, no limit as 1000.
func TestMessages(t *testing.T) {
	const (
		origin = `"revision":1795424400000,"breakoutSet":{"name":"school/groups","uid":"2b7c"}`
		main   = `{"id":"algebra","name":"Algebra","sessionId":"1_main","mainRoomId":null,"maxParticipants":1000,`
		red    = `{"id":"groups-red","name":"Red","sessionId":"1_red","mainRoomId":"algebra","maxParticipants":1000,`
		blue   = `{"id":"groups-blue","name":"Blue","sessionId":"1_blue","mainRoomId":"algebra","maxParticipants":1000,`
	)
	list := func(message, rooms string) string {
		return `breakout-room {"message":"` + message + `","breakoutRooms":[` + rooms + `],` + origin + `}`
	}
	asIs := main + `"member":["Jo","Co"],"memberAssigned":[]},` + red + `"member":["Ada","Bob"],"memberAssigned":[]},` + blue + `"member":["Cyd"],"memberAssigned":[]}`
	opening := func(mode v1alpha1.BreakoutSetMode, edit func(v *breakout.View)) func(*v1alpha1.BreakoutSetStatus) {
		return func(st *v1alpha1.BreakoutSetStatus) {
			*st = v1alpha1.BreakoutSetStatus{}
			v := classroom()
			v.Mode = mode
			edit(&v)
			breakout.PlanOpening(st, v, nine)
		}
	}
	update := func(edit func(v *breakout.View)) func(*v1alpha1.BreakoutSetStatus) {
		return func(st *v1alpha1.BreakoutSetStatus) { change(0, edit).do(st, nine) }
	}
	nothing := func(*breakout.View) {}
	for name, tc := range map[string]struct {
		plan func(st *v1alpha1.BreakoutSetStatus)
		room room // in whose session; the main room's
		want []string
	}{
		"roomCreated (automatic)": {
			plan: opening(v1alpha1.ModeAutomatic, nothing),
			want: []string{list("roomCreated (automatic)", main+`"member":["Jo","Co"],"memberAssigned":[]},`+red+`"member":[],"memberAssigned":["Ada","Bob"]},`+blue+`"member":[],"memberAssigned":["Cyd"]}`)},
		},
		"roomCreated (chooseroom)": {
			plan: opening(v1alpha1.ModeChoose, func(v *breakout.View) { move(v, "Ada", "main"); move(v, "Bob", "main"); move(v, "Cyd", "main") }),
			want: []string{list("roomCreated (chooseroom)", main+`"member":["Jo","Co","Ada","Bob","Cyd"],"memberAssigned":[]},`+red+`"member":[],"memberAssigned":[]},`+blue+`"member":[],"memberAssigned":[]}`)},
		},
		"participantMoved": {
			plan: update(func(v *breakout.View) { move(v, "Ada", "main") }), room: "red",
			want: []string{list("participantMoved", main+`"member":["Jo","Co"],"memberAssigned":["Ada"]},`+red+`"member":["Bob"],"memberAssigned":[]},`+blue+`"member":["Cyd"],"memberAssigned":[]}`)},
		},
		"roomAdded": {
			plan: update(func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) }),
			want: []string{list("roomAdded", asIs+`,{"id":"groups-gold","name":"Gold","sessionId":"1_gold","mainRoomId":"algebra","maxParticipants":1000,"member":[],"memberAssigned":[]}`)},
		},
		"roomEdited: names and sizes as they are": {
			plan: update(func(v *breakout.View) {
				v.Rooms[0].DisplayName, v.Rooms[0].MaxParticipants = `<b>"Füße" & 組</b> \o/`, 7
			}),
			want: []string{list("roomEdited", strings.Replace(asIs, `"name":"Red","sessionId":"1_red","mainRoomId":"algebra","maxParticipants":1000`,
				`"name":"<b>\"Füße\" & 組</b> \\o/","sessionId":"1_red","mainRoomId":"algebra","maxParticipants":7`, 1))},
		},
		"roomRemoved": {
			plan: update(func(v *breakout.View) { remove(v, "blue"); move(v, "Cyd", "main") }),
			want: []string{list("roomRemoved", main+`"member":["Jo","Co","Cyd"],"memberAssigned":[]},`+red+`"member":["Ada","Bob"],"memberAssigned":[]}`)},
		},
		"allRoomRemoved": {
			plan: func(st *v1alpha1.BreakoutSetStatus) { breakout.PlanClosing(st, nine, nine) }, room: "blue",
			want: []string{list("allRoomRemoved", "")},
		},
		"count-down-timer": {
			plan: update(func(v *breakout.View) { v.Timer = timerOf(90, v1alpha1.ReturnManual); v.Timer.DurationSeconds = 90 }),
			want: []string{`count-down-timer {"endTime":1795424490000,"period":1.5,"countDownTimer":30,"isManualReturn":true,` + origin + `}`},
		},
		"update-participant": {
			plan: update(func(v *breakout.View) { v.CoHosts = nil }), room: "red",
			want: []string{`update-participant [{"id":"Jo","name":"Jo","role":"moderator","isCohost":false},{"id":"Co","name":"Co","role":"participant","isCohost":false},` +
				`{"id":"Ada","name":"Ada","role":"participant","isCohost":false},{"id":"Bob","name":"Bob","role":"participant","isCohost":false},{"id":"Cyd","name":"Cyd","role":"participant","isCohost":false}]`},
		},
		"nothing for a breakout room of what only the main room hears": {
			plan: func(st *v1alpha1.BreakoutSetStatus) {
				st.Mode = v1alpha1.ModeChoose
				update(func(v *breakout.View) { v.Rooms = append(v.Rooms, listed("gold", "Gold")) })(st)
			},
			room: "red",
			want: []string{list("roomAdded", asIs+`,{"id":"groups-gold","name":"Gold","sessionId":"1_gold","mainRoomId":"algebra","maxParticipants":1000,"member":[],"memberAssigned":[]}`)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := openStatus(t)
			tc.plan(st)
			if tc.room == "" {
				tc.room = "main"
			}
			steps, _ := breakout.NextSteps(st, nine)
			var got []string
			for range 2 { // the same bytes each time
				got = nil
				for _, signals := range breakout.NewScript(source, st, steps, nine).Signals(tc.room) {
					for _, s := range signals {
						got = append(got, s.Type+" "+s.Data)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("signals (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// A running countdown is dropped in two steps: one that ends a little later and does nothing then, and `{}` after that.
func TestMessagesTimerCleared(t *testing.T) {
	st := openStatus(t)
	change(0, func(v *breakout.View) { v.Timer = timerOf(600, v1alpha1.ReturnAutomatic) }).do(st, nine)
	tell(t, st, nine)
	now := at(10).Time
	change(0, func(v *breakout.View) { v.Timer = nil }).do(st, now)
	say := func(now time.Time) string {
		steps, due := breakout.NextSteps(st, now)
		if len(steps) == 0 {
			return fmt.Sprintf("nothing until +%v", due.Sub(nine))
		}
		signals := breakout.NewScript(source, st, steps, now).Signals("red")
		breakout.Settle(st, steps, nil, now)
		return signals[0][0].Data
	}
	for _, tc := range []struct {
		at   int
		want string
	}{
		{10, `{"endTime":1795424418000,"period":0,"countDownTimer":0,"isManualReturn":true,"revision":1795424410000,"breakoutSet":{"name":"school/groups","uid":"2b7c"}}`},
		{10, `nothing until +18s`},
		{18, `{}`},
	} {
		if got := say(at(tc.at).Time); got != tc.want {
			t.Errorf("at +%d s: %s, want %s", tc.at, got, tc.want)
		}
	}
}

// Told late, the countdown that ends a running one still has its time: it counts from the telling, not from the plan.
func TestMessagesTimerClearedLate(t *testing.T) {
	st := openStatus(t)
	change(0, func(v *breakout.View) { v.Timer = timerOf(6000, v1alpha1.ReturnAutomatic) }).do(st, nine)
	tell(t, st, nine)
	change(0, func(v *breakout.View) { v.Timer = nil }).do(st, at(10).Time)
	steps, _ := breakout.NextSteps(st, at(600).Time)
	data := breakout.NewScript(source, st, steps, at(600).Time).Signals("main")[0][0].Data
	if want := fmt.Sprintf(`{"endTime":%d,`, at(608).UnixMilli()); !strings.HasPrefix(data, want) {
		t.Errorf("data %s, want it to begin with %s", data, want)
	}
}

// Revisions rise, also within a millisecond and when the clock goes back.
func TestRevisions(t *testing.T) {
	st := openStatus(t)
	for i, tc := range []struct {
		now  time.Time
		want int64
	}{
		{nine, nine.UnixMilli()},
		{nine, nine.UnixMilli() + 1},
		{nine.Add(-time.Hour), nine.UnixMilli() + 2},
		{at(60).Time, at(60).UnixMilli()},
	} {
		change(0, func(v *breakout.View) { v.Rooms[0].MaxParticipants = int32(i + 1) }).do(st, tc.now)
		if st.Signals.Revision != tc.want {
			t.Errorf("revision %d, want %d", st.Signals.Revision, tc.want)
		}
	}
}

// The whole roster while it fits in one signal, else those whose role changed.
func TestRolesOfManyPeople(t *testing.T) {
	for name, tc := range map[string]struct {
		people, wantSignals, wantNames int
	}{
		"fits":               {people: 90, wantSignals: 1, wantNames: 90},
		"fits no more":       {people: 1000, wantSignals: 1, wantNames: 2},
		"many changed roles": {people: -400, wantSignals: 5, wantNames: 400},
	} {
		t.Run(name, func(t *testing.T) {
			st := &v1alpha1.BreakoutSetStatus{}
			v := classroom()
			v.MainParticipants, v.CoHosts = nil, nil
			for i := range max(tc.people, -tc.people) - 4 + 1 {
				v.MainParticipants = append(v.MainParticipants, person(fmt.Sprintf("somebody %04d", i)))
			}
			v.Hosts = nil
			breakout.PlanOpening(st, v, nine)
			tell(t, st, nine)
			change(0, func(v *breakout.View) {
				v.CoHosts = []person{"Ada", "Cyd"}
				if tc.people < 0 {
					v.CoHosts = append(append(v.CoHosts, "Bob"), v.MainParticipants...)
				}
			}).do(st, at(60).Time)
			steps, _ := breakout.NextSteps(st, at(60).Time)
			signals, names := breakout.NewScript(source, st, steps, at(60).Time).Signals("main")[0], 0
			for _, s := range signals {
				if len(s.Data) > breakout.MaxDataBytes {
					t.Errorf("%d bytes", len(s.Data))
				}
				names += strings.Count(s.Data, `"name":`)
			}
			if len(signals) != tc.wantSignals || names != tc.wantNames {
				t.Errorf("%d signals with %d names, want %d with %d", len(signals), names, tc.wantSignals, tc.wantNames)
			}
		})
	}
}
