// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
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
	const opening = "roomCreated (automatic) Class(Host Co) red(>Ada)"

	Describe("counting down", func() {
		It("is told when rooms open, and again whenever it changes, and not otherwise", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(900))
			host := c.browsers["Host"]
			Expect(c.received(host)).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))
			Expect(host.Signals()[1].Data).To(Equal(fmt.Sprintf(
				`{"endTime":%d,"period":15,"countDownTimer":30,"isManualReturn":false,"revision":%d,"breakoutSet":{"name":"%s/groups","uid":"%s"}}`,
				opened.Add(15*time.Minute).UnixMilli(), set.Status.Signals.Revision, sim.Namespace, set.UID)))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(opened)), HaveField("ClosesAt", at(opened.Add(15*time.Minute)))))

			ada := c.enter("groups", "red", "Ada")
			c.Pass(10 * time.Second)
			c.mark()
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(30)) }) // what it was by default
			c.waitReady(set)
			var want []string
			for _, change := range []struct {
				edit func(*v1alpha1.BreakoutSet)
				want string
			}{
				{sim.Lasting(1200), countdown(opened.Add(20*time.Minute), 20, 30, false)},
				{sim.Lasting(630), countdown(opened.Add(630*time.Second), 10.5, 30, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(60)) }, countdown(opened.Add(630*time.Second), 10.5, 60, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = new(int32(0)) }, countdown(opened.Add(630*time.Second), 10.5, 0, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.ReturnMode = v1alpha1.ReturnManual }, countdown(opened.Add(630*time.Second), 10.5, 0, true)},
			} {
				c.Pass(time.Minute)
				edit(c, set, change.edit)
				c.waitReady(set)
				want = append(want, change.want)
				Expect(countdowns(ada)).To(Equal(want))
			}
			Expect(countdowns(host)[1:]).To(Equal(want))
			Expect(host.Signals()).To(HaveLen(2 + len(want)))
			Expect(ada.Signals()).To(HaveLen(len(want)))
			Expect(set.Status.ClosesAt).To(at(opened.Add(630 * time.Second)))
			// The first edit changed nothing but the observed generation; each of the others is planned, and then noted as told.
			Expect(c.wrote("breakoutsets")).To(HaveLen(1 + 2*len(want)))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(2 + 2*len(want)))
		}))

		It("is dropped in two steps that browsers survive when the duration is removed", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(10 * time.Second)

			edit(c, set, sim.Lasting(0))
			ends := c.dropped(set, host)
			c.waitReconciling(set, v1alpha1.UpdatingReason)
			Expect(time.Until(ends)).To(BeNumerically(">=", 2*time.Second))
			Expect(countdowns(ada)).To(Equal([]string{countdown(ends, 0, 0, true)}))
			c.Pass(time.Until(ends) - time.Millisecond)
			Expect(countdowns(host)).To(HaveLen(2))
			c.Pass(time.Millisecond)
			c.waitReady(set)
			Expect(countdowns(ada)).To(Equal([]string{countdown(ends, 0, 0, true), "{}"}))
			Expect(countdowns(host)).To(Equal([]string{countdown(opened.Add(15*time.Minute), 15, 30, false), countdown(ends, 0, 0, true), "{}"}))
			Expect(set.Status).To(And(HaveField("Timer", BeNil()), HaveField("ClosesAt", BeNil()), HaveField("OpenedAt", at(opened))))

			c.Pass(time.Hour) // nothing ends any more
			Expect(refresh(c, set).Status.State).To(Equal(v1alpha1.StateOpen))
			Expect(host.Signals()).To(HaveLen(4))
		}))

		It("runs on when the duration is back before it was dropped", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(900))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(10 * time.Second)
			edit(c, set, sim.Lasting(0))
			eventually(c, func() []string { return countdowns(ada) }, HaveLen(1))
			edit(c, set, sim.Lasting(900))
			c.waitReady(set)
			c.Pass(10 * time.Second)
			Expect(countdowns(ada)[1:]).To(Equal([]string{countdown(opened.Add(15*time.Minute), 15, 30, false)}))
			Expect(set.Status.ClosesAt).To(at(opened.Add(15 * time.Minute)))
		}))

		It("is dropped too when the rooms are closed while it runs", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(10 * time.Second)
			edit(c, set, closed)
			ends := c.dropped(set, host)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(c.received(ada)).To(HaveLen(2))
			Expect(time.Until(ends)).To(BeNumerically(">=", 2*time.Second))
			ada.Disconnect()
			c.Pass(time.Until(ends) - time.Millisecond)
			Expect(host.Signals()).To(HaveLen(4))
			c.Pass(time.Millisecond)
			Expect(countdowns(host)[1:]).To(Equal([]string{countdown(ends, 0, 0, true), "{}"}))
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Closed=True"))
			Expect(c.received(host)[2:]).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m"), "timer {}"))
			Expect(set.Status).To(And(HaveField("Timer", BeNil()), HaveField("ClosesAt", BeNil()), HaveField("OpenedAt", BeNil())))
		}))
	})

	Describe("ending", func() {
		DescribeTable("closes on time", story(func(mode v1alpha1.ReturnMode, farewell time.Duration) {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(60), func(s *v1alpha1.BreakoutSet) { s.Spec.ReturnMode = mode })
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.Pass(time.Minute - time.Millisecond)
			Expect(readyReason(refresh(c, set))).To(Equal("Opened=True"))
			c.Pass(time.Millisecond)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(set.Status).To(And(HaveField("ClosedAt", at(opened.Add(time.Minute))), HaveField("State", v1alpha1.StateClosing)))

			c.Pass(farewell - time.Millisecond) // clients come back by themselves, or are given the time to
			Expect(ada.Signals()).To(BeEmpty())
			Expect(host.Signals()).To(HaveLen(2))
			c.Pass(time.Millisecond)
			c.receives(ada, Equal([]string{"allRoomRemoved"}))
			c.Pass(10*time.Second - time.Millisecond)
			Expect(ada.Connected()).To(BeTrue())
			c.Pass(time.Millisecond)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(c.received(host)[2:]).To(Equal([]string{"allRoomRemoved"}))
			Expect(ada.Signals()).To(HaveLen(1))
			Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(BeNil())
		}),
			Entry("with clients that come back by themselves", v1alpha1.ReturnAutomatic, 6*time.Second),
			Entry("with clients that are only told", v1alpha1.ReturnManual, 10*time.Second),
		)

		It("comes at once when the duration is shortened to what is over, and the countdown is dropped", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(900))
			ada := c.enter("groups", "red", "Ada")
			c.Pass(2 * time.Minute)
			edit(c, set, sim.Lasting(60))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			host := c.browsers["Host"]
			ends := c.dropped(set, host)
			Expect(c.received(ada)).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m")))
			c.Pass(time.Until(ends))
			c.receivesAfter(3, host, HaveExactElements(HavePrefix("timer 0m"), "timer {}"))
			c.Pass(7 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
		}))

		It("comes as soon as the operator is back", story(func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(60))
			ada := c.enter("groups", "red", "Ada")
			c.stop()
			c.Pass(5 * time.Minute)
			c.start()
			c.receives(ada, Equal([]string{"allRoomRemoved"}))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(c.browsers["Host"].Signals()).To(HaveLen(3))
		}))

		It("is taken back by a longer duration: the same opening goes on", story(func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.Lasting(60))
			host := c.browsers["Host"]
			c.Pass(time.Minute)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			c.Pass(16 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))

			edit(c, set, sim.Lasting(180))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(opened)), HaveField("ClosesAt", at(opened.Add(3*time.Minute)))))
			Expect(c.received(host)[2:]).To(Equal([]string{"allRoomRemoved", opening, "timer 3m to 1m44s, warning 30s"}))
			Expect(countdowns(host)[1:]).To(Equal([]string{countdown(opened.Add(3*time.Minute), 3, 30, false)}))

			c.Pass(104 * time.Second) // and once more, while people are on their way back
			c.waitReconciling(set, v1alpha1.ClosingReason)
			edit(c, set, sim.Lasting(600))
			c.Pass(6 * time.Second)
			c.receivesAfter(5, host, Equal([]string{"allRoomRemoved"}))
			c.Pass(10 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(c.received(host)[6:]).To(Equal([]string{opening, "timer 10m to 6m44s, warning 30s"}))
			Expect(set.Status.OpenedAt).To(at(opened))
		}))
	})

	Describe("beginning", func() {
		It("waits for openAt, which can be put off while open", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", sim.WithRooms("red"), openingAt(now.Add(time.Minute)), sim.Lasting(900))
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
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now.Add(time.Minute))), HaveField("ClosesAt", at(now.Add(16*time.Minute)))))
			Expect(c.received(host)).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))

			c.Pass(10 * time.Second)
			edit(c, set, openingAt(now.Add(5*time.Minute)))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			ends := c.dropped(set, host)
			Expect(c.received(ada)).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m")))
			c.Pass(time.Until(ends))
			Expect(countdowns(host)).To(HaveLen(3))
			c.Pass(6 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Scheduled=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(set.Status).To(And(HaveField("OpenedAt", BeNil()), HaveField("ClosesAt", BeNil())))

			again := now.Add(5 * time.Minute)
			c.Pass(time.Until(again))
			c.waitState(set, v1alpha1.StateOpen)
			c.waitReady(set)
			Expect(set.Status).To(And(HaveField("OpenedAt", at(again)), HaveField("ClosesAt", at(again.Add(15*time.Minute)))))
			Expect(c.received(host)[5:]).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))
		}))

		It("opens late when openAt is past, for the whole duration", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), openingAt(now.Add(-5*time.Minute)), sim.Lasting(600))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now)), HaveField("ClosesAt", at(now.Add(10*time.Minute)))))
			Expect(countdowns(c.browsers["Host"])).To(Equal([]string{countdown(now.Add(10*time.Minute), 10, 30, false)}))
		}))

		DescribeTable("has missed a time that is over, until there is another", story(func(change func(time.Time) func(*v1alpha1.BreakoutSet)) {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", sim.WithRooms("red"), openingAt(now.Add(-time.Hour)), sim.Lasting(600))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Missed=True"))
			Expect(set.Status.State).To(Equal(v1alpha1.StateClosed))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(c.callsOf(simulator.OpCreateSession)).To(HaveLen(1))

			edit(c, set, change(now))
			c.Pass(time.Minute)
			c.waitState(set, v1alpha1.StateOpen)
			c.waitReady(set)
			Expect(c.received(c.browsers["Host"])).To(HaveExactElements(opening, HavePrefix("timer")))
		}),
			Entry("a later openAt", func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(time.Minute)) }),
			Entry("an openAt that is not over yet", func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(-time.Minute)) }),
			Entry("a longer duration", func(time.Time) func(*v1alpha1.BreakoutSet) { return sim.Lasting(7200) }),
			Entry("no duration", func(time.Time) func(*v1alpha1.BreakoutSet) {
				return func(s *v1alpha1.BreakoutSet) { s.Spec.DurationSeconds, s.Spec.OpenAt = new(int32(600)), nil }
			}),
		)

		It("is missed when the operator was away for all of it", story(func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", sim.WithRooms("red"), openingAt(now.Add(time.Minute)), sim.Lasting(60))
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
			round := c.makeSet(name, sim.WithRooms("red"), openingAt(now.Add(time.Duration(i+1)*time.Minute)), sim.Lasting(60))
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
			c.Pass(16*time.Second - time.Millisecond)
			Expect(refresh(c, next).Status.State).To(Equal(v1alpha1.StateWaiting))
			Expect(host.Signals()).To(HaveLen(3 * (i + 1)))
			c.Pass(time.Millisecond)
			c.waitState(next, v1alpha1.StateOpen)
			Expect(refresh(c, before).Status.State).To(Equal(v1alpha1.StateClosed))
			Expect(next.Status).To(And(HaveField("OpenedAt", at(closes.Add(16*time.Second))), HaveField("ClosesAt", at(closes.Add(76*time.Second)))))
		}
		Expect(c.received(host)).To(HaveExactElements(
			opening, HavePrefix("timer 1m"), "allRoomRemoved",
			opening, HavePrefix("timer 1m"), "allRoomRemoved",
			opening, HavePrefix("timer 1m"),
		))
		Expect(refresh(c, c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "three")))
	}))

	Describe("told once more by annotation", func() {
		It("says the present rooms and the timer to everybody, once for each new value", story(func() {
			c := newClassroom("Ada", "Ben")
			opened := c.onTheSecond()
			set := c.open("groups", sim.WithRooms("red"), sim.WithPlacements("Ada=red"), sim.Lasting(900), resend("before")) // opening says it all
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			Expect(set.Status.LastHandledResend).To(Equal("before"))
			Expect(host.Signals()).To(HaveLen(2))
			c.Pass(10 * time.Second)

			for i, value := range []string{"1", "2", "1", strings.Repeat("long ", 20000)} {
				edit(c, set, resend(value))
				c.receives(ada, HaveLen(2*(i+1)))
				c.waitReady(set)
				Expect(c.received(ada)[2*i:]).To(Equal([]string{"roomEdited Class(Host Co Ben) red(Ada)", "timer 15m to 14m50s, warning 30s"}))
				Expect(c.received(host)[2+2*i:]).To(Equal(c.received(ada)[2*i:]))
				Expect(countdowns(ada)[i]).To(Equal(countdown(opened.Add(15*time.Minute), 15, 30, false)))
				if len(value) < 10 {
					Expect(set.Status.LastHandledResend).To(Equal(value))
				} else {
					Expect(set.Status.LastHandledResend).To(HavePrefix("sha256:"))
				}
			}
			edit(c, set, resend(strings.Repeat("long ", 20000)+"!")) // as long, and another
			c.receives(ada, HaveLen(10))
			c.waitReady(set)

			edit(c, set, resend(strings.Repeat("long ", 20000)+"!"))
			edit(c, set, func(s *v1alpha1.BreakoutSet) { delete(s.Annotations, v1alpha1.ResendAnnotation) }) // no value is no new value
			c.Settle()
			Expect(ada.Signals()).To(HaveLen(10))
			Expect(host.Signals()).To(HaveLen(12))
			c.waitReady(set)
		}))

		It("opens the prompt again for those who still have to choose", story(func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", sim.WithRooms("red"), withMode(v1alpha1.ModeChoose))
			host := c.browsers["Host"]
			c.Pass(10 * time.Second)
			edit(c, set, resend("1"))
			c.receivesAfter(1, host, Equal([]string{
				"roomEdited Class(Host Co Ada Ben) red()",
				"roomCreated (chooseroom) Class(Host Co Ada Ben) red()",
			}))
			c.waitReady(set)
		}))

		It("says nothing while the rooms are closed", story(func() {
			c := newClassroom("Ada")
			set := c.makeSet("groups", sim.WithRooms("red"), closed, resend("1"))
			c.waitReady(set)
			edit(c, set, resend("2"))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(readyReason(refresh(c, set))).To(Equal("Closed=True"))
		}))
	})
})

// dropped waits until everybody was told of a countdown in the place of the one that ran, and returns when it ends, as a browser was told.
func (c *classroom) dropped(set *v1alpha1.BreakoutSet, browser *simulator.Client) time.Time {
	GinkgoHelper()
	eventually(c, func() *v1alpha1.PendingSignals { return refresh(c, set).Status.Signals.Pending }, HaveValue(HaveField("Timer", v1alpha1.TimerCleared)))
	var end int64
	all := countdowns(browser)
	_, err := fmt.Sscanf(all[len(all)-1], `{"endTime":%d,`, &end)
	Expect(err).NotTo(HaveOccurred())
	return time.UnixMilli(end)
}
