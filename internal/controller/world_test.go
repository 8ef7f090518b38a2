// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

const worldLabel = "test.breakout-operator.io/world"

// world is what one story takes place in: a simulator of the vendor, an operator that sees only the namespace and the accounts of this world,
// a clock that stands still until the story turns it, and a record of what the operator writes.
type world struct {
	// sim is the vendor, vendorURL its address, projectID a project there whose key is goodKey.
	sim       *simulator.Simulator
	vendorURL string
	projectID string

	// clock is the operator's and the vendor's. The API server's is the machine's; they start together.
	clock *testclock.FakeClock

	// namespace is where the rooms are, operatorNamespace where the Secrets are; id is unlike any other world's.
	namespace, operatorNamespace, id string

	// api sees what the operator asks of the API server.
	api *apiRecorder

	// rooms and accounts are the reconcilers, for stories that call them by hand (byHand).
	rooms    *MeetingRoomReconciler
	accounts *VonageAccountReconciler

	// user is whose rights the operator has; "" for all.
	user string

	config *rest.Config
	kinds  []setupFunc
	stop   func()
}

type worldOption func(*world)

// withKinds has the operator run only these controllers; all by default.
func withKinds(kinds ...setupFunc) worldOption {
	return func(w *world) { w.kinds = kinds }
}

// byHand has the operator run no controllers of accounts and rooms: the story calls w.reconcileAccount and w.reconcileRoom, one step after the other.
func byHand() worldOption {
	return func(w *world) {
		w.kinds = []setupFunc{func(mgr ctrl.Manager, d *dependencies) error {
			w.accounts, w.rooms = newVonageAccountReconciler(mgr, d), newMeetingRoomReconciler(mgr, d)
			w.accounts.init()
			w.rooms.init()
			for _, kind := range []client.Object{&v1alpha1.MeetingRoom{}, &v1alpha1.VonageAccount{}, &v1alpha1.BreakoutSet{}, &corev1.Secret{}} {
				if _, err := mgr.GetCache().GetInformer(context.Background(), kind, cache.BlockUntilSynced(false)); err != nil {
					return err
				}
			}
			return nil
		}}
	}
}

// underItsRoles has the operator work as a user with the rights of config/rbac instead of all.
func underItsRoles(w *world) {
	w.user = "operator-" + w.id
	w.config.Impersonate = rest.ImpersonationConfig{UserName: w.user}
}

// newWorld makes a world with a running operator and no account. It ends with the story.
func newWorld(options ...worldOption) *world {
	GinkgoHelper()
	id := strings.ReplaceAll(uuid.NewString(), "-", "")[:10]
	w := &world{
		id:                id,
		namespace:         "rooms-" + id,
		operatorNamespace: "operator-" + id,
		projectID:         uuid.NewString(),
		clock:             testclock.NewFakeClock(time.Now()),
		api:               &apiRecorder{},
		config:            rest.CopyConfig(adminConfig),
		kinds:             []setupFunc{setupVonageAccounts, setupMeetingRooms, setupBreakoutSets},
	}
	for _, option := range options {
		option(w)
	}
	w.sim = simulator.New(simulator.Options{Clock: w.clock, Projects: []simulator.Project{
		{Environment: simulator.Unified, ID: w.projectID, PublicKey: &goodKey.PublicKey},
	}})
	DeferCleanup(w.sim.Close)
	server := httptest.NewServer(w.sim)
	DeferCleanup(server.Close)
	w.vendorURL = server.URL
	for _, name := range []string{w.namespace, w.operatorNamespace} {
		Expect(admin.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	if w.user != "" {
		w.grantOperatorRoles()
	}
	w.start()
	DeferCleanup(func() { w.stop() })
	return w
}

// start runs the operator.
func (w *world) start() {
	GinkgoHelper()
	config := rest.CopyConfig(w.config)
	config.Wrap(w.api.wrap)
	o := ManagerOptions(w.operatorNamespace)
	o.Metrics.BindAddress = "0"
	o.Controller.SkipNameValidation = new(true)
	here := map[string]cache.Config{w.namespace: {}}
	for _, kind := range []client.Object{&v1alpha1.MeetingRoom{}, &v1alpha1.BreakoutSet{}, &v1alpha1.RoomSignal{}} {
		o.Cache.ByObject[kind] = cache.ByObject{Namespaces: here}
	}
	o.Cache.ByObject[&v1alpha1.VonageAccount{}] = cache.ByObject{Label: labels.SelectorFromSet(labels.Set{worldLabel: w.id})}
	mgr, err := ctrl.NewManager(config, o)
	Expect(err).NotTo(HaveOccurred())
	Expect(setup(mgr, Options{OperatorNamespace: w.operatorNamespace, Clock: w.clock}, w.kinds...)).To(Succeed())

	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		Expect(<-stopped).To(Succeed())
	})
	patience, enough := context.WithTimeout(ctx, 30*time.Second)
	defer enough()
	Expect(mgr.GetCache().WaitForCacheSync(patience)).To(BeTrue())
}

// restart stops the operator and starts another process, which knows nothing of the first.
func (w *world) restart() {
	GinkgoHelper()
	w.stop()
	w.start()
}

// turn turns the clock on, when what the operator is at is done: calls that are under way would take too long by it. What waits for the clock
// itself, such as a call that is never answered, has half a second.
func (w *world) turn(d time.Duration) {
	GinkgoHelper()
	w.settle(2*time.Millisecond, 2)
	w.clock.Step(d)
}

// quiet waits until the operator has written nothing and called nobody for a while, and is not at work but at what waits for the clock.
func (w *world) quiet() {
	GinkgoHelper()
	w.settle(150*time.Millisecond, 1)
}

// rest is quiet for a moment only, for stories that do it often.
func (w *world) rest() {
	GinkgoHelper()
	w.settle(20*time.Millisecond, 1)
}

// settle looks, with a pause before each look, until nothing new was seen and nobody is at work so many times in a row, or nothing new for half a
// second: then who is at work waits for the clock.
func (w *world) settle(pause time.Duration, times int) {
	GinkgoHelper()
	begun := time.Now()
	done, still, since := w.done(), 0, begun
	for still < times && time.Since(since) < 500*time.Millisecond {
		Expect(time.Since(begun)).To(BeNumerically("<", time.Minute), "the operator does not come to rest")
		time.Sleep(pause) // there is no event for "nothing happens"
		still++
		if now := w.done(); now != done {
			done, still, since = now, 0, time.Now()
		} else if working() {
			still = 0
		}
	}
}

// done is how many requests the operator has sent to the API server and to the vendor.
func (w *world) done() [2]int { return [2]int{len(w.api.all()), w.sim.LastSeq()} }

// beyond is how far to turn the clock for a time to be over that the API server counts: its clock has gone on while this one stood still.
func (w *world) beyond(since metav1.Time, d time.Duration) time.Duration {
	return max(d, since.Add(d).Sub(w.clock.Now()))
}

// working tells whether a reconciliation is under way.
func working() bool {
	GinkgoHelper()
	return slices.ContainsFunc(workers(), func(m *dto.Metric) bool { return m.GetGauge().GetValue() > 0 })
}

// workers are controller-runtime's gauges of how many workers of each controller are at work; none before the first controller runs.
func workers() []*dto.Metric {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() == "controller_runtime_active_workers" {
			return family.Metric
		}
	}
	return nil
}

// makeSecret makes or replaces the credentials Secret of that name with a private key.
func (w *world) makeSecret(name string, key []byte) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: name}}
	_, err := controllerutil.CreateOrUpdate(context.Background(), admin, secret, func() error {
		secret.Data = map[string][]byte{v1alpha1.PrivateKeySecretKey: key}
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
}

// newAccount is an account of this world's project, not created yet. Its Secret has the account's name.
func (w *world) newAccount(name string, change ...func(*v1alpha1.VonageAccount)) *v1alpha1.VonageAccount {
	va := &v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + w.id, Labels: map[string]string{worldLabel: w.id}},
		Spec: v1alpha1.VonageAccountSpec{
			ProjectID:            w.projectID,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: name},
			Endpoint:             w.vendorURL,
			RateLimit:            &v1alpha1.RateLimit{RequestsPerSecond: new(int32(10000)), Burst: new(int32(20000))},
		},
	}
	for _, c := range change {
		c(va)
	}
	return va
}

// asDefault marks an account as the default.
func asDefault(va *v1alpha1.VonageAccount) {
	metav1.SetMetaDataAnnotation(&va.ObjectMeta, v1alpha1.DefaultAccountAnnotation, "true")
}

// makeAccount makes an account with a good key and waits until it is Ready.
func (w *world) makeAccount(name string, change ...func(*v1alpha1.VonageAccount)) *v1alpha1.VonageAccount {
	GinkgoHelper()
	w.makeSecret(name, pemOf(goodKey))
	va := w.newAccount(name, change...)
	Expect(admin.Create(context.Background(), va)).To(Succeed())
	if w.accounts != nil {
		w.reconcileAccount(va)
	}
	w.waitReady(va)
	return va
}

// newRoom is a room with a host and a participant, not created yet.
func (w *world) newRoom(name string, change ...func(*v1alpha1.MeetingRoom)) *v1alpha1.MeetingRoom {
	room := &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.MeetingRoomSpec{
			Participants: []v1alpha1.Participant{{Name: "Ms Jones", Role: v1alpha1.RoleHost}, {Name: "Ada"}},
		},
	}
	for _, c := range change {
		c(room)
	}
	return room
}

// makeRoom makes a room and does not wait.
func (w *world) makeRoom(name string, change ...func(*v1alpha1.MeetingRoom)) *v1alpha1.MeetingRoom {
	GinkgoHelper()
	room := w.newRoom(name, change...)
	Expect(admin.Create(context.Background(), room)).To(Succeed())
	return room
}

// makeReadyRoom makes a room and waits until it is Ready.
func (w *world) makeReadyRoom(name string, change ...func(*v1alpha1.MeetingRoom)) *v1alpha1.MeetingRoom {
	GinkgoHelper()
	room := w.makeRoom(name, change...)
	w.waitReady(room)
	return room
}

// refresh reads an object live.
func refresh[T client.Object](obj T) T {
	GinkgoHelper()
	Expect(admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	return obj
}

// edit changes an object, however often somebody else is faster.
func edit[T client.Object](obj T, change func(T)) {
	GinkgoHelper()
	Eventually(func() error {
		if err := admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		change(obj)
		return admin.Update(context.Background(), obj)
	}).Should(Succeed())
}

// waitReady waits until Ready is True for the present generation, and checks that the status is sound.
func (w *world) waitReady(obj conditioned) {
	GinkgoHelper()
	w.waitCondition(obj, v1alpha1.ReadyCondition, metav1.ConditionTrue, "")
	checkConditions(obj)
	Expect(kstatusOf(obj)).To(Equal(status.CurrentStatus))
}

// waitStalled waits until Ready is False with a reason that needs somebody, and checks that the status is sound.
func (w *world) waitStalled(obj conditioned, reason string) {
	GinkgoHelper()
	w.waitCondition(obj, v1alpha1.StalledCondition, metav1.ConditionTrue, reason)
	w.waitCondition(obj, v1alpha1.ReadyCondition, metav1.ConditionFalse, reason)
	checkConditions(obj)
	Expect(kstatusOf(obj)).To(Equal(status.FailedStatus))
}

// waitReconciling waits until Ready is False with a reason that needs nobody, and checks that the status is sound.
func (w *world) waitReconciling(obj conditioned, reason string) {
	GinkgoHelper()
	w.waitCondition(obj, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, reason)
	w.waitCondition(obj, v1alpha1.ReadyCondition, metav1.ConditionFalse, reason)
	checkConditions(obj)
	Expect(kstatusOf(obj)).To(Equal(status.InProgressStatus))
}

// waitCondition waits for a condition of the present generation; reason "" is any. obj is as it was read last.
func (w *world) waitCondition(obj conditioned, typ string, want metav1.ConditionStatus, reason string) metav1.Condition {
	GinkgoHelper()
	var found metav1.Condition
	Eventually(func() error {
		if err := admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		c := meta.FindStatusCondition(obj.GetConditions(), typ)
		switch {
		case c == nil:
			return fmt.Errorf("%s has no condition %s", obj.GetName(), typ)
		case c.Status != want, reason != "" && c.Reason != reason:
			return fmt.Errorf("%s: %s is %s %s: %s", obj.GetName(), typ, c.Status, c.Reason, c.Message)
		case c.ObservedGeneration != obj.GetGeneration():
			return fmt.Errorf("%s: %s is of generation %d, not %d", obj.GetName(), typ, c.ObservedGeneration, obj.GetGeneration())
		}
		found = *c
		return nil
	}).Should(Succeed())
	return found
}

// waitEvent waits for an event about an object, which may be gone.
func (w *world) waitEvent(obj client.Object, reason string) {
	GinkgoHelper()
	Eventually(func() []string {
		var found eventsv1.EventList
		Expect(admin.List(context.Background(), &found)).To(Succeed())
		var reasons []string
		for _, e := range found.Items {
			if e.Regarding.UID == obj.GetUID() {
				reasons = append(reasons, e.Reason)
			}
		}
		return reasons
	}).Should(ContainElement(reason))
}

// waitGone waits until an object is deleted.
func waitGone(obj client.Object) {
	GinkgoHelper()
	Eventually(func() error {
		return admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj)
	}).Should(MatchError(ContainSubstring("not found")))
}

// checkConditions fails when conditions contradict each other or say too much.
func checkConditions(obj conditioned) {
	GinkgoHelper()
	conditions := obj.GetConditions()
	ready := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	Expect(ready).NotTo(BeNil(), "there is no condition Ready")
	reconciling := meta.FindStatusCondition(conditions, v1alpha1.ReconcilingCondition)
	isStalled := meta.FindStatusCondition(conditions, v1alpha1.StalledCondition)
	Expect(reconciling != nil && isStalled != nil).To(BeFalse(), "both Reconciling and Stalled: %v", conditions)
	isReady, settled := ready.Status == metav1.ConditionTrue, reconciling == nil && isStalled == nil
	Expect(isReady).To(Equal(settled), "Ready contradicts Reconciling and Stalled: %v", conditions)
	for _, c := range conditions {
		if c.Type == v1alpha1.ReconcilingCondition || c.Type == v1alpha1.StalledCondition {
			Expect(c.Status).To(Equal(metav1.ConditionTrue), "%s must be absent or True", c.Type)
		}
		Expect(c.ObservedGeneration).To(BeNumerically("<=", obj.GetGeneration()))
		Expect(c.Reason).NotTo(BeEmpty())
		Expect(c.Message).NotTo(BeEmpty(), "condition %s says nothing", c.Type)
		Expect(c.Message).NotTo(ContainSubstring("eyJ"), "condition %s has something like a token", c.Type)
		Expect(c.Message).NotTo(ContainSubstring("BEGIN"), "condition %s has something like a key", c.Type)
	}
}

// kstatusOf is what Flux and Argo CD make of an object.
func kstatusOf(obj client.Object) status.Status {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{Object: content}
	result, err := status.Compute(u)
	Expect(err).NotTo(HaveOccurred())
	return result.Status
}

// reconcileRoom reconciles a room by hand, as often as the reconciler asks for it because its cache is behind, and reads it back.
func (w *world) reconcileRoom(room *v1alpha1.MeetingRoom) error {
	GinkgoHelper()
	return w.reconcileUntilCurrent(w.rooms, room)
}

func (w *world) reconcileAccount(va *v1alpha1.VonageAccount) {
	GinkgoHelper()
	w.waitCached(w.accounts, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: va.Spec.CredentialsSecretRef.Name}})
	Expect(w.reconcileUntilCurrent(w.accounts, va)).To(Succeed())
}

type objectReconciler interface {
	client.Reader
	Reconcile(context.Context, ctrl.Request) (ctrl.Result, error)
}

func (w *world) reconcileUntilCurrent(r objectReconciler, obj client.Object) error {
	GinkgoHelper()
	w.waitCached(r, obj)
	var failure error
	patient := newPatient(r)
	Eventually(func() time.Duration {
		result, err := patient.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(obj)})
		failure = err
		return result.RequeueAfter
	}).Should(BeZero())
	if failure == nil {
		w.waitCached(r, obj)
	}
	return failure
}

// waitCached waits until the operator's cache has an object as the API server has it, or knows that it is gone, and reads it.
func (w *world) waitCached(r client.Reader, obj client.Object) {
	GinkgoHelper()
	key := client.ObjectKeyFromObject(obj)
	Eventually(func() bool {
		liveErr := admin.Get(context.Background(), key, obj)
		cached := obj.DeepCopyObject().(client.Object)
		cachedErr := r.Get(context.Background(), key, cached)
		if liveErr != nil || cachedErr != nil {
			return client.IgnoreNotFound(liveErr) == nil && client.IgnoreNotFound(cachedErr) == nil && (liveErr == nil) == (cachedErr == nil)
		}
		return cached.GetResourceVersion() == obj.GetResourceVersion()
	}).Should(BeTrue())
}

// callsOf are the calls that the vendor got for an operation.
func (w *world) callsOf(op simulator.Op) []simulator.Call {
	var calls []simulator.Call
	for _, c := range w.sim.Calls() {
		if c.Op == op {
			calls = append(calls, c)
		}
	}
	return calls
}

// connect has a simulated browser connect with a token.
func (w *world) connect(token string) *simulator.Client {
	GinkgoHelper()
	c, err := w.sim.Connect(token)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// tokenOf is a participant's token in a room's status.
func tokenOf(room *v1alpha1.MeetingRoom, participant string) *v1alpha1.ParticipantToken {
	for i := range room.Status.Tokens {
		if string(room.Status.Tokens[i].Participant) == participant {
			return &room.Status.Tokens[i]
		}
	}
	return nil
}

// participantsOf are the participants that have a token in a room's status, in its order.
func participantsOf(room *v1alpha1.MeetingRoom) []string {
	names := []string{}
	for _, t := range room.Status.Tokens {
		names = append(names, string(t.Participant))
	}
	return names
}

// apiRecorder records what the operator writes to the API server, and can come between.
type apiRecorder struct {
	mu     sync.Mutex
	writes []string
	hook   func(*http.Request, func() (*http.Response, error)) (*http.Response, error)
}

func (a *apiRecorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet {
			return next.RoundTrip(req)
		}
		a.mu.Lock()
		a.writes = append(a.writes, req.Method+" "+req.URL.Path)
		hook := a.hook
		a.mu.Unlock()
		send := func() (*http.Response, error) { return next.RoundTrip(req) }
		if hook != nil {
			return hook(req, send)
		}
		return send()
	})
}

// of are the writes to a resource since the last reset, such as "PUT status"; events and leases of others aside.
func (a *apiRecorder) of(resource string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	writes := []string{}
	for _, w := range a.writes {
		method, path, _ := strings.Cut(w, " ")
		if _, rest, found := strings.Cut(path, "/"+resource); found {
			if _, sub, found := strings.Cut(strings.TrimPrefix(rest, "/"), "/"); found {
				method += " " + sub
			}
			writes = append(writes, method)
		}
	}
	return writes
}

// all are all writes since the last reset.
func (a *apiRecorder) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, a.writes...)
}

func (a *apiRecorder) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes = nil
}

// intercept has a function called for every write, with what sends it; nil for none.
func (a *apiRecorder) intercept(hook func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// once calls what happens for the first write for which it is meant, and lets all others pass.
func (a *apiRecorder) once(match string, happens func(send func() (*http.Response, error)) (*http.Response, error)) {
	var done sync.Once
	a.intercept(func(req *http.Request, send func() (*http.Response, error)) (resp *http.Response, err error) {
		meant := false
		if strings.Contains(req.Method+" "+req.URL.Path, match) {
			done.Do(func() { meant = true })
		}
		if !meant {
			return send()
		}
		return happens(send)
	})
}

// serverError is an answer of a broken API server.
func serverError() (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusInternalServerError,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewBufferString(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"broken","code":500}`)),
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
