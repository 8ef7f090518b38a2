// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// access is a question to the authorizer.
type access struct{ user, namespace, verb, group, resource string }

func allowed(ctx context.Context, clients kubernetes.Interface, a access) (bool, error) {
	review, err := clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: a.user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: a.namespace, Verb: a.verb, Group: a.group, Resource: a.resource,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// waitUntilAllowed waits for a grant: the authorizer learns of it by a watch.
func waitUntilAllowed(t *testing.T, clients kubernetes.Interface, a access) {
	t.Helper()
	eventually(t, "not allowed: "+a.user+" to "+a.verb+" "+a.resource, func(ctx context.Context) (bool, error) {
		return allowed(ctx, clients, a)
	})
}

// withAggregated returns the ClusterRole's name and those of the roles that a cluster's controller would fill
// it from. Here none runs, so whoever binds all of them grants what the role alone grants in a cluster.
func withAggregated(t *testing.T, clients kubernetes.Interface, name string) []string {
	t.Helper()
	names := []string{name}
	for i := 0; i < len(names); i++ {
		role, err := clients.RbacV1().ClusterRoles().Get(t.Context(), names[i], metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if role.AggregationRule == nil {
			continue
		}
		for _, selector := range role.AggregationRule.ClusterRoleSelectors {
			labels := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&selector)}
			roles, err := clients.RbacV1().ClusterRoles().List(t.Context(), labels)
			if err != nil {
				t.Fatal(err)
			}
			for _, aggregated := range roles.Items {
				if !slices.Contains(names, aggregated.Name) {
					names = append(names, aggregated.Name)
				}
			}
		}
	}
	return names
}

// testInstallation applies what "make deploy" would and asks who may do what then.
func testInstallation(t *testing.T, cp *ControlPlane, clients kubernetes.Interface) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApplyManifests(t.Context(), cp.Config(), filepath.Join(root, "config", "default")); err != nil {
		t.Fatal(err)
	}
	const (
		operator = "system:serviceaccount:breakout-operator-system:breakout-operator-controller-manager"
		system   = "breakout-operator-system"
		group    = "breakout-operator.io"
	)
	optedIn := makeNamespace(t, clients, "opted-in")
	optIn, err := ReadManifests(t.Context(), filepath.Join(root, "config", "rbac-token-secrets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range optIn {
		object.SetNamespace(optedIn) // as kubectl apply -n does
	}
	if err := ApplyObjects(t.Context(), cp.Config(), optIn); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"view", "edit", "admin"} {
		for _, role := range withAggregated(t, clients, user) {
			_, err := clients.RbacV1().RoleBindings(optedIn).Create(t.Context(), &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: user + "-" + role},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
	}

	for _, a := range []access{
		{operator, system, "watch", "", "secrets"},
		{operator, system, "update", "coordination.k8s.io", "leases"},
		{operator, optedIn, "create", "", "secrets"},
		{operator, optedIn, "create", group, "meetingrooms"},
		{operator, optedIn, "update", group, "breakoutsets/status"},
		{operator, "", "watch", group, "vonageaccounts"},
		{"view", optedIn, "get", group, "breakoutsets"},
		{"view", optedIn, "get", group, "roomsignals"},
		{"edit", optedIn, "create", group, "meetingrooms"},
		{"edit", optedIn, "patch", group, "breakoutsets/scale"},
		{"admin", optedIn, "deletecollection", group, "roomsignals"},
	} {
		waitUntilAllowed(t, clients, a)
	}
	// All grants have taken effect by now, so what is refused is refused for good.
	for name, a := range map[string]access{
		"the operator writes no credentials":                 {operator, system, "update", "", "secrets"},
		"the operator reads no Secrets of others":            {operator, "default", "get", "", "secrets"},
		"the operator changes no accounts":                   {operator, "", "update", group, "vonageaccounts"},
		"the operator makes no sets":                         {operator, optedIn, "create", group, "breakoutsets"},
		"whoever may not see Secrets sees no tokens":         {"view", optedIn, "get", group, "meetingrooms"},
		"a tenant's administrator does not see the accounts": {"admin", optedIn, "get", group, "vonageaccounts"},
		"a tenant's administrator does not change what happened": {
			"admin", optedIn, "update", group, "meetingrooms/status",
		},
	} {
		got, err := allowed(t.Context(), clients, a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got {
			t.Errorf("%s: but %s may %s %s", name, a.user, a.verb, a.resource)
		}
	}
}
