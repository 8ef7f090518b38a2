// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSessionID is the documented maximum length of a session ID (doc comments of the vendor's SDKs).
const maxSessionID = 255

// SessionIDParts are the readable fields of a session ID.
type SessionIDParts struct {
	ProjectID string
	// Location is the location hint, "" for none.
	Location string
	// CreatedAt is the time of creation, in ms; zero for the textual dates of 2014.
	CreatedAt time.Time
	// Relayed says that the session was created without the media router.
	Relayed bool
	// Random is the random part.
	Random string
}

// Encode returns the session ID of these parts: what the vendor's session IDs decode to, in the vendor's encoding.
func (p SessionIDParts) Encode() string {
	flag := ""
	if p.Relayed {
		flag = "P"
	}
	plain := fmt.Sprintf("1~%s~%s~%d~%s~%s~~", p.ProjectID, p.Location, p.CreatedAt.UnixMilli(), p.Random, flag)
	return "1_" + base64.RawURLEncoding.EncodeToString([]byte(plain))
}

var (
	randomPart = regexp.MustCompile(`^[A-Za-z0-9+/]{24}$`)
	ipv4       = regexp.MustCompile(`^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$`)
	errFormat  = errors.New("not a session ID")
)

// DecodeSessionID reads a session ID of the current shape (eight fields) or of the 2014 one (six fields), as the
// vendor's SDKs do, but strictly. The error does not quote the input.
func DecodeSessionID(id string) (SessionIDParts, error) {
	if len(id) > maxSessionID || len(id) < 3 || (id[:2] != "1_" && id[:2] != "2_") {
		return SessionIDParts{}, errFormat
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(id[2:])
	if err != nil || strings.ContainsAny(id, "\r\n") {
		return SessionIDParts{}, errFormat
	}
	if slices.ContainsFunc(plain, func(b byte) bool { return b < 0x20 || b > 0x7e }) {
		return SessionIDParts{}, errFormat
	}
	f := strings.Split(string(plain), "~")
	if !commonFields(f) {
		return SessionIDParts{}, errFormat
	}
	if len(f) == 6 {
		return decodeFields2014(f)
	}
	return decodeFields(f)
}

// commonFields reports whether the fields that both shapes have are sound.
func commonFields(f []string) bool {
	return (len(f) == 6 || len(f) == 8) && f[0] == "1" &&
		(applicationID.MatchString(f[1]) || apiKey.MatchString(f[1])) &&
		(f[2] == "" || ipv4.MatchString(f[2])) &&
		(f[5] == "" || f[5] == "P")
}

// decodeFields2014 reads six fields, with a textual date and a random fraction.
func decodeFields2014(f []string) (SessionIDParts, error) {
	if _, err := strconv.ParseFloat(f[4], 64); err != nil || f[3] == "" {
		return SessionIDParts{}, errFormat
	}
	return SessionIDParts{ProjectID: f[1], Location: f[2], Random: f[4], Relayed: f[5] == "P"}, nil
}

// decodeFields reads eight fields, with milliseconds and 18 random bytes.
func decodeFields(f []string) (SessionIDParts, error) {
	ms, err := strconv.ParseUint(f[3], 10, 43) // until the year 2248
	if err != nil || strconv.FormatUint(ms, 10) != f[3] || !randomPart.MatchString(f[4]) {
		return SessionIDParts{}, errFormat
	}
	p := SessionIDParts{ProjectID: f[1], Location: f[2], Random: f[4]}
	p.CreatedAt, p.Relayed = time.UnixMilli(int64(ms)).UTC(), f[5] == "P"
	return p, nil
}
