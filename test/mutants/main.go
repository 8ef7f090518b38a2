// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mutants finds out whether test/sim can fail: it puts faults into the operator, one at a time, and runs the
// simulation against each. Nothing in the working tree is touched. It prints what caught which fault, and fails where
// one was not caught within the deadline.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

type options struct {
	root     string
	deadline time.Duration
	chosen   []mutant
	skipSane bool
}

func main() {
	o := options{}
	var names string
	var list bool
	flag.StringVar(&o.root, "root", ".", "the module's folder")
	flag.DurationVar(&o.deadline, "deadline", time.Minute, "how long a fault may be looked for, compiling aside")
	flag.StringVar(&names, "run", "", "only the faults whose name matches this expression")
	flag.BoolVar(&list, "list", false, "only list the faults")
	flag.BoolVar(&o.skipSane, "skip-unmutated", false, "do not see first whether the operator as it is passes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wanted, err := regexp.Compile(names)
	if err == nil {
		for _, m := range mutants {
			if wanted.MatchString(m.name) {
				o.chosen = append(o.chosen, m)
			}
		}
		if list {
			for _, m := range o.chosen {
				fmt.Printf("%-32s %s\n%-32s %s\n", m.name, m.fault, "", m.file)
			}
			return
		}
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	l := &laboratory{root: root, dir: dir, deadline: o.deadline}
	texts := make([]string, len(o.chosen))
	for i, m := range o.chosen { // an outdated list is found out before anything takes its time
		if texts[i], err = m.apply(root); err != nil {
			return err
		}
	}
	if !o.skipSane {
		if err := l.unmutated(ctx, o.chosen); err != nil {
			return err
		}
	}
	fmt.Printf("%-32s %8s  %s\n", "FAULT", "SECONDS", "CAUGHT BY")
	bad := 0
	for i, m := range o.chosen {
		c, err := l.examine(ctx, m, texts[i])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			bad++
			fmt.Printf("%-32s %8s  %v\n", m.name, "-", err)
		case c == nil:
			bad++
			fmt.Printf("%-32s %8s  SURVIVED: %s\n", m.name, "-", m.fault)
		default:
			fmt.Printf("%-32s %8.1f  %s: %s\n", m.name, c.after.Seconds(), c.test, first(100, c.message))
		}
	}
	fmt.Printf("%d faults, %d caught, in %s\n", len(o.chosen), len(o.chosen)-bad, time.Since(began).Round(time.Second))
	if bad > 0 {
		return fmt.Errorf("%d faults were not caught", bad)
	}
	return nil
}

// first is the beginning of a text, on one line.
func first(most int, text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return cmp.Or(string(runes), "no message")
}
