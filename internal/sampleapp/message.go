// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// Types of the signals that the sample app's browser client understands.
const (
	TypeBreakoutRoom      = "breakout-room"
	TypeCountDownTimer    = "count-down-timer"
	TypeMessage           = "message"
	TypeRaiseHand         = "raise-hand"
	TypeUpdateParticipant = "update-participant"
)

// maxLength is how long the data of a signal may be, see encodedLength. Vonage documents 8 kB; its JavaScript SDK
// counts 8192 characters of the data as a JSON string, and whether the server counts so too is not known.
const maxLength = 8000

// TooLarge tells whether the vendor refuses a signal for its length, however it counts. One that is less may be refused
// as well.
func (s Signal) TooLarge() bool { return len(s.Data) > maxLength }

// encodedLength is how long data is as a JSON string, quotes included, as JSON.stringify makes it; in bytes, which are
// no fewer than its characters.
func encodedLength(data []byte) int {
	return len(data) + bytes.Count(data, []byte{'"'}) + bytes.Count(data, []byte{'\\'}) + len(`""`)
}

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

// Composer turns the messages of one state of a set into signals. It is safe for concurrent use.
type Composer struct {
	source Source
	st     *v1alpha1.BreakoutSetStatus
	view   breakout.View
	places breakout.Places
	roles  map[personName]v1alpha1.ParticipantRole
	rooms  map[roomName]encodedRoom // with all who belong there as members
	names  map[personName][]byte
	length int // of all rooms with all names
}

// NewComposer prepares the messages of a status.
func NewComposer(source Source, st *v1alpha1.BreakoutSetStatus) *Composer {
	v := breakout.Planned(st)
	c := &Composer{
		source: source, st: st, view: v, places: v.Places(), roles: map[personName]v1alpha1.ParticipantRole{},
		rooms: map[roomName]encodedRoom{}, names: map[personName][]byte{},
	}
	for _, name := range v.Hosts {
		c.roles[name] = v1alpha1.RoleHost
	}
	for _, name := range v.CoHosts {
		c.roles[name] = v1alpha1.RoleCoHost
	}
	for _, name := range v.People() {
		c.names[name] = encode(string(name))
	}
	main := v1alpha1.BreakoutRoomStatus{
		Name:            mainRoom,
		DisplayName:     st.MainDisplayName,
		MeetingRoomName: source.MeetingRoom,
		SessionID:       st.MainSessionID,
		Participants:    v.MainParticipants,
	}
	for _, r := range slices.Concat([]v1alpha1.BreakoutRoomStatus{main}, v.Rooms, v.Leaving) {
		e := encodedRoom{room: r.Name, head: encodeHead(source.MeetingRoom, r)}
		for _, name := range r.Participants {
			e.members = append(e.members, c.names[name])
		}
		c.rooms[r.Name] = e
		c.length += emptyLength(e) + lengthOf(e.members) + len(",")
	}
	return c
}

// Signals are the signals of a message to the session of one room: the pages of a list, or one. now is what the time
// that is left is counted from.
func (c *Composer) Signals(room v1alpha1.BreakoutRoomName, step Step, now time.Time) []Signal {
	switch step.Kind {
	case v1alpha1.SignalCountdown:
		return []Signal{{Type: TypeCountDownTimer, Data: c.timer(step, now)}}
	case v1alpha1.SignalRoles:
		return c.participants()
	default:
		message := messages[step.Kind]
		if step.Kind == v1alpha1.SignalRemoval && len(c.view.Rooms) == 0 {
			return c.breakoutRoom("allRoomRemoved", step, [][]byte{[]byte("[]")})
		}
		return c.breakoutRoom(message, step, c.pages(room, step, maxLength-c.envelope(message, step)))
	}
}

// messages are the client's names of the messages that carry a list.
var messages = map[v1alpha1.SignalKind]string{
	v1alpha1.SignalRooms:   "roomEdited",
	v1alpha1.SignalOpening: "roomCreated (automatic)",
	v1alpha1.SignalAdded:   "roomAdded",
	v1alpha1.SignalMoves:   "participantMoved",
	v1alpha1.SignalRemoval: "roomRemoved",
	v1alpha1.SignalPrompt:  "roomCreated (chooseroom)",
}

// origin is whose signals they are. A repetition has a greater revision: the client does not act on a text that equals
// the one before.
func (c *Composer) origin(step Step) origin {
	revision := c.st.Signals.Revision + int64(step.Round)
	return origin{Revision: revision, BreakoutSet: originSet{Name: c.source.Set, UID: c.source.UID}}
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

// envelope is how long a breakout-room signal's data is without the list.
func (c *Composer) envelope(message string, step Step) int {
	return encodedLength(
		encode(
			breakoutRoomData{
				Message:       message,
				BreakoutRooms: json.RawMessage("0"),
				origin:        c.origin(step),
				Page:          &page{9999, 9999},
			},
		),
	)
}

func (c *Composer) breakoutRoom(message string, step Step, pages [][]byte) []Signal {
	signals := make([]Signal, len(pages))
	for i, p := range pages {
		data := breakoutRoomData{Message: message, BreakoutRooms: p, origin: c.origin(step)}
		if len(pages) > 1 {
			data.Page = &page{Index: i + 1, Count: len(pages)}
		}
		signals[i] = Signal{Type: TypeBreakoutRoom, Data: string(encode(data))}
	}
	return signals
}

type timerData struct {
	EndTime        int64 `json:"endTime"`
	Period         any   `json:"period"`
	CountDownTimer int32 `json:"countDownTimer"`
	IsManualReturn bool  `json:"isManualReturn"`
	origin
}

// timer is the data of a count-down-timer signal. The client shows period as the minutes that are left, as it is. An
// empty object, which is to end a countdown, breaks pages that count; one that ends in a year does not. Pages never go
// back by themselves: those that do miss what they are sent then.
func (c *Composer) timer(step Step, now time.Time) string {
	t := c.st.Timer
	data := timerData{
		EndTime:        t.EndTime.UnixMilli(),
		Period:         "more than 1000",
		IsManualReturn: true,
		origin:         c.origin(step),
	}
	if t.DurationSeconds > 0 {
		data.Period = max(0, int64((t.EndTime.Sub(now)+time.Minute-1)/time.Minute))
		data.CountDownTimer = t.WarningSeconds
	}
	return string(encode(data))
}

// participants are the update-participant signals: everybody, on as many as that takes.
func (c *Composer) participants() []Signal {
	var people [][]byte
	for _, name := range c.view.People() {
		people = append(people, encode(ParticipantOf(name, c.roles[name])))
	}
	var signals []Signal
	for _, data := range packed(people, maxLength) {
		signals = append(signals, Signal{Type: TypeUpdateParticipant, Data: string(data)})
	}
	return signals
}

// Participant is somebody as the sample app's signals and connection data show them.
type Participant struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Role     string `json:"role"`
	IsCohost bool   `json:"isCohost"`
}

// ParticipantOf is how the sample app's client knows somebody of a name and role. A participant's name is their
// identity.
func ParticipantOf(name v1alpha1.ParticipantName, role v1alpha1.ParticipantRole) Participant {
	p := Participant{ID: string(name), Name: string(name), Role: "participant", IsCohost: role == v1alpha1.RoleCoHost}
	if role == v1alpha1.RoleHost {
		p.Role = "moderator"
	}
	return p
}

// packed is the elements as JSON arrays of at most such a length.
func packed(elements [][]byte, most int) [][]byte {
	var arrays [][]byte
	current := []byte{'['}
	for _, e := range elements {
		if encodedLength(current)+encodedLength(e) > most && len(current) > 1 {
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
