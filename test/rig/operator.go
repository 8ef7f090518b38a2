// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
)

const (
	// startTimeout is how long an operator may take until it serves its probes, stopTimeout how long to stop.
	startTimeout = 5 * time.Minute
	stopTimeout  = time.Minute
)

// Operator is a process of the operator.
type Operator struct {
	*sandbox.Process
	// LogPath is the file with what it logs.
	LogPath string

	metrics string
}

// StartOperator runs another process of the operator, with further flags, and returns when it serves its probes.
func (r *Rig) StartOperator(ctx context.Context, flags ...string) (*Operator, error) {
	ports, err := freePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	o := &Operator{
		LogPath: filepath.Join(r.Dir, fmt.Sprintf("operator-%d.log", len(r.operators)+1)),
		metrics: "http://" + ports[0] + "/metrics",
	}
	o.Process, err = sandbox.StartProcess(sandbox.Command{
		Name: "the operator", Path: r.program, Log: o.LogPath, Env: []string{"KUBECONFIG=" + r.kubeconfig},
		Args: append([]string{
			"--operator-namespace=" + environment.OperatorNamespace, "--metrics-secure=false",
			"--metrics-bind-address=" + ports[0], "--health-probe-bind-address=" + ports[1],
		}, flags...),
	})
	if err != nil {
		return nil, err
	}
	r.operators = append(r.operators, o)
	return o, o.WaitUntil(ctx, startTimeout, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+ports[1]+"/readyz")
		return err
	})
}

// freePorts returns addresses that nobody listens at.
func freePorts(ctx context.Context, n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return body, err
}

// Stop asks the process to end, and returns when it has.
func (o *Operator) Stop() { o.Process.Stop(stopTimeout) }

// MetricsText is what the process says at /metrics.
func (o *Operator) MetricsText(ctx context.Context) (string, error) {
	text, err := get(ctx, o.metrics)
	return string(text), err
}

// Metrics are the process's metrics by name.
func (o *Operator) Metrics(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	text, err := o.MetricsText(ctx)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(strings.NewReader(text))
}

// Sum adds up the values of a metric, a counter, a gauge or the count of a histogram, over the label values that match.
func Sum(family *dto.MetricFamily, labels map[string]string) float64 {
	sum := 0.0
	for _, m := range family.GetMetric() {
		matches := 0
		for _, l := range m.GetLabel() {
			if want, asked := labels[l.GetName()]; asked && want == l.GetValue() {
				matches++
			}
		}
		if matches == len(labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// Log is what the process has logged so far.
func (o *Operator) Log() (string, error) {
	text, err := os.ReadFile(o.LogPath)
	return string(text), err
}

// CPU is the time that the process has used of all cores, as Linux counts it: in hundredths of a second.
func (o *Operator) CPU() (time.Duration, error) {
	return ProcessCPU(o.PID())
}

// ProcessCPU is the time that a process has used of all cores.
func ProcessCPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("/proc/…/stat is not as proc(5) says")
	}
	ticks := 0
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Memory is the process's resident memory, now and at its peak, in bytes.
func (o *Operator) Memory() (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.PID()))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			now = kilobytes << 10
		case name == "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak, nil
}
