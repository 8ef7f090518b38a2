// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// staleRetry is how soon a reconcile is repeated that met a cache which has not seen this process's own last write yet, or lost a race
	// for a write.
	staleRetry = 10 * time.Millisecond

	// stalePatience is how long an own write is waited for. The cache is at most seconds behind; after a restore of etcd it would never see
	// a resourceVersion of before.
	stalePatience = 15 * time.Second
)

// ownWrites remembers which resourceVersion of each object this process wrote last, so that a reconciler does not act on what the cache
// still shows of before. It only saves work: correctness rests on live reads and locked writes. It is safe for concurrent use.
type ownWrites struct {
	clock clock.PassiveClock

	mu     sync.Mutex
	writes map[client.ObjectKey]ownWrite
}

type ownWrite struct {
	uid             types.UID
	resourceVersion string
	at              time.Time
}

func newOwnWrites(clk clock.PassiveClock) *ownWrites {
	return &ownWrites{clock: clk, writes: map[client.ObjectKey]ownWrite{}}
}

// Wrote remembers a write; obj is what the API server answered.
func (o *ownWrites) Wrote(obj client.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[client.ObjectKeyFromObject(obj)] = ownWrite{obj.GetUID(), obj.GetResourceVersion(), o.clock.Now()}
}

// Stale tells whether obj, as the cache has it, is older than what this process wrote last. The reconcile is then to be repeated after
// staleRetry.
func (o *ownWrites) Stale(obj client.Object) bool {
	key := client.ObjectKeyFromObject(obj)
	o.mu.Lock()
	defer o.mu.Unlock()
	w, ok := o.writes[key]
	if !ok {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(obj.GetResourceVersion(), w.resourceVersion)
	if err == nil && order < 0 && w.uid == obj.GetUID() && o.clock.Since(w.at) < stalePatience {
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
