// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/operation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/yaml"
)

// Resource is a kind that a Server serves.
type Resource struct {
	// Group, Version, Plural and Kind name it.
	Group, Version, Plural, Kind string

	// Namespaced is whether its objects live in namespaces.
	Namespaced bool

	// status is whether it has the status subresource.
	status bool

	// nature is what applies to its objects alone. It has no state: all Servers of a process share it.
	nature nature
}

// nature is what the API server does with objects of one kind, beside what it does with those of all.
type nature interface {
	// complete leaves of an object what is known, and fills in what is there by default.
	complete(obj Object) (Object, error)

	// prepare puts right what a user may not write in an object that is to replace old, or is new where old is nil;
	// status is whether only its status is written.
	prepare(obj, old Object, status bool)

	// validate returns what is wrong with it then.
	validate(obj, old Object, status bool) field.ErrorList
}

// GVK is the resource's kind with group and version.
func (r *Resource) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// GroupResource is the resource with its group.
func (r *Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Group, Resource: r.Plural}
}

// custom is whether it is of a CustomResourceDefinition.
func (r *Resource) custom() bool {
	_, ok := r.nature.(*customResource)
	return ok
}

// scaled is whether it has the scale subresource.
func (r *Resource) scaled() bool {
	c, ok := r.nature.(*customResource)
	return ok && c.replicas != nil
}

// LoadCRDs reads the CustomResourceDefinitions of a folder of YAML files, each with one version. It compiles their
// rules, which takes a while: call it once, and outside of any bubble.
func LoadCRDs(dir string) ([]*Resource, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no YAML files in %s", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("load CustomResourceDefinitions: %w", err)
	}
	resources := make([]*Resource, len(files))
	for i, file := range files {
		if resources[i], err = loadCRD(file); err != nil {
			return nil, fmt.Errorf("load CustomResourceDefinition %s: %w", file, err)
		}
	}
	return resources, nil
}

func loadCRD(file string) (*Resource, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		return nil, err
	}
	v := crd.Spec.Versions[0]
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		v.Schema.OpenAPIV3Schema,
		internal,
		nil,
	); err != nil {
		return nil, err
	}
	r := &Resource{
		Group: crd.Spec.Group, Version: v.Name, Plural: crd.Spec.Names.Plural, Kind: crd.Spec.Names.Kind,
		Namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
		status:     v.Subresources != nil && v.Subresources.Status != nil,
	}
	c := &customResource{gvk: r.GVK(), namespaced: r.Namespaced, hasStatus: r.status}
	r.nature = c
	if c.structural, err = structuralschema.NewStructural(internal); err != nil {
		return nil, err
	}
	c.structural = c.structural.DeepCopy() // the defaults are still those of internal
	if err := defaulting.PruneDefaults(c.structural); err != nil {
		return nil, err
	}
	if c.validator, _, err = validation.NewSchemaValidator(internal); err != nil {
		return nil, err
	}
	status := internal.Properties["status"]
	if c.statusValidator, _, err = validation.NewSchemaValidator(&status); err != nil {
		return nil, err
	}
	if v.Subresources != nil && v.Subresources.Scale != nil {
		c.replicas = []string{v.Subresources.Scale.SpecReplicasPath, v.Subresources.Scale.StatusReplicasPath}
	}
	c.cel = cel.NewValidator(c.structural, true, celconfig.PerCallLimit)
	return r, nil
}

// customResource is the nature of the objects of a CustomResourceDefinition, as
// k8s.io/apiextensions-apiserver/pkg/registry/customresource has it, which needs a client of etcd.
type customResource struct {
	gvk                        schema.GroupVersionKind
	namespaced, hasStatus      bool
	structural                 *structuralschema.Structural
	validator, statusValidator validation.SchemaValidator
	cel                        *cel.Validator
	replicas                   []string // where the scale subresource has them, in the spec and in the status
}

func (c *customResource) complete(obj Object) (Object, error) {
	m, found, err := objectmeta.GetObjectMeta(obj, false)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: obj}
	ours := u.GroupVersionKind() == c.gvk // validate refuses others
	if ours {
		pruning.Prune(obj, c.structural, true)
		defaulting.PruneNonNullableNullsWithoutDefaults(obj, c.structural)
	}
	if found {
		m.ManagedFields = nil
		if err := objectmeta.SetObjectMeta(obj, m); err != nil {
			return nil, err
		}
	}
	if ours {
		defaulting.Default(obj, c.structural)
	}
	return obj, nil
}

func (c *customResource) prepare(obj, old Object, status bool) {
	u := &unstructured.Unstructured{Object: obj}
	switch {
	case old == nil:
		u.SetGeneration(1)
		if c.hasStatus {
			delete(obj, "status")
		}
		return
	case status:
		written, ok := obj["status"]
		clear(obj)
		maps.Copy(obj, runtime.DeepCopyJSON(old))
		adopt(obj, Object{}, "status")
		if ok {
			obj["status"] = written
		}
		return
	case c.hasStatus:
		adopt(obj, old, "status")
	}
	if !reflect.DeepEqual(content(obj), content(old)) {
		u.SetGeneration((&unstructured.Unstructured{Object: old}).GetGeneration() + 1)
	}
}

// content is what of an object counts for its generation.
func content(obj Object) Object {
	c := maps.Clone(obj)
	delete(c, "metadata")
	return c
}

func (c *customResource) validate(obj, old Object, status bool) field.ErrorList {
	u := &unstructured.Unstructured{Object: obj}
	var errs field.ErrorList
	if u.GetKind() != c.gvk.Kind {
		errs = append(errs, field.Invalid(field.NewPath("kind"), u.GetKind(), "must be "+c.gvk.Kind))
	}
	if gv := c.gvk.GroupVersion().String(); u.GetAPIVersion() != gv {
		errs = append(errs, field.Invalid(field.NewPath("apiVersion"), u.GetAPIVersion(), "must be "+gv))
	}
	if len(errs) > 0 {
		return errs
	}
	ctx := context.Background()
	verb := operation.Create
	if old != nil {
		verb = operation.Update
	}
	errs = validateMetadata(ctx, verb, obj, old, c.namespaced)
	known := transition{c.gvk.Kind, status, digest(obj), digest(old)}
	if _, ok := valid.Load(known); ok && len(errs) == 0 {
		return nil
	}
	errs = c.validateContent(ctx, errs, obj, old, status)
	if len(errs) == 0 {
		valid.Store(known, nil)
	}
	return errs
}

// transition is a change of an object's content.
type transition struct {
	kind     string
	status   bool
	obj, old [sha256.Size]byte
}

// valid are transitions that were found to be valid. Thousands of worlds write the same, and the rules see nothing of
// an object's metadata but its name.
var valid sync.Map

// digest is that of all that validateContent sees of an object.
func digest(obj Object) [sha256.Size]byte {
	if obj == nil {
		return [sha256.Size]byte{}
	}
	m := metaOf(obj)
	return sha256.Sum256(encode([]any{m["name"], m["generateName"], content(obj)}))
}

// validateContent adds to errs what is wrong with all but the metadata.
func (c *customResource) validateContent(
	ctx context.Context,
	errs field.ErrorList,
	obj, old Object,
	status bool,
) field.ErrorList {
	var before any
	var options []cel.Option
	if old == nil {
		errs = append(errs, validation.ValidateCustomResource(nil, obj, c.validator)...)
	} else {
		before = old
		correlated := common.NewCorrelatedObject(obj, old, &model.Structural{Structural: c.structural})
		options = append(options, cel.WithRatcheting(correlated))
		if !status {
			errs = append(
				errs,
				validation.ValidateCustomResourceUpdate(
					nil,
					obj,
					old,
					c.validator,
					validation.WithRatcheting(correlated),
				)...)
		} else if written, ok := obj["status"]; ok {
			errs = append(
				errs,
				validation.ValidateCustomResourceUpdate(
					field.NewPath("status"),
					written,
					old["status"],
					c.statusValidator,
					validation.WithRatcheting(correlated.Key("status")),
				)...)
		}
	}
	for _, path := range c.replicas {
		if status && !strings.HasPrefix(path, ".status") {
			continue
		}
		n, _, err := unstructured.NestedInt64(obj, strings.Split(strings.TrimPrefix(path, "."), ".")...)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(field.NewPath(path), n, err.Error()))
		case n < 0:
			errs = append(errs, field.Invalid(field.NewPath(path), n, "should be a non-negative integer"))
		}
	}
	if old == nil || len(listtype.ValidateListSetsAndMaps(nil, c.structural, old)) == 0 {
		errs = append(errs, listtype.ValidateListSetsAndMaps(nil, c.structural, obj)...)
	}
	blocks := func(err *field.Error) bool {
		return slices.Contains([]field.ErrorType{
			field.ErrorTypeNotSupported,
			field.ErrorTypeRequired,
			field.ErrorTypeTooLong,
			field.ErrorTypeTooMany,
			field.ErrorTypeTypeInvalid,
		}, err.Type)
	}
	switch {
	case c.cel == nil:
	case slices.ContainsFunc(errs, blocks):
		errs = append(errs, field.Invalid(
			nil,
			nil,
			"some validation rules were not checked because the object was invalid; "+
				"correct the existing errors to complete validation",
		))
	default:
		broken, _ := c.cel.Validate(ctx, nil, c.structural, obj, before, celconfig.RuntimeCELCostBudget, options...)
		errs = append(errs, broken...)
	}
	return errs
}

// validateMetadata returns what is wrong with the metadata of a custom resource.
func validateMetadata(ctx context.Context, verb operation.Type, obj, old Object, namespaced bool) field.ErrorList {
	typed := func(obj Object) *metav1.ObjectMeta {
		m, _, _ := objectmeta.GetObjectMeta(obj, false) // complete has seen to it
		if m == nil {
			m = &metav1.ObjectMeta{}
		}
		return m
	}
	var before *metav1.ObjectMeta
	var valid apivalidation.ValidateNameFunc = apivalidation.NameIsDNSSubdomain
	if old != nil {
		before, valid = typed(old), nil
	}
	return apivalidation.ValidateObjectMetaDeclaratively(
		ctx,
		verb,
		typed(obj),
		before,
		namespaced,
		valid,
		field.NewPath("metadata"),
		true,
	)
}
