// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

// Operation is a write to the API server or a call to Vonage, on its way.
type Operation struct {
	// Key says what it is, in words that are the same in every run: "update breakoutsets/groups/status", "signal
	// groups-red roomRemoved".
	Key string

	// Vendor is whether it is a call to Vonage.
	Vendor bool

	// Resource is the plural name of what a write is of.
	Resource string

	// Operator is whose it is.
	Operator *Operator

	body      string // orders operations of the same key
	needless  string // why the API server says that the call is needless
	notBefore time.Time
	delayed   bool
	proceed   chan Verdict
}

// Verdict is what becomes of an operation. The zero value lets it pass.
type Verdict struct {
	// Hold leaves it at the gate.
	Hold bool

	// Kill has the operator die: before the operation is carried out, or after, before it hears of that.
	Kill Moment

	// API is how the API server fails.
	API APIFault

	// Fault is how the vendor fails.
	Fault simulator.Fault
}

// Moment is when an operator dies.
type Moment string

// The moments.
const (
	Before Moment = "before"
	After  Moment = "after"
)

// APIFault is how the API server fails at a write.
type APIFault string

// The faults of the API server.
const (
	// Conflict refuses a write as outdated, Refused fails on the API server's side, Unheard carries it out and loses
	// the answer.
	Conflict APIFault = "conflict"
	Refused  APIFault = "refused"
	Unheard  APIFault = "unheard"
)

// String names what is not as usual.
func (v Verdict) String() string {
	words := []string{string(v.Kill), string(v.API), string(v.Fault.Kind)}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// probeKey begins the keys of the calls with which an account is checked, createSessionKey of those that create
// sessions.
const (
	probeKey         = "vonage probe"
	createSessionKey = "vonage createSession"
)

var (
	errDead    = errors.New("the operator is dead")
	errUnheard = io.ErrUnexpectedEOF
)

// enter waits until an operation may pass.
func (w *World) enter(ctx context.Context, op *Operation) (Verdict, error) {
	op.proceed = make(chan Verdict, 1)
	w.mu.Lock()
	w.waiting = append(w.waiting, op)
	w.mu.Unlock()
	w.wake()
	var err error
	select {
	case v := <-op.proceed:
		return v, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-op.Operator.life.Done():
		err = errDead
	}
	w.remove(op)
	return Verdict{}, err
}

func (w *World) remove(op *Operation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = slices.DeleteFunc(w.waiting, func(x *Operation) bool { return x == op })
}

// atGate are the operations that wait, in an order of names.
func (w *World) atGate() []*Operation {
	w.mu.Lock()
	defer w.mu.Unlock()
	ops := slices.Clone(w.waiting)
	slices.SortStableFunc(ops, func(a, b *Operation) int {
		return cmp.Or(
			cmp.Compare(a.Operator.Number, b.Operator.Number),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.body, b.body),
		)
	})
	return ops
}

// pass lets an operation pass, as the judge decides.
func (w *World) pass(op *Operation) {
	v := Verdict{}
	if w.options.Judge != nil {
		v = w.options.Judge(op)
	}
	if v.Hold {
		return
	}
	w.remove(op)
	w.Operations = append(w.Operations, op.Key)
	if op.Vendor && v.Kill != Before {
		w.judgeCall(op)
	}
	w.tracef("%d: %s %s", op.Operator.Number, op.Key, v)
	op.proceed <- v
}

// callAPI is the operator's transport to the API server. Reads are answered at once, and events taken.
func (o *Operator) callAPI(req *http.Request) (*http.Response, error) {
	if o.cut(req.Method == http.MethodGet) {
		return nil, errDead
	}
	if req.Method == http.MethodGet {
		if req.URL.Query().Get("watch") != "" {
			// Whether a cache is filled when it is asked the first time, or 100 ms later, would be a matter of chance.
			time.Sleep(time.Millisecond)
		}
		return o.world.API.RoundTrip(req.WithContext(apiserver.WithOwner(req.Context(), o)))
	}
	t, _ := o.world.API.Target(req.URL)
	if t.Resource == nil || t.Plural == "events" {
		return o.world.API.RoundTrip(req)
	}
	body, err := apiserver.ReadBody(req)
	if err != nil {
		return nil, err
	}
	op := &Operation{Key: writeKey(req.Method, t, body), Resource: t.Plural, Operator: o, body: string(body)}
	v, err := o.world.enter(req.Context(), op)
	if err != nil {
		return nil, err
	}
	if v.Kill == Before {
		o.Kill()
		return nil, errDead
	}
	switch v.API {
	case Conflict:
		return apiserver.Refusal(
			req,
			apierrors.NewConflict(t.GroupResource(), t.Name, errors.New("somebody was faster")),
		), nil
	case Refused:
		return apiserver.Refusal(req, errors.New("out of order")), nil
	case Unheard: // only its answer is
	}
	if t.Plural == "meetingrooms" {
		o.world.expectSession(body, op.Key)
	}
	resp, err := o.world.API.RoundTrip(req)
	if resp.StatusCode >= http.StatusBadRequest {
		o.world.tracef("~ %s is answered %s", op.Key, resp.Status)
		o.world.refused(op, body)
	}
	switch {
	case v.Kill == After:
		o.Kill()
		return nil, errDead
	case v.API == Unheard:
		return nil, errUnheard
	}
	return resp, err
}

// writeKey names a write.
func writeKey(method string, t apiserver.Target, body []byte) string {
	name := t.Name
	if name == "" {
		var named struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		_ = json.Unmarshal(body, &named) // else the API server refuses it
		name = named.Metadata.Name
	}
	verb := map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[method]
	key := verb + " " + t.Plural + "/" + name
	if t.Subresource != "" {
		key += "/" + t.Subresource
	}
	return key
}

var sessionField = regexp.MustCompile(`"sessionID":"([^"]*)"`)

// expectSession notes which room a session is to be published for, before anything is sent to it.
func (w *World) expectSession(body []byte, key string) {
	room, found := strings.CutPrefix(key, "update meetingrooms/")
	if m := sessionField.FindSubmatch(body); found && m != nil {
		w.nameSession(string(m[1]), strings.TrimSuffix(room, "/status"))
	}
}

// callVendor is the operator's transport to Vonage.
func (o *Operator) callVendor(req *http.Request) (*http.Response, error) {
	if o.cut(false) {
		return nil, errDead
	}
	body, err := apiserver.ReadBody(req)
	if err != nil {
		return nil, err
	}
	op := &Operation{Key: o.world.callKey(req, body), Vendor: true, Operator: o, body: string(body)}
	op.needless = o.world.needless(req.Context(), op)
	v, err := o.world.enter(req.Context(), op)
	if err != nil {
		return nil, err
	}
	if v.Kill == Before {
		o.Kill()
		return nil, errDead
	}
	if v.Fault.Kind != simulator.FaultNone || v.Fault.Delay > 0 {
		v.Fault.Count = 1 // of calls only this one is on its way
		o.world.Vendor.AddFault(v.Fault)
	}
	resp, err := serve(o.world.Vendor, req)
	if v.Kill == After {
		o.Kill()
		return nil, errDead
	}
	return resp, err
}

// callKey names a call by the MeetingRoom of its session. A session that is yet to be made belongs to the object that
// is being reconciled, which only the context's logger knows.
func (w *World) callKey(req *http.Request, body []byte) string {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	words := []string{strings.ToLower(req.Method)}
	for i, part := range parts {
		if room := w.roomOf(part); room != "" {
			words = append(words, room)
			words = append(words, parts[i+1:]...)
		}
	}
	if strings.HasPrefix(req.URL.Path, "/session/") {
		words = []string{"createSession", objectOf(req.Context())}
	}
	if parts[len(parts)-1] == "archive" { // the list of archives is asked for to see whether the credentials are good
		words = []string{"probe", objectOf(req.Context())}
	}
	var signal struct {
		Type, Data string
	}
	if json.Unmarshal(body, &signal) == nil && signal.Type != "" {
		var data struct{ Message string }
		_ = json.Unmarshal([]byte(signal.Data), &data) // many have no message
		words = append(words, cmp.Or(data.Message, signal.Type))
	}
	return "vonage " + strings.Join(words, " ")
}

// objectOf is the name of the object that is being reconciled.
func objectOf(ctx context.Context) string {
	logger, err := logr.FromContext(ctx)
	if err != nil {
		return ""
	}
	if sink, ok := logger.GetSink().(*logSink); ok {
		return sink.object
	}
	return ""
}

// serve has a handler answer a request, as if over a network that it may cut.
func serve(handler http.Handler, req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		if trace.WroteHeaders != nil {
			trace.WroteHeaders()
		}
		if trace.WroteRequest != nil {
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}
	}
	body, err := apiserver.ReadBody(req)
	if err != nil {
		return nil, err
	}
	incoming := req.Clone(req.Context())
	incoming.Body = io.NopCloser(bytes.NewReader(body))
	incoming.RequestURI = (&url.URL{Path: req.URL.Path, RawQuery: req.URL.RawQuery}).RequestURI()
	answered := make(chan *http.Response, 1)
	go func() {
		defer close(answered)
		defer func() {
			if r := recover(); r != nil && r != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
				panic(r)
			}
		}()
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, incoming)
		answered <- recorder.Result()
	}()
	select {
	case resp, answers := <-answered:
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		if !answers {
			return nil, io.ErrUnexpectedEOF
		}
		resp.Request = req
		return resp, nil
	case <-req.Context().Done(): // the handler may go on
		return nil, req.Context().Err()
	}
}
