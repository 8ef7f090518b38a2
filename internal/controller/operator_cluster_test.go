// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

// cluster is a real control plane with an operator that has the rights of config/rbac and no others, on the machine's
// clock. It is for what test/sim/apiserver does not do: authorization, and what kube-controller-manager does with
// namespaces and dependents.
type cluster struct {
	admin  client.Client
	vendor *simulator.Simulator
	writes atomic.Int64 // the operator's, but for events
}

// operatorUser is whom the operator works as.
const operatorUser = "the-operator"

var _ = Describe("On a real API server", Ordered, ContinueOnFailure, func() {
	var config *rest.Config
	var c *cluster

	// The control plane may have to be built first.
	BeforeAll(func(ctx SpecContext) { config = startControlPlane(ctx) }, NodeTimeout(20*time.Minute))
	BeforeAll(func() { c = newCluster(config) })

	// Here because the API server in memory allows everybody everything.
	It("tokens in Secrets need the Role of config/rbac-token-secrets, and come as soon as it is there", func() {
		c.makeNamespace("rooms")
		participants := []v1alpha1.Participant{{Name: "Ada"}}
		room, another := newMeeting("rooms", "algebra", participants), newMeeting("rooms", "physics", participants)
		room.Spec.Tokens = &v1alpha1.TokensSpec{Delivery: v1alpha1.TokenDeliverySecret}
		c.create(room, another)
		c.waitFor(room, metav1.ConditionFalse, v1alpha1.SecretsForbiddenReason)
		c.waitFor(another, metav1.ConditionTrue, "")
		Expect(meta.FindStatusCondition(room.Status.Conditions,
			v1alpha1.TokensReadyCondition).Message).To(ContainSubstring("config/rbac-token-secrets"))
		Expect(room.Status.SessionID).NotTo(BeEmpty())
		Expect(room.Status.Tokens).To(BeEmpty())

		for _, role := range rolesOf(filepath.Join("rbac-token-secrets", "role.yaml")) {
			c.grant("rooms", role.Rules)
		}
		c.waitFor(room, metav1.ConditionTrue, "")
		ref, secret := tokenOf(room, "Ada").SecretKeyRef, &corev1.Secret{}
		Expect(c.admin.Get(context.Background(), client.ObjectKey{Namespace: "rooms", Name: ref.Name},
			secret)).To(Succeed())
		_, err := c.vendor.Connect(string(secret.Data[ref.Key]))
		Expect(err).NotTo(HaveOccurred())

		By("all else goes with the operator's own roles, and the Secrets with their owner")
		for _, gone := range []client.Object{room, another} {
			Expect(c.admin.Delete(context.Background(), gone)).To(Succeed())
			c.waitGone(gone)
		}
		c.waitGone(secret)
	})

	// Here because the API server in memory knows no propagation policies: its dependents go after their owner.
	It("a set that is deleted in the foreground goes after its rooms, which go after everybody was "+
		"called back", func() {
		c.makeNamespace("foreground")
		main, set, ada := c.lesson("foreground")
		Expect(c.admin.Delete(context.Background(), set,
			client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		Eventually(ada.Signals).Should(ContainElement(HaveField("Data", ContainSubstring("allRoomRemoved"))))
		Expect(ada.Connected()).To(BeTrue())
		c.waitGone(set)
		Expect(ada.Connected()).To(BeFalse())
		c.waitGone(&v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Namespace: "foreground", Name: "groups-red"}})
		Eventually(func() *v1alpha1.ActiveBreakoutSet {
			Expect(c.admin.Get(context.Background(), client.ObjectKeyFromObject(main), main)).To(Succeed())
			return main.Status.ActiveBreakoutSet
		}).Should(BeNil())
	})

	// Here because in the API server in memory nothing ends a namespace's contents, and nothing is refused in one that
	// ends.
	It("a namespace that is deleted goes while rooms are open, and everybody is called back and "+
		"disconnected before", func() {
		c.makeNamespace("doomed")
		main, set, ada := c.lesson("doomed")
		host, err := c.vendor.Connect(tokenOf(main, "Host").Token)
		Expect(err).NotTo(HaveOccurred())
		signal := &v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Namespace: "doomed", Name: "hello"}}
		toSet("groups")(signal)
		saying("Host", "Hello")(signal)
		c.create(signal)
		c.waitFor(signal, metav1.ConditionTrue, "")

		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}
		Expect(c.admin.Delete(context.Background(), namespace)).To(Succeed())
		c.waitGone(namespace)
		Expect(host.Connected() || ada.Connected()).To(BeFalse())
		Expect(ada.Signals()).To(ContainElement(HaveField("Data", ContainSubstring("allRoomRemoved"))))
		c.waitGone(set)

		By("nothing goes on for what is gone")
		calls, writes := c.vendor.LastSeq(), c.writes.Load()
		Consistently(func(g Gomega) {
			g.Expect(c.vendor.LastSeq()).To(Equal(calls))
			g.Expect(c.writes.Load()).To(Equal(writes))
		}, 3*time.Second).Should(Succeed())
	})
})

func startControlPlane(ctx context.Context) *rest.Config {
	GinkgoHelper()
	plane, err := sandbox.Start(ctx, sandbox.Options{
		CRDs: []string{filepath.Join("..", "..", "config", "crd", "bases")}, Progress: GinkgoWriter,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return plane.Stop() })
	config := plane.Config()
	config.QPS = -1
	return config
}

func newCluster(config *rest.Config) *cluster {
	GinkgoHelper()
	SetDefaultEventuallyTimeout(time.Minute)
	c := &cluster{}
	var err error
	c.admin, err = client.New(config, client.Options{Scheme: controller.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	c.vendor = simulator.New(simulator.Options{Projects: []simulator.Project{{
		Environment: simulator.Unified, ID: projectID, PublicKey: &goodKey().PublicKey,
	}}})
	DeferCleanup(c.vendor.Close)
	server := httptest.NewServer(c.vendor)
	DeferCleanup(server.Close)

	c.makeNamespace(sim.OperatorNamespace)
	for _, role := range rolesOf(filepath.Join("rbac", "role.yaml")) {
		if role.Kind == "Role" {
			c.grant(sim.OperatorNamespace, role.Rules)
			continue
		}
		c.create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: operatorUser}, Rules: role.Rules},
			&rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: operatorUser},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: operatorUser},
			})
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: operatorUser}
	config.Wrap(c.count)
	c.startOperator(config)

	va := newAccount("main", asDefault, func(va *v1alpha1.VonageAccount) { va.Spec.Endpoint = server.URL })
	c.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: sim.OperatorNamespace, Name: va.Name},
		Data:       map[string][]byte{v1alpha1.PrivateKeySecretKey: pemOf(goodKey())},
	}, va)
	c.waitFor(va, metav1.ConditionTrue, "")
	return c
}

func (c *cluster) startOperator(config *rest.Config) {
	GinkgoHelper()
	options := controller.ManagerOptions(sim.OperatorNamespace)
	options.Metrics.BindAddress = "0"
	options.Controller.SkipNameValidation = new(true)
	options.Logger = GinkgoLogr
	mgr, err := ctrl.NewManager(config, options)
	Expect(err).NotTo(HaveOccurred())
	Expect(controller.SetupAll(mgr, controller.Options{OperatorNamespace: sim.OperatorNamespace})).To(Succeed())
	life, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(life) }()
	DeferCleanup(func() error { end(); return <-ended })
}

// count counts the operator's writes.
func (c *cluster) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method != http.MethodGet && !strings.Contains(req.URL.Path, "/events") {
			c.writes.Add(1)
		}
		return next.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// rolesOf reads the Roles and ClusterRoles of a file of config, as ClusterRoles; the kind tells.
func rolesOf(file string) []*rbacv1.ClusterRole {
	GinkgoHelper()
	manifests, err := sandbox.ReadManifests(context.Background(), filepath.Join("..", "..", "config", file))
	Expect(err).NotTo(HaveOccurred())
	Expect(manifests).NotTo(BeEmpty())
	var roles []*rbacv1.ClusterRole
	for _, m := range manifests {
		role := &rbacv1.ClusterRole{}
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(m.Object, role)).To(Succeed())
		roles = append(roles, role)
	}
	return roles
}

// grant gives the operator's user rights in a namespace.
func (c *cluster) grant(namespace string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	named := metav1.ObjectMeta{Namespace: namespace, Name: operatorUser}
	c.create(&rbacv1.Role{ObjectMeta: named, Rules: rules}, &rbacv1.RoleBinding{
		ObjectMeta: named,
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: operatorUser},
	})
}

func (c *cluster) create(objects ...client.Object) {
	GinkgoHelper()
	for _, obj := range objects {
		Expect(c.admin.Create(context.Background(), obj)).To(Succeed())
	}
}

func (c *cluster) makeNamespace(name string) {
	GinkgoHelper()
	c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// newMeeting is a meeting room, not created yet.
func newMeeting(namespace, name string, participants []v1alpha1.Participant) *v1alpha1.MeetingRoom {
	return &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.MeetingRoomSpec{Participants: participants},
	}
}

// lesson makes a meeting with a set that is open, and Ada in its room. People have the least time to leave it that
// there is.
func (c *cluster) lesson(namespace string) (*v1alpha1.MeetingRoom, *v1alpha1.BreakoutSet, *simulator.Client) {
	GinkgoHelper()
	main := newMeeting(namespace, "class", []v1alpha1.Participant{
		{Name: "Host", Role: v1alpha1.RoleHost}, {Name: "Ada"},
	})
	set := sim.NewSet(fixture.Rooms("red"), fixture.Placed("Ada=red"), func(set *v1alpha1.BreakoutSet) {
		set.Namespace, set.Spec.CloseGraceSeconds = namespace, new(int32(6))
	})
	c.create(main, set)
	c.waitFor(main, metav1.ConditionTrue, "")
	c.waitFor(set, metav1.ConditionTrue, v1alpha1.OpenedReason)
	red := &v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "groups-red"}}
	c.waitFor(red, metav1.ConditionTrue, "")
	ada, err := c.vendor.Connect(tokenOf(red, "Ada").Token)
	Expect(err).NotTo(HaveOccurred())
	return main, set, ada
}

// waitFor waits for an object's condition Ready.
func (c *cluster) waitFor(obj sim.Conditioned, status metav1.ConditionStatus, reason string) {
	GinkgoHelper()
	Eventually(func() error {
		if err := c.admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		return sim.HasReady(obj, status, reason)
	}).Should(Succeed())
}

// waitGone waits until an object is deleted.
func (c *cluster) waitGone(obj client.Object) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsNotFound(c.admin.Get(context.Background(), client.ObjectKeyFromObject(obj), obj))
	}).Should(BeTrue())
}
