// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/klog/v2/textlogger"
)

// secretsOf returns texts that must not show up: the key in every notation in
// which printing might yield it, and anything that begins like a JWT.
func secretsOf(env Environment) []string {
	if env == OpenTok {
		return []string{testSecret, testSecret[:12], hex.EncodeToString([]byte(testSecret))[:24],
			strings.Trim(fmt.Sprint(string([]byte(testSecret)[:8])), "[]"), "eyJ"}
	}
	key := testKey()
	return []string{
		key.D.String()[:20], key.D.Text(16)[:20], key.Primes[0].String()[:20], key.Primes[0].Text(16)[:20],
		strings.Split(string(pkcs8PEM(key)), "\n")[3], "MIIE", "eyJ",
		strings.Trim(fmt.Sprint(key.D.Bits()[:2]), "[]"),
	}
}

func checkNoSecret(t *testing.T, env Environment, what, text string) {
	t.Helper()
	for i, secret := range secretsOf(env) {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			t.Errorf("%s shows secret %d", what, i)
		}
	}
}

// outer has credentials and a client where fmt cannot call their methods.
type outer struct {
	credentials Credentials
	client      *Client
	Public      Credentials
	List        []any
	Map         map[string]Credentials
}

func TestPrintingShowsNoSecret(t *testing.T) {
	for _, env := range []Environment{Unified, OpenTok} {
		t.Run(string(env), func(t *testing.T) {
			c := testCredentials(t, env)
			client := newTestClient(t, env, http.HandlerFunc(goodReply))
			if err := client.Probe(t.Context()); err != nil { // so that there is a JWT
				t.Fatal(err)
			}
			values := map[string]any{
				"credentials": c, "their address": &c,
				"client": client, "client copied": *client, // as somebody might
				"outer": outer{c, client, c, []any{c, client}, map[string]Credentials{"x": c}},
			}
			for name, value := range values {
				for _, verb := range []string{
					"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%10.3v", "% x",
				} {
					checkNoSecret(t, env, name+" with "+verb, fmt.Sprintf(verb, value))
				}
				marshalled, err := json.Marshal(value)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				checkNoSecret(t, env, name+" in JSON", string(marshalled))
				var b bytes.Buffer
				slog.New(slog.NewTextHandler(&b, nil)).Info("x", "value", value)
				slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "value", value)
				textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&b))).Info("x", "value", value)
				checkNoSecret(t, env, name+" in a log", b.String())
				if !strings.Contains(b.String(), c.KeyID()) {
					t.Errorf("%s: the key ID is not in the log: %s", name, b.String())
				}
			}
			text, err := c.MarshalText()
			if err != nil {
				t.Error(err)
			}
			for _, got := range []any{string(text), c.MarshalLog(), Credentials{}.String(), client.MarshalLog()} {
				checkNoSecret(t, env, "text", fmt.Sprint(got))
			}
			if got, want := fmt.Sprintf("%#v", c), c.String(); got != want || !strings.Contains(want, "redacted") {
				t.Errorf("%%#v = %s, want %s", got, want)
			}
		})
	}
}

// Everything the client can fail with, against a server that says back all it
// was told.
func TestErrorsShowNoSecret(t *testing.T) {
	for _, env := range []Environment{Unified, OpenTok} {
		t.Run(string(env), func(t *testing.T) {
			var mode string
			var mu sync.Mutex
			client := newTestClient(t, env, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				token := r.Header.Get("Authorization") + r.Header.Get("X-OPENTOK-AUTH")
				said := fmt.Sprintf(`{"message":%q,"description":%q,"title":"%s"}`, token+" "+testSecret, body,
					testSecret)
				mu.Lock()
				defer mu.Unlock()
				switch mode {
				case "no HTTP", "cut":
					conn, buffer, err := w.(http.Hijacker).Hijack()
					if err != nil {
						panic(err)
					}
					if mode == "cut" {
						said = "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + said
					}
					_, _ = buffer.WriteString(said)
					_ = buffer.Flush()
					_ = conn.Close()
				default:
					w.Header().Set("Location", "http://x/?"+token)
					w.Header().Set("Retry-After", token)
					w.Header().Set("Content-Type", "text/html")
					var status int
					_, _ = fmt.Sscan(mode, &status)
					w.WriteHeader(status)
					_, _ = io.WriteString(w, said)
				}
			}))
			failures := 0
			for _, m := range []string{
				"200", "302", "400", "401", "403", "404", "413", "422", "429", "500", "503", "no HTTP", "cut",
			} {
				mu.Lock()
				mode = m
				mu.Unlock()
				for _, call := range allCalls(env) {
					err := call.run(t.Context(), client)
					if err == nil {
						continue
					}
					failures++
					for _, verb := range []string{"%v", "%+v", "%#v"} {
						text := fmt.Sprintf(verb, err)
						checkNoSecret(t, env, call.op+" "+m, text)
						if strings.Contains(text, testSecret) || strings.Contains(text, "http://") ||
							strings.Contains(text, "127.0.0.1") {
							t.Errorf("%s %s repeats what the server said or where it is: %s", call.op, m, text)
						}
					}
				}
			}
			if failures < 60 {
				t.Errorf("only %d failures seen", failures)
			}
		})
	}
}

func TestKeyErrorsShowNoKey(t *testing.T) {
	good := string(pkcs8PEM(testKey()))
	for i := 30; i < len(good)-30; i += 97 {
		for _, damaged := range []string{good[:i] + good[i+1:], good[:i] + "\x00" + good[i:], good[:i], good[:i] + "A" +
			good[i+1:]} {
			if _, err := NewCredentials(Unified, testAppID, []byte(damaged)); err != nil {
				checkNoSecret(t, Unified, "error", err.Error())
			}
		}
	}
	for _, damaged := range []string{
		testSecret + "\x00", " " + testSecret, strings.Repeat(testSecret, 7), testSecret[:12],
	} {
		_, err := NewCredentials(OpenTok, testAPIKey, []byte(damaged))
		if err == nil {
			t.Fatalf("no error")
		}
		checkNoSecret(t, OpenTok, "error", err.Error())
	}
}
