// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// roles are all there are.
var roles = []vonage.Role{vonage.RoleModerator, vonage.RolePublisher, vonage.RoleSubscriber, vonage.RolePublisherOnly}

// differing are the claims in which our tokens and the SDKs' may differ, with the reason. All others must be there in
// both and equal, save one: without connection data the SDKs leave connection_data out, and ours may say "", which
// reads the same.
var differing = map[simulator.Environment]map[string]string{
	simulator.Unified: {
		"jti": "random in both: it names the token",
	},
	simulator.OpenTok: {
		"nonce":       "random in both: it makes the token unique",
		"jti":         "ours only: optional, the Java SDK has it too; it names the token",
		"create_time": "theirs only: iat again, rounded up or down, for readers of T1 tokens",
		"expire_time": "theirs only: exp again, for readers of T1 tokens",
	},
}

// checkDiffering checks what the differing claims are.
func checkDiffering(t *testing.T, who string, claims object, redundant bool) {
	t.Helper()
	if _, ok := claims["nonce"].(float64); claims["nonce"] != nil && !ok {
		t.Errorf("%s: nonce %v is no number", who, claims["nonce"])
	}
	if jti, _ := claims["jti"].(string); claims["jti"] != nil && jti == "" {
		t.Errorf("%s: jti %v is no text", who, claims["jti"])
	}
	created, _ := claims["create_time"].(float64)
	issued, _ := claims["iat"].(float64)
	if redundant && (created-issued > 1 || created < issued || claims["expire_time"] != claims["exp"]) {
		t.Errorf("%s: create_time and expire_time do not repeat iat and exp", who)
	}
}

func (s sdk) credentials() vonage.Credentials {
	s.t.Helper()
	env, key := vonage.Unified, s.privateKey
	if s.project == apiKey {
		env, key = vonage.OpenTok, apiSecret
	}
	c, err := vonage.NewCredentials(env, s.project, []byte(key))
	s.must(err)
	return c
}

func parts(t *testing.T, token string) (header, claims object) {
	t.Helper()
	fields := strings.Split(token, ".")
	if len(fields) != 3 {
		t.Fatal("not a JWT")
	}
	for i, v := range []*object{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// testTokens mints the same token with the SDK and with our code, for every role with and without the optional parts.
func (s sdk) testTokens() {
	env := simulator.Unified
	if s.project == apiKey {
		env = simulator.OpenTok
	}
	sid := s.newSession()
	for _, role := range roles {
		for name, tc := range map[string]struct {
			data    string
			classes []string
		}{
			"plain":               {},
			"with data":           {data: `{"id":"1","name":"Ms Jönes & co <3","role":"moderator","isCohost":false}`},
			"with layout classes": {data: "x", classes: []string{"focus", "small"}},
		} {
			s.t.Run(string(role)+" "+name, func(t *testing.T) {
				s := s
				s.t = t
				expires := time.Now().Add(2 * time.Hour).Truncate(time.Second)
				// The SDKs name the option alike in JavaScript, except the OpenTok one in its unified mode.
				options := object{"role": role, "expireTime": expires.Unix(), "expire_time": expires.Unix()}
				if tc.data != "" {
					options["data"] = tc.data
				}
				if tc.classes != nil {
					options["initialLayoutClassList"] = tc.classes
				}
				theirs := s.token(sid, options)
				theirHeader, theirClaims := parts(t, theirs)
				iat, _ := theirClaims["iat"].(float64)
				ours, err := s.credentials().MintToken(vonage.TokenOptions{
					SessionID: sid, Role: role, Data: tc.data, LayoutClasses: tc.classes,
					IssuedAt: time.Unix(int64(iat), 0), ExpiresAt: expires,
				})
				s.must(err)
				ourHeader, ourClaims := parts(t, ours)
				if diff := gocmp.Diff(theirHeader, ourHeader); diff != "" {
					t.Errorf("headers differ (-SDK +ours): %s", diff)
				}
				checkDiffering(t, "SDK", theirClaims, env == simulator.OpenTok)
				checkDiffering(t, "ours", ourClaims, false)
				if diff := gocmp.Diff(
					without(theirClaims, differing[env]), without(ourClaims, differing[env]),
				); diff != "" {
					t.Errorf("claims differ (-SDK +ours): %s", diff)
				}
				want := simulator.TokenInfo{
					ProjectID: s.project, SessionID: sid, Role: string(role), Data: tc.data,
					LayoutClasses: append([]string{}, tc.classes...),
					IssuedAt:      int64(iat), ExpiresAt: expires.Unix(),
				}
				minted := map[string]string{"SDK": theirs, "ours": ours}
				if env == simulator.OpenTok {
					minted["SDK, T1"] = s.token(sid, options, true)
				}
				for who, token := range minted {
					s.wantToken(who, token, want)
				}
			})
		}
	}
}

func without(claims object, drop map[string]string) object {
	out := maps.Clone(claims)
	if out["connection_data"] == "" {
		delete(out, "connection_data")
	}
	for k := range drop {
		delete(out, k)
	}
	return out
}

// wantToken connects with the token, and compares what the simulator read from it.
func (s sdk) wantToken(who, token string, want simulator.TokenInfo) {
	s.t.Helper()
	c, err := s.sim.Connect(token)
	if err != nil {
		s.t.Errorf("%s: refused: %v", who, err)
		return
	}
	defer c.Disconnect()
	got := c.Token()
	if strings.HasPrefix(token, "T1==") && got.IssuedAt-want.IssuedAt <= 5 {
		got.IssuedAt = want.IssuedAt // minted a moment later, and rounded
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s (-want +got): %s", who, diff)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
