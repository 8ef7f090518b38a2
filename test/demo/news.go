// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// newsGap is how long nothing more must come for what came to be printed, newsAge how long that waits at most.
	newsGap = 80 * time.Millisecond
	newsAge = 500 * time.Millisecond

	// fewLines is up to how many of a kind have lines of their own, fewNames and fewRooms up to how many people and
	// rooms are named.
	fewLines = 3
	fewNames = 12
	fewRooms = 6
)

// bulletin prints what happens on a timeline, and together what happens to many at once.
type bulletin struct {
	timeline *timeline
	groups   []*group
	latest   time.Time
}

// group is what is printed together, under the time of the first.
type group struct {
	key   string
	when  time.Time
	items []item
	lines func([]item) []line
}

// item is one of a group. What its fields mean is the kind's business.
type item struct {
	name, detail string
	recipients   []string
	nobody       bool
}

// line is a line of the timeline.
type line struct{ actor, text string }

// say prints something that is like nothing else.
func (b *bulletin) say(when time.Time, actor, text string) {
	b.add(when, "", item{}, func([]item) []line { return []line{{actor, text}} })
}

// room prints something about a meeting room, where detail is what may be left out when it happens to many.
func (b *bulletin) room(when time.Time, name, text, detail string) {
	b.add(when, "room "+text, item{name: name, detail: detail}, func(items []item) []line {
		if len(items) <= fewLines {
			var lines []line
			for _, i := range items {
				lines = append(lines, line{"room " + i.name, text + i.detail})
			}
			return lines
		}
		return []line{{fmt.Sprintf("%d rooms", len(items)), strings.Replace(text, "is ", "are ", 1) + ": " +
			some(namesOf(items), fewRooms)}}
	})
}

// moved prints that somebody changed rooms.
func (b *bulletin) moved(when time.Time, who, from, to string) {
	b.add(when, "moved", item{name: who, detail: from + " → " + to}, func(items []item) []line {
		if len(items) <= fewLines {
			var lines []line
			for _, i := range items {
				lines = append(lines, line{i.name, i.detail})
			}
			return lines
		}
		var ways []string
		who := map[string][]string{}
		for _, i := range items {
			if who[i.detail] == nil {
				ways = append(ways, i.detail)
			}
			who[i.detail] = append(who[i.detail], i.name)
		}
		slices.Sort(ways)
		for i, way := range ways {
			ways[i] = way + ": " + some(who[way], fewNames)
		}
		if len(ways) > fewNames {
			ways = append(ways[:fewLines], fmt.Sprintf("and %d more like these", len(ways)-fewLines))
		}
		return []line{{fmt.Sprintf("%d browsers", len(items)), strings.Join(ways, "\n")}}
	})
}

// expelled prints that the vendor ended somebody's connection.
func (b *bulletin) expelled(when time.Time, who, from string) {
	b.add(when, "expelled from "+from, item{name: who}, func(items []item) []line {
		if len(items) == 1 {
			return []line{{who, "was disconnected from " + from}}
		}
		return []line{{fmt.Sprintf("%d browsers", len(items)), "were disconnected from " + from + ": " +
			some(namesOf(items), fewNames)}}
	})
}

// signal prints that a session was sent a signal, and who of all people received it.
func (b *bulletin) signal(when time.Time, room string, recipients []string, all int, what string) {
	i := item{name: room, recipients: recipients, nobody: len(recipients) == 0}
	b.add(when, "signal "+what, i, func(items []item) []line {
		var received []string
		for _, i := range items {
			received = append(received, i.recipients...)
		}
		empty := namesOf(slices.DeleteFunc(slices.Clone(items), func(i item) bool { return !i.nobody }))
		full := namesOf(slices.DeleteFunc(slices.Clone(items), func(i item) bool { return i.nobody }))
		actor, text := fmt.Sprintf("signal to %d rooms", len(items)), "nobody is in any of them"
		switch {
		case len(items) == 1 && len(empty) == 1:
			actor, text = "signal to "+room, "nobody is there"
		case len(items) == 1:
			actor, text = "signal to "+room, "received by "+names(received, all)
		case len(full) > 0:
			text = fmt.Sprintf("received by %s in %s", names(received, all), some(full, fewRooms))
			if len(empty) > 0 {
				text += "; nobody is in " + some(empty, fewRooms)
			}
		}
		return []line{{actor, text + ": " + what}}
	})
}

// add adds to the group of that key, or makes one. An empty key is a group of its own.
func (b *bulletin) add(when time.Time, key string, i item, lines func([]item) []line) {
	b.latest = time.Now()
	at := slices.IndexFunc(b.groups, func(g *group) bool { return g.key == key && key != "" })
	if at < 0 {
		at = len(b.groups)
		b.groups = append(b.groups, &group{key: key, when: when, lines: lines})
	}
	b.groups[at].items = append(b.groups[at].items, i)
}

// flush prints what there is.
func (b *bulletin) flush() {
	for _, g := range b.groups {
		for _, l := range g.lines(g.items) {
			b.timeline.at(g.when, l.actor, "%s", l.text)
		}
	}
	b.groups = nil
}

// flushOld prints what there is, if nothing more comes or it has waited for long.
func (b *bulletin) flushOld(now time.Time) {
	if len(b.groups) > 0 && (now.Sub(b.latest) >= newsGap || now.Sub(b.groups[0].when) >= newsAge) {
		b.flush()
	}
}

// namesOf is the items' names, sorted.
func namesOf(items []item) []string {
	var names []string
	for _, i := range items {
		names = append(names, i.name)
	}
	slices.Sort(names)
	return names
}

// some lists names for people, but not more than so many.
func some(of []string, most int) string {
	if len(of) <= most {
		return strings.Join(of, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(of[:fewLines], ", "), len(of)-fewLines)
}
