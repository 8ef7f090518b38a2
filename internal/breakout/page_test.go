// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// wireRoom is a room as a message lists it.
type wireRoom struct {
	ID, Name, SessionID    string
	MainRoomID             *string
	MaxParticipants        int
	Member, MemberAssigned []string
}

type wireList struct {
	Message       string
	BreakoutRooms []wireRoom
	Revision      int64
	Page          *struct{ Index, Count int }
}

// crowd is a meeting of a size, with names that are long and of letters of 1 to 4 bytes, some of which JSON escapes.
func crowd(rng *rand.Rand, rooms, people int, plain bool) breakout.View {
	letters := []rune(`aé組𝒳"\<&`)
	text := func(prefix string, most int) string {
		if plain {
			return prefix
		}
		out := []rune(prefix)
		for range rng.IntN(most - len(out) + 1) {
			out = append(out, letters[rng.IntN(len(letters))])
		}
		return string(out)
	}
	v := breakout.View{MainDisplayName: text("Main", 80), MainSessionID: "1_" + strings.Repeat("s", rng.IntN(200)), Mode: v1alpha1.ModeAutomatic}
	for i := range rooms {
		r := listed(room(fmt.Sprintf("r%d", i)), text(fmt.Sprintf("Room %d ", i), 80))
		r.MeetingRoomName, r.MaxParticipants = text(fmt.Sprintf("groups-%d", i), 60), int32(rng.IntN(3))
		v.Rooms = append(v.Rooms, r)
	}
	favourite := rng.IntN(rooms + 1) // where many are
	for i := range people {
		p := person(text(fmt.Sprintf("p%d ", i), 64))
		at := favourite
		if rng.IntN(4) > 0 {
			at = rng.IntN(rooms + 1)
		}
		if at == rooms {
			v.MainParticipants = append(v.MainParticipants, p)
		} else {
			v.Rooms[at].Participants = append(v.Rooms[at].Participants, p)
		}
	}
	return v
}

// whole puts the pages of a message together, and complains where they are not what they should be for the session of a room.
func whole(t *rapid.T, signals []breakout.Signal, own string) wireList {
	var all wireList
	for i, s := range signals {
		if len(s.Data) > breakout.MaxDataBytes {
			t.Fatalf("page %d has %d bytes", i+1, len(s.Data))
		}
		var page wireList
		if err := json.Unmarshal([]byte(s.Data), &page); err != nil {
			t.Fatalf("page %d: %v", i+1, err)
		}
		switch {
		case len(signals) == 1 && page.Page != nil:
			t.Fatalf("the only page is numbered %v", *page.Page)
		case len(signals) > 1 && (page.Page == nil || page.Page.Index != i+1 || page.Page.Count != len(signals)):
			t.Fatalf("page %d of %d says %v", i+1, len(signals), page.Page)
		case page.BreakoutRooms[0].MainRoomID != nil:
			t.Fatalf("page %d does not begin with the main room", i+1)
		case len(signals) > 1 && own != "" && page.BreakoutRooms[1].SessionID != own:
			t.Fatalf("page %d does not go on with the session's own room", i+1)
		}
		all.Message, all.Revision = page.Message, page.Revision
		for _, r := range page.BreakoutRooms {
			at := slices.IndexFunc(all.BreakoutRooms, func(have wireRoom) bool { return have.SessionID == r.SessionID })
			if at < 0 {
				all.BreakoutRooms = append(all.BreakoutRooms, r)
				continue
			}
			have := &all.BreakoutRooms[at]
			have.Member, have.MemberAssigned = append(have.Member, r.Member...), append(have.MemberAssigned, r.MemberAssigned...)
			if r.Name != have.Name || r.ID != have.ID || r.MaxParticipants != have.MaxParticipants {
				t.Fatalf("page %d shows %v otherwise than before: %v", i+1, r, *have)
			}
		}
	}
	return all
}

// wireOf is what a message shows of a view when those who are sent somewhere are all those for whom moved is true.
func wireOf(v breakout.View, moved map[person]bool) []wireRoom {
	split := func(people []person) (member, assigned []string) {
		for _, p := range people {
			if moved[p] {
				assigned = append(assigned, string(p))
			} else {
				member = append(member, string(p))
			}
		}
		return member, assigned
	}
	main := wireRoom{ID: source.MeetingRoom, Name: v.MainDisplayName, SessionID: v.MainSessionID, MaxParticipants: 1000}
	main.Member, main.MemberAssigned = split(v.MainParticipants)
	rooms := []wireRoom{main}
	for _, r := range v.Rooms {
		w := wireRoom{ID: r.MeetingRoomName, Name: r.DisplayName, SessionID: r.SessionID, MainRoomID: &main.ID, MaxParticipants: int(r.MaxParticipants)}
		if w.MaxParticipants == 0 {
			w.MaxParticipants = 1000
		}
		w.Member, w.MemberAssigned = split(r.Participants)
		rooms = append(rooms, w)
	}
	return rooms
}

func checkPages(t *rapid.T) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "names"), 0))
	most := rapid.SampledFrom([]int{3, 3, 40, 40, 500}).Draw(t, "most rooms")
	v := crowd(rng, rapid.IntRange(1, most).Draw(t, "rooms"), rapid.IntRange(0, 2*most).Draw(t, "people"), rapid.Bool().Draw(t, "plain names"))
	st := &v1alpha1.BreakoutSetStatus{}
	breakout.PlanOpening(st, v, nine)
	breakout.Settle(st, nextSteps(t, st, nine), nil, nine)

	// Some move to the main room, and everybody hears of it.
	moved := map[person]bool{}
	after := clone(v)
	for i, r := range after.Rooms {
		after.Rooms[i].Participants = nil
		for _, p := range r.Participants {
			if moved[p] = rng.IntN(3) == 0; moved[p] {
				after.MainParticipants = append(after.MainParticipants, p)
			} else {
				after.Rooms[i].Participants = append(after.Rooms[i].Participants, p)
			}
		}
	}
	now := nine.Add(time.Minute)
	breakout.PlanUpdate(st, after, true, now)
	steps := nextSteps(t, st, now)
	script := breakout.NewScript(source, st, steps, now)
	own := rapid.IntRange(-1, len(v.Rooms)-1).Draw(t, "session")
	name, session := room("main"), ""
	if own >= 0 {
		name, session = v.Rooms[own].Name, v.Rooms[own].SessionID
	}
	for i, signals := range script.Signals(name) {
		want := wireOf(after, moved)
		if steps[i].Kind == breakout.StepEdited { // those who move have not heard of it then, and are where they were
			want = wireOf(v, nil)
		}
		got := whole(t, signals, session)
		byID := cmpopts.SortSlices(func(a, b wireRoom) bool { return a.SessionID < b.SessionID })
		// A name of the opening's is told once, in the room's order but for those who wait.
		byName := cmpopts.SortSlices(func(a, b string) bool { return a < b })
		if diff := cmp.Diff(want, got.BreakoutRooms, byID, byName, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s put together (-want +got):\n%s", steps[i].Kind, diff)
		}
		if one, err := json.Marshal(got.BreakoutRooms); err != nil || (len(signals) > 1 && len(one) < breakout.MaxDataBytes/2) {
			t.Fatalf("%d pages for about %d bytes (%v)", len(signals), len(one), err)
		}
	}
}

func nextSteps(t *rapid.T, st *v1alpha1.BreakoutSetStatus, now time.Time) []breakout.Step {
	steps, _ := breakout.NextSteps(st, now)
	if len(steps) == 0 && st.Signals.Pending != nil {
		t.Fatalf("nothing to say of %v", st.Signals.Pending)
	}
	return steps
}

// However many rooms and people: no page is over the limit, each begins with the main room and the session's own, and together they are the view.
func TestPages(t *testing.T) { rapid.Check(t, checkPages) }

func FuzzPages(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkPages)) }

// A message that just fits is one page, and one byte more makes two.
func TestPagesBoundary(t *testing.T) {
	size := func(n int) []breakout.Signal {
		st := &v1alpha1.BreakoutSetStatus{}
		v := classroom()
		v.MainParticipants = nil
		for n > 0 { // each name costs its letters, two quotes and a comma
			letters := min(n-3, 60)
			if n-3-letters < 4 && n-3-letters > 0 {
				letters -= 4
			}
			v.MainParticipants = append(v.MainParticipants, person(fmt.Sprintf("%0*d", letters, len(v.MainParticipants))))
			n -= letters + 3
		}
		breakout.PlanOpening(st, v, nine)
		steps, _ := breakout.NextSteps(st, nine)
		return breakout.NewScript(source, st, steps, nine).Signals("main")[0]
	}
	fits := sort.Search(8000, func(n int) bool { return len(size(n)) > 1 }) - 1
	if got := len(size(fits)[0].Data); got > breakout.MaxDataBytes || got < breakout.MaxDataBytes-len(`,"page":{"index":9999,"count":9999}`)-1 {
		t.Errorf("the largest single page has %d bytes", got)
	}
	if got := len(size(fits + 1)); got != 2 {
		t.Errorf("one byte more makes %d pages", got)
	}
}

// 500 rooms and 1,000 people, as much as a set can have.
func TestPagesLargest(t *testing.T) {
	v := crowd(rand.New(rand.NewPCG(1, 2)), 500, 1000, false)
	st := &v1alpha1.BreakoutSetStatus{}
	breakout.PlanOpening(st, v, nine)
	steps, _ := breakout.NextSteps(st, nine)
	signals := breakout.NewScript(source, st, steps, nine).Signals("main")[0]
	total := 0
	for _, s := range signals {
		total += len(s.Data)
		if len(s.Data) > breakout.MaxDataBytes {
			t.Errorf("%d bytes", len(s.Data))
		}
	}
	if pages := (total + breakout.MaxDataBytes - 1) / breakout.MaxDataBytes; len(signals) > pages*5/4 {
		t.Errorf("%d pages for %d bytes: they are half empty", len(signals), total)
	}
}

// Random views one after the other, with tellings cut short: nothing panics, and what is to be said comes to an end.
func checkViews(t *rapid.T) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "views"), 0))
	view := func() breakout.View {
		v := crowd(rng, 1+rng.IntN(4), rng.IntN(8), true)
		for i := range v.Rooms {
			v.Rooms[i].DisplayName = []string{"Red", "Blue", "Green", "Gold", "Grey"}[(i+rng.IntN(2))%5] + strings.Repeat("'", i)
			v.Rooms[i].SessionID += strings.Repeat("+", rng.IntN(2))
		}
		v.MainDisplayName = "Algebra"
		rng.Shuffle(len(v.Rooms), func(i, j int) { v.Rooms[i], v.Rooms[j] = v.Rooms[j], v.Rooms[i] })
		v.Rooms = v.Rooms[:rng.IntN(len(v.Rooms)+1)]
		if people := append(slices.Clone(v.MainParticipants), "Zoe"); rng.IntN(2) == 0 {
			v.Hosts, v.CoHosts = people[:1], people[1:]
		}
		if rng.IntN(2) == 0 {
			v.Timer = timerOf(rng.IntN(100), []v1alpha1.ReturnMode{v1alpha1.ReturnAutomatic, v1alpha1.ReturnManual}[rng.IntN(2)])
		}
		if rng.IntN(4) == 0 {
			v.Mode = v1alpha1.ModeChoose
		}
		return v
	}
	st, now := &v1alpha1.BreakoutSetStatus{}, nine
	breakout.PlanOpening(st, view(), now)
	for range rapid.IntRange(1, 6).Draw(t, "plans") {
		steps, _ := breakout.NextSteps(st, now)
		sendAll(t, st, steps, now)
		if told := rng.IntN(3); told == 0 {
			breakout.Settle(st, steps, nil, now)
		} else if told == 1 {
			breakout.Interrupt(st, steps, map[room]int{"main": rng.IntN(len(steps) + 1)}, now)
		}
		now = now.Add(time.Duration(rng.IntN(8000)) * time.Millisecond)
		if resend := rng.IntN(8) == 0; resend {
			breakout.PlanUpdate(st, breakout.Planned(st), true, now)
		} else {
			breakout.PlanUpdate(st, view(), false, now)
		}
	}
	if rng.IntN(2) == 0 {
		breakout.PlanClosing(st, now, now)
	}
	revision := st.Signals.Revision
	for range 30 {
		steps, due := breakout.NextSteps(st, now)
		if st.Signals.Pending == nil {
			return
		}
		if len(steps) == 0 {
			if !due.After(now) {
				t.Fatalf("nothing to say at %v, and the next at %v: %v", now, due, st.Signals.Pending)
			}
			now = due
			continue
		}
		sendAll(t, st, steps, now)
		breakout.Settle(st, steps, nil, now)
		if st.Signals.Revision != revision {
			t.Fatal("settling changed the revision")
		}
	}
	t.Fatalf("never settled: %v", st.Signals.Pending)
}

// sendAll makes the signals of steps for everybody concerned.
func sendAll(t *rapid.T, st *v1alpha1.BreakoutSetStatus, steps []breakout.Step, now time.Time) {
	script := breakout.NewScript(source, st, steps, now)
	for _, name := range st.Signals.Missing {
		if breakout.SessionOf(st, name) == "" {
			t.Fatalf("room %s has no session", name)
		}
		for i, signals := range script.Signals(name) {
			for _, s := range signals {
				if len(s.Data) > breakout.MaxDataBytes || !json.Valid([]byte(s.Data)) {
					t.Fatalf("%s: %s", steps[i].Kind, s.Data)
				}
			}
		}
	}
}

func TestViewDiff(t *testing.T) { rapid.Check(t, checkViews) }

func FuzzViewDiff(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkViews)) }

// Clients that know pages go where they belong, in a meeting of which one message tells on many; one that does not know them may not, but never
// breaks.
func TestPagedClients(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	v := crowd(rng, 60, 300, false)
	st := &v1alpha1.BreakoutSetStatus{}
	breakout.PlanOpening(st, v, nine)
	steps, _ := breakout.NextSteps(st, nine)
	pages := breakout.NewScript(source, st, steps, nine).Signals("main")[0]
	if len(pages) < 3 {
		t.Fatalf("%d pages: not what this is about", len(pages))
	}
	rng.Shuffle(len(pages), func(i, j int) { pages[i], pages[j] = pages[j], pages[i] }) // they are independent
	belongs := v.Places()
	main := browser.Room{ID: source.MeetingRoom, Name: v.MainDisplayName, SessionID: v.MainSessionID}
	for i, p := range slices.Concat(v.MainParticipants, slices.Sorted(maps.Keys(belongs))) {
		paged := i%10 != 0
		c := browser.Join(browser.Config{Name: string(p), Main: main, Paged: paged}, nine)
		for _, s := range pages {
			c.Receive(v.MainSessionID, s.Type, s.Data)
		}
		c.Advance(at(10).Time)
		want := v.MainSessionID
		if r := belongs[p]; r != "" {
			want = breakout.SessionOf(st, r)
		}
		if got := c.Connections(); len(c.Errors()) > 0 || (paged && !slices.Equal(got, []string{want})) {
			t.Errorf("%s is connected to %v, belongs to %s; errors %v", p, got, want, c.Errors())
		}
	}
}
