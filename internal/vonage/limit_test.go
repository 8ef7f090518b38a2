// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"context"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// The time in these tests is that of a synctest bubble: it passes only when
// everybody waits.

func TestRateLimit(t *testing.T) {
	tests := map[string]struct {
		rate  float64
		burst int
		want  []time.Duration // when each of the calls is sent
	}{
		"burst":           {10, 3, []time.Duration{0, 0, 0, 100 * time.Millisecond, 200 * time.Millisecond}},
		"no burst":        {2, 0, []time.Duration{0, 500 * time.Millisecond, time.Second}},
		"negative burst":  {2, -7, []time.Duration{0, 500 * time.Millisecond, time.Second}},
		"slow":            {0.01, 1, []time.Duration{0, 100 * time.Second, 200 * time.Second}},
		"no limit":        {0, 1, []time.Duration{0, 0, 0, 0}},
		"no limit either": {math.Inf(1), 1, []time.Duration{0, 0, 0, 0}},
		"not a number":    {math.NaN(), 1, []time.Duration{0, 0, 0, 0}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				var waits int
				client := newClientFor(t, OpenTok, WithRateLimit(tc.rate, tc.burst),
					WithWaitObserver(func(string, time.Duration) { waits++ }),
					WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
						got = append(got, time.Since(start))
						return reply(http.StatusNoContent, nil, ""), nil
					})))
				wantWaits := 0
				for i := range tc.want {
					if err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"}); err != nil {
						t.Fatal(err)
					}
					if i > 0 && tc.want[i] > tc.want[i-1] {
						wantWaits++
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if waits != wantWaits {
					t.Errorf("%d waits observed, want %d", waits, wantWaits)
				}
			})
		})
	}
}

// Waiting for the limit ends with the caller's context, gives the place back, and
// does not count as time of the call.
func TestRateLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var durations []time.Duration
		client := newClientFor(t, OpenTok, WithRateLimit(1.0/16, 1),
			WithObserver(func(_ string, _ Class, _ int, d time.Duration) { durations = append(durations, d) }),
			WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				select { // a slow server, but within the timeout
				case <-time.After(2 * time.Second):
					return reply(http.StatusNoContent, nil, ""), nil
				case <-r.Context().Done():
					return nil, context.Cause(r.Context())
				}
			})))
		send := func(ctx context.Context) error {
			return client.Signal(ctx, openTokSession, Signal{Type: "x"})
		}
		if err := send(t.Context()); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := send(short); ClassOf(err) != ClassCanceled || err.(*Error).Sent {
			t.Errorf("error = %v, want canceled, not sent", err)
		}
		if got := time.Since(start); got != 7*time.Second {
			t.Errorf("gave up after %v, want 7s", got)
		}
		if err := send(t.Context()); err != nil {
			t.Errorf("error = %v, want none", err)
		}
		if got := time.Since(start); got != 18*time.Second {
			t.Errorf("sent and answered after %v, want 18s", got)
		}
		if diff := cmp.Diff([]time.Duration{2 * time.Second, 2 * time.Second}, durations); diff != "" {
			t.Errorf("durations -want +got:\n%s", diff)
		}
	})
}

// The second request after a 401 or 403 also passes the limit.
func TestRateLimitHoldsForTheSecondTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []time.Duration
		statuses := []int{204, 403, 204}
		client := newClientFor(t, OpenTok, WithRateLimit(1, 1),
			WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				got = append(got, time.Since(start))
				return reply(statuses[len(got)-1], nil, ""), nil
			})))
		for range 2 {
			if err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]time.Duration{0, time.Second, 2 * time.Second}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestTimeoutsOption(t *testing.T) {
	tests := map[string]struct {
		opts                  []Option
		wantSignal, wantOther time.Duration
	}{
		"default": {nil, 3 * time.Second, 10 * time.Second},
		"given":   {[]Option{WithTimeouts(7*time.Second, 2*time.Second)}, 2 * time.Second, 7 * time.Second},
		"zero":    {[]Option{WithTimeouts(0, 0)}, 3 * time.Second, 10 * time.Second},
	}
	for name, tc := range tests {
		for _, call := range allCalls(OpenTok) {
			t.Run(name+" "+call.op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					client := newClientFor(t, OpenTok,
						append(tc.opts, WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
							<-r.Context().Done()
							return nil, context.Cause(r.Context())
						})))...)
					err := call.run(t.Context(), client)
					if ClassOf(err) != ClassTransient {
						t.Errorf("error = %v, want a transient one", err)
					}
					want := tc.wantOther
					if call.op == OpSignal || call.op == OpSignalConnection {
						want = tc.wantSignal
					}
					if got := time.Since(start); got != want {
						t.Errorf("gave up after %v, want %v", got, want)
					}
				})
			})
		}
	}
}

func TestHeldBackAfter429(t *testing.T) {
	tests := map[string]struct {
		retryAfter string
		wantHeld   time.Duration // how long other calls are not sent
	}{
		"no Retry-After": {"", 0},
		"short":          {"7", 7 * time.Second},
		"long":           {"200", 30 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			fake := clocktesting.NewFakeClock(testNow)
			requests := 0
			client := newClientFor(t, OpenTok, WithClock(fake),
				WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
					requests++
					if requests == 1 {
						return reply(http.StatusTooManyRequests, http.Header{"Retry-After": {tc.retryAfter}}, ""), nil
					}
					return reply(http.StatusNoContent, nil, ""), nil
				})))
			send := func() error { return client.Signal(t.Context(), openTokSession, Signal{Type: "x"}) }
			if err := send(); ClassOf(err) != ClassRateLimited {
				t.Fatalf("error = %v, want class RateLimited", err)
			}
			if tc.wantHeld > 0 {
				fake.Step(tc.wantHeld - time.Second)
				err := send()
				if ClassOf(err) != ClassRateLimited || RetryAfter(err) != time.Second || err.(*Error).Sent {
					t.Errorf("error = %#v, want class RateLimited for another second, not sent", err)
				}
				fake.Step(time.Second)
			}
			if err := send(); err != nil {
				t.Errorf("error = %v, want none", err)
			}
			if requests != 2 {
				t.Errorf("%d requests, want 2", requests)
			}
		})
	}
}

// Calls that wait for the limit when a 429 comes are held back as well.
func TestHeldBackWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		requests := 0
		client := newClientFor(t, OpenTok, WithRateLimit(1, 1),
			WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				requests++
				return reply(http.StatusTooManyRequests, http.Header{"Retry-After": {"20"}}, ""), nil
			})))
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := client.Signal(
					t.Context(), openTokSession, Signal{Type: "x"},
				); ClassOf(err) != ClassRateLimited {
					t.Errorf("error = %v, want class RateLimited", err)
				}
			})
		}
		all.Wait()
		if requests != 1 {
			t.Errorf("%d requests, want 1", requests)
		}
	})
}

// A client with another key goes on with the limits of the one before.
func TestLimitsOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var got []time.Duration
		options := []Option{WithRateLimit(1, 2),
			WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				got = append(got, time.Since(start))
				return reply(http.StatusNoContent, nil, ""), nil
			}))}
		before := newClientFor(t, OpenTok, options...)
		after := newClientFor(t, OpenTok, append(options, WithLimitsOf(before))...)
		for _, client := range []*Client{before, before, after, after} {
			if err := client.Signal(t.Context(), openTokSession, Signal{Type: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]time.Duration{0, 0, time.Second, 2 * time.Second}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
