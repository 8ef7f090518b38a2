// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
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
		if n := len(set.Status.Signals.Sessions); n > 0 {
			return fmt.Errorf("BreakoutSet %s has %d sessions that are sent something, or sent it again", set.Name, n)
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

// versions are the resourceVersions of all objects but events, which come a moment after what they are about, and
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
	sent := map[string][]utterance{}
	for _, call := range s.Simulator.Calls() {
		if u, ok := utteranceOf(call); ok {
			sent[call.SessionID] = append(sent[call.SessionID], u)
		}
	}
	for session, utterances := range sent {
		s.judgeSent(session, utterances)
	}
	for _, set := range sets {
		s.judgeView(&set, sent)
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
	at        time.Time
	revision  int64
	rooms     []listedRoom
	message   string
	page      int
	lost      bool

	// end and period are what a countdown says.
	end    time.Time
	period any
}

type listedRoom struct {
	Name           string                     `json:"name"`
	SessionID      string                     `json:"sessionId"`
	Member         []v1alpha1.ParticipantName `json:"member"`
	MemberAssigned []v1alpha1.ParticipantName `json:"memberAssigned"`
}

// utteranceOf is what a call said to a session, also where nobody was there.
func utteranceOf(call simulator.Call) (utterance, bool) {
	ours := call.SignalType == typeList || call.SignalType == typeCountdown
	if call.Op != simulator.OpSignal || !ours || (!call.Effective && call.Status != 404) {
		return utterance{}, false
	}
	var data struct {
		Message       string       `json:"message"`
		BreakoutRooms []listedRoom `json:"breakoutRooms"`
		Revision      int64        `json:"revision"`
		EndTime       int64        `json:"endTime"`
		Period        any          `json:"period"`
		Page          struct {
			Index int `json:"index"`
		} `json:"page"`
	}
	u := utterance{typ: call.SignalType, data: call.SignalData, at: call.Time, lost: call.Fault != simulator.FaultNone}
	if err := json.Unmarshal([]byte(call.SignalData), &data); err != nil {
		return u, true // a rule says that there is none
	}
	u.revision, u.rooms, u.message, u.page = data.Revision, data.BreakoutRooms, data.Message, data.Page.Index
	if u.typ == typeCountdown {
		u.end, u.period = time.UnixMilli(data.EndTime), data.Period
		u.data = period.ReplaceAllString(u.data, "") // the time that is left differs from one repeat to the next
	}
	return u, true
}

// The types of the signals that a set sends and that have a revision.
const (
	typeList      = "breakout-room"
	typeCountdown = "count-down-timer"
)

var period = regexp.MustCompile(`"period":\d+,`)

// judgeCountdown: a countdown says how many minutes are left, rounded up, or ends in a year; none is taken away, which
// breaks pages.
func (s *soak) judgeCountdown(session string, u utterance) {
	const slack = 2 * time.Second // between composing a signal and its arrival
	left := u.end.Sub(u.at)
	minutes := func(d time.Duration) float64 { return max(0, math.Ceil(d.Minutes())) }
	switch {
	case u.period == "more than 1000" && left > 300*24*time.Hour:
	case u.period == minutes(left) || u.period == minutes(left+slack):
	default:
		s.complain("session %s was sent a countdown of %s that says %v minutes", session, left, u.period)
	}
}

// judgeSent: revisions never go back, repeats are word for word, and there is one by each operator at most, beside
// those for answers that got lost. One plan moves people in several messages where some of them have to wait; what it
// said before comes no more then. The rounds, in which who is on the move is sent there again, have revisions of their
// own.
func (s *soak) judgeSent(session string, sent []utterance) {
	type saying struct {
		typ, message string
		revision     int64
		page         int
	}
	words, times, past := map[saying]string{}, map[saying]int{}, map[string]bool{}
	latest := int64(0)
	for _, u := range sent {
		key := saying{u.typ, u.message, u.revision, u.page}
		if u.revision == 0 {
			s.complain("session %s was sent a signal without a revision: %s", session, u.data)
		}
		if u.revision < latest {
			s.complain("session %s was sent revision %d after %d", session, u.revision, latest)
		}
		if u.typ == typeCountdown {
			s.judgeCountdown(session, u)
		}
		latest = max(latest, u.revision)
		if before, repeat := words[key]; repeat && before != u.data {
			if u.message != "participantMoved" || past[u.data] {
				s.complain("session %s was sent the same in other words:\n\t%s\n\t%s", session, before, u.data)
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
			s.complain("session %s was sent %d times: %s", session, times[key], u.data)
		}
	}
}

// judgeView: what the main room was sent last is what the set's status says, beside who came into the main room or left
// the meeting since: nothing is said of that. A breakout room's session is sent what concerns it: its own name, and who
// of its people belongs elsewhere.
func (s *soak) judgeView(set *v1alpha1.BreakoutSet, sent map[string][]utterance) {
	sessions, present := []string{set.Status.MainSessionID}, slices.Clone(set.Status.MainParticipants)
	for _, room := range set.Status.Rooms {
		sessions, present = append(sessions, room.SessionID), append(present, room.Participants...)
	}
	lists := map[string][]utterance{}
	for _, session := range sessions {
		lists[session] = slices.DeleteFunc(slices.Clone(sent[session]), func(u utterance) bool {
			return u.typ != typeList
		})
	}
	main := lists[set.Status.MainSessionID]
	if len(main) == 0 {
		s.complain("set %s: the main room was sent nothing", set.Name)
		return
	}
	last := main[len(main)-1]
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
		s.complain("set %s: the main room was sent last (%s)\n\t%v\nand the status says\n\t%v\nafter\n%s", set.Name,
			last.message, got, want, s.history(sessions))
	}
	for _, room := range set.Status.Rooms {
		if name := lastName(lists[room.SessionID], room.SessionID); name != "" && name != room.DisplayName {
			s.complain("set %s: the session of %s was sent last that it is %q, and the status says %q, after\n%s",
				set.Name, room.Name, name, room.DisplayName, s.history(sessions))
		}
	}
	for who, m := range lastMoves(main) {
		if _, open := lists[m.from]; !open || !slices.Contains(present, who) {
			continue // that room is gone, and so is who was in it
		}
		if to := lastAssigned(lists[m.from], who); to != m.to {
			s.complain("set %s: %s went from session %d to %d, and where they were %d was sent last, after\n%s",
				set.Name, who, slices.Index(sessions, m.from), slices.Index(sessions, m.to), slices.Index(sessions, to),
				s.history(sessions))
		}
	}
}

// lastName is the name by which lists call the room of a session last; empty where they never do.
func lastName(lists []utterance, session string) string {
	name := ""
	for _, u := range lists {
		for _, r := range u.rooms {
			if r.SessionID == session {
				name = r.Name
			}
		}
	}
	return name
}

// lastAssigned is the session to which lists send somebody last; empty where they never do.
func lastAssigned(lists []utterance, who v1alpha1.ParticipantName) string {
	session := ""
	for _, u := range lists {
		for _, r := range u.rooms {
			if slices.Contains(r.MemberAssigned, who) {
				session = r.SessionID
			}
		}
	}
	return session
}

// move is the last change of somebody's place, from one session to another.
type move struct{ from, to string }

// lastMoves is who changed places how last, by what the main room was sent. Who is called back with all others is in
// the main room, and who is named there for the first time was.
func lastMoves(main []utterance) map[v1alpha1.ParticipantName]move {
	places, moves := map[v1alpha1.ParticipantName]string{}, map[v1alpha1.ParticipantName]move{}
	for _, u := range main {
		if len(u.rooms) == 0 {
			clear(places)
			clear(moves)
		}
		for _, r := range u.rooms {
			for _, who := range slices.Concat(r.Member, r.MemberAssigned) {
				if from, known := places[who]; known && from != r.SessionID {
					moves[who] = move{from, r.SessionID}
				}
				places[who] = r.SessionID
			}
		}
	}
	return moves
}

// history is what sessions were sent lately, and how that went, for whoever looks into a complaint.
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
