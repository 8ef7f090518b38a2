// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// maxMessageBytes bounds a condition's message. The API allows 32768; a person reads less, and etcd keeps every byte.
const maxMessageBytes = 1024

// conditioned is an object with conditions.
type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// verdict is what is to be said about one aspect of an object: a condition without type, time and generation.
type verdict struct {
	// Status is True, False or Unknown.
	Status metav1.ConditionStatus
	// Reason is a reason constant of the API.
	Reason string
	// Message is for people: stable, short, nothing secret, and it says what to do.
	Message string
	// Stalled means, where Status is not True, that the operator can go no further until somebody changes something.
	Stalled bool
}

// achieved is the verdict that all is well.
func achieved(reason, message string) verdict {
	return verdict{Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// underWay is the verdict that something is not there yet and the operator needs nobody's help.
func underWay(reason, message string) verdict {
	return verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// stalled is the verdict that somebody has to change something.
func stalled(reason, message string) verdict {
	return verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message, Stalled: true}
}

// ok reports whether all is well.
func (v verdict) ok() bool { return v.Status == metav1.ConditionTrue }

// setCondition sets a condition of the object's present generation. The time of transition, in whole seconds, changes
// only with the status.
func setCondition(obj conditioned, typ string, status metav1.ConditionStatus, reason, message string, now time.Time) {
	conditions := obj.GetConditions()
	meta.SetStatusCondition(&conditions, metav1.Condition{
		Type:               typ,
		Status:             status,
		ObservedGeneration: obj.GetGeneration(),
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason:             reason,
		Message:            truncate(message, maxMessageBytes),
	})
	obj.SetConditions(conditions)
}

// setVerdict is setCondition for a verdict.
func setVerdict(obj conditioned, typ string, v verdict, now time.Time) {
	setCondition(obj, typ, v.Status, v.Reason, v.Message, now)
}

// removeCondition removes a condition, if it is there.
func removeCondition(obj conditioned, typ string) {
	conditions := obj.GetConditions()
	if meta.RemoveStatusCondition(&conditions, typ) {
		obj.SetConditions(conditions)
	}
}

// summarise sets Ready, and Reconciling and Stalled so that they agree with it as kstatus asks for: neither while Ready
// is True, else exactly one of them.
func summarise(obj conditioned, ready verdict, now time.Time) {
	setVerdict(obj, v1alpha1.ReadyCondition, ready, now)
	switch {
	case ready.ok():
		removeCondition(obj, v1alpha1.ReconcilingCondition)
		removeCondition(obj, v1alpha1.StalledCondition)
	case ready.Stalled:
		removeCondition(obj, v1alpha1.ReconcilingCondition)
		setCondition(obj, v1alpha1.StalledCondition, metav1.ConditionTrue, ready.Reason, ready.Message, now)
	default:
		removeCondition(obj, v1alpha1.StalledCondition)
		setCondition(obj, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, ready.Reason, ready.Message, now)
	}
}

// readyChange returns the Ready condition of after and whether its status or reason differ from before's.
func readyChange(before, after conditioned) (metav1.Condition, bool) {
	now := meta.FindStatusCondition(after.GetConditions(), v1alpha1.ReadyCondition)
	if now == nil {
		return metav1.Condition{}, false
	}
	was := meta.FindStatusCondition(before.GetConditions(), v1alpha1.ReadyCondition)
	return *now, was == nil || was.Status != now.Status || was.Reason != now.Reason
}

// truncate cuts a text to at most so many bytes, between characters.
func truncate(text string, most int) string {
	const ellipsis = "…"
	if len(text) <= most {
		return text
	}
	cut := most - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
