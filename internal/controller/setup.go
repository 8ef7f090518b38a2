// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/account"
	"github.com/breakout-operator/breakout-operator/internal/sampleapp"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// recorderName is the reporting controller of events.
const recorderName = "breakout-operator"

// Options are what the controllers need beside a manager.
type Options struct {
	// OperatorNamespace is where the credential Secrets lie. Required, and the same as was given to ManagerOptions.
	OperatorNamespace string

	// UserAgent is sent to the Vonage API.
	UserAgent string

	// VonageAccountWorkers, MeetingRoomWorkers, BreakoutSetWorkers and RoomSignalWorkers are how many objects of a kind
	// are worked on at once. Default: 4, 64, 16, 8.
	VonageAccountWorkers, MeetingRoomWorkers, BreakoutSetWorkers, RoomSignalWorkers int

	// Vonage are further options of the clients of the Vonage API, such as another transport.
	Vonage []vonage.Option
}

// dependencies are what the reconcilers share.
type dependencies struct {
	Options
	accounts     *account.Registry
	recheckQueue *RecheckQueue
	deliveries   *memory[sampleapp.Delivery] // what was sent of each set
}

// setupFunc registers the controller of one kind.
type setupFunc func(ctrl.Manager, *dependencies) error

// SetupAll registers all controllers with a manager that was made with ManagerOptions.
func SetupAll(mgr ctrl.Manager, o Options) error {
	return setup(mgr, o,
		setupVonageAccounts,
		setupMeetingRooms,
		setupBreakoutSets,
		setupRoomSignals,
	)
}

func setup(mgr ctrl.Manager, o Options, kinds ...setupFunc) error {
	if o.OperatorNamespace == "" {
		return errors.New("setting up the controllers: the operator's namespace is not known")
	}
	recheckQueue := NewRecheckQueue()
	d := &dependencies{Options: o, recheckQueue: recheckQueue, deliveries: newMemory[sampleapp.Delivery](),
		accounts: account.NewRegistry(mgr.GetClient(), account.Options{
			Namespace: o.OperatorNamespace,
			UserAgent: o.UserAgent,
			Observe:   observeVendor,
			Rejected:  recheckQueue.Add,
			Outage:    recheckQueue.Refresh,
			Client:    o.Vonage,
		})}
	for _, kind := range kinds {
		if err := kind(mgr, d); err != nil {
			return fmt.Errorf("setting up a controller: %w", err)
		}
	}
	return nil
}

func setupVonageAccounts(mgr ctrl.Manager, d *dependencies) error {
	return newVonageAccountReconciler(mgr, d).SetupWithManager(mgr)
}

func newVonageAccountReconciler(mgr ctrl.Manager, d *dependencies) *VonageAccountReconciler {
	return &VonageAccountReconciler{
		Client:                  mgr.GetClient(),
		Accounts:                d.accounts,
		Recorder:                mgr.GetEventRecorder(recorderName),
		RecheckQueue:            d.recheckQueue,
		MaxConcurrentReconciles: orDefault(d.VonageAccountWorkers, 4),
	}
}

func setupMeetingRooms(mgr ctrl.Manager, d *dependencies) error {
	return newMeetingRoomReconciler(mgr, d).SetupWithManager(mgr)
}

func newMeetingRoomReconciler(mgr ctrl.Manager, d *dependencies) *MeetingRoomReconciler {
	return &MeetingRoomReconciler{
		Client:                  mgr.GetClient(),
		APIReader:               mgr.GetAPIReader(),
		Accounts:                d.accounts,
		Recorder:                mgr.GetEventRecorder(recorderName),
		MaxConcurrentReconciles: orDefault(d.MeetingRoomWorkers, 64),
	}
}

func setupBreakoutSets(mgr ctrl.Manager, d *dependencies) error {
	return (&BreakoutSetReconciler{
		Client:                  mgr.GetClient(),
		APIReader:               mgr.GetAPIReader(),
		Accounts:                d.accounts,
		Recorder:                mgr.GetEventRecorder(recorderName),
		MaxConcurrentReconciles: orDefault(d.BreakoutSetWorkers, 16),
		deliveries:              d.deliveries,
	}).SetupWithManager(mgr)
}

func setupRoomSignals(mgr ctrl.Manager, d *dependencies) error {
	return (&RoomSignalReconciler{
		Client:                  mgr.GetClient(),
		APIReader:               mgr.GetAPIReader(),
		Accounts:                d.accounts,
		Recorder:                mgr.GetEventRecorder(recorderName),
		MaxConcurrentReconciles: orDefault(d.RoomSignalWorkers, 8),
		deliveries:              d.deliveries,
	}).SetupWithManager(mgr)
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Scheme has the kinds that the operator reads and writes. It is made once, and shared.
var Scheme = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
})

// ManagerOptions are the options of a manager that the controllers can work with: a cache that holds Secrets of the
// operator's namespace only, and nothing of objects that nobody reads; reads that see this process's own writes; and
// warm caches while waiting to become the leader.
func ManagerOptions(operatorNamespace string) ctrl.Options {
	return ctrl.Options{
		Scheme: Scheme(),
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Secret{}: {Namespaces: map[string]cache.Config{operatorNamespace: {}}},
			},
		},
		Client: client.Options{
			Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)},
		},
		Controller: config.Controller{EnableWarmup: new(true)},
	}
}
