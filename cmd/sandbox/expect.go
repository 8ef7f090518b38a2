// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// expectHeard expects that some people received exactly these signals in this scene, in this order, and all others nothing.
func (s *stage) expectHeard(c *checks, what string, people []string, want ...string) {
	var problems []string
	for _, p := range s.class.people {
		var got, wanted []string
		for _, h := range s.heardBy(p) {
			got = append(got, h.name())
		}
		if slices.Contains(people, p.name) {
			wanted = want
		}
		if !slices.Equal(got, wanted) {
			problems = append(problems, fmt.Sprintf("%s received [%s]", p.name, strings.Join(got, "; ")))
		}
	}
	c.none(what, problems)
}

// expectSent expects that the signals of this scene sent these people, once each and nobody else, to where the set's status has them.
func (s *stage) expectSent(c *checks, what string, people []string) {
	times, problems := map[string]int{}, []string(nil)
	for _, call := range s.calls(simulator.OpSignal) {
		var list roomList
		if call.SignalType != typeBreakoutRoom || json.Unmarshal([]byte(call.SignalData), &list) != nil {
			continue
		}
		sent := list.sent()
		for _, name := range sortedKeys(sent) {
			times[name]++
			if room := s.displayName(s.plannedPlace(name)); room != sent[name] {
				problems = append(problems, fmt.Sprintf("%s was sent to %s and belongs to %s", name, sent[name], room))
			}
		}
	}
	for _, p := range s.class.people {
		want := 0
		if slices.Contains(people, p.name) {
			want = 1
		}
		if times[p.name] != want {
			problems = append(problems, fmt.Sprintf("%s was sent somewhere %d times", p.name, times[p.name]))
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
