// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("A namespace that is deleted", func() {
	It("goes while rooms are open, and everybody is called back and disconnected before", func() {
		c := newClassroom("Ada", "Ben")
		set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue"))
		ada := c.enter("groups", "red", "Ada")
		c.makeSignal("hello", toSet("groups"), saying("Host", "Hello"))
		c.quiet()
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}
		Expect(admin.Delete(context.Background(), namespace)).To(Succeed())
		Eventually(func() bool {
			c.turn(time.Second)
			return !ada.Connected() && !c.browsers["Host"].Connected()
		}).Should(BeTrue())
		Eventually(func() error {
			c.turn(time.Second)
			return admin.Get(context.Background(), client.ObjectKeyFromObject(namespace), namespace)
		}).Should(MatchError(ContainSubstring("not found")))
		Expect(c.told(ada)).To(ContainElement("allRoomRemoved"))
		waitGone(set)

		By("nothing goes on for what is gone")
		c.quiet()
		began := c.sim.LastSeq()
		c.api.reset()
		for range 20 {
			c.turn(time.Second)
			c.rest()
		}
		Expect(c.sim.CallsSince(began)).NotTo(ContainElement(HaveField("Op", Not(Equal(simulator.OpListArchives)))), "only the account is looked at")
		Expect(c.api.all()).To(BeEmpty())
	})
})
