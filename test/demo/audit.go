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
	"slices"
	"strings"
)

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

// readAudit sums up an audit log of what the operator asked for.
func readAudit(path string) (auditSummary, error) {
	text, err := os.ReadFile(path)
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
			sum.Writes = append(sum.Writes, write{
				strings.TrimSpace(e.Verb + " " + e.ObjectRef.Subresource), e.ObjectRef.Resource, e.ObjectRef.Name,
			})
		}
		if what := e.what(); e.ResponseStatus.Code == http.StatusForbidden && !slices.Contains(sum.Refused, what) {
			sum.Refused = append(sum.Refused, what)
		}
	}
	return sum, lines.Err()
}
