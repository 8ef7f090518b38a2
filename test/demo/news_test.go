// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBulletin(t *testing.T) {
	start := time.Unix(1795370440, 0)
	tests := map[string]struct {
		happens func(*bulletin)
		want    []string
	}{
		"a few rooms have lines of their own": {
			happens: func(b *bulletin) {
				b.room(start, "red", "is Ready", ", with tokens for 5")
				b.room(start, "blue", "is Ready", ", with tokens for 4")
			},
			want: []string{"room red: is Ready, with tokens for 5", "room blue: is Ready, with tokens for 4"},
		},
		"many rooms are listed together": {
			happens: func(b *bulletin) {
				for i := range 20 {
					b.room(start, fmt.Sprintf("room-%02d", 19-i), "is gone", "")
				}
			},
			want: []string{"20 rooms: are gone: room-00, room-01, room-02 and 17 others"},
		},
		"many who go are listed by way": {
			happens: func(b *bulletin) {
				b.moved(start, "Ada", "main", "red")
				b.moved(start, "Bo", "main", "blue")
				b.moved(start, "Cy", "main", "red")
				b.moved(start, "Di", "main", "blue")
			},
			want: []string{"4 browsers: main → blue: Bo, Di", "main → red: Ada, Cy"},
		},
		"so many ways are not listed": {
			happens: func(b *bulletin) {
				for i := range 20 {
					b.moved(start, fmt.Sprintf("P%02d", i), "main", fmt.Sprintf("room-%02d", i))
				}
			},
			want: []string{
				"20 browsers: main → room-00: P00", "main → room-01: P01", "main → room-02: P02",
				"and 17 more like these",
			},
		},
		"one signal": {
			happens: func(b *bulletin) { b.signal(start, "main", []string{"Ada"}, 5, "allRoomRemoved") },
			want:    []string{"signal to main: received by Ada: allRoomRemoved"},
		},
		"one signal that nobody receives": {
			happens: func(b *bulletin) { b.signal(start, "red", nil, 5, "allRoomRemoved") },
			want:    []string{"signal to red: nobody is there: allRoomRemoved"},
		},
		"the same signal to several rooms, with another in between": {
			happens: func(b *bulletin) {
				b.signal(start, "main", []string{"Ada", "Bo"}, 5, "one")
				b.signal(start, "main", []string{"Ada", "Bo"}, 5, "two")
				b.signal(start, "red", []string{"Cy", "Di", "Eve"}, 5, "one")
				b.signal(start, "blue", nil, 5, "one")
			},
			want: []string{
				"signal to 3 rooms: received by all 5 in main, red; nobody is in blue: one",
				"signal to main: received by Ada, Bo: two",
			},
		},
		"several rooms without people": {
			happens: func(b *bulletin) {
				b.signal(start, "red", nil, 5, "one")
				b.signal(start, "blue", nil, 5, "one")
			},
			want: []string{"signal to 2 rooms: nobody is in any of them: one"},
		},
		"who is disconnected": {
			happens: func(b *bulletin) {
				b.expelled(start, "Ada", "red")
				b.expelled(start, "Bo", "red")
				b.expelled(start, "Cy", "blue")
			},
			want: []string{"2 browsers: were disconnected from red: Ada, Bo", "Cy: was disconnected from blue"},
		},
		"what is like nothing else": {
			happens: func(b *bulletin) {
				b.say(start, "set groups", "is Opening")
				b.say(start, "set groups", "is Open")
			},
			want: []string{"set groups: is Opening", "set groups: is Open"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			b := &bulletin{timeline: &timeline{out: &out, start: start}}
			tt.happens(b)
			if out.Len() > 0 {
				t.Fatalf("printed before its time: %s", out.String())
			}
			b.flush()
			b.flush() // there is nothing left
			var got []string
			for l := range strings.Lines(out.String()) {
				actor, text := strings.TrimSpace(l[10:10+actorWidth+2]), strings.TrimSpace(l[10+actorWidth+2:])
				if actor != "" {
					text = actor + ": " + text
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBulletinWaitsForMore(t *testing.T) {
	var out bytes.Buffer
	b := &bulletin{timeline: &timeline{out: &out, start: time.Now()}}
	b.flushOld(time.Now())
	b.say(time.Now(), "set", "is Open")
	b.flushOld(b.latest.Add(newsGap - time.Millisecond))
	if out.Len() > 0 {
		t.Error("printed while more may come")
	}
	b.flushOld(b.latest.Add(newsGap))
	if out.Len() == 0 {
		t.Error("not printed when nothing more came")
	}
}
