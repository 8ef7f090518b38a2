// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/breakout-operator/breakout-operator/test/fixture"
)

const (
	appID         = fixture.ProjectID
	key           = "45828062"
	secret        = "0123456789abcdef0123456789abcdef01234567"
	vectorTime    = 1767225600 // the "now" of the vectors
	openTokSample = "1_MX40NTgyODA2Mn5-MTc2NzIyNTYwMDAwMH5BYkNkRWZHaElqS2xNbk9wUXJTdFV2V3h-fn4"
	unifiedSample = "1_MX4zZjI1MDRlMC00Zjg5LTQxZDMtOWEwYy0wMzA1ZTgyYzMzMDF-fjE3NjcyMjU2MDAwMDB-QWJDZEVmR2hJaktsTW5PcFFyU3RVdld4fn5-"
)

var (
	rsaKey   = fixture.Key
	otherKey = sync.OnceValue(fixture.NewKey)
)

// newSimulator has one project of each environment and stands at the time of the vectors, plus a minute.
func newSimulator(t testing.TB, o Options) *Simulator {
	t.Helper()
	if o.Clock == nil {
		o.Clock = testingclock.NewFakeClock(time.Unix(vectorTime+60, 0))
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	o.Projects = []Project{
		{Environment: Unified, ID: appID, PublicKey: &rsaKey().PublicKey},
		{Environment: OpenTok, ID: key, Secret: secret},
	}
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

type object = map[string]any

func encodeJWT(header, claims object) (signed string) {
	part := func(o object) string {
		b, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims)
}

func rs256(k *rsa.PrivateKey, claims object) string {
	signed := encodeJWT(object{"alg": "RS256", "typ": "JWT"}, claims)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func hs256(sec string, claims object) string {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return signHS256(sec, b)
}

// with returns the claims with some replaced; nil removes one.
func with(claims object, change object) object {
	out := maps.Clone(claims)
	for k, v := range change {
		out[k] = v
		if v == nil {
			delete(out, k)
		}
	}
	return out
}

func restClaims(env Environment, now int64) object {
	if env == OpenTok {
		return object{"iss": key, "ist": "project", "iat": now, "exp": now + 180, "jti": "1"}
	}
	return object{"application_id": appID, "iat": now, "exp": now + 900, "jti": "1"}
}

type restKey struct {
	env Environment
	now int64
}

var restJWTs sync.Map // signing is the slow part of the tests

func restJWT(env Environment, now int64) string {
	if token, ok := restJWTs.Load(restKey{env, now}); ok {
		return token.(string)
	}
	token := sign(env, restClaims(env, now))
	restJWTs.Store(restKey{env, now}, token)
	return token
}

func clientClaims(env Environment, now int64, sid, role, data string) object {
	if env == OpenTok {
		return object{
			"iss": key, "ist": "project", "iat": now, "exp": now + 3600, "nonce": 12345, "role": role,
			"scope":      "session.connect",
			"session_id": sid, "connection_data": data, "initial_layout_class_list": "",
		}
	}
	return object{
		"application_id": appID, "iat": now, "exp": now + 3600, "jti": "2", "role": role, "scope": "session.connect",
		"session_id":      sid,
		"connection_data": data, "initial_layout_class_list": "", "sub": "video",
		"acl": object{"paths": object{"/session/**": object{}}},
	}
}

func sign(env Environment, claims object) string {
	if env == OpenTok {
		return hs256(secret, claims)
	}
	return rs256(rsaKey(), claims)
}

func authHeader(env Environment, token string) http.Header {
	if env == OpenTok {
		return http.Header{"X-Opentok-Auth": {token}}
	}
	return http.Header{"Authorization": {"Bearer " + token}}
}

func projectID(env Environment) string {
	if env == OpenTok {
		return key
	}
	return appID
}

// caller makes calls with a good credential.
type caller struct {
	t   testing.TB
	s   *Simulator
	env Environment
}

func as(t testing.TB, s *Simulator, env Environment) caller { return caller{t, s, env} }

func (c caller) request(method, path, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header = authHeader(c.env, restJWT(c.env, c.s.clock.Now().Unix()))
	r.Header.Set("Accept", "application/json")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

type answer struct {
	status int
	header http.Header
	text   string
	json   any
}

func (c caller) do(r *http.Request) answer {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, r)
	return readAnswer(w.Result())
}

func readAnswer(resp *http.Response) answer {
	b, _ := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(b)}
	_ = json.Unmarshal(b, &a.json)
	return a
}

func (a answer) field(k string) any {
	m, _ := a.json.(map[string]any)
	return m[k]
}

func (c caller) create(opts url.Values) answer {
	return c.do(c.request("POST", "/session/create", "application/x-www-form-urlencoded", opts.Encode()))
}

func (c caller) created(opts url.Values) string {
	c.t.Helper()
	a := c.create(opts)
	list, ok := a.json.([]any)
	if !ok || len(list) != 1 {
		c.t.Fatalf("create: %d %s", a.status, a.text)
	}
	return list[0].(map[string]any)["session_id"].(string)
}

func (c caller) path(sid, rest string) string {
	return "/v2/project/" + projectID(c.env) + "/session/" + sid + rest
}

func (c caller) json(method, path string, body any) answer {
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do(c.request(method, path, "application/json", string(b)))
}

func (c caller) signal(sid, kind, data string) answer {
	return c.json("POST", c.path(sid, "/signal"), object{"type": kind, "data": data})
}

func (c caller) connect(sid, role, data string) *Client {
	c.t.Helper()
	cl, err := c.s.Connect(sign(c.env, clientClaims(c.env, c.s.clock.Now().Unix(), sid, role, data)))
	if err != nil {
		c.t.Fatalf("connect: %v", err)
	}
	return cl
}

var environments = []Environment{Unified, OpenTok}
