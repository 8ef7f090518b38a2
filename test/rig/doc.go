// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rig sets up what the soak test, the benchmark and the search for secrets run on: a real API server, a
// simulator of the Vonage API, and the operator as a process of its own, which can be killed and whose time, memory and
// metrics can be read. It is not in test/fixture because that is for unit tests too, which want no control plane.
package rig
