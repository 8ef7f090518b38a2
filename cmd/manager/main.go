// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager is the operator: it reconciles VonageAccounts, MeetingRooms, BreakoutSets and RoomSignals.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	// Authentication plugins of kubeconfig files.
	_ "k8s.io/client-go/plugin/pkg/client/auth"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/breakout-operator/breakout-operator/internal/controller"
)

// leaderElectionID is the name of the leader's lease.
const leaderElectionID = "breakout-operator.io"

// gcPercent is GOGC unless the environment sets it: nearly all that lives is the cache, which stays. Half of Go's own
// saves a sixth of the memory with 10,000 rooms, and no difference in CPU could be measured.
const gcPercent = 50

func main() {
	if err := run(flag.CommandLine, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "breakout-operator:", err)
		}
		os.Exit(1)
	}
}

// run is the whole program. When it returns the process must end at once: the leader's lease has been given back by
// then.
func run(fs *flag.FlagSet, args []string) error {
	f := bindFlags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := zap.New(zap.UseFlagOptions(&f.zap))
	ctrl.SetLogger(log)
	namespace, err := operatorNamespace(f.operatorNamespace)
	if err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	restConfig.QPS = -1 // the API server's own priority and fairness is what limits
	restConfig.UserAgent = userAgent() + " " + restConfig.UserAgent

	mgr, err := ctrl.NewManager(restConfig, managerOptions(f, namespace))
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := controller.SetupAll(mgr, controller.Options{
		OperatorNamespace:    namespace,
		UserAgent:            userAgent(),
		VonageAccountWorkers: f.accountWorkers,
		MeetingRoomWorkers:   f.roomWorkers,
		BreakoutSetWorkers:   f.setWorkers,
		RoomSignalWorkers:    f.signalWorkers,
	}); err != nil {
		return err
	}
	if err := errors.Join(
		mgr.AddHealthzCheck("healthz", healthz.Ping), mgr.AddReadyzCheck("readyz", healthz.Ping),
	); err != nil {
		return fmt.Errorf("adding the probes: %w", err)
	}
	log.Info("Starting the operator", "version", version(), "operatorNamespace", namespace)
	return mgr.Start(ctrl.SetupSignalHandler())
}

// userAgent names the program and its version to the API server and to Vonage.
func userAgent() string {
	return "breakout-operator/" + version()
}

// version is the module's version as the build recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
