// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("An outage of the vendor", func() {
	const rooms, rate, burst = 150, 10, 20

	It("is found out once for all rooms, and over for all within a minute more than the rate "+
		"limit takes", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) {
			va.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: new(int32(rate)), Burst: new(int32(burst))}
		})
		w.Pass(time.Minute) // the burst is full again
		before := w.makeReadyRoom("before")

		By("ten minutes of no answer, in which rooms are made")
		w.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		began := w.Vendor.LastSeq()
		for i := range rooms {
			w.makeRoom(fmt.Sprintf("room-%03d", i))
		}
		w.Pass(10 * time.Minute)
		condition := w.waitCondition(va, v1alpha1.VendorUnavailableCondition, metav1.ConditionTrue,
			v1alpha1.VendorUnavailableReason)
		Expect(condition.Message).To(ContainSubstring("does not answer"))
		w.waitEvent(va, v1alpha1.VendorUnavailableReason)
		w.waitReady(va)
		w.waitReady(before)
		w.waitReconciling(w.Room("room-149"), v1alpha1.VendorUnavailableReason)
		attempts := w.Vendor.CallsSince(began)
		Expect(len(attempts)).To(BeNumerically("<", 130), "64 that were under way, and a trial every half minute")
		Expect(len(attempts)).To(BeNumerically(">", 8+600/35))

		By("the vendor is back")
		w.Vendor.ClearFaults()
		back, began := time.Now(), w.Vendor.LastSeq()
		for w.readyRooms() <= rooms {
			Expect(time.Since(back)).To(BeNumerically("<=", rooms/rate*time.Second+time.Minute))
			w.Pass(time.Second)
		}
		Expect(meta.FindStatusCondition(refresh(w, va).Status.Conditions,
			v1alpha1.VendorUnavailableCondition)).To(BeNil())
		w.waitEvent(va, "VendorAvailable")

		By("nobody was faster than allowed, and nothing was made in vain")
		perSecond := map[int64]int{}
		for _, call := range w.Vendor.CallsSince(began) {
			perSecond[int64(call.Time.Sub(back)/time.Second)]++
		}
		sent := 0
		for second := range int64(time.Since(back)/time.Second) + 1 {
			sent += perSecond[second]
			Expect(sent).To(BeNumerically("<=", burst+rate*int(second+1)), "in the first %d s", second+1)
		}
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(rooms + 1 + w.refusedCreations()))
		for _, e := range w.API.Objects("events") {
			Expect(e["regarding"]).NotTo(HaveKeyWithValue("name", HavePrefix("room-")), "an event about a room: %v", e)
		}
	}))

	It("keeps nobody from getting tokens, and does not hold up a deletion for ever", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		room, gone := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
		w.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
		for i := range 8 {
			w.makeRoom(fmt.Sprintf("room-%d", i))
		}
		w.waitCondition(va, v1alpha1.VendorUnavailableCondition, metav1.ConditionTrue, "")
		edit(w, room, joined("Ben"))
		w.waitReady(room)
		Expect(tokenOf(room, "Ben").Token).NotTo(BeEmpty())

		w.Delete(gone)
		w.Pass(30 * time.Second)
		w.waitGone(gone)
		w.waitEvent(gone, controller.ParticipantsNotDisconnectedReason)
	}))
})

// readyRooms is how many rooms of this world are Ready.
func (w *world) readyRooms() int {
	n := 0
	for _, obj := range w.API.Objects("meetingrooms") {
		room := &v1alpha1.MeetingRoom{}
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(obj, room)).To(Succeed())
		if meta.IsStatusConditionTrue(room.Status.Conditions, v1alpha1.ReadyCondition) {
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
