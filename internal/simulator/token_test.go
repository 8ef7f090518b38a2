// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what T1 tokens are signed with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"
)

// Vectors made with the vendor's token library and JSON Web Token libraries.
const (
	t1Vector  = "T1==cGFydG5lcl9pZD00NTgyODA2MiZzaWc9YzdkZGRjZjdkN2M3MDZlNDZmZTQ4ZjE0ODg2ZmM0NzQyZDE5NDc0NDpzZXNzaW9uX2lkPTFfTVg0ME5UZ3lPREEyTW41LU1UYzJOekl5TlRZd01EQXdNSDVCWWtOa1JXWkhhRWxxUzJ4TmJrOXdVWEpUZEZWMlYzaC1mbjQmY3JlYXRlX3RpbWU9MTc2NzIyNTYwMCZub25jZT0xMjM0NTY3ODkmcm9sZT1wdWJsaXNoZXImZXhwaXJlX3RpbWU9MTc2NzMxMjAwMCZjb25uZWN0aW9uX2RhdGE9dXNlciUzRGFubiUyMGxlZSUyNnNlYXQlM0Q3JmluaXRpYWxfbGF5b3V0X2NsYXNzX2xpc3Q9Zm9jdXMlMjBzbWFsbA=="
	jwtVector = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiI0NTgyODA2MiIsImlzdCI6InByb2plY3QiLCJpYXQiOjE3NjcyMjU2MDAsImV4cCI6MTc2NzMxMjAwMCwibm9uY2UiOjEyMzQ1Njc4OSwicm9sZSI6InB1Ymxpc2hlciIsInNjb3BlIjoic2Vzc2lvbi5jb25uZWN0Iiwic2Vzc2lvbl9pZCI6IjFfTVg0ME5UZ3lPREEyTW41LU1UYzJOekl5TlRZd01EQXdNSDVCWWtOa1JXWkhhRWxxUzJ4TmJrOXdVWEpUZEZWMlYzaC1mbjQiLCJjb25uZWN0aW9uX2RhdGEiOiJ1c2VyPWFubiBsZWUmc2VhdD03IiwiaW5pdGlhbF9sYXlvdXRfY2xhc3NfbGlzdCI6ImZvY3VzIHNtYWxsIiwianRpIjoiNmYxYzFmMGUtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAyIn0.CTiiPVx4gham1dlcj2UfGa55w9DT-hnh0-45TooxWfA"
)

func TestTokenVectors(t *testing.T) {
	s := newSimulator(t, Options{})
	want := TokenInfo{
		ProjectID: key, SessionID: openTokSample, Role: "publisher", Data: "user=ann lee&seat=7",
		LayoutClasses: []string{"focus", "small"},
		IssuedAt:      vectorTime, ExpiresAt: vectorTime + 86400,
	}
	standard := strings.TrimPrefix(t1Vector, "T1==")
	for name, token := range map[string]string{
		"JWT": jwtVector, "T1": t1Vector, "T1 without padding": strings.TrimRight(t1Vector, "="),
		"T1 in the URL-safe alphabet": "T1==" + strings.NewReplacer("+", "-", "/", "_").Replace(standard),
	} {
		got, err := s.VerifyToken(token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func t1(sec string, q url.Values) string {
	data := strings.ReplaceAll(q.Encode(), "+", "%20")
	mac := hmac.New(sha1.New, []byte(sec))
	mac.Write([]byte(data))
	return "T1==" +
		base64.StdEncoding.EncodeToString([]byte("partner_id="+key+"&sig="+hex.EncodeToString(mac.Sum(nil))+":"+data))
}

func TestT1Tokens(t *testing.T) {
	good := func(change url.Values) url.Values {
		q := url.Values{
			"session_id": {openTokSample}, "create_time": {"1767225600"}, "expire_time": {"1767312000"},
			"nonce": {"0.5"}, "role": {"moderator"},
			"connection_data": {`{"name":"Ms Jones"}`}, "scope": {"session.connect"}, "initial_layout_class_list": {""},
		}
		for k, v := range change {
			q[k] = v
			if v == nil {
				delete(q, k)
			}
		}
		return q
	}
	tests := map[string]struct {
		token    string
		wantCode int // 0: accepted
	}{
		"good":                  {t1(secret, good(nil)), 0},
		"without a scope":       {t1(secret, good(url.Values{"scope": nil})), 0},
		"another secret":        {t1("x", good(nil)), 1004},
		"another scope":         {t1(secret, good(url.Values{"scope": {"session"}})), 1004},
		"no nonce":              {t1(secret, good(url.Values{"nonce": nil})), 1004},
		"no create time":        {t1(secret, good(url.Values{"create_time": nil})), 1004},
		"rounded up":            {t1(secret, good(url.Values{"create_time": {"1767225661"}})), 0},
		"created in the future": {t1(secret, good(url.Values{"create_time": {"1767225662"}})), 1004},
		"expired":               {t1(secret, good(url.Values{"expire_time": {"1767225660"}})), 1004},
		"30 days":               {t1(secret, good(url.Values{"expire_time": {"1769817600"}})), 0},
		"30 days and a second":  {t1(secret, good(url.Values{"expire_time": {"1769817601"}})), 1004},
		"unknown role":          {t1(secret, good(url.Values{"role": {"boss"}})), 1004},
		"no role":               {t1(secret, good(url.Values{"role": nil})), 1004},
		"a key twice":           {t1(secret, good(url.Values{"role": {"moderator", "subscriber"}})), 1004},
		"another project":       {t1(secret, good(url.Values{"session_id": {unifiedSample}})), 1004},
		"no session":            {t1(secret, good(url.Values{"session_id": nil})), 1005},
		"data not UTF-8":        {t1(secret, good(url.Values{"connection_data": {"\xff"}})), 1004},
		"not base64":            {"T1==!!!", 1004},
		"no colon":              {"T1==" + base64.StdEncoding.EncodeToString([]byte("partner_id=1&sig=2")), 1004},
		"unknown partner":       {"T1==" + base64.StdEncoding.EncodeToString([]byte("partner_id=1&sig=2:a=b")), 1004},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { checkConnect(t, newSimulator(t, Options{}), tc.token, tc.wantCode) })
	}
}

func checkConnect(t *testing.T, s *Simulator, token string, wantCode int) {
	t.Helper()
	_, err := s.Connect(token)
	var ce *ConnectError
	switch {
	case wantCode == 0 && err != nil:
		t.Errorf("refused: %v", err)
	case wantCode != 0 && !errors.As(err, &ce):
		t.Errorf("error %v, want code %d", err, wantCode)
	case wantCode != 0 && ce.Code != wantCode:
		t.Errorf("code %d (%s), want %d", ce.Code, ce.Message, wantCode)
	case wantCode != 0 && len(token) > 30 && strings.Contains(err.Error(), token[10:30]):
		t.Errorf("the error quotes the token: %v", err)
	}
}

func TestJWTTokens(t *testing.T) {
	const now = vectorTime + 60
	foreign := SessionIDParts{ProjectID: "7", CreatedAt: time.UnixMilli(1), Random: "AbCdEfGhIjKlMnOpQrStUvWx"}.Encode()
	tests := map[string]struct {
		change   object
		wantCode int
	}{
		"good":                      {object{}, 0},
		"publisher":                 {object{"role": "publisher"}, 0},
		"subscriber":                {object{"role": "subscriber"}, 0},
		"publisheronly":             {object{"role": "publisheronly"}, 0},
		"no role":                   {object{"role": nil}, 0},
		"unknown role":              {object{"role": "host"}, 1004},
		"role a number":             {object{"role": 1}, 1004},
		"no scope":                  {object{"scope": nil}, 1004},
		"another scope":             {object{"scope": "session"}, 1004},
		"no session":                {object{"session_id": nil}, 1004},
		"malformed session":         {object{"session_id": "1_abc"}, 1005},
		"a foreign session":         {object{"session_id": foreign}, 1004},
		"1000 bytes of data":        {object{"connection_data": strings.Repeat("x", 1000)}, 0},
		"1001 bytes of data":        {object{"connection_data": strings.Repeat("x", 1001)}, 1004},
		"501 characters of 2 bytes": {object{"connection_data": strings.Repeat("é", 501)}, 1004},
		"no data":                   {object{"connection_data": nil}, 0},
		"data an object":            {object{"connection_data": object{"name": "Ada"}}, 1004},
		"layout classes":            {object{"initial_layout_class_list": "focus  small"}, 0},
		"too long layout classes":   {object{"initial_layout_class_list": strings.Repeat("x", 1001)}, 1004},
		"no exp":                    {object{"exp": nil}, 1004},
		"expired":                   {object{"exp": now}, 1004},
		"30 days":                   {object{"exp": now + 30*86400}, 0},
		"30 days and a second":      {object{"exp": now + 30*86400 + 1}, 1004},
		"no iat":                    {object{"iat": nil}, 1004},
		"iat in the future":         {object{"iat": now + 1}, 1004},
		"negative iat":              {object{"iat": -1}, 1004},
	}
	own := map[Environment]map[string]struct {
		change   object
		wantCode int
	}{
		OpenTok: {
			"redundant times":  {object{"create_time": now, "expire_time": now + 3600}, 0},
			"no jti":           {object{"jti": nil}, 0},
			"nonce text":       {object{"nonce": "1"}, 1004},
			"account token":    {object{"ist": "account"}, 1004},
			"unknown issuer":   {object{"iss": "1"}, 1004},
			"issuer a number":  {object{"iss": 45828062}, 1004},
			"issuer a unified": {object{"iss": appID}, 1004},
		},
		Unified: {
			"without sub and acl":  {object{"sub": nil, "acl": nil}, 0},
			"another sub":          {object{"sub": "voice"}, 1004},
			"no jti":               {object{"jti": nil}, 1004},
			"unknown application":  {object{"application_id": "x"}, 1004},
			"application a number": {object{"application_id": key}, 1004},
		},
	}
	for _, env := range environments {
		base := clientClaims(env, now, map[Environment]string{Unified: unifiedSample, OpenTok: openTokSample}[env],
			"moderator", "x")
		for name, tc := range tests {
			t.Run(string(env)+"/"+name, func(t *testing.T) {
				checkConnect(t, newSimulator(t, Options{}), sign(env, with(base, tc.change)), tc.wantCode)
			})
		}
		for name, tc := range own[env] {
			t.Run(string(env)+"/"+name, func(t *testing.T) {
				checkConnect(t, newSimulator(t, Options{}), sign(env, with(base, tc.change)), tc.wantCode)
			})
		}
		other := rs256(otherKey(), base)
		if env == OpenTok {
			other = hs256("x", base)
		}
		for name, token := range map[string]string{
			"another key": other, "REST JWT": sign(env, restClaims(env, now)), "cut": sign(env, base)[:200],
			"empty": "", "long": strings.Repeat("a", maxJWT) + ".b.c",
		} {
			t.Run(string(env)+"/"+name, func(t *testing.T) { checkConnect(t, newSimulator(t, Options{}), token, 1004) })
		}
	}
}

// FuzzConnectToken: no token but those that carry a good signature over good claims gets in.
func FuzzConnectToken(f *testing.F) {
	seeds := []string{
		jwtVector, t1Vector, rs256(rsaKey(), clientClaims(Unified, vectorTime, unifiedSample, "publisher", "x")), "",
		"T1==", "..", "e30.e30.",
	}
	for _, token := range seeds {
		f.Add(token)
	}
	payload := func(token string) string { // what is signed
		if rest, ok := strings.CutPrefix(token, "T1=="); ok {
			b, _ := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_",
				"/").Replace(strings.TrimRight(rest, "=")))
			_, data, _ := strings.Cut(string(b), ":")
			return data
		}
		i := max(strings.LastIndex(token, "."), 0)
		return token[:i]
	}
	good := map[string]bool{}
	for _, token := range seeds[:3] {
		good[payload(token)] = true
	}
	s := New(Options{
		Clock: testingclock.NewFakeClock(time.Unix(vectorTime+60, 0)),
		Projects: []Project{
			{Environment: Unified, ID: appID, PublicKey: &rsaKey().PublicKey},
			{Environment: OpenTok, ID: key, Secret: secret},
		},
	})
	f.Fuzz(func(t *testing.T, token string) {
		info, err := s.VerifyToken(token)
		if err == nil && !good[payload(token)] {
			t.Fatalf("accepted a forged token: %+v", info)
		}
		var ce *ConnectError
		if err != nil && !errors.As(err, &ce) {
			t.Fatalf("error %v is not a ConnectError", err)
		}
	})
}
