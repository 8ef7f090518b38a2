// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"cmp"
	"errors"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	apiKey    = "45828062"
	apiSecret = "0123456789abcdef0123456789abcdef01234567"
)

type object = map[string]any

// vendor is a simulator with one project of each environment, and the SDKs.
type vendor struct {
	sim        *simulator.Simulator
	url        string
	node       *node
	privateKey string // PEM
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	f := &vendor{privateKey: string(fixture.PEM(fixture.Key()))}
	f.sim = simulator.New(simulator.Options{Projects: []simulator.Project{
		{Environment: simulator.Unified, ID: fixture.ProjectID, PublicKey: &fixture.Key().PublicKey},
		{Environment: simulator.OpenTok, ID: apiKey, Secret: apiSecret},
	}})
	srv := httptest.NewServer(f.sim)
	f.url = srv.URL
	f.node = startNode(t)
	t.Cleanup(func() { f.sim.Close(); srv.Close() })
	return f
}

// sdk is one of the vendor's SDKs with a project. The methods hide that the two name things differently; what they send
// is the SDKs' own.
type sdk struct {
	*vendor
	t       *testing.T
	name    string // of the client in Node
	vonage  bool   // @vonage/server-sdk, else opentok
	project string
}

// connectAs makes a client of an SDK with a credential.
func (f *vendor) connectAs(t *testing.T, name, kind, project, credential string) sdk {
	t.Helper()
	if err := f.node.do(request{Client: name, New: kind, Args: []any{project, credential, f.url}}, nil); err != nil {
		t.Fatal(err)
	}
	return sdk{vendor: f, t: t, name: name, vonage: kind == "vonage", project: project}
}

// sdks are the three ways to call: the OpenTok SDK in its own environment and, as it also can, in the unified one, and
// the Vonage SDK.
func (f *vendor) sdks(t *testing.T) []sdk {
	return []sdk{
		f.connectAs(t, "opentok", "opentok", apiKey, apiSecret),
		f.connectAs(t, "opentok-unified", "opentok", fixture.ProjectID, f.privateKey),
		f.connectAs(t, "vonage", "vonage", fixture.ProjectID, f.privateKey),
	}
}

// call calls the method of that name of the OpenTok SDK or of the Vonage SDK.
func (s sdk) call(openTok, vonage string, v any, args ...any) error {
	s.t.Helper()
	r := request{Client: s.name, Method: openTok, Args: args, Callback: true}
	if s.vonage {
		r.Method, r.Callback = vonage, false
	}
	return s.node.do(r, v)
}

func (s sdk) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s sdk) createSession(options object) (string, error) {
	var session struct{ SessionID string }
	err := s.call("createSession", "createSession", &session, options)
	return session.SessionID, err
}

func (s sdk) newSession() string {
	s.t.Helper()
	mode := "routed"
	if s.vonage {
		mode = "disabled"
	}
	id, err := s.createSession(object{"mediaMode": mode})
	s.must(err)
	return id
}

// signal signals the session or, if it is not "", the connection.
func (s sdk) signal(sessionID, connectionID, kind, data string) error {
	payload := object{"type": kind, "data": data}
	var to any
	if connectionID != "" {
		to = connectionID
	}
	if s.vonage {
		return s.call("", "sendSignal", nil, payload, sessionID, to)
	}
	return s.call("signal", "", nil, sessionID, to, payload)
}

func (s sdk) disconnect(sessionID, connectionID string) error {
	return s.call("forceDisconnect", "disconnectClient", nil, sessionID, connectionID)
}

// token mints a client token with the SDK.
func (s sdk) token(sessionID string, options object, more ...any) string {
	s.t.Helper()
	var token string
	method := "generateToken"
	if s.vonage {
		method = "generateClientToken"
	}
	s.must(s.node.do(request{Client: s.name, Method: method, Args: append([]any{sessionID, options}, more...)}, &token))
	return token
}

// join connects a simulated client with a token that the SDK minted.
func (s sdk) join(sessionID, role, data string) *simulator.Client {
	s.t.Helper()
	c, err := s.sim.Connect(s.token(sessionID, object{"role": role, "data": data}))
	s.must(err)
	return c
}

func TestSDKs(t *testing.T) {
	f := newVendor(t)
	for _, s := range f.sdks(t) {
		t.Run(s.name, func(t *testing.T) {
			for name, story := range map[string]func(sdk){
				"create": (sdk).testCreate, "signal": (sdk).testSignal, "disconnect": (sdk).testDisconnect,
				"streams":  (sdk).testStreams,
				"archives": (sdk).testArchives, "errors": (sdk).testErrors, "tokens": (sdk).testTokens,
			} {
				t.Run(name, func(t *testing.T) {
					s := s
					s.t = t
					story(s)
				})
			}
		})
	}
}

func (s sdk) testCreate() {
	type want struct {
		sent              url.Values
		media, archive    string
		e2ee              bool
		locationInSession string
	}
	routed, relayed, media := "disabled", "enabled", "p2p.preference"
	tests := map[string]struct {
		options object
		want    want
	}{
		"always recorded": {
			object{"mediaMode": routed, "archiveMode": "always"},
			want{url.Values{media: {routed}, "archiveMode": {"always"}}, "routed", "always", false, ""},
		},
		"relayed": {
			object{"mediaMode": relayed},
			want{url.Values{media: {relayed}, "archiveMode": {"manual"}}, "relayed", "manual", false, ""},
		},
		"location": {
			object{"mediaMode": routed, "location": "203.0.113.7"},
			want{
				url.Values{media: {routed}, "archiveMode": {"manual"}, "location": {"203.0.113.7"}}, "routed", "manual",
				false, "203.0.113.7",
			},
		},
	}
	type test = struct {
		options object
		want    want
	}
	if s.vonage {
		tests["defaults"] = test{
			object{}, want{url.Values{media: {routed}, "archiveMode": {"manual"}}, "routed", "manual", false, ""},
		}
	} else {
		tests["defaults"] = test{
			object{}, want{url.Values{media: {relayed}, "archiveMode": {"manual"}}, "relayed", "manual", false, ""},
		}
		tests["recorded with a name"] = test{
			object{
				"mediaMode": routed, "archiveMode": "always", "archiveName": "Algebra 101",
				"archiveResolution": "1280x720",
			},
			want{
				url.Values{
					media: {routed}, "archiveMode": {"always"}, "archiveName": {"Algebra 101"},
					"archiveResolution": {"1280x720"},
				}, "routed", "always", false, "",
			},
		}
		tests["end to end"] = test{
			object{"mediaMode": routed, "e2ee": true},
			want{
				url.Values{media: {routed}, "archiveMode": {"manual"}, "e2ee": {"true"}}, "routed", "manual", true, "",
			},
		}
	}
	for name, tc := range tests {
		options := tc.options
		if !s.vonage && options["mediaMode"] != nil { // the OpenTok SDK has other words for it
			options["mediaMode"] = map[any]string{routed: "routed", relayed: "relayed"}[options["mediaMode"]]
		}
		id, err := s.createSession(options)
		if err != nil {
			s.t.Errorf("%s: %v", name, err)
			continue
		}
		calls := s.sim.Calls()
		call, info := calls[len(calls)-1], s.sim.Sessions()[0]
		sent := call.Options
		if s.vonage && tc.want.locationInSession == "" {
			tc.want.sent.Set("location", "null") // what this SDK sends for none
		}
		if diff := gocmp.Diff(tc.want.sent, sent); diff != "" {
			s.t.Errorf("%s: sent (-want +got): %s", name, diff)
		}
		if call.CreatedSessionID != id || info.ID != id || info.ProjectID != s.project ||
			info.MediaMode != tc.want.media ||
			info.ArchiveMode != tc.want.archive || info.E2EE != tc.want.e2ee {
			s.t.Errorf("%s: session %s is %+v", name, id, info)
		}
		if parts, err := simulator.DecodeSessionID(id); err != nil || parts.Location != tc.want.locationInSession {
			s.t.Errorf("%s: session ID holds %+v, %v", name, parts, err)
		}
	}
}

func (s sdk) testSignal() {
	sid := s.newSession()
	ada, bob := s.join(sid, "publisher", "Ada"), s.join(sid, "subscriber", "Bob")
	s.must(s.signal(sid, "", "breakout-room", `{"message":"roomAdded"}`))
	s.must(s.signal(sid, ada.ID(), "raise-hand", "for Ada ✋"))
	s.must(s.signal(sid, "", strings.Repeat("t", 128), strings.Repeat("d", 8192)))
	type heard struct{ Type, Data string }
	of := func(c *simulator.Client) (out []heard) {
		for _, sig := range c.Signals() {
			out = append(out, heard{sig.Type, sig.Data})
		}
		return out
	}
	first, second := heard{"breakout-room", `{"message":"roomAdded"}`}, heard{"raise-hand", "for Ada ✋"}
	largest := heard{strings.Repeat("t", 128), strings.Repeat("d", 8192)}
	if diff := gocmp.Diff([]heard{first, second, largest}, of(ada)); diff != "" {
		s.t.Errorf("Ada (-want +got): %s", diff)
	}
	if diff := gocmp.Diff([]heard{first, largest}, of(bob)); diff != "" {
		s.t.Errorf("Bob (-want +got): %s", diff)
	}
}

func (s sdk) testDisconnect() {
	sid := s.newSession()
	ada, bob := s.join(sid, "publisher", "Ada"), s.join(sid, "publisher", "Bob")
	s.must(s.disconnect(sid, ada.ID()))
	if ada.DisconnectReason() != simulator.ReasonForceDisconnected || !bob.Connected() {
		s.t.Errorf("Ada: %q, Bob: %q", ada.DisconnectReason(), bob.DisconnectReason())
	}
	s.wantError("a second time", s.disconnect(sid, ada.ID()), 404, "ForceDisconnectError")
}

func (s sdk) testStreams() {
	sid := s.newSession()
	ada := s.join(sid, "publisher", "Ada")
	id, err := ada.Publish("camera of Ada", "camera")
	s.must(err)
	want := object{"id": id, "name": "camera of Ada", "videoType": "camera", "layoutClassList": []any{}}
	if s.vonage { // getStream of the OpenTok SDK (2.23.2) parses a JSON reply twice and fails with any server
		var one object
		s.must(s.call("", "getStreamInfo", &one, sid, id))
		if diff := gocmp.Diff(want, one); diff != "" {
			s.t.Errorf("one (-want +got): %s", diff)
		}
	}
	s.must(s.call("setStreamClassLists", "setStreamClassLists", nil, sid, []object{
		{"id": id, "layoutClassList": []string{"full"}},
	}))
	want["layoutClassList"] = []any{"full"}
	if s.vonage {
		var list object
		s.must(s.call("", "getStreamInfo", &list, sid))
		if diff := gocmp.Diff(object{"count": 1.0, "items": []any{want}}, list); diff != "" {
			s.t.Errorf("list (-want +got): %s", diff)
		}
	} else {
		var list []object
		s.must(s.call("listStreams", "", &list, sid))
		if diff := gocmp.Diff([]object{want}, list); diff != "" {
			s.t.Errorf("list (-want +got): %s", diff)
		}
	}
	s.must(s.call("forceMuteStream", "muteStream", nil, sid, id))
	if s.vonage {
		s.must(s.call("", "forceMuteAll", nil, sid, []string{}))
	} else {
		s.must(s.call("forceMuteAll", "", nil, sid, object{}))
	}
	s.must(s.call("disableForceMute", "disableForceMute", nil, sid))
	if got := ada.Info().Mutes; got != 2 {
		s.t.Errorf("muted %d times, want twice", got)
	}
}

func (s sdk) testArchives() {
	if s.vonage {
		var list object
		s.must(s.call("", "searchArchives", &list, object{"count": 1}))
		if diff := gocmp.Diff(object{"count": 0.0, "items": []any{}}, list); diff != "" {
			s.t.Errorf("(-want +got): %s", diff)
		}
		return
	}
	var list []object
	s.must(s.call("listArchives", "", &list, object{"count": 1}))
	if len(list) != 0 {
		s.t.Errorf("archives %v, want none", list)
	}
}

// wantError checks an SDK's error: the Vonage SDK reports the status, the OpenTok SDK has a class for it.
func (s sdk) wantError(what string, err error, status int, class string) {
	s.t.Helper()
	var got *sdkError
	switch {
	case !errors.As(err, &got):
		s.t.Errorf("%s: error %v, want one of status %d", what, err, status)
	case s.vonage && got.Status != status:
		s.t.Errorf("%s: %v, want status %d", what, got, status)
	case !s.vonage && got.Name != class:
		s.t.Errorf("%s: %v, want %s", what, got, class)
	}
	calls := s.sim.Calls()
	if last := calls[len(calls)-1]; last.Status != status || last.Effective {
		s.t.Errorf("%s: the simulator answered %d (%s), want %d", what, last.Status, last.Reason, status)
	}
}

func (s sdk) testErrors() {
	sid := s.newSession()
	s.wantError("nobody there", s.signal(sid, "", "x", "y"), 404, "SignalError")
	ada := s.join(sid, "publisher", "Ada")
	other := "b7c5f0a4-1111-4222-8333-444455556666"
	s.wantError("not connected", s.signal(sid, other, "x", "y"), 404, "SignalError")
	s.wantError("disconnecting nobody", s.disconnect(sid, other), 404, "ForceDisconnectError")
	s.wantError("data too long", s.signal(sid, "", "x", strings.Repeat("y", 8193)), 413, "RequestError")
	s.wantError("type too long", s.signal(sid, "", strings.Repeat("x", 129), "y"), 413, "RequestError")
	s.wantError("bad type", s.signal(sid, "", "a b", "y"), 400, "RequestError")
	s.wantError("malformed session", s.signal("1_abc", "", "x", "y"), 400, "RequestError")
	if len(ada.Signals()) != 0 {
		s.t.Errorf("Ada heard %+v", ada.Signals())
	}

	kind, credential := "opentok",
		cmp.Or(map[bool]string{true: strings.Repeat("f", 40)}[s.project == apiKey],
			string(fixture.PEM(fixture.NewKey())))
	if s.vonage {
		kind = "vonage"
	}
	wrong := s.connectAs(s.t, s.name+"-wrong", kind, s.project, credential)
	wrong.wantError("signal with the wrong key", wrong.signal(sid, "", "x", "y"), 403, "AuthError")
	wrong.wantError("disconnect with the wrong key", wrong.disconnect(sid, ada.ID()), 403, "AuthError")
	_, err := wrong.createSession(object{})
	wrong.wantError("create with the wrong key", err, 403, "Error") // the SDK wraps it in a plain Error
	if !ada.Connected() {
		s.t.Error("the wrong key disconnected Ada")
	}
}

// TestLockFile: the lock file must work with any registry mirror, and everything is pinned.
func TestLockFile(t *testing.T) {
	for _, name := range []string{"package-lock.json", ".npmrc"} {
		text := readFile(t, name)
		for _, bad := range []string{`"resolved"`, "registry=", "http://", "_auth"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %s", name, bad)
			}
		}
	}
	if text := readFile(t, "package.json"); slices.ContainsFunc(
		[]string{`"^`, `"~`, `"latest`}, func(v string) bool { return strings.Contains(text, v) },
	) {
		t.Error("package.json has a version that is not exact")
	}
}
