// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

const (
	testProject   = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	otherProject  = "3f2504e0-4f89-41d3-9a0c-0305e82c3302"
	operatorSpace = "operator"
)

var (
	testKey  = newKey()
	otherKey = newKey()
)

func newKey() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func keyID(key []byte) string {
	c, err := vonage.NewCredentials(vonage.Unified, testProject, key)
	if err != nil {
		panic(err)
	}
	return c.KeyID()
}

// makeAccount is a Ready account whose Secret is called "key".
func makeAccount(name string, change ...func(*v1alpha1.VonageAccount)) *v1alpha1.VonageAccount {
	va := &v1alpha1.VonageAccount{}
	va.Name, va.UID, va.Generation = name, "uid-1", 1
	va.Spec.ProjectID = testProject
	va.Spec.CredentialsSecretRef.Name = "key"
	va.Status.KeyID = keyID(testKey)
	va.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.AccountReadyReason,
	}}
	for _, c := range change {
		c(va)
	}
	return va
}

func asDefault(va *v1alpha1.VonageAccount) {
	va.Annotations = map[string]string{v1alpha1.DefaultAccountAnnotation: "true"}
}

func notReadyBecause(reason string, more ...metav1.Condition) func(*v1alpha1.VonageAccount) {
	return func(va *v1alpha1.VonageAccount) {
		va.Status.Conditions = append(
			[]metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, Reason: reason}}, more...,
		)
	}
}

func forTeam(va *v1alpha1.VonageAccount) {
	va.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{
		From:     v1alpha1.NamespacesFromSelector,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "maths"}},
	}
}

func makeSecret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorSpace, Name: "key", UID: "secret-uid"}, Data: data,
	}
}

func goodSecret() *corev1.Secret {
	return makeSecret(map[string][]byte{v1alpha1.PrivateKeySecretKey: testKey})
}

func makeNamespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func newReader(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(
		&v1alpha1.VonageAccount{},
	).Build()
}

func newRegistry(t *testing.T, objects ...client.Object) (*Registry, client.Client) {
	t.Helper()
	reader := newReader(t, objects...)
	return NewRegistry(reader, Options{Namespace: operatorSpace}), reader
}

func TestResolve(t *testing.T) {
	stalledCondition := metav1.Condition{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue}
	tests := map[string]struct {
		objects     []client.Object
		name        string
		wantAccount string
		wantReason  string
		wantWaiting bool
		wantInText  string
	}{
		"by name": {
			objects: []client.Object{makeAccount("a"), goodSecret()}, name: "a", wantAccount: "a",
		},
		"the default": {
			objects: []client.Object{makeAccount("a"), makeAccount("b", asDefault), goodSecret()}, wantAccount: "b",
		},
		"unknown": {
			objects: []client.Object{makeAccount("a"), goodSecret()}, name: "x",
			wantReason: v1alpha1.AccountNotFoundReason, wantInText: `"x"`,
		},
		"no default": {
			objects: []client.Object{makeAccount("a"), goodSecret()}, wantReason: v1alpha1.NoDefaultAccountReason,
			wantInText: v1alpha1.DefaultAccountAnnotation,
		},
		"two defaults": {
			objects:    []client.Object{makeAccount("b", asDefault), makeAccount("a", asDefault), goodSecret()},
			wantReason: v1alpha1.MultipleDefaultAccountsReason, wantInText: "a, b",
		},
		"namespace allowed": {
			objects: []client.Object{
				makeAccount("a", forTeam), goodSecret(), makeNamespace("ns", map[string]string{"team": "maths"}),
			}, name: "a", wantAccount: "a",
		},
		"namespace not allowed": {
			objects: []client.Object{makeAccount("a", forTeam), goodSecret(), makeNamespace("ns", nil)}, name: "a",
			wantReason: v1alpha1.NamespaceNotAllowedReason, wantInText: `"ns"`,
		},
		"namespace gone": {
			objects: []client.Object{makeAccount("a", forTeam), goodSecret()}, name: "a",
			wantReason: v1alpha1.NamespaceNotAllowedReason,
		},
		"not checked yet": {
			objects: []client.Object{
				makeAccount("a", func(va *v1alpha1.VonageAccount) { va.Status = v1alpha1.VonageAccountStatus{} }),
				goodSecret(),
			}, name: "a", wantReason: v1alpha1.AccountNotReadyReason, wantWaiting: true,
		},
		"key not checked yet": {
			objects: []client.Object{
				makeAccount("a"), makeSecret(map[string][]byte{v1alpha1.PrivateKeySecretKey: otherKey}),
			}, name: "a", wantReason: v1alpha1.AccountNotReadyReason, wantWaiting: true,
		},
		"vendor does not answer": {
			objects: []client.Object{makeAccount("a", notReadyBecause(v1alpha1.VendorUnavailableReason)), goodSecret()},
			name:    "a", wantReason: v1alpha1.AccountNotReadyReason, wantWaiting: true,
		},
		"rejected": {
			objects: []client.Object{
				makeAccount("a", notReadyBecause(v1alpha1.CredentialsRejectedReason, stalledCondition)), goodSecret(),
			}, name: "a", wantReason: v1alpha1.CredentialsRejectedReason,
		},
		"without Secret, known": {
			objects: []client.Object{makeAccount("a",
				notReadyBecause(v1alpha1.SecretNotFoundReason, stalledCondition))}, name: "a",
			wantReason: v1alpha1.AccountNotReadyReason, wantInText: v1alpha1.SecretNotFoundReason,
		},
		"without Secret, news": {
			objects: []client.Object{makeAccount("a")}, name: "a", wantReason: v1alpha1.AccountNotReadyReason,
			wantInText: v1alpha1.SecretNotFoundReason,
		},
		"Secret of another space": {
			objects: []client.Object{
				makeAccount("a"),
				&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "key"}, Data: goodSecret().Data},
			}, name: "a", wantReason: v1alpha1.AccountNotReadyReason,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g, _ := newRegistry(t, tc.objects...)
			got, err := g.Resolve(context.Background(), "ns", tc.name)
			checkResult(t, got, err, tc.wantAccount, tc.wantReason, tc.wantWaiting, tc.wantInText)
		})
	}
}

func checkResult(
	t *testing.T, got *Account, err error, wantAccount, wantReason string, wantWaiting bool, wantInText string,
) {
	t.Helper()
	if wantReason == "" {
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		if got.Name != wantAccount || got.ProjectID != testProject || got.KeyID() != keyID(testKey) ||
			got.Client == nil || got.Environment != v1alpha1.EnvironmentUnified {
			t.Errorf("got %+v", got)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Reason != wantReason || e.Waiting != wantWaiting {
		t.Errorf("reason %s, waiting %t", e.Reason, e.Waiting)
	}
	if !strings.Contains(e.Error(), wantInText) {
		t.Errorf("%q does not contain %q", e, wantInText)
	}
}

func TestResolveFor(t *testing.T) {
	va, other := makeAccount("a", asDefault), makeAccount("b")
	tests := map[string]struct {
		room        func(*v1alpha1.MeetingRoom)
		wantAccount string
		wantReason  string
	}{
		"default": {room: func(*v1alpha1.MeetingRoom) {}, wantAccount: "a"},
		"named": {
			room: func(r *v1alpha1.MeetingRoom) {
				r.Spec.AccountRef = &v1alpha1.LocalObjectReference{
					Name: "b",
				}
			},
			wantAccount: "b",
		},
		"pinned": {
			room:        func(r *v1alpha1.MeetingRoom) { r.Status.AccountName, r.Status.ProjectID = "b", testProject },
			wantAccount: "b",
		},
		"pinned, gone": {
			room:       func(r *v1alpha1.MeetingRoom) { r.Status.AccountName, r.Status.ProjectID = "x", testProject },
			wantReason: v1alpha1.AccountNotFoundReason,
		},
		"of other project": {
			room:       func(r *v1alpha1.MeetingRoom) { r.Status.AccountName, r.Status.ProjectID = "b", otherProject },
			wantReason: v1alpha1.AccountMismatchReason,
		},
		"project's letters": {room: func(r *v1alpha1.MeetingRoom) {
			r.Status.AccountName, r.Status.ProjectID = "b", strings.ToUpper(testProject)
		}, wantAccount: "b"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g, _ := newRegistry(t, va, other, goodSecret())
			room := &v1alpha1.MeetingRoom{}
			room.Namespace = "ns"
			tc.room(room)
			got, err := g.ResolveFor(context.Background(), room)
			checkResult(t, got, err, tc.wantAccount, tc.wantReason, false, "")
		})
	}
}

// Leaving must work for namespaces that are not allowed any more and with credentials that nobody has checked.
func TestResolveForCleanup(t *testing.T) {
	unchecked := func(va *v1alpha1.VonageAccount) { va.Status = v1alpha1.VonageAccountStatus{} }
	g, _ := newRegistry(t, makeAccount("a", forTeam, unchecked), goodSecret())
	got, err := g.ResolveForCleanup(context.Background(), "a")
	checkResult(t, got, err, "a", "", false, "")
	_, err = g.ResolveForCleanup(context.Background(), "x")
	checkResult(t, nil, err, "", v1alpha1.AccountNotFoundReason, false, "")
}

func TestConnectErrors(t *testing.T) {
	openTok := func(va *v1alpha1.VonageAccount) {
		va.Spec.Environment, va.Spec.ProjectID = v1alpha1.EnvironmentOpenTok, "45828062"
	}
	tests := map[string]struct {
		account    *v1alpha1.VonageAccount
		secret     *corev1.Secret
		wantReason string
		wantInText string
	}{
		"no Secret": {account: makeAccount("a"), wantReason: v1alpha1.SecretNotFoundReason, wantInText: `"key"`},
		"no key": {
			account:    makeAccount("a"),
			secret:     makeSecret(map[string][]byte{v1alpha1.APISecretSecretKey: []byte("s3cr3t")}),
			wantReason: v1alpha1.SecretInvalidReason, wantInText: `"private-key"`,
		},
		"no secret": {
			account: makeAccount("a", openTok), secret: goodSecret(), wantReason: v1alpha1.SecretInvalidReason,
			wantInText: `"api-secret"`,
		},
		"malformed": {
			account:    makeAccount("a"),
			secret:     makeSecret(map[string][]byte{v1alpha1.PrivateKeySecretKey: []byte("s3cr3t")}),
			wantReason: v1alpha1.SecretInvalidReason, wantInText: "PEM",
		},
		"endpoint": {
			account: makeAccount("a", func(va *v1alpha1.VonageAccount) { va.Spec.Endpoint = "ftp://x" }),
			secret:  goodSecret(), wantReason: v1alpha1.SpecInvalidReason, wantInText: "endpoint",
		},
		"invalid selector": {account: makeAccount("a", func(va *v1alpha1.VonageAccount) {
			forTeam(va)
			va.Spec.AllowedNamespaces.Selector.MatchLabels["team"] = "two words"
		}), secret: goodSecret(), wantReason: v1alpha1.SpecInvalidReason, wantInText: "selector"},
		"key of an OpenTok": {
			account:    makeAccount("a", openTok),
			secret:     makeSecret(map[string][]byte{v1alpha1.APISecretSecretKey: []byte("s3cr3t")}),
			wantReason: v1alpha1.SecretInvalidReason, wantInText: "characters",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{tc.account}
			if tc.secret != nil {
				objects = append(objects, tc.secret)
			}
			g, _ := newRegistry(t, objects...)
			_, err := g.Connect(context.Background(), tc.account)
			checkResult(t, nil, err, "", tc.wantReason, false, tc.wantInText)
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q tells the secret", err)
			}
		})
	}
}

// The client is shared as long as nothing changes that matters to it, and replaced when something does.
func TestConnectCaches(t *testing.T) {
	tests := map[string]struct {
		change   func(t *testing.T, c client.Client, va *v1alpha1.VonageAccount, secret *corev1.Secret)
		wantSame bool
	}{
		"nothing": {
			change: func(*testing.T, client.Client, *v1alpha1.VonageAccount, *corev1.Secret) {}, wantSame: true,
		},
		"namespaces and adoption": {
			change: func(_ *testing.T, _ client.Client, va *v1alpha1.VonageAccount, _ *corev1.Secret) {
				va.Generation++
				va.Spec.Adoption = v1alpha1.AdoptionAllowed
			},
			wantSame: true,
		},
		"the Secret's labels": {
			change: func(t *testing.T, c client.Client, _ *v1alpha1.VonageAccount, secret *corev1.Secret) {
				secret.Labels = map[string]string{"a": "b"}
				update(t, c, secret)
			},
			wantSame: true,
		},
		"the key": {change: func(t *testing.T, c client.Client, _ *v1alpha1.VonageAccount, secret *corev1.Secret) {
			secret.Data[v1alpha1.PrivateKeySecretKey] = otherKey
			update(t, c, secret)
		}},
		"the rate": {change: func(_ *testing.T, _ client.Client, va *v1alpha1.VonageAccount, _ *corev1.Secret) {
			va.Spec.RateLimit = &v1alpha1.RateLimit{RequestsPerSecond: new(int32(5))}
		}},
		"the endpoint": {change: func(_ *testing.T, _ client.Client, va *v1alpha1.VonageAccount, _ *corev1.Secret) {
			va.Spec.Endpoint = "https://example.com"
		}},
		"another account of the name": {
			change: func(_ *testing.T, _ client.Client, va *v1alpha1.VonageAccount, _ *corev1.Secret) {
				va.UID = "uid-2"
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			va, secret := makeAccount("a"), goodSecret()
			g, c := newRegistry(t, va, secret)
			first, err := g.Connect(context.Background(), va)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Get(context.Background(), client.ObjectKeyFromObject(secret), secret); err != nil {
				t.Fatal(err)
			}
			tc.change(t, c, va, secret)
			second, err := g.Connect(context.Background(), va)
			if err != nil {
				t.Fatal(err)
			}
			if (first.Client == second.Client) != tc.wantSame {
				t.Errorf("the same client: %t, want %t", first.Client == second.Client, tc.wantSame)
			}
			if second.Adoption != va.Spec.Adoption {
				t.Errorf("adoption %q, want %q", second.Adoption, va.Spec.Adoption)
			}
			g.Forget("a")
			third, err := g.Connect(context.Background(), va)
			if err != nil || third.Client == second.Client {
				t.Errorf("after Forget: the same client, or error %v", err)
			}
		})
	}
}

func update(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()
	if err := c.Update(context.Background(), obj); err != nil {
		t.Fatal(err)
	}
}

// Whoever is refused, the account is reported, but not for the probe that checks it; every request is observed.
func TestRejected(t *testing.T) {
	var rejected, observed []string
	forbidden := vonage.WithTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody}, nil
	}))
	va := makeAccount("a")
	g := NewRegistry(newReader(t, va, goodSecret()), Options{
		Namespace: operatorSpace,
		Client:    []vonage.Option{forbidden},
		Rejected:  func(name string) { rejected = append(rejected, name) },
		Observe: func(name, op string, class vonage.Class, status int, _ time.Duration) {
			observed = append(observed, name+" "+op+" "+string(class)+" "+http.StatusText(status))
		},
	})
	a, err := g.Connect(context.Background(), va)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Client.Probe(context.Background()); vonage.ClassOf(err) != vonage.ClassCredentials {
		t.Fatalf("probe: %v", err)
	}
	if len(rejected) != 0 {
		t.Errorf("the probe reported %v", rejected)
	}
	if _, err := a.Client.CreateSession(
		context.Background(), vonage.SessionOptions{},
	); vonage.ClassOf(err) != vonage.ClassCredentials {
		t.Fatalf("create: %v", err)
	}
	if len(rejected) != 1 || rejected[0] != "a" {
		t.Errorf("reported %v", rejected)
	}
	if len(observed) != 2 || observed[1] != "a create_session Credentials Forbidden" {
		t.Errorf("observed %q", observed)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
