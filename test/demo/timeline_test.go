// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimeline(t *testing.T) {
	var out bytes.Buffer
	start := time.Unix(1795370440, 0)
	line := &timeline{out: &out, start: start}
	line.at(start.Add(1250*time.Millisecond), "Ada", "main → %s", "red")
	line.at(start.Add(100*time.Second), "Björn", "%s", "first\nsecond")
	line.quote("spec:\n  state: Closed\n")
	want := "   1.2 s  Ada                main → red\n" +
		" 100.0 s  Björn              first\n" +
		"                               second\n" +
		"            spec:\n              state: Closed\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWrap(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"fits":                      {text: "one two", want: []string{"one two"}},
		"is cut between words":      {text: "one two three", want: []string{"one two", "three"}},
		"counts characters":         {text: "öäü öäü x", want: []string{"öäü öäü", "x"}},
		"a long word stays whole":   {text: "a incomprehensible b", want: []string{"a", "incomprehensible", "b"}},
		"lines stay lines":          {text: "one\ntwo", want: []string{"one", "two"}},
		"nothing is one empty line": {text: "", want: []string{""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, wrap(tt.text, 8)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChecks(t *testing.T) {
	c := &checks{}
	c.that(true, "it is so", "it was %d", 1)
	c.that(false, "it is two", "it was %d", 1)
	c.none("nobody is late", []string{"Ada is", "Bo is"})
	if c.failed() != 2 {
		t.Errorf("%d failed, want 2", c.failed())
	}
	var out bytes.Buffer
	c.print(&out)
	want := "  ✓ it is so\n  ✗ it is two\n      it was 1\n  ✗ nobody is late\n      Ada is\n      Bo is\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestChecksDoNotFillTheScreen(t *testing.T) {
	c := &checks{}
	c.none("nobody is late", make([]string, 100))
	var out bytes.Buffer
	c.print(&out)
	if lines := strings.Count(out.String(), "\n"); lines != 1+fewNames+1 ||
		!strings.Contains(out.String(), "and 88 more") {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}
