// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command soak edits many meetings at random while everything around the operator fails: Vonage misbehaves on a part of
// the calls, the operator is killed again and again, the API server restarts. Then everything is let alone, and what
// happened is held against the rules:
//
//   - a room has had one session for ever, and no session was made in vain but in a crash, for a call without an
//     answer, or for a room that was deleted meanwhile;
//   - every session received what concerns it in order, repeats word for word, and no more often than there were
//     reasons to;
//   - what the main room received last is what the set's status says, and that is what its spec asks for; every other
//     session has its room's name, and received of whoever left it where they went;
//   - nothing is written and nobody is called any more, not even by a new process;
//   - the operator logged nothing secret.
//
// All of it is read from the API server and the simulator, and nothing from what the operator says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// options are the flags.
type options struct {
	duration time.Duration
	meetings int
	edits    float64
	faults   float64
	kills    time.Duration
	restarts int
	seed     uint64
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 5*time.Minute, "how long meetings are edited")
	flag.IntVar(&o.meetings, "meetings", 200, "how many meetings there are")
	flag.Float64Var(&o.edits, "edits", 12, "how many edits there are per second")
	flag.Float64Var(&o.faults, "faults", 0.2, "the part of Vonage's calls that fail")
	flag.DurationVar(&o.kills, "kill-every", 15*time.Second, "how long an operator lives on average")
	flag.IntVar(&o.restarts, "restarts", 2, "how often the API server restarts")
	flag.Uint64Var(&o.seed, "seed", 0, "what the edits are drawn from; 0 is another one each time")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	fmt.Printf("soak: %d meetings for %s, seed %d\n", o.meetings, o.duration, o.seed)
	r, err := rig.New(ctx, rig.Options{
		Progress: os.Stderr, Simulator: simulator.Options{Seed: o.seed, MaxHistory: -1, MaxSignals: 1},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s := &soak{
		Rig: r, options: o, rand: rand.New(rand.NewPCG(o.seed, 1)), fates: map[string]int{}, edited: map[string]int{},
		wasted: map[string]bool{},
	}
	if s.watcher, err = watchRooms(ctx, r); err != nil {
		return err
	}
	defer s.watcher.stop()
	if err := s.startOperator(ctx); err != nil {
		return err
	}
	if err := s.makeMeetings(ctx); err != nil {
		return err
	}
	if err := s.disturb(ctx); err != nil {
		return err
	}
	s.say("letting everything come to rest")
	if err := s.comeToRest(ctx); err != nil {
		s.complain("%v", err)
	}
	s.judge(ctx)
	s.report()
	if len(s.complaints) > 0 {
		return fmt.Errorf("%d rules were broken; again with: -seed %d", len(s.complaints), o.seed)
	}
	return nil
}

// startOperator starts the operator, also when the API server is away for a moment.
func (s *soak) startOperator(ctx context.Context) error {
	for {
		operator, err := s.StartOperator(ctx, "--zap-log-level=debug")
		if err == nil {
			s.operator = operator
			return nil
		}
		if operator == nil || ctx.Err() != nil {
			return err
		}
		s.fates["ended by itself, without an API server"]++ // as a pod would, to be started again
	}
}

// disturb edits meetings at random, kills operators, and restarts the API server, for as long as the options say.
func (s *soak) disturb(ctx context.Context) error {
	s.addFaults()
	end := time.Now().Add(s.options.duration)
	kill := time.Now().Add(s.lifetime())
	var restarts []time.Time
	for i := range s.options.restarts {
		restarts = append(restarts,
			time.Now().Add(s.options.duration*time.Duration(i+1)/time.Duration(s.options.restarts+1)))
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.options.edits))
	defer tick.Stop()
	lastSaid := time.Now()
	for now := time.Now(); now.Before(end); now = time.Now() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if now.Sub(lastSaid) > 15*time.Second {
			lastSaid = now
			s.say("%d edits, %d calls, %d operators killed, API server restarted %d times", s.edits,
				s.Simulator.LastSeq(), s.killed, s.restarted)
		}
		switch {
		case len(restarts) > 0 && now.After(restarts[0]):
			restarts = restarts[1:]
			s.restarted++
			if err := s.ControlPlane.RestartAPIServer(ctx); err != nil {
				return err
			}
		case s.operator.Ended():
			s.fates["ended by itself, without an API server"]++
			if err := s.startOperator(ctx); err != nil {
				return err
			}
		case now.After(kill):
			if err := s.kill(ctx); err != nil {
				return err
			}
			kill = time.Now().Add(s.lifetime())
		default:
			if err := s.edit(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// lifetime is how long the next operator lives.
func (s *soak) lifetime() time.Duration {
	return time.Duration(min(s.rand.ExpFloat64(), 4) * float64(s.options.kills))
}

// kill kills the operator and starts another one. Sessions that no room has by then are the crash's.
func (s *soak) kill(ctx context.Context) error {
	s.operator.Kill()
	s.killed++
	if err := s.Simulator.WaitIdle(ctx); err != nil {
		return err
	}
	if err := s.noteWasted(ctx); err != nil {
		return err
	}
	return s.startOperator(ctx)
}

// faultKinds are the ways in which Vonage fails.
var faultKinds = []simulator.Fault{
	{Kind: simulator.FaultStatus}, {Kind: simulator.FaultRateLimited},
	{Kind: simulator.FaultRateLimited, RetryAfter: "1"},
	{Kind: simulator.FaultSilence}, {Kind: simulator.FaultTimeoutAfter}, {Kind: simulator.FaultResetBefore},
	{Kind: simulator.FaultResetAfter},
	{Kind: simulator.FaultHTML}, {Kind: simulator.FaultHTML, Status: 200}, {Kind: simulator.FaultXML},
	{Kind: simulator.FaultMalformedJSON},
	{Kind: simulator.FaultEmptyList}, {Kind: simulator.FaultUnauthorized}, {Kind: simulator.FaultForbidden},
	{Kind: simulator.FaultExpired},
	{Kind: simulator.FaultClockSkew}, {Kind: simulator.FaultNone, Delay: time.Second},
}

// addFaults has so many of the calls fail as the options say, in all ways alike.
func (s *soak) addFaults() {
	for i, fault := range faultKinds {
		// Of the calls that no fault before has struck.
		share := s.options.faults / float64(len(faultKinds))
		fault.Rate = share / (1 - share*float64(i))
		s.Simulator.AddFault(fault)
	}
}
