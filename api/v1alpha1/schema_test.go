// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// schemas returns the schema of each kind as the generated CustomResourceDefinitions have it.
func schemas(t *testing.T) map[string]apiextensionsv1.JSONSchemaProps {
	t.Helper()
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]apiextensionsv1.JSONSchemaProps{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[crd.Spec.Names.Kind] = *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	if got, want := slices.Sorted(maps.Keys(found)),
		[]string{"BreakoutSet", "MeetingRoom", "RoomSignal", "VonageAccount"}; !slices.Equal(got, want) {
		t.Fatalf("generated CRDs are of %v, want %v", got, want)
	}
	return found
}

// walk calls visit with the path and the last name of every field below the schema. Items and map values have the name
// of their field.
func walk(
	path, name string, schema apiextensionsv1.JSONSchemaProps,
	visit func(path, name string, schema apiextensionsv1.JSONSchemaProps),
) {
	for field, property := range schema.Properties {
		visit(path+"."+field, field, property)
		walk(path+"."+field, field, property, visit)
	}
	if schema.Items != nil {
		visit(path+"[]", name, *schema.Items.Schema)
		walk(path+"[]", name, *schema.Items.Schema, visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		visit(path+"{}", name, *schema.AdditionalProperties.Schema)
		walk(path+"{}", name, *schema.AdditionalProperties.Schema, visit)
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for kind, schema := range schemas(t) {
		walk(kind, "", schema, func(path, name string, schema apiextensionsv1.JSONSchemaProps) {
			isKubernetes := slices.Contains([]string{kind + ".apiVersion", kind + ".kind", kind + ".metadata"}, path)
			if isKubernetes || strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "{}") {
				return
			}
			first, rest, _ := strings.Cut(schema.Description, " ")
			if first != name || rest == "" {
				t.Errorf("%s: the description is %q, want a sentence that starts with %q", path, schema.Description,
					name)
			}
		})
	}
}

func TestEverySpecFieldIsBounded(t *testing.T) {
	for kind, schema := range schemas(t) {
		walk(kind+".spec", "", schema.Properties["spec"], func(path, _ string, schema apiextensionsv1.JSONSchemaProps) {
			// Kubernetes' own type has no bounds. How many there are of what is in it is bounded by a CEL rule.
			if strings.HasPrefix(path, "VonageAccount.spec.allowedNamespaces.selector.") {
				return
			}
			if missing := missingBound(schema); missing != "" {
				t.Errorf("%s has no %s", path, missing)
			}
		})
	}
}

// missingBound names what a schema of that type lacks to be bounded.
func missingBound(schema apiextensionsv1.JSONSchemaProps) string {
	isMap := schema.AdditionalProperties != nil || schema.XPreserveUnknownFields != nil
	switch {
	case schema.Type == "string" && schema.MaxLength == nil && len(schema.Enum) == 0 && schema.Format != "date-time":
		return "maxLength, enum or format"
	case schema.Type == "string" && schema.MaxLength != nil && schema.MinLength == nil:
		return "minLength"
	case schema.Type == "array" && schema.MaxItems == nil:
		return "maxItems"
	case schema.Type == "array" && schema.XListType == nil:
		return "list type"
	case schema.Type == "object" && isMap && schema.MaxProperties == nil:
		return "maxProperties"
	case schema.Type == "integer" && (schema.Minimum == nil || schema.Maximum == nil):
		return "minimum and maximum"
	case schema.Type == "number" || schema.Type == "boolean" || schema.Type == "":
		return "type that the API allows: string, integer, array, map or object"
	}
	return ""
}
