// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// recorder is a transport that keeps the JWTs it sees and answers as told.
type recorder struct {
	mu     sync.Mutex
	tokens []string
	status func(n int) int // by the number of the request, from 1
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = append(r.tokens, req.Header.Get("Authorization")+req.Header.Get("X-OPENTOK-AUTH"))
	if r.status == nil {
		return reply(http.StatusNoContent, nil, ""), nil
	}
	return reply(r.status(len(r.tokens)), nil, ""), nil
}

// distinct numbers the JWTs in the order in which each was first seen.
func (r *recorder) distinct() []int {
	numbers := map[string]int{}
	var seen []int
	for _, token := range r.tokens {
		if numbers[token] == 0 {
			numbers[token] = len(numbers) + 1
		}
		seen = append(seen, numbers[token])
	}
	return seen
}

func TestRESTJWT(t *testing.T) {
	const iat = 1767225600 - 5
	tests := map[string]struct {
		env        Environment
		wantPrefix string
		want       map[string]any
	}{
		"Unified": {
			Unified, "Bearer ",
			map[string]any{"application_id": testAppID, "iat": float64(iat), "exp": float64(iat + 900)},
		},
		"OpenTok": {
			OpenTok, "",
			map[string]any{"iss": testAPIKey, "ist": "project", "iat": float64(iat), "exp": float64(iat + 300)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seen := &recorder{}
			client := newClientFor(t, tc.env, WithTransport(seen), WithClock(clocktesting.NewFakeClock(testNow)))
			if err := client.Signal(t.Context(), testSession(tc.env), Signal{Type: "x"}); err != nil {
				t.Fatal(err)
			}
			token := seen.tokens[0]
			if token[:len(tc.wantPrefix)] != tc.wantPrefix {
				t.Fatalf("the header does not start with %q", tc.wantPrefix)
			}
			claims := claimsOf(t, tc.env, token[len(tc.wantPrefix):])
			if id, _ := claims["jti"].(string); !isUUID(id) {
				t.Errorf("jti = %v, want a UUID", claims["jti"])
			}
			delete(claims, "jti")
			if diff := cmp.Diff(tc.want, claims); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestJWTHeaders(t *testing.T) {
	tests := map[Environment]struct{ want, wantNot string }{
		Unified: {"Authorization", "X-OPENTOK-AUTH"},
		OpenTok: {"X-OPENTOK-AUTH", "Authorization"},
	}
	for env, tc := range tests {
		for _, call := range allCalls(env) {
			client := newTestClient(t, env, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get(tc.want) == "" || r.Header.Get(tc.wantNot) != "" {
					t.Errorf("%s %s: headers %v", env, call.op, r.Header)
				}
				goodReply(w, r)
			}))
			if err := call.run(t.Context(), client); err != nil {
				t.Errorf("%s %s: %v", env, call.op, err)
			}
		}
	}
}

func TestJWTReuse(t *testing.T) {
	tests := map[string]struct {
		env  Environment
		at   []time.Duration // of the calls, from the first one on
		want []int           // which JWT each call carries
	}{
		"OpenTok":             {OpenTok, []time.Duration{0, 0, time.Minute, 234 * time.Second}, []int{1, 1, 1, 1}},
		"OpenTok, renewed":    {OpenTok, []time.Duration{0, 235 * time.Second, 236 * time.Second}, []int{1, 2, 2}},
		"Unified":             {Unified, []time.Duration{0, 834 * time.Second}, []int{1, 1}},
		"Unified, renewed":    {Unified, []time.Duration{0, 835 * time.Second, time.Hour}, []int{1, 2, 3}},
		"clock a bit back":    {OpenTok, []time.Duration{0, -4 * time.Second}, []int{1, 1}},
		"clock far back":      {OpenTok, []time.Duration{0, -5 * time.Second}, []int{1, 2}},
		"clock far, far back": {OpenTok, []time.Duration{0, -time.Hour, -time.Hour}, []int{1, 2, 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seen := &recorder{}
			fake := clocktesting.NewFakeClock(testNow)
			client := newClientFor(t, tc.env, WithTransport(seen), WithClock(fake))
			for _, at := range tc.at {
				fake.SetTime(testNow.Add(at))
				if err := client.Signal(t.Context(), testSession(tc.env), Signal{Type: "x"}); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, seen.distinct()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRefusedJWT(t *testing.T) {
	tests := map[string]struct {
		statuses []int // of the requests, in order
		want     []Class
		wantJWTs []int
	}{
		"never accepted": {
			[]int{403, 403, 204}, []Class{ClassCredentials, ClassCredentials, ""}, []int{1, 2, 3},
		},
		"no longer accepted":      {[]int{204, 403, 204, 204}, []Class{"", "", ""}, []int{1, 1, 2, 2}},
		"no longer accepted, 401": {[]int{404, 401, 204}, []Class{ClassNoRecipients, ""}, []int{1, 1, 2}},
		"revoked": {
			[]int{204, 403, 403, 403, 403}, []Class{"", ClassCredentials, ClassCredentials, ClassCredentials},
			[]int{1, 1, 2, 3, 4},
		},
		"a failure accepts nothing": {
			[]int{500, 403, 403}, []Class{ClassAmbiguous, ClassCredentials, ClassCredentials}, []int{1, 1, 2},
		},
		"the second answer counts": {[]int{204, 403, 413}, []Class{"", ClassTerminal}, []int{1, 1, 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seen := &recorder{status: func(n int) int { return tc.statuses[n-1] }}
			client := newClientFor(t, OpenTok, WithTransport(seen))
			for i, want := range tc.want {
				if err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"}); ClassOf(err) != want {
					t.Errorf("call %d: error = %v, want class %q", i+1, err, want)
				}
			}
			if diff := cmp.Diff(tc.wantJWTs, seen.distinct()); diff != "" {
				t.Errorf("JWTs -want +got:\n%s", diff)
			}
		})
	}
}

func TestOneSignatureForManyCalls(t *testing.T) {
	seen := &recorder{}
	client := newClientFor(t, Unified, WithTransport(seen))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := client.Signal(t.Context(), unifiedSession, Signal{Type: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, n := range seen.distinct() {
		if n != 1 {
			t.Fatal("more than one JWT was signed")
		}
	}
}
