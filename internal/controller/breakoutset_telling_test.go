// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// groups is a class with a set that has been open for a while: Ada is in red, Ben in blue, Cleo in green.
type groups struct {
	*classroom
	set                  *v1alpha1.BreakoutSet
	host, ada, ben, cleo *simulator.Client
	heard                map[*simulator.Client]int // how much each had heard when the story began
}

func newGroups() *groups {
	GinkgoHelper()
	c := newClassroom("Ada", "Ben", "Cleo")
	c.onTheSecond()
	g := &groups{classroom: c, host: c.browsers["Host"], heard: map[*simulator.Client]int{}}
	g.set = c.open("groups", withRooms("red", "blue", "green"), withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue", "Cleo=green"))
	g.ada, g.ben, g.cleo = c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.enter("groups", "green", "Cleo")
	c.turn(10 * time.Second)
	c.quiet()
	g.heard[g.host] = len(g.host.Signals())
	c.api.reset()
	c.sim.ResetCalls()
	return g
}

// hears is what a browser was told in the story, each signal as a line.
func (g *groups) hears(browser *simulator.Client) func() []string {
	return func() []string { return g.told(browser)[g.heard[browser]:] }
}

// fail makes signals to a room of the set, or to the main room, fail.
func (g *groups) fail(room string, f simulator.Fault) {
	GinkgoHelper()
	f.Op, f.SessionID = simulator.OpSignal, g.main.Status.SessionID
	if room != v1alpha1.MainRoomName {
		f.SessionID = g.room("groups", room).Status.SessionID
	}
	g.sim.AddFault(f)
}

// calls is how many signals were sent, or tried to be sent, in the story.
func (g *groups) calls() int { return len(g.callsOf(simulator.OpSignal)) }

// signals is the set's status.signals.
func (g *groups) signals() v1alpha1.SignalsStatus {
	GinkgoHelper()
	return refresh(g.set).Status.Signals
}

func (g *groups) missing() []v1alpha1.BreakoutRoomName { return g.signals().Missing }

// delivered is the reason of condition SignalsDelivered.
func (g *groups) delivered() string {
	GinkgoHelper()
	c := meta.FindStatusCondition(refresh(g.set).Status.Conditions, v1alpha1.SignalsDeliveredCondition)
	Expect(c).NotTo(BeNil())
	return c.Reason
}

var _ = Describe("A BreakoutSet telling of a change", func() {
	unavailable := simulator.Fault{Kind: simulator.FaultStatus, Status: 503}
	times := func(n int, f simulator.Fault) simulator.Fault {
		f.Count = n
		return f
	}
	const (
		renamed = "roomEdited Class(Host Co) red(Ada) Azure(Ben) green(Cleo)"
		yellow  = "roomAdded Class(Host Co) red(Ada) blue(Ben) green(Cleo) yellow()"
	)
	rename := withRooms("red", "blue=Azure", "green")

	Describe("while the vendor fails for one session", func() {
		DescribeTable("tells all others at once and that one later", func(f simulator.Fault, times int) {
			g := newGroups()
			g.fail("red", f)
			edit(g.set, rename)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Eventually(g.hears(browser)).Should(Equal([]string{renamed}))
			}
			if f.Kind == simulator.FaultSilence || f.Kind == simulator.FaultTimeoutAfter {
				g.quiet() // the others' answers have arrived
				g.turn(3 * time.Second)
			}
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			Expect(g.delivered()).To(Equal(v1alpha1.VendorUnavailableReason))
			g.quiet()
			Expect(g.calls()).To(Equal(4)) // not again at once
			g.turn(time.Second)
			g.waitReady(g.set)
			Expect(g.hears(g.ada)()).To(HaveLen(times)) // where the vendor lost its answer it can only be said again
			Expect(g.hears(g.ada)()).To(HaveEach(renamed))
			Expect(slices.Compact(revisionsOf(g.ada))).To(Equal([]int64{g.set.Status.Signals.Revision}))
			g.turn(time.Minute)
			g.quiet()
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(HaveLen(1))
			}
			Expect(g.calls()).To(Equal(5))
			Expect(g.delivered()).To(Equal(v1alpha1.DeliveredReason))
		},
			Entry("that answers 503", times(1, unavailable), 1),
			Entry("that cuts the connection", simulator.Fault{Kind: simulator.FaultResetBefore, Count: 1}, 1),
			Entry("that does not answer", simulator.Fault{Kind: simulator.FaultSilence, Count: 1}, 1),
			Entry("that cuts the connection after the effect", simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1}, 2),
			Entry("that does not answer after the effect", simulator.Fault{Kind: simulator.FaultTimeoutAfter, Count: 1}, 2),
		)

		It("goes on with the signal that failed, in order", func() {
			g := newGroups()
			f := times(2, unavailable)
			f.After = 1
			g.fail("red", f)
			edit(g.set, func(s *v1alpha1.BreakoutSet) {
				withRooms("red", "blue=Azure", "green", "yellow")(s)
				withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue", "Cleo=yellow")(s)
			})
			want := []string{
				"roomEdited Class(Host Co) red(Ada) Azure(Ben) green(Cleo)",
				"roomAdded Class(Host Co) red(Ada) Azure(Ben) green(Cleo) yellow()",
				"participantMoved Class(Host Co) red(Ada) Azure(Ben) green() yellow(>Cleo)",
			}
			Eventually(g.hears(g.host)).Should(HaveLen(3))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			Expect(g.hears(g.ada)()).To(HaveLen(1))
			g.turn(time.Second)
			Eventually(g.calls).Should(Equal(3*3 + 3))
			g.quiet()
			g.turn(2 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal(want))
			}
			Expect(g.calls()).To(Equal(4*3 + 2))
		})

		It("has given up after two minutes, says so, and tells it again when asked to", func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g.set, rename)
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			g.turn(2*time.Minute - time.Second)
			Eventually(g.calls).Should(Equal(5))
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			g.quiet()
			g.turn(15 * time.Second)
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			Expect(g.set.Status.Signals).To(And(
				HaveField("Pending", BeNil()), HaveField("Missing", BeEmpty()), HaveField("Failed", Equal([]v1alpha1.BreakoutRoomName{"red"}))))
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionFalse, v1alpha1.VendorUnavailableReason)
			Expect(meta.IsStatusConditionTrue(g.set.Status.Conditions, v1alpha1.OpenCondition)).To(BeTrue())

			g.sim.ClearFaults()
			g.turn(time.Hour)
			g.restart()
			g.quiet()
			Expect(g.hears(g.ada)()).To(BeEmpty())
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			edit(g.set, func(s *v1alpha1.BreakoutSet) {
				metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.ResendAnnotation, "1")
			})
			g.waitReady(g.set)
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
			Expect(g.hears(g.ada)()).To(Equal([]string{renamed}))
			Expect(g.hears(g.host)()).To(Equal([]string{renamed, renamed}))
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
		})

		It("makes up for what it had given up on with the next change, whatever that is", func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g.set, rename)
			Eventually(g.delivered).Should(Equal(v1alpha1.VendorUnavailableReason))
			g.quiet()
			g.turn(2 * time.Minute)
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			g.sim.ClearFaults()
			edit(g.set, lasting(3600))
			g.waitReady(g.set)
			Expect(g.hears(g.ada)()).To(HaveExactElements(renamed, HavePrefix("timer 60m")))
			Expect(g.hears(g.ben)()).To(HaveExactElements(renamed, renamed, HavePrefix("timer 60m")))
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
		})

		It("tells a later edit together with what one session has not heard of the one before", func() {
			g := newGroups()
			g.fail("red", times(1, unavailable))
			edit(g.set, withRooms("red", "blue", "green", "yellow"))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			Expect(g.hears(g.host)()).To(Equal([]string{yellow}))
			edit(g.set, withRooms("red", "blue", "green", "yellow", "pink")) // the clock stands still: the newer plan does not wait for the older one's next try
			g.waitReady(g.set)
			Expect(g.hears(g.ada)()).To(Equal([]string{yellow + " pink()"}))
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{yellow, yellow + " pink()"}))
			}
		})

		It("moves nobody twice who was told, whatever is edited before all have heard it", func() {
			g := newGroups()
			g.fail("green", times(1, unavailable))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"green"}))
			moved := "participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"
			Expect(g.hears(g.ben)()).To(Equal([]string{moved}))
			edit(g.set, withRooms("red", "blue", "green", "yellow"))
			Eventually(func() int { return len(refresh(g.set).Status.Rooms) }).Should(Equal(4)) // planned before the clock goes on
			g.quiet()
			g.turn(6 * time.Second)
			g.waitReady(g.set)
			g.turn(30 * time.Second)
			g.quiet()
			for name, browser := range map[string]*simulator.Client{"host": g.host, "ada": g.ada, "ben": g.ben, "cleo": g.cleo} {
				all := g.hears(browser)()
				Expect(all[len(all)-1]).To(HaveSuffix(" Class(Host Co) red(Ada Ben) blue() green(Cleo) yellow()"), name)
				if browser == g.cleo {
					Expect(strings.Join(all, "\n")).NotTo(ContainSubstring(">"), name)
				} else {
					Expect(all[0]).To(Equal(moved), name)
					Expect(strings.Join(all[1:], "\n")).NotTo(ContainSubstring(">"), name)
				}
			}
		})

		It("moves nobody twice who was told, when everything is asked for again before all have heard it", func() {
			g := newGroups()
			g.fail("green", times(1, unavailable))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"green"}))
			edit(g.set, func(s *v1alpha1.BreakoutSet) {
				metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.ResendAnnotation, "1")
			})
			Eventually(func() string { return refresh(g.set).Status.LastHandledResend }).Should(Equal("1")) // planned before the clock goes on
			g.quiet()
			g.turn(6 * time.Second)
			g.waitReady(g.set)
			again := "roomEdited Class(Host Co) red(Ada Ben) blue() green(Cleo)"
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben} {
				Expect(g.hears(browser)()).To(Equal([]string{"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)", again}))
			}
			Expect(g.hears(g.cleo)()).To(Equal([]string{again}))
		})

		It("moves nobody again before their browser has acted, when the answer is lost", func() {
			g := newGroups()
			g.fail("blue", simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1})
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"blue"}))
			g.quiet()
			g.turn(breakout.RepeatAfter - time.Second)
			g.quiet()
			Expect(g.hears(g.ben)()).To(HaveLen(1))
			g.turn(time.Second)
			g.waitReady(g.set)
			Expect(g.hears(g.ben)()).To(Equal(slices.Repeat([]string{"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"}, 2)))
		})

		It("ends a countdown a few seconds after a session could be told, however late that is", func() {
			g := newGroups()
			edit(g.set, lasting(3600))
			g.waitReady(g.set)
			g.fail("red", times(4, unavailable))
			edit(g.set, lasting(0))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			asked := g.calls()
			for i, wait := range []time.Duration{1, 2, 4, 8} {
				g.quiet()
				g.turn(wait * time.Second)
				Eventually(g.calls).Should(BeNumerically(">", asked+i))
			}
			g.quiet()
			g.turn(8 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.hears(browser)()[1:]).To(Equal([]string{"timer 0m to -15s, warning 0s, manual", "timer {}"}))
			}
			Expect(g.hears(g.ada)()[1:]).To(Equal([]string{"timer 0m to 0s, warning 0s, manual", "timer {}"}))
		})

		It("makes up for what it had given up on also when what was left to say is taken back", func() {
			g := newGroups()
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			g.waitReady(g.set)
			refused := simulator.Fault{Kind: simulator.FaultStatus, Status: http.StatusRequestEntityTooLarge, Count: 1}
			g.fail("green", refused)
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=blue", "Ben=green", "Cleo=green")) // Ben is on the way and is told later
			Eventually(func() []v1alpha1.BreakoutRoomName { return g.signals().Failed }).Should(Equal([]v1alpha1.BreakoutRoomName{"green"}))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=blue", "Ben=red", "Cleo=green"))
			Eventually(func() *v1alpha1.PendingSignals { return g.signals().Pending }).Should(BeNil())
			g.quiet()
			Expect(g.signals()).To(And(HaveField("Pending", BeNil()), HaveField("Failed", Equal([]v1alpha1.BreakoutRoomName{"green"}))))
			g.turn(10 * time.Second)
			edit(g.set, lasting(3600))
			g.waitReady(g.set)
			Expect(g.hears(g.cleo)()[1:]).To(HaveExactElements("roomEdited Class(Host Co) red(Ben) blue(Ada) green(Cleo)", HavePrefix("timer 60m")))
		})

		It("tells who may have been told to move where to go in the end, when the browser has acted on it", func() {
			g := newGroups()
			g.fail("blue", times(1, unavailable))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"blue"}))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=green", "Cleo=green"))
			Eventually(func() string { return placesOf(refresh(g.set)) }).Should(Equal("red: Ada; blue: ; green: Ben, Cleo"))
			g.quiet()
			Expect(strings.Join(g.hears(g.ben)(), "\n")).NotTo(ContainSubstring(">"))
			g.turn(6 * time.Second)
			g.waitReady(g.set)
			all := g.hears(g.ben)()
			Expect(all[len(all)-1]).To(Equal("participantMoved Class(Host Co) red(Ada) blue() green(Cleo >Ben)"))
			Expect(strings.Count(strings.Join(all, "\n"), ">")).To(Equal(1))
			Expect(g.hears(g.ada)()[len(g.hears(g.ada)())-1]).To(Equal(all[len(all)-1]))
		})

		It("gives up on what the vendor refuses as it is, tells the rest, and says so", func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultStatus, Status: http.StatusRequestEntityTooLarge, Match: func(c simulator.Call) bool {
				return strings.Contains(c.SignalData, "roomEdited")
			}})
			edit(g.set, rename)
			g.waitStalled(g.set, v1alpha1.VendorRejectedReason)
			Expect(g.set.Status.Signals.Failed).To(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			Expect(g.hears(g.ben)()).To(Equal([]string{renamed}))
			g.turn(time.Minute)
			g.quiet()
			Expect(g.calls()).To(Equal(4))

			edit(g.set, withRooms("red", "blue=Azure", "green", "yellow")) // a list with everything in it
			g.waitReady(g.set)
			Expect(g.hears(g.ada)()).To(Equal([]string{"roomAdded Class(Host Co) red(Ada) Azure(Ben) green(Cleo) yellow()"}))
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
		})
	})

	Describe("while the vendor fails for all", func() {
		It("waits as long as the vendor asks for, and then tells everybody once", func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "20", Count: 1})
			edit(g.set, rename)
			Eventually(g.delivered).Should(Equal(v1alpha1.VendorRateLimitedReason))
			asked := g.calls()
			for range 19 {
				g.turn(time.Second)
			}
			g.quiet()
			Expect(g.calls()).To(Equal(asked))
			g.turn(2 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed}))
			}
			Expect(g.calls()).To(Equal(5))
		})

		It("says that the credentials are refused, and tells everybody once when they are put right", func() {
			g := newGroups()
			g.makeSecret("default", pemOf(wrongKey))
			account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default-" + g.id}}
			g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
			edit(g.set, rename)
			Eventually(g.delivered).Should(Equal(v1alpha1.CredentialsRejectedReason))
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			g.turn(10 * time.Second)
			g.quiet()
			Expect(g.calls()).To(BeZero())

			g.makeSecret("default", pemOf(goodKey))
			g.waitReady(account)
			g.makeReadyRoom("chemistry") // so the operator has seen it as well
			g.turn(15 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed}))
			}
		})

		It("says that a key which was good is refused", func() {
			g := newGroups()
			g.sim.AddFault(simulator.Fault{Kind: simulator.FaultForbidden})
			edit(g.set, rename)
			account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default-" + g.id}}
			g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
			Eventually(g.delivered).Should(Equal(v1alpha1.CredentialsRejectedReason))
			g.quiet()
			g.sim.ClearFaults()
			g.turn(70 * time.Second) // refused credentials are tried again each minute
			g.waitReady(account)
			g.makeReadyRoom("chemistry") // so the operator has seen it as well
			g.turn(15 * time.Second)
			g.waitReady(g.set)
			Expect(g.hears(g.ada)()).To(Equal([]string{renamed}))
		})
	})

	Describe("when the operator dies", func() {
		It("tells after its return what was planned, once and under the same revision", func() {
			g := newGroups()
			killed := g.killAt("breakoutsets/groups/status", 1, true)
			edit(g.set, rename)
			Eventually(killed).Should(BeClosed())
			planned := g.signals()
			Expect(planned.Pending).NotTo(BeNil())
			Expect(g.calls()).To(BeZero())
			g.turn(time.Minute)
			g.reborn(killed)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed}))
				Expect(revisionsOf(browser)).To(Equal([]int64{planned.Revision}))
			}
		})

		It("repeats what it could not note as told, byte by byte", func() {
			g := newGroups()
			killed := g.killAt("breakoutsets/groups/status", 2, false)
			edit(g.set, rename)
			g.reborn(killed)
			g.waitReady(g.set)
			g.quiet()
			for _, browser := range []*simulator.Client{g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed, renamed}))
				Expect(browser.Signals()[0].Data).To(Equal(browser.Signals()[1].Data))
			}
		})

		It("tells after its return only those who had not heard it", func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g.set, rename)
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			g.stop()
			g.sim.ClearFaults()
			g.start()
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed}))
			}
		})

		It("tells everybody what became due meanwhile, beside what one had not heard", func() {
			g := newGroups()
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			g.waitReady(g.set)
			g.fail("green", unavailable)
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=blue", "Ben=green", "Cleo=green")) // Ben is on the way and is told later
			Eventually(g.missing).Should(Equal([]v1alpha1.BreakoutRoomName{"green"}))
			g.stop()
			g.sim.ClearFaults()
			g.turn(10 * time.Second)
			g.start()
			g.quiet()
			Expect(g.hears(g.cleo)()).To(HaveLen(1)) // she may have heard the second just before
			g.turn(breakout.RepeatAfter)
			g.quiet()
			g.turn(breakout.RepeatAfter) // in case it took a while to begin
			g.waitReady(g.set)
			want := []string{
				"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)",
				"participantMoved Class(Host Co) red(Ben) blue(>Ada) green(Cleo)",
				"participantMoved Class(Host Co) red() blue(Ada) green(Cleo >Ben)",
			}
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal(want))
			}
		})

		It("tells what was edited meanwhile as one change, and nothing when that is none", func() {
			g := newGroups()
			g.stop()
			edit(g.set, withRooms("red", "green", "yellow"))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=green", "Ben=red"))
			edit(g.set, withRooms("red", "blue", "green"))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue", "Cleo=green"))
			g.start()
			g.quiet()
			Expect(g.calls()).To(BeZero())

			g.stop()
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=blue", "Ben=green", "Cleo=green"))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=green", "Ben=blue", "Cleo=green"))
			g.start()
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{"participantMoved Class(Host Co) red() blue(Ben) green(Cleo >Ada)"}))
			}
		})
	})

	Describe("while somebody writes to it", func() {
		It("tells nothing twice that all have heard, when more is asked for before that is noted", func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Count: 1, When: simulator.AfterEffect, Hook: func(simulator.Call) {
				asking := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "groups"}}
				_ = admin.Patch(context.Background(), asking, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"breakout-operator.io/resend":"1"}}}`)))
			}})
			edit(g.main, func(m *v1alpha1.MeetingRoom) {
				for i := range m.Spec.Participants {
					if m.Spec.Participants[i].Name == "Ben" {
						m.Spec.Participants[i].Role = v1alpha1.RoleCoHost
					}
				}
			})
			Eventually(func() string { return refresh(g.set).Status.LastHandledResend }).Should(Equal("1"))
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(HaveExactElements(HavePrefix("update-participant"), HavePrefix("roomEdited")))
			}
		})

		It("tells nobody twice because of a label, or of an API server that fails", func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Count: 1, When: simulator.AfterEffect, Hook: func(simulator.Call) {
				labelled := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "groups"}}
				_ = admin.Patch(context.Background(), labelled, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`)))
			}})
			writes := 0
			g.api.intercept(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if strings.HasSuffix(req.URL.Path, "breakoutsets/groups/status") {
					if writes++; writes == 3 { // the first is the plan, and the second fails because of the label
						return serverError()
					}
				}
				return send()
			})
			edit(g.set, rename)
			g.waitReady(g.set)
			g.quiet()
			Expect(g.set.Labels).To(HaveKey("a"))
			Expect(writes).To(BeNumerically(">", 3))
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				Expect(g.hears(browser)()).To(Equal([]string{renamed}))
			}
		})

		It("loses nothing of edits within a millisecond, and no revision is used twice", func() {
			g := newGroups()
			rooms := []string{"red", "blue", "green"}
			for i := range 6 {
				rooms = append(rooms, fmt.Sprintf("more-%d", i))
				edit(g.set, withRooms(rooms...)) // the clock stands still
			}
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				all := g.hears(browser)()
				Expect(len(all)).To(BeNumerically("<=", 6))
				Expect(all).To(HaveEach(HavePrefix("roomAdded ")))
				Expect(all[len(all)-1]).To(Equal("roomAdded Class(Host Co) red(Ada) blue(Ben) green(Cleo) more-0() more-1() more-2() more-3() more-4() more-5()"))
				revisions := revisionsOf(browser)
				Expect(slices.IsSorted(revisions)).To(BeTrue())
				Expect(slices.Compact(slices.Clone(revisions))).To(HaveLen(len(revisions)))
			}
		})

		It("follows a name there and back again", func() {
			g := newGroups()
			released := make(chan struct{})
			g.fail("main", simulator.Fault{Count: 1, Hook: func(simulator.Call) { <-released }})
			edit(g.set, rename)
			Eventually(g.hears(g.ben)).Should(Equal([]string{renamed}))
			edit(g.set, withRooms("red", "blue", "green"))
			g.quiet()
			close(released)
			for range 4 {
				g.turn(5 * time.Second)
				g.quiet()
			}
			g.waitReady(g.set)
			back := "roomEdited Class(Host Co) red(Ada) blue(Ben) green(Cleo)"
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				all := g.hears(browser)()
				Expect(all[len(all)-1]).To(Equal(back))
				Expect(slices.Compact(all)).To(Equal([]string{renamed, back})) // the main room may have heard it or not before it was said again
			}
			Expect(g.hears(g.ben)()).To(HaveLen(2))
		})

		It("follows a person there and back again, and does not hurry", func() {
			g := newGroups()
			g.fail("main", simulator.Fault{Kind: simulator.FaultSilence, Count: 1})
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=red", "Cleo=green"))
			there := "participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"
			Eventually(g.hears(g.ben)).Should(Equal([]string{there}))
			Eventually(func() int { return g.calls() }).Should(Equal(4))
			edit(g.set, withMode(v1alpha1.ModeManual, "Ada=red", "Ben=blue", "Cleo=green"))
			Eventually(func() string { return placesOf(refresh(g.set)) }).Should(Equal("red: Ada; blue: Ben; green: Cleo"))
			g.quiet()
			Expect(strings.Count(strings.Join(g.hears(g.ben)(), "\n"), ">")).To(Equal(1))
			g.turn(6 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben, g.cleo} {
				all := g.hears(browser)()
				Expect(all[len(all)-1]).To(Equal("participantMoved Class(Host Co) red(Ada) blue(>Ben) green(Cleo)"))
			}
			Expect(strings.Count(strings.Join(g.hears(g.ben)(), "\n"), ">")).To(Equal(2))
		})
	})

	Describe("when it closes", func() {
		DescribeTable("is not held up by a session that cannot be told", func(f simulator.Fault, close func(*groups)) {
			g := newGroups()
			next := g.makeSet("next", withRooms("red"))
			g.waitReconciling(next, v1alpha1.MeetingRoomBusyReason)
			g.fail("red", f)
			close(g)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Eventually(g.hears(browser)).Should(Equal([]string{"allRoomRemoved"}))
			}
			g.quiet()
			g.turn(39 * time.Second) // the grace and 30 s, but one
			g.quiet()
			Expect(g.ada.Connected()).To(BeTrue())
			g.turn(time.Second)
			Eventually(g.ada.Connected).Should(BeFalse())
			Expect(g.hears(g.ada)()).To(BeEmpty())
			g.waitReady(next)
			Expect(g.hears(g.host)()).To(HaveExactElements("allRoomRemoved", HavePrefix("roomCreated (automatic)")))
		},
			Entry("closed, with a vendor that answers 503", unavailable, func(g *groups) { edit(g.set, closed) }),
			Entry("closed, with a vendor that does not answer", simulator.Fault{Kind: simulator.FaultSilence}, func(g *groups) { edit(g.set, closed) }),
			Entry("deleted", unavailable, func(g *groups) { Expect(admin.Delete(context.Background(), g.set)).To(Succeed()) }),
		)
	})

	Describe("to many", func() {
		It("moves many at once, each of them once", func() {
			students := make([]string, 40)
			there, back := make([]string, 40), make([]string, 40)
			for i := range students {
				students[i] = fmt.Sprintf("Student %02d", i)
				there[i], back[i] = fmt.Sprintf("%s=room-%d", students[i], i%4+1), fmt.Sprintf("%s=room-%d", students[i], (i+1)%4+1)
			}
			c := newClassroom(students...)
			four := func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](4) }
			set := c.open("groups", four, withMode(v1alpha1.ModeManual, there...))
			first := c.enter("groups", "room-1", "Student 00")
			c.turn(10 * time.Second)
			edit(set, withMode(v1alpha1.ModeManual, back...))
			c.waitReady(set)
			all := c.told(first) // one signal, or one for each room as its tokens are there
			Expect(len(all)).To(BeNumerically("<=", 4))
			Expect(all).To(HaveEach(HavePrefix("participantMoved Class(Host Co) room-1(")))
			for _, name := range students {
				Expect(strings.Count(strings.Join(all, "\n"), ">"+name)).To(Equal(1), name)
			}
			Expect(all[len(all)-1]).NotTo(ContainSubstring("Class(Host Co Student"))
			Expect(c.told(c.browsers["Host"])[1:]).To(Equal(all))
		})

		It("tells 50 rooms and 100 people in pages that the vendor takes", func() {
			people := make([]string, 100)
			for i := range people {
				people[i] = fmt.Sprintf("Étudiante n° %03d 👩‍🎓", i)
			}
			c := newClassroom(people...)
			set := c.open("groups", func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](50) })
			host := c.browsers["Host"]
			c.checkPages(host, set, "roomCreated (automatic)", v1alpha1.MainRoomName, 100)
			inside := map[v1alpha1.BreakoutRoomName]*simulator.Client{}
			for _, i := range []int{0, 24, 49} {
				r := set.Status.Rooms[i]
				inside[r.Name] = c.enter("groups", string(r.Name), string(r.Participants[0]))
			}
			c.turn(10 * time.Second)
			before := len(host.Signals())
			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = ptr.To[int32](51) })
			c.waitReady(set)
			for name, browser := range inside {
				c.checkPages(browser, set, "roomAdded", name, 0)
			}
			Expect(host.Signals()).To(HaveLen(2 * before))
			for _, call := range c.callsOf(simulator.OpSignal) {
				Expect(len(call.SignalData)).To(BeNumerically("<=", breakout.MaxDataBytes))
				Expect(call.Status).To(Or(Equal(http.StatusNoContent), Equal(http.StatusNotFound)))
			}
		})
	})
})

// checkPages checks that what a browser in a room heard is one message in several pages, which together are the set's view.
func (c *classroom) checkPages(browser *simulator.Client, set *v1alpha1.BreakoutSet, message string, own v1alpha1.BreakoutRoomName, assigned int) {
	GinkgoHelper()
	type pageData struct {
		heardData
		Page struct{ Index, Count int } `json:"page"`
	}
	people, count, sent := map[string][]string{}, 0, 0
	var indexes []int
	signals := browser.Signals()
	Expect(len(signals)).To(BeNumerically(">", 1))
	for _, s := range signals {
		var d pageData
		Expect(json.Unmarshal([]byte(s.Data), &d)).To(Succeed())
		Expect(d.Message).To(Equal(message))
		Expect(d.Revision).To(Equal(set.Status.Signals.Revision))
		Expect(d.BreakoutRooms[0].Name).To(Equal("Class"))
		if own != v1alpha1.MainRoomName {
			Expect(d.BreakoutRooms[1].Name).To(Equal(string(own)))
		}
		indexes, count = append(indexes, d.Page.Index), d.Page.Count
		for _, r := range d.BreakoutRooms {
			people[r.Name] = append(append(people[r.Name], r.Member...), r.MemberAssigned...)
			sent += len(r.MemberAssigned)
		}
	}
	slices.Sort(indexes)
	want := make([]int, count)
	for i := range want {
		want[i] = i + 1
	}
	Expect(indexes).To(Equal(want))
	Expect(sent).To(Equal(assigned))
	Expect(people).To(HaveLen(len(set.Status.Rooms) + 1))
	for _, r := range set.Status.Rooms {
		var names []string
		for _, p := range r.Participants {
			names = append(names, string(p))
		}
		Expect(people[r.DisplayName]).To(ConsistOf(names))
	}
}
