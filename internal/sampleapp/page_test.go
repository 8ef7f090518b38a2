// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// shownRoom is a room as a message lists it.
type shownRoom struct {
	ID, Name, SessionID    string
	MainRoomID             *string
	MaxParticipants        int
	Member, MemberAssigned []string
}

// shownList is the data of a message, or a page of it.
type shownList struct {
	Message       string
	BreakoutRooms []shownRoom
	Page          *struct{ Index, Count int }
}

// crowd is a meeting of a size, with names that are long and of letters of 1 to 4 bytes, some of which JSON escapes.
func crowd(rng *rand.Rand, rooms, people int, plain bool) *v1alpha1.BreakoutSetStatus {
	letters := []rune("aé組𝒳\"\\<&\u2028")
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
	st := &v1alpha1.BreakoutSetStatus{
		MainDisplayName: text("Main", 80), MainSessionID: "1_" + strings.Repeat("s", rng.IntN(200)),
		Mode: v1alpha1.ModeAutomatic,
	}
	st.Signals.Revision = nine.UnixMilli()
	for i := range rooms {
		r := listed(roomName(fmt.Sprintf("r%d", i)), text(fmt.Sprintf("Room %d ", i), 80))
		r.MeetingRoomName, r.MaxParticipants = text(fmt.Sprintf("groups-%d", i), 60), int32(rng.IntN(3))
		st.Rooms = append(st.Rooms, r)
	}
	favorite := rng.IntN(rooms + 1) // where many are
	for i := range people {
		p := personName(text(fmt.Sprintf("p%d ", i), 64))
		at := favorite
		if rng.IntN(4) > 0 {
			at = rng.IntN(rooms + 1)
		}
		if at == rooms {
			st.MainParticipants = append(st.MainParticipants, p)
		} else {
			st.Rooms[at].Participants = append(st.Rooms[at].Participants, p)
		}
	}
	return st
}

// together puts the pages of a message together, and complains where they are not what they should be for the session
// of a room.
func together(t *rapid.T, signals []Signal, own string) shownList {
	var all shownList
	for i, s := range signals {
		if n := quotedLength(t, s.Data); n > maxLength {
			t.Fatalf("page %d has %d bytes", i+1, n)
		}
		var page shownList
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
		all.Message = page.Message
		for _, r := range page.BreakoutRooms {
			at := slices.IndexFunc(
				all.BreakoutRooms, func(have shownRoom) bool { return have.SessionID == r.SessionID },
			)
			if at < 0 {
				all.BreakoutRooms = append(all.BreakoutRooms, r)
				continue
			}
			have := &all.BreakoutRooms[at]
			have.Member = append(have.Member, r.Member...)
			have.MemberAssigned = append(have.MemberAssigned, r.MemberAssigned...)
			if r.Name != have.Name || r.ID != have.ID || r.MaxParticipants != have.MaxParticipants {
				t.Fatalf("page %d shows %v otherwise than before: %v", i+1, r, *have)
			}
		}
	}
	return all
}

// shown is the whole list of a message that sends some people to where they belong.
func shown(st *v1alpha1.BreakoutSetStatus, sent []personName) []shownRoom {
	split := func(r *shownRoom, people []personName) {
		for _, p := range people {
			if slices.Contains(sent, p) {
				r.MemberAssigned = append(r.MemberAssigned, string(p))
			} else {
				r.Member = append(r.Member, string(p))
			}
		}
	}
	id := source.MeetingRoom
	main := shownRoom{ID: id, Name: st.MainDisplayName, SessionID: st.MainSessionID, MaxParticipants: 1000}
	split(&main, st.MainParticipants)
	rooms := []shownRoom{main}
	for _, r := range st.Rooms {
		w := shownRoom{
			ID: r.MeetingRoomName, Name: r.DisplayName, SessionID: r.SessionID, MainRoomID: &id,
			MaxParticipants: int(r.MaxParticipants),
		}
		if w.MaxParticipants == 0 {
			w.MaxParticipants = 1000
		}
		split(&w, r.Participants)
		rooms = append(rooms, w)
	}
	return rooms
}

// ofConcern is what concerns those who do not lead: the main room, their own, and those that people in it are sent to.
func ofConcern(rooms []shownRoom, own string) []shownRoom {
	var few []shownRoom
	for i, r := range rooms {
		if r.SessionID != own {
			r.Member = nil
		}
		if i == 0 || r.SessionID == own || len(r.MemberAssigned) > 0 {
			few = append(few, r)
		}
	}
	return few
}

func checkPages(t *rapid.T) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "names"), 0))
	most := rapid.SampledFrom([]int{3, 3, 40, 40, 500}).Draw(t, "most rooms")
	rooms, people := rapid.IntRange(1, most).Draw(t, "rooms"), rapid.IntRange(0, 2*most).Draw(t, "people")
	st := crowd(rng, rooms, people, rapid.Bool().Draw(t, "plain names"))
	view := breakout.Planned(st)
	everybody, places := view.People(), view.Places()
	if leaders := rapid.IntRange(0, 3).Draw(t, "leaders"); leaders <= len(everybody) {
		st.Hosts, st.CoHosts = everybody[:leaders/2], everybody[len(everybody)-leaders+leaders/2:]
	}
	name, own := mainRoom, ""
	if i := rapid.IntRange(-1, len(st.Rooms)-1).Draw(t, "session"); i >= 0 {
		name, own = st.Rooms[i].Name, st.Rooms[i].SessionID
	}
	step := Step{
		Kind: rapid.SampledFrom([]v1alpha1.SignalKind{v1alpha1.SignalMoves, v1alpha1.SignalRooms}).Draw(t, "kind"),
	}
	if step.Kind == v1alpha1.SignalMoves {
		few := rapid.IntRange(1, 200).Draw(t, "one of so many is sent somewhere")
		for _, p := range everybody {
			if places[p] != name && (name != mainRoom || places[p] != "") && rng.IntN(few) == 0 {
				step.Names = append(step.Names, p)
			}
		}
	}

	signals := NewComposer(source, st).Signals(name, step, nine)
	got, want := together(t, signals, own), shown(st, step.Names)
	one, err := json.Marshal(got.BreakoutRooms)
	if err != nil || (len(signals) > 1 && quotedLength(t, string(one)) < maxLength/2) {
		t.Fatalf("%d pages for about %d bytes (%v)", len(signals), len(one), err)
	}
	whole := NewComposer(source, st).Signals(mainRoom, step, nine)
	fits := len(whole) == 1 && quotedLength(t, whole[0].Data) < maxLength-100 // about; between, either will do
	if !fits && name != mainRoom && !leads(st, name) && (len(whole) > 1 || len(got.BreakoutRooms) < len(want)) {
		want = ofConcern(want, own)
	}
	byID := cmpopts.SortSlices(func(a, b shownRoom) bool { return a.SessionID < b.SessionID })
	byName := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, got.BreakoutRooms, byID, byName, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s put together (-want +got):\n%s", step.Kind, diff)
	}
}

// However many rooms and people: no page is over the limit as JavaScript counts, each begins with the main room and the
// session's own, and together they are the view; for those who do not lead, what of it concerns them where it does not
// fit one page.
func TestPages(t *testing.T) { rapid.Check(t, checkPages) }

func FuzzPages(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkPages)) }

// A message that just fits is one page, and one byte more makes two.
func TestPagesBoundary(t *testing.T) {
	size := func(n int) []Signal {
		st := openStatus()
		st.MainParticipants = nil
		for n > 0 { // each name costs its letters, two quotes that are escaped, and a comma
			letters := min(n-5, 60)
			if left := n - 5 - letters; left > 0 && left < 9 {
				letters -= 9
			}
			st.MainParticipants = append(
				st.MainParticipants, personName(fmt.Sprintf("%0*d", letters, len(st.MainParticipants))),
			)
			n -= letters + 5
		}
		return NewComposer(source, st).Signals(mainRoom, Step{Kind: v1alpha1.SignalRooms}, nine)
	}
	fits := sort.Search(8000, func(n int) bool { return len(size(n+100)) > 1 }) - 1 + 100
	page := len(`,\"page\":{\"index\":9999,\"count\":9999}`)
	if got := quotedLength(t, size(fits)[0].Data); got > maxLength || got < maxLength-page-len(`""0`) {
		t.Errorf("the largest single page has %d bytes", got)
	}
	if got := len(size(fits + 1)); got != 2 {
		t.Errorf("one byte more makes %d pages", got)
	}
}

// 500 rooms and 1,000 people, as much as a set can have: leaders get everything on pages that are full, others one
// page.
func TestPagesLargest(t *testing.T) {
	st := crowd(rand.New(rand.NewPCG(1, 2)), 500, 1000, false)
	withHost := st.Rooms[slices.IndexFunc(
		st.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool { return len(r.Participants) > 0 },
	)]
	st.Hosts = withHost.Participants[:1]
	var target, other *v1alpha1.BreakoutRoomStatus
	for i := range st.Rooms {
		switch r := &st.Rooms[i]; {
		case r.Name == withHost.Name || len(r.Participants) == 0:
		case target == nil:
			target = r
		default:
			other = r
		}
	}
	for _, tc := range []struct {
		room  roomName
		names []personName
		want  []int // the fewest and the most pages
		rooms int
	}{
		{room: mainRoom, want: []int{30, 45}, rooms: 501},
		{room: withHost.Name, want: []int{30, 45}, rooms: 501},
		{room: other.Name, names: target.Participants[:1], want: []int{1, 1}, rooms: 3},
		{room: other.Name, want: []int{1, 1}, rooms: 2},
	} {
		signals := NewComposer(source, st).Signals(tc.room, Step{Kind: v1alpha1.SignalMoves, Names: tc.names}, nine)
		total, seen := 0, map[string]bool{}
		for _, s := range signals {
			n := quotedLength(t, s.Data)
			total += n
			if n > maxLength {
				t.Errorf("to %s: %d bytes", tc.room, n)
			}
			var list shownList
			if err := json.Unmarshal([]byte(s.Data), &list); err != nil {
				t.Fatal(err)
			}
			for _, r := range list.BreakoutRooms {
				seen[r.SessionID] = true
			}
		}
		if len(signals) < tc.want[0] || len(signals) > tc.want[1] || len(seen) != tc.rooms {
			t.Errorf(
				"to %s: %d pages with %d rooms, want %v with %d", tc.room, len(signals), len(seen), tc.want, tc.rooms,
			)
		}
		if full := (total + maxLength - 1) / maxLength; len(signals) > full*5/4 {
			t.Errorf("to %s: %d pages for %d bytes: they are half empty", tc.room, len(signals), total)
		}
	}
}

// Clients that know pages go where they belong, in a meeting that takes many; one that does not know them may not, but
// never breaks.
func TestPagedClients(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	st := crowd(rng, 60, 300, false)
	belongs := breakout.Planned(st).Places()
	step := Step{Kind: v1alpha1.SignalOpening, Names: slices.Sorted(maps.Keys(belongs))}
	pages := NewComposer(source, st).Signals(mainRoom, step, nine)
	if len(pages) < 3 {
		t.Fatalf("%d pages: not what this is about", len(pages))
	}
	rng.Shuffle(len(pages), func(i, j int) { pages[i], pages[j] = pages[j], pages[i] }) // they are independent
	main := browser.Room{ID: source.MeetingRoom, Name: st.MainDisplayName, SessionID: st.MainSessionID}
	for i, p := range slices.Concat(st.MainParticipants, slices.Sorted(maps.Keys(belongs))) {
		paged := i%10 != 0
		c := browser.Join(browser.Config{Name: string(p), Main: main, Paged: paged}, nine)
		for _, s := range pages {
			c.Receive(st.MainSessionID, s.Type, s.Data)
		}
		c.Advance(after(10))
		want := st.MainSessionID
		if r := belongs[p]; r != "" {
			want = breakout.SessionOf(st, r)
		}
		if got := c.Connections(); len(c.Errors()) > 0 || (paged && !slices.Equal(got, []string{want})) {
			t.Errorf("%s is connected to %v, belongs to %s; errors %v", p, got, want, c.Errors())
		}
	}
}
