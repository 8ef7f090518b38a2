// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// telling is what signals somebody is to receive in a scene, in order.
type telling func(name string) []string

// everybody is told the same, nothing is what nobody is told.
func everybody(signals ...string) telling { return func(string) []string { return signals } }

func nothing(string) []string { return nil }

// expectHeard expects that everybody received exactly these signals in this scene, in this order.
func (s *stage) expectHeard(c *checks, what string, want telling) {
	var problems []string
	for _, p := range s.class.people {
		var got []string
		for _, h := range s.heardBy(p) {
			got = append(got, h.name())
		}
		if !slices.Equal(got, want(p.name)) {
			problems = append(problems, fmt.Sprintf("%s received [%s], not [%s]", p.name, strings.Join(got, "; "), strings.Join(want(p.name), "; ")))
		}
	}
	c.none(what, problems)
}

// expectWrites expects each MeetingRoom that is new in this scene to have cost the operator exactly these writes, apart from those that are
// about breakout rooms as a whole: a main room's lock.
func (s *stage) expectWrites(c *checks, what string, want ...string) {
	sum, err := readAudit(s.dir)
	if err != nil {
		c.none(what, []string{err.Error()})
		return
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(s.rooms)) {
		if s.before.rooms[name] {
			continue
		}
		if got := sum.writesTo("meetingrooms", name); !slices.Equal(got, want) {
			problems = append(problems, fmt.Sprintf("%s cost [%s]", name, strings.Join(got, ", ")))
		}
	}
	c.none(what, problems)
}

// expectSent expects that what these people heard in this scene sent them once, to where the set's status has them, and that what all others
// heard sent them nowhere.
func (s *stage) expectSent(c *checks, what string, people []string) {
	var problems []string
	for _, p := range s.class.people {
		var got, want []string
		for _, h := range s.heardBy(p) {
			var list roomList
			if h.typ != typeBreakoutRoom || json.Unmarshal([]byte(h.data), &list) != nil {
				continue
			}
			got = append(got, list.sends(p.name)...)
		}
		if slices.Contains(people, p.name) {
			want = []string{s.displayName(s.plannedPlace(p.name))}
		}
		if !slices.Equal(got, want) {
			problems = append(problems, fmt.Sprintf("%s was sent to [%s], not to [%s]", p.name, strings.Join(got, ", "), strings.Join(want, ", ")))
		}
	}
	c.none(what, problems)
}

// displayName is what browsers call a room of the set.
func (s *stage) displayName(room string) string {
	for _, r := range s.sets[setName].Status.Rooms {
		if string(r.Name) == room {
			return r.DisplayName
		}
	}
	return s.sets[setName].Status.MainDisplayName
}

// expectPlaces expects everybody to be connected once, to that room.
func (s *stage) expectPlaces(c *checks, what string, where func(name string) string) {
	var problems []string
	for _, p := range s.class.people {
		if got := s.class.places(p); !slices.Equal(got, []string{where(p.name)}) {
			problems = append(problems, fmt.Sprintf("%s is in %s, not in %s", p.name, list(got), where(p.name)))
		}
	}
	c.none(what, problems)
}

// expectChanges expects some people to have changed rooms so often in this scene, and all others not at all.
func (s *stage) expectChanges(c *checks, what string, people []string, times int) {
	var problems []string
	for _, p := range s.class.people {
		want := 0
		if slices.Contains(people, p.name) {
			want = times
		}
		if got := s.changesOf(p); got != want {
			problems = append(problems, fmt.Sprintf("%s changed %d times", p.name, got))
		}
	}
	c.none(what, problems)
}

// expectSignalCalls expects exactly one signal sent to each of these rooms in this scene, and that Vonage accepted it.
func (s *stage) expectSignalCalls(c *checks, rooms ...string) {
	var problems, got []string
	for _, call := range s.calls(simulator.OpSignal) {
		got = append(got, s.roomOf(call.SessionID))
		if call.Status != http.StatusNoContent {
			problems = append(problems, fmt.Sprintf("the one to %s was answered with %d %s", s.roomOf(call.SessionID), call.Status, call.Reason))
		}
	}
	slices.Sort(got)
	slices.Sort(rooms)
	if !slices.Equal(got, rooms) {
		problems = append(problems, fmt.Sprintf("it sent signals to [%s]", strings.Join(got, ", ")))
	}
	c.none(fmt.Sprintf("the operator sent exactly one signal each to %s, and Vonage accepted it", strings.Join(rooms, ", ")), problems)
}
