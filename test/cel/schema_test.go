// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// readSchema returns the schema of the resource as its generated CustomResourceDefinition has it.
func readSchema(t *testing.T, resource string) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(crds, "breakout-operator.io_"+resource+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// walk calls visit for the schema at path and everything below it: fields as a.b, items as a[], map values as a{}.
func walk(
	path string, schema *apiextensionsv1.JSONSchemaProps,
	visit func(path string, schema *apiextensionsv1.JSONSchemaProps),
) {
	visit(path, schema)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		walk(strings.TrimPrefix(path+"."+name, "."), &property, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(path+"[]", schema.Items.Schema, visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		walk(path+"{}", schema.AdditionalProperties.Schema, visit)
	}
}

// constraintsOf lists what the schema asks for, CEL aside: `maxLength=64`, `required=name`, `unique=name` and the like.
func constraintsOf(schema *apiextensionsv1.JSONSchemaProps) []string {
	var found []string
	add := func(keyword string, bound any) { found = append(found, fmt.Sprintf("%s=%v", keyword, bound)) }
	for keyword, bound := range map[string]*int64{
		"minLength": schema.MinLength, "maxLength": schema.MaxLength, "minItems": schema.MinItems,
		"maxItems":      schema.MaxItems,
		"minProperties": schema.MinProperties, "maxProperties": schema.MaxProperties,
	} {
		if bound != nil {
			add(keyword, *bound)
		}
	}
	if schema.Minimum != nil {
		add("minimum", int64(*schema.Minimum))
	}
	if schema.Maximum != nil {
		add("maximum", int64(*schema.Maximum))
	}
	if schema.Pattern != "" {
		add("pattern", schema.Pattern)
	}
	if schema.Format == "ipv4" || schema.Format == "date-time" {
		add("format", schema.Format)
	}
	if len(schema.Enum) > 0 {
		var values []string
		for _, value := range schema.Enum {
			values = append(values, strings.Trim(string(value.Raw), `"`))
		}
		add("enum", strings.Join(values, "|"))
	}
	for _, name := range schema.Required {
		add("required", name)
	}
	if kind := schema.XListType; kind != nil && *kind == "set" {
		add("unique", "items")
	}
	for _, key := range schema.XListMapKeys {
		add("unique", key)
	}
	slices.Sort(found)
	return found
}
