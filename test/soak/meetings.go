// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// soak is one run.
type soak struct {
	*rig.Rig
	options  options
	rand     *rand.Rand
	watcher  *watcher
	operator *rig.Operator

	edits, killed, restarted int
	edited, fates            map[string]int
	// wasted are sessions that no room had when an operator was killed.
	wasted     map[string]bool
	complaints []string
}

func (s *soak) say(format string, args ...any) {
	fmt.Printf("soak: %s\n", fmt.Sprintf(format, args...))
}

func (s *soak) complain(format string, args ...any) {
	s.complaints = append(s.complaints, fmt.Sprintf(format, args...))
}

func meetingName(i int) string { return fmt.Sprintf("meeting-%03d", i) }

func (s *soak) newMeeting(name string) *v1alpha1.MeetingRoom {
	return fixture.MeetingRoom(name, fixture.Participants("Host=Host"), fixture.Students(4))
}

func (s *soak) newSet(name string) *v1alpha1.BreakoutSet {
	set := fixture.BreakoutSet(name, name, fixture.Rooms("red", "blue"), fixture.Grace(6))
	if s.rand.IntN(2) == 0 {
		fixture.Placed()(set)
	}
	return set
}

func (s *soak) makeMeetings(ctx context.Context) error {
	for i := range s.options.meetings {
		for _, object := range []client.Object{s.newMeeting(meetingName(i)), s.newSet(meetingName(i))} {
			if err := s.Client.Create(ctx, object); err != nil {
				return err
			}
		}
	}
	return nil
}

// change is something that happens to a meeting.
type change struct {
	name   string
	weight int
	happen func(s *soak, ctx context.Context, meeting string) error
}

// changes are what may happen, more often by weight.
var changes = []change{
	{"a room is added", 6, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		for _, name := range []v1alpha1.BreakoutRoomName{"red", "blue", "green", "yellow", "white"} {
			is := func(r v1alpha1.BreakoutRoomSpec) bool { return r.Name == name }
			if !slices.ContainsFunc(set.Spec.Rooms, is) && s.rand.IntN(2) == 0 {
				set.Spec.Rooms = append(set.Spec.Rooms, v1alpha1.BreakoutRoomSpec{Name: name})
				return
			}
		}
	})},
	{"a room is removed", 5, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		if len(set.Spec.Rooms) > 1 {
			i := s.rand.IntN(len(set.Spec.Rooms))
			set.Spec.Rooms = slices.Delete(set.Spec.Rooms, i, i+1)
		}
	})},
	{"a room is renamed", 8, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		names := []string{"", "Team", "Grüße", "Crimson", "Night watch"}
		set.Spec.Rooms[s.rand.IntN(len(set.Spec.Rooms))].DisplayName = names[s.rand.IntN(len(names))]
	})},
	{"a room is resized", 4, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		set.Spec.Rooms[s.rand.IntN(len(set.Spec.Rooms))].MaxParticipants = new(int32(s.rand.IntN(4)))
	})},
	{"somebody is placed", 10, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		if set.Spec.Assignment == nil {
			set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeAutomatic}
		}
		who := v1alpha1.ParticipantName(fmt.Sprintf("Student %d", s.rand.IntN(5)))
		a := set.Spec.Assignment
		a.Placements = slices.DeleteFunc(a.Placements, func(p v1alpha1.Placement) bool { return p.Participant == who })
		if where := s.rand.IntN(len(set.Spec.Rooms) + 2); where < len(set.Spec.Rooms) {
			a.Placements = append(a.Placements, v1alpha1.Placement{Participant: who, Room: set.Spec.Rooms[where].Name})
		} else if where == len(set.Spec.Rooms) {
			a.Placements = append(a.Placements, v1alpha1.Placement{Participant: who, Room: "main"})
		}
	})},
	{"a countdown begins, changes or ends", 6, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		set.Spec.DurationSeconds = nil
		if s.rand.IntN(3) > 0 {
			set.Spec.DurationSeconds = new(int32(20 + s.rand.IntN(600)))
		}
	})},
	{"a set is closed or opened", 5, onSet(func(_ *soak, set *v1alpha1.BreakoutSet) {
		if set.Spec.State == v1alpha1.DesiredClosed {
			set.Spec.State = v1alpha1.DesiredOpen
		} else {
			set.Spec.State = v1alpha1.DesiredClosed
		}
	})},
	{"everything is sent again", 2, onSet(func(s *soak, set *v1alpha1.BreakoutSet) {
		metav1.SetMetaDataAnnotation(&set.ObjectMeta, v1alpha1.ResendAnnotation, fmt.Sprint(s.rand.Uint64()))
	})},
	{"somebody comes, leaves or is promoted", 6, func(s *soak, ctx context.Context, meeting string) error {
		return fixture.Edit(ctx, s.Client, fixture.MeetingRoom(meeting), func(room *v1alpha1.MeetingRoom) {
			switch p := room.Spec.Participants; {
			case len(p) < 6:
				room.Spec.Participants = append(p, v1alpha1.Participant{
					Name: v1alpha1.ParticipantName(fmt.Sprintf("Guest %d", s.edits)),
				})
			case s.rand.IntN(2) == 0:
				room.Spec.Participants[1+s.rand.IntN(len(p)-1)].Role = []v1alpha1.ParticipantRole{
					v1alpha1.RoleParticipant, v1alpha1.RoleCoHost,
				}[s.rand.IntN(2)]
			default:
				room.Spec.Participants = p[:len(p)-1]
			}
		})
	}},
	{"a signal is sent", 6, func(s *soak, ctx context.Context, meeting string) error {
		signal := fixture.RoomSignal("", fixture.ToSet(meeting),
			fixture.Saying("Host", fmt.Sprintf("Edit %d", s.edits)))
		signal.GenerateName, signal.Spec.TTLSecondsAfterFinished = meeting+"-", new(int32(1))
		return s.Client.Create(ctx, signal)
	}},
	{"somebody is recalled", 3, func(s *soak, ctx context.Context, meeting string) error {
		who := v1alpha1.ParticipantName(fmt.Sprintf("Student %d", 1+s.rand.IntN(2)))
		signal := fixture.RoomSignal("", fixture.ToSet(meeting))
		signal.GenerateName, signal.Spec.TTLSecondsAfterFinished = meeting+"-", new(int32(1))
		signal.Spec.Recall = &v1alpha1.Recall{Participants: []v1alpha1.ParticipantName{who}}
		return s.Client.Create(ctx, signal)
	}},
	{"a set is deleted or made", 4, func(s *soak, ctx context.Context, meeting string) error {
		set := s.newSet(meeting)
		if err := s.Client.Create(ctx, set); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return s.Client.Delete(ctx, set)
	}},
	{"a meeting is deleted or made", 2, func(s *soak, ctx context.Context, meeting string) error {
		room := s.newMeeting(meeting)
		if err := s.Client.Create(ctx, room); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return s.Client.Delete(ctx, room)
	}},
	{"a breakout room is deleted by hand", 2, func(s *soak, ctx context.Context, meeting string) error {
		return s.Client.Delete(ctx, fixture.MeetingRoom(meeting+"-red"))
	}},
}

// edit has something happen to some meeting.
func (s *soak) edit(ctx context.Context) error {
	s.edits++
	total := 0
	for _, c := range changes {
		total += c.weight
	}
	n, meeting := s.rand.IntN(total), meetingName(s.rand.IntN(s.options.meetings))
	for _, c := range changes {
		if n -= c.weight; n < 0 {
			s.edited[c.name]++
			return s.patiently(ctx, func() error { return client.IgnoreNotFound(c.happen(s, ctx, meeting)) })
		}
	}
	return nil
}

// patiently does something again while the API server is away, or somebody else was faster. An object that is being
// deleted takes no edits.
func (s *soak) patiently(ctx context.Context, do func() error) error {
	for end := time.Now().Add(time.Minute); ; {
		err := do()
		away := err != nil &&
			(utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
				apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsTimeout(err) ||
				apierrors.IsConflict(err) ||
				apierrors.IsForbidden(err)) // a restarted API server has its roles a moment later
		if !away || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func onSet(change func(*soak, *v1alpha1.BreakoutSet)) func(*soak, context.Context, string) error {
	return func(s *soak, ctx context.Context, meeting string) error {
		return fixture.Edit(ctx, s.Client, fixture.BreakoutSet(meeting, ""), func(set *v1alpha1.BreakoutSet) {
			change(s, set)
		})
	}
}
