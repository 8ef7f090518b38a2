// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

func TestFailureOf(t *testing.T) {
	vendor := func(class vonage.Class, retryAfter time.Duration) error {
		return fmt.Errorf("wrapped: %w", &vonage.Error{
			Op: vonage.OpCreateSession, Class: class, RetryAfter: retryAfter, Detail: "detail",
		})
	}
	tests := map[string]struct {
		err          error
		wantReason   string
		wantStalled  bool
		wantCanceled bool
		wantAtLeast  time.Duration // of after
		wantAtMost   time.Duration
	}{
		"terminal": {
			err: vendor(vonage.ClassTerminal, 0), wantReason: v1alpha1.VendorRejectedReason, wantStalled: true,
			wantAtLeast: recheckRefused, wantAtMost: recheckRefused * 11 / 10,
		},
		"credentials": {
			err: vendor(vonage.ClassCredentials, 0), wantReason: v1alpha1.CredentialsRejectedReason, wantStalled: true,
			wantAtLeast: retryBase / 2, wantAtMost: retryBase,
		},
		"rate limited": {
			err: vendor(vonage.ClassRateLimited, 0), wantReason: v1alpha1.VendorRateLimitedReason,
			wantAtLeast: retryBase, wantAtMost: 3 * retryBase,
		},
		"rate limited for a time": {
			err: vendor(vonage.ClassRateLimited, time.Minute), wantReason: v1alpha1.VendorRateLimitedReason,
			wantAtLeast: time.Minute, wantAtMost: time.Minute + 2*retryBase,
		},
		"transient": {
			err: vendor(vonage.ClassTransient, 0), wantReason: v1alpha1.VendorUnavailableReason,
			wantAtLeast: retryBase / 2, wantAtMost: retryBase,
		},
		"ambiguous": {
			err: vendor(vonage.ClassAmbiguous, 0), wantReason: v1alpha1.VendorUnavailableReason,
			wantAtLeast: retryBase / 2, wantAtMost: retryBase,
		},
		"unknown": {
			err: errors.New("whatever"), wantReason: v1alpha1.VendorUnavailableReason, wantAtLeast: retryBase / 2,
			wantAtMost: retryBase,
		},
		"canceled": {err: context.Canceled, wantCanceled: true},
		"account": {
			err:        &account.Error{Reason: v1alpha1.AccountNotFoundReason, Message: "none"},
			wantReason: v1alpha1.AccountNotFoundReason, wantStalled: true,
		},
		"account, being made": {
			err:        &account.Error{Reason: v1alpha1.AccountNotReadyReason, Message: "wait", Waiting: true},
			wantReason: v1alpha1.AccountNotReadyReason,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := failureOf(tc.err, 0, "uid")
			if got.Reason != tc.wantReason || got.Stalled != tc.wantStalled || got.canceled != tc.wantCanceled {
				t.Errorf("got reason %q, stalled %t, canceled %t", got.Reason, got.Stalled, got.canceled)
			}
			if got.after < tc.wantAtLeast || got.after > tc.wantAtMost {
				t.Errorf("after %s, want %s to %s", got.after, tc.wantAtLeast, tc.wantAtMost)
			}
			if !got.canceled && got.Message == "" {
				t.Error("no message")
			}
		})
	}
}

func TestRetryDelay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(0, 1<<20).Draw(t, "attempt")
		uid := types.UID(rapid.String().Draw(t, "uid"))
		got := retryDelay(attempt, uid)
		full := retryMost
		if attempt < 6 {
			full = min(retryBase<<attempt, retryMost)
		}
		if got < full/2 || got > full {
			t.Fatalf("retryDelay(%d) = %s, want %s to %s", attempt, got, full/2, full)
		}
		if again := retryDelay(attempt, uid); again != got {
			t.Fatalf("retryDelay(%d) = %s, then %s", attempt, got, again)
		}
	})
}

// Many objects must not act at once: their jitter fills the range evenly.
func TestJitterSpreads(t *testing.T) {
	var buckets [10]int
	const n = 10000
	for i := range n {
		j := jitter(types.UID(fmt.Sprintf("6b3f1c1e-0000-4000-8000-%012d", i)), "renewal")
		if j < 0 || j >= 1 {
			t.Fatalf("jitter is %f", j)
		}
		buckets[int(j*10)]++
	}
	for b, count := range buckets {
		if count < n/10*8/10 || count > n/10*12/10 {
			t.Errorf("bucket %d has %d of %d", b, count, n)
		}
	}
}

func TestOutlive(t *testing.T) {
	parent, stop := context.WithCancel(context.Background())
	ctx, cancel := outlive(parent, time.Hour)
	stop()
	if ctx.Err() != nil {
		t.Error("the context ended with its parent")
	}
	cancel()
	if ctx.Err() == nil {
		t.Error("the context did not end when it was canceled")
	}
}
