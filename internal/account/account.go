// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package account turns VonageAccounts into clients of the Vonage Video API. It is the only reader of credential
// Secrets, which lie in the operator's own namespace and nowhere else, and the only place where clients are made: all
// controllers share one client per account, and with it its rate limit, its connections and its signed JWT.
package account

import (
	"fmt"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// Account is a VonageAccount ready for use. It is immutable and safe for concurrent use; get a new one for each
// reconcile, since it holds the key of when it was made.
type Account struct {
	// Name is the name of the VonageAccount.
	Name string
	// ProjectID is the application ID (Unified) or API key (OpenTok).
	ProjectID string
	// Environment is Unified or OpenTok.
	Environment v1alpha1.Environment
	// Adoption reports whether rooms may adopt existing sessions: AdoptionForbidden or AdoptionAllowed.
	Adoption v1alpha1.AdoptionPolicy
	// Client is the account's REST client, shared by all who use the account.
	Client *vonage.Client
	// Credentials mint tokens. They print without secrets.
	Credentials vonage.Credentials
}

// KeyID identifies the key in use without revealing it.
func (a *Account) KeyID() string { return a.Credentials.KeyID() }

// Error says why an account cannot be used.
type Error struct {
	// Reason is a condition reason of the API.
	Reason string
	// Message says what is wrong and what to do, for a condition. It holds nothing secret.
	Message string
	// Waiting means that the operator is at work and nobody has to do anything.
	Waiting bool
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func failf(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func waitf(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...), Waiting: true}
}
