// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// patience is how long a step may take on a machine that is slow and busy.
const patience = 3 * time.Minute

// meeting is a meeting in a namespace of its own.
type meeting struct {
	t         *testing.T
	rig       *rig.Rig
	namespace string
	half      func() // waits in the middle of the story until the API server was restarted
}

func (m *meeting) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *meeting) create(obj client.Object) {
	m.t.Helper()
	m.must(m.rig.Client.Create(m.t.Context(), fixture.In(m.namespace, obj)))
}

func (m *meeting) editSet(changes ...func(*v1alpha1.BreakoutSet)) {
	m.t.Helper()
	m.must(fixture.Edit(m.t.Context(), m.rig.Client, fixture.In(m.namespace, fixture.Groups()),
		func(set *v1alpha1.BreakoutSet) {
			for _, change := range changes {
				change(set)
			}
		}))
}

func (m *meeting) await(goal func(context.Context) error) {
	m.t.Helper()
	m.must(fixture.Await(m.t.Context(), patience, goal))
}

// read reads an object by its name.
func read[T client.Object](ctx context.Context, m *meeting, obj T) (T, error) {
	return obj, m.rig.Client.Get(ctx, client.ObjectKeyFromObject(fixture.In(m.namespace, obj)), obj)
}

// ready waits until an object is as its spec asks.
func (m *meeting) ready(obj fixture.Conditioned) {
	m.t.Helper()
	m.await(func(ctx context.Context) error {
		if err := fixture.Refresh(ctx, m.rig.Client, obj); err != nil {
			return err
		}
		return fixture.IsReady(obj)
	})
}

// open makes the class and opens rooms for it.
func (m *meeting) open(changes ...func(*v1alpha1.BreakoutSet)) *v1alpha1.BreakoutSet {
	m.t.Helper()
	m.create(fixture.Class())
	m.ready(fixture.In(m.namespace, fixture.Class()))
	m.create(fixture.Groups(append(changes, fixture.Grace(6))...))
	return m.opened("red blue")
}

// opened waits until the set is open with these rooms, and no others are there.
func (m *meeting) opened(rooms string) *v1alpha1.BreakoutSet {
	m.t.Helper()
	set := fixture.In(m.namespace, fixture.Groups())
	m.await(func(ctx context.Context) error {
		if err := fixture.Refresh(ctx, m.rig.Client, set); err != nil {
			return err
		}
		if err := fixture.IsReady(set); err != nil {
			return err
		}
		var names []string
		for _, r := range set.Status.Rooms {
			names = append(names, string(r.Name))
		}
		if is := strings.Join(names, " "); is != rooms || int(*set.Status.Replicas) != len(names) {
			return fmt.Errorf("the rooms are %s, %d in all", is, *set.Status.Replicas)
		}
		return nil
	})
	return set
}

// closed waits until the set is closed and the main room free.
func (m *meeting) closed() {
	m.t.Helper()
	m.await(func(ctx context.Context) error {
		set, err := read(ctx, m, fixture.Groups())
		if err != nil {
			return err
		}
		main, err := read(ctx, m, fixture.Class())
		switch {
		case err != nil:
			return err
		case set.Status.State != v1alpha1.StateClosed || main.Status.ActiveBreakoutSet != nil:
			return fmt.Errorf("the set is %s, the room is held by %v", set.Status.State, main.Status.ActiveBreakoutSet)
		}
		return fixture.IsReady(set)
	})
}

func (m *meeting) gone(obj client.Object) {
	m.t.Helper()
	m.await(func(ctx context.Context) error {
		err := m.rig.Client.Get(ctx, client.ObjectKeyFromObject(fixture.In(m.namespace, obj)), obj)
		if err == nil {
			err = errors.New(obj.GetName() + " is still there")
		}
		return client.IgnoreNotFound(err)
	})
}

// quiet waits until nobody is on the move, and nothing is sent again.
func (m *meeting) quiet() {
	m.t.Helper()
	m.await(func(ctx context.Context) error {
		set, err := read(ctx, m, fixture.Groups())
		if err == nil && len(set.Status.Signals.Sessions)+len(set.Status.Signals.Moving) > 0 {
			err = errors.New("signals are being sent")
		}
		return err
	})
}

// sent are the messages that a room's session was sent, without repeats: the rounds of a state have revisions up to 99
// above its own.
func (m *meeting) sent(session string) []string {
	var sent []string
	base := int64(0)
	for _, c := range m.rig.Simulator.Calls() {
		if c.Op != simulator.OpSignal || c.SessionID != session || (!c.Effective && c.Status != 404) {
			continue
		}
		var data struct {
			Message  string
			Revision int64
		}
		_ = json.Unmarshal([]byte(c.SignalData), &data) // not all have one
		if data.Revision > base && data.Revision < base+100 {
			continue
		}
		base = max(base, data.Revision)
		if data.Message == "" {
			data.Message = c.SignalType
		}
		if n := len(sent); n == 0 || sent[n-1] != data.Message {
			sent = append(sent, data.Message)
		}
	}
	return sent
}

// expectSent fails unless the main session was sent these messages.
func (m *meeting) expectSent(want ...string) {
	m.t.Helper()
	main, err := read(m.t.Context(), m, fixture.Class())
	m.must(err)
	if sent := m.sent(main.Status.SessionID); !slices.Equal(sent, want) {
		m.t.Errorf("the main session was sent %q, want %q", sent, want)
	}
}

// stories are the stories of test/sim, as short as they can be by the machine's clock.
var stories = map[string]func(*meeting){
	"open": func(m *meeting) {
		m.create(fixture.Class())
		m.half()
		m.create(fixture.Groups())
		m.opened("red blue")
		m.expectSent("roomCreated (automatic)")
	},
	"edit": func(m *meeting) {
		m.open()
		m.quiet()
		m.editSet(fixture.Rooms("red=Crimson", "blue/4"))
		m.opened("red blue")
		m.half()
		m.editSet(fixture.Rooms("red=Crimson", "green"), fixture.Placed("Ada=red", "Ben=green"))
		m.opened("red green")
		m.expectSent("roomCreated (automatic)", "roomEdited", "roomAdded", "participantMoved", "roomRemoved")
	},
	"move": func(m *meeting) {
		m.open()
		m.half()
		m.editSet(fixture.Placed("Ada=blue", "Ben=red"))
		set := m.opened("red blue")
		if is := fmt.Sprint(set.Status.Rooms[0].Participants, set.Status.Rooms[1].Participants); is != "[Ben] [Ada]" {
			m.t.Errorf("red and blue have %s", is)
		}
		m.expectSent("roomCreated (automatic)", "participantMoved")
	},
	"close": func(m *meeting) {
		m.open()
		m.half()
		m.editSet(fixture.Closed)
		m.closed()
		m.expectSent("roomCreated (automatic)", "allRoomRemoved")
	},
	"time-up": func(m *meeting) {
		m.open(fixture.Lasting(20))
		m.half()
		m.closed()
		m.expectSent("count-down-timer", "roomCreated (automatic)", "allRoomRemoved")
	},
	"delete-room": func(m *meeting) {
		m.open()
		m.must(m.rig.Client.Delete(m.t.Context(), fixture.In(m.namespace, fixture.Class())))
		m.half()
		m.gone(fixture.Class())
		m.await(func(ctx context.Context) error {
			set, err := read(ctx, m, fixture.Groups())
			if err != nil {
				return err
			}
			return fixture.HasCondition(set, v1alpha1.ReadyCondition, metav1.ConditionFalse,
				v1alpha1.MeetingRoomNotFoundReason)
		})
	},
	"delete-set": func(m *meeting) {
		m.open()
		m.must(m.rig.Client.Delete(m.t.Context(), fixture.In(m.namespace, fixture.Groups())))
		m.half()
		m.gone(fixture.Groups())
		m.expectSent("roomCreated (automatic)", "allRoomRemoved")
	},
	// Tokens live five minutes at least, which nobody waits for: a longer life brings new ones, too.
	"renew-tokens": func(m *meeting) {
		m.create(fixture.Class())
		before := fixture.In(m.namespace, fixture.Class())
		m.ready(before)
		m.half()
		m.must(fixture.Edit(m.t.Context(), m.rig.Client, fixture.In(m.namespace, fixture.Class()),
			func(room *v1alpha1.MeetingRoom) {
				room.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(int32(3600))}
			}))
		after := fixture.In(m.namespace, fixture.Class())
		m.ready(after)
		if fixture.Token(after, "Ada") == fixture.Token(before, "Ada") ||
			after.Status.SessionID != before.Status.SessionID {
			m.t.Error("Ada has the same token, or the room another session")
		}
	},
	"room-signal": func(m *meeting) {
		m.open()
		m.half()
		m.create(fixture.RoomSignal("announcement", fixture.ToSet("groups"),
			fixture.Saying("Host", "Five minutes left")))
		m.ready(fixture.In(m.namespace, fixture.RoomSignal("announcement")))
		m.expectSent("roomCreated (automatic)", "message")
	},
}

// TestMain lets all stories run at once, on however few cores: they wait for each other.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(len(stories))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestStories has all stories take place at once, with an API server that restarts in the middle of each. Then etcd is
// restored from a backup.
func TestStories(t *testing.T) {
	r, err := rig.New(t.Context(), rig.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	operator := startOperator(t, r)
	t.Run("restart", func(t *testing.T) {
		var halves sync.WaitGroup
		halves.Add(len(stories))
		restarted := make(chan error, 1)
		over := make(chan struct{})
		go func() {
			halves.Wait()
			restarted <- r.ControlPlane.RestartAPIServer(context.WithoutCancel(t.Context()))
			close(over)
		}()
		for name, story := range stories {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				once := sync.OnceFunc(halves.Done)
				defer once() // else the others wait for a story that has failed
				m := newMeeting(t, r, name)
				m.half = func() {
					once()
					<-over
				}
				story(m)
			})
		}
		t.Cleanup(func() {
			if err := <-restarted; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("restore", func(t *testing.T) {
		restore(newMeeting(t, r, "restore"), func() {
			if operator.Ended() {
				t.Error("the operator ended by itself")
			}
			operator.Kill()
			startOperator(t, r)
		})
	})
	judgeSessions(t, r)
}

func startOperator(t *testing.T, r *rig.Rig) *rig.Operator {
	t.Helper()
	operator, err := r.StartOperator(t.Context(), "--leader-elect=false")
	if err != nil {
		t.Fatal(err)
	}
	return operator
}

func newMeeting(t *testing.T, r *rig.Rig, name string) *meeting {
	m := &meeting{t: t, rig: r, namespace: "story-" + name, half: func() {}}
	m.must(r.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace}}))
	return m
}

// restore: what was written since the backup is lost, and the meeting goes on with the same sessions. The operator is
// started anew, as Kubernetes asks for all controllers after a restore: a watch from a resourceVersion that etcd has
// not reached yet says nothing until it has.
func restore(m *meeting, restartOperator func()) {
	before := m.open()
	restore, err := m.rig.ControlPlane.Backup(m.t.Context())
	m.must(err)
	m.await(func(ctx context.Context) error { // the API server may need a moment for its first write
		err := fixture.Edit(ctx, m.rig.Client, fixture.In(m.namespace, fixture.Groups()),
			func(set *v1alpha1.BreakoutSet) {
				fixture.Rooms("red", "blue", "green")(set)
			})
		if apierrors.IsNotFound(err) {
			m.t.Fatal(err)
		}
		return err
	})
	m.opened("red blue green")
	m.must(restore(m.t.Context()))
	restartOperator()
	m.await(func(ctx context.Context) error {
		return fixture.Edit(ctx, m.rig.Client, fixture.In(m.namespace, fixture.Groups()),
			func(set *v1alpha1.BreakoutSet) {
				fixture.Rooms("red", "blue", "yellow")(set)
			})
	})
	after := m.opened("red blue yellow")
	if after.Status.Rooms[0].SessionID != before.Status.Rooms[0].SessionID ||
		after.Status.MainSessionID != before.Status.MainSessionID {
		m.t.Error("rooms have other sessions than before")
	}
}

// judgeSessions: no two rooms have the same session.
func judgeSessions(t *testing.T, r *rig.Rig) {
	var rooms v1alpha1.MeetingRoomList
	if err := r.Client.List(t.Context(), &rooms); err != nil {
		t.Fatal(err)
	}
	owner := map[string]string{}
	for _, room := range rooms.Items {
		if other := owner[room.Status.SessionID]; other != "" {
			t.Errorf("rooms %s and %s/%s have the same session", other, room.Namespace, room.Name)
		}
		owner[room.Status.SessionID] = room.Namespace + "/" + room.Name
	}
}
