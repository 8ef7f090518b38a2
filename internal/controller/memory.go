// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory keeps something about objects that paces retries or saves work, and that nobody misses after a restart. What
// it returns is for the one reconcile of that object that runs at a time, and needs no lock. It is safe for concurrent
// use.
type memory[T any] struct {
	mu      sync.Mutex
	objects map[client.ObjectKey]*remembered[T]
}

type remembered[T any] struct {
	uid   types.UID
	value T
}

func newMemory[T any]() *memory[T] {
	return &memory[T]{objects: map[client.ObjectKey]*remembered[T]{}}
}

// of returns what is remembered of an object, the zero value at first and after it was made anew under its name.
func (m *memory[T]) of(obj client.Object) *T {
	key := client.ObjectKeyFromObject(obj)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.objects[key]
	if r == nil || r.uid != obj.GetUID() {
		r = &remembered[T]{uid: obj.GetUID()}
		m.objects[key] = r
	}
	return &r.value
}

// peek is of, but nil where nothing is remembered.
func (m *memory[T]) peek(obj client.Object) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.objects[client.ObjectKeyFromObject(obj)]; r != nil && r.uid == obj.GetUID() {
		return &r.value
	}
	return nil
}

// forget drops what is remembered.
func (m *memory[T]) forget(key client.ObjectKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}
