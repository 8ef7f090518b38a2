// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("An outage of the vendor", func() {
	const rooms, rate, burst = 300, 10, 20

	It("is found out once for all rooms, and over for all within a minute more than the rate limit takes", func() {
		w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
		va := w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) {
			va.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: new(int32(rate)), Burst: new(int32(burst))}
		})
		w.turn(time.Minute) // the burst is full again
		before := w.makeReadyRoom("before")

		By("ten minutes of no answer, in which rooms are made")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		began := w.sim.LastSeq()
		for i := range rooms {
			w.makeRoom(fmt.Sprintf("room-%03d", i))
		}
		for range 120 {
			w.turn(5 * time.Second)
			w.rest()
		}
		condition := w.waitCondition(va, v1alpha1.VendorUnavailableCondition, metav1.ConditionTrue, v1alpha1.VendorUnavailableReason)
		Expect(condition.Message).To(ContainSubstring("does not answer"))
		w.waitEvent(va, v1alpha1.VendorUnavailableReason)
		w.waitReady(va)
		w.waitReady(before)
		w.waitReconciling(w.newRoom("room-299"), v1alpha1.VendorUnavailableReason)
		attempts := w.sim.CallsSince(began)
		Expect(len(attempts)).To(BeNumerically("<", 130), "64 that were under way, and a trial every half minute")
		Expect(len(attempts)).To(BeNumerically(">", 8+600/35))

		By("the vendor is back")
		w.sim.ClearFaults()
		back, began := w.clock.Now(), w.sim.LastSeq()
		for w.readyRooms() <= rooms {
			Expect(w.clock.Since(back)).To(BeNumerically("<=", rooms/rate*time.Second+time.Minute))
			w.turn(time.Second)
			w.rest()
		}
		Expect(meta.FindStatusCondition(refresh(va).Status.Conditions, v1alpha1.VendorUnavailableCondition)).To(BeNil())
		w.waitEvent(va, "VendorAvailable")

		By("nobody was faster than allowed, and nothing was made in vain")
		perSecond := map[int64]int{}
		for _, call := range w.sim.CallsSince(began) {
			perSecond[int64(call.Time.Sub(back)/time.Second)]++
		}
		sent := 0
		for second := range int64(w.clock.Since(back)/time.Second) + 1 {
			sent += perSecond[second]
			Expect(sent).To(BeNumerically("<=", burst+rate*int(second+1)), "in the first %d s", second+1)
		}
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(rooms + 1 + w.refusedCreations()))
		var events eventsv1.EventList
		Expect(admin.List(context.Background(), &events, client.InNamespace(w.namespace))).To(Succeed())
		for _, e := range events.Items {
			Expect(strings.HasPrefix(e.Regarding.Name, "room-")).To(BeFalse(), "an event about %s: %s", e.Regarding.Name, e.Note)
		}
	})

	It("keeps nobody from getting tokens, and does not hold up a deletion for ever", func() {
		w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
		va := w.makeAccount("main", asDefault)
		room, gone := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		for i := range 8 {
			w.makeRoom(fmt.Sprintf("room-%d", i))
		}
		w.waitCondition(va, v1alpha1.VendorUnavailableCondition, metav1.ConditionTrue, "")
		edit(room, func(room *v1alpha1.MeetingRoom) {
			room.Spec.Participants = append(room.Spec.Participants, v1alpha1.Participant{Name: "Ben"})
		})
		w.waitReady(room)
		Expect(tokenOf(room, "Ben").Token).NotTo(BeEmpty())

		Expect(admin.Delete(context.Background(), gone)).To(Succeed())
		for range 40 {
			w.turn(time.Second)
			w.rest()
		}
		waitGone(gone)
		w.waitEvent(gone, participantsNotDisconnectedReason)
	})
})

// readyRooms is how many rooms of this world are Ready.
func (w *world) readyRooms() int {
	GinkgoHelper()
	var all v1alpha1.MeetingRoomList
	Expect(admin.List(context.Background(), &all, client.InNamespace(w.namespace))).To(Succeed())
	n := 0
	for i := range all.Items {
		if meta.IsStatusConditionTrue(all.Items[i].Status.Conditions, v1alpha1.ReadyCondition) {
			n++
		}
	}
	return n
}

// refusedCreations is how many sessions were asked for in vain.
func (w *world) refusedCreations() int {
	n := 0
	for _, call := range w.callsOf(simulator.OpCreateSession) {
		if call.CreatedSessionID == "" {
			n++
		}
	}
	return n
}
