// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/breakout-operator/breakout-operator/internal/sandbox"
	"github.com/breakout-operator/breakout-operator/test/sim/apiserver"
)

var crds = filepath.Join("..", "..", "..", "config", "crd", "bases")

// TestConformance asks a real API server and the one in memory the same things: their answers are alike.
func TestConformance(t *testing.T) {
	cp, err := sandbox.Start(
		t.Context(),
		sandbox.Options{CRDs: []string{crds}, WithoutControllers: true, Progress: os.Stderr},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := cp.Config()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	actual := party{url: config.Host, client: client}
	inMemory := party{url: "http://memory", client: &http.Client{Transport: newServer(t, apiserver.Options{})}}
	for i, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			namespace := fmt.Sprintf("script-%d", i)
			steps := parse(t, s.steps)
			want, got := actual.run(t, namespace, steps), inMemory.run(t, namespace, steps)
			for k, wanted := range steps {
				if want[k].Status != wanted.status {
					t.Errorf(
						"%s\nthe real API server answers %d, the table says %d:\n%s",
						want[k].Request,
						want[k].Status,
						wanted.status,
						pretty(want[k].Body),
					)
				}
			}
			for k := range steps {
				if diff := cmp.Diff(want[k], got[k]); diff != "" {
					t.Errorf("%s\n(-real +in memory):\n%s", want[k].Request, diff)
				}
			}
		})
	}
}

// TestRefusals has the server in memory say what it does not do.
func TestRefusals(t *testing.T) {
	memory := party{url: "http://memory", client: &http.Client{Transport: newServer(t, apiserver.Options{})}}
	steps := parse(t, refused)
	for i, a := range memory.run(t, "refusals", steps) {
		status, _ := a.Body.(map[string]any)
		message, _ := status["message"].(string)
		if a.Status != steps[i].status ||
			a.Status == http.StatusNotImplemented &&
				!strings.Contains(message, "the API server in memory does not know") {
			t.Errorf("%s: answered %d: %s", a.Request, a.Status, pretty(a.Body))
		}
	}
}

// TestWatchFromTheFuture has a watch wait for what comes after a version that there is not yet.
func TestWatchFromTheFuture(t *testing.T) {
	server := newServer(t, apiserver.Options{Stirred: func() {}})
	memory := party{url: "http://memory", client: &http.Client{Transport: server}}
	memory.run(t, "future", parse(t, `
w = WATCH meetingrooms?watch=true&resourceVersion=102 200

POST meetingrooms 201
metadata: {name: a}

POST meetingrooms 201
metadata: {name: b}

POST meetingrooms 201
metadata: {name: c}
`))
	if watches := server.Watches(); len(watches) != 1 || watches[0].Waiting() != 1 {
		t.Errorf("%d watches, want one for which only the event of version 103 waits", len(watches))
	}
}

func newServer(t *testing.T, o apiserver.Options) *apiserver.Server {
	t.Helper()
	kinds, err := apiserver.LoadCRDs(crds)
	if err != nil {
		t.Fatal(err)
	}
	o.CRDs = kinds
	return apiserver.New(o)
}

func pretty(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// step is a request.
type step struct {
	// line is its first line, name under which its answer is kept, verb its method or what else is done, and path what
	// it is about.
	line, name, verb, path string

	// base is the answer that the body changes, as a merge patch does; empty for none.
	base string

	// as is in which form the answer is asked for, contentType what the body is called.
	as, contentType string

	// count is how many events are read.
	count int

	// status is what a real API server answers.
	status int

	// body is YAML.
	body string
}

// parse reads the steps of a script. They are separated by empty lines, each with a line
//
//	[name =] VERB path [<base] [as=form] [type=media/type] [events] status
//
// and, below it, a body of YAML. Verbs are HTTP's methods, the kinds of patches, WATCH, which opens a watch, READ,
// which reads from one, and END, which sees it end. The answer has a name so that the other steps can use it: <base
// changes the object it holds, as a merge patch does, and $name.uid, $name.rv and $name.name are of its metadata. $ns
// is the namespace.
func parse(t *testing.T, script string) []step {
	t.Helper()
	var steps []step
	for block := range strings.SplitSeq(strings.TrimSpace(script), "\n\n") {
		line, body, _ := strings.Cut(strings.TrimSpace(block), "\n")
		s := step{line: line, body: body}
		words := strings.Fields(line)
		if len(words) > 2 && words[1] == "=" {
			s.name, words = words[0], words[2:]
		}
		if len(words) < 3 {
			t.Fatalf("%q: no verb, path and status", line)
		}
		s.verb, s.path = words[0], words[1]
		var err error
		if s.status, err = strconv.Atoi(words[len(words)-1]); err != nil {
			t.Fatalf("%q has no status: %v", line, err)
		}
		for _, word := range words[2 : len(words)-1] {
			switch key, value, _ := strings.Cut(word, "="); {
			case strings.HasPrefix(word, "<"):
				s.base = word[1:]
			case key == "as":
				s.as = value
			case key == "type":
				s.contentType = value
			default:
				if s.count, err = strconv.Atoi(word); err != nil {
					t.Fatalf("%q: what is %q?", line, word)
				}
			}
		}
		steps = append(steps, s)
	}
	return steps
}

// homes are where resources are served, and their kinds and apiVersions.
var homes = map[string]struct{ path, kind, apiVersion string }{
	"meetingrooms": {
		"/apis/breakout-operator.io/v1alpha1/namespaces/$ns/",
		"MeetingRoom",
		"breakout-operator.io/v1alpha1",
	},
	"breakoutsets": {
		"/apis/breakout-operator.io/v1alpha1/namespaces/$ns/",
		"BreakoutSet",
		"breakout-operator.io/v1alpha1",
	},
	"roomsignals": {
		"/apis/breakout-operator.io/v1alpha1/namespaces/$ns/",
		"RoomSignal",
		"breakout-operator.io/v1alpha1",
	},
	"vonageaccounts": {"/apis/breakout-operator.io/v1alpha1/", "VonageAccount", "breakout-operator.io/v1alpha1"},
	"secrets":        {"/api/v1/namespaces/$ns/", "Secret", "v1"},
	"events":         {"/apis/events.k8s.io/v1/namespaces/$ns/", "Event", "events.k8s.io/v1"},
	"namespaces":     {"/api/v1/", "Namespace", "v1"},
}

var nameInPath = regexp.MustCompile(`^[a-z]+`)

// contentTypes are what the kinds of patches are called.
var contentTypes = map[string]string{
	"MERGE":     "application/merge-patch+json",
	"JSON":      "application/json-patch+json",
	"STRATEGIC": "application/strategic-merge-patch+json",
}

// forms are the forms of an answer beside the usual one.
var forms = map[string]string{
	"metadata": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
	"list":     "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
}

// answer is what a server answers to a step.
type answer struct {
	Request string
	Status  int
	Body    any
}

// party is a server.
type party struct {
	url    string
	client *http.Client
}

// conversation is what a party was asked and has answered.
type conversation struct {
	party
	t         *testing.T
	namespace string
	named     map[string]any
	watches   map[string]*json.Decoder
}

// patience only ends a test that has failed.
const patience = 30 * time.Second

// run asks what a script asks, in a namespace that it makes, and returns the answers in a form that is the same for all
// servers.
func (p party) run(t *testing.T, namespace string, steps []step) []answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel) // not sooner: it ends the watches
	c := conversation{p, t, namespace, map[string]any{}, map[string]*json.Decoder{}}
	setUp := step{verb: http.MethodPost, path: "namespaces", body: "metadata: {name: $ns}"}
	if a := c.ask(ctx, setUp); a.Status != http.StatusCreated {
		t.Fatalf("no namespace: %v", a)
	}
	answers := make([]answer, len(steps))
	for i, s := range steps {
		answers[i] = c.ask(ctx, s)
	}
	normalise(steps, answers)
	return answers
}

var reference = regexp.MustCompile(`\$[a-z]+\.(uid|rv|name)`)

// fill replaces the references to other answers.
func (c *conversation) fill(text string) string {
	return reference.ReplaceAllStringFunc(strings.ReplaceAll(text, "$ns", c.namespace), func(found string) string {
		name, property, _ := strings.Cut(found[1:], ".")
		object, ok := c.named[name].(map[string]any)
		if !ok {
			c.t.Fatalf("nothing is called %q", name)
		}
		m, _ := object["metadata"].(map[string]any)
		key := map[string]string{"uid": "uid", "rv": "resourceVersion", "name": "name"}[property]
		if m[key] == nil {
			c.t.Fatalf("%s has no %s: %v", name, property, object)
		}
		return fmt.Sprint(m[key])
	})
}

// ask carries a step out.
func (c *conversation) ask(ctx context.Context, s step) answer {
	c.t.Helper()
	switch s.verb {
	case "READ", "END":
		return c.read(s)
	}
	path, home := s.path, homes[nameInPath.FindString(s.path)]
	if !strings.HasPrefix(path, "/") {
		path = home.path + path
	}
	method, contentType := s.verb, "application/json"
	switch {
	case s.verb == "WATCH":
		method = http.MethodGet
	case contentTypes[s.verb] != "":
		method, contentType = http.MethodPatch, contentTypes[s.verb]
	}
	if s.contentType != "" {
		contentType = s.contentType
	}
	text := c.encode(s, home.kind, home.apiVersion)
	req, err := http.NewRequestWithContext(ctx, method, c.url+c.fill(path), bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	if s.as != "" {
		req.Header.Set("Accept", forms[s.as])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatalf("%s: %v", s.line, err)
	}
	a := answer{Request: s.line + "\n" + s.body, Status: resp.StatusCode}
	if s.verb == "WATCH" && resp.StatusCode == http.StatusOK {
		c.t.Cleanup(func() { _ = resp.Body.Close() })
		c.watches[s.name] = json.NewDecoder(resp.Body)
		return a
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", s.line, err)
	}
	if json.Unmarshal(all, &a.Body) != nil {
		a.Body = string(all)
	}
	if s.name != "" {
		c.named[s.name] = deepCopy(c.t, a.Body)
	}
	return a
}

// encode makes JSON of a step's body, and says of what kind it is where that is the rule.
func (c *conversation) encode(s step, kind, apiVersion string) []byte {
	body := c.fill(s.body)
	if strings.HasPrefix(body, "!") {
		return []byte(body[1:]) // as it is
	}
	text, err := yaml.YAMLToJSON([]byte(body))
	if err != nil {
		c.t.Fatalf("%s: %v", s.line, err)
	}
	if body == "" {
		text = []byte("{}")
	}
	if s.base != "" {
		base, err := json.Marshal(c.named[s.base])
		if err != nil {
			c.t.Fatal(err)
		}
		if text, err = jsonpatch.MergePatch(base, text); err != nil {
			c.t.Fatalf("%s: %v", s.line, err)
		}
	}
	switch s.verb {
	case http.MethodPost, http.MethodPut:
		object := map[string]any{"kind": kind, "apiVersion": apiVersion}
		if err := json.Unmarshal(text, &object); err != nil {
			c.t.Fatalf("%s: %v", s.line, err)
		}
		maps.DeleteFunc(
			object,
			func(key string, value any) bool { return value == nil && (key == "kind" || key == "apiVersion") },
		)
		if text, err = json.Marshal(object); err != nil {
			c.t.Fatal(err)
		}
	case http.MethodGet, "WATCH":
		return nil
	case http.MethodDelete:
		if body == "" {
			return nil
		}
	}
	return text
}

// read reads from a watch.
func (c *conversation) read(s step) answer {
	c.t.Helper()
	events := []any{}
	for range s.count {
		var event any
		if err := c.watches[s.path].Decode(&event); err != nil {
			c.t.Errorf("%s: after %d events: %v", s.line, len(events), err)
			break
		}
		events = append(events, event)
	}
	if s.verb == "END" {
		var event any
		if err := c.watches[s.path].Decode(&event); !errors.Is(err, io.EOF) {
			c.t.Errorf("%s: the watch goes on with %v, %v", s.line, event, err)
		}
	}
	return answer{Request: s.line, Status: s.status, Body: events}
}

func deepCopy(t *testing.T, value any) (result any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	if err != nil {
		t.Fatal(err)
	}
	return result
}

var (
	uuids     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	generated = regexp.MustCompile(`^[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	patched   = regexp.MustCompile(`Invalid value: "\{.*\}": `)
	numbers   = regexp.MustCompile(`\b[0-9]+\b`)
)

// normaliser replaces what differs from server to server.
type normaliser struct {
	uids     map[string]string
	times    map[string]string
	names    map[string]string
	versions map[string][]uint64 // by resource
	resource string
}

// normalise replaces UIDs by the order in which they appear, resourceVersions by their order within the resource, and
// times by whether they are the same as before for the same object. Of lists and bookmarks it is not known when their
// resourceVersion was in force, only that there is one.
func normalise(steps []step, answers []answer) {
	n := normaliser{
		uids:     map[string]string{},
		times:    map[string]string{},
		names:    map[string]string{},
		versions: map[string][]uint64{},
	}
	watched := map[string]string{}
	resources := make([]string, len(steps))
	for i, s := range steps {
		resources[i] = nameInPath.FindString(s.path)
		switch s.verb {
		case "WATCH":
			watched[s.name] = resources[i]
		case "READ", "END":
			resources[i] = watched[s.path]
		}
		n.resource = resources[i]
		n.collect(answers[i].Body)
	}
	for _, versions := range n.versions {
		slices.Sort(versions)
	}
	for i := range answers {
		n.resource = resources[i]
		answers[i].Body = n.replace(answers[i].Body)
	}
}

// versionOf is the resourceVersion of an object that is no list and no bookmark.
func versionOf(object map[string]any) (uint64, bool) {
	m, _ := object["metadata"].(map[string]any)
	text, _ := m["resourceVersion"].(string)
	version, err := strconv.ParseUint(text, 10, 64)
	return version, err == nil && m["uid"] != nil
}

func (n *normaliser) collect(value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			n.collect(item)
		}
	case map[string]any:
		if version, ok := versionOf(value); ok && !slices.Contains(n.versions[n.resource], version) {
			n.versions[n.resource] = append(n.versions[n.resource], version)
		}
		for _, item := range value {
			n.collect(item)
		}
	}
}

func (n *normaliser) replace(value any) any {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			value[i] = n.replace(item)
		}
	case map[string]any:
		if m, ok := value["metadata"].(map[string]any); ok {
			n.replaceMetadata(value, m)
		}
		if text, ok := value["message"].(string); ok {
			value["message"] = n.replaceMessage(text)
		}
		if causes, ok := value["causes"].([]any); ok {
			slices.SortFunc(causes, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			value[key] = n.replace(value[key])
		}
	case string:
		if name := n.names[value]; name != "" {
			return name
		}
		return uuids.ReplaceAllStringFunc(value, func(uid string) string {
			if n.uids[uid] == "" {
				n.uids[uid] = fmt.Sprintf("uid#%d", len(n.uids)+1)
			}
			return n.uids[uid]
		})
	}
	return value
}

// replaceMetadata replaces what differs in the metadata of an object.
func (n *normaliser) replaceMetadata(object, m map[string]any) {
	delete(m, "managedFields")
	if version, ok := versionOf(object); ok {
		m["resourceVersion"] = n.rank(version)
	} else if text, _ := m["resourceVersion"].(string); text != "" {
		m["resourceVersion"] = "some"
	}
	for _, key := range []string{"creationTimestamp", "deletionTimestamp"} {
		text, _ := m[key].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || time.Since(at).Abs() > time.Hour {
			continue // there is none, or nobody knows where it comes from
		}
		// Seconds are too coarse to tell one object's from another's, but of the same object it is always the same.
		first := fmt.Sprint(m["uid"], key)
		if n.times[first] == "" {
			n.times[first] = text
		}
		m[key] = key
		if n.times[first] != text {
			m[key] = "another " + key
		}
	}
	name, _ := m["name"].(string)
	if prefix, _ := m["generateName"].(string); prefix != "" {
		if suffix, found := strings.CutPrefix(name, prefix); found && generated.MatchString(suffix) {
			n.names[name] = prefix + "(generated)"
		}
	}
}

func (n *normaliser) rank(version uint64) string {
	return fmt.Sprintf("rv#%d", slices.Index(n.versions[n.resource], version)+1)
}

// replaceMessage replaces what differs in a message. What is wrong with an object comes in no particular order.
func (n *normaliser) replaceMessage(text string) string {
	text = patched.ReplaceAllString(text, "Invalid value: (the object): ") // it has managedFields
	if before, list, found := strings.Cut(text, " is invalid: ["); found {
		errs := strings.Split(strings.TrimSuffix(list, "]"), ", ")
		slices.Sort(errs)
		text = before + " is invalid: [" + strings.Join(errs, ", ") + "]"
	}
	if !strings.Contains(text, "resource version") && !strings.Contains(text, "ResourceVersion in") {
		return text
	}
	return numbers.ReplaceAllStringFunc(text, func(found string) string {
		if version, err := strconv.ParseUint(
			found,
			10,
			64,
		); err == nil &&
			slices.Contains(n.versions[n.resource], version) {
			return n.rank(version)
		}
		return "rv"
	})
}
