// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"bytes"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeyBytes bounds what NewCredentials looks at. An RSA key of maxRSABits
	// takes less than 7 KiB as PEM.
	maxKeyBytes = 16 << 10

	minRSABits = 2048
	maxRSABits = 8192 // a signature takes time with the cube of the length

	// An OpenTok API secret has 40 hexadecimal digits. Others are accepted, but
	// not so short that the key ID would give them away to guessing.
	minSecretBytes = 16
	maxSecretBytes = 256

	keyIDBytes = 8
	keyIDLabel = "breakout-operator.io/vonage/key-id/v1"
)

// Credentials are a project's identity and key. They are immutable, cheap to
// copy, and safe for concurrent use. They print redacted with every verb of
// fmt, in JSON, and in slog and logr. The zero value is unusable: it mints
// nothing, and NewClient refuses it.
type Credentials struct {
	p *project
}

// project is behind a pointer, and the key inside a closure, so that printing by
// reflection (also of a struct with Credentials in an unexported field, which
// bypasses Format) finds no key.
type project struct {
	environment Environment
	id          string
	keyID       string
	sign        func(claims []byte) (string, error)
}

// NewCredentials returns the credentials of a project.
//
// For Unified, projectID is the application ID (a UUID with dashes) and key the
// application's private key: one PEM block, PKCS#8 as downloaded from Vonage or
// PKCS#1, RSA with 2048 to 8192 bits, white space around it ignored.
//
// For OpenTok, projectID is the API key (decimal digits) and key the API secret
// as text: 16 to 256 printable ASCII characters without blanks; one newline or
// blank at the end, as editors leave it, is ignored.
//
// Its errors say what to put right and never contain any part of the key.
func NewCredentials(env Environment, projectID string, key []byte) (Credentials, error) {
	if len(key) > maxKeyBytes {
		return Credentials{}, fmt.Errorf("the key is over %d bytes long: give the key alone", maxKeyBytes)
	}
	switch env {
	case Unified:
		return newUnifiedCredentials(projectID, key)
	case OpenTok:
		return newOpenTokCredentials(projectID, key)
	default:
		return Credentials{}, errors.New("unknown environment: use Unified or OpenTok")
	}
}

func newUnifiedCredentials(projectID string, key []byte) (Credentials, error) {
	if !isUUID(projectID) {
		return Credentials{}, errors.New("the project ID of a Unified account must be the application ID, a UUID " +
			"with dashes")
	}
	private, err := parsePrivateKey(key)
	if err != nil {
		return Credentials{}, err
	}
	public := sha256.Sum256(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	return Credentials{p: &project{
		environment: Unified,
		id:          projectID,
		keyID:       hex.EncodeToString(public[:keyIDBytes]),
		sign:        func(claims []byte) (string, error) { return signJWT(jwt.SigningMethodRS256, private, claims) },
	}}, nil
}

func newOpenTokCredentials(projectID string, key []byte) (Credentials, error) {
	if !isAPIKey(projectID) {
		return Credentials{}, errors.New("the project ID of an OpenTok account must be the API key, 1 to 20 " +
			"decimal digits")
	}
	secret, err := parseSecret(key)
	if err != nil {
		return Credentials{}, err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(keyIDLabel))
	return Credentials{p: &project{
		environment: OpenTok,
		id:          projectID,
		keyID:       hex.EncodeToString(mac.Sum(nil)[:keyIDBytes]),
		sign:        func(claims []byte) (string, error) { return signJWT(jwt.SigningMethodHS256, secret, claims) },
	}}, nil
}

// parsePrivateKey words its errors itself: those of encoding/asn1 and x509 may
// quote what they could not read.
func parsePrivateKey(key []byte) (*rsa.PrivateKey, error) {
	key = bytes.TrimSpace(key)
	if len(key) == 0 {
		return nil, errors.New("the private key is empty: store the PEM file of the application's private key")
	}
	if !bytes.HasPrefix(key, []byte("-----BEGIN ")) {
		return nil, errors.New("the private key is not PEM: it must start with -----BEGIN PRIVATE KEY-----")
	}
	block, rest := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the private key is damaged PEM: store the file unchanged, with its line breaks and " +
			"its -----END line")
	}
	if len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("the private key holds more than one PEM block: keep the private key alone")
	}
	private, err := parsePrivateKeyBlock(block)
	if err != nil {
		return nil, err
	}
	if bits := private.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("the private key has %d bits: RSA with %d to %d bits is needed", bits, minRSABits,
			maxRSABits)
	}
	return private, nil
}

func parsePrivateKeyBlock(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] != "" {
		return nil, errors.New("the private key is encrypted: store it without a pass phrase")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the private key is not a valid PKCS#1 RSA key: generate a new key pair for the " +
				"application")
		}
		return private, nil
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the private key is not a valid PKCS#8 key: generate a new key pair for the " +
				"application")
		}
		private, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("the private key is not an RSA key: Vonage applications use RSA")
		}
		return private, nil
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return nil, errors.New("the key is not a private key: store the application's private key, not the public one")
	default:
		return nil, errors.New("the PEM block is not an RSA private key: its type must be PRIVATE KEY or RSA " +
			"PRIVATE KEY")
	}
}

func parseSecret(key []byte) ([]byte, error) {
	secret := string(key)
	for _, end := range []string{"\r\n", "\n", " "} {
		if trimmed, ok := strings.CutSuffix(secret, end); ok {
			secret = trimmed
			break
		}
	}
	if strings.HasPrefix(secret, "-----BEGIN ") {
		return nil, errors.New("the API secret is a PEM key: OpenTok uses the project's API secret, Unified a " +
			"private key")
	}
	if len(secret) < minSecretBytes || len(secret) > maxSecretBytes {
		return nil, fmt.Errorf("the API secret has %d characters: it must have %d to %d (OpenTok's have 40)",
			len(secret), minSecretBytes, maxSecretBytes)
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return nil, errors.New("the API secret contains a blank, a control character or non-ASCII text: store " +
				"the secret alone")
		}
	}
	return []byte(secret), nil
}

// Environment returns the environment the credentials are for, "" for the zero
// value.
func (c Credentials) Environment() Environment {
	if c.p == nil {
		return ""
	}
	return c.p.environment
}

// ProjectID returns the application ID or API key, "" for the zero value.
func (c Credentials) ProjectID() string {
	if c.p == nil {
		return ""
	}
	return c.p.id
}

// KeyID identifies the key without revealing it, in 16 hexadecimal digits: the
// beginning of the SHA-256 of the public key (Unified), or of an HMAC-SHA-256 of
// a fixed text under the API secret (OpenTok). Two keys with the same ID are the
// same key. It is "" for the zero value.
func (c Credentials) KeyID() string {
	if c.p == nil {
		return ""
	}
	return c.p.keyID
}

// Equal reports whether both are the same project with the same key.
func (c Credentials) Equal(other Credentials) bool {
	return c.Environment() == other.Environment() && c.ProjectID() == other.ProjectID() && c.KeyID() == other.KeyID()
}

// String returns a text without the key.
func (c Credentials) String() string {
	if c.p == nil {
		return "vonage.Credentials{}"
	}
	return fmt.Sprintf("vonage.Credentials{%s %s, key %s (redacted)}", c.p.environment, c.p.id, c.p.keyID)
}

// Format implements fmt.Formatter: every verb and flag prints String.
func (c Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.String())
}

// MarshalJSON implements json.Marshaler without the key.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.String())
}

// MarshalText implements encoding.TextMarshaler without the key.
func (c Credentials) MarshalText() ([]byte, error) {
	return []byte(c.String()), nil
}

// LogValue implements slog.LogValuer without the key.
func (c Credentials) LogValue() slog.Value {
	return slog.StringValue(c.String())
}

// MarshalLog implements logr.Marshaler without the key.
func (c Credentials) MarshalLog() any {
	return c.String()
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}

func isHexDigit(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func isAPIKey(s string) bool {
	return len(s) <= 20 && isDigits(s)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func isDigit(b byte) bool {
	return '0' <= b && b <= '9'
}
