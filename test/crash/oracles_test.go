// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// browser is a simulated browser and what the vendor had been asked for when it connected.
type browser struct {
	*simulator.Client
	since int
}

// enter has a participant's browser connect to a room, and leave the one where it is.
func (w *world) enter(room, participant string) {
	w.t.Helper()
	for name, b := range w.browsers {
		if b.Connected() && strings.HasPrefix(name, participant+" ") {
			b.Disconnect()
		}
	}
	since := w.sim.LastSeq()
	w.browsers[participant+" in "+room] = browser{w.connect(room, participant), since}
}

// ending is how a story ended, in words that are the same in every run: without IDs, times and tokens.
type ending struct {
	// Told is what the set's signals told each room's session, without repeats; Signals are the RoomSignals that it got.
	Told, Signals map[string][]string
	// Objects are the objects that there are, Browsers where everybody is.
	Objects  map[string]any
	Browsers map[string]string
}

// judge holds what happened against the rules, and returns the ending. It reads the simulator's log, its clients, and the API server.
func (w *world) judge(operators int) *ending {
	w.t.Helper()
	w.judgeSessions()
	e := &ending{Told: map[string][]string{}, Signals: map[string][]string{}, Objects: w.objects(), Browsers: map[string]string{}}
	texts := w.normaliser()
	for room, heard := range w.heard() {
		var told, signals []utterance
		for _, u := range heard {
			u.text = texts(u.data)
			if u.fromSet() {
				told = append(told, u)
			} else {
				signals = append(signals, u)
			}
		}
		e.Told[room] = w.judgeTold(room, told, operators)
		e.Signals[room] = w.judgeSignals(room, signals, operators)
	}
	for name, b := range w.browsers {
		e.Browsers[name] = b.DisconnectReason()
		w.judgeBrowser(name, b)
	}
	w.judgeSecrecy()
	return e
}

// judgeSessions: a room has one session for ever, a session one room, and no session is wasted but in a crash or a lost race.
func (w *world) judgeSessions() {
	w.t.Helper()
	orphans := w.unknownSessions()
	for _, c := range w.sim.Calls() {
		if c.CreatedSessionID != "" && c.Fault != simulator.FaultNone {
			w.unanswered[c.CreatedSessionID] = true
		}
	}
	witness.mu.Lock()
	defer witness.mu.Unlock()
	r := witness.of(w.namespace)
	owner := map[string]string{}
	for uid, sessions := range r.sessions {
		if len(sessions) > 1 {
			w.t.Errorf("room %s has had %d sessions", r.names[uid], len(sessions))
		}
		for id := range sessions {
			if owner[id] != "" {
				w.t.Errorf("rooms %s and %s have the same session", owner[id], r.names[uid])
			}
			owner[id] = r.names[uid]
		}
	}
	for id := range orphans {
		if !w.orphans[id] && !w.refused[id] && !w.unanswered[id] {
			w.t.Error("a session was wasted though nobody died between its creation and its publication, and nobody was faster")
		}
	}
	for _, complaint := range r.indiscretions {
		w.t.Error("something secret: " + complaint)
	}
}

// utterance is a signal to a session.
type utterance struct {
	typ, data string
	text      string // data in words that are the same in every run
	revision  int64
	lost      bool // the operator cannot know that it was said
}

// fromSet tells whether it is one of a BreakoutSet's, not of a RoomSignal.
func (u utterance) fromSet() bool {
	return u.typ == "breakout-room" || u.typ == "count-down-timer" || u.typ == "update-participant"
}

// counted is 1 for what the operator should not say again, 0 for what it has to.
func counted(u utterance) int {
	if u.lost {
		return 0
	}
	return 1
}

var (
	revisionField = regexp.MustCompile(`"revision":(\d+)`)
	endTimeField  = regexp.MustCompile(`"endTime":\d+`)
)

// heard is what was said to each session, by room, in order: also where nobody was there.
func (w *world) heard() map[string][]utterance {
	heard, revisions := map[string][]utterance{}, map[string]int64{}
	for _, c := range w.sim.Calls() {
		if c.Op != simulator.OpSignal || (!c.Effective && c.Status != 404) {
			continue
		}
		room := w.roomOf(c.SessionID)
		if m := revisionField.FindStringSubmatch(c.SignalData); m != nil {
			revisions[room] = int64(versionOf(m[1]))
		} // else it is of the revision before: a timer that is cleared cannot carry one
		heard[room] = append(heard[room], utterance{typ: c.SignalType, data: c.SignalData, revision: revisions[room], lost: c.Fault != simulator.FaultNone})
	}
	return heard
}

// judgeTold: revisions go up, what one revision says comes in order, and a repeat is word for word. It returns what was told without repeats.
//
// With two operators at once a late repeat of an older revision is allowed: nothing can fence it at the vendor.
func (w *world) judgeTold(room string, heard []utterance, operators int) []string {
	w.t.Helper()
	type saying struct {
		revision int64
		text     string
	}
	told, times, words := []string{}, map[saying]int{}, map[saying]string{}
	var order []saying
	latest, next := int64(0), 0 // next is where in order a revision's sequence goes on
	for _, u := range heard {
		s := saying{u.revision, u.text}
		_, repeat := words[s]
		times[s] += counted(u)
		switch {
		case !repeat && u.revision < latest:
			w.t.Errorf("%s was told something of revision %d for the first time after revision %d: %s", room, u.revision, latest, u.text)
		case !repeat && next < len(order):
			w.t.Errorf("%s was told something new in the middle of a repetition: %s", room, u.text)
		case repeat && u.data != words[s] && !endTimeField.MatchString(u.data):
			w.t.Errorf("%s was told the same in other words:\n%s\n%s", room, words[s], u.data)
		case repeat && times[s] > operators:
			w.t.Errorf("%s was told %d times, by %d operators: %s", room, times[s], operators, u.text)
		case repeat && u.revision < latest && !w.together:
			w.t.Errorf("%s was told of revision %d after revision %d: %s", room, u.revision, latest, u.text)
		}
		if !repeat {
			order, words[s] = append(order, s), u.data
			told = append(told, u.typ+" "+u.text)
			next = len(order)
		} else if i := slices.Index(order, s); !w.together {
			if i != next && next != len(order) {
				w.t.Errorf("%s heard a repetition that is out of order: %s", room, u.text)
			}
			next = i + 1
		}
		latest = max(latest, u.revision)
	}
	if next != len(order) {
		w.t.Errorf("%s heard a repetition that broke off after: %s", room, order[next-1].text)
	}
	return told
}

// judgeSignals: RoomSignals come in order, and repeats word for word.
func (w *world) judgeSignals(room string, heard []utterance, operators int) []string {
	w.t.Helper()
	signals, times := []string{}, map[string]int{}
	for _, u := range heard {
		if _, repeat := times[u.data]; !repeat {
			signals = append(signals, u.typ+" "+u.text)
		}
		times[u.data] += counted(u)
		if times[u.data] > operators {
			w.t.Errorf("%s got the same RoomSignal %d times from %d operators", room, times[u.data], operators)
		}
	}
	return signals
}

// judgeBrowser: a browser has received what was sent to its session while it was there.
func (w *world) judgeBrowser(name string, b browser) {
	w.t.Helper()
	var sent, received []string
	for _, c := range w.sim.CallsSince(b.since) {
		if c.Op == simulator.OpSignal && c.Effective && c.SessionID == b.SessionID() {
			sent = append(sent, c.SignalType+" "+c.SignalData)
		}
	}
	for _, s := range b.Signals() {
		received = append(received, s.Type+" "+s.Data)
	}
	if !b.Connected() {
		sent = sent[:min(len(sent), len(received))]
	}
	if !slices.Equal(sent, received) {
		w.t.Errorf("%s received\n%s\nand was sent\n%s", name, strings.Join(received, "\n"), strings.Join(sent, "\n"))
	}
}

// judgeSecrecy: nothing secret is in events, conditions and logs.
func (w *world) judgeSecrecy() {
	w.t.Helper()
	var found eventsv1.EventList
	w.must(admin.List(w.ctx(), &found, client.InNamespace(w.namespace)))
	texts := w.logged()
	for _, e := range found.Items {
		text, err := json.Marshal(e)
		w.must(err)
		texts = append(texts, string(text))
	}
	witness.mu.Lock()
	tokens := slices.Collect(maps.Keys(witness.of(w.namespace).tokens))
	witness.mu.Unlock()
	for _, text := range texts {
		if indiscreet.MatchString(text) || slices.ContainsFunc(tokens, func(t string) bool { return strings.Contains(text, t) }) {
			w.t.Errorf("something secret: %s", text)
		}
	}
}

// objects are the objects of the world's namespace, in words that are the same in every run.
func (w *world) objects() map[string]any {
	w.t.Helper()
	objects := map[string]any{}
	texts := w.normaliser()
	for kind, list := range map[string]client.ObjectList{
		"MeetingRoom": &v1alpha1.MeetingRoomList{}, "BreakoutSet": &v1alpha1.BreakoutSetList{}, "RoomSignal": &v1alpha1.RoomSignalList{}, "Secret": &corev1.SecretList{},
	} {
		w.must(admin.List(w.ctx(), list, client.InNamespace(w.namespace)))
		text, err := json.Marshal(list)
		w.must(err)
		var content struct {
			Items []map[string]any `json:"items"`
		}
		w.must(json.Unmarshal(text, &content))
		for _, item := range content.Items {
			metadata := item["metadata"].(map[string]any)
			s := scrubber{world: w, texts: texts, generation: metadata["generation"]}
			objects[kind+" "+texts(metadata["name"].(string))] = s.scrub("", item)
		}
	}
	return objects
}

// scrubber takes out of an object what differs from run to run.
type scrubber struct {
	world      *world
	texts      func(string) string
	generation any
}

var (
	accidental = map[string]bool{
		"uid": true, "resourceVersion": true, "generation": true, "managedFields": true, "revision": true, "order": true, "inputsHash": true,
		"attempts": true, "recentMoves": true, // as long as it took
	}
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
)

func (s *scrubber) scrub(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		scrubbed := map[string]any{}
		for k, e := range v {
			if !accidental[k] {
				scrubbed[k] = s.scrub(k, e)
			}
		}
		if key == "data" { // of a Secret, whose keys may be hashes
			return len(scrubbed)
		}
		return scrubbed
	case []any:
		scrubbed := make([]any, len(v))
		for i, e := range v {
			scrubbed[i] = s.scrub(key, e)
		}
		if key == "conditions" || key == "finalizers" {
			slices.SortFunc(scrubbed, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return scrubbed
	case string:
		switch {
		case key == "token":
			return s.world.grant(v)
		case timestamp.MatchString(v):
			return "a time"
		}
		return s.texts(v)
	}
	if key == "observedGeneration" {
		return value == s.generation
	}
	return value
}

// grant is what a token allows, by the vendor's word.
func (w *world) grant(token string) string {
	info, err := w.sim.VerifyToken(token)
	if err != nil {
		return "a token that is not good: " + err.Error()
	}
	return fmt.Sprintf("a token for %s as %s in %s", personOf(info.Data), info.Role, w.roomOf(info.SessionID))
}

// normaliser returns a function that names in a text what has another name in every run.
func (w *world) normaliser() func(string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	pairs := []string{w.namespace, "world", w.projectID, "project"}
	for session, room := range w.rooms {
		pairs = append(pairs, session, "session of "+room)
	}
	witness.mu.Lock()
	for uid, name := range witness.of(w.namespace).names {
		pairs = append(pairs, string(uid), "uid of "+name)
	}
	witness.mu.Unlock()
	replacer := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = revisionField.ReplaceAllString(text, `"revision":0`)
		return replacer.Replace(endTimeField.ReplaceAllString(text, `"endTime":0`))
	}
}

// compare holds an ending against that of the undisturbed story.
func (w *world) compare(undisturbed, disturbed *ending) {
	w.t.Helper()
	if diff := cmp.Diff(undisturbed, disturbed); diff != "" {
		w.t.Errorf("it ended otherwise than undisturbed (-undisturbed +disturbed):\n%s", diff)
	}
}
