// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func TestNewCredentials(t *testing.T) {
	good := string(pkcs8PEM(testKey()))
	lines := strings.Split(strings.TrimSpace(good), "\n")
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	tests := map[string]struct {
		env     Environment
		id      string
		key     string
		wantErr string // part of it; "" for none
	}{
		"PKCS#8":                {Unified, testAppID, good, ""},
		"PKCS#1":                {Unified, testAppID, string(pkcs1PEM(testKey())), ""},
		"white space around":    {Unified, testAppID, "\n \t" + good + "\r\n\n", ""},
		"Windows line ends":     {Unified, testAppID, strings.ReplaceAll(good, "\n", "\r\n"), ""},
		"no newline at the end": {Unified, testAppID, strings.TrimSpace(good), ""},
		"upper-case ID":         {Unified, strings.ToUpper(testAppID), good, ""},
		"empty":                 {Unified, testAppID, "", "empty"},
		"blank":                 {Unified, testAppID, " \n", "empty"},
		"not PEM":               {Unified, testAppID, testSecret, "not PEM"},
		"text before":           {Unified, testAppID, "key: " + good, "not PEM"},
		"text after":            {Unified, testAppID, good + "x", "more than one"},
		"two keys":              {Unified, testAppID, good + good, "more than one"},
		"on one line":           {Unified, testAppID, strings.Join(lines, ""), "damaged"},
		"escaped line ends":     {Unified, testAppID, strings.Join(lines, `\n`), "damaged"},
		"cut off":               {Unified, testAppID, good[:len(good)/2], "damaged"},
		"a line missing": {
			Unified, testAppID, strings.Join(append(lines[:3:3], lines[4:]...), "\n"), "not a valid PKCS#8",
		},
		"damaged PKCS#1": {
			Unified, testAppID, block("RSA PRIVATE KEY", []byte("nonsense")), "not a valid PKCS#1",
		},
		"public key": {Unified, testAppID, block("PUBLIC KEY", public), "not a private key"},
		"encrypted":  {Unified, testAppID, block("ENCRYPTED PRIVATE KEY", public), "encrypted"},
		"encrypted, old style": {
			Unified, testAppID,
			strings.Replace(string(pkcs1PEM(testKey())), "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
			"encrypted",
		},
		"elliptic curve":         {Unified, testAppID, string(pkcs8PEM(ec)), "not an RSA key"},
		"elliptic curve, SEC 1":  {Unified, testAppID, block("EC PRIVATE KEY", public), "type must be"},
		"1024 bits":              {Unified, testAppID, string(pkcs8PEM(newKey(1024))), "has 1024 bits"},
		"too long":               {Unified, testAppID, good + strings.Repeat("\n", maxKeyBytes), "over 16384 bytes"},
		"API key for an app ID":  {Unified, testAPIKey, good, "application ID"},
		"ID without dashes":      {Unified, strings.ReplaceAll(testAppID, "-", ""), good, "application ID"},
		"ID with a path":         {Unified, testAppID[:33] + "/..", good, "application ID"},
		"OpenTok":                {OpenTok, testAPIKey, testSecret, ""},
		"newline after":          {OpenTok, testAPIKey, testSecret + "\n", ""},
		"CRLF after":             {OpenTok, testAPIKey, testSecret + "\r\n", ""},
		"blank after":            {OpenTok, testAPIKey, testSecret + " ", ""},
		"two newlines after":     {OpenTok, testAPIKey, testSecret + "\n\n", "a blank, a control"},
		"blank inside":           {OpenTok, testAPIKey, testSecret[:20] + " " + testSecret[20:], "a blank, a control"},
		"not ASCII":              {OpenTok, testAPIKey, testSecret + "é", "a blank, a control"},
		"empty secret":           {OpenTok, testAPIKey, "", "has 0 characters"},
		"shortest":               {OpenTok, testAPIKey, testSecret[:16], ""},
		"too short":              {OpenTok, testAPIKey, testSecret[:15], "has 15 characters"},
		"longest":                {OpenTok, testAPIKey, strings.Repeat("x", 256), ""},
		"too long a secret":      {OpenTok, testAPIKey, strings.Repeat("x", 257), "has 257 characters"},
		"PEM for a secret":       {OpenTok, testAPIKey, good, "is a PEM key"},
		"app ID for an API key":  {OpenTok, testAppID, testSecret, "API key"},
		"no ID":                  {OpenTok, "", testSecret, "API key"},
		"21 digits":              {OpenTok, strings.Repeat("1", 21), testSecret, "API key"},
		"digits that are no 0-9": {OpenTok, "٤٥", testSecret, "API key"},
		"unknown environment":    {"Nexmo", testAppID, good, "unknown environment"},
		"no environment":         {"", testAppID, good, "unknown environment"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := NewCredentials(tc.env, tc.id, []byte(tc.key))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error = %v, want one with %q", err, tc.wantErr)
				}
				if c != (Credentials{}) {
					t.Error("credentials beside an error")
				}
				return
			}
			if err != nil {
				t.Fatalf("error = %v, want none", err)
			}
			if c.Environment() != tc.env || c.ProjectID() != tc.id {
				t.Errorf("got %s %s, want %s %s", c.Environment(), c.ProjectID(), tc.env, tc.id)
			}
		})
	}
}

func TestKeyID(t *testing.T) {
	mustMake := func(env Environment, id, key string) Credentials {
		c, err := NewCredentials(env, id, []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := mustMake(Unified, testAppID, string(pkcs8PEM(testKey())))
	same := mustMake(Unified, testAppID, string(pkcs1PEM(testKey())))
	other := mustMake(Unified, testAppID, string(pkcs8PEM(newKey(2048))))
	secret := mustMake(OpenTok, testAPIKey, testSecret)
	sameSecret := mustMake(OpenTok, testAPIKey, testSecret+"\n")
	otherSecret := mustMake(OpenTok, testAPIKey, testSecret[1:]+"8")
	elsewhere := mustMake(OpenTok, testAPIKey+"1", testSecret)

	for _, c := range []Credentials{one, other, secret, otherSecret} {
		if id := c.KeyID(); len(id) != 16 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("KeyID() = %q, want 16 hexadecimal digits", id)
		}
	}
	tests := map[string]struct {
		a, b      Credentials
		wantID    bool
		wantEqual bool
	}{
		"the same key in two encodings": {one, same, true, true},
		"two keys":                      {one, other, false, false},
		"the same secret":               {secret, sameSecret, true, true},
		"two secrets":                   {secret, otherSecret, false, false},
		"another project":               {secret, elsewhere, true, false},
		"zero":                          {Credentials{}, Credentials{}, true, true},
		"zero and not":                  {Credentials{}, secret, false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.a.KeyID() == tc.b.KeyID(); got != tc.wantID {
				t.Errorf("same key ID = %v, want %v", got, tc.wantID)
			}
			if got := tc.a.Equal(tc.b); got != tc.wantEqual {
				t.Errorf("Equal = %v, want %v", got, tc.wantEqual)
			}
		})
	}
}

func TestDefaultEndpoint(t *testing.T) {
	tests := map[Environment]string{
		Unified: "https://video.api.vonage.com",
		OpenTok: "https://api.opentok.com",
		"":      "",
	}
	for env, want := range tests {
		if got := env.DefaultEndpoint(); got != want {
			t.Errorf("%q.DefaultEndpoint() = %q, want %q", env, got, want)
		}
	}
}

func TestZeroCredentials(t *testing.T) {
	var c Credentials
	if c.Environment() != "" || c.ProjectID() != "" || c.KeyID() != "" {
		t.Errorf("zero credentials have an identity: %v", c)
	}
	if _, err := c.MintToken(TokenOptions{
		SessionID: openTokSession, Role: RolePublisher, IssuedAt: testNow, ExpiresAt: testNow.Add(1e9),
	}); ClassOf(err) != ClassTerminal {
		t.Errorf("MintToken: error = %v, want a terminal one", err)
	}
	if err := c.OwnsSession(openTokSession); err == nil {
		t.Error("OwnsSession: no error")
	}
	if _, err := NewClient(c); err == nil {
		t.Error("NewClient: no error")
	}
}
