// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// staleRetry is how soon a reconcile is repeated that met a stale cache, or lost a race for a write: doubling, up
	// to staleRetryMost. Mostly the cache has caught up the first time; where it hangs, each attempt may cost a write
	// that is refused.
	staleRetry     = 10 * time.Millisecond
	staleRetryMost = time.Second

	// stalePatience is how long an own write is waited for. The cache is at most seconds behind; after a restore of
	// etcd it would never see a resourceVersion of before.
	stalePatience = 15 * time.Second
)

// ownWrites remembers which resourceVersion of each object this process wrote last, so that a reconciler does not act
// on what the cache still shows of before. It only saves work: correctness rests on live reads and locked writes. It is
// safe for concurrent use.
type ownWrites struct {
	mu     sync.Mutex
	writes map[client.ObjectKey]ownWrite
}

type ownWrite struct {
	uid             types.UID
	resourceVersion string
	at              time.Time
}

func newOwnWrites() *ownWrites {
	return &ownWrites{writes: map[client.ObjectKey]ownWrite{}}
}

// Wrote remembers a write; obj is what the API server answered.
func (o *ownWrites) Wrote(obj client.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[client.ObjectKeyFromObject(obj)] = ownWrite{obj.GetUID(), obj.GetResourceVersion(), time.Now()}
}

// Stale reports whether obj, as the cache has it, is older than what this process wrote last. The reconcile then ends
// with errStaleCache.
func (o *ownWrites) Stale(obj client.Object) bool {
	key := client.ObjectKeyFromObject(obj)
	o.mu.Lock()
	defer o.mu.Unlock()
	w, ok := o.writes[key]
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(obj.GetResourceVersion(), w.resourceVersion)
	if err == nil && order < 0 && w.uid == obj.GetUID() && time.Since(w.at) < stalePatience {
		return true
	}
	delete(o.writes, key) // the cache has caught up
	return false
}

// Forget drops what is remembered of an object that is gone.
func (o *ownWrites) Forget(key client.ObjectKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.writes, key)
}

// errStaleCache says that the cache is older than the API server, or that a race for a write was lost: the reconcile is
// repeated in a moment.
var errStaleCache = errors.New("the cache is stale")

// conflictRetrier is a reconciler that repeats in silence what met a stale cache or lost a race for a write, more and
// more slowly as long as that goes on. A process that stops says nothing either. It is safe for concurrent use.
type conflictRetrier struct {
	reconcile.Reconciler

	mu   sync.Mutex
	lost map[ctrl.Request]int // how often in a row
}

func newConflictRetrier(r reconcile.Reconciler) *conflictRetrier {
	return &conflictRetrier{Reconciler: r, lost: map[ctrl.Request]int{}}
}

// Reconcile calls the reconciler and turns its error into what the queue gets.
func (c *conflictRetrier) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := c.Reconciler.Reconcile(ctx, req)
	retry := apierrors.IsConflict(err) || errors.Is(err, errStaleCache)
	times := c.count(req, retry)
	switch {
	case retry:
		return ctrl.Result{RequeueAfter: staleDelay(times)}, nil
	case isDone(ctx):
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	default:
		return result, nil
	}
}

// isDone is whether the process is stopping.
func isDone(ctx context.Context) bool { return ctx.Err() != nil }

// count counts one more time, or forgets, and returns how often it was before.
func (c *conflictRetrier) count(req ctrl.Request, retry bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	times := c.lost[req]
	if retry {
		c.lost[req]++
	} else {
		delete(c.lost, req)
	}
	return times
}

// staleDelay is how long to wait after the times-th time in a row, from 0.
func staleDelay(times int) time.Duration {
	if times > 10 { // beyond it would only overflow
		return staleRetryMost
	}
	return min(staleRetry<<times, staleRetryMost)
}
