// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func FuzzParseSessionID(f *testing.F) {
	for _, id := range []string{
		openTokSession, unifiedSession, "2" + openTokSession[1:], "", "1_", "_", "1_====", "1_\n",
		"T1==cGFydG5lcl9pZD0x",
		formatSessionID("1~17012631~127.0.0.1~Wed Feb 26 18:57:24 PST 2014~0.54058874~"),
		formatSessionID("1~a98e12ca-1111-4222-8333-fd4b5f30b9e9~~1672736878162~n/NxUKnCZV0TRzUJlcmDjCrx~P~~"),
		formatSessionID("~~~~~~~~"), formatSessionID("1~1~~-1~"), formatSessionID("1~1~~99999999999999999999~"),
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		info, err := ParseSessionID(id)
		if err != nil {
			if info != (SessionInfo{}) {
				t.Errorf("got %+v beside an error", info)
			}
			return
		}
		if len(id) > MaxSessionIDBytes || strings.ContainsAny(id, "/?#%.\\ \r\n\x00") {
			t.Errorf("%q is accepted, but not safe in a path", id)
		}
		if !isUUID(info.ProjectID) && !isAPIKey(info.ProjectID) {
			t.Errorf("project ID %q", info.ProjectID)
		}
		if !isPrintable(info.Location) || strings.Contains(info.Location, "~") {
			t.Errorf("location %q", info.Location)
		}
		if year := info.CreatedAt.Year(); !info.CreatedAt.IsZero() && (year < 0 || year > 9999) {
			t.Errorf("created at %v", info.CreatedAt)
		}
	})
}

func FuzzNewCredentials(f *testing.F) {
	keys := []string{
		string(pkcs8PEM(testKey())), string(pkcs1PEM(testKey())), testSecret, testSecret + "\n", "", "\n",
		"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN ", "\x00", "é",
	}
	for _, key := range keys {
		f.Add(true, testAppID, []byte(key))
		f.Add(false, testAPIKey, []byte(key))
	}
	f.Add(true, "../..", []byte(keys[0]))
	f.Add(false, "", []byte(testSecret))
	f.Fuzz(func(t *testing.T, unified bool, id string, key []byte) {
		env := OpenTok
		if unified {
			env = Unified
		}
		c, err := NewCredentials(env, id, key)
		if err != nil {
			if c != (Credentials{}) {
				t.Error("credentials beside an error")
			}
			if !knownKeyError(err) {
				t.Errorf("error %q is not of our own words", err)
			}
			return
		}
		if c.Environment() != env || c.ProjectID() != id || len(c.KeyID()) != 16 {
			t.Errorf("got %v", c)
		}
		if unified && !isUUID(id) || !unified && !isAPIKey(id) {
			t.Errorf("project ID %q is accepted", id)
		}
		token, err := c.MintToken(TokenOptions{
			SessionID: formatSessionID("1~" + id + "~~1767225600000~r~~~"), Role: RolePublisher,
			IssuedAt: testNow, ExpiresAt: testNow.Add(3600e9),
		})
		if err != nil || strings.Count(token, ".") != 2 {
			t.Errorf("accepted credentials mint nothing: %v", err)
		}
	})
}

// knownKeyError recognises the errors of NewCredentials, numbers aside: so there
// is no room in them for anything of the key.
func knownKeyError(err error) bool {
	text := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
	for _, known := range []string{
		"the key is over  bytes long", "the project ID of a", "the private key is empty", "the private key is not PEM",
		"the private key is damaged PEM", "the private key holds more than one", "the private key has  bits",
		"the private key is encrypted", "the private key is not a valid PKCS#", "the private key is not an RSA key",
		"the key is not a private key", "the PEM block is not an RSA private key", "the API secret is a PEM key",
		"the API secret has  characters", "the API secret contains a blank",
	} {
		if strings.HasPrefix(text, known) && len(text) < 150 {
			return true
		}
	}
	return false
}

// FuzzReply gives every call the same reply.
func FuzzReply(f *testing.F) {
	created := `[{"session_id":"` + openTokSession + `"}]`
	for _, body := range []string{
		created, `[]`, `null`, `[null]`, `[{}]`, ``, `<html>`, `{"count":0,"items":[]}`, `{"count":"x"}`,
		`{"items":[null]}`,
		`{"count":1,"items":[{"connectionId":"` + testConnection +
			`","connectionState":"Connected","createdAt":"1767225660101"}]}`,
		`{"code":-1,"message":"Invalid signature","description":"Invalid signature"}`, `{"message":5}`,
		`{"createdAt":1e999}`,
		`[{"session_id":"` + unifiedSession + `"}]`, created[:30], strings.Repeat("[", 100),
	} {
		for _, status := range []int{200, 204, 403, 404, 429, 503} {
			f.Add(status, "application/json", "5", body)
		}
	}
	f.Add(429, "text/html; charset", "Thu, 01 Jan 2026 00:00:42 GMT", "")
	f.Add(200, "text/html", "-1", created)
	credentials := testCredentials(f, OpenTok)
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		if status < 200 || status > 999 {
			t.Skip("net/http gives no such status")
		}
		// A client for each call: one held back after a 429 would not send.
		newClient := func() *Client {
			c, err := NewClient(credentials, WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: status,
					Header:     http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}},
					Body:       io.NopCloser(strings.NewReader(body)),
				}, nil
			})))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		id, err := newClient().CreateSession(t.Context(), SessionOptions{})
		if (id == "") != (err != nil) {
			t.Errorf("create: %q, %v", id, err)
		}
		if err == nil && credentials.OwnsSession(id) != nil {
			t.Errorf("create: %q is no session of ours", id)
		}
		connections, err := newClient().ListConnections(t.Context(), openTokSession)
		if err != nil && connections != nil {
			t.Errorf("list: %v beside an error", connections)
		}
		for _, c := range connections {
			if !isConnectionID(c.ID) {
				t.Errorf("list: connection %q", c.ID)
			}
		}
		for _, call := range allCalls(OpenTok) {
			if err := call.run(t.Context(), newClient()); err != nil {
				checkFuzzedError(t, call.op, body, err)
			}
		}
	})
}

func checkFuzzedError(t *testing.T, op, body string, err error) {
	t.Helper()
	e := err.(*Error)
	if e.Class == "" || e.Op != op || e.RetryAfter < 0 || e.RetryAfter > MaxRetryAfter || len(e.Detail) > 200 {
		t.Errorf("error = %#v", e)
	}
	// Whatever of the body is longer than any text of ours must not be there.
	if len(body) > 100 && strings.Contains(err.Error(), body) {
		t.Errorf("the error repeats the body: %v", err)
	}
}
