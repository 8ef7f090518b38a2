// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// unfinishedIndex finds RoomSignals that are not completed.
const unfinishedIndex = "status.unfinished"

// sending is what a signal that can be sent goes out to.
type sending struct {
	account *account.Account
	rooms   []breakout.SignalTarget // all there are, the main room first
	targets []breakout.SignalTarget // those that the signal goes to
	roster  []v1alpha1.Participant
}

// send sends a signal to the rooms that have not had it, when it is its turn and all it needs is there.
func (r *RoomSignalReconciler) send(ctx context.Context, s *signalScope) error {
	to, failure, err := r.resolve(ctx, s.signal)
	if err != nil {
		return err
	}
	if failure == nil && !s.overdue() {
		waits, err := r.hasPredecessor(ctx, s.signal)
		if err != nil {
			return err
		}
		if waits {
			v := underWay(v1alpha1.WaitingForEarlierReason, "a signal created earlier for the same meeting goes first")
			failure = &v
		}
	}
	if failure != nil || s.overdue() {
		s.hold(failure)
		return nil
	}
	if s.signal.Spec.Recall != nil {
		return r.recall(ctx, s)
	}
	if err := r.plan(ctx, s, to); err != nil || s.signal.Status.CompletionTime != nil {
		return err
	}
	last := r.sent.of(s.signal)
	if !last.retryAt.After(s.now) {
		r.deliver(ctx, s, to, last)
	}
	s.requeueAt(last.retryAt)
	s.conclude(last.failure)
	return nil
}

// hold records what stands in the way of a signal, and that it has failed when there is no time left, or nothing will
// ever change.
func (s *signalScope) hold(failure *verdict) {
	st := &s.signal.Status
	s.recordCreationOrder()
	if failure == nil {
		v := stalled(v1alpha1.DeadlineExceededReason,
			"the signal could not be sent within deadlineSeconds: make another RoomSignal if it still matters")
		failure = &v
	}
	if !failure.Stalled && !s.overdue() {
		s.report(*failure)
		return
	}
	for i := range st.Deliveries {
		if st.Deliveries[i].Result == v1alpha1.DeliveryPending {
			st.Deliveries[i].Result = v1alpha1.DeliveryFailed
		}
	}
	s.complete(stalled(failure.Reason, failure.Message))
}

// recordCreationOrder keeps the resourceVersion that the signal was created with, before the first write changes it.
func (s *signalScope) recordCreationOrder() { s.signal.Status.Order = orderOf(s.signal) }

func (s *signalScope) report(v verdict) {
	s.signal.Status.ObservedGeneration = s.signal.Generation
	setVerdict(s.signal, v1alpha1.DeliveredCondition, v, s.now)
	summarise(s.signal, v, s.now)
}

func (s *signalScope) complete(v verdict) {
	s.signal.Status.CompletionTime = &metav1.Time{Time: s.now.Truncate(time.Second)}
	s.report(v)
}

// plan writes down whom the signal goes to, before it goes to anybody.
func (r *RoomSignalReconciler) plan(ctx context.Context, s *signalScope, to *sending) error {
	st := &s.signal.Status
	if len(st.Deliveries) > 0 {
		return r.ensureLive(ctx, s.signal)
	}
	s.recordCreationOrder()
	for _, target := range to.targets {
		if sampleapp.RoomSignalTo(s.signal, target, to.rooms, to.roster).TooLarge() {
			s.complete(
				stalled(v1alpha1.SignalTooLargeReason, "the signal's data is over 8000 bytes: make a shorter one"),
			)
			return nil
		}
		st.Deliveries = append(st.Deliveries, v1alpha1.SignalDelivery{
			Room: target.Name, SessionID: target.SessionID, Result: v1alpha1.DeliveryPending,
		})
	}
	s.report(underWay(v1alpha1.DeliveringReason, "the signal is being sent"))
	return r.writeStatus(ctx, s)
}

// ensureLive makes sure, before anything is sent again, that the status is not an older one of the cache.
func (r *RoomSignalReconciler) ensureLive(ctx context.Context, signal *v1alpha1.RoomSignal) error {
	live := &v1alpha1.RoomSignal{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(signal), live); err != nil {
		return err // what was deleted is not sent
	}
	if live.ResourceVersion != signal.ResourceVersion {
		return errStaleCache
	}
	return nil
}

// takeOver takes over what is known to have become of the signal and is not in its status yet; nil when nothing is.
func (s *signalScope) takeOver(last *sent) {
	if last == nil {
		return
	}
	deliveries := s.signal.Status.Deliveries
	for _, known := range last.deliveries {
		i := slices.IndexFunc(deliveries, func(d v1alpha1.SignalDelivery) bool {
			return d.Room == known.Room && d.SessionID == known.SessionID && d.Attempts < known.Attempts
		})
		if i >= 0 {
			deliveries[i] = known
		}
	}
}

// deliver sends the signal to the sessions that have not had it, in parallel, and remembers what became of it.
func (r *RoomSignalReconciler) deliver(ctx context.Context, s *signalScope, to *sending, last *sent) {
	deliveries := s.signal.Status.Deliveries
	failures := make([]*failure, len(deliveries))
	var group errgroup.Group
	group.SetLimit(64)
	for i := range deliveries {
		d := &deliveries[i]
		if d.Result != v1alpha1.DeliveryPending {
			continue
		}
		target := breakout.SignalTarget{Name: d.Room, SessionID: d.SessionID}
		if j := slices.IndexFunc(to.targets, func(t breakout.SignalTarget) bool { return t.Name == d.Room }); j >= 0 {
			target = to.targets[j]
		}
		group.Go(func() error {
			failures[i] = deliverOnce(ctx, to, s.signal, target, d)
			return nil
		})
	}
	_ = group.Wait()
	*last = sent{deliveries: slices.Clone(deliveries)}
	now := time.Now()
	for i, f := range failures {
		if f == nil {
			continue
		}
		last.failure = &f.verdict
		if deliveries[i].Result == v1alpha1.DeliveryPending {
			at := now.Add(retryDelay(int(deliveries[i].Attempts)-1, s.signal.UID))
			if last.retryAt.IsZero() || at.Before(last.retryAt) {
				last.retryAt = at
			}
		}
	}
}

// deliverOnce sends the signal to one session and records what became of it.
func deliverOnce(
	ctx context.Context,
	to *sending,
	signal *v1alpha1.RoomSignal,
	target breakout.SignalTarget,
	d *v1alpha1.SignalDelivery,
) *failure {
	data := sampleapp.RoomSignalTo(signal, target, to.rooms, to.roster)
	err := to.account.Client.Signal(ctx, d.SessionID, vonage.Signal(data))
	d.Attempts++
	switch vonage.ClassOf(err) {
	case "":
		d.Result = v1alpha1.DeliveryAccepted
		return nil
	case vonage.ClassNoRecipients:
		d.Result = v1alpha1.DeliveryNoRecipients
		return nil
	case vonage.ClassTerminal:
		d.Result = v1alpha1.DeliveryFailed
	default: // stays pending
	}
	f := failureOf(err, int(d.Attempts)-1, signal.UID)
	return &f
}

// conclude says what became of the signal in all.
func (s *signalScope) conclude(failure *verdict) {
	count := map[v1alpha1.DeliveryResult]int{}
	for _, d := range s.signal.Status.Deliveries {
		count[d.Result]++
	}
	switch all := len(s.signal.Status.Deliveries); {
	case count[v1alpha1.DeliveryPending] > 0 && failure != nil:
		s.report(underWay(failure.Reason, failure.Message))
	case count[v1alpha1.DeliveryPending] > 0:
		s.report(underWay(v1alpha1.DeliveringReason, "the signal is being sent"))
	case count[v1alpha1.DeliveryFailed] > 0 && failure != nil:
		s.complete(stalled(v1alpha1.DeliveryIncompleteReason, "some deliveries failed, see status.deliveries: "+
			failure.Message))
	case count[v1alpha1.DeliveryFailed] > 0:
		s.complete(stalled(v1alpha1.DeliveryIncompleteReason, "some deliveries failed, see status.deliveries"))
	case count[v1alpha1.DeliveryNoRecipients] == all:
		s.complete(achieved(v1alpha1.NoRecipientsReason, "nobody is in any of the rooms"))
	default:
		s.complete(achieved(v1alpha1.DeliveredReason, "the signal was delivered to every room with somebody in it"))
	}
}

// resolve finds whom a signal goes to, or what stands in the way of that.
func (r *RoomSignalReconciler) resolve(ctx context.Context, signal *v1alpha1.RoomSignal) (*sending, *verdict, error) {
	if signal.Spec.BreakoutSetRef != nil {
		return r.resolveSet(ctx, signal)
	}
	name := signal.Spec.MeetingRoomRef.Name
	room, failure, err := r.room(ctx, signal.Namespace, name)
	if err != nil || failure != nil {
		return nil, failure, err
	}
	target := breakout.SignalTarget{
		Name: v1alpha1.MainRoomName, MeetingRoomName: room.Name, DisplayName: breakout.DisplayNameOf(room),
		SessionID: room.Status.SessionID,
	}
	return r.withAccount(ctx, room, &sending{
		rooms: []breakout.SignalTarget{target}, targets: []breakout.SignalTarget{target},
		roster: room.Spec.Participants,
	})
}

// resolveSet finds the rooms of an open set that a signal goes to.
func (r *RoomSignalReconciler) resolveSet(
	ctx context.Context, signal *v1alpha1.RoomSignal,
) (*sending, *verdict, error) {
	set, name := &v1alpha1.BreakoutSet{}, signal.Spec.BreakoutSetRef.Name
	if err := r.Get(ctx, client.ObjectKey{Namespace: signal.Namespace, Name: name}, set); err != nil {
		v := underWay(v1alpha1.BreakoutSetNotFoundReason, "there is no BreakoutSet "+name+
			" in this namespace: make it before the deadline, or make another RoomSignal")
		return nil, &v, client.IgnoreNotFound(err)
	}
	if !breakout.IsOpen(set) {
		v := stalled(v1alpha1.BreakoutSetNotOpenReason, "BreakoutSet "+name+
			" is not open: send the signal to its meeting room, or when the set is open")
		if breakout.ScheduleOf(set, time.Now()).Open {
			v = underWay(v1alpha1.BreakoutSetNotOpenReason, "waiting for BreakoutSet "+name+" to open")
		}
		return nil, &v, nil
	}
	to := &sending{rooms: breakout.TargetsOf(set)}
	to.targets = to.rooms
	if len(signal.Spec.Rooms) > 0 {
		to.targets = nil
		for _, want := range signal.Spec.Rooms {
			i := slices.IndexFunc(to.rooms, func(t breakout.SignalTarget) bool { return t.Name == want })
			if i < 0 {
				v := stalled(v1alpha1.UnknownRoomReason,
					fmt.Sprintf("BreakoutSet %s has no open room %q: make a RoomSignal that names one of its rooms",
						name, want))
				return nil, &v, nil
			}
			to.targets = append(to.targets, to.rooms[i])
		}
	}
	main, failure, err := r.room(ctx, signal.Namespace, set.Spec.MeetingRoomRef.Name)
	if err != nil || failure != nil {
		return nil, failure, err
	}
	to.roster = main.Spec.Participants
	return r.withAccount(ctx, main, to)
}

// room reads a meeting room that has a session.
func (r *RoomSignalReconciler) room(
	ctx context.Context, namespace, name string,
) (*v1alpha1.MeetingRoom, *verdict, error) {
	room := &v1alpha1.MeetingRoom{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, room); err != nil {
		v := underWay(v1alpha1.MeetingRoomNotFoundReason, "there is no MeetingRoom "+name+
			" in this namespace: make it before the deadline, or make another RoomSignal")
		return nil, &v, client.IgnoreNotFound(err)
	}
	if room.Status.SessionID == "" {
		v := underWay(v1alpha1.MeetingRoomNotReadyReason, "waiting for MeetingRoom "+name+
			" to have a session; its conditions say what is missing")
		return nil, &v, nil
	}
	return room, nil, nil
}

func (r *RoomSignalReconciler) withAccount(
	ctx context.Context, room *v1alpha1.MeetingRoom, to *sending,
) (*sending, *verdict, error) {
	acct, err := r.Accounts.Resolve(ctx, room.Namespace, room.Status.AccountName)
	if err != nil {
		f := failureOf(err, 0, room.UID)
		v := underWay(f.Reason, f.Message)
		return nil, &v, nil
	}
	to.account = acct
	return to, nil, nil
}

// hasPredecessor reports whether an unfinished signal for the same meeting was created before this one.
func (r *RoomSignalReconciler) hasPredecessor(ctx context.Context, signal *v1alpha1.RoomSignal) (bool, error) {
	unfinished, err := r.unfinished(ctx, signal.Namespace)
	if err != nil {
		return false, err
	}
	meeting, err := r.meeting(ctx, signal)
	if err != nil {
		return false, err
	}
	for i := range unfinished {
		other := &unfinished[i]
		if other.UID == signal.UID || !createdBefore(other, signal) {
			continue
		}
		same, err := r.meeting(ctx, other)
		if err != nil {
			return false, err
		}
		if same == meeting {
			return true, nil
		}
	}
	return false, nil
}

// meeting is the name of the main room that a signal belongs to.
func (r *RoomSignalReconciler) meeting(ctx context.Context, signal *v1alpha1.RoomSignal) (string, error) {
	if ref := signal.Spec.BreakoutSetRef; ref != nil {
		set := &v1alpha1.BreakoutSet{}
		err := r.Get(ctx, client.ObjectKey{Namespace: signal.Namespace, Name: ref.Name}, set)
		return set.Spec.MeetingRoomRef.Name, client.IgnoreNotFound(err)
	}
	room, name := &v1alpha1.MeetingRoom{}, signal.Spec.MeetingRoomRef.Name
	if err := r.Get(ctx, client.ObjectKey{Namespace: signal.Namespace, Name: name}, room); err != nil {
		return name, client.IgnoreNotFound(err)
	}
	return cmp.Or(room.Labels[v1alpha1.MeetingRoomLabel], name), nil
}

func (r *RoomSignalReconciler) unfinished(
	ctx context.Context, namespace string, options ...client.ListOption,
) ([]v1alpha1.RoomSignal, error) {
	var signals v1alpha1.RoomSignalList
	options = append(options, client.InNamespace(namespace), client.MatchingFields{unfinishedIndex: "true"})
	err := r.List(ctx, &signals, options...)
	deleted := func(s v1alpha1.RoomSignal) bool { return !s.DeletionTimestamp.IsZero() }
	return slices.DeleteFunc(signals.Items, deleted), err
}

// createdBefore reports whether a was created before b. Creation times have whole seconds; within one, the
// resourceVersion of the creation decides.
func createdBefore(a, b *v1alpha1.RoomSignal) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(orderOf(a), orderOf(b)),
		cmp.Compare(a.UID, b.UID)) < 0
}

// orderOf is the resourceVersion of a signal's creation: recorded in its status, or still its own.
func orderOf(signal *v1alpha1.RoomSignal) int64 {
	if signal.Status.Order != 0 {
		return signal.Status.Order
	}
	version, err := strconv.ParseInt(signal.ResourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return version
}

// signalEnded passes events by which a signal stops being in the way of later ones.
func signalEnded() predicate.Predicate {
	completed := func(o client.Object) bool { return o.(*v1alpha1.RoomSignal).Status.CompletionTime != nil }
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return !completed(e.ObjectOld) && completed(e.ObjectNew) },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

func secondsOf(seconds *int32, otherwise time.Duration) time.Duration {
	if seconds == nil {
		return otherwise
	}
	return time.Duration(*seconds) * time.Second
}
