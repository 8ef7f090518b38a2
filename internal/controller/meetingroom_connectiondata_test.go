// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

func TestConnectionData(t *testing.T) {
	tests := map[string]struct {
		participant v1alpha1.Participant
		want        string
		wantRole    vonage.Role
	}{
		"host": {
			participant: v1alpha1.Participant{Name: "Ms Jones", Role: v1alpha1.RoleHost},
			want:        `{"id":"Ms Jones","name":"Ms Jones","role":"moderator","isCohost":false}`,
			wantRole:    vonage.RoleModerator,
		},
		"co-host": {
			participant: v1alpha1.Participant{Name: "Bo", Role: v1alpha1.RoleCoHost},
			want:        `{"id":"Bo","name":"Bo","role":"participant","isCohost":true}`,
			wantRole:    vonage.RoleModerator,
		},
		"role by default": {
			participant: v1alpha1.Participant{Name: "Ada"},
			want:        `{"id":"Ada","name":"Ada","role":"participant","isCohost":false}`,
			wantRole:    vonage.RolePublisher,
		},
		"viewer": {
			participant: v1alpha1.Participant{Name: "Cy", Role: v1alpha1.RoleViewer},
			want:        `{"id":"Cy","name":"Cy","role":"participant","isCohost":false}`,
			wantRole:    vonage.RoleSubscriber,
		},
		"own data, in order of keys, nothing escaped for HTML": {
			participant: v1alpha1.Participant{
				Name:           `<Łódź & "Co">`,
				ConnectionData: map[string]v1alpha1.ConnectionDataValue{"z": "1>0", "a b": "", "m": "é"},
			},
			want:     `{"id":"<Łódź & \"Co\">","name":"<Łódź & \"Co\">","role":"participant","isCohost":false,"a b":"","m":"é","z":"1>0"}`,
			wantRole: vonage.RolePublisher,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, connectionData(&tc.participant)); diff != "" {
				t.Errorf("connection data (-want +got):\n%s", diff)
			}
			if got := tokenRole(roleOf(&tc.participant)); got != tc.wantRole {
				t.Errorf("token role %s, want %s", got, tc.wantRole)
			}
		})
	}
}

func TestSharedConnectionData(t *testing.T) {
	tests := map[v1alpha1.ParticipantRole]string{
		v1alpha1.RoleHost:        `{"role":"moderator","isCohost":false}`,
		v1alpha1.RoleCoHost:      `{"role":"participant","isCohost":true}`,
		v1alpha1.RoleParticipant: `{"role":"participant","isCohost":false}`,
		v1alpha1.RoleViewer:      `{"role":"participant","isCohost":false}`,
	}
	for role, want := range tests {
		if got := sharedConnectionData(role); got != want {
			t.Errorf("%s: got %s, want %s", role, got, want)
		}
	}
}

// Whatever the names and values, the data are JSON that says what the spec says, and the same bytes each time.
func TestConnectionDataIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, 64)
		p := v1alpha1.Participant{Name: v1alpha1.ParticipantName(rapid.StringN(1, 20, 64).Draw(t, "name"))}
		want := map[string]any{}
		for range rapid.IntRange(0, 8).Draw(t, "keys") {
			key, value := "x"+text.Draw(t, "key"), text.Draw(t, "value")
			if p.ConnectionData == nil {
				p.ConnectionData = map[string]v1alpha1.ConnectionDataValue{}
			}
			p.ConnectionData[key] = v1alpha1.ConnectionDataValue(value)
			want[key] = value
		}
		want["id"], want["name"], want["role"], want["isCohost"] = string(p.Name), string(p.Name), "participant", false
		data := connectionData(&p)
		var got map[string]any
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if again := connectionData(&p); again != data {
			t.Fatalf("%s, then %s", data, again)
		}
	})
}
