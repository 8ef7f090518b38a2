// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

const (
	// Vonage refuses a JWT whose time of issue is in the future: leave room for
	// clocks that differ.
	jwtBackdate = 5 * time.Second
	// The longest lifetime OpenTok documents.
	openTokJWTLifetime = 5 * time.Minute
	// The lifetime Unified documents as its default.
	unifiedJWTLifetime = 15 * time.Minute
	// A JWT is replaced before it expires, by more than a call takes and clocks
	// may differ.
	jwtRenewBefore = time.Minute

	// OpenTok tells keys of projects from those of accounts.
	openTokIssuerType = "project"
)

// openTokRESTClaims are the claims of an OpenTok REST JWT.
type openTokRESTClaims struct {
	Issuer     string `json:"iss"`
	IssuerType string `json:"ist"`
	IssuedAt   int64  `json:"iat"`
	ExpiresAt  int64  `json:"exp"`
	ID         string `json:"jti"`
}

// unifiedRESTClaims are the claims of a Unified REST JWT.
type unifiedRESTClaims struct {
	ApplicationID string `json:"application_id"`
	IssuedAt      int64  `json:"iat"`
	ExpiresAt     int64  `json:"exp"`
	ID            string `json:"jti"`
}

// restJWT is a signed REST JWT. The text is inside a closure, where printing by
// reflection does not find it.
type restJWT struct {
	authorize func(http.Header)
	issuedAt  time.Time
	renewAt   time.Time
	// accepted is set once Vonage has accepted it.
	accepted atomic.Bool
}

// signREST signs a REST JWT as of now.
func (c Credentials) signREST(now time.Time) (*restJWT, error) {
	issued := now.Add(-jwtBackdate)
	if c.p.environment == OpenTok {
		expires := issued.Add(openTokJWTLifetime)
		token, err := c.signJSON(openTokRESTClaims{
			c.p.id, openTokIssuerType, issued.Unix(), expires.Unix(), uuid.NewString(),
		})
		return newRESTJWT(issued, expires, "X-OPENTOK-AUTH", token), err
	}
	expires := issued.Add(unifiedJWTLifetime)
	token, err := c.signJSON(unifiedRESTClaims{c.p.id, issued.Unix(), expires.Unix(), uuid.NewString()})
	return newRESTJWT(issued, expires, "Authorization", "Bearer "+token), err
}

func newRESTJWT(issued, expires time.Time, header, value string) *restJWT {
	return &restJWT{
		authorize: func(h http.Header) { h.Set(header, value) },
		issuedAt:  issued,
		renewAt:   expires.Add(-jwtRenewBefore),
	}
}

// authorizer keeps the REST JWT in use. An RSA signature takes a millisecond of
// CPU, more than the rest of a call: hence one for many calls, and one signer at
// a time, for which the others wait.
type authorizer struct {
	credentials Credentials

	mu      sync.Mutex
	current *restJWT
}

// get returns a JWT valid at now, and whether Vonage has accepted it before. A
// clock set back makes a new one: the old one would be from the future.
func (a *authorizer) get(now time.Time) (*restJWT, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil && now.After(a.current.issuedAt) && now.Before(a.current.renewAt) {
		return a.current, a.current.accepted.Load(), nil
	}
	fresh, err := a.credentials.signREST(now)
	if err != nil {
		return nil, false, err
	}
	a.current = fresh
	return fresh, false, nil
}

// discard makes the next get sign anew, unless somebody did already.
func (a *authorizer) discard(jwt *restJWT) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == jwt {
		a.current = nil
	}
}
