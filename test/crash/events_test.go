// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"
)

// eventLog is which events a process has recorded, and which of them are on their way: a broadcaster writes them in its own time.
type eventLog struct {
	recorded map[recordedEvent]int
	due      int             // how many writes follow from what was recorded
	begun    map[string]bool // the writes that came to the gate, once each
}

// recordedEvent is what a broadcaster takes for the same event. It writes one that comes again once more, as a series, and then only counts.
type recordedEvent struct{ object, version, eventType, reason, action string }

// GetEventRecorder is a recorder whose events are awaited.
func (s spy) GetEventRecorder(name string) recorder.EventRecorder {
	return watchedRecorder{s.Manager.GetEventRecorder(name), s.operator}
}

type watchedRecorder struct {
	recorder.EventRecorder
	operator *operator
}

// Eventf records an event.
func (r watchedRecorder) Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any) {
	obj := regarding.(client.Object)
	e := recordedEvent{string(obj.GetUID()), obj.GetResourceVersion(), eventType, reason, action}
	r.operator.note(func() {
		l := &r.operator.eventLog
		if l.recorded[e]++; l.recorded[e] <= 2 {
			l.due++
		}
	})
	r.EventRecorder.Eventf(regarding, related, eventType, reason, action, note, args...)
}

// atGate notes that an operation is at the gate: if it is of an event, that the event is on its way, maybe not for the first time.
func (o *operator) atGate(op operation) {
	o.note(func() {
		o.done++
		if op.event != "" {
			o.eventLog.begun[op.event] = true
		}
	})
}
