// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// session is a session that was created here or has had a client. Its mutex orders everything that happens in it, so
// that all its clients see signals in one order.
type session struct {
	info SessionInfo // without Connections, Used and Signals
	pins int         // of those who are about to connect; guarded by the store's mutex

	mu         sync.Mutex
	conns      []*Client // connected, oldest first
	used       bool
	emptySince time.Time
	alive      bool // between sessionCreated and sessionDestroyed
	generation int  // grows with every connect: a pending sessionDestroyed of an older one is off
	hadStream  bool
	history    []SessionSignal
}

type sessionStore struct {
	mu    sync.RWMutex
	byID  map[string]*session
	order []*session // oldest first
	conns map[string]*Client
	gone  []string // IDs of disconnected clients that are still in conns, oldest first
}

// maxGone bounds how many disconnected clients the control API still knows.
const maxGone = 1000

func (st *sessionStore) init() {
	st.byID, st.conns = map[string]*session{}, map[string]*Client{}
}

func (st *sessionStore) get(id string) *session {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.byID[id]
}

// ensure returns the session and whether it is new. A pinned one is not forgotten before addClient takes the pin away.
func (st *sessionStore) ensure(info SessionInfo, max, pin int) (*session, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if ses := st.byID[info.ID]; ses != nil {
		ses.pins += pin
		return ses, false
	}
	ses := &session{info: info, pins: pin}
	st.byID[info.ID] = ses
	st.order = append(st.order, ses)
	if max > 0 && len(st.order) > max+max/4 {
		st.forget(len(st.order) - max)
	}
	return ses, true
}

// forget drops up to n of the oldest sessions that nobody is connected to or connecting to.
func (st *sessionStore) forget(n int) {
	st.order = slices.DeleteFunc(st.order, func(ses *session) bool {
		if n == 0 || ses.pins > 0 || !ses.mu.TryLock() { // locks go session, then store: here only if it is free
			return false
		}
		defer ses.mu.Unlock()
		if len(ses.conns) > 0 || ses.alive {
			return false
		}
		n--
		delete(st.byID, ses.info.ID)
		return true
	})
}

func (st *sessionStore) list() []*session {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return slices.Clone(st.order)
}

func (st *sessionStore) client(id string) *Client {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.conns[id]
}

func (st *sessionStore) addClient(c *Client) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.conns[c.id] = c
	c.ses.pins--
}

func (st *sessionStore) retireClient(c *Client) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.gone = append(st.gone, c.id)
	if len(st.gone) > maxGone {
		delete(st.conns, st.gone[0])
		st.gone = slices.Delete(st.gone, 0, 1)
	}
}

// sessionInfoOf describes a session from nothing but its ID, as far as the ID tells.
func (s *Simulator) sessionInfoOf(id string, parts SessionIDParts) SessionInfo {
	info := SessionInfo{
		ID: id, ProjectID: parts.ProjectID, CreatedAt: parts.CreatedAt, MediaMode: "routed", ArchiveMode: "manual",
		Environment: OpenTok,
	}
	if parts.Relayed {
		info.MediaMode = "relayed"
	}
	if strings.Contains(parts.ProjectID, "-") {
		info.Environment = Unified
	}
	return info
}

// snapshot copies the session. The lock must be held.
func (ses *session) snapshot() SessionInfo {
	info := ses.info
	info.Used = ses.used
	info.Connections = []ConnectionInfo{}
	for _, c := range ses.conns {
		info.Connections = append(info.Connections, c.Info())
	}
	info.Signals = slices.Clone(ses.history)
	return info
}

// connected returns the connected client of that ID, or nil. The lock must be held.
func (ses *session) connected(id string) *Client {
	for _, c := range ses.conns {
		if c.id == id {
			return c
		}
	}
	return nil
}

// Sessions returns the sessions known here, newest first.
func (s *Simulator) Sessions() []SessionInfo { return s.latestSessions(0) }

// latestSessions returns at most max sessions (0: all), newest first; beyond max only those with clients.
func (s *Simulator) latestSessions(max int) []SessionInfo {
	out := []SessionInfo{}
	for _, ses := range slices.Backward(s.sessions.list()) {
		ses.mu.Lock()
		if max == 0 || len(out) < max || len(ses.conns) > 0 {
			out = append(out, ses.snapshot())
		}
		ses.mu.Unlock()
	}
	return out
}

// Connections returns who is connected to the session, in the order they came; empty for an unknown session.
func (s *Simulator) Connections(sessionID string) []ConnectionInfo {
	ses := s.sessions.get(sessionID)
	if ses == nil {
		return []ConnectionInfo{}
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	return ses.snapshot().Connections
}

// isEmptyOK says whether a signal to this session, which has no clients, is answered 204. The lock must be held; ses
// may be nil.
func (s *Simulator) isEmptyOK(ses *session) bool {
	s.emptyMu.RLock()
	defer s.emptyMu.RUnlock()
	switch s.emptyMode {
	case EmptySessionNoContent:
		return true
	case EmptySessionNoContentAfterUse:
		return ses != nil && ses.used && (s.emptyGrace == 0 || s.clock.Since(ses.emptySince) < s.emptyGrace)
	default:
		return false
	}
}

// deliver hands a signal to the clients, records it and returns how many got it. The session's lock must be held.
func (s *Simulator) deliver(ses *session, to []*Client, kind, data, from string) int {
	sig := SessionSignal{
		ID: int(s.signalIDs.Add(1)), Time: s.clock.Now(), Type: kind, Data: data, From: from,
		Recipients: make([]string, 0, len(to)),
	}
	for _, c := range to {
		sig.Recipients = append(sig.Recipients, c.id)
		c.receive(Signal{ID: sig.ID, Time: sig.Time, Type: kind, Data: data, From: from})
	}
	if s.opts.MaxHistory > 0 {
		ses.history = append(ses.history, sig)
		if len(ses.history) > s.opts.MaxHistory {
			ses.history = slices.Delete(ses.history, 0, 1)
		}
	}
	s.hub.publish(func() Event {
		return Event{Kind: EventSignal, Time: sig.Time, SessionID: ses.info.ID, Signal: &sig}
	})
	return len(to)
}
