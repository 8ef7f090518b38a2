// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cel holds the CustomResourceDefinitions against a real API server: what it accepts, what it refuses, and in
// which words.
//
//   - bounds_test.go: every bound, enum, pattern, format, list key and required field.
//   - rules_test.go: every CEL rule, on an ordinary object and on one of maximum size.
//   - maximum_test.go: objects of maximum size can be created, edited, and given the largest status.
//   - scale_test.go: the scale subresource of a BreakoutSet.
//   - samples_test.go: every file of config/samples.
package cel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox"
)

// crds is the folder of the generated CustomResourceDefinitions.
const crds = "../../config/crd/bases"

// etcdLimit is the largest request that etcd takes unless it is told otherwise.
const etcdLimit = 1536 << 10

// k8s is a client of the API server that all tests of this package share. It warns of nothing and decodes nothing by
// itself.
var k8s client.Client

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// Generous, for a machine that has to build the control plane first.
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	cp, err := sandbox.Start(ctx, sandbox.Options{CRDs: []string{crds}, WithoutControllers: true, Progress: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := cp.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if k8s, err = newClient(cp.Config()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func newClient(cfg *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	cfg.WarningHandler = rest.NoWarnings{}
	return client.New(cfg, client.Options{Scheme: scheme})
}

var names atomic.Int64

// uniqueName returns a name that no other object of this run has.
func uniqueName() string { return fmt.Sprintf("object-%d", names.Add(1)) }

// kinds are the kinds by their resource, the way CRDs name them.
var kinds = map[string]string{
	"vonageaccounts": "VonageAccount",
	"meetingrooms":   "MeetingRoom",
	"breakoutsets":   "BreakoutSet",
	"roomsignals":    "RoomSignal",
}

// newObject returns an object of the resource with the given top-level fields, and a unique name unless those give one.
func newObject(resource string, fields map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: fields}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind(kinds[resource])
	if object.GetName() == "" {
		object.SetName(uniqueName())
	}
	if resource != "vonageaccounts" {
		object.SetNamespace("default")
	}
	return object
}

// decode returns what the JSON or YAML says, with numbers as unstructured objects want them.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	fields := map[string]any{}
	// As YAML decoders are slow, and take some characters for line breaks that JSON does not.
	if json.Unmarshal([]byte(text), &fields) == nil {
		return wholeNumbers(fields).(map[string]any)
	}
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return wholeNumbers(fields).(map[string]any)
}

// wholeNumbers makes float64 int64 where they are whole.
func wholeNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = wholeNumbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = wholeNumbers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return value
}

// merge applies a JSON merge patch to fields.
func merge(fields, patch map[string]any) {
	for key, value := range patch {
		nested, isMap := value.(map[string]any)
		switch old, oldIsMap := fields[key].(map[string]any); {
		case value == nil:
			delete(fields, key)
		case isMap && oldIsMap:
			merge(old, nested)
		default:
			fields[key] = value
		}
	}
}

// answer is what kubectl would show of the API server's refusal: a sorted line `field: message` for each fault, or
// nothing if err is nil.
func answer(err error) string {
	if err == nil {
		return ""
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return err.Error()
	}
	var lines []string
	for _, cause := range status.Status().Details.Causes {
		lines = append(lines, cause.Field+": "+cause.Message)
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// shorten keeps a failure readable when objects of maximum size are quoted in it.
func shorten(text string) string {
	if len(text) > 1000 {
		return text[:500] + " … " + text[len(text)-500:]
	}
	return text
}
