// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"bytes"
	"slices"
)

// roomList is a list of rooms, encoded so that it can be cut into pages for each session without encoding it again.
type roomList struct {
	rooms []encodedRoom // the main room first
	whole []byte        // all of it as one JSON array
}

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

// newRoomList encodes rooms, of which the first is the main room of ID mainID.
func newRoomList(mainID string, rooms []*listed) *roomList {
	l := &roomList{rooms: make([]encodedRoom, len(rooms))}
	for i, r := range rooms {
		w := wireRoom{ID: r.id, Name: r.name, SessionID: r.sessionID, MaxParticipants: r.max}
		if r.room != mainRoom {
			w.MainRoomID = &mainID
		}
		if w.MaxParticipants == 0 {
			w.MaxParticipants = unlimited
		}
		head := append(bytes.TrimSuffix(encode(w), []byte("}")), `,"member":[`...)
		l.rooms[i] = encodedRoom{room: r.room, head: head, members: encodeNames(r.members), assigned: encodeNames(r.assigned)}
	}
	l.whole = joinRooms(l.rooms)
	return l
}

// pages is the list as JSON arrays of at most so many bytes for the session of one room: all of it where that fits, else each page starts
// with the main room and that session's own room, and every name is on exactly one page. A room whose names need several pages is on each.
func (l *roomList) pages(own roomName, most int) [][]byte {
	if len(l.whole) <= most {
		return [][]byte{l.whole}
	}
	c := cutter{most: most}
	rest := make([]encodedRoom, 0, len(l.rooms))
	for i, r := range l.rooms {
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
	c.page, c.size = nil, len("[]")
	for _, r := range c.first {
		c.open(r)
	}
}

// open lists a room on the page, without names.
func (c *cutter) open(r encodedRoom) {
	c.page = append(c.page, encodedRoom{room: r.room, head: r.head})
	c.size += emptySize(r) + len(",")
}

// put lists a room that is not among the first, on as many pages as its names need.
func (c *cutter) put(r encodedRoom) {
	need := emptySize(r) + len(",")
	if names := append(slices.Clip(r.members), r.assigned...); len(names) > 0 {
		need += len(names[0]) + len(",")
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
		c.size += len(name) + len(",")
	}
	for _, name := range r.assigned {
		c.room(name)
		l := listed()
		l.assigned = append(l.assigned, name)
		c.size += len(name) + len(",")
	}
}

// room makes sure that a name fits on the page.
func (c *cutter) room(name []byte) {
	if c.size+len(name)+len(",") > c.most {
		c.turn()
	}
}

func emptySize(r encodedRoom) int { return len(r.head) + len(betweenLists) + len(afterLists) }

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

func encodeNames(names []personName) [][]byte {
	encoded := make([][]byte, len(names))
	for i, n := range names {
		encoded[i] = encode(string(n))
	}
	return encoded
}
