// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
)

// VonageAccountReconciler checks the credentials of VonageAccounts: when they are new, when they change, when somebody
// else's call was refused, and every few minutes.
type VonageAccountReconciler struct {
	client.Client

	// Accounts makes the clients.
	Accounts *account.Registry

	// Recorder records events.
	Recorder events.EventRecorder

	// MaxConcurrentReconciles is how many accounts are checked at once.
	MaxConcurrentReconciles int

	// RecheckQueue holds accounts whose credentials the vendor refused in a call; see account.Options.Rejected. May be
	// nil.
	RecheckQueue *RecheckQueue

	writes *ownWrites
	checks *memory[accountCheck]
}

// +kubebuilder:rbac:groups=breakout-operator.io,resources=vonageaccounts,verbs=get;list;watch
// +kubebuilder:rbac:groups=breakout-operator.io,resources=vonageaccounts/status,verbs=get;update
// +kubebuilder:rbac:groups=core,namespace=system,resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile checks one account, if a check is due, and says the result in its status.
func (r *VonageAccountReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	stored := &v1alpha1.VonageAccount{}
	if err := r.Get(ctx, req.NamespacedName, stored, client.DisableReadYourWritesConsistency); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(stored) {
		return ctrl.Result{}, errStaleCache
	}
	result, err := r.check(ctx, stored)
	if err != nil {
		return ctrl.Result{}, err
	}
	if result.canceled {
		return ctrl.Result{}, nil
	}
	if err := r.writeStatus(ctx, stored, result); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return requeue(result.requeueTime), nil
}

// writeStatus writes the status if it says something new, and then records the event.
func (r *VonageAccountReconciler) writeStatus(
	ctx context.Context, stored *v1alpha1.VonageAccount, result checkResult,
) error {
	va := stored.DeepCopy()
	summarise(va, result.ready, time.Now())
	observeOutage(va.Name, result.outage)
	if result.outage {
		setCondition(va, v1alpha1.VendorUnavailableCondition, metav1.ConditionTrue, v1alpha1.VendorUnavailableReason,
			"Vonage does not answer: calls wait, and one after the other finds out when it is back; rooms that are "+
				"Ready stay so", time.Now())
	} else {
		removeCondition(va, v1alpha1.VendorUnavailableCondition)
	}
	va.Status.ObservedGeneration = va.Generation
	if result.keyID != "" {
		va.Status.KeyID = result.keyID
	}
	if equality.Semantic.DeepEqual(stored.Status, va.Status) {
		return nil
	}
	if err := r.Status().Update(ctx, va); err != nil {
		return err
	}
	r.writes.Wrote(va)
	recordReady(r.Recorder, stored, va, "Check")
	recordOutage(r.Recorder, stored, va)
	return nil
}

func (r *VonageAccountReconciler) forget(key client.ObjectKey) {
	r.Accounts.Forget(key.Name)
	r.writes.Forget(key)
	r.checks.forget(key)
	vendorOutages.DeleteLabelValues(key.Name)
}

// SetupWithManager registers the controller with a manager.
func (r *VonageAccountReconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.init()
	b := ctrl.NewControllerManagedBy(mgr).
		Named("vonageaccount").
		For(&v1alpha1.VonageAccount{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.accountsOfSecret),
			builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WithOptions(controllerOptions(r.MaxConcurrentReconciles))
	if r.RecheckQueue != nil {
		b = b.WatchesRawSource(source.Channel(r.RecheckQueue.events, &handler.EnqueueRequestForObject{}))
	}
	return b.Complete(newConflictRetrier(r))
}

func (r *VonageAccountReconciler) init() {
	r.writes = newOwnWrites()
	r.checks = newMemory[accountCheck]()
}

// accountsOfSecret are the accounts whose credentials a Secret of the operator's namespace holds; the cache has no
// others.
func (r *VonageAccountReconciler) accountsOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	var all v1alpha1.VonageAccountList
	if err := r.List(ctx, &all, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing VonageAccounts failed")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if all.Items[i].Spec.CredentialsSecretRef.Name == secret.GetName() {
			requests = append(requests, reconcile.Request{
				NamespacedName: types.NamespacedName{Name: all.Items[i].Name},
			})
		}
	}
	return requests
}
