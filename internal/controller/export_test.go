// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

// What stories know of the operator's inside: how long it waits, and how it names things.
const (
	RecheckAccepted    = recheckAccepted
	MinRecheckInterval = minRecheckInterval
	RecheckRejected    = recheckRejected
	RecheckRefused     = recheckRefused
	RecheckSecrets     = recheckSecrets
	RetryMost          = retryMost

	ParticipantsNotDisconnectedReason = participantsNotDisconnectedReason
)

// RenewAt, FirstSecretRef and TokenSecretName are these functions.
var (
	RenewAt         = renewAt
	FirstSecretRef  = firstSecretRef
	TokenSecretName = tokenSecretName
)
