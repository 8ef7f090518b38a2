// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	tests := map[string]struct {
		typ, data string
		want      string
	}{
		"an opening says who goes where": {
			typ: "breakout-room",
			data: `{"message":"roomCreated (automatic)","breakoutRooms":[
				{"name":"Algebra","mainRoomId":null,"member":["Jo"],"memberAssigned":[]},
				{"name":"Red","mainRoomId":"a","member":[],"memberAssigned":["Ada","Bo"]},
				{"name":"Blue","mainRoomId":"a","member":[],"memberAssigned":["Cy"]}]}`,
			want: "roomCreated (automatic):\nAda, Bo → Red\nCy → Blue",
		},
		"a list without moves names the rooms": {
			typ:  "breakout-room",
			data: `{"message":"roomAdded","breakoutRooms":[{"name":"Algebra"},{"name":"Red"},{"name":"Blue"}]}`,
			want: "roomAdded: Red, Blue",
		},
		"a page says which": {
			typ:  "breakout-room",
			data: `{"message":"roomEdited","breakoutRooms":[{"name":"Algebra"},{"name":"Red"}],"page":{"index":2,"count":3}}`,
			want: "roomEdited: Red (page 2 of 3)",
		},
		"all rooms are gone": {
			typ: "breakout-room", data: `{"message":"allRoomRemoved","breakoutRooms":[]}`, want: "allRoomRemoved",
		},
		"a list that is no JSON": {typ: "breakout-room", data: `{`, want: "breakout-room (not readable)"},
		"a countdown": {
			typ:  "count-down-timer",
			data: `{"endTime":1795370440000,"period":1,"isManualReturn":true}`,
			want: "count-down-timer: ends at " + clock(1795370440),
		},
		"a countdown that goes back": {
			typ: "count-down-timer", data: `{"endTime":1795370440000,"period":1}`, want: "count-down-timer: ends at " +
				clock(1795370440) + ", pages go back by themselves",
		},
		"a countdown without an end": {
			typ:  "count-down-timer",
			data: `{"endTime":1826906440000,"period":"more than 1000","isManualReturn":true}`,
			want: "count-down-timer: ends in a year",
		},
		"no countdown": {typ: "count-down-timer", data: `{}`, want: "count-down-timer: none"},
		"roles": {
			typ:  "update-participant",
			data: `[{"name":"Jo","role":"moderator"},{"name":"Bo","role":"participant","isCohost":true},{"name":"Cy","role":"participant"}]`,
			want: "update-participant: Jo (host), Bo (co-host)",
		},
		"a message": {
			typ: "message", data: `{"sender":{"name":"Jo"},"text":"Five minutes"}`, want: "message: Jo: “Five minutes”",
		},
		"a raised hand": {
			typ: "raise-hand", data: `{"name":"Ada","fromRoom":{"name":"Red"}}`, want: "raise-hand: Ada in Red",
		},
		"anything other": {typ: "confetti", data: `{"colour":"gold"}`, want: "confetti"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := describe(tt.typ, tt.data); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func clock(seconds int64) string { return time.Unix(seconds, 0).Format(time.TimeOnly) }

func TestNames(t *testing.T) {
	tests := map[string]struct {
		of   []string
		all  int
		want string
	}{
		"some":             {of: []string{"Bo", "Ada"}, all: 5, want: "Bo, Ada"},
		"all of many":      {of: []string{"Ada", "Bo", "Cy", "Di"}, all: 4, want: "all 4"},
		"all of a handful": {of: []string{"Ada", "Bo"}, all: 2, want: "Ada, Bo"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := names(tt.of, tt.all); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimerName(t *testing.T) {
	opened, at := time.UnixMilli(1795370440000), time.UnixMilli(1795370441500)
	tests := map[string]struct{ data, want string }{
		"a minute": {
			`{"endTime":1795370500000,"period":1,"countDownTimer":8,"isManualReturn":true}`,
			"count-down-timer (1m0s, shown for the last 8 s)",
		},
		"minutes are rounded up": {
			`{"endTime":1795370502000,"period":2,"countDownTimer":8,"isManualReturn":true}`,
			"count-down-timer (1m2s, shown for the last 8 s)",
		},
		"a minute was over on the way": {
			`{"endTime":1795370501000,"period":2,"countDownTimer":8,"isManualReturn":true}`,
			"count-down-timer (1m1s, shown for the last 8 s)",
		},
		"minutes that are not left": {
			`{"endTime":1795370500000,"period":2,"countDownTimer":8,"isManualReturn":true}`,
			"count-down-timer (ends after 1m0s, says 2 minutes)",
		},
		"one by which pages go back": {
			`{"endTime":1795370500000,"period":1,"countDownTimer":8,"isManualReturn":false}`,
			"count-down-timer (pages go back by themselves)",
		},
		"one without an end": {
			`{"endTime":1826906440000,"period":"more than 1000","countDownTimer":0,"isManualReturn":true}`,
			"count-down-timer (ends in a year)",
		},
		"one that says so and ends": {
			`{"endTime":1795370500000,"period":"more than 1000","countDownTimer":0,"isManualReturn":true}`,
			"count-down-timer (ends after 1m0s, says more than 1000 minutes)",
		},
		"none":    {`{}`, "count-down-timer (none)"},
		"no JSON": {`{`, "count-down-timer (not readable)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := timerName(tt.data, at, opened); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
