// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

// projectID is the vendor's project, whose key is goodKey; wrongKey is another.
const projectID = "7f0c9a52-6d0b-4a53-9d0e-2b7d1f9a6c11"

var goodKey, wrongKey = newKey(), newKey()

func newKey() func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
}

// pemOf is a private key as Vonage hands it out.
func pemOf(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// world is what one story takes place in: a sim.World with an operator that runs, without an account. One that died is
// followed by another when the story says so.
type world struct {
	*sim.World

	// judge decides about operations; nil lets all pass.
	judge func(*sim.Operation) sim.Verdict

	// onChange gets the objects that are written.
	onChange func(apiserver.Object)

	marked int
}

// newWorld makes a world, with an account that is the default where it is given a name. It ends with the story.
func newWorld(account ...string) *world {
	GinkgoHelper()
	w := &world{}
	w.World = sim.New(current, sim.Options{
		StaysDown: true,
		Trace:     GinkgoWriter, // for whoever looks into a failure
		Projects: []simulator.Project{{
			Environment: simulator.Unified, ID: projectID, PublicKey: &goodKey().PublicKey,
		}},
		Judge: func(op *sim.Operation) sim.Verdict {
			if w.judge == nil {
				return sim.Verdict{}
			}
			return w.judge(op)
		},
		Changed: func(_ string, _ *apiserver.Resource, obj apiserver.Object) {
			if w.onChange != nil {
				w.onChange(obj)
			}
		},
	})
	current.worlds = append(current.worlds, w)
	w.start()
	for _, name := range account {
		w.makeAccount(name, asDefault)
	}
	return w
}

// start runs the operator, which takes a moment to be at work; stop ends it.
func (w *world) start() {
	w.StartOperator()
	w.Pass(time.Second)
}

func (w *world) stop() {
	for _, o := range w.Operators {
		o.Kill()
	}
	w.Settle()
}

// restart stops the operator and starts another process, which knows nothing of the first.
func (w *world) restart() {
	w.stop()
	w.start()
}

// once decides about the next operation whose key has a text in it, when that is about to pass.
func (w *world) once(text string, decide func() sim.Verdict) {
	w.judge = func(op *sim.Operation) sim.Verdict {
		if !strings.Contains(op.Key, text) {
			return sim.Verdict{}
		}
		w.judge = nil
		return decide()
	}
}

// killAt has the operator die at the next operation whose key has a text in it.
func (w *world) killAt(text string, moment sim.Moment) {
	w.once(text, func() sim.Verdict { return sim.Verdict{Kill: moment} })
}

// refuseAll has the API server fail at all the operator's writes to a resource.
func refuseAll(resource string) func(*sim.Operation) sim.Verdict {
	return func(op *sim.Operation) (v sim.Verdict) {
		if op.Resource == resource {
			v.API = sim.Refused
		}
		return v
	}
}

// mark begins a new count of what the operator does, when it is at rest.
func (w *world) mark() {
	w.Settle()
	w.marked = len(w.Operations)
}

// did is what the operator has written, and whom it has called, since mark, when it is at rest.
func (w *world) did() []string {
	w.Settle()
	return w.Operations[w.marked:]
}

// wrote is what of did is a write to a resource.
func (w *world) wrote(resource string) []string {
	writes := []string{}
	for _, key := range w.did() {
		if strings.Contains(key, " "+resource+"/") {
			writes = append(writes, key)
		}
	}
	return writes
}

// worldly is a world, or what has one.
type worldly interface{ in() *world }

func (w *world) in() *world { return w }

// eventually lets things go on until what a function returns matches, with time for retries that come at once.
func eventually[T any](w worldly, f func() T, matcher OmegaMatcher) {
	GinkgoHelper()
	var is T
	if !w.in().Within(time.Second, func() bool {
		is = f()
		ok, err := matcher.Match(is)
		return ok && err == nil
	}) {
		Expect(is).To(matcher)
	}
}

// refresh reads an object.
func refresh[T client.Object](w worldly, obj T) T {
	GinkgoHelper()
	Expect(w.in().User.Get(context.Background(), client.ObjectKeyFromObject(obj), obj)).To(Succeed())
	return obj
}

// edit changes an object, which is as it is then.
func edit[T client.Object](w worldly, obj T, changes ...func(T)) {
	GinkgoHelper()
	refresh(w, obj)
	for _, change := range changes {
		change(obj)
	}
	Expect(w.in().User.Update(context.Background(), obj)).To(Succeed())
}

// makeSecret makes or replaces the credentials Secret of that name with a private key.
func (w *world) makeSecret(name string, key []byte) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: sim.OperatorNamespace, Name: name}}
	_, err := controllerutil.CreateOrUpdate(context.Background(), w.User, secret, func() error {
		secret.Data = map[string][]byte{v1alpha1.PrivateKeySecretKey: key}
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
}

// newAccount is an account of the project, not created yet. Its Secret has the account's name.
func newAccount(name string, changes ...func(*v1alpha1.VonageAccount)) *v1alpha1.VonageAccount {
	va := &v1alpha1.VonageAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.VonageAccountSpec{
			ProjectID:            projectID,
			CredentialsSecretRef: v1alpha1.LocalObjectReference{Name: name},
			Endpoint:             sim.Endpoint,
			RateLimit:            &v1alpha1.RateLimit{RequestsPerSecond: new(int32(10000)), Burst: new(int32(20000))},
		},
	}
	for _, change := range changes {
		change(va)
	}
	return va
}

// asDefault marks an account as the default.
func asDefault(va *v1alpha1.VonageAccount) {
	metav1.SetMetaDataAnnotation(&va.ObjectMeta, v1alpha1.DefaultAccountAnnotation, "true")
}

// makeAccount makes an account with a good key and waits until it is Ready.
func (w *world) makeAccount(name string, changes ...func(*v1alpha1.VonageAccount)) *v1alpha1.VonageAccount {
	GinkgoHelper()
	w.makeSecret(name, pemOf(goodKey()))
	va := newAccount(name, changes...)
	w.Create(va)
	w.waitReady(va)
	return va
}

// makeRoom makes a room with a host and a participant, and does not wait.
func (w *world) makeRoom(name string, changes ...func(*v1alpha1.MeetingRoom)) *v1alpha1.MeetingRoom {
	GinkgoHelper()
	room := &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Namespace: sim.Namespace, Name: name},
		Spec: v1alpha1.MeetingRoomSpec{
			Participants: []v1alpha1.Participant{{Name: "Ms Jones", Role: v1alpha1.RoleHost}, {Name: "Ada"}},
		},
	}
	for _, change := range changes {
		change(room)
	}
	w.Create(room)
	return room
}

// joined has more people take part.
func joined(names ...v1alpha1.ParticipantName) func(*v1alpha1.MeetingRoom) {
	return func(room *v1alpha1.MeetingRoom) {
		for _, name := range names {
			room.Spec.Participants = append(room.Spec.Participants, v1alpha1.Participant{Name: name})
		}
	}
}

// makeReadyRoom makes a room and waits until it is Ready.
func (w *world) makeReadyRoom(name string, changes ...func(*v1alpha1.MeetingRoom)) *v1alpha1.MeetingRoom {
	GinkgoHelper()
	room := w.makeRoom(name, changes...)
	w.waitReady(room)
	return room
}

// waitReady waits until Ready is True for the present generation, and checks that the status is sound.
func (w *world) waitReady(obj sim.Conditioned) {
	GinkgoHelper()
	w.waitSummary(obj, "", metav1.ConditionTrue, "", status.CurrentStatus)
}

// waitStalled waits until Ready is False with a reason that needs somebody, and checks that the status is sound.
func (w *world) waitStalled(obj sim.Conditioned, reason string) {
	GinkgoHelper()
	w.waitSummary(obj, v1alpha1.StalledCondition, metav1.ConditionFalse, reason, status.FailedStatus)
}

// waitReconciling waits until Ready is False with a reason that needs nobody, and checks that the status is sound.
func (w *world) waitReconciling(obj sim.Conditioned, reason string) {
	GinkgoHelper()
	w.waitSummary(obj, v1alpha1.ReconcilingCondition, metav1.ConditionFalse, reason, status.InProgressStatus)
}

func (w *world) waitSummary(
	obj sim.Conditioned, with string, ready metav1.ConditionStatus, reason string, want status.Status,
) {
	GinkgoHelper()
	w.waitCondition(obj, v1alpha1.ReadyCondition, ready, reason)
	if with != "" {
		w.waitCondition(obj, with, metav1.ConditionTrue, reason)
	}
	checkConditions(obj)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	Expect(err).NotTo(HaveOccurred())
	Expect(status.Compute(&unstructured.Unstructured{Object: content})).To(HaveField("Status", want),
		"what Flux and Argo CD make of it")
}

// waitCondition waits for a condition of the present generation; reason "" is any. obj is as it was read last.
func (w *world) waitCondition(
	obj sim.Conditioned, typ string, want metav1.ConditionStatus, reason string,
) metav1.Condition {
	GinkgoHelper()
	var found *metav1.Condition
	var mismatch error
	if !w.Within(time.Second, func() bool {
		if mismatch = w.User.Get(context.Background(), client.ObjectKeyFromObject(obj), obj); mismatch != nil {
			return false
		}
		found = meta.FindStatusCondition(obj.GetConditions(), typ)
		mismatch = fmt.Errorf("%s: want %s %s %s of generation %d, have %v", obj.GetName(), typ, want, reason,
			obj.GetGeneration(), found)
		return found != nil && found.Status == want && (reason == "" || found.Reason == reason) &&
			found.ObservedGeneration == obj.GetGeneration()
	}) {
		Fail(mismatch.Error())
	}
	return *found
}

// waitEvent waits for an event about an object, which may be gone.
func (w *world) waitEvent(obj client.Object, reason string) {
	GinkgoHelper()
	eventually(w, func() []string {
		var reasons []string
		for _, e := range w.API.Objects("events") {
			if e["regarding"].(map[string]any)["uid"] == string(obj.GetUID()) {
				reasons = append(reasons, e["reason"].(string))
			}
		}
		return reasons
	}, ContainElement(reason))
}

// waitGone waits until an object is deleted.
func (w *world) waitGone(obj client.Object) {
	GinkgoHelper()
	eventually(w, func() bool { return w.gone(obj) }, BeTrue())
}

// gone reports whether an object is deleted.
func (w *world) gone(obj client.Object) bool {
	return apierrors.IsNotFound(w.User.Get(context.Background(), client.ObjectKeyFromObject(obj), obj))
}

// checkConditions fails when conditions contradict each other or say too much.
func checkConditions(obj sim.Conditioned) {
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

// callsOf are the calls that the vendor got for an operation.
func (w *world) callsOf(op simulator.Op) []simulator.Call {
	w.Settle()
	var calls []simulator.Call
	for _, c := range w.Vendor.Calls() {
		if c.Op == op {
			calls = append(calls, c)
		}
	}
	return calls
}

// connect has a simulated browser connect with a token.
func (w *world) connect(token string) *simulator.Client {
	GinkgoHelper()
	c, err := w.Vendor.Connect(token)
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
