// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

const planKey = "0123456789abcdef"

var planNow = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func TestPlanTokens(t *testing.T) {
	const ttl = 4 * time.Hour
	id := tokenID{name: "Ada"}
	want := newDesiredToken(id, v1alpha1.RoleParticipant, "data", "session", ttl)
	made := func(age time.Duration, change ...func(*v1alpha1.TokenStatus)) v1alpha1.TokenStatus {
		issued, expires := tokenTimes(planNow.Add(-age), ttl)
		s := v1alpha1.TokenStatus{
			Role: v1alpha1.RoleParticipant, Token: "token", IssuedAt: metav1.NewTime(issued),
			ExpiresAt:  metav1.NewTime(expires),
			InputsHash: inputsHash(want.inputs, planKey),
		}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	inSecret := func(s *v1alpha1.TokenStatus) {
		s.Token, s.SecretKeyRef = "", &v1alpha1.SecretKeyReference{Name: "secret", Key: "Ada"}
	}
	otherInputs := func(s *v1alpha1.TokenStatus) { s.InputsHash = inputsHash("other", planKey) }
	otherKey := func(s *v1alpha1.TokenStatus) { s.InputsHash = inputsHash(want.inputs, "fedcba9876543210") }
	otherRole := func(s *v1alpha1.TokenStatus) { otherInputs(s); s.Role = v1alpha1.RoleHost }
	absent := func(v1alpha1.SecretKeyReference) bool { return false }
	present := func(v1alpha1.SecretKeyReference) bool { return true }
	due := ttl * 2 / 3 // at the latest

	tests := map[string]struct {
		existing *v1alpha1.TokenStatus
		noKey    bool
		delivery v1alpha1.TokenDelivery
		present  func(v1alpha1.SecretKeyReference) bool
		want     tokenAction
	}{
		"none yet":     {want: mintToken},
		"fresh":        {existing: new(made(0)), want: keepToken},
		"not due":      {existing: new(made(ttl / 2)), want: keepToken},
		"due":          {existing: new(made(due)), want: mintToken},
		"expired":      {existing: new(made(ttl)), want: mintToken},
		"other inputs": {existing: new(made(0, otherInputs)), want: mintToken},
		"other key":    {existing: new(made(0, otherKey)), want: mintToken},
		"to be moved into a Secret": {
			existing: new(made(0)), delivery: v1alpha1.TokenDeliverySecret, want: mintToken,
		},
		"in its Secret, as far as known": {
			existing: new(made(0, inSecret)), delivery: v1alpha1.TokenDeliverySecret, want: keepToken,
		},
		"in its Secret": {
			existing: new(made(0, inSecret)), delivery: v1alpha1.TokenDeliverySecret, present: present, want: keepToken,
		},
		"gone from its Secret": {
			existing: new(made(0, inSecret)), delivery: v1alpha1.TokenDeliverySecret, present: absent, want: mintToken,
		},
		"to be moved out of a Secret": {existing: new(made(0, inSecret)), want: mintToken},
		"no key: none yet":            {noKey: true, want: lackToken},
		"no key: fresh":               {noKey: true, existing: new(made(0)), want: keepToken},
		"no key: due":                 {noKey: true, existing: new(made(due)), want: keepToken},
		"no key: expired":             {noKey: true, existing: new(made(ttl)), want: lackExpired},
		"no key: of another key":      {noKey: true, existing: new(made(0, otherKey)), want: keepToken},
		"no key: other inputs": {
			noKey: true, existing: new(made(0, otherInputs)), want: keepOutdated,
		},
		"no key: other role": {noKey: true, existing: new(made(0, otherRole)), want: lackToken},
		"no key: to be moved into a Secret": {
			noKey: true, existing: new(made(0)), delivery: v1alpha1.TokenDeliverySecret, want: keepOutdated,
		},
		"no key: gone from its Secret": {
			noKey: true, existing: new(made(0, inSecret)), delivery: v1alpha1.TokenDeliverySecret, present: absent,
			want: lackToken,
		},
		"no key: to be moved out of a Secret": {noKey: true, existing: new(made(0, inSecret)), want: keepOutdated},
		"no key: expired and gone from its Secret": {
			noKey: true, existing: new(made(ttl, inSecret)), delivery: v1alpha1.TokenDeliverySecret, present: absent,
			want: lackExpired,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in := planInput{
				desired: []desiredToken{want}, existing: map[tokenID]v1alpha1.TokenStatus{}, keyID: planKey,
				delivery: tc.delivery, present: tc.present, now: planNow, uid: "uid",
			}
			if tc.existing != nil {
				in.existing[id] = *tc.existing
			}
			if tc.noKey {
				in.keyID = ""
			}
			got := planTokens(in)
			if got.tokens[0].action != tc.want {
				t.Errorf("action %d, want %d", got.tokens[0].action, tc.want)
			}
			if wantLacking := tc.want == lackToken || tc.want == lackExpired ||
				tc.want == keepOutdated; (got.lacking() > 0) != wantLacking {
				t.Errorf("lacking() = %d", got.lacking())
			}
		})
	}
}

func TestWishes(t *testing.T) {
	long := v1alpha1.ConnectionDataValue(make([]byte, 64))
	spec := &v1alpha1.MeetingRoomSpec{
		Participants: []v1alpha1.Participant{
			{Name: "Zoe", Role: v1alpha1.RoleHost},
			{Name: "Fat", ConnectionData: map[string]v1alpha1.ConnectionDataValue{"1": long, "2": long, "3": long}},
			{Name: "Ada"},
		},
		Tokens: &v1alpha1.TokensSpec{Shared: []v1alpha1.ParticipantRole{v1alpha1.RoleViewer, v1alpha1.RoleHost}},
	}
	desired, excluded := desiredTokens(spec, "session")
	var got []tokenID
	for _, w := range desired {
		got = append(got, w.tokenID)
	}
	want := []tokenID{{name: "Zoe"}, {name: "Ada"}, {name: "Viewer", shared: true}, {name: "Host", shared: true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tokenID{})); diff != "" {
		t.Errorf("desired tokens (-want +got):\n%s", diff)
	}
	if len(excluded) != 1 || excluded[0].participant != "Fat" || excluded[0].bytes <= 1000 {
		t.Errorf("excluded %v", excluded)
	}
}

// Each of the inputs makes another hash, and the hash fits into its field.
func TestTokenInputs(t *testing.T) {
	id := tokenID{name: "Ada"}
	seen := map[string]string{}
	for name, inputs := range map[string]string{
		"base":        tokenInputs("session", v1alpha1.RoleHost, "data", time.Hour, id),
		"session":     tokenInputs("session2", v1alpha1.RoleHost, "data", time.Hour, id),
		"role":        tokenInputs("session", v1alpha1.RoleCoHost, "data", time.Hour, id),
		"data":        tokenInputs("session", v1alpha1.RoleHost, "data2", time.Hour, id),
		"ttl":         tokenInputs("session", v1alpha1.RoleHost, "data", 2*time.Hour, id),
		"participant": tokenInputs("session", v1alpha1.RoleHost, "data", time.Hour, tokenID{name: "Bo"}),
		"shared":      tokenInputs("session", v1alpha1.RoleHost, "data", time.Hour, tokenID{name: "Ada", shared: true}),
		"boundary":    tokenInputs("sessionH", "ost", "data", time.Hour, id),
	} {
		if other, ok := seen[inputs]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[inputs] = name
		if hash := inputsHash(inputs, planKey+planKey); len(hash) > 32 {
			t.Errorf("%s: %q is longer than 32", name, hash)
		}
	}
}

// A simulation of the planner over time: tokens are replaced before a third of their life is left but not before 0.43
// of it, exactly when the plan said it would wake, and a plan right after another has nothing to do.
func TestPlanRenewal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := time.Duration(rapid.IntRange(300, 2592000).Draw(t, "ttl")) * time.Second
		uid := types.UID(rapid.StringN(1, 36, 36).Draw(t, "uid"))
		now := planNow.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "fraction")))
		var desired []desiredToken
		for i := range rapid.IntRange(1, 5).Draw(t, "participants") {
			desired = append(desired,
				newDesiredToken(tokenID{name: fmt.Sprint(i)}, v1alpha1.RoleParticipant, "data", "session", ttl))
		}
		existing := map[tokenID]v1alpha1.TokenStatus{}
		plan := func() tokenPlan {
			return planTokens(planInput{desired: desired, existing: existing, keyID: planKey, now: now, uid: uid})
		}
		carryOut := func(p tokenPlan) {
			issued, expires := tokenTimes(now, ttl)
			for _, w := range p.tokens {
				if w.action == mintToken {
					existing[w.tokenID] = v1alpha1.TokenStatus{
						Role: w.role, Token: "t", IssuedAt: metav1.NewTime(issued), ExpiresAt: metav1.NewTime(expires),
						InputsHash: inputsHash(w.inputs, planKey),
					}
				}
			}
		}
		carryOut(plan())
		for range 3 {
			p := plan()
			if p.changes() {
				t.Fatalf("there is still something to do at %s", now)
			}
			now = p.requeueTime.Add(-time.Nanosecond)
			if early := plan(); early.changes() {
				t.Fatalf("tokens are replaced before the plan said so")
			}
			now = p.requeueTime
			for _, s := range existing {
				left, life := s.ExpiresAt.Sub(now), s.ExpiresAt.Sub(s.IssuedAt.Time)
				if left < life/3 || left > life*44/100+time.Second {
					t.Fatalf("%s of %s are left at renewal", left, life)
				}
			}
			p = plan()
			if p.count(mintToken) != len(desired) {
				t.Fatalf("%d of %d tokens are replaced when it is time", p.count(mintToken), len(desired))
			}
			carryOut(p)
		}
	})
}

// Whatever status holds: what is kept lives and is as the spec asks, what is not wanted is noticed, and with a key
// nothing is lacking.
func TestPlanIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4, rapid.ID[string])
		role := rapid.SampledFrom([]v1alpha1.ParticipantRole{v1alpha1.RoleHost, v1alpha1.RoleViewer})
		var desired []desiredToken
		wanted := map[tokenID]desiredToken{}
		for _, n := range names.Draw(t, "wanted") {
			w := newDesiredToken(tokenID{name: n}, role.Draw(t, "role"), "data", "session", time.Hour)
			desired, wanted[w.tokenID] = append(desired, w), w
		}
		existing := map[tokenID]v1alpha1.TokenStatus{}
		unwanted := false
		for _, n := range names.Draw(t, "existing") {
			w := newDesiredToken(tokenID{name: n}, role.Draw(t, "old role"),
				rapid.SampledFrom([]string{"data", "old"}).Draw(t, "old data"), "session", time.Hour)
			issued, expires := tokenTimes(planNow.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "age"))*time.Minute),
				time.Hour)
			existing[w.tokenID] = v1alpha1.TokenStatus{
				Role: w.role, Token: "t", IssuedAt: metav1.NewTime(issued), ExpiresAt: metav1.NewTime(expires),
				InputsHash: inputsHash(w.inputs,
					rapid.SampledFrom([]string{planKey, "fedcba9876543210"}).Draw(t, "key")),
			}
			if _, ok := wanted[w.tokenID]; !ok {
				unwanted = true
			}
		}
		keyID := rapid.SampledFrom([]string{"", planKey}).Draw(t, "present key")
		p := planTokens(planInput{desired: desired, existing: existing, keyID: keyID, now: planNow, uid: "uid"})
		if len(p.tokens) != len(desired) {
			t.Fatalf("%d planned tokens for %d desired ones", len(p.tokens), len(desired))
		}
		if p.removals != unwanted {
			t.Fatalf("removals %t, want %t", p.removals, unwanted)
		}
		for _, got := range p.tokens {
			switch got.action {
			case mintToken:
				if keyID == "" {
					t.Fatal("minting without a key")
				}
			case keepToken, keepOutdated:
				if !planNow.Before(got.current.ExpiresAt.Time) || got.current.Role != got.role {
					t.Fatalf("kept %v", got.current)
				}
				if keyID != "" && got.current.InputsHash != inputsHash(got.inputs, keyID) {
					t.Fatalf("kept %v although it could be replaced", got.current)
				}
				if p.requeueTime.IsZero() || p.requeueTime.After(got.current.ExpiresAt.Time) ||
					!p.requeueTime.After(planNow) {
					t.Fatalf("wakes at %s for a token that expires at %s", p.requeueTime, got.current.ExpiresAt)
				}
			case lackToken, lackExpired:
				if keyID != "" {
					t.Fatal("lacking a token although there is a key")
				}
			}
		}
	})
}
