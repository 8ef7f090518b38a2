// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// recheckAccepted is how often accepted credentials are checked again.
	recheckAccepted = 10 * time.Minute

	// minRecheckInterval is how long after a check the vendor's refusal of another call does not bring about the next.
	minRecheckInterval = 10 * time.Second
)

// accountCheck is what is remembered of the last check of an account.
type accountCheck struct {
	// tried is what was checked; the result is in the account's status.
	tried triedCredentials
	// nextCheck is when the same is to be checked again.
	nextCheck time.Time
	// at is when it was checked; zero if this process has not.
	at time.Time
	// failures counts the checks in a row that got no answer.
	failures int
}

// triedCredentials are what a check's result holds for.
type triedCredentials struct {
	keyID      string
	generation int64
}

// checkResult is what came out of a check.
type checkResult struct {
	ready       verdict
	keyID       string    // of the key that ready is about; "" if there is none
	requeueTime time.Time // when to check again; zero when only a change can help
	outage      bool      // whether calls are held back because the vendor does not answer
	canceled    bool      // the process is stopping
}

// check finds out whether an account can be used. It calls the vendor only when a check is due; else it repeats what
// the status says.
func (r *VonageAccountReconciler) check(ctx context.Context, va *v1alpha1.VonageAccount) (checkResult, error) {
	acc, err := r.Accounts.Connect(ctx, va)
	if e, ok := errors.AsType[*account.Error](err); ok {
		r.checks.forget(client.ObjectKeyFromObject(va))
		return checkResult{ready: accountVerdict(e)}, nil
	}
	if err != nil {
		return checkResult{}, err
	}
	last, now := r.checks.of(va), time.Now()
	tried := triedCredentials{acc.KeyID(), va.Generation}
	reported, known := lastVerdict(va, tried.keyID)
	if last.tried != tried {
		*last = accountCheck{tried: tried}
		if known && reported.ok() {
			// Accepted before this process started: trust it until the next check would have been due.
			last.nextCheck = now.Add(time.Duration(jitter(va.UID, "start") * float64(recheckAccepted)))
		}
	}
	if r.RecheckQueue != nil && r.RecheckQueue.take(va.Name) {
		last.nextCheck = minTime(last.nextCheck, last.at.Add(minRecheckInterval))
	}
	if outage := acc.Client.Outage(); outage.Lasts() {
		last.nextCheck = minTime(last.nextCheck, outage.NextTrial)
	}
	result := checkResult{ready: reported, keyID: tried.keyID, requeueTime: last.nextCheck}
	if !known || !now.Before(last.nextCheck) {
		result = r.probe(ctx, va, acc, last, reported, known)
	}
	if outage := acc.Client.Outage(); outage.Lasts() {
		result.outage = true
		result.requeueTime = minTime(result.requeueTime, outage.NextTrial)
	}
	return result, nil
}

// probe asks the vendor.
func (r *VonageAccountReconciler) probe(
	ctx context.Context, va *v1alpha1.VonageAccount, acc *account.Account, last *accountCheck, reported verdict,
	known bool,
) checkResult {
	err := acc.Client.Probe(ctx)
	last.at = time.Now()
	result := checkResult{keyID: acc.KeyID()}
	if err == nil {
		last.failures = 0
		result.ready = achieved(v1alpha1.AccountReadyReason, "Vonage accepts the credentials")
		last.nextCheck = last.at.Add(spread(recheckAccepted, va.UID))
	} else {
		f := failureOf(err, last.failures, va.UID)
		last.failures++
		result.canceled = f.canceled
		result.ready = checkVerdict(f.verdict, err, reported, known)
		if vonage.ClassOf(err) == vonage.ClassCredentials {
			f.after = spread(recheckRejected, va.UID)
		}
		last.nextCheck = last.at.Add(f.after)
	}
	result.requeueTime = last.nextCheck
	return result
}

// checkVerdict is what a failed check says: that the vendor did not answer says nothing about credentials that it
// accepted before.
func checkVerdict(v verdict, err error, reported verdict, known bool) verdict {
	switch {
	case !v.Stalled && known && reported.ok():
		return reported
	case vonage.ClassOf(err) == vonage.ClassCredentials:
		v.Message = "Vonage refuses the credentials (" + err.Error() +
			"): put the key in the Secret right, or the projectID by making the account anew"
	case v.Stalled:
		v.Message += "; check spec.endpoint"
	}
	return v
}

// lastVerdict returns what the status says of Ready, and whether it says it of this key and the present spec.
func lastVerdict(va *v1alpha1.VonageAccount, keyID string) (verdict, bool) {
	c := meta.FindStatusCondition(va.Status.Conditions, v1alpha1.ReadyCondition)
	if c == nil || c.ObservedGeneration != va.Generation || va.Status.KeyID != keyID {
		return verdict{}, false
	}
	switch c.Reason {
	case v1alpha1.SecretNotFoundReason, v1alpha1.SecretInvalidReason, v1alpha1.SpecInvalidReason:
		return verdict{}, false // it was not about the key
	}
	return verdict{
		Status: c.Status, Reason: c.Reason, Message: c.Message,
		Stalled: c.Status != metav1.ConditionTrue &&
			meta.IsStatusConditionTrue(va.Status.Conditions, v1alpha1.StalledCondition),
	}, true
}

// RecheckQueue holds the accounts that are to be checked because the vendor refused their credentials in some call. It
// is safe for concurrent use.
type RecheckQueue struct {
	events chan event.GenericEvent

	mu    sync.Mutex
	names map[string]bool
}

// NewRecheckQueue returns an empty queue.
func NewRecheckQueue() *RecheckQueue {
	return &RecheckQueue{events: make(chan event.GenericEvent, 64), names: map[string]bool{}}
}

// Add has an account checked soon. It does not block; what finds no place is found by the account's next regular check.
func (q *RecheckQueue) Add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.names[name] {
		return
	}
	va := &v1alpha1.VonageAccount{}
	va.Name = name
	select {
	case q.events <- event.GenericEvent{Object: va}:
		q.names[name] = true
	default:
	}
}

// Refresh has what an account's status says brought up to date soon. Like Add it does not block.
func (q *RecheckQueue) Refresh(name string) {
	va := &v1alpha1.VonageAccount{}
	va.Name = name
	select {
	case q.events <- event.GenericEvent{Object: va}:
	default:
	}
}

// take reports whether an account is in the queue, and takes it off.
func (q *RecheckQueue) take(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := q.names[name]
	delete(q.names, name)
	return found
}
