// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// operatorPackage is the operator's main package, and operatorNamespace where it lives in a cluster.
	operatorPackage   = "./cmd/manager"
	operatorNamespace = "breakout-operator-system"

	// operatorServiceAccount is whose rights it has.
	operatorServiceAccount = "breakout-operator-controller-manager"

	// stopTimeout is how long the operator may take to stop, as long as the longest call that it makes.
	stopTimeout = 15 * time.Second

	// logTailLines and logLineLength are how much of a log an error shows.
	logTailLines  = 20
	logLineLength = 400
)

// operatorProcess is a running operator.
type operatorProcess struct {
	logPath string
	cmd     *exec.Cmd
	started time.Time
	// done is closed when it has ended; state says how, then.
	done  chan struct{}
	state string
}

// buildOperator builds the operator into the file out.
func buildOperator(ctx context.Context, root, out string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, operatorPackage)
	cmd.Dir = root
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	stop := keepSaying(progress, "Building the operator")
	err := cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("build the operator: %w\n%s", err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

// operatorArgs are the flags that the operator gets here. It serves neither metrics nor probes: nobody would look.
func operatorArgs() []string {
	return []string{
		"--leader-elect",
		"--operator-namespace=" + operatorNamespace,
		"--metrics-bind-address=0",
		"--health-probe-bind-address=0",
		"--zap-encoder=console", // people read it here
		"--zap-stacktrace-level=panic",
	}
}

// startOperator runs a program with the kubeconfig as its only access, and appends its output to the log.
func startOperator(program string, args []string, kubeconfig, logPath string) (*operatorProcess, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	p := &operatorProcess{logPath: logPath, started: time.Now(), done: make(chan struct{})}
	p.cmd = exec.Command(program, args...) //nolint:noctx // it lives until stop, whatever becomes of the start's context
	p.cmd.Dir = filepath.Dir(logPath)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttributes()

	started := make(chan error)
	go func() {
		// The parent-death signal comes when the thread that started the child ends, so the thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // says no more than ProcessState
		p.state = p.cmd.ProcessState.String()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	return p, nil
}

// stop asks the operator to end, and makes it when it does not. Nil is allowed.
func (p *operatorProcess) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended already
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// failure is the error that says how the operator ended, with the end of its log. It may be called once done is closed.
func (p *operatorProcess) failure() error {
	return fmt.Errorf("the operator ended (%s); the end of its log:\n%s", p.state, logTail(p.logPath, logTailLines))
}

// logTail is the last lines of a file, indented and without what is beyond any screen.
func logTail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "  " + err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if cut := []rune(line); len(cut) > logLineLength {
			line = string(cut[:logLineLength]) + " …"
		}
		all[i] = "  " + line
	}
	return strings.Join(all, "\n")
}

// keepSaying says that something takes long, if it does, until the result is called.
func keepSaying(progress io.Writer, what string) (stop func()) {
	const period = 5 * time.Second
	begun, finished, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-finished:
				return
			case <-ticker.C:
				fmt.Fprintf(progress, "%s … %s\n", what, time.Since(begun).Round(time.Second))
			}
		}
	}()
	return func() {
		close(finished)
		<-ended
	}
}
