// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummariseAudit(t *testing.T) {
	const log = `{"verb":"list","objectRef":{"resource":"meetingrooms","apiGroup":"breakout-operator.io"},"responseStatus":{"code":200}}
{"verb":"patch","objectRef":{"resource":"meetingrooms","namespace":"default","name":"red","apiGroup":"breakout-operator.io"},"responseStatus":{"code":200}}

{"verb":"update","objectRef":{"resource":"meetingrooms","namespace":"default","name":"red","apiGroup":"breakout-operator.io","subresource":"status"},"responseStatus":{"code":403}}
{"verb":"update","objectRef":{"resource":"meetingrooms","namespace":"default","name":"blue","apiGroup":"breakout-operator.io","subresource":"status"},"responseStatus":{"code":403}}
{"verb":"list","objectRef":{"resource":"namespaces"},"responseStatus":{"code":403}}
{"verb":"create","objectRef":{"resource":"leases","name":"l"},"responseStatus":{"code":409}}
`
	got, err := summariseAudit([]byte(log))
	if err != nil {
		t.Fatal(err)
	}
	want := auditSummary{
		Requests: 6,
		Writes: []write{
			{"patch", "meetingrooms", "red"}, {"update status", "meetingrooms", "red"},
			{"update status", "meetingrooms", "blue"}, {"create", "leases", "l"},
		},
		Refused: []string{"update meetingrooms/status (breakout-operator.io) in default", "list namespaces"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(write{})); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"patch", "update status"}, got.writesTo("meetingrooms", "red")); diff != "" {
		t.Errorf("writes to red (-want +got):\n%s", diff)
	}
	if _, err := summariseAudit([]byte("{\n")); err == nil {
		t.Error("half an event is not an error")
	}
}
