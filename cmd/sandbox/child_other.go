//go:build unix && !linux

// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// childAttributes leaves the operator in this process's group, so that the terminal's interrupt ends both.
func childAttributes() *syscall.SysProcAttr { return nil }
