// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("VonageAccount", func() {
	It("becomes Ready with one probe and one write, and stays so without any", func() {
		w := newWorld(byHand())
		va := w.makeAccount("main")
		Expect(va.Status.KeyID).NotTo(BeEmpty())
		Expect(va.Status.ObservedGeneration).To(Equal(va.Generation))
		Expect(w.callsOf(simulator.OpListArchives)).To(HaveLen(1))
		Expect(w.api.of("vonageaccounts")).To(Equal([]string{"PUT status"}))

		w.reconcileAccount(va)
		Expect(w.sim.Calls()).To(HaveLen(1))
		Expect(w.api.all()).To(HaveLen(1))

		By("another process trusts what the status says")
		w.restart()
		w.reconcileAccount(va)
		Expect(w.sim.Calls()).To(HaveLen(1))
		Expect(w.api.all()).To(HaveLen(1))

		By("checking again after a while")
		w.turn(recheckAccepted + recheckAccepted/10)
		w.reconcileAccount(va)
		Expect(w.callsOf(simulator.OpListArchives)).To(HaveLen(2))
		Expect(w.api.all()).To(HaveLen(1))
	})

	It("names a missing Secret, a missing key and a malformed one, and recovers from each", func() {
		w := newWorld(withKinds(setupVonageAccounts))
		va := w.newAccount("main")
		Expect(admin.Create(context.Background(), va)).To(Succeed())
		w.waitStalled(va, v1alpha1.SecretNotFoundReason)

		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.operatorNamespace, Name: "main"}}
		Expect(admin.Create(context.Background(), secret)).To(Succeed())
		w.waitStalled(va, v1alpha1.SecretInvalidReason)
		Expect(w.waitCondition(va, v1alpha1.ReadyCondition, metav1.ConditionFalse, "").Message).To(ContainSubstring(v1alpha1.PrivateKeySecretKey))

		w.makeSecret("main", []byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"))
		Eventually(func() string {
			return w.waitCondition(va, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.SecretInvalidReason).Message
		}).Should(And(ContainSubstring("PKCS#8"), Not(ContainSubstring("c2Vj"))))
		Expect(w.sim.Calls()).To(BeEmpty())

		w.makeSecret("main", pemOf(goodKey))
		w.waitReady(va)

		Expect(admin.Delete(context.Background(), secret)).To(Succeed())
		w.waitStalled(va, v1alpha1.SecretNotFoundReason)
		w.makeSecret("main", pemOf(goodKey))
		w.waitReady(va)
	})

	It("is told by the vendor that the key is wrong, and recovers when it is put right on either side", func() {
		w := newWorld(withKinds(setupVonageAccounts))
		va := w.newAccount("main")
		w.makeSecret("main", pemOf(wrongKey))
		Expect(admin.Create(context.Background(), va)).To(Succeed())
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		wrong := va.Status.KeyID

		w.makeSecret("main", pemOf(goodKey))
		w.waitReady(va)
		Expect(va.Status.KeyID).NotTo(Equal(wrong))

		By("the vendor's side: the key is replaced there and noticed at the next check")
		Expect(w.sim.RotateKey(w.projectID, &wrongKey.PublicKey)).To(Succeed())
		w.turn(recheckAccepted + recheckAccepted/10)
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		Expect(w.sim.RotateKey(w.projectID, &goodKey.PublicKey)).To(Succeed())
		w.turn(recheckRejected + recheckRejected/10)
		w.waitReady(va)
	})

	It("waits for a vendor that does not answer, and holds nothing against credentials that were accepted", func() {
		w := newWorld(withKinds(setupVonageAccounts))
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStatus, Count: 1})
		va := w.newAccount("main")
		w.makeSecret("main", pemOf(goodKey))
		Expect(admin.Create(context.Background(), va)).To(Succeed())
		w.waitReconciling(va, v1alpha1.VendorUnavailableReason)
		w.turn(retryMost)
		w.waitReady(va)
	})

	It("holds nothing against accepted credentials when the vendor does not answer", func() {
		w := newWorld(byHand())
		va := w.makeAccount("main")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		w.turn(recheckAccepted + recheckAccepted/10)
		w.api.reset()
		for range 3 {
			before := w.sim.LastSeq()
			w.reconcileAccount(va)
			Expect(w.sim.CallsSince(before)).To(HaveLen(1))
			before = w.sim.LastSeq()
			w.reconcileAccount(va) // too soon
			Expect(w.sim.CallsSince(before)).To(BeEmpty())
			w.turn(retryMost)
		}
		Expect(w.api.all()).To(BeEmpty())
		w.waitReady(va)
	})

	It("is checked at once when the vendor refuses another call", func() {
		w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
		va := w.makeAccount("main", asDefault)
		Expect(w.sim.RotateKey(w.projectID, &wrongKey.PublicKey)).To(Succeed())
		w.turn(recheckSuspect)
		room := w.makeRoom("algebra")
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2), "the client tries once more with a fresh JWT")

		By("more rooms do not bother the vendor with it")
		another := w.makeRoom("physics")
		w.waitStalled(another, v1alpha1.CredentialsRejectedReason)
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2))

		Expect(w.sim.RotateKey(w.projectID, &goodKey.PublicKey)).To(Succeed())
		w.turn(recheckRejected + recheckRejected/10)
		w.waitReady(va)
		w.waitReady(room)
		w.waitReady(another)
	})

	It("refuses a namespace selector that is none", func() {
		w := newWorld(withKinds(setupVonageAccounts))
		w.makeSecret("main", pemOf(goodKey))
		va := w.newAccount("main", func(va *v1alpha1.VonageAccount) {
			va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Likes"}},
			}}
		})
		Expect(admin.Create(context.Background(), va)).To(Succeed())
		w.waitStalled(va, v1alpha1.SpecInvalidReason)
		edit(va, func(va *v1alpha1.VonageAccount) { va.Spec.AllowedNamespaces = nil })
		w.waitReady(va)
	})
})
