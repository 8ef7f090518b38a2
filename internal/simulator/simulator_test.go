// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProjectValidate(t *testing.T) {
	pub := &rsaKey().PublicKey
	for name, tc := range map[string]struct {
		p  Project
		ok bool
	}{
		"unified":            {Project{Environment: Unified, ID: appID, PublicKey: pub}, true},
		"OpenTok":            {Project{Environment: OpenTok, ID: key, Secret: secret}, true},
		"unified, no key":    {Project{Environment: Unified, ID: appID}, false},
		"unified, a secret":  {Project{Environment: Unified, ID: appID, PublicKey: pub, Secret: "x"}, false},
		"unified, an API ID": {Project{Environment: Unified, ID: key, PublicKey: pub}, false},
		"OpenTok, no secret": {Project{Environment: OpenTok, ID: key}, false},
		"OpenTok, a key":     {Project{Environment: OpenTok, ID: key, Secret: "x", PublicKey: pub}, false},
		"OpenTok, a UUID":    {Project{Environment: OpenTok, ID: appID, Secret: "x"}, false},
		"neither":            {Project{ID: key, Secret: "x"}, false},
	} {
		if err := tc.p.Validate(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newSimulator(t, Options{})
	if s.AddProject(Project{}) == nil || s.RotateKey(key, pub) == nil || s.RotateSecret("1", "x") == nil {
		t.Error("an invalid project was taken")
	}
}

func TestSeed(t *testing.T) {
	ids := func(seed uint64) []string {
		s := newSimulator(t, Options{Seed: seed})
		return []string{s.NewSessionID(key, false), s.newUUID()}
	}
	if diff := cmp.Diff(ids(7), ids(7)); diff != "" {
		t.Errorf("the same seed gives other IDs: %s", diff)
	}
	if cmp.Equal(ids(7), ids(8)) {
		t.Error("another seed gives the same IDs")
	}
}

func TestBounds(t *testing.T) {
	s := newSimulator(t, Options{MaxCalls: 10, MaxSignals: 10, MaxHistory: 3, MaxSessions: 10})
	c := as(t, s, OpenTok)
	cl := c.connect(openTokSample, "publisher", "")
	for i := range 100 {
		c.created(nil)
		c.signal(openTokSample, "x", fmt.Sprint(i))
	}
	calls := s.Calls()
	if n := len(calls); n < 10 || n > 13 || calls[n-1].Seq != 200 || len(s.CallsSince(198)) != 2 || s.LastSeq() != 200 {
		t.Errorf("%d calls, the last is %d", n, calls[n-1].Seq)
	}
	signals := cl.Signals()
	if n := len(signals); n < 10 || n > 13 || signals[n-1].Seq != 100 || signals[n-1].Data != "99" {
		t.Errorf("%d signals, the last is %+v", n, signals[n-1])
	}
	sessions := s.Sessions()
	if len(sessions) > 13 || !strings.HasPrefix(sessions[len(sessions)-1].ID, openTokSample) {
		t.Errorf("%d sessions, the oldest %s", len(sessions), sessions[len(sessions)-1].ID)
	}
	if got := sessions[len(sessions)-1].Signals; len(got) != 3 || got[2].Data != "99" {
		t.Errorf("history %+v", got)
	}
	for range maxGone + 5 {
		c.connect(openTokSample, "publisher", "").Disconnect()
	}
	s.sessions.mu.RLock()
	defer s.sessions.mu.RUnlock()
	if n := len(s.sessions.conns); n != maxGone+1 {
		t.Errorf("%d clients kept, want %d", n, maxGone+1)
	}
}

// Everything at once, for the race detector; then the books must balance.
func TestConcurrency(t *testing.T) {
	s := newSimulator(t, Options{MaxSessions: 50})
	srv := httptest.NewServer(s)
	defer srv.Close()
	events, cancel := s.Subscribe()
	signals := make(chan int)
	go func() {
		n := 0
		for e := range events {
			if e.Kind == EventSignal {
				n += len(e.Signal.Recipients)
			}
			if e.Kind == EventConnectionDestroyed && e.SessionID == unifiedSample { // the last one, see below
				signals <- n
			}
		}
	}()
	const workers, rounds = 100, 2
	clients := make(chan *Client, 2*workers*rounds)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(worker)))
			c := as(t, s, environments[worker%2])
			for range rounds {
				sid := c.created(nil)
				token := sign(c.env, clientClaims(c.env, s.clock.Now().Unix(), sid, "moderator", ""))
				for range 2 {
					cl, err := s.Connect(token)
					if err != nil {
						t.Error(err)
						return
					}
					clients <- cl
					if rng.IntN(2) == 0 {
						_, _ = cl.Publish("", "camera")
					}
				}
				c.signal(sid, "x", "y")
				for _, info := range s.Connections(sid)[:1] {
					c.do(c.request("DELETE", c.path(sid, "/connection/"+info.ID), "", ""))
				}
				c.signal(sid, "x", "z")
				control{nil, s}.ok(c, "state?sessions=5")
				_ = s.AddProject(Project{Environment: OpenTok, ID: fmt.Sprint(rng.IntN(5) + 1), Secret: "x"})
			}
		})
	}
	wg.Wait()
	close(clients)
	received := 0
	for cl := range clients {
		received += len(cl.Signals())
		cl.Disconnect()
	}
	want := workers * rounds * (2 + 1)
	logged := 0
	for _, call := range s.Calls() {
		logged += call.Recipients
		if call.Status/100 != 2 || call.Finished.IsZero() {
			t.Errorf("call %+v", call)
		}
	}
	if received != want || logged != want {
		t.Errorf("clients received %d signals and the log has %d, want %d", received, logged, want)
	}
	as(t, s, Unified).connect(unifiedSample, "publisher", "").Disconnect()
	if n := <-signals; n != want {
		t.Errorf("the subscriber saw %d deliveries, want %d", n, want)
	}
	cancel()
}

func (c control) ok(by caller, path string) {
	if a := by.do(httptest.NewRequest("GET", "/_sim/"+path, nil)); a.status != 200 {
		by.t.Errorf("%s: %d", path, a.status)
	}
}

func TestPageIsSelfContained(t *testing.T) {
	s := newSimulator(t, Options{})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body := w.Body.String()
	if w.Code != 200 || !strings.Contains(body, "<title>") {
		t.Fatalf("%d %.200s", w.Code, body)
	}
	for _, pattern := range []string{
		`https?://`, `\ssrc=`, `@import`, `url\((?:[^d]|d[^a])`, `\son[a-z]+=`, `\sstyle=`, `innerHTML`, `\beval\b`,
	} {
		if m := regexp.MustCompile(pattern).FindString(body); m != "" {
			t.Errorf("the page has %q", m)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, tag := range []string{"script", "style"} {
		if n := strings.Count(body, "<"+tag); n != 1 {
			t.Errorf("%d %s elements, want 1: the policy knows one", n, tag)
		}
		if !strings.Contains(policy, tag+"-src "+inlineHash(tag)) {
			t.Errorf("policy %q lacks the %s", policy, tag)
		}
	}
}

// BenchmarkSignal measures what one signal to a session with two clients costs the server, over HTTP.
func BenchmarkSignal(b *testing.B) {
	for _, env := range environments {
		b.Run(string(env), func(b *testing.B) {
			s := newSimulator(b, Options{MaxCalls: 1000, MaxSignals: 10})
			srv := httptest.NewServer(s)
			defer srv.Close()
			c := as(b, s, env)
			header := c.request("POST", "/", "application/json", "").Header
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.RunParallel(func(pb *testing.PB) {
				sid := s.NewSessionID(projectID(env), false)
				c.connect(sid, "publisher", "")
				c.connect(sid, "publisher", "")
				for pb.Next() {
					r, err := http.NewRequest("POST", srv.URL+c.path(sid, "/signal"),
						strings.NewReader(`{"type":"x","data":"y"}`))
					if err != nil {
						b.Fatal(err)
					}
					r.Header = header
					resp, err := client.Do(r)
					if err != nil || resp.StatusCode != 204 {
						b.Fatal(err, resp)
					}
					resp.Body.Close()
				}
			})
		})
	}
}
