// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
)

// An operator is idle when no request of it is under way; when its watches have delivered every write, and every handler has had what they
// delivered; when no object is in a queue, or will be in a moment, and no reconcile runs but those that wait for an operation to pass, or, in a
// read, for the writes of others that do. All of this is known here. What little is not, such as a goroutine that is about to put an object into
// a queue, is covered by looking more than once; and where a cache is kept from seeing something that a reconcile may wait for, by looking often.
const (
	looksWhenKnown   = 4
	looksWhenUnknown = 20
	lookPause        = 2 * time.Millisecond
)

// newClient makes the client of an operator, whose reads can be seen to go on: they wait for the operator's own writes under way of that kind, but
// for those that say that they do not.
func (o *operator) newClient(config *rest.Config, options client.Options) (client.Client, error) {
	c, err := client.New(config, options)
	return &spiedClient{Client: c, operator: o}, err
}

type spiedClient struct {
	client.Client
	operator *operator
}

// Get reads an object.
func (c *spiedClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
	if !(&client.GetOptions{}).ApplyOptions(options).DisableReadYourWritesConsistency {
		defer c.operator.look(ctx, kindOf(obj)+"s."+key.Name+".")()
	}
	return c.Client.Get(ctx, key, obj, options...)
}

// List reads objects.
func (c *spiedClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if !(&client.ListOptions{}).ApplyOptions(options).DisableReadYourWritesConsistency {
		defer c.operator.look(ctx, strings.TrimSuffix(kindOf(list), "list")+"s.")()
	}
	return c.Client.List(ctx, list, options...)
}

// kindOf is the lower-case kind of a typed object.
func kindOf(obj any) string {
	return strings.ToLower(reflect.Indirect(reflect.ValueOf(obj)).Type().Name())
}

// lookup is a read that a reconcile is in. It waits for the writes under way whose keys begin with a prefix.
type lookup struct {
	reconcile types.UID
	prefix    string
}

// look notes that a reconcile is in a read; the function returned, that it is not any more.
func (o *operator) look(ctx context.Context, prefix string) func() {
	l := &lookup{controller.ReconcileIDFromContext(ctx), prefix}
	if l.reconcile == "" {
		return func() {} // it is of a handler
	}
	o.note(func() { o.lookups[l] = true })
	return func() { o.note(func() { delete(o.lookups, l) }) }
}

// newCache makes the cache of an operator, whose handlers can be seen to have had an event.
func (o *operator) newCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	c, err := cache.New(config, options)
	return &spiedCache{Cache: c, operator: o}, err
}

type spiedCache struct {
	cache.Cache
	operator *operator
}

// GetInformer returns an informer.
func (c *spiedCache) GetInformer(ctx context.Context, obj client.Object, options ...cache.InformerGetOption) (cache.Informer, error) {
	i, err := c.Cache.GetInformer(ctx, obj, options...)
	return &spiedInformer{Informer: i, operator: c.operator, resource: resourceOfObject(obj)}, err
}

// GetInformerForKind returns an informer.
func (c *spiedCache) GetInformerForKind(ctx context.Context, kind schema.GroupVersionKind, options ...cache.InformerGetOption) (cache.Informer, error) {
	i, err := c.Cache.GetInformerForKind(ctx, kind, options...)
	return &spiedInformer{Informer: i, operator: c.operator, resource: strings.ToLower(kind.Kind) + "s"}, err
}

type spiedInformer struct {
	cache.Informer
	operator *operator
	resource string
}

// AddEventHandler adds a handler.
func (i *spiedInformer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandler(i.operator.spyOn(h, i.resource))
}

// AddEventHandlerWithResyncPeriod adds a handler.
func (i *spiedInformer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, d time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandlerWithResyncPeriod(i.operator.spyOn(h, i.resource), d)
}

// AddEventHandlerWithOptions adds a handler.
func (i *spiedInformer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, options toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandlerWithOptions(i.operator.spyOn(h, i.resource), options)
}

// handler notes the latest version that a handler was told of.
type handler struct {
	toolscache.ResourceEventHandler
	operator *operator
	resource string
	had      uint64
}

func (o *operator) spyOn(h toolscache.ResourceEventHandler, resource string) toolscache.ResourceEventHandler {
	spied := &handler{ResourceEventHandler: h, operator: o, resource: resource}
	o.note(func() { o.handlers = append(o.handlers, spied) })
	return spied
}

// OnAdd is called for an object that is new.
func (h *handler) OnAdd(obj any, initial bool) {
	h.ResourceEventHandler.OnAdd(obj, initial)
	h.note(obj)
}

// OnUpdate is called for an object that has changed.
func (h *handler) OnUpdate(before, after any) {
	h.ResourceEventHandler.OnUpdate(before, after)
	h.note(after)
}

// OnDelete is called for an object that is gone.
func (h *handler) OnDelete(obj any) {
	h.ResourceEventHandler.OnDelete(obj)
	if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	h.note(obj)
}

func (h *handler) note(obj any) {
	o, ok := obj.(client.Object)
	if !ok {
		return
	}
	h.operator.note(func() { h.had = max(h.had, versionOf(o.GetResourceVersion())) })
}

// frames reads in the text of a watch which versions it delivers, as objects or at all.
type frames struct{ rest []byte }

var (
	frameType    = regexp.MustCompile(`^\s*\{"type":"(\w+)"`)
	frameVersion = regexp.MustCompile(`"resourceVersion":"(\d+)"`)
)

func (f *frames) read(p []byte) (objects, all uint64) {
	f.rest = append(f.rest, p...)
	for {
		end := bytes.IndexByte(f.rest, '\n')
		if end < 0 {
			return objects, all
		}
		frame := f.rest[:end]
		typ, version := frameType.FindSubmatch(frame), frameVersion.FindSubmatch(frame)
		if typ != nil && version != nil {
			v := versionOf(string(version[1]))
			all = max(all, v)
			if string(typ[1]) != "BOOKMARK" {
				objects = max(objects, v)
			}
		}
		f.rest = append([]byte(nil), f.rest[end+1:]...)
	}
}

// idle tells whether the process does nothing, as far as can be told now, and what it is busy with if not. held are its operations that
// wait for being let pass, or for an answer that will not come.
func (o *operator) idle(inTime bool, held []*pass, written map[string]uint64, gone []departed) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	why, looks := o.business(held, written, gone)
	happened := o.happened
	if len(o.blind) > 0 {
		happened = o.done // it may look again and again for what it cannot see, as long as it does nothing
	}
	switch {
	case why != "" || o.lookedAt != happened:
		o.looks, o.lookedAt = 0, happened
	case looks == looksWhenKnown || inTime:
		o.looks++
	}
	if why == "" && o.looks < looks {
		why = "something happened a moment ago"
	}
	return why, why == ""
}

// business is what the process is busy with, as far as that is known; if with nothing, how often to look. The lock must be held.
func (o *operator) business(held []*pass, written map[string]uint64, gone []departed) (string, int) {
	pending, running, begun := 0, 0, 0
	for _, q := range o.queues {
		p, r, b := q.load()
		pending, running = pending+p, running+r
		if b {
			begun++
		}
	}
	blind := len(o.blind) > 0
	blocked := len(o.blocked(held))
	switch {
	case begun < controllers:
		return "it is starting", 0
	case o.clock.ringing():
		return "an alarm goes off", 0
	case slices.ContainsFunc(held, func(p *pass) bool { return p.ctx.Err() != nil }):
		return "an operation is given up", 0
	case o.busy > 0 || (o.reading > 0 && !blind):
		return fmt.Sprintf("%d operations and %d reads are under way", o.busy, o.reading), 0
	case pending > 0 && !blind:
		return fmt.Sprintf("%d objects are in its queues", pending), 0
	case running > blocked && !blind:
		return fmt.Sprintf("%d reconciles are under way", running-blocked), 0
	}
	if len(o.eventLog.begun) < o.eventLog.due {
		return "an event is about to be written", 0
	}
	for resource, version := range written {
		if o.delivered[resource] < version && o.blind[resource] == nil {
			return "the cache of " + resource + " is behind", 0
		}
	}
	for _, h := range o.handlers {
		if version := o.events[h.resource]; h.had < version && o.blind[h.resource] == nil {
			return fmt.Sprintf("a handler of %s has had version %d, not %d", h.resource, h.had, version), 0
		}
	}
	for _, d := range gone {
		if o.blind[d.resource] == nil && o.remembers(d) {
			return "the cache still has " + d.name, 0
		}
	}
	if blind {
		return "", looksWhenUnknown
	}
	return "", looksWhenKnown
}

// blocked are the reconciles that wait for an operation of theirs to pass or be answered, or, in a read, for the write of another. The lock must be
// held.
func (o *operator) blocked(held []*pass) map[types.UID]bool {
	blocked := map[types.UID]bool{}
	for _, p := range held {
		if p.reconcile != "" {
			blocked[p.reconcile] = true
		}
		for l := range o.lookups {
			if strings.HasPrefix(p.op.key, l.prefix) {
				blocked[l.reconcile] = true
			}
		}
	}
	return blocked
}
