// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// retryBase and retryMost bound the delay before the vendor is called again for the same object after it failed. 45
	// s at most, so that everything is under way again within a minute of the vendor's return.
	retryBase = time.Second
	retryMost = 45 * time.Second

	// recheckRejected is how often an account's rejected credentials are tried again without anybody having changed
	// something.
	recheckRejected = time.Minute

	// recheckRefused is how often a call is tried again that the vendor refuses as it is.
	recheckRefused = 10 * time.Minute

	// sideEffectGrace is how long a call that must not be cut off goes on after the process received the signal to
	// stop.
	sideEffectGrace = 2 * time.Second
)

// failure is what an error means for an object.
type failure struct {
	verdict
	// after is how long to wait before trying again; 0 when an event will come.
	after time.Duration
	// canceled is whether the process is stopping: nothing is to be reported.
	canceled bool
}

// failureOf says what an error of internal/account or of a vendor call means: the condition, and when to try again.
// attempt is how often the same has failed before, for the backoff; uid the object's.
func failureOf(err error, attempt int, uid types.UID) failure {
	if e, ok := errors.AsType[*account.Error](err); ok {
		return failure{verdict: accountVerdict(e)} // a watch wakes the object when the account changes
	}
	switch vonage.ClassOf(err) {
	case vonage.ClassCanceled:
		return failure{canceled: true}
	case vonage.ClassTerminal:
		return failure{verdict: stalled(v1alpha1.VendorRejectedReason, err.Error()), after: spread(recheckRefused, uid)}
	case vonage.ClassCredentials:
		// If the key is no good the account will say so, and all wait for that; else it was but a moment.
		return failure{
			verdict: stalled(v1alpha1.CredentialsRejectedReason, err.Error()), after: retryDelay(attempt, uid),
		}
	case vonage.ClassRateLimited:
		after := max(vonage.RetryAfter(err), retryBase)
		return failure{
			verdict: underWay(v1alpha1.VendorRateLimitedReason,
				"Vonage asks for fewer calls; the operator goes on by itself"),
			after: after + spread(retryDelay(attempt, uid), uid),
		}
	default:
		return failure{
			verdict: underWay(v1alpha1.VendorUnavailableReason, err.Error()), after: retryDelay(attempt, uid),
		}
	}
}

func accountVerdict(e *account.Error) verdict {
	if e.Waiting {
		return underWay(e.Reason, e.Message)
	}
	return stalled(e.Reason, e.Message)
}

// retryDelay is how long to wait after the attempt-th failure (from 0): doubling, between half and all of
// retryBase·2^attempt, at most retryMost.
func retryDelay(attempt int, uid types.UID) time.Duration {
	d := retryMost
	if attempt < 16 { // beyond it would only overflow
		d = min(retryBase<<max(attempt, 0), retryMost)
	}
	return d/2 + time.Duration(jitter(uid, strconv.Itoa(attempt))*float64(d/2))
}

// spread is d, or up to a tenth more: a different length for each object, so that many do not act at once.
func spread(d time.Duration, uid types.UID) time.Duration {
	return d + time.Duration(jitter(uid, "spread")*float64(d)/10)
}

// jitter is a number from 0 to below 1 that is always the same for an object and a purpose.
func jitter(uid types.UID, purpose string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(purpose))
	// FNV's high bits hardly differ for texts that differ at the end.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// outlive returns a context that is not canceled with ctx but sideEffectGrace later, and at the latest after most: for
// calls whose effect would be lost if they were cut off.
func outlive(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	stop := context.AfterFunc(ctx, func() {
		grace, end := context.WithTimeout(detached, sideEffectGrace)
		defer end()
		<-grace.Done()
		cancel()
	})
	return detached, func() {
		stop()
		cancel()
	}
}

// minTime is the earlier of two times.
func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
