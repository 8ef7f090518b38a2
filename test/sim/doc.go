// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sim runs the whole operator, unchanged, on one simulated clock: its manager, caches, queues and clients of
// the API server and of Vonage, beside an API server in memory (test/sim/apiserver), the simulator of the Vonage API
// (internal/simulator) and models of the sample app's browsers (test/conformance/browser), all in one testing/synctest
// bubble. An hour of a meeting takes less than a second.
//
// A gate holds every write to the API server and every call to Vonage, and watches hold every event. The driver,
// World.Run, does one thing at a time when nothing else goes on: it lets an operation pass, fails it, or kills the
// operator instead; it delivers an event; it has a browser act. So a run follows from its seed and the judge of its
// operations alone, and can be repeated.
//
// What is right is read from the API server's objects, from the simulator's log of calls and from the browsers, never
// from what the operator says of itself (oracle.go).
package sim
