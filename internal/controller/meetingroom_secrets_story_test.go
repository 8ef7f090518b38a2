// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

var _ = Describe("A MeetingRoom's tokens in Secrets", func() {
	inSecrets := func(r *v1alpha1.MeetingRoom) {
		r.Spec.Tokens = &v1alpha1.TokensSpec{Delivery: v1alpha1.TokenDeliverySecret}
	}
	inStatus := func(r *v1alpha1.MeetingRoom) { r.Spec.Tokens.Delivery = v1alpha1.TokenDeliveryStatus }

	It("are where the status says, owned by the room, and nowhere else", story(func() {
		w := newWorld("main")
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
		edit(w, room, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Participants = []v1alpha1.Participant{{Name: "Bo"}, {Name: "Ada"}}
			r.Spec.Tokens.Shared = nil
		})
		w.waitReady(room)
		Expect(participantsOf(room)).To(Equal([]string{"Bo", "Ada"}))
		secrets = w.tokenSecrets()
		Expect(secrets[0].Data).To(HaveLen(2))
		Expect(w.textOf(tokenOf(room, "Ada").SecretKeyRef)).To(Equal(ada))

		By("all removed: the Secret goes, too")
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = nil })
		w.waitReady(room)
		Expect(w.tokenSecrets()).To(BeEmpty())
	}))

	It("are published with the session's ID first, and cost nothing afterwards", story(func() {
		w := newWorld("main")
		w.mark()
		room := w.makeReadyRoom("algebra", inSecrets)
		Expect(w.did()).To(Equal([]string{
			"patch meetingrooms/algebra", "vonage createSession algebra", "update meetingrooms/algebra/status",
			"create secrets/" + controller.TokenSecretName(room.UID, 0), "update meetingrooms/algebra/status",
		}))
		w.mark()
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Labels = map[string]string{"a": "b"} })
		w.Settle()
		w.restart()
		Expect(w.did()).To(BeEmpty())
	}))

	It("of 1000 participants are cut into several Secrets", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra", inSecrets, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Participants = manyParticipants(1000)
		})
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
	}))

	It("move between status and Secrets, and leave nothing behind", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra")
		edit(w, room, inSecrets)
		w.waitReady(room)
		Expect(tokenOf(room, "Ada").Token).To(BeEmpty())
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))

		edit(w, room, inStatus)
		w.waitReady(room)
		w.connect(tokenOf(room, "Ada").Token)
		eventually(w, w.tokenSecrets, BeEmpty())
		eventually(w,
			func() *v1alpha1.SecretKeyReference { return controller.FirstSecretRef(&refresh(w, room).Status) }, BeNil())
	}))

	DescribeTable("survive that the process dies anywhere in between", story(func(point string, moment sim.Moment) {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra")
		died := false // on the way there or back
		move := func(change func(*v1alpha1.MeetingRoom)) {
			GinkgoHelper()
			edit(w, room, change)
			w.killAt(point, moment)
			w.Settle()
			died = died || w.Operators[len(w.Operators)-1].Dead()
			w.restart()
			w.waitReady(room)
		}
		move(inSecrets)
		Expect(tokenOf(room, "Ada").Token).To(BeEmpty())
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))
		Expect(w.tokenSecrets()).To(HaveLen(1))

		move(inStatus)
		w.connect(tokenOf(room, "Ada").Token)
		Expect(controller.FirstSecretRef(&room.Status)).To(BeNil())
		Expect(w.tokenSecrets()).To(BeEmpty())
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		Expect(died).To(BeTrue())
	}),
		Entry("before the Secret is made", "create secrets/", sim.Before),
		Entry("after the Secret was made", "create secrets/", sim.After),
		Entry("before the status is written", "update meetingrooms/", sim.Before),
		Entry("after the status was written", "update meetingrooms/", sim.After),
		Entry("before the Secret is deleted", "delete secrets/", sim.Before),
		Entry("after the Secret was deleted", "delete secrets/", sim.After),
	)

	It("are never written over somebody else's Secret", story(func() {
		w := newWorld("main")
		room := w.makeRoom("algebra", inSecrets)
		foreign := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: sim.Namespace, Name: controller.TokenSecretName(room.UID, 0)},
			Data:       map[string][]byte{"mine": []byte("precious")},
		}
		w.Create(foreign)
		w.waitStalled(room, v1alpha1.SecretNameTakenReason)
		w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, "")
		Expect(refresh(w, foreign).Data).To(Equal(map[string][]byte{"mine": []byte("precious")}))

		By("nor deleted with the room's")
		edit(w, room, inStatus)
		w.waitReady(room)
		refresh(w, foreign)

		w.Delete(foreign)
		edit(w, room, inSecrets)
		w.waitReady(room)
	}))

	It("come back when somebody deleted the Secret, and are replaced in it when it is time", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra", inSecrets)
		first := w.textOf(tokenOf(room, "Ada").SecretKeyRef)
		w.Delete(&w.tokenSecrets()[0])
		w.Pass(controller.RecheckSecrets)
		eventually(w, w.tokenSecrets, HaveLen(1))
		eventually(w, func() string { return w.textOf(tokenOf(refresh(w, room), "Ada").SecretKeyRef) },
			Not(Equal(first)))
		w.waitReady(room)
		second := w.textOf(tokenOf(room, "Ada").SecretKeyRef)

		w.Pass(3 * time.Hour)
		eventually(w, func() string { return w.textOf(tokenOf(refresh(w, room), "Ada").SecretKeyRef) },
			Not(Equal(second)))
		w.waitReady(room)
		w.connect(w.textOf(tokenOf(room, "Ada").SecretKeyRef))
	}))
})

// tokenSecrets are the Secrets in the rooms' namespace.
func (w *world) tokenSecrets() []corev1.Secret {
	GinkgoHelper()
	var secrets corev1.SecretList
	w.Settle()
	Expect(w.User.List(context.Background(), &secrets, client.InNamespace(sim.Namespace))).To(Succeed())
	return secrets.Items
}

// textOf reads a token from a Secret.
func (w *world) textOf(ref *v1alpha1.SecretKeyReference) string {
	GinkgoHelper()
	Expect(ref).NotTo(BeNil())
	secret := &corev1.Secret{}
	if err := w.User.Get(
		context.Background(), client.ObjectKey{Namespace: sim.Namespace, Name: ref.Name}, secret,
	); err != nil {
		return err.Error()
	}
	return string(secret.Data[ref.Key])
}
