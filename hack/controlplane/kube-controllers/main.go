// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kube-controllers runs the two of Kubernetes' own controllers without which deleted objects stay:
// the garbage collector, and the one that empties and removes namespaces. What else a cluster's controllers
// do is not needed where nothing but an operator runs, and costs minutes to compile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
)

const (
	name = "kube-controllers"

	// answerTimeout bounds the first request: a controller would repeat it for ever.
	answerTimeout = 10 * time.Second
	// syncTimeout is when garbage is collected although some kinds cannot be listed.
	syncTimeout = 30 * time.Second
	// kindsPeriod is how often the garbage collector looks for new kinds.
	kindsPeriod = 2 * time.Second
	// namespacesPeriod is when namespaces are looked at again that nothing has happened to.
	namespacesPeriod = 5 * time.Minute

	garbageWorkers   = 20
	namespaceWorkers = 10
)

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "a kubeconfig `file` with all rights (required)")
	readyFile := flag.String("ready-file", "", "a `file` to make when the controllers know all that there is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *kubeconfig, *readyFile)
	stop()
	klog.Flush()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// run works until ctx is done.
func run(ctx context.Context, kubeconfig, readyFile string) error {
	if kubeconfig == "" {
		return errors.New("--kubeconfig is missing")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	config.UserAgent = name // without the version that the file's name has
	config.QPS = -1         // the API server is for tests, and as fast as it can be
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	if err := answers(ctx, clients); err != nil {
		return fmt.Errorf("ask the API server %s for its namespaces: %w", config.Host, err)
	}

	kinds := clients.Discovery()
	namespaces := informers.NewSharedInformerFactory(clients, 0)
	started := make(chan struct{})
	close(started) // no controller shares the informers, so each may start at once
	collector, err := garbagecollector.NewGarbageCollector(ctx, clients, objects,
		restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds)),
		garbagecollector.DefaultIgnoredResources(),
		metadataInformers{metadatainformer.NewSharedInformerFactory(objects, garbagecollector.ResourceResyncTime)},
		started)
	if err != nil {
		return fmt.Errorf("make the garbage collector: %w", err)
	}
	remover := namespace.NewNamespaceController(ctx, clients, objects, kinds.ServerPreferredNamespacedResources,
		namespaces.Core().V1().Namespaces(), namespacesPeriod, corev1.FinalizerKubernetes)
	namespaces.Start(ctx.Done())

	var controllers sync.WaitGroup
	defer controllers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	controllers.Go(func() { collector.Run(ctx, garbageWorkers, syncTimeout) })
	controllers.Go(func() { collector.Sync(ctx, kinds, kindsPeriod) })
	controllers.Go(func() { remover.Run(ctx, namespaceWorkers) })

	logger := klog.FromContext(ctx)
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		return collector.IsSynced(logger) && namespaces.Core().V1().Namespaces().Informer().HasSynced(), nil
	})
	if err != nil {
		return nil // it was told to end
	}
	logger.Info("All controllers are at work")
	if readyFile != "" {
		if err := os.WriteFile(readyFile, nil, 0o600); err != nil {
			return fmt.Errorf("say that the controllers are at work: %w", err)
		}
	}
	<-ctx.Done()
	return nil
}

// answers returns an error if the API server does not answer or does not let the controllers do their work.
func answers(ctx context.Context, clients kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := clients.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
	return err
}

// metadataInformers are the informers of the garbage collector, which reads nothing but metadata.
type metadataInformers struct {
	metadatainformer.SharedInformerFactory
}

// ForResource returns the one informer of the resource.
func (f metadataInformers) ForResource(resource schema.GroupVersionResource) (informers.GenericInformer, error) {
	return f.SharedInformerFactory.ForResource(resource), nil
}
