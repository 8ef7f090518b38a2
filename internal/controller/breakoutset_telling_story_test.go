// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
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

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

// groups is a class with a set that has been open for a while: Ada is in red, Ben in blue, Cleo in green.
type groups struct {
	*classroom
	set                  *v1alpha1.BreakoutSet
	host, ada, ben, cleo *simulator.Client
	before               map[*simulator.Client]int // how much each had heard when the story began
}

func newGroups() *groups {
	GinkgoHelper()
	c := newClassroom("Ada", "Ben", "Cleo")
	g := &groups{classroom: c, host: c.browsers["Host"], before: map[*simulator.Client]int{}}
	g.set = c.open("groups", sim.WithRooms("red", "blue", "green"), sim.WithPlacements("Ada=red", "Ben=blue", "Cleo=green"))
	g.ada, g.ben, g.cleo = c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"), c.enter("groups", "green", "Cleo")
	c.Pass(9 * time.Second)
	c.onTheSecond()
	g.before[g.host] = len(g.host.Signals())
	c.mark()
	c.Vendor.ResetCalls()
	return g
}

// heard is what a browser was told in the story, each signal as a line.
func (g *groups) heard(browser *simulator.Client) []string {
	return g.received(browser)[g.before[browser]:]
}

// hears waits until what a browser was told in the story matches.
func (g *groups) receives(browser *simulator.Client, matcher OmegaMatcher) {
	GinkgoHelper()
	g.receivesAfter(g.before[browser], browser, matcher)
}

// all are the browsers that listen.
func (g *groups) all() []*simulator.Client { return []*simulator.Client{g.host, g.ada, g.ben, g.cleo} }

// fail makes signals to a room of the set, or to the main room, fail.
func (g *groups) fail(room string, f simulator.Fault) {
	GinkgoHelper()
	f.Op, f.SessionID = simulator.OpSignal, g.main.Status.SessionID
	if room != v1alpha1.MainRoomName {
		f.SessionID = g.room("groups", room).Status.SessionID
	}
	g.Vendor.AddFault(f)
}

// calls is how many signals were sent, or tried to be sent, in the story.
func (g *groups) calls() int { return len(g.callsOf(simulator.OpSignal)) }

// signals is the set's status.signals.
func (g *groups) signals() v1alpha1.SignalsStatus {
	GinkgoHelper()
	return refresh(g, g.set).Status.Signals
}

// misses waits until a room is the one that was not told yet.
func (g *groups) misses(room v1alpha1.BreakoutRoomName) {
	GinkgoHelper()
	eventually(g, func() []v1alpha1.BreakoutRoomName { return g.signals().Missing }, Equal([]v1alpha1.BreakoutRoomName{room}))
}

// delivered is the reason of condition SignalsDelivered.
func (g *groups) delivered() string {
	GinkgoHelper()
	c := meta.FindStatusCondition(refresh(g, g.set).Status.Conditions, v1alpha1.SignalsDeliveredCondition)
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
	rename := sim.WithRooms("red", "blue=Azure", "green")

	Describe("while the vendor fails for one session", func() {
		DescribeTable("tells all others at once and that one later", story(func(f simulator.Fault, times int) {
			g := newGroups()
			g.fail("red", f)
			edit(g, g.set, rename)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				g.receives(browser, Equal([]string{renamed}))
			}
			if f.Kind == simulator.FaultSilence || f.Kind == simulator.FaultTimeoutAfter {
				g.Pass(3 * time.Second)
			}
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			g.misses("red")
			Expect(g.delivered()).To(Equal(v1alpha1.VendorUnavailableReason))
			Expect(g.calls()).To(Equal(4)) // not again at once
			g.Pass(time.Second)
			g.waitReady(g.set)
			Expect(g.heard(g.ada)).To(HaveLen(times)) // where the vendor lost its answer it can only be said again
			Expect(g.heard(g.ada)).To(HaveEach(renamed))
			Expect(slices.Compact(revisionsOf(g.ada))).To(Equal([]int64{g.set.Status.Signals.Revision}))
			g.Pass(time.Minute)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.heard(browser)).To(HaveLen(1))
			}
			Expect(g.calls()).To(Equal(5))
			Expect(g.delivered()).To(Equal(v1alpha1.DeliveredReason))
		}),
			Entry("that answers 503", times(1, unavailable), 1),
			Entry("that cuts the connection", simulator.Fault{Kind: simulator.FaultResetBefore, Count: 1}, 1),
			Entry("that does not answer", simulator.Fault{Kind: simulator.FaultSilence, Count: 1}, 1),
			Entry("that cuts the connection after the effect", simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1}, 2),
			Entry("that does not answer after the effect", simulator.Fault{Kind: simulator.FaultTimeoutAfter, Count: 1}, 2),
		)

		It("goes on with the signal that failed, in order", story(func() {
			g := newGroups()
			f := times(2, unavailable)
			f.After = 1
			g.fail("red", f)
			edit(g, g.set, func(s *v1alpha1.BreakoutSet) {
				sim.WithRooms("red", "blue=Azure", "green", "yellow")(s)
				sim.WithPlacements("Ada=red", "Ben=blue", "Cleo=yellow")(s)
			})
			want := []string{
				"roomEdited Class(Host Co) red(Ada) Azure(Ben) green(Cleo)",
				"roomAdded Class(Host Co) red(Ada) Azure(Ben) green(Cleo) yellow()",
				"participantMoved Class(Host Co) red(Ada) Azure(Ben) green() yellow(>Cleo)",
			}
			g.receives(g.host, HaveLen(3))
			g.misses("red")
			Expect(g.heard(g.ada)).To(HaveLen(1))
			g.Pass(time.Second)
			Expect(g.calls()).To(Equal(3*3 + 3))
			g.Pass(2 * time.Second)
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal(want))
			}
			Expect(g.calls()).To(Equal(4*3 + 2))
		}))

		It("has given up after two minutes, says so, and tells it again when asked to", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, rename)
			g.misses("red")
			g.Pass(2*time.Minute - time.Second)
			Expect(g.calls()).To(Equal(3 + 11)) // red after 1, 2, 4, 8 s, and then every 15 s
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			g.Pass(15 * time.Second)
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			Expect(g.set.Status.Signals).To(And(
				HaveField("Pending", BeNil()), HaveField("Missing", BeEmpty()), HaveField("Failed", Equal([]v1alpha1.BreakoutRoomName{"red"}))))
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionFalse, v1alpha1.VendorUnavailableReason)
			Expect(meta.IsStatusConditionTrue(g.set.Status.Conditions, v1alpha1.OpenCondition)).To(BeTrue())

			g.Vendor.ClearFaults()
			g.Pass(time.Hour)
			g.restart()
			Expect(g.heard(g.ada)).To(BeEmpty())
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			edit(g, g.set, resend("1"))
			g.waitReady(g.set)
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
			Expect(g.heard(g.ada)).To(Equal([]string{renamed}))
			Expect(g.heard(g.host)).To(Equal([]string{renamed, renamed}))
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
		}))

		It("makes up for what it had given up on with the next change, whatever that is", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, rename)
			eventually(g, g.delivered, Equal(v1alpha1.VendorUnavailableReason))
			g.Pass(2 * time.Minute)
			g.waitStalled(g.set, v1alpha1.VendorUnavailableReason)
			g.Vendor.ClearFaults()
			edit(g, g.set, sim.Lasting(3600))
			g.waitReady(g.set)
			Expect(g.heard(g.ada)).To(HaveExactElements(renamed, HavePrefix("timer 60m")))
			Expect(g.heard(g.ben)).To(HaveExactElements(renamed, renamed, HavePrefix("timer 60m")))
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
		}))

		It("tells a later edit together with what one session has not heard of the one before", story(func() {
			g := newGroups()
			g.fail("red", times(1, unavailable))
			edit(g, g.set, sim.WithRooms("red", "blue", "green", "yellow"))
			g.misses("red")
			Expect(g.heard(g.host)).To(Equal([]string{yellow}))
			edit(g, g.set, sim.WithRooms("red", "blue", "green", "yellow", "pink")) // which does not wait for the older one's next try
			g.waitReady(g.set)
			Expect(g.heard(g.ada)).To(Equal([]string{yellow + " pink()"}))
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.heard(browser)).To(Equal([]string{yellow, yellow + " pink()"}))
			}
		}))

		It("moves nobody twice who was told, whatever is edited before all have heard it", story(func() {
			g := newGroups()
			g.fail("green", times(1, unavailable))
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.misses("green")
			moved := "participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"
			Expect(g.heard(g.ben)).To(Equal([]string{moved}))
			edit(g, g.set, sim.WithRooms("red", "blue", "green", "yellow"))
			eventually(g, func() int { return len(refresh(g, g.set).Status.Rooms) }, Equal(4))
			g.Pass(6 * time.Second)
			g.waitReady(g.set)
			g.Pass(30 * time.Second)
			for name, browser := range map[string]*simulator.Client{"host": g.host, "ada": g.ada, "ben": g.ben, "cleo": g.cleo} {
				all := g.heard(browser)
				Expect(all[len(all)-1]).To(HaveSuffix(" Class(Host Co) red(Ada Ben) blue() green(Cleo) yellow()"), name)
				if browser == g.cleo {
					Expect(strings.Join(all, "\n")).NotTo(ContainSubstring(">"), name)
				} else {
					Expect(all[0]).To(Equal(moved), name)
					Expect(strings.Join(all[1:], "\n")).NotTo(ContainSubstring(">"), name)
				}
			}
		}))

		It("moves nobody twice who was told, when everything is asked for again before all have heard it", story(func() {
			g := newGroups()
			g.fail("green", times(1, unavailable))
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.misses("green")
			edit(g, g.set, resend("1"))
			eventually(g, func() string { return refresh(g, g.set).Status.LastHandledResend }, Equal("1"))
			g.Pass(6 * time.Second)
			g.waitReady(g.set)
			again := "roomEdited Class(Host Co) red(Ada Ben) blue() green(Cleo)"
			for _, browser := range []*simulator.Client{g.host, g.ada, g.ben} {
				Expect(g.heard(browser)).To(Equal([]string{"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)", again}))
			}
			Expect(g.heard(g.cleo)).To(Equal([]string{again}))
		}))

		It("moves nobody again before their browser has acted, when the answer is lost", story(func() {
			g := newGroups()
			g.fail("blue", simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1})
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.misses("blue")
			g.Pass(breakout.RepeatAfter - time.Millisecond)
			Expect(g.heard(g.ben)).To(HaveLen(1))
			g.Pass(time.Millisecond)
			g.waitReady(g.set)
			Expect(g.heard(g.ben)).To(Equal(slices.Repeat([]string{"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"}, 2)))
		}))

		It("ends a countdown a few seconds after a session could be told, however late that is", story(func() {
			g := newGroups()
			edit(g, g.set, sim.Lasting(3600))
			g.waitReady(g.set)
			g.fail("red", times(4, unavailable))
			edit(g, g.set, sim.Lasting(0))
			g.misses("red")
			asked := g.calls()
			for i, wait := range []time.Duration{1, 2, 4, 8} {
				g.Pass(wait * time.Second)
				Expect(g.calls()).To(BeNumerically(">", asked+i))
			}
			g.Pass(8 * time.Second)
			g.waitReady(g.set)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.heard(browser)[1:]).To(Equal([]string{"timer 0m to -15s, warning 0s, manual", "timer {}"}))
			}
			Expect(g.heard(g.ada)[1:]).To(Equal([]string{"timer 0m to 0s, warning 0s, manual", "timer {}"}))
		}))

		It("makes up for what it had given up on also when what was left to say is taken back", story(func() {
			g := newGroups()
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.waitReady(g.set)
			refused := simulator.Fault{Kind: simulator.FaultStatus, Status: http.StatusRequestEntityTooLarge, Count: 1}
			g.fail("green", refused)
			edit(g, g.set, sim.WithPlacements("Ada=blue", "Ben=green", "Cleo=green")) // Ben is on the way and is told later
			eventually(g, func() []v1alpha1.BreakoutRoomName { return g.signals().Failed }, Equal([]v1alpha1.BreakoutRoomName{"green"}))
			edit(g, g.set, sim.WithPlacements("Ada=blue", "Ben=red", "Cleo=green"))
			eventually(g, func() *v1alpha1.PendingSignals { return g.signals().Pending }, BeNil())
			Expect(g.signals()).To(And(HaveField("Pending", BeNil()), HaveField("Failed", Equal([]v1alpha1.BreakoutRoomName{"green"}))))
			g.Pass(10 * time.Second)
			edit(g, g.set, sim.Lasting(3600))
			g.waitReady(g.set)
			Expect(g.heard(g.cleo)[1:]).To(HaveExactElements("roomEdited Class(Host Co) red(Ben) blue(Ada) green(Cleo)", HavePrefix("timer 60m")))
		}))

		It("tells who may have been told to move where to go in the end, when the browser has acted on it", story(func() {
			g := newGroups()
			g.fail("blue", times(1, unavailable))
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.misses("blue")
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=green", "Cleo=green"))
			eventually(g, func() string { return placesOf(refresh(g, g.set)) }, Equal("red: Ada; blue: ; green: Ben, Cleo"))
			g.Settle()
			Expect(strings.Join(g.heard(g.ben), "\n")).NotTo(ContainSubstring(">"))
			g.Pass(6 * time.Second)
			g.waitReady(g.set)
			all := g.heard(g.ben)
			Expect(all[len(all)-1]).To(Equal("participantMoved Class(Host Co) red(Ada) blue() green(Cleo >Ben)"))
			Expect(strings.Count(strings.Join(all, "\n"), ">")).To(Equal(1))
			Expect(g.heard(g.ada)[len(g.heard(g.ada))-1]).To(Equal(all[len(all)-1]))
		}))

		It("gives up on what the vendor refuses as it is, tells the rest, and says so", story(func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultStatus, Status: http.StatusRequestEntityTooLarge, Match: func(c simulator.Call) bool {
				return strings.Contains(c.SignalData, "roomEdited")
			}})
			edit(g, g.set, rename)
			g.waitStalled(g.set, v1alpha1.VendorRejectedReason)
			Expect(g.set.Status.Signals.Failed).To(Equal([]v1alpha1.BreakoutRoomName{"red"}))
			Expect(g.heard(g.ben)).To(Equal([]string{renamed}))
			g.Pass(time.Minute)
			Expect(g.calls()).To(Equal(4))

			edit(g, g.set, sim.WithRooms("red", "blue=Azure", "green", "yellow")) // a list with everything in it
			g.waitReady(g.set)
			Expect(g.heard(g.ada)).To(Equal([]string{"roomAdded Class(Host Co) red(Ada) Azure(Ben) green(Cleo) yellow()"}))
			Expect(g.set.Status.Signals.Failed).To(BeEmpty())
			g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
		}))
	})

	Describe("while the vendor fails for all", func() {
		It("waits as long as the vendor asks for, and then tells everybody once", story(func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "20", Count: 1})
			edit(g, g.set, rename)
			eventually(g, g.delivered, Equal(v1alpha1.VendorRateLimitedReason))
			asked := g.calls()
			g.Pass(20*time.Second - time.Millisecond)
			Expect(g.calls()).To(Equal(asked))
			g.Pass(2 * time.Second)
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal([]string{renamed}))
			}
			Expect(g.calls()).To(Equal(5))
		}))

		It("says that the credentials are refused, and tells everybody once when they are put right", story(func() {
			g := newGroups()
			g.makeSecret("default", pemOf(wrongKey()))
			account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
			edit(g, g.set, rename)
			eventually(g, g.delivered, Equal(v1alpha1.CredentialsRejectedReason))
			g.waitReconciling(g.set, v1alpha1.UpdatingReason)
			g.Pass(10 * time.Second)
			Expect(g.calls()).To(BeZero())

			g.makeSecret("default", pemOf(goodKey()))
			g.waitReady(account)
			g.Pass(15 * time.Second)
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal([]string{renamed}))
			}
		}))

		It("says that a key which was good is refused", story(func() {
			g := newGroups()
			g.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultForbidden})
			edit(g, g.set, rename)
			account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
			eventually(g, g.delivered, Equal(v1alpha1.CredentialsRejectedReason))
			g.Vendor.ClearFaults()
			g.Pass(70 * time.Second) // refused credentials are tried again each minute
			g.waitReady(account)
			g.Pass(15 * time.Second)
			g.waitReady(g.set)
			Expect(g.heard(g.ada)).To(Equal([]string{renamed}))
		}))
	})

	Describe("when the operator dies", func() {
		It("tells after its return only those who had not heard it", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, rename)
			g.misses("red")
			g.stop()
			g.Vendor.ClearFaults()
			g.start()
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal([]string{renamed}))
			}
		}))

		It("tells everybody what became due meanwhile, beside what one had not heard", story(func() {
			g := newGroups()
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			g.waitReady(g.set)
			g.fail("green", unavailable)
			edit(g, g.set, sim.WithPlacements("Ada=blue", "Ben=green", "Cleo=green")) // Ben is on the way and is told later
			g.misses("green")
			g.stop()
			g.Vendor.ClearFaults()
			g.Pass(10 * time.Second)
			g.start()
			Expect(g.heard(g.cleo)).To(HaveLen(1)) // she may have heard the second just before
			g.Pass(breakout.RepeatAfter)
			g.waitReady(g.set)
			want := []string{
				"participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)",
				"participantMoved Class(Host Co) red(Ben) blue(>Ada) green(Cleo)",
				"participantMoved Class(Host Co) red() blue(Ada) green(Cleo >Ben)",
			}
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal(want))
			}
		}))

		It("tells what was edited meanwhile as one change, and nothing when that is none", story(func() {
			g := newGroups()
			g.stop()
			edit(g, g.set, sim.WithRooms("red", "green", "yellow"))
			edit(g, g.set, sim.WithPlacements("Ada=green", "Ben=red"))
			edit(g, g.set, sim.WithRooms("red", "blue", "green"))
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=blue", "Cleo=green"))
			g.start()
			Expect(g.calls()).To(BeZero())

			g.stop()
			edit(g, g.set, sim.WithPlacements("Ada=blue", "Ben=green", "Cleo=green"))
			edit(g, g.set, sim.WithPlacements("Ada=green", "Ben=blue", "Cleo=green"))
			g.start()
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal([]string{"participantMoved Class(Host Co) red() blue(Ben) green(Cleo >Ada)"}))
			}
		}))
	})

	Describe("while somebody writes to it", func() {
		It("tells nothing twice that all have heard, when more is asked for before that is noted", story(func() {
			g := newGroups()
			g.once("groups-red signal", func() sim.Verdict {
				edit(g, g.set, resend("1"))
				return sim.Verdict{}
			})
			edit(g, g.main, func(m *v1alpha1.MeetingRoom) {
				for i := range m.Spec.Participants {
					if m.Spec.Participants[i].Name == "Ben" {
						m.Spec.Participants[i].Role = v1alpha1.RoleCoHost
					}
				}
			})
			eventually(g, func() string { return refresh(g, g.set).Status.LastHandledResend }, Equal("1"))
			g.waitReady(g.set)
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(HaveExactElements(HavePrefix("update-participant"), HavePrefix("roomEdited")))
			}
		}))

		It("tells nobody twice because of a label, or of an API server that fails", story(func() {
			g := newGroups()
			writes, labelled := 0, false
			g.judge = func(op *sim.Operation) sim.Verdict {
				switch {
				case strings.Contains(op.Key, "groups-red signal") && !labelled:
					edit(g, g.set, func(s *v1alpha1.BreakoutSet) { s.Labels = map[string]string{"a": "b"} })
					labelled = true
				case strings.Contains(op.Key, "breakoutsets/groups/status"):
					if writes++; writes == 3 { // the first is the plan, and the second fails because of the label
						return sim.Verdict{API: sim.Refused}
					}
				}
				return sim.Verdict{}
			}
			edit(g, g.set, rename)
			g.waitReady(g.set)
			Expect(g.set.Labels).To(HaveKey("a"))
			Expect(writes).To(BeNumerically(">", 3))
			for _, browser := range g.all() {
				Expect(g.heard(browser)).To(Equal([]string{renamed}))
			}
		}))

		It("loses nothing of edits within a millisecond, and no revision is used twice", story(func() {
			g := newGroups()
			rooms := []string{"red", "blue", "green"}
			more := func() {
				rooms = append(rooms, fmt.Sprintf("more-%d", len(rooms)-3))
				edit(g, g.set, sim.WithRooms(rooms...))
			}
			g.judge = func(op *sim.Operation) sim.Verdict {
				if len(rooms) < 9 && !op.Vendor {
					more()
				}
				return sim.Verdict{}
			}
			more()
			g.waitReady(g.set)
			for _, browser := range g.all() {
				all := g.heard(browser)
				Expect(len(all)).To(BeNumerically("<=", 6))
				Expect(all).To(HaveEach(HavePrefix("roomAdded ")))
				Expect(all[len(all)-1]).To(Equal("roomAdded Class(Host Co) red(Ada) blue(Ben) green(Cleo) more-0() more-1() more-2() more-3() more-4() more-5()"))
				revisions := revisionsOf(browser)
				Expect(slices.IsSorted(revisions)).To(BeTrue())
				Expect(slices.Compact(slices.Clone(revisions))).To(HaveLen(len(revisions)))
			}
		}))

		It("follows a name there and back again", story(func() {
			g := newGroups()
			released := make(chan struct{})
			g.fail("main", simulator.Fault{Count: 1, Hook: func(simulator.Call) { <-released }})
			edit(g, g.set, rename)
			g.receives(g.ben, Equal([]string{renamed}))
			edit(g, g.set, sim.WithRooms("red", "blue", "green"))
			g.Settle()
			close(released)
			g.Pass(20 * time.Second)
			g.waitReady(g.set)
			back := "roomEdited Class(Host Co) red(Ada) blue(Ben) green(Cleo)"
			for _, browser := range g.all() {
				all := g.heard(browser)
				Expect(all[len(all)-1]).To(Equal(back))
				Expect(slices.Compact(all)).To(Equal([]string{renamed, back})) // the main room may have heard it or not before it was said again
			}
			Expect(g.heard(g.ben)).To(HaveLen(2))
		}))

		It("follows a person there and back again, and does not hurry", story(func() {
			g := newGroups()
			g.fail("main", simulator.Fault{Kind: simulator.FaultSilence, Count: 1})
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=red", "Cleo=green"))
			there := "participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"
			g.receives(g.ben, Equal([]string{there}))
			Expect(g.calls()).To(Equal(4))
			edit(g, g.set, sim.WithPlacements("Ada=red", "Ben=blue", "Cleo=green"))
			eventually(g, func() string { return placesOf(refresh(g, g.set)) }, Equal("red: Ada; blue: Ben; green: Cleo"))
			Expect(strings.Count(strings.Join(g.heard(g.ben), "\n"), ">")).To(Equal(1))
			g.Pass(6 * time.Second)
			g.waitReady(g.set)
			for _, browser := range g.all() {
				all := g.heard(browser)
				Expect(all[len(all)-1]).To(Equal("participantMoved Class(Host Co) red(Ada) blue(>Ben) green(Cleo)"))
			}
			Expect(strings.Count(strings.Join(g.heard(g.ben), "\n"), ">")).To(Equal(2))
		}))
	})

	Describe("when it closes", func() {
		DescribeTable("is not held up by a session that cannot be told", story(func(f simulator.Fault, close func(*groups)) {
			g := newGroups()
			next := g.makeSet("next", sim.WithRooms("red"))
			g.waitReconciling(next, v1alpha1.MeetingRoomBusyReason)
			g.fail("red", f)
			close(g)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				g.receives(browser, Equal([]string{"allRoomRemoved"}))
			}
			g.Pass(40*time.Second - time.Millisecond) // the grace and 30 s
			Expect(g.ada.Connected()).To(BeTrue())
			g.Pass(time.Millisecond)
			Expect(g.ada.Connected()).To(BeFalse())
			Expect(g.heard(g.ada)).To(BeEmpty())
			g.waitReady(next)
			Expect(g.heard(g.host)).To(HaveExactElements("allRoomRemoved", HavePrefix("roomCreated (automatic)")))
		}),
			Entry("closed, with a vendor that answers 503", unavailable, func(g *groups) { edit(g, g.set, closed) }),
			Entry("closed, with a vendor that does not answer", simulator.Fault{Kind: simulator.FaultSilence}, func(g *groups) { edit(g, g.set, closed) }),
			Entry("deleted", unavailable, func(g *groups) { g.Delete(g.set) }),
		)
	})

	Describe("to many", func() {
		It("moves many at once, each of them once", story(func() {
			students := make([]string, 40)
			there, back := make([]string, 40), make([]string, 40)
			for i := range students {
				students[i] = fmt.Sprintf("Student %02d", i)
				there[i], back[i] = fmt.Sprintf("%s=room-%d", students[i], i%4+1), fmt.Sprintf("%s=room-%d", students[i], (i+1)%4+1)
			}
			c := newClassroom(students...)
			four := func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(4)) }
			set := c.open("groups", four, sim.WithPlacements(there...))
			first := c.enter("groups", "room-1", "Student 00")
			c.Pass(10 * time.Second)
			edit(c, set, sim.WithPlacements(back...))
			c.waitReady(set)
			all := c.received(first) // one signal, or one for each room as its tokens are there
			Expect(len(all)).To(BeNumerically("<=", 4))
			Expect(all).To(HaveEach(HavePrefix("participantMoved Class(Host Co) room-1(")))
			for _, name := range students {
				Expect(strings.Count(strings.Join(all, "\n"), ">"+name)).To(Equal(1), name)
			}
			Expect(all[len(all)-1]).NotTo(ContainSubstring("Class(Host Co Student"))
			Expect(c.received(c.browsers["Host"])[1:]).To(Equal(all))
		}))

		It("tells 50 rooms and 100 people in pages that the vendor takes", story(func() {
			people := make([]string, 100)
			for i := range people {
				people[i] = fmt.Sprintf("Étudiante n° %03d 👩‍🎓", i)
			}
			c := newClassroom(people...)
			set := c.open("groups", func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(50)) })
			host := c.browsers["Host"]
			c.checkPages(host, set, "roomCreated (automatic)", v1alpha1.MainRoomName, 100)
			inside := map[v1alpha1.BreakoutRoomName]*simulator.Client{}
			for _, i := range []int{0, 24, 49} {
				r := set.Status.Rooms[i]
				inside[r.Name] = c.enter("groups", string(r.Name), string(r.Participants[0]))
			}
			c.Pass(10 * time.Second)
			before := len(host.Signals())
			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(51)) })
			c.waitReady(set)
			for name, browser := range inside {
				c.checkPages(browser, set, "roomAdded", name, 0)
			}
			Expect(host.Signals()).To(HaveLen(2 * before))
			for _, call := range c.callsOf(simulator.OpSignal) {
				Expect(len(call.SignalData)).To(BeNumerically("<=", breakout.MaxDataBytes))
				Expect(call.Status).To(Or(Equal(http.StatusNoContent), Equal(http.StatusNotFound)))
			}
		}))
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
