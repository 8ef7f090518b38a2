// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"testing"
	"time"
)

func TestStories(t *testing.T) {
	for _, s := range Stories {
		t.Run(s.Name, func(t *testing.T) {
			began := time.Now()
			w := Run(t, Options{Seed: 1, Trace: traceOf()}, func(w *World) {
				s.Prepare(w)
				s.Tell(w)
				w.Ending(1, false)
				w.JudgeLeaving()
				w.JudgeRest()
				w.JudgeTakeover()
			})
			for _, v := range w.Violations() {
				t.Error(v)
			}
			t.Logf(
				"%s of meeting in %s: %d operations, %d steps",
				w.Elapsed(),
				time.Since(began),
				len(w.Operations),
				w.steps,
			)
		})
	}
}
