// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	// restTime is how long everything may take to come to rest once nothing fails any more: refused credentials are
	// tried again after a minute.
	restTime = 4 * time.Minute

	// quietTime is for how long nothing may happen then.
	quietTime = 10 * time.Second
)

// comeToRest lets everything succeed, takes countdowns away, and waits until all objects are as their specs ask.
func (s *soak) comeToRest(ctx context.Context) error {
	s.Simulator.ClearFaults()
	if s.operator.Ended() {
		if err := s.startOperator(ctx); err != nil {
			return err
		}
	}
	for i := range s.options.meetings {
		err := s.patiently(ctx, func() error {
			return client.IgnoreNotFound(fixture.Edit(ctx, s.Client, fixture.BreakoutSet(meetingName(i), ""),
				fixture.Lasting(0)))
		})
		if err != nil {
			return err
		}
	}
	if err := fixture.Await(ctx, restTime, s.atRest); err != nil {
		return err
	}
	return fixture.Await(ctx, restTime, func(ctx context.Context) error { return s.quiet(ctx, quietTime/2) })
}

// atRest tells what is not as its spec asks.
func (s *soak) atRest(ctx context.Context) error {
	rooms, sets, signals, err := s.list(ctx)
	if err != nil {
		return err
	}
	meetings := map[string]bool{}
	for _, room := range rooms {
		meetings[room.Name] = true
		if err := settled(&room); err != nil {
			return fmt.Errorf("MeetingRoom %w", err)
		}
	}
	for _, set := range sets {
		if !meetings[set.Spec.MeetingRoomRef.Name] {
			continue // there is nobody to open it for, and it says so
		}
		if err := settled(&set); err != nil {
			return fmt.Errorf("BreakoutSet %w", err)
		}
	}
	for _, signal := range signals {
		if signal.Status.CompletionTime == nil {
			return fmt.Errorf("RoomSignal %s is not finished", signal.Name)
		}
	}
	return nil
}

func (s *soak) list(
	ctx context.Context,
) ([]v1alpha1.MeetingRoom, []v1alpha1.BreakoutSet, []v1alpha1.RoomSignal, error) {
	var rooms v1alpha1.MeetingRoomList
	var sets v1alpha1.BreakoutSetList
	var signals v1alpha1.RoomSignalList
	for _, list := range []client.ObjectList{&rooms, &sets, &signals} {
		if err := s.Client.List(ctx, list, client.InNamespace(fixture.Namespace)); err != nil {
			return nil, nil, nil, err
		}
	}
	return rooms.Items, sets.Items, signals.Items, nil
}

// settled tells what keeps an object from being left alone.
func settled(obj fixture.Conditioned) error {
	if !obj.GetDeletionTimestamp().IsZero() {
		return fmt.Errorf("%s is still being deleted", obj.GetName())
	}
	return fixture.IsReady(obj)
}

// quiet tells what happened within a time in which nothing should. The periodic check of the account is no news.
func (s *soak) quiet(ctx context.Context, d time.Duration) error {
	before, err := s.versions(ctx)
	if err != nil {
		return err
	}
	called := s.Simulator.LastSeq()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
	}
	after, err := s.versions(ctx)
	if err != nil {
		return err
	}
	for key, version := range after {
		if before[key] != version {
			return fmt.Errorf("%s was written though all was done", key)
		}
	}
	for _, call := range s.Simulator.CallsSince(called) {
		if call.Op != simulator.OpListArchives {
			return fmt.Errorf("vonage was called (%s) though all was done", call.Op)
		}
	}
	return nil
}

// versions are the resourceVersions of all objects but events, which come a moment after what they tell of, and
// signals, which expire.
func (s *soak) versions(ctx context.Context) (map[string]string, error) {
	rooms, sets, _, err := s.list(ctx)
	versions := map[string]string{}
	for _, room := range rooms {
		versions["MeetingRoom "+room.Name] = room.ResourceVersion
	}
	for _, set := range sets {
		versions["BreakoutSet "+set.Name] = set.ResourceVersion
	}
	return versions, err
}

// noteWasted notes the sessions that no room has now.
func (s *soak) noteWasted(ctx context.Context) error {
	published, err := s.watcher.published(ctx)
	if err != nil {
		return err
	}
	for _, call := range s.Simulator.Calls() {
		if call.CreatedSessionID != "" && !published[call.CreatedSessionID] {
			s.wasted[call.CreatedSessionID] = true
		}
	}
	return nil
}

// judge holds what happened against the rules.
func (s *soak) judge(ctx context.Context) {
	if err := s.quiet(ctx, quietTime); err != nil {
		s.complain("%v", err)
	}
	s.operator.Stop()
	if err := s.startOperator(ctx); err != nil {
		s.complain("the last operator: %v", err)
	}
	if err := s.quiet(ctx, quietTime); err != nil {
		s.complain("after a restart: %v", err)
	}
	if err := s.judgeSessions(ctx); err != nil {
		s.complain("%v", err)
	}
	sets := s.judgeSets(ctx)
	heard := map[string][]utterance{}
	for _, call := range s.Simulator.Calls() {
		if u, ok := utteranceOf(call); ok {
			heard[call.SessionID] = append(heard[call.SessionID], u)
		}
	}
	for session, utterances := range heard {
		s.judgeTold(session, utterances)
	}
	for _, set := range sets {
		s.judgeView(&set, heard)
	}
	s.judgeLogs()
}

// judgeSessions: a room has had one session for ever, and none was made in vain without a reason.
func (s *soak) judgeSessions(ctx context.Context) error {
	published, err := s.watcher.published(ctx)
	if err != nil {
		return err
	}
	for _, complaint := range s.watcher.complaints() {
		s.complain("%s", complaint)
	}
	gone := s.watcher.goneWithoutSession()
	for _, call := range s.Simulator.Calls() {
		switch id := call.CreatedSessionID; {
		case id == "" || published[id]:
		case s.wasted[id]:
			s.fates["sessions wasted by a crash"]++
		case call.Fault != simulator.FaultNone:
			s.fates["sessions wasted because no answer came"]++
		case gone > 0:
			gone--
			s.fates["sessions wasted because the room was deleted meanwhile"]++
		default:
			s.complain("session %s was made in vain", id)
		}
	}
	return nil
}

// judgeSets: what is open is what the spec asks for.
func (s *soak) judgeSets(ctx context.Context) []v1alpha1.BreakoutSet {
	var open []v1alpha1.BreakoutSet
	_, sets, _, err := s.list(ctx)
	if err != nil {
		s.complain("%v", err)
	}
	for _, set := range sets {
		main := &v1alpha1.MeetingRoom{}
		err := s.Client.Get(ctx, client.ObjectKey{Namespace: fixture.Namespace, Name: set.Spec.MeetingRoomRef.Name},
			main)
		if apierrors.IsNotFound(err) {
			continue
		}
		wanted := set.Spec.State != v1alpha1.DesiredClosed
		isOpen := meta.IsStatusConditionTrue(set.Status.Conditions, v1alpha1.OpenCondition)
		if timeUp := set.Status.State == v1alpha1.StateClosed && wanted; timeUp && !isOpen {
			wanted = false // a countdown was over before it was taken away
			if c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.OpenCondition); c == nil ||
				c.Reason != v1alpha1.TimeUpReason {
				s.complain("set %s is closed though its spec says Open", set.Name)
			}
		}
		if wanted != isOpen {
			s.complain("set %s: state %s, and the spec asks for %s", set.Name, set.Status.State, set.Spec.State)
		}
		if !isOpen {
			continue
		}
		open = append(open, set)
		var names, is []string
		for _, room := range set.Spec.Rooms {
			names = append(names, string(room.Name))
		}
		for _, room := range set.Status.Rooms {
			is = append(is, string(room.Name))
		}
		if !slices.Equal(names, is) {
			s.complain("set %s has rooms %v, not %v", set.Name, is, names)
		}
		if set.Spec.Assignment != nil {
			for _, p := range set.Spec.Assignment.Placements {
				s.judgePlacement(&set, main, p)
			}
		}
	}
	return open
}

// judgePlacement: whoever is placed is there, if there is such a room and such a participant, and the room is not full.
func (s *soak) judgePlacement(set *v1alpha1.BreakoutSet, main *v1alpha1.MeetingRoom, p v1alpha1.Placement) {
	is := func(q v1alpha1.Participant) bool {
		return q.Name == p.Participant && q.Role == v1alpha1.RoleParticipant
	}
	if !slices.ContainsFunc(main.Spec.Participants, is) {
		return
	}
	for _, room := range set.Status.Rooms {
		if slices.Contains(room.Participants, p.Participant) && room.Name != p.Room {
			full := slices.ContainsFunc(set.Status.Rooms, func(r v1alpha1.BreakoutRoomStatus) bool {
				return r.Name == p.Room && r.MaxParticipants > 0 && len(r.Participants) >= int(r.MaxParticipants)
			})
			known := slices.ContainsFunc(set.Spec.Rooms, func(r v1alpha1.BreakoutRoomSpec) bool {
				return r.Name == p.Room
			}) || p.Room == "main"
			if known && !full {
				s.complain("set %s: %s is in %s, and placed in %s", set.Name, p.Participant, room.Name, p.Room)
			}
		}
	}
}

// utterance is a signal of a set to a session.
type utterance struct {
	typ, data string
	revision  int64
	rooms     []listedRoom
	message   string
	page      int
	lost      bool
}

type listedRoom struct {
	Name           string                     `json:"name"`
	SessionID      string                     `json:"sessionId"`
	Member         []v1alpha1.ParticipantName `json:"member"`
	MemberAssigned []v1alpha1.ParticipantName `json:"memberAssigned"`
}

var endTime = regexp.MustCompile(`"endTime":\d+`)

// utteranceOf is what a call said to a session, also where nobody was there.
func utteranceOf(call simulator.Call) (utterance, bool) {
	ours := call.SignalType == "breakout-room" || call.SignalType == "count-down-timer"
	if call.Op != simulator.OpSignal || !ours || (!call.Effective && call.Status != 404) {
		return utterance{}, false
	}
	var data struct {
		Message       string       `json:"message"`
		BreakoutRooms []listedRoom `json:"breakoutRooms"`
		Revision      int64        `json:"revision"`
		Page          struct {
			Index int `json:"index"`
		} `json:"page"`
	}
	if err := json.Unmarshal([]byte(call.SignalData), &data); err != nil || data.Revision == 0 {
		return utterance{}, false // a timer that is cleared cannot carry a revision
	}
	return utterance{
		typ: call.SignalType, data: endTime.ReplaceAllString(call.SignalData, ""), revision: data.Revision,
		rooms:   data.BreakoutRooms,
		message: data.Message, page: data.Page.Index, lost: call.Fault != simulator.FaultNone,
	}, true
}

// judgeTold: revisions never go back, repeats are word for word, and there is one by each operator at most, beside
// those for answers that got lost. One plan moves people in several messages where some of them have to wait; what it
// said before comes no more then.
func (s *soak) judgeTold(session string, heard []utterance) {
	type saying struct {
		typ, message string
		revision     int64
		page         int
	}
	words, times, past := map[saying]string{}, map[saying]int{}, map[string]bool{}
	latest := int64(0)
	for _, u := range heard {
		key := saying{u.typ, u.message, u.revision, u.page}
		if u.revision < latest {
			s.complain("session %s was told of revision %d after %d", session, u.revision, latest)
		}
		latest = max(latest, u.revision)
		if before, repeat := words[key]; repeat && before != u.data {
			if u.message != "participantMoved" || past[u.data] {
				s.complain("session %s was told the same in other words:\n\t%s\n\t%s", session, before, u.data)
			}
			past[before], times[key] = true, 0
		}
		words[key] = u.data
		if !u.lost {
			times[key]++
		}
		if times[key] > 1 {
			s.fates["signals repeated after a crash"]++
		}
		if times[key] > 1+s.killed+s.restarted {
			s.complain("session %s was told %d times: %s", session, times[key], u.data)
		}
	}
}

// judgeView: what a session was told last is what the set's status says, beside who came into the main room or left the
// meeting since: nothing is said of that.
func (s *soak) judgeView(set *v1alpha1.BreakoutSet, heard map[string][]utterance) {
	sessions, present := []string{set.Status.MainSessionID}, slices.Clone(set.Status.MainParticipants)
	for _, room := range set.Status.Rooms {
		sessions, present = append(sessions, room.SessionID), append(present, room.Participants...)
	}
	for _, session := range sessions {
		lists := slices.DeleteFunc(slices.Clone(heard[session]), func(u utterance) bool {
			return u.typ != "breakout-room"
		})
		if len(lists) == 0 {
			if session == set.Status.MainSessionID {
				s.complain("set %s: the main room was told nothing", set.Name)
			}
			continue // a room whose session has heard nothing since it was opened
		}
		last := lists[len(lists)-1]
		got, want, listed := map[string]string{}, map[string]string{}, []v1alpha1.ParticipantName{}
		for _, room := range last.rooms {
			members := slices.Concat(room.Member, room.MemberAssigned)
			listed = append(listed, members...)
			got[room.SessionID] = room.Name + ": " + people(members, present)
		}
		want[set.Status.MainSessionID] = set.Status.MainDisplayName + ": " + people(set.Status.MainParticipants, listed)
		for _, room := range set.Status.Rooms {
			want[room.SessionID] = room.DisplayName + ": " + people(room.Participants, present)
		}
		if !maps.Equal(want, got) {
			s.complain("set %s: session %s was told last (%s)\n\t%v\nand the status says\n\t%v\nafter\n%s", set.Name,
				session, last.message, got, want, s.history(sessions))
		}
	}
}

// history is what sessions were told lately, and how that went, for whoever looks into a complaint.
func (s *soak) history(sessions []string) string {
	const most = 60
	var lines []string
	for _, call := range s.Simulator.Calls() {
		at := slices.Index(sessions, call.SessionID)
		if at < 0 || call.Op != simulator.OpSignal {
			continue
		}
		u, _ := utteranceOf(call)
		outcome := fmt.Sprintf("%d %s", call.Status, call.Fault)
		if !call.Effective {
			outcome += " without effect"
		}
		lines = append(lines,
			fmt.Sprintf("\t%s room %d: revision %d %s %s: %s", call.Time.Format("15:04:05.000"), at, u.revision,
				call.SignalType, u.message, outcome))
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// people are those of names who are among others too.
func people(names, others []v1alpha1.ParticipantName) string {
	var texts []string
	for _, n := range names {
		if slices.Contains(others, n) {
			texts = append(texts, string(n))
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// secret is what a token, a JWT or a key looks like.
var secret = regexp.MustCompile(`eyJ[\w-]{8,}|T1==|PRIVATE KEY|Bearer `)

// judgeLogs: nothing secret was logged.
func (s *soak) judgeLogs() {
	for _, o := range s.Operators() {
		text, err := o.Log()
		if err != nil {
			s.complain("%v", err)
		}
		for line := range strings.Lines(text) {
			switch {
			case secret.MatchString(line):
				s.complain("something secret in %s", o.LogPath)
			case strings.Contains(line, "Observed a panic"):
				s.complain("a panic: %s", line)
			}
		}
	}
}

// report prints what there was.
func (s *soak) report() {
	calls, faults, signals := s.Simulator.Calls(), 0, 0
	for _, call := range calls {
		if call.Fault != simulator.FaultNone {
			faults++
		}
		if call.Op == simulator.OpSignal {
			signals++
		}
	}
	s.say("%d edits:", s.edits)
	for _, name := range slices.Sorted(maps.Keys(s.edited)) {
		fmt.Printf("  %5d  %s\n", s.edited[name], name)
	}
	s.say("%d operators killed, API server restarted %d times", s.killed, s.restarted)
	s.say("%d calls of Vonage, of which %d failed by design (%.0f %%); %d signals, %d sessions for %d rooms",
		len(calls), faults, 100*float64(faults)/float64(max(len(calls), 1)), signals, s.sessions(), s.watcher.rooms())
	for _, name := range slices.Sorted(maps.Keys(s.fates)) {
		fmt.Printf("  %5d  %s\n", s.fates[name], name)
	}
	for i, complaint := range s.complaints {
		if i == 20 {
			s.say("… and %d more", len(s.complaints)-i)
			break
		}
		s.say("BROKEN: %s", complaint)
	}
	if len(s.complaints) == 0 {
		s.say("all rules held")
	}
}

func (s *soak) sessions() int {
	n := 0
	for _, call := range s.Simulator.Calls() {
		if call.CreatedSessionID != "" {
			n++
		}
	}
	return n
}
