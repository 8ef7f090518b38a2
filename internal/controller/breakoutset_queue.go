// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// takeTurn takes the main room for the set when it wants to open and it is its turn. The main room's status says who
// has it: a write that carries the resourceVersion, so that of two sets only one gets it.
func (r *BreakoutSetReconciler) takeTurn(ctx context.Context, s *breakoutScope) error {
	if s.main == nil {
		return nil
	}
	holder := s.main.Status.ActiveBreakoutSet
	s.holds = holder != nil && holder.UID == string(s.set.UID)
	if s.holds || !s.wantsOpen() || breakout.IsClosing(s.set) {
		return nil
	}
	if holder != nil {
		s.busy(holder.Name)
		return nil
	}
	var rivals v1alpha1.BreakoutSetList
	if err := r.List(
		ctx, &rivals, client.InNamespace(s.set.Namespace), client.MatchingFields{meetingRoomIndex: s.main.Name},
	); err != nil {
		return err
	}
	if first := firstInQueue(rivals.Items, s.now); first != nil && first.UID != s.set.UID {
		s.busy(first.Name)
		return nil
	}
	s.main.Status.ActiveBreakoutSet = &v1alpha1.ActiveBreakoutSet{Name: s.set.Name, UID: string(s.set.UID)}
	if breakout.Duration(s.set) > 0 {
		s.main.Status.CountdownTime = &metav1.Time{Time: s.now.Truncate(time.Second)}
	}
	if err := r.Status().Update(ctx, s.main); err != nil {
		return err
	}
	s.holds = true
	return nil
}

// busy records that the set has to wait for another one. A set with a time of its own is one of several rounds and
// waits by design.
func (s *breakoutScope) busy(other string) {
	if s.set.Spec.OpenAt != nil {
		s.wait(v1alpha1.WaitingReason, "opens when it is its turn, after BreakoutSet "+other)
		return
	}
	s.wait(v1alpha1.MeetingRoomBusyReason, "BreakoutSet "+other+
		" is open for the same meeting room: close or delete it, or this set opens after it")
}

// firstInQueue is the set whose turn it is among those that want to be open: by openAt, creation and name.
func firstInQueue(sets []v1alpha1.BreakoutSet, now time.Time) *v1alpha1.BreakoutSet {
	waiting := slices.DeleteFunc(slices.Clone(sets), func(b v1alpha1.BreakoutSet) bool {
		return !breakout.ScheduleOf(&b, now).Open || breakout.IsClosing(&b)
	})
	if len(waiting) == 0 {
		return nil
	}
	first := slices.MinFunc(waiting, func(a, b v1alpha1.BreakoutSet) int {
		return cmp.Or(turn(&a).Compare(turn(&b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name))
	})
	return &first
}

// turn is when a set began to wait: when it is to open, or when it was made.
func turn(set *v1alpha1.BreakoutSet) time.Time {
	if set.Spec.OpenAt != nil {
		return set.Spec.OpenAt.Time
	}
	return set.CreationTimestamp.Time
}
