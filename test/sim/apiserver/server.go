// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	internalvalidation "k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Object is an object as JSON.
type Object = map[string]any

// Options are what a Server is made with.
type Options struct {
	// CRDs are the kinds beside the built-in ones, see LoadCRDs.
	CRDs []*Resource

	// Seed is what UIDs and generated names follow from: the same requests in the same order get the same answers.
	Seed uint64

	// Changed, if given, is called with every object that is created, changed or deleted, except events, and must not
	// call the Server.
	Changed func(eventType string, r *Resource, obj Object)

	// Stirred, if given, is called whenever a Watch has got something to deliver. Without it watches deliver by
	// themselves, at once.
	Stirred func()
}

// Server is an API server in memory. It is safe for concurrent use.
type Server struct {
	options   Options
	resources map[string]*Resource // by plural

	mu      sync.Mutex
	rand    *rand.Rand
	stores  map[string]*store // by plural
	watches []*Watch
}

// firstVersion is the version of a resource that has not been written yet. What was before is too old for watches.
const firstVersion = 100

// store holds the objects of a resource. Each counts its own versions: they may only be compared within a resource, and
// events, which are written whenever it suits the process that records them, must not make a run differ from the next.
type store struct {
	version uint64
	objects map[string]*stored // by namespace/name
	history []change
}

// stored is an object and its JSON, and what of it was written, without defaults. None of it changes.
type stored struct {
	obj          Object
	raw, written []byte
}

// change is what has happened to an object; before is nil for a new one, after for one that is gone.
type change struct {
	version       uint64
	namespace     string
	before, after *stored
}

// New makes a Server without any objects.
func New(o Options) *Server {
	s := &Server{
		options:   o,
		resources: map[string]*Resource{},
		rand:      rand.New(rand.NewPCG(o.Seed, 1)),
		stores:    map[string]*store{},
	}
	for _, r := range slices.Concat(builtIn, o.CRDs) {
		s.resources[r.Plural] = r
		s.stores[r.Plural] = &store{version: firstVersion, objects: map[string]*stored{}}
	}
	return s
}

// Mapper is the RESTMapper of the Server's resources.
func (s *Server) Mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, r := range s.resources {
		scope := meta.RESTScope(meta.RESTScopeRoot)
		if r.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		gv := schema.GroupVersion{Group: r.Group, Version: r.Version}
		mapper.AddSpecific(
			r.GVK(),
			gv.WithResource(r.Plural),
			gv.WithResource(strings.TrimSuffix(r.Plural, "s")),
			scope,
		)
	}
	return mapper
}

// Target is what a request's path names.
type Target struct {
	*Resource

	// Namespace, Name and Subresource are empty where the path has none.
	Namespace, Name, Subresource string
}

// key finds an object in its store.
func (t Target) key() string { return t.Namespace + "/" + t.Name }

// Target returns what a URL names; false when that is nothing that is served.
func (s *Server) Target(u *url.URL) (Target, bool) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	gv := schema.GroupVersion{}
	switch {
	case parts[0] == "api" && len(parts) > 2:
		gv.Version, parts = parts[1], parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		gv.Group, gv.Version, parts = parts[1], parts[2], parts[3:]
	}
	t := Target{}
	if len(parts) > 2 && parts[0] == "namespaces" && s.resources[parts[2]] != nil {
		t.Namespace, parts = parts[1], parts[2:]
	}
	parts = append(parts, "", "", "")
	t.Resource, t.Name, t.Subresource = s.resources[parts[0]], parts[1], parts[2]
	return t, t.Resource != nil && gv == t.GVK().GroupVersion() && (t.Namespaced || t.Namespace == "")
}

// RoundTrip carries a request out. It never returns an error: what is refused is a Status.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	t, ok := s.Target(req.URL)
	body, err := ReadBody(req)
	if err != nil {
		return nil, err
	}
	lists := req.Method == http.MethodGet && t.Name == ""
	if resp := unserved(req, t, ok, lists); resp != nil {
		return resp, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	metadataOnly := strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata")
	if lists {
		which, err := selectionOf(t, s.stores[t.Plural].version, req.URL.Query())
		switch {
		case err != nil:
			return refusal(req, err), nil
		case which.options.Watch:
			return s.watch(req, which, metadataOnly), nil
		default:
			return answer(req, http.StatusOK, s.list(which, metadataOnly)), nil
		}
	}
	status, result, err := s.carryOut(req, t, body)
	switch {
	case err != nil:
		return refusal(req, err), nil
	case metadataOnly && result.obj != nil:
		return answer(req, status, onlyMetadata(result.obj)), nil
	default:
		return answer(req, status, result.raw), nil
	}
}

// unserved answers a request whose path names nothing that is served; nil where it does.
func unserved(req *http.Request, t Target, known, lists bool) *http.Response {
	switch {
	case !known, t.Namespaced && t.Namespace == "" && !lists,
		t.Subresource != "" && !t.custom() && !(t.status && t.Subresource == "status"):
		if known && !t.custom() || strings.HasPrefix(req.URL.Path, "/api/") {
			return refusal(
				req,
				apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, false),
			)
		}
		resp := answer(req, http.StatusNotFound, []byte("404 page not found\n"))
		resp.Header.Set("Content-Type", "text/plain; charset=utf-8")
		return resp
	case t.Subresource == "scale" && t.scaled():
		return refusal(req, unknown("the scale subresource"))
	case t.Subresource != "" && t.Subresource != "status":
		return refusal(req, apierrors.NewNotFound(t.GroupResource(), t.Name))
	}
	return nil
}

// carryOut carries out a request for one object. The lock must be held, as for all that follow.
func (s *Server) carryOut(req *http.Request, t Target, body []byte) (status int, result *stored, err error) {
	status = http.StatusOK
	query := req.URL.Query()
	switch {
	case query.Has("dryRun"):
		return 0, nil, unknown("dry runs")
	case query.Get("fieldValidation") == metav1.FieldValidationStrict:
		return 0, nil, unknown("strict field validation")
	case t.Name == "" && req.Method == http.MethodDelete:
		return 0, nil, unknown("deletions of collections")
	case t.Plural == "namespaces" && (req.Method == http.MethodDelete || t.Subresource != ""):
		return 0, nil, unknown("the end of Namespaces and their status")
	case t.Name == "" && req.Method != http.MethodPost:
		return 0, nil, apierrors.NewBadRequest("name must be provided")
	}
	switch {
	case req.Method == http.MethodGet:
		result, err = s.existing(t)
	case req.Method == http.MethodPost && t.Name == "":
		status = http.StatusCreated
		result, err = s.create(t, body)
	case req.Method == http.MethodPut:
		result, err = s.put(t, body)
	case req.Method == http.MethodPatch:
		result, err = s.patch(t, req.Header.Get("Content-Type"), body)
	case req.Method == http.MethodDelete && t.Subresource == "":
		var options *metav1.DeleteOptions
		if options, err = deleteOptionsOf(query, body); err == nil {
			result, err = s.remove(t, options)
		}
	default:
		verb := map[string]string{http.MethodPost: "create"}[req.Method]
		err = apierrors.NewMethodNotSupported(t.GroupResource(), cmp.Or(verb, strings.ToLower(req.Method)))
	}
	return status, result, err
}

// ReadBody reads a request's body and puts it back, so that it can be read again.
func ReadBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	return body, err
}

// Refusal is how a Server answers a request that it does not carry out because of err, such as
// apierrors.NewConflict(…).
func Refusal(req *http.Request, err error) *http.Response {
	if _, ok := err.(apierrors.APIStatus); !ok {
		err = apierrors.NewInternalError(err)
	}
	return refusal(req, err)
}

func refusal(req *http.Request, err error) *http.Response {
	status := statusOf(err)
	return answer(req, int(status.Code), encode(status))
}

func statusOf(err error) *metav1.Status {
	status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error()}
	if known, ok := err.(apierrors.APIStatus); ok {
		status = known.Status()
	}
	status.Kind, status.APIVersion = "Status", "v1"
	return &status
}

func answer(req *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status,
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Request:    req,
		Header: http.Header{
			"Content-Type": {"application/json"},
		},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came from JSON
	}
	return text
}

func onlyMetadata(obj Object) []byte {
	return encode(Object{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]})
}

// selection is which objects of a resource a list or a watch is about.
type selection struct {
	Target
	options internalversion.ListOptions
	version uint64 // that the options name
	labels  labels.Selector
	fields  fields.Selector
}

// selectionOf reads the options of a list or a watch; version is that of the resource now.
func selectionOf(t Target, version uint64, query url.Values) (selection, error) {
	which := selection{Target: t, labels: labels.Everything(), fields: fields.Everything()}
	o := &which.options
	if err := internalscheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, o); err != nil {
		return which, apierrors.NewBadRequest(err.Error())
	}
	internalversion.SetListOptionsDefaults(o, true)
	if errs := internalvalidation.ValidateListOptions(o, true); len(errs) > 0 {
		return which, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	var err error
	if which.version, err = strconv.ParseUint(cmp.Or(o.ResourceVersion, "0"), 10, 64); err != nil {
		err = field.Invalid(field.NewPath("resourceVersion"), o.ResourceVersion, err.Error())
		if !o.Watch {
			err = apierrors.NewBadRequest("invalid resource version: " + err.Error())
		}
		return which, err
	}
	if !o.Watch &&
		(o.Continue != "" || o.ResourceVersionMatch == metav1.ResourceVersionMatchExact || which.version > version) {
		return which, unknown("pages, and lists of the past or the future")
	}
	if o.LabelSelector != nil {
		which.labels = o.LabelSelector
	}
	if o.FieldSelector != nil {
		which.fields = o.FieldSelector
	}
	for _, r := range which.fields.Requirements() {
		if r.Field != "metadata.name" && (r.Field != "metadata.namespace" || !t.Namespaced) {
			return which, apierrors.NewBadRequest("field label not supported: " + r.Field)
		}
	}
	return which, nil
}

func (w selection) includes(obj Object) bool {
	u := &unstructured.Unstructured{Object: obj}
	return (w.Namespace == "" || w.Namespace == u.GetNamespace()) && w.labels.Matches(labels.Set(u.GetLabels())) &&
		w.fields.Matches(fields.Set{"metadata.name": u.GetName(), "metadata.namespace": u.GetNamespace()})
}

// selected are the objects that are there, by namespace and name.
func (s *Server) selected(which selection) []*stored {
	objects := s.stores[which.Plural].objects
	var found []*stored
	for _, key := range sortedKeys(objects) {
		if which.includes(objects[key].obj) {
			found = append(found, objects[key])
		}
	}
	return found
}

func (s *Server) list(which selection, metadataOnly bool) []byte {
	listMeta := Object{"resourceVersion": strconv.FormatUint(s.stores[which.Plural].version, 10)}
	list := Object{"kind": which.Kind + "List", "apiVersion": which.GVK().GroupVersion().String(), "metadata": listMeta}
	items := []json.RawMessage{}
	for _, found := range s.selected(which) {
		switch {
		case metadataOnly:
			items = append(items, onlyMetadata(found.obj))
		case which.custom():
			items = append(items, found.raw)
		default:
			item := maps.Clone(found.obj)
			delete(item, "kind") // they are those of the list
			delete(item, "apiVersion")
			items = append(items, encode(item))
		}
	}
	list["items"] = items
	switch {
	case metadataOnly:
		list["kind"], list["apiVersion"] = "PartialObjectMetadataList", "meta.k8s.io/v1"
		if len(items) == 0 {
			list["items"] = nil
		}
	case which.custom():
		listMeta["continue"] = ""
	}
	return encode(list)
}

// existing is an object that is there.
func (s *Server) existing(t Target) (*stored, error) {
	if found := s.stores[t.Plural].objects[t.key()]; found != nil {
		return found, nil
	}
	return nil, apierrors.NewNotFound(t.GroupResource(), t.Name)
}

// Object is an object of a resource by its plural name; nil when there is none. It must not be changed.
func (s *Server) Object(plural, namespace, name string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.stores[plural].objects[namespace+"/"+name]; found != nil {
		return found.obj
	}
	return nil
}

// Objects are all objects of a resource by its plural name, in the order of namespace and name. They must not be
// changed.
func (s *Server) Objects(plural string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := s.stores[plural].objects
	all := make([]Object, 0, len(objects))
	for _, key := range sortedKeys(objects) {
		all = append(all, objects[key].obj)
	}
	return all
}

// CollectGarbage deletes one object whose owners are all gone, as the garbage collector does, and tells whether there
// was one.
func (s *Server) CollectGarbage() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	uids := map[string]bool{}
	for _, of := range s.stores {
		for _, found := range of.objects {
			uids[stringOf(metaOf(found.obj), "uid")] = true
		}
	}
	for _, plural := range sortedKeys(s.stores) {
		objects := s.stores[plural].objects
		for _, key := range sortedKeys(objects) {
			m := metaOf(objects[key].obj)
			owners, _ := m["ownerReferences"].([]any)
			owned := slices.ContainsFunc(owners, func(o any) bool { return uids[stringOf(o.(Object), "uid")] })
			if len(owners) == 0 || owned || m["deletionTimestamp"] != nil {
				continue
			}
			t := Target{Resource: s.resources[plural], Namespace: stringOf(m, "namespace"), Name: stringOf(m, "name")}
			_, _ = s.remove(t, &metav1.DeleteOptions{}) // it is there
			return true
		}
	}
	return false
}
