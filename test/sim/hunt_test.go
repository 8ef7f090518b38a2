// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	huntSeed    = flag.Uint64("hunt.seed", 1, "the seed of the first meeting; 0 picks one")
	huntCount   = flag.Int("hunt.count", 20, "how many meetings")
	huntTime    = flag.Duration("hunt.time", 0, "hunt for so long instead of by count")
	huntMinutes = flag.Int("hunt.minutes", 20, "for how long a meeting is edited")
	huntPace    = flag.Duration("hunt.pace", 15*time.Second, "mean time between edits")
	huntFaults  = flag.Float64("hunt.faults", 0.2, "the part of operations that fail, at most")
	huntKills   = flag.Float64("hunt.kills", 0.01, "the part of operations at which the operator dies, at most")
	huntLag     = flag.Duration("hunt.lag", 2*time.Second, "how late anything is, at most")
	huntSkew    = flag.Duration("hunt.skew", 10*time.Second, "by how much pages' clocks are off, at most")
	huntConnect = flag.Duration("hunt.connect", 3*time.Second, "how long browsers take to change sessions, at most")
	huntWithout = flag.String("hunt.without", "", "kinds of edits to leave out, by comma")
	huntShrink  = flag.Bool("hunt.shrink", true, "shrink a meeting that fails")
)

// meetingOf is the meeting of a seed: one in four is without any fault.
func meetingOf(seed uint64) Meeting {
	rng := rand.New(rand.NewPCG(seed, 6))
	part := float64(rng.IntN(4)) / 3
	return RandomMeeting(seed, Mix{
		Length: time.Duration(
			*huntMinutes,
		) * time.Minute,
		Pace:   *huntPace,
		Faults: part * *huntFaults,
		Kills:  part * *huntKills,
		Lag: time.Duration(
			part * float64(*huntLag),
		),
		Skew:    *huntSkew,
		Connect: *huntConnect,
		Without: strings.Split(*huntWithout, ","),
	})
}

// TestMeetings has random meetings take place. What it prints is enough to have any of them again: -hunt.seed=N
// -hunt.count=1.
func TestMeetings(t *testing.T) {
	began, seed := time.Now(), *huntSeed
	if seed == 0 {
		seed = rand.Uint64N(1e9)
	}
	t.Logf("seed %d", seed)
	meetings, broken, edited, operations, judged, operators := 0, 0, 0, 0, 0, 0
	elapsed := time.Duration(0)
	for *huntTime > 0 && time.Since(began) < *huntTime || *huntTime == 0 && meetings < *huntCount {
		m := meetingOf(seed + uint64(meetings))
		w := m.Run(t, traceOf())
		meetings++
		elapsed += w.Elapsed()
		edited, operations, judged, operators = edited+len(
			m.Edits,
		), operations+len(
			w.Operations,
		), judged+w.Judged, operators+len(
			w.Operators,
		)
		if len(w.Violations()) == 0 {
			continue
		}
		broken++
		t.Errorf("seed %d: %d rules broken, the first: %s", m.Seed, len(w.Violations()), w.Violations()[0])
		if *huntShrink && broken == 1 {
			small, why := shrink(t, m)
			t.Errorf(
				"a smaller meeting that breaks a rule (%s), as a test:\n\nfunc TestFound(t *testing.T) {\n"+
					"\tw := %v.Run(t, nil)\n"+
					"\tfor _, v := range w.Violations() {\n\t\tt.Error(v)\n\t}\n}",
				why,
				small,
			)
		}
	}
	t.Logf(
		"%d meetings, %s in %s (%.1f hours a second): %d edits, %d operations, %d operators, "+
			"%d times judged, %d broken",
		meetings,
		elapsed.Round(
			time.Minute,
		),
		time.Since(began).Round(time.Second),
		elapsed.Hours()/time.Since(began).Seconds(),
		edited,
		operations,
		operators,
		judged,
		broken,
	)
}

// shrink makes a meeting that breaks a rule smaller as long as it still breaks one, and returns that rule as well.
// Edits go first, in ever smaller parts, then what fails.
func shrink(t *testing.T, m Meeting) (Meeting, string) {
	why, tries := "", 0
	breaks := func(m Meeting) bool {
		if tries++; tries > 300 {
			return false
		}
		w := m.Run(t, nil)
		if len(w.Violations()) == 0 {
			return false
		}
		why = w.Violations()[0]
		return true
	}
	if !breaks(m) {
		return m, "but not this time: something differs from run to run"
	}
	for _, simpler := range []func(*Meeting){
		func(m *Meeting) { m.Kills = 0 }, func(m *Meeting) { m.Faults = 0 },
		func(m *Meeting) { m.Lag = 0 }, func(m *Meeting) { m.Skew = 0 },
	} {
		if next := m; true {
			if simpler(&next); breaks(next) {
				m = next
			}
		}
	}
	for part := len(m.Edits) / 2; part > 0; {
		smaller := false
		for from := 0; from < len(m.Edits); {
			next := m
			next.Edits = slices.Delete(slices.Clone(m.Edits), from, min(from+part, len(m.Edits)))
			if breaks(next) {
				m, smaller = next, true
			} else {
				from += part
			}
		}
		if part > 1 || !smaller {
			part /= 2
		}
	}
	breaks(m)
	return m, why
}

// TestReplay: the same meeting takes the same course, every time.
func TestReplay(t *testing.T) {
	const runs = 6
	for _, m := range []Meeting{
		RandomMeeting(1, Mix{Length: 5 * time.Minute, Pace: 10 * time.Second, Connect: 300 * time.Millisecond}),
		RandomMeeting(2, Mix{Length: 5 * time.Minute, Pace: 10 * time.Second, Connect: 300 * time.Millisecond,
			Faults: 0.3, Kills: 0.02, Lag: 2 * time.Second}),
	} {
		t.Run(fmt.Sprint(m.Seed), func(t *testing.T) {
			first := course(t, m)
			for range runs - 1 {
				again := course(t, m)
				for i := range first {
					if i >= len(again) || first[i] != again[i] {
						t.Fatalf(
							"line %d of %d was\n%s\nand is\n%s",
							i,
							len(first),
							strings.Join(first[max(0, i-5):i+1], "\n"),
							strings.Join(again[max(0, i-5):min(len(again), i+1)], "\n"),
						)
					}
				}
			}
		})
	}
}

// course is everything that happens in a meeting.
func course(t *testing.T, m Meeting) []string {
	file, err := os.CreateTemp(t.TempDir(), "course")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m.Run(t, file)
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(
		strings.Split(string(text), "\n"),
		func(line string) bool { return strings.Contains(line, " ~ ") },
	)
}
