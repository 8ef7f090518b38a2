// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// process is a running program of the control plane.
type process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	// done is closed when the program has ended; cmd.ProcessState may be read then.
	done chan struct{}
}

// startProcess runs the program at path and appends its output to <dir>/<name>.log.
func startProcess(dir, name, path string, args []string) (*process, error) {
	p := &process{name: name, logPath: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.cmd = exec.Command(path, args...) //nolint:noctx // it lives until kill, whatever becomes of the start's context
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttributes()

	started := make(chan error)
	go func() {
		// On Linux the parent-death signal is sent when the thread that started the child ends, so the
		// thread is kept for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // says no more than ProcessState
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// kill ends the process at once and waits until it is gone. Nil is allowed.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // fails only if it has ended already
	<-p.done
}

// ended tells whether the process is gone.
func (p *process) ended() bool {
	if p == nil {
		return true
	}
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// waitUntil polls ready until it returns nil. It fails when the process ends, when the timeout is over
// or ctx is done.
func (p *process) waitUntil(ctx context.Context, timeout time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready within %s", timeout))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if p.ended() {
			return p.failure(fmt.Errorf("it ended with %s", p.cmd.ProcessState))
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return p.failure(fmt.Errorf("%w (%w)", context.Cause(ctx), err))
		case <-ticker.C:
		}
	}
}

// failure explains why the process is not usable, with the end of its log.
func (p *process) failure(err error) error {
	return fmt.Errorf("start %s: %w; the end of its log:\n%s", p.name, err, p.logTail(20))
}

func (p *process) logTail(lines int) string {
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
