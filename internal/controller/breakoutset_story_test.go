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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

var _ = Describe("A BreakoutSet", func() {
	Describe("opening", func() {
		It("makes the rooms, assigns the students and sends the list to the main room once", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo", "Dan")
			c.mark()
			set := c.open("groups", fixture.Rooms("red=Red team", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))

			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))
			for _, browser := range c.browsers {
				Expect(c.received(browser)).To(Equal([]string{
					"roomCreated (automatic) Class(Host Co) Red team(>Ada >Ben) blue(>Cleo >Dan)",
					"roles Host=host Co=co-host Ada Ben Cleo Dan",
				}))
			}
			Expect(set.Status).To(And(
				HaveField("Replicas", HaveValue(BeEquivalentTo(2))),
				HaveField("ReadyRooms", HaveValue(BeEquivalentTo(2))),
				HaveField("Signals.Moving", Equal(names("Ada", "Ben", "Cleo", "Dan"))),
				HaveField("Signals.DeliveredTime", Not(BeNil())),
				HaveField("OpenedAt", Not(BeNil())),
			))
			Expect(meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)).To(BeTrue())
			Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "groups")))

			red := c.room("groups", "red")
			Expect(metav1.IsControlledBy(red, set)).To(BeTrue())
			Expect(participantsOf(red)).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
			Expect(red.Spec.DisplayName).To(Equal("Red team"))
			Expect(c.enter("groups", "red", "Ada").SessionID()).To(Equal(red.Status.SessionID))

			Expect(lagging(set)).To(BeEmpty())

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
				"vonage post class signal update-participant",
			))

			// Those on the move are sent there again in two rounds, and in a third nobody is any more: then the set
			// says so.
			c.mark()
			c.Pass(rounds)
			Expect(c.received(c.browsers["Host"])[2:]).To(Equal([]string{
				"participantMoved Class(Host Co) Red team(>Ada >Ben) blue(>Cleo >Dan)",
				"participantMoved Class(Host Co) Red team(>Ada >Ben) blue(>Cleo >Dan)",
				"roomEdited Class(Host Co) Red team(Ada Ben) blue(Cleo Dan)",
				"roles Host=host Co=co-host Ada Ben Cleo Dan",
			}))
			Expect(c.wrote("breakoutsets")).To(HaveLen(1))
			Expect(refresh(c, set).Status.Signals).To(And(HaveField("Moving", BeEmpty()),
				HaveField("Sessions", BeEmpty())))
			c.Pass(time.Hour)
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(6))
		}))

		It("leads everybody to where they were placed, hosts too, and gives co-hosts their controls", story(func() {
			c := newClassroom("Ada", "Ben")
			c.JoinAll("class", func(j *sim.Joining) {
				if j.Name == "Co" {
					j.Role = v1alpha1.RoleParticipant // who leads is for the signals to say
				}
			})
			set := c.open("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Host=blue", "Co=red"))
			Expect(c.People["Co"].Page.Panel()).To(BeFalse())
			c.Pass(6 * time.Second)
			for _, leader := range []string{"Host", "Co"} {
				Expect(c.People[leader].Page.Panel()).To(BeTrue(), leader)
			}
			c.Pass(rounds)
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "blue", "Co": "red", "Ada": "red", "Ben": ""}))
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 1, "Co": 1, "Ada": 1, "Ben": 0}))

			// Both see all rooms where they are.
			edit(c, set, fixture.Rooms("red", "blue", "green"))
			c.waitReady(set)
			c.Pass(time.Second)
			for _, leader := range []string{"Host", "Co"} {
				Expect(c.People[leader].Page.Rooms()).To(HaveLen(4), leader)
			}
		}))

		It("sends hosts a move of their own to where they were placed", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Host=blue"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: Host"))
			Expect(c.received(c.browsers["Ben"])).To(Equal([]string{
				"roomCreated (automatic) Class(Co Ben) red(>Ada) blue(Host)",
				"participantMoved Class(Co Ben) red(Ada) blue(>Host)",
				"roles Co=co-host Ben Ada Host=host",
			}))
			c.Pass(rounds)
			Expect(c.received(c.browsers["Ben"])[3:]).To(Equal([]string{
				"participantMoved Class(Co Ben) red(>Ada) blue(>Host)",
				"participantMoved Class(Co Ben) red(>Ada) blue(>Host)",
				"roomEdited Class(Co Ben) red(Ada) blue(Host)",
				"roles Co=co-host Ben Ada Host=host",
			}))
		}))

		It("lets people choose, after those who are placed were sent there", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red/2", "blue"), withMode(v1alpha1.ModeChoose, "Ada=red"))
			Expect(placesOf(set)).To(Equal("red: Ada; blue: "))
			Expect(c.received(c.browsers["Ben"])).To(Equal([]string{
				"participantMoved Class(Host Co Ben) red(>Ada) blue()",
				"roomCreated (chooseroom) Class(Host Co Ben) red(Ada) blue()",
				"roles Host=host Co=co-host Ben Ada",
			}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))

			// Every list closes the prompt: it is opened again at once.
			c.Pass(rounds)
			moves, prompt := "participantMoved Class(Host Co Ben) red(>Ada) blue()",
				"roomCreated (chooseroom) Class(Host Co Ben) red(Ada) blue()"
			Expect(c.received(c.browsers["Ben"])[3:]).To(Equal([]string{
				moves, prompt, moves, prompt,
				"roomEdited Class(Host Co Ben) red(Ada) blue()", "roles Host=host Co=co-host Ben Ada", prompt,
			}))
		}))

		It("takes a number of rooms and kubectl scale", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(2)) })
			Expect(placesOf(set)).To(Or(Equal("room-1: Ada; room-2: Ben"), Equal("room-1: Ben; room-2: Ada")))
			first := c.received(c.browsers["Host"])
			Expect(first).To(HaveLen(2))
			c.Pass(rounds)
			before := len(c.received(c.browsers["Host"]))

			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(3)) })
			c.waitReady(set)
			Expect(set.Status.Rooms).To(HaveLen(3))
			Expect(c.received(c.browsers["Host"])[before:]).To(
				HaveExactElements(HavePrefix("roomAdded Class(Host Co) room-1(")),
			)

			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(0)) })
			c.Pass(rounds)
			Expect(c.received(c.browsers["Host"])[before+1 : before+4]).To(Equal([]string{
				"roomEdited Class(Host Co Ada Ben) room-1() room-2() room-3()",
				"participantMoved Class(Host Co Ada Ben) room-1() room-2() room-3()",
				"allRoomRemoved",
			}))
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
			set := c.makeSet("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Ben=blue"))
			c.Pass(time.Second) // how far it is, is written once a second
			eventually(c, func() int32 { return ptr.Deref(refresh(c, set).Status.ReadyRooms, 0) }, BeEquivalentTo(1))
			Expect(c.received(c.browsers["Host"])).To(BeEmpty())
			c.Pass(29 * time.Second)
			c.receives(c.browsers["Host"], HaveLen(2))
			Expect(meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)).To(BeFalse())

			c.Pass(rounds)
			before := len(c.received(c.browsers["Host"]))

			c.Vendor.ClearFaults()
			c.Pass(time.Minute)
			c.waitReady(set)
			Expect(c.received(c.browsers["Host"])[before : before+2]).To(HaveExactElements(HavePrefix("roomAdded"),
				HavePrefix("participantMoved")))
		}))
	})

	Describe("closing", func() {
		DescribeTable("calls everybody back, waits for the grace, then disconnects whoever is left and frees "+
			"the meeting", story(func(shut func(*classroom, *v1alpha1.BreakoutSet)) {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red", "Ben=blue"))
			ada, ben, host := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.browsers["Host"]
			c.Pass(rounds)
			c.onTheSecond()
			before := len(host.Signals())
			shut(c, set)
			c.waitCondition(set, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.ClosingReason)
			for _, browser := range []*simulator.Client{ada, ben} {
				Expect(c.received(browser)).To(Equal([]string{"allRoomRemoved"}))
			}
			Expect(c.received(host)[before:]).To(Equal([]string{"allRoomRemoved"}))
			ben.Disconnect()
			c.Pass(10*time.Second - time.Millisecond)
			Expect(ada.Connected() && host.Connected()).To(BeTrue())
			c.Pass(time.Millisecond)
			Expect(ada.DisconnectReason()).To(Equal(simulator.ReasonForceDisconnected))
			for _, room := range []string{"groups-red", "groups-blue"} {
				Expect(c.Room(room)).To(BeNil())
			}
			// for who was between two sessions
			Expect(c.received(host)[before:]).To(Equal([]string{"allRoomRemoved", "allRoomRemoved"}))
			c.Pass(10*time.Second - time.Millisecond)
			Expect(c.Room("class").Status.ActiveBreakoutSet).NotTo(BeNil())
			c.Pass(time.Millisecond)
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
				c.open("groups", fixture.Rooms("red"))
			} else {
				edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredOpen })
				c.waitReady(set)
			}
			Expect(c.received(host)[before+2:]).To(HaveExactElements(HavePrefix("roomCreated (automatic)"),
				HavePrefix("roles")))
		}),
			Entry("when it is closed", func(c *classroom, set *v1alpha1.BreakoutSet) { edit(c, set, closed) }),
			Entry("when it is deleted", func(c *classroom, set *v1alpha1.BreakoutSet) { c.Delete(set) }),
			Entry("when the main room is deleted", func(c *classroom, _ *v1alpha1.BreakoutSet) { c.Delete(c.main) }),
		)
	})

	Describe("in the way of another", func() {
		It("waits until the meeting is free and everybody is back", story(func() {
			c := newClassroom("Ada")
			first := c.open("first", fixture.Rooms("red"))
			second := c.makeSet("second", fixture.Rooms("blue"))
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			c.Pass(rounds)
			before := len(c.received(c.browsers["Host"]))
			edit(c, first, closed)
			c.waitReconciling(first, v1alpha1.ClosingReason)
			c.Pass(20*time.Second - time.Millisecond)
			c.waitReconciling(second, v1alpha1.MeetingRoomBusyReason)
			Expect(c.received(c.browsers["Host"])[before:]).To(Equal([]string{"allRoomRemoved", "allRoomRemoved"}))
			c.Pass(time.Millisecond)
			c.waitReady(second)
			Expect(c.received(c.browsers["Host"])[before+2:]).To(Equal([]string{
				"roomCreated (automatic) Class(Host Co) blue(>Ada)",
				"roles Host=host Co=co-host Ada",
			}))
		}))
	})

	Describe("edited while open", func() {
		It("sends rooms added, renamed and resized to those they concern, and moves nobody", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada, ben, host := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, set, fixture.Rooms("red=Crimson", "blue", "green"))
			c.waitReady(set)
			list := "Class(Host Co) Crimson(Ada) blue(Ben) green()"
			Expect(c.received(host)[before:]).To(Equal([]string{"roomEdited " + list, "roomAdded " + list}))
			Expect(c.received(ada)).To(Equal([]string{"roomEdited " + list}))
			Expect(ben.Signals()).To(BeEmpty())
			c.Pass(rounds)
			before = len(host.Signals())
			edit(c, set, fixture.Rooms("red=Crimson", "blue/4", "green"))
			c.waitReady(set)
			Expect(c.received(host)[before:]).To(Equal([]string{"roomEdited " + list}))
			Expect(c.received(ben)).To(Equal([]string{"roomEdited " + list}))
			Expect(ada.Signals()).To(HaveLen(1))
		}))

		It("moves who is placed elsewhere, with the token there before the signal, and nobody else", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(rounds)
			edit(c, set, withMode(v1alpha1.ModeAutomatic, "Ada=blue", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.received(ada)).To(Equal([]string{"participantMoved Class(Host Co) red(Ben) blue(Cleo >Ada)"}))
			// on the move
			Expect(participantsOf(c.room("groups", "red"))).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Cleo"}))
			c.Pass(rounds)
			Expect(participantsOf(c.room("groups", "red"))).To(Equal([]string{"Host", "Co", "Ben"}))
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Cleo"}))

			ada.Disconnect()
			ada = c.connect(tokenOf(c.room("groups", "blue"), "Ada").Token)
			edit(c, set, withMode(v1alpha1.ModeAutomatic, "Ada=main", "Ben=red", "Cleo=blue"))
			c.waitReady(set)
			Expect(c.received(ada)).To(Equal([]string{"participantMoved Class(Host Co >Ada) red(Ben) blue(Cleo)"}))
		}))

		It("moves the people of a removed room first, and removes it when they have gone", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ada, ben, host := c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, set, func(s *v1alpha1.BreakoutSet) {
				fixture.Rooms("blue")(s)
				withMode(v1alpha1.ModeAutomatic)(s)
			})
			out := "participantMoved Class(>Host >Co) blue(>Ada >Ben) red()" // nobody belongs here
			c.receives(ada, Equal([]string{out}))
			Expect(refresh(c, set).Status.Rooms).To(HaveExactElements(
				And(HaveField("Name", v1alpha1.BreakoutRoomName("blue")), HaveField("State", BeEmpty())),
				And(HaveField("Name", v1alpha1.BreakoutRoomName("red")), HaveField("State", v1alpha1.RoomLeaving)),
			))
			c.waitReconciling(set, v1alpha1.UpdatingReason)
			c.Pass(10*time.Second - time.Millisecond)
			Expect(ada.Signals()).To(HaveLen(1))
			c.Pass(time.Millisecond)
			gone := "roomRemoved Class(Host Co) blue(Ada Ben)"
			c.receives(ada, Equal([]string{out, gone}))
			c.receivesAfter(before, host, Equal([]string{
				"roomEdited Class(Host Co) blue(Ada Ben) red()", "participantMoved Class(Host Co) blue(Ben >Ada) red()",
				gone,
			}))
			Expect(ada.Connected()).To(BeTrue())
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(ada.Connected()).To(BeFalse()) // this browser never reacted
			c.Pass(rounds)
			Expect(refresh(c, set).Status.Rooms).To(HaveLen(1))
			Expect(ben.Signals()).To(BeEmpty())
		}))

		It("places who comes late in the emptiest room, and follows who leaves or is promoted", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red", "Cleo=blue"))
			host := c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, c.main, joined("Dan"))
			c.receivesAfter(before, host,
				Equal([]string{"participantMoved Class(Host Co) red(Ada Ben) blue(Cleo >Dan)"}))
			Expect(tokenOf(c.room("groups", "blue"), "Dan")).NotTo(BeNil())
			c.Pass(rounds)

			before = len(host.Signals())
			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants[2].Role = v1alpha1.RoleCoHost })
			c.receivesAfter(before, host, Equal([]string{"roles Host=host Co=co-host Ada=co-host Ben Cleo Dan"}))
			Expect(host.Signals()[before].Data).To(Equal(
				`[{"id":"Host","name":"Host","role":"moderator","isCohost":false},{"id":"Co","name":"Co","role":"participant","isCohost":true},` +
					`{"id":"Ada","name":"Ada","role":"participant","isCohost":true},{"id":"Ben","name":"Ben","role":"participant","isCohost":false},` +
					`{"id":"Cleo","name":"Cleo","role":"participant","isCohost":false},{"id":"Dan","name":"Dan","role":"participant","isCohost":false}]`,
			))
			eventually(c, func() []string { return participantsOf(c.room("groups", "blue")) }, ContainElement("Ada"))
			c.waitReady(set)
			Expect(placesOf(set)).To(Equal("red: Ada, Ben; blue: Cleo, Dan"))

			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[:3] })
			eventually(c, func() string { return placesOf(refresh(c, set)) }, Equal("red: Ada; blue: "))
			c.Pass(rounds)
			Expect(host.Signals()).To(HaveLen(before + 1))
		}))

		It("puts back a breakout room that was edited by hand, and makes anew one that was deleted", story(func() {
			c := newClassroom("Ada")
			set := c.open("groups", fixture.Rooms("red", "blue"), fixture.Placed("Ada=red"))
			host := c.browsers["Host"]
			red := c.room("groups", "red")
			edit(c, red, func(r *v1alpha1.MeetingRoom) { r.Spec.DisplayName, r.Spec.Participants = "Mine", nil })
			eventually(c, func() string { return c.room("groups", "red").Spec.DisplayName }, BeEmpty())
			eventually(c, func() []string { return participantsOf(c.room("groups", "red")) },
				Equal([]string{"Host", "Co", "Ada"}))
			c.Pass(rounds)
			c.waitReady(set)
			before := len(host.Signals())

			c.Delete(red)
			c.Pass(10 * time.Second)
			c.receivesAfter(before, host, Equal([]string{
				"roomEdited Class(Host Co Ada) blue() red()", "participantMoved Class(Host Co Ada) blue() red()",
				"roomRemoved Class(Host Co Ada) blue()",
			}))
			c.Pass(30 * time.Second)
			c.waitReady(set)
			Expect(placesOf(set)).To(Equal("red: Ada; blue: "))
			Expect(c.received(host)).To(ContainElements(
				"roomAdded Class(Host Co) red(Ada) blue()",
				"participantMoved Class(Host Co) red(>Ada) blue()",
			))
			Expect(c.room("groups", "red").Status.SessionID).NotTo(Equal(red.Status.SessionID))
		}))
	})

	Describe("that makes people choose", func() {
		It("is sent the change from Automatic together with the prompt, and is Ready only then", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=blue"))
			ben, host := c.enter("groups", "blue", "Ben"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			c.mark()
			var modes []v1alpha1.BreakoutSetMode // of each status that says that the set is Ready as it is asked for
			c.onChange = func(obj apiserver.Object) {
				is := &v1alpha1.BreakoutSet{}
				if obj["kind"] == "BreakoutSet" && runtime.DefaultUnstructuredConverter.FromUnstructured(obj,
					is) == nil && sim.IsReady(is) == nil {
					modes = append(modes, is.Status.Mode)
				}
			}
			edit(c, set, withMode(v1alpha1.ModeChoose, "Ada=red"))
			c.waitReady(set)
			Expect(modes).NotTo(BeEmpty())
			Expect(modes).To(HaveEach(v1alpha1.ModeChoose))
			Expect(c.received(host)[before:]).To(Equal([]string{
				"participantMoved Class(Host Co Ben) red(Ada) blue()",
				"roomCreated (chooseroom) Class(Host Co Ben) red(Ada) blue()",
			}))
			Expect(c.received(ben)).To(Equal([]string{"participantMoved Class(Host Co >Ben) red(Ada) blue()"}))
			Expect(c.wrote("breakoutsets")).To(HaveLen(3)) // the generation, the plan, and that it was delivered
			Expect(participantsOf(c.room("groups", "blue"))).To(Equal([]string{"Host", "Co", "Ada", "Ben"}))
		}))

		It("asks again who comes back because their room was removed", story(func() {
			c := newClassroom("Ada", "Ben")
			c.JoinAll("class")
			set := c.open("groups", fixture.Rooms("red", "blue"), withMode(v1alpha1.ModeChoose))
			c.Pass(time.Second)
			Expect(c.People["Ada"].Page.Prompted()).To(BeTrue())
			c.Choose("Ada", 0)
			c.Choose("Ben", 1)
			c.Pass(rounds)
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "", "Co": "", "Ada": "red", "Ben": "blue"}))
			edit(c, set, fixture.Rooms("blue"))
			c.Pass(time.Minute)
			c.waitReady(set)
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "", "Co": "", "Ada": "", "Ben": "blue"}))
			Expect(c.People["Ada"].Page.Prompted()).To(BeTrue())
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 2, "Ben": 1}))
		}))
	})

	Describe("edited without mercy", func() {
		// lesson is a set with everybody's page in its place.
		lesson := func() (*classroom, *v1alpha1.BreakoutSet) {
			GinkgoHelper()
			c := newClassroom("Ada", "Ben", "Cleo")
			c.JoinAll("class", func(j *sim.Joining) { j.Connect = 2 * time.Second })
			set := c.open("groups", fixture.Rooms("red", "blue", "green"),
				fixture.Placed("Ada=red", "Ben=blue", "Cleo=green"))
			c.Pass(rounds)
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "", "Co": "", "Ada": "red", "Ben": "blue",
				"Cleo": "green"}))
			return c, set
		}
		ended := func(c *classroom, set *v1alpha1.BreakoutSet, want map[string]string) {
			GinkgoHelper()
			c.waitReady(set)
			c.Pass(rounds)
			c.waitReady(set)
			Expect(set.Status.Signals).To(And(HaveField("Moving", BeEmpty()), HaveField("Sessions", BeEmpty())))
			want["Host"], want["Co"] = "", ""
			Expect(c.inRooms()).To(Equal(want))
			c.JudgeConditions()
		}

		It("brings somebody who is moved ten times in ten seconds to the last room, in two changes at most",
			story(func() {
				c, set := lesson()
				for i := range 10 {
					to := []string{"blue", "green", "red"}[i%3]
					edit(c, set, fixture.Placed("Ada="+to, "Ben=blue", "Cleo=green"))
					c.Pass(time.Second)
				}
				c.Pass(10 * time.Second)
				ended(c, set, map[string]string{"Ada": "blue", "Ben": "blue", "Cleo": "green"})
				Expect(c.changesOf()["Ada"] - 1).To(BeNumerically("<=", 2))
				Expect(c.changesOf()["Ben"]).To(Equal(1))
			}))

		It("ends where the last of many edits says, one each 50 ms for a minute", story(func() {
			c, set := lesson()
			rooms := []string{"red", "blue", "green"}
			for i := range 1200 {
				edit(c, set, fixture.Placed("Ada="+rooms[i%3], "Ben="+rooms[i/7%3], "Cleo=green"),
					fixture.Rooms("red", []string{"blue", "blue=Azure"}[i%2], []string{"green", "green=Lime"}[i/5%2]))
				c.Pass(50 * time.Millisecond)
			}
			edit(c, set, fixture.Placed("Ada=green", "Ben=red", "Cleo=green"),
				fixture.Rooms("red", "blue", "green"))
			c.Pass(21 * time.Second)
			ended(c, set, map[string]string{"Ada": "green", "Ben": "red", "Cleo": "green"})
			for name, changes := range c.changesOf() {
				Expect(changes).To(BeNumerically("<=", 1+8), name) // one in ten seconds
			}
		}))

		It("swaps the people of two rooms, each of whom changes rooms once", story(func() {
			c, set := lesson()
			edit(c, set, fixture.Placed("Ada=blue", "Ben=red", "Cleo=green"))
			ended(c, set, map[string]string{"Ada": "blue", "Ben": "red", "Cleo": "green"})
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 2, "Ben": 2, "Cleo": 1}))
		}))

		It("swaps the names of two rooms, and moves nobody", story(func() {
			c, set := lesson()
			edit(c, set, fixture.Rooms("red=blue", "blue=red", "green"))
			c.waitReady(set)
			c.Pass(rounds)
			c.JudgePlaces()
			c.JudgeConditions()
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 1, "Ben": 1, "Cleo": 1}))
			edit(c, set, fixture.Placed("Ada=red", "Ben=red", "Cleo=green")) // who goes there goes by the new name
			c.waitReady(set)
			c.Pass(rounds)
			c.JudgePlaces()
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 1, "Ben": 2, "Cleo": 1}))
		}))

		It("moves who changes rooms while two rooms swap their names to the right one", story(func() {
			c, set := lesson()
			edit(c, set, fixture.Placed("Ada=green", "Ben=red", "Cleo=green"))
			c.Pass(time.Second)
			edit(c, set, fixture.Rooms("red=blue", "blue=red", "green"))
			c.Pass(10 * time.Second)
			c.waitReady(set)
			c.Pass(rounds)
			c.JudgePlaces()
			c.JudgeConditions()
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 2, "Ben": 2, "Cleo": 1}))
		}))

		It("brings somebody who is moved while the vendor is down for an hour there after it, and is honest meanwhile",
			story(func() {
				c, set := lesson()
				c.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultStatus})
				edit(c, set, fixture.Placed("Ada=green", "Ben=blue", "Cleo=green"))
				for range 60 {
					c.waitReconciling(set, v1alpha1.UpdatingReason)
					c.waitCondition(set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionFalse,
						v1alpha1.VendorUnavailableReason)
					c.waitCondition(set, v1alpha1.OpenCondition, metav1.ConditionFalse, v1alpha1.UpdatingReason)
					Expect(set.Status.Signals.Moving).To(Equal(names("Ada")))
					c.Pass(time.Minute)
				}
				Expect(c.People["Ada"].Page.Room()).To(Equal("red"))
				c.Vendor.ClearFaults()
				c.Pass(time.Minute)
				ended(c, set, map[string]string{"Ada": "green", "Ben": "blue", "Cleo": "green"})
				Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 2, "Ben": 1, "Cleo": 1}))
			}))

		It("loses nobody whose browser is off the network when they are moved", story(func() {
			c, set := lesson()
			c.People["Ada"].Joining.Network = 9 * time.Second
			edit(c, set, fixture.Placed("Ada=green", "Ben=blue", "Cleo=green"))
			c.Pass(time.Minute)
			ended(c, set, map[string]string{"Ada": "green", "Ben": "blue", "Cleo": "green"})
		}))
	})

	Describe("with bad input", func() {
		It("waits for a meeting room that does not exist", story(func() {
			c := newClassroom()
			set := c.makeSet("groups", fixture.Rooms("red"), func(s *v1alpha1.BreakoutSet) {
				s.Spec.MeetingRoomRef.Name = "later"
			})
			c.waitStalled(set, v1alpha1.MeetingRoomNotFoundReason)
			c.makeRoom("later")
			c.waitReady(set)
		}))

		It("refuses a breakout room as meeting room", story(func() {
			c := newClassroom()
			c.open("groups", fixture.Rooms("red"))
			set := c.makeSet("nested", fixture.Rooms("blue"), func(s *v1alpha1.BreakoutSet) {
				s.Spec.MeetingRoomRef.Name = "groups-red"
			})
			c.waitStalled(set, v1alpha1.MeetingRoomIsBreakoutReason)
		}))

		It("never takes over a MeetingRoom of the name that a breakout room needs", story(func() {
			c := newClassroom()
			mine := c.makeReadyRoom("groups-red")
			set := c.makeSet("groups", fixture.Rooms("red"))
			c.waitStalled(set, v1alpha1.RoomNameTakenReason)
			Expect(refresh(c, mine).OwnerReferences).To(BeEmpty())
			c.Delete(mine)
			c.waitGone(mine)
			c.Pass(61 * time.Second)
			c.waitReady(set)
		}))

		It("says which placements name nobody or no room, and honors the others", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red"), fixture.Placed("Ada=red", "Ben=nowhere"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse,
				v1alpha1.UnknownRoomReason)
			Expect(placesOf(set)).To(Equal("red: Ada"))
			edit(c, set, fixture.Placed("Ada=red", "Zoe=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionFalse,
				v1alpha1.UnknownParticipantReason)
			edit(c, set, fixture.Placed("Ada=red"))
			c.waitCondition(set, v1alpha1.PlacementsHonouredCondition, metav1.ConditionTrue, "")
		}))

		It("throws nobody out of a room that shrinks, and sends the next ones elsewhere", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red", "blue/1"),
				withMode(v1alpha1.ModeAutomatic, "Ada=red", "Ben=red"))
			edit(c, set, fixture.Rooms("red/1", "blue/1"))
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
