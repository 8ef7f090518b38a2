// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"net/http"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("A MeetingRoom's tokens in Secrets", func() {
	inSecrets := func(r *v1alpha1.MeetingRoom) {
		r.Spec.Tokens = &v1alpha1.TokensSpec{Delivery: v1alpha1.TokenDeliverySecret}
	}
	inStatus := func(r *v1alpha1.MeetingRoom) { r.Spec.Tokens.Delivery = v1alpha1.TokenDeliveryStatus }

	It("are where the status says, owned by the room, and nowhere else", func() {
		w := newWorld()
		w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra", inSecrets, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Tokens.Shared = []v1alpha1.ParticipantRole{v1alpha1.RoleViewer}
		})
		secrets := w.tokenSecrets()
		Expect(secrets).To(HaveLen(1))
		Expect(secrets[0].Name).To(ContainSubstring(string(room.UID)))
		Expect(secrets[0].Labels).To(HaveKeyWithValue(v1alpha1.MeetingRoomLabel, string(room.UID)))
		Expect(metav1.IsControlledBy(&secrets[0], room)).To(BeTrue())
		Expect(secrets[0].Data).To(HaveLen(3))
		Expect(secrets[0].Data).To(HaveKey("Ada"))

		for _, token := range room.Status.Tokens {
			Expect(token.Token).To(BeEmpty())
			w.connect(w.textOf(token.SecretKeyRef))
		}
		Expect(w.connect(w.textOf(room.Status.SharedTokens[0].SecretKeyRef)).Role()).To(Equal("subscriber"))

		By("participants added and removed")
		ada := w.textOf(tokenOf(room, "Ada").SecretKeyRef)
		edit(room, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Participants = []v1alpha1.Participant{{Name: "Bo"}, {Name: "Ada"}}
			r.Spec.Tokens.Shared = nil
		})
		w.waitReady(room)
		Expect(participantsOf(room)).To(Equal([]string{"Bo", "Ada"}))
		secrets = w.tokenSecrets()
		Expect(secrets[0].Data).To(HaveLen(2))
		Expect(w.textOf(tokenOf(room, "Ada").SecretKeyRef)).To(Equal(ada))

		By("all removed: the Secret goes, too")
		edit(room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = nil })
		w.waitReady(room)
		Expect(w.tokenSecrets()).To(BeEmpty())
	})

	It("are published with the session's ID first, and cost nothing afterwards", func() {
		w := newWorld(byHand())
		w.makeAccount("main", asDefault)
		w.api.reset()
		room := w.makeRoom("algebra", inSecrets)
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitReady(room)
		Expect(w.api.all()).To(HaveLen(4))
		Expect(w.api.of("meetingrooms")).To(Equal([]string{"PATCH", "PUT status", "PUT status"}))
		w.api.reset()
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.restart()
		Expect(w.reconcileRoom(room)).To(Succeed())
		Expect(w.api.all()).To(BeEmpty())
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
	})

	It("of 1000 participants are cut into several Secrets", func() {
		w := newWorld()
		w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra", inSecrets, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = manyParticipants(1000) })
		Expect(room.Status.Tokens).To(HaveLen(1000))
		secrets := w.tokenSecrets()
		Expect(len(secrets)).To(BeNumerically(">", 1))
		keys := 0
		for _, s := range secrets {
			keys += len(s.Data)
		}
		Expect(keys).To(Equal(1000))
		for _, i := range []int{0, 500, 999} {
			w.connect(w.textOf(room.Status.Tokens[i].SecretKeyRef))
		}
	})

	It("move between status and Secrets, and leave nothing behind", func() {
		w := newWorld()
		w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra")
		edit(room, inSecrets)
		w.waitReady(room)
		Expect(tokenOf(room, "Ada").Token).To(BeEmpty())
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))

		edit(room, inStatus)
		w.waitReady(room)
		w.connect(tokenOf(room, "Ada").Token)
		Eventually(w.tokenSecrets).Should(BeEmpty())
		Eventually(func() *v1alpha1.SecretKeyReference { return firstSecretRef(&refresh(room).Status) }).Should(BeNil())
	})

	It("survive that the process dies anywhere in between", func() {
		for _, point := range []string{"POST /api/v1/namespaces", "PUT /apis/breakout-operator.io", "DELETE /api/v1/namespaces"} {
			By("before and after " + point)
			for _, done := range []bool{false, true} {
				w := newWorld(byHand())
				w.makeAccount("main", asDefault)
				room := w.makeRoom("algebra")
				Expect(w.reconcileRoom(room)).To(Succeed())
				die := func() {
					w.api.once(point, func(send func() (*http.Response, error)) (*http.Response, error) {
						if done {
							_, err := send()
							Expect(err).NotTo(HaveOccurred())
						}
						return serverError()
					})
					_ = w.reconcileRoom(room)
					w.restart()
				}
				edit(room, inSecrets)
				die()
				Expect(w.reconcileRoom(room)).To(Succeed())
				w.waitReady(room)
				Expect(tokenOf(room, "Ada").Token).To(BeEmpty())
				w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))
				Expect(w.tokenSecrets()).To(HaveLen(1))

				edit(room, inStatus)
				die()
				Expect(w.reconcileRoom(room)).To(Succeed())
				w.waitReady(room)
				w.connect(tokenOf(room, "Ada").Token)
				Expect(firstSecretRef(&room.Status)).To(BeNil())
				Expect(w.tokenSecrets()).To(BeEmpty())
				Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
			}
		}
	})

	It("are never written over somebody else's Secret", func() {
		w := newWorld(byHand())
		w.makeAccount("main", asDefault)
		room := w.makeRoom("algebra", inSecrets, func(r *v1alpha1.MeetingRoom) { r.Finalizers = []string{v1alpha1.MeetingRoomFinalizer} })
		foreign := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: tokenSecretName(room.UID, 0)},
			Data:       map[string][]byte{"mine": []byte("precious")},
		}
		Expect(admin.Create(context.Background(), foreign)).To(Succeed())
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitStalled(room, v1alpha1.SecretNameTakenReason)
		w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, "")
		Expect(refresh(foreign).Data).To(Equal(map[string][]byte{"mine": []byte("precious")}))

		By("nor deleted with the room's")
		edit(room, inStatus)
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitReady(room)
		refresh(foreign)

		Expect(admin.Delete(context.Background(), foreign)).To(Succeed())
		edit(room, inSecrets)
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitReady(room)
	})

	It("come back when somebody deleted the Secret, and are replaced in it when it is time", func() {
		w := newWorld()
		w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra", inSecrets)
		first := w.textOf(tokenOf(room, "Ada").SecretKeyRef)
		Expect(admin.DeleteAllOf(context.Background(), &corev1.Secret{}, client.InNamespace(w.namespace))).To(Succeed())
		w.turn(recheckSecrets)
		Eventually(w.tokenSecrets).Should(HaveLen(1))
		Eventually(func() string { return w.textOf(tokenOf(refresh(room), "Ada").SecretKeyRef) }).ShouldNot(Equal(first))
		w.waitReady(room)
		second := w.textOf(tokenOf(room, "Ada").SecretKeyRef)

		w.turn(3 * time.Hour)
		Eventually(func() string { return w.textOf(tokenOf(refresh(room), "Ada").SecretKeyRef) }).ShouldNot(Equal(second))
		w.waitReady(room)
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))
	})

	It("need the Role of config/rbac-token-secrets, and come as soon as it is there", func() {
		w := newWorld(underItsRoles)
		w.makeAccount("main", asDefault)
		room, another := w.makeRoom("algebra", inSecrets), w.makeReadyRoom("physics")
		w.waitStalled(room, v1alpha1.SecretsForbiddenReason)
		Expect(w.waitCondition(room, v1alpha1.TokensReadyCondition, metav1.ConditionFalse, "").Message).To(ContainSubstring("config/rbac-token-secrets"))
		Expect(room.Status.SessionID).NotTo(BeEmpty())
		Expect(room.Status.Tokens).To(BeEmpty())

		w.grant(w.namespace, w.roleOf(filepath.Join("rbac-token-secrets", "role.yaml")).Rules)
		Eventually(func() metav1.ConditionStatus {
			w.turn(time.Minute)
			c := refresh(room).Status.Conditions
			return c[0].Status
		}).Should(Equal(metav1.ConditionTrue))
		w.waitReady(room)
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2))
		w.waitReady(another)

		By("all else goes with the operator's own roles")
		for _, r := range []*v1alpha1.MeetingRoom{room, another} {
			Expect(admin.Delete(context.Background(), r)).To(Succeed())
			waitGone(r)
		}
		Eventually(w.tokenSecrets).Should(BeEmpty(), "they go with their owner")
	})
})

// tokenSecrets are the Secrets in the rooms' namespace.
func (w *world) tokenSecrets() []corev1.Secret {
	GinkgoHelper()
	var secrets corev1.SecretList
	Expect(admin.List(context.Background(), &secrets, client.InNamespace(w.namespace))).To(Succeed())
	return secrets.Items
}

// textOf reads a token from a Secret.
func (w *world) textOf(ref *v1alpha1.SecretKeyReference) string {
	GinkgoHelper()
	Expect(ref).NotTo(BeNil())
	secret := &corev1.Secret{}
	if err := admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: ref.Name}, secret); err != nil {
		return err.Error()
	}
	return string(secret.Data[ref.Key])
}

// grantOperatorRoles gives the operator's user the rights of config/rbac.
func (w *world) grantOperatorRoles() {
	GinkgoHelper()
	manifests, err := sandbox.ReadManifests(context.Background(), filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	Expect(err).NotTo(HaveOccurred())
	for _, m := range manifests {
		role := &rbacv1.ClusterRole{} // a Role has the same rules
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(m.Object, role)).To(Succeed())
		if m.GetKind() == "Role" {
			w.grant(w.operatorNamespace, role.Rules)
			continue
		}
		role.ObjectMeta = metav1.ObjectMeta{Name: w.id}
		Expect(admin.Create(context.Background(), role)).To(Succeed())
		Expect(admin.Create(context.Background(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: w.id},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.id},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: w.user}},
		})).To(Succeed())
	}
}

// roleOf reads a Role from config.
func (w *world) roleOf(file string) *rbacv1.Role {
	GinkgoHelper()
	manifests, err := sandbox.ReadManifests(context.Background(), filepath.Join("..", "..", "config", file))
	Expect(err).NotTo(HaveOccurred())
	Expect(manifests).To(HaveLen(1))
	role := &rbacv1.Role{}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, role)).To(Succeed())
	return role
}

// grant gives the operator's user rights in a namespace.
func (w *world) grant(namespace string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	name := metav1.ObjectMeta{Namespace: namespace, Name: "granted"}
	Expect(admin.Create(context.Background(), &rbacv1.Role{ObjectMeta: name, Rules: rules})).To(Succeed())
	Expect(admin.Create(context.Background(), &rbacv1.RoleBinding{
		ObjectMeta: name,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "granted"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: w.user}},
	})).To(Succeed())
}
