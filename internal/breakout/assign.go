// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// Names of people and rooms, as the API has them.
type (
	personName = v1alpha1.ParticipantName
	roomName   = v1alpha1.BreakoutRoomName
)

// mainRoom is the main room's name among rooms.
const mainRoom roomName = v1alpha1.MainRoomName

// Places says who belongs into which breakout room; whoever is not in it belongs into the main room.
type Places map[v1alpha1.ParticipantName]v1alpha1.BreakoutRoomName

// Assignment is who goes where, and what could not be done as asked.
type Assignment struct {
	// Places is who goes where.
	Places Places

	// Unassigned are participants whom mode Automatic would put somewhere and for whom no room has space, in roster
	// order.
	Unassigned []v1alpha1.ParticipantName

	// UnknownRooms are placements that name no room of the set, UnknownParticipants those that name nobody in the
	// meeting; in their order.
	UnknownRooms, UnknownParticipants []v1alpha1.Placement

	// OverCapacity are rooms with more people than they take, in their order.
	OverCapacity []v1alpha1.BreakoutRoomName
}

// Assign decides who goes where. It is a pure function of the roster, the rooms, the assignment asked for, where people
// are now, and a seed (the set's UID), and so the same after a restart.
//
// Placements win over everything. In mode Automatic whoever is in a room that still exists stays there: a change moves
// nobody it does not have to. The other participants (not hosts, co-hosts or viewers) go, in an order drawn by the
// seed, to the room with the fewest people that has space; so a fresh assignment's rooms differ by at most one person
// as far as their capacities allow. In the other modes whoever has no placement belongs into the main room.
func Assign(
	roster []v1alpha1.Participant,
	rooms []v1alpha1.BreakoutRoomSpec,
	asked v1alpha1.AssignmentSpec,
	now Places,
	seed string,
) Assignment {
	a := Assignment{Places: Places{}}
	load := newLoad(rooms)
	placed := a.place(roster, load, asked.Placements)
	if asked.Mode == "" || asked.Mode == v1alpha1.ModeAutomatic {
		a.fill(roster, load, placed, now, seed)
	}
	for _, r := range rooms {
		if l := load[r.Name]; l.max > 0 && l.people > l.max {
			a.OverCapacity = append(a.OverCapacity, r.Name)
		}
	}
	return a
}

// place puts those with a valid placement where it says, and returns who they are.
func (a *Assignment) place(
	roster []v1alpha1.Participant,
	load roomLoad,
	placements []v1alpha1.Placement,
) map[personName]bool {
	known := make(map[personName]bool, len(roster))
	for _, p := range roster {
		known[p.Name] = true
	}
	placed := make(map[personName]bool, len(placements))
	for _, p := range placements {
		switch room := load[p.Room]; {
		case !known[p.Participant]:
			a.UnknownParticipants = append(a.UnknownParticipants, p)
		case p.Room == mainRoom:
			placed[p.Participant] = true
		case room == nil:
			a.UnknownRooms = append(a.UnknownRooms, p)
		default:
			placed[p.Participant] = true
			a.Places[p.Participant] = p.Room
			room.people++
		}
	}
	return placed
}

// fill leaves those without a placement in the room that they are in, and spreads the other participants over the rooms
// with space.
func (a *Assignment) fill(
	roster []v1alpha1.Participant,
	load roomLoad,
	placed map[personName]bool,
	now Places,
	seed string,
) {
	var homeless []personName
	for _, p := range roster {
		if placed[p.Name] {
			continue
		}
		if room := load[now[p.Name]]; room != nil {
			a.Places[p.Name] = now[p.Name]
			room.people++
		} else if p.Role == "" || p.Role == v1alpha1.RoleParticipant {
			homeless = append(homeless, p.Name)
		}
	}
	if len(load) == 0 {
		return // a set without rooms has no place for anybody, which is nobody's complaint
	}
	left := map[personName]bool{}
	for _, p := range shuffled(homeless, seed) {
		if room := load.emptiest(); room != nil {
			a.Places[p] = room.name
			room.people++
		} else {
			left[p] = true
		}
	}
	a.Unassigned = slices.DeleteFunc(homeless, func(p personName) bool { return !left[p] })
}

// load is how many people are in a room; max 0 means no limit.
type load struct {
	name               roomName
	index, people, max int
}

type roomLoad map[roomName]*load

func newLoad(rooms []v1alpha1.BreakoutRoomSpec) roomLoad {
	l := make(roomLoad, len(rooms))
	for i, r := range rooms {
		l[r.Name] = &load{name: r.Name, index: i}
		if r.MaxParticipants != nil {
			l[r.Name].max = int(*r.MaxParticipants)
		}
	}
	return l
}

// emptiest is the first of the rooms with the fewest people that have space; nil when all are full.
func (l roomLoad) emptiest() *load {
	var best *load
	for _, r := range l {
		if r.max > 0 && r.people >= r.max {
			continue
		}
		if best == nil || r.people < best.people || (r.people == best.people && r.index < best.index) {
			best = r
		}
	}
	return best
}

// shuffled is names in an order that is drawn by the seed, the same for every call, and independent of the others
// present.
func shuffled(names []personName, seed string) []personName {
	type ticket struct {
		name   personName
		number uint64
	}
	tickets := make([]ticket, len(names))
	for i, n := range names {
		sum := sha256.Sum256([]byte(seed + "\x00" + string(n)))
		tickets[i] = ticket{n, binary.BigEndian.Uint64(sum[:8])}
	}
	slices.SortFunc(tickets, func(a, b ticket) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.name, b.name))
	})
	drawn := make([]personName, len(tickets))
	for i, t := range tickets {
		drawn[i] = t.name
	}
	return drawn
}
