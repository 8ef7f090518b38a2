// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// noticeTime is for how long the client shows a notice before it acts on it.
const noticeTime = 5 * time.Second

// Page is which of the sample app's pages is open.
type Page int

const (
	// ParticipantPage is the page of participants and co-hosts.
	ParticipantPage Page = iota
	// HostPage is the page of hosts, which the sample app calls moderators.
	HostPage
)

// Room is a room as the client's list shows it.
type Room struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	SessionID       string   `json:"sessionId"`
	MainRoomID      *string  `json:"mainRoomId"`
	MaxParticipants *int     `json:"maxParticipants"`
	Member          []string `json:"member"`
	MemberAssigned  []string `json:"memberAssigned"`
}

// Config is who sits before the browser, and how the page was loaded.
type Config struct {
	// Name is the name under which the client joined, and by which it finds itself in signals.
	Name string

	// Page is the page that is open.
	Page Page

	// CoHost is whether the person was a co-host already when the page was loaded.
	CoHost bool

	// Main is the main room as the page knew it when it was loaded: ID, name and session.
	Main Room

	// FreshList makes the client look up a room's name in the list that it has when it acts, not in that of the notice.
	FreshList bool

	// Paged makes the client put pages together before it acts; the sample app's client, which knows none, takes each
	// for the whole list.
	Paged bool

	// ConnectTime is how long a change of rooms takes; meanwhile the client is in no session and hears nothing.
	ConnectTime time.Duration

	// Credential is where the client gets a token for a room: the room's session, or false when there is no such room
	// or no token for this person, upon which the client joins the main room. Nil means that there is a token for every
	// room that is listed.
	Credential func(room Room) (sessionID string, ok bool)
}

// Client is one open tab. It is not safe for use by several goroutines.
type Client struct {
	cfg Config
	now time.Time

	session     *connection // the one that the page uses; its handlers listen only there
	connections []*connection
	sessions    map[string]*connection // the SDK's objects, one per session for the life of the page
	changes     int
	refusals    []string
	errors      []string
	notices     []string
	deletions   int  // how often the page asked its server to delete the breakout rooms
	invisible   bool // joined the session that it had left, in which it publishes nothing
	broken      bool // an error went through the page, which is blank from then on

	rooms    []Room
	previous *string // text of the signal that is the page's state; nil when there is none
	inRoom   *Room   // the breakout room as the page knows it; nil in the main room
	coming   string  // ID of the room that a participantMoved is about to lead to
	prompt   bool
	panel    bool
	pages    pageBuffer

	userCoHost, pageCoHost bool // by update-participant at once, by the page after a notice

	timer     *timer
	countdown *countdown

	actions []action
	order   int
}

// connection is the SDK's object of a session, which is connected once at most; it stays so until it is disconnected,
// used or not.
type connection struct{ session string }

// sessionOf is the SDK's object of a session.
func (c *Client) sessionOf(session string) *connection {
	if c.sessions[session] == nil {
		c.sessions[session] = &connection{session}
	}
	return c.sessions[session]
}

// action is something that the page does later.
type action struct {
	at    time.Time
	order int
	what  string
	do    func()
}

// Join is a client that has loaded its page and joined the main room at now.
func Join(cfg Config, now time.Time) *Client {
	c := &Client{cfg: cfg, now: now, userCoHost: cfg.CoHost, pageCoHost: cfg.CoHost, sessions: map[string]*connection{}}
	c.session = c.sessionOf(cfg.Main.SessionID)
	c.connections = []*connection{c.session}
	return c
}

// Next is when the client will do something by itself; false when it will not.
func (c *Client) Next() (time.Time, bool) {
	if len(c.actions) == 0 || c.broken {
		return time.Time{}, false
	}
	return slices.MinFunc(c.actions, compareActions).at, true
}

// Advance lets the time go on to now and does what is due until then.
func (c *Client) Advance(now time.Time) {
	for {
		at, any := c.Next()
		if !any || at.After(now) {
			break
		}
		next := slices.MinFunc(c.actions, compareActions)
		c.actions = slices.DeleteFunc(c.actions, func(a action) bool { return a.order == next.order })
		c.now = at
		next.do()
	}
	if now.After(c.now) {
		c.now = now
	}
}

func compareActions(a, b action) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order))
}

func (c *Client) later(d time.Duration, what string, do func()) int {
	c.order++
	c.actions = append(c.actions, action{at: c.now.Add(d), order: c.order, what: what, do: do})
	return c.order
}

func (c *Client) drop(order int) {
	c.actions = slices.DeleteFunc(c.actions, func(a action) bool { return a.order == order })
}

// Session is the session that the page uses; empty while it changes rooms.
func (c *Client) Session() string {
	if c.session == nil {
		return ""
	}
	return c.session.session
}

// Connections are the sessions that the tab is connected to: more than one means a ghost that others see.
func (c *Client) Connections() []string {
	var sessions []string
	for _, conn := range c.connections {
		sessions = append(sessions, conn.session)
	}
	slices.Sort(sessions)
	return sessions
}

// Room is the name of the breakout room in which the page takes itself to be; empty for the main room.
func (c *Client) Room() string {
	if c.inRoom == nil {
		return ""
	}
	return c.inRoom.Name
}

// Changes is how often the client left a session and connected to one, be it the same.
func (c *Client) Changes() int { return c.changes }

// Refusals are the rooms that the client was sent to and got no token for; it joined the main room instead.
func (c *Client) Refusals() []string { return c.refusals }

// Errors are the errors that the page raised.
func (c *Client) Errors() []string { return c.errors }

// Notices are the notices of the countdown that the page showed.
func (c *Client) Notices() []string { return c.notices }

// Deletions is how often a host's page asked its server to delete the breakout rooms: it does when it has an expired
// countdown and sees them all empty.
func (c *Client) Deletions() int { return c.deletions }

// Visible is whether others in the session see and hear the person. Who leaves a session and joins the same again
// publishes nothing there: the SDK's object of the session is the same, and the page sees no change.
func (c *Client) Visible() bool { return !c.invisible }

// Rooms is the client's list.
func (c *Client) Rooms() []Room { return c.rooms }

// Prompted is whether the client asks its user to choose a room.
func (c *Client) Prompted() bool { return c.prompt }

// Panel is whether a host or co-host sees the control panel.
func (c *Client) Panel() bool { return c.panel && (c.cfg.Page == HostPage || c.pageCoHost) }

// Busy is whether a notice is shown that the client will act on, or a change of rooms is under way.
func (c *Client) Busy() bool {
	return slices.ContainsFunc(c.actions, func(a action) bool { return a.what != tick })
}

// Countdown is how many seconds the page shows; false when it shows none.
func (c *Client) Countdown() (int, bool) {
	if c.countdown == nil || c.countdown.seconds == nil || !c.countdown.shown {
		return 0, false
	}
	return *c.countdown.seconds, true
}

// Choose has the user take a room from the prompt. It fails when there is no prompt or the room is not to be had.
func (c *Client) Choose(name string) error {
	if !c.prompt {
		return errors.New("choose a room: the client does not ask")
	}
	i := slices.IndexFunc(c.rooms, func(r Room) bool { return r.Name == name && r.Name != c.cfg.Main.Name })
	if i < 0 {
		return fmt.Errorf("choose room %q: it is not listed", name)
	}
	if r := c.rooms[i]; r.MaxParticipants == nil || len(r.Member) >= *r.MaxParticipants {
		return fmt.Errorf("choose room %q: it is full", name)
	}
	c.prompt = false
	c.changeRoom(name, c.session, c.rooms)
	return nil
}

// Return has the user go back to the main room by themselves; nothing happens where they are there.
func (c *Client) Return() {
	if c.inRoom != nil && c.session != nil {
		c.changeRoom("", c.session, c.rooms)
	}
}

// notice shows a notice and acts on it later, with what the page has now.
func (c *Client) notice(what string, act func(session *connection, rooms []Room)) {
	session, rooms := c.session, c.rooms
	c.later(noticeTime, what, func() {
		if c.cfg.FreshList {
			rooms = c.rooms
		}
		act(session, rooms)
	})
}

// noticeChange shows a notice and changes rooms 5 s later.
func (c *Client) noticeChange(what, roomName string) {
	c.notice(what, func(session *connection, rooms []Room) { c.changeRoom(roomName, session, rooms) })
}

// changeRoom leaves a session and joins the room of a name in a list, the main room when there is none.
func (c *Client) changeRoom(name string, leave *connection, rooms []Room) {
	c.connections = slices.DeleteFunc(c.connections, func(conn *connection) bool { return conn == leave })
	if c.session == leave {
		c.session = nil
	}
	connect := func() { c.connect(name, leave, rooms) }
	if c.cfg.ConnectTime == 0 {
		connect()
		return
	}
	c.later(c.cfg.ConnectTime, "connect", connect)
}

func (c *Client) connect(name string, left *connection, rooms []Room) {
	var target *Room
	if i := slices.IndexFunc(rooms, func(r Room) bool { return r.Name == name }); i >= 0 {
		target = &rooms[i]
	}
	session := c.cfg.Main.SessionID
	if target != nil && target.ID != c.cfg.Main.ID {
		sessionID, ok := c.credential(*target)
		if ok {
			session = sessionID
		} else {
			c.refusals = append(c.refusals, target.Name)
			target = nil
		}
	}
	c.session = c.sessionOf(session)
	if slices.Contains(c.connections, c.session) {
		return // connect() of an object that is connected never calls back
	}
	c.connections = append(c.connections, c.session)
	c.invisible = c.session == left
	c.changes++
	if target != nil && target.Name == c.cfg.Main.Name {
		target = nil
	}
	c.enter(target)
	c.coming = ""
}

// enter is the page's knowledge that it is in a breakout room, or in none.
func (c *Client) enter(room *Room) {
	if room == nil && c.inRoom == nil {
		return
	}
	c.inRoom = room
	c.startCountdown()
}

func (c *Client) credential(room Room) (string, bool) {
	if c.cfg.Credential == nil {
		return room.SessionID, true
	}
	return c.cfg.Credential(room)
}

// fail breaks the page.
func (c *Client) fail(format string, args ...any) {
	c.errors = append(c.errors, fmt.Sprintf(format, args...))
	c.broken = true
}
