// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// recordReady records the event of a change of Ready, after the status write that made it: a warning when somebody has to do something, and
// that all is well again after a warning. What goes as it should has no event; the status tells it, and an event is one more write.
func recordReady(recorder events.EventRecorder, before, after conditioned, action string) {
	ready, changed := readyChange(before, after)
	wasStalled := meta.IsStatusConditionTrue(before.GetConditions(), v1alpha1.StalledCondition)
	isStalled := meta.IsStatusConditionTrue(after.GetConditions(), v1alpha1.StalledCondition)
	switch {
	case changed && isStalled:
		recorder.Eventf(after, nil, corev1.EventTypeWarning, ready.Reason, action, "%s", ready.Message)
	case changed && wasStalled && ready.Status == metav1.ConditionTrue:
		recorder.Eventf(after, nil, corev1.EventTypeNormal, ready.Reason, action, "%s", ready.Message)
	}
}
