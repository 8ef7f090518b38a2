// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

const (
	// MaxSignalDataBytes is the most data this client sends in a signal. Vonage
	// documents 8 kB without saying whether that is 8000 or 8192, and of what.
	MaxSignalDataBytes = 8000
	// MaxSignalTypeBytes is the longest type of a signal, as Vonage documents it.
	MaxSignalTypeBytes = 128
)

// Signal is a message to the browsers in a session, which see it as the event
// "signal:<Type>".
type Signal struct {
	// Type is 1 to 128 letters, digits, -, _ and ~.
	Type string
	// Data is at most 8000 bytes of UTF-8; it may be empty.
	Data string
}

// Validate returns an error if Vonage would refuse the signal.
func (s Signal) Validate() error {
	if len(s.Type) < 1 || len(s.Type) > MaxSignalTypeBytes {
		return fmt.Errorf("the signal type has %d bytes: 1 to %d are allowed", len(s.Type), MaxSignalTypeBytes)
	}
	for i := range len(s.Type) {
		if s.Type[i] != '~' && !isIdentifier(s.Type[i:i+1]) {
			return errors.New("the signal type may contain only letters, digits, -, _ and ~")
		}
	}
	if len(s.Data) > MaxSignalDataBytes {
		return fmt.Errorf("the signal data has %d bytes: at most %d are allowed", len(s.Data), MaxSignalDataBytes)
	}
	if !utf8.ValidString(s.Data) {
		return errors.New("the signal data is not valid UTF-8")
	}
	return nil
}

// Signal sends a signal to everybody in a session. nil means that Vonage
// accepted it, not that anybody received it. Nobody there is ClassNoRecipients.
// A signal repeated after ClassAmbiguous may be received twice.
func (c *Client) Signal(ctx context.Context, sessionID string, s Signal) error {
	if err := c.credentials.OwnsSession(sessionID); err != nil {
		return terminal(OpSignal, err)
	}
	return c.sendSignal(ctx, signal, c.sessionPath(sessionID)+"/signal", s)
}

// SignalConnection sends a signal to one connection in a session. It is like
// Signal otherwise; ClassNoRecipients means that the connection is gone.
func (c *Client) SignalConnection(ctx context.Context, sessionID, connectionID string, s Signal) error {
	if err := c.checkConnection(sessionID, connectionID); err != nil {
		return terminal(OpSignalConnection, err)
	}
	return c.sendSignal(ctx, signalConnection, c.sessionPath(sessionID)+"/connection/"+connectionID+"/signal", s)
}

func (c *Client) sendSignal(ctx context.Context, op operation, path string, s Signal) error {
	if err := s.Validate(); err != nil {
		return terminal(op.name, err)
	}
	body, err := marshalJSON(struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}{s.Type, s.Data})
	if err != nil {
		return terminal(op.name, errors.New("the signal cannot be written as JSON"))
	}
	return c.do(ctx, request{
		operation:   op,
		method:      http.MethodPost,
		path:        path,
		contentType: "application/json",
		body:        body,
	})
}

func terminal(op string, err error) *Error {
	return &Error{Op: op, Class: ClassTerminal, Detail: err.Error()}
}

func (c *Client) sessionPath(sessionID string) string {
	return "/v2/project/" + c.credentials.ProjectID() + "/session/" + sessionID
}
