// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxIdleConns is how many connections stay open without HTTP/2, where each
// request under way needs its own: enough for a large class at once.
const maxIdleConns = 512

// NewTransport returns the transport a Client uses by default: HTTP/2 over TLS
// where the server has it, kept-alive connections, TLS 1.2 or newer (which
// Vonage requires), and the proxy of the environment, if any.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		// A connection that died silently is found by pings, not by one timeout
		// after the other.
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// Bodies are small, and the caps then hold for what is really read.
		DisableCompression: true,
	}
}

// sendTrace finds out whether a request was sent, from the events of net/http.
// Headers come before the body, and no operation that is not idempotent goes
// without a body, so one that failed before its headers were written cannot take
// effect. Events may come from other goroutines, and after the failure.
type sendTrace struct {
	headersWritten atomic.Bool
	http2          atomic.Bool
}

func (t *sendTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			// Once for every attempt of net/http's own; see replay.
			t.headersWritten.Store(false)
			conn, ok := info.Conn.(interface{ ConnectionState() tls.ConnectionState })
			t.http2.Store(ok && conn.ConnectionState().NegotiatedProtocol == "h2")
		},
		WroteHeaders: func() { t.headersWritten.Store(true) },
	}
}

func (t *sendTrace) sent() bool {
	return t.headersWritten.Load()
}

var errNotReplayed = errors.New("not sent again: the request may have been received")

// replay wraps http.Request.GetBody, which net/http calls to send a request
// again on another connection. With HTTP/1 it does so for a POST only if not a
// byte of it was written to a kept-alive connection that turned out to be dead:
// that is wanted. With HTTP/2 it also does after a reset of the stream, trusting
// the server's error code that nothing was done: that is refused once the
// headers are written.
func (t *sendTrace) replay(getBody func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if t.http2.Load() && t.sent() {
			return nil, errNotReplayed
		}
		return getBody()
	}
}
