// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// Ending is how a story ended, in words that are the same in every run: without IDs, times and tokens.
type Ending struct {
	// Signals are the RoomSignals that each room's session got.
	Signals map[string][]string

	// Objects are the objects that there are, Places where everybody is.
	Objects map[string]any
	Places  map[string]string
}

// Ending judges what happened and returns how it ended. operators is by how many of them anything may have been said.
func (w *World) Ending(operators int, together bool) *Ending {
	w.JudgeSessions()
	w.JudgeSecrecy()
	w.JudgePlaces()
	w.JudgeConditions()
	w.JudgeTokens()
	if !together {
		w.JudgeHaste()
	}
	e := &Ending{Signals: map[string][]string{}, Objects: w.objects(), Places: map[string]string{}}
	texts := w.normaliser()
	for room, sent := range w.sent() {
		latest, times := int64(0), map[string]int{}
		for _, u := range sent {
			if u.fromSet() {
				if u.revision < latest && !together {
					w.violated("%s was sent revision %d after revision %d: %s", room, u.revision, latest, texts(u.data))
				}
				latest = max(latest, u.revision)
				continue
			}
			text := u.typ + " " + texts(u.data)
			if !slices.Contains(e.Signals[room], text) {
				e.Signals[room] = append(e.Signals[room], text)
			}
			if !u.lost {
				times[text]++
			}
			if times[text] > operators {
				w.violated("%s got a RoomSignal %d times from %d operators: %s", room, times[text], operators, text)
			}
		}
	}
	for name, p := range w.People {
		e.Places[name] = cmp.Or(w.roomOf(p.Page.Session()), "nowhere")
	}
	return e
}

// utterance is a signal to a session.
type utterance struct {
	typ, data string
	revision  int64
	lost      bool // the operator cannot know that it was said
}

// fromSet tells whether it is one of a BreakoutSet's, not of a RoomSignal.
func (u utterance) fromSet() bool {
	return u.typ == "breakout-room" || u.typ == "count-down-timer" || u.typ == "update-participant"
}

var (
	revisionField = regexp.MustCompile(`"revision":(\d+)`)
	endTimeField  = regexp.MustCompile(`"endTime":\d+`)
	timestamp     = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
)

// sent is what was sent to each session, by room, in order: also where nobody was there.
func (w *World) sent() map[string][]utterance {
	sent, revisions := map[string][]utterance{}, map[string]int64{}
	for _, c := range w.Vendor.Calls() {
		if c.Op != simulator.OpSignal || (!c.Effective && c.Status != 404) {
			continue
		}
		room := w.roomOf(c.SessionID)
		if m := revisionField.FindStringSubmatch(c.SignalData); m != nil {
			revisions[room], _ = strconv.ParseInt(m[1], 10, 64) // they are digits
		} // else it is of the revision before: a timer that is cleared cannot carry one
		sent[room] = append(sent[room], utterance{
			typ: c.SignalType, data: c.SignalData, revision: revisions[room],
			lost: c.Fault != simulator.FaultNone || c.Finished.Sub(c.Time) >= vonage.DefaultSignalTimeout,
		})
	}
	return sent
}

// normaliser returns a function that names in a text what has another name in every run.
func (w *World) normaliser() func(string) string {
	var pairs []string
	w.mu.Lock()
	for session, room := range w.rooms {
		pairs = append(pairs, session, "session of "+room)
	}
	w.mu.Unlock()
	for uid, name := range w.history.names {
		pairs = append(pairs, uid, "uid of "+name)
	}
	replacer := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = revisionField.ReplaceAllString(text, `"revision":0`)
		return replacer.Replace(endTimeField.ReplaceAllString(text, `"endTime":0`))
	}
}

// objects are the objects of the operator's kinds and the Secrets, in words that are the same in every run.
func (w *World) objects() map[string]any {
	objects := map[string]any{}
	texts := w.normaliser()
	for _, plural := range []string{"meetingrooms", "breakoutsets", "roomsignals", "secrets"} {
		for _, obj := range w.API.Objects(plural) {
			metadata := obj["metadata"].(map[string]any)
			if metadata["namespace"] == Namespace {
				s := scrubber{world: w, texts: texts, generation: metadata["generation"]}
				objects[plural+" "+texts(metadata["name"].(string))] = s.scrub("", obj)
			}
		}
	}
	return objects
}

// scrubber takes out of an object what differs from run to run.
type scrubber struct {
	world      *World
	texts      func(string) string
	generation any
}

// accidental are the fields that depend on how long something took, or how often it was tried.
var accidental = []string{
	"uid",
	"resourceVersion",
	"generation",
	"managedFields",
	"revision",
	"order",
	"inputsHash",
	"attempts",
	"closeGraceSeconds",
	v1alpha1.ResendAnnotation,
	"lastHandledResend",
}

func (s *scrubber) scrub(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		scrubbed := map[string]any{}
		for k, e := range v {
			if !slices.Contains(accidental, k) {
				scrubbed[k] = s.scrub(k, e)
			}
		}
		if annotations, ok := scrubbed["annotations"].(map[string]any); ok && len(annotations) == 0 {
			delete(scrubbed, "annotations")
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
func (w *World) grant(token string) string {
	info, err := w.Vendor.VerifyToken(token)
	if err != nil {
		return "a token that is not good: " + err.Error()
	}
	var data struct{ Name string }
	_ = json.Unmarshal([]byte(info.Data), &data) // else it is nobody's
	return fmt.Sprintf("a token for %s as %s in %s", data.Name, info.Role, w.roomOf(info.SessionID))
}
