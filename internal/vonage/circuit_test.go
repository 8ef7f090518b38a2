// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package vonage

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// An outage begins with the request that makes it enough of them, and ends with
// the first answer; trials come ever later.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, out := time.Now(), true
		var sent []time.Duration
		var changes []bool
		client := newClientFor(t, OpenTok,
			WithOutageObserver(func(o Outage) { changes = append(changes, o.Lasts()) }),
			WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, time.Since(start))
				switch {
				case out:
					return nil, syscall.ECONNREFUSED
				case r.Method == http.MethodGet:
					return reply(http.StatusOK, http.Header{"Content-Type": {"application/json"}},
						`{"count":0,"items":[]}`), nil
				default:
					return reply(http.StatusNoContent, nil, ""), nil
				}
			})))
		call := func() error { return client.Signal(t.Context(), openTokSession, Signal{Type: "x"}) }
		for range OutageThreshold {
			if err := call(); ClassOf(err) != ClassTransient {
				t.Fatalf("got %v", err)
			}
		}
		if len(sent) != OutageThreshold || !client.Outage().Lasts() {
			t.Fatalf("%d requests, outage %v", len(sent), client.Outage())
		}

		// Callers come all the time for two minutes; one trial at a time is sent.
		sent = nil
		for time.Since(start) < 2*time.Minute {
			err := call()
			if e, ok := errors.AsType[*Error](err); !ok || e.Class != ClassTransient || e.Sent {
				t.Fatalf("got %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		want := []time.Duration{1, 3, 7, 15, 31, 61, 91}
		for i := range want {
			want[i] *= time.Second
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Errorf("trials (-want +got):\n%s", diff)
		}

		out = false
		if err := call(); ClassOf(err) != ClassTransient { // the next trial is not due
			t.Fatalf("got %v", err)
		}
		time.Sleep(30 * time.Second)
		sent = nil
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if len(sent) != 2 { // the trial and the call
			t.Errorf("%d requests", len(sent))
		}
		if diff := cmp.Diff([]bool{true, false}, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

// What Vonage answers is no outage, whatever it says; nor are failures with
// answers in between.
func TestNoOutage(t *testing.T) {
	for name, replies := range map[string][]int{
		"refusals":     {401},
		"limits":       {429},
		"bad":          {400, 413},
		"nobody":       {404},
		"now and then": {500, 500, 503, 502, 500, 500, 500, 204},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				client := newClientFor(t, OpenTok,
					WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
						n++
						return reply(replies[n%len(replies)], nil, ""), nil
					})))
				for range 5 * OutageThreshold {
					_ = client.Signal(t.Context(), openTokSession, Signal{Type: "x"})
					if client.Outage().Lasts() {
						t.Fatalf("an outage after %d requests", n)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

func TestCircuitState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s circuitState
		now, row, trial := testNow, 0, false
		var lastTrialAt time.Time
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 40_000).Draw(t, "ms")) * time.Millisecond)
			},
			"call": func(t *rapid.T) {
				due := s.outage.Lasts() && !now.Before(s.outage.NextTrial)
				switch got := s.admit(now); {
				case !s.outage.Lasts():
					if got != admitted {
						t.Fatalf("held back without an outage")
					}
				case trial || !due:
					if got != heldBack {
						t.Fatalf("got %v while a trial is under way or not due", got)
					}
				case got != onTrial:
					t.Fatalf("got %v when a trial is due", got)
				default:
					if !lastTrialAt.IsZero() && now.Sub(lastTrialAt) < firstTrial && s.trials > 0 {
						t.Fatalf("a trial %v after the last", now.Sub(lastTrialAt))
					}
					trial, lastTrialAt = true, now
				}
			},
			"trial fails": func(t *rapid.T) {
				if !trial {
					t.Skip()
				}
				trial = false
				row++
				s.failed(now)
				s.endTrial()
				if !s.outage.Lasts() || s.outage.NextTrial.Before(now.Add(firstTrial)) ||
					s.outage.NextTrial.After(now.Add(lastTrial)) {
					t.Fatalf("the next trial is at %v, now is %v", s.outage.NextTrial, now)
				}
			},
			"trial is answered": func(t *rapid.T) {
				if !trial {
					t.Skip()
				}
				trial, row, lastTrialAt = false, 0, time.Time{}
				s.answered()
				s.endTrial()
			},
			"another request fails": func(t *rapid.T) {
				if trial {
					t.Skip()
				}
				row++
				s.failed(now)
			},
			"another request is answered": func(t *rapid.T) {
				if trial {
					t.Skip()
				}
				row, lastTrialAt = 0, time.Time{}
				s.answered()
			},
			"": func(t *rapid.T) {
				if s.outage.Lasts() != (row >= OutageThreshold) {
					t.Fatalf("outage %v after %d failures in a row", s.outage.Lasts(), row)
				}
			},
		})
	})
}
