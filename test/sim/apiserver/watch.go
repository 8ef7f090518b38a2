// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type ownerKey struct{}

// WithOwner names in a request's context whom its watch is for; see Watch.Owner.
func WithOwner(ctx context.Context, owner any) context.Context {
	return context.WithValue(ctx, ownerKey{}, owner)
}

// Watch is a watch that is open. What has happened waits in it until Deliver is called; the initial state comes at
// once.
type Watch struct {
	// Owner is whom it is for, Resource the plural name of what it watches, MetadataOnly whether it asks for metadata
	// alone.
	Owner        any
	Resource     string
	MetadataOnly bool

	which   selection
	stirred func()
	body    *stream

	mu      sync.Mutex
	waiting []event
	closed  bool
}

func (s *Server) watch(req *http.Request, which selection, metadataOnly bool) *http.Response {
	w := &Watch{
		Owner: req.Context().Value(
			ownerKey{},
		),
		Resource:     which.Plural,
		MetadataOnly: metadataOnly,
		which:        which,
		stirred:      s.options.Stirred,
	}
	w.body = newStream(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
	})
	context.AfterFunc(req.Context(), func() { _ = w.body.Close() }) // it never fails
	of, o := s.stores[which.Plural], which.options
	initial := o.SendInitialEvents != nil && *o.SendInitialEvents
	switch {
	case initial:
		for _, found := range s.selected(which) {
			w.send(event{added, found})
		}
		if o.AllowWatchBookmarks {
			w.sendBookmark(of.version)
		}
	case which.version > 0 && which.version < firstVersion:
		expired := apierrors.NewResourceExpired(
			fmt.Sprintf("too old resource version: %d (%d)", which.version, firstVersion),
		)
		return answer(req, http.StatusOK, eventJSON("ERROR", encode(statusOf(expired))))
	case which.version > 0:
		for _, c := range of.history {
			if c.version > which.version {
				w.take(c)
			}
		}
	}
	s.watches = slices.DeleteFunc(s.watches, (*Watch).isClosed)
	s.watches = append(s.watches, w)
	resp := answer(req, http.StatusOK, nil)
	resp.Body, resp.ContentLength = w.body, -1
	return resp
}

func (w *Watch) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// event is what a watch delivers.
type event struct {
	eventType string
	*stored
}

// take notes a change that the watch is to deliver. For a watch with a selector an object that is no longer selected is
// gone, as it was before.
func (w *Watch) take(c change) {
	is, was := c.after != nil && w.which.includes(c.after.obj), c.before != nil && w.which.includes(c.before.obj)
	var e event
	switch {
	case is && was:
		e = event{modified, c.after}
	case is:
		e = event{added, c.after}
	case was:
		obj := runtime.DeepCopyJSON(c.before.obj)
		metaOf(obj)["resourceVersion"] = strconv.FormatUint(c.version, 10)
		e = event{deleted, &stored{obj: obj, raw: encode(obj)}}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed, e.stored == nil, c.version <= w.which.version:
	case w.stirred == nil:
		w.send(e)
	default:
		w.waiting = append(w.waiting, e)
		w.stirred()
	}
}

// Waiting is how many changes wait to be delivered.
func (w *Watch) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

// Deliver delivers the first change that waits.
func (w *Watch) Deliver() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) > 0 && !w.closed {
		w.send(w.waiting[0])
		w.waiting = w.waiting[1:]
	}
}

// Watches are the open watches, in the order in which they were opened.
func (s *Server) Watches() []*Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = slices.DeleteFunc(s.watches, (*Watch).isClosed)
	return slices.Clone(s.watches)
}

func (w *Watch) send(e event) {
	raw := e.raw
	if w.MetadataOnly {
		raw = onlyMetadata(e.obj)
	}
	w.body.write(eventJSON(e.eventType, raw))
}

func eventJSON(eventType string, object []byte) []byte {
	return slices.Concat([]byte(`{"type":"`+eventType+`","object":`), object, []byte("}\n"))
}

// sendBookmark ends the initial events.
func (w *Watch) sendBookmark(version uint64) {
	obj := Object{}
	if k, ok := w.which.nature.(typedNature); ok {
		obj = k.empty()
	}
	obj["kind"], obj["apiVersion"] = w.which.Kind, w.which.GVK().GroupVersion().String()
	obj["metadata"] = Object{
		"resourceVersion": strconv.FormatUint(
			version,
			10,
		),
		"annotations": Object{metav1.InitialEventsAnnotationKey: "true"},
	}
	w.send(event{"BOOKMARK", &stored{obj: obj, raw: encode(obj)}})
}

// stream is a body without an end: what is written can be read, until it is closed.
type stream struct {
	onClose func()

	mu     sync.Mutex
	cond   chan struct{} // closed when there is something to read, or the end
	buffer []byte
	closed bool
}

func newStream(onClose func()) *stream { return &stream{onClose: onClose, cond: make(chan struct{})} }

func (s *stream) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.buffer) == 0 {
		close(s.cond)
	}
	s.buffer = append(s.buffer, p...)
}

// Read waits for something to be written, or for the end.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	cond := s.cond
	s.mu.Unlock()
	<-cond
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.EOF
	}
	n := copy(p, s.buffer)
	if s.buffer = s.buffer[n:]; len(s.buffer) == 0 {
		s.cond = make(chan struct{})
	}
	return n, nil
}

// Close ends it. It never fails.
func (s *stream) Close() error {
	s.mu.Lock()
	was := s.closed
	if s.closed = true; !was && len(s.buffer) == 0 {
		close(s.cond)
	}
	s.mu.Unlock()
	if !was {
		s.onClose()
	}
	return nil
}
