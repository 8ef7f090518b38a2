// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

// groups is a class with a set that has been open for a while: Ada is in red, Ben in blue, Cleo in green.
type groups struct {
	*classroom
	set                  *v1alpha1.BreakoutSet
	host, ada, ben, cleo *simulator.Client
	before               map[*simulator.Client]int // how much each had received when the story began
}

func newGroups() *groups {
	GinkgoHelper()
	c := newClassroom("Ada", "Ben", "Cleo")
	g := &groups{classroom: c, host: c.browsers["Host"], before: map[*simulator.Client]int{}}
	g.set = c.open("groups", fixture.Rooms("red", "blue", "green"),
		fixture.Placed("Ada=red", "Ben=blue", "Cleo=green"))
	g.ada, g.ben, g.cleo = c.enter("groups", "red", "Ada"), c.enter("groups", "blue", "Ben"),
		c.enter("groups", "green", "Cleo")
	c.Pass(rounds)
	c.onTheSecond()
	g.before[g.host] = len(g.host.Signals())
	Expect(refresh(g, g.set).Status.Signals).To(And(HaveField("Sessions", BeEmpty()), HaveField("Moving", BeEmpty())))
	c.mark()
	c.Vendor.ResetCalls()
	return g
}

// received is what a browser received in the story, each signal as a line.
func (g *groups) received(browser *simulator.Client) []string {
	return g.classroom.received(browser)[g.before[browser]:]
}

// receives waits until what a browser received in the story matches.
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

// lags waits until the sessions of these rooms are those that have not had the present state, because of a reason.
func (g *groups) lags(reason string, rooms ...v1alpha1.BreakoutRoomName) {
	GinkgoHelper()
	eventually(g, func() string {
		var is []string
		for _, e := range refresh(g, g.set).Status.Signals.Sessions {
			if e.Revision != g.set.Status.Signals.Revision && e.Reason != v1alpha1.PendingReason {
				is = append(is, string(e.Room)+" "+e.Reason)
			}
		}
		return strings.Join(is, ", ")
	}, Equal(func() string {
		var want []string
		for _, room := range rooms {
			want = append(want, string(room)+" "+reason)
		}
		return strings.Join(want, ", ")
	}()))
}

// delivered is the reason of condition SignalsDelivered.
func (g *groups) delivered() string {
	GinkgoHelper()
	c := meta.FindStatusCondition(refresh(g, g.set).Status.Conditions, v1alpha1.SignalsDeliveredCondition)
	Expect(c).NotTo(BeNil())
	return c.Reason
}

// isBehind checks that the set says that some session has not had the present state.
func (g *groups) isBehind(reason string) {
	GinkgoHelper()
	g.waitReconciling(g.set, v1alpha1.UpdatingReason)
	g.waitCondition(g.set, v1alpha1.OpenCondition, metav1.ConditionFalse, v1alpha1.UpdatingReason)
	g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionFalse, reason)
	Expect(g.set.Status.State).To(Equal(v1alpha1.StateOpen))
}

// isDelivered waits until the set says that all sessions have had the present state.
func (g *groups) isDelivered() {
	GinkgoHelper()
	g.waitReady(g.set)
	g.waitCondition(g.set, v1alpha1.OpenCondition, metav1.ConditionTrue, v1alpha1.OpenedReason)
	g.waitCondition(g.set, v1alpha1.SignalsDeliveredCondition, metav1.ConditionTrue, v1alpha1.DeliveredReason)
	Expect(lagging(g.set)).To(BeEmpty())
}

// promote makes somebody a co-host.
func (g *groups) promote(name v1alpha1.ParticipantName) {
	GinkgoHelper()
	edit(g, g.main, func(m *v1alpha1.MeetingRoom) {
		for i := range m.Spec.Participants {
			if m.Spec.Participants[i].Name == name {
				m.Spec.Participants[i].Role = v1alpha1.RoleCoHost
			}
		}
	})
}

var _ = Describe("A BreakoutSet sending a change", func() {
	unavailable := simulator.Fault{Kind: simulator.FaultStatus, Status: 503}
	times := func(n int, f simulator.Fault) simulator.Fault {
		f.Count = n
		return f
	}
	const (
		renamed  = "roomEdited Class(Host Co) Crimson(Ada) blue(Ben) green(Cleo)"
		back     = "roomEdited Class(Host Co) red(Ada) blue(Ben) green(Cleo)"
		yellow   = "roomAdded Class(Host Co) red(Ada) blue(Ben) green(Cleo) yellow()"
		promoted = "roles Host=host Co=co-host Ada Ben=co-host Cleo"
		roles    = "roles Host=host Co=co-host Ada Ben Cleo"
		toRed    = "participantMoved Class(Host Co) red(Ada >Ben) blue() green(Cleo)"
		inRed    = "roomEdited Class(Host Co) red(Ada Ben) blue() green(Cleo)"
	)
	rename := fixture.Rooms("red=Crimson", "blue", "green")
	original := fixture.Rooms("red", "blue", "green")
	benToRed := fixture.Placed("Ada=red", "Ben=red", "Cleo=green")

	Describe("to whom it concerns", func() {
		It("sends a new name to the main room and to that room", story(func() {
			g := newGroups()
			edit(g, g.set, rename)
			g.isDelivered()
			Expect(g.received(g.host)).To(Equal([]string{renamed}))
			Expect(g.received(g.ada)).To(Equal([]string{renamed}))
			g.Pass(time.Hour)
			Expect(g.calls()).To(Equal(2)) // nobody is on the way and has missed it
			// the plan, that it was delivered, and a second later how many rooms are ready
			Expect(g.wrote("breakoutsets")).To(HaveLen(3))
			Expect(revisionsOf(g.ada)).To(Equal([]int64{refresh(g, g.set).Status.Signals.Revision}))
		}))

		It("sends a new name once more a round later where somebody was on the way", story(func() {
			g := newGroups()
			edit(g, g.set, benToRed)
			g.isDelivered()
			edit(g, g.set, benToRed, fixture.Rooms("red", "blue", "green=Lime"))
			list := "Class(Host Co) red(Ada Ben) blue() Lime(Cleo)"
			g.receives(g.cleo, Equal([]string{"roomEdited " + list}))
			g.isDelivered()
			g.Pass(rounds)
			Expect(g.received(g.cleo)).To(Equal([]string{"roomEdited " + list, "roomEdited " + list}))
			Expect(revisionsOf(g.cleo)[1]).To(BeNumerically(">", revisionsOf(g.cleo)[0]))
		}))

		It("sends a move to the main room and to the room left, again in two rounds, and says who is on the way",
			story(func() {
				g := newGroups()
				edit(g, g.set, benToRed)
				g.isDelivered()
				Expect(g.set.Status.Signals.Moving).To(Equal([]v1alpha1.ParticipantName{"Ben"}))
				for _, condition := range []string{v1alpha1.ReadyCondition, v1alpha1.OpenCondition,
					v1alpha1.SignalsDeliveredCondition} {
					Expect(messageOf(g.set, condition)).To(HaveSuffix("; 1 person is on the way: Ben"))
				}
				for _, n := range []int{1, 2, 3} {
					Expect(g.received(g.host)).To(Equal(slices.Repeat([]string{toRed}, n)))
					Expect(g.received(g.ben)).To(Equal(slices.Repeat([]string{toRed}, n)))
					Expect(refresh(g, g.set).Status.Signals.Moving).To(HaveLen(1))
					g.Pass(10 * time.Second)
				}
				g.isDelivered()
				Expect(g.set.Status.Signals).To(And(HaveField("Moving", BeEmpty()), HaveField("Sessions", BeEmpty())))
				for _, condition := range []string{v1alpha1.ReadyCondition, v1alpha1.OpenCondition,
					v1alpha1.SignalsDeliveredCondition} {
					Expect(messageOf(g.set, condition)).NotTo(ContainSubstring("way"))
				}
				g.Pass(time.Hour)
				Expect(g.received(g.host)).To(Equal([]string{toRed, toRed, toRed, inRed, roles}))
				revision := refresh(g, g.set).Status.Signals.Revision
				Expect(revisionsOf(g.ben)[:3]).To(Equal([]int64{revision, revision + 1, revision + 2}))
				Expect(g.received(g.ada)).To(BeEmpty())
				Expect(g.received(g.cleo)).To(BeEmpty())
			}))

		It("sends the new name of a room that nobody is on the way to, however many are on the way to others",
			story(func() {
				g := newGroups()
				placements := []string{"Ada=red", "Ben=blue", "Cleo=green"}
				for i := range 40 {
					if i == 10 {
						edit(g, g.set, fixture.Rooms("red", "blue", "green=Lime"))
					}
					late := fmt.Sprintf("Late %d", i)
					edit(g, g.main, joined(v1alpha1.ParticipantName(late)))
					placements = append(placements, late+"=red")
					edit(g, g.set, fixture.Placed(placements...))
					g.Pass(7 * time.Second)
				}
				Expect(g.received(g.cleo)).NotTo(BeEmpty())
			}))

		It("removes a room, however many are on the way to others", story(func() {
			g := newGroups()
			placements := []string{"Ada=red", "Ben=blue", "Cleo=green"}
			for i := range 40 {
				if i == 10 {
					placements[1] = "Ben=main"
					edit(g, g.set, fixture.Rooms("red", "green"), fixture.Placed(placements...))
				}
				late := fmt.Sprintf("Late %d", i)
				edit(g, g.main, joined(v1alpha1.ParticipantName(late)))
				placements = append(placements, late+"=red")
				edit(g, g.set, fixture.Placed(placements...))
				g.Pass(7 * time.Second)
			}
			Expect(g.received(g.ben)).To(ContainElement(HavePrefix("roomRemoved")))
			Expect(g.ben.Connected()).To(BeFalse())
		}))

		It("takes nobody to be on the way for ever because others are", story(func() {
			g := newGroups()
			placements := []string{"Ada=red", "Ben=blue", "Cleo=green"}
			for i := range 20 {
				late := fmt.Sprintf("Late %d", i)
				edit(g, g.main, joined(v1alpha1.ParticipantName(late)))
				placements = append(placements, late+"=red")
				edit(g, g.set, fixture.Placed(placements...))
				g.Pass(20 * time.Second)
			}
			Expect(refresh(g, g.set).Status.Signals.Moving).NotTo(ContainElement(v1alpha1.ParticipantName("Late 0")))
		}))

		It("sends those on the move again while one session cannot be sent anything", story(func() {
			g := newGroups()
			g.fail("green", unavailable)
			edit(g, g.set, benToRed, fixture.Rooms("red", "blue", "green=Lime"))
			g.Pass(25 * time.Second)
			Expect(g.received(g.ben)).To(HaveLen(3))
		}))

		It("names the first of many who are on the way", story(func() {
			c := newClassroom("Ada", "Ben", "Cleo", "Dan", "Eve", "Fay")
			set := c.open("groups", fixture.Rooms("red"))
			Expect(messageOf(set,
				v1alpha1.ReadyCondition)).To(HaveSuffix("; 6 people are on their way: Ada, Ben, Cleo, Dan, Eve, …"))
			c.Pass(rounds)
			c.waitReady(set)
			Expect(messageOf(set, v1alpha1.ReadyCondition)).NotTo(ContainSubstring("way"))
		}))

		It("sends a countdown and who leads to everybody, once", story(func() {
			g := newGroups()
			edit(g, g.set, fixture.Lasting(3600))
			g.isDelivered()
			g.promote("Ben")
			for _, browser := range g.all() {
				if browser == g.ben { // who leads sees all rooms
					g.receives(browser, HaveExactElements(HavePrefix("timer 60m"), back, promoted))
					continue
				}
				g.receives(browser, HaveExactElements(HavePrefix("timer 60m"), promoted))
			}
			g.Pass(time.Minute)
			Expect(g.calls()).To(Equal(9))
		}))
	})

	Describe("while the vendor fails for one session", func() {
		DescribeTable("sends it to all others at once and to that one later", story(func(f simulator.Fault, times int) {
			g := newGroups()
			g.fail("red", f)
			edit(g, g.set, fixture.Lasting(3600))
			sent := HaveExactElements(HavePrefix("timer 60m"))
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				g.receives(browser, sent)
			}
			if f.Kind == simulator.FaultSilence || f.Kind == simulator.FaultTimeoutAfter {
				g.Pass(3 * time.Second)
			}
			g.lags(v1alpha1.VendorUnavailableReason, "red")
			g.isBehind(v1alpha1.VendorUnavailableReason)
			Expect(g.calls()).To(Equal(4)) // not again at once
			g.Pass(time.Second)
			g.isDelivered()
			Expect(g.received(g.ada)).To(HaveLen(times)) // where the vendor lost its answer it can only be sent again
			Expect(g.received(g.ada)).To(HaveEach(HavePrefix("timer 60m")))
			Expect(slices.Compact(revisionsOf(g.ada))).To(Equal([]int64{g.set.Status.Signals.Revision}))
			g.Pass(time.Minute)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.received(browser)).To(HaveLen(1))
			}
			Expect(g.calls()).To(Equal(5))
		}),
			Entry("that answers 503", times(1, unavailable), 1),
			Entry("that cuts the connection", simulator.Fault{Kind: simulator.FaultResetBefore, Count: 1}, 1),
			Entry("that does not answer", simulator.Fault{Kind: simulator.FaultSilence, Count: 1}, 1),
			Entry("that cuts the connection after the effect",
				simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1}, 2),
			Entry("that does not answer after the effect", simulator.Fault{Kind: simulator.FaultTimeoutAfter, Count: 1},
				2),
		)

		It("goes on with the message that failed, in order", story(func() {
			g := newGroups()
			f := times(2, unavailable)
			f.After = 1
			g.fail("main", f)
			edit(g, g.set, func(s *v1alpha1.BreakoutSet) {
				fixture.Rooms("red=Crimson", "blue", "green", "yellow")(s)
				fixture.Placed("Ada=red", "Ben=blue", "Cleo=yellow")(s)
			})
			g.lags(v1alpha1.VendorUnavailableReason, "main")
			moved := "participantMoved Class(Host Co) Crimson(Ada) blue(Ben) green() yellow(>Cleo)"
			want := []string{
				"roomEdited Class(Host Co) Crimson(Ada) blue(Ben) green() yellow(Cleo)",
				"roomAdded Class(Host Co) Crimson(Ada) blue(Ben) green() yellow(Cleo)",
				moved,
			}
			Expect(g.received(g.host)).To(Equal(want[:1]))
			Expect(g.received(g.ada)).To(Equal(want[:1]))
			Expect(g.received(g.cleo)).To(Equal(want[2:]))
			Expect(g.calls()).To(Equal(4))
			g.Pass(time.Second)
			Expect(g.calls()).To(Equal(5))
			g.Pass(2 * time.Second)
			g.isDelivered()
			Expect(g.received(g.host)).To(Equal(want))
			Expect(g.received(g.ben)).To(BeEmpty())
			Expect(g.calls()).To(Equal(7))
		}))

		It("never gives up while the rooms are open, says so all the time, and has it there within a minute",
			story(func() {
				g := newGroups()
				g.fail("red", unavailable)
				edit(g, g.set, rename)
				g.lags(v1alpha1.VendorUnavailableReason, "red")
				g.Pass(2 * time.Minute)
				Expect(g.calls()).To(Equal(1 + 7)) // red after 1, 2, 4 … 32 s, and then each minute
				for range 58 {
					g.isBehind(v1alpha1.VendorUnavailableReason)
					Expect(lagging(g.set)).To(ContainElement(v1alpha1.BreakoutRoomName("red")))
					g.Pass(time.Minute)
				}
				Expect(g.calls()).To(BeNumerically(">=", 1+7+58))
				// and once when the account was found to be available after all
				Expect(g.calls()).To(BeNumerically("<=", 1+7+58+10))
				Expect(g.received(g.ada)).To(BeEmpty())
				g.Vendor.ClearFaults()
				g.Pass(time.Minute)
				g.isDelivered()
				Expect(g.received(g.ada)[:1]).To(Equal([]string{renamed}))
			}))

		It("sends what it could not send with the next change, whatever that is", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, rename)
			g.lags(v1alpha1.VendorUnavailableReason, "red")
			g.Pass(2 * time.Minute)
			g.isBehind(v1alpha1.VendorUnavailableReason)
			g.Vendor.ClearFaults()
			edit(g, g.set, fixture.Lasting(3600))
			g.receives(g.ben, HaveExactElements(HavePrefix("timer 58m")))
			g.Pass(time.Second) // the others are proof that the vendor is back
			g.isDelivered()
			Expect(g.received(g.ada)).To(HaveExactElements(HavePrefix("timer 58m"), renamed))
			Expect(g.received(g.host)).To(HaveExactElements(renamed, HavePrefix("timer 58m")))
		}))

		It("sends a later edit together with what one session has not had of the one before", story(func() {
			g := newGroups()
			g.fail("main", times(1, unavailable))
			edit(g, g.set, fixture.Rooms("red", "blue", "green", "yellow"))
			g.lags(v1alpha1.VendorUnavailableReason, "main")
			Expect(g.received(g.host)).To(BeEmpty())
			edit(g, g.set, fixture.Rooms("red", "blue", "green", "yellow", "pink"))
			g.Pass(time.Second)
			g.isDelivered()
			g.Pass(time.Minute)
			Expect(g.received(g.host)).To(Equal([]string{yellow + " pink()"}))
			Expect(g.calls()).To(Equal(2))
		}))

		It("puts right a countdown that was not delivered with the next message", story(func() {
			g := newGroups()
			edit(g, g.set, fixture.Lasting(3600))
			g.isDelivered()
			g.fail("red", times(4, unavailable))
			edit(g, g.set, fixture.Lasting(0))
			g.lags(v1alpha1.VendorUnavailableReason, "red")
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.received(browser)[1:]).To(Equal([]string{"timer withdrawn"}))
			}
			asked := g.calls()
			for i, wait := range []time.Duration{1, 2, 4, 8} {
				Expect(g.received(g.ada)).To(HaveLen(1))
				g.Pass(wait * time.Second)
				Expect(g.calls()).To(Equal(asked + i + 1))
			}
			g.isDelivered()
			Expect(g.received(g.ada)[1:]).To(Equal([]string{"timer withdrawn"}))
		}))

		It("moves nobody twice who was sent, whatever is edited before all have had it", story(func() {
			g := newGroups()
			g.fail("main", times(1, unavailable))
			edit(g, g.set, benToRed)
			g.lags(v1alpha1.VendorUnavailableReason, "main")
			Expect(g.received(g.ben)).To(Equal([]string{toRed}))
			edit(g, g.set, fixture.Rooms("red", "blue", "green", "yellow"))
			eventually(g, func() int { return len(refresh(g, g.set).Status.Rooms) }, Equal(4))
			g.Pass(time.Second)
			added := "roomAdded Class(Host Co) red(Ada Ben) blue() green(Cleo) yellow()"
			Expect(g.received(g.host)).To(Equal([]string{added}))
			g.Pass(9*time.Second - time.Millisecond) // the vendor may have sent the one that failed
			Expect(g.received(g.host)).To(Equal([]string{added}))
			g.Pass(time.Millisecond)
			g.isDelivered()
			Expect(g.received(g.host)).To(Equal([]string{added, toRed + " yellow()"}))
			Expect(g.received(g.ada)).To(BeEmpty())
			Expect(g.received(g.cleo)).To(BeEmpty())
		}))

		It("moves nobody again before their browser has acted, when the answer is lost", story(func() {
			g := newGroups()
			g.fail("blue", simulator.Fault{Kind: simulator.FaultResetAfter, Count: 1})
			edit(g, g.set, benToRed)
			g.lags(v1alpha1.VendorUnavailableReason, "blue")
			g.Pass(10*time.Second - time.Millisecond)
			Expect(g.received(g.ben)).To(HaveLen(1))
			g.Pass(time.Millisecond)
			g.isDelivered()
			Expect(g.received(g.ben)).To(Equal([]string{toRed, toRed}))
		}))

		It("sends who may have been sent somewhere to where they go in the end, when the browser has acted on it",
			story(func() {
				g := newGroups()
				g.fail("blue", times(1, unavailable))
				edit(g, g.set, benToRed)
				g.lags(v1alpha1.VendorUnavailableReason, "blue")
				edit(g, g.set, fixture.Placed("Ada=red", "Ben=green", "Cleo=green"))
				eventually(g, func() string { return placesOf(refresh(g, g.set)) },
					Equal("red: Ada; blue: ; green: Ben, Cleo"))
				g.Pass(10*time.Second - time.Millisecond)
				Expect(g.received(g.ben)).To(BeEmpty())
				Expect(g.received(g.host)).To(Equal([]string{toRed}))
				g.isBehind(v1alpha1.VendorUnavailableReason)
				g.Pass(time.Millisecond)
				g.isDelivered()
				toGreen := "participantMoved Class(Host Co) red(Ada) blue() green(Cleo >Ben)"
				Expect(g.received(g.ben)).To(Equal([]string{toGreen}))
				Expect(g.received(g.ada)).To(Equal([]string{toGreen}))
				Expect(g.received(g.host)).To(Equal([]string{toRed, toGreen}))
				Expect(g.received(g.cleo)).To(BeEmpty())
			}))

		It("says what the vendor refuses as it is, and goes on trying", story(func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultStatus, Status: http.StatusRequestEntityTooLarge,
				Match: func(c simulator.Call) bool {
					return strings.Contains(c.SignalData, "roomEdited")
				}})
			edit(g, g.set, rename)
			g.lags(v1alpha1.VendorRejectedReason, "red")
			g.isBehind(v1alpha1.VendorRejectedReason)
			Expect(g.received(g.host)).To(Equal([]string{renamed}))
			g.Pass(time.Hour)
			g.isBehind(v1alpha1.VendorRejectedReason)
			g.Vendor.ClearFaults()
			g.Pass(time.Minute)
			g.isDelivered()
			Expect(g.received(g.ada)[:1]).To(Equal([]string{renamed}))
		}))
	})

	Describe("while the vendor fails for all", func() {
		It("waits as long as the vendor asks for, and then sends it to everybody once", story(func() {
			g := newGroups()
			g.fail("red", simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "20", Count: 1})
			edit(g, g.set, fixture.Lasting(3600))
			eventually(g, g.delivered, Equal(v1alpha1.VendorRateLimitedReason))
			asked := g.calls()
			g.Pass(20*time.Second - time.Millisecond)
			Expect(g.calls()).To(Equal(asked))
			g.Pass(2 * time.Second)
			g.isDelivered()
			for _, browser := range g.all() {
				Expect(g.received(browser)).To(HaveExactElements(HavePrefix("timer 60m")))
			}
			Expect(g.calls()).To(Equal(5))
		}))

		It("says that the credentials are refused, and sends it to everybody once as soon as they are put right",
			story(func() {
				g := newGroups()
				g.makeSecret("default", pemOf(wrongKey()))
				account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
				g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse,
					v1alpha1.CredentialsRejectedReason)
				edit(g, g.set, fixture.Lasting(3600))
				g.lags(v1alpha1.CredentialsRejectedReason, "main", "red", "blue", "green")
				g.isBehind(v1alpha1.CredentialsRejectedReason)
				g.Pass(10 * time.Second)
				Expect(g.calls()).To(BeZero())

				g.makeSecret("default", pemOf(goodKey()))
				g.waitReady(account)
				g.isDelivered()
				for _, browser := range g.all() {
					Expect(g.received(browser)).To(HaveExactElements(HavePrefix("timer 60m")))
				}
			}))

		It("says that a key which was good is refused", story(func() {
			g := newGroups()
			g.Vendor.AddFault(simulator.Fault{Kind: simulator.FaultForbidden})
			edit(g, g.set, fixture.Lasting(3600))
			account := &v1alpha1.VonageAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			g.waitCondition(account, v1alpha1.ReadyCondition, metav1.ConditionFalse,
				v1alpha1.CredentialsRejectedReason)
			eventually(g, g.delivered, Equal(v1alpha1.CredentialsRejectedReason))
			g.Vendor.ClearFaults()
			g.Pass(70 * time.Second) // refused credentials are tried again each minute
			g.waitReady(account)
			g.isDelivered()
			for _, browser := range g.all() {
				Expect(g.received(browser)).To(HaveExactElements(HavePrefix("timer 60m")))
			}
		}))
	})

	Describe("when the operator dies", func() {
		It("sends it again after its return to those who may have had it, with the same revision", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, rename)
			g.lags(v1alpha1.VendorUnavailableReason, "red")
			g.stop()
			g.Vendor.ClearFaults()
			g.start()
			g.isDelivered()
			Expect(g.received(g.ada)).To(Equal([]string{renamed}))
			Expect(g.received(g.host)).To(Equal([]string{renamed})) // that it has it was written down
			Expect(g.received(g.ben)).To(BeEmpty())
		}))

		It("sends nobody elsewhere before their browser has acted on what the one before may have sent", story(func() {
			g := newGroups()
			edit(g, g.set, benToRed)
			g.isDelivered()
			g.stop()
			edit(g, g.set, fixture.Placed("Ada=red", "Ben=green", "Cleo=green"))
			g.start()
			started := g.calls()
			g.Pass(8 * time.Second)
			Expect(g.calls()).To(Equal(started))
			g.Pass(2 * time.Second)
			g.isDelivered()
			toGreen := "participantMoved Class(Host Co) red(Ada) blue() green(Cleo >Ben)"
			Expect(g.received(g.ben)).To(Equal([]string{toRed, toGreen}))
			Expect(g.received(g.ada)).To(Equal([]string{toGreen}))
			Expect(g.received(g.host)).To(Equal([]string{toRed, toGreen}))
		}))

		It("goes on with the rounds, and sends at least one more", story(func() {
			g := newGroups()
			edit(g, g.set, benToRed)
			g.isDelivered()
			g.stop()
			g.Pass(time.Hour)
			g.start()
			g.Pass(rounds)
			g.isDelivered()
			Expect(g.set.Status.Signals).To(And(HaveField("Moving", BeEmpty()), HaveField("Sessions", BeEmpty())))
			Expect(g.received(g.ben)[:2]).To(Equal([]string{toRed, toRed}))
			Expect(g.received(g.host)).To(Equal([]string{toRed, toRed, inRed, roles}))
		}))

		It("sends what was edited meanwhile as one change, and nothing when that is none", story(func() {
			g := newGroups()
			g.stop()
			edit(g, g.set, fixture.Rooms("red", "green", "yellow"))
			edit(g, g.set, fixture.Placed("Ada=green", "Ben=red"))
			edit(g, g.set, fixture.Rooms("red", "blue", "green"))
			edit(g, g.set, fixture.Placed("Ada=red", "Ben=blue", "Cleo=green"))
			g.start()
			Expect(g.calls()).To(BeZero())

			g.stop()
			edit(g, g.set, fixture.Placed("Ada=blue", "Ben=green", "Cleo=green"))
			edit(g, g.set, fixture.Placed("Ada=green", "Ben=blue", "Cleo=green"))
			g.start()
			g.isDelivered()
			for _, browser := range []*simulator.Client{g.host, g.ada} {
				Expect(g.received(browser)).To(Equal([]string{"participantMoved Class(Host Co) red() blue(Ben) " +
					"green(Cleo >Ada)"}))
			}
			Expect(g.calls()).To(Equal(2))
		}))
	})

	Describe("while somebody writes to it", func() {
		It("sends nothing twice that all have had, when more is asked for before that is recorded", story(func() {
			g := newGroups()
			g.once("groups-red signal", func() sim.Verdict {
				edit(g, g.set, resend("1"))
				return sim.Verdict{}
			})
			g.promote("Ben")
			eventually(g, func() string { return refresh(g, g.set).Status.LastHandledResend }, Equal("1"))
			g.isDelivered()
			for browser, moves := range map[*simulator.Client]string{
				g.host: "participantMoved Class(Host Co) red(>Ada) blue(>Ben) green(>Cleo)",
				g.ada:  "participantMoved Class(Host Co) red(Ada) blue(>Ben) green(>Cleo)",
				g.ben:  "participantMoved Class(Host Co) red(>Ada) blue(Ben) green(>Cleo)",
				g.cleo: "participantMoved Class(Host Co) red(>Ada) blue(>Ben) green(Cleo)",
			} {
				want := []string{promoted, back, moves, promoted}
				if browser == g.ben { // who leads sees all rooms
					want = append([]string{back}, want...)
				}
				Expect(g.received(browser)).To(Equal(want))
			}
		}))

		It("sends nothing twice because of a label, or of an API server that fails", story(func() {
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
			edit(g, g.set, fixture.Lasting(3600))
			g.isDelivered()
			Expect(g.set.Labels).To(HaveKey("a"))
			Expect(writes).To(BeNumerically(">", 3))
			for _, browser := range g.all() {
				Expect(g.received(browser)).To(HaveExactElements(HavePrefix("timer 60m")))
			}
		}))

		It("loses nothing of edits within a millisecond, and no revision is used twice", story(func() {
			g := newGroups()
			rooms := []string{"red", "blue", "green"}
			more := func() {
				rooms = append(rooms, fmt.Sprintf("more-%d", len(rooms)-3))
				edit(g, g.set, fixture.Rooms(rooms...))
			}
			g.judge = func(op *sim.Operation) sim.Verdict {
				if len(rooms) < 9 && !op.Vendor {
					more()
				}
				return sim.Verdict{}
			}
			more()
			g.isDelivered()
			all := g.received(g.host)
			Expect(len(all)).To(BeNumerically("<=", 6))
			Expect(all).To(HaveEach(HavePrefix("roomAdded ")))
			Expect(all[len(all)-1]).To(Equal("roomAdded Class(Host Co) red(Ada) blue(Ben) green(Cleo) more-0() " +
				"more-1() more-2() more-3() more-4() more-5()"))
			revisions := revisionsOf(g.host)
			Expect(slices.IsSorted(revisions)).To(BeTrue())
			added := revisions[len(revisions)-len(all):]
			Expect(slices.Compact(slices.Clone(added))).To(HaveLen(len(added)))
		}))

		It("follows a name there and back again, and never aborts a message on its way", story(func() {
			g := newGroups()
			released := make(chan struct{})
			release := sync.OnceFunc(func() { close(released) })
			defer release()
			g.fail("main", simulator.Fault{Count: 1, Hook: func(simulator.Call) { <-released }})
			edit(g, g.set, rename)
			g.receives(g.ada, Equal([]string{renamed}))
			edit(g, g.set, original)
			g.Settle()
			Expect(g.received(g.ada)).To(HaveLen(1))
			release()
			g.Pass(10 * time.Second) // until the first name is learnt
			g.isDelivered()
			for _, browser := range []*simulator.Client{g.host, g.ada} {
				Expect(g.received(browser)).To(Equal([]string{renamed, back}))
			}
			g.Pass(time.Minute)
			Expect(g.calls()).To(Equal(4))
		}))

		It("follows a person there and back again, and does not hurry", story(func() {
			g := newGroups()
			edit(g, g.set, benToRed)
			g.isDelivered()
			edit(g, g.set, fixture.Placed("Ada=red", "Ben=blue", "Cleo=green"))
			eventually(g, func() string { return placesOf(refresh(g, g.set)) },
				Equal("red: Ada; blue: Ben; green: Cleo"))
			g.Pass(10*time.Second - time.Millisecond)
			g.isBehind(v1alpha1.DeliveringReason)
			Expect(g.calls()).To(Equal(2))
			g.Pass(time.Millisecond)
			g.isDelivered()
			again := "participantMoved Class(Host Co) red(Ada) blue(>Ben) green(Cleo)"
			Expect(g.received(g.host)).To(Equal([]string{toRed, again}))
			Expect(g.received(g.ada)).To(Equal([]string{again}))
			Expect(g.received(g.ben)).To(Equal([]string{toRed})) // where he is right he is not moved
		}))
	})

	Describe("when it closes", func() {
		DescribeTable("is not held up by a session that cannot be sent anything",
			story(func(f simulator.Fault, close func(*groups)) {
				g := newGroups()
				next := g.makeSet("next", fixture.Rooms("red"))
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
				Expect(g.received(g.ada)).To(BeEmpty())
				g.waitReady(next)
				Expect(g.received(g.host)).To(HaveExactElements("allRoomRemoved", "allRoomRemoved",
					HavePrefix("roomCreated (automatic)"), HavePrefix("roles")))
			}),
			Entry("closed, with a vendor that answers 503", unavailable, func(g *groups) { edit(g, g.set, closed) }),
			Entry("closed, with a vendor that does not answer", simulator.Fault{Kind: simulator.FaultSilence},
				func(g *groups) { edit(g, g.set, closed) }),
			Entry("deleted", unavailable, func(g *groups) { g.Delete(g.set) }),
		)

		It("calls people back once more while one session cannot be sent anything", story(func() {
			g := newGroups()
			g.fail("red", unavailable)
			edit(g, g.set, closed)
			g.Pass(11 * time.Second)
			for _, browser := range []*simulator.Client{g.host, g.ben, g.cleo} {
				Expect(g.received(browser)).To(Equal([]string{"allRoomRemoved", "allRoomRemoved"}))
			}
		}))
	})

	Describe("to many", func() {
		It("moves many at once, each of them once", story(func() {
			students := make([]string, 40)
			there, back := make([]string, 40), make([]string, 40)
			for i := range students {
				students[i] = fmt.Sprintf("Student %02d", i)
				there[i], back[i] = fmt.Sprintf("%s=room-%d", students[i], i%4+1),
					fmt.Sprintf("%s=room-%d", students[i], (i+1)%4+1)
			}
			c := newClassroom(students...)
			four := func(s *v1alpha1.BreakoutSet) { s.Spec.Replicas = new(int32(4)) }
			set := c.open("groups", four, fixture.Placed(there...))
			first := c.enter("groups", "room-1", "Student 00")
			host := c.browsers["Host"]
			c.Pass(rounds)
			before := len(host.Signals())
			edit(c, set, fixture.Placed(back...))
			c.waitReady(set)
			all := c.received(host)[before:]
			Expect(all).To(HaveExactElements(HavePrefix("participantMoved Class(Host Co) room-1(")))
			Expect(all[0]).NotTo(ContainSubstring("Class(Host Co Student"))
			for _, name := range students {
				Expect(strings.Count(all[0], ">"+name)).To(Equal(1), name)
			}
			Expect(c.received(first)).To(HaveExactElements(HavePrefix("participantMoved Class(Host Co) room-1(")))
			Expect(strings.Count(c.received(first)[0], ">")).To(Equal(30)) // all but those who belong in room-1
			Expect(c.callsOf(simulator.OpSignal)).To(HaveLen(before + 5))
		}))

		It("sends 50 rooms and 100 people in pages that the vendor takes, and a room what concerns it in one",
			story(func() {
				people := make([]string, 100)
				for i := range people {
					people[i] = fmt.Sprintf("Étudiante n° %03d 👩‍🎓", i)
				}
				c := newClassroom(people...)
				fifty := make([]string, 50)
				for i := range fifty {
					fifty[i] = fmt.Sprintf("room-%d", i+1)
				}
				set := c.open("groups", fixture.Rooms(fifty...))
				host := c.browsers["Host"]
				c.checkPages(host.Signals(), set, "roomCreated (automatic)", 100)
				r := set.Status.Rooms[24]
				inside, elsewhere := c.enter("groups", "room-25", string(r.Participants[0])), set.Status.Rooms[0]
				outside := c.enter("groups", "room-1", string(elsewhere.Participants[0]))
				c.Pass(rounds)
				before := len(host.Signals())
				fifty[24] += "=Salle 25"
				edit(c, set, fixture.Rooms(fifty...))
				c.waitReady(set)
				c.checkPages(host.Signals()[before:], set, "roomEdited", 0)
				Expect(c.received(inside)).To(Equal([]string{fmt.Sprintf("roomEdited Class() Salle 25(%s %s)",
					r.Participants[0], r.Participants[1])}))
				Expect(outside.Signals()).To(BeEmpty())
				for _, call := range c.callsOf(simulator.OpSignal) {
					Expect(len(call.SignalData) + strings.Count(call.SignalData, `"`) + strings.Count(call.SignalData,
						`\`) + 2).To(BeNumerically("<=", 8000))
					Expect(call.Status).To(Or(Equal(http.StatusNoContent), Equal(http.StatusNotFound)))
				}
			}))
	})
})

// checkPages checks that signals to the main room are one message in several pages, and who leads, and that together
// the pages are the set's view.
func (c *classroom) checkPages(signals []simulator.Signal, set *v1alpha1.BreakoutSet, message string, assigned int) {
	GinkgoHelper()
	type pageData struct {
		signalData
		Page struct{ Index, Count int } `json:"page"`
	}
	people, count, sent := map[string][]string{}, 0, 0
	var indexes []int
	for _, s := range signals {
		if s.Type == "update-participant" {
			continue
		}
		var d pageData
		Expect(json.Unmarshal([]byte(s.Data), &d)).To(Succeed())
		Expect(d.Message).To(Equal(message))
		Expect(d.Revision).To(Equal(set.Status.Signals.Revision))
		Expect(d.BreakoutRooms[0].Name).To(Equal("Class"))
		indexes, count = append(indexes, d.Page.Index), d.Page.Count
		for _, r := range d.BreakoutRooms {
			people[r.Name] = append(append(people[r.Name], r.Member...), r.MemberAssigned...)
			sent += len(r.MemberAssigned)
		}
	}
	Expect(count).To(BeNumerically(">", 1))
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
