// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

// script starts a shell script in the operator's place.
func script(t *testing.T, text string) *sandbox.Process {
	t.Helper()
	p, err := sandbox.StartProcess(sandbox.Command{
		Name: "the operator", Path: "/bin/sh", Args: []string{"-c", text},
		Log: filepath.Join(t.TempDir(), "operator.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestSuperviseRestartsAndGivesUp(t *testing.T) {
	ran := 0
	run := func() (*sandbox.Process, error) {
		ran++
		return script(t, "echo I am lost; exit 1"), nil
	}
	var out bytes.Buffer
	operator, _ := run()
	err := supervise(t.Context(), &out, operator, 0, run)
	if err == nil || !strings.Contains(err.Error(), "I am lost") || !strings.Contains(err.Error(), "3 times in a row") {
		t.Errorf("error %v, want what it said, and that it ended 3 times in a row", err)
	}
	if ran != crashLimit {
		t.Errorf("it ran %d times, want %d", ran, crashLimit)
	}
	if got := strings.Count(out.String(), "It is started again"); got != crashLimit-1 {
		t.Errorf("it was said %d times that it is started again, want %d:\n%s", got, crashLimit-1, &out)
	}
}

func TestSuperviseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := supervise(ctx, &bytes.Buffer{}, script(t, "sleep 60"), 0, nil); err != nil {
		t.Errorf("error %v", err)
	}
}
