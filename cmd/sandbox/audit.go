// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The API server writes down what the operator asks of it, without contents: that shows whether its roles suffice, whatever its own log says.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
  users: ["system:serviceaccount:` + operatorNamespace + ":" + operatorServiceAccount + `"]
- level: None
`

// auditLogName is the log's file in the sandbox's folder.
const auditLogName = "audit.log"

// auditArgs writes the policy into dir and returns the API server's flags for it.
func auditArgs(dir string) ([]string, error) {
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write the audit policy: %w", err)
	}
	return []string{
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + filepath.Join(dir, auditLogName),
		"--audit-log-maxsize=100",
		"--audit-log-maxbackup=1",
	}, nil
}

// auditSummary is what the operator asked of the API server.
type auditSummary struct {
	// Requests is how many requests there were.
	Requests int

	// Writes are those that may have changed something, in order.
	Writes []write

	// Refused are those that its roles do not allow, each kind once, such as "update meetingrooms/status".
	Refused []string
}

// write is a request that may have changed an object, such as "update status" of "meetingrooms" "red".
type write struct{ what, resource, name string }

// writesTo is what was written to one object.
func (s auditSummary) writesTo(resource, name string) []string {
	var writes []string
	for _, w := range s.Writes {
		if w.resource == resource && w.name == name {
			writes = append(writes, w.what)
		}
	}
	return writes
}

// auditEvent is the part of an audit.k8s.io/v1 Event that matters here.
type auditEvent struct {
	Verb      string `json:"verb"`
	ObjectRef struct {
		Name        string `json:"name"`
		Namespace   string `json:"namespace"`
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func (e auditEvent) what() string {
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	if e.ObjectRef.APIGroup != "" {
		resource += " (" + e.ObjectRef.APIGroup + ")"
	}
	if e.ObjectRef.Namespace != "" {
		resource += " in " + e.ObjectRef.Namespace
	}
	return e.Verb + " " + resource
}

// readAudit sums up the audit log in dir.
func readAudit(dir string) (auditSummary, error) {
	text, err := os.ReadFile(filepath.Join(dir, auditLogName))
	if err != nil {
		return auditSummary{}, fmt.Errorf("read the API server's audit log: %w", err)
	}
	return summariseAudit(text)
}

func summariseAudit(text []byte) (auditSummary, error) {
	var sum auditSummary
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return sum, fmt.Errorf("read the API server's audit log: %w", err)
		}
		sum.Requests++
		if slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb) {
			sum.Writes = append(sum.Writes, write{strings.TrimSpace(e.Verb + " " + e.ObjectRef.Subresource), e.ObjectRef.Resource, e.ObjectRef.Name})
		}
		if what := e.what(); e.ResponseStatus.Code == http.StatusForbidden && !slices.Contains(sum.Refused, what) {
			sum.Refused = append(sum.Refused, what)
		}
	}
	return sum, lines.Err()
}
