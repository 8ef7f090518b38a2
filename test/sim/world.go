// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

const (
	// OperatorNamespace is where the operator's Secrets lie, Namespace where meetings take place.
	OperatorNamespace = "breakout-operator-system"
	Namespace         = "default"

	// AccountName is the name of the VonageAccount, and of its Secret.
	AccountName = "default"

	// Endpoint is where an account finds the simulated Vonage.
	Endpoint = "http://vonage.sim"

	projectID = "45828062"
	apiSecret = "0123456789abcdef0123456789abcdef01234567"
)

var scheme = controller.Scheme()

// crds are compiled once, outside of any bubble.
var crds = sync.OnceValues(func() ([]*apiserver.Resource, error) {
	return apiserver.LoadCRDs(filepath.Join("..", "..", "config", "crd", "bases"))
})

// Options are what a World is made with.
type Options struct {
	// Seed is what everything random follows from.
	Seed uint64

	// Shuffled has operations, events and browsers come in an order that follows from the seed; without it they come in
	// an order of names.
	Shuffled bool

	// Lag is for how long, at most, an operation or event is held up now and then; Shuffled only.
	Lag time.Duration

	// Judge decides what becomes of an operation that is about to pass. Nil lets all pass.
	Judge func(*Operation) Verdict

	// Down returns how long no operator runs after one died. Nil starts another one at once.
	Down func() time.Duration

	// StaysDown has nobody start another operator after one died.
	StaysDown bool

	// Projects are the vendor's. Nil is one, with an account that is the default.
	Projects []simulator.Project

	// Changed, if given, is called with every object that is created, changed or deleted; see apiserver.Options.
	Changed func(eventType string, r *apiserver.Resource, obj apiserver.Object)

	// Trace gets a line for everything that happens; nil for none.
	Trace io.Writer
}

// World is a cluster, a vendor and people. All methods are called by the goroutine that Run was called by.
type World struct {
	// API is the cluster, Vendor the simulated Vonage, User a client of the cluster whose requests nobody holds up.
	API    *apiserver.Server
	Vendor *simulator.Simulator
	User   client.Client

	// People are those with a page open, by name.
	People map[string]*Person

	// Operators are all processes of the operator that there were.
	Operators []*Operator

	// Operations is what passed the gate, in order.
	Operations []string

	// Judged is how often a Meeting's rules were judged in its course.
	Judged int

	t       testing.TB
	options Options
	rng     *rand.Rand
	mapper  meta.RESTMapper
	began   time.Time
	ended   time.Duration
	woken   chan struct{} // that the driver has something to look at

	mu      sync.Mutex
	waiting []*Operation // at the gate
	logs    []string     // what the operators logged
	rooms   map[string]string

	scheduled  []scheduled
	violations []string
	history    *history
	heldEvents map[*apiserver.Watch]time.Time
	read       map[string]readObject
	restartAt  time.Time
	steps      int
	turned     time.Time // when the last step was, and how many there were at that time
	atOnce     int
	lastChange time.Time // when something happened that a person would notice
	judgedAt   time.Time // the lastChange after which everything was judged
	meeting    Meeting
	onQuiet    func()
}

type scheduled struct {
	at   time.Time
	what string
	do   func()
}

// Run has a story take place in a World with an account, in a bubble of its own. It returns the World for its records.
func Run(t *testing.T, o Options, story func(*World)) *World {
	t.Helper()
	var w *World
	Bubble(t, func(t *testing.T) {
		w = New(t, o)
		defer func() {
			if r := recover(); r != nil && r != (storyEnds{}) {
				panic(r)
			}
		}()
		story(w)
	})
	return w
}

// Bubble runs a test in which Worlds can be made.
func Bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if _, err := crds(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, test)
}

// New makes a World, inside a Bubble. It ends with the test.
func New(t testing.TB, o Options) *World {
	kinds, err := crds()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{
		t:          t,
		options:    o,
		rng:        rand.New(rand.NewPCG(o.Seed, 5)),
		began:      time.Now(),
		woken:      make(chan struct{}, 1),
		People:     map[string]*Person{},
		rooms:      map[string]string{},
		history:    newHistory(),
		heldEvents: map[*apiserver.Watch]time.Time{},
		read:       map[string]readObject{},
	}
	t.Cleanup(w.close)
	w.API = apiserver.New(apiserver.Options{CRDs: kinds, Seed: o.Seed, Changed: w.changed, Stirred: w.wake})
	projects := o.Projects
	if projects == nil {
		projects = []simulator.Project{{Environment: simulator.OpenTok, ID: projectID, Secret: apiSecret}}
	}
	w.Vendor = simulator.New(simulator.Options{Seed: o.Seed + 1, MaxHistory: -1, Projects: projects})
	w.mapper = w.API.Mapper()
	w.User, err = client.New(restConfig(w.API), client.Options{Scheme: scheme, Mapper: w.mapper})
	w.must(err)
	for _, namespace := range []string{OperatorNamespace, Namespace} {
		w.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	}
	if o.Projects == nil {
		w.makeAccount()
	}
	return w
}

// makeAccount makes the account, with its Secret.
func (w *World) makeAccount() {
	w.Create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: AccountName},
		Data:       map[string][]byte{v1alpha1.APISecretSecretKey: []byte(apiSecret)},
	})
	w.Create(&v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{
			Name:        AccountName,
			Annotations: map[string]string{v1alpha1.DefaultAccountAnnotation: "true"},
		},
		Spec: v1alpha1.VonageAccountSpec{
			Environment: v1alpha1.EnvironmentOpenTok, ProjectID: projectID, Endpoint: Endpoint,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: AccountName},
			RateLimit:            &v1alpha1.RateLimit{RequestsPerSecond: new(int32(10000)), Burst: new(int32(20000))},
		},
	})
}

// restConfig is how to reach an API server through a transport.
func restConfig(transport http.RoundTripper) *rest.Config {
	return &rest.Config{
		Host:          "http://api.sim",
		Transport:     transport,
		QPS:           -1,
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	}
}

// close ends all operators, and with them the bubble.
func (w *World) close() {
	w.ended = w.Elapsed()
	for _, o := range w.Operators {
		o.Kill()
	}
	for _, o := range w.Operators {
		<-o.stopped
	}
	w.Vendor.Close()
	synctest.Wait()
}

func ctx() context.Context { return context.Background() }

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Elapsed is how long the World has existed, or existed when it ended.
func (w *World) Elapsed() time.Duration {
	if w.ended > 0 {
		return w.ended
	}
	return time.Since(w.began)
}

// Violations are the rules that were broken, see oracle.go.
func (w *World) Violations() []string { return w.violations }

func (w *World) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.tracef("VIOLATION: %s", text)
	w.violations = append(w.violations, text)
}

// tracef traces something. What begins with ~ is traced by other goroutines than the driver's, and comes in any order.
func (w *World) tracef(format string, args ...any) {
	if w.options.Trace != nil {
		fmt.Fprintf(w.options.Trace, "%10.3f %s\n", w.Elapsed().Seconds(), fmt.Sprintf(format, args...))
	}
}

// wake has the driver look again.
func (w *World) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// roomOf is the MeetingRoom that a session is of.
func (w *World) roomOf(session string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms[session]
}

// nameSession notes which MeetingRoom a session is of.
func (w *World) nameSession(session, room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rooms[session] = room
}

// Create makes an object, in Namespace where it is namespaced and names none.
func (w *World) Create(obj client.Object) {
	w.t.Helper()
	w.must(w.TryCreate(obj))
}

// TryCreate is Create that returns an error.
func (w *World) TryCreate(obj client.Object) error {
	switch obj.(type) {
	case *corev1.Namespace, *v1alpha1.VonageAccount:
	default:
		if obj.GetNamespace() == "" {
			obj.SetNamespace(Namespace)
		}
	}
	return w.User.Create(ctx(), obj)
}

// Get reads an object of Namespace; nil when there is none.
func Get[T client.Object](w *World, obj T, name string) T {
	w.t.Helper()
	var none T
	kind := reflect.TypeFor[T]().Elem().Name()
	now := w.API.Object(strings.ToLower(kind)+"s", Namespace, name)
	if now == nil {
		return none
	}
	key := kind + "/" + name
	last, ok := w.read[key]
	if !ok || last.version != now["metadata"].(apiserver.Object)["resourceVersion"] {
		w.must(runtime.DefaultUnstructuredConverter.FromUnstructured(now, obj))
		last = readObject{obj.GetResourceVersion(), obj}
		w.read[key] = last
	}
	return last.obj.DeepCopyObject().(T)
}

// readObject is an object as it was read last. The goals of stories read the same again and again.
type readObject struct {
	version string
	obj     client.Object
}

// Room is the MeetingRoom of a name; nil when there is none.
func (w *World) Room(name string) *v1alpha1.MeetingRoom { return Get(w, &v1alpha1.MeetingRoom{}, name) }

// Set is the BreakoutSet of a name; nil when there is none.
func (w *World) Set(name string) *v1alpha1.BreakoutSet { return Get(w, &v1alpha1.BreakoutSet{}, name) }

// Account is the VonageAccount.
func (w *World) Account() *v1alpha1.VonageAccount {
	w.t.Helper()
	va := &v1alpha1.VonageAccount{}
	w.must(w.User.Get(ctx(), client.ObjectKey{Name: AccountName}, va))
	return va
}

// TryEdit changes an object of Namespace.
func TryEdit[T client.Object](w *World, obj T, name string, change func(T)) error {
	if err := w.User.Get(ctx(), client.ObjectKey{Namespace: Namespace, Name: name}, obj); err != nil {
		return err
	}
	change(obj)
	return w.User.Update(ctx(), obj)
}

// EditSet changes a BreakoutSet.
func (w *World) EditSet(name string, changes ...func(*v1alpha1.BreakoutSet)) {
	w.t.Helper()
	w.must(TryEdit(w, &v1alpha1.BreakoutSet{}, name, func(set *v1alpha1.BreakoutSet) {
		for _, change := range changes {
			change(set)
		}
	}))
}

// EditRoom changes a MeetingRoom.
func (w *World) EditRoom(name string, change func(*v1alpha1.MeetingRoom)) {
	w.t.Helper()
	w.must(TryEdit(w, &v1alpha1.MeetingRoom{}, name, change))
}

// Delete deletes an object.
func (w *World) Delete(obj client.Object) {
	w.t.Helper()
	w.must(client.IgnoreNotFound(w.User.Delete(ctx(), obj)))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
