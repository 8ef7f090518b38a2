// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

var _ = Describe("MeetingRoom", func() {
	It("costs two writes and one call, and then nothing", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		w.mark()
		room := w.makeReadyRoom("algebra")
		Expect(w.did()).To(Equal([]string{
			"patch meetingrooms/algebra", "vonage createSession algebra", "update meetingrooms/algebra/status",
		}))
		Expect(room.Finalizers).To(ConsistOf(v1alpha1.MeetingRoomFinalizer))
		Expect(room.Status.AccountName).To(Equal(va.Name))
		Expect(room.Status.ProjectID).To(Equal(projectID))
		Expect(room.Status.SessionID).To(Equal(w.callsOf(simulator.OpCreateSession)[0].CreatedSessionID))
		Expect(room.Status.ObservedGeneration).To(Equal(room.Generation))
		w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, v1alpha1.SessionCreatedReason)
		w.waitCondition(room, v1alpha1.TokensReadyCondition, metav1.ConditionTrue, v1alpha1.TokensMintedReason)

		By("browsers connect with the tokens")
		host, ada := w.connect(tokenOf(room, "Ms Jones").Token), w.connect(tokenOf(room, "Ada").Token)
		Expect(host.SessionID()).To(Equal(room.Status.SessionID))
		Expect(host.Role()).To(Equal("moderator"))
		Expect(host.Data()).To(Equal(`{"id":"Ms Jones","name":"Ms Jones","role":"moderator","isCohost":false}`))
		Expect(ada.Role()).To(Equal("publisher"))

		By("nothing to do, here and in another process")
		w.mark()
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Labels = map[string]string{"a": "b"} })
		w.Settle()
		w.restart()
		Expect(w.did()).To(BeEmpty())
	}))

	It("costs a single write when it was made with its finalizers", story(func() {
		w := newWorld("main")
		w.mark()
		w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Finalizers = []string{v1alpha1.MeetingRoomFinalizer, v1alpha1.FarewellFinalizer}
		})
		Expect(w.did()).To(Equal([]string{"vonage createSession algebra", "update meetingrooms/algebra/status"}))
	}))

	It("is made with the session that the spec asks for", story(func() {
		w := newWorld("main")
		w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Session = &v1alpha1.SessionSpec{
				ArchiveMode: v1alpha1.ArchiveModeAlways, ArchiveName: "Lesson 1", ArchiveResolution: "1280x720",
				Location: "203.0.113.7",
			}
		})
		options := w.callsOf(simulator.OpCreateSession)[0].Options
		Expect(options).To(HaveKeyWithValue("archiveMode", []string{"always"}))
		Expect(options).To(HaveKeyWithValue("archiveName", []string{"Lesson 1"}))
		Expect(options).To(HaveKeyWithValue("location", []string{"203.0.113.7"}))
	}))

	Describe("accounts", func() {
		It("names a missing, then a doubled default account, and goes on when there is one", story(func() {
			w := newWorld()
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.NoDefaultAccountReason)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionFalse,
				v1alpha1.NoDefaultAccountReason)
			w.waitCondition(room, v1alpha1.TokensReadyCondition, metav1.ConditionFalse, v1alpha1.SessionNotReadyReason)

			w.makeSecret("b", pemOf(wrongKey()))
			second := newAccount("b", asDefault)
			w.Create(second)
			w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
			w.makeAccount("a", asDefault)
			w.waitStalled(room, v1alpha1.MultipleDefaultAccountsReason)
			edit(w, second, func(va *v1alpha1.VonageAccount) { va.Annotations = nil })
			w.waitReady(room)
			Expect(room.Status.AccountName).To(Equal("a"))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		}))

		It("waits for the account that it names", story(func() {
			w := newWorld()
			w.makeAccount("other", asDefault)
			room := w.makeRoom("algebra", func(r *v1alpha1.MeetingRoom) {
				r.Spec.AccountRef = &v1alpha1.LocalObjectReference{Name: "main"}
			})
			w.waitStalled(room, v1alpha1.AccountNotFoundReason)
			va := newAccount("main")
			w.Create(va)
			w.waitStalled(room, v1alpha1.AccountNotReadyReason)
			w.makeSecret("main", pemOf(goodKey()))
			w.waitReady(room)
			Expect(room.Status.AccountName).To(Equal(va.Name))
		}))

		It("may only use an account that allows its namespace, and keeps what it has when it may "+
			"not any more", story(func() {
			w := newWorld()
			w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) {
				va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{
					From:     v1alpha1.NamespacesFromSelector,
					Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "maths"}},
				}
			})
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.NamespaceNotAllowedReason)
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: sim.Namespace}}
			edit(w, ns, func(ns *corev1.Namespace) { ns.Labels = map[string]string{"team": "maths"} })
			w.waitReady(room)

			edit(w, ns, func(ns *corev1.Namespace) { delete(ns.Labels, "team") })
			another := w.makeRoom("physics")
			w.waitStalled(another, v1alpha1.NamespaceNotAllowedReason)
			edit(w, room, joined("Bo"))
			w.waitStalled(room, v1alpha1.NamespaceNotAllowedReason)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, v1alpha1.SessionCreatedReason)
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada"}), "no new tokens, and the old ones stay")
			edit(w, ns, func(ns *corev1.Namespace) { ns.Labels = map[string]string{"team": "maths"} })
			w.waitReady(room)
			w.waitReady(another)
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada", "Bo"}))
		}))

		It("keeps its session when the account's name comes to stand for another project", story(func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			session, token := room.Status.SessionID, tokenOf(room, "Ada").Token
			w.Delete(va)
			w.waitGone(va)
			other := "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
			Expect(w.Vendor.AddProject(simulator.Project{
				Environment: simulator.Unified, ID: other, PublicKey: &goodKey().PublicKey,
			})).To(Succeed())
			va = w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) { va.Spec.ProjectID = other })
			w.waitStalled(room, v1alpha1.AccountMismatchReason)
			Expect(room.Status.SessionID).To(Equal(session))
			Expect(tokenOf(room, "Ada").Token).To(Equal(token))

			w.Delete(va)
			w.waitGone(va)
			w.makeAccount("main", asDefault)
			w.waitReady(room)
			Expect(room.Status.SessionID).To(Equal(session))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		}))
	})

	Describe("adoption", func() {
		adopt := func(id string) func(*v1alpha1.MeetingRoom) {
			return func(r *v1alpha1.MeetingRoom) { r.Spec.SessionID = id }
		}
		allowed := func(va *v1alpha1.VonageAccount) { va.Spec.Adoption = v1alpha1.AdoptionAllowed }

		It("takes an existing session where the account allows it", story(func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			id := w.Vendor.NewSessionID(projectID, false)
			room := w.makeRoom("algebra", adopt(id))
			w.waitStalled(room, v1alpha1.AdoptionForbiddenReason)
			edit(w, va, allowed)
			w.waitReady(room)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, v1alpha1.SessionAdoptedReason)
			Expect(room.Status.SessionID).To(Equal(id))
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())

			By("what was adopted stays adopted, and its people stay when the room goes")
			edit(w, va, func(va *v1alpha1.VonageAccount) { va.Spec.Adoption = v1alpha1.AdoptionForbidden })
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.waitReady(room)
			w.Delete(room)
			w.waitGone(room)
			Expect(ada.Connected()).To(BeTrue())
			Expect(w.callsOf(simulator.OpListConnections)).To(BeEmpty())
		}))

		It("refuses what is no session, and a session of another project, until it is put right", story(func() {
			w := newWorld()
			w.makeAccount("main", asDefault, allowed)
			room := w.makeRoom("algebra", adopt("1_nonsense"))
			w.waitStalled(room, v1alpha1.SessionIDInvalidReason)
			edit(w, room, adopt(w.Vendor.NewSessionID("3f2504e0-4f89-41d3-9a0c-0305e82c3301", false)))
			w.waitStalled(room, v1alpha1.SessionOfOtherProjectReason)
			edit(w, room, adopt(w.Vendor.NewSessionID(projectID, false)))
			w.waitReady(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())
		}))
	})

	Describe("the session's ID", func() {
		It("is the same when somebody else writes between creating and publishing", story(func() {
			w := newWorld("main")
			room := w.makeRoom("algebra")
			w.once("update meetingrooms/algebra/status", func() sim.Verdict {
				edit(w, room, joined("Bo"))
				return sim.Verdict{} // a conflict
			})
			w.waitReady(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada", "Bo"}))
		}))

		It("is thrown away when another one was published first", story(func() {
			w := newWorld("main")
			room := w.makeRoom("algebra")
			first := w.Vendor.NewSessionID(projectID, false)
			w.once("update meetingrooms/algebra/status", func() sim.Verdict {
				refresh(w, room)
				room.Status.SessionID, room.Status.AccountName, room.Status.ProjectID = first, "main", projectID
				Expect(w.User.Status().Update(context.Background(), room)).To(Succeed())
				return sim.Verdict{}
			})
			w.waitReady(room)
			Expect(room.Status.SessionID).To(Equal(first))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
			w.connect(tokenOf(room, "Ada").Token)
		}))

		It("is thrown away when the room is deleted meanwhile", story(func() {
			w := newWorld("main")
			room := w.makeRoom("algebra")
			w.once("update meetingrooms/algebra/status", func() sim.Verdict {
				w.Delete(room)
				return sim.Verdict{}
			})
			w.waitGone(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		}))
	})

	It("has one session when two operators work at once", story(func() {
		w := newWorld("main")
		w.start()
		published := map[string]bool{}
		var rooms []*v1alpha1.MeetingRoom
		for i := range 20 {
			rooms = append(rooms, w.makeRoom(fmt.Sprintf("room-%d", i)))
		}
		for _, room := range rooms {
			w.waitReady(room)
			published[room.Status.SessionID] = true
			w.connect(tokenOf(room, "Ada").Token)
		}
		Expect(published).To(HaveLen(len(rooms)))
		created := map[string]bool{}
		for _, c := range w.callsOf(simulator.OpCreateSession) {
			created[c.CreatedSessionID] = true
		}
		for id := range published {
			Expect(created).To(HaveKey(id))
		}
		By("they come to rest, and the sessions are still the same")
		w.Settle()
		w.mark()
		w.Pass(time.Minute)
		Expect(w.did()).To(BeEmpty())
		for _, room := range rooms {
			Expect(published).To(HaveKey(refresh(w, room).Status.SessionID))
		}
	}))

	Describe("the vendor", func() {
		DescribeTable("may fail; the room says so once and gets its "+
			"session later", story(func(fault simulator.Fault, reason string, after time.Duration) {
			w := newWorld("main")
			fault.Op = simulator.OpCreateSession
			w.Vendor.AddFault(fault)
			room := w.makeRoom("algebra")
			w.waitReconciling(room, reason)
			w.mark()
			w.Pass(after)
			Expect(w.did()).To(And(Not(BeEmpty()), HaveEach("vonage createSession algebra")),
				"the same again is not worth a write")
			w.Vendor.ClearFaults()
			w.Pass(after)
			w.waitReady(room)
		}),
			Entry("with 503", simulator.Fault{Kind: simulator.FaultStatus}, v1alpha1.VendorUnavailableReason,
				controller.RetryMost),
			Entry("with a page of HTML", simulator.Fault{Kind: simulator.FaultHTML}, v1alpha1.VendorUnavailableReason,
				controller.RetryMost),
			Entry("with no session", simulator.Fault{Kind: simulator.FaultEmptyList}, v1alpha1.VendorUnavailableReason,
				controller.RetryMost),
			Entry("with 429", simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "7"},
				v1alpha1.VendorRateLimitedReason, time.Minute),
		)

		It("may refuse the session as it is", story(func() {
			w := newWorld("main")
			w.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpCreateSession, Kind: simulator.FaultStatus, Status: 400, Count: 1,
			})
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.VendorRejectedReason)
			w.Pass(controller.RecheckRefused * 2)
			w.waitReady(room)
		}))
	})

	Describe("the lock of the breakout sets", func() {
		It("is freed when its set is gone, is another one, or is closed; and only then", story(func() {
			c := newClassroom("Ada")
			hold := func(name string, uid types.UID) {
				GinkgoHelper()
				refresh(c, c.main).Status.ActiveBreakoutSet = &v1alpha1.ActiveBreakoutSet{Name: name, UID: string(uid)}
				Expect(c.User.Status().Update(context.Background(), c.main)).To(Succeed())
			}
			holder := func() *v1alpha1.ActiveBreakoutSet {
				c.Settle()
				return refresh(c, c.main).Status.ActiveBreakoutSet
			}
			hold("nobody", "uid")
			Expect(holder()).To(BeNil())

			set := c.makeSet("groups", closed)
			c.waitReady(set)
			for _, uid := range []types.UID{"another", set.UID} {
				hold(set.Name, uid)
				Expect(holder()).To(BeNil())
			}

			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredOpen })
			c.waitReady(set)
			edit(c, c.main, func(r *v1alpha1.MeetingRoom) { r.Spec.DisplayName = "Algebra" })
			c.waitReady(c.main)
			Expect(holder()).To(HaveValue(HaveField("UID", string(set.UID))),
				"the set has a right to it, and the room's own writes keep it")

			edit(c, set, closed)
			c.Pass(10 * time.Second)
			Expect(holder()).To(BeNil())
		}))

		It("holds up the room's deletion until the rooms are closed, but not for ever", story(func() {
			c := newClassroom("Ada")
			c.open("groups", fixture.Rooms("red"))
			c.onTheSecond()
			c.judge = refuseAll("breakoutsets") // so it closes never
			c.Delete(c.main)
			c.Pass(40*time.Second - time.Millisecond) // the grace and 30 s
			Expect(c.browsers["Host"].Connected()).To(BeTrue())
			c.Pass(time.Millisecond)
			c.waitGone(c.main)
			Expect(c.browsers["Host"].Connected()).To(BeFalse())
		}))
	})

	Describe("deletion", func() {
		It("waits for the drain of a breakout room, as long as its set is there", story(func() {
			c := newClassroom("Ada")
			set := c.open("groups", fixture.Rooms("red"))
			ada := c.enter("groups", "red", "Ada")
			red := c.room("groups", "red")
			c.judge = refuseAll("breakoutsets") // so it says nothing
			c.Delete(red)
			c.Pass(time.Hour)
			Expect(ada.Connected()).To(BeTrue())

			edit(c, set, func(s *v1alpha1.BreakoutSet) { s.Finalizers = nil })
			c.Delete(set)
			c.waitGone(set)
			c.Pass(30 * time.Second)
			c.waitGone(red)
			Expect(ada.Connected()).To(BeFalse())
		}))

		It("is complete when only somebody else's finalizer is left", story(func() {
			w := newWorld("main")
			room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
				r.Finalizers = []string{"example.com/audit"}
			})
			w.Delete(room)
			w.Settle()
			Expect(refresh(w, room).Finalizers).To(Equal([]string{"example.com/audit"}))
			w.mark()
			edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Labels = map[string]string{"a": "b"} })
			w.Pass(time.Minute)
			Expect(w.did()).To(BeEmpty())
		}))

		It("is tried for a while, and not held up for ever", story(func() {
			w := newWorld("main")
			room, stubborn := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpListConnections, SessionID: room.Status.SessionID, Kind: simulator.FaultStatus,
				Count: 2,
			})
			w.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpListConnections, SessionID: stubborn.Status.SessionID, Kind: simulator.FaultStatus,
			})
			w.Delete(room)
			w.Delete(stubborn)
			w.Pass(5 * time.Second)
			Expect(w.gone(room)).To(BeTrue())
			Expect(ada.Connected()).To(BeFalse())
			Expect(w.gone(stubborn)).To(BeFalse())
			w.Pass(25 * time.Second)
			Expect(w.gone(stubborn)).To(BeTrue())
			w.waitEvent(stubborn, controller.ParticipantsNotDisconnectedReason)
		}))

		It("gives up at once, with an event, without an account", story(func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			w.Delete(va)
			w.waitReady(room)
			w.Delete(room)
			w.waitGone(room)
			w.waitEvent(room, controller.ParticipantsNotDisconnectedReason)
		}))

		It("is tried again with credentials that were refused, and given up when they are not taken "+
			"after a while", story(func() {
			w := newWorld("main")
			room, stubborn := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpListConnections, SessionID: room.Status.SessionID, Kind: simulator.FaultForbidden,
				Count: 2,
			})
			w.Vendor.AddFault(simulator.Fault{
				Op: simulator.OpListConnections, SessionID: stubborn.Status.SessionID, Kind: simulator.FaultForbidden,
			})
			for _, r := range []*v1alpha1.MeetingRoom{room, stubborn} {
				w.Delete(r)
				w.Pass(30 * time.Second)
				Expect(w.gone(r)).To(BeTrue())
			}
			Expect(ada.Connected()).To(BeFalse())
			w.waitEvent(stubborn, controller.ParticipantsNotDisconnectedReason)
		}))

		It("works for a namespace that is not allowed any more", story(func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			ada := w.connect(tokenOf(room, "Ada").Token)
			edit(w, va, func(va *v1alpha1.VonageAccount) {
				va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{
					From:     v1alpha1.NamespacesFromSelector,
					Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "maths"}},
				}
			})
			w.Delete(room)
			w.waitGone(room)
			Expect(ada.Connected()).To(BeFalse())
		}))
	})
})
