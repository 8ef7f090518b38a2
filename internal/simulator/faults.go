// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind string

// The kinds of faults. "No effect" means the call is not carried out; "effect" that it is, as far as it is valid.
const (
	// FaultNone lets the call pass: for a fault that is only a Delay or a Hook.
	FaultNone FaultKind = ""
	// FaultStatus answers Status (default 503), no effect, with an empty text/xml body as the vendor's 5xx have been
	// seen, or with Body.
	FaultStatus FaultKind = "Status"
	// FaultRateLimited answers 429, no effect, with a Retry-After header when RetryAfter is set.
	FaultRateLimited FaultKind = "RateLimited"
	// FaultSilence accepts the call and never answers, no effect; it ends when the caller gives up.
	FaultSilence FaultKind = "Silence"
	// FaultResetBefore resets the TCP connection, no effect.
	FaultResetBefore FaultKind = "ResetBefore"
	// FaultResetAfter resets the TCP connection after the effect.
	FaultResetAfter FaultKind = "ResetAfter"
	// FaultTimeoutAfter never answers after the effect; it ends when the caller gives up.
	FaultTimeoutAfter FaultKind = "TimeoutAfter"
	// FaultHTML answers an HTML page as a proxy would: Status (default 502); effect only if Status is 2xx.
	FaultHTML FaultKind = "HTML"
	// FaultXML answers XML although JSON was asked for: Status (default 500); effect only if Status is 2xx.
	FaultXML FaultKind = "XML"
	// FaultMalformedJSON answers Status (default 200) with JSON cut in the middle; effect only if Status is 2xx.
	FaultMalformedJSON FaultKind = "MalformedJSON"
	// FaultEmptyList answers 200 with [], no effect.
	FaultEmptyList FaultKind = "EmptyList"
	// FaultUnauthorized answers 401 with an authentication error, no effect.
	FaultUnauthorized FaultKind = "Unauthorized"
	// FaultForbidden answers 403 "Invalid signature", no effect.
	FaultForbidden FaultKind = "Forbidden"
	// FaultExpired answers 403 as for an expired JWT, no effect.
	FaultExpired FaultKind = "Expired"
	// FaultClockSkew answers 403 as for a JWT issued in the future, no effect.
	FaultClockSkew FaultKind = "ClockSkew"
)

// HookPoint says when a fault's hook runs.
type HookPoint string

const (
	// BeforeEffect runs the hook after the latency and before the call is looked at. The default.
	BeforeEffect HookPoint = "BeforeEffect"
	// AfterEffect runs the hook after the effect and before the reply; the Call tells what happened.
	AfterEffect HookPoint = "AfterEffect"
)

// Fault is a scripted fault. The zero value of a selector matches every call; the first fault, in order of addition,
// that matches a call and is due strikes, and only that one.
type Fault struct {
	// Op, ProjectID, SessionID, ConnectionID and SignalType select calls.
	Op           Op     `json:"op,omitempty"`
	ProjectID    string `json:"projectId,omitempty"`
	SessionID    string `json:"sessionId,omitempty"`
	ConnectionID string `json:"connectionId,omitempty"`
	SignalType   string `json:"signalType,omitempty"`
	// Match selects further; nil selects all. It must not call the simulator.
	Match func(Call) bool `json:"-"`
	// After skips the first so many matching calls.
	After int `json:"after,omitempty"`
	// Count is how often it strikes; 0 is for ever.
	Count int `json:"count,omitempty"`
	// Rate is the probability, 0 < Rate < 1, that it strikes when due; 0 is always. Seeded by Options.Seed.
	Rate float64   `json:"rate,omitempty"`
	Kind FaultKind `json:"kind,omitempty"`
	// Status is the HTTP status of the kinds that have one.
	Status int `json:"status,omitempty"`
	// RetryAfter is the value of a Retry-After header (seconds or an HTTP date); "" for none.
	RetryAfter string `json:"retryAfter,omitempty"`
	// Body replaces the body of FaultStatus and FaultRateLimited; it is sent as application/json.
	Body string `json:"body,omitempty"`
	// Delay is added to the latency of the call.
	Delay time.Duration `json:"delay,omitempty"`
	// Hook is called in the handler's goroutine; it may block and may call the simulator.
	Hook func(Call) `json:"-"`
	// When says at which point the hook runs.
	When HookPoint `json:"when,omitempty"`
}

type armedFault struct {
	Fault
	seen, struck int
}

type faultList struct {
	armed atomic.Bool // whether there is any: the fast path of benchmarks
	mu    sync.Mutex
	list  []*armedFault
	rand  *rand.Rand
}

// AddFault appends a scripted fault.
func (s *Simulator) AddFault(f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, &armedFault{Fault: f})
	s.faults.armed.Store(true)
}

// ClearFaults removes all scripted faults. A call that is held by one goes on being held.
func (s *Simulator) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
	s.faults.armed.Store(false)
}

// Faults returns the scripted faults that can still strike.
func (s *Simulator) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := []Fault{}
	for _, f := range s.faults.list {
		out = append(out, f.Fault)
	}
	return out
}

func (l *faultList) pick(c Call) (Fault, bool) {
	if !l.armed.Load() {
		return Fault{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.list {
		if !f.matches(c) {
			continue
		}
		f.seen++
		if f.seen <= f.After || (f.Rate > 0 && l.rand.Float64() >= f.Rate) {
			continue
		}
		f.struck++
		if f.Count > 0 && f.struck >= f.Count {
			l.list = append(l.list[:i:i], l.list[i+1:]...)
		}
		return f.Fault, true
	}
	return Fault{}, false
}

func (f *armedFault) matches(c Call) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(string(f.Op), string(c.Op)) && same(f.ProjectID, c.ProjectID) && same(f.SessionID, c.SessionID) &&
		same(f.ConnectionID, c.ConnectionID) && same(f.SignalType, c.SignalType) && (f.Match == nil || f.Match(c))
}

// effective says whether the call is carried out under this fault.
func (f Fault) effective() bool {
	switch f.Kind {
	case FaultNone, FaultResetAfter, FaultTimeoutAfter:
		return true
	case FaultHTML, FaultXML, FaultMalformedJSON:
		return f.status()/100 == 2
	default:
		return false
	}
}

func (f Fault) status() int {
	if f.Status != 0 {
		return f.Status
	}
	switch f.Kind {
	case FaultStatus:
		return http.StatusServiceUnavailable
	case FaultRateLimited:
		return http.StatusTooManyRequests
	case FaultHTML:
		return http.StatusBadGateway
	case FaultXML:
		return http.StatusInternalServerError
	case FaultUnauthorized:
		return http.StatusUnauthorized
	case FaultForbidden, FaultExpired, FaultClockSkew:
		return http.StatusForbidden
	default:
		return http.StatusOK
	}
}

// transport says how the fault treats the connection instead of replying.
func (f Fault) transport() (silent, reset bool) {
	switch f.Kind {
	case FaultSilence, FaultTimeoutAfter:
		return true, false
	case FaultResetBefore, FaultResetAfter:
		return false, true
	default:
		return false, false
	}
}

const htmlPage = "<!DOCTYPE html>\n<html><head><title>%d</title></head>" +
	"<body><center><h1>%d %s</h1></center><hr></body></html>\n"

// refuse is the reply of a fault without effect.
func (f Fault) refuse(asJSON bool) reply {
	status := f.status()
	rep := reply{status: status, retryAfter: f.RetryAfter}
	switch {
	case f.Body != "":
		rep.contentType, rep.body = "application/json", []byte(f.Body)
	case f.Kind == FaultRateLimited:
		rep = errorReply(asJSON, status, status, "Too Many Requests")
	case f.Kind == FaultUnauthorized:
		rep = errorReply(asJSON, status, -1, msgNoAuth)
	case f.Kind == FaultForbidden:
		rep = errorReply(asJSON, status, -1, msgSignature)
	case f.Kind == FaultExpired:
		rep = errorReply(asJSON, status, -1, msgExpired)
	case f.Kind == FaultClockSkew:
		rep = errorReply(asJSON, status, -1, msgFuture)
	case f.Kind == FaultXML:
		rep = errorReply(false, status, status, http.StatusText(status))
	case f.Kind == FaultEmptyList:
		rep.contentType, rep.body = "application/json", []byte("[]")
	case f.Kind == FaultHTML, f.Kind == FaultMalformedJSON:
		rep = f.mangle(rep)
	default: // an empty text/xml body, as the vendor's 5xx have been seen
		rep.contentType = "text/xml"
	}
	rep.retryAfter = f.RetryAfter
	return rep
}

// mangle turns the reply of a call that was carried out into what the caller gets to see.
func (f Fault) mangle(rep reply) reply {
	status := f.status()
	switch f.Kind {
	case FaultHTML:
		rep.status, rep.contentType = status, "text/html; charset=utf-8"
		rep.body = fmtHTML(status)
	case FaultXML:
		rep.status, rep.contentType = status, "application/xml"
		rep.body = rep.xml
		if rep.body == nil {
			rep.body = []byte(xmlHeader + "<result/>")
		}
	case FaultMalformedJSON:
		if len(rep.body) < 2 {
			rep.body = []byte(`{"message":"cut off"}`)
		}
		rep.status, rep.contentType = status, "application/json"
		rep.body = rep.body[:len(rep.body)/2]
	default: // the others leave a reply as it is
	}
	return rep
}

// validate returns an error that names what the control API was given wrong.
func (f Fault) validate() error {
	switch f.Kind {
	case FaultNone, FaultStatus, FaultRateLimited, FaultSilence, FaultResetBefore, FaultResetAfter, FaultTimeoutAfter,
		FaultHTML, FaultXML, FaultMalformedJSON, FaultEmptyList, FaultUnauthorized, FaultForbidden, FaultExpired,
		FaultClockSkew:
	default:
		return fmt.Errorf("unknown kind of fault %q", f.Kind)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d is not between 200 and 599", f.Status)
	}
	if f.Rate < 0 || f.Rate > 1 || f.After < 0 || f.Count < 0 || f.Delay < 0 {
		return errors.New("rate must be between 0 and 1, after, count and delay not negative")
	}
	return nil
}
