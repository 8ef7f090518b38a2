// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package vonage talks to the Vonage Video API: it creates sessions, sends
// signals, lists and disconnects connections, and mints the tokens with which
// browsers connect. It speaks to both environments, Unified (an application ID
// and its RSA private key) and OpenTok (an API key and its API secret).
//
// # Parts
//
//   - [Credentials] hold one project's identity and key. They mint client
//     tokens offline ([Credentials.MintToken]) and never show the key: every
//     way of printing them gives the same redacted text.
//   - [Client] is the REST client of one project. It bounds every call in time
//     and size, keeps to the project's request rate, and re-uses its REST JWT.
//   - [Error] says what a failure means for the caller; see [Class].
//   - [ParseSessionID] reads what a session ID tells about itself.
//
// # Retries
//
// The client repeats a call by itself in two cases only, neither of which can
// take effect twice: a 401 or 403 to a JWT that had been accepted before (once,
// with a fresh JWT), and a kept-alive connection that turned out to be dead
// before a single byte was written to it. Everything else is the caller's
// decision, by class. Creating a session and sending a signal are not
// idempotent, and Vonage has no idempotency key: after [ClassAmbiguous] a
// repeated create yields one more session, which nobody knows and which costs
// nothing, and a repeated signal may be received twice.
//
// # Secrets
//
// No error, and nothing else this package returns apart from the tokens asked
// for, contains a key, a secret, a JWT, a URL, or text that the server chose.
package vonage
