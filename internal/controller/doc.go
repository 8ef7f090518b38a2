// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller holds the reconcilers: one per kind, one file per concern (<kind>_<concern>.go). A reconciler
// reads the cache, lets pure functions decide, does what they say, and writes the object's status once, locked by its
// resourceVersion. Everything that must survive the process is in Kubernetes objects; what is kept in memory only saves
// work or paces retries.
package controller
