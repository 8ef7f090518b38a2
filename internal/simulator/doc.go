// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulator is the server side of the Vonage Video API, for tests, demos and the sandbox: both environments
// (Unified and the legacy OpenTok one), strict about everything Vonage is strict about, with simulated clients that
// connect with a real token and receive what browsers would receive.
//
// It shares no code with the operator's client on purpose: two independent readings of the vendor's documentation and
// SDKs keep each other honest, and test/conformance runs the vendor's own Node SDKs against it unchanged.
//
// Where the vendor's documentation leaves something open, an option chooses: what a signal to an empty session gets
// (EmptySession), and how the length of a signal's data is counted (SignalSize).
//
// A [Simulator] is an [net/http.Handler]. Paths under /_sim/ are its own control API, / is a live page, the rest is the
// vendor's API. Everything that depends on time goes through the injected clock. Tokens, keys and secrets are never
// stored in the call log, logged or shown.
package simulator
