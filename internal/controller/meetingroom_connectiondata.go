// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// connectionData is the connection data of a participant's token: {"id","name","role","isCohost"} as the sample app's
// client reads it, then the participant's own connectionData in order of its keys. The id is the participant's name,
// which is the identity everywhere: the same in the main room and in every breakout room, and in the signals. The same
// participant always gives the same bytes.
func connectionData(p *v1alpha1.Participant) string {
	data := encodeJSON(sampleapp.ParticipantOf(p.Name, roleOf(p)))
	if len(p.ConnectionData) == 0 {
		return string(data)
	}
	data = data[:len(data)-1] // the closing brace
	for _, key := range slices.Sorted(maps.Keys(p.ConnectionData)) {
		data = append(data, ',')
		data = append(data, encodeJSON(key)...)
		data = append(data, ':')
		data = append(data, encodeJSON(p.ConnectionData[key])...)
	}
	return string(append(data, '}'))
}

// sharedConnectionData is the connection data of a shared token. It names nobody: clients with such a token bring their
// own identity.
func sharedConnectionData(role v1alpha1.ParticipantRole) string {
	p := sampleapp.ParticipantOf("", role)
	return string(encodeJSON(struct {
		Role     string `json:"role"`
		IsCohost bool   `json:"isCohost"`
	}{p.Role, p.IsCohost}))
}

// roleOf is a participant's role with the default filled in.
func roleOf(p *v1alpha1.Participant) v1alpha1.ParticipantRole {
	if p.Role == "" {
		return v1alpha1.RoleParticipant
	}
	return p.Role
}

// tokenRole is what a role may do in the session, in the vendor's terms.
func tokenRole(role v1alpha1.ParticipantRole) vonage.Role {
	switch role {
	case v1alpha1.RoleHost, v1alpha1.RoleCoHost:
		return vonage.RoleModerator
	case v1alpha1.RoleViewer:
		return vonage.RoleSubscriber
	default:
		return vonage.RolePublisher
	}
}

// encodeJSON is json.Marshal without the escaping for HTML, which only makes data longer.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic("encoding strings and booleans as JSON: " + err.Error()) // cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
