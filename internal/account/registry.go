// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	// defaultRequestsPerSecond and defaultBurst limit accounts that say nothing else.
	defaultRequestsPerSecond = 200
	defaultBurst             = 400
)

// Options are what a Registry needs beside a reader.
type Options struct {
	// Namespace is the operator's own namespace, where the credential Secrets lie. Required.
	Namespace string
	// Clock is for JWTs, timeouts and rate limits. Default: the system's.
	Clock clock.WithDelayedExecution
	// UserAgent is sent to the vendor. Default: that of internal/vonage.
	UserAgent string
	// Observe, if given, is called after every request to the vendor, with the account's name. It must be safe for
	// concurrent use.
	Observe func(account, operation string, class vonage.Class, status int, duration time.Duration)
	// Rejected, if given, is called when the vendor refuses an account's credentials in any call but the probe. It must
	// be safe for concurrent use and not block.
	Rejected func(account string)
	// Outage, if given, is called when calls of an account begin to be held back because Vonage does not answer, and
	// when they are no more. It must be safe for concurrent use and not block.
	Outage func(account string)
	// Client are further options of every client, such as another transport.
	Client []vonage.Option
}

// Registry keeps one client per VonageAccount. It is safe for concurrent use.
type Registry struct {
	reader  client.Reader
	options Options

	mu      sync.Mutex
	entries map[string]*entry // by the account's name
}

// entry is a client and what it was made from.
type entry struct {
	made    ingredients
	account *Account
}

// ingredients are what a client is made from. When none of them has changed the client is still good.
type ingredients struct {
	accountUID        types.UID
	endpoint          string
	requestsPerSecond int32
	burst             int32
	secretUID         types.UID
	secretVersion     string
}

// NewRegistry returns a registry that reads VonageAccounts, Namespaces (metadata only) and Secrets of the operator's
// namespace from reader, which is meant to be a cache: it is read at every reconcile.
func NewRegistry(reader client.Reader, options Options) *Registry {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Registry{reader: reader, options: options, entries: map[string]*entry{}}
}

// Connect returns the account with the credentials that are in its Secret now, whether they were accepted or not: for
// the controller that checks them. It makes no call to the vendor. Its errors are of type *Error with reason
// SecretNotFound, SecretInvalid or SpecInvalid, or those of the reader.
func (g *Registry) Connect(ctx context.Context, va *v1alpha1.VonageAccount) (*Account, error) {
	if _, err := namespaceSelector(va); err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: g.options.Namespace, Name: va.Spec.CredentialsSecretRef.Name}
	switch err := g.reader.Get(
		ctx, key, secret, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency,
	); {
	case apierrors.IsNotFound(err):
		return nil, failf(v1alpha1.SecretNotFoundReason,
			"Secret %q does not exist in the operator's namespace %q: create it with key %q",
			key.Name, key.Namespace, secretKey(va))
	case err != nil:
		return nil, fmt.Errorf("reading the credentials of VonageAccount %q: %w", va.Name, err)
	}
	limits := ptr.Deref(va.Spec.RateLimit, v1alpha1.RateLimit{})
	made := ingredients{
		accountUID:        va.UID,
		endpoint:          va.Spec.Endpoint,
		requestsPerSecond: ptr.Deref(limits.RequestsPerSecond, defaultRequestsPerSecond),
		burst:             ptr.Deref(limits.Burst, defaultBurst),
		secretUID:         secret.UID,
		secretVersion:     secret.ResourceVersion,
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.entries[va.Name]
	if old == nil || old.made != made {
		fresh, err := g.connect(va, secret, made, old)
		if err != nil {
			return nil, err
		}
		g.entries[va.Name] = fresh
		old = fresh
	}
	a := *old.account
	a.Adoption = va.Spec.Adoption
	return &a, nil
}

// connect makes a client, or takes the old one over when nothing changed that matters to it.
func (g *Registry) connect(
	va *v1alpha1.VonageAccount, secret *corev1.Secret, made ingredients, old *entry,
) (*entry, error) {
	key, ok := secret.Data[secretKey(va)]
	if !ok {
		return nil, failf(v1alpha1.SecretInvalidReason, "Secret %q has no key %q, which environment %s needs: add it",
			secret.Name, secretKey(va), environment(va))
	}
	credentials, err := vonage.NewCredentials(vonage.Environment(environment(va)), va.Spec.ProjectID, key)
	if err != nil {
		return nil, failf(v1alpha1.SecretInvalidReason, "key %q of Secret %q cannot be used: %s", secretKey(va),
			secret.Name, err)
	}
	if old != nil && old.made.sameButSecret(made) && old.account.Credentials.Equal(credentials) {
		return &entry{made: made, account: old.account}, nil
	}
	options := g.clientOptions(va.Name, made)
	if old != nil && old.made.sameButSecret(made) {
		options = append(options, vonage.WithLimitsOf(old.account.Client))
	}
	vendor, err := vonage.NewClient(credentials, options...)
	if err != nil {
		return nil, failf(v1alpha1.SpecInvalidReason, "spec.endpoint cannot be used: %s", err)
	}
	if old != nil {
		old.account.Client.Close() // calls under way go on
	}
	return &entry{made: made, account: &Account{
		Name:        va.Name,
		ProjectID:   va.Spec.ProjectID,
		Environment: environment(va),
		Client:      vendor,
		Credentials: credentials,
	}}, nil
}

func (i ingredients) sameButSecret(other ingredients) bool {
	i.secretUID, i.secretVersion = other.secretUID, other.secretVersion
	return i == other
}

func (g *Registry) clientOptions(name string, made ingredients) []vonage.Option {
	options := []vonage.Option{
		vonage.WithEndpoint(made.endpoint),
		vonage.WithRateLimit(float64(made.requestsPerSecond), int(made.burst)),
		vonage.WithClock(g.options.Clock),
		vonage.WithObserver(func(op string, class vonage.Class, status int, d time.Duration) {
			g.observe(name, op, class, status, d)
		}),
		vonage.WithOutageObserver(func(vonage.Outage) {
			if g.options.Outage != nil {
				g.options.Outage(name)
			}
		}),
	}
	if g.options.UserAgent != "" {
		options = append(options, vonage.WithUserAgent(g.options.UserAgent))
	}
	return append(options, g.options.Client...)
}

func (g *Registry) observe(name, op string, class vonage.Class, status int, d time.Duration) {
	if g.options.Observe != nil {
		g.options.Observe(name, op, class, status, d)
	}
	if g.options.Rejected != nil && class == vonage.ClassCredentials && op != vonage.OpProbe {
		g.options.Rejected(name)
	}
}

// Forget closes the client of an account that is gone.
func (g *Registry) Forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e := g.entries[name]; e != nil {
		e.account.Client.Close()
		delete(g.entries, name)
	}
}

// environment is the account's environment with the default filled in.
func environment(va *v1alpha1.VonageAccount) v1alpha1.Environment {
	if va.Spec.Environment == "" {
		return v1alpha1.EnvironmentUnified
	}
	return va.Spec.Environment
}

// secretKey is the key in the credentials Secret that the account's environment needs.
func secretKey(va *v1alpha1.VonageAccount) string {
	if environment(va) == v1alpha1.EnvironmentOpenTok {
		return v1alpha1.APISecretSecretKey
	}
	return v1alpha1.PrivateKeySecretKey
}

// namespaceMetadata is an empty Namespace of which only the metadata are read and kept.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}
