// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// Meeting is a meeting at random: who takes part, what people edit when, and what fails. The same Meeting always takes
// the same course.
type Meeting struct {
	// Seed is what everything follows from that is not said here.
	Seed uint64

	// People is how many take part at first, the host among them.
	People int

	// Faults is the part of operations that fail, Kills the part at which the operator dies.
	Faults, Kills float64

	// Lag is for how long anything is late, Skew by how much a page's clock is off, Connect how long a browser takes to
	// change sessions, at most.
	Lag, Skew, Connect time.Duration

	// Edits are what people do.
	Edits []Edit
}

// Edit is something that people do at a time after the meeting's beginning.
type Edit struct {
	At   time.Duration
	Kind string
	// Dice is what the details follow from.
	Dice uint64
}

// Mix is what a random meeting is made of.
type Mix struct {
	// Length is for how long people edit, Pace how long they wait between two edits on average.
	Length, Pace time.Duration

	Faults, Kills      float64
	Lag, Skew, Connect time.Duration

	// Without are kinds of edits that are left out.
	Without []string
}

// RandomMeeting is the meeting of a seed.
func RandomMeeting(seed uint64, mix Mix) Meeting {
	rng := rand.New(rand.NewPCG(seed, 2))
	m := Meeting{
		Seed:    seed,
		People:  6 + rng.IntN(3),
		Faults:  mix.Faults,
		Kills:   mix.Kills,
		Lag:     mix.Lag,
		Skew:    mix.Skew,
		Connect: mix.Connect,
	}
	var kinds []string
	for _, kind := range sortedKeys(edits) {
		if !slices.Contains(mix.Without, kind) {
			kinds = append(kinds, slices.Repeat([]string{kind}, edits[kind].weight)...)
		}
	}
	for at := time.Duration(0); at < mix.Length; {
		m.Edits = append(m.Edits, Edit{At: at, Kind: kinds[rng.IntN(len(kinds))], Dice: rng.Uint64()})
		wait := time.Duration(rng.ExpFloat64() * float64(mix.Pace)).Truncate(time.Millisecond)
		if rng.IntN(3) == 0 {
			wait /= 10
		}
		at += wait
	}
	return m
}

// String is the meeting as Go source.
func (m Meeting) String() string {
	text := strings.Builder{}
	fmt.Fprintf(
		&text,
		"Meeting{\n\tSeed: %d, People: %d, Faults: %v, Kills: %v, Lag: %d, Skew: %d, Connect: %d,\n\tEdits: []Edit{\n",
		m.Seed,
		m.People,
		m.Faults,
		m.Kills,
		m.Lag,
		m.Skew,
		m.Connect,
	)
	for _, e := range m.Edits {
		fmt.Fprintf(
			&text,
			"\t\t{At: %d * time.Millisecond, Kind: %q, Dice: %d},\n",
			e.At.Milliseconds(),
			e.Kind,
			e.Dice,
		)
	}
	text.WriteString("\t},\n}")
	return text.String()
}

// action is a kind of edit: how often it comes up, and what it does. An error of the API server is part of life.
type action struct {
	weight int
	do     func(w *World, dice *rand.Rand) error
}

func onSet(change func(set *v1alpha1.BreakoutSet, dice *rand.Rand)) func(*World, *rand.Rand) error {
	return func(w *World, dice *rand.Rand) error {
		return TryEdit(w, &v1alpha1.BreakoutSet{}, "groups", func(set *v1alpha1.BreakoutSet) { change(set, dice) })
	}
}

func onRoom(change func(room *v1alpha1.MeetingRoom, dice *rand.Rand)) func(*World, *rand.Rand) error {
	return func(w *World, dice *rand.Rand) error {
		return TryEdit(w, &v1alpha1.MeetingRoom{}, "class", func(room *v1alpha1.MeetingRoom) { change(room, dice) })
	}
}

func pick[T any](dice *rand.Rand, of ...T) T { return of[dice.IntN(len(of))] }

func assignmentOf(set *v1alpha1.BreakoutSet) *v1alpha1.AssignmentSpec {
	if set.Spec.Assignment == nil {
		set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: v1alpha1.ModeAutomatic}
	}
	return set.Spec.Assignment
}

// edits are the kinds of edits.
var edits = map[string]action{
	"add a room": {6, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		for _, name := range []v1alpha1.BreakoutRoomName{"red", "blue", "green", "yellow", "white"} {
			if !slices.ContainsFunc(set.Spec.Rooms, func(r v1alpha1.BreakoutRoomSpec) bool { return r.Name == name }) &&
				dice.IntN(2) == 0 {
				set.Spec.Rooms = append(set.Spec.Rooms, v1alpha1.BreakoutRoomSpec{Name: name})
				return
			}
		}
	})},
	"remove a room": {5, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		if len(set.Spec.Rooms) > 1 {
			i := dice.IntN(len(set.Spec.Rooms))
			set.Spec.Rooms = slices.Delete(set.Spec.Rooms, i, i+1)
		}
	})},
	"rename a room": {8, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		set.Spec.Rooms[dice.IntN(len(set.Spec.Rooms))].DisplayName = pick(
			dice,
			"",
			"Team",
			"Grüße",
			"Crimson",
			"red",
			"Class",
		)
	})},
	"swap two rooms' names": {2, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		a, b := dice.IntN(len(set.Spec.Rooms)), dice.IntN(len(set.Spec.Rooms))
		nameOf := func(r v1alpha1.BreakoutRoomSpec) string { return cmp.Or(r.DisplayName, string(r.Name)) }
		one, other := nameOf(set.Spec.Rooms[a]), nameOf(set.Spec.Rooms[b])
		set.Spec.Rooms[a].DisplayName, set.Spec.Rooms[b].DisplayName = other, one
	})},
	"resize a room": {4, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		set.Spec.Rooms[dice.IntN(len(set.Spec.Rooms))].MaxParticipants = new(int32(dice.IntN(4)))
	})},
	"place people": {12, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		a := assignmentOf(set)
		for range 1 + dice.IntN(3) {
			who := v1alpha1.ParticipantName(fmt.Sprintf("P%d", dice.IntN(6)))
			a.Placements = slices.DeleteFunc(
				a.Placements,
				func(p v1alpha1.Placement) bool { return p.Participant == who },
			)
			if where := dice.IntN(len(set.Spec.Rooms) + 2); where < len(set.Spec.Rooms) {
				a.Placements = append(
					a.Placements,
					v1alpha1.Placement{Participant: who, Room: set.Spec.Rooms[where].Name},
				)
			} else if where == len(set.Spec.Rooms) {
				a.Placements = append(a.Placements, v1alpha1.Placement{Participant: who, Room: v1alpha1.MainRoomName})
			}
		}
	})},
	"change the mode": {2, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		assignmentOf(set).Mode = pick(dice, v1alpha1.ModeAutomatic, v1alpha1.ModeManual)
	})},
	"let people choose": {
		2,
		onSet(func(set *v1alpha1.BreakoutSet, _ *rand.Rand) { assignmentOf(set).Mode = v1alpha1.ModeChoose }),
	},
	"set a duration": {5, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		set.Spec.DurationSeconds = nil
		if dice.IntN(3) > 0 {
			set.Spec.DurationSeconds = new(int32(20 + dice.IntN(600)))
		}
	})},
	"change the return": {1, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		set.Spec.ReturnMode = pick(dice, v1alpha1.ReturnAutomatic, v1alpha1.ReturnManual)
	})},
	"open or close": {6, onSet(func(set *v1alpha1.BreakoutSet, _ *rand.Rand) {
		if set.Spec.State == v1alpha1.DesiredClosed {
			set.Spec.State = v1alpha1.DesiredOpen
		} else {
			set.Spec.State = v1alpha1.DesiredClosed
		}
	})},
	"resend": {2, onSet(func(set *v1alpha1.BreakoutSet, dice *rand.Rand) {
		metav1.SetMetaDataAnnotation(&set.ObjectMeta, v1alpha1.ResendAnnotation, fmt.Sprint(dice.Uint64()))
	})},
	"change who takes part": {7, func(w *World, dice *rand.Rand) error {
		return onRoom(func(room *v1alpha1.MeetingRoom, dice *rand.Rand) {
			switch p := room.Spec.Participants; {
			case len(p) < 9:
				name := fmt.Sprintf("G%d", dice.IntN(1000))
				room.Spec.Participants = append(p, v1alpha1.Participant{Name: v1alpha1.ParticipantName(name)})
				w.arrive(name, dice)
			case dice.IntN(2) == 0:
				room.Spec.Participants[1+dice.IntN(len(p)-1)].Role = pick(
					dice,
					v1alpha1.RoleParticipant,
					v1alpha1.RoleCoHost,
				)
			default:
				w.Leave(string(p[len(p)-1].Name))
				room.Spec.Participants = p[:len(p)-1]
			}
		})(w, dice)
	}},
	"choose a room": {3, func(w *World, dice *rand.Rand) error {
		for _, name := range sortedKeys(w.People) {
			if dice.IntN(3) == 0 {
				w.Choose(name, dice.IntN(5))
			}
		}
		return nil
	}},
	"reload a page": {1, func(w *World, dice *rand.Rand) error {
		if names := sortedKeys(w.People); len(names) > 0 {
			w.Reload(pick(dice, names...))
		}
		return nil
	}},
	"send a signal": {5, func(w *World, dice *rand.Rand) error {
		return w.TryCreate(&v1alpha1.RoomSignal{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "say-"},
			Spec: v1alpha1.RoomSignalSpec{
				BreakoutSetRef: &v1alpha1.LocalObjectReference{Name: "groups"}, TTLSecondsAfterFinished: new(int32(1)),
				Message: &v1alpha1.Message{From: "Host", Text: fmt.Sprint(dice.Uint64())},
			},
		})
	}},
	"delete or make the set": {3, func(w *World, _ *rand.Rand) error {
		if set := w.Set("groups"); set != nil {
			return w.User.Delete(ctx(), set)
		}
		return w.TryCreate(NewSet(fixture.Rooms("red", "blue", "green"), automatic))
	}},
	"delete or make a competing set": {2, func(w *World, _ *rand.Rand) error {
		if set := w.Set("others"); set != nil {
			return w.User.Delete(ctx(), set)
		}
		return w.TryCreate(
			NewSet(fixture.Rooms("north", "south"), automatic, func(set *v1alpha1.BreakoutSet) { set.Name = "others" }),
		)
	}},
	"delete a room by hand": {1, func(w *World, _ *rand.Rand) error {
		return w.User.Delete(
			ctx(),
			&v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "groups-red"}},
		)
	}},
	"make the meeting anew": {1, func(w *World, dice *rand.Rand) error {
		room := w.Room("class")
		if room == nil || !room.DeletionTimestamp.IsZero() {
			return nil
		}
		w.meetAgain(room, dice)
		return w.User.Delete(ctx(), room)
	}},
	"kill the operator": {1, func(w *World, _ *rand.Rand) error {
		if w.options.Down != nil {
			w.Operators[len(w.Operators)-1].Kill()
		}
		return nil
	}},
}

func automatic(set *v1alpha1.BreakoutSet) { set.Spec.Assignment = nil }

// arrive has somebody join as soon as there is a token.
func (w *World) arrive(name string, dice *rand.Rand) {
	var try func()
	try = func() {
		room := w.Room("class")
		if room == nil {
			return
		}
		for _, p := range room.Spec.Participants {
			if string(p.Name) == name && !w.Join(w.joining(p, dice)) {
				w.At(2*time.Second, "", try)
			}
		}
	}
	w.At(time.Second, "", try)
}

// meetAgain has everybody leave, and a meeting of the same name made and joined when the one before is gone.
func (w *World) meetAgain(room *v1alpha1.MeetingRoom, dice *rand.Rand) {
	for _, name := range sortedKeys(w.People) {
		w.Leave(name)
	}
	again := NewRoom("class")
	again.Spec = room.Spec
	var try func()
	try = func() {
		if err := w.TryCreate(again.DeepCopy()); err != nil {
			w.At(2*time.Second, "", try)
			return
		}
		for _, p := range again.Spec.Participants {
			w.arrive(string(p.Name), dice)
		}
	}
	w.At(time.Second, "", try)
}

// joining is a browser at random.
func (w *World) joining(p v1alpha1.Participant, dice *rand.Rand) Joining {
	j := Joining{
		Name: string(
			p.Name,
		),
		Role:      p.Role,
		Main:      "class",
		FreshList: dice.IntN(2) == 0,
		Network:   time.Duration(5+dice.IntN(150)) * time.Millisecond,
		Connect:   time.Duration(dice.Int64N(int64(w.meeting.Connect) + 1)).Truncate(time.Millisecond),
	}
	if skew := w.meeting.Skew; skew > 0 {
		j.ClockBehind = time.Duration(dice.Int64N(int64(2*skew)) - int64(skew)).Truncate(time.Millisecond)
	}
	return j
}

// vendorFaultKinds are the faults of a random meeting. Credentials that are refused would have the account's rooms
// wait.
var vendorFaultKinds = []simulator.FaultKind{
	simulator.FaultStatus,
	simulator.FaultRateLimited,
	simulator.FaultSilence,
	simulator.FaultTimeoutAfter,
	simulator.FaultResetBefore,
	simulator.FaultResetAfter,
	simulator.FaultHTML,
	simulator.FaultXML,
	simulator.FaultMalformedJSON,
	simulator.FaultEmptyList,
}

// judge decides by the meeting's seed, the operation's key and how often it came: what is edited has as little
// influence as can be on what fails.
func (m Meeting) judge() func(*Operation) Verdict {
	times := map[string]int{}
	return func(op *Operation) Verdict {
		times[op.Key]++
		h := fnv.New64a()
		fmt.Fprint(h, m.Seed, op.Key, times[op.Key])
		dice := rand.New(rand.NewPCG(m.Seed, h.Sum64()))
		switch {
		case dice.Float64() < m.Kills:
			return Verdict{Kill: pick(dice, Before, After)}
		case dice.Float64() >= m.Faults:
			return Verdict{}
		case op.Vendor:
			return Verdict{Fault: simulator.Fault{Kind: pick(dice, vendorFaultKinds...)}}
		case dice.IntN(3) > 0: // the API server is better than the vendor
			return Verdict{}
		default:
			return Verdict{API: pick(dice, Refused, Unheard)}
		}
	}
}

// quietTime is for how long nothing happens before everybody is where they belong: the notice of 5 s, and the way.
const quietTime = 9 * time.Second

// Run has the meeting take place, with its rules judged whenever nothing has happened for a while, and at the end, an
// hour after the last fault.
func (m Meeting) Run(t *testing.T, trace io.Writer) *World {
	t.Helper()
	o := Options{Seed: m.Seed, Shuffled: true, Lag: m.Lag, Trace: trace}
	if m.Kills > 0 {
		down := rand.New(rand.NewPCG(m.Seed, 3))
		o.Down = func() time.Duration {
			return time.Duration(down.Int64N(int64(20 * time.Second))).Truncate(time.Millisecond)
		}
	}
	return Run(t, o, func(w *World) {
		w.meeting = m
		dice := rand.New(rand.NewPCG(m.Seed, 4))
		w.StartOperator()
		room := NewRoom("class")
		room.Spec.Participants = []v1alpha1.Participant{{Name: "Host", Role: v1alpha1.RoleHost}}
		for i := range m.People - 1 {
			room.Spec.Participants = append(
				room.Spec.Participants,
				v1alpha1.Participant{Name: v1alpha1.ParticipantName(fmt.Sprintf("P%d", i))},
			)
		}
		w.Create(room)
		w.Until(long, func() error { return IsReady(w.Room("class")) })
		for _, p := range room.Spec.Participants {
			w.Join(w.joining(p, dice))
		}
		w.Create(NewSet(fixture.Rooms("red", "blue", "green"), automatic))
		w.options.Judge = m.judge()
		w.onQuiet = w.judgeQuiet
		for _, e := range m.Edits {
			w.At(e.At, "EDIT "+e.Kind, func() {
				err := edits[e.Kind].do(w, rand.New(rand.NewPCG(e.Dice, 0)))
				if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) &&
					!apierrors.IsAlreadyExists(err) {
					w.tracef("  refused: %v", err)
				}
			})
		}
		if n := len(m.Edits); n > 0 {
			w.Pass(m.Edits[n-1].At)
		}
		w.conclude()
	})
}

// settled is a set that says that all is done; also when there is none.
func (w *World) settled(name string) (*v1alpha1.BreakoutSet, bool) {
	set := w.Set(name)
	return set, set == nil ||
		(set.DeletionTimestamp.IsZero() && IsReady(set) == nil &&
			len(set.Status.Signals.Sessions)+len(set.Status.Signals.Moving) == 0)
}

// judgeQuiet judges places and conditions when nothing has happened for a while and nobody says that something is under
// way.
func (w *World) judgeQuiet() {
	now := time.Now()
	if now.Before(w.lastChange.Add(quietTime)) || w.judgedAt.Equal(w.lastChange) ||
		w.Operators[len(w.Operators)-1].Dead() {
		return
	}
	for _, name := range []string{"groups", "others"} {
		if _, settled := w.settled(name); !settled {
			return
		}
	}
	for _, p := range w.People {
		if p.Page.Busy() {
			return
		}
	}
	w.judgedAt = w.lastChange
	w.Judged++
	w.JudgePlaces()
	w.JudgeConditions()
}

// conclude ends what fails, gives the operator time, and judges.
func (w *World) conclude() {
	w.options.Judge, w.options.Lag = nil, 0
	w.tracef("== no more faults")
	for _, name := range []string{"groups", "others"} {
		_ = TryEdit(
			w,
			&v1alpha1.BreakoutSet{},
			name,
			func(set *v1alpha1.BreakoutSet) { set.Spec.DurationSeconds = nil },
		) // if it is there
	}
	w.Pass(10 * time.Minute)
	w.recallAll()
	w.Pass(time.Minute)
	done := len(w.Operations)
	w.Pass(50 * time.Minute)
	if n := len(w.Operations) - done; n > 60 {
		w.violated("%d operations in the last 50 minutes", n)
	}
	if room := w.Room("class"); room == nil || IsReady(room) != nil {
		w.violated("the meeting is not ready")
	}
	open := 0
	for _, name := range []string{"groups", "others"} {
		set := w.Set(name)
		if set == nil {
			continue
		}
		if set.Status.State == v1alpha1.StateOpen {
			open++
		}
		err := IsReady(set)
		switch {
		case err != nil && HasReady(set, metav1.ConditionFalse, v1alpha1.MeetingRoomBusyReason) != nil:
			w.violated("set %s is not as it should be: %v", name, err)
		case len(set.Status.Signals.Sessions)+len(set.Status.Signals.Moving) > 0:
			w.violated("set %s is not at rest: %+v", name, set.Status.Signals)
		}
	}
	if open > 1 {
		w.violated("%d sets are open for one meeting", open)
	}
	w.JudgePlaces()
	w.JudgeConditions()
	var signals v1alpha1.RoomSignalList
	w.must(w.User.List(ctx(), &signals))
	for _, s := range signals.Items {
		w.violated("RoomSignal %s is left: %+v", s.Name, s.Status)
	}
	w.JudgeTokens()
	w.JudgeHaste()
	w.JudgeSessions()
	w.JudgeSecrecy()
	w.judgeRevisions()
	w.JudgeRest()
}

// recallAll recalls everybody: who came late, loaded the page anew or chose a room is where they belong from then on.
func (w *World) recallAll() {
	room := w.Room("class")
	for _, name := range []string{"groups", "others"} {
		set := w.Set(name)
		if set == nil || room == nil || set.Status.State != v1alpha1.StateOpen {
			continue
		}
		recall := &v1alpha1.Recall{}
		for _, p := range room.Spec.Participants {
			recall.Participants = append(recall.Participants, p.Name)
			if person := w.People[string(p.Name)]; person != nil {
				person.Unaware, person.Chose = false, false
			}
		}
		w.Create(
			&v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Name: "recall-" + name}, Spec: v1alpha1.RoomSignalSpec{
				BreakoutSetRef: &v1alpha1.LocalObjectReference{
					Name: name,
				},
				Recall:                  recall,
				TTLSecondsAfterFinished: new(int32(1)),
			}},
		)
	}
}

// judgeRevisions: where one operator runs at a time, no session is told of an older revision after a newer one.
func (w *World) judgeRevisions() {
	sent := w.sent()
	for _, room := range slices.Sorted(maps.Keys(sent)) {
		latest := int64(0)
		for _, u := range sent[room] {
			if u.fromSet() && u.revision < latest {
				w.violated("%s was sent revision %d after revision %d: %s", room, u.revision, latest, u.typ)
			}
			latest = max(latest, u.revision)
		}
	}
}
