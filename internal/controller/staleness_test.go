// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
			clk := testclock.NewFakeClock(time.Now())
			o := newOwnWrites(clk)
			if tc.wrote != nil {
				o.Wrote(tc.wrote)
			}
			clk.Step(tc.wait)
			if got := o.Stale(tc.cached); got != tc.want {
				t.Errorf("Stale() = %t, want %t", got, tc.want)
			}
			if !tc.want && len(o.writes) != 0 {
				t.Errorf("%d writes are still remembered", len(o.writes))
			}
		})
	}
}

func TestOwnWritesForget(t *testing.T) {
	o := newOwnWrites(testclock.NewFakeClock(time.Now()))
	room := &v1alpha1.MeetingRoom{}
	room.Name, room.ResourceVersion = "room", "10"
	o.Wrote(room)
	o.Forget(client.ObjectKeyFromObject(room))
	room.ResourceVersion = "9"
	if o.Stale(room) {
		t.Error("Stale() = true after Forget")
	}
}
