// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Sizes of the replies that are read. A longer one counts as malformed.
const (
	maxReplyBytes = 64 << 10
	// A session takes up to 15,000 clients (Vonage's guides), each about 130 bytes
	// of the list.
	maxConnectionsReplyBytes = 4 << 20
)

// Decoders' errors are of their own words: what they could not read is foreign.
var (
	errNotJSON      = errors.New("the reply is not the JSON expected")
	errNoSession    = errors.New("the reply contains no session")
	errBadSession   = errors.New("the reply's session ID is malformed or of another project")
	errBadItem      = errors.New("the reply contains a malformed connection")
	errReplyTooLong = errors.New("the reply is too long")
	errReplyCut     = errors.New("the reply was cut off")
	errNotVonage    = errors.New("the reply is a web page, not Vonage's: check the endpoint")
)

// decodeSession reads the reply to session/create: a list with one session.
func (c Credentials) decodeSession(body []byte) (string, error) {
	var sessions []struct {
		ID string `json:"session_id"`
	}
	if err := json.Unmarshal(body, &sessions); err != nil {
		return "", errNotJSON
	}
	if len(sessions) == 0 || sessions[0].ID == "" {
		return "", errNoSession
	}
	if c.OwnsSession(sessions[0].ID) != nil {
		return "", errBadSession
	}
	return sessions[0].ID, nil
}

// decodeNothing reads the reply to a call that has nothing to answer: 204, or another success with nothing or an object
// in it. Anything else is not Vonage's, and says nothing of what Vonage did.
func decodeNothing(body []byte) error {
	var object map[string]json.RawMessage
	if body = bytes.TrimSpace(body); len(body) > 0 && json.Unmarshal(body, &object) != nil {
		return errNotJSON
	}
	return nil
}

// decodeConnections reads the reply to listing connections. A connection that
// could not be addressed afterwards makes the whole reply malformed: leaving it
// out would leave someone connected unnoticed.
func decodeConnections(body []byte) ([]Connection, error) {
	var list struct {
		Count *json.Number `json:"count"`
		Items []struct {
			ID        string          `json:"connectionId"`
			State     string          `json:"connectionState"`
			CreatedAt json.RawMessage `json:"createdAt"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errNotJSON
	}
	if list.Count == nil && list.Items == nil {
		return nil, errNotJSON
	}
	var connections []Connection
	for _, item := range list.Items {
		if !isConnectionID(item.ID) {
			return nil, errBadItem
		}
		connections = append(connections, Connection{
			ID:        item.ID,
			State:     connectionState(item.State),
			CreatedAt: decodeMillis(item.CreatedAt),
		})
	}
	return connections, nil
}

func connectionState(s string) string {
	for _, state := range []string{ConnectionConnecting, ConnectionConnected, ConnectionDisconnected} {
		if strings.EqualFold(s, state) {
			return state
		}
	}
	return ConnectionUnknown
}

// decodeMillis reads epoch milliseconds as a number or, as one SDK's fixture has
// it, as a string.
func decodeMillis(raw json.RawMessage) time.Time {
	text := strings.Trim(string(raw), `"`)
	if isDigits(text) {
		return parseEpochMillis(text)
	}
	if ms, err := strconv.ParseFloat(text, 64); err == nil && ms > 0 && ms <= maxEpochMillis {
		return time.UnixMilli(int64(ms)).UTC()
	}
	return time.Time{}
}

// decodeArchives checks that the reply is an archive list, so that a web page
// answering 200 does not pass for Vonage.
func decodeArchives(body []byte) error {
	var list struct {
		Count *json.Number       `json:"count"`
		Items []*json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil || list.Count == nil && list.Items == nil {
		return errNotJSON
	}
	return nil
}

// vendorMessage returns the message of an error reply if it is one Vonage is
// known for, else "". Error replies have message and description, those of the
// Vonage gateway title and detail (RFC 7807).
func vendorMessage(body []byte) string {
	var reply map[string]json.RawMessage
	if json.Unmarshal(body, &reply) != nil {
		return ""
	}
	for _, key := range []string{"message", "description", "title", "detail"} {
		var text string
		if json.Unmarshal(reply[key], &text) == nil {
			if known := vendorMessages[messageKey(text)]; known != "" {
				return known
			}
		}
	}
	return ""
}
