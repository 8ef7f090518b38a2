// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what T1 tokens are signed with
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Codes of a ConnectError: those the browser SDK reports.
const (
	CodeAuthentication   = 1004
	CodeInvalidSessionID = 1005
	CodeConnectFailed    = 1006
	CodePermissionDenied = 1500
)

// Bounds of client tokens (Vonage token guide): 30 days of life; 1000 bytes of connection data and of layout classes.
const (
	maxTokenLife       = 30 * 24 * 3600
	maxConnectionData  = 1000
	maxLayoutClassList = 1000
)

// ConnectError says why a token was not let in. It never holds the token.
type ConnectError struct {
	// Code is the browser SDK's error code, such as 1004 for an authentication error.
	Code    int
	Message string
}

// Error returns code and message.
func (e *ConnectError) Error() string { return strconv.Itoa(e.Code) + ": " + e.Message }

func refused(message string) *ConnectError { return &ConnectError{CodeAuthentication, message} }

// TokenInfo is what a verified client token grants.
type TokenInfo struct {
	ProjectID, SessionID, Role, Data string
	LayoutClasses                    []string
	IssuedAt, ExpiresAt              int64 // seconds since the epoch
}

// VerifyToken checks a client token as the vendor does when a browser connects: signature, project, session, scope,
// role, times and sizes. It accepts RS256 JWTs (Unified), HS256 JWTs and T1 tokens (OpenTok). The error is a
// *ConnectError.
func (s *Simulator) VerifyToken(token string) (TokenInfo, error) {
	info, err := s.verifyToken(token)
	if err != nil {
		return TokenInfo{}, err
	}
	return info, nil
}

func (s *Simulator) verifyToken(token string) (info TokenInfo, err *ConnectError) {
	var slack int64
	if strings.HasPrefix(token, "T1==") {
		slack = 1 // the Node SDK rounds the create time to the nearest second, so half its tokens are from the future
		info, err = s.verifyT1(token)
	} else {
		info, err = s.verifyTokenJWT(token)
	}
	if err != nil {
		return TokenInfo{}, err
	}
	return info, s.checkGrant(info, slack)
}

// checkGrant holds the rules all token formats share. slack is how many seconds a token may be from the future.
func (s *Simulator) checkGrant(t TokenInfo, slack int64) *ConnectError {
	now := s.now().Unix()
	sid, err := DecodeSessionID(t.SessionID)
	switch {
	case err != nil:
		return &ConnectError{CodeInvalidSessionID, "the session ID in the token is malformed"}
	case sid.ProjectID != t.ProjectID:
		return refused("the session does not belong to the token's project")
	case t.IssuedAt > now+slack:
		return refused(msgFuture)
	case t.ExpiresAt <= now:
		return refused(msgExpired)
	case t.ExpiresAt-t.IssuedAt > maxTokenLife:
		return refused("the token is valid for more than 30 days")
	case t.Role != "publisher" && t.Role != "subscriber" && t.Role != "moderator" && t.Role != "publisheronly":
		return refused("the token has an unknown role")
	case len(t.Data) > maxConnectionData:
		return refused("the token has more than 1000 bytes of connection data")
	case len(strings.Join(t.LayoutClasses, " ")) > maxLayoutClassList:
		return refused("the token has more than 1000 bytes of layout classes")
	case !utf8.ValidString(t.Data):
		return refused("the token has connection data that is not text")
	}
	return nil
}

func (s *Simulator) verifyTokenJWT(token string) (TokenInfo, *ConnectError) {
	t, err := parseJWT(token)
	if err != nil {
		return TokenInfo{}, refused(msgFormat)
	}
	var id string
	switch t.header["alg"] {
	case "RS256":
		id, err2 := s.unifiedTokenProject(t)
		if err2 != nil {
			return TokenInfo{}, err2
		}
		return tokenClaims(t.claims, id)
	case "HS256":
		id, _ = t.claims.text("iss")
		p := s.project(id)
		switch {
		case p == nil || p.Environment != OpenTok:
			return TokenInfo{}, refused(msgIssuer)
		case !p.verifyHS256(t):
			return TokenInfo{}, refused(msgSignature)
		case t.claims["ist"] != "project" && t.header["ist"] != "project":
			return TokenInfo{}, refused(msgFormat)
		}
		if n, isNumber := t.claims["nonce"].(json.Number); t.claims["nonce"] != nil && (!isNumber || n == "") {
			return TokenInfo{}, refused("the token's nonce is not a number")
		}
		return tokenClaims(t.claims, id)
	default:
		return TokenInfo{}, refused(msgFormat)
	}
}

func (s *Simulator) unifiedTokenProject(t jwt) (string, *ConnectError) {
	id, _ := t.claims.text("application_id")
	p := s.project(id)
	jti, _ := t.claims.text("jti")
	sub, subOK := t.claims.textOr("sub", "video")
	switch {
	case p == nil || p.Environment != Unified:
		return "", refused(msgIssuer)
	case !p.verifyRS256(t):
		return "", refused(msgSignature)
	case jti == "":
		return "", refused("the token has no jti")
	case !subOK || sub != "video":
		return "", refused("the token's sub is not video")
	}
	return id, nil
}

// tokenClaims reads the claims the two JWT formats share.
func tokenClaims(c claims, projectID string) (TokenInfo, *ConnectError) {
	t := TokenInfo{ProjectID: projectID}
	var ok [6]bool
	var classes string
	t.SessionID, ok[0] = c.text("session_id")
	t.Role, ok[1] = c.textOr("role", "publisher")
	t.Data, ok[2] = c.textOr("connection_data", "")
	classes, ok[3] = c.textOr("initial_layout_class_list", "")
	t.IssuedAt, ok[4] = c.seconds("iat")
	t.ExpiresAt, ok[5] = c.seconds("exp")
	t.LayoutClasses = strings.Fields(classes)
	switch {
	case !ok[0]:
		return TokenInfo{}, refused("the token names no session: it is not a client token")
	case c["scope"] != "session.connect":
		return TokenInfo{}, refused("the token's scope is not session.connect")
	case ok != [6]bool{true, true, true, true, true, true}:
		return TokenInfo{}, refused(msgFormat)
	}
	return t, nil
}

// verifyT1 reads a token of the form "T1==" + base64("partner_id=…&sig=…:" + data). The signature covers the literal
// data, so it is verified before anything in there is parsed.
func (s *Simulator) verifyT1(token string) (TokenInfo, *ConnectError) {
	if len(token) > maxJWT {
		return TokenInfo{}, refused(msgFormat)
	}
	// The Java SDK uses the URL-safe alphabet, the others the standard one; padding may be missing.
	text := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(token[len("T1=="):], "="))
	inner, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return TokenInfo{}, refused(msgFormat)
	}
	left, data, found := strings.Cut(string(inner), ":")
	head, err := url.ParseQuery(left)
	if !found || err != nil {
		return TokenInfo{}, refused(msgFormat)
	}
	p := s.project(head.Get("partner_id"))
	if p == nil || p.Environment != OpenTok {
		return TokenInfo{}, refused(msgIssuer)
	}
	signed := func(secret string) bool {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(data))
		return hmac.Equal([]byte(head.Get("sig")), []byte(hex.EncodeToString(mac.Sum(nil))))
	}
	if !signed(p.Secret) && (p.FormerSecret == "" || !signed(p.FormerSecret)) {
		return TokenInfo{}, refused(msgSignature)
	}
	return t1Data(p.ID, data)
}

func t1Data(projectID, data string) (TokenInfo, *ConnectError) {
	q, err := url.ParseQuery(data)
	if err != nil {
		return TokenInfo{}, refused(msgFormat)
	}
	for _, v := range q {
		if len(v) != 1 {
			return TokenInfo{}, refused(msgFormat)
		}
	}
	created, err1 := strconv.ParseInt(q.Get("create_time"), 10, 41)
	expires, err2 := strconv.ParseInt(q.Get("expire_time"), 10, 41)
	_, err3 := strconv.ParseFloat(q.Get("nonce"), 64)
	switch {
	case err1 != nil || err2 != nil || err3 != nil || created < 0:
		return TokenInfo{}, refused(msgFormat)
	case q.Has("scope") && q.Get("scope") != "session.connect":
		return TokenInfo{}, refused("the token's scope is not session.connect")
	}
	return TokenInfo{
		ProjectID: projectID, SessionID: q.Get("session_id"), Role: q.Get("role"), Data: q.Get("connection_data"),
		LayoutClasses: strings.Fields(q.Get("initial_layout_class_list")), IssuedAt: created, ExpiresAt: expires,
	}, nil
}
