// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseSessionID(t *testing.T) {
	at2026 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		id   string
		want SessionInfo
	}{
		"OpenTok":  {openTokSession, SessionInfo{ProjectID: testAPIKey, CreatedAt: at2026}},
		"Unified":  {unifiedSession, SessionInfo{ProjectID: testAppID, CreatedAt: at2026}},
		"prefix 2": {"2" + openTokSession[1:], SessionInfo{ProjectID: testAPIKey, CreatedAt: at2026}},
		"relayed": {
			strings.TrimSuffix(openTokSession, "h-fn4") + "h-UH5-",
			SessionInfo{ProjectID: testAPIKey, CreatedAt: at2026, Relayed: true},
		},
		"relayed, Unified": {
			formatSessionID("1~a98e12ca-1111-4222-8333-fd4b5f30b9e9~~1672736878162~n/NxUKnCZV0TRzUJlcmDjCrx~P~~"),
			SessionInfo{
				ProjectID: "a98e12ca-1111-4222-8333-fd4b5f30b9e9",
				CreatedAt: time.Date(2023, 1, 3, 9, 7, 58, 162e6, time.UTC),
				Relayed:   true,
			},
		},
		"2014 style": {
			formatSessionID("1~17012631~127.0.0.1~Wed Feb 26 18:57:24 PST 2014~0.54058874~"),
			SessionInfo{
				ProjectID: "17012631", Location: "127.0.0.1",
				CreatedAt: time.Date(2014, 2, 27, 2, 57, 24, 0, time.UTC),
			},
		},
		"2014 style, in summer": {
			formatSessionID("1~17012631~~Sat Jul  5 18:57:24 PDT 2014~0.5~"),
			SessionInfo{ProjectID: "17012631", CreatedAt: time.Date(2014, 7, 6, 1, 57, 24, 0, time.UTC)},
		},
		"unknown zone": {
			formatSessionID("1~17012631~~Sat Jul  5 18:57:24 CEST 2014~0.5~"), SessionInfo{ProjectID: "17012631"},
		},
		"no time": {formatSessionID("1~17012631~~~0.5~"), SessionInfo{ProjectID: "17012631"}},
		"time beyond reason": {
			formatSessionID("1~17012631~~99999999999999999999~0.5~"), SessionInfo{ProjectID: "17012631"},
		},
		"more fields": {
			formatSessionID("1~17012631~10.1.2.3~1767225600000~r~P~x~y~z"),
			SessionInfo{ProjectID: "17012631", Location: "10.1.2.3", CreatedAt: at2026, Relayed: true},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSessionID(tc.id)
			if err != nil {
				t.Fatalf("error = %v, want none", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseSessionIDErrors(t *testing.T) {
	tests := map[string]struct{ id, wantErr string }{
		"empty":             {"", "must start"},
		"no prefix":         {openTokSession[2:], "must start"},
		"long prefix":       {"11" + openTokSession[1:], "must start"},
		"a letter":          {"T" + openTokSession[1:], "must start"},
		"prefix only":       {"1_", "only letters"},
		"a path":            {"1_../x", "only letters"},
		"padding":           {openTokSession + "=", "only letters"},
		"newline at end":    {openTokSession + "\n", "only letters"},
		"newline inside":    {openTokSession[:30] + "\n" + openTokSession[30:], "only letters"},
		"standard base64":   {"1_MX40+/", "only letters"},
		"impossible length": {"1_MX40N", "cut off"},
		"not text":          {formatSessionID("1~17012631~\x00~1~"), "not text"},
		"cut in the middle": {openTokSession[:14], "fields are missing"},
		"no project":        {formatSessionID("1~~~1767225600000~r~~~"), "names no project"},
		"strange project":   {formatSessionID("1~../..~~1767225600000~r~~~"), "names no project"},
		"too long":          {formatSessionID("1~17012631~~1~" + strings.Repeat("x", 200)), "over 255"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSessionID(tc.id)
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error = %v, want one with %q", err, tc.wantErr)
			}
			if got != (SessionInfo{}) {
				t.Errorf("got %v beside an error", got)
			}
		})
	}
}

func TestParseSessionIDReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := SessionInfo{
			ProjectID: rapid.StringMatching(`[1-9][0-9]{0,19}|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}`).Draw(t,
				"project"),
			Location:  rapid.StringMatching(`|([0-9]{1,3}\.){3}[0-9]{1,3}`).Draw(t, "location"),
			CreatedAt: time.UnixMilli(rapid.Int64Range(1, maxEpochMillis).Draw(t, "ms")).UTC(),
			Relayed:   rapid.Bool().Draw(t, "relayed"),
		}
		flag := ""
		if want.Relayed {
			flag = "P"
		}
		random := rapid.StringMatching(`[A-Za-z0-9+/]{24}`).Draw(t, "random")
		ms := rapid.Just(want.CreatedAt.UnixMilli()).Draw(t, "created")
		got, err := ParseSessionID(formatSessionID(strings.Join(
			[]string{"1", want.ProjectID, want.Location, itoa(ms), random, flag, "", ""}, "~",
		)))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestOwnsSession(t *testing.T) {
	unified, openTok := testCredentials(t, Unified), testCredentials(t, OpenTok)
	upper, err := NewCredentials(Unified, strings.ToUpper(testAppID), pkcs8PEM(testKey()))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		c       Credentials
		id      string
		wantErr string
	}{
		"own":              {openTok, openTokSession, ""},
		"own, Unified":     {unified, unifiedSession, ""},
		"own, other case":  {upper, unifiedSession, ""},
		"of another":       {unified, openTokSession, "another project"},
		"of another, back": {openTok, unifiedSession, "another project"},
		"malformed":        {openTok, "1_", "malformed"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.c.OwnsSession(tc.id)
			if (err == nil) != (tc.wantErr == "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error = %v, want %q", err, tc.wantErr)
			}
		})
	}
}
