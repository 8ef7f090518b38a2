// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// history is at which resourceVersion what appeared in objects. The API server counts all writes of a cluster in one
// row, which says which of two came first, whenever they are seen.
type history struct {
	tokens map[tokenAt]uint64
	plans  map[plan]uint64
}

// tokenAt is somebody's token in the status of a MeetingRoom, plan what a BreakoutSet's status plans to deliver.
type (
	tokenAt struct{ room, participant string }
	plan    struct {
		set      types.UID
		revision int64
	}
)

func newHistory() history {
	return history{tokens: map[tokenAt]uint64{}, plans: map[plan]uint64{}}
}

// atRoom notes for whom a room has tokens since when.
func (h history) atRoom(kind watch.EventType, r *v1alpha1.MeetingRoom) {
	has := map[string]bool{}
	for _, t := range r.Status.Tokens {
		has[string(t.Participant)] = kind != watch.Deleted
	}
	for at := range h.tokens {
		if at.room == r.Name && !has[at.participant] {
			delete(h.tokens, at)
		}
	}
	for name := range has {
		if at := (tokenAt{r.Name, name}); has[name] && h.tokens[at] == 0 {
			h.tokens[at] = version(r.ResourceVersion)
		}
	}
}

// atSet notes since when a set plans what it plans.
func (h history) atSet(b *v1alpha1.BreakoutSet) {
	at := plan{b.UID, b.Status.Signals.Revision}
	if h.plans[at] == 0 {
		h.plans[at] = version(b.ResourceVersion)
	}
}

// planOf is what a signal of some revision delivers: repetitions have the plan's revision and a little more.
func (h history) planOf(p plan) plan {
	of := plan{set: p.set}
	for known := range h.plans {
		if known.set == p.set && known.revision <= p.revision {
			of.revision = max(of.revision, known.revision)
		}
	}
	return of
}

// published reports whether somebody has had a token for a room since before a set planned to send them there what has
// that revision.
func (h history) published(room, participant string, p plan) bool {
	token, planned := h.tokens[tokenAt{room, participant}], h.plans[h.planOf(p)]
	return token != 0 && planned != 0 && token < planned
}

// version is a resourceVersion as a number; 0 when it is none, which the API server does not give.
func version(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
