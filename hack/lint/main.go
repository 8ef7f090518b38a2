// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command lint is golangci-lint with the linters of Kubernetes compiled in: kube-api-linter for the
// API types and logcheck for structured logging. It is what "golangci-lint custom" would generate,
// without cloning golangci-lint's repository: everything comes from the Go module proxy, at the
// versions of this folder's go.mod.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"

	// Module plugins, registered when imported.
	_ "sigs.k8s.io/kube-api-linter/pkg/plugin/base"
	_ "sigs.k8s.io/kube-api-linter/pkg/registration"
	_ "sigs.k8s.io/logtools/logcheck/gclplugin"
)

func main() {
	info := commands.BuildInfo{
		GoVersion: runtime.Version(), Version: golangciVersion(), Commit: "unknown", Date: "unknown",
	}
	if err := commands.Execute(info); err != nil {
		fmt.Fprintf(os.Stderr, "The command is terminated due to an error: %v\n", err)
		os.Exit(exitcodes.Failure)
	}
}

// golangciVersion returns the version of golangci-lint that this binary was built with.
func golangciVersion() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range build.Deps {
			if dep.Path == "github.com/golangci/golangci-lint/v2" {
				return dep.Version
			}
		}
	}
	return "unknown"
}
