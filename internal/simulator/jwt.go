// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
)

// maxJWT bounds what is parsed. The longest valid client token, with 1000 bytes of connection data and of layout
// classes, all escaped, stays below it.
const maxJWT = 24 << 10

var errJWT = errors.New("not a JWT")

// jwt is a JWT in compact form, parsed but not verified. Written by hand, so that the operator's JWT library is checked
// by something else than itself.
type jwt struct {
	header, claims claims
	signed         string
	signature      []byte
}

type claims map[string]any

func parseJWT(text string) (jwt, error) {
	parts := strings.Split(text, ".")
	if len(text) > maxJWT || len(parts) != 3 {
		return jwt{}, errJWT
	}
	header, err := parseClaims(parts[0])
	if err != nil {
		return jwt{}, err
	}
	body, err := parseClaims(parts[1])
	if err != nil {
		return jwt{}, err
	}
	signature, err := decodePart(parts[2])
	if err != nil {
		return jwt{}, err
	}
	if _, critical := header["crit"]; critical {
		return jwt{}, errJWT
	}
	return jwt{header: header, claims: body, signed: parts[0] + "." + parts[1], signature: signature}, nil
}

func decodePart(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") { // the decoder would skip them
		return nil, errJWT
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errJWT
	}
	return b, nil
}

func parseClaims(part string) (claims, error) {
	text, err := decodePart(part)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var c claims
	if err := dec.Decode(&c); err != nil || c == nil {
		return nil, errJWT
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errJWT
	}
	return c, nil
}

// verify checks the signature; the algorithm is the caller's choice, never the token's.
func (t jwt) verifyRS256(key *rsa.PublicKey) bool {
	digest := sha256.Sum256([]byte(t.signed))
	return t.header["alg"] == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], t.signature) == nil
}

func (t jwt) verifyHS256(secret string) bool {
	return t.header["alg"] == "HS256" && hmac.Equal(t.signature, hmacSHA256(secret, t.signed))
}

func hmacSHA256(secret, message string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

// signHS256 returns a JWT over the literal claims text.
func signHS256(secret string, claims []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc(claims)
	return signed + "." + enc(hmacSHA256(secret, signed))
}

// text returns the string claim, and whether it is there and a string. A claim that is null counts as absent.
func (c claims) text(key string) (string, bool) {
	v, ok := c[key].(string)
	return v, ok
}

// textOr returns the string claim or, when it is absent, the default; false when it is there but not a string.
func (c claims) textOr(key, missing string) (string, bool) {
	if c[key] == nil {
		return missing, true
	}
	return c.text(key)
}

// seconds returns a NumericDate claim, rounded down to seconds, and whether it is there and one.
func (c claims) seconds(key string) (int64, bool) {
	n, ok := c[key].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<40 {
		return 0, false
	}
	return int64(math.Floor(f)), true
}
