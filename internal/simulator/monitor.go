// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Events of session monitoring (Vonage session monitoring guide).
const (
	eventSessionCreated      = "sessionCreated"
	eventSessionDestroyed    = "sessionDestroyed"
	eventConnectionCreated   = "connectionCreated"
	eventConnectionDestroyed = "connectionDestroyed"
	eventStreamCreated       = "streamCreated"
	eventStreamDestroyed     = "streamDestroyed"
)

// Retries of a callback: after 5 s, doubling to at most 15 min, for up to 24 h (Vonage session monitoring guide).
const (
	firstRetry = 5 * time.Second
	maxRetry   = 15 * time.Minute
	retryFor   = 24 * time.Hour
)

// MonitoringEvent is the body of a session-monitoring callback, in both environments: the unified documentation keeps
// the key projectId, with the application ID in it.
type MonitoringEvent struct {
	SessionID string `json:"sessionId"`
	ProjectID string `json:"projectId"`
	Event     string `json:"event"`
	// Reason of connectionDestroyed and streamDestroyed.
	Reason string `json:"reason,omitempty"`
	// Timestamp is in ms since the epoch.
	Timestamp  int64                 `json:"timestamp"`
	Connection *MonitoringConnection `json:"connection,omitempty"`
	Stream     *MonitoringStream     `json:"stream,omitempty"`
}

// MonitoringConnection is the connection in a MonitoringEvent.
type MonitoringConnection struct {
	ID        string `json:"id"`
	CreatedAt int64  `json:"createdAt"`
	Data      string `json:"data"`
}

// MonitoringStream is the stream in a MonitoringEvent.
type MonitoringStream struct {
	ID         string                `json:"id"`
	Connection *MonitoringConnection `json:"connection"`
	CreatedAt  int64                 `json:"createdAt"`
	Name       string                `json:"name"`
	VideoType  string                `json:"videoType,omitempty"`
}

// Encode returns the body as it is sent and signed.
func (e MonitoringEvent) Encode() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic(fmt.Sprintf("simulator: %v", err)) // plain strings and numbers: cannot fail
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}

// CallbackFaultKind says what goes wrong with a callback.
type CallbackFaultKind string

// The kinds of callback faults.
const (
	// CallbackLost never sends it.
	CallbackLost CallbackFaultKind = "Lost"
	// CallbackDuplicated sends it twice.
	CallbackDuplicated CallbackFaultKind = "Duplicated"
	// CallbackDelayed sends it Delay later; what comes after it overtakes it.
	CallbackDelayed CallbackFaultKind = "Delayed"
	// CallbackReordered sends it right after the next one of the same session.
	CallbackReordered CallbackFaultKind = "Reordered"
	// CallbackUnsigned sends it without a signature, as rare internal failures of the vendor do.
	CallbackUnsigned CallbackFaultKind = "Unsigned"
)

// CallbackFault is a scripted fault of the callback sender. The zero value of a selector matches every callback.
type CallbackFault struct {
	// Event and SessionID select callbacks.
	Event     string `json:"event,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
	// After skips the first so many matching ones; Count is how often it strikes, 0 is for ever; Rate is the
	// probability that it strikes when due, 0 is always.
	After int               `json:"after,omitempty"`
	Count int               `json:"count,omitempty"`
	Rate  float64           `json:"rate,omitempty"`
	Kind  CallbackFaultKind `json:"kind"`
	Delay time.Duration     `json:"delay,omitempty"`
}

// CallbackDelivery is a callback and what became of it.
type CallbackDelivery struct {
	Seq   int               `json:"seq"`
	Event MonitoringEvent   `json:"event"`
	Fault CallbackFaultKind `json:"fault,omitempty"`
	// Attempts is how often it was sent; Delivered that the receiver answered 2xx; GivenUp that it never did in 24 h.
	Attempts  int  `json:"attempts"`
	Delivered bool `json:"delivered"`
	GivenUp   bool `json:"givenUp,omitempty"`
	// LastStatus is the latest answer's HTTP status, 0 for none.
	LastStatus int `json:"lastStatus,omitempty"`
}

type armedCallbackFault struct {
	CallbackFault
	seen, struck int
}

// monitor sends the session-monitoring callbacks: the first attempts of one session one after another, retries on
// their own.
type monitor struct {
	sim *Simulator

	mu      sync.Mutex
	faults  []*armedCallbackFault
	rand    *rand.Rand
	log     []*CallbackDelivery
	lastSeq int
	queues  map[string][]*outgoing // by session; present while a goroutine works on it
	held    map[string][]*outgoing // reordered ones, waiting for the session's next
	changed chan struct{}
}

type outgoing struct {
	body     []byte
	delivery *CallbackDelivery
	unsigned bool
	delay    time.Duration
	started  time.Time
}

func (m *monitor) init(s *Simulator) {
	m.sim, m.rand = s, rand.New(rand.NewPCG(s.opts.Seed, 1))
	m.queues, m.held = map[string][]*outgoing{}, map[string][]*outgoing{}
}

// AddCallbackFault appends a scripted fault of the callback sender.
func (s *Simulator) AddCallbackFault(f CallbackFault) {
	s.callbacks.mu.Lock()
	defer s.callbacks.mu.Unlock()
	s.callbacks.faults = append(s.callbacks.faults, &armedCallbackFault{CallbackFault: f})
}

// ClearCallbackFaults removes the scripted faults of the callback sender.
func (s *Simulator) ClearCallbackFaults() {
	s.callbacks.mu.Lock()
	defer s.callbacks.mu.Unlock()
	s.callbacks.faults = nil
}

// Callbacks returns the callbacks in the order of their events, with what became of each.
func (s *Simulator) Callbacks() []CallbackDelivery {
	s.callbacks.mu.Lock()
	defer s.callbacks.mu.Unlock()
	return s.callbacks.copyLog()
}

func (m *monitor) copyLog() []CallbackDelivery {
	out := make([]CallbackDelivery, 0, len(m.log))
	for _, d := range m.log {
		out = append(out, *d)
	}
	return out
}

// WaitCallbacks waits until done says so of the callbacks.
func (s *Simulator) WaitCallbacks(ctx context.Context, done func([]CallbackDelivery) bool) error {
	m := &s.callbacks
	for {
		m.mu.Lock()
		log := m.copyLog()
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		changed := m.changed
		m.mu.Unlock()
		if done(log) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for callbacks: %w", context.Cause(ctx))
		}
	}
}

func (m *monitor) session(ses *session, event string) {
	m.send(MonitoringEvent{SessionID: ses.info.ID, ProjectID: ses.info.ProjectID, Event: event})
}

func (m *monitor) connection(c *Client, event, reason string) {
	m.send(MonitoringEvent{
		SessionID: c.info.SessionID, ProjectID: c.info.ProjectID, Event: event, Reason: reason,
		Connection: c.monitoring(),
	})
}

func (m *monitor) stream(c *Client, st StreamInfo, event, reason string) {
	m.send(MonitoringEvent{
		SessionID: c.info.SessionID, ProjectID: c.info.ProjectID, Event: event, Reason: reason,
		Stream: &MonitoringStream{
			ID: st.ID, Connection: c.monitoring(), CreatedAt: st.CreatedAt.UnixMilli(), Name: st.Name,
			VideoType: st.VideoType,
		},
	})
}

func (c *Client) monitoring() *MonitoringConnection {
	return &MonitoringConnection{ID: c.id, CreatedAt: c.createdAt.UnixMilli(), Data: c.info.Data}
}

// send queues a callback. It is called under the session's lock, so a session's events are queued in order.
func (m *monitor) send(e MonitoringEvent) {
	if m.sim.opts.CallbackURL == "" {
		return
	}
	e.Timestamp = m.sim.now().UnixMilli()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastSeq++
	d := &CallbackDelivery{Seq: m.lastSeq, Event: e}
	m.log = append(m.log, d)
	if limit := m.sim.opts.MaxCalls; limit > 0 && len(m.log) > limit+limit/4 {
		m.log = slices.Clone(m.log[len(m.log)-limit:])
	}
	out := &outgoing{body: e.Encode(), delivery: d, started: m.sim.clock.Now()}
	f, struck := m.pick(e)
	if struck {
		d.Fault = f.Kind
	}
	switch d.Fault {
	case CallbackLost:
		m.wake()
		return
	case CallbackReordered:
		m.held[e.SessionID] = append(m.held[e.SessionID], out)
		return
	case CallbackDelayed:
		out.delay = f.Delay
		m.sim.spawn(func() { m.deliver(out, out.delay) })
		return
	case CallbackUnsigned:
		out.unsigned = true
	case CallbackDuplicated: // sent twice, below
	}
	batch := []*outgoing{out}
	if d.Fault == CallbackDuplicated {
		batch = append(batch, out)
	}
	batch = append(batch, m.held[e.SessionID]...)
	delete(m.held, e.SessionID)
	m.enqueue(e.SessionID, batch)
}

func (m *monitor) pick(e MonitoringEvent) (CallbackFault, bool) {
	for i, f := range m.faults {
		if f.Event != "" && f.Event != e.Event || f.SessionID != "" && f.SessionID != e.SessionID {
			continue
		}
		f.seen++
		if f.seen <= f.After || f.Rate > 0 && m.rand.Float64() >= f.Rate {
			continue
		}
		f.struck++
		if f.Count > 0 && f.struck >= f.Count {
			m.faults = slices.Delete(m.faults, i, i+1)
		}
		return f.CallbackFault, true
	}
	return CallbackFault{}, false
}

func (m *monitor) enqueue(sessionID string, batch []*outgoing) {
	if q, working := m.queues[sessionID]; working {
		m.queues[sessionID] = append(q, batch...)
		return
	}
	m.queues[sessionID] = batch
	m.sim.spawn(func() {
		for {
			m.mu.Lock()
			q := m.queues[sessionID]
			if len(q) == 0 {
				delete(m.queues, sessionID)
				m.mu.Unlock()
				return
			}
			next := q[0]
			m.queues[sessionID] = q[1:]
			m.mu.Unlock()
			if !m.attempt(next) {
				m.sim.spawn(func() { m.deliver(next, firstRetry) })
			}
		}
	})
}

// deliver attempts until it works or 24 h are over, the first time after wait.
func (m *monitor) deliver(o *outgoing, wait time.Duration) {
	for backoff := firstRetry; ; {
		if !m.sim.sleep(wait) || m.attempt(o) {
			return
		}
		if wait == backoff { // not the delay of a CallbackDelayed
			backoff = min(2*backoff, maxRetry)
		}
		wait = backoff
		if m.sim.clock.Since(o.started)-o.delay+wait > retryFor {
			m.finish(o, func(d *CallbackDelivery) { d.GivenUp = true })
			return
		}
	}
}

// attempt sends the callback once; true when the receiver answered 2xx, or when there is no point in trying again.
func (m *monitor) attempt(o *outgoing) bool {
	req, err := http.NewRequestWithContext(m.sim.ctx, http.MethodPost, m.sim.opts.CallbackURL, bytes.NewReader(o.body))
	if err != nil {
		m.finish(o, func(d *CallbackDelivery) { d.GivenUp = true })
		return true
	}
	req.Header.Set("Content-Type", "application/json")
	if m.sim.opts.CallbackSecret != "" && !o.unsigned {
		req.Header.Set("Authorization", "Bearer "+m.sign(o))
	}
	status := 0
	if resp, err := m.sim.opts.CallbackClient.Do(req); err == nil {
		status = resp.StatusCode
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
	}
	ok := status/100 == 2
	m.finish(o, func(d *CallbackDelivery) {
		d.Attempts++
		d.LastStatus = status
		d.Delivered = d.Delivered || ok
	})
	return ok
}

func (m *monitor) finish(o *outgoing, change func(*CallbackDelivery)) {
	m.mu.Lock()
	change(o.delivery)
	d := *o.delivery
	m.wake()
	m.mu.Unlock()
	m.sim.hub.publish(func() Event {
		return Event{Kind: EventCallback, Time: m.sim.clock.Now(), SessionID: d.Event.SessionID, Callback: &d}
	})
}

func (m *monitor) wake() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// sign returns the JWT of a signed callback (Vonage secure callbacks guide). Every attempt is signed anew; whether the
// vendor does so is not documented.
func (m *monitor) sign(o *outgoing) string {
	e := o.delivery.Event
	sum := sha256.Sum256(o.body)
	c := map[string]any{
		"iss": "Vonage", "iat": m.sim.now().Unix(), "jti": m.sim.newUUID(), "payload_hash": hex.EncodeToString(sum[:]),
		"api_key": e.ProjectID,
	}
	if applicationID.MatchString(e.ProjectID) {
		c["application_id"] = e.ProjectID
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("simulator: %v", err)) // plain strings and numbers: cannot fail
	}
	return signHS256(m.sim.opts.CallbackSecret, text)
}
