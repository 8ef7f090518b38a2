// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// childAttributes makes the kernel end the operator when this process ends in whatever way, and keeps the terminal's interrupt away from it,
// so that it is this process that stops it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
