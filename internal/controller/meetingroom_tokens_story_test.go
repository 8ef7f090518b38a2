// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/controller"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

var _ = Describe("A MeetingRoom's tokens", func() {
	It("follow the participants: added, changed, removed, in the order of the spec", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra")
		host, ada := tokenOf(room, "Ms Jones").Token, tokenOf(room, "Ada").Token

		edit(w, room, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Participants = []v1alpha1.Participant{
				{Name: "Zoë", Role: v1alpha1.RoleViewer},
				{
					Name: "Ada", Role: v1alpha1.RoleCoHost,
					ConnectionData: map[string]v1alpha1.ConnectionDataValue{"seat": "7"},
				},
				{Name: "Ms Jones", Role: v1alpha1.RoleHost},
			}
		})
		w.waitReady(room)
		Expect(participantsOf(room)).To(Equal([]string{"Zoë", "Ada", "Ms Jones"}))
		Expect(tokenOf(room, "Ms Jones").Token).To(Equal(host), "nothing changed for her")
		Expect(tokenOf(room, "Ada").Token).NotTo(Equal(ada))
		Expect(tokenOf(room, "Ada").Role).To(Equal(v1alpha1.RoleCoHost))
		c := w.connect(tokenOf(room, "Ada").Token)
		Expect(c.Role()).To(Equal("moderator"))
		Expect(c.Data()).To(Equal(`{"id":"Ada","name":"Ada","role":"participant","isCohost":true,"seat":"7"}`))
		Expect(w.connect(tokenOf(room, "Zoë").Token).Role()).To(Equal("subscriber"))

		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[2:] })
		w.waitReady(room)
		Expect(participantsOf(room)).To(Equal([]string{"Ms Jones"}))
		Expect(tokenOf(room, "Ms Jones").Token).To(Equal(host))
		Expect(w.callsOf(simulator.OpCreateSession)).To(HaveLen(1))
	}))

	It("are shared by role where that is asked for", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Tokens = &v1alpha1.TokensSpec{Shared: []v1alpha1.ParticipantRole{
				v1alpha1.RoleParticipant, v1alpha1.RoleHost,
			}}
		})
		Expect(room.Status.SharedTokens).To(HaveLen(2))
		Expect(room.Status.SharedTokens[0].Role).To(Equal(v1alpha1.RoleParticipant))
		c := w.connect(room.Status.SharedTokens[1].Token)
		Expect(c.Role()).To(Equal("moderator"))
		Expect(c.Data()).To(Equal(`{"role":"moderator","isCohost":false}`))
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Tokens = nil })
		w.waitReady(room)
		Expect(room.Status.SharedTokens).To(BeEmpty())
	}))

	It("are replaced when a third of their life is left, by one write and without a wink of Ready", story(func() {
		w := newWorld("main")
		room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(int32(3600))}
		})
		first := *tokenOf(room, "Ada")
		Expect(first.ExpiresAt.Sub(first.IssuedAt.Time)).To(Equal(time.Hour))
		Expect(first.IssuedAt.Time).To(BeTemporally("==", time.Now().Truncate(time.Second)))

		renewal := controller.RenewAt(first.IssuedAt.Time, first.ExpiresAt.Time, room.UID)
		w.mark()
		unready := w.watchForUnready()
		w.Pass(time.Until(renewal) - time.Millisecond)
		Expect(w.wrote("meetingrooms")).To(BeEmpty())
		w.Pass(time.Millisecond)
		Expect(w.wrote("meetingrooms")).To(Equal([]string{"update meetingrooms/algebra/status"}))
		w.waitReady(room)
		Expect(*unready).To(BeEmpty())
		second := tokenOf(room, "Ada")
		Expect(second.Token).NotTo(Equal(first.Token))
		Expect(second.IssuedAt.Time).To(BeTemporally("==", renewal))
		w.connect(first.Token)
		w.connect(second.Token)
	}))

	It("are replaced when their life, or the account's key, changes", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra")
		first := tokenOf(room, "Ada").Token
		edit(w, room, func(r *v1alpha1.MeetingRoom) {
			r.Spec.Tokens = &v1alpha1.TokensSpec{TTLSeconds: new(int32(300))}
		})
		w.waitReady(room)
		second := *tokenOf(room, "Ada")
		Expect(second.Token).NotTo(Equal(first))
		Expect(second.ExpiresAt.Sub(second.IssuedAt.Time)).To(Equal(5 * time.Minute))

		By("a key that the vendor does not accept replaces nothing")
		w.makeSecret("main", pemOf(wrongKey()))
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)
		w.waitReady(room)
		Expect(tokenOf(room, "Ada").Token).To(Equal(second.Token))

		Expect(w.Vendor.RotateKey(projectID, &wrongKey().PublicKey)).To(Succeed())
		w.Pass(controller.RecheckRejected * 2)
		w.waitReady(va)
		eventually(w, func() string { return tokenOf(refresh(w, room), "Ada").Token }, Not(Equal(second.Token)))
		w.waitReady(room)
		w.connect(tokenOf(room, "Ada").Token)
	}))

	It("stay good while the credentials are not, until they expire", story(func() {
		w := newWorld()
		va := w.makeAccount("main", asDefault)
		room := w.makeReadyRoom("algebra")
		token := *tokenOf(room, "Ada")
		w.makeSecret("main", pemOf(wrongKey()))
		w.waitStalled(va, v1alpha1.CredentialsRejectedReason)

		By("a new participant gets none, and the others keep theirs")
		edit(w, room, joined("Bo"))
		w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
		Expect(tokenOf(room, "Ada").Token).To(Equal(token.Token))
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[:2] })
		w.waitReady(room)

		By("a demoted host loses the token")
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants[0].Role = v1alpha1.RoleViewer })
		w.waitStalled(room, v1alpha1.CredentialsRejectedReason)
		Expect(participantsOf(room)).To(Equal([]string{"Ada"}))
		edit(w, room, func(r *v1alpha1.MeetingRoom) { r.Spec.Participants = r.Spec.Participants[1:] })
		w.waitReady(room)

		w.Pass(time.Until(token.ExpiresAt.Time) - time.Millisecond)
		w.waitReady(room)
		w.Pass(time.Millisecond)
		w.waitStalled(room, v1alpha1.TokensExpiredReason)
		Expect(room.Status.Tokens).To(BeEmpty())

		w.makeSecret("main", pemOf(goodKey()))
		w.waitReady(room)
		w.connect(tokenOf(room, "Ada").Token)
	}))

	It("name who has too much connection data, and come for all others", story(func() {
		w := newWorld("main")
		fat := map[string]v1alpha1.ConnectionDataValue{}
		for key := range strings.FieldsSeq("a b c d e f g h") {
			fat[key] = v1alpha1.ConnectionDataValue(strings.Repeat("é", 64))
		}
		room := w.makeRoom("algebra", func(r *v1alpha1.MeetingRoom) { r.Spec.Participants[0].ConnectionData = fat })
		w.waitStalled(room, v1alpha1.ConnectionDataTooLongReason)
		Expect(w.waitCondition(room, v1alpha1.TokensReadyCondition, metav1.ConditionFalse,
			"").Message).To(ContainSubstring(`"Ms Jones"`))
		Expect(participantsOf(room)).To(Equal([]string{"Ada"}))
		Expect(room.Status.ObservedGeneration).To(Equal(room.Generation))
		edit(w, room, func(r *v1alpha1.MeetingRoom) {
			delete(r.Spec.Participants[0].ConnectionData, "a")
			r.Spec.Participants[0].ConnectionData["b"] = "x"
		})
		w.waitReady(room)
		Expect(w.connect(tokenOf(room, "Ms Jones").Token).Data()).To(HaveSuffix(`é"}`))
	}))

	It("of 300 participants come in one write", story(func() {
		w := newWorld("main")
		w.mark()
		room := w.makeReadyRoom("algebra", func(r *v1alpha1.MeetingRoom) {
			r.Spec.Participants = manyParticipants(300)
		})
		Expect(room.Status.Tokens).To(HaveLen(300))
		Expect(w.wrote("meetingrooms")).To(Equal([]string{
			"patch meetingrooms/algebra", "update meetingrooms/algebra/status",
		}))
	}))
})

// manyParticipants are participants with names as long, and data as fat, as they may be.
func manyParticipants(n int) []v1alpha1.Participant {
	participants := make([]v1alpha1.Participant, n)
	for i := range participants {
		name := strings.Repeat("ł", 60) + string(rune('a'+i/100)) + string(rune('a'+i/10%10)) + string(rune('a'+i%10))
		participants[i] = v1alpha1.Participant{
			Name: v1alpha1.ParticipantName(name), ConnectionData: map[string]v1alpha1.ConnectionDataValue{},
		}
		for key := range strings.FieldsSeq("a b c d e f g h") {
			participants[i].ConnectionData[key] = v1alpha1.ConnectionDataValue(strings.Repeat("x", 64))
		}
	}
	return participants
}
