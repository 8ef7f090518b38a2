// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/url"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

// TestOurClient runs the operator's own client through what the SDKs went through.
func TestOurClient(t *testing.T) {
	f := newVendor(t)
	for _, project := range []string{fixture.ProjectID, apiKey} {
		t.Run(project, func(t *testing.T) {
			s := sdk{vendor: f, t: t, project: project}
			creds := s.credentials()
			c, err := vonage.NewClient(creds, vonage.WithEndpoint(f.url))
			s.must(err)
			t.Cleanup(c.Close)
			s.must(c.Probe(t.Context()))

			sid := ourSessions(t, s, c)
			now := time.Now()
			token, err := creds.MintToken(vonage.TokenOptions{
				SessionID: sid, Role: vonage.RolePublisher, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
			})
			s.must(err)
			if err := c.Signal(
				t.Context(), sid, vonage.Signal{Type: "x"},
			); vonage.ClassOf(err) != vonage.ClassNoRecipients {
				t.Errorf("nobody there: %v", err)
			}
			ada, err := f.sim.Connect(token)
			s.must(err)
			s.must(c.Signal(t.Context(), sid, vonage.Signal{Type: "breakout-room", Data: `{"message":"roomAdded"}`}))
			s.must(c.SignalConnection(t.Context(), sid, ada.ID(), vonage.Signal{
				Type: "message", Data: strings.Repeat("é", 4000),
			}))
			got := ada.Signals()
			if len(got) != 2 || got[0].Type != "breakout-room" || got[0].Data != `{"message":"roomAdded"}` ||
				got[1].Data != strings.Repeat("é", 4000) {
				t.Errorf("Ada heard %+v", got)
			}
			list, err := c.ListConnections(t.Context(), sid)
			s.must(err)
			if len(list) != 1 || list[0].ID != ada.ID() || list[0].State != vonage.ConnectionConnected ||
				list[0].CreatedAt.UnixMilli() != ada.Info().CreatedAt.UnixMilli() {
				t.Errorf("connected: %+v", list)
			}
			s.must(c.ForceDisconnect(t.Context(), sid, ada.ID()))
			if ada.DisconnectReason() != simulator.ReasonForceDisconnected {
				t.Errorf("Ada: %q", ada.DisconnectReason())
			}
			s.must(c.ForceDisconnect(t.Context(), sid, ada.ID())) // gone already is no error
			if list, err := c.ListConnections(t.Context(), sid); err != nil || len(list) != 0 {
				t.Errorf("left: %v, %v", list, err)
			}
		})
	}
}

// ourSessions creates a session with every option and returns the last.
func ourSessions(t *testing.T, s sdk, c *vonage.Client) (last string) {
	t.Helper()
	const media = "p2p.preference"
	for name, tc := range map[string]struct {
		options vonage.SessionOptions
		want    url.Values
	}{
		"defaults": {vonage.SessionOptions{}, url.Values{media: {"disabled"}, "archiveMode": {"manual"}}},
		"relayed": {
			vonage.SessionOptions{MediaMode: vonage.Relayed}, url.Values{media: {"enabled"}, "archiveMode": {"manual"}},
		},
		"recorded": {
			vonage.SessionOptions{
				ArchiveMode: vonage.Always, ArchiveName: "Algebra 101", ArchiveResolution: "1280x720",
			},
			url.Values{
				media: {"disabled"}, "archiveMode": {"always"}, "archiveName": {"Algebra 101"},
				"archiveResolution": {"1280x720"},
			},
		},
		"end to end, near": {
			vonage.SessionOptions{EndToEndEncryption: true, Location: "203.0.113.7"},
			url.Values{media: {"disabled"}, "archiveMode": {"manual"}, "e2ee": {"true"}, "location": {"203.0.113.7"}},
		},
	} {
		id, err := c.CreateSession(t.Context(), tc.options)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		calls := s.sim.Calls()
		call := calls[len(calls)-1]
		if call.CreatedSessionID != id || call.ProjectID != s.project {
			t.Errorf("%s: got %s, the simulator has %+v", name, id, call)
		}
		if diff := gocmp.Diff(tc.want, call.Options); diff != "" {
			t.Errorf("%s: sent (-want +got): %s", name, diff)
		}
		last = id
	}
	return last
}
