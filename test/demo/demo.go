// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
)

const (
	// demoTimeout bounds all scenes together; sceneTimeout one of them. Both are far more than they take.
	demoTimeout  = 10 * time.Minute
	sceneTimeout = 60 * time.Second

	// quietTime is how long nothing must happen for a scene to be over: what comes too much should show.
	quietTime = time.Second
)

// scene is what people do with the YAML of a meeting, and what must come of it.
type scene struct {
	// title says what happens.
	title string

	// meeting and set name the MeetingRoom and the BreakoutSet that it is about; the class and its groups where they
	// are empty.
	meeting, set string

	// acts are played one after the other.
	acts []act

	// expect checks what came of it.
	expect func(*stage, *checks)
}

// act is one step of a scene.
type act struct {
	// do does what a person would do with kubectl, or in a browser; nil when there is only something to wait for.
	do edit

	// until is whether that has been carried out, which is what the words say; nil when that need not be waited for.
	until func(*stage) bool
	what  string
}

// demo plays all scenes and fails with the first that does not go as expected.
func demo(ctx context.Context, o environment.Options, out io.Writer) (err error) {
	t := &timeline{out: out, start: time.Now()}
	e, err := environment.Start(ctx, o, out)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = e.StopAfter(ctx, err)
		} else {
			err = e.Stop()
		}
	}()
	fmt.Fprintf(out, "Ready after %.1f s; Vonage is simulated at %s/\n", time.Since(t.start).Seconds(), e.Vendor.URL)

	root, err := sandbox.ModuleRoot()
	if err != nil {
		return err
	}
	t.start = time.Now()
	return playAll(ctx, e, root, t)
}

// playAll plays all scenes, one after the other.
func playAll(ctx context.Context, e *environment.Environment, root string, t *timeline) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, fmt.Errorf("the demo took longer than %s", demoTimeout))
	defer cancel()
	s, end, err := newStage(ctx, e, root, t)
	if err != nil {
		return err
	}
	defer end()
	held := 0
	for i, scene := range scenes() {
		n, err := s.play(ctx, i+1, scene)
		held += n
		if err != nil {
			return fmt.Errorf("scene %d, %s: %w", i+1, scene.title, err)
		}
	}
	fmt.Fprintf(t.out, "\nAll %d expectations held, in %.1f s.\n", held, time.Since(t.start).Seconds())
	return nil
}

// play plays one scene and returns how many expectations held.
func (s *stage) play(ctx context.Context, number int, sc scene) (held int, err error) {
	s.timeline.heading(fmt.Sprintf("%d. %s", number, sc.title))
	s.enter(cmp.Or(sc.meeting, className), cmp.Or(sc.set, setName))
	c := &checks{}
	for _, a := range sc.acts {
		if err := s.perform(ctx, a, c); err != nil {
			return 0, err
		}
	}
	quiet := func() bool { return !s.busy() && time.Since(s.lastNews[s.meeting]) > quietTime }
	if c.failed() == 0 {
		err := s.until(ctx, sceneTimeout, "nothing more happened", quiet)
		if err != nil && ctx.Err() != nil {
			return 0, err
		}
		c.that(err == nil, "then nothing more happened", "%v", err)
	}
	s.bulletin.flush()
	sc.expect(s, c)
	s.expectNoProblems(c)
	fmt.Fprintln(s.timeline.out)
	c.print(s.timeline.out)
	if c.failed() > 0 {
		return 0, fmt.Errorf("%d of %d expectations did not hold, see ✗%s", c.failed(), len(c.list), s.hints())
	}
	s.remember()
	return len(c.list), nil
}

// perform plays one act, unless one before failed. What fails in the story is a check; only what ends the story is an
// error.
func (s *stage) perform(ctx context.Context, a act, c *checks) error {
	if c.failed() > 0 {
		return nil
	}
	if a.do != nil {
		if err := a.do(ctx, s); err != nil {
			return err
		}
	}
	if a.until == nil {
		return nil
	}
	err := s.until(ctx, sceneTimeout, a.what, func() bool { return a.until(s) })
	if err != nil && ctx.Err() != nil {
		return err
	}
	c.that(err == nil, a.what, "%v", err)
	return nil
}

// expectNoProblems are the expectations of every scene.
func (s *stage) expectNoProblems(c *checks) {
	var problems []string
	for _, p := range s.class.people {
		for _, problem := range p.failures() {
			problems = append(problems, p.name+": "+problem)
		}
	}
	for _, call := range s.Vendor.CallsSince(s.mark().calls) {
		if call.Status >= http.StatusBadRequest && call.Status != http.StatusNotFound {
			problems = append(problems, fmt.Sprintf("Vonage refused %s: %d %s", call.Op, call.Status, call.Reason))
		}
	}
	c.none("no browser and no call of the Vonage API had an error, everybody can be seen, and no host's page deletes "+
		"rooms", problems)
	sum, err := readAudit(s.AuditLog())
	if err != nil {
		problems = []string{err.Error()}
	} else {
		problems = sum.Refused
	}
	c.none(
		fmt.Sprintf("the operator's roles sufficed for all of its requests (%d so far, %d of them writes)",
			sum.Requests, len(sum.Writes)), problems,
	)
}

// hints is what helps to see why a scene failed.
func (s *stage) hints() string {
	var b strings.Builder
	for name, set := range s.sets {
		for _, cond := range set.Status.Conditions {
			fmt.Fprintf(&b, "\n  BreakoutSet %s: %s=%s, %s: %s", name, cond.Type, cond.Status, cond.Reason,
				cond.Message)
		}
	}
	for name, room := range s.rooms {
		for _, cond := range room.Status.Conditions {
			if cond.Status != "True" {
				fmt.Fprintf(&b, "\n  MeetingRoom %s: %s=%s, %s: %s", name, cond.Type, cond.Status, cond.Reason,
					cond.Message)
			}
		}
	}
	fmt.Fprintf(&b, "\nThe end of the operator's log:\n%s", s.Operator.LogTail())
	return b.String()
}
