// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	testAPIKey = "45828062"
	testSecret = "0123456789abcdef0123456789abcdef01234567"
	testAppID  = fixture.ProjectID

	// Both are of 2026-01-01T00:00:00Z.
	openTokSession = "1_MX40NTgyODA2Mn5-MTc2NzIyNTYwMDAwMH5BYkNkRWZHaElqS2xNbk9wUXJTdFV2V3h-fn4"
	unifiedSession = "1_MX4zZjI1MDRlMC00Zjg5LTQxZDMtOWEwYy0wMzA1ZTgyYzMzMDF-fjE3NjcyMjU2MDAwMDB-QWJDZEVmR2hJaktsTW5PcFFyU3RVdld4fn5-"

	testConnection = "b7c5f0a4-1111-4222-8333-444455556666"
)

var testNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testKey is made anew in each run: a private key in the repository would set
// off everybody's secret scanners.
var testKey = fixture.Key

func newKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func pkcs1PEM(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func pkcs8PEM(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func testCredentials(t testing.TB, env Environment) Credentials {
	t.Helper()
	id, key := testAppID, []byte(nil)
	if env == Unified {
		key = pkcs8PEM(testKey())
	} else {
		id, key = testAPIKey, []byte(testSecret)
	}
	c, err := NewCredentials(env, id, key)
	if err != nil {
		t.Fatalf("NewCredentials(%s): %v", env, err)
	}
	return c
}

func testSession(env Environment) string {
	if env == Unified {
		return unifiedSession
	}
	return openTokSession
}

// formatSessionID is the inverse of ParseSessionID for decoded text.
func formatSessionID(decoded string) string {
	return "1_" + base64.RawURLEncoding.EncodeToString([]byte(decoded))
}

// newTestClient returns a client of a new server with the handler. Tests of what
// is alike in both environments use OpenTok, whose signatures are cheap.
func newTestClient(t testing.TB, env Environment, handler http.Handler, opts ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClientFor(t, env, append([]Option{WithEndpoint(server.URL)}, opts...)...)
}

func newClientFor(t testing.TB, env Environment, opts ...Option) *Client {
	t.Helper()
	c, err := NewClient(testCredentials(t, env), opts...)
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// call is one of the client's operations with arguments that are in order.
type call struct {
	op  string
	run func(context.Context, *Client) error
}

func allCalls(env Environment) []call {
	session := testSession(env)
	message := Signal{Type: "breakout-room", Data: `{"a":"<b>"}`}
	return []call{
		{OpCreateSession, func(ctx context.Context, c *Client) error {
			_, err := c.CreateSession(ctx, SessionOptions{})
			return err
		}},
		{OpSignal, func(ctx context.Context, c *Client) error { return c.Signal(ctx, session, message) }},
		{OpSignalConnection, func(ctx context.Context, c *Client) error {
			return c.SignalConnection(ctx, session, testConnection, message)
		}},
		{OpListConnections, func(ctx context.Context, c *Client) error {
			_, err := c.ListConnections(ctx, session)
			return err
		}},
		{OpForceDisconnect, func(ctx context.Context, c *Client) error {
			return c.ForceDisconnect(ctx, session, testConnection)
		}},
		{OpProbe, func(ctx context.Context, c *Client) error { return c.Probe(ctx) }},
	}
}

// goodReply answers each call as Vonage would.
func goodReply(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/session/create"):
		session := openTokSession
		if r.Header.Get("Authorization") != "" {
			session = unifiedSession
		}
		_, _ = io.WriteString(w, `[{"session_id":"`+session+`","media_server_url":null}]`)
	case strings.HasSuffix(r.URL.Path, "/archive"), strings.HasSuffix(r.URL.Path, "/connection"):
		_, _ = io.WriteString(w, `{"count":0,"items":[]}`)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// roundTripper is a transport without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// claimsOf verifies a token with the key of the environment, and its header, and
// returns its claims.
func claimsOf(t testing.TB, env Environment, token string) map[string]any {
	t.Helper()
	claims := jwt.MapClaims{}
	method, key := jwt.SigningMethodHS256.Alg(), any([]byte(testSecret))
	if env == Unified {
		method, key = jwt.SigningMethodRS256.Alg(), &testKey().PublicKey
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{method}), jwt.WithoutClaimsValidation())
	parsed, err := parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil {
		t.Fatalf("the token does not verify: %v", err)
	}
	if parsed.Header["typ"] != "JWT" || len(parsed.Header) != 2 {
		t.Errorf("header = %v, want alg and typ JWT only", parsed.Header)
	}
	return claims
}

func parseJSON(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("test data: %v", err)
	}
	return m
}
