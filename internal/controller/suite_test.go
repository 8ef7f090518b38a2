// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/breakout-operator/breakout-operator/test/sim"
)

// suite is the test that the stories are part of, current the one of the story that runs.
var (
	suite   *testing.T
	current *storyT
)

func TestControllers(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	ctrl.SetLogger(logr.Discard()) // the operators have loggers of their own
	RunSpecs(t, "Controllers")
}

// story has the body of a story, or of a table of stories, take place in a bubble of its own, on a simulated clock: see
// newWorld in world_test.go. All that it starts ends with it, and no rule of test/sim is broken in it, or the story
// fails.
func story[F any](body F) F {
	run := reflect.ValueOf(body)
	return reflect.MakeFunc(run.Type(), func(args []reflect.Value) []reflect.Value {
		failure := ""
		sim.Bubble(suite, func(t *testing.T) {
			defer func() {
				if r := recover(); r != nil {
					failure = fmt.Sprintf("%v\n%s", r, debug.Stack())
				}
			}()
			current = &storyT{T: t}
			run.Call(args)
			for _, w := range current.worlds {
				w.JudgeSecrecy()
				Expect(w.Violations()).To(BeEmpty())
			}
		})
		if failure != "" {
			panic(failure) // where ginkgo awaits it; what has failed before is what it reports
		}
		return nil
	}).Interface().(F)
}

// storyT is a story's testing.T, which fails by ginkgo's means, with the worlds that it takes place in.
type storyT struct {
	*testing.T
	worlds []*world
}

// Fatal ends the story.
func (*storyT) Fatal(args ...any) { Fail(fmt.Sprint(args...), 1) }

// Fatalf ends the story.
func (*storyT) Fatalf(format string, args ...any) { Fail(fmt.Sprintf(format, args...), 1) }

// Errorf has the story fail, and goes on.
func (*storyT) Errorf(format string, args ...any) {
	defer GinkgoRecover()
	Fail(fmt.Sprintf(format, args...), 1)
}
