// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
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
	Message       string `json:"message"`
	BreakoutRooms []struct {
		Name           string   `json:"name"`
		MainRoomID     *string  `json:"mainRoomId"`
		Member         []string `json:"member"`
		MemberAssigned []string `json:"memberAssigned"`
	} `json:"breakoutRooms"`
	Page *struct {
		Index int `json:"index"`
		Count int `json:"count"`
	} `json:"page"`
}

// sends is where the message sends somebody: the names of the rooms that have them assigned.
func (l roomList) sends(name string) []string {
	var rooms []string
	for _, r := range l.BreakoutRooms {
		if slices.Contains(r.MemberAssigned, name) {
			rooms = append(rooms, r.Name)
		}
	}
	return rooms
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
	for i, r := range list.BreakoutRooms {
		if len(r.MemberAssigned) > 0 {
			sent = append(sent, "\n"+strings.Join(r.MemberAssigned, ", ")+" → "+r.Name)
		}
		if i > 0 {
			rooms = append(rooms, r.Name)
		}
	}
	detail := strings.Join(sent, "")
	if len(sent) == 0 {
		detail = strings.Join(rooms, ", ")
	}
	if list.Page != nil {
		detail += fmt.Sprintf(" (page %d of %d)", list.Page.Index, list.Page.Count)
	}
	return detail
}

func describeTimer(data string) string {
	var t struct {
		EndTime        int64 `json:"endTime"`
		IsManualReturn bool  `json:"isManualReturn"`
	}
	if json.Unmarshal([]byte(data), &t) != nil {
		return ""
	}
	if t.EndTime == 0 {
		return "none"
	}
	detail := "ends at " + time.UnixMilli(t.EndTime).Format(time.TimeOnly)
	if t.IsManualReturn {
		detail += ", nobody goes back by themselves"
	}
	return detail
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
