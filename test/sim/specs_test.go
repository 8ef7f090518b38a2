// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// FuzzSpecs gives a meeting and its breakout rooms specs of all kinds, valid or not, one after the other. The operator
// neither panics nor goes on for ever, and when the specs are put right in the end all is well.
func FuzzSpecs(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "0123456789abcdef", strings.Repeat("\xff", 40), strings.Repeat("\x01\x80", 30),
		"a room, a set, a signal, and whatever comes to one's mind",
		"\x02\x01\x05\x03\x09\x02\x02\x07\x01\x01\x04\x00\x02\x03\x08\x01\x06",
		"\x03\x03\x03\x02\x02\x02\x01\x01\x01\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &dice{data: data}
		w := Run(t, Options{Seed: 1}, func(w *World) {
			accountReady(w)
			class(w)
			for range 1 + d.roll(5) {
				done := len(w.Operations)
				w.throw(d)
				w.Pass(30 * time.Minute)
				if n := len(w.Operations) - done; n > mostOperations {
					w.violated("one edit led to %d operations, the last of which were %v", n, w.Operations[done+n-10:])
				}
			}
			w.putRight()
			w.Pass(time.Minute) // until nobody is on the move
			w.JudgeSecrecy()
			w.JudgeRest()
		})
		for _, v := range w.Violations() {
			t.Error(v)
		}
	})
}

// mostOperations is how many writes and calls an edit of a few rooms and people may lead to at most, with half an hour
// to settle.
const mostOperations = 400

// dice are what a fuzzer's bytes decide.
type dice struct{ data []byte }

// roll is a number from 0 to below n; 0 when there are no bytes left.
func (d *dice) roll(n int) int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % n
}

func oneOf[T any](d *dice, of ...T) T { return of[d.roll(len(of))] }

var (
	hardNames = []string{
		"red",
		"blue",
		"red",
		"main",
		"",
		"Red",
		"-",
		"a.b",
		"r" + strings.Repeat("o", 45),
		"green",
		"x1",
	}
	hardTexts = []string{
		"",
		"Red team",
		"red",
		"main",
		"Grüße",
		"\u202e",
		"class",
		strings.Repeat("ł", 64),
		strings.Repeat("x", 65),
		"\"}",
		"<b>",
	}
	hardSizes = []int32{0, 1, 2, -1, 1000, 1001, 5}
	hardTimes = []int32{1, 0, -1, 20, 86400, 86401, 299, 300}
)

// throw changes or makes an object at random. The API server may refuse it.
func (w *World) throw(d *dice) {
	switch d.roll(5) {
	case 0:
		w.tryEdit(NewRoom("class"), func(o client.Object) { d.room(o.(*v1alpha1.MeetingRoom)) })
	case 1, 2:
		w.tryEdit(NewSet(), func(o client.Object) { d.set(o.(*v1alpha1.BreakoutSet)) })
	case 3:
		signal := &v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("signal-%d", len(d.data))}}
		w.tryEdit(signal, func(o client.Object) { d.signal(o.(*v1alpha1.RoomSignal)) })
	default:
		var obj client.Object = NewSet()
		if d.roll(2) == 0 {
			obj = &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Name: "groups-red"}}
		}
		obj.SetNamespace(Namespace)
		w.Delete(obj)
	}
}

// tryEdit makes an object, or changes the one that there is, unless the API server refuses.
func (w *World) tryEdit(obj client.Object, change func(client.Object)) {
	obj.SetNamespace(Namespace)
	err := w.User.Get(ctx(), client.ObjectKeyFromObject(obj), obj)
	if apierrors.IsNotFound(err) {
		change(obj)
		obj.SetResourceVersion("")
		err = w.User.Create(ctx(), obj)
	} else if err == nil {
		change(obj)
		err = w.User.Update(ctx(), obj)
	}
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) && !apierrors.IsBadRequest(err) {
		w.must(err)
	}
}

func (d *dice) room(room *v1alpha1.MeetingRoom) {
	for range 1 + d.roll(3) {
		switch d.roll(5) {
		case 0:
			room.Spec.DisplayName = oneOf(d, hardTexts...)
		case 1:
			room.Spec.Participants = nil
			for range d.roll(6) {
				room.Spec.Participants = append(room.Spec.Participants, v1alpha1.Participant{
					Name: v1alpha1.ParticipantName(
						oneOf(d, "Host", "Ada", "Ben", "Ada", "", "é", "a\x00", strings.Repeat("n", 65)),
					),
					Role: oneOf(d, "", v1alpha1.RoleHost, v1alpha1.RoleCoHost, v1alpha1.RoleViewer, "King"),
				})
			}
		case 2:
			room.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(oneOf(d, hardTimes...))}
			room.Spec.Tokens.Delivery = oneOf(
				d,
				"",
				v1alpha1.TokenDeliverySecret,
				v1alpha1.TokenDeliveryStatus,
				"Pigeon",
			)
		case 3:
			room.Spec.AccountRef = &v1alpha1.LocalObjectReference{Name: oneOf(d, "none", "", "None")}
		default:
			room.Spec.SessionID = oneOf(d, "", "1_nonsense", "../..", "1_MX40NTgyODA2Mn5-")
		}
	}
}

func (d *dice) set(set *v1alpha1.BreakoutSet) {
	for range 1 + d.roll(4) {
		switch d.roll(9) {
		case 0, 1:
			set.Spec.Rooms = nil
			for range d.roll(6) {
				room := v1alpha1.BreakoutRoomSpec{
					Name:        v1alpha1.BreakoutRoomName(oneOf(d, hardNames...)),
					DisplayName: oneOf(d, hardTexts...),
				}
				if d.roll(3) == 0 {
					room.MaxParticipants = new(oneOf(d, hardSizes...))
				}
				set.Spec.Rooms = append(set.Spec.Rooms, room)
			}
		case 2:
			set.Spec.Rooms, set.Spec.Replicas = nil, new(oneOf(d, hardSizes...))
			if *set.Spec.Replicas > 5 {
				set.Spec.Replicas = new(int32(5)) // the rest is for tests of scale
			}
		case 3:
			set.Spec.Assignment = &v1alpha1.AssignmentSpec{
				Mode: oneOf(d, "", v1alpha1.ModeAutomatic, v1alpha1.ModeManual, v1alpha1.ModeChoose, "Dice"),
			}
			for range d.roll(5) {
				set.Spec.Assignment.Placements = append(set.Spec.Assignment.Placements, v1alpha1.Placement{
					Participant: v1alpha1.ParticipantName(oneOf(d, "Host", "Ada", "Ben", "Ada", "Nobody", "")),
					Room:        v1alpha1.BreakoutRoomName(oneOf(d, hardNames...)),
				})
			}
		case 4:
			set.Spec.DurationSeconds = new(oneOf(d, hardTimes...))
		case 5:
			set.Spec.OpenAt = &metav1.Time{
				Time: time.Now().Add(oneOf(d, -time.Hour, time.Hour, 0, time.Minute, -2400*time.Hour)),
			}
		case 6:
			set.Spec.State = oneOf(d, v1alpha1.DesiredClosed, v1alpha1.DesiredOpen, "Ajar")
		case 7:
			set.Spec.MaxParticipants = new(oneOf(d, hardSizes...))
			set.Spec.CloseGraceSeconds = new(oneOf(d, int32(6), 0, 600, 601, -1))
			set.Spec.WarningSeconds = new(oneOf(d, hardTimes...))
			set.Spec.ReturnMode = oneOf(d, "", v1alpha1.ReturnManual, v1alpha1.ReturnAutomatic, "Never")
		default:
			set.Annotations = map[string]string{v1alpha1.ResendAnnotation: oneOf(d, hardTexts...)}
		}
	}
}

func (d *dice) signal(signal *v1alpha1.RoomSignal) {
	if d.roll(2) == 0 {
		signal.Spec.BreakoutSetRef = &v1alpha1.LocalObjectReference{Name: oneOf(d, "groups", "none", "")}
	} else {
		signal.Spec.MeetingRoomRef = &v1alpha1.LocalObjectReference{Name: oneOf(d, "class", "groups-red", "none", "")}
	}
	for range d.roll(3) {
		signal.Spec.Rooms = append(signal.Spec.Rooms, v1alpha1.BreakoutRoomName(oneOf(d, hardNames...)))
	}
	switch d.roll(4) {
	case 0:
		signal.Spec.Message = &v1alpha1.Message{
			From: v1alpha1.ParticipantName(oneOf(d, hardTexts...)),
			Text: oneOf(d, hardTexts...),
		}
	case 1:
		signal.Spec.RaiseHand = &v1alpha1.RaiseHand{
			Participant: "Ada",
			Room:        v1alpha1.BreakoutRoomName(oneOf(d, hardNames...)),
		}
	default:
		signal.Spec.Custom = &v1alpha1.CustomSignal{
			Type: oneOf(d, "quiz", "", "é", "chat"),
			Data: oneOf(d, hardTexts...),
		}
	}
	signal.Spec.DeadlineSeconds = new(oneOf(d, hardTimes...))
	signal.Spec.TTLSecondsAfterFinished = new(oneOf(d, hardTimes...))
}

// putRight makes everything anew as it should be where it cannot be edited, and waits until the rooms are open.
func (w *World) putRight() {
	for _, obj := range []client.Object{NewSet(), NewRoom("class")} {
		w.Delete(obj)
	}
	w.Until(long, func() error {
		if w.Set("groups") != nil || w.Room("class") != nil {
			return fmt.Errorf("what was wrong is still there")
		}
		return nil
	})
	w.Create(NewRoom("class"))
	w.Until(long, func() error { return IsReady(w.Room("class")) })
	w.Create(NewSet())
	w.Until(long, w.Opened)
}
