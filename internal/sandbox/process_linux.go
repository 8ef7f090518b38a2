// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import "syscall"

// childAttributes makes the kernel kill the child when this process ends in whatever way, and
// keeps the terminal's interrupt away from it, so that it is still there while this process cleans up.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
