// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

// readyReason is the reason of a set's condition Ready, with its status.
func readyReason(set *v1alpha1.BreakoutSet) string {
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ReadyCondition)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s=%s", c.Reason, c.Status)
}

// at matches a time of an object.
func at(t time.Time) OmegaMatcher { return HaveValue(HaveField("Time", BeTemporally("==", t))) }

var _ = Describe("The clock of a BreakoutSet", func() {
	const (
		opening = "roomCreated (automatic) Class(Host Co) red(>Ada)"
		roles   = "roles Host=host Co=co-host Ada"
		moves   = "participantMoved Class(Host Co) red(>Ada)"
		list    = "roomEdited Class(Host Co) red(Ada)"
	)
	// whole is what the main room is sent of an opening with a countdown: the first three at once, then the rounds.
	whole := func(countdown any) []any {
		return []any{countdown, opening, roles, moves, moves, list, roles}
	}

	Describe("counting down", func() {
		It("is sent before rooms open, and again whenever it changes, and not otherwise", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(900))
			host := c.browsers["Host"]
			Expect(c.received(host)).To(Equal([]string{"timer 15m to 15m0s, warning 30s", opening, roles}))
			Expect(host.Signals()[0].Data).To(Equal(fmt.Sprintf(
				`{"endTime":%d,"period":15,"countDownTimer":30,"isManualReturn":true,"revision":%d,"breakoutSet":{"name":"%s/groups","uid":"%s"}}`,
				opened.Add(15*time.Minute).UnixMilli(),
				set.Status.Signals.Revision,
				sim.Namespace,
				set.UID,
			)))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(opened)),
				HaveField("ClosesAt", at(opened.Add(15*time.Minute)))))
			Expect(refresh(c, c.main).Status.CountdownTime).To(at(opened))

			ada := c.enter("groups", "red", "Ada")
			c.Pass(rounds)
			before := len(host.Signals())
			c.mark()
			c.Vendor.ResetCalls()
			// what it was by default
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(30)) })
			c.waitReady(set)
			var want []string
			ends := opened.Add(630 * time.Second)
			for _, change := range []struct {
				edit func(*v1alpha1.BreakoutSet)
				want string
			}{
				{fixture.Lasting(1200), countdown(opened.Add(20*time.Minute), 19, 30)}, // 18 min 29 s are left
				{fixture.Lasting(630), countdown(ends, 8, 30)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(60)) }, countdown(ends, 7, 60)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(0)) }, countdown(ends, 6, 0)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.ReturnMode = v1alpha1.ReturnManual }, countdown(ends, 5, 0)},
			} {
				c.Pass(time.Minute)
				edit(c, set, change.edit)
				c.waitReady(set)
				want = append(want, change.want)
				Expect(countdowns(ada)).To(Equal(want))
			}
			Expect(countdowns(host)[1:]).To(Equal(want))
			Expect(host.Signals()).To(HaveLen(before + len(want)))
			Expect(ada.Signals()).To(HaveLen(len(want)))
			Expect(set.Status.ClosesAt).To(at(ends))
			// The first edit changed nothing but the observed generation; each of the others is planned, and then
			// recorded as delivered.
			Expect(c.wrote("breakoutsets")).To(HaveLen(1 + 2*len(want)))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(2 * len(want)))
		}))

		It("is withdrawn when the duration is removed: there is another one, which ends in a year", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())

			edit(c, set, fixture.Lasting(0))
			removed := c.waitDelivered(set)
			Expect(countdowns(ada)).To(Equal([]string{withdrawn(removed)}))
			Expect(countdowns(host)).To(Equal([]string{countdown(opened.Add(15*time.Minute), 15, 30),
				withdrawn(removed)}))
			Expect(set.Status).To(And(HaveField("ClosesAt", BeNil()), HaveField("OpenedAt", at(opened)),
				HaveField("Timer", HaveValue(HaveField("DurationSeconds", BeZero())))))

			c.Pass(time.Hour) // nothing ends any more
			Expect(refresh(c, set).Status.State).To(Equal(v1alpha1.StateOpen))
			Expect(host.Signals()).To(HaveLen(before + 1))
			// of what is not there
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(60)) })
			c.waitReady(set)
			Expect(host.Signals()).To(HaveLen(before + 1))
		}))

		DescribeTable("breaks no page when it is withdrawn, whatever its clock", story(func(left time.Duration) {
			c := newClassroom("Ada", "Ben", "Cleo", "Dan")
			c.onTheSecond()
			clocks := map[string]time.Duration{
				"Ada": 5 * time.Second, "Ben": 1500 * time.Millisecond, "Cleo": 0, "Dan": -9 * time.Second,
				"Host": 5 * time.Second, "Co": -9 * time.Second,
			}
			c.JoinAll("class", func(j *sim.Joining) { j.ClockBehind, j.Connect = clocks[j.Name], 2*time.Second })
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(120),
				fixture.Placed("Ada=red", "Ben=red", "Cleo=red", "Dan=red"))
			c.Pass(120*time.Second - left)
			edit(c, set, fixture.Lasting(0))
			c.waitReady(set)
			c.Pass(5 * time.Minute)
			in := "red"
			Expect(c.inRooms()).To(Equal(map[string]string{"Host": "", "Co": "", "Ada": in, "Ben": in, "Cleo": in,
				"Dan": in}))
			Expect(c.changesOf()).To(Equal(map[string]int{"Host": 0, "Co": 0, "Ada": 1, "Ben": 1, "Cleo": 1, "Dan": 1}))
		}),
			Entry("long before the end", time.Minute),
			Entry("when it is on display", 20*time.Second),
			Entry("in its last seconds", 2*time.Second),
		)

		It("runs on when the duration is back", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(900))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(rounds)
			edit(c, set, fixture.Lasting(0))
			removed := c.waitDelivered(set)
			edit(c, set, fixture.Lasting(900))
			c.waitReady(set)
			Expect(countdowns(ada)).To(Equal([]string{withdrawn(removed),
				countdown(opened.Add(15*time.Minute), 15, 30)}))
			Expect(set.Status.ClosesAt).To(at(opened.Add(15 * time.Minute)))
		}))

		It("is withdrawn too when the rooms are closed while it runs", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, set, closed)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(c.received(ada)).To(Equal([]string{"timer withdrawn", "allRoomRemoved"}))
			c.Pass(20*time.Second - time.Millisecond)
			Expect(refresh(c, set).Status.State).To(Equal(v1alpha1.StateClosing))
			c.Pass(time.Millisecond)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Closed=True"))
			Expect(c.received(host)[before:]).To(Equal([]string{"timer withdrawn", "allRoomRemoved", "allRoomRemoved"}))
			Expect(set.Status).To(And(HaveField("Timer", BeNil()), HaveField("ClosesAt", BeNil()),
				HaveField("OpenedAt", BeNil())))
		}))

		DescribeTable("that any set of the meeting has had is withdrawn before the next one opens",
			story(func(first func(*classroom) *v1alpha1.BreakoutSet) {
				c := newClassroom("Ada")
				c.onTheSecond()
				host := c.browsers["Host"]
				set := first(c)
				c.Pass(rounds)
				edit(c, set, closed)
				c.Pass(20 * time.Second)
				c.waitReady(set)
				for _, name := range []string{"second", "third"} {
					before := len(host.Signals())
					next := c.open(name, fixture.Rooms("red"))
					Expect(c.received(host)[before:]).To(Equal([]string{"timer withdrawn", opening, roles}))
					Expect(countdowns(host)[len(countdowns(host))-1]).To(Equal(withdrawn(next.Status.OpenedAt.Time)))
					c.Pass(rounds)
					edit(c, next, closed)
					c.Pass(20 * time.Second)
					c.waitReady(next)
				}
			}),
			Entry("from its opening on", func(c *classroom) *v1alpha1.BreakoutSet {
				return c.open("first", fixture.Rooms("red"), fixture.Lasting(900))
			}),
			Entry("later", func(c *classroom) *v1alpha1.BreakoutSet {
				set := c.open("first", fixture.Rooms("red"))
				edit(c, set, fixture.Lasting(900))
				c.waitReady(set)
				return set
			}),
			Entry("and that was withdrawn then", func(c *classroom) *v1alpha1.BreakoutSet {
				set := c.open("first", fixture.Rooms("red"), fixture.Lasting(900))
				edit(c, set, fixture.Lasting(0))
				c.waitReady(set)
				return set
			}),
		)

		It("is none where the meeting never had one", story(func() {
			c := newClassroom("Ada")
			set := c.open("first", fixture.Rooms("red"))
			c.Pass(rounds)
			edit(c, set, closed)
			c.Pass(20 * time.Second)
			c.waitReady(set)
			before := len(c.browsers["Host"].Signals())
			c.open("second", fixture.Rooms("red"))
			Expect(c.received(c.browsers["Host"])[before:]).To(Equal([]string{opening, roles}))
			Expect(refresh(c, c.main).Status.CountdownTime).To(BeNil())
		}))
	})

	Describe("ending", func() {
		DescribeTable("closes on time", story(func(mode v1alpha1.ReturnMode, grace, callBack, complete time.Duration) {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(60), func(s *v1alpha1.BreakoutSet) {
				s.Spec.ReturnMode, s.Spec.CloseGraceSeconds = mode, new(int32(grace/time.Second))
			})
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(time.Minute - time.Millisecond)
			Expect(readyReason(refresh(c, set))).To(Equal("Opened=True"))
			before := len(host.Signals())
			c.Pass(time.Millisecond)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(set.Status).To(And(HaveField("ClosedAt", at(opened.Add(time.Minute))),
				HaveField("State", v1alpha1.StateClosing)))

			// pages whose clock is behind are still counting, or people are given time
			c.Pass(callBack - time.Millisecond)
			Expect(ada.Signals()).To(BeEmpty())
			Expect(host.Signals()).To(HaveLen(before))
			c.Pass(time.Millisecond)
			c.receives(ada, Equal([]string{"allRoomRemoved"}))
			c.Pass(grace - time.Millisecond)
			Expect(ada.Connected()).To(BeTrue())
			c.Pass(time.Millisecond)
			Expect(ada.Connected()).To(BeFalse())
			c.Pass(complete - callBack - grace - time.Millisecond)
			Expect(refresh(c, set).Status.State).To(Equal(v1alpha1.StateClosing))
			c.Pass(time.Millisecond)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(c.received(host)[before:]).To(Equal([]string{"allRoomRemoved", "allRoomRemoved"}))
			Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(BeNil())
			c.Pass(time.Hour)
			Expect(host.Signals()).To(HaveLen(before + 2))
		}),
			Entry("with people who are called back when the time is up", v1alpha1.ReturnAutomatic, 10*time.Second,
				12*time.Second, 32*time.Second),
			Entry("with people who have the grace to come by themselves", v1alpha1.ReturnManual, 15*time.Second,
				15*time.Second, 35*time.Second),
			Entry("with a grace that is too short for slow clocks", v1alpha1.ReturnManual, 6*time.Second,
				12*time.Second, 32*time.Second),
		)

		It("comes at once when the duration is shortened to what is over, and the countdown is withdrawn",
			story(func() {
				c := newClassroom("Ada")
				c.onTheSecond()
				set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(900))
				ada := c.enter("groups", "red", "Ada")
				c.Pass(2 * time.Minute)
				edit(c, set, fixture.Lasting(60))
				c.waitReconciling(set, v1alpha1.ClosingReason)
				Expect(c.received(ada)).To(Equal([]string{"timer withdrawn", "allRoomRemoved"}))
				c.Pass(20 * time.Second)
				c.waitReady(set)
				Expect(readyReason(set)).To(Equal("TimeUp=True"))
				Expect(ada.Connected()).To(BeFalse())
			}))

		It("comes as soon as the operator is back", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(60))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			c.stop()
			c.Pass(5 * time.Minute)
			c.start()
			c.receives(ada, Equal([]string{"allRoomRemoved"}))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			c.Pass(20 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(c.received(host)[before:]).To(Equal([]string{"allRoomRemoved", "allRoomRemoved"}))
		}))

		It("is taken back by a longer duration: the same opening goes on", story(func() {
			c := newClassroom("Ada")
			began := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), fixture.Lasting(60))
			host := c.browsers["Host"]
			c.Pass(time.Minute)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			c.Pass(32 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			before := len(host.Signals())

			edit(c, set, fixture.Lasting(180))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(began)),
				HaveField("ClosesAt", at(began.Add(3*time.Minute)))))
			Expect(c.received(host)[before:]).To(Equal([]string{"timer 2m to 1m28s, warning 30s", opening, roles}))
			Expect(countdowns(host)[1:]).To(Equal([]string{countdown(began.Add(3*time.Minute), 2, 30)}))

			c.Pass(88 * time.Second) // and once more, while people are on their way back
			c.waitReconciling(set, v1alpha1.ClosingReason)
			before = len(host.Signals())
			edit(c, set, fixture.Lasting(600))
			c.Pass(12 * time.Second)
			c.receivesAfter(before, host, Equal([]string{"allRoomRemoved"}))
			c.Pass(20 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(c.received(host)[before+1:]).To(Equal([]string{"allRoomRemoved", "timer 7m to 6m28s, warning 30s",
				opening, roles}))
			Expect(set.Status.OpenedAt).To(at(began))
		}))
	})

	Describe("beginning", func() {
		It("waits for openAt, which can be put off while open", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", fixture.Rooms("red"), openingAt(now.Add(time.Minute)), fixture.Lasting(900))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Scheduled=True"))
			Expect(set.Status.State).To(Equal(v1alpha1.StateScheduled))
			c.Pass(time.Minute - time.Millisecond)
			Expect(refresh(c, set).Status.State).To(Equal(v1alpha1.StateScheduled))
			Expect(set.Status.Replicas).To(HaveValue(BeZero()))
			Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(BeNil())
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())

			c.Pass(time.Millisecond)
			c.waitState(set, v1alpha1.StateOpen)
			host, ada := c.browsers["Host"], c.enter("groups", "red", "Ada")
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now.Add(time.Minute))),
				HaveField("ClosesAt", at(now.Add(16*time.Minute)))))
			Expect(c.received(host)).To(Equal([]string{"timer 15m to 15m0s, warning 30s", opening, roles}))

			c.Pass(rounds)
			edit(c, set, openingAt(now.Add(5*time.Minute)))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(c.received(ada)).To(Equal([]string{"timer withdrawn", "allRoomRemoved"}))
			c.Pass(20 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Scheduled=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(set.Status).To(And(HaveField("OpenedAt", BeNil()), HaveField("ClosesAt", BeNil())))

			again := now.Add(5 * time.Minute)
			before := len(host.Signals())
			c.Pass(time.Until(again))
			c.waitState(set, v1alpha1.StateOpen)
			c.waitReady(set)
			Expect(set.Status).To(And(HaveField("OpenedAt", at(again)),
				HaveField("ClosesAt", at(again.Add(15*time.Minute)))))
			Expect(c.received(host)[before:]).To(Equal([]string{"timer 15m to 15m0s, warning 30s", opening, roles}))
		}))

		It("opens late when openAt is past, for the whole duration", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.open("groups", fixture.Rooms("red"), openingAt(now.Add(-5*time.Minute)), fixture.Lasting(600))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now)),
				HaveField("ClosesAt", at(now.Add(10*time.Minute)))))
			Expect(countdowns(c.browsers["Host"])).To(Equal([]string{countdown(now.Add(10*time.Minute), 10, 30)}))
		}))

		DescribeTable("has missed a time that is over, until there is another",
			story(func(change func(time.Time) func(*v1alpha1.BreakoutSet)) {
				c := newClassroom("Ada")
				now := c.onTheSecond()
				set := c.makeSet("groups", fixture.Rooms("red"), openingAt(now.Add(-time.Hour)), fixture.Lasting(600))
				c.waitReady(set)
				Expect(readyReason(set)).To(Equal("Missed=True"))
				Expect(set.Status.State).To(Equal(v1alpha1.StateClosed))
				Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
				Expect(c.callsOf(simulator.OpCreateSession)).To(HaveLen(1))

				edit(c, set, change(now))
				c.Pass(time.Minute)
				c.waitState(set, v1alpha1.StateOpen)
				c.waitReady(set)
				Expect(c.received(c.browsers["Host"])[:3]).To(HaveExactElements(HavePrefix("timer"), opening, roles))
			}),
			Entry("a later openAt",
				func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(time.Minute)) }),
			Entry("an openAt that is not over yet",
				func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(-time.Minute)) }),
			Entry("a longer duration", func(time.Time) func(*v1alpha1.BreakoutSet) { return fixture.Lasting(7200) }),
			Entry("no duration", func(time.Time) func(*v1alpha1.BreakoutSet) {
				return func(s *v1alpha1.BreakoutSet) { s.Spec.DurationSeconds, s.Spec.OpenAt = new(int32(600)), nil }
			}),
		)

		It("is missed when the operator was away for all of it", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", fixture.Rooms("red"), openingAt(now.Add(time.Minute)), fixture.Lasting(60))
			c.waitReady(set)
			c.stop()
			c.Pass(time.Hour)
			c.start()
			eventually(c, func() string { return readyReason(refresh(c, set)) }, Equal("Missed=True"))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
		}))
	})

	It("makes rounds: each set opens when its time has come and everybody is back from the one before", story(func() {
		c := newClassroom("Ada")
		now, host := c.onTheSecond(), c.browsers["Host"]
		var rounds []*v1alpha1.BreakoutSet
		for i, name := range []string{"one", "two", "three"} {
			round := c.makeSet(name, fixture.Rooms("red"),
				openingAt(now.Add([]time.Duration{60, 120, 200}[i]*time.Second)), fixture.Lasting(60))
			c.waitReady(round)
			Expect(readyReason(round)).To(Equal("Scheduled=True"))
			rounds = append(rounds, round)
		}
		c.Pass(time.Minute)
		c.waitState(rounds[0], v1alpha1.StateOpen)
		for i := range 2 {
			before, next := rounds[i], rounds[i+1]
			closes := refresh(c, before).Status.ClosesAt.Time
			c.Pass(time.Until(closes))
			c.waitState(before, v1alpha1.StateClosing)
			c.waitState(next, v1alpha1.StateWaiting)
			c.waitReady(next)
			Expect(readyReason(next)).To(Equal("Waiting=True"))
			c.Pass(32*time.Second - time.Millisecond)
			Expect(refresh(c, next).Status.State).To(Equal(v1alpha1.StateWaiting))
			Expect(host.Signals()).To(HaveLen(9 * (i + 1)))
			c.Pass(time.Millisecond)
			c.waitState(next, v1alpha1.StateOpen)
			Expect(refresh(c, before).Status.State).To(Equal(v1alpha1.StateClosed))
			Expect(next.Status).To(And(HaveField("OpenedAt", at(closes.Add(32*time.Second))),
				HaveField("ClosesAt", at(closes.Add(92*time.Second)))))
		}
		round := append(whole(HavePrefix("timer 1m")), "allRoomRemoved", "allRoomRemoved")
		Expect(c.received(host)).To(HaveExactElements(slices.Concat(round, round, round[:3])...))
		Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "three")))
	}))

	Describe("sent once more by annotation", func() {
		It("sends the present rooms, people and timer to everybody, once for each new value", story(func() {
			c := newClassroom("Ada", "Ben")
			opened := c.onTheSecond()
			// opening sends it all
			set := c.open("groups", fixture.Rooms("red"), fixture.Placed("Ada=red"), fixture.Lasting(900),
				resend("before"))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			Expect(set.Status.LastHandledResend).To(Equal("before"))
			Expect(host.Signals()).To(HaveLen(3))
			c.Pass(rounds)

			const (
				list  = "roomEdited Class(Host Co Ben) red(Ada)"
				moves = "participantMoved Class(Host Co Ben) red(>Ada)"
				roles = "roles Host=host Co=co-host Ben Ada"
			)
			timer := HavePrefix("timer 1")
			inMain := []any{timer, list, moves, roles, moves, moves, list, roles}
			inRed := []any{timer, list, roles}
			for i, value := range []string{"1", "2", "1", strings.Repeat("long ", 20000)} {
				beforeAda, beforeHost := len(ada.Signals()), len(host.Signals())
				edit(c, set, resend(value))
				c.waitReady(set)
				c.receivesAfter(beforeAda, ada, HaveExactElements(inRed...))
				c.receivesAfter(beforeHost, host, HaveExactElements(inMain[:4]...))
				Expect(countdowns(ada)[i]).To(Equal(countdown(opened.Add(15*time.Minute), []int{15, 14, 14, 13}[i],
					30)))
				Expect(set.Status.Signals.Moving).To(Equal([]v1alpha1.ParticipantName{"Ada"}))
				if len(value) < 10 {
					Expect(set.Status.LastHandledResend).To(Equal(value))
				} else {
					Expect(set.Status.LastHandledResend).To(HavePrefix("sha256:"))
				}
				c.Pass(rounds)
				c.receivesAfter(beforeAda, ada, HaveExactElements(inRed...))
				c.receivesAfter(beforeHost, host, HaveExactElements(inMain...))
				Expect(refresh(c, set).Status.Signals.Moving).To(BeEmpty())
			}
			edit(c, set, resend(strings.Repeat("long ", 20000)+"!")) // as long, and another
			c.receives(ada, HaveLen(5*len(inRed)))
			c.waitReady(set)
			c.Pass(rounds)
			Expect(ada.Signals()).To(HaveLen(5 * len(inRed)))

			edit(c, set, resend(strings.Repeat("long ", 20000)+"!"))
			// no value is no new value
			edit(c, set, func(s *v1alpha1.BreakoutSet) { delete(s.Annotations, v1alpha1.ResendAnnotation) })
			c.Pass(rounds)
			Expect(ada.Signals()).To(HaveLen(5 * len(inRed)))
			c.waitReady(set)
		}))

		It("brings whoever has loaded the page anew back to their room, and moves nobody who is right", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo")
			c.JoinAll("class")
			set := c.open("groups", fixture.Rooms("red", "blue"),
				fixture.Placed("Ada=red", "Ben=blue", "Cleo=red", "Host=blue"))
			c.Pass(rounds)
			everybody := map[string]string{"Host": "blue", "Co": "", "Ada": "red", "Ben": "blue", "Cleo": "red"}
			Expect(c.inRooms()).To(Equal(everybody))
			c.Reload("Ada")
			c.Reload("Host")
			before := c.changesOf()
			c.Pass(time.Minute)
			Expect(c.People["Ada"].Page.Room()).To(BeEmpty()) // nobody sends anybody anywhere unasked
			Expect(c.changesOf()).To(Equal(before))
			edit(c, set, resend("1"))
			c.waitReady(set)
			Expect(set.Status.Signals.Moving).To(ConsistOf(names("Ada", "Ben", "Cleo", "Host")))
			c.Pass(rounds)
			Expect(c.inRooms()).To(Equal(everybody))
			before["Ada"]++
			before["Host"]++
			Expect(c.changesOf()).To(Equal(before))
		}))

		It("opens the prompt again for those who still have to choose", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", fixture.Rooms("red"), withMode(v1alpha1.ModeChoose))
			host := c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, set, resend("1"))
			c.waitReady(set)
			list, prompt := "roomEdited Class(Host Co Ada Ben) red()",
				"roomCreated (chooseroom) Class(Host Co Ada Ben) red()"
			all := []string{list, prompt, "roles Host=host Co=co-host Ada Ben"}
			c.receivesAfter(before, host, Equal(all))
			c.Pass(rounds)
			c.receivesAfter(before, host, Equal(all)) // nobody was on the way
		}))

		It("sends nothing while the rooms are closed", story(func() {
			c := newClassroom("Ada")
			set := c.makeSet("groups", fixture.Rooms("red"), closed, resend("1"))
			c.waitReady(set)
			edit(c, set, resend("2"))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(readyReason(refresh(c, set))).To(Equal("Closed=True"))
		}))
	})
})

// waitDelivered waits until a set is Ready, and returns when that was.
func (c *classroom) waitDelivered(set *v1alpha1.BreakoutSet) time.Time {
	GinkgoHelper()
	c.waitReady(set)
	return set.Status.Signals.DeliveredTime.Time
}

// names are names of participants.
func names(all ...v1alpha1.ParticipantName) []v1alpha1.ParticipantName { return all }
