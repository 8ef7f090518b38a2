// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

const (
	// OperatorNamespace is where the operator lives in a cluster, and where the credentials are.
	OperatorNamespace = "breakout-operator-system"

	// operatorServiceAccount is whose rights it has.
	operatorServiceAccount = "breakout-operator-controller-manager"

	// stopTimeout is how long the operator may take to stop, as long as the longest call that it makes.
	stopTimeout = 15 * time.Second
)

// BuildOperator builds the operator of the module in root into the file out. While that takes long it says so on
// progress.
func BuildOperator(ctx context.Context, root, out string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/manager")
	cmd.Dir = root
	stop := keepSaying(progress, "Building the operator")
	output, err := cmd.CombinedOutput()
	stop()
	if err != nil {
		return fmt.Errorf("build the operator: %w\n%s", err, bytes.TrimSpace(output))
	}
	return nil
}

func (e *Environment) operatorProgram() string    { return filepath.Join(e.Dir, "manager") }
func (e *Environment) operatorKubeconfig() string { return filepath.Join(e.Dir, "operator.kubeconfig") }

// startOperator runs the operator as its ServiceAccount, once the API server knows of its rights.
func (e *Environment) startOperator(ctx context.Context) error {
	config, err := e.ControlPlane.ServiceAccountConfig(ctx, OperatorNamespace, operatorServiceAccount)
	if err != nil {
		return err
	}
	err = e.ControlPlane.ServiceAccountKubeconfig(ctx, OperatorNamespace, operatorServiceAccount,
		e.operatorKubeconfig())
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	// The API server learns of roles by a watch. An operator that comes before is refused at first, tries again, and
	// takes seconds longer.
	err = wait.PollUntilContextTimeout(ctx, pollPeriod, readyTimeout, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "vonageaccounts",
			},
		}}
		err := c.Create(ctx, review)
		return review.Status.Allowed, err
	})
	if err != nil {
		return fmt.Errorf("wait until the operator has the rights of config/rbac: %w", err)
	}
	return e.RestartOperator()
}

// RestartOperator runs the operator again, after it has ended.
func (e *Environment) RestartOperator() error {
	p, err := sandbox.StartProcess(sandbox.Command{
		Name: "the operator", Path: e.operatorProgram(),
		Args: []string{
			"--leader-elect",
			"--operator-namespace=" + OperatorNamespace,
			// It serves neither metrics nor probes: nobody would look.
			"--metrics-bind-address=0",
			"--health-probe-bind-address=0",
			"--zap-encoder=console", // people read it here
			"--zap-stacktrace-level=panic",
		},
		Env: []string{"KUBECONFIG=" + e.operatorKubeconfig()}, Log: filepath.Join(e.Dir, "operator.log"),
	})
	if err == nil {
		e.Operator = p
	}
	return err
}

// keepSaying says that something takes long, if it does, until the result is called.
func keepSaying(progress io.Writer, what string) (stop func()) {
	const period = 5 * time.Second
	begun, finished, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-finished:
				return
			case <-ticker.C:
				fmt.Fprintf(progress, "%s … %s\n", what, time.Since(begun).Round(time.Second))
			}
		}
	}()
	return func() {
		close(finished)
		<-ended
	}
}
