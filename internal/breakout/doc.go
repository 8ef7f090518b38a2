// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package breakout holds the decisions about breakout rooms as pure functions: whether a set is open now (clock.go),
// who goes where (assign.go), what people should know (view.go), what a set needs (decide.go), and which sessions are
// owed what of it (plan.go). How that is said to a client, and when, is another package's, such as sampleapp. Nothing
// here does I/O, reads a clock or keeps state: what must outlive a crash is in a BreakoutSet's status.
package breakout
