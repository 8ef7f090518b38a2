// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Reasons a client is disconnected or a stream ends (Vonage session monitoring guide).
const (
	ReasonClientDisconnected  = "clientDisconnected"
	ReasonForceDisconnected   = "forceDisconnected"
	ReasonNetworkDisconnected = "networkDisconnected"
)

// ClientEventKind says what a ClientEvent is about.
type ClientEventKind string

// What a simulated client notices.
const (
	ClientSignal       ClientEventKind = "signal"
	ClientMuted        ClientEventKind = "muted"
	ClientDisconnected ClientEventKind = "disconnected"
)

// ClientEvent is something a simulated client noticed.
type ClientEvent struct {
	Kind   ClientEventKind
	Time   time.Time
	Signal Signal // of ClientSignal
	Reason string // of ClientDisconnected
}

// Client is a simulated browser: a connection to one session. It is safe for concurrent use.
type Client struct {
	sim       *Simulator
	ses       *session
	id        string
	info      TokenInfo
	createdAt time.Time

	mu      sync.Mutex
	events  []ClientEvent // the oldest may have been dropped
	dropped int           // how many were
	signals int           // received in all
	mutes   int
	reason  string // "" while connected
	streams []*StreamInfo
	changed chan struct{}
}

// Connect lets a client in with a client token, as the browser SDK would. The error is a *ConnectError.
func (s *Simulator) Connect(token string) (*Client, error) {
	info, cerr := s.verifyToken(token)
	if cerr != nil {
		return nil, cerr
	}
	parts, err := DecodeSessionID(info.SessionID)
	if err != nil { // verified above
		return nil, &ConnectError{CodeInvalidSessionID, err.Error()}
	}
	c := &Client{sim: s, id: s.newUUID(), info: info, createdAt: s.clock.Now()}
	ses, isNew := s.sessions.ensure(s.sessionInfoOf(info.SessionID, parts), s.opts.MaxSessions, 1)
	if isNew {
		s.publishSession(ses)
	}
	c.ses = ses
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.conns = append(ses.conns, c)
	s.sessions.addClient(c)
	ses.used = true
	ses.generation++
	if !ses.alive {
		ses.alive = true
		s.callbacks.session(ses, eventSessionCreated)
	}
	s.callbacks.connection(c, eventConnectionCreated, "")
	s.publishConnection(EventConnectionCreated, c, "")
	return c, nil
}

func (s *Simulator) publishSession(ses *session) {
	s.hub.publish(func() Event {
		info := ses.info
		info.Connections = []ConnectionInfo{}
		return Event{Kind: EventSessionMade, Time: s.clock.Now(), SessionID: info.ID, Session: &info}
	})
}

func (s *Simulator) publishConnection(kind EventKind, c *Client, reason string) {
	s.hub.publish(func() Event {
		info := c.Info()
		return Event{Kind: kind, Time: s.clock.Now(), SessionID: c.info.SessionID, Connection: &info, Reason: reason}
	})
}

// Client returns the client of that connection ID, or nil. Of those that have left only the latest 1000 are known.
func (s *Simulator) Client(connectionID string) *Client { return s.sessions.client(connectionID) }

// ID returns the connection ID, a UUID.
func (c *Client) ID() string { return c.id }

// SessionID returns the session the client is connected to.
func (c *Client) SessionID() string { return c.info.SessionID }

// Data returns the connection data of the client's token.
func (c *Client) Data() string { return c.info.Data }

// Role returns the role of the client's token.
func (c *Client) Role() string { return c.info.Role }

// Token returns what the client's token grants, not the token.
func (c *Client) Token() TokenInfo { return c.info }

// Connected says whether the client is still connected.
func (c *Client) Connected() bool { return c.DisconnectReason() == "" }

// DisconnectReason returns "" while connected, then one of the Reason constants.
func (c *Client) DisconnectReason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Info describes the client.
func (c *Client) Info() ConnectionInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := ConnectionInfo{
		ID: c.id, SessionID: c.info.SessionID, CreatedAt: c.createdAt, Role: c.info.Role, Data: c.info.Data,
		Connected: c.reason == "", Reason: c.reason, Signals: c.signals, Mutes: c.mutes,
	}
	for _, st := range c.streams {
		info.Streams = append(info.Streams, *st)
	}
	return info
}

// Signals returns what the client received, in order.
func (c *Client) Signals() []Signal {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []Signal{}
	for _, e := range c.events {
		if e.Kind == ClientSignal {
			out = append(out, e.Signal)
		}
	}
	return out
}

// WaitSignals returns the signals as soon as the client has received n in all. It returns those there are and an error
// when ctx is done or the client is disconnected before.
func (c *Client) WaitSignals(ctx context.Context, n int) ([]Signal, error) {
	for {
		c.mu.Lock()
		got, reason, changed := c.signals, c.reason, c.waiting()
		c.mu.Unlock()
		switch {
		case got >= n:
			return c.Signals(), nil
		case reason != "":
			return c.Signals(), fmt.Errorf("waiting for %d signals, got %d: %s", n, got, reason)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c.Signals(), fmt.Errorf("waiting for %d signals, got %d: %w", n, got, context.Cause(ctx))
		}
	}
}

// WaitDisconnected waits until the client is disconnected and returns the reason.
func (c *Client) WaitDisconnected(ctx context.Context) (string, error) {
	for {
		c.mu.Lock()
		reason, changed := c.reason, c.waiting()
		c.mu.Unlock()
		if reason != "" {
			return reason, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for the disconnect: %w", context.Cause(ctx))
		}
	}
}

// Events returns all the client noticed since it connected and whatever comes. The channel is closed after the
// disconnect, or when ctx is done or the simulator closed.
func (c *Client) Events(ctx context.Context) <-chan ClientEvent {
	out := make(chan ClientEvent)
	started := c.sim.spawn(func() {
		defer close(out)
		for next := 0; ; {
			c.mu.Lock()
			batch := slices.Clone(c.events[max(next-c.dropped, 0):])
			next = c.dropped + len(c.events)
			ended, changed := c.reason != "", c.waiting()
			c.mu.Unlock()
			for _, e := range batch {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				case <-c.sim.done:
					return
				}
			}
			if ended {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-c.sim.done:
				return
			}
		}
	})
	if !started {
		close(out)
	}
	return out
}

// waiting returns a channel that is closed at the next change. The lock must be held.
func (c *Client) waiting() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// note appends an event and wakes who waits. The lock must be held.
func (c *Client) note(e ClientEvent) {
	c.events = append(c.events, e)
	if max := c.sim.opts.MaxSignals; max > 0 && len(c.events) > max+max/4+1 {
		drop := len(c.events) - max
		c.dropped += drop
		c.events = slices.Clone(c.events[drop:])
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *Client) receive(sig Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signals++
	sig.Seq = c.signals
	c.note(ClientEvent{Kind: ClientSignal, Time: sig.Time, Signal: sig})
}

// Disconnect leaves the session, as when the browser's page is closed. A second time it does nothing.
func (c *Client) Disconnect() { c.leave(ReasonClientDisconnected) }

// Drop leaves the session as when the network fails.
func (c *Client) Drop() { c.leave(ReasonNetworkDisconnected) }

func (c *Client) leave(reason string) {
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	c.sim.disconnect(c, reason)
}

// disconnect takes a client out of its session, whose lock must be held, if it is in.
func (s *Simulator) disconnect(c *Client, reason string) {
	ses := c.ses
	i := slices.Index(ses.conns, c)
	if i < 0 {
		return
	}
	for _, id := range c.streamIDs() {
		s.endStream(c, id, reason)
	}
	ses.conns = slices.Delete(ses.conns, i, i+1)
	now := s.clock.Now()
	c.mu.Lock()
	c.reason = reason
	c.note(ClientEvent{Kind: ClientDisconnected, Time: now, Reason: reason})
	c.mu.Unlock()
	s.sessions.retireClient(c)
	s.callbacks.connection(c, eventConnectionDestroyed, reason)
	s.publishConnection(EventConnectionDestroyed, c, reason)
	if len(ses.conns) == 0 {
		ses.emptySince = now
		s.destroyLater(ses)
	}
}

// destroyLater reports the end of a session that stays empty. The session's lock must be held.
func (s *Simulator) destroyLater(ses *session) {
	if s.opts.SessionDestroyDelay <= 0 {
		ses.alive = false
		s.callbacks.session(ses, eventSessionDestroyed)
		return
	}
	generation := ses.generation
	s.spawn(func() {
		if !s.sleep(s.opts.SessionDestroyDelay) {
			return
		}
		ses.mu.Lock()
		defer ses.mu.Unlock()
		if ses.generation == generation && len(ses.conns) == 0 {
			ses.alive = false
			s.callbacks.session(ses, eventSessionDestroyed)
		}
	})
}

// Signal sends a signal to everybody in the session, the sender included, or to one connection. Only publishers and
// moderators may (Vonage token guide). It returns how many clients got it; the error is a *ConnectError.
func (c *Client) Signal(kind, data, toConnection string) (int, error) {
	if c.info.Role != "publisher" && c.info.Role != "moderator" {
		return 0, &ConnectError{CodePermissionDenied, "the role " + c.info.Role + " may not signal"}
	}
	if rep, bad := c.sim.checkSignal(true, kind, data); bad {
		return 0, &ConnectError{rep.status, rep.reason}
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	if !c.Connected() {
		return 0, &ConnectError{CodeConnectFailed, "not connected"}
	}
	to := c.ses.conns
	if toConnection != "" {
		one := c.ses.connected(toConnection)
		if one == nil {
			return 0, &ConnectError{404, "no such connection"}
		}
		to = []*Client{one}
	}
	return c.sim.deliver(c.ses, to, kind, data, c.id), nil
}

// Publish publishes a stream and returns its ID. videoType is camera, screen, custom or "" for audio only. Subscribers
// may not; the error is a *ConnectError.
func (c *Client) Publish(name, videoType string) (string, error) {
	if c.info.Role == "subscriber" {
		return "", &ConnectError{CodePermissionDenied, "the role subscriber may not publish"}
	}
	if !slices.Contains([]string{"", "camera", "screen", "custom"}, videoType) {
		return "", &ConnectError{CodeConnectFailed, "unknown video type: give camera, screen, custom or none"}
	}
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	if !c.Connected() {
		return "", &ConnectError{CodeConnectFailed, "not connected"}
	}
	st := &StreamInfo{
		ID: c.sim.newUUID(), ConnectionID: c.id, CreatedAt: c.sim.clock.Now(), Name: name, VideoType: videoType,
		LayoutClass: append([]string{}, c.info.LayoutClasses...),
	}
	c.mu.Lock()
	c.streams = append(c.streams, st)
	c.mu.Unlock()
	c.ses.hadStream = true
	c.sim.callbacks.stream(c, *st, eventStreamCreated, "")
	c.sim.publishStream(EventStreamCreated, *st, c, "")
	return st.ID, nil
}

// Unpublish ends a stream of this client; false if there is none of that ID.
func (c *Client) Unpublish(streamID string) bool {
	c.ses.mu.Lock()
	defer c.ses.mu.Unlock()
	return c.sim.endStream(c, streamID, ReasonClientDisconnected)
}

func (c *Client) streamIDs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, st := range c.streams {
		ids = append(ids, st.ID)
	}
	return ids
}

// endStream ends a stream. The session's lock must be held.
func (s *Simulator) endStream(c *Client, id, reason string) bool {
	c.mu.Lock()
	i := slices.IndexFunc(c.streams, func(st *StreamInfo) bool { return st.ID == id })
	if i < 0 {
		c.mu.Unlock()
		return false
	}
	st := *c.streams[i]
	c.streams = slices.Delete(c.streams, i, i+1)
	c.mu.Unlock()
	s.callbacks.stream(c, st, eventStreamDestroyed, reason)
	s.publishStream(EventStreamDestroyed, st, c, reason)
	return true
}

func (s *Simulator) publishStream(kind EventKind, st StreamInfo, c *Client, reason string) {
	s.hub.publish(func() Event {
		info := c.Info()
		return Event{
			Kind: kind, Time: s.clock.Now(), SessionID: c.info.SessionID, Stream: &st, Connection: &info,
			Reason: reason,
		}
	})
}

// mute mutes the client's streams except the excluded ones; only one of them if only is not "". It returns how many
// were muted. The session's lock must be held.
func (c *Client) mute(only string, excluded []string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, st := range c.streams {
		if only != "" && st.ID != only || slices.Contains(excluded, st.ID) {
			continue
		}
		st.Muted = true
		n++
	}
	if n > 0 {
		c.mutes++
		c.note(ClientEvent{Kind: ClientMuted, Time: c.sim.clock.Now()})
	}
	return n
}
