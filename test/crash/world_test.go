// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	worldLabel = "test.breakout-operator.io/world"

	// patience is how long, by the machine's clock, a step of a story may take.
	patience = 90 * time.Second

	// afterthought is how long a step waits for what the operator does a moment later.
	afterthought = 2 * time.Second

	// longestTurn is how far the clock is turned on, at most, for one step to come to its end.
	longestTurn = 30 * time.Minute
)

// conditioned is an object with conditions.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// world is what one case takes place in.
type world struct {
	t         *testing.T
	namespace string
	sim       *simulator.Simulator
	vendor    http.RoundTripper // what carries calls to sim
	projectID string
	clock     *testclock.FakeClock
	operators []*operator
	gate      *gate
	// orphans are the sessions that nobody knew of when an operator was killed.
	orphans map[string]bool
	// unanswered are the sessions whose creation was not answered as it should be.
	unanswered map[string]bool
	handled    bool // what the intervention asks for was done
	// together tells that two operators may be at work at once.
	together bool
	browsers map[string]browser
	restart  *restarting // of the API server; nil when there is none

	mu sync.Mutex
	// rooms is the MeetingRoom of each session that an operator tried to publish, refused those that the API server would not have.
	rooms   map[string]string
	refused map[string]bool
	// versions are the latest that were written, by resource.
	versions map[string]uint64
	gone     []departed
	logs     []string
}

// newWorld makes a world with an account and a running operator. It ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, namespace: "world-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12], projectID: uuid.NewString(),
		clock: testclock.NewFakeClock(time.Now()), orphans: map[string]bool{}, unanswered: map[string]bool{}, browsers: map[string]browser{},
		rooms: map[string]string{}, refused: map[string]bool{}, versions: map[string]uint64{},
	}
	w.gate = &gate{world: w}
	w.sim = simulator.New(simulator.Options{Clock: w.clock, MaxHistory: -1, Projects: []simulator.Project{
		{Environment: simulator.Unified, ID: w.projectID, PublicKey: &vendorKey.PublicKey},
	}})
	server := httptest.NewServer(w.sim)
	transport := vonage.NewTransport()
	w.vendor = transport
	end := func() {
		w.end()
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		w.sim.Close()
		witness.forget(w.namespace)
	}
	t.Cleanup(func() {
		end()
		end = nil // a test keeps its cleanups as long as its parent, and with them all worlds that ever were
	})
	w.must(admin.Create(w.ctx(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}))
	w.must(admin.Create(w.ctx(), w.account(server.URL)))
	w.startOperator()
	return w
}

func (w *world) account(endpoint string) *v1alpha1.VonageAccount {
	return &v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{
			Name: w.namespace, Labels: map[string]string{worldLabel: w.namespace},
			Annotations: map[string]string{v1alpha1.DefaultAccountAnnotation: "true"},
		},
		Spec: v1alpha1.VonageAccountSpec{
			ProjectID: w.projectID, Endpoint: endpoint,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: secretName},
			RateLimit:            &v1alpha1.RateLimit{RequestsPerSecond: ptr.To[int32](10000), Burst: ptr.To[int32](20000)},
		},
	}
}

// end kills all operators and waits for them.
func (w *world) end() {
	for _, o := range w.operators {
		o.kill()
	}
	for _, o := range w.operators {
		if err := o.join(); err != nil {
			w.t.Error(err)
		}
	}
	if w.t.Failed() && !trace {
		w.t.Logf("the operators logged:\n%s", strings.Join(w.logged(), "\n"))
	}
}

func (w *world) accountKey() client.ObjectKey { return client.ObjectKey{Name: w.namespace} }

func (w *world) ctx() context.Context { return context.Background() }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tracef(format string, args ...any) {
	if trace {
		fmt.Printf("%s %s %s\n", w.clock.Now().Format("15:04:05.000"), w.t.Name(), fmt.Sprintf(format, args...))
	}
}

// nameSession notes which room a session is of.
func (w *world) nameSession(session, room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rooms[session] == "" {
		w.rooms[session] = room
	}
}

func (w *world) roomOf(session string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms[session]
}

// refusedSession notes that the API server refused a status with this session.
func (w *world) refusedSession(session string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused[session] = true
}

// wrote notes the version that a write led to; answer is the API server's.
func (w *world) wrote(resource string, answer []byte) {
	object := &metav1.PartialObjectMetadata{}
	if json.Unmarshal(answer, object) != nil {
		return
	}
	w.noteVersion(resource, object.ResourceVersion)
	if object.DeletionTimestamp != nil && len(object.Finalizers) == 0 { // then the version is not that of the deletion
		w.mu.Lock()
		defer w.mu.Unlock()
		w.gone = append(w.gone, departed{resource, object.Name, object.UID})
	}
}

// departed is an object that is gone.
type departed struct {
	resource, name string
	uid            types.UID
}

func (w *world) noteVersion(resource, version string) {
	if resources[resource] == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.versions[resource] = max(w.versions[resource], versionOf(version))
}

func (w *world) written() (map[string]uint64, []departed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.versions), slices.Clone(w.gone)
}

func resourceOfObject(obj client.Object) string {
	switch obj.(type) {
	case *v1alpha1.MeetingRoom:
		return "meetingrooms"
	case *v1alpha1.BreakoutSet:
		return "breakoutsets"
	case *v1alpha1.RoomSignal:
		return "roomsignals"
	default:
		return ""
	}
}

// create makes an object in the world's namespace.
func (w *world) create(obj client.Object) {
	w.t.Helper()
	obj.SetNamespace(w.namespace)
	w.must(admin.Create(w.ctx(), obj))
	w.noteVersion(resourceOfObject(obj), obj.GetResourceVersion())
}

// edit changes an object.
func edit[T client.Object](w *world, obj T, change func(T)) {
	w.t.Helper()
	for {
		w.must(admin.Get(w.ctx(), client.ObjectKeyFromObject(obj), obj))
		change(obj)
		err := admin.Update(w.ctx(), obj)
		if apierrors.IsConflict(err) {
			continue
		}
		w.must(err)
		w.noteVersion(resourceOfObject(obj), obj.GetResourceVersion())
		return
	}
}

// remove deletes an object.
func (w *world) remove(obj client.Object) {
	w.t.Helper()
	w.must(admin.Delete(w.ctx(), obj))
	if err := admin.Get(w.ctx(), client.ObjectKeyFromObject(obj), obj); err == nil {
		w.noteVersion(resourceOfObject(obj), obj.GetResourceVersion())
	}
}

// get reads an object of the world's namespace; nil when it is not there.
func get[T client.Object](w *world, obj T, name string) T {
	w.t.Helper()
	if err := admin.Get(w.ctx(), client.ObjectKey{Namespace: w.namespace, Name: name}, obj); err != nil {
		var none T
		w.must(client.IgnoreNotFound(err))
		return none
	}
	return obj
}

func (w *world) room(name string) *v1alpha1.MeetingRoom { return get(w, &v1alpha1.MeetingRoom{}, name) }

func (w *world) set(name string) *v1alpha1.BreakoutSet { return get(w, &v1alpha1.BreakoutSet{}, name) }

// connect has a participant's browser connect to a room.
func (w *world) connect(room, participant string) *simulator.Client {
	w.t.Helper()
	for _, t := range w.room(room).Status.Tokens {
		if string(t.Participant) == participant {
			browser, err := w.sim.Connect(t.Token)
			w.must(err)
			return browser
		}
	}
	w.t.Fatalf("%s has no token for room %s", participant, room)
	return nil
}

// isReady is the goal that an object is as its spec asks, as kubectl wait sees it.
func isReady(obj conditioned) error { return hasReady(obj, metav1.ConditionTrue, "") }

func hasReady(obj conditioned, status metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(obj.GetConditions(), v1alpha1.ReadyCondition)
	switch {
	case c == nil:
		return fmt.Errorf("%s has no condition Ready", obj.GetName())
	case c.Status != status || (reason != "" && c.Reason != reason):
		return fmt.Errorf("%s: Ready is %s %s: %s", obj.GetName(), c.Status, c.Reason, c.Message)
	case c.ObservedGeneration != obj.GetGeneration():
		return fmt.Errorf("%s: Ready is of generation %d, not %d", obj.GetName(), c.ObservedGeneration, obj.GetGeneration())
	}
	return nil
}

// until drives the case until a goal is reached and nothing goes on any more: it lets operations pass, does what the intervention asks for, and
// turns the clock on when nothing else is left to do.
func (w *world) until(goal func() error) {
	w.t.Helper()
	end, start := time.Now().Add(patience), w.clock.Now()
	for {
		if err := w.calm(end); err != nil {
			w.t.Fatalf("%v; the goal is: %v", err, goal())
		}
		if w.gate.next() || w.follow() {
			continue
		}
		err, at := goal(), w.nextAlarm()
		if err == nil && (at.IsZero() || at.After(w.clock.Now().Add(afterthought))) {
			return
		}
		if at.IsZero() || at.After(start.Add(longestTurn)) {
			w.t.Fatalf("nobody does anything any more, and the goal is not reached: %v", err)
		}
		w.tracef("turn to %s, since: %v", at.Format("15:04:05.000"), err)
		w.clock.SetTime(at)
		w.wait() // for those whom the clock wakes
	}
}

// wait lets what was just set off begin.
func (w *world) wait() {
	for _, o := range w.operators {
		o.touch()
	}
}

// calm waits until no operator does anything, those aside that are dead or paused. Operations that are held wait as well.
func (w *world) calm(end time.Time) error {
	inTime := false
	for {
		why, quiet := w.quiet(inTime)
		if quiet {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("there is no end: " + why)
		}
		began := time.Now()
		time.Sleep(lookPause)
		inTime = time.Since(began) < 2*lookPause // else this process itself may have stood still
	}
}

func (w *world) quiet(inTime bool) (string, bool) {
	written, gone := w.written()
	for _, o := range w.operators {
		if o.dead() && w.gate.victim() == o && !w.handled {
			o.mu.Lock()
			busy := o.busy
			o.mu.Unlock()
			if busy > 0 {
				return "what the dead operator sent is under way", false
			}
		}
		if o.dead() || o.isPaused() {
			continue
		}
		if why, idle := o.idle(inTime, w.gate.held(o), written, gone); !idle {
			return fmt.Sprintf("operator %d: %s", o.number, why), false
		}
	}
	return "", true
}

// nextAlarm is when somebody alive wants to be woken.
func (w *world) nextAlarm() time.Time {
	var first time.Time
	for _, o := range w.operators {
		if o.dead() || o.isPaused() {
			continue
		}
		first = earlier(first, o.clock.next())
	}
	return first
}

// follow does, once, what follows from the intervention, and tells whether it did.
func (w *world) follow() bool {
	victim := w.gate.victim()
	if victim == nil || w.handled {
		return false
	}
	w.handled = true
	switch w.gate.intervention.way {
	case before, after:
		w.orphans = w.unknownSessions()
		w.startOperator()
	case lateRooms, lateSets:
		w.startOperator()
	case stale:
		w.clock.Step(time.Second) // in case somebody wants to try again
		w.wait()
		w.must(w.calm(time.Now().Add(patience)))
		w.tracef("operator %d sees again", victim.number)
		victim.see()
	}
	return true
}

// wake has an operator that was paused go on. One of its caches sees what happened meanwhile when it has nothing more to do without.
func (w *world) wake() {
	w.t.Helper()
	victim := w.gate.victim()
	resource, pauses := w.gate.intervention.way.pauses()
	if !pauses {
		return
	}
	w.tracef("operator %d goes on", victim.number)
	victim.blindfold(resource)
	victim.goOn()
	w.must(w.calm(time.Now().Add(patience)))
	w.tracef("operator %d sees %s", victim.number, resource)
	victim.see()
	w.until(func() error { return nil })
}

// unknownSessions are the sessions that were created and that no room has published.
func (w *world) unknownSessions() map[string]bool {
	w.t.Helper()
	versions, _ := w.written()
	seen := witness.until(versions, w.namespace)
	published := map[string]bool{}
	witness.mu.Lock()
	for _, ids := range seen.sessions {
		maps.Copy(published, ids)
	}
	witness.mu.Unlock()
	unknown := map[string]bool{}
	for _, c := range w.sim.Calls() {
		if c.CreatedSessionID != "" && !published[c.CreatedSessionID] {
			unknown[c.CreatedSessionID] = true
		}
	}
	return unknown
}
