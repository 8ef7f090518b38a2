// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	// MaxConnectionDataBytes is the longest connection data of a token. Vonage
	// documents 1000 characters; bytes are never more than that.
	MaxConnectionDataBytes = 1000
	// MaxTokenLifetime is the longest a token may be valid, as Vonage documents
	// it.
	MaxTokenLifetime = 30 * 24 * time.Hour
)

// Role is what a token allows its holder to do in the session.
type Role string

const (
	// RoleModerator may publish, subscribe, signal, and mute or disconnect others.
	RoleModerator Role = "moderator"
	// RolePublisher may publish, subscribe and signal.
	RolePublisher Role = "publisher"
	// RoleSubscriber may only subscribe.
	RoleSubscriber Role = "subscriber"
	// RolePublisherOnly may only publish.
	RolePublisherOnly Role = "publisheronly"
)

// TokenOptions say what a token is for.
type TokenOptions struct {
	// SessionID is the session to connect to; it must belong to the project.
	SessionID string
	// Role is required.
	Role Role
	// Data is the connection data, at most MaxConnectionDataBytes of UTF-8.
	// Everybody in the session can read it.
	Data string
	// LayoutClasses are the initial layout classes of the holder's streams, for
	// composed archives; usually none.
	LayoutClasses []string
	// IssuedAt and ExpiresAt are cut to whole seconds. A token only gates
	// connecting: who is connected when it expires stays.
	IssuedAt, ExpiresAt time.Time
	// ID is the claim jti; "" stands for a new random UUID.
	ID string
	// Nonce is part of an OpenTok token; 0 stands for a random one. Unified
	// tokens have none.
	Nonce int64
}

// openTokClaims are the claims of an OpenTok client token, in the order of the
// official SDKs.
type openTokClaims struct {
	Issuer         string `json:"iss"`
	IssuerType     string `json:"ist"`
	IssuedAt       int64  `json:"iat"`
	ExpiresAt      int64  `json:"exp"`
	Nonce          int64  `json:"nonce"`
	Role           Role   `json:"role"`
	Scope          string `json:"scope"`
	SessionID      string `json:"session_id"`
	ConnectionData string `json:"connection_data,omitempty"`
	LayoutClasses  string `json:"initial_layout_class_list"`
	ID             string `json:"jti"`
}

// unifiedClaims are the claims of a Unified client token. Not every SDK sends
// sub and acl; the current Node SDK does.
type unifiedClaims struct {
	ApplicationID  string          `json:"application_id"`
	Scope          string          `json:"scope"`
	SessionID      string          `json:"session_id"`
	Role           Role            `json:"role"`
	ConnectionData string          `json:"connection_data,omitempty"`
	LayoutClasses  string          `json:"initial_layout_class_list"`
	Subject        string          `json:"sub"`
	ACL            json.RawMessage `json:"acl"`
	IssuedAt       int64           `json:"iat"`
	ExpiresAt      int64           `json:"exp"`
	ID             string          `json:"jti"`
}

const (
	connectScope   = "session.connect"
	unifiedSubject = "video"
	unifiedACL     = `{"paths":{"/session/**":{}}}`
)

// MintToken returns a token with which a browser connects to a session. It makes
// no network call. The same options, with ID and (for OpenTok) Nonce given, give
// the same token. Its errors are of ClassTerminal.
func (c Credentials) MintToken(o TokenOptions) (string, error) {
	if err := c.checkTokenOptions(o); err != nil {
		return "", &Error{Op: OpMintToken, Class: ClassTerminal, Detail: err.Error()}
	}
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	if o.Nonce == 0 {
		o.Nonce = 1 + rand.Int64N(1<<31) //nolint:forbidigo // tells tokens apart; protects nothing
	}
	token, err := c.signJSON(c.tokenClaims(o))
	if err != nil {
		return "", &Error{Op: OpMintToken, Class: ClassTerminal, Detail: err.Error()}
	}
	return token, nil
}

func (c Credentials) checkTokenOptions(o TokenOptions) error {
	if c.p == nil {
		return errNoCredentials
	}
	if err := c.OwnsSession(o.SessionID); err != nil {
		return err
	}
	switch o.Role {
	case RoleModerator, RolePublisher, RoleSubscriber, RolePublisherOnly:
	default:
		return errors.New("unknown role: use moderator, publisher, subscriber or publisheronly")
	}
	if len(o.Data) > MaxConnectionDataBytes {
		return fmt.Errorf("the connection data has %d bytes: at most %d are allowed", len(o.Data),
			MaxConnectionDataBytes)
	}
	layout := strings.Join(o.LayoutClasses, " ")
	if len(layout) > MaxConnectionDataBytes {
		return fmt.Errorf("the layout classes have %d bytes: at most %d are allowed", len(layout),
			MaxConnectionDataBytes)
	}
	if !utf8.ValidString(o.Data) || !utf8.ValidString(layout) || !utf8.ValidString(o.ID) {
		return errors.New("the connection data, layout classes or token ID are not valid UTF-8")
	}
	return checkTokenTimes(o.IssuedAt, o.ExpiresAt)
}

func checkTokenTimes(issued, expires time.Time) error {
	issued, expires = issued.Truncate(time.Second), expires.Truncate(time.Second)
	if issued.Unix() <= 0 {
		return errors.New("the time of issue is missing")
	}
	if !expires.After(issued) {
		return errors.New("the token would expire before it is issued")
	}
	if expires.Sub(issued) > MaxTokenLifetime {
		return errors.New("the token would be valid for over 30 days, the longest Vonage allows")
	}
	return nil
}

func (c Credentials) tokenClaims(o TokenOptions) any {
	layout := strings.Join(o.LayoutClasses, " ")
	if c.p.environment == OpenTok {
		return openTokClaims{
			Issuer: c.p.id, IssuerType: openTokIssuerType,
			IssuedAt: o.IssuedAt.Unix(), ExpiresAt: o.ExpiresAt.Unix(), Nonce: o.Nonce,
			Role: o.Role, Scope: connectScope, SessionID: o.SessionID,
			ConnectionData: o.Data, LayoutClasses: layout, ID: o.ID,
		}
	}
	return unifiedClaims{
		ApplicationID: c.p.id, Scope: connectScope, SessionID: o.SessionID,
		Role: o.Role, ConnectionData: o.Data, LayoutClasses: layout,
		Subject: unifiedSubject, ACL: json.RawMessage(unifiedACL),
		IssuedAt: o.IssuedAt.Unix(), ExpiresAt: o.ExpiresAt.Unix(), ID: o.ID,
	}
}

// signJSON signs the claims as a JWT. Claims are structs, so that their order on
// the wire is fixed.
func (c Credentials) signJSON(claims any) (string, error) {
	payload, err := marshalJSON(claims)
	if err != nil {
		return "", errors.New("the claims cannot be written as JSON")
	}
	token, err := c.p.sign(payload)
	if err != nil {
		return "", errors.New("signing with the key failed: check the credentials")
	}
	return token, nil
}

// signJWT returns the JWT of claims that are JSON already.
func signJWT(method jwt.SigningMethod, key any, claims []byte) (string, error) {
	header := `{"alg":"` + method.Alg() + `","typ":"JWT"}`
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := method.Sign(input, key)
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// marshalJSON is json.Marshal without the escaping for HTML, which makes data
// longer and is of no use here.
func marshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
