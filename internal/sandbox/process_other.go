//go:build unix && !linux

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import "syscall"

// childAttributes leaves the child in this process's group: without a parent-death signal that
// is what ends it with the terminal's interrupt.
func childAttributes() *syscall.SysProcAttr { return nil }
