// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sampleapp is the dialect of the browser client of Vonage's sample app for breakout rooms: which messages
// bring the state of a BreakoutSet to the people in a session, and in which order and pace (delivery.go, pacing.go),
// and their bytes (message.go, list.go, page.go, roomsignal.go). What people are to know, and which sessions are owed
// what of it, package breakout has decided; another client would get a package like this one.
package sampleapp
