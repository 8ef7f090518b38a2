// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClient(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	cl := c.connect(unifiedSample, "moderator", `{"name":"Ms Jones"}`)
	if cl.Data() != `{"name":"Ms Jones"}` || cl.Role() != "moderator" || cl.SessionID() != unifiedSample ||
		!cl.Connected() {
		t.Errorf("client %+v", cl.Info())
	}
	if s.Client(cl.ID()) != cl || s.Client("x") != nil {
		t.Error("the client is not found by its ID")
	}
	c.signal(unifiedSample, "a", "1")
	c.signal(unifiedSample, "b", "2")
	got, err := cl.WaitSignals(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].Type != "a" || got[1].Type != "b" || got[0].ID >= got[1].ID {
		t.Errorf("signals %+v, %v", got, err)
	}
	cl.Disconnect()
	cl.Drop() // too late
	if cl.DisconnectReason() != ReasonClientDisconnected {
		t.Errorf("reason %q", cl.DisconnectReason())
	}
	c.connect(unifiedSample, "publisher", "")
	c.signal(unifiedSample, "c", "3")
	if len(cl.Signals()) != 2 {
		t.Error("a client that left received a signal")
	}
	if _, err := cl.WaitSignals(t.Context(), 3); err == nil {
		t.Error("waiting for a signal that cannot come succeeded")
	}
	var kinds []ClientEventKind
	for e := range cl.Events(t.Context()) {
		kinds = append(kinds, e.Kind)
	}
	if want := []ClientEventKind{ClientSignal, ClientSignal, ClientDisconnected}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
}

func TestWaiting(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	cl := c.connect(unifiedSample, "publisher", "")
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := cl.WaitSignals(ctx, 1); !errors.Is(err, cause) {
		t.Errorf("WaitSignals: %v", err)
	}
	if _, err := cl.WaitDisconnected(ctx); !errors.Is(err, cause) {
		t.Errorf("WaitDisconnected: %v", err)
	}
	if _, err := s.WaitCall(ctx, func(Call) bool { return false }); !errors.Is(err, cause) {
		t.Errorf("WaitCall: %v", err)
	}
	done := make(chan string)
	go func() {
		reason, _ := cl.WaitDisconnected(t.Context())
		done <- reason
	}()
	signals := make(chan int)
	go func() {
		got, _ := cl.WaitSignals(t.Context(), 1)
		signals <- len(got)
	}()
	call := make(chan Op)
	go func() {
		got, _ := s.WaitCall(t.Context(), func(c Call) bool { return c.Op == OpSignal })
		call <- got.Op
	}()
	c.signal(unifiedSample, "x", "y")
	if n := <-signals; n != 1 {
		t.Errorf("%d signals", n)
	}
	if op := <-call; op != OpSignal {
		t.Errorf("op %q", op)
	}
	cl.Drop()
	if reason := <-done; reason != ReasonNetworkDisconnected {
		t.Errorf("reason %q", reason)
	}
	if err := s.WaitIdle(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRoles(t *testing.T) {
	for role, want := range map[string]struct{ publish, signal bool }{
		"moderator": {true, true}, "publisher": {true, true}, "publisheronly": {true, false},
		"subscriber": {false, false},
	} {
		s := newSimulator(t, Options{})
		cl := as(t, s, OpenTok).connect(openTokSample, role, "")
		_, perr := cl.Publish("", "screen")
		n, serr := cl.Signal("x", "y", "")
		if (perr == nil) != want.publish || (serr == nil) != want.signal {
			t.Errorf("%s: publish %v, signal %v, want %+v", role, perr, serr, want)
		}
		if serr == nil && (n != 1 || cl.Signals()[0].From != cl.ID()) {
			t.Errorf("%s: signal to %d: %+v", role, n, cl.Signals())
		}
	}
}

func TestClientSignalRefusals(t *testing.T) {
	s := newSimulator(t, Options{})
	cl := as(t, s, OpenTok).connect(openTokSample, "publisher", "")
	for name, call := range map[string]func() error{
		"bad type":          func() error { _, err := cl.Signal("a b", "", ""); return err },
		"unknown recipient": func() error { _, err := cl.Signal("a", "", "x"); return err },
		"unknown video":     func() error { _, err := cl.Publish("", "film"); return err },
	} {
		var ce *ConnectError
		if err := call(); !errors.As(err, &ce) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cl.Disconnect()
	if _, err := cl.Signal("a", "", ""); err == nil {
		t.Error("signalled without being connected")
	}
	if _, err := cl.Publish("", ""); err == nil {
		t.Error("published without being connected")
	}
}

func TestSubscribe(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	events, cancel := s.Subscribe()
	sid := c.created(nil)
	cl := c.connect(sid, "publisher", "x")
	c.signal(sid, "a", "b")
	id, _ := cl.Publish("", "camera")
	cl.Disconnect()
	var got []string
	for range 8 {
		e := <-events
		got = append(got, string(e.Kind)+" "+e.Reason)
		if e.SessionID != sid && e.Kind != EventCall {
			t.Errorf("event %+v is of another session", e)
		}
		if e.Stream != nil && e.Stream.ID != id {
			t.Errorf("stream %+v", e.Stream)
		}
		if e.Signal != nil && !slices.Equal(e.Signal.Recipients, []string{cl.ID()}) {
			t.Errorf("recipients %v", e.Signal.Recipients)
		}
	}
	want := []string{
		"sessionMade ", "call ", "connectionCreated ", "signal ", "call ", "streamCreated ",
		"streamDestroyed clientDisconnected",
		"connectionDestroyed clientDisconnected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	cancel()
	for range events { // closed
	}
	cancel() // a second time does nothing
}

// All clients of a session see all signals in one order, whatever goes on at the same time.
func TestOneOrderForAll(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	var clients []*Client
	for range 5 {
		clients = append(clients, c.connect(unifiedSample, "publisher", ""))
	}
	const senders, each = 8, 20
	done := make(chan int)
	for i := range senders {
		go func() {
			ok := 0
			for j := range each {
				if c.signal(unifiedSample, "x", fmt.Sprint(i, j)).status == 204 {
					ok++
				}
			}
			done <- ok
		}()
	}
	for range senders {
		if ok := <-done; ok != each {
			t.Errorf("%d of %d accepted", ok, each)
		}
	}
	first := clients[0].Signals()
	if len(first) != senders*each {
		t.Fatalf("%d signals, want %d", len(first), senders*each)
	}
	for _, cl := range clients[1:] {
		if diff := cmp.Diff(first, cl.Signals()); diff != "" {
			t.Fatalf("two clients saw different orders: %s", diff)
		}
	}
}
