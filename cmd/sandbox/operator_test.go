// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

// script starts a shell script in the operator's place.
func script(t *testing.T, text string) *sandbox.Process {
	t.Helper()
	p, err := startOperator("/bin/sh", []string{"-c", text}, "/the/kubeconfig", filepath.Join(t.TempDir(), "operator.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSuperviseRestartsAndGivesUp(t *testing.T) {
	dir := t.TempDir()
	const program = "#!/bin/sh\necho I am lost\nexit 1\n"
	e := &environment{dir: dir}
	if err := os.WriteFile(e.operatorProgram(), []byte(program), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	if err := e.restartOperator(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := e.supervise(t.Context(), &out, 0)
	if err == nil || !strings.Contains(err.Error(), "3 times in a row") {
		t.Errorf("error %v, want that it ended 3 times in a row", err)
	}
	if got := strings.Count(read(t, e.operatorLog()), "I am lost"); got != crashLimit {
		t.Errorf("it ran %d times, want %d", got, crashLimit)
	}
	if got := strings.Count(out.String(), "It is started again"); got != crashLimit-1 {
		t.Errorf("it was said %d times that it is started again, want %d:\n%s", got, crashLimit-1, &out)
	}
}

func TestSuperviseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := &environment{operator: script(t, "sleep 60")}
	cancel()
	if err := e.supervise(ctx, &bytes.Buffer{}, 0); err != nil {
		t.Errorf("error %v", err)
	}
}
