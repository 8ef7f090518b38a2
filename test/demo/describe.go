// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// The types of the signals that people should hear of by name; that of all others is their name.
const (
	typeBreakoutRoom      = "breakout-room"
	typeCountDownTimer    = "count-down-timer"
	typeUpdateParticipant = "update-participant"
	typeMessage           = "message"
	typeRaiseHand         = "raise-hand"
)

// roomList is what a breakout-room signal says, read independently of the operator's code.
type roomList struct {
	Message       string       `json:"message"`
	BreakoutRooms []listedRoom `json:"breakoutRooms"`
	Revision      int64        `json:"revision"`
	BreakoutSet   struct {
		UID string `json:"uid"`
	} `json:"breakoutSet"`
	Page *struct {
		Index int `json:"index"`
		Count int `json:"count"`
	} `json:"page"`
}

// listedRoom is a room of such a list.
type listedRoom struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	MainRoomID     *string  `json:"mainRoomId"`
	Member         []string `json:"member"`
	MemberAssigned []string `json:"memberAssigned"`
}

// sends is where the message sends somebody: the rooms that have them assigned.
func (l roomList) sends(name string) []listedRoom {
	return slices.DeleteFunc(slices.Clone(l.BreakoutRooms), func(r listedRoom) bool { return !slices.Contains(r.MemberAssigned, name) })
}

// joinPages puts the pages of one message together, in whatever order they came. It fails when they are not the pages of one message, each once.
func joinPages(pages []roomList) (roomList, error) {
	if len(pages) == 0 {
		return roomList{}, errors.New("there is no page")
	}
	whole := roomList{Message: pages[0].Message, Revision: pages[0].Revision, BreakoutSet: pages[0].BreakoutSet}
	for i := range pages {
		at := slices.IndexFunc(pages, func(p roomList) bool { return p.Page != nil && p.Page.Index == i+1 })
		if at < 0 {
			return whole, fmt.Errorf("of %d pages number %d is missing", len(pages), i+1)
		}
		p := pages[at]
		if p.Page.Count != len(pages) || p.Message != whole.Message || p.Revision != whole.Revision || p.BreakoutSet != whole.BreakoutSet {
			return whole, fmt.Errorf("page %d of %d is one of %q, of %d pages and of revision %d; there are %d of %q, %d", p.Page.Index, p.Page.Count,
				p.Message, p.Page.Count, p.Revision, len(pages), whole.Message, whole.Revision)
		}
		for _, r := range p.BreakoutRooms {
			known := slices.IndexFunc(whole.BreakoutRooms, func(k listedRoom) bool { return k.ID == r.ID })
			if known < 0 {
				whole.BreakoutRooms = append(whole.BreakoutRooms, r)
				continue
			}
			k := &whole.BreakoutRooms[known]
			k.Member, k.MemberAssigned = slices.Concat(k.Member, r.Member), slices.Concat(k.MemberAssigned, r.MemberAssigned)
		}
	}
	return whole, nil
}

// signalName is what a signal is called here: the message of a breakout-room signal, else its type.
func signalName(typ, data string) string {
	if typ != typeBreakoutRoom {
		return typ
	}
	var list roomList
	if json.Unmarshal([]byte(data), &list) != nil || list.Message == "" {
		return typ + " (not readable)"
	}
	return list.Message
}

// describe is a signal for people: its name and what they need to know of its content, on lines of their own where it is much.
func describe(typ, data string) string {
	name := signalName(typ, data)
	var detail string
	switch typ {
	case typeBreakoutRoom:
		detail = describeRooms(data)
	case typeCountDownTimer:
		detail = describeTimer(data)
	case typeUpdateParticipant:
		detail = describeLeaders(data)
	case typeMessage:
		var m struct {
			Sender struct{ Name string }
			Text   string
		}
		_ = json.Unmarshal([]byte(data), &m) // an unreadable one has nothing to be shown
		detail = fmt.Sprintf("%s: “%s”", m.Sender.Name, m.Text)
	case typeRaiseHand:
		var m struct {
			Name     string
			FromRoom struct{ Name string }
		}
		_ = json.Unmarshal([]byte(data), &m)
		detail = fmt.Sprintf("%s in %s", m.Name, m.FromRoom.Name)
	}
	switch {
	case detail == "":
		return name
	case strings.HasPrefix(detail, "\n"):
		return name + ":" + detail
	default:
		return name + ": " + detail
	}
}

func describeRooms(data string) string {
	var list roomList
	if json.Unmarshal([]byte(data), &list) != nil {
		return ""
	}
	var sent, rooms []string
	people := 0
	for i, r := range list.BreakoutRooms {
		if len(r.MemberAssigned) > 0 {
			sent = append(sent, "\n"+strings.Join(r.MemberAssigned, ", ")+" → "+r.Name)
			people += len(r.MemberAssigned)
		}
		if i > 0 {
			rooms = append(rooms, r.Name)
		}
	}
	detail := strings.Join(sent, "")
	switch {
	case len(sent) == 0:
		detail = some(rooms, fewRooms)
	case len(sent) > fewNames:
		detail = fmt.Sprintf("%d people → %d rooms", people, len(sent))
	}
	if list.Page != nil {
		detail += fmt.Sprintf(" (page %d of %d)", list.Page.Index, list.Page.Count)
	}
	return detail
}

func describeTimer(data string) string {
	var t wireTimer
	if json.Unmarshal([]byte(data), &t) != nil {
		return ""
	}
	if t.EndTime == 0 {
		return "none"
	}
	detail := "ends at " + time.UnixMilli(t.EndTime).Format(time.TimeOnly)
	switch {
	case t.Period == 0:
		detail += " and does nothing then"
	case t.IsManualReturn:
		detail += ", nobody goes back by themselves"
	}
	return detail
}

// wireTimer is what a count-down-timer signal says, read independently of the operator's code.
type wireTimer struct {
	EndTime        int64   `json:"endTime"`
	Period         float64 `json:"period"`
	CountDownTimer int     `json:"countDownTimer"`
	IsManualReturn bool    `json:"isManualReturn"`
}

// timerName is what a count-down-timer signal of a set that was opened at a time is called here, where its content matters.
func timerName(data string, opened time.Time) string {
	var t wireTimer
	if json.Unmarshal([]byte(data), &t) != nil {
		return typeCountDownTimer + " (not readable)"
	}
	length := time.UnixMilli(t.EndTime).Sub(opened)
	switch {
	case data == "{}":
		return typeCountDownTimer + " (none)"
	case t.Period == 0 && t.IsManualReturn:
		return typeCountDownTimer + " (ends and does nothing)"
	case math.Round(t.Period*60) != length.Seconds():
		return fmt.Sprintf("%s (ends after %s, says %v minutes)", typeCountDownTimer, length, t.Period)
	case t.IsManualReturn:
		return fmt.Sprintf("%s (%s, shown for the last %d s, manual return)", typeCountDownTimer, length, t.CountDownTimer)
	default:
		return fmt.Sprintf("%s (%s, shown for the last %d s)", typeCountDownTimer, length, t.CountDownTimer)
	}
}

func describeLeaders(data string) string {
	var people []struct {
		Name, Role string
		IsCohost   bool
	}
	if json.Unmarshal([]byte(data), &people) != nil {
		return ""
	}
	var leaders []string
	for _, p := range people {
		switch {
		case p.IsCohost:
			leaders = append(leaders, p.Name+" (co-host)")
		case p.Role == "moderator":
			leaders = append(leaders, p.Name+" (host)")
		}
	}
	return strings.Join(leaders, ", ")
}

// names lists names for people, in order; all of them if there are no others.
func names(of []string, all int) string {
	if len(of) == all && all > 3 {
		return fmt.Sprintf("all %d", all)
	}
	return strings.Join(of, ", ")
}
