// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sampleapp

import (
	"time"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/breakout"
)

// What the client was seen to do, run in a browser. It shows a notice for 5 s and then leaves one session and connects
// to the other, which takes 0.4 s on a good network and up to 3 s on others; between the two it hears nothing. Its
// clock is up to 10 s off.
const (
	// MoveInterval is how long after being sent somewhere people may be sent somewhere else: the notice, the
	// connection, and 2 s to spare. With 6 s everybody was lost who takes more than 0.9 s to connect. It is also the
	// time from one round to the next, in which those on the move are sent again to where they belong: who was between
	// two sessions hears the next one.
	MoveInterval = 10 * time.Second

	// moveRounds is how often those on the move are sent again; one round later the list is sent without anybody on the
	// move, which ends the "(joining)" that hosts see.
	moveRounds = 2

	// callBackAfter is how long after the end of a countdown people are called back: when pages whose clock is 10 s
	// behind have counted to the end. Called back in a countdown's last second, hosts were seen to count for ever.
	callBackAfter = 12 * time.Second
)

// CallBackAt is when people are called back after the time was up at closesAt; with a manual return they first have the
// grace to come themselves. Pages are told to return manually in any case: those that go back by themselves at the end
// were lost when called back at that time.
func CallBackAt(set *v1alpha1.BreakoutSet, closesAt time.Time) time.Time {
	if set.Spec.ReturnMode == v1alpha1.ReturnManual {
		return closesAt.Add(max(callBackAfter, breakout.CloseGrace(set)))
	}
	return closesAt.Add(callBackAfter)
}
