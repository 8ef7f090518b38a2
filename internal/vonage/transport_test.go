// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// idempotentOps are the calls for which an unclear outcome is only transient.
var idempotentOps = map[string]bool{OpListConnections: true, OpForceDisconnect: true, OpProbe: true}

func wantUnclear(op string) Class {
	if idempotentOps[op] {
		return ClassTransient
	}
	return ClassAmbiguous
}

func wantTimeout(op string) time.Duration {
	if op == OpSignal || op == OpSignalConnection {
		return DefaultSignalTimeout
	}
	return DefaultRequestTimeout
}

// inBackground runs a call and returns a channel with its result.
func inBackground(ctx context.Context, call call, c *Client) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call.run(ctx, c) }()
	return done
}

func TestTimeoutAfterSending(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			arrived := make(chan struct{})
			fake := clocktesting.NewFakeClock(testNow)
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(arrived)
				<-r.Context().Done()
			}), WithClock(fake))
			done := inBackground(t.Context(), call, client)
			<-arrived
			fake.Step(wantTimeout(call.op) - time.Millisecond)
			select {
			case err := <-done:
				t.Fatalf("gave up too early: %v", err)
			default:
			}
			fake.Step(time.Millisecond)
			checkUnanswered(t, call.op, <-done)
		})
	}
}

func checkUnanswered(t *testing.T, op string, err error) {
	t.Helper()
	if ClassOf(err) != wantUnclear(op) || !errors.Is(err, os.ErrDeadlineExceeded) || !err.(*Error).Sent {
		t.Errorf("error = %#v, want class %s, sent", err, wantUnclear(op))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Error("the error looks like the caller's own context")
	}
}

// A status without the body that it announces says nothing of what was done.
func TestTimeoutInTheReply(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			flushed := make(chan struct{})
			fake := clocktesting.NewFakeClock(testNow)
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Length", "1000")
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, `[{"session_id":`)
				w.(http.Flusher).Flush()
				close(flushed)
				<-r.Context().Done()
			}), WithClock(fake))
			done := inBackground(t.Context(), call, client)
			<-flushed
			fake.Step(wantTimeout(call.op))
			checkUnanswered(t, call.op, <-done)
		})
	}
}

func TestTimeoutBeforeSending(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			dialling := make(chan struct{})
			fake := clocktesting.NewFakeClock(testNow)
			transport := NewTransport()
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				close(dialling)
				<-ctx.Done()
				return nil, ctx.Err()
			}
			client := newClientFor(t, OpenTok, WithEndpoint("http://127.0.0.1"), WithTransport(transport),
				WithClock(fake))
			done := inBackground(t.Context(), call, client)
			<-dialling
			fake.Step(wantTimeout(call.op))
			err := <-done
			if ClassOf(err) != ClassTransient || !errors.Is(err, os.ErrDeadlineExceeded) || err.(*Error).Sent {
				t.Errorf("error = %#v, want a transient one, not sent", err)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			arrived := make(chan struct{})
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(arrived)
				<-r.Context().Done()
			}))
			ctx, cancel := context.WithCancel(t.Context())
			done := inBackground(ctx, call, client)
			<-arrived
			cancel()
			err := <-done
			if ClassOf(err) != ClassCanceled || !errors.Is(err, context.Canceled) || !err.(*Error).Sent {
				t.Errorf("error = %#v, want canceled and sent", err)
			}
			err = call.run(ctx, client)
			if ClassOf(err) != ClassCanceled || !errors.Is(err, context.Canceled) || err.(*Error).Sent {
				t.Errorf("error = %#v, want canceled and not sent", err)
			}
		})
	}
}

// The caller gives up while the body is on its way.
func TestCallerGivesUpInTheReply(t *testing.T) {
	flushed := make(chan struct{})
	client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `[{"session_id":`)
		w.(http.Flusher).Flush()
		close(flushed)
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := inBackground(ctx, allCalls(OpenTok)[0], client)
	<-flushed
	cancel()
	if err := <-done; ClassOf(err) != ClassCanceled || !errors.Is(err, context.Canceled) || !err.(*Error).Sent {
		t.Errorf("error = %#v, want canceled and sent", err)
	}
}

// A portal that answers 200 with a web page has delivered nothing.
func TestWebPageForAReply(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "Text/HTML; charset=utf-8")
		}))
		if err := call.run(t.Context(), client); ClassOf(err) != wantUnclear(call.op) {
			t.Errorf("%s: error = %v, want class %s", call.op, err, wantUnclear(call.op))
		}
	}
}

func TestConnectionLost(t *testing.T) {
	hijack := func(w http.ResponseWriter, then func(*net.TCPConn, *bufio.ReadWriter)) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		then(conn.(*net.TCPConn), buffer)
	}
	tests := map[string]func(*net.TCPConn, *bufio.ReadWriter){
		"closed": func(*net.TCPConn, *bufio.ReadWriter) {},
		"reset":  func(conn *net.TCPConn, _ *bufio.ReadWriter) { _ = conn.SetLinger(0) },
		"not HTTP": func(_ *net.TCPConn, b *bufio.ReadWriter) {
			_, _ = b.WriteString(foreignText + "\r\n\r\n")
			_ = b.Flush()
		},
		"half a reply": func(_ *net.TCPConn, b *bufio.ReadWriter) {
			_, _ = b.WriteString("HTTP/1.1 200 OK\r\nContent-Le")
			_ = b.Flush()
		},
		"endless header": func(_ *net.TCPConn, b *bufio.ReadWriter) {
			_, _ = b.WriteString("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n")
			_ = b.Flush()
		},
	}
	for name, end := range tests {
		for _, call := range allCalls(OpenTok) {
			t.Run(name+" "+call.op, func(t *testing.T) {
				var requests atomic.Int32
				client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					requests.Add(1)
					hijack(w, end)
				}))
				err := call.run(t.Context(), client)
				if ClassOf(err) != wantUnclear(call.op) || !err.(*Error).Sent ||
					strings.Contains(err.Error(), foreignText) {
					t.Errorf("error = %#v, want class %s, sent", err, wantUnclear(call.op))
				}
				if requests.Load() != 1 {
					t.Errorf("%d requests, want 1", requests.Load())
				}
			})
		}
	}
}

func TestNothingThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	unresolvable := NewTransport()
	unresolvable.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{
			Op: "dial", Err: &net.DNSError{Err: "no such host", Name: foreignText, IsNotFound: true},
		}
	}
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of our refusal
	tlsServer.StartTLS()
	defer tlsServer.Close()
	plainServer := httptest.NewServer(http.NotFoundHandler())
	defer plainServer.Close()
	tests := map[string]struct {
		opts     []Option
		wantErr  string
		wantWrap error
	}{
		"refused":   {[]Option{WithEndpoint(server.URL)}, "refuses connections", syscall.ECONNREFUSED},
		"DNS":       {[]Option{WithTransport(unresolvable)}, "cannot be resolved", nil},
		"untrusted": {[]Option{WithEndpoint(tlsServer.URL)}, "certificate is not trusted", nil},
		"no TLS": {
			[]Option{WithEndpoint("https" + strings.TrimPrefix(plainServer.URL, "http"))}, "does not speak TLS", nil,
		},
	}
	for name, tc := range tests {
		for _, call := range allCalls(OpenTok) {
			t.Run(name+" "+call.op, func(t *testing.T) {
				err := call.run(t.Context(), newClientFor(t, OpenTok, tc.opts...))
				if ClassOf(err) != ClassTransient || err.(*Error).Sent || !strings.Contains(err.Error(), tc.wantErr) ||
					strings.Contains(err.Error(), foreignText) {
					t.Errorf("error = %#v, want a transient one, not sent, with %q", err, tc.wantErr)
				}
				if tc.wantWrap != nil && !errors.Is(err, tc.wantWrap) {
					t.Errorf("error does not wrap %v", tc.wantWrap)
				}
			})
		}
	}
}

// TestNoReplayAfterSending: a kept-alive connection is closed by the server after
// it read the second request. net/http repeats a GET by itself then; a POST or
// DELETE it must not.
func TestNoReplayAfterSending(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			var requests atomic.Int32
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == 2 {
					_, _ = io.Copy(io.Discard, r.Body)
					panic(http.ErrAbortHandler)
				}
				goodReply(w, r)
			}))
			if err := call.run(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			err := call.run(t.Context(), client)
			wantRequests := int32(2)
			if call.op == OpListConnections || call.op == OpProbe {
				wantRequests = 3
				if err != nil {
					t.Errorf("error = %v, want none", err)
				}
			} else if ClassOf(err) != wantUnclear(call.op) {
				t.Errorf("error = %v, want class %s", err, wantUnclear(call.op))
			}
			if got := requests.Load(); got != wantRequests {
				t.Errorf("%d requests, want %d", got, wantRequests)
			}
		})
	}
}

// dyingConn fails, from its second request on, before it writes anything.
type dyingConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c dyingConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}

func TestReplayBeforeSending(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			var requests, dials atomic.Int32
			var dead atomic.Bool
			transport := NewTransport()
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				if err == nil && dials.Add(1) == 1 {
					conn = dyingConn{conn, &dead}
				}
				return conn, err
			}
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				goodReply(w, r)
			}), WithTransport(transport))
			for i := range 2 {
				if err := call.run(t.Context(), client); err != nil {
					t.Fatalf("call %d: %v", i+1, err)
				}
				dead.Store(true)
			}
			if requests.Load() != 2 || dials.Load() != 2 {
				t.Errorf("%d requests over %d connections, want 2 over 2", requests.Load(), dials.Load())
			}
		})
	}
}

func TestReplayRule(t *testing.T) {
	tests := map[string]struct {
		http2, written, wantRefused bool
	}{
		"HTTP/1, nothing written":   {false, false, false},
		"HTTP/1, buffered at least": {false, true, false}, // net/http asks only if no byte left the buffer
		"HTTP/2, nothing written":   {true, false, false},
		"HTTP/2, written":           {true, true, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var trace sendTrace
			trace.http2.Store(tc.http2)
			trace.headersWritten.Store(tc.written)
			_, err := trace.replay(func() (io.ReadCloser, error) { return http.NoBody, nil })()
			if (err != nil) != tc.wantRefused {
				t.Errorf("error = %v, want refused = %v", err, tc.wantRefused)
			}
		})
	}
}

func newHTTP2Client(t *testing.T, handler http.HandlerFunc) (client *Client, connections *atomic.Int32) {
	t.Helper()
	connections = &atomic.Int32{}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	transport := NewTransport()
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return newClientFor(t, OpenTok, WithEndpoint(server.URL), WithTransport(transport)), connections
}

func TestHTTP2SharesOneConnection(t *testing.T) {
	var other atomic.Int32
	client, connections := newHTTP2Client(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			other.Add(1)
		}
		goodReply(w, r)
	})
	var all sync.WaitGroup
	for range 20 {
		for _, call := range allCalls(OpenTok) {
			run := func() {
				if err := call.run(t.Context(), client); err != nil {
					t.Errorf("%s: %v", call.op, err)
				}
			}
			if connections.Load() == 0 {
				run() // the first alone, or each would dial
				continue
			}
			all.Go(run)
		}
	}
	all.Wait()
	if connections.Load() != 1 || other.Load() != 0 {
		t.Errorf("%d connections, %d requests without HTTP/2; want 1, 0", connections.Load(), other.Load())
	}
}

func TestHTTP2StreamReset(t *testing.T) {
	for _, call := range allCalls(OpenTok) {
		t.Run(call.op, func(t *testing.T) {
			var requests atomic.Int32
			client, _ := newHTTP2Client(t, func(_ http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			})
			err := call.run(t.Context(), client)
			if ClassOf(err) != wantUnclear(call.op) || !err.(*Error).Sent {
				t.Errorf("error = %#v, want class %s, sent", err, wantUnclear(call.op))
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests, want 1", requests.Load())
			}
		})
	}
}

func TestTLSVersion(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(goodReply))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	transport := NewTransport()
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	client := newClientFor(t, OpenTok, WithEndpoint(server.URL), WithTransport(transport))
	if err := client.Probe(t.Context()); ClassOf(err) != ClassTransient || err.(*Error).Sent {
		t.Errorf("error = %v, want a transient one, not sent", err)
	}
}

// TestManyInParallel is for the race detector, and for the connections: those of
// the first round are used again in the second.
func TestManyInParallel(t *testing.T) {
	const parallel = 120
	var requests atomic.Int32
	gathered := make(chan struct{})
	client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == parallel {
			close(gathered)
		}
		<-gathered
		goodReply(w, r)
	}))
	var all sync.WaitGroup
	for range parallel / 6 {
		for _, call := range allCalls(OpenTok) {
			all.Go(func() {
				if err := call.run(t.Context(), client); err != nil {
					t.Errorf("%s: %v", call.op, err)
				}
			})
		}
	}
	all.Wait()
}
