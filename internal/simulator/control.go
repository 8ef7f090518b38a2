// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The control API, under /_sim/. All bodies are JSON; errors are {"error": text}. Durations are Go's ("1.5s").
//
//	GET    /_sim/state?sessions=N              State (at most N sessions without clients; default 200)
//	GET    /_sim/calls?since=SEQ               [Call…]            DELETE empties the log
//	GET    /_sim/callbacks                     [CallbackDelivery…]
//	GET    /_sim/events                        server-sent events: "state", then one per Event, named by its kind
//	POST   /_sim/connections {token}           201 ConnectionInfo; 403 {"error", "code": 1004…}
//	GET    /_sim/connections/{id}              ConnectionInfo
//	DELETE /_sim/connections/{id}?reason=R     disconnects: clientDisconnected (default) or networkDisconnected
//	GET    /_sim/connections/{id}/signals?since=N   [Signal…] received after the client's Nth
//	POST   /_sim/connections/{id}/signals {type, data, to}          the client sends a signal; {"recipients": n}
//	POST   /_sim/connections/{id}/streams {name, videoType}         201 {"id"}
//	DELETE /_sim/connections/{id}/streams/{streamId}
//	GET, PUT /_sim/latency {"default": "100ms", "operations": {"signal": "1s"}}
//	GET, POST, DELETE /_sim/faults             [Fault…]; POST adds one, DELETE clears
//	POST, DELETE /_sim/callback-faults         POST adds a CallbackFault, DELETE clears
//	GET, PUT /_sim/empty-session {"mode": "NotFound", "grace": "10s"}
//	PUT    /_sim/clock-offset {"offset": "-30s"}
//	GET    /_sim/projects                      [{"environment", "id"}…]
//	DELETE /_sim/projects/{id}                 revokes its credentials

// State is what GET /_sim/state and the first server-sent event give.
type State struct {
	Time         time.Time      `json:"time"`
	Projects     []ProjectInfo  `json:"projects"`
	Latency      LatencySetting `json:"latency"`
	EmptySession EmptySetting   `json:"emptySession"`
	SignalSize   SignalSizeMode `json:"signalSize"`
	Faults       int            `json:"faults"`
	Calls        int            `json:"calls"`
	SessionCount int            `json:"sessionCount"`
	Sessions     []SessionInfo  `json:"sessions"`
}

// ProjectInfo is a project without its credentials.
type ProjectInfo struct {
	Environment Environment `json:"environment"`
	ID          string      `json:"id"`
}

// LatencySetting is the body of /_sim/latency.
type LatencySetting struct {
	Default    Duration        `json:"default"`
	Operations map[Op]Duration `json:"operations,omitempty"`
}

// EmptySetting is the body of /_sim/empty-session.
type EmptySetting struct {
	Mode  EmptySessionMode `json:"mode"`
	Grace Duration         `json:"grace"`
}

// Duration is a time.Duration that is text in JSON.
type Duration time.Duration

// MarshalText writes it as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// controlError is an error of the control API.
type controlError struct {
	status  int
	code    int
	message string
}

func (e *controlError) Error() string { return e.message }

var errNoConnection = &controlError{status: http.StatusNotFound, message: "no such connection"}

// controlHandlers are keyed by method and path; every second part of a path is an ID.
var controlHandlers = map[string]func(*Simulator, *http.Request) (any, error){
	"GET state":            (*Simulator).ctlState,
	"GET calls":            (*Simulator).ctlCalls,
	"DELETE calls":         func(s *Simulator, _ *http.Request) (any, error) { s.ResetCalls(); return nil, nil },
	"GET callbacks":        func(s *Simulator, _ *http.Request) (any, error) { return s.Callbacks(), nil },
	"GET latency":          func(s *Simulator, _ *http.Request) (any, error) { return s.latencySetting(), nil },
	"PUT latency":          (*Simulator).ctlSetLatency,
	"GET faults":           func(s *Simulator, _ *http.Request) (any, error) { return s.faultSettings(), nil },
	"POST faults":          (*Simulator).ctlAddFault,
	"DELETE faults":        func(s *Simulator, _ *http.Request) (any, error) { s.ClearFaults(); return nil, nil },
	"POST callback-faults": (*Simulator).ctlAddCallbackFault,
	"DELETE callback-faults": func(s *Simulator, _ *http.Request) (any, error) {
		s.ClearCallbackFaults()
		return nil, nil
	},
	"GET empty-session":    func(s *Simulator, _ *http.Request) (any, error) { return s.emptySetting(), nil },
	"PUT empty-session":    (*Simulator).ctlSetEmpty,
	"PUT clock-offset":     (*Simulator).ctlSetOffset,
	"GET projects":         func(s *Simulator, _ *http.Request) (any, error) { return s.projectInfos(), nil },
	"DELETE projects/*":    (*Simulator).ctlRemoveProject,
	"POST connections":     (*Simulator).ctlConnect,
	"GET connections/*":    (*Simulator).ctlConnection,
	"DELETE connections/*": (*Simulator).ctlDisconnect,

	"GET connections/*/signals":      (*Simulator).ctlSignals,
	"POST connections/*/signals":     (*Simulator).ctlSendSignal,
	"POST connections/*/streams":     (*Simulator).ctlPublish,
	"DELETE connections/*/streams/*": (*Simulator).ctlUnpublish,
}

// created marks a result that is answered 201.
type created struct{ value any }

func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	p := controlPath(r)
	if r.Method == http.MethodGet && len(p) == 1 && p[0] == "events" {
		s.serveEvents(w, r)
		return
	}
	pattern := make([]string, len(p))
	for i := range p {
		pattern[i] = p[i]
		if i%2 == 1 {
			pattern[i] = "*"
		}
	}
	handler := controlHandlers[r.Method+" "+strings.Join(pattern, "/")]
	if handler == nil {
		writeControl(w, nil, &controlError{
			status: http.StatusNotFound, message: "no such path or method in the control API",
		})
		return
	}
	// A page of another origin can send a form, but not JSON without being asked first.
	if r.Method != http.MethodGet && r.ContentLength != 0 &&
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		writeControl(w, nil, &controlError{
			status: http.StatusUnsupportedMediaType, message: "Content-Type must be application/json",
		})
		return
	}
	v, err := handler(s, r)
	writeControl(w, v, err)
}

func controlPath(r *http.Request) []string {
	return strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/_sim/"), "/"), "/")
}

func writeControl(w http.ResponseWriter, v any, err error) {
	rep := reply{status: http.StatusNoContent}
	if err != nil {
		ce := &controlError{status: http.StatusBadRequest, message: err.Error()}
		errors.As(err, &ce)
		body := map[string]any{"error": ce.message}
		if ce.code != 0 {
			body["code"] = ce.code
		}
		rep = jsonReply(body)
		rep.status = ce.status
	} else if c, ok := v.(created); ok {
		rep = jsonReply(c.value)
		rep.status = http.StatusCreated
	} else if v != nil {
		rep = jsonReply(v)
	}
	rep.write(w)
}

func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

func (s *Simulator) state(maxSessions int) State {
	st := State{
		Time: s.clock.Now(), Projects: s.projectInfos(), Latency: s.latencySetting(), EmptySession: s.emptySetting(),
		SignalSize: s.opts.SignalSize,
		Faults:     len(s.Faults()), Calls: s.LastSeq(), Sessions: s.latestSessions(maxSessions),
	}
	s.sessions.mu.RLock()
	defer s.sessions.mu.RUnlock()
	st.SessionCount = len(s.sessions.order)
	return st
}

func (s *Simulator) projectInfos() []ProjectInfo {
	out := []ProjectInfo{}
	for _, p := range s.Projects() {
		out = append(out, ProjectInfo{p.Environment, p.ID})
	}
	return out
}

func (s *Simulator) latencySetting() LatencySetting {
	s.latencyMu.RLock()
	defer s.latencyMu.RUnlock()
	l := LatencySetting{Default: Duration(s.latency), Operations: map[Op]Duration{}}
	for op, d := range s.opLatency {
		l.Operations[op] = Duration(d)
	}
	return l
}

func (s *Simulator) emptySetting() EmptySetting {
	s.emptyMu.RLock()
	defer s.emptyMu.RUnlock()
	return EmptySetting{s.emptyMode, Duration(s.emptyGrace)}
}

const defaultStateSessions = 200

func (s *Simulator) ctlState(r *http.Request) (any, error) {
	n := defaultStateSessions
	if v := r.URL.Query().Get("sessions"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 0 {
			return nil, errors.New("sessions must be a number")
		}
	}
	return s.state(n), nil
}

func since(r *http.Request) (int, error) {
	v := r.URL.Query().Get("since")
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, errors.New("since must be a number")
	}
	return n, nil
}

func (s *Simulator) ctlCalls(r *http.Request) (any, error) {
	n, err := since(r)
	if err != nil {
		return nil, err
	}
	return s.CallsSince(n), nil
}

func (s *Simulator) ctlSetLatency(r *http.Request) (any, error) {
	var l LatencySetting
	if err := readJSON(r, &l); err != nil {
		return nil, err
	}
	s.latencyMu.Lock()
	defer s.latencyMu.Unlock()
	s.latency = time.Duration(l.Default)
	clear(s.opLatency)
	for op, d := range l.Operations {
		s.opLatency[op] = time.Duration(d)
	}
	return nil, nil
}

// faultSetting is a Fault whose delay is text.
type faultSetting struct {
	Fault
	Delay Duration `json:"delay,omitzero"`
}

func (s *Simulator) faultSettings() []faultSetting {
	out := []faultSetting{}
	for _, f := range s.Faults() {
		out = append(out, faultSetting{f, Duration(f.Delay)})
	}
	return out
}

func (s *Simulator) ctlAddFault(r *http.Request) (any, error) {
	var b faultSetting
	if err := readJSON(r, &b); err != nil {
		return nil, err
	}
	b.Fault.Delay = time.Duration(b.Delay)
	if err := b.Fault.validate(); err != nil {
		return nil, err
	}
	s.AddFault(b.Fault)
	return nil, nil
}

func (s *Simulator) ctlAddCallbackFault(r *http.Request) (any, error) {
	var b struct {
		CallbackFault
		Delay Duration `json:"delay"`
	}
	if err := readJSON(r, &b); err != nil {
		return nil, err
	}
	b.CallbackFault.Delay = time.Duration(b.Delay)
	switch b.Kind {
	case CallbackLost, CallbackDuplicated, CallbackDelayed, CallbackReordered, CallbackUnsigned:
	default:
		return nil, fmt.Errorf("unknown kind of callback fault %q", b.Kind)
	}
	s.AddCallbackFault(b.CallbackFault)
	return nil, nil
}

func (s *Simulator) ctlSetEmpty(r *http.Request) (any, error) {
	var e EmptySetting
	if err := readJSON(r, &e); err != nil {
		return nil, err
	}
	return nil, s.SetEmptySession(e.Mode, time.Duration(e.Grace))
}

func (s *Simulator) ctlSetOffset(r *http.Request) (any, error) {
	var b struct {
		Offset Duration `json:"offset"`
	}
	if err := readJSON(r, &b); err != nil {
		return nil, err
	}
	s.SetClockOffset(time.Duration(b.Offset))
	return nil, nil
}

func (s *Simulator) ctlRemoveProject(r *http.Request) (any, error) {
	id := controlPath(r)[1]
	if s.project(id) == nil {
		return nil, &controlError{status: http.StatusNotFound, message: "no such project"}
	}
	s.RemoveProject(id)
	return nil, nil
}

func (s *Simulator) ctlConnect(r *http.Request) (any, error) {
	var b struct {
		Token string `json:"token"`
	}
	if err := readJSON(r, &b); err != nil {
		return nil, errors.New("reading the body: it must be a JSON object with the string token") // quotes nothing
	}
	c, err := s.Connect(b.Token)
	if err != nil {
		var ce *ConnectError
		errors.As(err, &ce)
		return nil, &controlError{status: http.StatusForbidden, code: ce.Code, message: ce.Message}
	}
	return created{c.Info()}, nil
}

// clientOf returns the client in the path.
func (s *Simulator) clientOf(r *http.Request) (*Client, error) {
	if c := s.Client(controlPath(r)[1]); c != nil {
		return c, nil
	}
	return nil, errNoConnection
}

func (s *Simulator) ctlConnection(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	return c.Info(), nil
}

func (s *Simulator) ctlDisconnect(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	switch r.URL.Query().Get("reason") {
	case "", ReasonClientDisconnected:
		c.Disconnect()
	case ReasonNetworkDisconnected:
		c.Drop()
	default:
		return nil, errors.New("reason must be clientDisconnected or networkDisconnected")
	}
	return nil, nil
}

func (s *Simulator) ctlSignals(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	n, err := since(r)
	if err != nil {
		return nil, err
	}
	out := []Signal{}
	for _, sig := range c.Signals() {
		if sig.Seq > n {
			out = append(out, sig)
		}
	}
	return out, nil
}

func (s *Simulator) ctlSendSignal(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	var b struct{ Type, Data, To string }
	if err := readJSON(r, &b); err != nil {
		return nil, err
	}
	n, err := c.Signal(b.Type, b.Data, b.To)
	if err != nil {
		return nil, asControl(err)
	}
	return map[string]int{"recipients": n}, nil
}

func (s *Simulator) ctlPublish(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	var b struct {
		Name      string `json:"name"`
		VideoType string `json:"videoType"`
	}
	if err := readJSON(r, &b); err != nil {
		return nil, err
	}
	id, err := c.Publish(b.Name, b.VideoType)
	if err != nil {
		return nil, asControl(err)
	}
	return created{map[string]string{"id": id}}, nil
}

func (s *Simulator) ctlUnpublish(r *http.Request) (any, error) {
	c, err := s.clientOf(r)
	if err != nil {
		return nil, err
	}
	if !c.Unpublish(controlPath(r)[3]) {
		return nil, &controlError{status: http.StatusNotFound, message: "no such stream"}
	}
	return nil, nil
}

func asControl(err error) error {
	if ce, ok := errors.AsType[*ConnectError](err); ok {
		return &controlError{status: http.StatusForbidden, code: ce.Code, message: ce.Message}
	}
	return err
}

const (
	// maxBacklog is how many events a reader of /_sim/events may lag behind before it is cut off; its EventSource
	// reconnects and starts over with the state.
	maxBacklog = 10_000
	// heartbeat keeps proxies from closing an idle event stream.
	heartbeat = 15 * time.Second
)

// serveEvents streams events. Subscribing comes before the state, so nothing is missed in between; a reader may find an
// event's effect in the state already.
func (s *Simulator) serveEvents(w http.ResponseWriter, r *http.Request) {
	sub := s.hub.subscribe()
	defer s.hub.unsubscribe(sub)
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // not supported by every server, and then not needed
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(name string, data any) bool {
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, mustJSON(data))
		return err == nil
	}
	if !send("state", s.state(defaultStateSessions)) || rc.Flush() != nil {
		return
	}
	beat := s.clock.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-sub.notify:
			events := sub.take()
			if len(events) > maxBacklog {
				return
			}
			for _, e := range events {
				if !send(string(e.Kind), e) {
					return
				}
			}
		case <-beat.C():
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
		if rc.Flush() != nil {
			return
		}
	}
}

// String returns the duration as Go writes it.
func (d Duration) String() string { return time.Duration(d).String() }
