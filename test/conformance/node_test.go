// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// node is a running Node process that holds the SDKs' clients.
type node struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
	err *bytes.Buffer
}

// sdkError is an error as an SDK reported it.
type sdkError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Status  int    `json:"status"`
}

func (e *sdkError) Error() string {
	return fmt.Sprintf("%s (status %d): %s", e.Name, e.Status, e.Message)
}

// startNode installs the SDKs, if that was not done yet, and starts Node.
func startNode(t *testing.T) *node {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the conformance test needs %s on the PATH (Node.js 20 or newer): %v", tool, err)
		}
	}
	install(t)
	n := &node{t: t, err: &bytes.Buffer{}}
	cmd := exec.Command("node", "runner.cjs") // ends when its standard input does
	cmd.Env = environment()
	cmd.Stderr = n.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.in, n.out = in, bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends the process
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("node: %v\n%s", err, n.err)
		}
	})
	return n
}

// install runs npm ci once for a lock file; a stamp in node_modules says that it is done.
func install(t *testing.T) {
	t.Helper()
	var all []byte
	// reading the last makes go test notice changes
	for _, name := range []string{"package.json", "package-lock.json", "runner.cjs"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "runner.cjs" {
			all = append(all, text...)
		}
	}
	sum := sha256.Sum256(all)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join("node_modules", ".conformance-stamp")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts",
		"--prefer-offline")
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("installing the vendor's SDKs with npm ci: %v\n%s", err, out)
	}
	if err := os.WriteFile(stamp, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// environment keeps calls to the simulator away from proxies.
func environment() []string {
	env := os.Environ()
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		value := "127.0.0.1,localhost"
		if old := os.Getenv(name); old != "" {
			value = old + "," + value
		}
		env = append(slices.Clip(env), name+"="+value)
	}
	return env
}

type request struct {
	Client   string `json:"client"`
	New      string `json:"new,omitempty"`
	Method   string `json:"method,omitempty"`
	Args     []any  `json:"args"`
	Callback bool   `json:"callback,omitempty"`
}

// do sends a request and decodes the value it gets into v, if that is not nil. An error of the SDK is a *sdkError.
func (n *node) do(r request, v any) error {
	n.t.Helper()
	if r.Args == nil {
		r.Args = []any{}
	}
	line, err := json.Marshal(r)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.in.Write(append(line, '\n')); err != nil {
		n.t.Fatalf("writing to node: %v\n%s", err, n.err)
	}
	reply, err := n.out.ReadBytes('\n')
	if err != nil {
		n.t.Fatalf("reading from node: %v\n%s", err, n.err)
	}
	var result struct {
		Value json.RawMessage
		Error *sdkError
	}
	if err := json.Unmarshal(reply, &result); err != nil {
		n.t.Fatalf("reading from node: %v: %s", err, reply)
	}
	if result.Error != nil {
		return result.Error
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(result.Value, v); err != nil {
		n.t.Fatalf("%s gave %s: %v", r.Method, result.Value, err)
	}
	return nil
}
