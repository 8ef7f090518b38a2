// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type control struct {
	t *testing.T
	s *Simulator
}

func (c control) do(method, path, body string) answer {
	r := httptest.NewRequest(method, "/_sim/"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return caller{c.t, c.s, Unified}.do(r)
}

func (c control) want(status int, method, path, body string) answer {
	c.t.Helper()
	a := c.do(method, path, body)
	if a.status != status {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

func TestControlClient(t *testing.T) {
	s := newSimulator(t, Options{})
	c, ctl := as(t, s, Unified), control{t, s}
	token := sign(Unified, clientClaims(Unified, vectorTime, unifiedSample, "publisher", `{"name":"Ada"}`))
	a := ctl.want(201, "POST", "connections", `{"token":"`+token+`"}`)
	id := a.field("id").(string)
	if a.field("sessionId") != unifiedSample || a.field("role") != "publisher" || a.field("data") != `{"name":"Ada"}` ||
		a.field("connected") != true {
		t.Errorf("connected: %s", a.text)
	}
	c.signal(unifiedSample, "a", "1")
	c.signal(unifiedSample, "b", "2")
	a = ctl.want(200, "GET", "connections/"+id+"/signals?since=1", "")
	var got []Signal
	if err := json.Unmarshal([]byte(a.text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(
		[]Signal{{Seq: 2, Type: "b", Data: "2"}}, got, cmpopts.IgnoreFields(Signal{}, "ID", "Time"),
	); diff != "" {
		t.Error(diff)
	}
	if a := ctl.want(
		200, "POST", "connections/"+id+"/signals", `{"type":"c","data":"3"}`,
	); a.field("recipients") != 1.0 {
		t.Errorf("sent: %s", a.text)
	}
	stream := ctl.want(201, "POST", "connections/"+id+"/streams",
		`{"name":"cam","videoType":"camera"}`).field("id").(string)
	ctl.want(403, "POST", "connections/"+id+"/streams", `{"videoType":"film"}`)
	ctl.want(204, "DELETE", "connections/"+id+"/streams/"+stream, "")
	ctl.want(404, "DELETE", "connections/"+id+"/streams/"+stream, "")
	ctl.want(400, "DELETE", "connections/"+id+"?reason=bored", "")
	ctl.want(204, "DELETE", "connections/"+id+"?reason=networkDisconnected", "")
	if a := ctl.want(200, "GET", "connections/"+id, ""); a.field("reason") != ReasonNetworkDisconnected ||
		a.field("connected") != false {
		t.Errorf("disconnected: %s", a.text)
	}
	ctl.want(404, "GET", "connections/x", "")
	if a := ctl.want(403, "POST", "connections", `{"token":"secret-looking"}`); a.field("code") != 1004.0 ||
		strings.Contains(a.text, "secret-looking") {
		t.Errorf("refused: %s", a.text)
	}
	if a := ctl.want(400, "POST", "connections", `{"tokn":"secret-looking"}`); strings.Contains(a.text, "tokn") {
		t.Errorf("malformed: %s", a.text)
	}
}

func TestControlSettings(t *testing.T) {
	s := newSimulator(t, Options{})
	c, ctl := as(t, s, Unified), control{t, s}
	ctl.want(204, "PUT", "latency", `{"default":"1ms","operations":{"signal":"2s"}}`)
	if diff := cmp.Diff(
		object{"default": "1ms", "operations": object{"signal": "2s"}}, ctl.want(200, "GET", "latency", "").json,
	); diff != "" {
		t.Error(diff)
	}
	if s.latencyOf(OpSignal) != 2*time.Second || s.latencyOf(OpCreateSession) != time.Millisecond {
		t.Error("the latency was not set")
	}
	ctl.want(204, "PUT", "latency", `{"default":"0s"}`)
	ctl.want(204, "POST", "faults", `{"op":"signal","kind":"RateLimited","retryAfter":"3","count":1,"delay":"0s"}`)
	if a := c.signal(unifiedSample, "x", "y"); a.status != 429 || a.header.Get("Retry-After") != "3" {
		t.Errorf("fault: %d %v", a.status, a.header)
	}
	ctl.want(204, "POST", "faults", `{"kind":"Status","delay":"1s"}`)
	if diff := cmp.Diff(
		[]any{object{"kind": "Status", "delay": "1s"}}, ctl.want(200, "GET", "faults", "").json,
	); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		`{"kind":"Fire"}`, `{"knd":"Status"}`, `{"kind":"Status","status":99}`, `{"rate":2}`, `{"delay":"-1s"}`, `no`,
	} {
		ctl.want(400, "POST", "faults", bad)
	}
	ctl.want(204, "DELETE", "faults", "")
	ctl.want(204, "PUT", "empty-session", `{"mode":"NoContentAfterUse","grace":"10s"}`)
	if diff := cmp.Diff(
		object{"mode": "NoContentAfterUse", "grace": "10s"}, ctl.want(200, "GET", "empty-session", "").json,
	); diff != "" {
		t.Error(diff)
	}
	ctl.want(400, "PUT", "empty-session", `{"mode":"Maybe"}`)
	ctl.want(204, "PUT", "empty-session", `{"mode":"NoContent"}`)
	if a := c.signal(unifiedSample, "x", "y"); a.status != 204 {
		t.Errorf("empty session: %d", a.status)
	}
	ctl.want(204, "POST", "callback-faults", `{"kind":"Delayed","delay":"24h"}`)
	ctl.want(400, "POST", "callback-faults", `{"kind":"Fire"}`)
	ctl.want(204, "DELETE", "callback-faults", "")
	if a := ctl.want(200, "GET", "callbacks", ""); a.text != "[]" {
		t.Errorf("callbacks: %s", a.text)
	}
	var calls []Call
	if err := json.Unmarshal([]byte(ctl.want(200, "GET", "calls?since=1", "").text), &calls); err != nil ||
		len(calls) != 1 || calls[0].Seq != 2 {
		t.Errorf("calls %+v, %v", calls, err)
	}
	ctl.want(400, "GET", "calls?since=x", "")
	ctl.want(204, "DELETE", "calls", "")
	if len(s.Calls()) != 0 {
		t.Error("the log was not emptied")
	}
	if diff := cmp.Diff(
		[]any{object{"environment": "Unified", "id": appID}, object{"environment": "OpenTok", "id": key}},
		ctl.want(200, "GET", "projects", "").json,
	); diff != "" {
		t.Error(diff)
	}
	ctl.want(204, "PUT", "clock-offset", `{"offset":"-1h"}`)
	if a := c.create(nil); a.status != 403 {
		t.Errorf("with a slow clock: %d", a.status)
	}
	ctl.want(204, "PUT", "clock-offset", `{"offset":"0s"}`)
	ctl.want(204, "DELETE", "projects/"+appID, "")
	ctl.want(404, "DELETE", "projects/"+appID, "")
	if a := c.create(nil); a.status != 403 {
		t.Errorf("after the removal: %d", a.status)
	}
	ctl.want(404, "GET", "nothing", "")
	ctl.want(404, "PATCH", "latency", "{}")
	ctl.want(400, "GET", "state?sessions=x", "")
	r := httptest.NewRequest("PUT", "/_sim/latency", strings.NewReader(`{"default":"1h"}`))
	r.Header.Set("Content-Type", "text/plain") // what a form of another site could send
	if a := c.do(r); a.status != 415 {
		t.Errorf("plain text: %d, want 415", a.status)
	}
}

// No token, key or secret may show anywhere.
func TestNothingSecretIsShown(t *testing.T) {
	var log strings.Builder
	s := newSimulator(t, Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	ctl := control{t, s}
	for _, env := range environments {
		c := as(t, s, env)
		sid := c.created(nil)
		token := sign(env, clientClaims(env, vectorTime, sid, "publisher", ""))
		if _, err := s.Connect(token); err != nil {
			t.Fatal(err)
		}
		r := c.request("POST", c.path(sid, "/signal"), "application/json", `{"type":"x","data":"y"}`)
		rest := r.Header.Get("Authorization") + r.Header.Get("X-Opentok-Auth")
		c.do(r)
		calls, err := json.Marshal(s.Calls())
		if err != nil {
			t.Fatal(err)
		}
		shown := string(calls) + log.String() + ctl.want(200, "GET", "state", "").text + ctl.want(200, "GET", "calls",
			"").text +
			ctl.want(200, "GET", "projects", "").text
		if !strings.Contains(shown, sid) || !strings.Contains(log.String(), "op=signal") {
			t.Fatal("the test looks at nothing")
		}
		for name, value := range map[string]string{
			"client token": token[len(token)-40:], "REST JWT": rest[len(rest)-40:], "secret": secret,
		} {
			if strings.Contains(shown, value) {
				t.Errorf("%s: the %s is shown", env, name)
			}
		}
	}
	for _, p := range []Project{{Environment: OpenTok, ID: key, Secret: secret}} {
		if text := p.String() + p.GoString(); strings.Contains(text, secret) {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestEventStream(t *testing.T) {
	s := newSimulator(t, Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	c := as(t, s, Unified)
	c.connect(unifiedSample, "publisher", `{"name":"Ada"}`)
	resp, err := http.Get(srv.URL + "/_sim/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %q", ct)
	}
	in := bufio.NewReader(resp.Body)
	next := func(v any) string {
		t.Helper()
		var name string
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			switch k, val, _ := strings.Cut(strings.TrimSpace(line), ": "); k {
			case "event":
				name = val
			case "data":
				if err := json.Unmarshal([]byte(val), v); err != nil {
					t.Fatal(err)
				}
				return name
			}
		}
	}
	var st State
	if name := next(&st); name != "state" || len(st.Sessions) != 1 || len(st.Sessions[0].Connections) != 1 ||
		st.SessionCount != 1 {
		t.Errorf("first %s: %+v", name, st)
	}
	c.signal(unifiedSample, "x", "a\nb")
	var e Event
	if name := next(&e); name != "signal" || e.Signal.Data != "a\nb" || len(e.Signal.Recipients) != 1 {
		t.Errorf("second %s: %+v", name, e)
	}
	if name := next(&e); name != "call" || e.Call.Status != 204 {
		t.Errorf("third %s: %+v", name, e)
	}
	s.Close()
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("the stream did not end well: %v", err)
	}
}
