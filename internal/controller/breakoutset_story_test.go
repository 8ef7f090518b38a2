// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("A BreakoutSet", func() {
	Describe("opening", func() {
		It("makes the rooms, assigns the students and tells the main room once", func() {
			c := newClassroom("Ada", "Ben", "Cleo", "Dan")
			c.quiet()
			c.api.reset()
			set := c.open("groups", withRooms("red=Red team", "blue"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))

			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))
			for _, browser := range c.browsers {
				Expect(c.told(browser)).To(Equal([]string{
					"roomCreated (automatic) Class(Host Co) Red team(>Ada >Ben) blue(>Cleo >Dan)",
				}))
			}
			Expect(set.Status).To(And(
				HaveField("Replicas", HaveValue(BeEquivalentTo(2))),
				HaveField("ReadyRooms", HaveValue(BeEquivalentTo(2))),
				HaveField("Signals.Pending", BeNil()),
				HaveField("OpenedAt", Not(BeNil())),
			))
			Expect(meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)).To(BeTrue())
			Expect(refresh(c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "groups")))

			red := c.room("groups", "red")
			Expect(metav1.IsControlledBy(red, set)).To(BeTrue())
			Expect(participantsOf(red)).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
			Expect(red.Spec.DisplayName).To(Equal("Red team"))
			Expect(c.enter("groups", "red", "Ada").SessionID()).To(Equal(red.Status.SessionID))

			c.quiet()
			// A child room costs two writes. The set's own: finalizer, rooms asked for, the plan, and that it was told; the main room's: the lock.
			Expect(c.api.of("meetingrooms")).To(ConsistOf("POST", "POST", "PUT status", "PUT status", "PUT status"))
			Expect(c.api.of("breakoutsets")).To(ConsistOf("PUT", "PUT status", "PUT status", "PUT status"))
			Expect(c.callsOf(simulator.OpCreateSession)).To(HaveLen(3))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(1))
		})

		It("tells hosts by a move of their own where they were placed", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red", "Host=blue"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: Host"))
			Expect(c.told(c.browsers["Ben"])).To(Equal([]string{
				"roomCreated (automatic) Class(Co Ben Host) red(>Ada) blue()",
				"participantMoved Class(Co Ben) red(Ada) blue(>Host)",
			}))
		})

		It("lets people choose, after those who are placed were sent there", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red/2", "blue"), withMode(v1alpha1.ModeChoose, "Ada=red"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: "))
			Expect(c.told(c.browsers["Ben"])).To(Equal([]string{
				"participantMoved Class(Host Co Ben) red(>Ada) blue()",
				"roomCreated (chooseroom) Class(Host Co Ben) red(Ada) blue()",
			}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
		})

		It("takes a number of rooms and kubectl scale", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](2) })
			Expect(placesOf(set)).To(Or(Equal("room-1: Ada; room-2: Ben"), Equal("room-1: Ben; room-2: Ada")))
			first := c.told(c.browsers["Host"])
			Expect(first).To(HaveLen(1))

			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](3) })
			c.waitReady(set)
			Expect(set.Status.Rooms).To(HaveLen(3))
			Expect(c.told(c.browsers["Host"])[1:]).To(HaveExactElements(HavePrefix("roomAdded Class(Host Co) room-1(")))

			c.turn(7 * time.Second) // by now everybody is where they were sent
			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](0) })
			Eventually(func() []string { return c.told(c.browsers["Host"])[2:] }).Should(Equal([]string{"allRoomRemoved"}))
			Eventually(func() *metav1.Time { return c.room("groups", "room-1").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(c.beyond(*c.room("groups", "room-1").DeletionTimestamp, 11*time.Second))
			c.waitReady(set)
			Expect(set.Status.Replicas).To(HaveValue(BeZero()))
			Expect(set.Status.State).To(Equal(v1alpha1.StateOpen))
		})

		It("opens without rooms that are not ready in 30 s, and adds them later", func() {
			c := newClassroom("Ada", "Ben")
			// Not 503: then no call is made before the vendor is found to answer again, and whether signals wait for that depends on who is first.
			c.sim.AddFault(simulator.Fault{Op: simulator.OpCreateSession, After: 1, Kind: simulator.FaultStatus, Status: http.StatusNotFound})
			set := c.makeSet("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue"))
			c.quiet()
			c.turn(time.Second) // how far it is, is written once a second
			Eventually(func() int32 { return ptr.Deref(refresh(set).Status.ReadyRooms, 0) }).Should(BeEquivalentTo(1))
			Expect(c.told(c.browsers["Host"])).To(BeEmpty())
			c.turn(c.room("groups", "blue").CreationTimestamp.Add(31 * time.Second).Sub(c.clock.Now())) // the API server's clock has gone on meanwhile
			Eventually(func() []string { return c.told(c.browsers["Host"]) }).Should(HaveLen(1))
			Expect(meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)).To(BeFalse())

			c.sim.ClearFaults()
			c.turn(time.Minute)
			c.waitReady(set)
			Expect(c.told(c.browsers["Host"])[1:]).To(HaveExactElements(HavePrefix("roomAdded"), HavePrefix("participantMoved")))
		})
	})

	Describe("closing", func() {
		It("calls everybody back, waits for the grace, then disconnects whoever is left and frees the meeting", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue"))
			ada, ben := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben")
			c.turn(7 * time.Second)

			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredClosed })
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"allRoomRemoved"}))
			Eventually(func() []string { return c.told(ben) }).Should(Equal([]string{"allRoomRemoved"}))
			Eventually(func() []string { return c.told(c.browsers["Host"])[1:] }).Should(Equal([]string{"allRoomRemoved"}))
			ben.Disconnect()
			Consistently(ada.Connected, 300*time.Millisecond).Should(BeTrue())

			c.turn(11 * time.Second)
			c.waitReady(set)
			Expect(set.Status.State).To(Equal(v1alpha1.StateClosed))
			Expect(ada.Connected()).To(BeFalse())
			Expect(ada.DisconnectReason()).To(Equal("forceDisconnected"))
			Expect(c.browsers["Host"].Connected()).To(BeTrue())
			Eventually(func() *v1alpha1.ActiveBreakoutSet { return refresh(c.main).Status.ActiveBreakoutSet }).Should(BeNil())
			Expect(set.Status.Rooms).To(BeEmpty())

			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredOpen })
			c.waitReady(set)
			Expect(set.Status.State).To(Equal(v1alpha1.StateOpen))
			Expect(c.told(c.browsers["Host"])[2:]).To(HaveExactElements(HavePrefix("roomCreated (automatic)")))
		})

		DescribeTable("by deletion", func(policy metav1.DeletionPropagation) {
			c := newClassroom("Ada")
			set := c.open("groups", withRooms("red"))
			ada := c.enter("groups", "red", "Ada")
			c.turn(7 * time.Second)
			Expect(admin.Delete(context.Background(), set, client.PropagationPolicy(policy))).To(Succeed())
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"allRoomRemoved"}))
			Consistently(ada.Connected, 300*time.Millisecond).Should(BeTrue())
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(12 * time.Second)
			waitGone(set)
			Expect(ada.Connected()).To(BeFalse())
			waitGone(&v1alpha1.MeetingRoom{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "groups-red"}})
			Eventually(func() *v1alpha1.ActiveBreakoutSet { return refresh(c.main).Status.ActiveBreakoutSet }).Should(BeNil())
		},
			Entry("in the background", metav1.DeletePropagationBackground),
			Entry("in the foreground", metav1.DeletePropagationForeground),
		)

		It("comes first when the main room is deleted", func() {
			c := newClassroom("Ada")
			set := c.open("groups", withRooms("red"))
			ada := c.enter("groups", "red", "Ada")
			c.turn(7 * time.Second)
			Expect(admin.Delete(context.Background(), c.main)).To(Succeed())
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"allRoomRemoved"}))
			Expect(c.browsers["Host"].Connected()).To(BeTrue())
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(12 * time.Second)
			waitGone(c.main)
			Expect(c.browsers["Host"].Connected()).To(BeFalse())
			c.waitStalled(set, v1alpha1.MeetingRoomNotFoundReason)
		})
	})

	Describe("in the way of another", func() {
		It("waits until the meeting is free and everybody is back", func() {
			c := newClassroom("Ada")
			first := c.open("first", withRooms("red"))
			second := c.makeSet("second", withRooms("blue"))
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			c.turn(7 * time.Second)
			edit(first, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredClosed })
			c.waitReconciling(first, v1alpha1.ClosingReason)
			Eventually(func() *metav1.Time { return c.room("first", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			Expect(c.told(c.browsers["Host"])).To(HaveLen(2))
			c.turn(12 * time.Second)
			c.waitReady(second)
			Expect(c.told(c.browsers["Host"])[2:]).To(Equal([]string{"roomCreated (automatic) Class(Host Co) blue(>Ada)"}))
		})
	})

	Describe("edited while open", func() {
		It("tells of rooms added, renamed and resized, and moves nobody", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada := c.enter("groups", "red", "Ada")
			c.turn(7 * time.Second)
			edit(set, withRooms("red=Crimson", "blue/4", "green"))
			c.waitReady(set)
			Expect(c.told(ada)).To(Equal([]string{
				"roomEdited Class(Host Co) Crimson(Ada) blue(Ben)",
				"roomAdded Class(Host Co) Crimson(Ada) blue(Ben) green()",
			}))
		})

		It("moves who is placed elsewhere, with the token there before the signal, and nobody else", func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			ada := c.enter("groups", "red", "Ada")
			c.turn(7 * time.Second)
			edit(set, withMode(v1alpha1.ModeAutomatic, "Ada=blue", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.told(ada)).To(Equal([]string{"participantMoved Class(Host Co) red(Ben) blue(Cleo >Ada)"}))
			Eventually(func() []string { return participantsOf(c.room("groups", "red")) }).Should(Equal([]string{"Host", "Co", "Ben"}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Cleo"}))

			c.turn(7 * time.Second)
			edit(set, withMode(v1alpha1.ModeAutomatic, "Ada=main", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.told(ada)[1:]).To(Equal([]string{"participantMoved Class(Host Co >Ada) red(Ben) blue(Cleo)"}))
		})

		It("moves the people of a removed room first, and removes it when they have gone", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada, ben := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben")
			c.turn(7 * time.Second)
			edit(set, func(s *v1alpha1.BreakoutSet) {
				withRooms("blue")(s)
				withMode(v1alpha1.ModeAutomatic)(s)
			})
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"participantMoved Class(Host Co) blue(Ben >Ada) red()"}))
			Eventually(func() []string { return c.told(ben) }).Should(HaveLen(1))
			c.quiet()
			c.turn(5 * time.Second)
			Consistently(func() []string { return c.told(ben) }, 200*time.Millisecond).Should(HaveLen(1))
			c.turn(time.Second)
			Eventually(func() []string { return c.told(ben)[1:] }).Should(Equal([]string{"roomRemoved Class(Host Co) blue(Ada Ben)"}))
			Eventually(func() []string { return c.told(ada)[1:] }).Should(Equal([]string{"roomRemoved Class(Host Co) blue(Ada Ben)"}))
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			Expect(ada.Connected()).To(BeTrue())
			c.turn(c.beyond(*c.room("groups", "red").DeletionTimestamp, 11*time.Second))
			c.waitReady(set)
			Expect(ada.Connected()).To(BeFalse()) // this browser never reacted
		})

		It("places who comes late in the emptiest room, and follows who leaves or is promoted", func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			host := c.browsers["Host"]
			c.turn(7 * time.Second)
			edit(c.main, func(r *v1alpha1.MeetingRoom) {
				r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: "Dan"})
			})
			Eventually(func() []string { return c.told(host)[1:] }).Should(Equal([]string{"participantMoved Class(Host Co) red(Ada Ben) blue(Cleo >Dan)"}))
			Expect(tokenOf(c.room("groups", "blue"), "Dan")).NotTo(BeNil())

			edit(c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants[2].Role = v1alpha1.RoleCoHost })
			Eventually(func() []string { return c.told(host)[2:] }).Should(Equal([]string{
				`update-participant [{"id":"Host","name":"Host","role":"moderator","isCohost":false},{"id":"Co","name":"Co","role":"participant","isCohost":true},` +
					`{"id":"Ada","name":"Ada","role":"participant","isCohost":true},{"id":"Ben","name":"Ben","role":"participant","isCohost":false},` +
					`{"id":"Cleo","name":"Cleo","role":"participant","isCohost":false},{"id":"Dan","name":"Dan","role":"participant","isCohost":false}]`,
			}))
			Eventually(func() []string { return participantsOf(c.room("groups", "blue")) }).Should(ContainElement("Ada"))
			c.waitReady(set)
			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))

			edit(c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[:3] })
			Eventually(func() string { return placesOf(refresh(set)) }).Should(Equal("red: Ada; blue: "))
			c.quiet()
			Expect(c.told(host)).To(HaveLen(3))
		})

		It("puts back a breakout room that was edited by hand, and makes anew one that was deleted", func() {
			c := newClassroom("Ada")
			set := c.open("groups", withRooms("red", "blue"), withMode(v1alpha1.ModeManual, "Ada=red"))
			host := c.browsers["Host"]
			red := c.room("groups", "red")
			edit(red, func(r *v1alpha1.MeetingRoom) { r.Spec.DisplayName, r.Spec.Participants = "Mine", nil })
			Eventually(func() string { return c.room("groups", "red").Spec.DisplayName }).Should(BeEmpty())
			Eventually(func() []string { return participantsOf(c.room("groups", "red")) }).Should(Equal([]string{"Host", "Co", "Ada"}))
			c.turn(7 * time.Second)
			c.waitReady(set)
			Expect(c.told(host)).To(HaveLen(1))

			Expect(admin.Delete(context.Background(), red)).To(Succeed())
			Eventually(func() []string { return c.told(host)[1:] }).Should(Equal([]string{"roomRemoved Class(Host Co Ada) blue()"}))
			c.quiet()
			c.turn(c.beyond(*c.room("groups", "red").DeletionTimestamp, 11*time.Second))
			c.waitReady(set)
			Expect(c.told(host)[2:]).To(Equal([]string{
				"roomAdded Class(Host Co Ada) red() blue()",
				"participantMoved Class(Host Co) red(>Ada) blue()",
			}))
			Expect(c.room("groups", "red").Status.SessionID).NotTo(Equal(red.Status.SessionID))
		})
	})

	Describe("with bad input", func() {
		It("waits for a meeting room that does not exist", func() {
			c := newClassroom()
			set := c.makeSet("groups", withRooms("red"), func(s *v1alpha1.BreakoutSet) { s.Spec.MeetingRoomRef.Name = "later" })
			c.waitStalled(set, v1alpha1.MeetingRoomNotFoundReason)
			c.makeRoom("later")
			c.waitReady(set)
		})

		It("refuses a breakout room as meeting room", func() {
			c := newClassroom()
			c.open("groups", withRooms("red"))
			set := c.makeSet("nested", withRooms("blue"), func(s *v1alpha1.BreakoutSet) { s.Spec.MeetingRoomRef.Name = "groups-red" })
			c.waitStalled(set, v1alpha1.MeetingRoomIsBreakoutReason)
		})

		It("never takes over a MeetingRoom of the name that a breakout room needs", func() {
			c := newClassroom()
			mine := c.makeReadyRoom("groups-red")
			set := c.makeSet("groups", withRooms("red"))
			c.waitStalled(set, v1alpha1.RoomNameTakenReason)
			Expect(refresh(mine).OwnerReferences).To(BeEmpty())
			Expect(admin.Delete(context.Background(), mine)).To(Succeed())
			waitGone(mine)
			c.turn(61 * time.Second)
			c.waitReady(set)
		})

		It("says which placements name nobody or no room, and honours the others", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=nowhere"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse, v1alpha1.UnknownRoomReason)
			Expect(placesOf(set)).To(Equal("red: Ada"))
			edit(set, withMode(v1alpha1.ModeManual, "Ada=red", "Zoe=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse, v1alpha1.UnknownParticipantReason)
			edit(set, withMode(v1alpha1.ModeManual, "Ada=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionTrue, "")
		})

		It("throws nobody out of a room that shrinks, and sends the next ones elsewhere", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red", "blue/1"), withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))
			edit(set, withRooms("red/1", "blue/1"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse, v1alpha1.OverCapacityReason)
			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: "))
			edit(c.main, func(r *v1alpha1.MeetingRoom) {
				r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: "Cleo"}, v1alpha1.Participant{Name: "Dan"})
			})
			Eventually(func() []v1alpha1.ParticipantName { return refresh(set).Status.Unassigned }).Should(HaveLen(1))
			Expect(set.Status.Rooms[0].Participants).To(HaveLen(2))
		})

		It("refuses to mint tokens for too many choices", func() {
			c := newClassroom("Ada")
			edit(c.main, func(r *v1alpha1.MeetingRoom) {
				for i := range 20 {
					r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: v1alpha1.ParticipantName("Student " + string(rune('A'+i)))})
				}
			})
			set := c.makeSet("groups", withMode(v1alpha1.ModeChoose), func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](250) })
			c.waitStalled(set, v1alpha1.TooManyTokensReason)
			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](2) })
			c.waitReady(set)
		})
	})
})
