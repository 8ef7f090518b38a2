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
	"time"

	"github.com/google/go-cmp/cmp"
)

// script starts a shell script in the operator's place.
func script(t *testing.T, text string) *operatorProcess {
	t.Helper()
	p, err := startOperator("/bin/sh", []string{"-c", text}, "/the/kubeconfig", filepath.Join(t.TempDir(), "operator.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
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

func TestOperatorIsGivenItsOwnKubeconfig(t *testing.T) {
	t.Setenv("KUBECONFIG", "/somebody/elses")
	p := script(t, "echo $KUBECONFIG; echo error >&2")
	<-p.done
	if diff := cmp.Diff("/the/kubeconfig\nerror\n", read(t, p.logPath)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestOperatorIsAskedToStop(t *testing.T) {
	p := script(t, "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	for read(t, p.logPath) != "ready\n" {
		time.Sleep(time.Millisecond)
	}
	p.stop()
	if diff := cmp.Diff("ready\nstopping\n", read(t, p.logPath)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	p.stop() // again does nothing
}

func TestOperatorFailureTellsHowItEnded(t *testing.T) {
	p := script(t, "echo no account; exit 3")
	<-p.done
	const want = "the operator ended (exit status 3); the end of its log:\n  no account"
	if got := p.failure().Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStartOperatorThatIsNotThere(t *testing.T) {
	if _, err := startOperator("/no/such/program", nil, "", filepath.Join(t.TempDir(), "log")); err == nil {
		t.Error("no error")
	}
}

func TestLogTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"+strings.Repeat("x", logLineLength+1)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("  two\n  "+strings.Repeat("x", logLineLength)+" …", logTail(path, 2)); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
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
