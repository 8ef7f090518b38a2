// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

var _ = Describe("A BreakoutSet", func() {
	Describe("opening", func() {
		It("makes the rooms, assigns the students and sends the list to the main room once", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo", "Dan")
			c.mark()
			set := c.open("groups", sim.WithRooms("red=Red team", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))

			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))
			for _, browser := range c.browsers {
				Expect(c.received(browser)).To(Equal([]string{
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
			Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "groups")))

			red := c.room("groups", "red")
			Expect(metav1.IsControlledBy(red, set)).To(BeTrue())
			Expect(participantsOf(red)).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
			Expect(red.Spec.DisplayName).To(Equal("Red team"))
			Expect(c.enter("groups", "red", "Ada").SessionID()).To(Equal(red.Status.SessionID))

			// A child room costs two writes. The set's own: finalizer, rooms asked for, the plan, and that it was
			// delivered; the main room's: the lock.
			Expect(c.did()).To(ConsistOf(
				"create meetingrooms/groups-red", "vonage createSession groups-red",
				"update meetingrooms/groups-red/status",
				"create meetingrooms/groups-blue", "vonage createSession groups-blue",
				"update meetingrooms/groups-blue/status",
				"update breakoutsets/groups", "update breakoutsets/groups/status", "update breakoutsets/groups/status",
				"update breakoutsets/groups/status",
				"update meetingrooms/class/status", "vonage post class signal roomCreated (automatic)",
			))
		}))

		It("sends hosts a move of their own to where they were placed", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red", "blue"), sim.WithPlacements("Ada=red", "Host=blue"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: Host"))
			Expect(c.received(c.browsers["Ben"])).To(Equal([]string{
				"roomCreated (automatic) Class(Co Ben Host) red(>Ada) blue()",
				"participantMoved Class(Co Ben) red(Ada) blue(>Host)",
			}))
		}))

		It("lets people choose, after those who are placed were sent there", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red/2", "blue"), withMode(v1alpha1.ModeChoose, "Ada=red"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: "))
			Expect(c.received(c.browsers["Ben"])).To(Equal([]string{
				"participantMoved Class(Host Co Ben) red(>Ada) blue()",
				"roomCreated (chooseroom) Class(Host Co Ben) red(Ada) blue()",
			}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
		}))

		It("takes a number of rooms and kubectl scale", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(2)) })
			Expect(placesOf(set)).To(Or(Equal("room-1: Ada; room-2: Ben"), Equal("room-1: Ben; room-2: Ada")))
			first := c.received(c.browsers["Host"])
			Expect(first).To(HaveLen(1))

			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(3)) })
			c.waitReady(set)
			Expect(set.Status.Rooms).To(HaveLen(3))
			Expect(c.received(c.browsers["Host"])[1:]).To(
				HaveExactElements(HavePrefix("roomAdded Class(Host Co) room-1(")),
			)

			c.Pass(7 * time.Second) // by now everybody is where they were sent
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(0)) })
			c.receivesAfter(2, c.browsers["Host"], Equal([]string{"allRoomRemoved"}))
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(set.Status.Replicas).To(HaveValue(BeZero()))
			Expect(set.Status.State).To(Equal(v1alpha1.StateOpen))
		}))

		It("opens without rooms that are not ready in 30 s, and adds them later", story(func() {
			c := newClassroom("Ada", "Ben")
			// Not 503: then no call is made before the vendor is found to answer again, and whether signals wait for
			// that depends on who is first.
			c.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpCreateSession, After: 1, Kind: simulator.FaultStatus, Status: http.StatusNotFound,
			})
			set := c.makeSet("groups", sim.WithRooms("red", "blue"), sim.WithPlacements("Ada=red", "Ben=blue"))
			c.Pass(time.Second) // how far it is, is written once a second
			eventually(c, func() int32 { return ptr.Deref(refresh(c, set).Status.ReadyRooms, 0) }, BeEquivalentTo(1))
			Expect(c.received(c.browsers["Host"])).To(BeEmpty())
			c.Pass(29 * time.Second)
			c.receives(c.browsers["Host"], HaveLen(1))
			Expect(meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)).To(BeFalse())

			c.Vendor.ClearFaults()
			c.Pass(time.Minute)
			c.waitReady(set)
			Expect(c.received(c.browsers["Host"])[1:]).To(HaveExactElements(HavePrefix("roomAdded"),
				HavePrefix("participantMoved")))
		}))
	})

	Describe("closing", func() {
		DescribeTable("calls everybody back, waits for the grace, then disconnects whoever is left and frees "+
			"the meeting", story(func(shut func(*classroom, *v1alpha1.BreakoutSet)) {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red", "blue"), sim.WithPlacements("Ada=red", "Ben=blue"))
			ada, ben, host := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.browsers["Host"]
			c.onTheSecond()
			c.Pass(7 * time.Second)
			shut(c, set)
			c.waitCondition(set, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClosingReason)
			for _, browser := range []*simulator.Client{ada, ben} {
				Expect(c.received(browser)).To(Equal([]string{"allRoomRemoved"}))
			}
			Expect(c.received(host)[1:]).To(Equal([]string{"allRoomRemoved"}))
			ben.Disconnect()
			c.Pass(10*time.Second - time.Millisecond)
			Expect(ada.Connected() && host.Connected()).To(BeTrue())
			c.Pass(time.Millisecond)
			Expect(ada.DisconnectReason()).To(Equal(simulator.ReasonForceDisconnected))
			for _, room := range []string{"groups-red", "groups-blue"} {
				Expect(c.Room(room)).To(BeNil())
			}
			main := c.Room("class")
			set = c.Set("groups")
			switch {
			case main == nil:
				Expect(host.DisconnectReason()).To(Equal(simulator.ReasonForceDisconnected))
				c.waitStalled(set, v1alpha1.MeetingRoomNotFoundReason)
				return
			case set != nil:
				c.waitReady(set)
				Expect(set.Status).To(And(HaveField("State", v1alpha1.StateClosed), HaveField("Rooms", BeEmpty())))
			}
			Expect(main.Status.ActiveBreakoutSet).To(BeNil())
			Expect(host.Connected()).To(BeTrue())

			if set == nil {
				c.open("groups", sim.WithRooms("red"))
			} else {
				edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredOpen })
				c.waitReady(set)
			}
			Expect(c.received(host)[2:]).To(HaveExactElements(HavePrefix("roomCreated (automatic)")))
		}),
			Entry("when it is closed", func(c *classroom, set *v1alpha1.BreakoutSet) { edit(c, set, closed) }),
			Entry("when it is deleted", func(c *classroom, set *v1alpha1.BreakoutSet) { c.Delete(set) }),
			Entry("when the main room is deleted", func(c *classroom, _ *v1alpha1.BreakoutSet) { c.Delete(c.main) }),
		)
	})

	Describe("in the way of another", func() {
		It("waits until the meeting is free and everybody is back", story(func() {
			c := newClassroom("Ada")
			first := c.open("first", sim.WithRooms("red"))
			second := c.makeSet("second", sim.WithRooms("blue"))
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			c.Pass(7 * time.Second)
			edit(c, first, closed)
			c.waitReconciling(first, v1alpha1.ClosingReason)
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			Expect(c.received(c.browsers["Host"])).To(HaveLen(2))
			c.Pass(10 * time.Second)
			c.waitReady(second)
			Expect(c.received(c.browsers["Host"])[2:]).To(Equal([]string{
				"roomCreated (automatic) Class(Host Co) blue(>Ada)",
			}))
		}))
	})

	Describe("edited while open", func() {
		It("sends rooms added, renamed and resized, and moves nobody", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(7 * time.Second)
			edit(c, set, sim.WithRooms("red=Crimson", "blue/4", "green"))
			c.waitReady(set)
			Expect(c.received(ada)).To(Equal([]string{
				"roomEdited Class(Host Co) Crimson(Ada) blue(Ben)",
				"roomAdded Class(Host Co) Crimson(Ada) blue(Ben) green()",
			}))
		}))

		It("moves who is placed elsewhere, with the token there before the signal, and nobody else", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", sim.WithRooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(7 * time.Second)
			edit(c, set, withMode(v1alpha1.ModeAutomatic, "Ada=blue", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.received(ada)).To(Equal([]string{"participantMoved Class(Host Co) red(Ben) blue(Cleo >Ada)"}))
			eventually(c, func() []string { return participantsOf(c.room("groups", "red")) },
				Equal([]string{"Host", "Co", "Ben"}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Cleo"}))

			c.Pass(7 * time.Second)
			edit(c, set, withMode(v1alpha1.ModeAutomatic, "Ada=main", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.received(ada)[1:]).To(Equal([]string{"participantMoved Class(Host Co >Ada) red(Ben) blue(Cleo)"}))
		}))

		It("moves the people of a removed room first, and removes it when they have gone", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada, ben := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben")
			c.Pass(7 * time.Second)
			edit(c, set, func(s *v1alpha1.BreakoutSet) {
				sim.WithRooms("blue")(s)
				withMode(v1alpha1.ModeAutomatic)(s)
			})
			c.receives(ada, Equal([]string{"participantMoved Class(Host Co) blue(Ben >Ada) red()"}))
			c.receives(ben, HaveLen(1))
			c.Pass(breakout.RepeatAfter - time.Millisecond)
			Expect(c.received(ben)).To(HaveLen(1))
			c.Pass(time.Millisecond)
			c.receivesAfter(1, ben, Equal([]string{"roomRemoved Class(Host Co) blue(Ada Ben)"}))
			c.receivesAfter(1, ada, Equal([]string{"roomRemoved Class(Host Co) blue(Ada Ben)"}))
			Expect(ada.Connected()).To(BeTrue())
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(ada.Connected()).To(BeFalse()) // this browser never reacted
		}))

		It("places who comes late in the emptiest room, and follows who leaves or is promoted", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", sim.WithRooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			host := c.browsers["Host"]
			c.Pass(7 * time.Second)
			edit(c, c.main, joined("Dan"))
			c.receivesAfter(1, host, Equal([]string{"participantMoved Class(Host Co) red(Ada Ben) blue(Cleo >Dan)"}))
			Expect(tokenOf(c.room("groups", "blue"), "Dan")).NotTo(BeNil())

			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants[2].Role = v1alpha1.RoleCoHost })
			c.receivesAfter(2, host, Equal([]string{
				`update-participant [{"id":"Host","name":"Host","role":"moderator","isCohost":false},{"id":"Co","name":"Co","role":"participant","isCohost":true},` +
					`{"id":"Ada","name":"Ada","role":"participant","isCohost":true},{"id":"Ben","name":"Ben","role":"participant","isCohost":false},` +
					`{"id":"Cleo","name":"Cleo","role":"participant","isCohost":false},{"id":"Dan","name":"Dan","role":"participant","isCohost":false}]`,
			}))
			eventually(c, func() []string { return participantsOf(c.room("groups", "blue")) }, ContainElement("Ada"))
			c.waitReady(set)
			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))

			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[:3] })
			eventually(c, func() string { return placesOf(refresh(c, set)) }, Equal("red: Ada; blue: "))
			c.Settle()
			Expect(c.received(host)).To(HaveLen(3))
		}))

		It("puts back a breakout room that was edited by hand, and makes anew one that was deleted", story(func() {
			c := newClassroom("Ada")
			set := c.open("groups", sim.WithRooms("red", "blue"), sim.WithPlacements("Ada=red"))
			host := c.browsers["Host"]
			red := c.room("groups", "red")
			edit(c, red, func(r *v1alpha1.MeetingRoom) { r.Spec.DisplayName, r.Spec.Participants = "Mine", nil })
			eventually(c, func() string { return c.room("groups", "red").Spec.DisplayName }, BeEmpty())
			eventually(c, func() []string { return participantsOf(c.room("groups", "red")) },
				Equal([]string{"Host", "Co", "Ada"}))
			c.Pass(7 * time.Second)
			c.waitReady(set)
			Expect(c.received(host)).To(HaveLen(1))

			c.Delete(red)
			c.receivesAfter(1, host, Equal([]string{"roomRemoved Class(Host Co Ada) blue()"}))
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(c.received(host)[2:]).To(Equal([]string{
				"roomAdded Class(Host Co Ada) red() blue()",
				"participantMoved Class(Host Co) red(>Ada) blue()",
			}))
			Expect(c.room("groups", "red").Status.SessionID).NotTo(Equal(red.Status.SessionID))
		}))
	})

	Describe("with bad input", func() {
		It("waits for a meeting room that does not exist", story(func() {
			c := newClassroom()
			set := c.makeSet("groups", sim.WithRooms("red"), func(s *v1alpha1.BreakoutSet) {
				s.Spec.MeetingRoomRef.Name = "later"
			})
			c.waitStalled(set, v1alpha1.MeetingRoomNotFoundReason)
			c.makeRoom("later")
			c.waitReady(set)
		}))

		It("refuses a breakout room as meeting room", story(func() {
			c := newClassroom()
			c.open("groups", sim.WithRooms("red"))
			set := c.makeSet("nested", sim.WithRooms("blue"), func(s *v1alpha1.BreakoutSet) {
				s.Spec.MeetingRoomRef.Name = "groups-red"
			})
			c.waitStalled(set, v1alpha1.MeetingRoomIsBreakoutReason)
		}))

		It("never takes over a MeetingRoom of the name that a breakout room needs", story(func() {
			c := newClassroom()
			mine := c.makeReadyRoom("groups-red")
			set := c.makeSet("groups", sim.WithRooms("red"))
			c.waitStalled(set, v1alpha1.RoomNameTakenReason)
			Expect(refresh(c, mine).OwnerReferences).To(BeEmpty())
			c.Delete(mine)
			c.waitGone(mine)
			c.Pass(61 * time.Second)
			c.waitReady(set)
		}))

		It("says which placements name nobody or no room, and honors the others", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red"), sim.WithPlacements("Ada=red", "Ben=nowhere"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse,
				v1alpha1.UnknownRoomReason)
			Expect(placesOf(set)).To(Equal("red: Ada"))
			edit(c, set, sim.WithPlacements("Ada=red", "Zoe=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse,
				v1alpha1.UnknownParticipantReason)
			edit(c, set, sim.WithPlacements("Ada=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionTrue, "")
		}))

		It("throws nobody out of a room that shrinks, and sends the next ones elsewhere", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red", "blue/1"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))
			edit(c, set, sim.WithRooms("red/1", "blue/1"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse,
				v1alpha1.OverCapacityReason)
			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: "))
			edit(c, c.main, joined("Cleo", "Dan"))
			eventually(c, func() []v1alpha1.ParticipantName { return refresh(c, set).Status.Unassigned }, HaveLen(1))
			Expect(set.Status.Rooms[0].Participants).To(HaveLen(2))
		}))

		It("refuses to mint tokens for too many choices", story(func() {
			c := newClassroom("Ada")
			edit(c, c.main, func(r *v1alpha1.MeetingRoom) {
				for i := range 20 {
					r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{
						Name: v1alpha1.ParticipantName("Student " + string(rune('A'+i))),
					})
				}
			})
			set := c.makeSet("groups", withMode(v1alpha1.ModeChoose), func(s *v1alpha1.BreakoutSet) {
				s.Spec.Replicas = new(int32(250))
			})
			c.waitStalled(set, v1alpha1.TooManyTokensReason)
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(2)) })
			c.waitReady(set)
		}))
	})
})
