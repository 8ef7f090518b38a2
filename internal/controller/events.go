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

// recordOutage records the event of an account whose calls begin to be held back because the vendor does not answer, or
// are no more.
func recordOutage(recorder events.EventRecorder, before, after conditioned) {
	was := meta.IsStatusConditionTrue(before.GetConditions(), v1alpha1.VendorUnavailableCondition)
	is := meta.FindStatusCondition(after.GetConditions(), v1alpha1.VendorUnavailableCondition)
	switch {
	case is != nil && !was:
		recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, "Call", "%s", is.Message)
	case is == nil && was:
		recorder.Eventf(after, nil, corev1.EventTypeNormal, "VendorAvailable", "Call", "Vonage answers again")
	}
}

// recordReady records the event of a change of Ready, after the status write that made it: a warning when somebody has
// to do something, and that all is well again after a warning. What goes as it should has no event; the status has it,
// and an event is one more write.
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
