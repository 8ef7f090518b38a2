// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// callAPIServer is how an operator's requests go to the API server.
func (o *operator) callAPIServer(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return o.write(req, next)
	}
	if err := o.awaitResume(); err != nil {
		return nil, err
	}
	if watching, _, _ := resourceOf(req.URL); req.URL.Query().Get("watch") != "" {
		return o.watch(req, next, watching)
	}
	o.note(func() { o.reading++ })
	defer o.note(func() { o.reading-- })
	resp, err := next.RoundTrip(req)
	return o.hear(resp, err)
}

// hear lets an operator have an answer if it is alive, and when it is not paused any more.
func (o *operator) hear(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	if err := o.awaitResume(); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// write sends a write to the API server, when it is its turn.
func (o *operator) write(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	body := bodyOf(req)
	resource, name, sub := resourceOf(req.URL)
	op := operation{key: o.world.nameUIDs(writeKey(req.Method, resource, name, sub, body)), resource: resource}
	if resource == "events" {
		op.event = req.Method + req.URL.Path + string(body)
	}
	var sent struct {
		Status struct {
			SessionID string `json:"sessionID"`
		} `json:"status"`
	}
	if resource == "meetingrooms" && sub == "status" && json.Unmarshal(body, &sent) == nil && sent.Status.SessionID != "" {
		o.world.nameSession(sent.Status.SessionID, name)
	}
	return o.perform(req, op, func(req *http.Request, strikes way) (*http.Response, error) {
		if refusal := strikes.refusal(); refusal != nil {
			return refusal, nil
		}
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(answer))
		o.world.wrote(resource, answer)
		if sent.Status.SessionID != "" && resp.StatusCode >= 400 {
			o.world.refusedSession(sent.Status.SessionID)
		}
		if strikes == unheard {
			return nil, io.ErrUnexpectedEOF
		}
		return resp, nil
	})
}

// callVendor is how an operator's requests go to the vendor.
func (o *operator) callVendor(req *http.Request) (*http.Response, error) {
	op := operation{key: o.world.callKey(req.Method, req.URL.Path, bodyOf(req))}
	return o.perform(req, op, func(req *http.Request, _ way) (*http.Response, error) { return o.world.vendor.RoundTrip(req) })
}

// perform carries an operation out when the gate lets it pass. From then on nothing stops it: the far side does what it was told also when
// nobody waits for the answer.
func (o *operator) perform(req *http.Request, op operation, send func(*http.Request, way) (*http.Response, error)) (*http.Response, error) {
	pass, err := o.world.gate.enter(req.Context(), o, op)
	if err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(req.Context())
	if fault, fails := pass.strikes.faultOf(); fails {
		o.fail(pass, fault)
		if hangs(fault) {
			ctx = req.Context() // the operator gives up
		}
	}
	if pass.strikes == restart {
		o.world.restart.await()
	}
	resp, err := send(req.WithContext(ctx), pass.strikes)
	o.world.gate.leave(pass)
	return o.hear(resp, err)
}

// watch opens a watch whose events reach the operator while it lives, is not paused and sees.
func (o *operator) watch(req *http.Request, next http.RoundTripper, resource string) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	context.AfterFunc(o.life, cancel)
	o.note(func() { o.reading++ })
	resp, err := next.RoundTrip(req.WithContext(ctx))
	o.note(func() { o.reading-- })
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &watchBody{ReadCloser: resp.Body, operator: o, resource: resource, cancel: cancel}
	return o.hear(resp, nil)
}

// watchBody is what comes from a watch.
type watchBody struct {
	io.ReadCloser
	operator *operator
	resource string
	cancel   context.CancelFunc
	frames   frames
}

// Read returns what has come, when the operator may see it.
func (b *watchBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	o := b.operator
	if cut := o.awaitResume(); cut != nil {
		return 0, cut
	}
	o.mu.Lock()
	seeing := o.blind[b.resource]
	o.mu.Unlock()
	if seeing != nil {
		select {
		case <-seeing:
		case <-o.life.Done():
			return 0, errCut
		}
	}
	object, reached := b.frames.read(p[:n])
	o.sawVersions(b.resource, object, reached)
	return n, err
}

// Close ends the watch.
func (b *watchBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// bodyOf reads a request's body and puts it back.
func bodyOf(req *http.Request) []byte {
	if req.Body == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return body
}

// resourceOf is what a path of the API server is about.
func resourceOf(u *url.URL) (resource, name, sub string) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	skip := 2 // api/v1
	if parts[0] == "apis" {
		skip = 3
	}
	parts = parts[min(skip, len(parts)):]
	if len(parts) > 2 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	parts = append(parts, "", "", "")
	return parts[0], parts[1], parts[2]
}

var uid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// nameUIDs puts the names of objects where their UIDs are.
func (w *world) nameUIDs(text string) string {
	witness.mu.Lock()
	defer witness.mu.Unlock()
	return uid.ReplaceAllStringFunc(text, func(uid string) string { return witness.of(w.namespace).names[types.UID(uid)] })
}

// writeKey names a write by its kind and its object, the same in every run.
func writeKey(method, resource, name, sub string, body []byte) string {
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[method]
	if resource == "events" && name == "" {
		return "events." + verb + "." + eventKey(body)
	}
	if resource == "events" { // named after what it is about and its time
		return "events." + verb + "." + name[:max(0, strings.LastIndex(name, "."))]
	}
	if name == "" {
		var object struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		_ = json.Unmarshal(body, &object) // then without a name
		name = object.Metadata.Name
	}
	key := resource + "." + name + "." + verb
	if sub != "" {
		key += "." + sub
	}
	return key
}

// eventKey names an event by what it is about and its reason.
func eventKey(body []byte) string {
	obj, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if e, ok := obj.(*eventsv1.Event); err == nil && ok {
		return e.Regarding.Name + "." + e.Reason
	}
	return "unknown"
}

var vendorPath = regexp.MustCompile(`^/v2/project/[^/]+/(?:session/([^/]+)/)?(signal|connection|archive)(?:/([^/]+))?$`)

// callKey names a call of the vendor by what it is and the room it is for, the same in every run.
func (w *world) callKey(method, path string, body []byte) string {
	if strings.HasSuffix(path, "/session/create") {
		return "vendor.createSession"
	}
	m := vendorPath.FindStringSubmatch(path)
	if m == nil {
		return "vendor." + method + path
	}
	room := w.roomOf(m[1])
	switch {
	case m[2] == "archive":
		return probeKey
	case m[2] == "signal":
		var s struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(body, &s) // then without a type
		return "vendor.signal." + s.Type + "." + room
	case method == http.MethodDelete:
		who := "nobody"
		if c := w.sim.Client(m[3]); c != nil {
			who = personOf(c.Data())
		}
		return "vendor.disconnect." + room + "." + who
	default:
		return "vendor.listConnections." + room
	}
}

// probeKey is the periodic check of an account's credentials.
const probeKey = "vendor.probe"

// personOf is whose connection data these are.
func personOf(data string) string {
	var who struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal([]byte(data), &who) // then nobody
	return who.Name
}
