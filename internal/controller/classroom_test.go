// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim"
)

// classroom is a world with a meeting that is ready: a host, a co-host, students, and a browser of each connected to
// the main room.
type classroom struct {
	*world
	main     *v1alpha1.MeetingRoom
	browsers map[string]*simulator.Client // in the main room, by name
}

// newClassroom makes a classroom whose main room is called "class".
func newClassroom(students ...string) *classroom {
	GinkgoHelper()
	w := newWorld()
	w.makeAccount("default", asDefault)
	c := &classroom{world: w, browsers: map[string]*simulator.Client{}}
	c.main = w.makeReadyRoom("class", func(r *v1alpha1.MeetingRoom) {
		r.Spec.DisplayName = "Class"
		r.Spec.Participants = []v1alpha1.Participant{
			{Name: "Host", Role: v1alpha1.RoleHost}, {Name: "Co", Role: v1alpha1.RoleCoHost},
		}
		for _, s := range students {
			r.Spec.Participants = append(r.Spec.Participants, v1alpha1.Participant{Name: v1alpha1.ParticipantName(s)})
		}
	})
	for _, p := range c.main.Spec.Participants {
		c.browsers[string(p.Name)] = w.connect(tokenOf(c.main, string(p.Name)).Token)
	}
	return c
}

// makeSet makes a set for the class and does not wait.
func (c *classroom) makeSet(name string, changes ...func(*v1alpha1.BreakoutSet)) *v1alpha1.BreakoutSet {
	GinkgoHelper()
	set := &v1alpha1.BreakoutSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: sim.Namespace, Name: name},
		Spec: v1alpha1.BreakoutSetSpec{
			MeetingRoomRef: v1alpha1.LocalObjectReference{Name: c.main.Name}, CloseGraceSeconds: new(int32(10)),
		},
	}
	for _, change := range changes {
		change(set)
	}
	c.Create(set)
	return set
}

// open makes a set and waits until it is open and everybody was sent its rooms.
func (c *classroom) open(name string, change ...func(*v1alpha1.BreakoutSet)) *v1alpha1.BreakoutSet {
	GinkgoHelper()
	set := c.makeSet(name, change...)
	c.waitReady(set)
	Expect(set.Status.State).To(Equal(v1alpha1.StateOpen))
	return set
}

// withMode gives a set a mode and placements, such as "Ada=red".
func withMode(mode v1alpha1.BreakoutSetMode, placements ...string) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) {
		set.Spec.Assignment = &v1alpha1.AssignmentSpec{Mode: mode}
		for _, p := range placements {
			name, room, _ := strings.Cut(p, "=")
			set.Spec.Assignment.Placements = append(set.Spec.Assignment.Placements,
				v1alpha1.Placement{Participant: v1alpha1.ParticipantName(name), Room: v1alpha1.BreakoutRoomName(room)})
		}
	}
}

// room is the MeetingRoom of a breakout room, as it is now.
func (c *classroom) room(set, name string) *v1alpha1.MeetingRoom {
	GinkgoHelper()
	return refresh(c, &v1alpha1.MeetingRoom{
		ObjectMeta: metav1.ObjectMeta{Namespace: sim.Namespace, Name: set + "-" + name},
	})
}

// enter has a participant's browser go from the main room to a breakout room, with the token of that room's status.
func (c *classroom) enter(set, room, participant string) *simulator.Client {
	GinkgoHelper()
	token := tokenOf(c.room(set, room), participant)
	Expect(token).NotTo(BeNil(), "%s has no token for %s", participant, room)
	c.browsers[participant].Disconnect()
	return c.connect(token.Token)
}

// placesOf is who the set's status says is where: "red: Ada, Ben; blue: Cleo".
func placesOf(set *v1alpha1.BreakoutSet) string {
	var rooms []string
	for _, r := range set.Status.Rooms {
		names := make([]string, len(r.Participants))
		for i, p := range r.Participants {
			names[i] = string(p)
		}
		rooms = append(rooms, string(r.Name)+": "+strings.Join(names, ", "))
	}
	return strings.Join(rooms, "; ")
}

// signalData is the data of any of the sample app's signals that are objects.
type signalData struct {
	Message       string `json:"message"`
	BreakoutRooms []struct {
		ID             string   `json:"id"`
		Name           string   `json:"name"`
		SessionID      string   `json:"sessionId"`
		Member         []string `json:"member"`
		MemberAssigned []string `json:"memberAssigned"`
	} `json:"breakoutRooms"`
	EndTime        *int64 `json:"endTime"`
	Period         any    `json:"period"`
	CountDownTimer int    `json:"countDownTimer"`
	IsManualReturn bool   `json:"isManualReturn"`
	Revision       int64  `json:"revision"`
}

// received is what a browser received, in order, each signal as a line: `roomAdded Class(Host Co) red(Ada) blue()`,
// where `>Ada` is sent there by this signal; `timer 15m to 14m50s, warning 30s` or `timer withdrawn`; `roles Host=host
// Co=co-host Ada`; else type and data.
func (c *classroom) received(browser *simulator.Client) []string {
	GinkgoHelper()
	lines := []string{}
	for _, s := range browser.Signals() {
		lines = append(lines, c.line(s.Type, s.Data))
	}
	return lines
}

// receives waits until what a browser received matches.
func (c *classroom) receives(browser *simulator.Client, matcher OmegaMatcher) {
	GinkgoHelper()
	eventually(c, func() []string { return c.received(browser) }, matcher)
}

// receivesAfter is receives without the first so many of what it received.
func (c *classroom) receivesAfter(n int, browser *simulator.Client, matcher OmegaMatcher) {
	GinkgoHelper()
	eventually(c, func() []string { return c.received(browser)[min(n, len(c.received(browser))):] }, matcher)
}

func (c *classroom) line(typ, data string) string {
	GinkgoHelper()
	var d signalData
	if strings.HasPrefix(data, "{") {
		Expect(json.Unmarshal([]byte(data), &d)).To(Succeed(), data)
	}
	switch typ {
	case "breakout-room":
		line := d.Message
		for _, r := range d.BreakoutRooms {
			people := append([]string{}, r.Member...)
			for _, p := range r.MemberAssigned {
				people = append(people, ">"+p)
			}
			line += fmt.Sprintf(" %s(%s)", r.Name, strings.Join(people, " "))
		}
		return line
	case "count-down-timer":
		Expect(d.EndTime).NotTo(BeNil(), data)
		Expect(d.IsManualReturn).To(BeTrue(), data) // pages never go back by themselves
		left := time.Until(time.UnixMilli(*d.EndTime)).Round(time.Second)
		if d.Period == withdrawnPeriod {
			Expect(left).To(BeNumerically(">", 360*24*time.Hour), data)
			Expect(d.CountDownTimer).To(BeZero(), data)
			return "timer withdrawn"
		}
		return fmt.Sprintf("timer %vm to %s, warning %ds", d.Period, left, d.CountDownTimer)
	case "update-participant":
		return rolesLine(data)
	default:
		return typ + " " + data
	}
}

// withdrawnPeriod is what a countdown that was withdrawn shows as the minutes that are left.
const withdrawnPeriod = "more than 1000"

// rolesLine is the data of an update-participant signal as a line.
func rolesLine(data string) string {
	GinkgoHelper()
	var people []struct {
		ID, Name, Role string
		IsCohost       bool
	}
	Expect(json.Unmarshal([]byte(data), &people)).To(Succeed(), data)
	line := "roles"
	for _, p := range people {
		Expect(p.ID).To(Equal(p.Name))
		switch line += " " + p.Name; {
		case p.Role == "moderator":
			line += "=host"
		case p.IsCohost:
			line += "=co-host"
		}
	}
	return line
}

// waitState waits until a set's state is that.
func (c *classroom) waitState(set *v1alpha1.BreakoutSet, state v1alpha1.BreakoutSetState) {
	GinkgoHelper()
	eventually(c, func() v1alpha1.BreakoutSetState { return refresh(c, set).Status.State }, Equal(state))
}

// onTheSecond lets time go on to a whole second, since times in objects have no fractions, and returns it.
func (c *classroom) onTheSecond() time.Time {
	c.Pass(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	return time.Now()
}

// openingAt gives a set a time to open.
func openingAt(t time.Time) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) { set.Spec.OpenAt = &metav1.Time{Time: t} }
}

// resend asks for everything to be sent again.
func resend(value string) func(*v1alpha1.BreakoutSet) {
	return func(set *v1alpha1.BreakoutSet) {
		metav1.SetMetaDataAnnotation(&set.ObjectMeta, v1alpha1.ResendAnnotation, value)
	}
}

// rounds is for how long those who are on the move are sent messages again, and a little longer.
const rounds = 31 * time.Second

// lagging are the rooms whose sessions have not had the present state.
func lagging(set *v1alpha1.BreakoutSet) []v1alpha1.BreakoutRoomName {
	rooms := []v1alpha1.BreakoutRoomName{}
	for _, e := range breakout.Lagging(&set.Status) {
		rooms = append(rooms, e.Room)
	}
	return rooms
}

// messageOf is the message of an object's condition.
func messageOf(obj sim.Conditioned, condition string) string {
	GinkgoHelper()
	c := meta.FindStatusCondition(obj.GetConditions(), condition)
	Expect(c).NotTo(BeNil())
	return c.Message
}

// changesOf is how often everybody's page has changed rooms, by name.
func (c *classroom) changesOf() map[string]int {
	changes := map[string]int{}
	for name, p := range c.People {
		changes[name] = p.Page.Changes()
	}
	return changes
}

// inRooms is the name of the breakout room in which each page takes itself to be, "" for the main room; that everybody
// is
// where the status says is judged beside.
func (c *classroom) inRooms() map[string]string {
	GinkgoHelper()
	c.JudgePlaces()
	rooms := map[string]string{}
	for name, p := range c.People {
		Expect(p.Page.Busy()).To(BeFalse(), name)
		rooms[name] = p.Page.Room()
	}
	return rooms
}

// closed wants a set closed.
func closed(set *v1alpha1.BreakoutSet) { set.Spec.State = v1alpha1.DesiredClosed }

var originFields = regexp.MustCompile(`,"revision":\d+,"breakoutSet":\{[^}]*\}`)

// countdowns are the data of the count-down-timer signals that a browser received, without the operator's own fields.
func countdowns(browser *simulator.Client) []string {
	data := []string{}
	for _, s := range browser.Signals() {
		if s.Type == "count-down-timer" {
			data = append(data, originFields.ReplaceAllString(s.Data, ""))
		}
	}
	return data
}

// countdown is the data of a count-down-timer signal as the sample app sends it.
func countdown(end time.Time, minutes, warning int) string {
	return fmt.Sprintf(`{"endTime":%d,"period":%d,"countDownTimer":%d,"isManualReturn":true}`, end.UnixMilli(), minutes,
		warning)
}

// withdrawn matches the data of a count-down-timer signal that withdraws a countdown: it ends a year after that time.
func withdrawn(at time.Time) string {
	return fmt.Sprintf(`{"endTime":%d,"period":"more than 1000","countDownTimer":0,"isManualReturn":true}`,
		at.AddDate(1, 0, 0).Truncate(time.Second).UnixMilli())
}

// revisionsOf are the revisions of the signals that a browser received and that carry one.
func revisionsOf(browser *simulator.Client) []int64 {
	GinkgoHelper()
	var revisions []int64
	for _, s := range browser.Signals() {
		if !strings.HasPrefix(s.Data, "{") {
			continue
		}
		var d signalData
		Expect(json.Unmarshal([]byte(s.Data), &d)).To(Succeed())
		revisions = append(revisions, d.Revision)
	}
	return revisions
}

// makeSignal makes a RoomSignal and does not wait.
func (c *classroom) makeSignal(name string, change ...func(*v1alpha1.RoomSignal)) *v1alpha1.RoomSignal {
	GinkgoHelper()
	signal := &v1alpha1.RoomSignal{ObjectMeta: metav1.ObjectMeta{Namespace: sim.Namespace, Name: name}}
	for _, f := range change {
		f(signal)
	}
	c.Create(signal)
	return signal
}

// toRoom sends a signal to a meeting room, toSet to all rooms of a set, or to some.
func toRoom(name string) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) { s.Spec.MeetingRoomRef = &v1alpha1.LocalObjectReference{Name: name} }
}

func toSet(name string, rooms ...v1alpha1.BreakoutRoomName) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) {
		s.Spec.BreakoutSetRef, s.Spec.Rooms = &v1alpha1.LocalObjectReference{Name: name}, rooms
	}
}

// saying gives a signal a message, custom data of the user's own.
func saying(from, text string) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) {
		s.Spec.Message = &v1alpha1.Message{From: v1alpha1.ParticipantName(from), Text: text}
	}
}

func custom(typ, data string) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) { s.Spec.Custom = &v1alpha1.CustomSignal{Type: typ, Data: data} }
}

// recalling has a signal send people to where they belong by a set.
func recalling(set string, participants ...v1alpha1.ParticipantName) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) {
		toSet(set)(s)
		s.Spec.Recall = &v1alpha1.Recall{Participants: participants}
	}
}

// within gives a signal a deadline.
func within(seconds int32) func(*v1alpha1.RoomSignal) {
	return func(s *v1alpha1.RoomSignal) { s.Spec.DeadlineSeconds = &seconds }
}

// deliveriesOf is what became of a signal, room by room: "main: Accepted 1; red: Pending 3", with the attempts.
func deliveriesOf(signal *v1alpha1.RoomSignal) string {
	var all []string
	for _, d := range signal.Status.Deliveries {
		all = append(all, fmt.Sprintf("%s: %s %d", d.Room, d.Result, d.Attempts))
	}
	return strings.Join(all, "; ")
}

// textsOf are the texts of the messages, and the data of the custom signals, that a browser received.
func textsOf(browser *simulator.Client) []string {
	GinkgoHelper()
	texts := []string{}
	for _, s := range browser.Signals() {
		switch s.Type {
		case "breakout-room", "count-down-timer", "update-participant":
		case "message":
			var d struct {
				Text string `json:"text"`
			}
			Expect(json.Unmarshal([]byte(s.Data), &d)).To(Succeed())
			texts = append(texts, d.Text)
		default:
			texts = append(texts, s.Data)
		}
	}
	return texts
}
