// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxConnectionIDBytes bounds connection IDs, which are UUIDs today.
const maxConnectionIDBytes = 128

// States of a connection. Others are reported as ConnectionUnknown.
const (
	ConnectionConnecting   = "Connecting"
	ConnectionConnected    = "Connected"
	ConnectionDisconnected = "Disconnected"
	ConnectionUnknown      = "Unknown"
)

// Connection is a client connected to a session. Vonage does not tell its
// connection data here.
type Connection struct {
	// ID is the connection's ID.
	ID string
	// State is one of the Connection constants.
	State string
	// CreatedAt is when the client connected, zero if the reply does not tell.
	CreatedAt time.Time
}

// ListConnections returns who is connected to a session, in the order of the
// reply. Nobody, and a session that nobody ever connected to (404), is nil. The
// reply is not paged, as far as the SDKs know; over 4 MiB, which is about twice
// what the largest possible session takes, it is an error.
func (c *Client) ListConnections(ctx context.Context, sessionID string) ([]Connection, error) {
	if err := c.credentials.OwnsSession(sessionID); err != nil {
		return nil, terminal(OpListConnections, err)
	}
	var connections []Connection
	err := c.do(ctx, request{
		operation: listConnections,
		method:    http.MethodGet,
		path:      c.sessionPath(sessionID) + "/connection",
		decode: func(body []byte) (err error) {
			connections, err = decodeConnections(body)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return connections, nil
}

// ForceDisconnect disconnects a client from a session. One that is already gone
// (404) is no error. A client with a token that is still valid can come back.
func (c *Client) ForceDisconnect(ctx context.Context, sessionID, connectionID string) error {
	if err := c.checkConnection(sessionID, connectionID); err != nil {
		return terminal(OpForceDisconnect, err)
	}
	return c.do(ctx, request{
		operation: forceDisconnect,
		method:    http.MethodDelete,
		path:      c.sessionPath(sessionID) + "/connection/" + connectionID,
	})
}

// Probe makes a cheap call that needs valid credentials: it asks for the newest
// archive. nil means that endpoint, project and key work.
func (c *Client) Probe(ctx context.Context) error {
	return c.do(ctx, request{
		operation: probe,
		method:    http.MethodGet,
		path:      "/v2/project/" + c.credentials.ProjectID() + "/archive",
		query:     "count=1",
		decode:    decodeArchives,
	})
}

func (c *Client) checkConnection(sessionID, connectionID string) error {
	if err := c.credentials.OwnsSession(sessionID); err != nil {
		return err
	}
	if !isConnectionID(connectionID) {
		return errors.New("malformed connection ID: 1 to 128 letters, digits, - and _ are allowed")
	}
	return nil
}

func isConnectionID(s string) bool {
	return len(s) <= maxConnectionIDBytes && isIdentifier(s)
}
