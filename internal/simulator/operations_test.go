// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"
)

func TestCreateSession(t *testing.T) {
	type v = url.Values
	const routed, relayed = "disabled", "enabled"
	tests := map[string]struct {
		opts        v
		wantStatus  int
		wantMode    string
		wantArchive string
		wantE2EE    bool
	}{
		"routed": {v{"p2p.preference": {routed}}, 200, "routed", "manual", false},
		"relayed": {
			v{"p2p.preference": {relayed}, "archiveMode": {"manual"}}, 200, "relayed", "manual", false,
		},
		"always": {
			v{"p2p.preference": {routed}, "archiveMode": {"always"}}, 200, "routed", "always", false,
		},
		"always, name and resolution": {
			v{
				"p2p.preference": {routed}, "archiveMode": {"always"}, "archiveName": {strings.Repeat("é", 80)},
				"archiveResolution": {"1080x1920"},
			}, 200, "routed", "always", false,
		},
		"end to end":     {v{"p2p.preference": {routed}, "e2ee": {"true"}}, 200, "routed", "manual", true},
		"not end to end": {v{"p2p.preference": {relayed}, "e2ee": {"false"}}, 200, "relayed", "manual", false},
		"location": {
			v{"p2p.preference": {routed}, "location": {"203.0.113.7"}}, 200, "routed", "manual", false,
		},
		"location empty":    {v{"p2p.preference": {routed}, "location": {""}}, 200, "routed", "manual", false},
		"location null":     {v{"p2p.preference": {routed}, "location": {"null"}}, 200, "routed", "manual", false},
		"unknown parameter": {v{"p2p.preference": {routed}, "mood": {"good"}}, 200, "routed", "manual", false},

		"media mode in words":     {v{"p2p.preference": {"always"}}, 400, "", "", false},
		"archive mode in words":   {v{"archiveMode": {"sometimes"}}, 400, "", "", false},
		"always needs routed":     {v{"p2p.preference": {relayed}, "archiveMode": {"always"}}, 400, "", "", false},
		"end to end needs routed": {v{"p2p.preference": {relayed}, "e2ee": {"true"}}, 400, "", "", false},
		"end to end excludes always": {
			v{"p2p.preference": {routed}, "e2ee": {"true"}, "archiveMode": {"always"}}, 400, "", "", false,
		},
		"e2ee in words":       {v{"e2ee": {"yes"}}, 400, "", "", false},
		"name without always": {v{"p2p.preference": {routed}, "archiveName": {"x"}}, 400, "", "", false},
		"resolution without always": {
			v{"p2p.preference": {routed}, "archiveResolution": {"1280x720"}}, 400, "", "", false,
		},
		"name too long": {
			v{"p2p.preference": {routed}, "archiveMode": {"always"}, "archiveName": {strings.Repeat("x", 81)}}, 400, "",
			"", false,
		},
		"name empty": {
			v{"p2p.preference": {routed}, "archiveMode": {"always"}, "archiveName": {""}}, 400, "", "", false,
		},
		"resolution unknown": {
			v{"p2p.preference": {routed}, "archiveMode": {"always"}, "archiveResolution": {"1x1"}}, 400, "", "", false,
		},
		"location a region":    {v{"p2p.preference": {routed}, "location": {"eu"}}, 400, "", "", false},
		"location IPv6":        {v{"p2p.preference": {routed}, "location": {"::1"}}, 400, "", "", false},
		"location with a port": {v{"p2p.preference": {routed}, "location": {"203.0.113.7:80"}}, 400, "", "", false},
		"a parameter twice":    {v{"p2p.preference": {routed, relayed}}, 400, "", "", false},
	}
	for _, env := range environments {
		for name, tc := range tests {
			t.Run(string(env)+"/"+name, func(t *testing.T) {
				s := newSimulator(t, Options{})
				a := as(t, s, env).create(tc.opts)
				if a.status != tc.wantStatus {
					t.Fatalf("status %d, want %d: %s", a.status, tc.wantStatus, a.text)
				}
				call := s.Calls()[0]
				if tc.wantStatus != 200 {
					if call.Effective || call.CreatedSessionID != "" || len(s.Sessions()) != 0 || call.Reason == "" {
						t.Errorf("refused, and yet %+v", call)
					}
					return
				}
				got := a.json.([]any)[0].(object)
				id := got["session_id"].(string)
				if got["project_id"] != projectID(env) || got["partner_id"] != projectID(env) {
					t.Errorf("reply %s names another project", a.text)
				}
				parts, err := DecodeSessionID(id)
				if err != nil || parts.ProjectID != projectID(env) || parts.Relayed != (tc.wantMode == "relayed") ||
					strings.TrimPrefix(tc.opts.Get("location"), "null") != parts.Location {
					t.Errorf("session ID %q: %+v, %v", id, parts, err)
				}
				info := s.Sessions()[0]
				if info.MediaMode != tc.wantMode || info.ArchiveMode != tc.wantArchive || info.E2EE != tc.wantE2EE ||
					info.ID != id {
					t.Errorf("session %+v", info)
				}
				if diff := cmp.Diff(tc.opts, call.Options); diff != "" || call.CreatedSessionID != id ||
					!call.Effective || call.ProjectID != projectID(env) {
					t.Errorf("call %+v %s", call, diff)
				}
			})
		}
	}
}

func TestCreateSessionReply(t *testing.T) {
	s := newSimulator(t, Options{})
	a := as(t, s, Unified).create(url.Values{"p2p.preference": {"disabled"}})
	got := a.json.([]any)[0].(object)
	// The keys of captured replies, all of them.
	want := strings.Fields(
		`create_dt ice_credential_expiration ice_server ice_servers media_server_hostname messaging_server_url messaging_url
		partner_id project_id properties session_id session_segment_id session_status status_invalid symphony_address`,
	)
	var keys []string
	for k := range got {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	slices.Sort(want)
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	if got["create_dt"] != "Wed Dec 31 16:01:00 PST 2025" {
		t.Errorf("create_dt %q", got["create_dt"])
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
}

func TestXMLWithoutAccept(t *testing.T) {
	for name, accept := range map[string]string{
		"none": "", "anything": "*/*", "another": "text/html, application/xml;q=0.9",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSimulator(t, Options{})
			c := as(t, s, OpenTok)
			r := c.request("POST", "/session/create", "", "")
			r.Header.Set("Accept", accept)
			a := c.do(r)
			if a.header.Get("Content-Type") != "application/xml" ||
				!strings.Contains(a.text, "<sessions><Session><session_id>"+s.Sessions()[0].ID) {
				t.Errorf("%s %s", a.header, a.text)
			}
			r = c.request("POST", c.path(openTokSample, "/signal"), "application/json", `{}`)
			r.Header.Set("Accept", accept)
			a = c.do(r)
			if a.status != 400 ||
				!strings.Contains(a.text,
					"<errorPayload><code>15202</code><message>Signal payload &#39;data&#39; must be set</message>") {
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
}

func TestSignal(t *testing.T) {
	tests := map[string]struct {
		body        string
		contentType string
		wantStatus  int
		wantCode    float64
		wantData    string
	}{
		"type and data":  {`{"type":"breakout-room","data":"{\"a\":1}"}`, "application/json", 204, 0, `{"a":1}`},
		"with a charset": {`{"type":"x","data":"y"}`, "application/json; charset=utf-8", 204, 0, "y"},
		"no type":        {`{"data":"y"}`, "application/json", 204, 0, "y"},
		"empty type":     {`{"type":"","data":"y"}`, "application/json", 204, 0, "y"},
		"empty data":     {`{"type":"x","data":""}`, "application/json", 204, 0, ""},
		"type of 128": {
			`{"type":"` + strings.Repeat("~", 128) + `","data":"y"}`, "application/json", 204, 0, "y",
		},
		"type of 129": {
			`{"type":"` + strings.Repeat("a", 129) + `","data":"y"}`, "application/json", 413, 413, "",
		},
		"data of 8192": {
			`{"type":"x","data":"` + strings.Repeat("é", 4096) + `"}`, "application/json", 204, 0,
			strings.Repeat("é", 4096),
		},
		"data of 8193": {
			`{"type":"x","data":"` + strings.Repeat("é", 4096) + `."}`, "application/json", 413, 413, "",
		},
		"escaped data": {
			`{"type":"x","data":"` + strings.Repeat(`\u0041`, 8192) + `"}`, "application/json", 204, 0,
			strings.Repeat("A", 8192),
		},
		"a huge body": {
			`{"type":"x","data":"` + strings.Repeat("y", 300<<10) + `"}`, "application/json", 413, 413, "",
		},
		"a prefix":           {`{"type":"signal:x","data":"y"}`, "application/json", 400, 400, ""},
		"a dot":              {`{"type":"a.b","data":"y"}`, "application/json", 400, 400, ""},
		"a blank":            {`{"type":"a b","data":"y"}`, "application/json", 400, 400, ""},
		"a letter with dots": {`{"type":"ä","data":"y"}`, "application/json", 400, 400, ""},
		"no data":            {`{"type":"x"}`, "application/json", 400, 15202, ""},
		"data null":          {`{"type":"x","data":null}`, "application/json", 400, 15202, ""},
		"data an object":     {`{"type":"x","data":{"a":1}}`, "application/json", 400, 15202, ""},
		"data a number":      {`{"type":"x","data":1}`, "application/json", 400, 15202, ""},
		"type a number":      {`{"type":1,"data":"y"}`, "application/json", 400, 400, ""},
		"type null":          {`{"type":null,"data":"y"}`, "application/json", 400, 400, ""},
		"keys in capitals":   {`{"Type":"x","Data":"y"}`, "application/json", 400, 15202, ""},
		"not an object":      {`["x","y"]`, "application/json", 400, 400, ""},
		"null":               {`null`, "application/json", 400, 400, ""},
		"not JSON":           {`type=x&data=y`, "application/json", 400, 400, ""},
		"something after it": {`{"type":"x","data":"y"} z`, "application/json", 400, 400, ""},
		"a form":             {`{"type":"x","data":"y"}`, "application/x-www-form-urlencoded", 400, 400, ""},
		"no content type":    {`{"type":"x","data":"y"}`, "", 400, 400, ""},
	}
	for _, env := range environments {
		for name, tc := range tests {
			t.Run(string(env)+"/"+name, func(t *testing.T) {
				s := newSimulator(t, Options{})
				c := as(t, s, env)
				sid := s.NewSessionID(projectID(env), false)
				cl := c.connect(sid, "publisher", "")
				other := c.connect(sid, "subscriber", "")
				a := c.do(c.request("POST", c.path(sid, "/signal"), tc.contentType, tc.body))
				if a.status != tc.wantStatus {
					t.Fatalf("status %d, want %d: %s", a.status, tc.wantStatus, a.text)
				}
				call := s.Calls()[0]
				if tc.wantStatus != 204 {
					if a.field("code") != tc.wantCode {
						t.Errorf("body %s, want code %v", a.text, tc.wantCode)
					}
					if call.Effective || len(cl.Signals()) != 0 {
						t.Errorf("refused, and yet %+v", call)
					}
					return
				}
				if a.text != "" || a.header.Get("Content-Type") != "" {
					t.Errorf("a 204 with %q of type %q", a.text, a.header.Get("Content-Type"))
				}
				if !call.Effective || call.Recipients != 2 || call.SessionID != sid || call.SignalData != tc.wantData {
					t.Errorf("call %+v", call)
				}
				for _, cl := range []*Client{cl, other} {
					if got := cl.Signals(); len(got) != 1 || got[0].Data != tc.wantData ||
						got[0].Type != call.SignalType || got[0].From != "" || got[0].Seq != 1 {
						t.Errorf("received %+v", got)
					}
				}
			})
		}
	}
}

// TestSignalSize counts the length of data both ways.
func TestSignalSize(t *testing.T) {
	const at = 8192
	tests := map[string]struct {
		data         string
		raw, encoded int // longest of so many repetitions that are taken
	}{
		"letters":            {"a", at, at - 2},
		"two bytes":          {"é", at / 2, at - 2},
		"a pair of units":    {"𝒜", at / 4, (at - 2) / 2},
		"quotes":             {`"`, at, (at - 2) / 2},
		"backslashes":        {`\`, at, (at - 2) / 2},
		"ends of lines":      {"\n", at, (at - 2) / 2},
		"control characters": {"\x01", at, (at - 2) / 6},
		"line separators":    {"\u2028", at / 3, at - 2},
		"markup":             {"<", at, at - 2},
	}
	for mode, most := range map[SignalSizeMode]func(raw, encoded int) int{
		"":                func(raw, _ int) int { return raw },
		SignalSizeRaw:     func(raw, _ int) int { return raw },
		SignalSizeEncoded: func(_, encoded int) int { return encoded },
	} {
		for name, tc := range tests {
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				s := newSimulator(t, Options{SignalSize: mode})
				c := as(t, s, Unified)
				sid := s.NewSessionID(appID, false)
				cl := c.connect(sid, "publisher", "")
				n := most(tc.raw, tc.encoded)
				for times, want := range map[int]int{n: 204, n + 1: 413} {
					data := strings.Repeat(tc.data, times)
					a := c.json("POST", c.path(sid, "/signal"), object{"type": "x", "data": data})
					if a.status != want {
						t.Errorf("%d times %q: status %d, want %d: %s", times, tc.data, a.status, want, a.text)
					}
					if _, err := cl.Signal("x", data, ""); (err == nil) != (want == 204) {
						t.Errorf("%d times %q of a client: %v", times, tc.data, err)
					}
				}
			})
		}
	}
}

func TestSignalToConnection(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, OpenTok)
	a, b := c.connect(openTokSample, "publisher", ""), c.connect(openTokSample, "publisher", "")
	body := object{"type": "x", "data": "y"}
	if got := c.json("POST", c.path(openTokSample, "/connection/"+a.ID()+"/signal"), body); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if len(a.Signals()) != 1 || len(b.Signals()) != 0 {
		t.Errorf("a got %d and b %d signals, want 1 and 0", len(a.Signals()), len(b.Signals()))
	}
	for name, tc := range map[string]struct {
		id         string
		wantStatus int
	}{"unknown": {"b7c5f0a4-1111-4222-8333-444455556666", 404}, "malformed": {"me", 400}} {
		if got := c.json(
			"POST", c.path(openTokSample, "/connection/"+tc.id+"/signal"), body,
		); got.status != tc.wantStatus {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.text, tc.wantStatus)
		}
	}
	b.Disconnect()
	if got := c.json("POST", c.path(openTokSample, "/connection/"+b.ID()+"/signal"), body); got.status != 404 {
		t.Errorf("one who left: %d %s, want 404", got.status, got.text)
	}
}

func TestEmptySession(t *testing.T) {
	const grace = 10 * time.Second
	type step struct{ never, used, late int } // what a signal gets in a session never used, just left, left for a while
	tests := map[string]struct {
		mode  EmptySessionMode
		grace time.Duration
		want  step
	}{
		"not found":            {EmptySessionNotFound, 0, step{404, 404, 404}},
		"no content":           {EmptySessionNoContent, 0, step{204, 204, 204}},
		"no content for a bit": {EmptySessionNoContentAfterUse, grace, step{404, 204, 404}},
		"no content for ever":  {EmptySessionNoContentAfterUse, 0, step{404, 204, 204}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			clk := testingclock.NewFakeClock(time.Unix(vectorTime, 0))
			s := newSimulator(t, Options{Clock: clk, EmptySession: tc.mode, EmptySessionGrace: tc.grace})
			c := as(t, s, Unified)
			var got step
			a := c.signal(unifiedSample, "x", "y")
			got.never = a.status
			if a.status == 404 {
				if diff := cmp.Diff(object{"message": msgNoClients}, a.json); diff != "" {
					t.Errorf("body of the 404: %s", diff)
				}
			}
			cl := c.connect(unifiedSample, "publisher", "")
			cl.Disconnect()
			got.used = c.signal(unifiedSample, "x", "y").status
			clk.Step(grace)
			got.late = c.signal(unifiedSample, "x", "y").status
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			wantList := map[int]int{404: 404, 204: 200}[tc.want.late]
			if a := c.do(c.request("GET", c.path(unifiedSample, "/connection"), "", "")); a.status != wantList {
				t.Errorf("list: %d %s, want %d", a.status, a.text, wantList)
			}
			for _, call := range s.Calls() {
				if call.Recipients != 0 {
					t.Errorf("%+v reached somebody", call)
				}
			}
		})
	}
}

func TestForeignSession(t *testing.T) {
	for _, want := range []int{400, 404} {
		s := newSimulator(t, Options{ForeignSessionStatus: want})
		c := as(t, s, Unified)
		for _, sid := range []string{openTokSample, "1_abc", "no"} {
			for _, rest := range []string{"/signal", "/mute"} {
				if a := c.json("POST", c.path(sid, rest), object{"data": "x", "active": true}); a.status != want {
					t.Errorf("%s of %s: %d, want %d", rest, sid, a.status, want)
				}
			}
			if a := c.do(c.request("GET", c.path(sid, "/connection"), "", "")); a.status != want {
				t.Errorf("list of %s: %d, want %d", sid, a.status, want)
			}
		}
	}
}

func TestListAndDisconnect(t *testing.T) {
	for _, env := range environments {
		t.Run(string(env), func(t *testing.T) {
			s := newSimulator(t, Options{})
			c := as(t, s, env)
			sid := s.NewSessionID(projectID(env), false)
			x, y := c.connect(sid, "moderator", "x"), c.connect(sid, "publisher", "y")
			item := func(cl *Client) any {
				return object{
					"connectionId": cl.ID(), "connectionState": "Connected", "createdAt": float64(vectorTime+60) * 1000,
				}
			}
			name := map[Environment]string{Unified: "applicationId", OpenTok: "projectId"}[env]
			a := c.do(c.request("GET", c.path(sid, "/connection/"), "", "")) // a slash at the end is fine
			want := object{"count": 2.0, name: projectID(env), "sessionId": sid, "items": []any{item(x), item(y)}}
			if diff := cmp.Diff(want, a.json); diff != "" {
				t.Error(diff)
			}
			del := func(id string) int {
				return c.do(c.request("DELETE", c.path(sid, "/connection/"+id), "",
					"")).status
			}
			if got := []int{del(x.ID()), del(x.ID()), del("me")}; !slices.Equal(got, []int{204, 404, 400}) {
				t.Errorf("disconnect, again, malformed: %v, want 204, 404, 400", got)
			}
			if x.Connected() || x.DisconnectReason() != ReasonForceDisconnected || !y.Connected() {
				t.Errorf("x %q, y %q", x.DisconnectReason(), y.DisconnectReason())
			}
			if got := s.Connections(sid); len(got) != 1 || got[0].ID != y.ID() {
				t.Errorf("left: %+v", got)
			}
			c.connect(sid, "moderator", "x") // with a good token one can come back
		})
	}
}

func TestStreams(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, OpenTok)
	get := func(rest string) answer { return c.do(c.request("GET", c.path(openTokSample, rest), "", "")) }
	if a := get("/stream"); a.status != 404 || a.field("message") != msgNoStreams {
		t.Errorf("before any: %d %s", a.status, a.text)
	}
	cl := c.connect(openTokSample, "publisher", "")
	id, err := cl.Publish("cam", "camera")
	if err != nil {
		t.Fatal(err)
	}
	want := object{"id": id, "videoType": "camera", "name": "cam", "layoutClassList": []any{}}
	if diff := cmp.Diff(object{"count": 1.0, "items": []any{want}}, get("/stream").json); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(any(want), get("/stream/"+id).json); diff != "" {
		t.Error(diff)
	}
	if a := get("/stream/me"); a.status != 408 || a.field("message") != msgBadStream {
		t.Errorf("malformed: %d %s", a.status, a.text)
	}
	if a := get("/stream/b7c5f0a4-1111-4222-8333-444455556666"); a.status != 404 {
		t.Errorf("unknown: %d %s", a.status, a.text)
	}
	a := c.json("PUT", c.path(openTokSample, "/stream"), object{
		"items": []object{{"id": id, "layoutClassList": []string{"full"}}},
	})
	want["layoutClassList"] = []any{"full"}
	if diff := cmp.Diff(object{"count": 1.0, "items": []any{want}}, a.json); diff != "" {
		t.Error(diff)
	}
	if a := c.json("PUT", c.path(openTokSample, "/stream"), object{"items": []object{{"id": "x"}}}); a.status != 404 {
		t.Errorf("layout of an unknown stream: %d", a.status)
	}
	if a := c.json("PUT", c.path(openTokSample, "/stream"), object{}); a.status != 400 {
		t.Errorf("layout without items: %d", a.status)
	}
	if !cl.Unpublish(id) || cl.Unpublish(id) {
		t.Error("a stream ends once")
	}
	if diff := cmp.Diff(object{"count": 0.0, "items": []any{}}, get("/stream").json); diff != "" {
		t.Errorf("after it: %s", diff)
	}
}

func TestMute(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, Unified)
	post := func(rest string, body any) int { return c.json("POST", c.path(unifiedSample, rest), body).status }
	if got := post("/mute", object{"active": true}); got != 404 {
		t.Errorf("nobody there: %d, want 404", got)
	}
	x, y := c.connect(unifiedSample, "publisher", ""), c.connect(unifiedSample, "publisher", "")
	xs, _ := x.Publish("", "camera")
	ys, _ := y.Publish("", "camera")
	muted := func() []bool { return []bool{x.Info().Streams[0].Muted, y.Info().Streams[0].Muted} }
	if got := post("/mute", object{"active": false}); got != 200 || !slices.Equal(muted(), []bool{false, false}) {
		t.Errorf("not active: %d %v", got, muted())
	}
	if got := post("/mute", object{"active": true, "excludedStreamIds": []string{ys}}); got != 200 ||
		!slices.Equal(muted(), []bool{true, false}) {
		t.Errorf("all but one: %d %v", got, muted())
	}
	if got := post("/stream/"+ys+"/mute", object{}); got != 200 || !slices.Equal(muted(), []bool{true, true}) {
		t.Errorf("one: %d %v", got, muted())
	}
	if got := []int{
		post("/mute", object{}), post("/stream/me/mute", object{}),
		post("/stream/"+openTokSample[:8]+"/mute", object{}),
	}; !slices.Equal(got, []int{400, 408, 408}) {
		t.Errorf("bad calls: %v", got)
	}
	x.Unpublish(xs)
	if got := post("/stream/"+xs+"/mute", object{}); got != 404 {
		t.Errorf("a stream that ended: %d, want 404", got)
	}
	if x.Info().Mutes != 1 || y.Info().Mutes != 1 {
		t.Errorf("noticed %d and %d times, want once each", x.Info().Mutes, y.Info().Mutes)
	}
}

func TestArchives(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, OpenTok)
	base := "/v2/project/" + key + "/archive"
	get := func(query string) answer { return c.do(c.request("GET", base+query, "", "")) }
	if diff := cmp.Diff(
		object{"count": 0.0, "items": []any{}}, get("?count=1&sessionId="+openTokSample).json,
	); diff != "" {
		t.Error(diff)
	}
	for _, query := range []string{
		"?count=1001", "?count=-1", "?offset=x", "?sessionId=" + unifiedSample, "?sessionId=x",
	} {
		if a := get(query); a.status != 400 {
			t.Errorf("%s: %d, want 400", query, a.status)
		}
	}
	start := func(sid string) int { return c.json("POST", base, object{"sessionId": sid}).status }
	relayed := s.NewSessionID(key, true)
	got := []int{start(openTokSample), start("x")}
	c.connect(openTokSample, "publisher", "")
	c.connect(relayed, "publisher", "")
	got = append(got, start(relayed), start(openTokSample))
	if want := []int{404, 400, 409, 501}; !slices.Equal(got, want) {
		t.Errorf("nobody there, malformed, relayed, good: %v, want %v", got, want)
	}
	for path, want := range map[string]int{
		"GET /x": 404, "DELETE /x": 404, "POST /x/stop": 404, "PUT /x/layout": 501, "PUT /x": 405,
	} {
		method, rest, _ := strings.Cut(path, " ")
		if a := c.do(c.request(method, base+rest, "", "")); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	s := newSimulator(t, Options{})
	c := as(t, s, OpenTok)
	p := "/v2/project/" + key
	for path, want := range map[string]struct {
		op     Op
		status int
	}{
		"GET /session/create":       {OpCreateSession, 405},
		"POST /session/create/":     {OpCreateSession, 200},
		"GET /nothing":              {OpUnknown, 404},
		"GET " + p:                  {OpUnknown, 404},
		"GET " + p + "/nothing":     {OpUnknown, 404},
		"POST " + p + "/broadcast/": {OpOther, 501},
		"POST " + p + "/callback":   {OpOther, 501},
		"GET " + p + "/session/" + openTokSample + "/signal":              {OpSignal, 405},
		"POST " + p + "/session/" + openTokSample + "/connection":         {OpListConnections, 405},
		"GET " + p + "/session/" + openTokSample + "/connection/x":        {OpForceDisconnect, 405},
		"GET " + p + "/session/" + openTokSample + "/connection/x/signal": {OpSignalConnection, 405},
		"GET " + p + "/session/" + openTokSample:                          {OpUnknown, 404},
		"GET " + p + "/session/" + openTokSample + "/x":                   {OpUnknown, 404},
	} {
		method, rest, _ := strings.Cut(path, " ")
		s.ResetCalls()
		a := c.do(c.request(method, rest, "", ""))
		if got := s.Calls()[0]; a.status != want.status || got.Op != want.op || got.Status != want.status {
			t.Errorf("%s: %d as %s (logged %d), want %d as %s", path, a.status, got.Op, got.Status, want.status,
				want.op)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != 405 {
		t.Errorf("POST /: %d, want 405", w.Code)
	}
}
