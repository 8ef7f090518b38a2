// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Conditions that several kinds share. Ready is on every kind from the operator's first visit on; Reconciling and
// Stalled are there only while they are true, as kstatus asks for, so that `kubectl wait`, Flux and Argo CD need no
// further knowledge.
const (
	// ReadyCondition is true when the spec is honored now; on a RoomSignal when it was sent.
	ReadyCondition = "Ready"

	// ReconcilingCondition is there, and true, while the operator is still working towards the spec without needing
	// anybody's help.
	ReconcilingCondition = "Reconciling"

	// StalledCondition is there, and true, while the operator can go no further until somebody changes something. The
	// message says what.
	StalledCondition = "Stalled"
)

// Reasons that several kinds share.
const (
	// ReconcilingReason: the operator is at work and needs nobody's help.
	ReconcilingReason = "Reconciling"

	// DeletingReason: the object is being deleted and waits for its finalizers.
	DeletingReason = "Deleting"

	// VendorUnavailableReason: the Vonage API did not answer, or answered that it cannot now. The operator tries again
	// by itself.
	VendorUnavailableReason = "VendorUnavailable"

	// VendorRateLimitedReason: the Vonage API asks for fewer calls. The operator slows down and goes on by itself.
	VendorRateLimitedReason = "VendorRateLimited"

	// VendorRejectedReason: the Vonage API refuses the call as it is; changing the spec is what helps.
	VendorRejectedReason = "VendorRejected"

	// CredentialsRejectedReason: the Vonage API refuses the account's credentials.
	CredentialsRejectedReason = "CredentialsRejected"

	// AccountNotFoundReason: the named VonageAccount does not exist.
	AccountNotFoundReason = "AccountNotFound"

	// NoDefaultAccountReason: the room names no account and none is marked as the default.
	NoDefaultAccountReason = "NoDefaultAccount"

	// MultipleDefaultAccountsReason: the room names no account and more than one is marked as the default.
	MultipleDefaultAccountsReason = "MultipleDefaultAccounts"

	// NamespaceNotAllowedReason: the account does not allow rooms of this namespace.
	NamespaceNotAllowedReason = "NamespaceNotAllowed"

	// AccountNotReadyReason: the account is not Ready yet; its own conditions say why.
	AccountNotReadyReason = "AccountNotReady"

	// MeetingRoomNotFoundReason: the referenced MeetingRoom does not exist.
	MeetingRoomNotFoundReason = "MeetingRoomNotFound"

	// MeetingRoomNotReadyReason: the referenced MeetingRoom has no session yet.
	MeetingRoomNotReadyReason = "MeetingRoomNotReady"
)

// LocalObjectReference names an object in the same namespace, or a cluster-scoped one.
// +structType=atomic
type LocalObjectReference struct {
	// name is the name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretKeyReference names one key of a Secret in the same namespace.
// +structType=atomic
type SecretKeyReference struct {
	// name is the name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key is the key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}
