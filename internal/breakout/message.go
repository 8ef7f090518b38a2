// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package breakout

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// Types of the signals that the sample app's browser client understands.
const (
	TypeBreakoutRoom      = "breakout-room"
	TypeCountDownTimer    = "count-down-timer"
	TypeMessage           = "message"
	TypeRaiseHand         = "raise-hand"
	TypeUpdateParticipant = "update-participant"
)

// MaxDataBytes is the most bytes of data in one signal. Vonage documents 8 kB; whether that is 8000 or 8192 is not said.
const MaxDataBytes = 8000

// unlimited is how many people a room without a limit takes on the wire, where 0 reads as full.
const unlimited = 1000

// Signal is one signal of the Vonage Video API: its type, without the prefix that browsers see, and its data.
type Signal struct {
	Type, Data string
}

// Source is whose signals they are: it is in their data, so that clients can drop repeats.
type Source struct {
	// Set is the BreakoutSet as namespace/name, UID its UID.
	Set, UID string

	// MeetingRoom is the name of the main room, which browsers know it by.
	MeetingRoom string
}

// Script is a phase of steps with the status that they follow from, ready to be turned into signals for each session.
type Script struct {
	source Source
	now    time.Time
	st     *v1alpha1.BreakoutSetStatus
	steps  []Step
	lists  []*roomList // per step; nil for steps that carry no list
}

// NewScript prepares the signals of steps, which NextSteps gave for st, to be sent at now. All but the end of a countdown that takes the place of a
// running one is the same whenever they are sent.
func NewScript(source Source, st *v1alpha1.BreakoutSetStatus, steps []Step, now time.Time) *Script {
	s := &Script{source: source, now: now, st: st, steps: steps, lists: make([]*roomList, len(steps))}
	for i, step := range steps {
		if step.isList() {
			s.lists[i] = newRoomList(source.MeetingRoom, s.roomsAfter(i))
		}
	}
	return s
}

// Signals are the signals of each step for the session of one room, in order; none for a step that is not for that room.
func (s *Script) Signals(room v1alpha1.BreakoutRoomName) [][]Signal {
	all := make([][]Signal, len(s.steps))
	for i, step := range s.steps {
		switch {
		case step.Kind == StepChoose && room != mainRoom:
		case step.Kind == StepAllRemoved:
			all[i] = s.breakoutRoom(string(step.Kind), [][]byte{[]byte("[]")})
		case s.lists[i] != nil:
			all[i] = s.breakoutRoom(string(step.Kind), s.lists[i].pages(room, MaxDataBytes-s.envelope(string(step.Kind))))
		case step.Kind == StepRoles:
			all[i] = s.participants()
		default:
			all[i] = []Signal{{Type: TypeCountDownTimer, Data: s.timer(step)}}
		}
	}
	return all
}

// origin are the fields that every object-shaped data carries beside the sample app's.
type origin struct {
	Revision    int64     `json:"revision"`
	BreakoutSet originSet `json:"breakoutSet"`
}

type originSet struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

func (s *Script) origin() origin {
	return origin{Revision: s.st.Signals.Revision, BreakoutSet: originSet{Name: s.source.Set, UID: s.source.UID}}
}

type breakoutRoomData struct {
	Message       string          `json:"message"`
	BreakoutRooms json.RawMessage `json:"breakoutRooms"`
	origin
	Page *page `json:"page,omitempty"`
}

type page struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// envelope is how many bytes of a breakout-room signal's data are not the list.
func (s *Script) envelope(message string) int {
	return len(encode(breakoutRoomData{Message: message, BreakoutRooms: json.RawMessage("0"), origin: s.origin(), Page: &page{9999, 9999}}))
}

func (s *Script) breakoutRoom(message string, pages [][]byte) []Signal {
	signals := make([]Signal, len(pages))
	for i, p := range pages {
		data := breakoutRoomData{Message: message, BreakoutRooms: p, origin: s.origin()}
		if len(pages) > 1 {
			data.Page = &page{Index: i + 1, Count: len(pages)}
		}
		signals[i] = Signal{Type: TypeBreakoutRoom, Data: string(encode(data))}
	}
	return signals
}

type timerData struct {
	EndTime        int64   `json:"endTime"`
	Period         float64 `json:"period"`
	CountDownTimer int32   `json:"countDownTimer"`
	IsManualReturn bool    `json:"isManualReturn"`
	origin
}

// timer is the data of a count-down-timer signal. A running countdown cannot be dropped at once: the sample app's client survives `{}` only
// when none runs. So it is first replaced by one that ends in a few seconds and does nothing then.
func (s *Script) timer(step Step) string {
	data := timerData{origin: s.origin()}
	switch t := s.st.Timer; {
	case step.Kind == StepTimerCleared || (step.Kind == StepTimerSet && t == nil):
		return "{}"
	case step.Kind == StepTimerClear:
		data.EndTime, data.IsManualReturn = s.now.Add(clearLasts).UnixMilli(), true
	default:
		data.EndTime = t.EndTime.UnixMilli()
		data.Period = float64(t.DurationSeconds) / 60
		data.CountDownTimer = t.WarningSeconds
		data.IsManualReturn = t.ReturnMode == v1alpha1.ReturnManual
	}
	return string(encode(data))
}

// Participant is somebody as the sample app's signals and connection data show them.
type Participant struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	IsCohost bool   `json:"isCohost"`
}

// ParticipantOf is how the sample app's client knows somebody of a name and role. A participant's name is their identity.
func ParticipantOf(name v1alpha1.ParticipantName, role v1alpha1.ParticipantRole) Participant {
	p := Participant{ID: string(name), Name: string(name), Role: "participant", IsCohost: role == v1alpha1.RoleCoHost}
	if role == v1alpha1.RoleHost {
		p.Role = "moderator"
	}
	return p
}

// participants is the data of an update-participant signal: everybody while that fits, else those whose role changed, in as many signals as
// they need.
func (s *Script) participants() []Signal {
	v := Planned(s.st)
	roles := leaders(v)
	encoded := func(names []personName) [][]byte {
		list := make([][]byte, len(names))
		for i, n := range names {
			list[i] = encode(ParticipantOf(n, roles[n]))
		}
		return list
	}
	if all := packed(encoded(v.people()), MaxDataBytes); len(all) == 1 {
		return []Signal{{Type: TypeUpdateParticipant, Data: string(all[0])}}
	}
	changed := slices.DeleteFunc(slices.Clone(s.st.Signals.Pending.Roles), func(n personName) bool { return !slices.Contains(v.people(), n) })
	var signals []Signal
	for _, data := range packed(encoded(changed), MaxDataBytes) {
		signals = append(signals, Signal{Type: TypeUpdateParticipant, Data: string(data)})
	}
	return signals
}

// packed is the elements as JSON arrays of at most so many bytes.
func packed(elements [][]byte, most int) [][]byte {
	var arrays [][]byte
	current := []byte{'['}
	for _, e := range elements {
		if len(current)+len(e)+2 > most && len(current) > 1 {
			arrays = append(arrays, append(current, ']'))
			current = []byte{'['}
		}
		if len(current) > 1 {
			current = append(current, ',')
		}
		current = append(current, e...)
	}
	return append(arrays, append(current, ']'))
}

// listed is one room as a message shows it: who is known to be there, and whom the message sends there.
type listed struct {
	id, name, sessionID string
	room                roomName
	max                 int32
	members, assigned   []personName
}

// roomsAfter is the list as it is after step i: the main room, the rooms known by then, and the doomed ones until they are removed.
func (s *Script) roomsAfter(i int) []*listed {
	p := s.st.Signals.Pending
	rooms := []*listed{{id: s.source.MeetingRoom, name: s.st.MainDisplayName, sessionID: s.st.MainSessionID, room: mainRoom}}
	index := map[roomName]*listed{mainRoom: rooms[0]}
	list := func(r v1alpha1.BreakoutRoomStatus) {
		if index[r.Name] == nil {
			l := &listed{id: r.MeetingRoomName, name: r.DisplayName, sessionID: r.SessionID, room: r.Name, max: r.MaxParticipants}
			index[r.Name] = l
			rooms = append(rooms, l)
		}
	}
	edited, removed := s.steps[i].Kind == StepEdited, slices.ContainsFunc(s.steps[:i+1], func(t Step) bool { return t.Kind == StepRemoved })
	for _, r := range s.st.Rooms {
		if !edited || !slices.Contains(p.Added, r.Name) || slices.Contains(p.Edited, r.Name) { // both: it was known, and is back again
			list(r)
		}
	}
	if !removed {
		for _, r := range p.Removed {
			list(r)
		}
	}
	s.seat(i, index)
	return rooms
}

// seat puts everybody where they are after step i: whoever is still to be told is where they were.
func (s *Script) seat(i int, index map[roomName]*listed) {
	untold := map[personName]roomName{}
	for _, m := range s.st.Signals.Pending.Moved {
		untold[m.Participant] = m.From
	}
	for _, step := range s.steps[:i] {
		for _, n := range step.Moves {
			delete(untold, n)
		}
	}
	sent := map[personName]bool{}
	for _, n := range s.steps[i].Moves {
		sent[n] = s.steps[i].Kind != StepRemoved // a removal sends people back without naming them
		delete(untold, n)
	}
	places := Planned(s.st).Places()
	for _, n := range Planned(s.st).people() {
		place, waits := untold[n]
		if !waits {
			place = orMain(places[n])
		}
		l := index[place]
		if l == nil {
			l = index[mainRoom]
		}
		if sent[n] {
			l.assigned = append(l.assigned, n)
		} else {
			l.members = append(l.members, n)
		}
	}
}

// encode is JSON as browsers write it: keys in the order given, nothing escaped that need not be.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only types of this package come here, all of which have a JSON form
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
