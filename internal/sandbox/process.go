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
	"syscall"
	"time"
)

const (
	// logTailLines and logLineLength are how many lines of a log an error shows, and how many characters of each: what
	// is beyond any screen helps nobody.
	logTailLines  = 20
	logLineLength = 400
)

// Command is a program that runs beside this one.
type Command struct {
	// Name is what errors call it.
	Name string
	// Path is the program's file, Args what it is called with.
	Path string
	Args []string
	// Env are variables beside those of this process, such as "KUBECONFIG=file".
	Env []string
	// Log is the file that its output is appended to. The file's folder is where it works.
	Log string
}

// Process is a program that was started. Its methods may be called by several goroutines at once, and after its end.
type Process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	// done is closed when the program has ended; cmd.ProcessState may be read then.
	done chan struct{}
}

// StartProcess runs a program until it ends by itself, is stopped, or this process ends: on Linux in whatever way that
// ends, elsewhere by the terminal's interrupt.
func StartProcess(c Command) (*Process, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, logPath: c.Log, done: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...) //nolint:noctx // it outlives the context of its start
	p.cmd.Dir = filepath.Dir(c.Log)
	p.cmd.Env = append(os.Environ(), c.Env...)
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
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// startProcess runs a program of the control plane, whose log is <dir>/<name>.log.
func startProcess(dir, name, path string, args []string) (*Process, error) {
	return StartProcess(Command{Name: name, Path: path, Args: args, Log: filepath.Join(dir, name+".log")})
}

// PID is the number by which the system knows the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process is gone. One that never was, nil, is.
func (p *Process) Ended() bool {
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

// Kill ends the process at once and waits until it is gone. Nil is allowed.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // fails only if it has ended already
	<-p.done
}

// Stop asks the process to end, and kills it when it has not after a time. It returns when the process is gone. Nil is
// allowed.
func (p *Process) Stop(patience time.Duration) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended already
	select {
	case <-p.done:
	case <-time.After(patience):
		p.Kill()
	}
}

// WaitUntil polls ready until it returns nil. It fails when the process ends, when the timeout is over or ctx is done.
func (p *Process) WaitUntil(ctx context.Context, timeout time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready within %s", timeout))
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if p.Ended() {
			return fmt.Errorf("start %s: %w", p.name, p.Failure())
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w (%w); the end of its log:\n%s", p.name, context.Cause(ctx), err,
				p.LogTail())
		case <-ticker.C:
		}
	}
}

// State says how the process ended, such as "exit status 1". It may be called when it has.
func (p *Process) State() string { return p.cmd.ProcessState.String() }

// Failure is the error that says how the process ended, with the end of its log. It may be called when it has.
func (p *Process) Failure() error {
	return fmt.Errorf("%s ended (%s); the end of its log:\n%s", p.name, p.State(), p.LogTail())
}

// LogTail is the last lines that the process wrote, indented, or why they cannot be read.
func (p *Process) LogTail() string {
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return "  " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-logTailLines):]
	for i, line := range lines {
		if cut := []rune(line); len(cut) > logLineLength {
			line = string(cut[:logLineLength]) + " …"
		}
		lines[i] = "  " + line
	}
	return strings.Join(lines, "\n")
}
