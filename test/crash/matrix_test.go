// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMatrix tells every story undisturbed and then with every intervention at every operation.
func TestMatrix(t *testing.T) {
	began := time.Now()
	results := make([]tally, len(stories))
	t.Cleanup(func() {
		all, err := report(results, time.Since(began))
		if err != nil {
			t.Error(err)
		}
		if chosen := flag.Lookup("test.run").Value.String(); chosen == "" && all.run.Load() != all.planned.Load() {
			t.Error("not all cases were run")
		}
	})
	for i, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.matrix(t, &results[i])
		})
	}
}

// report prints how many cases there were of each story and in all, and what became of them. It goes into the file that the environment names too:
// go test shows what the tests of several packages print only where they fail. It returns the sum, and an error if the file cannot be written.
func report(results []tally, took time.Duration) (*tally, error) {
	var out bytes.Buffer
	line := func(story string, r *tally) {
		fmt.Fprintf(&out, "crash matrix: %-13s %3d writes, %3d calls: %4d cases, %4d run, %4d passed\n",
			story, r.writes.Load(), r.calls.Load(), r.planned.Load(), r.run.Load(), r.passed.Load())
	}
	all := &tally{}
	for i, s := range stories {
		line(s.name, &results[i])
		all.add(&results[i])
	}
	line("all", all)
	fmt.Fprintf(&out, "crash matrix: took %s\n", took.Round(time.Second))
	fmt.Print(out.String())
	file := os.Getenv("CRASH_MATRIX_REPORT")
	if file == "" {
		return all, nil
	}
	// Renamed, since go test runs tests again whose files have changed.
	if err := os.WriteFile(file+".new", out.Bytes(), 0o600); err != nil {
		return all, err
	}
	return all, os.Rename(file+".new", file)
}

// tally counts the cases of a story.
type tally struct{ writes, calls, planned, run, passed atomic.Int64 }

func (t *tally) add(u *tally) {
	t.writes.Add(u.writes.Load())
	t.calls.Add(u.calls.Load())
	t.planned.Add(u.planned.Load())
	t.run.Add(u.run.Load())
	t.passed.Add(u.passed.Load())
}

// matrix runs all cases of a story.
func (s story) matrix(t *testing.T, results *tally) {
	operations, undisturbed := s.recorded(t)
	test := func(name string, run func(*testing.T)) {
		results.planned.Add(1)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results.run.Add(1)
			t.Cleanup(func() {
				if !t.Failed() && !t.Skipped() {
					results.passed.Add(1)
				}
			})
			run(t)
		})
	}
	for _, op := range operations {
		ways := []way{before, after, lateRooms, lateSets}
		if op.cached() {
			ways = append(ways, stale)
		}
		ways = append(ways, op.apiFaults()...)
		if strings.HasPrefix(op.key, "vendor.") {
			results.calls.Add(1)
		} else {
			results.writes.Add(1)
		}
		for _, f := range vendorFaults {
			if op.vendorOp() != "" {
				ways = append(ways, f.way)
			}
		}
		for _, way := range ways {
			test(fmt.Sprintf("%s/%s", way, op), func(t *testing.T) { s.disturbed(t, &intervention{way, op}, undisturbed) })
		}
	}
	test("two", func(t *testing.T) { s.byTwo(t, undisturbed) })
}

// recorded tells a story twice with nothing coming between, and returns its operations and its ending, which are the same both times: a case that
// waits for what came by chance would wait in vain.
func (s story) recorded(t *testing.T) ([]operation, *ending) {
	operations, ending := s.undisturbed(t)
	again, another := s.undisturbed(t)
	if diff := cmp.Diff(ending, another); diff != "" {
		t.Errorf("it ended otherwise this time (-before +now):\n%s", diff)
	}
	if diff := cmp.Diff(names(operations), names(again)); diff != "" {
		t.Errorf("it had other operations this time (-before +now):\n%s", diff)
	}
	if t.Failed() {
		t.FailNow()
	}
	return operations, ending
}

// names are the names of operations, sorted: those of objects that do not wait for each other come in any order.
func names(operations []operation) []string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.String()
	}
	slices.Sort(names)
	return names
}

// undisturbed tells a story with nothing coming between, and returns its operations and its ending.
func (s story) undisturbed(t *testing.T) ([]operation, *ending) {
	w := newWorld(t)
	s.prepare(w)
	w.gate.begin(nil, true)
	s.tell(w)
	operations := w.gate.story()
	w.judgeQuiescence()
	e := w.judge(1)
	if t.Failed() {
		t.FailNow()
	}
	for room, told := range e.Told {
		w.tracef("told %s: %s", room, strings.Join(told, "\n\t"))
	}
	return operations, e
}

// disturbed tells a story with an intervention.
func (s story) disturbed(t *testing.T, i *intervention, undisturbed *ending) {
	w := newWorld(t)
	_, w.together = i.way.pauses()
	s.prepare(w)
	w.gate.begin(i, true)
	s.tell(w)
	if w.gate.victim() == nil {
		t.Fatalf("the story ended without %s", i.at)
	}
	w.wake()
	operators := len(w.operators)
	w.judgeQuiescence()
	if fault, fails := i.way.faultOf(); fails {
		w.judgeFault(fault.Kind)
	}
	w.compare(undisturbed, w.judge(operators))
}

// byTwo tells a story with two operators that both take themselves to be the leader, all the time.
func (s story) byTwo(t *testing.T, undisturbed *ending) {
	w := newWorld(t)
	w.together = true
	s.prepare(w)
	w.startOperator()
	w.gate.begin(nil, false)
	s.tell(w)
	w.judgeQuiescence()
	w.compare(undisturbed, w.judge(2))
}

// judgeQuiescence: when all is done nothing is written and nobody is called any more, neither when time goes by nor after a restart. The
// periodic check of the account aside.
func (w *world) judgeQuiescence() {
	w.t.Helper()
	done := len(w.gate.story())
	w.gate.open()
	until := w.clock.Now().Add(time.Minute)
	for at := w.nextAlarm(); !at.IsZero() && at.Before(until); at = w.nextAlarm() {
		w.clock.SetTime(at)
		w.wait()
		w.must(w.calm(time.Now().Add(patience)))
	}
	if more := w.gate.story()[done:]; len(more) > 0 {
		w.t.Errorf("when all was done the operator went on as time went by: %v", more)
	}
	done = len(w.gate.story())
	for _, o := range w.operators {
		o.kill()
	}
	w.startOperator()
	w.must(w.calm(time.Now().Add(patience)))
	if more := w.gate.story()[done:]; len(more) > 0 {
		w.t.Errorf("when all was done another operator did something: %v", more)
	}
}
