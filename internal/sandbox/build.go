// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// progressPeriod is the time between two lines about something that takes long.
	progressPeriod = 10 * time.Second
	// indexTimeout bounds the question whether setup-envtest's index can be reached at all.
	indexTimeout = 5 * time.Second
	// downloadTimeout bounds the download of some 100 MB.
	downloadTimeout = 3 * time.Minute
)

// sources are the packages of hack/controlplane by program. file is what the go tool calls the program, and
// minutes is what its build takes on two cores with an empty build cache. Of several that are built at once the
// largest counts: they have most packages in common.
var sources = map[string]struct {
	pkg, file string
	minutes   int
}{
	etcdName:        {"go.etcd.io/etcd/server/v3", "server", 2},
	apiServerName:   {"k8s.io/kubernetes/cmd/kube-apiserver", apiServerName, 8},
	controllersName: {"./" + controllersName, controllersName, 2},
	kubectlName:     {"k8s.io/kubernetes/cmd/kubectl", kubectlName, 2},
}

// builder compiles the control plane's programs from hack/controlplane.
type builder struct {
	root     string
	version  string
	progress io.Writer
}

// run compiles the named programs into the folder dir: at once, so that no core waits while one is linked.
func (b builder) run(ctx context.Context, names []string, dir string) error {
	minor := strings.SplitN(minorVersion(b.version), ".", 2)
	ldflags := fmt.Sprintf("-s -w -X k8s.io/component-base/version.gitVersion=%s "+
		"-X k8s.io/component-base/version.gitMajor=%s -X k8s.io/component-base/version.gitMinor=%s",
		b.version, minor[0], minor[1])
	// The packages that the operator and the sandbox have as well, a thousand, are compiled once: with the flags of
	// a plain go build, and at the same versions (TestVersionsMatch).
	args := []string{"build", "-v", "-ldflags", ldflags, "-o", dir + string(filepath.Separator)}
	minutes := 0
	for _, name := range names {
		source, ok := sources[name]
		if !ok {
			return fmt.Errorf("build %s: not part of the control plane", name)
		}
		args = append(args, source.pkg)
		minutes = max(minutes, source.minutes)
	}
	what := strings.Join(names, ", ")
	say(b.progress, "Building %s of Kubernetes %s: about %d minutes on two cores with an empty build cache, "+
		"only this once", what, b.version, minutes)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.root, "hack", "controlplane")
	// The compiler takes a sixth less CPU if it collects its garbage more rarely, for a few hundred megabytes. Whoever
	// sets GOGC knows better.
	cmd.Env = append(append([]string{"GOGC=400"}, os.Environ()...), "GOWORK=off")
	started := time.Now()
	if err := runReporting(cmd, "Building "+what, b.progress); err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(dir, sources[name].file), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("build %s: %w", what, err)
		}
	}
	say(b.progress, "Built %s in %s", what, time.Since(started).Round(time.Second))
	return nil
}

// downloader brings a release of envtest's binaries into setup-envtest's store.
type downloader struct {
	root     string
	version  string
	store    string
	index    string
	progress io.Writer
}

// run downloads the newest patch release of the version's minor.
func (d downloader) run(ctx context.Context) error {
	if err := d.offered(ctx); err != nil {
		return err
	}
	wanted := minorVersion(d.version) + ".x"
	say(d.progress, "Downloading etcd and kube-apiserver %s with setup-envtest", wanted)
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	// The store's folder of versions is called k8s; setup-envtest adds that name itself.
	cmd := exec.CommandContext(ctx, "go", "tool", "setup-envtest", "use", wanted, "--print", "path",
		"--bin-dir", filepath.Dir(d.store), "--index", d.index)
	cmd.Dir = filepath.Join(d.root, "hack", "tools")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return runReporting(cmd, "Downloading", d.progress)
}

// offered returns nil if setup-envtest's index can be reached and knows the wanted minor version.
func (d downloader) offered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.index, nil)
	if err != nil {
		return fmt.Errorf("ask setup-envtest's index: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return errors.New("setup-envtest's index cannot be reached")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("setup-envtest's index answers with status %d", resp.StatusCode)
	}
	if !strings.Contains(string(text), "v"+minorVersion(d.version)+".") {
		return fmt.Errorf("setup-envtest does not offer %s", minorVersion(d.version))
	}
	return nil
}

// runReporting runs a command of the go tool, with a line on progress every few seconds and the end of
// its output in the error.
func runReporting(cmd *exec.Cmd, what string, progress io.Writer) error {
	report := &commandReport{}
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	// An interrupt lets the go tool remove its work folder.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w; Go must be installed", err)
	}

	finished := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		ticker := time.NewTicker(progressPeriod)
		defer ticker.Stop()
		for {
			select {
			case <-finished:
				return
			case <-ticker.C:
				say(progress, "%s … %s, %s", what, time.Since(started).Round(time.Second), report.state())
			}
		}
	})
	report.read(out)
	err = cmd.Wait()
	close(finished)
	reporter.Wait()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, report.tail())
	}
	return nil
}

// commandReport sums up what the go tool prints: with -v a package's import path when it is compiled,
// a line when a module is downloaded, and errors.
type commandReport struct {
	mu         sync.Mutex
	packages   int
	downloaded int
	last       []string
}

func (r *commandReport) read(out io.Reader) {
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		r.add(scanner.Text())
	}
	// Whatever the scanner refused must still be taken off the pipe.
	_, _ = io.Copy(io.Discard, out)
}

func (r *commandReport) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		r.downloaded++
	case line != "" && !strings.ContainsAny(line, " \t:"):
		r.packages++
	default:
		r.last = append(r.last, line)
		if len(r.last) > 30 {
			r.last = r.last[1:]
		}
	}
}

// state returns how far the command is.
func (r *commandReport) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.packages > 0:
		return fmt.Sprintf("%d packages compiled", r.packages)
	case r.downloaded > 0:
		return fmt.Sprintf("%d modules downloaded", r.downloaded)
	default:
		return "nothing new to compile so far"
	}
}

// tail returns the last lines that were neither packages nor downloads.
func (r *commandReport) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.last, "\n")
}
