// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"encoding/json"
	"fmt"
	"time"
)

// tick names the countdown's actions.
const tick = "tick"

// timer is the data of a count-down-timer signal.
type timer struct {
	EndTime        int64 `json:"endTime"`
	Period         any   `json:"period"`
	CountDownTimer int   `json:"countDownTimer"`
	IsManualReturn bool  `json:"isManualReturn"`
}

// countdown is the page's clock: it ticks every second towards the end that it was started with.
type countdown struct {
	endTime int64
	next    int // the next tick
	seconds *int
	shown   bool
}

func (c *Client) receiveTimer(data string) error {
	var t timer
	if err := json.Unmarshal([]byte(data), &t); err != nil {
		return err
	}
	c.timer = nil
	if t.Period != nil {
		c.notices = append(c.notices, fmt.Sprintf("Room will be closed in %v minutes", t.Period))
		c.timer = &t
		c.startCountdown()
	}
	return nil
}

// startCountdown begins to count down to the timer's end, instead of what was counted before; not when there is no
// timer or it is over.
func (c *Client) startCountdown() {
	if c.timer == nil || c.timer.EndTime <= c.now.UnixMilli() {
		return
	}
	was := c.countdown
	c.stopCountdown()
	c.countdown = &countdown{endTime: c.timer.EndTime}
	if was != nil {
		c.countdown.seconds, c.countdown.shown = was.seconds, was.shown
	}
	c.scheduleTick()
}

func (c *Client) scheduleTick() {
	c.countdown.next = c.later(time.Second, tick, c.tick)
}

func (c *Client) stopCountdown() {
	if c.countdown != nil {
		c.drop(c.countdown.next)
		c.countdown = nil
	}
}

func (c *Client) tick() {
	left := c.countdown.endTime - c.now.UnixMilli()
	seconds := int(left / 1000)
	if left < 0 && left%1000 != 0 {
		seconds--
	}
	changed := c.countdown.seconds == nil || *c.countdown.seconds != seconds
	c.countdown.seconds = &seconds
	c.scheduleTick()
	if !changed {
		return
	}
	if c.cfg.Page == ParticipantPage && !c.userCoHost && c.inRoom == nil {
		c.stopCountdown()
		return
	}
	if c.timer == nil {
		c.fail("the countdown was cleared while it ran")
		return
	}
	if seconds <= c.timer.CountDownTimer {
		c.countdown.shown = true
	}
	if seconds == 0 {
		c.stopCountdown()
		switch {
		case c.inRoom == nil:
		case c.timer.IsManualReturn:
			c.notices = append(c.notices, "Breakout Room Session Ended. Please return to Main Room.")
		default:
			c.noticeChange("time is up", "")
		}
	}
}
