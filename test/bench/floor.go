// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// The bare client does what an operator has to do, and nothing else: it watches nothing, compares nothing, and would do
// everything again after a crash.

// serveRoom makes a room what it should be: its session, its tokens, one status.
func (b *bench) serveRoom(ctx context.Context, room *v1alpha1.MeetingRoom) error {
	session, err := b.vendor.CreateSession(ctx, vonage.SessionOptions{})
	if err != nil {
		return err
	}
	st := &room.Status
	st.SessionID, st.ProjectID, st.AccountName, st.ObservedGeneration = session, b.ProjectID, "default", room.Generation
	for _, p := range room.Spec.Participants {
		token, err := b.mint(session, p)
		if err != nil {
			return err
		}
		st.Tokens = append(st.Tokens, token)
	}
	for _, typ := range []string{
		v1alpha1.ReadyCondition, v1alpha1.SessionReadyCondition, v1alpha1.TokensReadyCondition,
	} {
		st.Conditions = append(st.Conditions, metav1.Condition{
			Type: typ, Status: metav1.ConditionTrue, ObservedGeneration: room.Generation,
			LastTransitionTime: metav1.Now(), Reason: "Floor",
			Message: "the session is there and every participant has a valid token",
		})
	}
	return b.Client.Status().Update(ctx, room)
}

// floorOfRooms is how long the bare client takes for rooms that exist already.
func (b *bench) floorOfRooms(ctx context.Context, n int) (time.Duration, error) {
	names, err := b.makeRooms(ctx, n)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = each(ctx, n, func(ctx context.Context, i int) error {
		room := b.newRoom(names[i])
		if err := b.Client.Get(ctx, client.ObjectKeyFromObject(room), room); err != nil {
			return err
		}
		base := room.DeepCopy()
		controllerutil.AddFinalizer(room, v1alpha1.MeetingRoomFinalizer)
		if err := b.Client.Patch(
			ctx, room, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}),
		); err != nil {
			return err
		}
		return b.serveRoom(ctx, room)
	})
	return time.Since(began), err
}

// floorOfOneRoom is how long the bare client takes from a room's creation on.
func (b *bench) floorOfOneRoom(ctx context.Context) (time.Duration, error) {
	room := b.newRoom(b.name("floor"))
	began := time.Now()
	if err := b.Client.Create(ctx, room); err != nil {
		return 0, err
	}
	base := room.DeepCopy()
	controllerutil.AddFinalizer(room, v1alpha1.MeetingRoomFinalizer)
	if err := b.Client.Patch(ctx, room, client.MergeFrom(base)); err != nil {
		return 0, err
	}
	err := b.serveRoom(ctx, room)
	return time.Since(began), err
}

// floorOfSet is how long the bare client takes to open breakout rooms: a set with its status twice (the plan before
// anybody is told, the end after), the main room's lock, the rooms, and one signal to the main room.
func (b *bench) floorOfSet(ctx context.Context, main *v1alpha1.MeetingRoom, rooms int) (time.Duration, error) {
	set := b.newSet(main.Name, rooms)
	set.Finalizers = nil
	if err := b.Client.Get(ctx, client.ObjectKeyFromObject(main), main); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := b.Client.Create(ctx, set); err != nil {
		return 0, err
	}
	controllerutil.AddFinalizer(set, v1alpha1.BreakoutSetFinalizer)
	if err := b.Client.Update(ctx, set); err != nil {
		return 0, err
	}
	main.Status.ActiveBreakoutSet = &v1alpha1.ActiveBreakoutSet{Name: set.Name, UID: string(set.UID)}
	if err := b.Client.Status().Update(ctx, main); err != nil {
		return 0, err
	}
	people := main.Spec.Participants
	set.Status.Rooms = make([]v1alpha1.BreakoutRoomStatus, rooms)
	err := each(ctx, rooms, func(ctx context.Context, i int) error {
		room := b.newRoom(fmt.Sprintf("%s-%s", set.Name, set.Spec.Rooms[i].Name))
		room.Finalizers = []string{v1alpha1.MeetingRoomFinalizer, v1alpha1.FarewellFinalizer}
		room.Spec.Participants = []v1alpha1.Participant{people[0]}
		for p := 1 + i; p < len(people); p += rooms {
			room.Spec.Participants = append(room.Spec.Participants, people[p])
		}
		if err := b.Client.Create(ctx, room); err != nil {
			return err
		}
		if err := b.serveRoom(ctx, room); err != nil {
			return err
		}
		st := v1alpha1.BreakoutRoomStatus{
			Name: set.Spec.Rooms[i].Name, DisplayName: string(set.Spec.Rooms[i].Name), MeetingRoomName: room.Name,
			SessionID: room.Status.SessionID,
		}
		for _, p := range room.Spec.Participants[1:] {
			st.Participants = append(st.Participants, p.Name)
		}
		set.Status.Rooms[i] = st
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := b.Client.Status().Update(ctx, set); err != nil {
		return 0, err
	}
	if err := b.vendor.Signal(
		ctx, main.Status.SessionID, vonage.Signal{Type: "breakout-room", Data: "{}"},
	); err != nil {
		return 0, err
	}
	set.Status.State = v1alpha1.StateOpen
	err = b.Client.Status().Update(ctx, set)
	return time.Since(began), err
}

// newSet is a set of so many rooms, not created yet.
func (b *bench) newSet(main string, rooms int) *v1alpha1.BreakoutSet {
	names := make([]string, rooms)
	for i := range names {
		names[i] = fmt.Sprintf("r%d", i+1)
	}
	return fixture.BreakoutSet(b.name("set"), main, fixture.Rooms(names...))
}
