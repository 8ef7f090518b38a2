// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const dnsLabel = "pattern=^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

// bounds is what the API asks for, CEL rules aside, by resource and field. It is written down here as well as in the Go
// types, so that no bound changes unnoticed: TestBoundsAreComplete compares it with the generated CRDs, TestBounds with
// what the API server does.
var bounds = map[string]map[string][]string{
	"vonageaccounts": {
		"":                                 {"required=spec"},
		"spec":                             {"required=credentialsSecretRef", "required=projectID"},
		"spec.adoption":                    {"enum=Forbidden|Allowed"},
		"spec.allowedNamespaces.from":      {"enum=All|Selector"},
		"spec.credentialsSecretRef":        {"required=name"},
		"spec.credentialsSecretRef.name":   {"minLength=1", "maxLength=253"},
		"spec.endpoint":                    {"minLength=1", "maxLength=512"},
		"spec.environment":                 {"enum=Unified|OpenTok"},
		"spec.projectID":                   {"minLength=1", "maxLength=36"},
		"spec.rateLimit.burst":             {"minimum=1", "maximum=20000"},
		"spec.rateLimit.requestsPerSecond": {"minimum=1", "maximum=10000"},
		"status.conditions":                {"maxItems=16", "unique=type"},
		"status.keyID":                     {"maxLength=64"},
		"status.observedGeneration":        {"minimum=-1"},
	},
	"meetingrooms": {
		"spec.accountRef":                      {"required=name"},
		"spec.accountRef.name":                 {"minLength=1", "maxLength=253"},
		"spec.displayName":                     {"minLength=1", "maxLength=64"},
		"spec.participants":                    {"maxItems=1000", "unique=name"},
		"spec.participants[]":                  {"required=name"},
		"spec.participants[].connectionData":   {"minProperties=1", "maxProperties=8"},
		"spec.participants[].connectionData{}": {"minLength=0", "maxLength=64"},
		"spec.participants[].name":             {"minLength=1", "maxLength=64"},
		"spec.participants[].role":             {"enum=Host|CoHost|Participant|Viewer"},
		"spec.session.archiveMode":             {"enum=Manual|Always"},
		"spec.session.archiveName":             {"minLength=1", "maxLength=80"},
		"spec.session.archiveResolution":       {"enum=640x480|480x640|1280x720|720x1280|1920x1080|1080x1920"},
		"spec.session.encryption":              {"enum=Standard|EndToEnd"},
		"spec.session.location":                {"minLength=7", "maxLength=15", "format=ipv4"},
		"spec.session.mediaMode":               {"enum=Routed|Relayed"},
		"spec.sessionID":                       {"minLength=8", "maxLength=255", "pattern=^[12]_[A-Za-z0-9_-]+$"},
		"spec.tokens.delivery":                 {"enum=Status|Secret"},
		"spec.tokens.shared":                   {"minItems=1", "maxItems=4", "unique=items"},
		"spec.tokens.shared[]":                 {"enum=Host|CoHost|Participant|Viewer"},
		"spec.tokens.ttlSeconds":               {"minimum=300", "maximum=2592000"},
		"status.accountName":                   {"minLength=1", "maxLength=253"},
		"status.activeBreakoutSet":             {"required=name", "required=uid"},
		"status.activeBreakoutSet.name":        {"minLength=1", "maxLength=63"},
		"status.activeBreakoutSet.uid":         {"minLength=1", "maxLength=64"},
		"status.conditions":                    {"maxItems=16", "unique=type"},
		"status.countdownTime":                 {"format=date-time"},
		"status.observedGeneration":            {"minimum=-1"},
		"status.projectID":                     {"minLength=1", "maxLength=64"},
		"status.sessionID":                     {"minLength=1", "maxLength=255"},
		"status.sharedTokens":                  {"maxItems=4", "unique=role"},
		"status.sharedTokens[]": {
			"required=expiresAt", "required=inputsHash", "required=issuedAt", "required=role",
		},
		"status.sharedTokens[].expiresAt":         {"format=date-time"},
		"status.sharedTokens[].inputsHash":        {"minLength=1", "maxLength=32"},
		"status.sharedTokens[].issuedAt":          {"format=date-time"},
		"status.sharedTokens[].role":              {"enum=Host|CoHost|Participant|Viewer"},
		"status.sharedTokens[].secretKeyRef":      {"required=key", "required=name"},
		"status.sharedTokens[].secretKeyRef.key":  {"minLength=1", "maxLength=253"},
		"status.sharedTokens[].secretKeyRef.name": {"minLength=1", "maxLength=253"},
		"status.sharedTokens[].token":             {"minLength=1", "maxLength=4096"},
		"status.tokens":                           {"maxItems=1000"},
		"status.tokens[]": {
			"required=expiresAt", "required=inputsHash", "required=issuedAt", "required=participant", "required=role",
		},
		"status.tokens[].expiresAt":         {"format=date-time"},
		"status.tokens[].inputsHash":        {"minLength=1", "maxLength=32"},
		"status.tokens[].issuedAt":          {"format=date-time"},
		"status.tokens[].participant":       {"minLength=1", "maxLength=64"},
		"status.tokens[].role":              {"enum=Host|CoHost|Participant|Viewer"},
		"status.tokens[].secretKeyRef":      {"required=key", "required=name"},
		"status.tokens[].secretKeyRef.key":  {"minLength=1", "maxLength=253"},
		"status.tokens[].secretKeyRef.name": {"minLength=1", "maxLength=253"},
		"status.tokens[].token":             {"minLength=1", "maxLength=4096"},
	},
	"breakoutsets": {
		"":                             {"required=spec"},
		"spec":                         {"required=meetingRoomRef"},
		"spec.assignment.mode":         {"enum=Automatic|Choose|Manual"},
		"spec.assignment.placements":   {"maxItems=1000", "unique=participant"},
		"spec.assignment.placements[]": {"required=participant", "required=room"},
		"spec.assignment.placements[].participant": {"minLength=1", "maxLength=64"},
		"spec.assignment.placements[].room":        {"minLength=1", "maxLength=40", dnsLabel},
		"spec.closeGraceSeconds":                   {"minimum=6", "maximum=600"},
		"spec.durationSeconds":                     {"minimum=1", "maximum=86400"},
		"spec.maxParticipants":                     {"minimum=0", "maximum=1000"},
		"spec.meetingRoomRef":                      {"required=name"},
		"spec.meetingRoomRef.name":                 {"minLength=1", "maxLength=253"},
		"spec.openAt":                              {"format=date-time"},
		"spec.replicas":                            {"minimum=0", "maximum=500"},
		"spec.returnMode":                          {"enum=Automatic|Manual"},
		"spec.rooms":                               {"maxItems=500", "unique=name"},
		"spec.rooms[]":                             {"required=name"},
		"spec.rooms[].displayName":                 {"minLength=1", "maxLength=64"},
		"spec.rooms[].maxParticipants":             {"minimum=0", "maximum=1000"},
		"spec.rooms[].name":                        {"minLength=1", "maxLength=40", dnsLabel},
		"spec.state":                               {"enum=Open|Closed"},
		"spec.template.session.archiveMode":        {"enum=Manual|Always"},
		"spec.template.session.archiveName":        {"minLength=1", "maxLength=80"},
		"spec.template.session.archiveResolution": {
			"enum=640x480|480x640|1280x720|720x1280|1920x1080|1080x1920",
		},
		"spec.template.session.encryption": {"enum=Standard|EndToEnd"},
		"spec.template.session.location":   {"minLength=7", "maxLength=15", "format=ipv4"},
		"spec.template.session.mediaMode":  {"enum=Routed|Relayed"},
		"spec.template.tokens.delivery":    {"enum=Status|Secret"},
		"spec.template.tokens.shared":      {"minItems=1", "maxItems=4", "unique=items"},
		"spec.template.tokens.shared[]":    {"enum=Host|CoHost|Participant|Viewer"},
		"spec.template.tokens.ttlSeconds":  {"minimum=300", "maximum=2592000"},
		"spec.warningSeconds":              {"minimum=0", "maximum=3600"},
		"status.accountName":               {"minLength=1", "maxLength=253"},
		"status.closedAt":                  {"format=date-time"},
		"status.closesAt":                  {"format=date-time"},
		"status.coHosts":                   {"maxItems=1000"},
		"status.coHosts[]":                 {"minLength=1", "maxLength=64"},
		"status.conditions":                {"maxItems=16", "unique=type"},
		"status.hosts":                     {"maxItems=1000"},
		"status.hosts[]":                   {"minLength=1", "maxLength=64"},
		"status.lastHandledResend":         {"minLength=0", "maxLength=253"},
		"status.mainDisplayName":           {"minLength=1", "maxLength=253"},
		"status.mainParticipants":          {"maxItems=1000"},
		"status.mainParticipants[]":        {"minLength=1", "maxLength=64"},
		"status.mainSessionID":             {"minLength=1", "maxLength=255"},
		"status.mode":                      {"enum=Automatic|Choose|Manual"},
		"status.observedGeneration":        {"minimum=-1"},
		"status.openedAt":                  {"format=date-time"},
		"status.readyRooms":                {"minimum=0"},
		"status.replicas":                  {"minimum=0"},
		"status.roomSummary":               {"maxLength=16"},
		"status.rooms":                     {"maxItems=1000"},
		"status.rooms[]": {
			"required=displayName", "required=meetingRoomName", "required=name", "required=sessionID",
		},
		"status.rooms[].displayName":           {"minLength=1", "maxLength=80"},
		"status.rooms[].maxParticipants":       {"minimum=0", "maximum=1000"},
		"status.rooms[].meetingRoomName":       {"minLength=1", "maxLength=253"},
		"status.rooms[].name":                  {"minLength=1", "maxLength=40", dnsLabel},
		"status.rooms[].participants":          {"maxItems=1000"},
		"status.rooms[].participants[]":        {"minLength=1", "maxLength=64"},
		"status.rooms[].sessionID":             {"minLength=1", "maxLength=255"},
		"status.rooms[].state":                 {"enum=Leaving"},
		"status.signals.deliveredTime":         {"format=date-time"},
		"status.signals.moving":                {"maxItems=1000"},
		"status.signals.moving[]":              {"minLength=1", "maxLength=64"},
		"status.signals.revision":              {"minimum=0"},
		"status.signals.sessions":              {"maxItems=1001", "unique=room"},
		"status.signals.sessions[]":            {"required=reason", "required=room", "required=time"},
		"status.signals.sessions[].messages":   {"maxItems=8"},
		"status.signals.sessions[].messages[]": {"enum=Countdown|Rooms|Opening|Added|Moves|Removal|Prompt|Roles"},
		"status.signals.sessions[].reason":     {"minLength=1", "maxLength=64"},
		"status.signals.sessions[].revision":   {"minimum=0"},
		"status.signals.sessions[].room":       {"minLength=1", "maxLength=40", dnsLabel},
		"status.signals.sessions[].time":       {"format=date-time"},
		"status.state":                         {"maxLength=32"},
		"status.timer":                         {"required=endTime", "required=returnMode"},
		"status.timer.durationSeconds":         {"minimum=1", "maximum=86400"},
		"status.timer.endTime":                 {"format=date-time"},
		"status.timer.returnMode":              {"enum=Automatic|Manual"},
		"status.timer.warningSeconds":          {"minimum=0", "maximum=3600"},
		"status.unassigned":                    {"maxItems=1000"},
		"status.unassigned[]":                  {"minLength=1", "maxLength=64"},
	},
	"roomsignals": {
		"":                              {"required=spec"},
		"spec.breakoutSetRef":           {"required=name"},
		"spec.breakoutSetRef.name":      {"minLength=1", "maxLength=253"},
		"spec.custom":                   {"required=type"},
		"spec.custom.data":              {"minLength=0", "maxLength=8000"},
		"spec.custom.type":              {"minLength=1", "maxLength=128", "pattern=^[A-Za-z0-9_~-]+$"},
		"spec.deadlineSeconds":          {"minimum=1", "maximum=3600"},
		"spec.meetingRoomRef":           {"required=name"},
		"spec.meetingRoomRef.name":      {"minLength=1", "maxLength=253"},
		"spec.message":                  {"required=from", "required=text"},
		"spec.message.from":             {"minLength=1", "maxLength=64"},
		"spec.message.text":             {"minLength=1", "maxLength=1000"},
		"spec.raiseHand":                {"required=participant", "required=room"},
		"spec.raiseHand.participant":    {"minLength=1", "maxLength=64"},
		"spec.raiseHand.room":           {"minLength=1", "maxLength=40", dnsLabel},
		"spec.recall":                   {"required=participants"},
		"spec.recall.participants":      {"minItems=1", "maxItems=1000", "unique=items"},
		"spec.recall.participants[]":    {"minLength=1", "maxLength=64"},
		"spec.rooms":                    {"minItems=1", "maxItems=501", "unique=items"},
		"spec.rooms[]":                  {"minLength=1", "maxLength=40", dnsLabel},
		"spec.ttlSecondsAfterFinished":  {"minimum=0", "maximum=2592000"},
		"status.completionTime":         {"format=date-time"},
		"status.conditions":             {"maxItems=16", "unique=type"},
		"status.deliveries":             {"maxItems=501", "unique=room"},
		"status.deliveries[]":           {"required=result", "required=room"},
		"status.deliveries[].attempts":  {"minimum=0"},
		"status.deliveries[].result":    {"enum=Pending|Accepted|NoRecipients|Failed"},
		"status.deliveries[].room":      {"minLength=1", "maxLength=40", dnsLabel},
		"status.deliveries[].sessionID": {"minLength=1", "maxLength=255"},
		"status.observedGeneration":     {"minimum=-1"},
		"status.order":                  {"minimum=0"},
		"status.revision":               {"minimum=0"},
	},
}

// complete are, by resource, the top-level fields of valid objects that between them have every bounded field.
var complete = map[string][]string{
	"vonageaccounts": {`
spec:
  environment: Unified
  projectID: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  credentialsSecretRef: {name: vonage-credentials}
  endpoint: http://simulator.example
  rateLimit: {requestsPerSecond: 10, burst: 20}
  allowedNamespaces: {from: All}
  adoption: Allowed
status:
  observedGeneration: 1
  keyID: abc
  conditions: [{type: Ready, status: "True", reason: Fine, message: "", lastTransitionTime: "2026-11-23T09:00:00Z"}]
`},
	"meetingrooms": {`
spec:
  accountRef: {name: default}
  displayName: Algebra 101
  session: {mediaMode: Routed, archiveMode: Always, archiveName: algebra, archiveResolution: 1280x720,
    location: 203.0.113.7, encryption: Standard}
  sessionID: 1_abcdefgh
  participants: [{name: Ada, role: Host, connectionData: {department: maths}}]
  tokens: {ttlSeconds: 300, delivery: Secret, shared: [Host]}
`, `
status:
  observedGeneration: 1
  accountName: default
  projectID: "12345678"
  sessionID: 1_abcdefgh
  activeBreakoutSet: {name: groups, uid: 3f2504e0-4f89-41d3-9a0c-0305e82c3301}
  countdownTime: "2026-11-23T09:00:00Z"
  conditions: [{type: Ready, status: "True", reason: Fine, message: "", lastTransitionTime: "2026-11-23T09:00:00Z"}]
  tokens:
  - participant: Ada
    role: Host
    token: eyJ
    secretKeyRef: {name: tokens, key: Ada}
    issuedAt: "2026-11-23T09:00:00Z"
    expiresAt: "2026-11-23T13:00:00Z"
    inputsHash: abc
  sharedTokens:
  - role: Host
    token: eyJ
    secretKeyRef: {name: tokens, key: Host}
    issuedAt: "2026-11-23T09:00:00Z"
    expiresAt: "2026-11-23T13:00:00Z"
    inputsHash: abc
`},
	"breakoutsets": {`
spec:
  meetingRoomRef: {name: algebra-101}
  state: Open
  rooms: [{name: red, displayName: Red team, maxParticipants: 5}]
  maxParticipants: 4
  assignment: {mode: Manual, placements: [{participant: Ada, room: red}]}
  openAt: "2026-11-23T09:00:00Z"
  durationSeconds: 900
  warningSeconds: 30
  returnMode: Automatic
  closeGraceSeconds: 15
  template:
    session: {mediaMode: Routed, archiveMode: Always, archiveName: groups, archiveResolution: 1280x720,
      location: 203.0.113.7, encryption: Standard}
    tokens: {ttlSeconds: 300, delivery: Secret, shared: [Host]}
status:
  observedGeneration: 1
  state: Open
  accountName: default
  mainSessionID: 1_abcdefgh
  mainDisplayName: Algebra 101
  mode: Manual
  openedAt: "2026-11-23T09:00:00Z"
  closesAt: "2026-11-23T09:15:00Z"
  closedAt: "2026-11-23T09:15:00Z"
  replicas: 1
  readyRooms: 1
  roomSummary: 1/1
  mainParticipants: [Ada]
  hosts: [Ada]
  coHosts: [Ada]
  unassigned: [Ada]
  lastHandledResend: again
  conditions: [{type: Ready, status: "True", reason: Fine, message: "", lastTransitionTime: "2026-11-23T09:00:00Z"}]
  rooms: [{name: red, displayName: Red team, meetingRoomName: groups-red, sessionID: 1_abcdefgh,
    maxParticipants: 5, participants: [Ada], state: Leaving}]
  timer: {endTime: "2026-11-23T09:15:00Z", durationSeconds: 900, warningSeconds: 30, returnMode: Automatic}
  signals:
    revision: 1
    deliveredTime: "2026-11-23T09:15:00.000000Z"
    sessions: [{room: red, revision: 1, time: "2026-11-23T09:15:00.000000Z", reason: Repeating, messages: [Moves]}]
    moving: [Ada]
`, `
spec:
  meetingRoomRef: {name: algebra-101}
  replicas: 4
`},
	"roomsignals": {`
spec:
  meetingRoomRef: {name: algebra-101}
  message: {from: Ms Jones, text: Five minutes left}
  deadlineSeconds: 60
  ttlSecondsAfterFinished: 300
status:
  observedGeneration: 1
  completionTime: "2026-11-23T09:00:00Z"
  order: 1
  revision: 1
  conditions: [{type: Ready, status: "True", reason: Fine, message: "", lastTransitionTime: "2026-11-23T09:00:00Z"}]
  deliveries: [{room: main, sessionID: 1_abcdefgh, result: Accepted, attempts: 1}]
`, `
spec:
  breakoutSetRef: {name: groups}
  rooms: [red]
  raiseHand: {participant: Ada, room: red}
`, `
spec:
  breakoutSetRef: {name: groups}
  custom: {type: my-signal, data: x}
`, `
spec:
  breakoutSetRef: {name: groups}
  recall: {participants: [Ada]}
`},
}

// upstream are fields whose schema is Kubernetes' own, which is tested there.
var upstream = []string{"status.conditions[]", "spec.allowedNamespaces.selector"}

func TestBoundsAreComplete(t *testing.T) {
	for resource, want := range bounds {
		t.Run(resource, func(t *testing.T) {
			got := map[string][]string{}
			walk("", readSchema(t, resource), func(path string, schema *apiextensionsv1.JSONSchemaProps) {
				isUpstream := slices.ContainsFunc(upstream, func(prefix string) bool {
					return strings.HasPrefix(path, prefix)
				})
				if found := constraintsOf(schema); len(found) > 0 && !isUpstream {
					got[path] = found
				}
			})
			if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Errorf("bounds of the CRD (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBounds sets each field to just inside and just outside each of its bounds.
func TestBounds(t *testing.T) {
	for resource, fields := range bounds {
		objects := map[int]*unstructured.Unstructured{}
		for i, text := range complete[resource] {
			objects[i] = newObject(resource, decode(t, text))
			if err := k8s.Create(t.Context(), objects[i]); err != nil {
				t.Fatalf("create a complete object: %s", answer(err))
			}
		}
		for path, constraints := range fields {
			for _, constraint := range constraints {
				t.Run(resource+"/"+path+"/"+constraint, func(t *testing.T) {
					t.Parallel()
					b := parseBound(constraint)
					for i, text := range complete[resource] {
						fields := decode(t, text)
						place, ok := lookUp(fields, path)
						if !ok {
							continue
						}
						checkBound(t, b, path, place, func() error {
							return try(t.Context(), resource, path, objects[i], fields)
						})
						return
					}
					t.Fatalf("no object in complete has %s", path)
				})
			}
		}
	}
}

// try has the API server check the fields: of a new object where the path is in its spec, of the stored object's status
// otherwise.
func try(ctx context.Context, resource, path string, stored *unstructured.Unstructured, fields map[string]any) error {
	if !strings.HasPrefix(path, "status.") {
		object := newObject(resource, map[string]any{})
		if spec, ok := fields["spec"]; ok {
			object.Object["spec"] = spec
		}
		return k8s.Create(ctx, object, client.DryRunAll)
	}
	object := stored.DeepCopy()
	object.Object["status"] = fields["status"]
	return k8s.Status().Update(ctx, object, client.DryRunAll)
}

// bound is one constraint, parsed.
type bound struct {
	keyword, text string
	number        int
}

func parseBound(constraint string) bound {
	keyword, text, _ := strings.Cut(constraint, "=")
	number, _ := strconv.Atoi(text)
	return bound{keyword: keyword, text: text, number: number}
}

// slot is a place in an object's fields that can be read and written.
type slot struct {
	get func() any
	set func(value any)
}

// lookUp finds the value at path in fields, taking the first item of lists and the one value of maps.
func lookUp(fields map[string]any, path string) (slot, bool) {
	at := slot{get: func() any { return fields }}
	if path == "" {
		return at, true
	}
	for step := range strings.SplitSeq(strings.NewReplacer("[]", ".[]", "{}", ".{}").Replace(path), ".") {
		switch holder := at.get().(type) {
		case []any:
			if step != "[]" || len(holder) == 0 {
				return slot{}, false
			}
			at = slot{get: func() any { return holder[0] }, set: func(value any) { holder[0] = value }}
		case map[string]any:
			key := step
			if step == "{}" {
				key = slices.Collect(maps.Keys(holder))[0]
			}
			if _, ok := holder[key]; !ok {
				return slot{}, false
			}
			at = slot{get: func() any { return holder[key] }, set: func(value any) { holder[key] = value }}
		default:
			return slot{}, false
		}
	}
	return at, true
}

// checkBound tries values on both sides of the bound. Inside the API server must find nothing wrong with the field;
// outside it must say so in the very words that users are to see.
func checkBound(t *testing.T, b bound, path string, at slot, try func() error) {
	t.Helper()
	original := at.get()
	for _, inside := range b.inside(path, original) {
		at.set(inside)
		if got := answer(try()); got != "" {
			t.Errorf("with %s the answer is\n%s\nwant none", shorten(fmt.Sprint(inside)), shorten(got))
		}
		at.set(original)
	}
	outside, want, ok := b.outside(path, at)
	if !ok {
		return
	}
	if outside != nil {
		at.set(outside)
	}
	got := answer(try())
	if !slices.Contains(strings.Split(got, "\n"), want) {
		t.Errorf("with %s the answer is\n%s\nwant\n%s", shorten(fmt.Sprint(at.get())), shorten(got), want)
	}
}

// inside returns values that just fulfil the bound, or none where the complete object is that already.
func (b bound) inside(path string, original any) []any {
	switch b.keyword {
	case "minLength":
		// These need more characters than one, by CEL rules.
		if path == "spec.projectID" || path == "spec.endpoint" {
			return nil
		}
		return []any{text(path, b.number)}
	case "maxLength":
		// A name of a meeting room with breakout rooms is shorter than other names, by a CEL rule.
		if path == "spec.meetingRoomRef.name" && b.number == 253 {
			return []any{text(path, 63)}
		}
		return []any{text(path, b.number)}
	case "minimum", "maximum":
		return []any{int64(b.number)}
	case "minItems", "maxItems":
		return []any{items(path, original, b.number)}
	case "minProperties", "maxProperties":
		return []any{properties(b.number)}
	case "enum":
		var values []any
		for value := range strings.SplitSeq(b.text, "|") {
			// What these need, or exclude, is tested with the CEL rules.
			if !slices.Contains([]string{"Selector", "Relayed", "EndToEnd", "OpenTok"}, value) &&
				!strings.HasSuffix(path, "archiveMode") {
				values = append(values, value)
			}
		}
		return values
	}
	return nil
}

// outside returns a value that just does not fulfil the bound, and what the API server says to it. It may instead
// change the place itself.
func (b bound) outside(path string, at slot) (value any, want string, ok bool) {
	field := strings.NewReplacer("[]", "[0]", "{}", ".department").Replace(path)
	invalid := func(value any, format string, args ...any) (any, string, bool) {
		quoted := fmt.Sprint(value)
		switch v := value.(type) {
		case string:
			quoted = strconv.Quote(v)
		case []any:
			quoted = strconv.Itoa(len(v))
		case map[string]any:
			quoted = strconv.Itoa(len(v))
		}
		// To an update of the status the API server speaks as if that were the whole object.
		inBody := strings.TrimPrefix(field, "status.")
		return value, fmt.Sprintf("%s: Invalid value: %s: %s in body %s", field, quoted, inBody,
			fmt.Sprintf(format, args...)), true
	}
	switch b.keyword {
	case "minLength":
		if b.number == 0 {
			return nil, "", false
		}
		return invalid(text(path, b.number-1), "should be at least %d chars long", b.number)
	case "maxLength":
		return text(path, b.number+1), fmt.Sprintf("%s: Too long: may not be more than %d bytes", field, b.number), true
	case "minimum":
		return invalid(int64(b.number-1), "should be greater than or equal to %d", b.number)
	case "maximum":
		return invalid(int64(b.number+1), "should be less than or equal to %d", b.number)
	case "minItems":
		return invalid(items(path, at.get(), b.number-1), "should have at least %d items", b.number)
	case "maxItems":
		return items(path, at.get(), b.number+1), fmt.Sprintf("%s: Too many: %d: must have at most %d items", field,
			b.number+1, b.number), true
	case "minProperties":
		return invalid(properties(b.number-1), "should have at least %d properties", b.number)
	case "maxProperties":
		return properties(b.number + 1), fmt.Sprintf("%s: Too many: %d: must have at most %d items", field, b.number+1,
			b.number), true
	case "pattern":
		return invalid("Not this!", "should match '%s'", b.text)
	case "format":
		value := map[string]string{"ipv4": "2001:db8::1", "date-time": "tomorrow"}[b.text]
		return invalid(value, "must be of type %s: %q", b.text, value)
	case "enum":
		values := strings.Split(b.text, "|")
		return "Other", fmt.Sprintf(`%s: Unsupported value: "Other": supported values: "%s"`, field,
			strings.Join(values, `", "`)), true
	case "required":
		delete(at.get().(map[string]any), b.text)
		return nil, strings.TrimPrefix(field+"."+b.text, ".") + ": Required value", true
	case "unique":
		list := at.get().([]any)
		return append(list, list[0]), duplicate(field, b.text, list[0]), true
	}
	panic("no way to test " + b.keyword)
}

// duplicate is what the API server says to a list with the same item twice.
func duplicate(field, key string, item any) string {
	if key == "items" {
		return fmt.Sprintf("%s[1]: Duplicate value: %q", field, item)
	}
	return fmt.Sprintf("%s[1]: Duplicate value: {%q:%q}", field, key, item.(map[string]any)[key])
}

// text returns n characters that are as valid in the field as n characters can be.
func text(path string, n int) string {
	pad := func(prefix string) string { return (prefix + strings.Repeat("a", max(0, n-len(prefix))))[:n] }
	switch {
	case strings.HasSuffix(path, "location") && n <= 7:
		return "1.1.1.1"[:n]
	case strings.HasSuffix(path, "location"):
		return "255.255.255.255" + strings.Repeat("5", n-15)
	case path == "spec.sessionID":
		return pad("1_")
	case path == "spec.projectID" && n == 36:
		return "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	case path == "spec.endpoint" && n > 1:
		return pad("http://")
	case strings.HasSuffix(path, "displayName"), strings.HasSuffix(path, "text"):
		return strings.Repeat("é", n) // characters, not bytes
	}
	return pad("")
}

// items returns n items after the example's first one, with differing keys.
func items(path string, example any, n int) []any {
	list := make([]any, n)
	for i := range n {
		switch item := example.([]any)[0].(type) {
		case map[string]any:
			item = maps.Clone(item)
			for _, key := range []string{"name", "participant", "room", "type"} {
				if _, ok := item[key]; ok {
					item[key] = fmt.Sprintf("n%d", i)
					break
				}
			}
			if path == "status.sharedTokens" {
				item["role"] = role(i)
			}
			list[i] = item
		case string:
			list[i] = fmt.Sprintf("n%d", i)
			if strings.HasSuffix(path, "shared") {
				list[i] = role(i)
			}
			if strings.HasSuffix(path, "messages") {
				list[i] = item // of an enum, in a list that may have it twice
			}
		}
	}
	return list
}

func role(i int) string { return []string{"Host", "CoHost", "Participant", "Viewer"}[i%4] }

// properties returns a map of n values.
func properties(n int) map[string]any {
	values := map[string]any{}
	for i := range n {
		values[fmt.Sprintf("key%d", i)] = "value"
	}
	return values
}
