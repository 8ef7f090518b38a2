// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
)

// Messages of authentication errors. Where a public report of the vendor's text exists it is that one (issues and
// fixtures of the vendor's SDKs); the others, marked "own words", say what the vendor's documentation demands.
const (
	msgNoAuth     = "No suitable authentication found"
	msgFormat     = "Invalid token format"
	msgIssuerForm = "Invalid issuer format"
	msgIssuer     = "Issuer not found"
	msgSignature  = "Invalid signature"
	msgFuture     = "issued time cannot be greater than current time"
	msgOtherID    = "Id in the token does not match the one in the url"
	msgVonageJWT  = "You passed in an invalid Vonage JWT token."
	msgExpired    = "Token has expired"                                        // own words
	msgLong       = "Token lifetime is longer than allowed"                    // own words
	msgShort      = "Token lifetime is shorter than allowed"                   // own words
	msgNotYet     = "Token is not valid yet"                                   // own words
	msgClientTok  = "A client token cannot be used to authenticate REST calls" // own words
)

// Lifetimes of REST JWTs, in seconds: at most 5 minutes in OpenTok (TokBox REST documentation); 30 s to 24 h, 15 min
// when absent, in the unified environment (Vonage authentication documentation).
const (
	maxLifeOpenTok     = 300
	minLifeUnified     = 30
	maxLifeUnified     = 24 * 3600
	defaultLifeUnified = 900
)

type authError struct {
	status, code int
	message      string
}

func forbidden(message string) *authError { return &authError{http.StatusForbidden, -1, message} }

// verifiedJWT is what is left of a REST JWT once its signature was found good: what time and rotation can still change.
type verifiedJWT struct {
	project       *Project
	iat, nbf, exp int64
}

// jwtCache remembers verified REST JWTs by hash, so that a client that re-uses one JWT for thousands of calls does not
// make the simulator the slow part of a benchmark.
type jwtCache struct {
	mu sync.RWMutex
	m  map[[sha256.Size]byte]verifiedJWT
}

const maxCachedJWTs = 4096

func (c *jwtCache) get(key [sha256.Size]byte) (verifiedJWT, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.m[key]
	return v, ok
}

func (c *jwtCache) put(key [sha256.Size]byte, v verifiedJWT) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxCachedJWTs {
		c.m = map[[sha256.Size]byte]verifiedJWT{}
	}
	c.m[key] = v
}

// authenticate returns the project of the call's credential. pathID is the project in the path, "" for none.
func (s *Simulator) authenticate(h http.Header, pathID string) (*Project, *authError) {
	env, token := s.credential(h, pathID)
	if token == "" {
		return nil, forbidden(msgNoAuth)
	}
	key := sha256.Sum256([]byte(string(env) + token))
	v, ok := s.jwts.get(key)
	if !ok || s.project(v.project.ID) != v.project {
		var err *authError
		if v, err = s.verifyREST(env, token); err != nil {
			return nil, err
		}
		s.jwts.put(key, v)
	}
	now := s.now().Unix()
	switch {
	case v.iat > now:
		return nil, forbidden(msgFuture)
	case v.nbf > now:
		return nil, forbidden(msgNotYet)
	case v.exp <= now:
		return nil, forbidden(msgExpired)
	case pathID != "" && pathID != v.project.ID:
		return nil, forbidden(msgOtherID)
	}
	return v.project, nil
}

// credential picks the header of the environment: the path's project decides, else the header that is there.
func (s *Simulator) credential(h http.Header, pathID string) (Environment, string) {
	openTok := h.Get("X-OPENTOK-AUTH")
	bearer, isBearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !isBearer {
		bearer = ""
	}
	env := Unified
	if p := s.project(pathID); p != nil {
		env = p.Environment
	} else if openTok != "" {
		env = OpenTok
	}
	if env == OpenTok {
		return env, openTok
	}
	return env, bearer
}

func (s *Simulator) verifyREST(env Environment, token string) (verifiedJWT, *authError) {
	t, err := parseJWT(token)
	if env == OpenTok {
		if err != nil || t.header["alg"] != "HS256" {
			return verifiedJWT{}, forbidden(msgFormat)
		}
		return s.verifyOpenTok(t)
	}
	if err != nil || t.header["alg"] != "RS256" {
		return verifiedJWT{}, s.badBearer()
	}
	return s.verifyUnified(t)
}

func (s *Simulator) verifyOpenTok(t jwt) (verifiedJWT, *authError) {
	iss, ok := t.claims.text("iss")
	if !ok || !apiKey.MatchString(iss) {
		return verifiedJWT{}, forbidden(msgIssuerForm)
	}
	p := s.project(iss)
	if p == nil || p.Environment != OpenTok {
		return verifiedJWT{}, forbidden(msgIssuer)
	}
	if !p.verifyHS256(t) {
		return verifiedJWT{}, forbidden(msgSignature)
	}
	if isClientToken(t.claims) {
		return verifiedJWT{}, forbidden(msgClientTok)
	}
	// The Ruby SDK puts ist into the header, and works.
	if t.claims["ist"] != "project" && t.header["ist"] != "project" {
		return verifiedJWT{}, forbidden(msgFormat)
	}
	iat, hasIat := t.claims.seconds("iat")
	exp, hasExp := t.claims.seconds("exp")
	switch {
	case !hasIat || !hasExp || exp <= iat:
		return verifiedJWT{}, forbidden(msgFormat)
	case exp-iat > maxLifeOpenTok:
		return verifiedJWT{}, forbidden(msgLong)
	}
	return verifiedJWT{project: p, iat: iat, exp: exp}, nil
}

func (s *Simulator) verifyUnified(t jwt) (verifiedJWT, *authError) {
	id, _ := t.claims.text("application_id")
	p := s.project(id)
	jti, _ := t.claims.text("jti")
	iat, hasIat := t.claims.seconds("iat")
	if p == nil || p.Environment != Unified || !p.verifyRS256(t) || jti == "" || !hasIat {
		return verifiedJWT{}, s.badBearer()
	}
	if isClientToken(t.claims) {
		return verifiedJWT{}, forbidden(msgClientTok)
	}
	v := verifiedJWT{project: p, iat: iat, exp: iat + defaultLifeUnified}
	if t.claims["exp"] != nil {
		exp, ok := t.claims.seconds("exp")
		switch {
		case !ok:
			return verifiedJWT{}, s.badBearer()
		case exp-iat < minLifeUnified:
			return verifiedJWT{}, forbidden(msgShort)
		case exp-iat > maxLifeUnified:
			return verifiedJWT{}, forbidden(msgLong)
		}
		v.exp = exp
	}
	if t.claims["nbf"] != nil {
		nbf, ok := t.claims.seconds("nbf")
		if !ok {
			return verifiedJWT{}, s.badBearer()
		}
		v.nbf = nbf
	}
	return v, nil
}

// badBearer is the refusal of a bearer token that is not a good Vonage JWT. The status, 401 or 403, is an option: the
// vendor's SDKs treat both alike, and which one is sent is not documented.
func (s *Simulator) badBearer() *authError {
	return &authError{s.opts.BadBearerStatus, s.opts.BadBearerStatus, msgVonageJWT}
}

func isClientToken(c claims) bool { return c["scope"] != nil || c["session_id"] != nil }
