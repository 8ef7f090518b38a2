// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

func TestOwnWrites(t *testing.T) {
	room := func(uid types.UID, version string) *v1alpha1.MeetingRoom {
		r := &v1alpha1.MeetingRoom{}
		r.Namespace, r.Name, r.UID, r.ResourceVersion = "ns", "room", uid, version
		return r
	}
	tests := map[string]struct {
		wrote  client.Object
		wait   time.Duration
		cached client.Object
		want   bool
	}{
		"nothing written":                 {cached: room("a", "5")},
		"cache behind":                    {wrote: room("a", "10"), cached: room("a", "9"), want: true},
		"cache as written":                {wrote: room("a", "10"), cached: room("a", "10")},
		"cache ahead":                     {wrote: room("a", "9"), cached: room("a", "10")},
		"another object of the same name": {wrote: room("a", "10"), cached: room("b", "9")},
		"waited for too long":             {wrote: room("a", "10"), wait: stalePatience, cached: room("a", "9")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOwnWrites()
				if tc.wrote != nil {
					o.Wrote(tc.wrote)
				}
				time.Sleep(tc.wait)
				if got := o.Stale(tc.cached); got != tc.want {
					t.Errorf("Stale() = %t, want %t", got, tc.want)
				}
				if !tc.want && len(o.writes) != 0 {
					t.Errorf("%d writes are still remembered", len(o.writes))
				}
			})
		})
	}
}

func TestOwnWritesForget(t *testing.T) {
	o := newOwnWrites()
	room := &v1alpha1.MeetingRoom{}
	room.Name, room.ResourceVersion = "room", "10"
	o.Wrote(room)
	o.Forget(client.ObjectKeyFromObject(room))
	room.ResourceVersion = "9"
	if o.Stale(room) {
		t.Error("Stale() = true after Forget")
	}
}

func TestPatient(t *testing.T) {
	broken := errors.New("broken")
	conflict := fmt.Errorf("writing: %w",
		apierrors.NewConflict(schema.GroupResource{Resource: "meetingrooms"}, "r", errors.New("c")))
	stopped, stop := context.WithCancel(context.Background())
	stop()
	hour := ctrl.Result{RequeueAfter: time.Hour}
	soon := func(d time.Duration) ctrl.Result { return ctrl.Result{RequeueAfter: d} }
	tests := map[string]struct {
		ctx     context.Context
		outcome []error // of one reconcile after the other
		want    []ctrl.Result
		wantErr error // of the last
	}{
		"well":                  {outcome: []error{nil}, want: []ctrl.Result{hour}},
		"conflict":              {outcome: []error{conflict}, want: []ctrl.Result{soon(staleRetry)}},
		"stale cache":           {outcome: []error{errors.Join(errStaleCache)}, want: []ctrl.Result{soon(staleRetry)}},
		"broken":                {outcome: []error{broken}, want: []ctrl.Result{{}}, wantErr: broken},
		"broken while stopping": {ctx: stopped, outcome: []error{broken}, want: []ctrl.Result{{}}},
		"ever more slowly": {
			outcome: []error{conflict, errStaleCache, conflict},
			want:    []ctrl.Result{soon(staleRetry), soon(2 * staleRetry), soon(4 * staleRetry)},
		},
		"anew after it went well": {
			outcome: []error{conflict, conflict, nil, conflict},
			want:    []ctrl.Result{soon(staleRetry), soon(2 * staleRetry), hour, soon(staleRetry)},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			outcome := tc.outcome
			retrier := newConflictRetrier(reconcile.Func(func(context.Context, ctrl.Request) (ctrl.Result, error) {
				err := outcome[0]
				outcome = outcome[1:]
				return hour, err
			}))
			var got []ctrl.Result
			var err error
			for range tc.outcome {
				var result ctrl.Result
				result, err = retrier.Reconcile(ctx, ctrl.Request{})
				got = append(got, result)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if !errors.Is(err, tc.wantErr) {
				t.Errorf("error %v, want %v", err, tc.wantErr)
			}
		})
	}
}

func TestStaleDelay(t *testing.T) {
	for times := range 100 {
		if d := staleDelay(times); d < staleRetry || d > staleRetryMost || d < staleDelay(max(times-1, 0)) {
			t.Errorf("after %d times %s", times, d)
		}
	}
}
