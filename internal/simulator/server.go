// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody bounds a request. The largest valid signal, all escaped, is far below.
const maxBody = 256 << 10

// request is a call of the vendor's API on its way through the simulator.
type request struct {
	route
	header http.Header
	query  url.Values
	body   []byte
	asJSON bool
	tooBig bool

	project *Project       // once authenticated
	parts   SessionIDParts // once the session ID was checked
}

// route is what a method and a path mean.
type route struct {
	op                               Op
	pathID, session, connection, arg string
	wrongMethod                      bool
}

// ServeHTTP serves the vendor's API, the control API under /_sim/ and the page at /.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/_sim/"):
		s.serveControl(w, r)
	case r.URL.Path == "/":
		servePage(w, r)
	default:
		s.serveVendor(w, r)
	}
}

// serveVendor carries one call through latency, faults, the operation and the log. The log is settled before the reply
// is written: who has a reply finds the call in the log.
func (s *Simulator) serveVendor(w http.ResponseWriter, r *http.Request) {
	req := readRequest(r)
	call := &Call{
		Time: s.clock.Now(), Op: req.op, ProjectID: req.pathID, SessionID: req.session, ConnectionID: req.connection,
	}
	describe(req, call)
	s.calls.begin(call, s.opts.MaxCalls)

	seen := *call
	fault, struck := s.faults.pick(seen)
	if struck {
		s.calls.update(func() { call.Fault = fault.Kind; seen = *call })
	}
	open := s.sleep(s.latencyOf(req.op) + fault.Delay)
	if struck && fault.Hook != nil && fault.When != AfterEffect {
		fault.Hook(seen)
	}
	var rep reply
	switch {
	case !open:
		fault, rep = Fault{Kind: FaultResetBefore}, reply{}
	case !struck || fault.effective():
		rep = s.handle(req)
	default:
		rep = fault.refuse(req.asJSON)
	}
	s.settle(call, req, rep, fault, &seen)
	if struck && fault.Hook != nil && fault.When == AfterEffect {
		fault.Hook(seen)
	}
	s.answer(w, r, call, rep, fault)
}

// settle records the outcome, except the end of a call that will never be answered.
func (s *Simulator) settle(call *Call, req *request, rep reply, f Fault, seen *Call) {
	silent, reset := f.transport()
	now := s.clock.Now()
	s.calls.update(func() {
		if req.project != nil {
			call.ProjectID = req.project.ID
		}
		call.Effective, call.CreatedSessionID, call.Recipients = rep.effective, rep.createdID, rep.recipients
		if rep.effective {
			s.calls.effects++
			call.EffectSeq = s.calls.effects
		}
		if !silent && !reset {
			call.Status, call.Reason = rep.status, rep.reason
			if f.effective() && f.Kind != FaultNone {
				call.Status = f.status()
			}
		}
		if !silent {
			call.Finished = now
			s.calls.open--
		}
		*seen = *call
	})
	if !silent {
		s.report(*seen)
	}
}

func (s *Simulator) report(c Call) {
	s.hub.publish(func() Event { return Event{Kind: EventCall, Time: s.clock.Now(), SessionID: c.SessionID, Call: &c} })
	s.log.Debug("Served a call", "op", c.Op, "project", c.ProjectID, "status", c.Status, "fault", c.Fault,
		"effective", c.Effective, slog.Int("seq", c.Seq))
}

// answer writes the reply, or treats the connection as the fault demands.
func (s *Simulator) answer(w http.ResponseWriter, r *http.Request, call *Call, rep reply, f Fault) {
	silent, reset := f.transport()
	switch {
	case silent:
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		var c Call
		now := s.clock.Now()
		s.calls.update(func() { call.Finished = now; s.calls.open--; c = *call })
		s.report(c)
		panic(http.ErrAbortHandler)
	case reset:
		resetConnection(w)
	case f.Kind != FaultNone && f.effective():
		f.mangle(rep).write(w)
	default:
		rep.write(w)
	}
}

// resetConnection sends a TCP reset where it can, else lets the server abort the stream.
func resetConnection(w http.ResponseWriter) {
	if hj, ok := w.(http.Hijacker); ok {
		if conn, _, err := hj.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // close sends RST
			}
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

func readRequest(r *http.Request) *request {
	req := &request{
		route: routeOf(r.Method, r.URL.Path), header: r.Header, query: r.URL.Query(), asJSON: wantsJSON(r.Header),
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	req.tooBig = err == nil && len(body) > maxBody
	req.body = body
	return req
}

// routeOf reads the path by hand: a slash at the end is allowed (the PHP and Node SDKs send one here and there).
func routeOf(method, path string) route {
	p := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	if len(p) == 2 && p[0] == "session" && p[1] == "create" {
		return route{op: OpCreateSession}.only(method, http.MethodPost)
	}
	if len(p) < 4 || p[0] != "v2" || p[1] != "project" || p[2] == "" {
		return route{op: OpUnknown}
	}
	rt := route{op: OpUnknown, pathID: p[2]}
	switch kind, rest := p[3], p[4:]; kind {
	case "session":
		if len(rest) < 2 {
			return rt
		}
		rt.session = rest[0]
		return rt.inSession(method, rest[1:])
	case "archive":
		return rt.archive(method, rest)
	case "broadcast", "callback", "captions", "connect", "dial", "render":
		rt.op = OpOther
	}
	return rt
}

func (rt route) only(method, want string) route {
	rt.wrongMethod = method != want
	return rt
}

// sessionRoutes are the operations below a session, by the shape of the rest of the path: what is not fixed is *.
var sessionRoutes = map[string][]struct {
	method string
	op     Op
}{
	"signal":              {{http.MethodPost, OpSignal}},
	"connection":          {{http.MethodGet, OpListConnections}},
	"connection/*":        {{http.MethodDelete, OpForceDisconnect}},
	"connection/*/signal": {{http.MethodPost, OpSignalConnection}},
	"mute":                {{http.MethodPost, OpMuteSession}},
	"stream":              {{http.MethodGet, OpListStreams}, {http.MethodPut, OpSetStreamLayout}},
	"stream/*":            {{http.MethodGet, OpGetStream}},
	"stream/*/mute":       {{http.MethodPost, OpMuteStream}},
}

func (rt route) inSession(method string, p []string) route {
	shape := slices.Clone(p)
	if len(p) > 1 {
		shape[1] = "*"
	}
	offered := sessionRoutes[strings.Join(shape, "/")]
	if len(offered) == 0 {
		if p[len(p)-1] == "play-dtmf" {
			rt.op = OpOther
		}
		return rt
	}
	chosen := offered[0]
	for _, o := range offered {
		if o.method == method {
			chosen = o
		}
	}
	rt.op = chosen.op
	if len(p) > 1 && p[0] == "connection" {
		rt.connection = p[1]
	} else if len(p) > 1 {
		rt.arg = p[1]
	}
	return rt.only(method, chosen.method)
}

func (rt route) archive(method string, p []string) route {
	switch {
	case len(p) == 0 && method == http.MethodPost:
		rt.op = OpStartArchive
		return rt
	case len(p) == 0:
		rt.op = OpListArchives
		return rt.only(method, http.MethodGet)
	case len(p) == 1 && method == http.MethodDelete:
		rt.op, rt.arg = OpDeleteArchive, p[0]
		return rt
	case len(p) == 1:
		rt.op, rt.arg = OpGetArchive, p[0]
		return rt.only(method, http.MethodGet)
	case len(p) == 2 && p[1] == "stop":
		rt.op, rt.arg = OpStopArchive, p[0]
		return rt.only(method, http.MethodPost)
	case len(p) == 2 && (p[1] == "layout" || p[1] == "streams"):
		rt.op, rt.arg = OpOther, p[0]
	}
	return rt
}
