// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures the operator, as a process of its own, against a real API server and the simulator of the
// Vonage API, and beside it the floor: a bare client that makes the same writes to the API server, the same calls and
// the same signatures, at its best concurrency. It prints a table, and writes it as JSON and as Markdown.
//
// Nothing here passes or fails by time: numbers are compared with targets by whoever reads them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

type options struct {
	runs           int
	rows           *regexp.Regexp
	scale          float64
	json, markdown string
}

func main() {
	var o options
	var rows string
	flag.IntVar(&o.runs, "runs", 5, "how often each row is measured")
	flag.StringVar(&rows, "rows", "", "measure only the rows whose name matches this expression")
	flag.Float64Var(&o.scale, "scale", 1, "the part of the objects that are made, for a quick look")
	flag.StringVar(&o.json, "json", "", "write the results as JSON to this file")
	flag.StringVar(&o.markdown, "markdown", "", "write the table as Markdown to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	var err error
	if o.rows, err = regexp.Compile(rows); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// result is one row.
type result struct {
	// Name is what was measured, Target what is aimed at.
	Name   string `json:"name"`
	Target string `json:"target"`
	// Unit is that of Values, one per run; Floor are those of the bare client, where there is one.
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
	Floor  []float64 `json:"floor,omitempty"`
	// Notes are further numbers, by name.
	Notes map[string]*note `json:"notes,omitempty"`
}

// note is something else that was counted or measured, in each run.
type note struct {
	Unit   string    `json:"unit,omitempty"`
	Values []float64 `json:"values"`
}

func (r *result) note(name, unit string, value float64) {
	if r.Notes == nil {
		r.Notes = map[string]*note{}
	}
	if r.Notes[name] == nil {
		r.Notes[name] = &note{Unit: unit}
	}
	r.Notes[name].Values = append(r.Notes[name].Values, value)
}

// String is the spread, or one number when all runs agree.
func (n *note) String() string {
	least, median, greatest := spread(n.Values)
	text := fmt.Sprintf("%.3g", median)
	if least != greatest {
		text = fmt.Sprintf("%.3g / %.3g / %.3g", least, median, greatest)
	}
	return strings.TrimSpace(text + " " + n.Unit)
}

// spread is the least, the median and the greatest.
func spread(values []float64) (least, median, greatest float64) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func (r *result) cells() []string {
	show := func(values []float64) string {
		if len(values) == 0 {
			return "–"
		}
		a, b, c := spread(values)
		return fmt.Sprintf("%.4g / %.4g / %.4g %s", a, b, c, r.Unit)
	}
	ratio := "–"
	if len(r.Floor) > 0 {
		_, value, _ := spread(r.Values)
		_, floor, _ := spread(r.Floor)
		ratio = fmt.Sprintf("%.2f", value/floor)
	}
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(r.Notes)) {
		notes = append(notes, name+" "+r.Notes[name].String())
	}
	return []string{r.Name, show(r.Values), show(r.Floor), ratio, r.Target, strings.Join(notes, "; ")}
}

var heads = []string{"What", "Operator: min / median / max", "Floor", "Ratio", "Target", "Beside"}

// report is what is written as JSON.
type report struct {
	Machine string    `json:"machine"`
	Runs    int       `json:"runs"`
	Results []*result `json:"results"`
}

func run(ctx context.Context, o options) (err error) {
	r, err := rig.New(ctx, rig.Options{
		Progress: os.Stderr, Simulator: simulator.Options{MaxHistory: -1, MaxSignals: 1, MaxSessions: 100},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	b, err := newBench(ctx, r, o)
	if err != nil {
		return err
	}
	defer b.tracker.stop()
	if err := b.withOperator(ctx, func(*rig.Operator) error { // the account is checked
		_, err := b.mainRoom(ctx, 2)
		return err
	}); err != nil {
		return err
	}
	if err := b.removeAll(ctx); err != nil {
		return err
	}
	out := report{Machine: machine(), Runs: o.runs}
	for _, row := range rows {
		if !o.rows.MatchString(row.name) {
			continue
		}
		began := time.Now()
		results, err := row.measure(b, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		for _, res := range results {
			out.Results = append(out.Results, res)
			fmt.Println(strings.Join(res.cells(), " | "))
		}
		fmt.Printf("  (%s took %s)\n", row.name, time.Since(began).Round(time.Second))
	}
	return errors.Join(write(o.json, out.json()), write(o.markdown, out.table()))
}

func write(path, text string) error {
	if path == "" {
		return nil
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func (r report) json() string {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic(err) // it holds nothing that cannot be marshalled
	}
	return string(text) + "\n"
}

func (r report) table() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s; %d runs.\n\n| %s |\n|%s\n", r.Machine, r.Runs, strings.Join(heads, " | "),
		strings.Repeat("---|", len(heads)))
	for _, res := range r.Results {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(res.cells(), " | "))
	}
	return text.String()
}

func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(text); m != nil {
			model = string(m[1])
		}
	}
	return fmt.Sprintf("%d cores of %s, %s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.Version())
}
