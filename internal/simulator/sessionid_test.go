// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sessionID(plain string) string {
	return "1_" + base64.RawURLEncoding.EncodeToString([]byte(plain))
}

func TestDecodeSessionID(t *testing.T) {
	const r = "AbCdEfGhIjKlMnOpQrStUvWx"
	at := time.UnixMilli(1767225600000).UTC()
	tests := map[string]struct {
		id   string
		want SessionIDParts
	}{
		"OpenTok, routed": {openTokSample, SessionIDParts{ProjectID: key, CreatedAt: at, Random: r}},
		"unified, routed": {unifiedSample, SessionIDParts{ProjectID: appID, CreatedAt: at, Random: r}},
		"relayed": {
			sessionID("1~" + key + "~~1767225600000~" + r + "~P~~"),
			SessionIDParts{ProjectID: key, CreatedAt: at, Relayed: true, Random: r},
		},
		"the other prefix": {"2" + openTokSample[1:], SessionIDParts{ProjectID: key, CreatedAt: at, Random: r}},
		"with a location hint": {
			sessionID("1~" + key + "~203.0.113.7~1767225600000~" + r + "~~~"),
			SessionIDParts{ProjectID: key, Location: "203.0.113.7", CreatedAt: at, Random: r},
		},
		"of 2014": {
			sessionID("1~17012631~127.0.0.1~Wed Feb 26 18:57:24 PST 2014~0.54058874~"),
			SessionIDParts{ProjectID: "17012631", Location: "127.0.0.1", Random: "0.54058874"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeSessionID(tc.id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeSessionIDRefuses(t *testing.T) {
	const r = "AbCdEfGhIjKlMnOpQrStUvWx"
	tests := map[string]string{
		"empty":                "",
		"no prefix":            openTokSample[2:],
		"unknown prefix":       "3" + openTokSample[1:],
		"padding":              openTokSample + "=",
		"standard alphabet":    strings.ReplaceAll(openTokSample, "-", "+"),
		"a line break":         openTokSample[:20] + "\n" + openTokSample[20:],
		"bits left over":       openTokSample[:len(openTokSample)-1] + "5",
		"seven fields":         sessionID("1~" + key + "~~1767225600000~" + r + "~~"),
		"another version":      sessionID("2~" + key + "~~1767225600000~" + r + "~~~"),
		"no project":           sessionID("1~~~1767225600000~" + r + "~~~"),
		"upper-case UUID":      sessionID("1~" + strings.ToUpper(appID) + "~~1767225600000~" + r + "~~~"),
		"a location in words":  sessionID("1~" + key + "~eu~1767225600000~" + r + "~~~"),
		"a textual date":       sessionID("1~" + key + "~~yesterday~" + r + "~~~"),
		"a signed date":        sessionID("1~" + key + "~~+1767225600000~" + r + "~~~"),
		"short random part":    sessionID("1~" + key + "~~1767225600000~abc~~~"),
		"unknown media flag":   sessionID("1~" + key + "~~1767225600000~" + r + "~Q~~"),
		"not ASCII":            sessionID("1~" + key + "~~1767225600000~" + r + "~~é~"),
		"more than 255 long":   sessionID("1~" + key + "~~1767225600000~" + r + "~~" + strings.Repeat("x", 200) + "~"),
		"2014, no random part": sessionID("1~17012631~127.0.0.1~Wed Feb 26 18:57:24 PST 2014~~"),
	}
	for name, id := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := DecodeSessionID(id); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
}

func TestSessionIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := SessionIDParts{
			ProjectID: rapid.SampledFrom([]string{appID, key}).Draw(t, "project"),
			Location:  rapid.SampledFrom([]string{"", "203.0.113.7", "0.0.0.0", "255.255.255.255"}).Draw(t, "location"),
			CreatedAt: time.UnixMilli(rapid.Int64Range(0, 1<<43-1).Draw(t, "ms")).UTC(),
			Relayed:   rapid.Bool().Draw(t, "relayed"),
			Random:    rapid.StringMatching(`[A-Za-z0-9+/]{24}`).Draw(t, "random"),
		}
		id := want.Encode()
		if len(id) > maxSessionID ||
			strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Fatalf("%q is too long or would need escaping in a path", id)
		}
		got, err := DecodeSessionID(id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecodeSessionID: whatever is accepted in the current shape is what encoding its parts gives.
func FuzzDecodeSessionID(f *testing.F) {
	for _, id := range []string{
		openTokSample, unifiedSample, "2" + openTokSample[1:],
		sessionID("1~17012631~127.0.0.1~Wed Feb 26 18:57:24 PST 2014~0.54058874~"), "1_", "",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		p, err := DecodeSessionID(id)
		if err != nil {
			return
		}
		if len(id) > maxSessionID || p.ProjectID == "" || strings.ContainsAny(id, "/?#%+= \r\n") {
			t.Fatalf("accepted %q as %+v", id, p)
		}
		if again := p.Encode(); !p.CreatedAt.IsZero() && strings.HasSuffix(plainOf(t, id), "~~") &&
			again[2:] != id[2:] {
			t.Fatalf("%q decodes to %+v, which encodes to %q", id, p, again)
		}
	})
}

func plainOf(t *testing.T, id string) string {
	b, err := base64.RawURLEncoding.DecodeString(id[2:])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
