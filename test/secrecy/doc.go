// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package secrecy searches everything that the operator says, in logs at debug level, events, conditions and metrics,
// for every key, secret and token that there was in a full run of it.
package secrecy
