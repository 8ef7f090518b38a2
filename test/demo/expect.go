// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// maxSignalBytes is the most data that one signal may have, as a JSON string.
const maxSignalBytes = 8000

// encodedLength is how long data is as JavaScript's JSON.stringify makes it, in bytes.
func encodedLength(data string) int {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(data) != nil {
		return 0 // a string has a JSON form
	}
	return b.Len() - len("\n")
}

// expectation is what signals somebody is to receive in a scene, in order.
type expectation func(name string) []string

// everybody receives the same, nothing is what nobody receives.
func everybody(signals ...string) expectation { return func(string) []string { return signals } }

func nothing(string) []string { return nil }

// expectReceived expects that everybody received exactly these signals in this scene, in this order. A message in pages
// counts as one.
func (s *stage) expectReceived(c *checks, what string, want expectation) {
	opened := cmp.Or(s.breakoutSet().Status.OpenedAt, &metav1.Time{}).Time
	var problems []string
	for _, p := range s.people() {
		var got []string
		for _, h := range s.receivedBy(p) {
			switch {
			case h.typ == typeCountDownTimer:
				got = append(got, timerName(h.data, h.at, opened))
			case !isLaterPage(h.typ, h.data):
				got = append(got, h.name())
			}
		}
		if !slices.Equal(got, want(p.name)) {
			problems = append(problems,
				fmt.Sprintf("%s received [%s], not [%s]", p.name, strings.Join(got, "; "),
					strings.Join(want(p.name), "; ")))
		}
	}
	c.none(what, problems)
}

// expectWrites expects each of the meeting's rooms that is new in this scene to have cost the operator exactly these
// writes, apart from those that are about breakout rooms as a whole: a main room's lock.
func (s *stage) expectWrites(c *checks, what string, want ...string) {
	sum, err := readAudit(s.AuditLog())
	if err != nil {
		c.none(what, []string{err.Error()})
		return
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(s.rooms)) {
		if s.mark().rooms[name] || meetingOf(s.rooms[name]) != s.meeting {
			continue
		}
		if got := sum.writesTo("meetingrooms", name); !slices.Equal(got, want) {
			problems = append(problems, fmt.Sprintf("%s cost [%s]", name, strings.Join(got, ", ")))
		}
	}
	c.none(what, problems)
}

// lists are the room lists that somebody received in this scene, in order.
func (s *stage) lists(p *person) []browser.RoomList {
	var lists []browser.RoomList
	for _, h := range s.receivedBy(p) {
		var list browser.RoomList
		if h.typ == typeBreakoutRoom && json.Unmarshal([]byte(h.data), &list) == nil {
			lists = append(lists, list)
		}
	}
	return lists
}

// expectSent expects that what these people received in this scene sent them once, to where the set's status has them,
// and that what all others received sent them nowhere; and that their token for that room was in its status before the
// set planned to send them.
func (s *stage) expectSent(c *checks, what string, people []string) {
	var problems, early []string
	for _, p := range s.people() {
		var got, want []string
		for _, list := range s.lists(p) {
			for _, r := range list.BreakoutRooms {
				if !slices.Contains(r.MemberAssigned, p.name) {
					continue
				}
				got = append(got, r.Name)
				if r.ID != s.meeting && !s.history.published(r.ID, p.name, plan{s.breakoutSet().UID, list.Revision}) {
					early = append(early,
						fmt.Sprintf("%s was sent to %s before their token was in the status of MeetingRoom %s", p.name,
							r.Name, r.ID))
				}
			}
		}
		if slices.Contains(people, p.name) {
			want = []string{s.displayName(s.plannedPlace(p.name))}
		}
		if !slices.Equal(got, want) {
			problems = append(problems,
				fmt.Sprintf("%s was sent to [%s], not to [%s]", p.name, strings.Join(got, ", "),
					strings.Join(want, ", ")))
		}
	}
	c.none(what, problems)
	c.none("a token for that room was in its status before the set even planned to send them there", early)
}

// expectPages expects that everybody received one message in this scene, in several pages within the limit, which
// together are the set's status: its rooms, each of which the message sends its people to.
func (s *stage) expectPages(c *checks, message string) {
	var problems []string
	pages := 0
	for _, p := range s.people() {
		for _, h := range s.receivedBy(p) {
			if n := encodedLength(h.data); n > maxSignalBytes {
				problems = append(problems, fmt.Sprintf("%s received a signal of %d bytes", p.name, n))
			}
		}
		lists := s.lists(p)
		whole, err := browser.JoinPages(lists)
		if err == nil {
			err = s.isView(whole, message)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", p.name, err))
		}
		pages = len(lists)
	}
	if pages < 2 {
		problems = append(problems, fmt.Sprintf("the list came in %d pages", pages))
	}
	c.none(fmt.Sprintf("everybody received exactly one message, %s, in %d pages of at most %d bytes, which together "+
		"are the set's status", message, pages, maxSignalBytes), problems)
}

// expectWhole expects that everybody received all pages of each message in this scene, each once.
func (s *stage) expectWhole(c *checks, what string) {
	type message struct {
		name     string
		revision int64
	}
	var problems []string
	for _, p := range s.people() {
		pages := map[message][]browser.RoomList{}
		for _, l := range s.lists(p) {
			if l.Page != nil {
				m := message{l.Message, l.Revision}
				pages[m] = append(pages[m], l)
			}
		}
		for m, all := range pages {
			if _, err := browser.JoinPages(all); err != nil {
				problems = append(problems, fmt.Sprintf("%s: %s: %v", p.name, m.name, err))
			}
		}
	}
	c.none(what, problems)
}

// isLaterPage is whether a signal is a page of a message other than the first.
func isLaterPage(typ, data string) bool {
	var list browser.RoomList
	is := typ == typeBreakoutRoom && json.Unmarshal([]byte(data), &list) == nil
	return is && list.Page != nil && list.Page.Index > 1
}

// isView says how a list that sends people to rooms differs from the set's status.
func (s *stage) isView(list browser.RoomList, message string) error {
	rooms := s.openRooms()
	if list.Message != message || len(list.BreakoutRooms) != len(rooms)+1 {
		return fmt.Errorf("the message is %q, with %d rooms", list.Message, len(list.BreakoutRooms))
	}
	for i, want := range rooms {
		var people []string
		for _, p := range want.Participants {
			people = append(people, string(p))
		}
		if got := list.BreakoutRooms[i+1]; got.Name != want.DisplayName || !slices.Equal(got.MemberAssigned, people) ||
			len(got.Member) > 0 {
			return fmt.Errorf("room %d is %s, to which it sends [%s], not %s and [%s]", i+1, got.Name,
				strings.Join(got.MemberAssigned, ", "), want.DisplayName, strings.Join(people, ", "))
		}
	}
	return nil
}

// openRooms are the rooms of the set's status that people are not called out of.
func (s *stage) openRooms() []v1alpha1.BreakoutRoomStatus {
	return slices.DeleteFunc(slices.Clone(s.breakoutSet().Status.Rooms), func(r v1alpha1.BreakoutRoomStatus) bool {
		return r.State == v1alpha1.RoomLeaving
	})
}

// displayName is what browsers call a room of the set.
func (s *stage) displayName(room string) string {
	for _, r := range s.breakoutSet().Status.Rooms {
		if string(r.Name) == room {
			return r.DisplayName
		}
	}
	return s.breakoutSet().Status.MainDisplayName
}

// expectPlaces expects everybody to be connected once, to that room.
func (s *stage) expectPlaces(c *checks, what string, where func(name string) string) {
	var problems []string
	for _, p := range s.people() {
		if got := s.class.places(p); !slices.Equal(got, []string{where(p.name)}) {
			problems = append(problems, fmt.Sprintf("%s is in %s, not in %s", p.name, list(got), where(p.name)))
		}
	}
	c.none(what, problems)
}

// expectChanges expects some people to have changed rooms once in this scene, and all others not at all.
func (s *stage) expectChanges(c *checks, what string, people []string) {
	once := map[string]int{}
	for _, name := range people {
		once[name] = 1
	}
	s.expectChangesEach(c, what, once)
}

// expectChangesEach expects people to have changed rooms so often in this scene, and all others not at all.
func (s *stage) expectChangesEach(c *checks, what string, want map[string]int) {
	var problems []string
	for _, p := range s.people() {
		if got := s.changesOf(p); got != want[p.name] {
			problems = append(problems, fmt.Sprintf("%s changed %d times, not %d", p.name, got, want[p.name]))
		}
	}
	c.none(what, problems)
}

// expectKnown expects every page to know its room by its present name, and the pages of those who lead, which show the
// rooms, to show them as the set's status has them.
func (s *stage) expectKnown(c *checks, what string) {
	var problems, want []string
	for _, r := range s.openRooms() {
		want = append(want, knownRoom(r.DisplayName, int(r.MaxParticipants)))
	}
	for _, p := range s.people() {
		name := ""
		if at := s.plannedPlace(p.name); at != mainName(s.meeting) {
			name = s.displayName(at)
		}
		if p.page.Room() != name {
			problems = append(problems, fmt.Sprintf("%s's page shows room %q, not %q", p.name, p.page.Room(), name))
		}
		if slices.Contains(s.students(), p.name) {
			continue
		}
		var got []string
		for _, r := range p.page.Rooms() {
			if r.ID != s.meeting && r.MaxParticipants != nil {
				got = append(got, knownRoom(r.Name, *r.MaxParticipants%unlimitedRoom))
			}
		}
		if !slices.Equal(got, want) {
			problems = append(problems,
				fmt.Sprintf("%s's page lists [%s], not [%s]", p.name, strings.Join(got, ", "),
					strings.Join(want, ", ")))
		}
	}
	c.none(what, problems)
}

// unlimitedRoom is how many people browsers take a room without a limit takes.
const unlimitedRoom = 1000

func knownRoom(name string, most int) string {
	if most == 0 {
		return name
	}
	return fmt.Sprintf("%s for %d", name, most)
}

// expectSignals expects exactly these signals to the session of each room in this scene, in this order, and that Vonage
// accepted each or had nobody to give it to. A message in pages counts as one.
func (s *stage) expectSignals(c *checks, what string, want map[string][]string) {
	got := map[string][]string{}
	var problems []string
	for _, call := range s.calls(simulator.OpSignal) {
		room := s.roomOf(call.SessionID)
		if !isLaterPage(call.SignalType, call.SignalData) {
			got[room] = append(got[room], signalName(call.SignalType, call.SignalData))
		}
		if call.Status != http.StatusNoContent && call.Status != http.StatusNotFound {
			problems = append(problems,
				fmt.Sprintf("one to %s was answered with %d %s", room, call.Status, call.Reason))
		}
	}
	c.none(what, append(problems, difference(got, want)...))
}

// difference is where rooms were sent other signals than they should have been.
func difference(got, want map[string][]string) []string {
	var problems []string
	for _, room := range slices.Sorted(maps.Keys(merged(got, want))) {
		if !slices.Equal(got[room], want[room]) {
			problems = append(problems,
				fmt.Sprintf("%s was sent [%s], not [%s]", room, strings.Join(got[room], "; "),
					strings.Join(want[room], "; ")))
		}
	}
	return problems
}

// toEach is the same signals to several rooms.
func toEach(rooms []string, signals ...string) map[string][]string {
	to := map[string][]string{}
	for _, r := range rooms {
		to[r] = signals
	}
	return to
}

// merged is all entries of maps, those of the last that has one.
func merged[V any](these ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, m := range these {
		maps.Copy(all, m)
	}
	return all
}

// expectNobodyDisconnected expects that the operator had to disconnect nobody, and that nobody is left in a session of
// a breakout room that is gone.
func (s *stage) expectNobodyDisconnected(c *checks) {
	n := len(s.calls(simulator.OpForceDisconnect))
	c.that(n == 0, "nobody had to be disconnected", "%d were", n)
	exist := map[string]bool{}
	for _, r := range s.rooms {
		exist[r.Status.SessionID] = true
	}
	var left []string
	for session, at := range s.sessions {
		if n := len(s.Vendor.Connections(session)); at.meeting == s.meeting && !exist[session] && n > 0 {
			left = append(left, fmt.Sprintf("%d in %s", n, at.room))
		}
	}
	c.none("nobody is left in a session whose room is gone", left)
}

// plannedPlace is where somebody should be by the set's status.
func (s *stage) plannedPlace(name string) string {
	for _, r := range s.breakoutSet().Status.Rooms {
		if slices.Contains(r.Participants, v1alpha1.ParticipantName(name)) {
			return string(r.Name)
		}
	}
	return mainName(s.meeting)
}

// inMain is that everybody is in the meeting room itself.
func (s *stage) inMain(string) string { return mainName(s.meeting) }

// allAt is whether everybody is connected once, to where they should be, and stays.
func (s *stage) allAt(where func(name string) string) bool {
	return !s.busy() && !slices.ContainsFunc(s.people(), func(p *person) bool {
		return !slices.Equal(s.class.places(p), []string{where(p.name)})
	})
}

// allAtBut is whether everybody but one is where the set's status says, and that one is nowhere.
func (s *stage) allAtBut(lost string) bool {
	return !s.busy() && !slices.ContainsFunc(s.people(), func(p *person) bool {
		if p.name == lost {
			return len(s.class.places(p)) > 0
		}
		return !slices.Equal(s.class.places(p), []string{s.plannedPlace(p.name)})
	})
}

// wereIn are those who were in a room when the scene began.
func (s *stage) wereIn(room string) []string {
	var names []string
	for _, p := range s.people() {
		if slices.Equal(s.mark().places[p.name], []string{room}) {
			names = append(names, p.name)
		}
	}
	return names
}

// wereOut are those who were in a breakout room when the scene began.
func (s *stage) wereOut() []string {
	var names []string
	for _, p := range s.people() {
		if at := s.mark().places[p.name]; len(at) > 0 && at[0] != mainName(s.meeting) {
			names = append(names, p.name)
		}
	}
	return names
}

// withRole are the participants of the meeting room who have a role.
func (s *stage) withRole(role v1alpha1.ParticipantRole) []string {
	var names []string
	for _, p := range s.room().Spec.Participants {
		if cmp.Or(p.Role, v1alpha1.RoleParticipant) == role {
			names = append(names, string(p.Name))
		}
	}
	return names
}

// students are those whom a set may assign by itself.
func (s *stage) students() []string { return s.withRole(v1alpha1.RoleParticipant) }
