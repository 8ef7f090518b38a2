// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
)

const root = "../.."

// The API server's limits on the cost of CEL rules.
const perCallLimit, costBudget = 1_000_000, 10_000_000

// kinds are the pages by kind, and an empty object of each.
var kinds = map[string]struct {
	page string
	new  func() any
}{
	"VonageAccount": {"vonageaccount.md", func() any { return &v1alpha1.VonageAccount{} }},
	"MeetingRoom":   {"meetingroom.md", func() any { return &v1alpha1.MeetingRoom{} }},
	"BreakoutSet":   {"breakoutset.md", func() any { return &v1alpha1.BreakoutSet{} }},
	"RoomSignal":    {"roomsignal.md", func() any { return &v1alpha1.RoomSignal{} }},
}

// page is one file of docs/.
type page struct{ name, text string }

func readPages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("reading docs/: %v, %d files", err, len(files))
	}
	pages := make([]page, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = page{filepath.Base(file), string(text)}
	}
	return pages
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	for _, p := range readPages(t) {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("docs/%s is missing", name)
	return page{}
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks are the fenced blocks of a language.
func (p page) blocks(language string) []string {
	var blocks []string
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		if m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

var span = regexp.MustCompile("`([^`\n]+)`")

// spans are the texts in backticks outside of fenced blocks.
func (p page) spans() []string {
	var spans []string
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		spans = append(spans, m[1])
	}
	return spans
}

// readCRDs returns the generated CustomResourceDefinitions by kind.
func readCRDs(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crd); err != nil {
			t.Fatal(err)
		}
		crds[crd.Spec.Names.Kind] = crd
	}
	if len(crds) != len(kinds) {
		t.Fatalf("config/crd/bases has %d kinds, want %d", len(crds), len(kinds))
	}
	return crds
}

// fieldsOf are the paths of all fields of spec and status, as spec.rooms[].name. What is Kubernetes' own, conditions
// and label selectors, is one field.
func fieldsOf(crd *apiextensionsv1.CustomResourceDefinition) []string {
	var fields []string
	var walk func(path string, s apiextensionsv1.JSONSchemaProps)
	walk = func(path string, s apiextensionsv1.JSONSchemaProps) {
		if strings.HasSuffix(path, ".conditions[]") || strings.HasSuffix(path, ".selector") {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			fields = append(fields, path+"."+name)
			walk(path+"."+name, s.Properties[name])
		}
		if s.Items != nil {
			walk(path+"[]", *s.Items.Schema)
		}
	}
	properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
	walk("spec", properties["spec"])
	walk("status", properties["status"])
	return fields
}

// inherited are parts that a kind shares with another one, whose page describes them.
var inherited = map[string][]string{
	"BreakoutSet": {"spec.template.session.", "spec.template.tokens."},
}

// TestFields finds every field on the page of its kind, and no field that is none.
func TestFields(t *testing.T) {
	all := map[string]bool{}
	for kind, crd := range readCRDs(t) {
		p := readPage(t, kinds[kind].page)
		spans := p.spans()
		for _, f := range fieldsOf(crd) {
			all[f] = true
			if slices.ContainsFunc(inherited[kind], func(prefix string) bool { return strings.HasPrefix(f, prefix) }) {
				continue
			}
			if !slices.Contains(spans, f) {
				t.Errorf("docs/%s does not describe %s: write `%s`", p.name, f, f)
			}
		}
	}
	path := regexp.MustCompile(`^(spec|status)(\.[a-zA-Z]+(\[\])?)+$`)
	for _, p := range readPages(t) {
		for _, s := range p.spans() {
			if path.MatchString(s) && !all[strings.TrimSuffix(s, "[]")] && !strings.Contains(s, ".conditions[].") {
				t.Errorf("docs/%s speaks of %s, which no kind has", p.name, s)
			}
		}
	}
}

// apiConstants are the string constants of the API whose names end in suffix, by file.
func apiConstants(t *testing.T, suffix string) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "api", "v1alpha1", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 || !strings.HasSuffix(spec.Names[0].Name, suffix) {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				found[spec.Names[0].Name] = value
			}
			return true
		})
		constants[filepath.Base(file)] = found
	}
	return constants
}

// TestConditions finds every condition and every reason: those of one kind on its page, those that kinds share on some
// page.
func TestConditions(t *testing.T) {
	everywhere := map[string]bool{}
	for _, p := range readPages(t) {
		for _, s := range p.spans() {
			everywhere[s] = true
		}
	}
	count := 0
	for _, suffix := range []string{"Reason", "Condition"} {
		for file, constants := range apiConstants(t, suffix) {
			spans, where := everywhere, "no page"
			if kind, _, ok := strings.Cut(file, "_types.go"); ok && kind != "common" {
				p := readPage(t, kind+".md")
				spans, where = map[string]bool{}, "not docs/"+p.name
				for _, s := range p.spans() {
					spans[s] = true
				}
			}
			for name, value := range constants {
				count++
				if !spans[value] {
					t.Errorf("%s describes %s (%s)", where, value, name)
				}
			}
		}
	}
	if count < 50 {
		t.Errorf("found %d constants, which cannot be all", count)
	}
}

// TestRunbook finds an entry in operations.md for every reason with which the code says that somebody has to do
// something.
func TestRunbook(t *testing.T) {
	constants := map[string]string{}
	for _, found := range apiConstants(t, "Reason") {
		maps.Copy(constants, found)
	}
	call := regexp.MustCompile(`(?:\bstalled|\.stall|\bfailf)\(v1alpha1\.([A-Za-z]+Reason)\b`)
	p, stalling := readPage(t, "operations.md"), map[string]bool{}
	for _, folder := range []string{"controller", "account"} {
		files, err := filepath.Glob(filepath.Join(root, "internal", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range call.FindAllStringSubmatch(string(text), -1) {
				stalling[constants[m[1]]] = true
			}
		}
	}
	if len(stalling) < 10 {
		t.Fatalf("found %d reasons that stall, which cannot be all", len(stalling))
	}
	for reason := range stalling {
		if !strings.Contains(p.text, "\n### "+reason+"\n") {
			t.Errorf("docs/operations.md has no runbook entry \"### %s\"", reason)
		}
	}
}

// TestExamples decodes every example of the group's kinds strictly and validates it as the API server does, CEL rules
// included.
func TestExamples(t *testing.T) {
	crds, seen := readCRDs(t), map[string]bool{}
	for _, p := range readPages(t) {
		for _, block := range p.blocks("yaml") {
			for document := range strings.SplitSeq(block, "\n---\n") {
				var meta struct{ APIVersion, Kind string }
				if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
					t.Errorf("%s: a block is no YAML: %v\n%s", p.name, err, document)
					continue
				}
				if !strings.HasPrefix(meta.APIVersion, v1alpha1.GroupVersion.Group+"/") {
					continue
				}
				kind, ok := kinds[meta.Kind]
				if !ok || meta.APIVersion != v1alpha1.GroupVersion.String() {
					t.Errorf("%s: there is no %s %s", p.name, meta.APIVersion, meta.Kind)
					continue
				}
				if err := yaml.UnmarshalStrict([]byte(document), kind.new()); err != nil {
					t.Errorf("%s: %v\n%s", p.name, err, document)
				}
				for _, err := range validate(t, crds[meta.Kind], document) {
					t.Errorf("%s: %v\n%s", p.name, err, document)
				}
				if p.name == kind.page {
					seen[meta.Kind] = true
				}
			}
		}
	}
	for kind := range kinds {
		if !seen[kind] {
			t.Errorf("the page of %s shows no example of it", kind)
		}
	}
}

// TestValidate makes sure that TestExamples can fail, by schema, by list keys and by CEL.
func TestValidate(t *testing.T) {
	crd := readCRDs(t)["BreakoutSet"]
	for name, spec := range map[string]string{
		"schema": "{meetingRoomRef: {name: a}, state: Ajar}",
		"keys":   "{meetingRoomRef: {name: a}, rooms: [{name: red}, {name: red}]}",
		"CEL":    "{meetingRoomRef: {name: a}, rooms: [{name: red}], replicas: 2}",
	} {
		document := "apiVersion: breakout-operator.io/v1alpha1\nkind: BreakoutSet\nmetadata: {name: groups}\nspec: " +
			spec
		if len(validate(t, crd, document)) == 0 {
			t.Errorf("%s: no error for %s", name, spec)
		}
	}
}

// validate is what the API server says to the creation of an object.
func validate(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition, document string) field.ErrorList {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema, internal, nil,
	); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(internal)
	if err != nil {
		t.Fatal(err)
	}
	errs := validation.ValidateCustomResource(nil, object, validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, structural, object)...)
	rules := cel.NewValidator(structural, true, perCallLimit)
	broken, _ := rules.Validate(t.Context(), nil, structural, object, nil, costBudget)
	return append(errs, broken...)
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows every link inside the project.
func TestLinks(t *testing.T) {
	for _, p := range readPages(t) {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			path := filepath.Join(root, "docs", p.name)
			if target != "" {
				path = filepath.Join(root, "docs", target)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.name, m[1])
				continue
			}
			if anchor == "" || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(anchorsOf(string(text)), anchor) {
				t.Errorf("%s: the link %s leads to no heading", p.name, m[1])
			}
		}
	}
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchorsOf are the anchors of a text's headings, as GitHub makes them.
func anchorsOf(text string) []string {
	var anchors []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchors = append(anchors, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return anchors
}
