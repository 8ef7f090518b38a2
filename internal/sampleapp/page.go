// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// encodedRoom is a room as three pieces of JSON, around the names of its members and of those it is assigned to.
type encodedRoom struct {
	room              roomName
	head              []byte
	members, assigned [][]byte
}

var (
	betweenLists = []byte(`],"memberAssigned":[`)
	afterLists   = []byte(`]}`)
)

// wireRoom is the part of a room before the names, as the sample app orders it.
type wireRoom struct {
	ID              string  `json:"id"`
	Name            string  `json:"name"`
	SessionID       string  `json:"sessionId"`
	MainRoomID      *string `json:"mainRoomId"`
	MaxParticipants int32   `json:"maxParticipants"`
}

// encodeHead is a room without the names of people, and without its end.
func encodeHead(mainID string, r v1alpha1.BreakoutRoomStatus) []byte {
	w := wireRoom{
		ID:              r.MeetingRoomName,
		Name:            r.DisplayName,
		SessionID:       r.SessionID,
		MaxParticipants: cmp.Or(r.MaxParticipants, unlimited),
	}
	if r.Name != mainRoom {
		w.MainRoomID = &mainID
	}
	return append(bytes.TrimSuffix(encode(w), []byte("}")), `,"member":[`...)
}

// pages is the list of rooms for a session as JSON arrays of at most such a length. Where it does not fit one, whoever
// leads gets all of it on several, each of which starts with the main room and the session's own; every name is on
// exactly one. The others get what concerns them: the main room, their own, and those that people in it are sent to.
func (c *Composer) pages(room roomName, step Step, most int) [][]byte {
	if c.length+len("[]") <= most || room == mainRoom || leads(c.st, room) {
		return cut(c.list(room, step, func(roomName) bool { return true }), room, most)
	}
	targets := map[roomName]bool{mainRoom: true, room: true}
	for _, name := range step.Names {
		targets[c.place(name)] = true
	}
	rooms := c.list(room, step, func(r roomName) bool { return targets[r] })
	for i := range rooms {
		if rooms[i].room != room {
			rooms[i].members = nil
		}
	}
	return cut(rooms, room, most)
}

func (c *Composer) place(name personName) roomName { return cmp.Or(c.places[name], mainRoom) }

// list is the rooms as a message shows them: whom it sends somewhere, and who belongs there beside.
func (c *Composer) list(room roomName, step Step, with func(roomName) bool) []encodedRoom {
	rooms := []encodedRoom{}
	index := map[roomName]int{}
	add := func(name roomName) {
		if with(name) {
			index[name] = len(rooms)
			rooms = append(rooms, c.rooms[name])
		}
	}
	add(mainRoom)
	for _, r := range c.view.Rooms {
		add(r.Name)
	}
	for _, r := range c.view.Leaving {
		if step.known && (room == mainRoom || room == r.Name) {
			add(r.Name)
		}
	}
	sent := map[string]bool{}
	for _, name := range step.Names {
		r := &rooms[index[c.place(name)]]
		r.assigned = append(r.assigned, c.names[name])
		sent[string(c.names[name])] = true
	}
	for i := range rooms {
		if len(rooms[i].assigned) > 0 {
			rooms[i].members = slices.DeleteFunc(
				slices.Clone(rooms[i].members),
				func(n []byte) bool { return sent[string(n)] },
			)
		}
	}
	return rooms
}

// cut is rooms, of which the first is the main room, as JSON arrays of at most such a length.
func cut(rooms []encodedRoom, own roomName, most int) [][]byte {
	if whole := joinRooms(rooms); encodedLength(whole) <= most {
		return [][]byte{whole}
	}
	c := cutter{most: most}
	rest := make([]encodedRoom, 0, len(rooms))
	for i, r := range rooms {
		if i == 0 || r.room == own {
			c.first = append(c.first, r)
		} else {
			rest = append(rest, r)
		}
	}
	c.turn()
	for i, r := range c.first {
		c.fill(r, func() *encodedRoom { return &c.page[i] })
	}
	for _, r := range rest {
		c.put(r)
	}
	c.turn()
	return c.pages
}

// cutter fills one page after the other.
type cutter struct {
	most  int
	first []encodedRoom // which every page starts with
	page  []encodedRoom
	size  int
	pages [][]byte
}

// turn finishes the page, if there is one, and begins the next.
func (c *cutter) turn() {
	if c.page != nil {
		c.pages = append(c.pages, joinRooms(c.page))
	}
	c.page, c.size = nil, len(`"[]"`)
	for _, r := range c.first {
		c.open(r)
	}
}

// open lists a room on the page, without names.
func (c *cutter) open(r encodedRoom) {
	c.page = append(c.page, encodedRoom{room: r.room, head: r.head})
	c.size += emptyLength(r) + len(",")
}

// put lists a room that is not among the first, on as many pages as its names need.
func (c *cutter) put(r encodedRoom) {
	need := emptyLength(r) + len(",")
	if names := append(slices.Clip(r.members), r.assigned...); len(names) > 0 {
		need += inner(names[0]) + len(",")
	}
	if c.size+need > c.most {
		c.turn()
	}
	c.open(r)
	at := len(c.page) - 1
	pages := len(c.pages)
	c.fill(r, func() *encodedRoom {
		if len(c.pages) > pages { // the page was turned: list the room on this one too
			pages = len(c.pages)
			c.open(r)
			at = len(c.page) - 1
		}
		return &c.page[at]
	})
}

// fill adds a room's names to where it is listed, and turns pages as they are full.
func (c *cutter) fill(r encodedRoom, listed func() *encodedRoom) {
	for _, name := range r.members {
		c.room(name)
		l := listed()
		l.members = append(l.members, name)
		c.size += inner(name) + len(",")
	}
	for _, name := range r.assigned {
		c.room(name)
		l := listed()
		l.assigned = append(l.assigned, name)
		c.size += inner(name) + len(",")
	}
}

// room makes sure that a name fits on the page.
func (c *cutter) room(name []byte) {
	if c.size+inner(name)+len(",") > c.most {
		c.turn()
	}
}

// inner is the encoded length of a part of data.
func inner(part []byte) int { return encodedLength(part) - len(`""`) }

func emptyLength(r encodedRoom) int { return inner(r.head) + inner(betweenLists) + inner(afterLists) }

func lengthOf(names [][]byte) int {
	n := 0
	for _, name := range names {
		n += inner(name) + len(",")
	}
	return n
}

// joinRooms is rooms as one JSON array.
func joinRooms(rooms []encodedRoom) []byte {
	b := []byte{'['}
	for i, r := range rooms {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.head...)
		b = append(b, bytes.Join(r.members, []byte(","))...)
		b = append(b, betweenLists...)
		b = append(b, bytes.Join(r.assigned, []byte(","))...)
		b = append(b, afterLists...)
	}
	return append(b, ']')
}
