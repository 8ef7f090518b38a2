// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// The columns of the timeline: who does something, and what.
const (
	actorWidth = 17
	textWidth  = 90
)

// timeline prints what happens, line by line, with the time since its start.
type timeline struct {
	out   io.Writer
	start time.Time
}

// at prints something that happened at a time; what is too long for a line, or has more than one, goes on below.
func (t *timeline) at(when time.Time, actor, format string, args ...any) {
	lines := wrap(fmt.Sprintf(format, args...), textWidth)
	fmt.Fprintf(t.out, "%6.1f s  %-*s  %s\n", when.Sub(t.start).Seconds(), actorWidth, actor, lines[0])
	for _, line := range lines[1:] {
		fmt.Fprintf(t.out, "%*s    %s\n", 10+actorWidth, "", line)
	}
}

// wrap cuts a text between words into lines of at most so many characters, if words allow.
func wrap(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.SplitSeq(paragraph, " ") {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				lines, line = append(lines, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}

// heading prints the title of a scene.
func (t *timeline) heading(title string) {
	fmt.Fprintf(t.out, "\n── %s %s\n", title, strings.Repeat("─", max(0, 110-utf8.RuneCountInString(title))))
}

// quote prints something that was entered, indented.
func (t *timeline) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(t.out, "            %s", line)
	}
	fmt.Fprintln(t.out)
}

// checks are a scene's expectations and whether they held.
type checks struct{ list []check }

// check is one expectation; it held if there are no problems.
type check struct {
	what     string
	problems []string
}

// none adds an expectation that held if there are no problems.
func (c *checks) none(what string, problems []string) { c.list = append(c.list, check{what, problems}) }

// that adds an expectation that held if ok; else the problem says what was instead.
func (c *checks) that(ok bool, what, problem string, args ...any) {
	var problems []string
	if !ok {
		problems = []string{fmt.Sprintf(problem, args...)}
	}
	c.none(what, problems)
}

// failed is how many did not hold.
func (c *checks) failed() int {
	n := 0
	for _, one := range c.list {
		if len(one.problems) > 0 {
			n++
		}
	}
	return n
}

// print lists them.
func (c *checks) print(out io.Writer) {
	for _, one := range c.list {
		if len(one.problems) == 0 {
			fmt.Fprintf(out, "  ✓ %s\n", one.what)
			continue
		}
		fmt.Fprintf(out, "  ✗ %s\n", one.what)
		for _, p := range one.problems[:min(len(one.problems), fewNames)] {
			fmt.Fprintf(out, "      %s\n", p)
		}
		if more := len(one.problems) - fewNames; more > 0 {
			fmt.Fprintf(out, "      and %d more\n", more)
		}
	}
}
