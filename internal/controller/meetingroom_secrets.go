// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// recheckSecrets is how often the token Secrets are looked at when nothing else asks for it, so that a Secret that
// somebody deleted comes back. They are not watched: that would take the right to read every Secret of the namespace.
const recheckSecrets = 10 * time.Minute

// The rights on Secrets are not part of the default installation; config/rbac-token-secrets grants them per namespace.

// secretFailure is a reason why tokens cannot be put into Secrets.
type secretFailure struct {
	verdict
	err error
}

func (f *secretFailure) Error() string { return f.Message }
func (f *secretFailure) Unwrap() error { return f.err }

// deliverToSecrets plans and makes tokens that are published in Secrets. Secrets are read and written live, and only
// when there is something to change, or from time to time. It returns what stands in the way, if anything does.
func (r *MeetingRoomReconciler) deliverToSecrets(
	ctx context.Context, s *roomScope, in planInput,
) (tokenPlan, *verdict) {
	mem := r.rooms.of(s.room)
	if mem.secretsCheckedAt.IsZero() {
		// After a start not all at once.
		mem.secretsCheckedAt = s.now.Add(-time.Duration(jitter(s.room.UID, "secrets") * float64(recheckSecrets)))
	}
	plan := planTokens(in)
	checkAt := mem.secretsCheckedAt.Add(recheckSecrets)
	if !plan.changes() && !plan.halfMoved() && s.now.Before(checkAt) {
		s.requeueAt(checkAt)
		s.publishTokens(&plan, in.keyID, nil, refsOf(in.existing))
		return plan, s.failure
	}
	updated, failure, err := r.updateTokenSecrets(ctx, s, in)
	if err == nil {
		mem.secretsCheckedAt, mem.secretFailures = s.now, 0
		s.requeueAt(s.now.Add(recheckSecrets))
		return updated, failure
	}
	v := underWay(v1alpha1.ReconcilingReason,
		"the tokens could not be written to Secrets yet; the operator goes on by itself")
	if f, ok := errors.AsType[*secretFailure](err); ok {
		v = f.verdict
		s.requeueAfter(min(retryDelay(mem.secretFailures, s.room.UID), time.Minute))
		mem.secretFailures++
	} else {
		s.err = errors.Join(s.err, err)
	}
	in.keyID = ""
	plan = planTokens(in)
	s.publishTokens(&plan, "", nil, refsOf(in.existing))
	return plan, &v
}

// updateTokenSecrets brings the Secrets, and the status in the scope, to what the spec asks for.
func (r *MeetingRoomReconciler) updateTokenSecrets(
	ctx context.Context, s *roomScope, in planInput,
) (tokenPlan, *verdict, error) {
	secrets, err := r.readTokenSecrets(ctx, s.room)
	if err != nil {
		return tokenPlan{}, nil, err
	}
	in.present = func(ref v1alpha1.SecretKeyReference) bool {
		for _, secret := range secrets {
			if secret.Name == ref.Name {
				return len(secret.Data[ref.Key]) > 0
			}
		}
		return false
	}
	plan := planTokens(in)
	texts, failure := r.mint(s, plan)
	if failure != nil {
		in.keyID = ""
		plan = planTokens(in)
	} else {
		failure = s.failure
	}
	existing := make([]map[string][]byte, len(secrets))
	for n, secret := range secrets {
		existing[n] = secret.Data
	}
	packed, where := packTokens(existing, tokensToPack(&plan, texts))
	if err := r.writeTokenSecrets(ctx, s.room, secrets, packed); err != nil {
		return tokenPlan{}, nil, err
	}
	s.publishTokens(&plan, in.keyID, texts, func(id tokenID) *v1alpha1.SecretKeyReference {
		key := tokenSecretKey(id)
		return &v1alpha1.SecretKeyReference{Name: tokenSecretName(s.room.UID, where[key]), Key: key}
	})
	return plan, failure, nil
}

// tokensToPack are the tokens of a plan that belong into Secrets: those made now, and those that are there already and
// stay.
func tokensToPack(plan *tokenPlan, texts []string) []packedToken {
	tokens := make([]packedToken, 0, len(plan.tokens))
	for i := range plan.tokens {
		switch t := &plan.tokens[i]; {
		case t.action == mintToken:
			tokens = append(tokens, packedToken{key: tokenSecretKey(t.tokenID), text: texts[i]})
		case t.current.SecretKeyRef != nil:
			tokens = append(tokens, packedToken{key: t.current.SecretKeyRef.Key})
		}
	}
	return tokens
}

// readTokenSecrets returns a room's token Secrets in the order of their numbers. Its errors are secretFailures or of
// the API server.
func (r *MeetingRoomReconciler) readTokenSecrets(
	ctx context.Context, room *v1alpha1.MeetingRoom,
) ([]*corev1.Secret, error) {
	var secrets []*corev1.Secret
	for n := range maxTokenSecrets {
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: room.Namespace, Name: tokenSecretName(room.UID, n)}
		err := r.APIReader.Get(ctx, key, secret)
		if apierrors.IsNotFound(err) {
			break
		}
		if err != nil {
			return nil, secretError("reading", err)
		}
		if !metav1.IsControlledBy(secret, room) {
			return nil, &secretFailure{verdict: stalled(v1alpha1.SecretNameTakenReason, fmt.Sprintf(
				"Secret %q, which the tokens need, exists and does not belong to the room: delete it, or set "+
					"tokens.delivery to Status", key.Name))}
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// writeTokenSecrets writes the Secrets whose data differ, and deletes those that are not needed any more, the last one
// first: there is never a gap in their numbers.
func (r *MeetingRoomReconciler) writeTokenSecrets(
	ctx context.Context, room *v1alpha1.MeetingRoom, secrets []*corev1.Secret, packed []map[string][]byte,
) error {
	for n, data := range packed {
		if n >= len(secrets) {
			secret, err := r.newTokenSecret(room, n, data)
			if err != nil {
				return err
			}
			if err := r.Create(ctx, secret, client.DisableReadYourWritesConsistency); err != nil {
				return secretError("creating", err)
			}
			continue
		}
		if equality.Semantic.DeepEqual(secrets[n].Data, data) {
			continue
		}
		secrets[n].Data = data
		if err := r.Update(ctx, secrets[n], client.DisableReadYourWritesConsistency); err != nil {
			return secretError("updating", err)
		}
	}
	return r.deleteTokenSecrets(ctx, secrets[min(len(packed), len(secrets)):])
}

func (r *MeetingRoomReconciler) newTokenSecret(
	room *v1alpha1.MeetingRoom, n int, data map[string][]byte,
) (*corev1.Secret, error) {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: room.Namespace,
			Name:      tokenSecretName(room.UID, n),
			Labels:    map[string]string{v1alpha1.MeetingRoomLabel: string(room.UID)},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}
	// Blocking the owner's deletion would take the right to change the room's finalizers where that is checked.
	err := controllerutil.SetControllerReference(room, secret, r.Scheme(), controllerutil.WithBlockOwnerDeletion(false))
	return secret, err
}

func (r *MeetingRoomReconciler) deleteTokenSecrets(ctx context.Context, secrets []*corev1.Secret) error {
	for _, secret := range slices.Backward(secrets) {
		err := r.Delete(ctx, secret, client.DisableReadYourWritesConsistency,
			client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
		if client.IgnoreNotFound(err) != nil {
			return secretError("deleting", err)
		}
	}
	return nil
}

// secretError separates the lack of rights from the API server's other errors.
func secretError(doing string, err error) error {
	switch {
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return &secretFailure{err: err, verdict: stalled(v1alpha1.SecretsForbiddenReason,
			"the operator may not write Secrets in this namespace: bind the Role of config/rbac-token-secrets here, "+
				"or set tokens.delivery to Status")}
	case apierrors.IsAlreadyExists(err):
		return errStaleCache // made since it was looked for
	default:
		return fmt.Errorf("%s a Secret of tokens: %w", doing, err)
	}
}

// markMoved records, in the status itself, that tokens which are all published in status now are still in Secrets as
// well: one token keeps its reference until they are gone. (Where no token is left to carry it, and the process dies,
// they go with the room.)
func (s *roomScope) markMoved(ref *v1alpha1.SecretKeyReference) {
	s.moved = true
	switch status := &s.room.Status; {
	case len(status.Tokens) > 0:
		status.Tokens[0].SecretKeyRef = ref
	case len(status.SharedTokens) > 0:
		status.SharedTokens[0].SecretKeyRef = ref
	}
}

// removeMovedSecrets takes tokens that are published in status now away from Secrets.
func (r *MeetingRoomReconciler) removeMovedSecrets(ctx context.Context, s *roomScope) error {
	if !s.moved {
		return nil
	}
	secrets, err := r.readTokenSecrets(ctx, s.room)
	if err == nil {
		err = r.deleteTokenSecrets(ctx, secrets)
	}
	if _, ok := errors.AsType[*secretFailure](err); ok {
		// Without the right to delete them they go with the room, or when the right is back.
		s.requeueAfter(time.Minute)
		return nil
	}
	if err != nil {
		return err
	}
	s.stored, s.room = s.room, s.room.DeepCopy()
	for i := range s.room.Status.Tokens {
		s.room.Status.Tokens[i].SecretKeyRef = nil
	}
	for i := range s.room.Status.SharedTokens {
		s.room.Status.SharedTokens[i].SecretKeyRef = nil
	}
	return r.updateStatus(ctx, s)
}

// firstSecretRef is a reference to a Secret in a status, nil if there is none.
func firstSecretRef(status *v1alpha1.MeetingRoomStatus) *v1alpha1.SecretKeyReference {
	for i := range status.Tokens {
		if ref := status.Tokens[i].SecretKeyRef; ref != nil {
			return ref
		}
	}
	for i := range status.SharedTokens {
		if ref := status.SharedTokens[i].SecretKeyRef; ref != nil {
			return ref
		}
	}
	return nil
}

// refsOf gives the references that tokens have in status.
func refsOf(existing map[tokenID]v1alpha1.TokenStatus) func(tokenID) *v1alpha1.SecretKeyReference {
	return func(id tokenID) *v1alpha1.SecretKeyReference { return existing[id].SecretKeyRef }
}
