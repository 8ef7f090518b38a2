// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
)

// The vector was made with the vendor's libraries from the key and secret of these tests.
const openTokVector = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiI0NTgyODA2MiIsImlzdCI6InByb2plY3QiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIyNTc4MCwianRpIjoiNmYxYzFmMGUtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxIn0.EvlZWaDUW8dHShWHN0UXdpKt5RIKqKQJMG2VV3Nooss"

func TestAuthentication(t *testing.T) {
	const now = vectorTime + 60
	ot, un := restClaims(OpenTok, now), restClaims(Unified, now)
	alg := func(token, header string) string {
		_, rest, _ := strings.Cut(token, ".")
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
	}
	tests := map[string]struct {
		env         Environment // whose path is called
		header      http.Header
		wantStatus  int
		wantMessage string // "" for a call that gets past authentication
	}{
		"OpenTok: the vector":        {OpenTok, authHeader(OpenTok, openTokVector), 200, ""},
		"OpenTok: no header":         {OpenTok, http.Header{}, 403, msgNoAuth},
		"OpenTok: bearer header":     {OpenTok, authHeader(Unified, hs256(secret, ot)), 403, msgNoAuth},
		"OpenTok: not a JWT":         {OpenTok, authHeader(OpenTok, "hello"), 403, msgFormat},
		"OpenTok: three empty parts": {OpenTok, authHeader(OpenTok, ".."), 403, msgFormat},
		"OpenTok: a T1 token":        {OpenTok, authHeader(OpenTok, t1Vector), 403, msgFormat},
		"OpenTok: alg none": {
			OpenTok, authHeader(OpenTok, alg(hs256(secret, ot), `{"alg":"none"}`)), 403, msgFormat,
		},
		"OpenTok: RS256": {OpenTok, authHeader(OpenTok, rs256(rsaKey(), ot)), 403, msgFormat},
		"OpenTok: no issuer": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iss": nil}))), 403, msgIssuerForm,
		},
		"OpenTok: issuer a number": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iss": 45828062}))), 403, msgIssuerForm,
		},
		"OpenTok: issuer a UUID": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iss": appID}))), 403, msgIssuerForm,
		},
		"OpenTok: unknown issuer": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iss": "1"}))), 403, msgIssuer,
		},
		"OpenTok: wrong secret":       {OpenTok, authHeader(OpenTok, hs256("x"+secret, ot)), 403, msgSignature},
		"OpenTok: secret hex-decoded": {OpenTok, authHeader(OpenTok, hs256("\x01\x23", ot)), 403, msgSignature},
		"OpenTok: account token": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"ist": "account"}))), 403, msgFormat,
		},
		"OpenTok: no ist": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"ist": nil}))), 403, msgFormat,
		},
		"OpenTok: no iat": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iat": nil}))), 403, msgFormat,
		},
		"OpenTok: iat as text": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iat": "1767225600"}))), 403, msgFormat,
		},
		"OpenTok: no exp": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"exp": nil}))), 403, msgFormat,
		},
		"OpenTok: exp before iat": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"exp": now - 1}))), 403, msgFormat,
		},
		"OpenTok: iat in the future": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iat": now + 1}))), 403, msgFuture,
		},
		"OpenTok: expired": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"iat": now - 100, "exp": now}))), 403,
			msgExpired,
		},
		"OpenTok: 300 s": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"exp": now + 300}))), 200, "",
		},
		"OpenTok: 301 s": {
			OpenTok, authHeader(OpenTok, hs256(secret, with(ot, object{"exp": now + 301}))), 403, msgLong,
		},
		"OpenTok: client token": {
			OpenTok,
			authHeader(OpenTok,
				hs256(secret,
					with(clientClaims(OpenTok, now, openTokSample, "publisher", ""), object{"exp": now + 200}))), 403,
			msgClientTok,
		},
		"OpenTok: of another project": {Unified, authHeader(OpenTok, hs256(secret, ot)), 403, msgNoAuth},

		"Unified: good": {Unified, authHeader(Unified, rs256(rsaKey(), un)), 200, ""},
		"Unified: extra claims": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"iss": appID, "ist": "project"}))), 200, "",
		},
		"Unified: no exp": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"exp": nil, "iat": now - 899}))), 200, "",
		},
		"Unified: no exp, 15 min old": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"exp": nil, "iat": now - 900}))), 403,
			msgExpired,
		},
		"Unified: no header":      {Unified, http.Header{}, 403, msgNoAuth},
		"Unified: basic":          {Unified, http.Header{"Authorization": {"Basic YTpi"}}, 403, msgNoAuth},
		"Unified: OpenTok header": {Unified, authHeader(OpenTok, rs256(rsaKey(), un)), 403, msgNoAuth},
		"Unified: not a JWT":      {Unified, authHeader(Unified, "hello"), 403, msgVonageJWT},
		"Unified: HS256":          {Unified, authHeader(Unified, hs256(secret, un)), 403, msgVonageJWT},
		"Unified: alg none": {
			Unified, authHeader(Unified, alg(rs256(rsaKey(), un), `{"alg":"none"}`)), 403, msgVonageJWT,
		},
		"Unified: crit": {
			Unified, authHeader(Unified, alg(rs256(rsaKey(), un), `{"alg":"RS256","crit":["x"]}`)), 403, msgVonageJWT,
		},
		"Unified: unknown application": {
			Unified,
			authHeader(Unified,
				rs256(rsaKey(), with(un, object{"application_id": strings.Replace(appID, "3", "4", 1)}))), 403,
			msgVonageJWT,
		},
		"Unified: no application": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"application_id": nil}))), 403, msgVonageJWT,
		},
		"Unified: another key": {Unified, authHeader(Unified, rs256(otherKey(), un)), 403, msgVonageJWT},
		"Unified: no jti": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"jti": nil}))), 403, msgVonageJWT,
		},
		"Unified: no iat": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"iat": nil}))), 403, msgVonageJWT,
		},
		"Unified: iat in the future": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"iat": now + 1}))), 403, msgFuture,
		},
		"Unified: nbf in the future": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"nbf": now + 1}))), 403, msgNotYet,
		},
		"Unified: expired": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"iat": now - 60, "exp": now}))), 403,
			msgExpired,
		},
		"Unified: 29 s": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"exp": now + 29}))), 403, msgShort,
		},
		"Unified: 24 h": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"exp": now + 86400}))), 200, "",
		},
		"Unified: 24 h and 1 s": {
			Unified, authHeader(Unified, rs256(rsaKey(), with(un, object{"exp": now + 86401}))), 403, msgLong,
		},
		"Unified: client token": {
			Unified, authHeader(Unified, rs256(rsaKey(), clientClaims(Unified, now, unifiedSample, "publisher", ""))),
			403, msgClientTok,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, Options{})
			r := httptest.NewRequest("GET", "/v2/project/"+projectID(tc.env)+"/archive?count=1", nil)
			r.Header = tc.header.Clone()
			r.Header.Set("Accept", "application/json")
			a := as(t, s, tc.env).do(r)
			if a.status != tc.wantStatus {
				t.Fatalf("status %d, want %d: %s", a.status, tc.wantStatus, a.text)
			}
			if tc.wantMessage != "" &&
				(a.field("message") != tc.wantMessage || a.field("description") != tc.wantMessage) {
				t.Errorf("body %s, want message and description %q", a.text, tc.wantMessage)
			}
		})
	}
}

func TestAuthenticationOfCreate(t *testing.T) {
	// There is no project in this path: the header decides.
	const now = vectorTime + 60
	tests := map[string]struct {
		header     http.Header
		wantStatus int
	}{
		"OpenTok":             {authHeader(OpenTok, hs256(secret, restClaims(OpenTok, now))), 200},
		"unified":             {authHeader(Unified, rs256(rsaKey(), restClaims(Unified, now))), 200},
		"OpenTok JWT, bearer": {authHeader(Unified, hs256(secret, restClaims(OpenTok, now))), 403},
		"unified JWT, own":    {authHeader(OpenTok, rs256(rsaKey(), restClaims(Unified, now))), 403},
		"none":                {http.Header{}, 403},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, Options{})
			r := httptest.NewRequest("POST", "/session/create", nil)
			r.Header = tc.header
			if a := as(t, s, Unified).do(r); a.status != tc.wantStatus {
				t.Errorf("status %d, want %d: %s", a.status, tc.wantStatus, a.text)
			}
		})
	}
}

func TestTokenOfAnotherProject(t *testing.T) {
	for _, env := range environments {
		s := newSimulator(t, Options{})
		second := Project{Environment: OpenTok, ID: "7", Secret: "s"}
		if env == Unified {
			second = Project{
				Environment: Unified, ID: strings.Replace(appID, "3", "4", 1), PublicKey: &otherKey().PublicKey,
			}
		}
		if err := s.AddProject(second); err != nil {
			t.Fatal(err)
		}
		r := as(t, s, env).request("GET", "/v2/project/"+second.ID+"/archive", "", "")
		if a := as(t, s, env).do(r); a.status != 403 || a.field("message") != msgOtherID {
			t.Errorf("%s: %d %s, want 403 %q", env, a.status, a.text, msgOtherID)
		}
	}
}

func TestBadBearerStatus(t *testing.T) {
	s := newSimulator(t, Options{BadBearerStatus: 401})
	r := httptest.NewRequest("GET", "/v2/project/"+appID+"/archive", nil)
	r.Header.Set("Authorization", "Bearer no")
	if a := as(t, s, Unified).do(r); a.status != 401 {
		t.Errorf("status %d, want 401", a.status)
	}
}

// A verified JWT is remembered, which must not outlive its expiry nor a rotation.
func TestVerifiedJWTIsForgotten(t *testing.T) {
	for _, env := range environments {
		clk := testingclock.NewFakeClock(time.Unix(vectorTime, 0))
		s := newSimulator(t, Options{Clock: clk})
		c := as(t, s, env)
		r := c.request("GET", "/v2/project/"+projectID(env)+"/archive", "", "")
		if a := c.do(r); a.status != 200 {
			t.Fatalf("%s: %d %s", env, a.status, a.text)
		}
		clk.SetTime(time.Unix(vectorTime+900, 0))
		if a := c.do(r); a.status != 403 || a.field("message") != msgExpired {
			t.Errorf("%s: after its expiry: %d %s", env, a.status, a.text)
		}
		clk.SetTime(time.Unix(vectorTime, 0))
		var err error
		if env == Unified {
			err = s.RotateKey(appID, &otherKey().PublicKey)
		} else {
			err = s.RotateSecret(key, "another")
		}
		if err != nil {
			t.Fatal(err)
		}
		if a := c.do(r); a.status != 403 {
			t.Errorf("%s: after a rotation: %d %s", env, a.status, a.text)
		}
		s.RemoveProject(projectID(env))
		if a := c.do(r); a.status != 403 {
			t.Errorf("%s: after the removal: %d %s", env, a.status, a.text)
		}
	}
}

func TestClockOffset(t *testing.T) {
	s := newSimulator(t, Options{})
	s.SetClockOffset(-time.Minute)
	for _, env := range environments {
		c := as(t, s, env)
		if a := c.create(nil); a.status != 403 || a.field("message") != msgFuture {
			t.Errorf("%s: %d %s", env, a.status, a.text)
		}
	}
}
