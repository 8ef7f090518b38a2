// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kjson "sigs.k8s.io/json"
)

// builtIn are the resources of every Server.
var builtIn = []*Resource{
	{Version: "v1", Plural: "namespaces", Kind: "Namespace", status: true, nature: typed[*corev1.Namespace]{
		make: func() *corev1.Namespace { return &corev1.Namespace{} }, adjust: adjustNamespace, check: checkNamespace,
	}},
	{Version: "v1", Plural: "secrets", Kind: "Secret", Namespaced: true, nature: typed[*corev1.Secret]{
		make: func() *corev1.Secret { return &corev1.Secret{} }, fill: fillSecret, check: checkSecret,
	}},
	{
		Group:      "events.k8s.io",
		Version:    "v1",
		Plural:     "events",
		Kind:       "Event",
		Namespaced: true,
		nature: typed[*eventsv1.Event]{
			make: func() *eventsv1.Event { return &eventsv1.Event{} },
		},
	},
}

// typed is the nature of objects that have a Go type. All functions but make may be nil.
type typed[T client.Object] struct {
	make func() T

	// fill fills defaults in, adjust is prepare, and check validate; without an old object before is nil.
	fill   func(obj T)
	adjust func(obj, before T)
	check  func(obj, before T) field.ErrorList
}

// typedNature is any typed.
type typedNature interface {
	// empty is an object with nothing in it, and example one as its Go type.
	empty() Object
	example() any
}

func (k typed[T]) empty() Object { return k.untyped(k.make()) }

func (k typed[T]) example() any { return k.make() }

func (k typed[T]) complete(obj Object) (Object, error) {
	value := k.make()
	if kind := reflect.TypeOf(value).Elem().Name(); obj["kind"] != kind {
		return nil, fmt.Errorf("it is no %s", kind)
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(encode(obj), value); err != nil {
		return nil, err
	}
	value.SetManagedFields(nil)
	if k.fill != nil {
		k.fill(value)
	}
	return k.untyped(value), nil
}

func (k typed[T]) untyped(value T) Object {
	obj, err := decode(encode(value))
	if err != nil {
		panic(err) // it was encoded just now
	}
	return obj
}

func (k typed[T]) value(obj Object) (value T) {
	if obj == nil {
		return value
	}
	value = k.make()
	if err := json.Unmarshal(encode(obj), value); err != nil {
		panic(err) // complete has seen to it
	}
	return value
}

func (k typed[T]) prepare(obj, old Object, _ bool) {
	if k.adjust == nil {
		return
	}
	value := k.value(obj)
	k.adjust(value, k.value(old))
	clear(obj)
	maps.Copy(obj, k.untyped(value))
}

func (k typed[T]) validate(obj, old Object, _ bool) field.ErrorList {
	if k.check == nil {
		return nil
	}
	return k.check(k.value(obj), k.value(old))
}

func adjustNamespace(ns, before *corev1.Namespace) {
	if before != nil {
		ns.Spec, ns.Status = before.Spec, before.Status
	} else {
		ns.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
		if !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
			ns.Spec.Finalizers = append(ns.Spec.Finalizers, corev1.FinalizerKubernetes)
		}
	}
	if ns.Labels == nil {
		ns.Labels = map[string]string{}
	}
	ns.Labels[corev1.LabelMetadataName] = ns.Name
}

func checkNamespace(ns, _ *corev1.Namespace) field.ErrorList {
	return apivalidation.ValidateObjectMeta(
		&ns.ObjectMeta,
		false,
		apivalidation.ValidateNamespaceName,
		field.NewPath("metadata"),
	)
}

func fillSecret(secret *corev1.Secret) {
	if secret.Type == "" {
		secret.Type = corev1.SecretTypeOpaque
	}
	for key, value := range secret.Data {
		if value == nil {
			secret.Data[key] = []byte{}
		}
	}
	for key, value := range secret.StringData {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}

func checkSecret(secret, before *corev1.Secret) field.ErrorList {
	var errs field.ErrorList
	data := field.NewPath("data")
	if before != nil {
		errs = append(
			errs,
			apivalidation.ValidateObjectMetaUpdate(
				&secret.ObjectMeta,
				&before.ObjectMeta,
				field.NewPath("metadata"),
			)...)
		errs = append(errs, apivalidation.ValidateImmutableField(secret.Type, before.Type, field.NewPath("type"))...)
		if before.Immutable != nil && *before.Immutable {
			const why = "field is immutable when `immutable` is set"
			if secret.Immutable == nil || !*secret.Immutable {
				errs = append(errs, field.Forbidden(field.NewPath("immutable"), why))
			}
			if !apiequality.Semantic.DeepEqual(secret.Data, before.Data) {
				errs = append(errs, field.Forbidden(data, why))
			}
		}
	}
	errs = append(
		errs,
		apivalidation.ValidateObjectMeta(
			&secret.ObjectMeta,
			true,
			apivalidation.NameIsDNSSubdomain,
			field.NewPath("metadata"),
		)...)
	size := 0
	for _, key := range sortedKeys(secret.Data) {
		for _, message := range validation.IsConfigMapKey(key) {
			errs = append(errs, field.Invalid(data.Key(key), key, message))
		}
		size += len(secret.Data[key])
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(data, "", corev1.MaxSecretSize))
	}
	return errs
}
