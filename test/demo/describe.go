// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/breakout-operator/breakout-operator/test/conformance/browser"
)

// The types of the signals that matter here by name; that of all others is their name.
const (
	typeBreakoutRoom      = "breakout-room"
	typeCountDownTimer    = "count-down-timer"
	typeUpdateParticipant = "update-participant"
	typeMessage           = "message"
	typeRaiseHand         = "raise-hand"
)

// signalName is what a signal is called here: the message of a breakout-room signal, else its type.
func signalName(typ, data string) string {
	if typ != typeBreakoutRoom {
		return typ
	}
	var list browser.RoomList
	if json.Unmarshal([]byte(data), &list) != nil || list.Message == "" {
		return typ + " (not readable)"
	}
	return list.Message
}

// describe is a signal for people: its name and what they need to know of its content, on lines of their own where it
// is much.
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
	var list browser.RoomList
	if json.Unmarshal([]byte(data), &list) != nil {
		return ""
	}
	var sent, rooms []string
	people := 0
	for i, r := range list.BreakoutRooms {
		if len(r.MemberAssigned) > 0 {
			sent = append(sent, "\n"+some(r.MemberAssigned, fewNames)+" → "+r.Name)
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
	detail := "ends at " + time.UnixMilli(t.EndTime).Format(time.TimeOnly)
	switch _, counts := t.minutes(); {
	case data == "{}":
		return "none"
	case !counts:
		return "ends in a year"
	case !t.IsManualReturn:
		detail += ", pages go back by themselves"
	}
	return detail
}

// wireTimer is what a count-down-timer signal says, read independently of the operator's code.
type wireTimer struct {
	EndTime        int64 `json:"endTime"`
	Period         any   `json:"period"`
	CountDownTimer int   `json:"countDownTimer"`
	IsManualReturn bool  `json:"isManualReturn"`
}

// minutes is how many minutes are left, which browsers show as they are; false where that is no number.
func (t wireTimer) minutes() (float64, bool) {
	minutes, is := t.Period.(float64)
	return minutes, is
}

// timerName is what a count-down-timer signal, received at a time, of a set that was opened at another is called here,
// where its content matters.
func timerName(data string, at, opened time.Time) string {
	var t wireTimer
	if json.Unmarshal([]byte(data), &t) != nil {
		return typeCountDownTimer + " (not readable)"
	}
	end := time.UnixMilli(t.EndTime)
	minutes, counts := t.minutes()
	switch {
	case data == "{}":
		return typeCountDownTimer + " (none)"
	case !t.IsManualReturn:
		return typeCountDownTimer + " (pages go back by themselves)"
	case t.Period == "more than 1000" && t.CountDownTimer == 0 && end.Sub(at) > 364*24*time.Hour:
		return typeCountDownTimer + " (ends in a year)"
	case !counts || (minutes != minutesLeft(end, at) && minutes != minutesLeft(end, at.Add(-time.Second))):
		return fmt.Sprintf("%s (ends after %s, says %v minutes)", typeCountDownTimer, end.Sub(opened), t.Period)
	default:
		return fmt.Sprintf("%s (%s, shown for the last %d s)", typeCountDownTimer, end.Sub(opened), t.CountDownTimer)
	}
}

// minutesLeft is how many minutes are left until a time, rounded up.
func minutesLeft(until, now time.Time) float64 { return math.Ceil(until.Sub(now).Minutes()) }

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

// names lists names for people, in order, not too many; all of them if there are no others.
func names(of []string, all int) string {
	if len(of) == all && all > 3 {
		return fmt.Sprintf("all %d", all)
	}
	return some(of, fewNames)
}
