// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Keys of a credentials Secret: one of the two, as the account's environment asks.
const (
	// PrivateKeySecretKey is the key that holds the application's RSA private key as PEM (PKCS#1 or PKCS#8), for
	// environment Unified.
	PrivateKeySecretKey = "private-key"

	// APISecretSecretKey is the key that holds the project's API secret, for environment OpenTok.
	APISecretSecretKey = "api-secret"
)

// VendorUnavailableCondition is there, and true, while calls of the account are held back because Vonage did not answer
// several in a row. Ready stays what it is: it is about the credentials. Reason: VendorUnavailable.
const VendorUnavailableCondition = "VendorUnavailable"

// Reasons of a VonageAccount's Ready condition, beside those shared by several kinds.
const (
	// AccountReadyReason, Ready=True: the credentials were accepted by a cheap authenticated call.
	AccountReadyReason = "CredentialsAccepted"

	// SecretNotFoundReason, Ready=False: the credentials Secret does not exist in the operator's namespace.
	SecretNotFoundReason = "SecretNotFound"

	// SecretInvalidReason, Ready=False: the credentials Secret lacks the key that the environment needs, or the key
	// cannot be read.
	SecretInvalidReason = "SecretInvalid"

	// SpecInvalidReason, Ready=False: the spec cannot be used as it is; the message says what to change.
	SpecInvalidReason = "SpecInvalid"
)

// Environment is one of Vonage's two video environments.
// +kubebuilder:validation:Enum=Unified;OpenTok
type Environment string

const (
	// EnvironmentUnified is the unified Vonage environment: an application with an RSA key pair.
	EnvironmentUnified Environment = "Unified"

	// EnvironmentOpenTok is the older OpenTok environment: a project with an API key and secret.
	EnvironmentOpenTok Environment = "OpenTok"
)

// AdoptionPolicy says whether rooms may adopt sessions that exist already.
// +kubebuilder:validation:Enum=Forbidden;Allowed
type AdoptionPolicy string

const (
	// AdoptionForbidden refuses spec.sessionID in rooms.
	AdoptionForbidden AdoptionPolicy = "Forbidden"

	// AdoptionAllowed allows spec.sessionID in rooms, for sessions of the account's own project.
	AdoptionAllowed AdoptionPolicy = "Allowed"
)

// NamespacesFrom says how the namespaces that may use an account are chosen.
// +kubebuilder:validation:Enum=All;Selector
type NamespacesFrom string

const (
	// NamespacesFromAll allows every namespace.
	NamespacesFromAll NamespacesFrom = "All"

	// NamespacesFromSelector allows the namespaces whose labels match a selector.
	NamespacesFromSelector NamespacesFrom = "Selector"
)

// RateLimit bounds the calls that the operator makes to the Vonage API for one account.
type RateLimit struct {
	// requestsPerSecond is how many calls a second the operator makes at most, all rooms of the account together.
	// Default 200. Mutable; a change takes effect with the next call.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`

	// burst is how many calls may go out at once before the rate holds them back. Default 400. Mutable; a change takes
	// effect with the next call.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20000
	Burst *int32 `json:"burst,omitempty"`
}

// AllowedNamespaces says whose rooms may use an account.
// +kubebuilder:validation:XValidation:rule="(has(self.from) && self.from == 'Selector') == has(self.selector)",message="selector goes with from: Selector, and only with it",fieldPath=".selector"
type AllowedNamespaces struct {
	// from is All (default) or Selector.
	// +optional
	From NamespacesFrom `json:"from,omitempty"`

	// selector selects namespaces by their labels; required with from: Selector, else not allowed. The empty selector
	// matches every namespace. At most 64 labels, and 64 expressions of at most 64 values. Mutable; rooms that have a
	// session keep it, but get no new tokens while their namespace is not allowed.
	// +optional
	// +kubebuilder:validation:XValidation:rule="(!has(self.matchLabels) || size(self.matchLabels) <= 64) && (!has(self.matchExpressions) || size(self.matchExpressions) <= 64 && self.matchExpressions.all(e, !has(e.values) || size(e.values) <= 64))",message="selector has at most 64 labels, and 64 expressions of at most 64 values"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// VonageAccountSpec describes a project of the Vonage Video API and who may use it.
// +kubebuilder:validation:XValidation:rule="has(self.environment) == has(oldSelf.environment) && (!has(self.environment) || self.environment == oldSelf.environment)",message="environment is immutable: make another VonageAccount",fieldPath=".environment"
// +kubebuilder:validation:XValidation:rule="self.projectID == oldSelf.projectID",message="projectID is immutable, since sessions belong to one project: make another VonageAccount",fieldPath=".projectID"
// +kubebuilder:validation:XValidation:rule="has(self.environment) && self.environment == 'OpenTok' ? self.projectID.matches('^[0-9]{1,20}$') : self.projectID.matches('^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')",message="projectID is the application ID (a UUID) for environment Unified, the API key (digits) for OpenTok",fieldPath=".projectID"
type VonageAccountSpec struct {
	// environment is the video environment that the project lives in: Unified (default) or OpenTok. Immutable.
	// +optional
	Environment Environment `json:"environment,omitempty"`

	// projectID is the application ID (a UUID; Unified) or the API key (digits; OpenTok). Immutable: sessions belong to
	// one project.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	ProjectID string `json:"projectID,omitempty"`

	// credentialsSecretRef names the Secret with the project's credentials, in the operator's own namespace and never
	// elsewhere. Its key is `private-key` (PEM; Unified) or `api-secret` (OpenTok). Mutable: naming another Secret, or
	// changing its content, re-checks the credentials and re-mints the tokens of the account's rooms; their sessions
	// stay.
	// +required
	CredentialsSecretRef LocalObjectReference `json:"credentialsSecretRef,omitzero"`

	// endpoint is the base URL of the Vonage Video API: https (or http, meant for a stand-in inside the cluster). The
	// public host of the environment by default. Mutable; the credentials are re-checked there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''",message="endpoint must be an http or https URL with a host"
	// +kubebuilder:validation:XValidation:rule="!self.contains('@') && !self.contains('?') && !self.contains('#')",message="endpoint must have no user, query or fragment"
	Endpoint string `json:"endpoint,omitempty"`

	// rateLimit bounds the calls made to the Vonage API for this account. Mutable.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// allowedNamespaces says whose rooms may use this account; all namespaces' by default. Mutable.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// adoption says whether rooms may adopt existing sessions by spec.sessionID: Forbidden (default) or Allowed.
	// Mutable; what was adopted stays adopted.
	// +optional
	Adoption AdoptionPolicy `json:"adoption,omitempty"`
}

// VonageAccountStatus is what the operator observed of the account.
type VonageAccountStatus struct {
	// conditions are Ready (a cheap authenticated call was accepted), and Reconciling, Stalled or VendorUnavailable
	// while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the newest generation that the operator has handled; -1 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// keyID identifies the key in use without revealing it, so that a rotation shows.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID,omitempty"`
}

// VonageAccount is a project of the Vonage Video API that MeetingRooms use, as volume claims use a StorageClass.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=va,categories=video
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment`,priority=1
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.projectID`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type VonageAccount struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the desired state of the account.
	// +required
	Spec VonageAccountSpec `json:"spec,omitzero"`

	// status is the observed state of the account.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status VonageAccountStatus `json:"status,omitzero"`
}

// VonageAccountList is a list of VonageAccounts.
//
// +kubebuilder:object:root=true
type VonageAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []VonageAccount `json:"items"`
}

// GetConditions returns the conditions of the account's status.
func (a *VonageAccount) GetConditions() []metav1.Condition { return a.Status.Conditions }

// SetConditions replaces the conditions of the account's status.
func (a *VonageAccount) SetConditions(c []metav1.Condition) { a.Status.Conditions = c }
