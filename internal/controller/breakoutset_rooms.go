// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

const (
	// maxTokens is how many tokens a set of mode Choose may need.
	maxTokens = 5000

	// maxStatusTokens is how many participants a MeetingRoom with tokens in its status takes.
	maxStatusTokens = 300
)

// ensureRooms assigns people and makes the MeetingRooms of the breakout rooms, or brings them back to what they should
// be, while the set has the main room to itself.
func (r *BreakoutSetReconciler) ensureRooms(ctx context.Context, s *breakoutScope) error {
	if s.main == nil {
		return nil
	}
	s.assignment = breakout.Assign(s.main.Spec.Participants, s.wanted, s.asked(), breakout.Planned(s.status()).Places(),
		string(s.set.UID))
	if !s.holds || !s.wantsOpen() || (breakout.IsClosing(s.set) && !breakout.IsOpen(s.set)) {
		return nil
	}
	desired := s.desiredChildren()
	if s.tooMany(desired) {
		return nil
	}
	unlike := make([]bool, len(desired))
	for i, want := range desired {
		have := s.children[s.wanted[i].Name]
		unlike[i] = have == nil || (have.DeletionTimestamp.IsZero() && adjustRoom(have, want))
	}
	if !slices.Contains(unlike, true) {
		return nil
	}
	if err := r.ensureLive(ctx, s); err != nil { // else two operators could undo each other's work for ever
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.resources.writes)
	failures := make([]*verdict, len(desired))
	made := make([]*v1alpha1.MeetingRoom, len(desired))
	for i, want := range desired {
		if unlike[i] {
			group.Go(func() (err error) {
				made[i], failures[i], err = r.writeRoom(ctx, s, s.children[s.wanted[i].Name], want)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, room := range made {
		if room != nil {
			s.children[s.wanted[i].Name] = room
		}
		if failures[i] != nil && s.failure == nil {
			s.failure = failures[i]
		}
	}
	return nil
}

// asked is the assignment that the spec asks for.
func (s *breakoutScope) asked() v1alpha1.AssignmentSpec {
	if s.set.Spec.Assignment == nil {
		return v1alpha1.AssignmentSpec{}
	}
	return *s.set.Spec.Assignment
}

// writeRoom makes one breakout room, or updates the one that there is, which was adjusted already. A room that is being
// deleted is left to go: it is made anew when it is gone.
func (r *BreakoutSetReconciler) writeRoom(
	ctx context.Context, s *breakoutScope, have, want *v1alpha1.MeetingRoom,
) (*v1alpha1.MeetingRoom, *verdict, error) {
	if have == nil {
		return r.createRoom(ctx, s, want)
	}
	err := r.Update(ctx, have)
	if apierrors.IsInvalid(err) {
		return nil, invalidRoom(want, err), nil
	}
	return have, nil, err
}

func (r *BreakoutSetReconciler) createRoom(
	ctx context.Context, s *breakoutScope, want *v1alpha1.MeetingRoom,
) (*v1alpha1.MeetingRoom, *verdict, error) {
	err := r.Create(ctx, want)
	switch {
	case err == nil:
		return want, nil, nil
	case apierrors.IsInvalid(err):
		return nil, invalidRoom(want, err), nil
	case !apierrors.IsAlreadyExists(err):
		return nil, nil, err
	}
	taken := &v1alpha1.MeetingRoom{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(want), taken); err != nil {
		return nil, nil, err
	}
	if metav1.IsControlledBy(taken, s.set) {
		return taken, nil, nil // the cache had not seen it yet
	}
	s.requeueAt(s.now.Add(time.Minute)) // another object's deletion is no event of ours
	v := stalled(v1alpha1.RoomNameTakenReason, "MeetingRoom "+want.Name+
		" exists and does not belong to this set: delete it, or give the room another name")
	return nil, &v, nil
}

func invalidRoom(want *v1alpha1.MeetingRoom, err error) *verdict {
	v := stalled(v1alpha1.RoomInvalidReason, "MeetingRoom "+want.Name+" is refused: "+invalidCauses(err))
	return &v
}

// invalidCauses are the reasons of the API server for refusing an object, without the object's values.
func invalidCauses(err error) string {
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return "it is invalid"
	}
	text := ""
	for _, cause := range status.Status().Details.Causes {
		if text != "" {
			text += "; "
		}
		text += cause.Field + ": " + string(cause.Type)
	}
	return text
}

// adjustRoom makes have what want is, and reports whether it was not. What is not the set's to say stays as it is.
func adjustRoom(have, want *v1alpha1.MeetingRoom) bool {
	spec := want.Spec.DeepCopy()
	// cannot change
	spec.Session, spec.SessionID, spec.AccountRef = have.Spec.Session, have.Spec.SessionID, have.Spec.AccountRef
	changed := !equality.Semantic.DeepEqual(have.Spec, *spec)
	have.Spec = *spec
	for k, v := range want.Labels {
		if have.Labels[k] != v {
			metav1.SetMetaDataLabel(&have.ObjectMeta, k, v)
			changed = true
		}
	}
	return controllerutil.AddFinalizer(have, v1alpha1.FarewellFinalizer) || changed
}

// desiredChildren are the MeetingRooms that the set should have, in the order of its rooms.
func (s *breakoutScope) desiredChildren() []*v1alpha1.MeetingRoom {
	people := s.peopleOfRooms()
	rooms := make([]*v1alpha1.MeetingRoom, len(s.wanted))
	for i, room := range s.wanted {
		rooms[i] = s.desiredChild(room, people[room.Name])
	}
	return rooms
}

func (s *breakoutScope) desiredChild(
	room v1alpha1.BreakoutRoomSpec, people []v1alpha1.Participant,
) *v1alpha1.MeetingRoom {
	child := &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.set.Namespace,
			Name:      s.set.Name + "-" + string(room.Name),
			Labels: map[string]string{
				v1alpha1.BreakoutSetLabel:  s.set.Name,
				v1alpha1.MeetingRoomLabel:  s.main.Name,
				v1alpha1.BreakoutRoomLabel: string(room.Name),
			},
			Finalizers: []string{v1alpha1.MeetingRoomFinalizer, v1alpha1.FarewellFinalizer},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(s.set, v1alpha1.GroupVersion.WithKind("BreakoutSet")),
			},
		},
		Spec: v1alpha1.MeetingRoomSpec{
			AccountRef:   &v1alpha1.LocalObjectReference{Name: s.main.Status.AccountName},
			DisplayName:  room.DisplayName,
			Session:      s.main.Spec.Session,
			Tokens:       s.main.Spec.Tokens,
			Participants: people,
		},
	}
	if t := s.set.Spec.Template; t != nil && t.Session != nil {
		child.Spec.Session = t.Session
	}
	if t := s.set.Spec.Template; t != nil && t.Tokens != nil {
		child.Spec.Tokens = t.Tokens
	}
	return child
}

// peopleOfRooms are those who need a token for each room, in roster order: hosts and co-hosts; whoever should be there,
// or was sent there last; whoever is on the move and has one; and with mode Choose everybody.
func (s *breakoutScope) peopleOfRooms() map[v1alpha1.BreakoutRoomName][]v1alpha1.Participant {
	everywhere := func(p v1alpha1.Participant) bool {
		return breakout.ModeOf(s.set) == v1alpha1.ModeChoose || p.Role == v1alpha1.RoleHost ||
			p.Role == v1alpha1.RoleCoHost
	}
	planned := breakout.Planned(s.status()).Places()
	people := make(map[v1alpha1.BreakoutRoomName][]v1alpha1.Participant, len(s.wanted))
	for _, p := range s.main.Spec.Participants {
		if everywhere(p) {
			for _, room := range s.wanted {
				people[room.Name] = append(people[room.Name], p)
			}
			continue
		}
		rooms := []v1alpha1.BreakoutRoomName{s.assignment.Places[p.Name], planned[p.Name]}
		if slices.Contains(s.status().Signals.Moving, p.Name) {
			rooms = append(rooms, s.admits(p.Name)...)
		}
		for i, room := range rooms {
			if room != "" && !slices.Contains(rooms[:i], room) {
				people[room] = append(people[room], p)
			}
		}
	}
	return people
}

// admits are the wanted rooms that somebody has a token for, or is to get one.
func (s *breakoutScope) admits(name v1alpha1.ParticipantName) []v1alpha1.BreakoutRoomName {
	var rooms []v1alpha1.BreakoutRoomName
	for _, room := range s.wanted {
		child := s.children[room.Name]
		if child != nil &&
			slices.ContainsFunc(child.Spec.Participants, func(p v1alpha1.Participant) bool { return p.Name == name }) {
			rooms = append(rooms, room.Name)
		}
	}
	return rooms
}

// tooMany reports whether, and records in the scope that, the rooms could not publish all their tokens.
func (s *breakoutScope) tooMany(desired []*v1alpha1.MeetingRoom) bool {
	if n := len(
		s.wanted,
	) * len(
		s.main.Spec.Participants,
	); breakout.ModeOf(s.set) == v1alpha1.ModeChoose &&
		n > maxTokens {
		s.stall(
			v1alpha1.TooManyTokensReason,
			fmt.Sprintf(
				"with mode Choose everybody needs a token for every room, and rooms × participants is over %d: "+
					"use fewer rooms, or another mode",
				maxTokens,
			),
		)
		return true
	}
	for _, room := range desired {
		inStatus := room.Spec.Tokens == nil || room.Spec.Tokens.Delivery != v1alpha1.TokenDeliverySecret
		if inStatus && len(room.Spec.Participants) > maxStatusTokens {
			s.stall(v1alpha1.TooManyParticipantsReason,
				fmt.Sprintf("a breakout room would have more than %d participants: use template.tokens.delivery "+
					"Secret, or smaller rooms", maxStatusTokens))
			return true
		}
	}
	return false
}

// removeRooms deletes the breakout rooms that are in nobody's list any more, and lets those go that are drained.
func (r *BreakoutSetReconciler) removeRooms(ctx context.Context, s *breakoutScope) error {
	for _, name := range slices.Sorted(maps.Keys(s.children)) {
		room := s.children[name]
		if s.stays(name, room) {
			continue
		}
		if err := r.ensureLive(ctx, s); err != nil {
			return err
		}
		if room.DeletionTimestamp.IsZero() {
			err := r.Delete(ctx, room, client.Preconditions{UID: &room.UID})
			if client.IgnoreNotFound(err) != nil {
				return err
			}
			continue // the deletion is an event
		}
		if err := r.finishDrain(ctx, s, name, room); err != nil {
			return err
		}
	}
	return nil
}

// stays reports whether a breakout room is still needed: it is wanted, or not everybody has received yet that it is
// gone. A deletion by others cannot be undone.
func (s *breakoutScope) stays(name v1alpha1.BreakoutRoomName, room *v1alpha1.MeetingRoom) bool {
	if !room.DeletionTimestamp.IsZero() {
		return false
	}
	if breakout.IsKnown(s.status(), name) {
		return s.now.Before(s.drainLimit())
	}
	wanted := slices.ContainsFunc(s.wanted, func(w v1alpha1.BreakoutRoomSpec) bool { return w.Name == name })
	return wanted && s.wantsOpen() && s.holds && !breakout.IsClosing(s.set)
}

// finishDrain takes the finalizer of the drain off a room that is being deleted, when its people received the closing
// notice and had the grace to leave, or when the time for signals that fail is over. From then on whoever is left is
// disconnected.
func (r *BreakoutSetReconciler) finishDrain(
	ctx context.Context,
	s *breakoutScope,
	name v1alpha1.BreakoutRoomName,
	room *v1alpha1.MeetingRoom,
) error {
	if !controllerutil.ContainsFinalizer(room, v1alpha1.FarewellFinalizer) {
		return nil
	}
	if at := s.drainEnd(name, room); at.After(s.now) {
		s.requeueAt(at)
		return nil
	}
	controllerutil.RemoveFinalizer(room, v1alpha1.FarewellFinalizer)
	return client.IgnoreNotFound(r.Update(ctx, room))
}

// drainEnd is when a room that is being deleted may go: after the grace, which begins with the deletion, or when its
// session was sent that it is gone where that was later. A deletion has the API server's time, the delivery the
// operator's; while the set closes the latter alone counts.
func (s *breakoutScope) drainEnd(name v1alpha1.BreakoutRoomName, room *v1alpha1.MeetingRoom) time.Time {
	closing, grace := !breakout.IsOpen(s.set), breakout.CloseGrace(s.set)
	if closing && s.status().ClosedAt == nil {
		return s.now // nobody ever received it
	}
	begins := room.DeletionTimestamp.Time
	limit := begins.Add(grace + breakout.ClosingPatience)
	if closing {
		limit = s.drainLimit()
	}
	if breakout.IsKnown(s.status(), name) {
		return limit
	}
	if left := breakout.LeftAt(s.status(), name); !left.IsZero() && (closing || left.After(begins)) {
		begins = left
	}
	return minTime(begins.Add(grace), limit)
}

// drainLimit is until when a closing set waits for its closing notice to be delivered, and then for people to leave;
// far away while it is not closing.
func (s *breakoutScope) drainLimit() time.Time {
	st := s.status()
	if breakout.IsOpen(s.set) || st.ClosedAt == nil {
		return s.now.Add(time.Hour)
	}
	from := st.ClosedAt.Time
	for _, e := range st.Signals.Sessions {
		if e.Time.After(from) {
			from = e.Time.Time
		}
	}
	return from.Add(breakout.CloseGrace(s.set) + breakout.ClosingPatience)
}
