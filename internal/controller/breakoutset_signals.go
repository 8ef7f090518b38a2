// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// tellingPatience is how long signals that fail are tried again before they are given up.
	tellingPatience = 2 * time.Minute

	// firstRetry and lastRetry bound the wait between two tries.
	firstRetry = time.Second
	lastRetry  = 15 * time.Second
)

// deliverSignals tells every session concerned what is pending and due, in order within a session and in parallel across them. Sessions
// that could not be told are tried again later; when all were told, or given up, that is written down and what comes next is said.
func (r *BreakoutSetReconciler) deliverSignals(ctx context.Context, s *breakoutScope) error {
	for {
		t, due := r.telling.of(s.set, s.now)
		s.requeueAt(due)
		if t == nil {
			return nil
		}
		if err := r.ensureLive(ctx, s); err != nil {
			return err
		}
		patient := s.patience(t).After(s.now)
		if patient && t.retryAt.After(s.now) {
			s.deliveryFailure = t.trouble
			s.requeueAt(minTime(t.retryAt, s.patience(t)))
			return nil
		}
		if t.tries == 0 || s.now.Before(s.drainLimit()) {
			r.tell(ctx, s, t)
		}
		if missing := t.missing(); len(missing) > 0 && patient {
			breakout.NoteProgress(s.status(), missing, t.began)
			s.deliveryFailure = t.trouble
			s.requeueAt(minTime(t.again(time.Now()), s.patience(t)))
			return nil
		}
		s.deliveryFailure = t.trouble
		breakout.Settle(s.status(), t.steps, append(t.refused(), t.missing()...), time.Now())
		s.completed = append(s.completed, t.steps...)
		if err := r.writeStatus(ctx, s); err != nil {
			return err // what was told is remembered, and noted next time
		}
		r.telling.done(s.set)
		s.now = time.Now()
		s.requeueAt(s.now) // who has left a room by now needs no token for it
	}
}

// patience is until when sessions that could not be told are tried again.
func (s *breakoutScope) patience(t *telling) time.Time {
	return minTime(t.began.Add(tellingPatience), s.drainLimit())
}

// ensureLive makes sure, before anybody is told anything or a room is touched, that the set is the API server's and not an older one of the
// cache.
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

// tell sends the steps to every session that has not had them all, and notes in t how far each one came.
func (r *BreakoutSetReconciler) tell(ctx context.Context, s *breakoutScope, t *telling) {
	acct, err := r.resolveAccount(ctx, s)
	if err != nil {
		t.note(err)
		return
	}
	ctx, stop := r.telling.start(ctx, s.set.UID)
	defer stop()
	for _, due := range []time.Time{s.schedule.Next, s.drainLimit()} { // a due timer goes before what is still to be said
		if due.After(s.now) {
			timer := time.AfterFunc(max(time.Until(due), time.Millisecond), stop)
			defer timer.Stop()
		}
	}
	source := breakout.Source{Set: s.set.Namespace + "/" + s.set.Name, UID: string(s.set.UID), MeetingRoom: s.set.Spec.MeetingRoomRef.Name}
	script := breakout.NewScript(source, s.status(), t.steps, time.Now())
	var group errgroup.Group
	group.SetLimit(r.resources.signals)
	for _, room := range t.missing() {
		group.Go(func() error {
			t.tellRoom(ctx, acct, room, breakout.SessionOf(s.status(), room), script.Signals(room))
			return nil
		})
	}
	_ = group.Wait() // none of them returns an error: how it went is in t
}

// resolveAccount finds the account of the main room's session. Whether the namespace may still use it does not matter for calling people back.
func (r *BreakoutSetReconciler) resolveAccount(ctx context.Context, s *breakoutScope) (*account.Account, error) {
	if breakout.IsOpen(s.set) {
		return r.Accounts.Resolve(ctx, s.set.Namespace, s.status().AccountName)
	}
	return r.Accounts.ResolveForCleanup(ctx, s.status().AccountName)
}

// tellRoom sends one session what it has not had yet, step by step, and stops at the first step that fails.
func (t *telling) tellRoom(ctx context.Context, acct *account.Account, room v1alpha1.BreakoutRoomName, session string, steps [][]breakout.Signal) {
	for i := t.progress(room); i < len(steps); i++ {
		err := sendPages(ctx, acct.Client, session, steps[i])
		switch vonage.ClassOf(err) {
		case "", vonage.ClassNoRecipients:
			t.did(room, i+1, false)
		case vonage.ClassTerminal:
			t.note(err)
			t.did(room, i+1, true)
		case vonage.ClassAmbiguous:
			t.note(err)
			t.mayHaveHeard(t.steps[i])
			return
		default:
			t.note(err)
			return
		}
	}
}

// sendPages sends the pages of one message; they are independent of each other.
func sendPages(ctx context.Context, c *vonage.Client, session string, pages []breakout.Signal) error {
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

// tellings remembers, per set, how far each session was told the present plan. It is only a memory: after a restart the same plan is told
// again to the sessions that the status names as missing, under the same revision.
type tellings struct {
	mu      sync.Mutex
	current map[types.UID]*telling
	running map[types.UID]context.CancelFunc
	own     *memory[int64] // the revision of the plan that this process wrote last: no other can have told of it
}

func newTellings() *tellings {
	return &tellings{current: map[types.UID]*telling{}, running: map[types.UID]context.CancelFunc{}, own: newMemory[int64]()}
}

// of is the telling of the steps of a set's present plan that are due; nil when none are, and then when some will be. Steps that are being
// told stay what they are until they are settled, even when others become due meanwhile. A plan that an operator before made may have been told
// a moment ago, so what must not be repeated soon waits.
func (ts *tellings) of(set *v1alpha1.BreakoutSet, now time.Time) (*telling, time.Time) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.current[set.UID]; t != nil && t.revision == set.Status.Signals.Revision && set.Status.Signals.Pending != nil {
		return t, time.Time{}
	}
	delete(ts.current, set.UID)
	steps, due := breakout.NextSteps(&set.Status, now)
	if len(steps) == 0 {
		return nil, due
	}
	t := &telling{revision: set.Status.Signals.Revision, steps: steps, began: now, rooms: map[v1alpha1.BreakoutRoomName]*roomTelling{}}
	for _, room := range set.Status.Signals.Missing {
		t.rooms[room] = &roomTelling{}
	}
	if *ts.own.of(set) != t.revision && slices.ContainsFunc(steps, breakout.Step.ActsLater) {
		t.retryAt = now.Add(breakout.RepeatAfter)
	}
	ts.current[set.UID] = t
	return t, due
}

// planned notes that this process wrote the present plan of a set, or what is left of it.
func (ts *tellings) planned(set *v1alpha1.BreakoutSet) {
	*ts.own.of(set) = set.Status.Signals.Revision
}

// forget drops what is remembered of plans of a set that is gone.
func (ts *tellings) forget(key types.NamespacedName) { ts.own.forget(key) }

// begun is the telling of a set's present plan that is under way; nil when there is none.
func (ts *tellings) begun(set *v1alpha1.BreakoutSet) *telling {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.current[set.UID]; t != nil && t.revision == set.Status.Signals.Revision {
		return t
	}
	return nil
}

// done notes that a telling is settled.
func (ts *tellings) done(set *v1alpha1.BreakoutSet) {
	ts.planned(set)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.current, set.UID)
}

// start begins telling a set's plan; stop, or the cancel function returned, ends it.
func (ts *tellings) start(ctx context.Context, uid types.UID) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ts.mu.Lock()
	ts.running[uid] = cancel
	ts.mu.Unlock()
	return ctx, func() {
		ts.mu.Lock()
		delete(ts.running, uid)
		ts.mu.Unlock()
		cancel()
	}
}

// stop ends the telling of a set's plan that is under way, if one is.
func (ts *tellings) stop(uid types.UID) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if cancel := ts.running[uid]; cancel != nil {
		cancel()
	}
}

// telling is how far each session was told some steps.
type telling struct {
	revision int64
	steps    []breakout.Step
	began    time.Time
	retryAt  time.Time
	tries    int

	mu      sync.Mutex
	rooms   map[v1alpha1.BreakoutRoomName]*roomTelling
	trouble *verdict
	unsure  bool          // somebody may have heard what they act on later, in a try that failed
	asked   time.Duration // how long the vendor asked to wait in that try
}

type roomTelling struct {
	steps   int // how many of the steps are done with
	refused bool
}

func (t *telling) progress(room v1alpha1.BreakoutRoomName) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rooms[room].steps
}

// did notes how far a session came, and whether the vendor refused the last step for good.
func (t *telling) did(room v1alpha1.BreakoutRoomName, steps int, refused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[room]
	r.steps = steps
	r.refused = r.refused || refused
}

// note notes why a session could not be told.
func (t *telling) note(err error) {
	trouble := failureOf(err, 0, "")
	if trouble.canceled {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = &trouble.verdict
	if vonage.ClassOf(err) == vonage.ClassRateLimited {
		t.asked = max(t.asked, vonage.RetryAfter(err))
	}
}

// mayHaveHeard notes that a step failed that somebody may have heard.
func (t *telling) mayHaveHeard(step breakout.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsure = t.unsure || step.ActsLater()
}

// interrupt notes in a status, before a newer plan is made of it, what was told: who for certain to move, or all of it where only the note is
// missing. It returns the steps that are done with.
func (t *telling) interrupt(st *v1alpha1.BreakoutSetStatus, now time.Time) []breakout.Step {
	if t == nil {
		return nil
	}
	if len(t.missing()) == 0 {
		breakout.Settle(st, t.steps, t.refused(), now)
		return t.steps
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	told := make(map[v1alpha1.BreakoutRoomName]int, len(t.rooms))
	for name, r := range t.rooms {
		told[name] = r.steps
	}
	breakout.Interrupt(st, t.steps, told, now)
	return nil
}

// missing names the rooms that were not told everything, in the order of their names.
func (t *telling) missing() []v1alpha1.BreakoutRoomName {
	return t.names(func(r *roomTelling) bool { return r.steps < len(t.steps) })
}

// refused names the rooms for whose session the vendor refused a signal for good.
func (t *telling) refused() []v1alpha1.BreakoutRoomName {
	return t.names(func(r *roomTelling) bool { return r.refused && r.steps == len(t.steps) })
}

func (t *telling) names(of func(*roomTelling) bool) []v1alpha1.BreakoutRoomName {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []v1alpha1.BreakoutRoomName
	for name, r := range t.rooms {
		if of(r) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// again is when to try again, twice as long after each try; as soon as it may be where people may have heard that they move. Not before the
// vendor wants it.
func (t *telling) again(now time.Time) time.Time {
	wait := min(firstRetry<<min(t.tries, 10), lastRetry)
	if t.unsure {
		wait = breakout.RepeatAfter
	}
	wait = max(wait, t.asked)
	t.unsure, t.asked = false, 0
	t.tries++
	t.retryAt = now.Add(wait)
	return t.retryAt
}
