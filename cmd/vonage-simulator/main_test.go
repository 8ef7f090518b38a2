// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemOf(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestReadPublicKey(t *testing.T) {
	key := fixture.Key()
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	for name, text := range map[string][]byte{
		"PKIX":          pemOf("PUBLIC KEY", pkix, err),
		"PKCS1":         pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey), nil),
		"PKCS8 private": fixture.PEM(key),
		"PKCS1 private": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil),
	} {
		got, err := readPublicKey(write(t, t.TempDir(), "key", text))
		if err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"text": "hello", "no key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	} {
		if _, err := readPublicKey(write(t, t.TempDir(), "key", []byte(text))); err == nil {
			t.Errorf("%s was taken for a key", name)
		}
	}
}

func TestFlagErrors(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, dir, "secret", []byte("0123456789\n"))
	good := "--project=environment=OpenTok,id=1,secretFile=" + secret
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no project":   {nil, "no project"},
		"unknown part": {[]string{"--project=name=x"}, "unknown part"},
		"no such file": {
			[]string{"--project=environment=OpenTok,id=1,secretFile=" + dir + "/none"}, "reading a secret",
		},
		"no secret":       {[]string{"--project=environment=OpenTok,id=1"}, "has a secret"},
		"environment":     {[]string{"--project=environment=Mars,id=1"}, "unknown environment"},
		"empty session":   {[]string{good, "--empty-session=Maybe"}, "--empty-session"},
		"signal size":     {[]string{good, "--signal-size=large"}, "--signal-size"},
		"foreign session": {[]string{good, "--foreign-session-status=500"}, "--foreign-session-status"},
		"argument":        {[]string{good, "x"}, "unexpected argument"},
		"file": {
			[]string{"--projects=" + write(t, dir, "p.yaml", []byte("projects: [{name: x}]"))}, "unknown field",
		},
		"address": {[]string{good, "--bind-address=nowhere:x"}, "--bind-address"},
	} {
		err := run(t.Context(), tc.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "key.pem", fixture.PEM(fixture.Key()))
	secret := write(t, dir, "secret", []byte("0123456789\n"))
	file := write(t, dir, "projects.yaml",
		[]byte("projects:\n- {environment: Unified, id: "+fixture.ProjectID+", publicKeyFile: key.pem}\n"))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"--bind-address=127.0.0.1:0", "--projects=" + file,
			"--project=environment=OpenTok,id=45828062,secretFile=" + secret,
			"--latency=1ms", "--empty-session=NoContent", "--signal-size=encoded",
		}, out, io.Discard)
	}()
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSpace(line)
	resp, err := http.Get(base + "/_sim/state")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got simulator.State
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := []simulator.ProjectInfo{
		{Environment: simulator.Unified, ID: fixture.ProjectID}, {Environment: simulator.OpenTok, ID: "45828062"},
	}
	if diff := cmp.Diff(want, got.Projects); diff != "" || got.EmptySession.Mode != simulator.EmptySessionNoContent ||
		got.Latency.Default.String() != "1ms" || got.SignalSize != simulator.SignalSizeEncoded {
		t.Errorf("state %+v %s", got, diff)
	}
	events, err := http.Get(base + "/_sim/events") // must not hold up the stop
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}
