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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
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
		It("is told when rooms open, and again whenever it changes, and not otherwise", func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(900))
			host := c.browsers["Host"]
			Expect(c.told(host)).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))
			Expect(host.Signals()[1].Data).To(Equal(fmt.Sprintf(
				`{"endTime":%d,"period":15,"countDownTimer":30,"isManualReturn":false,"revision":%d,"breakoutSet":{"name":"%s/groups","uid":"%s"}}`,
				opened.Add(15*time.Minute).UnixMilli(), set.Status.Signals.Revision, c.namespace, set.UID)))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(opened)), HaveField("ClosesAt", at(opened.Add(15*time.Minute)))))

			ada := c.enter("groups", "red", "Ada")
			c.turn(10 * time.Second)
			c.quiet()
			c.api.reset()
			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = ptr.To[int32](30) }) // what it was by default
			c.waitReady(set)
			var want []string
			for _, change := range []struct {
				edit func(*v1alpha1.BreakoutSet)
				want string
			}{
				{lasting(1200), countdown(opened.Add(20*time.Minute), 20, 30, false)},
				{lasting(630), countdown(opened.Add(630*time.Second), 10.5, 30, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = ptr.To[int32](60) }, countdown(opened.Add(630*time.Second), 10.5, 60, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.WarningSeconds = ptr.To[int32](0) }, countdown(opened.Add(630*time.Second), 10.5, 0, false)},
				{func(s *v1alpha1.BreakoutSet) { s.Spec.ReturnMode = v1alpha1.ReturnManual }, countdown(opened.Add(630*time.Second), 10.5, 0, true)},
			} {
				c.turn(time.Minute)
				edit(set, change.edit)
				c.waitReady(set)
				want = append(want, change.want)
				Expect(countdowns(ada)).To(Equal(want))
			}
			c.quiet()
			Expect(countdowns(host)[1:]).To(Equal(want))
			Expect(host.Signals()).To(HaveLen(2 + len(want)))
			Expect(ada.Signals()).To(HaveLen(len(want)))
			Expect(set.Status.ClosesAt).To(at(opened.Add(630 * time.Second)))
			// The first edit changed nothing but the observed generation; each of the others is planned, and then noted as told.
			Expect(c.api.of("breakoutsets")).To(HaveLen(1 + 2*len(want)))
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(2 + 2*len(want)))
		})

		It("is dropped in two steps that browsers survive when the duration is removed", func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.turn(10 * time.Second)

			edit(set, lasting(0))
			ends := c.dropped(set, host)
			c.waitReconciling(set, v1alpha1.UpdatingReason)
			Expect(ends.Sub(c.clock.Now())).To(BeNumerically(">=", 2*time.Second))
			Expect(countdowns(ada)).To(Equal([]string{countdown(ends, 0, 0, true)}))
			c.turn(ends.Sub(c.clock.Now()) - time.Millisecond)
			c.quiet()
			Expect(countdowns(host)).To(HaveLen(2))
			c.turn(time.Millisecond)
			c.waitReady(set)
			Expect(countdowns(ada)).To(Equal([]string{countdown(ends, 0, 0, true), "{}"}))
			Expect(countdowns(host)).To(Equal([]string{countdown(opened.Add(15*time.Minute), 15, 30, false), countdown(ends, 0, 0, true), "{}"}))
			Expect(set.Status).To(And(HaveField("Timer", BeNil()), HaveField("ClosesAt", BeNil()), HaveField("OpenedAt", at(opened))))

			c.turn(time.Hour) // nothing ends any more
			c.quiet()
			Expect(refresh(set).Status.State).To(Equal(v1alpha1.StateOpen))
			Expect(host.Signals()).To(HaveLen(4))
		})

		It("runs on when the duration is back before it was dropped", func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(900))
			ada := c.enter("groups", "red", "Ada")
			c.turn(10 * time.Second)
			edit(set, lasting(0))
			Eventually(func() []string { return countdowns(ada) }).Should(HaveLen(1))
			edit(set, lasting(900))
			c.waitReady(set)
			c.turn(10 * time.Second)
			c.quiet()
			Expect(countdowns(ada)[1:]).To(Equal([]string{countdown(opened.Add(15*time.Minute), 15, 30, false)}))
			Expect(set.Status.ClosesAt).To(at(opened.Add(15 * time.Minute)))
		})

		It("is dropped too when the rooms are closed while it runs", func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(900))
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.turn(10 * time.Second)
			edit(set, closed)
			ends := c.dropped(set, host)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(c.told(ada)).To(HaveLen(2))
			Expect(ends.Sub(c.clock.Now())).To(BeNumerically(">=", 2*time.Second))
			ada.Disconnect()
			c.turn(ends.Sub(c.clock.Now()) - time.Millisecond)
			c.quiet()
			Expect(host.Signals()).To(HaveLen(4))
			c.turn(time.Millisecond)
			Eventually(func() []string { return countdowns(host)[1:] }).Should(Equal([]string{countdown(ends, 0, 0, true), "{}"}))
			c.turn(10 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Closed=True"))
			Expect(c.told(host)[2:]).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m"), "timer {}"))
			Expect(set.Status).To(And(HaveField("Timer", BeNil()), HaveField("ClosesAt", BeNil()), HaveField("OpenedAt", BeNil())))
		})
	})

	Describe("ending", func() {
		DescribeTable("closes on time", func(mode v1alpha1.ReturnMode, farewell time.Duration) {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(60), func(s *v1alpha1.BreakoutSet) { s.Spec.ReturnMode = mode })
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			c.turn(time.Minute - time.Millisecond)
			c.quiet()
			Expect(readyReason(refresh(set))).To(Equal("Opened=True"))
			c.turn(time.Millisecond)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Expect(set.Status).To(And(HaveField("ClosedAt", at(opened.Add(time.Minute))), HaveField("State", v1alpha1.StateClosing)))

			c.turn(farewell - time.Millisecond) // clients come back by themselves, or are given the time to
			c.quiet()
			Expect(ada.Signals()).To(BeEmpty())
			Expect(host.Signals()).To(HaveLen(2))
			c.turn(time.Millisecond)
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"allRoomRemoved"}))
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(10*time.Second - time.Millisecond)
			c.quiet()
			Expect(ada.Connected()).To(BeTrue())
			c.turn(time.Second) // rooms' deletion has the API server's time, a moment later
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(c.told(host)[2:]).To(Equal([]string{"allRoomRemoved"}))
			Expect(ada.Signals()).To(HaveLen(1))
			Eventually(func() *v1alpha1.ActiveBreakoutSet { return refresh(c.main).Status.ActiveBreakoutSet }).Should(BeNil())
		},
			Entry("with clients that come back by themselves", v1alpha1.ReturnAutomatic, 6*time.Second),
			Entry("with clients that are only told", v1alpha1.ReturnManual, 10*time.Second),
		)

		It("comes at once when the duration is shortened to what is over, and the countdown is dropped", func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(900))
			ada := c.enter("groups", "red", "Ada")
			c.turn(2 * time.Minute)
			edit(set, lasting(60))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			host := c.browsers["Host"]
			ends := c.dropped(set, host)
			Expect(c.told(ada)).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m")))
			c.turn(ends.Sub(c.clock.Now()))
			Eventually(func() []string { return c.told(host)[3:] }).Should(HaveExactElements(HavePrefix("timer 0m"), "timer {}"))
			c.turn(7 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
		})

		It("comes as soon as the operator is back", func() {
			c := newClassroom("Ada")
			c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(60))
			ada := c.enter("groups", "red", "Ada")
			c.stop()
			c.turn(5 * time.Minute)
			c.start()
			Eventually(func() []string { return c.told(ada) }).Should(Equal([]string{"allRoomRemoved"}))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(11 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(c.browsers["Host"].Signals()).To(HaveLen(3))
		})

		It("is taken back by a longer duration: the same opening goes on", func() {
			c := newClassroom("Ada")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), lasting(60))
			host := c.browsers["Host"]
			c.turn(time.Minute)
			c.waitReconciling(set, v1alpha1.ClosingReason)
			c.turn(6 * time.Second)
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(11 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("TimeUp=True"))

			edit(set, lasting(180))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(opened)), HaveField("ClosesAt", at(opened.Add(3*time.Minute)))))
			Expect(c.told(host)[2:]).To(Equal([]string{"allRoomRemoved", opening, "timer 3m to 1m43s, warning 30s"}))
			Expect(countdowns(host)[1:]).To(Equal([]string{countdown(opened.Add(3*time.Minute), 3, 30, false)}))

			c.turn(103 * time.Second) // and once more, while people are on their way back
			c.waitReconciling(set, v1alpha1.ClosingReason)
			edit(set, lasting(600))
			c.turn(6 * time.Second)
			Eventually(func() []string { return c.told(host)[5:] }).Should(Equal([]string{"allRoomRemoved"}))
			Eventually(func() *metav1.Time { return c.room("groups", "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(11 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Opened=True"))
			Expect(c.told(host)[6:]).To(Equal([]string{opening, "timer 10m to 6m43s, warning 30s"}))
			Expect(set.Status.OpenedAt).To(at(opened))
		})
	})

	Describe("beginning", func() {
		It("waits for openAt, which can be put off while open", func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", withRooms("red"), openingAt(now.Add(time.Minute)), lasting(900))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Scheduled=True"))
			Expect(set.Status.State).To(Equal(v1alpha1.StateScheduled))
			c.turn(time.Minute - time.Millisecond)
			c.quiet()
			Expect(refresh(set).Status.State).To(Equal(v1alpha1.StateScheduled))
			Expect(set.Status.Replicas).To(HaveValue(BeZero()))
			Expect(refresh(c.main).Status.ActiveBreakoutSet).To(BeNil())
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())

			c.turn(time.Millisecond)
			c.waitState(set, v1alpha1.StateOpen)
			host, ada := c.browsers["Host"], c.enter("groups", "red", "Ada")
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now.Add(time.Minute))), HaveField("ClosesAt", at(now.Add(16*time.Minute)))))
			Expect(c.told(host)).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))

			c.turn(10 * time.Second)
			edit(set, openingAt(now.Add(5*time.Minute)))
			c.waitReconciling(set, v1alpha1.ClosingReason)
			ends := c.dropped(set, host)
			Expect(c.told(ada)).To(HaveExactElements("allRoomRemoved", HavePrefix("timer 0m")))
			c.turn(ends.Sub(c.clock.Now()))
			Eventually(func() []string { return countdowns(host) }).Should(HaveLen(3))
			c.turn(6 * time.Second)
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Scheduled=True"))
			Expect(ada.Connected()).To(BeFalse())
			Expect(set.Status).To(And(HaveField("OpenedAt", BeNil()), HaveField("ClosesAt", BeNil())))

			again := now.Add(5 * time.Minute)
			c.turn(again.Sub(c.clock.Now()))
			c.waitState(set, v1alpha1.StateOpen)
			c.waitReady(set)
			Expect(set.Status).To(And(HaveField("OpenedAt", at(again)), HaveField("ClosesAt", at(again.Add(15*time.Minute)))))
			Expect(c.told(host)[5:]).To(Equal([]string{opening, "timer 15m to 15m0s, warning 30s"}))
		})

		It("opens late when openAt is past, for the whole duration", func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.open("groups", withRooms("red"), openingAt(now.Add(-5*time.Minute)), lasting(600))
			Expect(set.Status).To(And(HaveField("OpenedAt", at(now)), HaveField("ClosesAt", at(now.Add(10*time.Minute)))))
			Expect(countdowns(c.browsers["Host"])).To(Equal([]string{countdown(now.Add(10*time.Minute), 10, 30, false)}))
		})

		DescribeTable("has missed a time that is over, until there is another", func(change func(time.Time) func(*v1alpha1.BreakoutSet)) {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", withRooms("red"), openingAt(now.Add(-time.Hour)), lasting(600))
			c.waitReady(set)
			Expect(readyReason(set)).To(Equal("Missed=True"))
			Expect(set.Status.State).To(Equal(v1alpha1.StateClosed))
			c.quiet()
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(c.callsOf(simulator.OpCreateSession)).To(HaveLen(1))

			edit(set, change(now))
			c.quiet()
			c.turn(time.Minute)
			c.waitState(set, v1alpha1.StateOpen)
			c.waitReady(set)
			Expect(c.told(c.browsers["Host"])).To(HaveExactElements(opening, HavePrefix("timer")))
		},
			Entry("a later openAt", func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(time.Minute)) }),
			Entry("an openAt that is not over yet", func(now time.Time) func(*v1alpha1.BreakoutSet) { return openingAt(now.Add(-time.Minute)) }),
			Entry("a longer duration", func(time.Time) func(*v1alpha1.BreakoutSet) { return lasting(7200) }),
			Entry("no duration", func(time.Time) func(*v1alpha1.BreakoutSet) {
				return func(s *v1alpha1.BreakoutSet) { s.Spec.DurationSeconds, s.Spec.OpenAt = ptr.To[int32](600), nil }
			}),
		)

		It("is missed when the operator was away for all of it", func() {
			c := newClassroom("Ada")
			now := c.onTheSecond()
			set := c.makeSet("groups", withRooms("red"), openingAt(now.Add(time.Minute)), lasting(60))
			c.waitReady(set)
			c.stop()
			c.turn(time.Hour)
			c.start()
			Eventually(func() string { return readyReason(refresh(set)) }).Should(Equal("Missed=True"))
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
		})

		It("refuses a duration that is none", func() {
			c := newClassroom()
			for _, seconds := range []int32{0, -1, 86401} {
				set := c.newSet("groups", withRooms("red"), func(s *v1alpha1.BreakoutSet) { s.Spec.DurationSeconds = &seconds })
				err := admin.Create(context.Background(), set)
				Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%d s: %v", seconds, err)
			}
		})
	})

	It("makes rounds: each set opens when its time has come and everybody is back from the one before", func() {
		c := newClassroom("Ada")
		now, host := c.onTheSecond(), c.browsers["Host"]
		var rounds []*v1alpha1.BreakoutSet
		for i, name := range []string{"one", "two", "three"} {
			round := c.makeSet(name, withRooms("red"), openingAt(now.Add(time.Duration(i+1)*time.Minute)), lasting(60))
			c.waitReady(round)
			Expect(readyReason(round)).To(Equal("Scheduled=True"))
			rounds = append(rounds, round)
		}
		c.turn(time.Minute)
		c.waitState(rounds[0], v1alpha1.StateOpen)
		for i := range 2 {
			before, next := rounds[i], rounds[i+1]
			closes := refresh(before).Status.ClosesAt.Time
			c.turn(closes.Sub(c.clock.Now()))
			c.waitState(before, v1alpha1.StateClosing)
			c.waitState(next, v1alpha1.StateWaiting)
			c.waitReady(next)
			Expect(readyReason(next)).To(Equal("Waiting=True"))
			c.turn(6 * time.Second)
			Eventually(func() *metav1.Time { return c.room(before.Name, "red").DeletionTimestamp }).ShouldNot(BeNil())
			c.turn(10*time.Second - time.Millisecond)
			c.quiet()
			Expect(refresh(next).Status.State).To(Equal(v1alpha1.StateWaiting))
			Expect(host.Signals()).To(HaveLen(3 * (i + 1)))
			c.turn(time.Second)
			c.waitState(next, v1alpha1.StateOpen)
			Expect(refresh(before).Status.State).To(Equal(v1alpha1.StateClosed))
			Expect(next.Status.OpenedAt.Time).To(BeTemporally(">=", closes.Add(16*time.Second)))
			Expect(next.Status.ClosesAt.Time).To(BeTemporally("==", next.Status.OpenedAt.Add(time.Minute)))
		}
		c.quiet()
		Expect(c.told(host)).To(HaveExactElements(
			opening, HavePrefix("timer 1m"), "allRoomRemoved",
			opening, HavePrefix("timer 1m"), "allRoomRemoved",
			opening, HavePrefix("timer 1m"),
		))
		Expect(refresh(c.main).Status.ActiveBreakoutSet).To(HaveValue(HaveField("Name", "three")))
	})

	Describe("told once more by annotation", func() {
		resend := func(value string) func(*v1alpha1.BreakoutSet) {
			return func(s *v1alpha1.BreakoutSet) {
				metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.ResendAnnotation, value)
			}
		}
		handled := func(set *v1alpha1.BreakoutSet) func() string {
			return func() string { return refresh(set).Status.LastHandledResend }
		}

		It("says the present rooms and the timer to everybody, once for each new value", func() {
			c := newClassroom("Ada", "Ben")
			opened := c.onTheSecond()
			set := c.open("groups", withRooms("red"), withMode(v1alpha1.ModeManual, "Ada=red"), lasting(900), resend("before")) // opening says it all
			ada, host := c.enter("groups", "red", "Ada"), c.browsers["Host"]
			Expect(handled(set)()).To(Equal("before"))
			Expect(host.Signals()).To(HaveLen(2))
			c.turn(10 * time.Second)

			for i, value := range []string{"1", "2", "1", strings.Repeat("long ", 20000)} {
				edit(set, resend(value))
				Eventually(func() []string { return c.told(ada) }).Should(HaveLen(2 * (i + 1)))
				c.waitReady(set)
				c.quiet()
				Expect(c.told(ada)[2*i:]).To(Equal([]string{"roomEdited Class(Host Co Ben) red(Ada)", "timer 15m to 14m50s, warning 30s"}))
				Expect(c.told(host)[2+2*i:]).To(Equal(c.told(ada)[2*i:]))
				Expect(countdowns(ada)[i]).To(Equal(countdown(opened.Add(15*time.Minute), 15, 30, false)))
				if len(value) < 10 {
					Expect(handled(set)()).To(Equal(value))
				} else {
					Expect(handled(set)()).To(HavePrefix("sha256:"))
				}
			}
			edit(set, resend(strings.Repeat("long ", 20000)+"!")) // as long, and another
			Eventually(func() []string { return c.told(ada) }).Should(HaveLen(10))
			c.waitReady(set)

			edit(set, resend(strings.Repeat("long ", 20000)+"!"))
			edit(set, func(s *v1alpha1.BreakoutSet) { delete(s.Annotations, v1alpha1.ResendAnnotation) }) // no value is no new value
			c.quiet()
			Expect(ada.Signals()).To(HaveLen(10))
			Expect(host.Signals()).To(HaveLen(12))
			c.waitReady(set)
		})

		It("opens the prompt again for those who still have to choose", func() {
			c := newClassroom("Ada", "Ben")
			set := c.open("groups", withRooms("red"), withMode(v1alpha1.ModeChoose))
			host := c.browsers["Host"]
			c.turn(10 * time.Second)
			edit(set, resend("1"))
			Eventually(func() []string { return c.told(host)[1:] }).Should(Equal([]string{
				"roomEdited Class(Host Co Ada Ben) red()",
				"roomCreated (chooseroom) Class(Host Co Ada Ben) red()",
			}))
			c.waitReady(set)
		})

		It("says nothing while the rooms are closed", func() {
			c := newClassroom("Ada")
			set := c.makeSet("groups", withRooms("red"), closed, resend("1"))
			c.waitReady(set)
			edit(set, resend("2"))
			c.quiet()
			Expect(c.callsOf(simulator.OpSignal)).To(BeEmpty())
			Expect(readyReason(refresh(set))).To(Equal("Closed=True"))
		})
	})
})

// dropped waits until everybody was told of a countdown in the place of the one that ran, and returns when it ends, as a browser was told.
func (c *classroom) dropped(set *v1alpha1.BreakoutSet, browser *simulator.Client) time.Time {
	GinkgoHelper()
	Eventually(func() *v1alpha1.PendingSignals { return refresh(set).Status.Signals.Pending }).Should(HaveValue(HaveField("Timer", v1alpha1.TimerCleared)))
	var end int64
	all := countdowns(browser)
	_, err := fmt.Sscanf(all[len(all)-1], `{"endTime":%d,`, &end)
	Expect(err).NotTo(HaveOccurred())
	return time.UnixMilli(end)
}
