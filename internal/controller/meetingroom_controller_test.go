// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("MeetingRoom", func() {
	It("costs two writes and one call, and then nothing", func() {
		w := newWorld(byHand())
		va := w.makeAccount("main", asDefault)
		w.api.reset()
		w.sim.ResetCalls()
		room := w.makeRoom("algebra")
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitReady(room)
		Expect(w.api.all()).To(HaveLen(2))
		Expect(w.api.of("meetingrooms")).To(Equal([]string{"PATCH", "PUT status"}))
		Expect(w.sim.Calls()).To(HaveLen(1))
		Expect(room.Finalizers).To(ConsistOf(v1alpha1.MeetingRoomFinalizer))
		Expect(room.Status.AccountName).To(Equal(va.Name))
		Expect(room.Status.ProjectID).To(Equal(w.projectID))
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
		w.api.reset()
		w.sim.ResetCalls()
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.restart()
		Expect(w.reconcileRoom(room)).To(Succeed())
		Expect(w.api.all()).To(BeEmpty())
		Expect(w.sim.Calls()).To(BeEmpty())
	})

	It("costs a single write when it was made with its finalizers", func() {
		w := newWorld(byHand())
		w.makeAccount("main", asDefault)
		w.api.reset()
		room := w.makeRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Finalizers = []string{v1alpha1.MeetingRoomFinalizer, v1alpha1.FarewellFinalizer}
		})
		Expect(w.reconcileRoom(room)).To(Succeed())
		w.waitReady(room)
		Expect(w.api.all()).To(HaveLen(1))
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
	})

	It("is made with the session that the spec asks for", func() {
		w := newWorld()
		w.makeAccount("main", asDefault)
		w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Session = &v1alpha1.SessionSpec{
				ArchiveMode: v1alpha1.ArchiveModeAlways, ArchiveName: "Lesson 1", ArchiveResolution: "1280x720", Location: "203.0.113.7",
			}
		})
		options := w.callsOf(simulator.OpCreateSession)[0].Options
		Expect(options).To(HaveKeyWithValue("archiveMode", []string{"always"}))
		Expect(options).To(HaveKeyWithValue("archiveName", []string{"Lesson 1"}))
		Expect(options).To(HaveKeyWithValue("location", []string{"203.0.113.7"}))
	})

	Describe("accounts", func() {
		It("names a missing, then a doubled default account, and goes on when there is one", func() {
			w := newWorld()
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.NoDefaultAccountReason)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionFalse, v1alpha1.NoDefaultAccountReason)
			w.waitCondition(room, v1alpha1.TokensReadyCondition, metav1.ConditionFalse, v1alpha1.SessionNotReadyReason)

			w.makeSecret("b", pemOf(wrongKey))
			second := w.newAccount("b", asDefault)
			Expect(admin.Create(context.Background(), second)).To(Succeed())
			w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
			w.makeAccount("a", asDefault)
			w.waitStalled(room, v1alpha1.MultipleDefaultAccountsReason)
			edit(second, func(va *v1alpha1.VonageAccount) { va.Annotations = nil })
			w.waitReady(room)
			Expect(room.Status.AccountName).To(HavePrefix("a-"))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		})

		It("waits for the account that it names", func() {
			w := newWorld()
			w.makeAccount("other", asDefault)
			room := w.makeRoom("algebra", func(r *v1alpha1.MeetingRoom) {
				r.Spec.AccountRef = &v1alpha1.LocalObjectReference{Name: "main-" + w.id}
			})
			w.waitStalled(room, v1alpha1.AccountNotFoundReason)
			va := w.newAccount("main")
			Expect(admin.Create(context.Background(), va)).To(Succeed())
			w.waitStalled(room, v1alpha1.AccountNotReadyReason)
			w.makeSecret("main", pemOf(goodKey))
			w.waitReady(room)
			Expect(room.Status.AccountName).To(Equal(va.Name))
		})

		It("may only use an account that allows its namespace, and keeps what it has when it may not any more", func() {
			w := newWorld()
			w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) {
				va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{
					From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "maths"}},
				}
			})
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.NamespaceNotAllowedReason)
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
			edit(ns, func(ns *corev1.Namespace) { ns.Labels["team"] = "maths" })
			w.waitReady(room)

			edit(ns, func(ns *corev1.Namespace) { delete(ns.Labels, "team") })
			another := w.makeRoom("physics")
			w.waitStalled(another, v1alpha1.NamespaceNotAllowedReason)
			edit(room, func(r *v1alpha1.MeetingRoom) {
				r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: "Bo"})
			})
			w.waitStalled(room, v1alpha1.NamespaceNotAllowedReason)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, v1alpha1.SessionCreatedReason)
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada"}), "no new tokens, and the old ones stay")
			edit(ns, func(ns *corev1.Namespace) { ns.Labels["team"] = "maths" })
			w.waitReady(room)
			w.waitReady(another)
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada", "Bo"}))
		})

		It("keeps its session when the account's name comes to stand for another project", func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			session, token := room.Status.SessionID, tokenOf(room, "Ada").Token
			Expect(admin.Delete(context.Background(), va)).To(Succeed())
			waitGone(va)
			other := "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
			Expect(w.sim.AddProject(simulator.Project{Environment: simulator.Unified, ID: other, PublicKey: &goodKey.PublicKey})).To(Succeed())
			va = w.makeAccount("main", asDefault, func(va *v1alpha1.VonageAccount) { va.Spec.ProjectID = other })
			w.waitStalled(room, v1alpha1.AccountMismatchReason)
			Expect(room.Status.SessionID).To(Equal(session))
			Expect(tokenOf(room, "Ada").Token).To(Equal(token))

			Expect(admin.Delete(context.Background(), va)).To(Succeed())
			waitGone(va)
			w.makeAccount("main", asDefault)
			w.waitReady(room)
			Expect(room.Status.SessionID).To(Equal(session))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		})
	})

	Describe("adoption", func() {
		adopt := func(id string) func(*v1alpha1.MeetingRoom) {
			return func(r *v1alpha1.MeetingRoom) { r.Spec.SessionID = id }
		}
		allowed := func(va *v1alpha1.VonageAccount) { va.Spec.Adoption = v1alpha1.AdoptionAllowed }

		It("takes an existing session where the account allows it", func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			id := w.sim.NewSessionID(w.projectID, false)
			room := w.makeRoom("algebra", adopt(id))
			w.waitStalled(room, v1alpha1.AdoptionForbiddenReason)
			edit(va, allowed)
			w.waitReady(room)
			w.waitCondition(room, v1alpha1.SessionReadyCondition, metav1.ConditionTrue, v1alpha1.SessionAdoptedReason)
			Expect(room.Status.SessionID).To(Equal(id))
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())

			By("what was adopted stays adopted, and its people stay when the room goes")
			edit(va, func(va *v1alpha1.VonageAccount) { va.Spec.Adoption = v1alpha1.AdoptionForbidden })
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.waitReady(room)
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			waitGone(room)
			Expect(ada.Connected()).To(BeTrue())
			Expect(w.callsOf(simulator.OpListConnections)).To(BeEmpty())
		})

		It("refuses what is no session, and a session of another project, until it is put right", func() {
			w := newWorld()
			w.makeAccount("main", asDefault, allowed)
			room := w.makeRoom("algebra", adopt("1_nonsense"))
			w.waitStalled(room, v1alpha1.SessionIDInvalidReason)
			edit(room, adopt(w.sim.NewSessionID("3f2504e0-4f89-41d3-9a0c-0305e82c3301", false)))
			w.waitStalled(room, v1alpha1.SessionOfOtherProjectReason)
			edit(room, adopt(w.sim.NewSessionID(w.projectID, false)))
			w.waitReady(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(BeEmpty())
		})
	})

	Describe("the session's ID", func() {
		It("is the same when somebody else writes between creating and publishing", func() {
			w := newWorld(byHand())
			w.makeAccount("main", asDefault)
			room := w.makeRoom("algebra")
			w.api.once("PUT /apis/breakout-operator.io", func(send func() (*http.Response, error)) (*http.Response, error) {
				edit(room, func(r *v1alpha1.MeetingRoom) {
					r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: "Bo"})
				})
				return send() // a conflict
			})
			Expect(w.reconcileRoom(room)).To(Succeed())
			w.waitReady(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
			Expect(participantsOf(room)).To(Equal([]string{"Ms Jones", "Ada", "Bo"}))
		})

		It("is thrown away when another one was published first", func() {
			w := newWorld(byHand())
			w.makeAccount("main", asDefault)
			room := w.makeRoom("algebra")
			first := w.sim.NewSessionID(w.projectID, false)
			w.api.once("PUT /apis/breakout-operator.io", func(send func() (*http.Response, error)) (*http.Response, error) {
				other := refresh(room.DeepCopy())
				other.Status.SessionID, other.Status.AccountName, other.Status.ProjectID = first, "main-"+w.id, w.projectID
				Expect(admin.Status().Update(context.Background(), other)).To(Succeed())
				return send()
			})
			Expect(w.reconcileRoom(room)).To(Succeed())
			w.waitReady(room)
			Expect(room.Status.SessionID).To(Equal(first))
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
			w.connect(tokenOf(room, "Ada").Token)
		})

		It("is thrown away when the room is deleted meanwhile", func() {
			w := newWorld(byHand())
			w.makeAccount("main", asDefault)
			room := w.makeRoom("algebra")
			w.api.once("PUT /apis/breakout-operator.io", func(send func() (*http.Response, error)) (*http.Response, error) {
				Expect(admin.Delete(context.Background(), room)).To(Succeed())
				return send()
			})
			Expect(w.reconcileRoom(room)).To(Succeed())
			waitGone(room)
			Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
		})

		It("is the same when the write's answer is lost, and when the write itself is", func() {
			for _, lost := range []func(send func() (*http.Response, error)) (*http.Response, error){
				func(send func() (*http.Response, error)) (*http.Response, error) {
					_, err := send()
					Expect(err).NotTo(HaveOccurred())
					return serverError()
				},
				func(func() (*http.Response, error)) (*http.Response, error) { return serverError() },
			} {
				w := newWorld(byHand())
				w.makeAccount("main", asDefault)
				room := w.makeRoom("algebra")
				w.api.once("PUT /apis/breakout-operator.io", lost)
				Expect(w.reconcileRoom(room)).NotTo(Succeed())
				Expect(w.reconcileRoom(room)).To(Succeed())
				w.waitReady(room)
				calls := w.callsOf(simulator.OpCreateSession)
				Expect(calls).To(HaveLen(1))
				Expect(room.Status.SessionID).To(Equal(calls[0].CreatedSessionID))
			}
		})

		It("is another one when the vendor's answer was lost", func() {
			w := newWorld()
			w.makeAccount("main", asDefault)
			w.sim.AddFault(simulator.Fault{Op: simulator.OpCreateSession, Kind: simulator.FaultResetAfter, Count: 1})
			room := w.makeRoom("algebra")
			w.waitReconciling(room, v1alpha1.VendorUnavailableReason)
			w.turn(retryMost)
			w.waitReady(room)
			calls := w.callsOf(simulator.OpCreateSession)
			Expect(calls).To(HaveLen(2))
			Expect(room.Status.SessionID).To(Equal(calls[1].CreatedSessionID))
		})
	})

	It("has one session when two operators work at once", func() {
		w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
		w.makeAccount("main", asDefault)
		other := *w
		other.start()
		DeferCleanup(other.stop)
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
		w.quiet()
		seq := w.sim.LastSeq()
		w.api.reset()
		Consistently(w.api.all, 300*time.Millisecond).Should(BeEmpty())
		Expect(w.sim.CallsSince(seq)).To(BeEmpty())
		for _, room := range rooms {
			Expect(published).To(HaveKey(refresh(room).Status.SessionID))
		}
	})

	Describe("the vendor", func() {
		for _, fault := range []struct {
			simulator.Fault
			reason string
			after  time.Duration
		}{
			{simulator.Fault{Kind: simulator.FaultStatus}, v1alpha1.VendorUnavailableReason, retryMost},
			{simulator.Fault{Kind: simulator.FaultHTML}, v1alpha1.VendorUnavailableReason, retryMost},
			{simulator.Fault{Kind: simulator.FaultEmptyList}, v1alpha1.VendorUnavailableReason, retryMost},
			{simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "7"}, v1alpha1.VendorRateLimitedReason, time.Minute},
		} {
			It("may fail with "+string(fault.Kind)+"; the room says so once and gets its session later", func() {
				w := newWorld(byHand())
				w.makeAccount("main", asDefault)
				room := w.makeRoom("algebra")
				fault.Op = simulator.OpCreateSession
				w.sim.AddFault(fault.Fault)
				Expect(w.reconcileRoom(room)).To(Succeed())
				w.waitReconciling(room, fault.reason)
				w.api.reset()
				w.turn(fault.after)
				Expect(w.reconcileRoom(room)).To(Succeed())
				Expect(w.api.all()).To(BeEmpty(), "the same again is not worth a write")
				Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(2))
				w.sim.ClearFaults()
				w.turn(fault.after)
				Expect(w.reconcileRoom(room)).To(Succeed())
				w.waitReady(room)
			})
		}

		It("may refuse the session as it is", func() {
			w := newWorld()
			w.makeAccount("main", asDefault)
			w.sim.AddFault(simulator.Fault{Op: simulator.OpCreateSession, Kind: simulator.FaultStatus, Status: 400, Count: 1})
			room := w.makeRoom("algebra")
			w.waitStalled(room, v1alpha1.VendorRejectedReason)
			w.turn(recheckRefused * 2)
			w.waitReady(room)
		})
	})

	Describe("the lock of the breakout sets", func() {
		hold := func(room *v1alpha1.MeetingRoom, name, uid string) {
			GinkgoHelper()
			Eventually(func() error {
				refresh(room)
				room.Status.ActiveBreakoutSet = &v1alpha1.ActiveBreakoutSet{Name: name, UID: uid}
				return admin.Status().Update(context.Background(), room)
			}).Should(Succeed())
		}
		free := func(room *v1alpha1.MeetingRoom) {
			GinkgoHelper()
			Eventually(func() *v1alpha1.ActiveBreakoutSet { return refresh(room).Status.ActiveBreakoutSet }).Should(BeNil())
		}
		makeSet := func(w *world, room *v1alpha1.MeetingRoom) *v1alpha1.BreakoutSet {
			GinkgoHelper()
			set := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "groups"}}
			set.Spec.MeetingRoomRef.Name = room.Name
			Expect(admin.Create(context.Background(), set)).To(Succeed())
			return set
		}

		It("is freed when its set is gone, is another one, or is closed; and only then", func() {
			w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
			w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")

			hold(room, "nobody", "uid")
			free(room)

			set := makeSet(w, room)
			hold(room, set.Name, "another-uid")
			free(room)

			hold(room, set.Name, string(set.UID))
			edit(room, func(r *v1alpha1.MeetingRoom) { r.Spec.DisplayName = "Algebra" })
			w.waitReady(room)
			Eventually(func() int64 { return refresh(room).Status.ObservedGeneration }).Should(Equal(room.Generation))
			Expect(room.Status.ActiveBreakoutSet).NotTo(BeNil(), "the set has a right to it, and the room's own writes keep it")

			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredClosed })
			free(room)

			edit(set, func(s *v1alpha1.BreakoutSet) { s.Spec.State = v1alpha1.DesiredOpen })
			hold(room, set.Name, string(set.UID))
			Expect(admin.Delete(context.Background(), set)).To(Succeed())
			free(room)
		})

		It("holds up the room's deletion until the rooms are closed, but not for ever", func() {
			w := newWorld(withKinds(setupVonageAccounts, setupMeetingRooms))
			w.makeAccount("main", asDefault)
			open := func(room *v1alpha1.MeetingRoom, set *v1alpha1.BreakoutSet) {
				Eventually(func() error {
					refresh(set)
					set.Status.OpenedAt, set.Status.Replicas = new(metav1.Now()), new(int32(2))
					return admin.Status().Update(context.Background(), set)
				}).Should(Succeed())
				hold(room, set.Name, string(set.UID))
				ada := w.connect(tokenOf(room, "Ada").Token)
				Expect(admin.Delete(context.Background(), room)).To(Succeed())
				Consistently(func() bool { return ada.Connected() && refresh(room) != nil }, 200*time.Millisecond).Should(BeTrue())
			}
			room := w.makeReadyRoom("algebra")
			set := makeSet(w, room)
			open(room, set)
			set.Status.ClosedAt, set.Status.Replicas = new(metav1.Now()), new(int32(0))
			Eventually(func() error {
				status := set.Status
				refresh(set)
				set.Status = status
				return admin.Status().Update(context.Background(), set)
			}).Should(Succeed())
			waitGone(room)

			Expect(admin.Delete(context.Background(), set)).To(Succeed())
			waitGone(set)
			room = w.makeReadyRoom("physics")
			set = makeSet(w, room)
			open(room, set)
			w.turn(w.beyond(metav1.Now(), time.Minute))
			waitGone(room)
		})
	})

	Describe("deletion", func() {
		It("disconnects everybody", func() {
			w := newWorld()
			w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			host, ada := w.connect(tokenOf(room, "Ms Jones").Token), w.connect(tokenOf(room, "Ada").Token)
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			waitGone(room)
			for _, c := range []*simulator.Client{host, ada} {
				Expect(c.DisconnectReason()).To(Equal(simulator.ReasonForceDisconnected))
			}
		})

		It("waits for the farewell of a breakout room, as long as somebody is there to say it", func() {
			w := newWorld(byHand())
			w.makeAccount("main", asDefault)
			set := &v1alpha1.BreakoutSet{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "groups"}}
			set.Spec.MeetingRoomRef.Name = "algebra"
			Expect(admin.Create(context.Background(), set)).To(Succeed())
			child := func(r *v1alpha1.MeetingRoom) {
				r.Finalizers = []string{v1alpha1.MeetingRoomFinalizer, v1alpha1.FarewellFinalizer}
				Expect(controllerutil.SetControllerReference(set, r, NewScheme())).To(Succeed())
			}
			red, blue := w.makeRoom("groups-red", child), w.makeRoom("groups-blue", child)
			people := map[*v1alpha1.MeetingRoom]*simulator.Client{}
			for _, room := range []*v1alpha1.MeetingRoom{red, blue} {
				Expect(w.reconcileRoom(room)).To(Succeed())
				people[room] = w.connect(tokenOf(refresh(room), "Ada").Token)
				Expect(admin.Delete(context.Background(), room)).To(Succeed())
				Expect(w.reconcileRoom(room)).To(Succeed())
				Expect(people[room].Connected()).To(BeTrue())
			}

			edit(red, func(r *v1alpha1.MeetingRoom) { controllerutil.RemoveFinalizer(r, v1alpha1.FarewellFinalizer) })
			Expect(w.reconcileRoom(red)).To(Succeed())
			waitGone(red)
			Expect(people[red].Connected()).To(BeFalse())

			Expect(admin.Delete(context.Background(), set)).To(Succeed())
			waitGone(set)
			Expect(w.reconcileRoom(blue)).To(Succeed())
			waitGone(blue)
			Expect(people[blue].Connected()).To(BeFalse())
		})

		It("is done with when only somebody else's finalizer is left", func() {
			w := newWorld(byHand())
			w.makeAccount("main", asDefault)
			room := w.makeRoom("algebra", func(r *v1alpha1.MeetingRoom) { r.Finalizers = []string{"example.com/audit"} })
			Expect(w.reconcileRoom(room)).To(Succeed())
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			Expect(w.reconcileRoom(room)).To(Succeed())
			Expect(room.Finalizers).To(Equal([]string{"example.com/audit"}))
			w.api.reset()
			w.sim.ResetCalls()
			Expect(w.reconcileRoom(room)).To(Succeed())
			Expect(w.api.all()).To(BeEmpty())
			Expect(w.sim.Calls()).To(BeEmpty())
		})

		It("is tried for a while, and not held up for ever", func() {
			w := newWorld()
			w.makeAccount("main", asDefault)
			room, stubborn := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.sim.AddFault(simulator.Fault{Op: simulator.OpListConnections, SessionID: room.Status.SessionID, Kind: simulator.FaultStatus, Count: 2})
			w.sim.AddFault(simulator.Fault{Op: simulator.OpListConnections, SessionID: stubborn.Status.SessionID, Kind: simulator.FaultStatus})
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			Expect(admin.Delete(context.Background(), stubborn)).To(Succeed())
			for _, r := range []*v1alpha1.MeetingRoom{room, stubborn} {
				Eventually(func() error {
					w.turn(time.Second)
					return admin.Get(context.Background(), client.ObjectKeyFromObject(r), r)
				}).Should(MatchError(ContainSubstring("not found")))
			}
			Expect(ada.Connected()).To(BeFalse())
			w.waitEvent(stubborn, participantsNotDisconnectedReason)
		})

		It("gives up at once, with an event, without an account", func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			Expect(admin.Delete(context.Background(), va)).To(Succeed())
			w.waitReady(room)
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			waitGone(room)
			w.waitEvent(room, participantsNotDisconnectedReason)
		})

		It("is tried again with credentials that were refused, and given up when they are not taken after a while", func() {
			w := newWorld()
			w.makeAccount("main", asDefault)
			room, stubborn := w.makeReadyRoom("algebra"), w.makeReadyRoom("physics")
			ada := w.connect(tokenOf(room, "Ada").Token)
			w.sim.AddFault(simulator.Fault{Op: simulator.OpListConnections, SessionID: room.Status.SessionID, Kind: simulator.FaultForbidden, Count: 2})
			w.sim.AddFault(simulator.Fault{Op: simulator.OpListConnections, SessionID: stubborn.Status.SessionID, Kind: simulator.FaultForbidden})
			for _, r := range []*v1alpha1.MeetingRoom{room, stubborn} {
				Expect(admin.Delete(context.Background(), r)).To(Succeed())
				Eventually(func() error {
					w.turn(time.Second)
					return admin.Get(context.Background(), client.ObjectKeyFromObject(r), r)
				}).Should(MatchError(ContainSubstring("not found")))
			}
			Expect(ada.Connected()).To(BeFalse())
			w.waitEvent(stubborn, participantsNotDisconnectedReason)
		})

		It("works for a namespace that is not allowed any more", func() {
			w := newWorld()
			va := w.makeAccount("main", asDefault)
			room := w.makeReadyRoom("algebra")
			ada := w.connect(tokenOf(room, "Ada").Token)
			edit(va, func(va *v1alpha1.VonageAccount) {
				va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{
					From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "maths"}},
				}
			})
			Expect(admin.Delete(context.Background(), room)).To(Succeed())
			waitGone(room)
			Expect(ada.Connected()).To(BeFalse())
		})
	})
})
