// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

var _ = Describe("VonageAccount", func() {
	const probe = "vonage probe main"

	It("becomes Ready with one probe and one write, and stays so without any", story(func() {
		w := newWorld()
		va := w.makeAccount("main")
		Expect(va.Status.KeyID).NotTo(BeEmpty())
		Expect(va.Status.ObservedGeneration).To(Equal(va.Generation))
		Expect(w.did()).To(Equal([]string{probe, "update vonageaccounts/main/status"}))

		By("another process trusts what the status says")
		w.mark()
		w.restart()
		edit(w, va, func(va *v1alpha1.VonageAccount) { va.Labels = map[string]string{"a": "b"} })
		Expect(w.did()).To(BeEmpty())

		By("checking again after a while")
		w.Pass(controller.RecheckAccepted + controller.RecheckAccepted/10)
		Expect(w.did()).To(Equal([]string{probe}))
	}))

	It("names a missing Secret, a missing key and a malformed one, and recovers from each", story(func() {
		w := newWorld()
		va := newAccount("main")
		w.Create(va)
		w.waitStalled(va, v1alpha1.SecretNotFoundReason)

		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: sim.OperatorNamespace, Name: "main"}}
		w.Create(secret)
		w.waitStalled(va, v1alpha1.SecretInvalidReason)
		Expect(w.waitCondition(va, v1alpha1.ReadyCondition, metav1.ConditionFalse,
			"").Message).To(ContainSubstring(v1alpha1.PrivateKeySecretKey))

		w.makeSecret("main", []byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"))
		w.Settle()
		Expect(w.waitCondition(va, v1alpha1.ReadyCondition, metav1.ConditionFalse,
			v1alpha1.SecretInvalidReason).Message).To(
			And(ContainSubstring("PKCS#8"), Not(ContainSubstring("c2Vj"))))
		Expect(w.Vendor.Calls()).To(BeEmpty())

		w.makeSecret("main", pemOf(goodKey()))
		w.waitReady(va)

		w.Delete(secret)
		w.waitStalled(va, v1alpha1.SecretNotFoundReason)
		w.makeSecret("main", pemOf(goodKey()))
		w.waitReady(va)
	}))

	It("finds that the vendor refuses the key, and recovers when it is put right on either side", story(func() {
		w := newWorld()
		va := newAccount("main")
		w.makeSecret("main", pemOf(wrongKey()))
		w.Create(va)
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		wrong := va.Status.KeyID

		w.makeSecret("main", pemOf(goodKey()))
		w.waitReady(va)
		Expect(va.Status.KeyID).NotTo(Equal(wrong))

		By("the vendor's side: the key is replaced there and noticed at the next check")
		Expect(w.Vendor.RotateKey(projectID, &wrongKey().PublicKey)).To(Succeed())
		w.Pass(controller.RecheckAccepted + controller.RecheckAccepted/10)
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		Expect(w.Vendor.RotateKey(projectID, &goodKey().PublicKey)).To(Succeed())
		w.Pass(controller.RecheckRejected + controller.RecheckRejected/10)
		w.waitReady(va)
	}))

	It("waits for a vendor that does not answer, and holds nothing against credentials that "+
		"were accepted", story(func() {
		w := newWorld()
		w.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultStatus, Count: 1})
		va := newAccount("main")
		w.makeSecret("main", pemOf(goodKey()))
		w.Create(va)
		w.waitReconciling(va, v1alpha1.VendorUnavailableReason)
		w.Pass(controller.RetryMost)
		w.waitReady(va)
	}))

	It("holds nothing against accepted credentials when the vendor does not answer", story(func() {
		w := newWorld()
		va := w.makeAccount("main")
		w.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		w.mark()
		checked := func() bool { return len(w.Operations) > w.marked }
		Expect(w.Within(controller.RecheckAccepted*11/10, checked)).To(BeTrue())
		w.Pass(controller.RetryMost)
		Expect(w.did()).To(And(HaveEach(probe), Not(HaveLen(1))), "it is tried again, and not worth a write")
		Expect(len(w.did())).To(BeNumerically("<", 8), "not at once")
		w.waitReady(va)
	}))

	It("is checked at once when the vendor refuses another call", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		Expect(w.Vendor.RotateKey(projectID, &wrongKey().PublicKey)).To(Succeed())
		w.Pass(controller.MinRecheckInterval)
		room := w.makeRoom("algebra")
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2), "the client tries once more with a fresh JWT")

		By("more rooms do not bother the vendor with it")
		another := w.makeRoom("physics")
		w.waitStalled(another, v1alpha1.CredentialsRejectedReason)
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2))

		Expect(w.Vendor.RotateKey(projectID, &goodKey().PublicKey)).To(Succeed())
		w.Pass(controller.RecheckRejected + controller.RecheckRejected/10)
		w.waitReady(va)
		w.waitReady(room)
		w.waitReady(another)
	}))

	It("refuses a namespace selector that is none", story(func() {
		w := newWorld()
		w.makeSecret("main", pemOf(goodKey()))
		va := newAccount("main", func(va *v1alpha1.VonageAccount) {
			va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector,
				Selector: &metav1.LabelSelector{
					MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Likes"}},
				}}
		})
		w.Create(va)
		w.waitStalled(va, v1alpha1.SpecInvalidReason)
		edit(w, va, func(va *v1alpha1.VonageAccount) { va.Spec.AllowedNamespaces = nil })
		w.waitReady(va)
	}))
})
