// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 contains the API of breakout-operator: video meeting rooms, breakout rooms and signals as Kubernetes
// resources.
//
// A VonageAccount is the platform team's: the vendor project and its credentials. A MeetingRoom is a session of the
// Vonage Video API with the tokens of its participants. A BreakoutSet splits a meeting into breakout rooms. A
// RoomSignal says one thing once.
//
// +kubebuilder:object:generate=true
// +groupName=breakout-operator.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the API group and version of the kinds in this package.
	GroupVersion = schema.GroupVersion{Group: "breakout-operator.io", Version: "v1alpha1"}

	// SchemeBuilder collects the functions that add the kinds to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the kinds of this group and version to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&VonageAccount{}, &VonageAccountList{},
		&MeetingRoom{}, &MeetingRoomList{},
		&BreakoutSet{}, &BreakoutSetList{},
		&RoomSignal{}, &RoomSignalList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
