// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

var mainRoom = Room{ID: "algebra", Name: "Algebra", SessionID: "main"}

// said is a signal of a story, or an action of the client's user, so many milliseconds after its start.
type said struct {
	at       int
	session  string
	typ      string
	data     string
	choosing string
}

// state is what is to be seen of a client.
type state struct {
	Connections []string
	Room        string
	Changes     int
	Errors      int
	Prompted    bool
	Panel       bool
}

// rooms is the data of a breakout-room signal: per room name, session, members and assigned.
func rooms(message string, list ...[4]string) string {
	main := mainRoom.ID
	data := map[string]any{"message": message}
	encoded := []any{}
	for i, r := range list {
		room := Room{
			ID: "room-" + r[1], Name: r[0], SessionID: r[1], MainRoomID: &main, Member: strings.Fields(r[2]),
			MemberAssigned: strings.Fields(r[3]),
		}
		limit := 1000
		room.MaxParticipants = &limit
		if i == 0 {
			room.ID, room.MainRoomID = main, nil
		}
		encoded = append(encoded, room)
	}
	data["breakoutRooms"] = encoded
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func list(message, mainMembers, redMembers, redAssigned, blueMembers, blueAssigned string) string {
	return rooms(message, [4]string{"Algebra", "main", mainMembers}, [4]string{"Red", "red", redMembers, redAssigned},
		[4]string{"Blue", "blue", blueMembers, blueAssigned})
}

var (
	toRed       = list("roomCreated (automatic)", "", "", "Ada", "", "")
	movedToRed  = list("participantMoved", "", "", "Ada", "", "")
	movedToBlue = list("participantMoved", "", "", "", "", "Ada")
	movedToMain = rooms("participantMoved", [4]string{"Algebra", "main", "", "Ada"}, [4]string{"Red", "red"}, [4]string{
		"Blue", "blue",
	})
	choose     = list("roomCreated (chooseroom)", "Ada", "", "", "", "")
	allGone    = `{"message":"allRoomRemoved","breakoutRooms":[]}`
	redRenamed = rooms("roomEdited", [4]string{"Algebra", "main"}, [4]string{"Crimson", "red", "Ada"}, [4]string{
		"Blue", "blue",
	})
	swapped = rooms("roomEdited", [4]string{"Algebra", "main"}, [4]string{"Blue", "red", "Ada"}, [4]string{
		"Red", "blue",
	})
	redGone     = rooms("roomRemoved", [4]string{"Algebra", "main", "Ada"}, [4]string{"Blue", "blue"})
	blueGone    = rooms("roomRemoved", [4]string{"Algebra", "main"}, [4]string{"Red", "red", "Ada"})
	blueGoneNew = rooms("roomRemoved", [4]string{"Algebra", "main"}, [4]string{"Crimson", "red", "Ada"})
)

func timerData(end time.Duration, warning int, manual bool) string {
	return fmt.Sprintf(`{"endTime":%d,"period":1,"countDownTimer":%d,"isManualReturn":%t}`, start.Add(end).UnixMilli(),
		warning, manual)
}

func TestClient(t *testing.T) {
	for name, tc := range map[string]struct {
		page    Page
		coHost  bool
		fresh   bool
		paged   bool
		connect time.Duration
		locked  bool // no token for any room
		signals []said
		until   int // milliseconds
		want    state
	}{
		"goes to its room five seconds after the notice": {
			signals: []said{{at: 0, typ: "breakout-room", data: toRed}}, until: 5000,
			want: state{Connections: []string{"red"}, Room: "Red", Changes: 1, Panel: false},
		},
		"is still there before": {
			signals: []said{{at: 0, typ: "breakout-room", data: toRed}}, until: 4999,
			want: state{Connections: []string{"main"}},
		},
		"somebody else's assignment is not its own": {
			signals: []said{{
				at: 0, typ: "breakout-room", data: list("roomCreated (automatic)", "Ada", "", "Bob", "", ""),
			}}, until: 9000,
			want: state{Connections: []string{"main"}},
		},
		"roomCreated (automatic) is ignored in a breakout room": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{
					at: 6000, session: "red", typ: "breakout-room",
					data: list("roomCreated (automatic)", "", "", "", "", "Ada"),
				},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"hosts do not act on roomCreated": {
			page: HostPage, signals: []said{{at: 0, typ: "breakout-room", data: toRed}}, until: 9000,
			want: state{Connections: []string{"main"}, Panel: true},
		},
		"hosts act on participantMoved": {
			page: HostPage, signals: []said{{at: 0, typ: "breakout-room", data: movedToRed}}, until: 9000,
			want: state{Connections: []string{"red"}, Room: "Red", Changes: 1, Panel: true},
		},
		"hosts do not know forceReturn": {
			page: HostPage,
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 6000, session: "red", typ: "breakout-room", data: list("forceReturn", "", "", "", "", "")},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1, Panel: true},
		},
		"forceReturn calls participants back": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 6000, session: "red", typ: "breakout-room", data: list("forceReturn", "", "", "", "", "")},
			},
			until: 12000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"a text that equals the one before does nothing": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToRed},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"but the second repeat acts again": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToRed},
				{at: 7000, session: "red", typ: "breakout-room", data: movedToRed},
			},
			until: 13000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 2},
		},
		"participantMoved moves who is there already": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToRed},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 2},
		},
		"a move to the main room names it": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToMain},
			},
			until: 12000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"two moves within five seconds leave a ghost": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed}, {at: 4000, typ: "breakout-room", data: movedToBlue},
			},
			until: 10000, want: state{Connections: []string{"blue", "red"}, Room: "Blue", Changes: 2},
		},
		"two moves six seconds apart do not": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToBlue},
			},
			until: 12000, want: state{Connections: []string{"blue"}, Room: "Blue", Changes: 2},
		},
		"the ghost hears nothing": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed}, {at: 4000, typ: "breakout-room", data: movedToBlue},
				{at: 10000, session: "red", typ: "breakout-room", data: allGone},
			},
			until: 16000, want: state{Connections: []string{"blue", "red"}, Room: "Blue", Changes: 2},
		},
		"the same move again before it acted is one": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed},
				{at: 1000, typ: "breakout-room", data: list("participantMoved", "Bob", "", "Ada", "", "")},
			},
			until: 9000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"an opening and a move to the same room connect once": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed}, {at: 1000, typ: "breakout-room", data: movedToRed},
			},
			until: 9000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"the list of the notice knows a room that is gone since": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed}, {at: 1000, typ: "breakout-room", data: redGone},
			},
			until: 9000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"the present list does not, and so it joins the main room": {
			fresh: true,
			signals: []said{
				{at: 0, typ: "breakout-room", data: movedToRed}, {at: 1000, typ: "breakout-room", data: redGone},
			},
			until: 9000, want: state{Connections: []string{"main"}, Changes: 1},
		},
		"without a token it joins the main room": {
			locked: true, signals: []said{{at: 0, typ: "breakout-room", data: movedToRed}}, until: 9000,
			want: state{Connections: []string{"main"}, Changes: 1},
		},
		"allRoomRemoved calls back": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: allGone},
			},
			until: 12000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"allRoomRemoved is nothing to those in the main room": {
			signals: []said{{at: 0, typ: "breakout-room", data: allGone}}, until: 9000,
			want: state{Connections: []string{"main"}},
		},
		"roomRemoved calls back those whose room is not listed": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: redGone},
			},
			until: 12000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"roomRemoved leaves the others": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: blueGone},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"a rename is known five seconds later": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: redRenamed},
			},
			until: 11000, want: state{Connections: []string{"red"}, Room: "Crimson", Changes: 1},
		},
		"a removal of another room within five seconds of a rename calls back": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: redRenamed},
				{at: 10000, session: "red", typ: "breakout-room", data: blueGoneNew},
			},
			until: 16000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"later it does not": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: redRenamed},
				{at: 12000, session: "red", typ: "breakout-room", data: blueGoneNew},
			},
			until: 18000, want: state{Connections: []string{"red"}, Room: "Crimson", Changes: 1},
		},
		"rooms that swap their names do not learn them": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: swapped},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"a rename on the way out makes it believe to be in the room still": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "breakout-room", data: movedToMain},
				{at: 7000, session: "red", typ: "breakout-room", data: redRenamed},
			},
			until: 13000, want: state{Connections: []string{"main"}, Room: "Crimson", Changes: 2},
		},
		"asks to choose": {
			signals: []said{{at: 0, typ: "breakout-room", data: choose}}, until: 100,
			want: state{Connections: []string{"main"}, Prompted: true},
		},
		"does not ask hosts": {
			page: HostPage, signals: []said{{at: 0, typ: "breakout-room", data: choose}}, until: 100,
			want: state{Connections: []string{"main"}, Panel: true},
		},
		"does not ask co-hosts": {
			coHost: true, signals: []said{{at: 0, typ: "breakout-room", data: choose}}, until: 100,
			want: state{Connections: []string{"main"}, Panel: true},
		},
		"any other list closes the prompt": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: choose},
				{at: 1, typ: "breakout-room", data: list("roomAdded", "Ada", "", "", "", "")},
			},
			until: 100, want: state{Connections: []string{"main"}},
		},
		"a repeat leaves the prompt open": {
			signals: []said{{at: 0, typ: "breakout-room", data: choose}, {at: 1, typ: "breakout-room", data: choose}},
			until:   100, want: state{Connections: []string{"main"}, Prompted: true},
		},
		"the user chooses": {
			signals: []said{{at: 0, typ: "breakout-room", data: choose}, {at: 1000, choosing: "Blue"}},
			until:   1000, want: state{Connections: []string{"blue"}, Room: "Blue", Changes: 1},
		},
		"the panel closes on an empty list": {
			page:    HostPage,
			signals: []said{{at: 0, typ: "breakout-room", data: choose}, {at: 1, typ: "breakout-room", data: allGone}},
			until:   100, want: state{Connections: []string{"main"}},
		},
		"the panel stays on a list of the main room alone": {
			page: HostPage,
			signals: []said{
				{at: 0, typ: "breakout-room", data: choose},
				{at: 1, typ: "breakout-room", data: rooms("roomRemoved", [4]string{"Algebra", "main"})},
			},
			until: 100, want: state{Connections: []string{"main"}, Panel: true},
		},
		"a list without names breaks the page": {
			signals: []said{{
				at: 0, typ: "breakout-room",
				data: `{"message":"roomAdded","breakoutRooms":[{"id":"algebra","name":"Algebra"}]}`,
			}},
			until: 100, want: state{Connections: []string{"main"}, Errors: 1},
		},
		"data that is no JSON is an error": {
			signals: []said{{at: 0, typ: "count-down-timer", data: `nope`}}, until: 100,
			want: state{Connections: []string{"main"}, Errors: 1},
		},
		"a change of rooms takes its time, in which nothing is heard": {
			connect: time.Second,
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 5500, session: "main", typ: "breakout-room", data: allGone},
				{at: 5500, session: "red", typ: "breakout-room", data: allGone},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"hears only its own session": {
			signals: []said{{at: 0, session: "red", typ: "breakout-room", data: toRed}}, until: 9000,
			want: state{Connections: []string{"main"}},
		},
		"join-breakout-room replaces the list alone": {
			page: HostPage,
			signals: []said{{
				at: 0, typ: "join-breakout-room",
				data: `[{"id":"algebra","name":"Algebra","member":[],"memberAssigned":["Ada"]}]`,
			}},
			until: 9000, want: state{Connections: []string{"main"}, Panel: true},
		},
		"a new co-host sees the panel five seconds later": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: choose},
				{
					at: 1000, typ: "update-participant",
					data: `[{"name":"Bob","isCohost":false},{"name":"Ada","isCohost":true}]`,
				},
			},
			until: 6000, want: state{Connections: []string{"main"}, Prompted: true, Panel: true},
		},
		"goes back by itself when the time is up": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, false)},
			},
			until: 26000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"with a manual return it only says so": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, true)},
			},
			until: 30000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1},
		},
		"who enters later finds the countdown running": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 1, typ: "count-down-timer", data: timerData(20*time.Second, 5, false)},
			},
			until: 26000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"clearing a running countdown breaks the page of those in a breakout room": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(60*time.Second, 5, false)},
				{at: 10000, session: "red", typ: "count-down-timer", data: `{}`},
			},
			until: 12000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1, Errors: 1},
		},
		"and that of hosts": {
			page: HostPage,
			signals: []said{
				{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, false)},
				{at: 4000, typ: "count-down-timer", data: `{}`},
			},
			until: 9000, want: state{Connections: []string{"main"}, Errors: 1},
		},
		"participants in the main room do not count": {
			signals: []said{
				{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, false)},
				{at: 4000, typ: "count-down-timer", data: `{}`},
			},
			until: 9000, want: state{Connections: []string{"main"}},
		},
		"a countdown that is over can be cleared": {
			page: HostPage, signals: []said{
				{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, false)},
				{at: 1000, typ: "count-down-timer", data: timerData(3*time.Second, 0, true)},
				{at: 4000, typ: "count-down-timer", data: `{}`},
			},
			until: 70000, want: state{Connections: []string{"main"}},
		},
		"one received in its last second never ends": {
			page: HostPage, signals: []said{
				{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, false)},
				{at: 1000, typ: "count-down-timer", data: timerData(1900*time.Millisecond, 0, true)},
				{at: 4000, typ: "count-down-timer", data: `{}`},
			},
			until: 9000, want: state{Connections: []string{"main"}, Errors: 1},
		},
		"one whose end has passed leaves the running one alone": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, false)},
				{at: 8000, session: "red", typ: "count-down-timer", data: timerData(7*time.Second, 5, false)},
			},
			until: 26000, want: state{Connections: []string{"main"}, Changes: 2},
		},
		"pages are whole lists to the sample app's client": {
			page: HostPage, signals: []said{
				{
					at: 0, typ: "breakout-room",
					data: `{"message":"participantMoved","breakoutRooms":[{"id":"algebra","name":"Algebra","sessionId":"main","member":[],"memberAssigned":[]},{"id":"r","name":"Red","sessionId":"red","member":[],"memberAssigned":["Ada"]}],"revision":1,"page":{"index":1,"count":2}}`,
				},
				{
					at: 1, typ: "breakout-room",
					data: `{"message":"participantMoved","breakoutRooms":[],"revision":1,"page":{"index":2,"count":2}}`,
				},
			},
			until: 100, want: state{Connections: []string{"main"}},
		},
		"a client that knows pages puts them together": {
			paged: true, page: HostPage, signals: []said{
				{
					at: 0, typ: "breakout-room",
					data: `{"message":"participantMoved","breakoutRooms":[{"id":"algebra","name":"Algebra","sessionId":"main","member":["Bob"],"memberAssigned":[]}],"revision":1,"page":{"index":2,"count":2}}`,
				},
				{
					at: 1, typ: "breakout-room",
					data: `{"message":"participantMoved","breakoutRooms":[{"id":"algebra","name":"Algebra","sessionId":"main","member":["Cyd"],"memberAssigned":[]},{"id":"r","name":"Red","sessionId":"red","member":[],"memberAssigned":["Ada"]}],"revision":1,"page":{"index":1,"count":2}}`,
				},
			},
			until: 6000, want: state{Connections: []string{"red"}, Room: "Red", Changes: 1, Panel: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{
				Name: "Ada", Page: tc.page, CoHost: tc.coHost, Main: mainRoom, FreshList: tc.fresh, Paged: tc.paged,
				ConnectTime: tc.connect,
			}
			if tc.locked {
				cfg.Credential = func(Room) (string, bool) { return "", false }
			}
			c := Join(cfg, start)
			for _, s := range tc.signals {
				c.Advance(start.Add(time.Duration(s.at) * time.Millisecond))
				if s.choosing != "" {
					if err := c.Choose(s.choosing); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if s.session == "" {
					s.session = "main"
				}
				c.Receive(s.session, s.typ, s.data)
			}
			c.Advance(start.Add(time.Duration(tc.until) * time.Millisecond))
			got := state{c.Connections(), c.Room(), c.Changes(), len(c.Errors()), c.Prompted(), c.Panel()}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("client (-want +got):\n%s\nerrors: %v", diff, c.Errors())
			}
		})
	}
}

func TestCountdownShown(t *testing.T) {
	c := Join(Config{Name: "Host", Page: HostPage, Main: mainRoom}, start)
	c.Receive("main", "count-down-timer", timerData(10*time.Second, 3, true))
	for _, tc := range []struct{ after, want int }{{6, -1}, {7, 3}, {9, 1}, {10, -1}} {
		c.Advance(start.Add(time.Duration(tc.after) * time.Second))
		got, shown := c.Countdown()
		if !shown {
			got = -1
		}
		if got != tc.want {
			t.Errorf("after %d s: countdown %d, want %d", tc.after, got, tc.want)
		}
	}
}

// What the page says of a countdown: when it gets one, and when one is over that leaves the way back to the user.
func TestNotices(t *testing.T) {
	inMinutes := func(period string) string { return "Room will be closed in " + period + " minutes" }
	const ended = "Breakout Room Session Ended. Please return to Main Room."
	text := fmt.Sprintf(`{"endTime":%d,"period":"more than 1000","countDownTimer":0,"isManualReturn":true}`,
		start.AddDate(1, 0, 0).UnixMilli())
	for name, tc := range map[string]struct {
		page    Page
		signals []said
		until   int // milliseconds
		want    []string
	}{
		"none": {
			signals: []said{{at: 0, typ: "breakout-room", data: toRed}}, until: 60000,
		},
		"when there is a countdown, the time that is left": {
			signals: []said{{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, true)}}, until: 100,
			want: []string{inMinutes("1")},
		},
		"to hosts as well": {
			page: HostPage, signals: []said{{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, true)}},
			until: 100, want: []string{inMinutes("1")},
		},
		"as it is written": {
			signals: []said{{at: 0, typ: "count-down-timer", data: `{"endTime":1,"period":1.7333333333333334}`}}, until: 100,
			want: []string{inMinutes("1.7333333333333334")},
		},
		"be it a text": {
			signals: []said{{at: 0, typ: "count-down-timer", data: text}}, until: 100,
			want: []string{inMinutes("more than 1000")},
		},
		"each time": {
			signals: []said{
				{at: 0, typ: "count-down-timer", data: timerData(60*time.Second, 5, true)},
				{at: 10, typ: "count-down-timer", data: text},
			},
			until: 100, want: []string{inMinutes("1"), inMinutes("more than 1000")},
		},
		"not when it is cleared": {
			signals: []said{{at: 0, typ: "count-down-timer", data: `{}`}}, until: 100,
		},
		"at the end, to those in a breakout room": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, true)},
			},
			until: 90000, want: []string{inMinutes("1"), ended},
		},
		"but not to those in the main room": {
			page: HostPage, signals: []said{{at: 0, typ: "count-down-timer", data: timerData(20*time.Second, 5, true)}},
			until: 90000, want: []string{inMinutes("1")},
		},
		"nor where the page goes back by itself": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, false)},
			},
			until: 90000, want: []string{inMinutes("1")},
		},
		"nor when the countdown was replaced by one that ends in a year": {
			signals: []said{
				{at: 0, typ: "breakout-room", data: toRed},
				{at: 6000, session: "red", typ: "count-down-timer", data: timerData(20*time.Second, 5, true)},
				{at: 12000, session: "red", typ: "count-down-timer", data: text},
			},
			until: 90000, want: []string{inMinutes("1"), inMinutes("more than 1000")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := Join(Config{Name: "Ada", Page: tc.page, Main: mainRoom}, start)
			play(c, tc.signals, tc.until)
			if diff := cmp.Diff(tc.want, c.Notices()); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
			if len(c.Errors()) > 0 {
				t.Errorf("errors: %v", c.Errors())
			}
		})
	}
}

// play has a client receive signals, and time go on.
func play(c *Client, signals []said, until int) {
	for _, s := range signals {
		c.Advance(start.Add(time.Duration(s.at) * time.Millisecond))
		if s.session == "" {
			s.session = "main"
		}
		c.Receive(s.session, s.typ, s.data)
	}
	c.Advance(start.Add(time.Duration(until) * time.Millisecond))
}

// A host's page that has an expired countdown asks to delete the rooms when it sees them all empty, be they another
// set's.
func TestDeletions(t *testing.T) {
	empty := list("roomCreated (chooseroom)", "Ada Bob", "", "", "", "")
	expired := said{at: 0, typ: "count-down-timer", data: timerData(10*time.Second, 5, true)}
	withdrawn := said{at: 15000, typ: "count-down-timer", data: timerData(365*24*time.Hour, 0, true)}
	mainAlone := rooms("roomRemoved", [4]string{"Algebra", "main"})
	shows := func(at int, data string) said { return said{at: at, typ: "breakout-room", data: data} }
	for name, tc := range map[string]struct {
		page    Page
		signals []said
		want    int
	}{
		"after an expired countdown, empty rooms": {
			page: HostPage, signals: []said{expired, shows(20000, empty)}, want: 1,
		},
		"in the moment that it ends": {
			page: HostPage, signals: []said{expired, shows(10000, empty)}, want: 1,
		},
		"each time that they are seen": {
			page: HostPage, signals: []said{expired, shows(20000, empty), shows(21000, choose)}, want: 2,
		},
		"but not in a text that is the same": {
			page: HostPage, signals: []said{expired, shows(20000, empty), shows(21000, empty)}, want: 1,
		},
		"not while it runs": {page: HostPage, signals: []said{expired, shows(9000, empty)}},
		"not without any":   {page: HostPage, signals: []said{shows(20000, empty)}},
		"not when it was replaced before": {
			page: HostPage, signals: []said{expired, withdrawn, shows(20000, empty)},
		},
		"not a participant's page":             {signals: []said{expired, shows(20000, empty)}},
		"not when somebody is in one of them":  {page: HostPage, signals: []said{expired, shows(20000, redRenamed)}},
		"not when somebody is sent to one":     {page: HostPage, signals: []said{expired, shows(20000, toRed)}},
		"not when there are none":              {page: HostPage, signals: []said{expired, shows(20000, allGone)}},
		"not when there is the main room only": {page: HostPage, signals: []said{expired, shows(20000, mainAlone)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := Join(Config{Name: "Host", Page: tc.page, Main: mainRoom}, start)
			play(c, tc.signals, 30000)
			if got := c.Deletions(); got != tc.want {
				t.Errorf("%d times, want %d", got, tc.want)
			}
		})
	}
}

// Who leaves a session and joins it again publishes nothing there, until they change sessions.
func TestVisible(t *testing.T) {
	there := said{at: 0, typ: "breakout-room", data: toRed}
	again := said{at: 10000, session: "red", typ: "breakout-room", data: movedToRed}
	onwards := said{at: 20000, session: "red", typ: "breakout-room", data: movedToBlue}
	for name, tc := range map[string]struct {
		connect time.Duration
		signals []said
		until   int // milliseconds
		want    bool
		session string
		changes int
	}{
		"joined": {until: 0, want: true, session: "main"},
		"moved": {
			signals: []said{there}, until: 9000, want: true, session: "red", changes: 1,
		},
		"sent to where they are": {
			signals: []said{there, again}, until: 19000, session: "red", changes: 2,
		},
		"not before they left": {
			signals: []said{there, again}, until: 14999, want: true, session: "red", changes: 1,
		},
		"however long connecting takes": {
			connect: 3 * time.Second, signals: []said{there, again}, until: 19000,
			session: "red", changes: 2,
		},
		"sent to the main room, where they are": {
			signals: []said{{at: 0, typ: "breakout-room", data: movedToMain}}, until: 9000, session: "main", changes: 1,
		},
		"visible again in another room": {
			signals: []said{there, again, onwards}, until: 29000, want: true, session: "blue", changes: 3,
		},
		"and back in the first": {
			signals: []said{
				there, again, onwards,
				{at: 30000, session: "blue", typ: "breakout-room", data: movedToRed},
			},
			until: 39000, want: true, session: "red", changes: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := Join(Config{Name: "Ada", Main: mainRoom, ConnectTime: tc.connect}, start)
			play(c, tc.signals, tc.until)
			if c.Visible() != tc.want || c.Session() != tc.session || c.Changes() != tc.changes {
				t.Errorf("visible %t in %q after %d changes, want %t in %q after %d",
					c.Visible(), c.Session(), c.Changes(), tc.want, tc.session, tc.changes)
			}
		})
	}
}

func TestChooseFails(t *testing.T) {
	full := rooms("roomCreated (chooseroom)", [4]string{"Algebra", "main"}, [4]string{"Red", "red"})
	full = strings.Replace(full, `"maxParticipants":1000,"member":[],"memberAssigned":[]}]`,
		`"maxParticipants":0,"member":[],"memberAssigned":[]}]`, 1)
	for name, tc := range map[string]struct {
		data, room, want string
	}{
		"no prompt":             {data: allGone, room: "Red", want: "does not ask"},
		"not listed":            {data: choose, room: "Green", want: "not listed"},
		"the main room":         {data: choose, room: "Algebra", want: "not listed"},
		"full, since 0 is full": {data: full, room: "Red", want: "full"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Join(Config{Name: "Ada", Main: mainRoom}, start)
			c.Receive("main", "breakout-room", tc.data)
			if err := c.Choose(tc.room); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Choose: %v, want an error that says %q", err, tc.want)
			}
		})
	}
}

func TestJoinPages(t *testing.T) {
	page := func(message string, index, count int, rooms ...string) RoomList {
		var l RoomList
		text := fmt.Sprintf(`{"message":%q,"revision":7,"page":{"index":%d,"count":%d},"breakoutRooms":[%s]}`, message,
			index, count, strings.Join(rooms, ","))
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	const main, red, redToo, blue = `{"id":"m","name":"Algebra","member":["Jo"]}`,
		`{"id":"r","name":"Red","memberAssigned":["Ada"]}`,
		`{"id":"r","name":"Red","memberAssigned":["Bo"]}`, `{"id":"b","name":"Blue","member":["Cy"]}`
	tests := map[string]struct {
		pages []RoomList
		want  string // rooms with members and assigned; empty for an error
	}{
		"in order": {
			[]RoomList{page("x", 1, 2, main, red), page("x", 2, 2, main, redToo, blue)},
			"Algebra [Jo Jo] []; Red [] [Ada Bo]; Blue [Cy] []",
		},
		"the other way round": {
			[]RoomList{page("x", 2, 2, redToo, blue), page("x", 1, 2, main, red)},
			"Algebra [Jo] []; Red [] [Ada Bo]; Blue [Cy] []",
		},
		"one is missing":            {[]RoomList{page("x", 1, 2, main, red)}, ""},
		"one comes twice":           {[]RoomList{page("x", 1, 2, main, red), page("x", 1, 2, main, red)}, ""},
		"one is of another message": {[]RoomList{page("x", 1, 2, main, red), page("y", 2, 2, main, blue)}, ""},
		"none":                      {nil, ""},
		"a list without pages":      {[]RoomList{{Message: "x"}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			whole, err := JoinPages(tt.pages)
			var got []string
			for _, r := range whole.BreakoutRooms {
				got = append(got, fmt.Sprintf("%s %v %v", r.Name, r.Member, r.MemberAssigned))
			}
			if (err != nil) != (tt.want == "") {
				t.Fatalf("error %v, want one: %t", err, tt.want == "")
			}
			if text := strings.Join(got, "; "); err == nil && text != tt.want {
				t.Errorf("got  %q\nwant %q", text, tt.want)
			}
		})
	}
}
