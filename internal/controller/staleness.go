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
	// staleRetry is how soon a reconcile is repeated that met a cache which is behind, or lost a race for a write: doubling, up to
	// staleRetryMost. Mostly the cache has caught up the first time; where it hangs, each attempt may cost a write that is refused.
	staleRetry     = 10 * time.Millisecond
	staleRetryMost = time.Second

	// stalePatience is how long an own write is waited for. The cache is at most seconds behind; after a restore of etcd it would never see
	// a resourceVersion of before.
	stalePatience = 15 * time.Second
)

// ownWrites remembers which resourceVersion of each object this process wrote last, so that a reconciler does not act on what the cache
// still shows of before. It only saves work: correctness rests on live reads and locked writes. It is safe for concurrent use.
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

// Stale tells whether obj, as the cache has it, is older than what this process wrote last. The reconcile then ends with errBehind.
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

// errBehind says that the cache is older than the API server, or that a race for a write was lost: look again in a moment.
var errBehind = errors.New("the cache is behind the API server")

// patient is a reconciler that repeats in silence what met a cache that is behind or lost a race for a write, more and more slowly as long as
// that goes on. A process that stops says nothing either. It is safe for concurrent use.
type patient struct {
	reconcile.Reconciler

	mu   sync.Mutex
	lost map[ctrl.Request]int // how often in a row
}

func newPatient(r reconcile.Reconciler) *patient {
	return &patient{Reconciler: r, lost: map[ctrl.Request]int{}}
}

// Reconcile calls the reconciler and turns its error into what the queue gets.
func (p *patient) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := p.Reconciler.Reconcile(ctx, req)
	behind := apierrors.IsConflict(err) || errors.Is(err, errBehind)
	times := p.count(req, behind)
	switch {
	case behind:
		return ctrl.Result{RequeueAfter: staleDelay(times)}, nil
	case ctx.Err() != nil:
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	default:
		return result, nil
	}
}

// count counts one more time, or forgets, and returns how often it was before.
func (p *patient) count(req ctrl.Request, behind bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	times := p.lost[req]
	if behind {
		p.lost[req]++
	} else {
		delete(p.lost, req)
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
