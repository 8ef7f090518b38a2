// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sandbox finds, builds and runs a Kubernetes control plane on one machine, without
// containers: etcd, kube-apiserver with RBAC, and kube-controllers, a program of this project with the two
// of Kubernetes' controllers that an operator's objects depend on (garbage collection, namespaces).
//
// The tests, the demo and the local sandbox all run against it. Nothing here belongs into the
// operator itself.
//
// controller-runtime's envtest is used for what it does well (its store of binaries, installing CRDs)
// but not for running the processes: its children outlive a test binary that is killed or panics, it
// runs no controllers, and it throws its keys away with a restart of the API server.
package sandbox
