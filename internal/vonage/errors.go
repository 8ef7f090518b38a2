// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// errNoCredentials tells of the zero Credentials.
var errNoCredentials = errors.New("no credentials: make them with NewCredentials")

// Names of the operations, as Error.Op and the observers get them. They suit as
// a metric's label.
const (
	OpCreateSession    = "create_session"
	OpSignal           = "signal"
	OpSignalConnection = "signal_connection"
	OpListConnections  = "list_connections"
	OpForceDisconnect  = "force_disconnect"
	OpProbe            = "probe"
	OpMintToken        = "mint_token"
)

// Class says what an error means for the caller.
type Class string

const (
	// ClassTerminal: the request is wrong and will be wrong again (400, 405, 413,
	// or refused before sending). Nothing happened. Repeat it only changed.
	ClassTerminal Class = "Terminal"
	// ClassCredentials: 401 or 403. Nothing happened. The key, the project ID or
	// the clock is wrong; check again when the credentials change, and slowly.
	ClassCredentials Class = "Credentials"
	// ClassRateLimited: 429, or held back because of a recent 429. Nothing
	// happened. Repeat after RetryAfter, or with backoff; never give up for it.
	ClassRateLimited Class = "RateLimited"
	// ClassTransient: repeat with backoff. Nothing happened, or the operation is
	// idempotent. Everything unknown is in this class.
	ClassTransient Class = "Transient"
	// ClassAmbiguous: the request was sent, and no usable answer came (5xx,
	// timeout, reset, malformed reply). It may have taken effect. Only creating
	// sessions and signals have it: the other operations are idempotent.
	ClassAmbiguous Class = "Ambiguous"
	// ClassNoRecipients: 404 to a signal. Nobody is connected; final, and no
	// fault. Vonage does not tell it apart from an unknown session.
	ClassNoRecipients Class = "NoRecipients"
	// ClassCanceled: the caller's own context ended. Error.Sent reports whether the
	// request may have taken effect all the same.
	ClassCanceled Class = "Canceled"
)

// Error is the error of every operation of Client and of Credentials.MintToken.
type Error struct {
	// Op is the operation: one of the Op constants.
	Op string
	// Class is what it means for the caller.
	Class Class
	// Status is the HTTP status of the reply, 0 if none came.
	Status int
	// RetryAfter is how long the server asks to wait, at most MaxRetryAfter; 0 if
	// it does not say.
	RetryAfter time.Duration
	// Detail says what happened and what to do, in this package's own words. It
	// is bounded and contains no text chosen by the server except, word by word,
	// messages that Vonage is known for.
	Detail string
	// Sent reports that the request was sent, or may have been.
	Sent bool

	// err is an error without text of foreign origin: the caller's context error,
	// os.ErrDeadlineExceeded, io.EOF or a syscall.Errno. May be nil.
	err error
}

// Error returns "<operation>: <detail>", with the status if there is one. The
// text has no part that changes from one attempt to the next.
func (e *Error) Error() string {
	op := strings.ReplaceAll(e.Op, "_", " ")
	if e.Status == 0 {
		return fmt.Sprintf("%s: %s", op, e.Detail)
	}
	return fmt.Sprintf("%s: %s (HTTP %d)", op, e.Detail, e.Status)
}

// Unwrap returns the underlying error where it is safe to show: the caller's
// context error, os.ErrDeadlineExceeded after a timeout of the client's own,
// io.EOF or a syscall.Errno. Errors of net/http stay hidden, since they quote
// URLs and what the server sent.
func (e *Error) Unwrap() error {
	return e.err
}

// ClassOf returns the class of the Error in err's chain. It is "" for nil,
// ClassCanceled for a bare context error, and ClassTransient for any other
// error: unknown means worth another try.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ClassCanceled
	}
	return ClassTransient
}

// RetryAfter returns how long the server asked to wait before the next attempt,
// at most MaxRetryAfter; 0 if it did not.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// classify says what a status means for an operation; "" means success.
func classify(op operation, status int) Class {
	switch {
	case status >= 200 && status < 300:
		return ""
	case status == http.StatusNotFound:
		return op.notFound
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ClassCredentials
	case status == http.StatusTooManyRequests:
		return ClassRateLimited
	case status == http.StatusBadRequest, status == http.StatusMethodNotAllowed,
		status == http.StatusRequestEntityTooLarge:
		return ClassTerminal
	case status >= 500, status == http.StatusRequestTimeout:
		return op.unclear()
	default:
		return ClassTransient
	}
}

// describe words the failure of a class for a status.
func describe(class Class, status int) string {
	switch class {
	case ClassTerminal:
		if status == http.StatusRequestEntityTooLarge {
			return "vonage refused the request as too large"
		}
		return "vonage refused the request as invalid"
	case ClassCredentials:
		return "vonage refused the credentials: check the key, the project ID and the clock"
	case ClassRateLimited:
		return "vonage's request limit is reached: try again later"
	case ClassNoRecipients:
		return "nobody is connected"
	case ClassAmbiguous:
		return "the server failed; the request may have taken effect"
	case ClassTransient, ClassCanceled: // the status says more
	}
	switch {
	case status >= 500, status == http.StatusRequestTimeout:
		return "the server failed: try again later"
	case status >= 300 && status < 400:
		return "the server redirects elsewhere, which is not followed: check the endpoint"
	case status == http.StatusNotFound:
		return "the server does not know the call: check the endpoint"
	default:
		return "the server gave an unexpected answer: check the endpoint"
	}
}

// vendorMessages are the error texts Vonage is known for, as the official SDKs'
// fixtures and issue reports record them. Only these are ever repeated.
var vendorMessages = knownMessages(
	"Invalid signature",
	"Issuer not found",
	"Invalid issuer format",
	"issued time cannot be greater than current time",
	"Invalid token format",
	"Invalid token",
	"No suitable authentication found",
	"Id in the token does not match the one in the url",
	"You passed in an invalid Vonage JWT token.",
	"Signal payload 'data' must be set",
	"Not found. No clients are actively connected to the OpenTok session.",
	"Not found. The session or stream is not found",
	"Request timed out.",
	"Unauthorized",
	"Forbidden",
	"Too Many Requests",
)

func knownMessages(texts ...string) map[string]string {
	m := make(map[string]string, len(texts))
	for _, text := range texts {
		m[messageKey(text)] = text
	}
	return m
}

func messageKey(text string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".")
}
