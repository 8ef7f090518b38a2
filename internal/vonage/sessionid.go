// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxSessionIDBytes is the longest a session ID may be, as the official SDKs
// document it.
const MaxSessionIDBytes = 255

// SessionInfo is what a session ID tells about its session. The fields come from
// the ID alone; the format is the one the official SDKs decode, and is not
// promised by Vonage beyond the project ID.
type SessionInfo struct {
	// ProjectID is the application ID or API key of the project the session
	// belongs to.
	ProjectID string
	// Location is the location hint given at creation, "" for none.
	Location string
	// CreatedAt is when the session was created, zero if the ID does not tell.
	CreatedAt time.Time
	// Relayed tells that the session was created with MediaMode Relayed. It is
	// read from an undocumented field: do not decide anything by it.
	Relayed bool
}

// ParseSessionID reads a session ID: a digit and an underscore, then, in
// URL-safe base64 without padding, fields separated by tildes. It accepts the
// current format (eight fields, the time in epoch milliseconds) and the older
// one (six fields, the time as text), and ignores what it does not know.
func ParseSessionID(id string) (SessionInfo, error) {
	if len(id) > MaxSessionIDBytes {
		return SessionInfo{}, errors.New("malformed session ID: it is over 255 characters long")
	}
	prefix, payload, found := strings.Cut(id, "_")
	if !found || len(prefix) != 1 || !isDigits(prefix) {
		return SessionInfo{}, errors.New("malformed session ID: it must start with 1_ or 2_")
	}
	// Decoders of the standard library skip line breaks; an ID has none.
	if !isIdentifier(payload) {
		return SessionInfo{}, errors.New("malformed session ID: only letters, digits, - and _ are allowed")
	}
	decoded, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return SessionInfo{}, errors.New("malformed session ID: it is cut off or not URL-safe base64")
	}
	for _, b := range decoded {
		if b < ' ' || b > '~' {
			return SessionInfo{}, errors.New("malformed session ID: its content is not text")
		}
	}
	return parseSessionFields(strings.Split(string(decoded), "~"))
}

func parseSessionFields(fields []string) (SessionInfo, error) {
	if len(fields) < 4 {
		return SessionInfo{}, errors.New("malformed session ID: fields are missing")
	}
	if !isUUID(fields[1]) && !isAPIKey(fields[1]) {
		return SessionInfo{}, errors.New("malformed session ID: it names no project")
	}
	return SessionInfo{
		ProjectID: fields[1],
		Location:  fields[2],
		CreatedAt: parseCreationTime(fields[3]),
		Relayed:   len(fields) > 5 && fields[5] == "P",
	}, nil
}

// parseCreationTime reads epoch milliseconds, or Java's Date.toString, whose
// zone is US Pacific time. Whatever else it is, it is not worth an error.
func parseCreationTime(s string) time.Time {
	if isDigits(s) {
		return parseEpochMillis(s)
	}
	s = strings.NewReplacer(" PST ", " -0800 ", " PDT ", " -0700 ", " UTC ", " +0000 ", " GMT ", " +0000 ").Replace(s)
	t, err := time.Parse("Mon Jan _2 15:04:05 -0700 2006", s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// maxEpochMillis is the last millisecond of the year 9999, beyond which a time
// cannot be written as RFC 3339.
const maxEpochMillis = 253402300799999

func parseEpochMillis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms <= 0 || ms > maxEpochMillis {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// OwnsSession returns an error unless id is a session ID of the credentials'
// project. Vonage accepts neither tokens nor calls for another project's
// session.
func (c Credentials) OwnsSession(id string) error {
	info, err := ParseSessionID(id)
	if err != nil {
		return err
	}
	if c.p == nil || !strings.EqualFold(info.ProjectID, c.p.id) {
		return errors.New("the session belongs to another project: use the account it was created with")
	}
	return nil
}

// isIdentifier reports whether s consists of the characters of session and
// connection IDs, which need no escaping in a path.
func isIdentifier(s string) bool {
	for i := range len(s) {
		if b := s[i]; !isDigit(b) && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && b != '-' && b != '_' {
			return false
		}
	}
	return s != ""
}
