// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// row measures one or more lines of the table.
type row struct {
	name    string
	measure func(*bench, context.Context) ([]*result, error)
}

var rows = []row{
	{
		"breakout-50",
		func(b *bench, ctx context.Context) ([]*result, error) { return b.breakout(ctx, 50, 100, "≤ 0.6 s") },
	},
	{"breakout-200", func(b *bench, ctx context.Context) ([]*result, error) {
		return b.breakout(ctx, 200, 200, "≤ 2 s, ratio ≤ 1.5")
	}},
	{"edit-500", (*bench).edit},
	{"rooms-2000", (*bench).atOnce},
	{"one-room", (*bench).oneRoom},
	{"outage-2000", (*bench).outage},
	{"leader", (*bench).leader},
	{"fleet-10000", (*bench).fleet},
}

// runs does something as often as the options ask for.
func (b *bench) runs(do func(run int) error) error {
	for i := range b.options.runs {
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// withOperator does something while an operator runs.
func (b *bench) withOperator(ctx context.Context, do func(*rig.Operator) error, flags ...string) error {
	o, err := b.StartOperator(ctx, flags...)
	if err != nil {
		return err
	}
	defer o.Stop()
	return do(o)
}

// breakout measures from the creation of a set to everybody having been told.
func (b *bench) breakout(ctx context.Context, rooms, people int, target string) ([]*result, error) {
	rooms, people = b.count(rooms), b.count(people)
	res := &result{
		Name: fmt.Sprintf("%d breakout rooms, %d people, opened and delivered; vendor 100 ms", rooms, people),
		Unit: "s", Target: target,
	}
	b.Simulator.SetLatency(100 * time.Millisecond)
	defer b.Simulator.SetLatency(0)
	err := b.runs(func(int) error {
		err := b.withOperator(ctx, func(o *rig.Operator) error {
			main, err := b.mainRoom(ctx, people)
			if err != nil {
				return err
			}
			before, err := b.writes(ctx)
			if err != nil {
				return err
			}
			cpu, err := o.CPU()
			if err != nil {
				return err
			}
			called := b.Simulator.LastSeq()
			set := b.newSet(main.Name, rooms)
			began := time.Now()
			if err := b.Client.Create(ctx, set); err != nil {
				return err
			}
			last, err := b.tracker.awaitReady(ctx, "set "+set.Name)
			if err != nil {
				return err
			}
			res.Values = append(res.Values, last.Sub(began).Seconds())
			spent, err := o.CPU()
			if err != nil {
				return err
			}
			after, err := b.writes(ctx)
			if err != nil {
				return err
			}
			refused := 0
			calls := b.Simulator.CallsSince(called)
			for _, call := range calls {
				if call.Op == simulator.OpSignal && call.Status/100 != 2 {
					refused++
				}
			}
			res.note("writes per child room", "", (after-before-1)/float64(rooms)) // the main room's lock is not theirs
			res.note("calls", "", float64(len(calls)))
			res.note("signals refused", "", float64(refused))
			res.note("CPU per room", "ms", float64((spent-cpu).Milliseconds())/float64(rooms))
			return nil
		})
		if err != nil {
			return err
		}
		if err := b.removeAll(ctx); err != nil {
			return err
		}
		main := b.newClass(people)
		if err := b.Client.Create(ctx, main); err != nil {
			return err
		}
		if err := b.serveRoom(ctx, main); err != nil {
			return err
		}
		if err := b.listen(main); err != nil {
			return err
		}
		floor, err := b.floorOfSet(ctx, main, rooms)
		res.Floor = append(res.Floor, floor.Seconds())
		if err != nil {
			return err
		}
		return b.removeAll(ctx)
	})
	return []*result{res}, err
}

// edit measures from an edit of a large open set to everybody concerned having been sent it, with the vendor's 200
// calls a second: one person is moved, and one room is renamed.
func (b *bench) edit(ctx context.Context) ([]*result, error) {
	rooms, people := b.count(500), b.count(1000)
	moved := &result{
		Name: fmt.Sprintf("one of %d people moved among %d rooms, 200 calls/s; vendor 100 ms", people, rooms),
		Unit: "s", Target: "≤ 2 s, ≤ 3 sessions",
	}
	renamed := &result{
		Name:   fmt.Sprintf("one of %d rooms renamed, the same", rooms),
		Unit:   "s",
		Target: "≤ 2 s, 2 sessions",
	}
	if err := b.limit(ctx, 200, 20); err != nil {
		return nil, err
	}
	b.Simulator.SetLatency(100 * time.Millisecond)
	defer b.Simulator.SetLatency(0)
	err := b.runs(func(int) error {
		err := b.withOperator(ctx, func(*rig.Operator) error {
			main := b.newClass(people)
			main.Spec.Tokens = &v1alpha1.TokensSpec{Delivery: v1alpha1.TokenDeliverySecret}
			if err := b.Client.Create(ctx, main); err != nil {
				return err
			}
			if _, err := b.tracker.awaitReady(ctx, main.Name); err != nil {
				return err
			}
			set := b.newSet(main.Name, rooms)
			if err := b.Client.Create(ctx, set); err != nil {
				return err
			}
			if _, err := b.tracker.awaitReady(ctx, "set "+set.Name); err != nil {
				return err
			}
			for _, edit := range []struct {
				res    *result
				change func(*v1alpha1.BreakoutSet)
			}{
				{moved, func(set *v1alpha1.BreakoutSet) {
					other := set.Status.Rooms[len(set.Status.Rooms)-1].Name
					set.Spec.Assignment = &v1alpha1.AssignmentSpec{Placements: []v1alpha1.Placement{
						{Participant: set.Status.Rooms[0].Participants[0], Room: other},
					}}
				}},
				{renamed, func(set *v1alpha1.BreakoutSet) { set.Spec.Rooms[1].DisplayName = "Renamed" }},
			} {
				if err := b.quiet(ctx, set); err != nil {
					return err
				}
				edit.change(set)
				called := b.Simulator.LastSeq()
				b.tracker.forget()
				began := time.Now()
				if err := b.Client.Update(ctx, set); err != nil {
					return err
				}
				last, err := b.tracker.awaitReady(ctx, "set "+set.Name)
				if err != nil {
					return err
				}
				edit.res.Values = append(edit.res.Values, last.Sub(began).Seconds())
				sessions, signals := map[string]bool{}, 0
				for _, call := range b.Simulator.CallsSince(called) {
					if call.Op == simulator.OpSignal {
						sessions[call.SessionID] = true
						signals++
					}
				}
				edit.res.note("sessions", "", float64(len(sessions)))
				edit.res.note("signals", "", float64(signals))
			}
			return nil
		})
		if err != nil {
			return err
		}
		return b.removeAll(ctx)
	})
	if err != nil {
		return nil, err
	}
	return []*result{moved, renamed}, b.limit(ctx, 10000, 20000)
}

// quiet waits until a set is Ready and nobody is on the move, and reads it.
func (b *bench) quiet(ctx context.Context, set *v1alpha1.BreakoutSet) error {
	return fixture.Await(ctx, patience, func(ctx context.Context) error {
		if err := fixture.Refresh(ctx, b.Client, set); err != nil {
			return err
		}
		if s := set.Status.Signals; len(s.Sessions)+len(s.Moving) > 0 {
			return fmt.Errorf(
				"signals are being sent: %d sessions, %d people on the move",
				len(s.Sessions),
				len(s.Moving),
			)
		}
		return fixture.IsReady(set)
	})
}

// newClass is a room of so many people, one host among them, not created yet.
func (b *bench) newClass(people int) *v1alpha1.MeetingRoom {
	return fixture.MeetingRoom(b.name("class"), fixture.Participants("Host=Host"), fixture.Students(people-1))
}

// mainRoom makes a room that is Ready, and has a browser in it.
func (b *bench) mainRoom(ctx context.Context, people int) (*v1alpha1.MeetingRoom, error) {
	room := b.newClass(people)
	if err := b.Client.Create(ctx, room); err != nil {
		return nil, err
	}
	if _, err := b.tracker.awaitReady(ctx, room.Name); err != nil {
		return nil, err
	}
	if err := b.Client.Get(ctx, client.ObjectKeyFromObject(room), room); err != nil {
		return nil, err
	}
	return room, b.listen(room)
}

func (b *bench) listen(room *v1alpha1.MeetingRoom) error {
	_, err := b.Simulator.Connect(room.Status.Tokens[0].Token)
	return err
}

// atOnce measures many rooms that are there when the operator starts.
func (b *bench) atOnce(ctx context.Context) ([]*result, error) {
	n := b.count(2000)
	res := &result{
		Name: fmt.Sprintf("%d rooms at once, two tokens each; vendor 50 ms", n), Unit: "rooms/s",
		Target: "≥ 200/s, ratio ≥ 0.8",
	}
	b.Simulator.SetLatency(50 * time.Millisecond)
	defer b.Simulator.SetLatency(0)
	err := b.runs(func(int) error {
		names, err := b.makeRooms(ctx, n)
		if err != nil {
			return err
		}
		before, err := b.writes(ctx)
		if err != nil {
			return err
		}
		called := b.Simulator.LastSeq()
		err = b.withOperator(ctx, func(o *rig.Operator) error {
			last, err := b.tracker.awaitReady(ctx, names...)
			if err != nil {
				return err
			}
			res.Values = append(res.Values, float64(n)/last.Sub(b.tracker.firstTouched(names)).Seconds())
			cpu, err := o.CPU()
			if err != nil {
				return err
			}
			after, err := b.writes(ctx)
			if err != nil {
				return err
			}
			_, peak, err := o.Memory()
			if err != nil {
				return err
			}
			res.note("writes per room", "", (after-before)/float64(n))
			// the account's check is not theirs
			res.note("calls per room", "", float64(b.Simulator.LastSeq()-called-1)/float64(n))
			res.note("CPU per room", "ms", float64(cpu.Milliseconds())/float64(n))
			res.note("peak memory", "MiB", float64(peak>>20))
			return nil
		})
		if err != nil {
			return err
		}
		if err := b.removeAll(ctx); err != nil {
			return err
		}
		floor, err := b.floorOfRooms(ctx, n)
		if err != nil {
			return err
		}
		res.Floor = append(res.Floor, float64(n)/floor.Seconds())
		return b.removeAll(ctx)
	})
	return []*result{res}, err
}

// oneRoom measures rooms that come one by one.
func (b *bench) oneRoom(ctx context.Context) ([]*result, error) {
	const latency, n = 50 * time.Millisecond, 40
	half := &result{Name: "one idle room to Ready, p50, beyond the vendor's 50 ms", Unit: "ms", Target: "≤ 25 ms"}
	most := &result{Name: "the same, p99", Unit: "ms", Target: "≤ 100 ms"}
	b.Simulator.SetLatency(latency)
	defer b.Simulator.SetLatency(0)
	quantiles := func(h, m *[]float64, times []float64) {
		_, median, greatest := spread(times)
		*h, *m = append(*h, median), append(*m, greatest) // of 40, the greatest is the 97.5th or more
	}
	beyond := func(d time.Duration) float64 { return float64((d - latency).Microseconds()) / 1000 }
	err := b.runs(func(int) error {
		err := b.withOperator(ctx, func(*rig.Operator) error {
			if _, err := b.mainRoom(ctx, 2); err != nil { // by then it is warm
				return err
			}
			var times []float64
			for range n {
				room := b.newRoom(b.name("single"))
				began := time.Now()
				if err := b.Client.Create(ctx, room); err != nil {
					return err
				}
				last, err := b.tracker.awaitReady(ctx, room.Name)
				if err != nil {
					return err
				}
				times = append(times, beyond(last.Sub(began)))
			}
			quantiles(&half.Values, &most.Values, times)
			return nil
		})
		if err != nil {
			return err
		}
		var times []float64
		for range n {
			floor, err := b.floorOfOneRoom(ctx)
			if err != nil {
				return err
			}
			times = append(times, beyond(floor))
		}
		quantiles(&half.Floor, &most.Floor, times)
		return b.removeAll(ctx)
	})
	return []*result{half, most}, err
}

// outage measures how soon waiting rooms are Ready when the vendor is back, and how fast calls came.
func (b *bench) outage(ctx context.Context) ([]*result, error) {
	n := b.count(2000)
	const rate, burst, down = 200, 20, 15 * time.Second
	res := &result{
		Name: fmt.Sprintf("vendor down for %s, %d rooms waiting, %d/s and bursts of %d allowed: from its return "+
			"to all Ready", down, n, rate, burst), Unit: "s",
		Target: fmt.Sprintf("≤ %d s; never above the rate; ≤ 1 event per room", n/rate+60),
	}
	if err := b.limit(ctx, rate, burst); err != nil {
		return nil, err
	}
	err := b.runs(func(int) error {
		err := b.withOperator(ctx, func(*rig.Operator) error {
			if _, err := b.mainRoom(ctx, 2); err != nil {
				return err
			}
			b.Simulator.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
			called := b.Simulator.LastSeq()
			began := time.Now()
			names, err := b.makeRooms(ctx, n)
			if err != nil {
				return err
			}
			time.Sleep(time.Until(began.Add(down)))
			tried := b.Simulator.LastSeq()
			b.Simulator.ClearFaults()
			back := time.Now()
			last, err := b.tracker.awaitReady(ctx, names...)
			if err != nil {
				return err
			}
			res.Values = append(res.Values, last.Sub(back).Seconds())
			var events eventsv1.EventList
			if err := b.Client.List(ctx, &events, client.InNamespace(fixture.Namespace)); err != nil {
				return err
			}
			of := 0
			for _, e := range events.Items {
				if strings.HasPrefix(e.Regarding.Name, "room-") {
					of++
				}
			}
			res.note("calls in the outage", "", float64(tried-called))
			res.note("most calls in a second", "", float64(busiestSecond(b.Simulator.CallsSince(tried))))
			res.note("events per room", "", float64(of)/float64(n))
			return nil
		})
		if err != nil {
			return err
		}
		return b.removeAll(ctx)
	})
	if err != nil {
		return nil, err
	}
	return []*result{res}, b.limit(ctx, 10000, 20000)
}

// busiestSecond is the most calls within any second.
func busiestSecond(calls []simulator.Call) int {
	most, first := 0, 0
	for i, call := range calls {
		for call.Time.Sub(calls[first].Time) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (b *bench) limit(ctx context.Context, rate, burst int32) error {
	va := &v1alpha1.VonageAccount{}
	if err := b.Client.Get(ctx, client.ObjectKey{Name: environment.AccountName}, va); err != nil {
		return err
	}
	va.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: &rate, Burst: &burst}
	return b.Client.Update(ctx, va)
}

// leader measures how soon another process takes over.
func (b *bench) leader(ctx context.Context) ([]*result, error) {
	stopped := &result{Name: "leader stopped, a room made at that moment to Ready", Unit: "s", Target: "≤ 3 s"}
	killed := &result{Name: "leader killed, the same", Unit: "s", Target: "≤ 17 s"}
	err := b.runs(func(int) error {
		for _, res := range []*result{stopped, killed} {
			first, err := b.StartOperator(ctx, "--leader-elect")
			if err != nil {
				return err
			}
			if _, err := b.mainRoom(ctx, 2); err != nil {
				return err
			}
			second, err := b.StartOperator(ctx, "--leader-elect")
			if err != nil {
				return err
			}
			time.Sleep(time.Second) // its caches warm up
			room := b.newRoom(b.name("room"))
			began := time.Now()
			if res == stopped {
				go first.Stop()
			} else {
				first.Kill()
			}
			if err := b.Client.Create(ctx, room); err != nil {
				return err
			}
			last, err := b.tracker.awaitReady(ctx, room.Name)
			if err != nil {
				return err
			}
			res.Values = append(res.Values, last.Sub(began).Seconds())
			sessions := 0
			for _, call := range b.Simulator.Calls() {
				if call.CreatedSessionID != "" {
					sessions++
				}
			}
			res.note("sessions per room", "", float64(sessions)/2)
			first.Kill()
			second.Stop()
			if err := b.removeAll(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return []*result{stopped, killed}, err
}

// fleet measures an operator with many rooms that are as they should be.
func (b *bench) fleet(ctx context.Context) ([]*result, error) {
	n := b.count(10000)
	quiet := &result{
		Name: fmt.Sprintf("restart with %d rooms, to quiet", n), Unit: "s", Target: "≤ 5 s, 0 writes, 0 calls",
	}
	first := &result{Name: "a room made as that process starts, to Ready", Unit: "s"}
	meanwhile := &result{Name: "a new room while the others are looked at, p99", Unit: "s", Target: "≤ 1 s"}
	memory := &result{
		Name: fmt.Sprintf("memory with %d rooms, two tokens each, resident", n), Unit: "MiB", Target: "≤ 160 MiB",
	}
	noop := &result{Name: "a reconcile with nothing to do", Unit: "ms", Target: "≤ 0.2 ms, 0 writes, 0 calls"}
	err := b.withOperator(ctx, func(*rig.Operator) error {
		names, err := b.makeRooms(ctx, n)
		if err != nil {
			return err
		}
		_, err = b.tracker.awaitReady(ctx, names...)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = b.runs(func(int) error {
		if err := b.restart(ctx, n, quiet, memory); err != nil {
			return err
		}
		if err := b.restartMeanwhile(ctx, first, meanwhile); err != nil {
			return err
		}
		return b.restartSlowly(ctx, n, noop)
	})
	if err != nil {
		return nil, err
	}
	return []*result{quiet, first, meanwhile, memory, noop}, b.removeAll(ctx)
}

// restart measures from the start of a process to when it has looked at everything.
func (b *bench) restart(ctx context.Context, n int, quiet, memory *result) error {
	called := b.Simulator.LastSeq()
	began := time.Now()
	return b.withOperator(ctx, func(o *rig.Operator) error {
		if err := b.awaitReconciles(ctx, o, n); err != nil {
			return err
		}
		quiet.Values = append(quiet.Values, time.Since(began).Seconds())
		cpu, err := o.CPU()
		if err != nil {
			return err
		}
		families, err := o.Metrics(ctx)
		if err != nil {
			return err
		}
		quiet.note("writes", "", ownWrites(families))
		quiet.note("calls", "", float64(b.Simulator.LastSeq()-called))
		quiet.note("CPU", "s", cpu.Seconds())
		time.Sleep(2 * time.Second) // what is garbage by now goes when there is time
		now, peak, err := o.Memory()
		memory.Values = append(memory.Values, float64(now)/(1<<20))
		memory.note("peak", "MiB", float64(peak>>20))
		return err
	})
}

// awaitReconciles waits until every room was looked at and nothing waits to be.
func (b *bench) awaitReconciles(ctx context.Context, o *rig.Operator, n int) error {
	rooms := map[string]string{"controller": "meetingroom"}
	return fixture.Await(ctx, patience, func(ctx context.Context) error {
		families, err := o.Metrics(ctx)
		if err != nil {
			return err
		}
		done := rig.Sum(families["controller_runtime_reconcile_total"], rooms)
		busy := rig.Sum(families["workqueue_depth"], nil) + rig.Sum(families["controller_runtime_active_workers"], nil)
		if done < float64(n) || busy > 0 {
			return fmt.Errorf("not all of %d rooms were looked at", n)
		}
		return nil
	})
}

// restartMeanwhile measures rooms that are made one after the other from when a process starts: the first waits until
// its caches are filled, the others come while it looks at everything.
func (b *bench) restartMeanwhile(ctx context.Context, first, meanwhile *result) error {
	return b.withOperator(ctx, func(*rig.Operator) error {
		var times []float64
		for range 20 {
			room := b.newRoom(b.name("room"))
			began := time.Now()
			if err := b.Client.Create(ctx, room); err != nil {
				return err
			}
			last, err := b.tracker.awaitReady(ctx, room.Name)
			if err != nil {
				return err
			}
			times = append(times, last.Sub(began).Seconds())
		}
		first.Values = append(first.Values, times[0])
		_, median, greatest := spread(times[1:])
		meanwhile.Values = append(meanwhile.Values, greatest)
		meanwhile.note("p50", "ms", median*1000)
		return nil
	})
}

// restartSlowly measures reconciles one by one, so that none waits for another.
func (b *bench) restartSlowly(ctx context.Context, n int, res *result) error {
	return b.withOperator(ctx, func(o *rig.Operator) error {
		if err := b.awaitReconciles(ctx, o, n); err != nil {
			return err
		}
		families, err := o.Metrics(ctx)
		if err != nil {
			return err
		}
		for _, m := range families["controller_runtime_reconcile_time_seconds"].GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "controller" && l.GetValue() == "meetingroom" {
					h := m.GetHistogram()
					res.Values = append(res.Values, 1000*h.GetSampleSum()/float64(h.GetSampleCount()))
				}
			}
		}
		res.note("writes", "", ownWrites(families))
		return nil
	}, "--meeting-room-concurrency=1")
}
