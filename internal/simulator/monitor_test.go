// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
)

// receiver takes callbacks without a network, so that it works in a bubble of virtual time.
type receiver struct {
	mu      sync.Mutex
	bodies  []string
	auth    []string
	times   []time.Time
	respond func(n int, body string) (int, error) // n counts from 1; nil: always 200
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.auth, r.times = append(r.bodies, string(b)), append(r.auth, req.Header.Get("Authorization")),
		append(r.times, time.Now())
	status := 200
	if r.respond != nil {
		if status, err = r.respond(len(r.bodies), string(b)); err != nil {
			return nil, err
		}
	}
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	return w.Result(), nil
}

func (r *receiver) events() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		var e MonitoringEvent
		if err := json.Unmarshal([]byte(b), &e); err != nil {
			panic(err)
		}
		out = append(out, e.Event)
	}
	return out
}

func monitored(t *testing.T, r *receiver, o Options) (*Simulator, caller) {
	o.Clock, o.CallbackURL, o.CallbackClient = clock.RealClock{}, "http://callbacks.test/", &http.Client{Transport: r}
	s := newSimulator(t, o)
	return s, as(t, s, OpenTok)
}

func TestCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s, c := monitored(t, r, Options{CallbackSecret: "callback-secret"})
		sid := s.NewSessionID(key, false)
		cl := c.connect(sid, "publisher", "<Ms Jones>")
		second := c.connect(sid, "publisher", "")
		stream, _ := cl.Publish("cam", "camera")
		cl.Drop()
		second.Disconnect()
		synctest.Wait()
		now := time.Now().UnixMilli()
		conn := object{"id": cl.ID(), "createdAt": float64(now), "data": "<Ms Jones>"}
		conn2 := object{"id": second.ID(), "createdAt": float64(now), "data": ""}
		str := object{"id": stream, "connection": conn, "createdAt": float64(now), "name": "cam", "videoType": "camera"}
		event := func(name string, more object) object {
			return with(object{"sessionId": sid, "projectId": key, "event": name, "timestamp": float64(now)}, more)
		}
		want := []object{
			event("sessionCreated", nil),
			event("connectionCreated", object{"connection": conn}),
			event("connectionCreated", object{"connection": conn2}),
			event("streamCreated", object{"stream": str}),
			event("streamDestroyed", object{"stream": str, "reason": "networkDisconnected"}),
			event("connectionDestroyed", object{"connection": conn, "reason": "networkDisconnected"}),
			event("connectionDestroyed", object{"connection": conn2, "reason": "clientDisconnected"}),
			event("sessionDestroyed", nil),
		}
		var got []object
		for _, b := range r.bodies {
			var o object
			if err := json.Unmarshal([]byte(b), &o); err != nil {
				t.Fatal(err)
			}
			got = append(got, o)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		checkCallbackSignature(t, r.auth[0], r.bodies[0])
		for _, d := range s.Callbacks() {
			if !d.Delivered || d.Attempts != 1 || d.LastStatus != 200 {
				t.Errorf("delivery %+v", d)
			}
		}
	})
}

func checkCallbackSignature(t *testing.T, auth, body string) {
	t.Helper()
	token, ok := strings.CutPrefix(auth, "Bearer ")
	j, err := parseJWT(token)
	if !ok || err != nil || !j.verifyHS256("callback-secret") {
		t.Fatalf("header is not signed: %v", err)
	}
	sum := sha256.Sum256([]byte(body))
	iat, _ := j.claims.seconds("iat")
	if j.claims["iss"] != "Vonage" || j.claims["payload_hash"] != hex.EncodeToString(sum[:]) ||
		j.claims["api_key"] != key || iat != time.Now().Unix() || j.claims["jti"] == nil {
		t.Errorf("claims %v", j.claims)
	}
}

// The vector's hash was computed over the body as the vendor documents it.
func TestCallbackVector(t *testing.T) {
	body := MonitoringEvent{
		SessionID: openTokSample, ProjectID: key, Event: eventConnectionCreated, Timestamp: 1767225660123,
		Connection: &MonitoringConnection{
			ID: "b7c5f0a4-1111-4222-8333-444455556666", CreatedAt: 1767225660101, Data: "role=learner",
		},
	}.Encode()
	sum := sha256.Sum256(body)
	if got, want := hex.EncodeToString(sum[:]),
		"d4eb8334cfc8d4a770c8f2e8c7eeb2734bd61f5a6f10476df3368bc528a51436"; got != want {
		t.Errorf("hash %s of %s, want %s", got, body, want)
	}
	claims := `{"iss":"Vonage","iat":1767225660,"jti":"6f1c1f0e-0000-4000-8000-000000000003","payload_hash":"d4eb8334cfc8d4a770c8f2e8c7eeb2734bd61f5a6f10476df3368bc528a51436","api_key":"45828062"}`
	want := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJWb25hZ2UiLCJpYXQiOjE3NjcyMjU2NjAsImp0aSI6IjZmMWMxZjBlLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMyIsInBheWxvYWRfaGFzaCI6ImQ0ZWI4MzM0Y2ZjOGQ0YTc3MGM4ZjJlOGM3ZWViMjczNGJkNjFmNWE2ZjEwNDc2ZGYzMzY4YmM1MjhhNTE0MzYiLCJhcGlfa2V5IjoiNDU4MjgwNjIifQ.1c2UK89Fx0B-sodhbL6E22dTEWy8A6Qz8V9fqax8W_o"
	if got := signHS256("callback-signature-secret-0001-abcdef", []byte(claims)); got != want {
		t.Errorf("signed %s", got)
	}
}

func TestCallbackRetries(t *testing.T) {
	tests := map[string]struct {
		respond      func(n int, body string) (int, error)
		wantGaps     []time.Duration // between the first attempts
		wantAttempts int
		wantGivenUp  bool
	}{
		"works the fourth time": {
			func(n int, _ string) (int, error) {
				switch n {
				case 1:
					return 500, nil
				case 2:
					return 0, errors.New("refused")
				case 3:
					return 302, nil
				}
				return 204, nil
			},
			[]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}, 4, false,
		},
		"never works": {
			func(int, string) (int, error) { return 404, nil },
			[]time.Duration{
				5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second,
				160 * time.Second, 320 * time.Second,
				640 * time.Second, 900 * time.Second, 900 * time.Second,
			},
			// 1 + 8 doubling ones, which end 1275 s in, + one every 900 s in what is left of 86400 s
			9 + (86400-1275)/900, true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{respond: tc.respond}
				s, c := monitored(t, r, Options{SessionDestroyDelay: 48 * time.Hour})
				s.AddCallbackFault(CallbackFault{Event: eventConnectionCreated, Kind: CallbackLost})
				c.connect(s.NewSessionID(key, false), "publisher", "")
				err := s.WaitCallbacks(t.Context(), func(l []CallbackDelivery) bool {
					return l[0].Delivered || l[0].GivenUp
				})
				if err != nil {
					t.Fatal(err)
				}
				if d := s.Callbacks()[0]; d.Attempts != tc.wantAttempts || d.GivenUp != tc.wantGivenUp ||
					len(r.bodies) != tc.wantAttempts {
					t.Errorf("%d sent, %+v, want %d", len(r.bodies), d, tc.wantAttempts)
				}
				for i, want := range tc.wantGaps {
					if got := r.times[i+1].Sub(r.times[i]); got != want {
						t.Errorf("gap %d is %v, want %v", i+1, got, want)
					}
				}
			})
		})
	}
}

func TestCallbackFaults(t *testing.T) {
	all := []string{eventSessionCreated, eventConnectionCreated, eventStreamCreated}
	tests := map[string]struct {
		fault      CallbackFault
		want       []string
		wantSigned []bool
	}{
		"none": {CallbackFault{Event: "x", Kind: CallbackLost}, all, []bool{true, true, true}},
		"lost": {
			CallbackFault{Event: eventConnectionCreated, Kind: CallbackLost}, []string{all[0], all[2]},
			[]bool{true, true},
		},
		"duplicated": {
			CallbackFault{Event: eventConnectionCreated, Kind: CallbackDuplicated},
			[]string{all[0], all[1], all[1], all[2]}, []bool{true, true, true, true},
		},
		"reordered": {
			CallbackFault{After: 1, Count: 1, Kind: CallbackReordered}, []string{all[0], all[2], all[1]},
			[]bool{true, true, true},
		},
		"a day late": {
			CallbackFault{Count: 1, Kind: CallbackDelayed, Delay: 24 * time.Hour}, []string{all[1], all[2], all[0]},
			[]bool{true, true, true},
		},
		"unsigned": {CallbackFault{Count: 1, Kind: CallbackUnsigned}, all, []bool{false, true, true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				s, c := monitored(t, r, Options{CallbackSecret: "callback-secret"})
				s.AddCallbackFault(tc.fault)
				cl := c.connect(s.NewSessionID(key, false), "publisher", "")
				if _, err := cl.Publish("", ""); err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Hour) // virtual
				if diff := cmp.Diff(tc.want, r.events()); diff != "" {
					t.Error(diff)
				}
				var signed []bool
				for _, a := range r.auth {
					signed = append(signed, a != "")
				}
				if !slices.Equal(signed, tc.wantSigned) {
					t.Errorf("signed %v, want %v", signed, tc.wantSigned)
				}
			})
		})
	}
}

func TestSessionDestroyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s, c := monitored(t, r, Options{SessionDestroyDelay: time.Minute})
		s.AddCallbackFault(CallbackFault{Event: eventConnectionCreated, Kind: CallbackLost})
		s.AddCallbackFault(CallbackFault{Event: eventConnectionDestroyed, Kind: CallbackLost})
		sid := s.NewSessionID(key, false)
		c.connect(sid, "publisher", "").Disconnect()
		time.Sleep(59 * time.Second)
		back := c.connect(sid, "publisher", "") // in time: the session lives on
		time.Sleep(time.Hour)
		back.Disconnect()
		time.Sleep(time.Hour)
		c.connect(sid, "publisher", "")
		synctest.Wait()
		if diff := cmp.Diff(
			[]string{eventSessionCreated, eventSessionDestroyed, eventSessionCreated}, r.events(),
		); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzSessionMonitoringBody: what a receiver decodes is what happened.
func FuzzSessionMonitoringBody(f *testing.F) {
	f.Add("connectionCreated", "", `{"name":"Ada"}`, "cam", "camera", int64(vectorTime), true)
	f.Add("streamDestroyed", "forceDisconnected", "<\u2028>&\x00\"\\", "", "", int64(-1), false)
	f.Fuzz(func(t *testing.T, event, reason, data, name, video string, at int64, stream bool) {
		for _, text := range []string{event, reason, data, name, video} {
			if !utf8.ValidString(text) {
				t.Skip("cannot come from a token")
			}
		}
		want := MonitoringEvent{SessionID: openTokSample, ProjectID: key, Event: event, Reason: reason, Timestamp: at}
		conn := &MonitoringConnection{ID: "c", CreatedAt: at, Data: data}
		if stream {
			want.Stream = &MonitoringStream{ID: "s", Connection: conn, CreatedAt: at, Name: name, VideoType: video}
		} else {
			want.Connection = conn
		}
		var got MonitoringEvent
		if err := json.Unmarshal(want.Encode(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
