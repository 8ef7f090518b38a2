// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package conformance keeps internal/simulator and internal/vonage honest: its test runs the vendor's own Node SDKs,
// unchanged but for the base URL, against the simulator, and compares the tokens they mint, claim by claim, with those
// of the operator. It needs node and npm; the SDKs are pinned by package-lock.json.
package conformance
