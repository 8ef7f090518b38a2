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
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

var _ = Describe("Credentials", func() {
	It("are rotated without a restart, a new session, a signal or a moment in which a room is not Ready", story(func() {
		c := newClassroom("Ada", "Ben")
		va := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		set := c.open("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Ben=blue"))
		ada, ben := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben")
		rooms := []*v1alpha1.MeetingRoom{refresh(c, c.main), c.room("groups", "red"), c.room("groups", "blue")}
		former := map[string]string{}
		for _, room := range rooms {
			for _, t := range room.Status.Tokens {
				former[room.Name+" "+string(t.Participant)] = t.Token
			}
		}
		keyID := refresh(c, va).Status.KeyID
		unready := c.watchForUnready()
		c.Pass(rounds) // by now nobody is on the way to anywhere
		c.mark()
		began := c.Vendor.LastSeq()

		By("the vendor accepts both keys, and the Secret gets the new one")
		Expect(c.Vendor.AddProject(simulator.Project{
			Environment: simulator.Unified, ID: projectID, PublicKey: &wrongKey().PublicKey,
			FormerKey: &goodKey().PublicKey,
		})).To(Succeed())
		c.makeSecret("default", pemOf(wrongKey()))
		eventually(c, func() string { return refresh(c, va).Status.KeyID }, Not(Equal(keyID)))
		for _, room := range rooms {
			for _, t := range refresh(c, room).Status.Tokens {
				Expect(t.Token).NotTo(Equal(former[room.Name+" "+string(t.Participant)]))
			}
		}
		By("tokens of both keys let people in meanwhile")
		for _, token := range []string{former["groups-red Ada"], tokenOf(refresh(c, rooms[1]), "Ada").Token} {
			_, err := c.Vendor.VerifyToken(token)
			Expect(err).NotTo(HaveOccurred())
		}

		By("the vendor forgets the old key")
		Expect(c.Vendor.RotateKey(projectID, &wrongKey().PublicKey)).To(Succeed())
		_, err := c.Vendor.VerifyToken(former["groups-red Ada"])
		Expect(err).To(HaveOccurred())
		edit(c, set, func(set *v1alpha1.BreakoutSet) { set.Spec.Rooms[0].DisplayName = "Crimson" })
		c.waitReady(set)
		c.waitReady(va)
		c.waitReady(rooms[1]) // it follows its new name by itself

		Expect(c.wrote("meetingrooms")).To(Equal([]string{
			"update meetingrooms/class/status", "update meetingrooms/groups-blue/status",
			"update meetingrooms/groups-red/status",
			"update meetingrooms/groups-red", "update meetingrooms/groups-red/status",
		}), "one status each for the new tokens, and then the new name")
		calls := map[simulator.Op]int{}
		for _, call := range c.Vendor.CallsSince(began) {
			Expect(call.Status).To(BeElementOf(200, 204), "%s", call.Op)
			calls[call.Op]++
		}
		Expect(calls).To(Equal(map[simulator.Op]int{simulator.OpListArchives: 1, simulator.OpSignal: 2}),
			"one probe of the new key, and the new name")
		Expect(ada.Connected() && ben.Connected()).To(BeTrue())
		Expect(*unready).To(BeEmpty())
	}))

	It("that the vendor revokes make the account say so, and rooms when their tokens run out", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(int32(3600))}
		})
		session := room.Status.SessionID
		expires := tokenOf(room, "Ada").ExpiresAt.Time

		By("403 to everything; another room finds it out")
		w.Pass(controller.MinRecheckInterval)
		w.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultForbidden})
		late := w.makeRoom("physics")
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		w.waitStalled(late, v1alpha1.CredentialsRejectedReason)
		w.waitReady(room)
		began := w.Vendor.LastSeq()
		w.Pass(time.Until(expires) - time.Millisecond)
		attempts := w.Vendor.CallsSince(began)
		Expect(len(attempts)).To(And(BeNumerically(">=", 54), BeNumerically("<=", 60)),
			"the account tries once a minute")
		for _, call := range attempts {
			Expect(call.Op).To(Equal(simulator.OpListArchives), "and nobody else at all")
		}
		w.waitReady(room)
		w.Pass(time.Millisecond)
		w.waitStalled(room, v1alpha1.TokensExpiredReason)
		Expect(room.Status.SessionID).To(Equal(session))
		Expect(w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, "").Message).NotTo(BeEmpty())

		By("the key works again")
		w.Vendor.ClearFaults()
		w.Pass(2 * controller.RecheckRejected)
		w.waitReady(va)
		w.waitReady(room)
		w.Pass(controller.RetryMost)
		w.waitReady(late)
		Expect(room.Status.SessionID).To(Equal(session))
		w.connect(tokenOf(room, "Ada").Token)
	}))
})

// watchForUnready records which rooms say from now on that they are not Ready.
func (w *world) watchForUnready() *[]string {
	failures := &[]string{}
	w.onChange = func(obj apiserver.Object) {
		if obj["kind"] != "MeetingRoom" {
			return
		}
		room := &v1alpha1.MeetingRoom{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj, room); err != nil {
			*failures = append(*failures, err.Error())
		}
		if c := meta.FindStatusCondition(room.Status.Conditions, v1alpha1.ReadyCondition); c != nil &&
			c.Status != metav1.ConditionTrue {
			*failures = append(*failures, fmt.Sprintf("%s: %s %s", room.Name, c.Reason, c.Message))
		}
	}
	return failures
}
