// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func itoa(i int64) string { return strconv.FormatInt(i, 10) }

// Vectors in the formats of the official Node SDKs.
const (
	openTokTokenVector  = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiI0NTgyODA2MiIsImlzdCI6InByb2plY3QiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzMxMjAwMCwibm9uY2UiOjEyMzQ1Njc4OSwicm9sZSI6InB1Ymxpc2hlciIsInNjb3BlIjoic2Vzc2lvbi5jb25uZWN0Iiwic2Vzc2lvbl9pZCI6IjFfTVg0ME5UZ3lPREEyTW41LU1UYzJOekl5TlRZd01EQXdNSDVCWWtOa1JXWkhhRWxxUzJ4TmJrOXdVWEpUZEZWMlYzaC1mbjQiLCJjb25uZWN0aW9uX2RhdGEiOiJ1c2VyPWFubiBsZWUmc2VhdD03IiwiaW5pdGlhbF9sYXlvdXRfY2xhc3NfbGlzdCI6ImZvY3VzIHNtYWxsIiwianRpIjoiNmYxYzFmMGUtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAyIn0.CTiiPVx4gham1dlcj2UfGa55w9DT-hnh0-45TooxWfA"
	unifiedTokenClaims  = `{"application_id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","scope":"session.connect","session_id":"` + unifiedSession + `","role":"publisher","connection_data":"role=learner","initial_layout_class_list":"","sub":"video","acl":{"paths":{"/session/**":{}}},"iat":1767225600,"exp":1767312000,"jti":"6f1c1f0e-0000-4000-8000-000000000004"}`
	openTokRESTVector   = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiI0NTgyODA2MiIsImlzdCI6InByb2plY3QiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzIyNTc4MCwianRpIjoiNmYxYzFmMGUtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxIn0.EvlZWaDUW8dHShWHN0UXdpKt5RIKqKQJMG2VV3Nooss"
	openTokTokenVectorJ = "6f1c1f0e-0000-4000-8000-000000000002"
)

func TestMintTokenOpenTokVector(t *testing.T) {
	got, err := testCredentials(t, OpenTok).MintToken(TokenOptions{
		SessionID: openTokSession, Role: RolePublisher, Data: "user=ann lee&seat=7",
		LayoutClasses: []string{"focus", "small"},
		IssuedAt:      testNow, ExpiresAt: testNow.Add(24 * time.Hour), ID: openTokTokenVectorJ, Nonce: 123456789,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claimsOf(t, OpenTok, openTokTokenVector), claimsOf(t, OpenTok, got)); diff != "" {
		t.Errorf("claims -want +got:\n%s", diff)
	}
	// HMAC is deterministic, and so is the order of the claims.
	if got != openTokTokenVector {
		t.Errorf("same claims, but other bytes than the vector:\n%s", got)
	}
}

func TestMintTokenUnifiedVector(t *testing.T) {
	options := TokenOptions{
		SessionID: unifiedSession, Role: RolePublisher, Data: "role=learner",
		IssuedAt: testNow, ExpiresAt: testNow.Add(24 * time.Hour), ID: "6f1c1f0e-0000-4000-8000-000000000004",
	}
	c := testCredentials(t, Unified)
	got, err := c.MintToken(options)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parseJSON(t, unifiedTokenClaims), claimsOf(t, Unified, got)); diff != "" {
		t.Errorf("claims -want +got:\n%s", diff)
	}
	again, err := c.MintToken(options)
	if err != nil {
		t.Fatal(err)
	}
	if got != again {
		t.Error("the same options gave two tokens")
	}
}

func TestRESTJWTVector(t *testing.T) {
	got, err := testCredentials(t, OpenTok).signJSON(openTokRESTClaims{
		testAPIKey, openTokIssuerType, 1767225600, 1767225780, "6f1c1f0e-0000-4000-8000-000000000001",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got != openTokRESTVector {
		t.Errorf("got %v, want the vector", claimsOf(t, OpenTok, got))
	}
}

func TestMintTokenRoles(t *testing.T) {
	for _, env := range []Environment{Unified, OpenTok} {
		for _, role := range []Role{RoleModerator, RolePublisher, RoleSubscriber, RolePublisherOnly} {
			t.Run(string(env)+" "+string(role), func(t *testing.T) {
				token, err := testCredentials(t, env).MintToken(TokenOptions{
					SessionID: testSession(env), Role: role, Data: `{"name":"Ünal <&>"}`,
					IssuedAt: testNow.Add(999 * time.Millisecond), ExpiresAt: testNow.Add(time.Hour),
				})
				if err != nil {
					t.Fatal(err)
				}
				claims := claimsOf(t, env, token)
				want := map[string]any{
					"role": string(role), "scope": "session.connect", "session_id": testSession(env),
					"connection_data": `{"name":"Ünal <&>"}`, "initial_layout_class_list": "",
					"iat": float64(1767225600), "exp": float64(1767229200),
				}
				for claim, value := range want {
					if diff := cmp.Diff(value, claims[claim]); diff != "" {
						t.Errorf("claim %s -want +got:\n%s", claim, diff)
					}
				}
				if id, _ := claims["jti"].(string); !isUUID(id) {
					t.Errorf("jti = %v, want a UUID", claims["jti"])
				}
				if nonce, ok := claims["nonce"].(float64); ok != (env == OpenTok) || ok && nonce <= 0 {
					t.Errorf("nonce = %v", claims["nonce"])
				}
			})
		}
	}
}

func TestMintTokenBounds(t *testing.T) {
	tests := map[string]struct {
		change  func(*TokenOptions)
		wantErr string
	}{
		"unchanged":               {func(*TokenOptions) {}, ""},
		"1000 bytes of data":      {func(o *TokenOptions) { o.Data = strings.Repeat("x", 1000) }, ""},
		"1001 bytes of data":      {func(o *TokenOptions) { o.Data = strings.Repeat("x", 1001) }, "has 1001 bytes"},
		"1000 characters, longer": {func(o *TokenOptions) { o.Data = strings.Repeat("ü", 1000) }, "has 2000 bytes"},
		"data not UTF-8":          {func(o *TokenOptions) { o.Data = "\xff" }, "UTF-8"},
		"layout too long": {
			func(o *TokenOptions) { o.LayoutClasses = []string{strings.Repeat("x", 1001)} }, "layout",
		},
		"30 days": {func(o *TokenOptions) { o.ExpiresAt = o.IssuedAt.Add(MaxTokenLifetime) }, ""},
		"30 days and a second": {
			func(o *TokenOptions) { o.ExpiresAt = o.IssuedAt.Add(MaxTokenLifetime + time.Second) }, "30 days",
		},
		"one second": {func(o *TokenOptions) { o.ExpiresAt = o.IssuedAt.Add(time.Second) }, ""},
		"less than a second": {
			func(o *TokenOptions) { o.ExpiresAt = o.IssuedAt.Add(999 * time.Millisecond) }, "before it is issued",
		},
		"expired": {
			func(o *TokenOptions) { o.ExpiresAt = o.IssuedAt.Add(-time.Hour) }, "before it is issued",
		},
		"no expiry":         {func(o *TokenOptions) { o.ExpiresAt = time.Time{} }, "before it is issued"},
		"no time of issue":  {func(o *TokenOptions) { o.IssuedAt = time.Time{} }, "time of issue"},
		"no role":           {func(o *TokenOptions) { o.Role = "" }, "unknown role"},
		"unknown role":      {func(o *TokenOptions) { o.Role = "Moderator" }, "unknown role"},
		"malformed session": {func(o *TokenOptions) { o.SessionID = "1_x" }, "malformed session ID"},
		"another's session": {func(o *TokenOptions) { o.SessionID = unifiedSession }, "another project"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			options := TokenOptions{
				SessionID: openTokSession, Role: RolePublisher, IssuedAt: testNow, ExpiresAt: testNow.Add(time.Hour),
			}
			tc.change(&options)
			token, err := testCredentials(t, OpenTok).MintToken(options)
			if tc.wantErr == "" {
				if err != nil || token == "" {
					t.Fatalf("error = %v, want a token", err)
				}
				return
			}
			if token != "" || ClassOf(err) != ClassTerminal || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error = %v, want a terminal one with %q", err, tc.wantErr)
			}
		})
	}
}
