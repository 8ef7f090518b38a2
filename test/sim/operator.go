// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing/synctest"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

func init() {
	// What is left logs. The other handler has whoever has an error sleep when another had one a moment ago, by any
	// clock: those of other bubbles, and the machine's, are decades ahead.
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
}

// Operator is one process of the operator.
type Operator struct {
	// Number counts the processes, from 1.
	Number int

	world   *World
	life    context.Context // ends when it is killed
	end     context.CancelFunc
	started chan struct{} // closed when all of it runs
	stopped chan struct{} // closed when nothing of it runs any more
	once    sync.Once

	mu     sync.Mutex
	queues []*queue // of the controllers, by name

	paused bool            // nothing of it passes the gate, and it sees no events
	stood  bool            // it was paused
	blind  map[string]bool // the resources whose events it does not see, by plural name
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

// StartOperator starts another process.
func (w *World) StartOperator() *Operator {
	w.t.Helper()
	life, end := context.WithCancel(context.Background())
	o := &Operator{
		Number: len(w.Operators) + 1, world: w, life: life, end: end,
		started: make(chan struct{}), stopped: make(chan struct{}), blind: map[string]bool{},
	}
	w.Operators = append(w.Operators, o)
	options := controller.ManagerOptions(OperatorNamespace)
	options.Metrics.BindAddress = "0"
	options.Controller.SkipNameValidation = new(true)
	// A controller that warms up is waited for with a mutex, which is nothing that a bubble's clock goes on for.
	options.Controller.EnableWarmup = new(false)
	options.Logger = logr.New(&logSink{operator: o})
	options.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return w.mapper, nil }
	mgr, err := ctrl.NewManager(restConfig(transport(o.callAPI)), options)
	w.must(err)
	const workers = 16
	w.must(controller.SetupAll(queued{mgr, o}, controller.Options{
		OperatorNamespace:    OperatorNamespace,
		VonageAccountWorkers: workers,
		MeetingRoomWorkers:   workers,
		BreakoutSetWorkers:   workers,
		RoomSignalWorkers:    workers,
		Vonage:               []vonage.Option{vonage.WithTransport(transport(o.callVendor))},
	}))
	w.must(mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		close(o.started)
		<-ctx.Done()
		return nil
	})))
	run, stop := context.WithCancel(context.Background())
	go func() {
		// A manager that is stopped while it starts goes round and round until its caches are filled, so that comes
		// first.
		<-life.Done()
		<-o.started
		stop()
	}()
	go func() {
		defer close(o.stopped)
		if err := mgr.Start(run); err != nil && life.Err() == nil {
			w.t.Errorf("operator %d ended by itself: %v", o.Number, err)
		}
	}()
	w.tracef("operator %d starts", o.Number)
	synctest.Wait() // whether it lists what comes next, or sees it as an event, would be a matter of chance
	return o
}

// reconciles are those that could begin.
func (o *Operator) reconciles() []choice {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []choice
	for _, q := range o.queues {
		all = append(all, q.choices()...)
	}
	return all
}

// Kill ends the process: nothing of it reaches anybody from now on.
func (o *Operator) Kill() {
	o.once.Do(func() {
		o.world.tracef("operator %d dies", o.Number)
		o.end()
		o.world.wake()
	})
}

// Dead tells whether it was killed.
func (o *Operator) Dead() bool { return o.life.Err() != nil }

// cut tells whether a request of the operator gets nowhere. What a dead one reads while it starts harms nobody, and
// lets it end.
func (o *Operator) cut(read bool) bool {
	if !o.Dead() {
		return false
	}
	select {
	case <-o.started:
		return true
	default:
		return !read
	}
}

// logSink keeps what an operator logs.
type logSink struct {
	operator *Operator
	values   []any
	object   string // the name of the object that is being reconciled
}

// Init does nothing.
func (*logSink) Init(logr.RuntimeInfo) {}

// Enabled leaves out what is for debugging.
func (*logSink) Enabled(level int) bool { return level == 0 }

// Info keeps a message.
func (s *logSink) Info(_ int, msg string, keysAndValues ...any) { s.keep(msg, keysAndValues) }

// Error keeps a message with its error.
func (s *logSink) Error(err error, msg string, keysAndValues ...any) {
	s.keep(msg, append([]any{"err", err}, keysAndValues...))
}

// WithValues remembers the object's name, which controller-runtime gives to the logger of each reconcile.
func (s *logSink) WithValues(keysAndValues ...any) logr.LogSink {
	next := &logSink{s.operator, append(slices.Clip(s.values), keysAndValues...), s.object}
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		if name, ok := keysAndValues[i+1].(string); ok && keysAndValues[i] == "name" {
			next.object = name
		}
	}
	return next
}

// WithName does nothing.
func (s *logSink) WithName(string) logr.LogSink { return s }

func (s *logSink) keep(msg string, keysAndValues []any) {
	w := s.operator.world
	line := fmt.Sprint(append([]any{msg}, append(keysAndValues, s.values...)...)...)
	w.mu.Lock()
	w.logs = append(w.logs, line)
	w.mu.Unlock()
	if !strings.HasPrefix(msg, "Start") && !s.operator.Dead() {
		w.tracef("~ operator %d logs: %s %v", s.operator.Number, msg, keysAndValues)
	}
}
