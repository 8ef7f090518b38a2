// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// Person is somebody with the sample app's page open: the page, and its connections at the vendor, which is where it is
// heard.
type Person struct {
	// Page is the model of the page.
	Page *browser.Client

	// Joining is how the page was loaded.
	Joining Joining

	// Unaware is whether the page was loaded when others had been told already where to go: nobody tells it, and it
	// stays in the main room.
	Unaware bool

	// Chose is whether they have ever chosen a room.
	Chose bool

	// Removed is whether the vendor has ended one of its connections.
	Removed bool

	thrownOutOf []string // the sessions
	connections []*simulator.Client
	seen        map[*simulator.Client]int
	coming      []coming // in order
}

// Joining is how somebody joins a meeting.
type Joining struct {
	// Name and Role are the participant's, Main is the name of the main MeetingRoom.
	Name string
	Role v1alpha1.ParticipantRole
	Main string

	// Network is how long a signal takes to the browser, Connect how long it takes from leaving a session to being in
	// the next.
	Network, Connect time.Duration

	// ClockBehind is by how much the browser's clock is behind; negative where it is ahead.
	ClockBehind time.Duration

	// FreshList is whether it is the build of the client that looks a room up when it acts; see browser.Config.
	FreshList bool
}

// coming is a signal on its way to a browser.
type coming struct {
	due                time.Time
	connection         *simulator.Client
	session, typ, data string
}

// Join has somebody load the page of a meeting, or load it anew. It tells whether they could: there is a session, and a
// token for them.
func (w *World) Join(j Joining) bool {
	room := w.Room(j.Main)
	if room == nil || w.token(room.Status.SessionID, j.Name) == "" {
		return false
	}
	cfg := browser.Config{
		Name:        j.Name,
		CoHost:      j.Role == v1alpha1.RoleCoHost,
		FreshList:   j.FreshList,
		ConnectTime: j.Connect,
		Paged:       true,
		Main:        browser.Room{ID: j.Main, Name: room.Spec.DisplayName, SessionID: room.Status.SessionID},
		Credential:  func(r browser.Room) (string, bool) { return r.SessionID, w.token(r.SessionID, j.Name) != "" },
	}
	if j.Role == v1alpha1.RoleHost {
		cfg.Page = browser.HostPage
	}
	p := &Person{
		Page: browser.Join(cfg, time.Now().Add(-j.ClockBehind)), Joining: j, seen: map[*simulator.Client]int{},
		Unaware: room.Status.ActiveBreakoutSet != nil,
	}
	if w.People[j.Name] != nil {
		w.Leave(j.Name)
	}
	w.People[j.Name] = p
	w.tracef("%s joins %s", j.Name, j.Main)
	return true
}

// JoinAll has all participants of a meeting join, each with an ordinary browser.
func (w *World) JoinAll(main string, change ...func(*Joining)) {
	w.t.Helper()
	for _, participant := range w.Room(main).Spec.Participants {
		j := Joining{
			Name:    string(participant.Name),
			Role:    participant.Role,
			Main:    main,
			Network: 20 * time.Millisecond,
			Connect: 400 * time.Millisecond,
		}
		for _, c := range change {
			c(&j)
		}
		if !w.Join(j) {
			w.t.Fatalf("%s cannot join %s", j.Name, main)
		}
	}
}

// Leave has somebody close the page.
func (w *World) Leave(name string) {
	if p := w.People[name]; p != nil {
		for _, c := range p.connections {
			c.Disconnect()
		}
		delete(w.People, name)
		w.tracef("%s leaves", name)
	}
}

// Reload has somebody load the page anew, which leads to the main room.
func (w *World) Reload(name string) {
	if p := w.People[name]; p != nil {
		w.Join(p.Joining)
	}
}

// Choose has somebody choose the nth of the rooms that the page lists, if it asks.
func (w *World) Choose(name string, n int) {
	p := w.People[name]
	if p == nil || !p.Page.Prompted() || len(p.Page.Rooms()) < 2 {
		return
	}
	room := p.Page.Rooms()[1+n%(len(p.Page.Rooms())-1)] // the first is the main room
	if err := p.Page.Choose(room.Name); err == nil {
		p.Chose = true
		w.tracef("  %s chooses %s", name, room.Name)
	}
}

// token is somebody's token for a session, as the API server publishes it; "" when there is none.
func (w *World) token(session, name string) string {
	if session == "" {
		return ""
	}
	for _, obj := range w.API.Objects("meetingrooms") {
		status, _ := obj["status"].(map[string]any)
		if status["sessionID"] != session {
			continue
		}
		tokens, _ := status["tokens"].([]any)
		for _, t := range tokens {
			if t := t.(map[string]any); t["participant"] == name {
				token, _ := t["token"].(string)
				return token
			}
		}
	}
	return ""
}

// next is when something happens in a browser without anybody else; the zero time when nothing does.
func (p *Person) next() time.Time {
	at, acts := p.Page.Next()
	if acts {
		at = at.Add(p.Joining.ClockBehind)
	}
	if len(p.coming) > 0 && (!acts || p.coming[0].due.Before(at)) {
		at = p.coming[0].due
	}
	return at
}

// react has the browsers do what they do now, and tells whether any did something.
func (w *World) react() bool {
	any := false
	for _, name := range sortedKeys(w.People) {
		p := w.People[name]
		changes := p.Page.Changes()
		p.Page.Advance(time.Now().Add(-p.Joining.ClockBehind))
		any = w.connect(name, p) || any
		any = w.receive(p) || any
		if p.Page.Changes() != changes {
			w.lastChange = time.Now()
			w.tracef("  %s is now in %s", name, w.roomOf(p.Page.Session()))
		}
		if errs := p.Page.Errors(); len(errs) > 0 {
			w.violated("%s's page is broken: %v", name, errs)
			w.Leave(name)
		}
	}
	return any
}

// connect brings a person's connections at the vendor in line with the page's, and tells whether they were not.
func (w *World) connect(name string, p *Person) bool {
	changed := false
	wanted := p.Page.Connections()
	p.connections = slices.DeleteFunc(p.connections, func(c *simulator.Client) bool {
		if !c.Connected() {
			w.tracef("  %s is thrown out of %s: %s", name, w.roomOf(c.SessionID()), c.DisconnectReason())
			p.Removed, changed = true, true
			p.thrownOutOf = append(p.thrownOutOf, c.SessionID())
			return true
		}
		if i := slices.Index(wanted, c.SessionID()); i >= 0 {
			wanted = slices.Delete(wanted, i, i+1)
			return false
		}
		c.Disconnect()
		changed = true
		return true
	})
	if p.Removed {
		return changed
	}
	for _, session := range wanted {
		c, err := w.Vendor.Connect(w.token(session, name))
		if err != nil {
			w.tracef("  %s cannot connect to %s: %v", name, w.roomOf(session), err)
			continue
		}
		p.connections = append(p.connections, c)
		changed = true
	}
	return changed
}

// receive takes what the vendor sent, and gives the page what has come through, and tells whether there was anything.
func (w *World) receive(p *Person) bool {
	now, any := time.Now(), false
	for _, c := range p.connections {
		signals := c.Signals()
		for _, s := range signals[p.seen[c]:] {
			any = true
			w.lastChange = now
			p.coming = append(p.coming, coming{now.Add(p.Joining.Network), c, c.SessionID(), s.Type, s.Data})
		}
		p.seen[c] = len(signals)
	}
	for len(p.coming) > 0 && !p.coming[0].due.After(now) {
		s := p.coming[0]
		p.coming, any = p.coming[1:], true
		if slices.Contains(p.connections, s.connection) {
			p.Page.Receive(s.session, s.typ, s.data)
		}
	}
	return any
}
