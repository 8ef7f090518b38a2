// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// RoomList is the data of a breakout-room signal, read independently of the operator's code. The sample app's client
// reads the first two fields only.
type RoomList struct {
	Message       string `json:"message"`
	BreakoutRooms []Room `json:"breakoutRooms"`
	Revision      int64  `json:"revision"`
	BreakoutSet   struct {
		UID string `json:"uid"`
	} `json:"breakoutSet"`
	Page *struct {
		Index int `json:"index"`
		Count int `json:"count"`
	} `json:"page"`
}

// JoinPages puts the pages of one message together, in whatever order they came. It fails when they are not the pages
// of one message, each once.
func JoinPages(pages []RoomList) (RoomList, error) {
	if len(pages) == 0 {
		return RoomList{}, errors.New("there is no page")
	}
	whole := RoomList{Message: pages[0].Message, Revision: pages[0].Revision, BreakoutSet: pages[0].BreakoutSet}
	for i := range pages {
		at := slices.IndexFunc(pages, func(p RoomList) bool { return p.Page != nil && p.Page.Index == i+1 })
		if at < 0 {
			return whole, fmt.Errorf("of %d pages number %d is missing", len(pages), i+1)
		}
		p := pages[at]
		same := p.Message == whole.Message && p.Revision == whole.Revision && p.BreakoutSet == whole.BreakoutSet
		if p.Page.Count != len(pages) || !same {
			return whole, fmt.Errorf("page %d of %d is one of %q, of %d pages and of revision %d; there are "+
				"%d of %q, %d",
				p.Page.Index, p.Page.Count, p.Message, p.Page.Count, p.Revision, len(pages), whole.Message,
				whole.Revision)
		}
		for _, r := range p.BreakoutRooms {
			known := slices.IndexFunc(whole.BreakoutRooms, func(k Room) bool { return k.ID == r.ID })
			if known < 0 {
				whole.BreakoutRooms = append(whole.BreakoutRooms, r)
				continue
			}
			k := &whole.BreakoutRooms[known]
			k.Member = append(slices.Clip(k.Member), r.Member...)
			k.MemberAssigned = append(slices.Clip(k.MemberAssigned), r.MemberAssigned...)
		}
	}
	return whole, nil
}

// participant is an element of an update-participant signal's data.
type participant struct {
	Name     string `json:"name"`
	IsCohost bool   `json:"isCohost"`
}

// Receive has the client receive a signal, of a type without the "signal:" prefix, in a session. It hears it only there
// where it is.
func (c *Client) Receive(session, typ, data string) {
	if c.broken || c.session == nil || c.session.session != session {
		return
	}
	var err error
	switch typ {
	case "breakout-room":
		err = c.receiveBreakoutRoom(data)
	case "join-breakout-room":
		var rooms []Room
		if err = json.Unmarshal([]byte(data), &rooms); err == nil {
			c.replaceList(rooms)
		}
	case "count-down-timer":
		err = c.receiveTimer(data)
	case "update-participant":
		err = c.receiveParticipants(data)
	}
	if err != nil {
		// as an event handler's exception, the page lives on
		c.errors = append(c.errors, fmt.Sprintf("signal %s: %v", typ, err))
	}
}

func (c *Client) receiveBreakoutRoom(data string) error {
	var signal RoomList
	if err := json.Unmarshal([]byte(data), &signal); err != nil {
		return err
	}
	if c.cfg.Paged && signal.Page != nil {
		var whole bool
		if signal, data, whole = c.pages.add(signal, data); !whole {
			return nil
		}
	}
	c.replaceList(signal.BreakoutRooms)
	if c.previous != nil && *c.previous == data {
		c.previous = nil
		return nil
	}
	c.previous = &data
	c.react(signal)
	return nil
}

func (c *Client) replaceList(rooms []Room) {
	c.rooms = rooms
	c.panel = len(rooms) > 0
	for _, r := range rooms {
		if r.Member == nil || r.MemberAssigned == nil {
			c.fail("room %q of the list has no member or memberAssigned", r.Name)
			return
		}
	}
}

// heard is a breakout-room signal as the page looks at it.
type heard struct {
	message  string
	assigned *Room // where the client finds its own name
	byName   bool  // whether the room that the page takes itself to be in is listed, by name
	own      *Room // the room of the page's session, when it takes itself to be in a breakout room
}

func (c *Client) hear(signal RoomList) heard {
	find := func(is func(Room) bool) *Room {
		if i := slices.IndexFunc(signal.BreakoutRooms, is); i >= 0 {
			return &signal.BreakoutRooms[i]
		}
		return nil
	}
	h := heard{
		message:  signal.Message,
		assigned: find(func(r Room) bool { return slices.Contains(r.MemberAssigned, c.cfg.Name) }),
	}
	if c.inRoom != nil {
		h.byName = find(func(r Room) bool { return r.Name == c.inRoom.Name }) != nil
		h.own = find(func(r Room) bool { return r.SessionID == c.session.session })
	}
	return h
}

// react is what the open page does with a breakout-room signal.
func (c *Client) react(signal RoomList) {
	if c.broken {
		return
	}
	h := c.hear(signal)
	if c.cfg.Page == HostPage && c.timer != nil && c.timer.EndTime <= c.now.UnixMilli() &&
		allEmpty(signal.BreakoutRooms) {
		c.deletions++
	}
	if c.cfg.Page == ParticipantPage {
		c.reactParticipant(h)
	}
	switch {
	case h.message == "allRoomRemoved" && c.inRoom != nil:
		c.noticeChange("removed", "")
	case h.message == "roomRemoved" && c.inRoom != nil && !h.byName:
		c.noticeChange("removed", "")
	case h.message == "roomEdited" && !h.byName && h.own != nil:
		c.noticeRename(h.own.Name)
	case h.message == "participantMoved" && h.assigned != nil && c.coming != h.assigned.ID:
		c.coming = h.assigned.ID
		c.noticeChange("moved", h.assigned.Name)
	}
}

// allEmpty tells whether there are breakout rooms, and nobody in any.
func allEmpty(rooms []Room) bool {
	return len(rooms) > 1 &&
		!slices.ContainsFunc(rooms[1:], func(r Room) bool { return len(r.Member)+len(r.MemberAssigned) > 0 })
}

// reactParticipant is what the participants' page does beyond what hosts' does too.
func (c *Client) reactParticipant(h heard) {
	c.prompt = h.message == "roomCreated (chooseroom)" && c.inRoom == nil && !c.pageCoHost
	switch {
	case h.message == "roomCreated (automatic)" && c.inRoom == nil && h.assigned != nil:
		c.noticeChange("assigned", h.assigned.Name)
	case h.message == "forceReturn" && c.inRoom != nil:
		c.noticeChange("called back", "")
	}
}

// noticeRename shows a notice and takes the room of a name for its own 5 s later.
func (c *Client) noticeRename(name string) {
	c.notice("renamed", func(_ *connection, rooms []Room) {
		var room *Room
		if i := slices.IndexFunc(rooms, func(r Room) bool { return r.Name == name }); i >= 0 {
			room = &rooms[i]
		}
		c.enter(room)
	})
}

func (c *Client) receiveParticipants(data string) error {
	var people []participant
	if err := json.Unmarshal([]byte(data), &people); err != nil {
		return err
	}
	i := slices.IndexFunc(people, func(p participant) bool { return p.Name == c.cfg.Name })
	if i < 0 || people[i].IsCohost == c.userCoHost {
		return nil
	}
	coHost := people[i].IsCohost
	c.userCoHost = coHost
	if c.cfg.Page == ParticipantPage {
		c.notice("role", func(*connection, []Room) { c.pageCoHost = coHost })
	}
	return nil
}

// pageBuffer holds the pages of a message until all are there.
type pageBuffer struct {
	message  string
	revision int64
	pages    map[int]RoomList
}

// add puts a page to the others of its message; when it was the last missing one, the result is the whole message.
func (b *pageBuffer) add(page RoomList, data string) (RoomList, string, bool) {
	_, again := b.pages[page.Page.Index]
	if b.pages == nil || again || b.message != page.Message || b.revision != page.Revision {
		b.message, b.revision, b.pages = page.Message, page.Revision, map[int]RoomList{}
	}
	b.pages[page.Page.Index] = page
	if len(b.pages) < page.Page.Count {
		return page, data, false
	}
	whole, err := JoinPages(slices.Collect(maps.Values(b.pages)))
	b.pages = nil
	if err != nil {
		return page, data, false
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return page, data, false
	}
	return whole, string(text), true
}
