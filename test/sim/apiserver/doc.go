// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver is an API server in memory: what a Kubernetes API server does with the operator's kinds, Secrets,
// Namespaces and events, in one http.RoundTripper without goroutines, timers or a disk. It runs inside a
// testing/synctest bubble, where no real one can.
//
// It prunes, fills defaults in, validates (OpenAPI, lists and CEL) and checks what changes with the real API server's
// own libraries and the CustomResourceDefinitions that are installed; it locks optimistically, counts generations,
// keeps objects with finalizers until these are off, and serves watches with initial events. A table of requests is
// asked of it and of a real kube-apiserver (conformance_test.go): they answer alike.
//
// It refuses, with 501 Not Implemented: server-side apply (the operator uses none), dry runs, strict field validation,
// the scale subresource, deletions of collections, of Namespaces, in the foreground or with orphans, and lists of the
// past, of the future or by pages.
//
// It does not know
//   - authentication, admission and warnings;
//   - managedFields, nor that a write may change nothing but these;
//   - limits of lists: they have all objects;
//   - field selectors but those of name and namespace;
//   - forms of bodies and answers but JSON and PartialObjectMetadata, and what exactly is said of malformed JSON, of
//     other built-in kinds, and of patches that take the kind away;
//   - what must be in Secrets of types of Kubernetes's own and in events, and what of an event may not change;
//   - the end of watches: timeoutSeconds is not looked at, no bookmarks come but that after the initial events, and
//     only a version from before the server
//     is too old (410 Expired), since it forgets nothing;
//   - copies that are a moment old: what is read or refused is always what is there, also with resourceVersion=0.
//
// Each resource has resourceVersions of its own.
package apiserver
