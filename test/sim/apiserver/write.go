// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// The kinds of changes, as watches name them.
const (
	added    = "ADDED"
	modified = "MODIFIED"
	deleted  = "DELETED"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// metaOf is an object's metadata, which is made where there is none.
func metaOf(obj Object) Object {
	m, _ := obj["metadata"].(Object)
	if m == nil {
		m = Object{}
		obj["metadata"] = m
	}
	return m
}

func stringOf(m Object, key string) string {
	text, _ := m[key].(string)
	return text
}

func (s *Server) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(s.rand.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func decode(body []byte) (Object, error) {
	var obj Object
	err := utiljson.Unmarshal(body, &obj)
	return obj, err
}

// read makes an object of the body of a request.
func (t Target) read(body []byte) (Object, error) {
	obj, err := decode(body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	u := &unstructured.Unstructured{Object: obj}
	if !t.custom() {
		u.SetKind(cmp.Or(u.GetKind(), t.Kind))
		u.SetAPIVersion(cmp.Or(u.GetAPIVersion(), t.GVK().GroupVersion().String()))
	}
	if u.GetKind() == "" {
		summary := body[:min(len(body), 30)]
		return nil, apierrors.NewBadRequest(
			fmt.Sprintf("the object provided is unrecognized (must be of type %s): %v (%s ...)",
				t.Kind, runtime.NewMissingKindErr(string(body)), summary),
		)
	}
	if obj, err = t.nature.complete(u.Object); err != nil {
		return nil, apierrors.NewBadRequest(
			fmt.Sprintf(
				"%s in version %q cannot be handled as a %s: %v",
				u.GetKind(),
				u.GroupVersionKind().Version,
				t.Kind,
				err,
			),
		)
	}
	if gv := t.GVK().GroupVersion().String(); u.GetAPIVersion() != gv {
		return nil, apierrors.NewBadRequest(
			fmt.Sprintf(
				"the API version in the data (%s) does not match the expected API version (%s)",
				u.GetAPIVersion(),
				gv,
			),
		)
	}
	return obj, nil
}

// fits refuses an object that is not what the URL names.
func (t Target) fits(obj Object) error {
	u := &unstructured.Unstructured{Object: obj}
	if err := rest.EnsureObjectNamespaceMatchesRequestNamespace(t.Namespace, u); err != nil {
		return err
	}
	switch {
	case t.Name == u.GetName():
		return nil
	case u.GetName() == "":
		return apierrors.NewBadRequest(
			fmt.Sprintf("the name of the object (%s based on URL) was undeterminable: name must be provided", t.Name),
		)
	default:
		return apierrors.NewBadRequest(
			fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", u.GetName(), t.Name),
		)
	}
}

func (t Target) context() context.Context {
	return request.WithNamespace(context.Background(), t.Namespace)
}

// strategy has the API server's own code deal with a Target's objects.
type strategy struct{ Target }

var (
	_ rest.RESTCreateStrategy = strategy{}
	_ rest.RESTUpdateStrategy = strategy{}
	_ rest.RESTDeleteStrategy = strategy{}
)

func contentOf(obj runtime.Object) Object { return obj.(*unstructured.Unstructured).Object }

// ObjectKinds says that an object is of the kind that it names.
func (strategy) ObjectKinds(obj runtime.Object) ([]schema.GroupVersionKind, bool, error) {
	return []schema.GroupVersionKind{obj.GetObjectKind().GroupVersionKind()}, false, nil
}

// Recognizes is not asked.
func (strategy) Recognizes(schema.GroupVersionKind) bool { return true }

// GenerateName is not asked.
func (strategy) GenerateName(base string) string { return base }

// NamespaceScoped is whether the objects live in namespaces.
func (s strategy) NamespaceScoped() bool { return s.Namespaced }

// PrepareForCreate does nature.prepare.
func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	s.nature.prepare(contentOf(obj), nil, false)
}

// PrepareForUpdate does nature.prepare.
func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	s.nature.prepare(contentOf(obj), contentOf(old), s.Subresource == "status")
}

// Validate does nature.validate.
func (s strategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	return s.nature.validate(contentOf(obj), nil, false)
}

// ValidateUpdate does nature.validate.
func (s strategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return s.nature.validate(contentOf(obj), contentOf(old), s.Subresource == "status")
}

// WarningsOnCreate warns of nothing.
func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

// WarningsOnUpdate warns of nothing.
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// Canonicalize does nothing.
func (strategy) Canonicalize(runtime.Object) {}

// AllowCreateOnUpdate does not allow it.
func (strategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate allows it for all but custom resources.
func (s strategy) AllowUnconditionalUpdate(context.Context) bool { return !s.custom() }

// dedupOwners drops owners that are named before.
func dedupOwners(u *unstructured.Unstructured) {
	var once []metav1.OwnerReference
	for _, owner := range u.GetOwnerReferences() {
		if !slices.ContainsFunc(
			once,
			func(o metav1.OwnerReference) bool { return apiequality.Semantic.DeepEqual(o, owner) },
		) {
			once = append(once, owner)
		}
	}
	if len(once) < len(u.GetOwnerReferences()) {
		u.SetOwnerReferences(once)
	}
}

func (s *Server) create(t Target, body []byte) (*stored, error) {
	obj, err := t.read(body)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: obj}
	rest.WipeObjectMetaSystemFields(u)
	if err := rest.EnsureObjectNamespaceMatchesRequestNamespace(t.Namespace, u); err != nil {
		return nil, err
	}
	if t.Namespaced && s.stores["namespaces"].objects["/"+t.Namespace] == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, t.Namespace)
	}
	dedupOwners(u)
	u.SetCreationTimestamp(metav1.Now().Rfc3339Copy())
	u.SetUID(types.UID(s.uuid()))
	if prefix := u.GetGenerateName(); prefix != "" && u.GetName() == "" {
		const letters = 5
		longest := 63 - letters
		u.SetName(
			prefix[:min(len(prefix), longest)] + utilrand.SafeEncodeString(
				strconv.FormatUint(s.rand.Uint64(), 36)[:letters],
			),
		)
	}
	if err := rest.BeforeCreate(strategy{t}, t.context(), u); err != nil {
		return nil, err
	}
	if u.GetResourceVersion() != "" {
		return nil, errors.New("resourceVersion should not be set on objects to be created")
	}
	t.Name = u.GetName()
	if old := s.stores[t.Plural].objects[t.key()]; old != nil {
		err := apierrors.NewAlreadyExists(t.GroupResource(), t.Name)
		if metaOf(old.obj)["deletionTimestamp"] != nil {
			err.ErrStatus.Message = "object is being deleted: " + err.ErrStatus.Message
		}
		return nil, err
	}
	return s.write(t, added, u.Object), nil
}

// write stores an object under a new version and has the watches know of it. It is stored as it is, and defaults are
// filled in when it is read.
func (s *Server) write(t Target, eventType string, obj Object) *stored {
	of := s.stores[t.Plural]
	of.version++
	before := of.objects[t.key()]
	result := &stored{written: forStorage(obj)}
	obj, err := t.nature.complete(obj)
	if err != nil {
		panic(err) // it has been completed before
	}
	metaOf(obj)["resourceVersion"] = strconv.FormatUint(of.version, 10)
	result.obj, result.raw = obj, encode(obj)
	c := change{version: of.version, namespace: t.Namespace, before: before}
	if eventType == deleted {
		delete(of.objects, t.key())
	} else {
		of.objects[t.key()], c.after = result, result
	}
	of.history = append(of.history, c)
	if s.options.Changed != nil && t.Plural != "events" {
		s.options.Changed(eventType, t.Resource, obj)
	}
	for _, w := range s.watches {
		if w.Resource == t.Plural {
			w.take(c)
		}
	}
	return result
}

// forStorage is what of an object is stored; it has its version elsewhere.
func forStorage(obj Object) []byte {
	m := maps.Clone(metaOf(obj))
	delete(m, "resourceVersion")
	obj = maps.Clone(obj)
	obj["metadata"] = m
	return encode(obj)
}

func (s *Server) put(t Target, body []byte) (*stored, error) {
	obj, err := t.read(body)
	if err != nil {
		return nil, err
	}
	if err := t.fits(obj); err != nil {
		return nil, err
	}
	old, err := s.existing(t)
	if err != nil {
		return nil, err
	}
	if uid, is := stringOf(metaOf(obj), "uid"), stringOf(metaOf(old.obj), "uid"); uid != "" && uid != is {
		key := path.Join("/registry", t.Group, t.Plural, t.Namespace, t.Name)
		return nil, apierrors.NewConflict(
			t.GroupResource(),
			t.Name,
			fmt.Errorf("StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "+
				"AdditionalErrorMsg: Precondition failed: UID in precondition: %v, UID in object meta: %v",
				key, uid, is),
		)
	}
	return s.replace(t, old, obj)
}

// replace puts obj, or its status, in the place of old.
func (s *Server) replace(t Target, old *stored, obj Object) (*stored, error) {
	u, before := &unstructured.Unstructured{
		Object: obj,
	}, &unstructured.Unstructured{
		Object: runtime.DeepCopyJSON(old.obj),
	}
	dedupOwners(u)
	var version uint64
	if text := u.GetResourceVersion(); text != "" {
		var err error
		if version, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, err
		}
	}
	switch {
	case version == 0 && !t.custom():
		u.SetResourceVersion(before.GetResourceVersion())
	case version == 0:
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: t.Group, Kind: t.Plural}, t.Name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), version, "must be specified for an update"),
		})
	case u.GetResourceVersion() != before.GetResourceVersion():
		return nil, apierrors.NewConflict(t.GroupResource(), t.Name,
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if err := rest.BeforeUpdate(strategy{t}, t.context(), u, before); err != nil {
		return nil, err
	}
	if before.GetDeletionTimestamp() != nil && len(u.GetFinalizers()) == 0 {
		s.write(t, deleted, before.Object)
		return &stored{obj: u.Object, raw: encode(u.Object)}, nil
	}
	if bytes.Equal(forStorage(u.Object), old.written) {
		return old, nil
	}
	return s.write(t, modified, u.Object), nil
}

// adopt gives to what from has under a key, or nothing.
func adopt(to, from Object, key string) {
	if value, ok := from[key]; ok {
		to[key] = value
	} else {
		delete(to, key)
	}
}

// patchTypes are the kinds of patches that are known of: the last one is not carried out, and the first one only for
// built-in resources.
var patchTypes = []string{
	string(
		types.StrategicMergePatchType,
	),
	string(types.JSONPatchType),
	string(types.MergePatchType),
	string(types.ApplyYAMLPatchType),
}

func (s *Server) patch(t Target, contentType string, body []byte) (*stored, error) {
	contentType, _, _ = mime.ParseMediaType(contentType) // what is no media type is no patch either
	known := patchTypes
	if t.custom() {
		known = known[1:]
	}
	switch {
	case !slices.Contains(known, contentType):
		if !t.custom() {
			return nil, apierrors.NewGenericServerResponse(
				http.StatusUnsupportedMediaType,
				"",
				schema.GroupResource{},
				"",
				"415: Unsupported Media Type",
				0,
				false,
			)
		}
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure,
			Code:   http.StatusUnsupportedMediaType,
			Reason: metav1.StatusReasonUnsupportedMediaType,
			Message: "the body of the request was in an unknown format - accepted media types include: " + strings.Join(
				known,
				", ",
			),
		}}
	case contentType == string(types.ApplyYAMLPatchType):
		return nil, unknown("server-side apply")
	}
	old, err := s.existing(t)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, apierrors.NewBadRequest("invalid JSON patch")
	}
	patched, err := apply(types.PatchType(contentType), t, old, body)
	if err != nil {
		return nil, err
	}
	obj, err := decode(patched)
	if err == nil {
		obj, err = t.nature.complete(obj)
	}
	if err != nil {
		return nil, apierrors.NewInvalid(
			schema.GroupKind{},
			"",
			field.ErrorList{field.Invalid(field.NewPath("patch"), string(patched), err.Error())},
		)
	}
	if err := t.fits(obj); err != nil {
		return nil, err
	}
	return s.replace(t, old, obj)
}

// apply applies a patch.
func apply(kind types.PatchType, t Target, old *stored, body []byte) (patched []byte, err error) {
	switch kind {
	case types.MergePatchType:
		if err := json.Unmarshal(body, &Object{}); err != nil {
			return nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
		}
		return jsonpatch.MergePatch(old.raw, body)
	case types.JSONPatchType:
		p, err := jsonpatch.DecodePatch(body)
		if err != nil {
			return nil, apierrors.NewBadRequest("error decoding patch: " + err.Error())
		}
		if patched, err = p.Apply(old.raw); err != nil {
			return nil, apierrors.NewGenericServerResponse(
				http.StatusUnprocessableEntity,
				"",
				schema.GroupResource{},
				"",
				err.Error(),
				0,
				false,
			)
		}
		return patched, nil
	default:
		patch, err := decode(body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		merged, err := strategicpatch.StrategicMergeMapPatch(
			runtime.DeepCopyJSON(old.obj),
			patch,
			t.nature.(typedNature).example(),
		)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return encode(merged), nil
	}
}

// unknown refuses what a real API server would do.
func unknown(what string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotImplemented, Reason: "NotImplemented",
		Message: "the API server in memory does not know " + what,
	}}
}

// deleteOptionsOf reads the options of a deletion.
func deleteOptionsOf(query url.Values, body []byte) (*metav1.DeleteOptions, error) {
	options := &metav1.DeleteOptions{}
	var err error
	if len(body) > 0 {
		err = json.Unmarshal(body, options)
	} else {
		err = internalscheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, options)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if errs := metav1validation.ValidateDeleteOptions(options); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "DeleteOptions"}, "", errs)
	}
	background := metav1.DeletePropagationBackground
	orphans := options.OrphanDependents != nil //nolint:staticcheck // deprecated, and still taken by the API server
	if p := options.PropagationPolicy; p != nil && *p != background || orphans || len(options.DryRun) > 0 {
		return nil, unknown("deletions that are in the foreground, leave orphans or are dry runs")
	}
	return options, nil
}

// remove deletes an object, or marks it while it has finalizers.
func (s *Server) remove(t Target, options *metav1.DeleteOptions) (*stored, error) {
	old, err := s.existing(t)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(old.obj)}
	if _, _, err := rest.BeforeDelete(strategy{t}, t.context(), u, options); err != nil {
		return nil, err
	}
	if len(u.GetFinalizers()) == 0 {
		s.write(t, deleted, u.Object)
		status := encode(&metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
			Details: &metav1.StatusDetails{Name: t.Name, Group: t.Group, Kind: t.Plural, UID: u.GetUID()},
		})
		return &stored{raw: status}, nil
	}
	if u.GetDeletionTimestamp() != nil {
		return old, nil
	}
	if u.GetGeneration() > 0 {
		u.SetGeneration(u.GetGeneration() + 1)
	}
	u.SetDeletionTimestamp(new(metav1.Now()))
	u.SetDeletionGracePeriodSeconds(new(int64(0)))
	return s.write(t, modified, u.Object), nil
}
