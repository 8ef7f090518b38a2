// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// mutant is a fault of the operator that is put into one line.
type mutant struct {
	// name is short, fault says what it means to those who use the operator.
	name, fault string

	// file is where, line the line as it is and becomes what it is to be, both without indentation.
	file, line, becomes string

	// soonest are tests that find it soonest, as of -test.run; they come before all others.
	soonest string
}

// apply returns the text of the mutant's file with the fault in it.
func (m mutant) apply(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	lines, at := strings.Split(string(text), "\n"), -1
	for i, line := range lines {
		switch {
		case strings.TrimSpace(line) != m.line:
		case at >= 0:
			return "", fmt.Errorf(
				"the list is outdated: %s: the line is more than once in %s: %s",
				m.name,
				m.file,
				m.line,
			)
		default:
			at = i
		}
	}
	if at < 0 {
		return "", fmt.Errorf("the list is outdated: %s: the line is not in %s: %s", m.name, m.file, m.line)
	}
	lines[at] = m.becomes
	return strings.Join(lines, "\n"), nil
}

// stages are the tests that look for a fault, one after the other.
var stages = [][]string{
	{"-test.run=^(TestStories|TestDirected|TestProtocol)$"},
	{"-test.run=^TestMatrix$"},
	{"-test.run=^TestMeetings$", "-hunt.seed=1", "-hunt.time=30s", "-hunt.shrink=false"},
}

// stagesOf are all stages for a mutant.
func stagesOf(soonest string) [][]string {
	switch {
	case soonest == "":
		return stages
	case strings.Contains(soonest, "TestMeetings"):
		return slices.Concat(stages[2:], stages[:2])
	default:
		return slices.Concat([][]string{{"-test.run=" + soonest}}, stages)
	}
}

// laboratory compiles mutants and runs them.
type laboratory struct {
	root, dir string
	deadline  time.Duration
}

// catch is what caught a mutant.
type catch struct {
	test, message string
	after         time.Duration
}

// unmutated makes sure that nothing is found where there is no fault: by the same commands, each for as long as the
// deadline allows.
func (l *laboratory) unmutated(ctx context.Context, chosen []mutant) error {
	binary, err := l.compile(ctx, nil)
	if err != nil {
		return err
	}
	commands := stages
	for _, m := range chosen {
		own := stagesOf(m.soonest)[0]
		if !slices.ContainsFunc(commands, func(c []string) bool { return slices.Equal(c, own) }) {
			commands = append(commands, own)
		}
	}
	for _, args := range commands {
		began := time.Now()
		c, _, err := l.stage(ctx, binary, args, l.deadline)
		if err != nil {
			return err
		}
		if c != nil {
			return fmt.Errorf(
				"the operator as it is does not pass %s: %s: %s",
				strings.Join(args, " "),
				c.test,
				c.message,
			)
		}
		fmt.Printf(
			"the operator as it is passes %s, in %s\n",
			strings.Join(args, " "),
			time.Since(began).Round(100*time.Millisecond),
		)
	}
	return nil
}

// examine runs the stages against a mutant until one fails; nil if none does within the deadline.
func (l *laboratory) examine(ctx context.Context, m mutant, text string) (*catch, error) {
	source := filepath.Join(l.dir, "mutated.go")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return nil, err
	}
	binary, err := l.compile(ctx, map[string]string{filepath.Join(l.root, m.file): source})
	if err != nil {
		return nil, err
	}
	left := l.deadline
	for _, args := range stagesOf(m.soonest) {
		c, took, err := l.stage(ctx, binary, args, left)
		if err != nil {
			return nil, err
		}
		left -= took
		if c != nil {
			c.after = l.deadline - left
			return c, nil
		}
		if left <= 0 {
			break
		}
	}
	return nil, nil //nolint:nilnil // it survived
}

// compile makes the tests' binary, with some files replaced.
func (l *laboratory) compile(ctx context.Context, replace map[string]string) (string, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file, binary := filepath.Join(l.dir, "overlay.json"), filepath.Join(l.dir, "sim.test")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	command := exec.CommandContext(
		ctx,
		"go",
		"test",
		"-c",
		"-overlay",
		file,
		"-ldflags=-s -w",
		"-o",
		binary,
		"./test/sim",
	)
	command.Dir = l.root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w: %s", err, first(300, string(output)))
	}
	return binary, nil
}

// stage runs some tests until one fails, for at most a while, and returns what failed, nil if nothing did, and how long
// that took.
func (l *laboratory) stage(
	ctx context.Context,
	binary string,
	args []string,
	most time.Duration,
) (*catch, time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tests := exec.CommandContext(ctx, binary, append(args, "-test.v=test2json", "-test.timeout=0")...)
	tests.Dir = filepath.Join(l.root, "test", "sim")
	reader := exec.CommandContext(context.WithoutCancel(ctx), "go", "tool", "test2json")
	pipe, err := tests.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	var last tail
	tests.Stderr = &last
	reader.Stdin = pipe
	events, err := reader.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := reader.Start(); err != nil {
		return nil, 0, err
	}
	began := time.Now()
	if err := tests.Start(); err != nil {
		return nil, 0, err
	}
	late := time.AfterFunc(most, stop)
	defer late.Stop()
	failed, err := firstFailure(events)
	took := time.Since(began)
	stop()
	_, _ = io.Copy(io.Discard, events) // so that the reader comes to its end
	ended := tests.Wait()
	_ = reader.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil:
		return nil, took, err
	case failed != nil:
		return failed, took, nil
	case took < most && errors.As(ended, &exit) && exit.ExitCode() > 1: // it crashed
		return &catch{test: strings.Join(args, " "), message: cmp.Or(last.firstWords(), exit.Error())}, took, nil
	}
	return nil, took, nil
}

// tail keeps what a process that crashes says.
type tail struct{ bytes.Buffer }

func (t *tail) firstWords() string {
	for line := range strings.Lines(t.String()) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return line
		}
	}
	return first(100, t.String())
}

// event is a line of test2json.
type event struct{ Action, Test, Output string }

var (
	// complaint is where a test said something.
	complaint = regexp.MustCompile(`^\s*\w+\.go:\d+: `)
	// broken is what a meeting says as soon as it is over, and others follow.
	broken = regexp.MustCompile(`: \d+ rules broken, the first: `)
	// mended is what a test says that expects a fault of the operator as it is, and does not meet it: that is no fault
	// that was found.
	mended = regexp.MustCompile(`^(it is mended|no case has this fault any more)`)
)

// firstFailure reads events until a test fails, and returns it; nil if none does. A test that has others in it fails
// after them, with nothing to say.
func firstFailure(events io.Reader) (*catch, error) {
	said, excused := map[string]string{}, map[string]bool{}
	scanner := bufio.NewScanner(events)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			return nil, err
		}
		switch {
		case e.Test == "":
		case e.Action == "output" && said[e.Test] == "" && complaint.MatchString(e.Output):
			said[e.Test] = complaint.ReplaceAllString(e.Output, "")
		case e.Action == "output" && (strings.HasPrefix(e.Output, "panic: ") || broken.MatchString(e.Output)):
			return &catch{test: e.Test, message: complaint.ReplaceAllString(e.Output, "")}, nil
		case e.Action == "fail" && (mended.MatchString(said[e.Test]) || said[e.Test] == "" && excused[e.Test]):
			excused[path.Dir(e.Test)] = true
		case e.Action == "fail":
			return &catch{test: e.Test, message: said[e.Test]}, nil
		}
	}
	return nil, scanner.Err()
}
