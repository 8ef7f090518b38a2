// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// controllers is how many an operator has.
const controllers = 4

// errCut is what an operator gets that is dead.
var errCut = errors.New("the operator is dead")

// operator is one process of the operator: a manager with the real controllers, whose every request goes through here.
type operator struct {
	world  *world
	number int
	clock  *alarmClock

	// life ends when the process is killed.
	life    context.Context
	kill    context.CancelFunc
	stopped chan struct{}
	outcome error // of the manager, when stopped
	cache   cache.Cache

	mu sync.Mutex
	// resume is there while the process is paused, and closed when it goes on.
	resume chan struct{}
	// blind names resources whose watch events do not reach the process, with what is closed when they do.
	blind map[string]chan struct{}
	// delivered are the versions that the watches have reached, by resource, events those that they delivered an object of.
	delivered, events map[string]uint64
	eventLog          eventLog
	queues            []*queue
	handlers          []*handler
	// lookups are the reads of its cache that reconciles are in.
	lookups map[*lookup]bool
	// busy counts the operations under way, those aside that wait for being let pass; reading the reads.
	busy, reading int
	// happened counts what happened, done the operations among it.
	happened, done int
	// looks is how often nothing new was seen in a row, with happened as it was in lookedAt.
	looks, lookedAt int
}

// startOperator runs another process of the operator, with nothing in memory.
func (w *world) startOperator() *operator {
	w.t.Helper()
	life, kill := context.WithCancel(context.Background())
	o := &operator{
		world: w, number: len(w.operators) + 1, clock: newAlarmClock(w.clock),
		life: life, kill: kill, stopped: make(chan struct{}),
		lookups: map[*lookup]bool{}, blind: map[string]chan struct{}{}, delivered: map[string]uint64{}, events: map[string]uint64{},
		eventLog: eventLog{recorded: map[recordedEvent]int{}, begun: map[string]bool{}},
	}
	mgr, err := ctrl.NewManager(o.config(), o.options())
	w.must(err)
	w.must(controller.SetupAll(spy{mgr, o}, controller.Options{
		OperatorNamespace: operatorNamespace,
		Clock:             o.clock,
		Vonage:            []vonage.Option{vonage.WithTransport(roundTripper(o.callVendor))},
	}))
	o.cache = mgr.GetCache()
	go func() {
		defer close(o.stopped)
		o.outcome = mgr.Start(life)
	}()
	w.operators = append(w.operators, o)
	w.tracef("operator %d starts", o.number)
	return o
}

func (o *operator) config() *rest.Config {
	config := rest.CopyConfig(adminConfig)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) { return o.callAPIServer(req, next) })
	})
	return config
}

// options are those of the operator, for a cache that holds nothing of other cases.
func (o *operator) options() ctrl.Options {
	w := o.world
	options := controller.ManagerOptions(operatorNamespace)
	options.Metrics.BindAddress = "0"
	options.Controller.SkipNameValidation = new(true)
	options.Logger = newLog(o)
	options.NewCache, options.NewClient = o.newCache, o.newClient
	options.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return mapper, nil }
	here := map[string]cache.Config{w.namespace: {}}
	for _, kind := range []client.Object{&v1alpha1.MeetingRoom{}, &v1alpha1.BreakoutSet{}, &v1alpha1.RoomSignal{}} {
		options.Cache.ByObject[kind] = cache.ByObject{Namespaces: here}
	}
	options.Cache.ByObject[&v1alpha1.VonageAccount{}] = cache.ByObject{Label: labels.SelectorFromSet(labels.Set{worldLabel: w.namespace})}
	options.Cache.ByObject[&corev1.Namespace{}] = cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", w.namespace)}
	return options
}

// dead tells whether the process was killed.
func (o *operator) dead() bool { return o.life.Err() != nil }

// isPaused tells whether the process stands still.
func (o *operator) isPaused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.resume != nil
}

// pause has the process stand still: what it sends is not sent, and what comes does not reach it.
func (o *operator) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resume = make(chan struct{})
}

func (o *operator) goOn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.resume)
	o.resume = nil
	o.happened++
}

// awaitResume returns when the process is not paused, or dead.
func (o *operator) awaitResume() error {
	o.mu.Lock()
	resume := o.resume
	o.mu.Unlock()
	if resume != nil {
		select {
		case <-resume:
		case <-o.life.Done():
		}
	}
	if o.dead() {
		return errCut
	}
	return nil
}

// blindfold keeps the watch events of a resource from the process, until it sees again.
func (o *operator) blindfold(resource string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blind[resource] == nil {
		o.blind[resource] = make(chan struct{})
	}
}

func (o *operator) see() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for resource, seeing := range o.blind {
		close(seeing)
		delete(o.blind, resource)
	}
	o.happened++
}

// begin and end bracket an operation, touch says that something happened.
func (o *operator) begin() { o.note(func() { o.busy++; o.done++ }) }
func (o *operator) end()   { o.note(func() { o.busy--; o.done++ }) }
func (o *operator) touch() { o.note(func() { o.done++ }) }

func (o *operator) note(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	o.happened++
}

// sawVersions notes what a watch delivered: the version of an object, and the version that it has reached.
func (o *operator) sawVersions(resource string, object, reached uint64) {
	o.note(func() {
		o.events[resource] = max(o.events[resource], object)
		o.delivered[resource] = max(o.delivered[resource], reached)
	})
}

// remembers tells whether the process's cache still has an object.
func (o *operator) remembers(d departed) bool {
	var obj client.Object = &v1alpha1.MeetingRoom{}
	switch d.resource {
	case "breakoutsets":
		obj = &v1alpha1.BreakoutSet{}
	case "roomsignals":
		obj = &v1alpha1.RoomSignal{}
	}
	err := o.cache.Get(o.life, client.ObjectKey{Namespace: o.world.namespace, Name: d.name}, obj)
	return err == nil && obj.GetUID() == d.uid
}

// join waits until the process has ended after its death, and says what is wrong with the way it did.
func (o *operator) join() error {
	select {
	case <-o.stopped:
		return o.outcome
	case <-time.After(40 * time.Second):
		return fmt.Errorf("operator %d did not end when it was stopped", o.number)
	}
}
