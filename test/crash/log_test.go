// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/go-logr/logr"
)

// logSink keeps what an operator logs, for the search for secrets and for whoever looks into a failure.
type logSink struct {
	operator *operator
	values   []any
}

func newLog(o *operator) logr.Logger { return logr.New(&logSink{operator: o}) }

// routine is what every operator logs when it starts and stops, and for each reconcile.
var routine = regexp.MustCompile(`^(Start|Stop|Shutdown|All workers|Wait completed|Reconciling|Reconcile successful)`)

// Init is of no interest.
func (*logSink) Init(logr.RuntimeInfo) {}

// Enabled is true up to the level of debugging. Far beyond it client-go logs whole objects.
func (*logSink) Enabled(level int) bool { return level <= 5 }

// Info takes a line.
func (s *logSink) Info(_ int, message string, values ...any) {
	if !routine.MatchString(message) {
		s.keep(message, values)
	}
}

// Error takes a line with an error.
func (s *logSink) Error(err error, message string, values ...any) {
	s.keep(fmt.Sprintf("%s: %v", message, err), values)
}

func (s *logSink) keep(message string, values []any) {
	w := s.operator.world
	line := fmt.Sprintf("%s operator %d: %s %v %v", w.clock.Now().Format("15:04:05"), s.operator.number, message, s.values, values)
	w.mu.Lock()
	w.logs = append(w.logs, line)
	w.mu.Unlock()
	w.tracef("%s", line)
}

// WithValues returns a sink that says these values with each line.
func (s *logSink) WithValues(values ...any) logr.LogSink {
	return &logSink{operator: s.operator, values: append(slices.Clip(s.values), values...)}
}

// WithName does not matter.
func (s *logSink) WithName(string) logr.LogSink { return s }

// logged is what the operators have logged.
func (w *world) logged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.logs)
}
