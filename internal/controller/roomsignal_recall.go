// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// recall puts people of an open set on the move to where they belong, in the set's status: the set's own signals send
// them there. The RoomSignal completes when all sessions were sent that.
func (r *RoomSignalReconciler) recall(ctx context.Context, s *signalScope) error {
	st := &s.signal.Status
	set := &v1alpha1.BreakoutSet{}
	key := client.ObjectKey{Namespace: s.signal.Namespace, Name: s.signal.Spec.BreakoutSetRef.Name}
	if st.Revision == 0 {
		if err := r.APIReader.Get(ctx, key, set); err != nil {
			return err
		}
		if !breakout.IsOpen(set) {
			return errStaleCache
		}
		return r.planRecall(ctx, s, set)
	}
	if err := r.Get(ctx, key, set); err != nil {
		return err
	}
	if set.Status.Signals.Revision < st.Revision {
		return errStaleCache
	}
	lagging := breakout.Lagging(&set.Status)
	for i := range st.Deliveries {
		d := &st.Deliveries[i]
		if !slices.ContainsFunc(lagging, func(e v1alpha1.SessionSignals) bool { return e.Room == d.Room }) {
			d.Result = v1alpha1.DeliveryAccepted
		}
	}
	if slices.ContainsFunc(
		st.Deliveries,
		func(d v1alpha1.SignalDelivery) bool { return d.Result == v1alpha1.DeliveryPending },
	) {
		s.report(underWay(v1alpha1.DeliveringReason, "people are being sent to where they belong"))
		return nil
	}
	s.complete(achieved(v1alpha1.DeliveredReason, "every room was sent who belongs elsewhere"))
	return nil
}

// planRecall writes into a set's status who is on the move, and then into the signal's by which revision.
func (r *RoomSignalReconciler) planRecall(ctx context.Context, s *signalScope, set *v1alpha1.BreakoutSet) error {
	st := &s.signal.Status
	s.recordCreationOrder()
	view := breakout.Planned(&set.Status)
	for _, name := range s.signal.Spec.Recall.Participants {
		if !slices.Contains(view.People(), name) {
			s.complete(stalled(
				v1alpha1.UnknownParticipantReason,
				fmt.Sprintf(
					"%q is no participant of the meeting: "+
						"make a RoomSignal that names participants of the meeting room",
					name,
				),
			))
			return nil
		}
	}
	r.deliveries.of(set).Recall(s.signal.Spec.Recall.Participants, s.now)
	breakout.PlanUpdate(&set.Status, view, breakout.Request{Recall: s.signal.Spec.Recall.Participants}, s.now)
	if err := r.Status().Update(ctx, set); err != nil {
		return err
	}
	st.Revision, st.Deliveries = set.Status.Signals.Revision, nil
	for _, t := range breakout.TargetsOf(set) {
		st.Deliveries = append(
			st.Deliveries,
			v1alpha1.SignalDelivery{Room: t.Name, SessionID: t.SessionID, Result: v1alpha1.DeliveryPending},
		)
	}
	s.report(underWay(v1alpha1.DeliveringReason, "people are being sent to where they belong"))
	return r.writeStatus(ctx, s)
}
