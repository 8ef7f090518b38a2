// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// seen is what the server got of a request.
type seen struct {
	Method, Path, Query, ContentType, Accept, Agent, Body string
}

func TestRequests(t *testing.T) {
	options := SessionOptions{
		ArchiveMode: Always, ArchiveName: "a b&c", ArchiveResolution: "1280x720", Location: "203.0.113.7",
	}
	create := func(o SessionOptions) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error {
			_, err := c.CreateSession(ctx, o)
			return err
		}
	}
	const form, text = "application/x-www-form-urlencoded", "application/json"
	base := "/v2/project/" + testAPIKey
	session := base + "/session/" + openTokSession
	tests := map[string]struct {
		run  func(context.Context, *Client) error
		want seen
	}{
		"create": {
			create(SessionOptions{}),
			seen{"POST", "/session/create", "", form, text, "test/1", "archiveMode=manual&p2p.preference=disabled"},
		},
		"create, relayed": {
			create(SessionOptions{MediaMode: Relayed, ArchiveMode: Manual}),
			seen{"POST", "/session/create", "", form, text, "test/1", "archiveMode=manual&p2p.preference=enabled"},
		},
		"create, archived": {create(options), seen{"POST", "/session/create", "", form, text, "test/1",
			"archiveMode=always&archiveName=a+b%26c&archiveResolution=1280x720&location=203.0.113.7" +
				"&p2p.preference=disabled"}},
		"create, encrypted": {
			create(SessionOptions{EndToEndEncryption: true}),
			seen{
				"POST", "/session/create", "", form, text, "test/1",
				"archiveMode=manual&e2ee=true&p2p.preference=disabled",
			},
		},
		"signal": {
			func(ctx context.Context, c *Client) error {
				return c.Signal(ctx, openTokSession, Signal{Type: "room-assign", Data: `{"room":"<3>"}`})
			},
			seen{
				"POST", session + "/signal", "", text, text, "test/1",
				`{"type":"room-assign","data":"{\"room\":\"<3>\"}"}`,
			},
		},
		"signal without data": {
			func(ctx context.Context, c *Client) error { return c.Signal(ctx, openTokSession, Signal{Type: "x"}) },
			seen{"POST", session + "/signal", "", text, text, "test/1", `{"type":"x","data":""}`},
		},
		"signal connection": {
			func(ctx context.Context, c *Client) error {
				return c.SignalConnection(ctx, openTokSession, testConnection, Signal{Type: "x", Data: "y"})
			},
			seen{
				"POST", session + "/connection/" + testConnection + "/signal", "", text, text, "test/1",
				`{"type":"x","data":"y"}`,
			},
		},
		"list": {
			func(ctx context.Context, c *Client) error {
				_, err := c.ListConnections(ctx, openTokSession)
				return err
			},
			seen{"GET", session + "/connection", "", "", text, "test/1", ""},
		},
		"disconnect": {
			func(ctx context.Context, c *Client) error {
				return c.ForceDisconnect(ctx, openTokSession, testConnection)
			},
			seen{"DELETE", session + "/connection/" + testConnection, "", "", text, "test/1", ""},
		},
		"probe": {
			func(ctx context.Context, c *Client) error { return c.Probe(ctx) },
			seen{"GET", base + "/archive", "count=1", "", text, "test/1", ""},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got seen
			client := newTestClient(t, OpenTok,
				http.StripPrefix("/base", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					got = seen{
						r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Accept"),
						r.UserAgent(), string(body),
					}
					goodReply(w, r)
				})), WithUserAgent("test/1"), func(s *settings) { s.endpoint += "/base/" })
			if err := tc.run(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A vendorText is repeated, everything else a server says is not.
const (
	foreignText = "zqxj-foreign-text"
	vendorText  = "Id in the token does not match the one in the url"
)

// TestStatuses has a row for each status and a column for each call, in the order
// of allCalls. The body is no valid reply to any of them.
func TestStatuses(t *testing.T) {
	const (
		ok          = Class("")
		terminal    = ClassTerminal
		credentials = ClassCredentials
		limited     = ClassRateLimited
		transient   = ClassTransient
		ambiguous   = ClassAmbiguous
		nobody      = ClassNoRecipients
	)
	tests := map[int][6]Class{
		//   create     signal     to one     list       disconnect probe
		200: {ambiguous, ambiguous, ambiguous, transient, transient, transient}, // the text is not Vonage's
		201: {ambiguous, ambiguous, ambiguous, transient, transient, transient}, // the text is not Vonage's
		202: {ambiguous, ambiguous, ambiguous, transient, transient, transient}, // the text is not Vonage's
		204: {ambiguous, ok, ok, transient, ok, transient},
		299: {ambiguous, ambiguous, ambiguous, transient, transient, transient}, // the text is not Vonage's
		301: {transient, transient, transient, transient, transient, transient},
		302: {transient, transient, transient, transient, transient, transient},
		303: {transient, transient, transient, transient, transient, transient},
		304: {transient, transient, transient, transient, transient, transient},
		307: {transient, transient, transient, transient, transient, transient},
		308: {transient, transient, transient, transient, transient, transient},
		400: {terminal, terminal, terminal, terminal, terminal, terminal},
		401: {credentials, credentials, credentials, credentials, credentials, credentials},
		402: {transient, transient, transient, transient, transient, transient},
		403: {credentials, credentials, credentials, credentials, credentials, credentials},
		404: {transient, nobody, nobody, ok, ok, transient},
		405: {terminal, terminal, terminal, terminal, terminal, terminal},
		406: {transient, transient, transient, transient, transient, transient},
		407: {transient, transient, transient, transient, transient, transient},
		408: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		409: {transient, transient, transient, transient, transient, transient},
		410: {transient, transient, transient, transient, transient, transient},
		413: {terminal, terminal, terminal, terminal, terminal, terminal},
		415: {transient, transient, transient, transient, transient, transient},
		418: {transient, transient, transient, transient, transient, transient},
		422: {transient, transient, transient, transient, transient, transient},
		425: {transient, transient, transient, transient, transient, transient},
		429: {limited, limited, limited, limited, limited, limited},
		499: {transient, transient, transient, transient, transient, transient},
		500: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		501: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		502: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		503: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		504: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
		599: {ambiguous, ambiguous, ambiguous, transient, transient, transient},
	}
	for status, classes := range tests {
		for i, call := range allCalls(OpenTok) {
			t.Run(fmt.Sprintf("%d %s", status, call.op), func(t *testing.T) {
				var requests atomic.Int32
				observed := ""
				client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					requests.Add(1)
					w.Header().Set("Location", "/elsewhere")
					w.Header().Set("Content-Type", "text/plain")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, foreignText)
				}), WithObserver(func(op string, class Class, status int, _ time.Duration) {
					observed = fmt.Sprintf("%s %s %d", op, class, status)
				}))
				err := call.run(t.Context(), client)
				want := classes[i]
				if got := ClassOf(err); got != want {
					t.Errorf("class = %q, want %q (%v)", got, want, err)
				}
				if requests.Load() != 1 {
					t.Errorf("%d requests, want 1", requests.Load())
				}
				if wantObserved := fmt.Sprintf("%s %s %d", call.op, want, status); observed != wantObserved {
					t.Errorf("observed %q, want %q", observed, wantObserved)
				}
				if err == nil {
					return
				}
				e := err.(*Error)
				if e.Op != call.op || e.Status != status || !e.Sent || e.Detail == "" ||
					strings.Contains(err.Error(), foreignText) {
					t.Errorf("error = %#v", e)
				}
			})
		}
	}
}

func TestErrorTexts(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   string
	}{
		"known message": {
			403, `{"code":-1,"message":"` + vendorText + `","description":"x"}`,
			"signal: vonage refused the credentials: check the key, the project ID and the clock; it says: " +
				vendorText + " (HTTP 403)",
		},
		"known, in other case": {
			403, `{"message":" INVALID SIGNATURE. "}`,
			"signal: vonage refused the credentials: check the key, the project ID and the clock; it says: Invalid " +
				"signature (HTTP 403)",
		},
		"known description": {
			400, `{"message":"x","description":"Signal payload 'data' must be set"}`,
			"signal: vonage refused the request as invalid; it says: Signal payload 'data' must be set (HTTP 400)",
		},
		"RFC 7807": {
			401, `{"type":"https://x","title":"Unauthorized","detail":"` + foreignText + `"}`,
			"signal: vonage refused the credentials: check the key, the project ID and the clock; it says: " +
				"Unauthorized (HTTP 401)",
		},
		"known with more": {
			403, `{"message":"Invalid signature ` + foreignText + `"}`,
			"signal: vonage refused the credentials: check the key, the project ID and the clock (HTTP 403)",
		},
		"message of other type": {
			413, `{"message":{"message":"Invalid signature"}}`,
			"signal: vonage refused the request as too large (HTTP 413)",
		},
		"XML": {
			503, `<errorPayload><message>Invalid signature</message></errorPayload>`,
			"signal: the server failed; the request may have taken effect (HTTP 503)",
		},
		"empty": {404, ``, "signal: nobody is connected (HTTP 404)"},
		"no clients": {
			404, `{"message":"Not found. No clients are actively connected to the OpenTok session."}`,
			"signal: nobody is connected; it says: Not found. No clients are actively connected to the OpenTok " +
				"session. (HTTP 404)",
		},
		"known, beyond the cap": {403, `{"x":"` + strings.Repeat("x", maxReplyBytes) +
			`","message":"Invalid signature"}`,
			"signal: vonage refused the credentials: check the key, the project ID and the clock (HTTP 403)"},
		"429": {429, ``, "signal: vonage's request limit is reached: try again later (HTTP 429)"},
		"a web page for a reply": {
			200, `<html>` + foreignText, "signal: the reply is a web page, not Vonage's: check the endpoint (HTTP 200)",
		},
		"a list for a reply": {200, `[]`, "signal: the reply is not the JSON expected (HTTP 200)"},
		"half an object":     {200, `{"message`, "signal: the reply is not the JSON expected (HTTP 200)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"})
			if err == nil || err.Error() != tc.want {
				t.Errorf("error = %v\nwant    %s", err, tc.want)
			}
		})
	}
}

// Calls that have nothing to answer succeed with any 2xx that has nothing or an object in it.
func TestSuccessWithoutAnswer(t *testing.T) {
	for _, body := range []string{"", "\n", "{}", `{"code":0} `} {
		for _, call := range allCalls(OpenTok) {
			if !slices.Contains([]string{OpSignal, OpSignalConnection, OpForceDisconnect}, call.op) {
				continue
			}
			t.Run(call.op+" "+body, func(t *testing.T) {
				client := newTestClient(t, OpenTok,
					http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
				if err := call.run(t.Context(), client); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestCreateSessionReplies(t *testing.T) {
	full := `[{"session_id":"` + openTokSession +
		`","project_id":"45828062","partner_id":"45828062","create_dt":"Wed Dec 31 16:00:00 PST 2025","session_status":null,"ice_credential_expiration":86100}]`
	pad := func(n int) string { return full + strings.Repeat(" ", n-len(full)) }
	tests := map[string]struct {
		body    string
		wantErr string // "" for success
	}{
		"as captured":    {full, ""},
		"ID only":        {`[{"session_id":"` + openTokSession + `"}]`, ""},
		"at the cap":     {pad(maxReplyBytes), ""},
		"over the cap":   {pad(maxReplyBytes + 1), "too long"},
		"empty list":     {`[]`, "contains no session"},
		"null":           {`null`, "contains no session"},
		"empty ID":       {`[{"session_id":""}]`, "contains no session"},
		"other key":      {`[{"sessionId":"` + openTokSession + `"}]`, "contains no session"},
		"an object":      {`{"session_id":"` + openTokSession + `"}`, "not the JSON"},
		"ID is a number": {`[{"session_id":5}]`, "not the JSON"},
		"empty body":     {``, "not the JSON"},
		"cut JSON":       {full[:40], "not the JSON"},
		"text after":     {full + "x", "not the JSON"},
		"HTML":           {`<html><body>` + foreignText, "not the JSON"},
		"XML": {`<sessions><Session><session_id>` + openTokSession +
			`</session_id></Session></sessions>`, "not the JSON"},
		"malformed ID":       {`[{"session_id":"` + foreignText + `"}]`, "malformed or of another"},
		"another project's":  {`[{"session_id":"` + unifiedSession + `"}]`, "malformed or of another"},
		"deeply nested":      {strings.Repeat("[", maxReplyBytes), "not the JSON"},
		"ID with a newline":  {`[{"session_id":"` + openTokSession + `\n"}]`, "malformed or of another"},
		"the second is good": {`[{},{"session_id":"` + openTokSession + `"}]`, "contains no session"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tc.body)
			}))
			id, err := client.CreateSession(t.Context(), SessionOptions{})
			if tc.wantErr == "" {
				if err != nil || id != openTokSession {
					t.Errorf("got %q, %v, want the session", id, err)
				}
				return
			}
			if id != "" || ClassOf(err) != ClassAmbiguous || !strings.Contains(err.Error(), tc.wantErr) ||
				strings.Contains(err.Error(), foreignText) {
				t.Errorf("got %q, %v, want an ambiguous error with %q", id, err, tc.wantErr)
			}
		})
	}
}

func TestListConnectionsReplies(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 1, 0, 101e6, time.UTC)
	var big strings.Builder
	big.WriteString(`{"count":15000,"items":[`)
	for i := range 15000 {
		if i > 0 {
			big.WriteString(",")
		}
		fmt.Fprintf(
			&big,
			`{ "connectionId": "09141e29-8770-439b-b180-%012d", "connectionState": "Connected", "createdAt": 1767225660101 }`,
			i,
		)
	}
	big.WriteString(`]}`)
	tests := map[string]struct {
		status  int
		body    string
		want    []Connection
		wantLen int // instead of want
		wantErr string
	}{
		"two": {200, `{"count":2,"projectId":"45828062","sessionId":"1_x","items":[
			{"connectionId":"` + testConnection + `","connectionState":"Connected","createdAt":1767225660101},
			{"connectionId":"x","connectionState":"connecting","createdAt":"1767225660101"}]}`,
			[]Connection{{testConnection, ConnectionConnected, at}, {"x", ConnectionConnecting, at}}, 0, ""},
		"odd times": {200, `{"count":2,"items":[
			{"connectionId":"a","connectionState":"Disconnected","createdAt":1.767225660101e12},
			{"connectionId":"b","connectionState":"Moved"},
			{"connectionId":"c","createdAt":{}},
			{"connectionId":"d","createdAt":"yesterday"},
			{"connectionId":"e","createdAt":-5},
			{"connectionId":"f","createdAt":1e300}]}`,
			[]Connection{{"a", ConnectionDisconnected, at}, {"b", ConnectionUnknown, time.Time{}},
				{"c", ConnectionUnknown, time.Time{}},
				{"d", ConnectionUnknown, time.Time{}}, {"e", ConnectionUnknown, time.Time{}},
				{"f", ConnectionUnknown, time.Time{}}}, 0, ""},
		"nobody":              {200, `{"count":0,"items":[]}`, nil, 0, ""},
		"nobody, no items":    {200, `{"count":0}`, nil, 0, ""},
		"nobody ever":         {404, `{"code":404}`, nil, 0, ""},
		"the largest session": {200, big.String(), nil, 15000, ""},
		"over the cap": {
			200, `{"count":0,"items":[]}` + strings.Repeat(" ", maxConnectionsReplyBytes), nil, 0, "too long",
		},
		"a list":            {200, `[]`, nil, 0, "not the JSON"},
		"something else":    {200, `{}`, nil, 0, "not the JSON"},
		"an ID with a path": {200, `{"count":1,"items":[{"connectionId":"../../x"}]}`, nil, 0, "malformed connection"},
		"no ID":             {200, `{"count":1,"items":[{}]}`, nil, 0, "malformed connection"},
		"too long an ID": {
			200, `{"count":1,"items":[{"connectionId":"` + strings.Repeat("x", 129) + `"}]}`, nil, 0,
			"malformed connection",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			got, err := client.ListConnections(t.Context(), openTokSession)
			if tc.wantErr != "" {
				if got != nil || ClassOf(err) != ClassTransient || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got %d, error = %v, want a transient one with %q", len(got), err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tc.wantLen > 0 {
				if len(got) != tc.wantLen {
					t.Errorf("%d connections, want %d", len(got), tc.wantLen)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestProbeReplies(t *testing.T) {
	tests := map[string]struct {
		body string
		want Class
	}{
		"archives":     {`{"count":1,"items":[{"id":"x"}]}`, ""},
		"none":         {`{"count":0,"items":[]}`, ""},
		"a web page":   {`<html>`, ClassTransient},
		"another JSON": {`{"status":"up"}`, ClassTransient},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tc.body)
			}))
			if err := client.Probe(t.Context()); ClassOf(err) != tc.want {
				t.Errorf("error = %v, want class %q", err, tc.want)
			}
		})
	}
}

// TestRefusedWithoutCall lists what never reaches the server.
func TestRefusedWithoutCall(t *testing.T) {
	create := func(o SessionOptions) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error {
			id, err := c.CreateSession(ctx, o)
			if id != "" {
				return nil
			}
			return err
		}
	}
	send := func(s Signal) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error { return c.Signal(ctx, openTokSession, s) }
	}
	tests := map[string]struct {
		run     func(context.Context, *Client) error
		wantErr string
	}{
		"media mode":   {create(SessionOptions{MediaMode: "routed"}), "unknown media mode"},
		"archive mode": {create(SessionOptions{ArchiveMode: "always"}), "unknown archive mode"},
		"relayed and archived": {
			create(SessionOptions{MediaMode: Relayed, ArchiveMode: Always}), "needs media mode Routed",
		},
		"relayed and encrypted": {
			create(SessionOptions{MediaMode: Relayed, EndToEndEncryption: true}), "needs media mode Routed",
		},
		"archived and encrypted": {
			create(SessionOptions{ArchiveMode: Always, EndToEndEncryption: true}), "excludes",
		},
		"archive name alone": {create(SessionOptions{ArchiveName: "x"}), "need archive mode Always"},
		"archive resolution alone": {
			create(SessionOptions{ArchiveResolution: "640x480"}), "need archive mode Always",
		},
		"archive name too long": {
			create(SessionOptions{ArchiveMode: Always, ArchiveName: strings.Repeat("ü", 81)}), "80 characters",
		},
		"archive name with control": {create(SessionOptions{ArchiveMode: Always, ArchiveName: "a\nb"}), "control"},
		"archive resolution unknown": {
			create(SessionOptions{ArchiveMode: Always, ArchiveResolution: "800x600"}), "unknown archive resolution",
		},
		"location is a region":   {create(SessionOptions{Location: "eu"}), "IPv4"},
		"location is IPv6":       {create(SessionOptions{Location: "2001:db8::1"}), "IPv4"},
		"location, mapped":       {create(SessionOptions{Location: "::ffff:203.0.113.7"}), "IPv4"},
		"no type":                {send(Signal{Data: "x"}), "1 to 128"},
		"type too long":          {send(Signal{Type: strings.Repeat("x", 129)}), "1 to 128"},
		"type with a dot":        {send(Signal{Type: "a.b"}), "only letters"},
		"type not ASCII":         {send(Signal{Type: "ü"}), "only letters"},
		"data too long":          {send(Signal{Type: "x", Data: strings.Repeat("x", 8001)}), "has 8001 bytes"},
		"data too long in bytes": {send(Signal{Type: "x", Data: strings.Repeat("ü", 4001)}), "has 8002 bytes"},
		"data not UTF-8":         {send(Signal{Type: "x", Data: "\xff"}), "UTF-8"},
		"another's session": {func(ctx context.Context, c *Client) error {
			return c.Signal(ctx, unifiedSession, Signal{Type: "x"})
		}, "another project"},
		"session with a path": {func(ctx context.Context, c *Client) error {
			return c.Signal(ctx, "1_../..", Signal{Type: "x"})
		}, "malformed session ID"},
		"connection with a path": {func(ctx context.Context, c *Client) error {
			return c.SignalConnection(ctx, openTokSession, "..", Signal{Type: "x"})
		}, "malformed connection ID"},
		"no connection": {func(ctx context.Context, c *Client) error {
			return c.ForceDisconnect(ctx, openTokSession, "")
		}, "malformed connection ID"},
		"disconnect in another's": {func(ctx context.Context, c *Client) error {
			return c.ForceDisconnect(ctx, unifiedSession, testConnection)
		}, "another project"},
		"list of another's": {func(ctx context.Context, c *Client) error {
			_, err := c.ListConnections(ctx, unifiedSession)
			return err
		}, "another project"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClientFor(t, OpenTok, WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return reply(http.StatusNoContent, nil, ""), nil
			})))
			err := tc.run(t.Context(), client)
			if ClassOf(err) != ClassTerminal || !strings.Contains(err.Error(), tc.wantErr) || err.(*Error).Sent {
				t.Errorf("error = %v, want a terminal one with %q", err, tc.wantErr)
			}
		})
	}
}

func TestSignalAtTheLimits(t *testing.T) {
	client := newTestClient(t, OpenTok, http.HandlerFunc(goodReply))
	err := client.Signal(t.Context(), openTokSession, Signal{
		Type: strings.Repeat("~", 128), Data: strings.Repeat("\x01", 8000),
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var visited atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	defer elsewhere.Close()
	for _, location := range []string{elsewhere.URL + "/?token=x", "%zz"} {
		client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}))
		for _, call := range allCalls(OpenTok) {
			if err := call.run(t.Context(), client); ClassOf(err) != ClassTransient ||
				!strings.Contains(err.Error(), "redirects elsewhere") {
				t.Errorf("%s: error = %v", call.op, err)
			}
		}
	}
	if visited.Load() != 0 {
		t.Errorf("%d redirects followed", visited.Load())
	}
}

func TestRetryAfter(t *testing.T) {
	now := testNow
	tests := map[string]struct {
		status int
		header string
		want   time.Duration
	}{
		"none":               {429, "", 0},
		"seconds":            {429, "7", 7 * time.Second},
		"blanks":             {429, " 7 ", 7 * time.Second},
		"zero":               {429, "0", 0},
		"negative":           {429, "-7", 0},
		"nonsense":           {429, "soon", 0},
		"at the bound":       {429, "300", MaxRetryAfter},
		"beyond":             {429, "301", MaxRetryAfter},
		"beyond 64 bits":     {429, strings.Repeat("9", 30), MaxRetryAfter},
		"date":               {429, now.Add(42 * time.Second).Format(http.TimeFormat), 42 * time.Second},
		"date in the past":   {429, now.Add(-time.Hour).Format(http.TimeFormat), 0},
		"date far off":       {429, now.Add(1000 * time.Hour).Format(http.TimeFormat), MaxRetryAfter},
		"with 503":           {503, "9", 9 * time.Second},
		"not with 400":       {400, "9", 0},
		"date in ANSI style": {429, now.Add(42 * time.Second).Format(time.ANSIC), 42 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := newTestClient(t, OpenTok, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tc.header)
				w.WriteHeader(tc.status)
			}), WithClock(clocktesting.NewFakeClock(now)))
			err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"})
			if got := RetryAfter(err); got != tc.want {
				t.Errorf("RetryAfter = %v, want %v (%v)", got, tc.want, err)
			}
		})
	}
}

func TestClassOf(t *testing.T) {
	wrapped := fmt.Errorf("room red: %w", &Error{Op: OpSignal, Class: ClassRateLimited, RetryAfter: time.Second})
	tests := map[string]struct {
		err       error
		want      Class
		wantAfter time.Duration
	}{
		"nil":      {nil, "", 0},
		"wrapped":  {wrapped, ClassRateLimited, time.Second},
		"unknown":  {io.ErrUnexpectedEOF, ClassTransient, 0},
		"canceled": {fmt.Errorf("x: %w", context.Canceled), ClassCanceled, 0},
		"deadline": {context.DeadlineExceeded, ClassCanceled, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ClassOf(tc.err); got != tc.want {
				t.Errorf("ClassOf = %q, want %q", got, tc.want)
			}
			if got := RetryAfter(tc.err); got != tc.wantAfter {
				t.Errorf("RetryAfter = %v, want %v", got, tc.wantAfter)
			}
		})
	}
}

func TestNewClientErrors(t *testing.T) {
	tests := map[string]struct {
		opt     Option
		wantErr string
	}{
		"default":        {WithEndpoint(""), ""},
		"https":          {WithEndpoint("https://video.example.com/proxy/"), ""},
		"no scheme":      {WithEndpoint("video.example.com"), "must start with https"},
		"other scheme":   {WithEndpoint("ftp://video.example.com"), "must start with https"},
		"no host":        {WithEndpoint("https:///x"), "no host"},
		"port only":      {WithEndpoint("https://:443"), "no host"},
		"password":       {WithEndpoint("https://ann:s3cr3t@video.example.com"), "user name or password"},
		"query":          {WithEndpoint("https://video.example.com/?key=s3cr3t"), "query"},
		"empty query":    {WithEndpoint("https://video.example.com/?"), "query"},
		"empty fragment": {WithEndpoint("https://video.example.com/#"), "fragment"},
		"not a URL":      {WithEndpoint("https://s3cr3t:%zz@x"), "not a URL"},
		"user agent":     {WithUserAgent("x\r\nX-Evil: 1"), "user agent"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := NewClient(testCredentials(t, OpenTok), tc.opt)
			if tc.wantErr == "" {
				if err != nil || !c.Credentials().Equal(testCredentials(t, OpenTok)) {
					t.Errorf("error = %v, want a client", err)
				}
				return
			}
			if c != nil || err == nil || !strings.Contains(err.Error(), tc.wantErr) ||
				strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error = %v, want one with %q", err, tc.wantErr)
			}
		})
	}
}

func TestArchiveResolutionsAreAccepted(t *testing.T) {
	for _, resolution := range archiveResolutions {
		width, height, _ := strings.Cut(resolution, "x")
		if _, err := strconv.Atoi(width + height); err != nil {
			t.Errorf("%s is no resolution", resolution)
		}
		if err := (SessionOptions{ArchiveMode: Always, ArchiveResolution: resolution}).Validate(); err != nil {
			t.Errorf("%s: %v", resolution, err)
		}
	}
}
