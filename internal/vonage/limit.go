// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

const (
	// MaxRetryAfter bounds what is believed of a Retry-After header.
	MaxRetryAfter = 5 * time.Minute
	// maxHold bounds for how long one 429 holds back the calls that did not get
	// it: whether Vonage's limits are per account is not documented.
	maxHold = 30 * time.Second
)

// gate is what every request passes before it is sent: the account's rate limit,
// and the pause the server asked for with a 429.
type gate struct {
	limiter *rate.Limiter
	clock   clock.Clock
	observe func(op string, wait time.Duration)

	mu        sync.Mutex
	heldUntil time.Time
}

// pass waits for the rate limit, as long as ctx allows. While the account is
// held back it does not wait but returns ClassRateLimited with the time left, so
// that callers can do something else.
func (g *gate) pass(ctx context.Context, op string) *Error {
	if ctx.Err() != nil {
		return canceled(ctx, op, false)
	}
	now := g.clock.Now()
	if err := g.held(op, now); err != nil {
		return err
	}
	reservation := g.limiter.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay <= 0 {
		return nil
	}
	g.observe(op, delay)
	timer := g.clock.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C():
		return g.held(op, g.clock.Now()) // a 429 may have come meanwhile
	case <-ctx.Done():
		reservation.CancelAt(g.clock.Now())
		return canceled(ctx, op, false)
	}
}

func (g *gate) held(op string, now time.Time) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := g.heldUntil.Sub(now)
	if left <= 0 {
		return nil
	}
	return &Error{
		Op: op, Class: ClassRateLimited, RetryAfter: left, Detail: "held back: vonage's request limit was reached",
	}
}

// hold holds the account back for d from now.
func (g *gate) hold(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := g.clock.Now().Add(min(d, maxHold)); until.After(g.heldUntil) {
		g.heldUntil = until
	}
}

// parseRetryAfter reads a Retry-After header, in seconds or as a date. What it
// cannot read, and what has passed, is 0.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if isDigits(header) {
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), MaxRetryAfter)
}
