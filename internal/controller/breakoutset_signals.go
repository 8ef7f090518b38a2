// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// deliverSignals sends every session what it is owed and is due, in order within a session and in parallel across them.
// What fails is tried again as long as the set is open; a closing that could not be delivered ends with its grace and
// some patience.
func (r *BreakoutSetReconciler) deliverSignals(ctx context.Context, s *breakoutScope) error {
	delivery := r.deliveries.of(s.set)
	if !breakout.IsOpen(s.set) && len(s.status().Signals.Sessions) > 0 {
		s.requeueAt(s.drainLimit())
	}
	for {
		s.now = time.Now()
		if !s.now.Before(s.drainLimit()) {
			s.status().Signals.Sessions = nil // whoever is left in a room is disconnected
			break
		}
		rooms, due := delivery.Due(s.status(), s.now)
		s.requeueAt(due)
		if len(rooms) == 0 {
			break
		}
		if err := r.ensureLive(ctx, s); err != nil {
			return err
		}
		if !r.sendAll(ctx, s, delivery, rooms) {
			s.requeueAt(time.Now())
			break
		}
	}
	s.now = time.Now()
	delivered, moving := s.status().Signals.DeliveredTime, len(s.status().Signals.Moving)
	delivery.Conclude(s.status(), func(room v1alpha1.BreakoutRoomName) bool { return s.children[room] != nil }, s.now)
	if s.deliveryFailure = *r.failures.of(s.set); len(breakout.Lagging(s.status())) == 0 {
		*r.failures.of(s.set) = nil
	}
	_, due := delivery.Due(s.status(), s.now)
	s.requeueAt(due)
	if delivered == s.status().Signals.DeliveredTime && moving == len(s.status().Signals.Moving) {
		return nil
	}
	s.requeueAt(s.now) // who has left a room by now needs no token for it
	return r.writeStatus(ctx, s)
}

// ensureLive makes sure, before anybody is sent anything or a room is touched, that the set is the API server's and not
// an older one of the cache.
func (r *BreakoutSetReconciler) ensureLive(ctx context.Context, s *breakoutScope) error {
	if s.live {
		return nil
	}
	live := &v1alpha1.BreakoutSet{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.set), live); err != nil {
		return err
	}
	if live.ResourceVersion != s.set.ResourceVersion {
		return errStaleCache
	}
	s.live = true
	return nil
}

// sendAll sends the sessions of rooms what is due, and reports whether it went on to the end: it stops between two
// messages when the set has changed, when the clock says something else, or when the process stops.
func (r *BreakoutSetReconciler) sendAll(
	ctx context.Context,
	s *breakoutScope,
	delivery *sampleapp.Delivery,
	rooms []v1alpha1.BreakoutRoomName,
) bool {
	sender := &sender{
		delivery: delivery,
		status:   s.status(),
		composer: sampleapp.NewComposer(sourceOf(s.set), s.status()),
	}
	acct, err := r.resolveAccount(ctx, s)
	sender.goOn = func() bool {
		now := time.Now()
		return ctx.Err() == nil && r.newest(s.set) == s.set.Generation && now.Before(s.drainLimit()) &&
			(s.schedule.Next.IsZero() || now.Before(s.schedule.Next))
	}
	var group errgroup.Group
	group.SetLimit(r.resources.signals)
	for _, room := range rooms {
		group.Go(func() error {
			if acct == nil {
				sender.fail(room, sampleapp.Step{}, err)
			} else {
				sender.send(ctx, acct.Client, room)
			}
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error: how it went is in delivery
	if sender.failure != nil {
		*r.failures.of(s.set) = sender.failure
	}
	return sender.goOn()
}

func sourceOf(set *v1alpha1.BreakoutSet) sampleapp.Source {
	return sampleapp.Source{
		Set:         set.Namespace + "/" + set.Name,
		UID:         string(set.UID),
		MeetingRoom: set.Spec.MeetingRoomRef.Name,
	}
}

// resolveAccount finds the account of the main room's session. Whether the namespace may still use it does not matter
// for calling people back.
func (r *BreakoutSetReconciler) resolveAccount(ctx context.Context, s *breakoutScope) (*account.Account, error) {
	if breakout.IsOpen(s.set) {
		return r.Accounts.Resolve(ctx, s.set.Namespace, s.status().AccountName)
	}
	return r.Accounts.ResolveForCleanup(ctx, s.status().AccountName)
}

// sender sends the messages of one state to sessions.
type sender struct {
	delivery *sampleapp.Delivery
	status   *v1alpha1.BreakoutSetStatus
	composer *sampleapp.Composer
	goOn     func() bool

	mu      sync.Mutex
	failure *verdict
}

// send sends one session what is due, message by message, and stops at the first that fails.
func (s *sender) send(ctx context.Context, c *vonage.Client, room v1alpha1.BreakoutRoomName) {
	session := breakout.SessionOf(s.status, room)
	for s.goOn() {
		now := time.Now()
		step, ok, _ := s.delivery.Next(s.status, room, now)
		if !ok {
			return
		}
		err := sendPages(ctx, c, session, s.composer.Signals(room, step, now))
		switch vonage.ClassOf(err) {
		case "", vonage.ClassNoRecipients:
			s.delivery.Note(s.status, room, step, sampleapp.Delivered, "", time.Now())
		default:
			s.fail(room, step, err)
			return
		}
	}
}

// fail takes note of a message that failed. A call that was cut off may have reached the session, as one without an
// answer.
func (s *sender) fail(room v1alpha1.BreakoutRoomName, step sampleapp.Step, err error) {
	outcome, now := sampleapp.Failed, time.Now()
	failure := failureOf(err, 0, "")
	if failure.canceled || vonage.ClassOf(err) == vonage.ClassAmbiguous {
		outcome = sampleapp.Ambiguous
	}
	s.delivery.Note(s.status, room, step, outcome, failure.Reason, now)
	if vonage.ClassOf(err) == vonage.ClassRateLimited {
		s.delivery.Delay(room, now.Add(vonage.RetryAfter(err)))
	}
	if !failure.canceled {
		s.mu.Lock()
		s.failure = &failure.verdict
		s.mu.Unlock()
	}
}

// sendPages sends the pages of one message; they are independent of each other.
func sendPages(ctx context.Context, c *vonage.Client, session string, pages []sampleapp.Signal) error {
	if len(pages) == 1 {
		return c.Signal(ctx, session, vonage.Signal(pages[0]))
	}
	var group errgroup.Group
	group.SetLimit(8)
	results := make([]error, len(pages))
	for i, page := range pages {
		group.Go(func() error {
			results[i] = c.Signal(ctx, session, vonage.Signal(page))
			return nil
		})
	}
	_ = group.Wait()
	worst := error(nil)
	for _, err := range results {
		if class := vonage.ClassOf(err); class != "" && (worst == nil || class != vonage.ClassNoRecipients) {
			worst = err
		}
	}
	return worst
}

// newest is the newest generation of a set that was seen.
func (r *BreakoutSetReconciler) newest(set *v1alpha1.BreakoutSet) int64 {
	if generation, ok := r.generations.Load(set.UID); ok {
		return max(generation.(int64), set.Generation)
	}
	return set.Generation
}
