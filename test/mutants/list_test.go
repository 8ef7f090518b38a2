// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/format"
	"testing"
)

// TestMutants finds the line of every mutant in the operator as it is, so that the list does not become outdated.
func TestMutants(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			text, err := m.apply("../..")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := format.Source([]byte(text)); err != nil {
				t.Errorf("with the fault in it %s cannot be read: %v", m.file, err)
			}
			if names[m.name] {
				t.Error("another mutant has this name")
			}
			names[m.name] = true
		})
	}
	if len(mutants) < 20 {
		t.Errorf("there are %d mutants, want at least 20", len(mutants))
	}
}
