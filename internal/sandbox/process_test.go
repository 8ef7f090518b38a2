// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script starts a shell script as a process.
func script(t *testing.T, text string, env ...string) *Process {
	t.Helper()
	p, err := StartProcess(Command{
		Name: "the script", Path: "/bin/sh", Args: []string{"-c", text}, Env: env,
		Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// wantLog compares what a process has written.
func wantLog(t *testing.T, p *Process, want string) {
	t.Helper()
	got, err := os.ReadFile(p.logPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestProcessHasItsVariables(t *testing.T) {
	t.Setenv("KUBECONFIG", "/somebody/elses")
	p := script(t, "echo $KUBECONFIG; echo error >&2", "KUBECONFIG=/its/own")
	<-p.Done()
	wantLog(t, p, "/its/own\nerror\n")
}

// awaitReady waits until a script has said that it is ready: that its traps are set.
func awaitReady(t *testing.T, p *Process) {
	t.Helper()
	err := p.WaitUntil(t.Context(), time.Minute, func(context.Context) error {
		if p.LogTail() != "  ready" {
			return errors.New(p.LogTail())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestProcessIsAskedToStop(t *testing.T) {
	p := script(t, "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
	awaitReady(t, p)
	p.Stop(time.Minute)
	wantLog(t, p, "ready\nstopping\n")
	p.Stop(time.Minute) // again does nothing
}

func TestProcessIsMadeToStop(t *testing.T) {
	p := script(t, "trap '' TERM; echo ready; while :; do sleep 0.01; done")
	awaitReady(t, p)
	p.Stop(0)
	if got := p.State(); !p.Ended() || got != "signal: killed" {
		t.Errorf("it ended: %t (%s), want that it was killed", p.Ended(), got)
	}
}

func TestProcessFailureTellsHowItEnded(t *testing.T) {
	p := script(t, "echo no account; exit 3")
	<-p.Done()
	const want = "the script ended (exit status 3); the end of its log:\n  no account"
	if got := p.Failure().Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err := p.WaitUntil(t.Context(), time.Minute, func(context.Context) error { return nil })
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("waiting for it: error %v, want %q", err, want)
	}
}

func TestStartProcessThatIsNotThere(t *testing.T) {
	if _, err := StartProcess(Command{Path: "/no/such/program", Log: filepath.Join(t.TempDir(), "log")}); err == nil {
		t.Error("no error")
	}
}

func TestLogTail(t *testing.T) {
	p := &Process{logPath: filepath.Join(t.TempDir(), "log")}
	text := "first\n" + strings.Repeat("line\n", logTailLines-1) + strings.Repeat("x", logLineLength+1) + "\n"
	if err := os.WriteFile(p.logPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("  line\n", logTailLines-1) + "  " + strings.Repeat("x", logLineLength) + " …"
	if diff := cmp.Diff(want, p.LogTail()); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}
