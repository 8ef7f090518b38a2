// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// overNetwork makes the call over a real connection.
func (c caller) overNetwork(ctx context.Context, base string, r *http.Request) (answer, error) {
	u, err := url.Parse(base)
	if err != nil {
		c.t.Fatal(err)
	}
	out := r.Clone(ctx)
	out.RequestURI, out.URL.Scheme, out.URL.Host = "", u.Scheme, u.Host
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(out)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	return readAnswer(resp), nil
}

func TestFaults(t *testing.T) {
	tests := map[string]struct {
		fault      Fault
		wantStatus int
		wantType   string
		wantBody   string // a part of it
		wantRetry  string
		wantEffect bool
	}{
		"status": {Fault{Kind: FaultStatus}, 503, "text/xml", "", "", false},
		"another status": {
			Fault{Kind: FaultStatus, Status: 500, RetryAfter: "7"}, 500, "text/xml", "", "7", false,
		},
		"status with a body": {
			Fault{Kind: FaultStatus, Status: 504, Body: `{"code":-1,"message":"Request timed out."}`}, 504,
			"application/json", "Request timed out.", "", false,
		},
		"rate limited": {
			Fault{Kind: FaultRateLimited}, 429, "application/json", "Too Many Requests", "", false,
		},
		"rate limited for a time": {
			Fault{Kind: FaultRateLimited, RetryAfter: "30"}, 429, "application/json", "Too Many Requests", "30", false,
		},
		"HTML": {Fault{Kind: FaultHTML}, 502, "text/html; charset=utf-8", "<title>502</title>", "", false},
		"HTML, 200": {
			Fault{Kind: FaultHTML, Status: 200}, 200, "text/html; charset=utf-8", "<title>200</title>", "", true,
		},
		"XML":            {Fault{Kind: FaultXML}, 500, "application/xml", "<errorPayload>", "", false},
		"XML, 200":       {Fault{Kind: FaultXML, Status: 200}, 200, "application/xml", "<session_id>1_", "", true},
		"malformed JSON": {Fault{Kind: FaultMalformedJSON}, 200, "application/json", `[{"session_id":"1_`, "", true},
		"malformed, 500": {
			Fault{Kind: FaultMalformedJSON, Status: 500}, 500, "application/json", `{"message"`, "", false,
		},
		"empty list":   {Fault{Kind: FaultEmptyList}, 200, "application/json", "[]", "", false},
		"unauthorized": {Fault{Kind: FaultUnauthorized}, 401, "application/json", msgNoAuth, "", false},
		"forbidden":    {Fault{Kind: FaultForbidden}, 403, "application/json", msgSignature, "", false},
		"expired":      {Fault{Kind: FaultExpired}, 403, "application/json", msgExpired, "", false},
		"clock skew":   {Fault{Kind: FaultClockSkew}, 403, "application/json", msgFuture, "", false},
		"only a hook":  {Fault{Hook: func(Call) {}}, 200, "application/json", `"session_id":"1_`, "", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, Options{})
			srv := httptest.NewServer(s)
			defer srv.Close()
			s.AddFault(tc.fault)
			c := as(t, s, Unified)
			a, err := c.overNetwork(t.Context(), srv.URL, c.request("POST", "/session/create", "", ""))
			if err != nil {
				t.Fatal(err)
			}
			if a.status != tc.wantStatus || a.header.Get("Content-Type") != tc.wantType ||
				!strings.Contains(a.text, tc.wantBody) || a.header.Get("Retry-After") != tc.wantRetry {
				t.Errorf("%d %v %q", a.status, a.header, a.text)
			}
			if tc.wantBody == "" && a.text != "" {
				t.Errorf("body %q, want none", a.text)
			}
			if tc.fault.Kind == FaultMalformedJSON && a.json != nil {
				t.Errorf("%q is well-formed", a.text)
			}
			call := s.Calls()[0]
			if call.Effective != tc.wantEffect || (call.CreatedSessionID != "") != tc.wantEffect ||
				(len(s.Sessions()) == 1) != tc.wantEffect {
				t.Errorf("effect: %+v, %d sessions, want effect %v", call, len(s.Sessions()), tc.wantEffect)
			}
			if call.Status != tc.wantStatus || call.Fault != tc.fault.Kind || call.Finished.IsZero() {
				t.Errorf("logged %+v", call)
			}
		})
	}
}

func TestFaultsWithoutReply(t *testing.T) {
	tests := map[string]struct {
		kind       FaultKind
		wantReset  bool // else the caller has to give up
		wantEffect bool
	}{
		"reset before":  {FaultResetBefore, true, false},
		"reset after":   {FaultResetAfter, true, true},
		"silence":       {FaultSilence, false, false},
		"timeout after": {FaultTimeoutAfter, false, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, Options{})
			srv := httptest.NewServer(s)
			defer srv.Close()
			c := as(t, s, OpenTok)
			cl := c.connect(openTokSample, "publisher", "")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			// The caller gives up as soon as the call is there and its effect, if any, has been.
			s.AddFault(Fault{Kind: tc.kind, Count: 1, When: AfterEffect, Hook: func(Call) {
				if !tc.wantReset {
					cancel()
				}
			}})
			r := c.request("POST", c.path(openTokSample, "/signal"), "application/json", `{"type":"x","data":"y"}`)
			_, err := c.overNetwork(ctx, srv.URL, r)
			switch {
			case err == nil:
				t.Fatal("there was a reply")
			case tc.wantReset && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF):
				t.Errorf("error %v, want a reset", err)
			case !tc.wantReset && !errors.Is(err, context.Canceled):
				t.Errorf("error %v, want the caller's own", err)
			}
			call, err := s.WaitCall(t.Context(), func(c Call) bool { return c.Op == OpSignal })
			if err != nil {
				t.Fatal(err)
			}
			if call.Effective != tc.wantEffect || call.Status != 0 || call.Fault != tc.kind ||
				(len(cl.Signals()) == 1) != tc.wantEffect {
				t.Errorf("call %+v, %d signals, want effect %v", call, len(cl.Signals()), tc.wantEffect)
			}
			if a := c.signal(openTokSample, "x", "y"); a.status != 204 {
				t.Errorf("the next call: %d", a.status)
			}
		})
	}
}

func TestFaultSelection(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	other := s.NewSessionID(appID, false)
	c.connect(unifiedSample, "publisher", "")
	c.connect(other, "publisher", "")
	statuses := func(n int) (got []int) {
		for range n {
			got = append(got, c.signal(unifiedSample, "x", "y").status)
		}
		return got
	}
	check := func(name string, got, want []int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	s.AddFault(Fault{Op: OpCreateSession, Kind: FaultStatus})
	s.AddFault(Fault{SessionID: other, Kind: FaultStatus})
	s.AddFault(Fault{SignalType: "z", Kind: FaultStatus})
	s.AddFault(Fault{ConnectionID: "z", Kind: FaultStatus})
	s.AddFault(Fault{ProjectID: key, Kind: FaultStatus})
	s.AddFault(Fault{Match: func(c Call) bool { return c.SignalData == "z" }, Kind: FaultStatus})
	check("faults of other calls", statuses(2), []int{204, 204})
	check("calls they are for", []int{
		c.create(nil).status, c.signal(other, "x", "y").status, c.signal(unifiedSample, "z", "y").status,
		c.signal(unifiedSample, "x", "z").status,
	}, []int{503, 503, 503, 503})
	s.ClearFaults()
	s.AddFault(Fault{Op: OpSignal, After: 1, Count: 2, Kind: FaultRateLimited})
	check("the second and the third", statuses(5), []int{204, 429, 429, 204, 204})
	if got := s.Faults(); len(got) != 0 {
		t.Errorf("a spent fault is still there: %+v", got)
	}
	s.AddFault(Fault{Kind: FaultStatus, Status: 500})
	s.AddFault(Fault{Kind: FaultStatus, Status: 502})
	check("the first that matches", statuses(1), []int{500})
	s.ClearFaults()
	check("none left", statuses(1), []int{204})

	s.AddFault(Fault{Kind: FaultStatus, Rate: 0.25})
	failed := 0
	for _, st := range statuses(400) {
		if st == 503 {
			failed++
		}
	}
	if failed < 60 || failed > 140 { // repeatable: the seed is fixed
		t.Errorf("a rate of 1/4 struck %d of 400 times", failed)
	}
}

func TestFaultHooks(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	var sessions []int
	var seen []Call
	hook := func(call Call) { sessions = append(sessions, len(s.Sessions())); seen = append(seen, call) }
	s.AddFault(Fault{Hook: hook, Count: 1})
	s.AddFault(Fault{Hook: hook, When: AfterEffect, Count: 1})
	c.created(nil)
	id := c.created(nil)
	if !slices.Equal(sessions, []int{0, 2}) {
		t.Errorf("sessions at the hooks: %v, want none before the first and two after the second", sessions)
	}
	if seen[0].CreatedSessionID != "" || seen[1].CreatedSessionID != id || !seen[1].Effective || seen[1].Seq != 2 {
		t.Errorf("hooks saw %+v", seen)
	}
}

// The latency passes before the effect, on the injected clock, and a caller that gives up does not prevent the effect.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulator(t, Options{Clock: clock.RealClock{}}) // the bubble's clock
		c := as(t, s, Unified)
		s.SetLatency(100 * time.Millisecond)
		s.SetOpLatency(OpSignal, time.Second)
		s.SetOpLatency(OpListConnections, time.Minute)
		s.SetOpLatency(OpListConnections, -1)
		s.AddFault(Fault{Op: OpListArchives, Delay: time.Hour})
		took := func(f func()) time.Duration {
			start := time.Now()
			f()
			return time.Since(start)
		}
		for name, tc := range map[string]struct {
			call func()
			want time.Duration
		}{
			"create": {func() { c.create(nil) }, 100 * time.Millisecond},
			"signal": {func() { c.signal(unifiedSample, "x", "y") }, time.Second},
			"list": {
				func() { c.do(c.request("GET", c.path(unifiedSample, "/connection"), "", "")) }, 100 * time.Millisecond,
			},
			"archive": {
				func() { c.do(c.request("GET", "/v2/project/"+appID+"/archive", "", "")) },
				time.Hour + 100*time.Millisecond,
			},
		} {
			if got := took(tc.call); got != tc.want {
				t.Errorf("%s took %v, want %v", name, got, tc.want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		before := len(s.Sessions())
		c.do(c.request("POST", "/session/create", "", "").WithContext(ctx))
		if got := len(s.Sessions()); got != before+1 {
			t.Errorf("%d new sessions by a caller that gave up, want 1", got-before)
		}
		go func() {
			defer func() { _ = recover() }() // how a handler aborts a connection
			c.create(nil)
		}()
		synctest.Wait()
		s.Close() // releases the call
		if err := s.WaitIdle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
