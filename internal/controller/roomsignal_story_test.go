// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

var _ = Describe("A RoomSignal", func() {
	// inGroups is a class with an open set of two rooms, Ada in red and nobody in blue, and the signals so far
	// forgotten.
	inGroups := func() (c *classroom, ada *simulator.Client) {
		c = newClassroom("Ada", "Ben")
		c.open("groups", fixture.Rooms("red=Red team", "blue"), fixture.Placed("Ada=red"))
		ada = c.enter("groups", "red", "Ada")
		c.Pass(rounds)
		c.onTheSecond()
		c.mark()
		c.Vendor.ResetCalls()
		return c, ada
	}
	// failsIn makes signals to a room of the set fail.
	failsIn := func(c *classroom, room string, f simulator.Fault) {
		f.Op, f.SessionID = simulator.OpSignal, c.room("groups", room).Status.SessionID
		c.Vendor.AddFault(f)
	}
	unavailable := simulator.Fault{Kind: simulator.FaultStatus, Status: 503}
	// goes waits until that is what became of a signal, or part of it.
	goes := func(c *classroom, signal *v1alpha1.RoomSignal, want string) {
		GinkgoHelper()
		eventually(c, func() string { return deliveriesOf(refresh(c, signal)) }, ContainSubstring(want))
	}
	last := func(browser *simulator.Client) simulator.Signal {
		all := browser.Signals()
		Expect(all).NotTo(BeEmpty())
		return all[len(all)-1]
	}

	Describe("saying something", func() {
		It("sends a message to one meeting room", story(func() {
			c, ada := inGroups()
			signal := c.makeSignal("hello", toRoom("class"), saying("Host", `Five "minutes" left & <counting> ⏰`))
			c.waitReady(signal)
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1"))
			Expect(last(c.browsers["Ben"])).To(And(HaveField("Type", "message"), HaveField("Data",
				`{"id":"`+string(signal.UID)+
					`","sender":{"id":"Host","name":"Host","role":"moderator","isCohost":false},`+
					`"text":"Five \"minutes\" left & <counting> ⏰","isApproved":true,"fromRoomName":"Class","toBreakoutRoom":null}`)))
			Expect(ada.Signals()).To(BeEmpty())
			Expect(signal.Status.CompletionTime).NotTo(BeNil())
			Expect(signal.Status.Deliveries[0].SessionID).To(Equal(c.main.Status.SessionID))

			// Whom it goes to; what became of it.
			Expect(c.did()).To(Equal([]string{
				"update roomsignals/hello/status", "vonage post class signal message",
				"update roomsignals/hello/status",
			}))
		}))

		It("sends to a breakout room alone by its meeting room", story(func() {
			c, ada := inGroups()
			before := len(c.browsers["Ben"].Signals())
			c.waitReady(c.makeSignal("hello", toRoom("groups-red"), saying("Somebody", "Hello")))
			Expect(textsOf(ada)).To(Equal([]string{"Hello"}))
			Expect(last(ada).Data).To(
				ContainSubstring(`"sender":{"id":"Somebody","name":"Somebody","role":"participant","isCohost":false}`),
			)
			Expect(c.browsers["Ben"].Signals()).To(HaveLen(before))
		}))

		It("sends to the main room and all breakout rooms of a set", story(func() {
			c, ada := inGroups()
			signal := c.makeSignal("hello", toSet("groups"), saying("Co", "Come back"))
			c.waitReady(signal)
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1; red: Accepted 1; blue: NoRecipients 1"))
			data := func(to string) string {
				return `{"id":"` + string(signal.UID) +
					`","sender":{"id":"Co","name":"Co","role":"participant","isCohost":true},` +
					`"text":"Come back","isApproved":true,"fromRoomName":"Class","toBreakoutRoom":` + to + `}`
			}
			Expect(last(ada)).To(And(HaveField("Type", "message"), HaveField("Data", data(`"Red team"`))))
			Expect(last(c.browsers["Host"])).To(And(HaveField("Type", "message"), HaveField("Data", data("null"))))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(3))
			Expect(c.wrote("roomsignals")).To(HaveLen(2))
		}))

		It("sends to just some rooms, the main room among them", story(func() {
			c, ada := inGroups()
			signal := c.makeSignal("hello", toSet("groups", "blue", "main"), saying("Co", "Hello"))
			c.waitReady(signal)
			Expect(deliveriesOf(signal)).To(Equal("blue: NoRecipients 1; main: Accepted 1"))
			Expect(textsOf(c.browsers["Ben"])).To(Equal([]string{"Hello"}))
			Expect(ada.Signals()).To(BeEmpty())

			nobody := c.makeSignal("nobody", toSet("groups", "blue"), saying("Co", "Hello?"))
			c.waitReady(nobody)
			c.waitCondition(nobody, v1alpha1.DeliveredCondition, metav1.ConditionTrue, v1alpha1.NoRecipientsReason)
		}))

		It("raises a hand in a breakout room with everybody", story(func() {
			c, ada := inGroups()
			signal := c.makeSignal("hand", toSet("groups"), func(s *v1alpha1.RoomSignal) {
				s.Spec.RaiseHand = &v1alpha1.RaiseHand{Participant: "Ada", Room: "red"}
			})
			c.waitReady(signal)
			for _, browser := range []*simulator.Client{ada, c.browsers["Host"]} {
				Expect(last(browser)).To(And(HaveField("Type", "raise-hand"), HaveField("Data",
					`{"id":"`+string(signal.UID)+
						`","name":"Ada","role":"participant","isCohost":false,"fromRoom":{"id":"groups-red","name":"Red team"}}`)))
			}
			Expect(ada.Signals()).To(HaveLen(1))
		}))

		It("sends a signal of the user's own as it is, up to the limit", story(func() {
			c, ada := inGroups()
			for i, data := range []string{"", ` {"not":  "changed"}` + "\n", strings.Repeat("é", 4000)} {
				signal := c.makeSignal(fmt.Sprintf("own-%d", i), toSet("groups", "red"), custom("my-signal", data))
				c.waitReady(signal)
				Expect(last(ada)).To(And(HaveField("Type", "my-signal"), HaveField("Data", data)))
			}
			Expect(ada.Signals()).To(HaveLen(3))
		}))

		It("is deleted when its time is over, if it has one", story(func() {
			c, ada := inGroups()
			kept := c.makeSignal("kept", toSet("groups", "red"), custom("a", "1"))
			later := c.makeSignal("later", toSet("groups", "red"), custom("a", "2"), func(s *v1alpha1.RoomSignal) {
				s.Spec.TTLSecondsAfterFinished = new(int32(30))
			})
			now := c.makeSignal("now", toSet("groups", "red"), custom("a", "3"), func(s *v1alpha1.RoomSignal) {
				s.Spec.TTLSecondsAfterFinished = new(int32(0))
			})
			c.waitGone(now)
			c.waitReady(later)
			c.Pass(30*time.Second - time.Millisecond)
			refresh(c, later)
			c.stop() // it does not matter which operator does it
			c.Pass(time.Millisecond)
			c.start()
			c.waitGone(later)
			refresh(c, kept)
			Expect(textsOf(ada)).To(Equal([]string{"1", "2", "3"}))
		}))
	})

	Describe("that cannot be sent", func() {
		It("fails at once where nothing will change", story(func() {
			c, ada := inGroups()
			shut := c.makeSet("shut", fixture.Rooms("red"), closed)
			c.waitReady(shut)
			for name, want := range map[string]struct {
				change func(*v1alpha1.RoomSignal)
				reason string
			}{
				"closed":  {toSet("shut"), v1alpha1.BreakoutSetNotOpenReason},
				"unknown": {toSet("groups", "red", "green"), v1alpha1.UnknownRoomReason},
			} {
				signal := c.makeSignal(name, want.change, custom("a", "1"))
				c.waitStalled(signal, want.reason)
				Expect(signal.Status.CompletionTime).NotTo(BeNil())
				Expect(signal.Status.Deliveries).To(BeEmpty())
			}
			c.Settle()
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(ada.Signals()).To(BeEmpty())
		}))

		DescribeTable("fails when the vendor refuses it, and is not tried again", story(func(status int) {
			c, ada := inGroups()
			failsIn(c, "red", simulator.Fault{Kind: simulator.FaultStatus, Status: status})
			signal := c.makeSignal("hello", toSet("groups"), custom("a", "1"))
			c.waitStalled(signal, v1alpha1.DeliveryIncompleteReason)
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1; red: Failed 1; blue: NoRecipients 1"))
			c.Pass(9 * time.Second)
			c.onTheSecond()
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(3))
			Expect(ada.Signals()).To(BeEmpty())
		}),
			Entry("as invalid", http.StatusBadRequest),
			Entry("as too large", http.StatusRequestEntityTooLarge),
		)

		DescribeTable("waits for what it is sent to, and is not sent after "+
			"the deadline", story(func(to func(*v1alpha1.RoomSignal), reason string, make func(*classroom)) {
			c := newClassroom("Ada")
			c.onTheSecond()
			late := c.makeSignal("late", to, saying("Host", "late"), within(20))
			c.waitReconciling(late, reason)
			c.Pass(20*time.Second - time.Millisecond)
			c.waitReconciling(late, reason)
			c.Pass(time.Millisecond)
			c.waitStalled(late, reason)

			early := c.makeSignal("early", to, saying("Host", "early"), within(600))
			c.waitReconciling(early, reason)
			make(c)
			c.waitReady(early)
			c.Pass(time.Minute)
			Expect(deliveriesOf(refresh(c, late))).To(BeEmpty())
			c.waitStalled(late, reason)
			for _, call := range c.callsOf(simulator.OpSignal) {
				Expect(call.SignalData).NotTo(ContainSubstring(`"late"`))
			}
		}),
			Entry("a meeting room", toRoom("lab"), v1alpha1.MeetingRoomNotFoundReason, func(c *classroom) {
				c.makeRoom("lab")
			}),
			Entry("a set", toSet("groups"), v1alpha1.BreakoutSetNotFoundReason, func(c *classroom) {
				c.makeSet("groups", fixture.Rooms("red"))
			}),
		)

		It("waits for a set that is about to open", story(func() {
			c := newClassroom("Ada")
			c.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpCreateSession, Count: 1, Kind: simulator.FaultStatus, Status: 503,
			})
			c.makeSet("groups", fixture.Rooms("red"))
			Expect(c.callsOf(simulator.OpCreateSession)).To(HaveLen(2))
			c.Settle()
			signal := c.makeSignal("hello", toSet("groups"), saying("Host", "Welcome"))
			c.waitReconciling(signal, v1alpha1.BreakoutSetNotOpenReason)
			c.Pass(2 * time.Second)
			c.waitReady(signal)
			Expect(textsOf(c.browsers["Ada"])).To(Equal([]string{"Welcome"}))
		}))
	})

	Describe("while the vendor fails", func() {
		It("is tried again where it was not accepted, and nowhere else", story(func() {
			c, ada := inGroups()
			f := unavailable
			f.Count = 3
			failsIn(c, "red", f)
			signal := c.makeSignal("hello", toSet("groups"), custom("a", "1"))
			goes(c, signal, "main: Accepted 1; red: Pending 1; blue: NoRecipients 1")
			c.waitReconciling(signal, v1alpha1.VendorUnavailableReason)
			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Labels = map[string]string{"a": "b"} })
			c.Settle()
			goes(c, signal, "red: Pending 1") // not before its time, whatever else happens
			c.Pass(time.Second)
			goes(c, signal, "red: Pending 2")
			c.Pass(2 * time.Second)
			goes(c, signal, "red: Pending 3")
			c.Pass(4 * time.Second)
			c.waitReady(signal)
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1; red: Accepted 4; blue: NoRecipients 1"))
			Expect(textsOf(ada)).To(Equal([]string{"1"}))
			Expect(textsOf(c.browsers["Host"])).To(Equal([]string{"1"}))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(6))
			Expect(c.wrote("roomsignals")).To(HaveLen(5)) // the plan, and each attempt
		}))

		It("has failed at the deadline, and is not sent after it", story(func() {
			c, ada := inGroups()
			failsIn(c, "red", unavailable)
			signal := c.makeSignal("hello", toSet("groups"), custom("a", "1"), within(20))
			goes(c, signal, "red: Pending 1")
			c.Pass(20 * time.Second)
			c.waitStalled(signal, v1alpha1.DeadlineExceededReason)
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1; red: Failed 5; blue: NoRecipients 1"))
			c.Vendor.ClearFaults()
			c.Pass(time.Minute)
			c.restart()
			Expect(ada.Signals()).To(BeEmpty())
			Expect(textsOf(c.browsers["Host"])).To(Equal([]string{"1"}))
		}))

		It("goes on when the vendor asks for fewer calls, and when the credentials are put right", story(func() {
			c, ada := inGroups()
			failsIn(c, "red", simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "5", Count: 1})
			limited := c.makeSignal("limited", toSet("groups", "red"), custom("a", "1"))
			c.waitReconciling(limited, v1alpha1.VendorRateLimitedReason)
			c.Pass(15 * time.Second) // as long as a call would be refused it is not made
			c.waitReady(limited)
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(2))

			// the JWT was good before: it is made anew and tried at once
			failsIn(c, "red", simulator.Fault{Kind: simulator.FaultForbidden, Count: 2})
			refused := c.makeSignal("refused", toSet("groups", "red"), custom("a", "2"))
			c.waitReconciling(refused, v1alpha1.CredentialsRejectedReason)
			c.Pass(2 * time.Second)
			c.waitReady(refused)
			Expect(textsOf(ada)).To(Equal([]string{"1", "2"}))
		}))

		It("is not overtaken by a later one for the same meeting, but by one for another", story(func() {
			c, ada := inGroups()
			other := c.makeReadyRoom("other")
			f := unavailable
			f.Count = 2
			failsIn(c, "red", f)
			first := c.makeSignal("z-first", toSet("groups", "red"), custom("a", "1"))
			second := c.makeSignal("second", toSet("groups"), custom("a", "2"))
			third := c.makeSignal("a-third", toRoom("class"), custom("a", "3"))
			child := c.makeSignal("child", toRoom("groups-red"), custom("a", "4"))
			elsewhere := c.makeSignal("elsewhere", toRoom(other.Name), custom("a", "5"))
			c.waitReady(elsewhere)
			for _, waiting := range []*v1alpha1.RoomSignal{second, third, child} {
				c.waitReconciling(waiting, v1alpha1.WaitingForEarlierReason)
			}
			Expect(textsOf(c.browsers["Host"])).To(BeEmpty())
			c.Pass(time.Second)
			goes(c, first, "red: Pending 2")
			c.Pass(2 * time.Second)
			for _, sent := range []*v1alpha1.RoomSignal{first, second, third, child} {
				c.waitReady(sent)
			}
			Expect(textsOf(ada)).To(Equal([]string{"1", "2", "4"}))
			Expect(textsOf(c.browsers["Host"])).To(Equal([]string{"2", "3"}))
		}))

		It("makes way for later ones when it has failed", story(func() {
			c, ada := inGroups()
			failsIn(c, "red", simulator.Fault{
				Kind: simulator.FaultStatus, Status: 503,
				Match: func(call simulator.Call) bool { return call.SignalData == "1" },
			})
			first := c.makeSignal("first", toSet("groups", "red"), custom("a", "1"), within(15))
			second := c.makeSignal("second", toSet("groups", "red"), custom("a", "2"))
			c.waitReconciling(second, v1alpha1.WaitingForEarlierReason)
			c.Pass(15 * time.Second)
			c.waitStalled(first, v1alpha1.DeadlineExceededReason)
			c.waitReady(second)
			Expect(textsOf(ada)).To(Equal([]string{"2"}))

			third := c.makeSignal("third", toSet("groups", "red"), custom("a", "1"))
			fourth := c.makeSignal("fourth", toSet("groups", "red"), custom("a", "4"))
			c.waitReconciling(fourth, v1alpha1.WaitingForEarlierReason)
			c.Delete(third)
			c.waitReady(fourth)
			Expect(textsOf(ada)).To(Equal([]string{"2", "4"}))
		}))
	})

	Describe("recalling people", func() {
		// inLesson is a class with an open set, and everybody's page in its place: Ada, Ben and the host in red, Cleo
		// in blue.
		inLesson := func(mode v1alpha1.BreakoutSetMode) (*classroom, *v1alpha1.BreakoutSet) {
			GinkgoHelper()
			c := newClassroom("Ada", "Ben", "Cleo", "Dan")
			c.JoinAll("class")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				withMode(mode, "Ada=red", "Ben=red", "Cleo=blue", "Host=red", "Dan=main"))
			c.Pass(rounds)
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "red", "Co": "", "Ada": "red", "Ben": "red",
				"Cleo": "blue", "Dan": ""}))
			c.mark()
			c.Vendor.ResetCalls()
			return c, set
		}

		DescribeTable("sends one person to where they belong, and moves nobody else",
			story(func(mode v1alpha1.BreakoutSetMode, name v1alpha1.ParticipantName) {
				c, set := inLesson(mode)
				c.Reload(string(name))
				before := c.changesOf()
				c.Pass(time.Minute)
				Expect(c.People[string(name)].Page.Room()).To(BeEmpty())
				revision := refresh(c, set).Status.Signals.Revision
				signal := c.makeSignal("back", recalling("groups", name))
				c.waitReady(signal)
				c.waitCondition(signal, v1alpha1.DeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
				Expect(signal.Status.CompletionTime).NotTo(BeNil())
				Expect(deliveriesOf(signal)).To(Equal("main: Accepted 0; red: Accepted 0; blue: Accepted 0"))
				c.waitReady(set)
				Expect(set.Status.Signals.Moving).To(Equal(names(name)))
				Expect(set.Status.Signals.Revision).To(And(BeNumerically(">", revision), Equal(signal.Status.Revision)))
				c.Pass(rounds)
				Expect(c.inRooms()).To(Equal(map[string]string{"Host": "red", "Co": "", "Ada": "red", "Ben": "red",
					"Cleo": "blue", "Dan": ""}))
				before[string(name)]++
				Expect(c.changesOf()).To(Equal(before))
				// To the main room and to the other one, and again in two rounds. Red, where they belong, has a leader
				// and is sent the list.
				if mode != v1alpha1.ModeChoose {
					Expect(moveCalls(c)).To(Equal([]string{
						"class participantMoved", "groups-blue participantMoved", "groups-red participantMoved",
						"class participantMoved", "groups-blue participantMoved",
						"class participantMoved", "groups-blue participantMoved",
					}))
				}
				// The plan and its delivery are the set's, and the end of the rounds; the signal's the plan, and what
				// became of it.
				Expect(c.wrote("breakoutsets")).To(HaveLen(3))
				Expect(c.wrote("roomsignals")).To(HaveLen(2))
			}),
			Entry("whose page was loaded anew", v1alpha1.ModeAutomatic, v1alpha1.ParticipantName("Ada")),
			Entry("who is a host", v1alpha1.ModeAutomatic, v1alpha1.ParticipantName("Host")),
			Entry("also where people choose", v1alpha1.ModeChoose, v1alpha1.ParticipantName("Ada")),
		)

		It("sends somebody to the main room who belongs there", story(func() {
			c, set := inLesson(v1alpha1.ModeChoose)
			c.Choose("Dan", 1)
			c.Pass(10 * time.Second)
			Expect(c.People["Dan"].Page.Room()).To(Equal("blue"))
			c.waitReady(c.makeSignal("back", recalling("groups", "Dan")))
			c.Pass(rounds)
			Expect(c.People["Dan"].Page.Room()).To(BeEmpty())
			Expect(c.People["Dan"].Page.Prompted()).To(BeTrue())
			c.waitReady(set)
		}))

		It("refuses names of nobody, and sends nothing", story(func() {
			c, _ := inLesson(v1alpha1.ModeAutomatic)
			signal := c.makeSignal("back", recalling("groups", "Ada", "Zoe"))
			c.waitStalled(signal, v1alpha1.UnknownParticipantReason)
			Expect(messageOf(signal, v1alpha1.DeliveredCondition)).To(ContainSubstring(`"Zoe"`))
			Expect(signal.Status.CompletionTime).NotTo(BeNil())
			c.Pass(time.Minute)
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(c.wrote("breakoutsets")).To(BeEmpty())
		}))

		It("fails where the set is closed, and waits for one that is to open", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			shut := c.makeSet("shut", fixture.Rooms("red"), closed)
			c.waitReady(shut)
			c.waitStalled(c.makeSignal("never", recalling("shut", "Ada")), v1alpha1.BreakoutSetNotOpenReason)
			late, early := c.makeSignal("late", recalling("groups", "Ada"), within(20)),
				c.makeSignal("early", recalling("groups", "Ada"), within(600))
			c.waitReconciling(late, v1alpha1.BreakoutSetNotFoundReason)
			c.Pass(20 * time.Second)
			c.waitStalled(late, v1alpha1.BreakoutSetNotFoundReason)
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			c.makeSet("groups", fixture.Rooms("red"))
			c.Pass(11 * time.Second) // nobody is sent anything twice within ten seconds
			c.waitReady(early)
			Expect(late.Status.Revision).To(BeZero())
		}))

		It("has failed at the deadline where a session could not be sent it; the set goes on", story(func() {
			c, set := inLesson(v1alpha1.ModeAutomatic)
			c.Reload("Ada")
			c.Vendor.AddFault(simulator.Fault{Op: simulator.OpSignal, SessionID: c.main.Status.SessionID,
				Kind: simulator.FaultStatus, Status: 503})
			signal := c.makeSignal("back", recalling("groups", "Ada"), within(20))
			goes(c, signal, "main: Pending 0")
			c.waitReconciling(signal, v1alpha1.DeliveringReason)
			c.Pass(20 * time.Second)
			c.waitStalled(signal, v1alpha1.DeadlineExceededReason)
			Expect(deliveriesOf(signal)).To(ContainSubstring("main: Failed 0"))
			c.Vendor.ClearFaults()
			c.Pass(time.Minute)
			c.waitReady(set)
			c.Pass(rounds)
			Expect(c.People["Ada"].Page.Room()).To(Equal("red"))
		}))

		It("takes its turn among the signals of a meeting, and is carried out once though the operator dies",
			story(func() {
				c, set := inLesson(v1alpha1.ModeAutomatic)
				c.Reload("Ada")
				before := c.changesOf()
				c.killAt("update breakoutsets/groups/status", sim.After)
				signal := c.makeSignal("back", recalling("groups", "Ada"))
				c.Settle()
				c.start()
				c.Pass(10 * time.Second) // the one before may have sent people somewhere
				c.waitReady(signal)
				c.Pass(time.Minute)
				c.waitReady(set)
				Expect(c.People["Ada"].Page.Room()).To(Equal("red"))
				before["Ada"]++
				Expect(c.changesOf()).To(Equal(before))
				c.waitReady(c.makeSignal("hello", toSet("groups"), saying("Host", "Welcome back")))
			}))
	})

	It("comes in the order of creation when many are made at once", story(func() {
		c, ada := inGroups()
		var want []string
		var all []*v1alpha1.RoomSignal
		for i := range 12 {
			want = append(want, fmt.Sprint(i))
			all = append(all,
				c.makeSignal(fmt.Sprintf("s-%d", (i*7)%12), toSet("groups", "main", "red"), custom("a", fmt.Sprint(i))))
		}
		for _, signal := range all {
			c.waitReady(signal)
		}
		Expect(textsOf(ada)).To(Equal(want))
		Expect(textsOf(c.browsers["Host"])).To(Equal(want))
	}))

	Describe("when things break while it is sent", func() {
		It("is not sent again by another operator where it was accepted", story(func() {
			c, ada := inGroups()
			failsIn(c, "red", unavailable)
			signal := c.makeSignal("hello", toSet("groups"), custom("a", "1"))
			goes(c, signal, "red: Pending 1")
			c.stop()
			c.Vendor.ClearFaults()
			c.start()
			c.waitReady(signal)
			c.restart()
			Expect(deliveriesOf(signal)).To(Equal("main: Accepted 1; red: Accepted 2; blue: NoRecipients 1"))
			Expect(textsOf(ada)).To(Equal([]string{"1"}))
			Expect(textsOf(c.browsers["Host"])).To(Equal([]string{"1"}))
		}))

		It("is not sent when somebody takes it back in time", story(func() {
			c, ada := inGroups()
			c.once("roomsignals/hello/status", func() sim.Verdict {
				c.Delete(sim.Get(c.World, &v1alpha1.RoomSignal{}, "hello"))
				return sim.Verdict{}
			})
			c.waitGone(c.makeSignal("hello", toSet("groups"), custom("a", "1")))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(ada.Signals()).To(BeEmpty())
		}))

		It("is not sent twice because somebody writes to it meanwhile, or because the API server fails", story(func() {
			c, ada := inGroups()
			c.once("groups-red signal", func() sim.Verdict {
				edit(c, sim.Get(c.World, &v1alpha1.RoomSignal{}, "labelled"), func(s *v1alpha1.RoomSignal) {
					s.Labels = map[string]string{"a": "b"}
				})
				return sim.Verdict{}
			})
			labelled := c.makeSignal("labelled", toSet("groups", "red"), custom("a", "2"))
			c.waitReady(labelled)
			Expect(labelled.Labels).To(HaveKey("a"))
			Expect(textsOf(ada)).To(Equal([]string{"2"}))
			Expect(deliveriesOf(labelled)).To(Equal("red: Accepted 1"))

			writes := 0
			c.judge = func(op *sim.Operation) sim.Verdict {
				if strings.Contains(op.Key, "roomsignals/broken/status") {
					if writes++; writes > 1 && writes < 5 {
						return sim.Verdict{API: sim.Refused}
					}
				}
				return sim.Verdict{}
			}
			broken := c.makeSignal("broken", toSet("groups", "red"), custom("a", "3"))
			c.waitReady(broken)
			Expect(writes).To(Equal(5))
			Expect(textsOf(ada)).To(Equal([]string{"2", "3"}))
		}))
	})
})

// moveCalls are the signals that the vendor got and that send people somewhere, in order, with the room.
func moveCalls(c *classroom) []string {
	var calls []string
	for _, key := range c.did() {
		if room, found := strings.CutSuffix(key, " signal participantMoved"); found {
			calls = append(calls, strings.TrimPrefix(room, "vonage post ")+" participantMoved")
		}
	}
	return calls
}
