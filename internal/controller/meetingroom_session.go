// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// createTimeout bounds creating a session with waiting for the account's rate limit, publishTimeout writing its ID.
	createTimeout  = 5 * time.Minute
	publishTimeout = 10 * time.Second

	// publishAttempts is how often in a row a session's ID is offered to a room that somebody else changes.
	publishAttempts = 8
)

// heldSession is a session that was created and that no room's status has yet, because the API server failed.
type heldSession struct {
	id, account, projectID string
}

// ensureSession gives the room its session, once and for all: the one that spec.sessionID names, or a new one.
func (r *MeetingRoomReconciler) ensureSession(ctx context.Context, s *roomScope) error {
	status := &s.room.Status
	switch {
	case status.SessionID != "":
		if mem := r.rooms.peek(s.room); mem != nil {
			mem.held, mem.failures = nil, 0
		}
		s.session = presentSession(s)
		return nil
	case s.account == nil:
		s.session = *s.failure
		return nil
	case s.room.Spec.SessionID != "":
		if s.session = adoption(s.room.Spec.SessionID, s.account); s.session.ok() {
			s.setSession(s.room.Spec.SessionID)
		}
		return nil
	}
	// not status: createSession may have read the room anew
	if err := r.createSession(ctx, s); err != nil || s.room.Status.SessionID == "" {
		return err
	}
	s.session = presentSession(s)
	if tokenDelivery(&s.room.Spec) == v1alpha1.TokenDeliverySecret {
		// Secrets may fail: the ID first.
		s.tokens = underWay(v1alpha1.ReconcilingReason, "tokens are being made")
		return r.writeStatus(ctx, s)
	}
	return nil
}

// presentSession is what is to be said of a session that is there.
func presentSession(s *roomScope) verdict {
	switch {
	case s.failure != nil && s.failure.Reason == v1alpha1.AccountMismatchReason:
		return *s.failure
	case s.room.Spec.SessionID != "":
		return achieved(v1alpha1.SessionAdoptedReason, "the room uses the session of spec.sessionID")
	default:
		return achieved(v1alpha1.SessionCreatedReason, "the session is there")
	}
}

// adoption says whether a room may use an existing session.
func adoption(sessionID string, acc *account.Account) verdict {
	info, err := vonage.ParseSessionID(sessionID)
	switch {
	case acc.Adoption != v1alpha1.AdoptionAllowed:
		return stalled(v1alpha1.AdoptionForbiddenReason, "VonageAccount "+acc.Name+
			" does not allow to adopt sessions: make the room without spec.sessionID, or have spec.adoption of the "+
			"account set to Allowed")
	case err != nil:
		return stalled(v1alpha1.SessionIDInvalidReason, "spec.sessionID is not the ID of a session ("+err.Error()+
			"): put it right")
	case !strings.EqualFold(info.ProjectID, acc.ProjectID):
		return stalled(v1alpha1.SessionOfOtherProjectReason,
			"spec.sessionID is a session of another project than that of VonageAccount "+acc.Name+
				": name a session of this account, or the account of the session")
	default:
		return achieved(v1alpha1.SessionAdoptedReason, "the room uses the session of spec.sessionID")
	}
}

// setSession puts a session into the status, and with it the account for good.
func (s *roomScope) setSession(id string) {
	s.room.Status.SessionID, s.room.Status.AccountName, s.room.Status.ProjectID = id, s.account.Name,
		s.account.ProjectID
}

// createSession creates a session, if the API server says that the room still has none. It is the one call that must
// not be made twice: what follows it, before anything else may fail, is publishSession.
func (r *MeetingRoomReconciler) createSession(ctx context.Context, s *roomScope) error {
	if err := r.ensureLive(ctx, s); err != nil {
		return err
	}
	mem := r.rooms.of(s.room)
	if h := mem.held; h != nil && h.account == s.account.Name && h.projectID == s.account.ProjectID {
		s.setSession(h.id)
		s.unpublished = true
		return nil
	}
	createCtx, cancel := outlive(ctx, createTimeout)
	defer cancel()
	id, err := s.account.Client.CreateSession(createCtx, sessionOptions(s.room.Spec.Session))
	if err != nil {
		return r.sessionFailed(s, mem, err)
	}
	*mem = roomMemory{held: &heldSession{id, s.account.Name, s.account.ProjectID}}
	s.setSession(id)
	s.unpublished = true
	return nil
}

// sessionFailed records why there is no session and when to try again.
func (r *MeetingRoomReconciler) sessionFailed(s *roomScope, mem *roomMemory, err error) error {
	f := failureOf(err, mem.failures, s.room.UID)
	if f.canceled {
		return err
	}
	if vonage.ClassOf(err) == vonage.ClassAmbiguous {
		sessionResults.WithLabelValues("Ambiguous").Inc()
	}
	mem.failures++
	s.session = f.verdict
	s.requeueAfter(f.after)
	return nil
}

// ensureLive makes sure that the scope is of the room as the API server has it and that it has no session there.
func (r *MeetingRoomReconciler) ensureLive(ctx context.Context, s *roomScope) error {
	if s.live {
		return nil // the finalizer was written a moment ago
	}
	live := &v1alpha1.MeetingRoom{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.room), live); err != nil {
		if apierrors.IsNotFound(err) {
			return errStaleCache
		}
		return err
	}
	if !lacksSession(live, s.stored) || live.Generation != s.stored.Generation {
		return errStaleCache
	}
	s.rebase(live)
	return nil
}

// lacksSession reports whether live is still the same room as before, not being deleted, with the same spec.sessionID
// and without a session.
func lacksSession(live, before *v1alpha1.MeetingRoom) bool {
	return live.UID == before.UID && live.DeletionTimestamp.IsZero() && live.Status.SessionID == "" &&
		live.Spec.SessionID == before.Spec.SessionID
}

// publishSession writes the status with a new session's ID. When somebody else wrote first it looks again, and offers
// the same ID as long as the room has none; else the ID is thrown away before anybody has it. So a room never has more
// than one.
func (r *MeetingRoomReconciler) publishSession(ctx context.Context, s *roomScope) error {
	ctx, cancel := outlive(ctx, publishTimeout)
	defer cancel()
	id := s.room.Status.SessionID
	for range publishAttempts {
		err := r.updateStatus(ctx, s)
		if err == nil {
			s.unpublished = false
			r.rooms.forget(client.ObjectKeyFromObject(s.room))
			sessionResults.WithLabelValues("Published").Inc()
			return nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err // held, for the next reconcile
		}
		live := &v1alpha1.MeetingRoom{}
		err = r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.room), live)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err != nil || !lacksSession(live, s.stored) || account.NameFor(live) != account.NameFor(s.stored) {
			r.rooms.forget(client.ObjectKeyFromObject(s.room))
			sessionResults.WithLabelValues("Discarded").Inc()
			return errStaleCache
		}
		s.rebase(live)
		s.setSession(id)
		if err := r.ensureTokens(ctx, s); err != nil {
			return err
		}
	}
	return errStaleCache // held
}

// sessionOptions are a room's session properties in the vendor's terms.
func sessionOptions(spec *v1alpha1.SessionSpec) vonage.SessionOptions {
	if spec == nil {
		return vonage.SessionOptions{}
	}
	return vonage.SessionOptions{
		MediaMode:          vonage.MediaMode(spec.MediaMode),
		ArchiveMode:        vonage.ArchiveMode(spec.ArchiveMode),
		ArchiveName:        spec.ArchiveName,
		ArchiveResolution:  string(spec.ArchiveResolution),
		Location:           spec.Location,
		EndToEndEncryption: spec.Encryption == v1alpha1.EncryptionEndToEnd,
	}
}
