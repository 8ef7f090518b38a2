// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// people are participants; a name may carry a role behind a slash.
func people(names ...string) []v1alpha1.Participant {
	roles := map[byte]v1alpha1.ParticipantRole{
		'h': v1alpha1.RoleHost, 'c': v1alpha1.RoleCoHost, 'v': v1alpha1.RoleViewer, 'p': v1alpha1.RoleParticipant,
	}
	var list []v1alpha1.Participant
	for _, n := range names {
		p := v1alpha1.Participant{Name: person(n)}
		if len(n) > 2 && n[len(n)-2] == '/' {
			p = v1alpha1.Participant{Name: person(n[:len(n)-2]), Role: roles[n[len(n)-1]]}
		}
		list = append(list, p)
	}
	return list
}

// specs are rooms; 0 is no limit.
func specs(names []room, limits ...int32) []v1alpha1.BreakoutRoomSpec {
	var list []v1alpha1.BreakoutRoomSpec
	for i, n := range names {
		r := v1alpha1.BreakoutRoomSpec{Name: n}
		if i < len(limits) && limits[i] > 0 {
			r.MaxParticipants = &limits[i]
		}
		list = append(list, r)
	}
	return list
}

func placed(pairs ...string) []v1alpha1.Placement {
	var list []v1alpha1.Placement
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, v1alpha1.Placement{Participant: person(pairs[i]), Room: room(pairs[i+1])})
	}
	return list
}

func TestAssign(t *testing.T) {
	red, redBlue := []room{"red"}, []room{"red", "blue"}
	for name, tc := range map[string]struct {
		roster     []v1alpha1.Participant
		rooms      []v1alpha1.BreakoutRoomSpec
		mode       v1alpha1.BreakoutSetMode
		placements []v1alpha1.Placement
		now        breakout.Places
		want       breakout.Assignment
	}{
		"nobody, nothing": {},
		"without rooms nobody is assigned, and nobody complains": {
			roster: people("Ada", "Bob"),
		},
		"hosts, co-hosts and viewers are not assigned": {
			roster: people("Jo/h", "Co/c", "Vi/v", "Ada/p", "Bob"), rooms: specs(red),
			want: breakout.Assignment{Places: breakout.Places{"Ada": "red", "Bob": "red"}},
		},
		"but they are placed": {
			roster: people("Jo/h", "Co/c", "Vi/v"), rooms: specs(red),
			placements: placed("Jo", "red", "Co", "red", "Vi", "red"),
			want:       breakout.Assignment{Places: breakout.Places{"Jo": "red", "Co": "red", "Vi": "red"}},
		},
		"and stay where they are, as who was promoted in a room does": {
			roster: people("Jo/h", "Co/c", "Vi/v"), rooms: specs(red),
			now:  breakout.Places{"Jo": "red", "Co": "red", "Vi": "red"},
			want: breakout.Assignment{Places: breakout.Places{"Jo": "red", "Co": "red", "Vi": "red"}},
		},
		"a placement in main keeps somebody there": {
			roster: people("Ada", "Bob"), rooms: specs(red), placements: placed("Ada", "main"),
			now:  breakout.Places{"Ada": "red"},
			want: breakout.Assignment{Places: breakout.Places{"Bob": "red"}},
		},
		"a placement moves, and the others stay": {
			roster: people("Ada", "Bob", "Cyd"), rooms: specs(redBlue), placements: placed("Ada", "blue"),
			now:  breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"},
			want: breakout.Assignment{Places: breakout.Places{"Ada": "blue", "Bob": "red", "Cyd": "blue"}},
		},
		"unknown rooms and people are named, and the mode has its way": {
			roster: people("Ada"), rooms: specs(red), placements: placed("Ada", "green", "Zoe", "red", "Yve", "pink"),
			want: breakout.Assignment{
				Places: breakout.Places{"Ada": "red"}, UnknownRooms: placed("Ada", "green"),
				UnknownParticipants: placed("Zoe", "red", "Yve", "pink"),
			},
		},
		"placements fill a room beyond its capacity": {
			roster: people("Ada", "Bob", "Cyd"), rooms: specs(redBlue, 1, 1),
			placements: placed("Ada", "red", "Bob", "red"),
			want: breakout.Assignment{
				Places: breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"}, OverCapacity: red,
			},
		},
		"who finds no place is unassigned, in roster order": {
			roster: people("Ada", "Bob", "Cyd", "Dan"), rooms: specs(red, 1), placements: placed("Bob", "red"),
			want: breakout.Assignment{Places: breakout.Places{"Bob": "red"}, Unassigned: []person{"Ada", "Cyd", "Dan"}},
		},
		"nobody is thrown out of a room that became smaller": {
			roster: people("Ada", "Bob", "Cyd"), rooms: specs(redBlue, 1, 5),
			now: breakout.Places{"Ada": "red", "Bob": "red"},
			want: breakout.Assignment{
				Places: breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"}, OverCapacity: red,
			},
		},
		"a late joiner goes to the emptiest room": {
			roster: people("Ada", "Bob", "Cyd", "Dan"), rooms: specs(redBlue),
			now: breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue"},
			want: breakout.Assignment{
				Places: breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "blue", "Dan": "blue"},
			},
		},
		"the people of a removed room are spread": {
			roster: people("Ada", "Bob", "Cyd"), rooms: specs(red),
			now:  breakout.Places{"Ada": "red", "Bob": "gone", "Cyd": "gone"},
			want: breakout.Assignment{Places: breakout.Places{"Ada": "red", "Bob": "red", "Cyd": "red"}},
		},
		"mode Manual knows placements alone": {
			roster: people("Ada", "Bob"), rooms: specs(red), mode: v1alpha1.ModeManual,
			placements: placed("Ada", "red"), now: breakout.Places{"Bob": "red"},
			want: breakout.Assignment{Places: breakout.Places{"Ada": "red"}},
		},
		"and so does mode Choose": {
			roster: people("Ada", "Bob"), rooms: specs(red), mode: v1alpha1.ModeChoose,
			placements: placed("Ada", "red"), now: breakout.Places{"Bob": "red"},
			want: breakout.Assignment{Places: breakout.Places{"Ada": "red"}},
		},
		"who left the meeting is nowhere": {
			roster: people("Ada"), rooms: specs(red), now: breakout.Places{"Ada": "red", "Zoe": "red"},
			want: breakout.Assignment{Places: breakout.Places{"Ada": "red"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := breakout.Assign(
				tc.roster, tc.rooms, v1alpha1.AssignmentSpec{Mode: tc.mode, Placements: tc.placements}, tc.now, "seed",
			)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Assign (-want +got):\n%s", diff)
			}
		})
	}
}

// The seed draws who goes where: other sets, other groups.
func TestAssignSeed(t *testing.T) {
	roster, rooms := people("Ada", "Bob", "Cyd", "Dan", "Eva", "Fay", "Gus", "Hal"), specs([]room{"red", "blue"})
	seen := map[string]bool{}
	for i := range 20 {
		seen[fmt.Sprint(breakout.Assign(roster, rooms, v1alpha1.AssignmentSpec{}, nil, fmt.Sprint(i)).Places)] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 seeds gave %d different groupings", len(seen))
	}
}

// question is what Assign is asked.
type question struct {
	roster []v1alpha1.Participant
	rooms  []v1alpha1.BreakoutRoomSpec
	asked  v1alpha1.AssignmentSpec
	now    breakout.Places
	seed   string
}

func drawQuestion(t *rapid.T) question {
	q := question{now: breakout.Places{}, seed: rapid.StringN(1, 8, 8).Draw(t, "seed")}
	roles := []v1alpha1.ParticipantRole{
		"", "", "", "", v1alpha1.RoleParticipant, v1alpha1.RoleHost, v1alpha1.RoleCoHost, v1alpha1.RoleViewer,
	}
	var all []room
	for i := range rapid.IntRange(0, 6).Draw(t, "rooms") {
		r := v1alpha1.BreakoutRoomSpec{Name: room(fmt.Sprintf("r%d", i))}
		if limit := rapid.Int32Range(0, 5).Draw(t, "limit"); limit > 0 {
			r.MaxParticipants = &limit
		}
		q.rooms, all = append(q.rooms, r), append(all, r.Name)
	}
	for i := range rapid.IntRange(0, 25).Draw(t, "people") {
		p := v1alpha1.Participant{Name: person(fmt.Sprintf("p%d", i)), Role: rapid.SampledFrom(roles).Draw(t, "role")}
		q.roster = append(q.roster, p)
		if rapid.IntRange(0, 3).Draw(t, "was") == 0 {
			q.now[p.Name] = rapid.SampledFrom(append([]room{"gone"}, all...)).Draw(t, "in")
		}
		if rapid.IntRange(0, 4).Draw(t, "is placed") == 0 {
			q.asked.Placements = append(
				q.asked.Placements,
				v1alpha1.Placement{
					Participant: p.Name,
					Room:        rapid.SampledFrom(append([]room{"main", "unknown"}, all...)).Draw(t, "to"),
				},
			)
		}
	}
	q.asked.Mode = rapid.SampledFrom(
		[]v1alpha1.BreakoutSetMode{
			"", v1alpha1.ModeAutomatic, v1alpha1.ModeAutomatic, v1alpha1.ModeManual, v1alpha1.ModeChoose,
		},
	).Draw(t, "mode")
	return q
}

func (q question) answer() breakout.Assignment {
	return breakout.Assign(q.roster, q.rooms, q.asked, q.now, q.seed)
}

func (q question) automatic() bool {
	return q.asked.Mode == "" || q.asked.Mode == v1alpha1.ModeAutomatic
}

// limit is how many people a room takes; 0 for no limit, -1 when there is no such room.
func (q question) limit(name room) int {
	for _, r := range q.rooms {
		switch {
		case r.Name != name:
		case r.MaxParticipants == nil:
			return 0
		default:
			return int(*r.MaxParticipants)
		}
	}
	return -1
}

// complaint is what is wrong with an answer; empty when it is right.
func (q question) complaint(a breakout.Assignment) string {
	placement := map[person]room{}
	for _, p := range q.asked.Placements {
		if p.Room == "main" || q.limit(p.Room) >= 0 {
			placement[p.Participant] = p.Room
		}
	}
	load, settled := map[room]int{}, map[room]int{} // settled: those whom the mode did not choose the room for
	for p, r := range a.Places {
		if q.limit(r) < 0 {
			return fmt.Sprintf("%s is in %s, which does not exist", p, r)
		}
		if !slices.ContainsFunc(q.roster, func(x v1alpha1.Participant) bool { return x.Name == p }) {
			return fmt.Sprintf("%s is not in the meeting", p)
		}
		load[r]++
		if placement[p] != "" || q.now[p] == r {
			settled[r]++
		}
	}
	full := true
	for _, r := range q.rooms {
		limit := q.limit(r.Name)
		full = full && limit > 0 && load[r.Name] >= limit
		if limit > 0 && load[r.Name] > max(limit, settled[r.Name]) {
			return fmt.Sprintf("the mode filled %s with %d, it takes %d", r.Name, load[r.Name], limit)
		}
		if over := limit > 0 && load[r.Name] > limit; over != slices.Contains(a.OverCapacity, r.Name) {
			return fmt.Sprintf("%s over capacity: %t", r.Name, over)
		}
	}
	for _, p := range q.roster {
		at, in := a.Places[p.Name], slices.Contains(a.Unassigned, p.Name)
		want, isPlaced := placement[p.Name]
		stays := q.automatic() && q.limit(q.now[p.Name]) >= 0
		assignable := q.automatic() && (p.Role == "" || p.Role == v1alpha1.RoleParticipant) && len(q.rooms) > 0
		switch {
		case in && at != "":
			return fmt.Sprintf("%s is unassigned and in %s", p.Name, at)
		case isPlaced && want == "main" && at != "", isPlaced && want != "main" && at != want:
			return fmt.Sprintf("%s is placed in %s and is in %q", p.Name, want, at)
		case isPlaced:
		case stays && at != q.now[p.Name]:
			return fmt.Sprintf("%s was in %s and is in %q", p.Name, q.now[p.Name], at)
		case stays:
		case !assignable && (at != "" || in):
			return fmt.Sprintf("%s of role %q is in %q", p.Name, p.Role, at)
		case assignable && at == "" && !in:
			return fmt.Sprintf("%s was forgotten", p.Name)
		case in && !full:
			return fmt.Sprintf("%s is unassigned, and rooms have space", p.Name)
		}
	}
	return ""
}

func TestAssignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		if c := q.complaint(q.answer()); c != "" {
			t.Fatal(c)
		}
	})
}

// In a fresh assignment no room could take somebody from one with two people more.
func TestAssignBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		q.now, q.asked = nil, v1alpha1.AssignmentSpec{}
		load := map[room]int{}
		for _, r := range q.answer().Places {
			load[r]++
		}
		for _, small := range q.rooms {
			if limit := q.limit(small.Name); limit > 0 && load[small.Name] >= limit {
				continue
			}
			for _, large := range q.rooms {
				if load[large.Name] > load[small.Name]+1 {
					t.Fatalf(
						"%s has %d and %s, with space, has %d", large.Name, load[large.Name], small.Name,
						load[small.Name],
					)
				}
			}
		}
	})
}

// The order of roster and placements does not matter; that of the rooms decides between those with the same number of
// people.
func TestAssignDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		want := q.answer()
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		q.roster, q.asked.Placements = slices.Clone(q.roster), slices.Clone(q.asked.Placements)
		rng.Shuffle(len(q.roster), func(i, j int) { q.roster[i], q.roster[j] = q.roster[j], q.roster[i] })
		rng.Shuffle(len(q.asked.Placements), func(i, j int) {
			q.asked.Placements[i], q.asked.Placements[j] = q.asked.Placements[j], q.asked.Placements[i]
		})
		q.now = maps.Clone(q.now)
		got := q.answer()
		if diff := cmp.Diff(want.Places, got.Places); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.OverCapacity, got.OverCapacity); diff != "" {
			t.Fatalf("over capacity in another order (-want +got):\n%s", diff)
		}
	})
}

// Its own answer, asked again, changes nothing.
func TestAssignIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		want := q.answer()
		q.now = want.Places
		if diff := cmp.Diff(want, q.answer(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("asked again (-want +got):\n%s", diff)
		}
	})
}

func FuzzAssign(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		q := drawQuestion(t)
		if c := q.complaint(q.answer()); c != "" {
			t.Fatal(c)
		}
	}))
}
