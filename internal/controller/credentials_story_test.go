// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("Credentials", func() {
	It("are rotated without a restart, a new session, a signal or a moment in which a room is not Ready", func() {
		c := newClassroom("Ada", "Ben")
		va := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default-" + c.id}}
		set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue"))
		ada, ben := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben")
		rooms := []*v1alpha1.MeetingRoom{refresh(c.main), c.room("groups", "red"), c.room("groups", "blue")}
		former := map[string]string{}
		for _, room := range rooms {
			for _, t := range room.Status.Tokens {
				former[room.Name+" "+string(t.Participant)] = t.Token
			}
		}
		keyID := refresh(va).Status.KeyID
		unready := c.watchForUnready()
		c.turn(7 * time.Second) // by now nobody is on the way to anywhere
		c.quiet()
		c.api.reset()
		began := c.sim.LastSeq()

		By("the vendor accepts both keys, and the Secret gets the new one")
		Expect(c.sim.AddProject(simulator.Project{
			Environment: simulator.Unified, ID: c.projectID, PublicKey: &wrongKey.PublicKey, FormerKey: &goodKey.PublicKey,
		})).To(Succeed())
		c.makeSecret("default", pemOf(wrongKey))
		Eventually(func() string { return refresh(va).Status.KeyID }).ShouldNot(Equal(keyID))
		for _, room := range rooms {
			Eventually(func(g Gomega) {
				for _, t := range refresh(room).Status.Tokens {
					g.Expect(t.Token).NotTo(Equal(former[room.Name+" "+string(t.Participant)]))
				}
			}).Should(Succeed())
		}
		c.quiet()
		By("tokens of both keys let people in meanwhile")
		for _, token := range []string{former["groups-red Ada"], tokenOf(refresh(rooms[1]), "Ada").Token} {
			_, err := c.sim.VerifyToken(token)
			Expect(err).NotTo(HaveOccurred())
		}

		By("the vendor forgets the old key")
		Expect(c.sim.RotateKey(c.projectID, &wrongKey.PublicKey)).To(Succeed())
		_, err := c.sim.VerifyToken(former["groups-red Ada"])
		Expect(err).To(HaveOccurred())
		edit(set, func(set *v1alpha1.BreakoutSet) { set.Spec.Rooms[0].DisplayName = "Crimson" })
		c.waitReady(set)
		c.waitReady(va)
		c.waitReady(rooms[1]) // it follows its new name by itself

		Expect(c.api.of("meetingrooms")).To(Equal([]string{"PUT status", "PUT status", "PUT status", "PUT", "PUT status"}),
			"one status each for the new tokens, and then the new name")
		calls := map[simulator.Op]int{}
		for _, call := range c.sim.CallsSince(began) {
			Expect(call.Status).To(BeElementOf(200, 204), "%s", call.Op)
			calls[call.Op]++
		}
		Expect(calls).To(Equal(map[simulator.Op]int{simulator.OpListArchives: 1, simulator.OpSignal: 3}), "one probe of the new key, and the new name")
		Expect(ada.Connected() && ben.Connected()).To(BeTrue())
		Expect(unready()).To(BeEmpty())
	})

	It("that the vendor revokes make the account say so, and rooms when their tokens run out", func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) { r.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(int32(3600))} })
		session := room.Status.SessionID
		expires := tokenOf(room, "Ada").ExpiresAt.Time

		By("403 to everything; another room finds it out")
		w.turn(recheckSuspect)
		w.sim.AddFault(simulator.Fault{Kind: simulator.FaultForbidden})
		late := w.makeRoom("physics")
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		w.waitStalled(late, v1alpha1.CredentialsRejectedReason)
		w.waitReady(room)
		began := w.sim.LastSeq()
		const steps = 120
		for left := time.Duration(steps); left > 0; left-- {
			w.turn(expires.Add(-time.Second).Sub(w.clock.Now()) / left)
			w.rest()
		}
		attempts := w.sim.CallsSince(began)
		Expect(len(attempts)).To(And(BeNumerically(">=", 30), BeNumerically("<=", 60)), "the account tries once a minute")
		for _, call := range attempts {
			Expect(call.Op).To(Equal(simulator.OpListArchives), "and nobody else at all")
		}
		w.waitReady(room)
		w.clock.SetTime(expires)
		w.waitStalled(room, v1alpha1.TokensExpiredReason)
		Expect(room.Status.SessionID).To(Equal(session))
		Expect(w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, "").Message).NotTo(BeEmpty())

		By("the key works again")
		w.sim.ClearFaults()
		w.turn(2 * recheckRejected)
		w.waitReady(va)
		w.waitReady(room)
		w.turn(retryMost)
		w.waitReady(late)
		Expect(room.Status.SessionID).To(Equal(session))
		w.connect(tokenOf(room, "Ada").Token)
	})
})

// watchForUnready watches the world's rooms from now on; what it returns tells which of them ever said that they were not Ready.
func (w *world) watchForUnready() func() []string {
	GinkgoHelper()
	watcher, err := client.NewWithWatch(adminConfig, client.Options{Scheme: NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	opened, err := watcher.Watch(context.Background(), &v1alpha1.MeetingRoomList{}, client.InNamespace(w.namespace))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(opened.Stop)
	return func() []string {
		marker := w.makeRoom("marker") // seen after everything that was written before
		complaints := []string{}
		for e := range opened.ResultChan() {
			room := e.Object.(*v1alpha1.MeetingRoom)
			if room.Name == marker.Name {
				break
			}
			for _, c := range room.Status.Conditions {
				if c.Type == v1alpha1.ReadyCondition && c.Status != metav1.ConditionTrue {
					complaints = append(complaints, fmt.Sprintf("%s: %s %s", room.Name, c.Reason, c.Message))
				}
			}
		}
		return complaints
	}
}
