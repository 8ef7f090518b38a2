// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// Story is something that happens to a meeting. Each step waits until the operator is done with the one before, so that
// the story has one right ending and one right sequence of signals, whatever comes between.
type Story struct {
	Name string

	// Prepare sets the scene, undisturbed; Tell is the story.
	Prepare, Tell func(*World)
}

// long is how long a step may take, whatever comes between.
const long = 30 * time.Minute

// Stories are the stories of a meeting.
var Stories = []Story{
	{"open", accountReady, func(w *World) {
		class(w)
		w.Create(NewSet())
		w.Until(long, w.Opened)
		w.Until(long, w.Quiet)
	}},
	{"edit", lesson, func(w *World) {
		for _, step := range []struct {
			change []func(*v1alpha1.BreakoutSet)
			goal   func() error
		}{
			{[]func(*v1alpha1.BreakoutSet){fixture.Rooms("red=Crimson", "blue/4")}, w.Opened},
			{
				[]func(*v1alpha1.BreakoutSet){fixture.Rooms("red=Crimson", "blue/4", "green")},
				w.openedWith("red blue green"),
			},
			{[]func(*v1alpha1.BreakoutSet){fixture.Lasting(600)}, w.Opened},
			{
				[]func(*v1alpha1.BreakoutSet){
					fixture.Rooms("red=Crimson", "green"), fixture.Placed("Ada=red", "Ben=green"),
				},
				w.openedWith("red green"),
			},
			{[]func(*v1alpha1.BreakoutSet){fixture.Lasting(0)}, w.Opened},
		} {
			w.EditSet("groups", step.change...)
			w.Until(long, step.goal)
			w.Until(long, w.Quiet)
		}
	}},
	{"move", lesson, func(w *World) {
		step := func() {
			w.Until(long, w.Opened)
			w.Until(long, w.Quiet)
		}
		w.EditSet("groups", fixture.Placed("Ada=blue", "Ben=red"))
		step()
		w.EditSet("groups", fixture.Placed("Ada=main", "Ben=red"))
		step()
		w.EditRoom("class", func(room *v1alpha1.MeetingRoom) {
			room.Spec.Participants = append(room.Spec.Participants, v1alpha1.Participant{Name: "Cleo"})
		})
		w.Until(long, func() error { return IsReady(w.Room("class")) })
		w.EditSet("groups", fixture.Placed("Ada=main", "Ben=red", "Cleo=red"))
		step()
		w.EditRoom("class", func(room *v1alpha1.MeetingRoom) { room.Spec.Participants[2].Role = v1alpha1.RoleCoHost })
		step()
	}},
	{"close", lesson, func(w *World) {
		w.EditSet("groups", func(set *v1alpha1.BreakoutSet) { set.Spec.State = v1alpha1.DesiredClosed })
		w.Until(long, w.Closed)
	}},
	{"time-up", func(w *World) { lessonWith(w, fixture.Lasting(60)) }, func(w *World) {
		w.Until(long, w.Closed)
	}},
	{"delete-room", lesson, func(w *World) {
		w.Delete(w.Room("class"))
		w.Until(long, func() error {
			if w.Room("class") != nil {
				return fmt.Errorf("the main room is still there")
			}
			return HasReady(w.Set("groups"), metav1.ConditionFalse, v1alpha1.MeetingRoomNotFoundReason)
		})
	}},
	{"delete-set", lesson, func(w *World) {
		w.Delete(w.Set("groups"))
		w.Until(long, func() error {
			switch {
			case w.Set("groups") != nil:
				return fmt.Errorf("the set is still there")
			case w.Room("class").Status.ActiveBreakoutSet != nil:
				return fmt.Errorf("the main room is not free")
			}
			return nil
		})
	}},
	{"renew-tokens", func(w *World) {
		accountReady(w)
		for _, name := range []string{"class", "vault"} {
			room := NewRoom(name)
			room.Spec.Tokens = &v1alpha1.TokensSpec{
				TTLSeconds: new(int32(300)),
				Shared:     []v1alpha1.ParticipantRole{v1alpha1.RoleViewer},
			}
			if name == "vault" {
				room.Spec.Tokens.Delivery = v1alpha1.TokenDeliverySecret
			}
			w.Create(room)
			w.Until(long, func() error { return IsReady(w.Room(name)) })
		}
	}, func(w *World) {
		began := time.Now().Truncate(time.Second)
		w.Until(long, func() error {
			for _, name := range []string{"class", "vault"} {
				for _, t := range w.Room(name).Status.Tokens {
					if !t.IssuedAt.After(began) {
						return fmt.Errorf("%s has an old token for room %s", t.Participant, name)
					}
				}
			}
			return nil
		})
	}},
	{"room-signal", lesson, func(w *World) {
		w.Create(
			&v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "announcement"}, Spec: v1alpha1.RoomSignalSpec{
				BreakoutSetRef: &v1alpha1.LocalObjectReference{Name: "groups"},
				Message: &v1alpha1.Message{
					From: "Host",
					Text: "Five minutes left",
				},
				DeadlineSeconds: new(int32(3600)),
			}},
		)
		w.Create(&v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "question"}, Spec: v1alpha1.RoomSignalSpec{
			BreakoutSetRef: &v1alpha1.LocalObjectReference{
				Name: "groups",
			},
			Rooms:           []v1alpha1.BreakoutRoomName{"main", "blue"},
			RaiseHand:       &v1alpha1.RaiseHand{Participant: "Ada", Room: "red"},
			DeadlineSeconds: new(int32(3600)),
		}})
		w.Until(long, func() error {
			if err := IsReady(Get(w, &v1alpha1.RoomSignal{}, "announcement")); err != nil {
				return err
			}
			return IsReady(Get(w, &v1alpha1.RoomSignal{}, "question"))
		})
	}},
}

// accountReady starts an operator and waits until the account was checked.
func accountReady(w *World) {
	w.StartOperator()
	w.Until(long, func() error { return IsReady(w.Account()) })
}

// class makes the main room and has everybody join.
func class(w *World) {
	w.Create(NewRoom("class"))
	w.Until(long, func() error { return IsReady(w.Room("class")) })
	w.JoinAll("class")
}

// lesson sets the scene in which a set is open and everybody is in their room.
func lesson(w *World) { lessonWith(w) }

func lessonWith(w *World, changes ...func(*v1alpha1.BreakoutSet)) {
	accountReady(w)
	class(w)
	w.Create(NewSet(changes...))
	w.Until(long, w.Opened)
	w.Until(long, w.Quiet)
}

// NewRoom is the main room of a host and two participants, not created yet.
func NewRoom(name string) *v1alpha1.MeetingRoom {
	return &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name},
		Spec: v1alpha1.MeetingRoomSpec{
			DisplayName:  "Class",
			Participants: []v1alpha1.Participant{{Name: "Host", Role: v1alpha1.RoleHost}, {Name: "Ada"}, {Name: "Ben"}},
		},
	}
}

// NewSet is a set of two rooms for MeetingRoom class, not created yet.
func NewSet(changes ...func(*v1alpha1.BreakoutSet)) *v1alpha1.BreakoutSet {
	set := &v1alpha1.BreakoutSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "groups"},
		Spec: v1alpha1.BreakoutSetSpec{
			MeetingRoomRef:    v1alpha1.LocalObjectReference{Name: "class"},
			CloseGraceSeconds: new(int32(10)),
		},
	}
	fixture.Rooms("red", "blue")(set)
	fixture.Placed("Ada=red", "Ben=blue")(set)
	for _, change := range changes {
		change(set)
	}
	return set
}

// Opened is the goal that the set is open and everybody was told.
func (w *World) Opened() error {
	set := w.Set("groups")
	if err := IsReady(set); err != nil {
		return err
	}
	if set.Status.State != v1alpha1.StateOpen {
		return fmt.Errorf("the set is %s", set.Status.State)
	}
	return nil
}

// Quiet is the goal that nobody is on the move, and nothing is sent again.
func (w *World) Quiet() error {
	if s := w.Set("groups").Status.Signals; len(s.Sessions)+len(s.Moving) > 0 {
		return fmt.Errorf("signals are being sent: %+v", s)
	}
	return nil
}

// openedWith is the goal that the set is open with these rooms, and that no others are there.
func (w *World) openedWith(rooms string) func() error {
	return func() error {
		if err := w.Opened(); err != nil {
			return err
		}
		set := w.Set("groups")
		var names []string
		for _, r := range set.Status.Rooms {
			names = append(names, string(r.Name))
		}
		if is := strings.Join(names, " "); is != rooms || int(*set.Status.Replicas) != len(names) {
			return fmt.Errorf("the rooms are %s, %d in all", is, *set.Status.Replicas)
		}
		return nil
	}
}

// Closed is the goal that the set is closed and the main room is free.
func (w *World) Closed() error {
	set := w.Set("groups")
	if err := IsReady(set); err != nil {
		return err
	}
	if set.Status.State != v1alpha1.StateClosed ||
		meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition) {
		return fmt.Errorf("the set is %s", set.Status.State)
	}
	if w.Room("class").Status.ActiveBreakoutSet != nil {
		return fmt.Errorf("the main room is not free")
	}
	return nil
}
