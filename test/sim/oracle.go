// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

// history is what was ever published.
type history struct {
	sessions map[string]map[string]bool // by the UID of the MeetingRoom
	owner    map[string]string          // the UID of the MeetingRoom by session
	names    map[string]string          // of objects, by UID
	tokens   map[string]bool
	// wasted are the sessions that may be wasted: nobody heard of them, since an operator died or a write was refused.
	wasted map[string]bool
	// open are the main rooms of the sets that say that they are open, holders the UIDs of the sets that have a main
	// room, by UID.
	open    map[string]string
	holders map[string]string
	// rejected is whether anything ever said that the credentials are no good.
	rejected bool
}

func newHistory() *history {
	return &history{
		sessions: map[string]map[string]bool{},
		owner:    map[string]string{},
		names:    map[string]string{},
		tokens:   map[string]bool{},
		wasted:   map[string]bool{},
		open:     map[string]string{},
		holders:  map[string]string{},
	}
}

// indiscreet is what a token, a JWT or a key looks like.
var indiscreet = regexp.MustCompile(`eyJ[\w-]{8,}|T1==|PRIVATE KEY|` + apiSecret)

// changed sees every change in the API server: a room has one session for ever, a session one room, and nothing secret
// is in a condition.
func (w *World) changed(eventType string, r *apiserver.Resource, obj apiserver.Object) {
	if w.options.Changed != nil {
		w.options.Changed(eventType, r, obj)
	}
	metadata, _ := obj["metadata"].(map[string]any)
	status, _ := obj["status"].(map[string]any)
	uid, _ := metadata["uid"].(string)
	name, _ := metadata["name"].(string)
	w.history.names[uid] = name
	w.lastChange = time.Now()
	if conditions, ok := status["conditions"].([]any); ok {
		for _, c := range conditions {
			text := fmt.Sprint(c)
			if indiscreet.MatchString(text) {
				w.violated("a condition of %s has something secret in it: %s", name, text)
			}
			w.history.rejected = w.history.rejected || strings.Contains(text, v1alpha1.CredentialsRejectedReason)
		}
	}
	if r.Plural == "breakoutsets" {
		w.history.openOrNot(w, uid, name, eventType != "DELETED" && status["state"] == string(v1alpha1.StateOpen), obj)
	}
	if r.Plural != "meetingrooms" {
		return
	}
	w.judgeReady(name, obj)
	holder, _ := status["activeBreakoutSet"].(map[string]any)
	w.history.hold(w, uid, name, holder)
	for _, list := range []string{"tokens", "sharedTokens"} {
		tokens, _ := status[list].([]any)
		for _, t := range tokens {
			if token, _ := t.(map[string]any)["token"].(string); token != "" {
				w.history.tokens[token] = true
			}
		}
	}
	if session, _ := status["sessionID"].(string); session != "" {
		w.nameSession(session, name)
		w.history.publish(w, uid, name, session)
	}
}

// judgeReady: a room that says that it is ready has a token for everybody.
func (w *World) judgeReady(name string, obj apiserver.Object) {
	room := &v1alpha1.MeetingRoom{}
	w.must(runtime.DefaultUnstructuredConverter.FromUnstructured(obj, room))
	if !room.DeletionTimestamp.IsZero() || IsReady(room) != nil {
		return
	}
	for _, p := range room.Spec.Participants {
		if !slices.ContainsFunc(
			room.Status.Tokens,
			func(t v1alpha1.ParticipantToken) bool { return t.Participant == p.Name },
		) {
			w.violated("room %s says that it is ready, and has no token for %s", name, p.Name)
		}
	}
}

func (h *history) publish(w *World, uid, name, session string) {
	if h.sessions[uid] == nil {
		h.sessions[uid] = map[string]bool{}
	}
	h.sessions[uid][session] = true
	if len(h.sessions[uid]) > 1 {
		w.violated("MeetingRoom %s has had %d sessions", name, len(h.sessions[uid]))
	}
	if other := h.owner[session]; other != "" && other != uid {
		w.violated("MeetingRooms %s and %s have the same session", h.names[other], name)
	}
	h.owner[session] = uid
}

// openOrNot: of a meeting's sets one at a time is open.
func (h *history) openOrNot(w *World, uid, name string, open bool, obj apiserver.Object) {
	if delete(h.open, uid); !open {
		return
	}
	spec, _ := obj["spec"].(map[string]any)
	main := fmt.Sprint(spec["meetingRoomRef"])
	for other, of := range h.open {
		if of == main {
			w.violated("sets %s and %s are open for one meeting", h.names[other], name)
		}
	}
	h.open[uid] = main
}

// hold: nobody takes a main room away from a set that is open.
func (h *history) hold(w *World, uid, name string, holder map[string]any) {
	before := h.holders[uid]
	h.holders[uid], _ = holder["uid"].(string)
	if before != h.holders[uid] && h.open[before] != "" {
		w.violated("MeetingRoom %s was taken away from set %s, which is open", name, h.names[before])
	}
}

// refused notes what a write that was refused would have published.
func (w *World) refused(op *Operation, body []byte) {
	if m := sessionField.FindSubmatch(body); op.Resource == "meetingrooms" && m != nil {
		w.history.wasted[string(m[1])] = true
	}
}

// unknownSessions are the sessions that were created and that no room has published.
func (w *World) unknownSessions() map[string]bool {
	unknown := map[string]bool{}
	for _, c := range w.Vendor.Calls() {
		if c.CreatedSessionID != "" && w.history.owner[c.CreatedSessionID] == "" {
			unknown[c.CreatedSessionID] = true
			if c.Fault != simulator.FaultNone {
				w.history.wasted[c.CreatedSessionID] = true // the operator cannot know of it
			}
		}
	}
	return unknown
}

// JudgeSessions judges a rule: no session is wasted but in a crash, an answer that was lost, or a race.
func (w *World) JudgeSessions() {
	deaths := 0
	for _, o := range w.Operators {
		if o.Dead() || o.stood {
			deaths++
		}
	}
	unexplained := 0
	for session := range w.unknownSessions() {
		if !w.history.wasted[session] {
			unexplained++
		}
	}
	if unexplained > deaths {
		w.violated("%d sessions were wasted, and %d operators died or stood still", unexplained, deaths)
	}
}

// JudgeSecrecy judges a rule: nothing secret is in events and logs.
func (w *World) JudgeSecrecy() {
	w.mu.Lock()
	texts := slices.Clone(w.logs)
	w.mu.Unlock()
	for _, e := range w.API.Objects("events") {
		text, err := json.Marshal(e)
		w.must(err)
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		switch {
		case strings.Contains(text, "Observed a panic"):
			w.violated("the operator panicked: %s", text)
		case indiscreet.MatchString(text):
			w.violated("something secret was logged, or is in an event: %s", text)
		}
		for token := range w.history.tokens {
			if strings.Contains(text, token) {
				w.violated("a token was logged, or is in an event: %s", text)
			}
		}
	}
}

// IsReady is the goal that an object is as its spec asks, as kubectl wait sees it.
func IsReady(obj Conditioned) error { return HasReady(obj, metav1.ConditionTrue, "") }

// Conditioned is an object with conditions.
type Conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// HasReady is the goal that an object's condition Ready is this, of its present generation. The empty reason is any.
func HasReady(obj Conditioned, status metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(obj.GetConditions(), v1alpha1.ReadyCondition)
	switch {
	case c == nil:
		return fmt.Errorf("%s has no condition Ready", obj.GetName())
	case c.Status != status || (reason != "" && c.Reason != reason):
		return fmt.Errorf("%s: Ready is %s %s: %s", obj.GetName(), c.Status, c.Reason, c.Message)
	case c.ObservedGeneration != obj.GetGeneration():
		return fmt.Errorf(
			"%s: Ready is of generation %d, not %d",
			obj.GetName(),
			c.ObservedGeneration,
			obj.GetGeneration(),
		)
	}
	return nil
}

// belongs is who belongs to which session: status says so. While people choose, only those who are placed belong
// anywhere.
func (w *World) belongs() map[string]string {
	belongs := map[string]string{}
	var rooms v1alpha1.MeetingRoomList
	w.must(w.User.List(ctx(), &rooms, client.InNamespace(Namespace)))
	for _, room := range rooms.Items {
		if room.Labels[v1alpha1.BreakoutSetLabel] == "" {
			for _, p := range room.Spec.Participants {
				belongs[string(p.Name)] = room.Status.SessionID
			}
		}
	}
	var sets v1alpha1.BreakoutSetList
	w.must(w.User.List(ctx(), &sets, client.InNamespace(Namespace)))
	for _, set := range sets.Items {
		if set.Status.State == v1alpha1.StateOpen && set.Status.Mode == v1alpha1.ModeChoose {
			for name, p := range w.People {
				if p.Chose {
					delete(belongs, name)
				}
			}
		}
		for _, room := range set.Status.Rooms {
			for _, p := range room.Participants {
				belongs[string(p)] = room.SessionID
			}
		}
	}
	return belongs
}

// JudgePlaces judges a rule: everybody is where status says, connected once. Who came in late, or was in mode Choose,
// is not led anywhere.
func (w *World) JudgePlaces() {
	belongs := w.belongs()
	for _, name := range sortedKeys(w.People) {
		p, session := w.People[name], belongs[name]
		if session == "" || p.Removed || (p.Unaware && p.Page.Changes() == 0) {
			continue
		}
		if !p.Page.Visible() {
			w.violated("nobody sees %s, who joined the session that they had left", name)
		}
		if is := p.Page.Connections(); len(is) != 1 || is[0] != session {
			rooms := make([]string, len(is))
			for i, s := range is {
				rooms[i] = w.roomOf(s)
			}
			w.violated("%s is connected to [%s] and belongs to %s", name, strings.Join(rooms, " "), w.roomOf(session))
		}
	}
}

// roomList is what a browser reads of a breakout-room signal.
type roomList struct {
	Revision      int64
	BreakoutRooms []struct {
		SessionID              string
		Member, MemberAssigned []string
	}
	Page *struct{ Index, Count int }
}

// listing is what a session was told last: the rooms' sessions, and the session of the room that each person is in.
type listing struct {
	sessions []string
	places   map[string]string
}

// JudgeConditions judges a rule: where a set says that everybody was sent the present state, the last list of the main
// room is that of the status, rooms and people.
func (w *World) JudgeConditions() {
	var sets v1alpha1.BreakoutSetList
	w.must(w.User.List(ctx(), &sets, client.InNamespace(Namespace)))
	for _, set := range sets.Items {
		delivered := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.SignalsDeliveredCondition)
		if delivered == nil || delivered.Status != metav1.ConditionTrue || set.Status.State != v1alpha1.StateOpen ||
			len(set.Status.Rooms) == 0 {
			continue
		}
		main := set.Status.MainSessionID
		want := []string{main}
		for _, room := range set.Status.Rooms {
			if room.State != v1alpha1.RoomLeaving {
				want = append(want, room.SessionID)
			}
		}
		is := w.lastList(main)
		if is == nil || !slices.Equal(want, is.sessions) {
			w.violated(
				"set %s says that everybody was sent the present state, and the last list of the main room "+
					"has not its %d rooms: %v",
				set.Name,
				len(want),
				is,
			)
			continue
		}
		for _, room := range set.Status.Rooms {
			for _, p := range room.Participants {
				if in := is.places[string(p)]; in != room.SessionID {
					w.violated(
						"set %s says that everybody was sent the present state, and by the last list of the main room "+
							"%s is in [%s] instead of %s",
						set.Name,
						p,
						w.roomOf(in),
						room.MeetingRoomName,
					)
				}
			}
		}
	}
}

// lastList is the list of rooms that a session was sent last, whether anybody was there or not; nil if it was sent
// none.
func (w *World) lastList(session string) *listing {
	var last *listing
	for _, c := range w.Vendor.Calls() {
		if c.Op != simulator.OpSignal || c.SessionID != session || c.SignalType != "breakout-room" ||
			!(c.Effective || c.Status == 404) {
			continue
		}
		var list roomList
		w.must(json.Unmarshal([]byte(c.SignalData), &list))
		if last == nil || list.Page == nil || list.Page.Index == 1 {
			last = &listing{places: map[string]string{}}
		}
		for _, room := range list.BreakoutRooms {
			last.sessions = append(last.sessions, room.SessionID)
			for _, p := range slices.Concat(room.Member, room.MemberAssigned) {
				last.places[p] = room.SessionID
			}
		}
	}
	return last
}

// JudgeRest judges a rule: when all is done nothing is written and nobody is called any more as time goes by. The
// periodic check of the account aside.
func (w *World) JudgeRest() {
	w.options.Judge, w.options.Lag = nil, 0
	w.judgeRest("as time went by")
}

// JudgeTakeover is JudgeRest for another operator that takes over.
func (w *World) JudgeTakeover() {
	for _, o := range w.Operators {
		o.Kill()
	}
	w.judgeRest("when another operator took over")
}

func (w *World) judgeRest(when string) {
	done := len(w.Operations)
	w.Pass(time.Minute)
	more := slices.DeleteFunc(
		slices.Clone(w.Operations[done:]),
		func(key string) bool { return strings.HasPrefix(key, probeKey) },
	)
	if len(more) > 0 {
		w.violated("when all was done the operator went on %s: %v", when, more)
	}
}
