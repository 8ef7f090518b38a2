// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster has each story of a meeting take place once on a real API server, with the operator as a process of
// its own: what test/sim proves on a model of an API server is so on a real one. In the middle of all stories the API
// server restarts, and after them etcd is restored from a backup.
package cluster
