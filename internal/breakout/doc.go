// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package breakout holds the decisions about breakout rooms as pure functions: whether a set is open now (clock.go),
// who goes where (assign.go), what people should know (view.go), what is to be told when that changes (plan.go), in
// which steps (steps.go), and as which bytes (message.go, page.go). Nothing here does I/O, reads a clock or keeps
// state: what must outlive a crash is in a BreakoutSet's status.
package breakout
