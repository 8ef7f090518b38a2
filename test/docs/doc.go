// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs holds the tests that keep docs/ true: that every field and every condition reason is described, that the
// examples are valid and the signals shown are what the operator sends, and that no link leads nowhere.
package docs
