// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// ensureTokens puts into the status the tokens that the spec asks for. What cannot be had now leaves those that still
// are good.
func (r *MeetingRoomReconciler) ensureTokens(ctx context.Context, s *roomScope) error {
	status := &s.room.Status
	if status.SessionID == "" {
		status.Tokens, status.SharedTokens = nil, nil
		s.tokens = verdict{
			Status: metav1.ConditionFalse, Reason: v1alpha1.SessionNotReadyReason, Stalled: s.session.Stalled,
			Message: "tokens are made when the session is there: see condition " + v1alpha1.SessionReadyCondition,
		}
		return nil
	}
	desired, excluded := desiredTokens(&s.room.Spec, status.SessionID)
	in := planInput{
		desired:  desired,
		existing: existingTokens(status),
		delivery: tokenDelivery(&s.room.Spec),
		now:      s.now,
		uid:      s.room.UID,
	}
	if s.account != nil {
		in.keyID = s.account.KeyID()
	}
	var plan tokenPlan
	var failure *verdict
	if in.delivery == v1alpha1.TokenDeliverySecret {
		plan, failure = r.deliverToSecrets(ctx, s, in)
	} else {
		plan, failure = r.deliverToStatus(s, in)
	}
	s.requeueAt(plan.requeueTime)
	s.tokens = tokensVerdict(plan, excluded, failure)
	return nil
}

// deliverToStatus plans and makes tokens that are published in status. It returns what stands in the way, if anything
// does.
func (r *MeetingRoomReconciler) deliverToStatus(s *roomScope, in planInput) (tokenPlan, *verdict) {
	plan := planTokens(in)
	texts, failure := r.mint(s, plan)
	if failure != nil {
		in.keyID = ""
		plan = planTokens(in)
	} else {
		failure = s.failure
	}
	s.publishTokens(&plan, in.keyID, texts, nil)
	return plan, failure
}

// mint signs the tokens that the plan asks for, as many at once as there are processors, and returns them by their
// place in the plan.
func (r *MeetingRoomReconciler) mint(s *roomScope, plan tokenPlan) ([]string, *verdict) {
	n := plan.count(mintToken)
	if n == 0 {
		return nil, nil
	}
	issued, expires := tokenTimes(s.now, tokenTTL(&s.room.Spec))
	texts := make([]string, len(plan.tokens))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range plan.tokens {
		if plan.tokens[i].action != mintToken {
			continue
		}
		group.Go(func() (err error) {
			texts[i], err = s.account.Credentials.MintToken(vonage.TokenOptions{
				SessionID: s.room.Status.SessionID,
				Role:      tokenRole(plan.tokens[i].role),
				Data:      plan.tokens[i].data,
				IssuedAt:  issued,
				ExpiresAt: expires,
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		v := stalled(v1alpha1.VendorRejectedReason, err.Error())
		return nil, &v
	}
	tokensMinted.Add(float64(n))
	return texts, nil
}

// publishTokens puts the tokens of a plan into the status: those kept, and those minted with their text, or, with
// delivery Secret, with the reference that refs gives. It moves the plan's requeueTime to when the new ones are to be
// replaced.
func (s *roomScope) publishTokens(
	plan *tokenPlan, keyID string, texts []string, refs func(tokenID) *v1alpha1.SecretKeyReference,
) {
	status := &s.room.Status
	inSecrets := firstSecretRef(status)
	status.Tokens, status.SharedTokens = nil, nil
	for i := range plan.tokens {
		t := &plan.tokens[i]
		published := t.current
		switch t.action {
		case lackToken, lackExpired:
			continue
		case mintToken:
			published = s.mintedStatus(t, keyID)
			plan.requeueAt(renewAt(published.IssuedAt.Time, published.ExpiresAt.Time, s.room.UID))
			if refs == nil {
				published.Token = texts[i]
			}
		default: // stays as it is
		}
		switch {
		case refs != nil && t.action != keepOutdated:
			published.Token, published.SecretKeyRef = "", refs(t.tokenID)
		case refs == nil && published.Token != "":
			published.SecretKeyRef = nil
		}
		if t.shared {
			status.SharedTokens = append(status.SharedTokens, v1alpha1.SharedToken{TokenStatus: published})
		} else {
			status.Tokens = append(status.Tokens, v1alpha1.ParticipantToken{
				Participant: v1alpha1.ParticipantName(t.name), TokenStatus: published,
			})
		}
	}
	if refs == nil && inSecrets != nil && firstSecretRef(status) == nil {
		s.markMoved(inSecrets)
	}
}

func (s *roomScope) mintedStatus(t *plannedToken, keyID string) v1alpha1.TokenStatus {
	issued, expires := tokenTimes(s.now, tokenTTL(&s.room.Spec))
	return v1alpha1.TokenStatus{
		Role: t.role, IssuedAt: metav1.NewTime(issued), ExpiresAt: metav1.NewTime(expires),
		InputsHash: inputsHash(t.inputs, keyID),
	}
}

// existingTokens are the tokens in a status.
func existingTokens(status *v1alpha1.MeetingRoomStatus) map[tokenID]v1alpha1.TokenStatus {
	existing := make(map[tokenID]v1alpha1.TokenStatus, len(status.Tokens)+len(status.SharedTokens))
	for i := range status.Tokens {
		existing[tokenID{name: string(status.Tokens[i].Participant)}] = status.Tokens[i].TokenStatus
	}
	for i := range status.SharedTokens {
		existing[tokenID{name: string(status.SharedTokens[i].Role), shared: true}] = status.SharedTokens[i].TokenStatus
	}
	return existing
}

// tokensVerdict is what is to be said of the tokens. A failure that leaves every token good does not matter.
func tokensVerdict(plan tokenPlan, excluded []tooLong, failure *verdict) verdict {
	expired := plan.count(lackExpired)
	switch {
	case expired > 0 && failure != nil:
		v := *failure
		v.Reason, v.Message = v1alpha1.TokensExpiredReason, "tokens ran out and cannot be replaced: "+failure.Message
		return v
	case plan.lacking() > 0 && failure != nil:
		return *failure
	case len(excluded) > 0:
		first := excluded[0]
		message := fmt.Sprintf("the connection data of participant %q take %d bytes of at most %d: shorten name or "+
			"connectionData",
			first.participant, first.bytes, vonage.MaxConnectionDataBytes)
		if more := len(excluded) - 1; more > 0 {
			message += fmt.Sprintf(", and for %d more participants", more)
		}
		return stalled(v1alpha1.ConnectionDataTooLongReason, message)
	default:
		return achieved(v1alpha1.TokensMintedReason, "every participant has a valid token")
	}
}
