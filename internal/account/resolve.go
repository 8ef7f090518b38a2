// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

// Resolve returns the account of that name, or the default account for "", for use by objects of a namespace. The
// account must allow the namespace, and its present key must have been accepted by the vendor: nobody but the probe
// tries a key first.
//
// Its errors are of type *Error (reasons AccountNotFound, NoDefaultAccount, MultipleDefaultAccounts,
// NamespaceNotAllowed, AccountNotReady, CredentialsRejected), or those of the reader.
func (g *Registry) Resolve(ctx context.Context, namespace, name string) (*Account, error) {
	va, err := g.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return g.use(ctx, va, namespace)
}

// ResolveFor is Resolve for a room: its pinned account if it has a session, else the one that it names, else the
// default. A pinned account whose name now stands for another project is an *Error of reason AccountMismatch.
func (g *Registry) ResolveFor(ctx context.Context, room *v1alpha1.MeetingRoom) (*Account, error) {
	va, err := g.find(ctx, NameFor(room))
	if err != nil {
		return nil, err
	}
	if p := room.Status.ProjectID; p != "" && !strings.EqualFold(p, va.Spec.ProjectID) {
		return nil, failf(v1alpha1.AccountMismatchReason,
			"VonageAccount %q now stands for another project than that of the room's session: make it anew with "+
				"projectID %s, or make another room",
			va.Name, p)
	}
	return g.use(ctx, va, room.Namespace)
}

// ResolveForCleanup returns the account of that name for leaving: disconnecting people and calling them back, which
// must work for a namespace that is not allowed any more and with credentials that were not checked yet. Its errors are
// of type *Error (reasons AccountNotFound, SecretNotFound, SecretInvalid, SpecInvalid), or those of the reader.
func (g *Registry) ResolveForCleanup(ctx context.Context, name string) (*Account, error) {
	va, err := g.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return g.Connect(ctx, va)
}

// NameFor returns the name of the account that a room uses or is to use; "" for the default account.
func NameFor(room *v1alpha1.MeetingRoom) string {
	if room.Status.AccountName != "" {
		return room.Status.AccountName
	}
	if room.Spec.AccountRef != nil {
		return room.Spec.AccountRef.Name
	}
	return ""
}

// IsDefault reports whether an account is marked as the default.
func IsDefault(va *v1alpha1.VonageAccount) bool {
	return va.Annotations[v1alpha1.DefaultAccountAnnotation] == "true"
}

// find returns the account of that name, or the default one for "". What it returns belongs to the cache and must not
// be changed.
func (g *Registry) find(ctx context.Context, name string) (*v1alpha1.VonageAccount, error) {
	if name == "" {
		return g.findDefault(ctx)
	}
	va := &v1alpha1.VonageAccount{}
	switch err := g.reader.Get(
		ctx, types.NamespacedName{Name: name}, va, client.UnsafeDisableDeepCopy,
		client.DisableReadYourWritesConsistency,
	); {
	case apierrors.IsNotFound(err):
		return nil, failf(v1alpha1.AccountNotFoundReason,
			"VonageAccount %q does not exist: create it, or name another in spec.accountRef", name)
	case err != nil:
		return nil, fmt.Errorf("reading VonageAccount %q: %w", name, err)
	}
	return va, nil
}

func (g *Registry) findDefault(ctx context.Context) (*v1alpha1.VonageAccount, error) {
	var all v1alpha1.VonageAccountList
	if err := g.reader.List(
		ctx, &all, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency,
	); err != nil {
		return nil, fmt.Errorf("looking for the default VonageAccount: %w", err)
	}
	var found *v1alpha1.VonageAccount
	var names []string
	for i := range all.Items {
		if IsDefault(&all.Items[i]) {
			found = &all.Items[i]
			names = append(names, found.Name)
		}
	}
	switch len(names) {
	case 0:
		return nil, failf(v1alpha1.NoDefaultAccountReason,
			"no VonageAccount is marked as the default: name one in spec.accountRef, or annotate one with %s: \"true\"",
			v1alpha1.DefaultAccountAnnotation)
	case 1:
		return found, nil
	}
	slices.Sort(names)
	return nil, failf(v1alpha1.MultipleDefaultAccountsReason,
		"VonageAccounts %s are all marked as the default: name one in spec.accountRef, or leave the annotation %s on "+
			"one of them only",
		strings.Join(names, ", "), v1alpha1.DefaultAccountAnnotation)
}

// use connects to an account for a namespace, if that is allowed and the account is ready.
func (g *Registry) use(ctx context.Context, va *v1alpha1.VonageAccount, namespace string) (*Account, error) {
	if err := g.allow(ctx, va, namespace); err != nil {
		return nil, err
	}
	if err := checkReady(va); err != nil {
		return nil, err
	}
	a, err := g.Connect(ctx, va)
	if e, ok := errors.AsType[*Error](err); ok {
		// Its message, which names a Secret, is for the account's own status, not for the tenants.
		return nil, notReady(va, e.Reason)
	}
	if err != nil {
		return nil, err
	}
	if a.KeyID() != va.Status.KeyID {
		return nil, beingChecked(va)
	}
	return a, nil
}

// checkReady returns nil if the vendor accepted the account's credentials.
func checkReady(va *v1alpha1.VonageAccount) error {
	ready := meta.FindStatusCondition(va.Status.Conditions, v1alpha1.ReadyCondition)
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return beingChecked(va)
	case ready.Status == metav1.ConditionTrue:
		return nil
	case ready.Reason == v1alpha1.CredentialsRejectedReason:
		return failf(v1alpha1.CredentialsRejectedReason,
			"Vonage refuses the credentials of VonageAccount %q: whoever owns the account must put its Secret or its "+
				"projectID right", va.Name)
	case meta.IsStatusConditionTrue(va.Status.Conditions, v1alpha1.StalledCondition):
		return notReady(va, ready.Reason)
	default:
		return waitf(v1alpha1.AccountNotReadyReason,
			"VonageAccount %q is not ready (%s); the operator goes on by itself", va.Name, ready.Reason)
	}
}

func notReady(va *v1alpha1.VonageAccount, reason string) *Error {
	return failf(v1alpha1.AccountNotReadyReason, "VonageAccount %q is not ready (%s): its conditions say what to do",
		va.Name, reason)
}

func beingChecked(va *v1alpha1.VonageAccount) *Error {
	return waitf(v1alpha1.AccountNotReadyReason, "the credentials of VonageAccount %q are being checked", va.Name)
}

// allow returns nil if the account allows the namespace.
func (g *Registry) allow(ctx context.Context, va *v1alpha1.VonageAccount, namespace string) error {
	selector, err := namespaceSelector(va)
	if err != nil {
		return notReady(va, v1alpha1.SpecInvalidReason)
	}
	if selector.Empty() {
		return nil
	}
	ns := namespaceMetadata()
	if err := g.reader.Get(
		ctx, types.NamespacedName{Name: namespace}, ns, client.UnsafeDisableDeepCopy,
		client.DisableReadYourWritesConsistency,
	); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the labels of namespace %q: %w", namespace, err)
	}
	if !selector.Matches(labels.Set(ns.Labels)) {
		return failf(v1alpha1.NamespaceNotAllowedReason,
			"VonageAccount %q does not allow namespace %q: label the namespace as spec.allowedNamespaces of the "+
				"account asks, or name another account",
			va.Name, namespace)
	}
	return nil
}

// namespaceSelector is the selector of the namespaces that an account allows; the empty one allows all.
func namespaceSelector(va *v1alpha1.VonageAccount) (labels.Selector, error) {
	if va.Spec.AllowedNamespaces == nil || va.Spec.AllowedNamespaces.From != v1alpha1.NamespacesFromSelector {
		return labels.Everything(), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(va.Spec.AllowedNamespaces.Selector)
	if err != nil {
		return nil, failf(v1alpha1.SpecInvalidReason, "spec.allowedNamespaces.selector cannot be used: %s", err)
	}
	return selector, nil
}
