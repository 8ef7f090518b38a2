// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MediaMode says how media flows in a session.
type MediaMode string

const (
	// Routed sends media through Vonage's media router. The default.
	Routed MediaMode = "Routed"
	// Relayed lets browsers send media to each other, where they can.
	Relayed MediaMode = "Relayed"
)

// ArchiveMode says whether a session is recorded by itself.
type ArchiveMode string

const (
	// Manual records only when asked to. The default.
	Manual ArchiveMode = "Manual"
	// Always records the session from its first connection on.
	Always ArchiveMode = "Always"
)

// maxArchiveNameRunes is the longest archive name the SDKs allow.
const maxArchiveNameRunes = 80

// archiveResolutions are those Vonage documents.
var archiveResolutions = []string{"640x480", "480x640", "1280x720", "720x1280", "1920x1080", "1080x1920"}

// SessionOptions are the properties of a new session. The zero value is a routed
// session that is not recorded.
type SessionOptions struct {
	// MediaMode is Routed if "".
	MediaMode MediaMode
	// ArchiveMode is Manual if "". Always needs Routed.
	ArchiveMode ArchiveMode
	// ArchiveName, 1 to 80 characters, only with Always.
	ArchiveName string
	// ArchiveResolution, such as 1280x720, only with Always.
	ArchiveResolution string
	// Location is an IPv4 address near which the session should be hosted, "" for
	// none.
	Location string
	// EndToEndEncryption needs Routed and excludes Always.
	EndToEndEncryption bool
}

// Validate returns an error if the options are unknown or exclude each other.
// The rules are those the official SDKs check before sending.
func (o SessionOptions) Validate() error {
	media, archive := o.withDefaults()
	switch {
	case media != Routed && media != Relayed:
		return errors.New("unknown media mode: use Routed or Relayed")
	case archive != Manual && archive != Always:
		return errors.New("unknown archive mode: use Manual or Always")
	case archive == Always && media != Routed:
		return errors.New("archive mode Always needs media mode Routed")
	case o.EndToEndEncryption && media != Routed:
		return errors.New("end-to-end encryption needs media mode Routed")
	case o.EndToEndEncryption && archive == Always:
		return errors.New("end-to-end encryption excludes archive mode Always")
	case archive != Always && (o.ArchiveName != "" || o.ArchiveResolution != ""):
		return errors.New("archive name and resolution need archive mode Always")
	case !isArchiveName(o.ArchiveName):
		return errors.New("the archive name must have at most 80 characters and no control characters")
	case o.ArchiveResolution != "" && !slices.Contains(archiveResolutions, o.ArchiveResolution):
		return errors.New("unknown archive resolution: use one of " + strings.Join(archiveResolutions, ", "))
	case o.Location != "" && !isIPv4(o.Location):
		return errors.New("the location must be an IPv4 address such as 203.0.113.7")
	}
	return nil
}

func (o SessionOptions) withDefaults() (MediaMode, ArchiveMode) {
	media, archive := o.MediaMode, o.ArchiveMode
	if media == "" {
		media = Routed
	}
	if archive == "" {
		archive = Manual
	}
	return media, archive
}

func isArchiveName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxArchiveNameRunes &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

func isIPv4(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Is4()
}

// form is the body of the request. The media mode is always there: what Vonage
// does without is not documented, and the SDKs' defaults differ.
func (o SessionOptions) form() url.Values {
	media, archive := o.withDefaults()
	form := url.Values{"p2p.preference": {"disabled"}, "archiveMode": {strings.ToLower(string(archive))}}
	if media == Relayed {
		form.Set("p2p.preference", "enabled")
	}
	if o.ArchiveName != "" {
		form.Set("archiveName", o.ArchiveName)
	}
	if o.ArchiveResolution != "" {
		form.Set("archiveResolution", o.ArchiveResolution)
	}
	if o.Location != "" {
		form.Set("location", o.Location)
	}
	if o.EndToEndEncryption {
		form.Set("e2ee", "true")
	}
	return form
}

// CreateSession creates a session and returns its ID, which is a well-formed
// session ID of the project. It is not idempotent: each success is one more
// session, and after ClassAmbiguous there may be one that nobody knows. Sessions
// cannot be listed or deleted, and an unused one costs nothing.
func (c *Client) CreateSession(ctx context.Context, o SessionOptions) (string, error) {
	if err := o.Validate(); err != nil {
		return "", &Error{Op: OpCreateSession, Class: ClassTerminal, Detail: err.Error()}
	}
	var id string
	err := c.do(ctx, request{
		operation:   createSession,
		method:      http.MethodPost,
		path:        "/session/create",
		contentType: "application/x-www-form-urlencoded",
		body:        []byte(o.form().Encode()),
		decode: func(body []byte) (err error) {
			id, err = c.credentials.decodeSession(body)
			return err
		},
	})
	if err != nil {
		return "", err
	}
	return id, nil
}
