// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// story is something that happens to a meeting. Each step waits until the operator is done with the one before, so that the story has one
// right ending and one right sequence of signals, whatever comes between.
type story struct {
	name string
	// prepare sets the scene, undisturbed; tell is the story.
	prepare, tell func(*world)
}

var stories = []story{
	{"open", accountReady, func(w *world) {
		class(w)
		w.create(groups())
		w.until(w.opened)
	}},
	{"edit", lesson, func(w *world) {
		set := groups()
		set.Namespace = w.namespace
		edit(w, set, withRooms("red=Crimson", "blue/4"))
		w.until(w.opened)
		edit(w, set, withRooms("red=Crimson", "blue/4", "green"))
		w.until(w.openedWith("red blue green"))
		edit(w, set, lasting(600))
		w.until(w.opened)
		edit(w, set, func(set *v1alpha1.BreakoutSet) {
			withRooms("red=Crimson", "green")(set)
			withPlacements("Ada=red", "Ben=green")(set)
		})
		w.until(w.openedWith("red green"))
		edit(w, set, lasting(0))
		w.until(w.opened)
	}},
	{"move", lesson, func(w *world) {
		set, main := groups(), &v1alpha1.MeetingRoom{}
		set.Namespace, main.Namespace, main.Name = w.namespace, w.namespace, "class"
		edit(w, set, withPlacements("Ada=blue", "Ben=red"))
		w.until(w.opened)
		edit(w, set, withPlacements("Ada=main", "Ben=red"))
		w.until(w.opened)
		edit(w, main, func(room *v1alpha1.MeetingRoom) {
			room.Spec.Participants = append(room.Spec.Participants, v1alpha1.Participant{Name: "Cleo"})
		})
		w.until(func() error { return isReady(w.room("class")) })
		edit(w, set, withPlacements("Ada=main", "Ben=red", "Cleo=red"))
		w.until(w.opened)
		edit(w, main, func(room *v1alpha1.MeetingRoom) { room.Spec.Participants[2].Role = v1alpha1.RoleCoHost })
		w.until(w.opened)
	}},
	{"close", lesson, func(w *world) {
		set := groups()
		set.Namespace = w.namespace
		edit(w, set, func(set *v1alpha1.BreakoutSet) { set.Spec.State = v1alpha1.DesiredClosed })
		w.until(w.closed)
	}},
	{"time-up", func(w *world) { lessonWith(w, lasting(60)) }, func(w *world) {
		w.until(w.closed)
	}},
	{"delete-room", lesson, func(w *world) {
		w.remove(w.room("class"))
		w.until(func() error {
			if w.room("class") != nil {
				return fmt.Errorf("the main room is still there")
			}
			return hasReady(w.set("groups"), metav1.ConditionFalse, v1alpha1.MeetingRoomNotFoundReason)
		})
	}},
	{"delete-set", lesson, func(w *world) {
		w.remove(w.set("groups"))
		w.until(func() error {
			switch {
			case w.set("groups") != nil:
				return fmt.Errorf("the set is still there")
			case w.room("class").Status.ActiveBreakoutSet != nil:
				return fmt.Errorf("the main room is not free")
			}
			return nil
		})
	}},
	{"renew-tokens", func(w *world) {
		accountReady(w)
		for _, name := range []string{"class", "vault"} {
			room := newRoom(name)
			room.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: ptr.To[int32](300), Shared: []v1alpha1.ParticipantRole{v1alpha1.RoleViewer}}
			if name == "vault" {
				room.Spec.Tokens.Delivery = v1alpha1.TokenDeliverySecret
			}
			w.create(room)
			w.until(func() error { return isReady(w.room(name)) })
		}
	}, func(w *world) {
		began := w.clock.Now().Truncate(time.Second)
		w.until(func() error {
			for _, name := range []string{"class", "vault"} {
				for _, t := range w.room(name).Status.Tokens {
					if !t.IssuedAt.After(began) {
						return fmt.Errorf("%s has an old token for room %s", t.Participant, name)
					}
				}
			}
			return nil
		})
	}},
	{"room-signal", lesson, func(w *world) {
		announcement := &v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "announcement"}, Spec: v1alpha1.RoomSignalSpec{
			BreakoutSetRef: &v1alpha1.LocalObjectReference{Name: "groups"},
			Message:        &v1alpha1.Message{From: "Host", Text: "Five minutes left"},
		}}
		question := &v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "question"}, Spec: v1alpha1.RoomSignalSpec{
			BreakoutSetRef: &v1alpha1.LocalObjectReference{Name: "groups"}, Rooms: []v1alpha1.BreakoutRoomName{"main", "blue"},
			RaiseHand: &v1alpha1.RaiseHand{Participant: "Ada", Room: "red"},
		}}
		w.create(announcement)
		w.create(question)
		w.until(func() error {
			if err := isReady(get(w, announcement, "announcement")); err != nil {
				return err
			}
			return isReady(get(w, question, "question"))
		})
	}},
}

// accountReady waits until the account was checked, and until the operator's cache says so: no write of a story is to an account, and none waits
// for it.
func accountReady(w *world) {
	ready := func(reader client.Reader) error {
		va := &v1alpha1.VonageAccount{}
		w.must(reader.Get(w.ctx(), w.accountKey(), va))
		return isReady(va)
	}
	w.until(func() error { return ready(admin) })
	w.must(wait.PollUntilContextTimeout(w.ctx(), lookPause, patience, true, func(context.Context) (bool, error) {
		return ready(w.operators[0].cache) == nil, nil
	}))
}

// class makes the main room, with everybody in it.
func class(w *world) {
	w.create(newRoom("class"))
	w.until(func() error { return isReady(w.room("class")) })
	for _, name := range []string{"Host", "Ada", "Ben"} {
		w.enter("class", name)
	}
}

// newRoom is a meeting room, not created yet.
func newRoom(name string) *v1alpha1.MeetingRoom {
	return &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.MeetingRoomSpec{
			DisplayName:  "Class",
			Participants: []v1alpha1.Participant{{Name: "Host", Role: v1alpha1.RoleHost}, {Name: "Ada"}, {Name: "Ben"}},
		},
	}
}

// groups is a set for the class, not created yet.
func groups() *v1alpha1.BreakoutSet {
	set := &v1alpha1.BreakoutSet{
		ObjectMeta: metav1.ObjectMeta{Name: "groups"},
		Spec:       v1alpha1.BreakoutSetSpec{MeetingRoomRef: v1alpha1.LocalObjectReference{Name: "class"}, CloseGraceSeconds: ptr.To[int32](10)},
	}
	withRooms("red", "blue")(set)
	withPlacements("Ada=red", "Ben=blue")(set)
	return set
}

// lesson sets the scene in which a set is open and everybody is in their room.
func lesson(w *world) { lessonWith(w) }

func lessonWith(w *world, change ...func(*v1alpha1.BreakoutSet)) {
	accountReady(w)
	class(w)
	set := groups()
	for _, c := range change {
		c(set)
	}
	w.create(set)
	w.until(w.opened)
	w.enter("groups-red", "Ada")
	w.enter("groups-blue", "Ben")
	w.clock.Step(7 * time.Second) // by now nobody is on the way to anywhere
	w.wait()
	w.until(w.opened)
}

// opened is the goal that the set is open and everybody was told.
func (w *world) opened() error {
	set := w.set("groups")
	if err := isReady(set); err != nil {
		return err
	}
	if set.Status.State != v1alpha1.StateOpen {
		return fmt.Errorf("the set is %s", set.Status.State)
	}
	return nil
}

// openedWith is the goal that the set is open with these rooms, and that no others are there.
func (w *world) openedWith(rooms string) func() error {
	return func() error {
		if err := w.opened(); err != nil {
			return err
		}
		set := w.set("groups")
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

// closed is the goal that the set is closed and the main room is free.
func (w *world) closed() error {
	set := w.set("groups")
	if err := isReady(set); err != nil {
		return err
	}
	if set.Status.State != v1alpha1.StateClosed || meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition) {
		return fmt.Errorf("the set is %s", set.Status.State)
	}
	if w.room("class").Status.ActiveBreakoutSet != nil {
		return fmt.Errorf("the main room is not free")
	}
	return nil
}

// withRooms gives a set rooms: "red", "red=Red team", or "red/2" for two people.
func withRooms(rooms ...string) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) {
		set.Spec.Rooms = nil
		for _, r := range rooms {
			name, size, limited := strings.Cut(r, "/")
			name, display, _ := strings.Cut(name, "=")
			room := v1alpha1.BreakoutRoomSpec{Name: v1alpha1.BreakoutRoomName(name), DisplayName: display}
			if limited {
				room.MaxParticipants = new(int32(size[0] - '0'))
			}
			set.Spec.Rooms = append(set.Spec.Rooms, room)
		}
	}
}

// withPlacements places people, such as "Ada=red", and leaves all others in the main room.
func withPlacements(placements ...string) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) {
		set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeManual}
		for _, p := range placements {
			name, room, _ := strings.Cut(p, "=")
			set.Spec.Assignment.Placements = append(set.Spec.Assignment.Placements,
				v1alpha1.Placement{Participant: v1alpha1.ParticipantName(name), Room: v1alpha1.BreakoutRoomName(room)})
		}
	}
}

// lasting gives a set a duration; 0 takes it away.
func lasting(seconds int32) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) {
		set.Spec.DurationSeconds = nil
		if seconds != 0 {
			set.Spec.DurationSeconds = &seconds
		}
	}
}
