// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// person is somebody with the sample app open in a browser. What the page wants to be connected to is the model's
// doing; the connections themselves are made at the simulated vendor, with tokens.
type person struct {
	name        string
	meeting     string // the meeting room's object name
	joined      joining
	page        *browser.Client
	connections []*simulator.Client // oldest first; the page listens to the latest
	received    []received
	expelled    bool     // the vendor ended the connection, and the page stays where it is: nowhere
	warned      int      // for how many seconds before the end the page showed a countdown, at most
	problems    []string // what went wrong in the browser

	// back is when the browser has its network again; zero when it has it.
	back time.Time

	// before is how often the person changed rooms on pages that were open before this one.
	before int
}

// changes is how often the person changed rooms.
func (p *person) changes() int { return p.before + p.page.Changes() }

// failures are what went wrong in the browser.
func (p *person) failures() []string {
	failures := slices.Concat(p.problems, p.page.Errors(), p.page.Refusals())
	if !p.page.Visible() {
		failures = append(failures, "nobody sees or hears them")
	}
	if n := p.page.Deletions(); n > 0 {
		failures = append(failures, fmt.Sprintf("the page asked %d times to delete the rooms", n))
	}
	return failures
}

// received is a signal that a person received.
type received struct {
	session, typ, data string

	at time.Time
}

func (h received) name() string { return signalName(h.typ, h.data) }

// classroom is all people with their browsers, of all meetings. It is used by one goroutine.
type classroom struct {
	vendor *simulator.Simulator

	// token finds a participant's token for a room, by the room's object name, with the session that it is for.
	token func(room, participant string) (session, token string, err error)

	// roomOf is what people call the room with that session.
	roomOf func(session string) string

	// moved is called when somebody left rooms and entered others.
	moved func(p *person, from, to []string)

	people []*person
	tokens map[tokenKey]string
}

type tokenKey struct{ participant, session string }

// joining is somebody who opens the page of a main room.
type joining struct {
	name   string
	page   browser.Page
	coHost bool
	paged  bool // a page that puts the pages of long lists together, which the sample app's own does not
	main   browser.Room
	token  string // with which they enter; the one made out to them where it is empty
}

// join lets somebody open the page of a main room.
func (c *classroom) join(j joining, now time.Time) error {
	if j.token == "" {
		var err error
		if _, j.token, err = c.token(j.main.ID, j.name); err != nil {
			return fmt.Errorf("let %s join: %w", j.name, err)
		}
	}
	p := &person{name: j.name, meeting: j.main.ID, joined: j}
	c.remember(j.name, j.main.SessionID, j.token)
	c.load(p, now)
	connection, err := c.vendor.Connect(j.token)
	if err != nil {
		return fmt.Errorf("let %s join: connect with the token from the status of MeetingRoom %s: %w", j.name,
			j.main.ID, err)
	}
	p.connections = []*simulator.Client{connection}
	c.people = append(c.people, p)
	return nil
}

// load opens the page of the main room.
func (c *classroom) load(p *person, now time.Time) {
	j := p.joined
	p.page = browser.Join(browser.Config{
		Name: j.name, Page: j.page, CoHost: j.coHost, Paged: j.paged, Main: j.main,
		Credential: func(room browser.Room) (string, bool) {
			session, token, err := c.token(room.ID, j.name)
			if err != nil {
				p.problems = append(p.problems, err.Error())
				return "", false
			}
			c.remember(j.name, session, token)
			return session, true
		},
	}, now)
}

// reload has somebody load the page anew, which leads to the main room.
func (c *classroom) reload(p *person, now time.Time) {
	p.page.Advance(now)
	p.before, p.problems = p.changes(), p.failures()
	c.load(p, now)
	c.follow(p)
}

// goBack has somebody go back to the main room by themselves.
func (c *classroom) goBack(p *person, now time.Time) {
	p.page.Advance(now)
	p.page.Return()
	c.follow(p)
}

// cutOff takes the network from somebody until a time.
func (c *classroom) cutOff(p *person, until time.Time) {
	for _, connection := range p.connections {
		connection.Drop()
	}
	p.connections, p.back = nil, until
}

// choose has somebody take a room from those that their page offers.
func (c *classroom) choose(p *person, room string, now time.Time) {
	p.page.Advance(now)
	if err := p.page.Choose(room); err != nil {
		p.problems = append(p.problems, err.Error())
	}
	c.follow(p)
}

// dismiss forgets the people of a meeting, and returns how many of them were still connected.
func (c *classroom) dismiss(meeting string) int {
	connected := 0
	c.people = slices.DeleteFunc(c.people, func(p *person) bool {
		if p.meeting == meeting && len(c.places(p)) > 0 {
			connected++
		}
		return p.meeting == meeting
	})
	return connected
}

func (c *classroom) remember(name, session, token string) {
	if c.tokens == nil {
		c.tokens = map[tokenKey]string{}
	}
	c.tokens[tokenKey{name, session}] = token
}

// receive hands a signal to those who received it, and returns who that was.
func (c *classroom) receive(session string, signal simulator.SessionSignal, now time.Time) []string {
	var recipients []string
	for _, p := range c.people {
		for i, connection := range p.connections {
			if !slices.Contains(signal.Recipients, connection.ID()) {
				continue
			}
			recipients = append(recipients, p.name)
			p.received = append(p.received, received{session, signal.Type, signal.Data, now})
			if i == len(p.connections)-1 {
				p.page.Advance(now)
				p.page.Receive(session, signal.Type, signal.Data)
				c.follow(p)
			}
		}
	}
	return recipients
}

// expel notes that the vendor ended a connection, and returns whose it was; nil when it was nobody's.
func (c *classroom) expel(connectionID string) *person {
	for _, p := range c.people {
		i := slices.IndexFunc(p.connections, func(known *simulator.Client) bool { return known.ID() == connectionID })
		if i >= 0 {
			p.connections = slices.Delete(p.connections, i, i+1)
			p.expelled = true
			return p
		}
	}
	return nil
}

// next is when some page will do something by itself; false when none will.
func (c *classroom) next() (time.Time, bool) {
	var first time.Time
	for _, p := range c.people {
		if at, any := p.page.Next(); any && (first.IsZero() || at.Before(first)) {
			first = at
		}
		if !p.back.IsZero() && (first.IsZero() || p.back.Before(first)) {
			first = p.back
		}
	}
	return first, !first.IsZero()
}

// advance lets the pages do what is due.
func (c *classroom) advance(now time.Time) {
	for _, p := range c.people {
		p.page.Advance(now)
		if !p.back.After(now) {
			p.back = time.Time{}
		}
		c.follow(p)
	}
}

// follow makes a person's connections what the page wants them to be: surplus ones go, missing ones come.
func (c *classroom) follow(p *person) {
	if p.expelled || !p.back.IsZero() {
		return
	}
	if seconds, shown := p.page.Countdown(); shown {
		p.warned = max(p.warned, seconds)
	}
	missing := p.page.Connections()
	var from, to []string
	p.connections = slices.DeleteFunc(p.connections, func(connection *simulator.Client) bool {
		if i := slices.Index(missing, connection.SessionID()); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
			return false
		}
		connection.Disconnect()
		from = append(from, c.roomOf(connection.SessionID()))
		return true
	})
	for _, session := range missing {
		if current, token, err := c.token(p.meeting, p.name); err == nil && current == session {
			// who goes back to main takes the present token, not the one that they came with
			c.remember(p.name, session, token)
		}
		connection, err := c.vendor.Connect(c.tokens[tokenKey{p.name, session}])
		if err != nil {
			p.problems = append(p.problems, fmt.Sprintf("could not enter %s: %v", c.roomOf(session), err))
			continue
		}
		p.connections = append(p.connections, connection)
		to = append(to, c.roomOf(session))
	}
	if len(from)+len(to) > 0 {
		c.moved(p, from, to)
	}
}

// places is where a person is connected, in order of the connections' age.
func (c *classroom) places(p *person) []string {
	var places []string
	for _, connection := range p.connections {
		if connection.Connected() {
			places = append(places, c.roomOf(connection.SessionID()))
		}
	}
	return places
}
