// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"syscall"
)

// operation is what the calls differ in beyond path and body.
type operation struct {
	name string
	// idempotent operations may be repeated when it is not known whether they
	// took effect.
	idempotent bool
	// notFound is what a 404 means; "" for success.
	notFound Class
	// urgent operations have the timeout of signals.
	urgent bool
	// maxReply bounds the reply, in bytes.
	maxReply int64
}

var (
	createSession    = operation{name: OpCreateSession, notFound: ClassTransient, maxReply: maxReplyBytes}
	signal           = operation{name: OpSignal, notFound: ClassNoRecipients, urgent: true, maxReply: maxReplyBytes}
	signalConnection = operation{
		name: OpSignalConnection, notFound: ClassNoRecipients, urgent: true, maxReply: maxReplyBytes,
	}
	listConnections = operation{name: OpListConnections, idempotent: true, maxReply: maxConnectionsReplyBytes}
	forceDisconnect = operation{name: OpForceDisconnect, idempotent: true, maxReply: maxReplyBytes}
	probe           = operation{name: OpProbe, idempotent: true, notFound: ClassTransient, maxReply: maxReplyBytes}
)

// unclear is the class of an operation that may or may not have taken effect.
func (o operation) unclear() Class {
	if o.idempotent {
		return ClassTransient
	}
	return ClassAmbiguous
}

// request is one call. path and query need no escaping.
type request struct {
	operation
	method      string
	path        string
	query       string
	contentType string
	body        []byte
	// decode reads the body of a success; nil if there is nothing to read.
	decode func([]byte) error
}

// do makes a call: once, or twice if a JWT that used to be accepted is refused.
// Then the JWT may be at fault (a clock set right, a server that counts uses)
// rather than the key. A JWT that was never accepted is not worth a second call,
// but it is not used again either.
func (c *Client) do(ctx context.Context, r request) error {
	worthRetry, err := c.try(ctx, r)
	if worthRetry {
		_, err = c.try(ctx, r)
	}
	if err != nil { // a nil *Error must not become an error
		return err
	}
	return nil
}

// try makes one attempt, with what belongs before and after it. It reports
// whether a second one with a fresh JWT is worth while.
func (c *Client) try(ctx context.Context, r request) (worthRetry bool, failed *Error) {
	if failed := c.awaitVendor(ctx, r); failed != nil {
		return false, failed
	}
	if failed := c.gate.pass(ctx, r.name); failed != nil {
		return false, failed
	}
	jwt, provenBefore, err := c.auth.get(c.clock.Now())
	if err != nil {
		return false, &Error{Op: r.name, Class: ClassCredentials, Detail: err.Error()}
	}
	failed = c.attempt(ctx, r, jwt)
	switch {
	case failed == nil, failed.Class == ClassNoRecipients:
		jwt.accepted.Store(true)
	case failed.Class == ClassCredentials:
		c.auth.discard(jwt)
		return provenBefore, failed
	case failed.Class == ClassRateLimited:
		c.gate.hold(failed.RetryAfter)
	}
	return false, failed
}

// attempt sends the request once and reports the outcome to the observer.
func (c *Client) attempt(ctx context.Context, r request, jwt *restJWT) *Error {
	start := c.clock.Now()
	status, failed := c.exchange(ctx, r, jwt)
	var class Class
	if failed != nil {
		class = failed.Class
	}
	c.observe(r.name, class, status, c.clock.Since(start))
	c.circuit.record(c.clock.Now(), failed)
	return failed
}

// awaitVendor holds calls back while Vonage is out. When it is time to find out
// whether it is back, it makes the probe that tells: a call that may have an
// effect is nothing to try with. A probe itself always passes.
func (c *Client) awaitVendor(ctx context.Context, r request) *Error {
	if r.name == OpProbe {
		return nil
	}
	verdict, outage := c.circuit.admit(c.clock.Now())
	switch verdict {
	case admitted:
	case heldBack:
		return c.heldBack(r, outage)
	case onTrial:
		defer c.circuit.endTrial()
		if err := c.Probe(ctx); ctx.Err() != nil {
			return canceled(ctx, r.name, false)
		} else if still := c.circuit.outage(); err != nil && still.Lasts() {
			return c.heldBack(r, still)
		}
	}
	return nil
}

// heldBack is the error of a call that is not sent because of an outage.
func (c *Client) heldBack(r request, outage Outage) *Error {
	return &Error{
		Op: r.name, Class: ClassTransient, RetryAfter: max(outage.NextTrial.Sub(c.clock.Now()), 0),
		Detail: "held back: vonage has not answered for a while; the operator goes on when it does",
	}
}

// exchange sends the request and judges what comes back. The status is 0 if
// nothing does.
func (c *Client) exchange(parent context.Context, r request, jwt *restJWT) (status int, failed *Error) {
	ctx, stop := c.withTimeout(parent, r.operation)
	defer stop()
	var trace sendTrace
	req, err := c.newRequest(httptrace.WithClientTrace(ctx, trace.hooks()), r, &trace)
	if err != nil {
		return 0, &Error{Op: r.name, Class: ClassTerminal, Detail: "the request cannot be built: check the endpoint"}
	}
	jwt.authorize(req.Header)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return 0, c.failure(parent, ctx, r.operation, trace.sent(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, c.judge(parent, ctx, r, resp)
}

func (c *Client) newRequest(ctx context.Context, r request, trace *sendTrace) (*http.Request, error) {
	target := c.endpoint + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	if req.GetBody != nil {
		req.GetBody = trace.replay(req.GetBody)
	}
	// Without it the OpenTok host answers in XML.
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	return req, nil
}

// errTimedOut is the cancellation cause that tells the client's timeout from the
// caller's.
var errTimedOut = errors.New("timed out")

// withTimeout is context.WithTimeout with the client's clock.
func (c *Client) withTimeout(parent context.Context, op operation) (context.Context, context.CancelFunc) {
	timeout := c.requestTimeout
	if op.urgent {
		timeout = c.signalTimeout
	}
	ctx, cancel := context.WithCancelCause(parent)
	timer := c.clock.AfterFunc(timeout, func() { cancel(errTimedOut) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// judge turns a reply into an error, or nil for success.
func (c *Client) judge(parent, ctx context.Context, r request, resp *http.Response) *Error {
	class := classify(r.operation, resp.StatusCode)
	if class != "" {
		// What the status says holds even if the body does not come.
		body, _ := readBody(resp.Body, r.maxReply)
		return c.refusal(r.operation, class, resp, vendorMessage(body))
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	unclear := func(err error) *Error {
		return &Error{Op: r.name, Class: r.unclear(), Status: resp.StatusCode, Detail: err.Error(), Sent: true}
	}
	decode := r.decode
	if decode == nil {
		if isWebPage(resp.Header) {
			return unclear(errNotVonage)
		}
		decode = decodeNothing
	}
	body, err := readBody(resp.Body, r.maxReply)
	switch {
	case errors.Is(err, errReplyTooLong):
		return unclear(errReplyTooLong)
	case err != nil && parent.Err() != nil:
		return canceled(parent, r.name, true)
	case err != nil && errors.Is(context.Cause(ctx), errTimedOut):
		e := unclear(errReplyCut)
		e.err = os.ErrDeadlineExceeded
		return e
	case err != nil:
		return unclear(errReplyCut)
	}
	if err := decode(body); err != nil {
		return unclear(err)
	}
	return nil
}

// refusal is the error for a status that is no success.
func (c *Client) refusal(op operation, class Class, resp *http.Response, vendor string) *Error {
	e := &Error{
		Op: op.name, Class: class, Status: resp.StatusCode, Detail: describe(class, resp.StatusCode), Sent: true,
	}
	if vendor != "" {
		e.Detail += "; it says: " + vendor
	}
	if class == ClassRateLimited || resp.StatusCode >= 500 {
		e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), c.clock.Now())
	}
	return e
}

// failure is the error for a request without a reply.
func (c *Client) failure(parent, ctx context.Context, op operation, sent bool, err error) *Error {
	if parent.Err() != nil {
		return canceled(parent, op.name, sent)
	}
	e := &Error{Op: op.name, Class: ClassTransient, Sent: sent}
	if sent {
		e.Class = op.unclear()
	}
	if errors.Is(context.Cause(ctx), errTimedOut) {
		err = os.ErrDeadlineExceeded
	}
	e.Detail, e.err = explain(err, sent)
	return e
}

func canceled(ctx context.Context, op string, sent bool) *Error {
	return &Error{Op: op, Class: ClassCanceled, Detail: "given up: " + ctx.Err().Error(), Sent: sent, err: ctx.Err()}
}

// explain words an error of net/http and returns the part of it that is safe to
// show. The rest may quote the URL, or bytes the server sent instead of HTTP.
func explain(err error, sent bool) (string, error) {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name cannot be resolved: check the endpoint and DNS", nil
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate is not trusted: check the endpoint", nil
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS: check the endpoint", nil
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return explainErrno(errno), errno
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		if sent {
			return "no answer in time", os.ErrDeadlineExceeded
		}
		return "the server cannot be reached in time", os.ErrDeadlineExceeded
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed without an answer", io.EOF
	}
	if sent {
		return "no usable answer came", nil
	}
	return "the request could not be sent", nil
}

func explainErrno(errno syscall.Errno) string {
	switch errno {
	case syscall.ECONNREFUSED:
		return "the server refuses connections"
	case syscall.ECONNRESET, syscall.EPIPE:
		return "the connection was reset"
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return "the server cannot be reached"
	default:
		return "the connection failed"
	}
}

// readBody reads at most limit bytes; more is errReplyTooLong.
func readBody(body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if int64(len(b)) > limit {
		return nil, errReplyTooLong
	}
	return b, err
}

// isWebPage recognises a portal or proxy that answers in place of Vonage.
func isWebPage(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == "text/html"
}
