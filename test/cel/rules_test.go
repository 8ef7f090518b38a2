// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rule is one edit and what the API server says to it. All objects are YAML.
type rule struct {
	// before is a JSON merge patch that makes the object that is there before out of the resource's basic one, or of
	// the maximum one.
	before string
	// status is what the object before has, or has beside the maximum status.
	status string
	// edit is a JSON merge patch to that object. With create it makes the object that is to be created instead; with
	// editStatus it is of status.
	edit               string
	create, editStatus bool
	// basicOnly says that the edit means something else to the maximum object.
	basicOnly bool
	// want is the answer, a line for each fault; none where the edit is accepted.
	want string
}

// basic are the top-level fields of ordinary objects.
var basic = map[string]string{
	"vonageaccounts": `{spec: {projectID: 3f2504e0-4f89-41d3-9a0c-0305e82c3301, credentialsSecretRef: {name: vonage-credentials}}}`,
	"meetingrooms":   `{spec: {participants: [{name: Ms Jones, role: Host}, {name: Ada}], tokens: {delivery: Secret}}}`,
	"breakoutsets": `{spec: {meetingRoomRef: {name: algebra-101}, rooms: [{name: red}, {name: blue}],
		assignment: {placements: [{participant: Ada, room: red}]}}}`,
	"roomsignals": `{spec: {meetingRoomRef: {name: algebra-101}, message: {from: Ms Jones, text: Five minutes left}}}`,
}

const (
	blankInName        = "Invalid value: %q: a name has no control characters and no blank at either end"
	blankInDisplayName = "spec.displayName: Invalid value: %q: displayName has no control characters and no blank " +
		"at either end"

	environmentFixed = "spec.environment: Invalid value: environment is immutable: make another VonageAccount"
	projectFixed     = "spec.projectID: Invalid value: projectID is immutable, since sessions belong to one project: " +
		"make another VonageAccount"
	projectInvalid = "spec.projectID: Invalid value: projectID is the application ID (a UUID) for environment " +
		"Unified, the API key (digits) for OpenTok"
	selectorTooLarge = "spec.allowedNamespaces.selector: Invalid value: selector has at most 64 labels, and 64 " +
		"expressions of at most 64 values"
	selectorMisfit = "spec.allowedNamespaces.selector: Invalid value: selector goes with from: Selector, and " +
		"only with it"
	endpointInvalid = "spec.endpoint: Invalid value: %q: endpoint must be an http or https URL with a host"
	endpointExtras  = "spec.endpoint: Invalid value: %q: endpoint must have no user, query or fragment"

	sessionFixed      = "spec.session: Invalid value: session is immutable: make another room for another session"
	sessionIDKept     = "spec.sessionID: Invalid value: sessionID cannot be removed"
	sessionIDOther    = "spec.sessionID: Invalid value: spec.sessionID cannot name another session than the room has"
	accountRefFixed   = "spec.accountRef: Invalid value: spec.accountRef cannot change once the room has a session"
	statusFixed       = "status.%[1]s: Invalid value: status.%[1]s, once there, never changes"
	participantsMany  = "spec.participants: Invalid value: more than 300 participants need tokens.delivery: Secret"
	participantsLarge = "spec.participants: Invalid value: participants are too large to store: their connectionData " +
		"and twice their names have more than 900000 bytes; use shorter ones, or several rooms"
	dataKeys = "spec.participants[0].connectionData: Invalid value: keys have 1 to 32 characters and are none of id, " +
		"name, role, isCohost"

	setName    = "metadata: Invalid value: the name of a BreakoutSet has at most 63 characters"
	refFixed   = "spec.meetingRoomRef: Invalid value: meetingRoomRef is immutable: make another set"
	refTooLong = "spec.meetingRoomRef: Invalid value: the name of a meeting room with breakout rooms has at " +
		"most 63 characters"
	roomsOrReplicas = "spec.replicas: Invalid value: rooms and replicas exclude each other: list the rooms, or " +
		"say how many"
	mainTaken     = `spec.rooms[0].name: Invalid value: "main": main is the main room's name`
	templateFixed = "spec.template.session: Invalid value: template.session is immutable: make another set for " +
		"other sessions"

	signalFixed  = "spec: Invalid value: a RoomSignal is immutable: make another one"
	signalRefs   = "spec: Invalid value: exactly one of meetingRoomRef and breakoutSetRef must be given"
	signalRooms  = "spec.rooms: Invalid value: rooms goes only with breakoutSetRef"
	signalBody   = "spec: Invalid value: exactly one of message, raiseHand, custom and recall must be given"
	signalRecall = "spec.recall: Invalid value: recall goes with breakoutSetRef and without rooms"
	dataTooLarge = "spec.custom.data: Invalid value: %q: data has at most 8000 bytes"
	typeReserved = "spec.custom.type: Invalid value: %q: this type belongs to the operator: use message or " +
		"raiseHand, or another type"
)

// lines joins the API server's faults in the order in which answer has them.
func lines(faults ...string) string {
	slices.Sort(faults)
	return strings.Join(faults, "\n")
}

// object writes a value as the flow YAML that JSON is.
func object(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// badNames are names with a blank at an end or a control character in them; goodNames have neither.
var (
	badNames = []string{
		" Ada", "Ada ", "Ada\t", "A\tda", "Ada\n", "\u00a0Ada", "Ada\u3000", "A\u0085da", "A\u2028da", " ",
	}
	goodNames = []string{"A", "Ada Lovelace", "O'Brien", "Łukasz", "王 小明", "👩‍🏫", "<b>", `"Ada"`}
)

func accountRules() map[string]rule {
	const openTok = `{spec: {environment: OpenTok, projectID: "12345678"}}`
	return merged(map[string]rule{
		"environment changed": {
			before: `{spec: {environment: Unified}}`, edit: `{spec: {environment: OpenTok}}`,
			want: lines(environmentFixed, projectInvalid),
		},
		"environment added": {
			before: `{spec: {environment: null}}`, edit: `{spec: {environment: Unified}}`, want: environmentFixed,
		},
		"environment removed": {
			before: `{spec: {environment: Unified}}`, edit: `{spec: {environment: null}}`, want: environmentFixed,
		},
		"environment OpenTok removed": {
			before: openTok, edit: `{spec: {environment: null}}`, want: lines(environmentFixed, projectInvalid),
		},
		"environment kept": {before: openTok, edit: `{spec: {adoption: Forbidden}}`},
		"projectID changed": {
			edit: `{spec: {projectID: 00000000-4f89-41d3-9a0c-0305e82c3301}}`, want: projectFixed,
		},
		"projectID of OpenTok changed": {before: openTok, edit: `{spec: {projectID: "1"}}`, want: projectFixed},
		"application ID with Unified": {
			create: true, edit: `{spec: {environment: Unified, projectID: 3F2504E0-4F89-41D3-9A0C-0305E82C3301}}`,
		},
		"API key with Unified": {
			create: true, edit: `{spec: {environment: Unified, projectID: "12345678"}}`, want: projectInvalid,
		},
		"API key with no environment": {
			create: true, edit: `{spec: {environment: null, projectID: "12345678"}}`, want: projectInvalid,
		},
		"API key with OpenTok":        {create: true, edit: openTok},
		"application ID with OpenTok": {create: true, edit: `{spec: {environment: OpenTok}}`, want: projectInvalid},
		"API key of 21 digits": {
			create: true, edit: `{spec: {environment: OpenTok, projectID: "123456789012345678901"}}`,
			want: projectInvalid,
		},
		"from Selector without selector": {
			edit: `{spec: {allowedNamespaces: {from: Selector, selector: null}}}`, want: selectorMisfit,
		},
		"from All with selector": {
			edit: `{spec: {allowedNamespaces: {from: All, selector: {}}}}`, want: selectorMisfit,
		},
		"selector without from": {
			edit: `{spec: {allowedNamespaces: {from: null, selector: {}}}}`, want: selectorMisfit,
		},
		"from Selector with selector": {
			edit:      `{spec: {allowedNamespaces: {from: Selector, selector: {matchLabels: {team: maths}}}}}`,
			basicOnly: true,
		},
		"from Selector with empty one": {
			edit: `{spec: {allowedNamespaces: {from: Selector, selector: {matchLabels: null, matchExpressions: null}}}}`,
		},
		"allowedNamespaces removed":  {edit: `{spec: {allowedNamespaces: null}}`},
		"selector of 64":             {edit: selector(64, 64, 64), basicOnly: true},
		"selector of 65 labels":      {edit: selector(65, 0, 0), want: selectorTooLarge},
		"selector of 65 expressions": {edit: selector(0, 65, 1), want: selectorTooLarge},
		"selector of 65 values":      {edit: selector(0, 1, 65), want: selectorTooLarge},
	},
		each("endpoint ",
			[]string{
				"https://video.example", "http://simulator.example:8080/base", "http://10.0.0.1", "http://[::1]:8080",
			}, func(endpoint string) rule {
				return rule{edit: object(map[string]any{"spec": map[string]any{"endpoint": endpoint}})}
			}),
		each("endpoint ", []string{"video.example", "ftp://video.example", "https://", "/base", "https:video.example"},
			func(endpoint string) rule {
				return rule{
					edit: object(map[string]any{"spec": map[string]any{"endpoint": endpoint}}),
					want: fmt.Sprintf(endpointInvalid, endpoint),
				}
			}),
		each("endpoint ",
			[]string{"https://me@video.example", "https://video.example?a=b", "https://video.example/base?"},
			func(endpoint string) rule {
				return rule{
					edit: object(map[string]any{"spec": map[string]any{"endpoint": endpoint}}),
					want: fmt.Sprintf(endpointExtras, endpoint),
				}
			}))
}

// selector is an edit that sets a selector of that many labels, and expressions of that many values.
func selector(labels, expressions, values int) string {
	matchLabels, matchExpressions := map[string]any{}, []any{}
	for i := range labels {
		matchLabels[fmt.Sprint("label-", i)] = "value"
	}
	for range expressions {
		matchExpressions = append(matchExpressions, map[string]any{
			"key": "team", "operator": "In", "values": slices.Repeat([]any{"maths"}, values),
		})
	}
	return object(map[string]any{"spec": map[string]any{"allowedNamespaces": map[string]any{
		"from":     "Selector",
		"selector": map[string]any{"matchLabels": matchLabels, "matchExpressions": matchExpressions},
	}}})
}

func roomRules() map[string]rule {
	const (
		noSession = `{spec: {session: null}}`
		routed    = `{spec: {session: {mediaMode: Routed}}}`
		adopting  = `{spec: {sessionID: 1_abcdefgh}}`
		ready     = `{sessionID: 1_abcdefgh, accountName: default, projectID: "12345678"}`
	)
	return merged(map[string]rule{
		"session changed": {
			before: routed,
			edit:   `{spec: {session: {mediaMode: Relayed, archiveMode: null, archiveName: null, archiveResolution: null}}}`,
			want:   sessionFixed,
		},
		"session field added": {
			before: routed, edit: `{spec: {session: {location: 203.0.113.7}}}`, want: sessionFixed,
		},
		"session added":                     {before: noSession, edit: routed, want: sessionFixed},
		"session removed":                   {before: routed, edit: noSession, want: sessionFixed},
		"session removed with the spec":     {before: routed, edit: `{spec: null}`, want: sessionFixed},
		"session added with the spec":       {before: `{spec: null}`, edit: routed, want: sessionFixed},
		"session kept":                      {before: routed, edit: `{spec: {displayName: Algebra 102}}`},
		"spec removed that has no session":  {before: noSession, edit: `{spec: null}`},
		"sessionID set before there is one": {status: `{sessionID: null}`, edit: adopting},
		"sessionID changed before": {
			before: adopting, status: `{sessionID: null}`, edit: `{spec: {sessionID: 2_abcdefgh}}`,
		},
		"sessionID removed": {
			before: adopting, status: `{sessionID: null}`, edit: `{spec: {sessionID: null}}`, want: sessionIDKept,
		},
		"sessionID removed with the spec": {
			before: adopting, status: `{sessionID: null}`, edit: `{spec: null}`, want: sessionIDKept,
		},
		"sessionID of the room's own session": {status: ready, edit: adopting},
		"sessionID of another session": {
			status: ready, edit: `{spec: {sessionID: 2_abcdefgh}}`, want: sessionIDOther,
		},
		"sessionID changed later": {
			before: adopting, status: ready, edit: `{spec: {sessionID: 2_abcdefgh}}`, want: sessionIDOther,
		},
		"sessionID removed later": {
			before: adopting, status: ready, edit: `{spec: {sessionID: null}}`, want: sessionIDKept,
		},
		"another session than asked for": {
			before: adopting, status: `{sessionID: null}`, editStatus: true, edit: `{status: {sessionID: 2_abcdefgh}}`,
			want: sessionIDOther,
		},
		"the session asked for": {
			before: adopting, status: `{sessionID: null}`, editStatus: true, edit: `{status: {sessionID: 1_abcdefgh}}`,
		},

		"status.sessionID set": {
			status: `{sessionID: null}`, editStatus: true, edit: `{status: {sessionID: 1_abcdefgh}}`,
		},
		"status.sessionID changed": {
			status: ready, editStatus: true, edit: `{status: {sessionID: 2_abcdefgh}}`,
			want: fmt.Sprintf(statusFixed, "sessionID"),
		},
		"status.sessionID removed": {
			status: ready, editStatus: true, edit: `{status: {sessionID: null}}`,
			want: fmt.Sprintf(statusFixed, "sessionID"),
		},
		"status.accountName set": {
			status: `{accountName: null}`, editStatus: true, edit: `{status: {accountName: default}}`,
		},
		"status.accountName changed": {
			status: ready, editStatus: true, edit: `{status: {accountName: other}}`,
			want: fmt.Sprintf(statusFixed, "accountName"),
		},
		"status.accountName removed": {
			status: ready, editStatus: true, edit: `{status: {accountName: null}}`,
			want: fmt.Sprintf(statusFixed, "accountName"),
		},
		"status.projectID set": {
			status: `{projectID: null}`, editStatus: true, edit: `{status: {projectID: "12345678"}}`,
		},
		"status.projectID changed": {
			status: ready, editStatus: true, edit: `{status: {projectID: "87654321"}}`,
			want: fmt.Sprintf(statusFixed, "projectID"),
		},
		"status.projectID removed": {
			status: ready, editStatus: true, edit: `{status: {projectID: null}}`,
			want: fmt.Sprintf(statusFixed, "projectID"),
		},
		"status otherwise changed": {
			status: ready, editStatus: true, edit: `{status: {observedGeneration: 7, tokens: null}}`,
		},
		"status changed without a spec": {
			before: `{spec: null}`, status: ready, editStatus: true, edit: `{status: {observedGeneration: 7}}`,
		},
		"spec changed without having one": {
			before: `{spec: null}`, status: ready, edit: `{spec: {displayName: Algebra 102}}`,
		},
		"status removed": {status: ready, editStatus: true, edit: `{status: null}`, want: lines(
			fmt.Sprintf(statusFixed, "sessionID"), fmt.Sprintf(statusFixed, "accountName"),
			fmt.Sprintf(statusFixed, "projectID"))},

		"accountRef changed before there is a session": {
			before: `{spec: {accountRef: {name: a}}}`, status: `{accountName: null}`,
			edit: `{spec: {accountRef: {name: b}}}`,
		},
		"accountRef changed": {
			before: `{spec: {accountRef: {name: default}}}`, status: ready, edit: `{spec: {accountRef: {name: b}}}`,
			want: accountRefFixed,
		},
		"accountRef added": {
			before: `{spec: {accountRef: null}}`, status: ready, edit: `{spec: {accountRef: {name: b}}}`,
			want: accountRefFixed,
		},
		"accountRef of the room's own account added": {
			before: `{spec: {accountRef: null}}`, status: ready, edit: `{spec: {accountRef: {name: default}}}`,
		},
		"accountRef removed": {
			before: `{spec: {accountRef: {name: default}}}`, status: ready, edit: `{spec: {accountRef: null}}`,
		},
		"accountRef kept": {
			before: `{spec: {accountRef: {name: default}}}`, status: ready, edit: `{spec: {displayName: Algebra 102}}`,
		},

		"300 participants":                      {edit: participants(300, "Status", 0)},
		"301 participants":                      {edit: participants(301, "Status", 0), want: participantsMany},
		"301 participants without delivery":     {edit: participants(301, nil, 0), want: participantsMany},
		"301 participants with delivery Secret": {edit: participants(301, "Secret", 0)},
		"delivery removed from 301 participants": {
			before: participants(301, "Secret", 0), edit: `{spec: {tokens: {delivery: null}}}`, want: participantsMany,
		},
		"tokens removed from 301 participants": {
			before: participants(301, "Secret", 0), edit: `{spec: {tokens: null}}`, want: participantsMany,
		},
		"1000 participants of 900000 bytes": {edit: participants(1000, "Secret", 900)},
		"1000 participants of more than that": {
			edit: participants(1000, "Secret", 901), want: participantsLarge,
		},
		"1000 participants with four-byte names":     {edit: participants(1000, "Secret", -1)},
		"connectionData with keys of 1 and 32 chars": {edit: connectionData("d", strings.Repeat("é", 32))},

		"Relayed": {
			create: true, before: noSession,
			edit: `{spec: {session: {mediaMode: Relayed, encryption: Standard, archiveMode: Manual}}}`,
		},
		"Always with default media": {
			create: true, before: noSession,
			edit: `{spec: {session: {archiveMode: Always, archiveName: algebra, archiveResolution: 1280x720}}}`,
		},
		"Always with Routed": {
			create: true, before: noSession, edit: `{spec: {session: {archiveMode: Always, mediaMode: Routed}}}`,
		},
		"Always with Relayed": {
			create: true, before: noSession, edit: `{spec: {session: {archiveMode: Always, mediaMode: Relayed}}}`,
			want: "spec." + alwaysNeedsRouted,
		},
		"archiveName without Always": {
			create: true, before: noSession, edit: `{spec: {session: {archiveName: algebra}}}`, want: "spec." +
				archiveNeedsAlways,
		},
		"archiveResolution with Manual": {
			create: true, before: noSession,
			edit: `{spec: {session: {archiveMode: Manual, archiveResolution: 640x480}}}`, want: "spec." +
				archiveNeedsAlways,
		},
		"EndToEnd with default media": {
			create: true, before: noSession, edit: `{spec: {session: {encryption: EndToEnd}}}`,
		},
		"EndToEnd with Routed": {
			create: true, before: noSession,
			edit: `{spec: {session: {encryption: EndToEnd, mediaMode: Routed, archiveMode: Manual}}}`,
		},
		"EndToEnd with Relayed": {
			create: true, before: noSession, edit: `{spec: {session: {encryption: EndToEnd, mediaMode: Relayed}}}`,
			want: "spec." + endToEndNeedsRouted,
		},
		"EndToEnd with Always": {
			create: true, before: noSession, edit: `{spec: {session: {encryption: EndToEnd, archiveMode: Always}}}`,
			want: "spec." + endToEndExcludesAlways,
		},
		"EndToEnd with Always and with Relayed": {
			create: true, before: noSession,
			edit: `{spec: {session: {encryption: EndToEnd, archiveMode: Always, mediaMode: Relayed}}}`,
			want: lines("spec."+alwaysNeedsRouted, "spec."+endToEndNeedsRouted, "spec."+endToEndExcludesAlways),
		},
	},
		each("connectionData key ", []string{"", "id", "name", "role", "isCohost", strings.Repeat("k", 33)},
			func(key string) rule {
				return rule{edit: connectionData(key), want: dataKeys}
			}), each("displayName ", goodNames, func(name string) rule {
			return rule{edit: object(map[string]any{"spec": map[string]any{"displayName": name}})}
		}), each("displayName ", badNames, func(name string) rule {
			return rule{
				edit: object(map[string]any{"spec": map[string]any{"displayName": name}}),
				want: fmt.Sprintf(blankInDisplayName, name),
			}
		}), each("participant ", goodNames, func(name string) rule {
			return rule{edit: object(map[string]any{
				"spec": map[string]any{"participants": []any{map[string]any{"name": name}}},
			})}
		}), each("participant ", badNames, func(name string) rule {
			return rule{edit: object(map[string]any{
				"spec": map[string]any{"participants": []any{map[string]any{"name": name}}},
			}),
				want: fmt.Sprintf("spec.participants[0].name: "+blankInName, name)}
		}))
}

// Faults of a session, wherever one is described.
const (
	alwaysNeedsRouted  = "session.archiveMode: Invalid value: archiveMode: Always needs mediaMode: Routed"
	archiveNeedsAlways = "session: Invalid value: archiveName and archiveResolution go only with " +
		"archiveMode: Always"
	endToEndNeedsRouted    = "session.encryption: Invalid value: encryption: EndToEnd needs mediaMode: Routed"
	endToEndExcludesAlways = "session.encryption: Invalid value: encryption: EndToEnd excludes archiveMode: Always"
)

// participants is an edit that sets n participants and the delivery. Where bytes is positive the rule that bounds their
// size counts 900 bytes of each but the first, and of that one as many; where it is negative their names are as large
// as they can be.
func participants(n int, delivery any, bytes int) string {
	list := make([]any, n)
	for i := range list {
		switch {
		case bytes == 0:
			list[i] = map[string]any{"name": fmt.Sprint("student ", i)}
		case bytes < 0:
			list[i] = map[string]any{"name": filled(i, 64, script)}
		default:
			// 2 × 64 for the name, 8 × 32 for the keys, 8 × 64 for the values, and one more for each character of two
			// bytes.
			data := map[string]any{}
			for key := range 8 {
				data[filled(key, 32, ascii)] = filled(i, 64, ascii)
			}
			more := 4
			if i == 0 {
				more = bytes - 896
			}
			data[filled(0, 32, ascii)] = strings.Repeat("é", more) + strings.Repeat("e", 64-more)
			list[i] = map[string]any{"name": filled(i, 64, ascii), "connectionData": data}
		}
	}
	return object(map[string]any{"spec": map[string]any{
		"participants": list, "tokens": map[string]any{"delivery": delivery},
	}})
}

// connectionData is an edit that sets one participant with the keys.
func connectionData(keys ...string) string {
	data := map[string]any{}
	for _, key := range keys {
		data[key] = "value"
	}
	return object(map[string]any{"spec": map[string]any{"participants": []any{map[string]any{
		"name": "Ada", "connectionData": data,
	}}}})
}

func setRules() map[string]rule {
	const (
		noTemplate = `{spec: {template: null}}`
		routed     = `{spec: {template: {session: {mediaMode: Routed}}}}`
	)
	name := func(length int) string {
		return object(map[string]any{"metadata": map[string]any{"name": uniqueName() + strings.Repeat("n",
			length)[:length-len(uniqueName())]}})
	}
	return merged(map[string]rule{
		"name of 63 characters":  {create: true, edit: name(63)},
		"name of 64 characters":  {create: true, edit: name(64), want: setName},
		"meetingRoomRef changed": {edit: `{spec: {meetingRoomRef: {name: other}}}`, want: refFixed},
		"meetingRoomRef of 63 characters": {create: true, edit: `{spec: {meetingRoomRef: {name: ` +
			strings.Repeat("m", 63) + `}}}`},
		"meetingRoomRef of 64 characters": {create: true, edit: `{spec: {meetingRoomRef: {name: ` +
			strings.Repeat("m", 64) + `}}}`, want: refTooLong},
		"rooms and replicas":         {edit: `{spec: {replicas: 4}}`, want: roomsOrReplicas},
		"rooms and 0 replicas":       {edit: `{spec: {replicas: 0}}`, want: roomsOrReplicas},
		"no rooms and replicas":      {edit: `{spec: {rooms: [], replicas: 500}}`},
		"replicas in place of rooms": {edit: `{spec: {rooms: null, replicas: 4}}`},
		"rooms in place of replicas": {
			before: `{spec: {rooms: null, replicas: 4}}`, edit: `{spec: {rooms: [{name: red}], replicas: null}}`,
		},
		"rooms added to replicas": {
			before: `{spec: {rooms: null, replicas: 4}}`, edit: `{spec: {rooms: [{name: red}]}}`, want: roomsOrReplicas,
		},
		"neither rooms nor replicas": {edit: `{spec: {rooms: null}}`},
		"room main":                  {edit: `{spec: {rooms: [{name: main}]}}`, want: mainTaken},
		"room of almost that name":   {edit: `{spec: {rooms: [{name: main-2}]}}`},
		"placement in main":          {edit: `{spec: {assignment: {placements: [{participant: Ada, room: main}]}}}`},

		"template.session changed": {
			before: routed,
			edit:   `{spec: {template: {session: {mediaMode: Relayed, archiveMode: null, archiveName: null, archiveResolution: null}}}}`,
			want:   templateFixed,
		},
		"template.session added": {
			before: `{spec: {template: {session: null}}}`, edit: routed, want: templateFixed,
		},
		"template.session removed": {
			before: routed, edit: `{spec: {template: {session: null}}}`, want: templateFixed,
		},
		"template.session added with template": {before: noTemplate, edit: routed, want: templateFixed},
		"template.session removed with it":     {before: routed, edit: noTemplate, want: templateFixed},
		"template.session kept": {
			before: routed, edit: `{spec: {template: {tokens: {ttlSeconds: 600}}}}`,
		},
		"template of tokens added": {before: noTemplate, edit: `{spec: {template: {tokens: {ttlSeconds: 600}}}}`},
		"template of tokens removed": {
			before: `{spec: {template: {session: null, tokens: {ttlSeconds: 600}}}}`, edit: noTemplate,
		},
		"Relayed": {
			create: true, before: noTemplate, edit: `{spec: {template: {session: {mediaMode: Relayed}}}}`,
		},
		"Always with Routed": {
			create: true, before: noTemplate,
			edit: `{spec: {template: {session: {archiveMode: Always, mediaMode: Routed, archiveName: algebra}}}}`,
		},
		"Always with Relayed": {
			create: true, before: noTemplate,
			edit: `{spec: {template: {session: {archiveMode: Always, mediaMode: Relayed}}}}`, want: "spec.template." +
				alwaysNeedsRouted,
		},
		"archiveName without Always": {
			create: true, before: noTemplate, edit: `{spec: {template: {session: {archiveName: algebra}}}}`,
			want: "spec.template." + archiveNeedsAlways,
		},
		"EndToEnd with Routed": {
			create: true, before: noTemplate,
			edit: `{spec: {template: {session: {encryption: EndToEnd, mediaMode: Routed}}}}`,
		},
		"EndToEnd with Relayed": {
			create: true, before: noTemplate,
			edit: `{spec: {template: {session: {encryption: EndToEnd, mediaMode: Relayed}}}}`, want: "spec.template." +
				endToEndNeedsRouted,
		},
		"EndToEnd with Always": {
			create: true, before: noTemplate,
			edit: `{spec: {template: {session: {encryption: EndToEnd, archiveMode: Always}}}}`, want: "spec.template." +
				endToEndExcludesAlways,
		},
		"status changed": {editStatus: true, edit: `{status: {observedGeneration: 7}}`},
	}, each("displayName ", goodNames, func(name string) rule {
		return rule{edit: object(map[string]any{"spec": map[string]any{"rooms": []any{map[string]any{
			"name": "red", "displayName": name,
		}}}})}
	}), each("displayName ", badNames, func(name string) rule {
		return rule{edit: object(map[string]any{"spec": map[string]any{"rooms": []any{map[string]any{
			"name": "red", "displayName": name,
		}}}}),
			want: strings.Replace(fmt.Sprintf(blankInDisplayName, name), "spec.", "spec.rooms[0].", 1)}
	}), each("placement of ", goodNames, func(name string) rule { return rule{edit: placement(name)} }),
		each("placement of ", badNames, func(name string) rule {
			return rule{
				edit: placement(name),
				want: fmt.Sprintf("spec.assignment.placements[0].participant: "+blankInName, name),
			}
		}))
}

// placement is an edit that sets one placement.
func placement(participant string) string {
	return object(map[string]any{"spec": map[string]any{"assignment": map[string]any{"placements": []any{map[string]any{
		"participant": participant, "room": "red",
	}}}}})
}

func signalRules() map[string]rule {
	const (
		toSet  = `{spec: {meetingRoomRef: null, breakoutSetRef: {name: groups}}}`
		silent = `{spec: {message: null, custom: null}}`
		toAll  = `{spec: {message: null, custom: null, meetingRoomRef: null, breakoutSetRef: {name: groups}, rooms: null}}`
	)
	reserved := []string{
		"breakout-room", "count-down-timer", "message", "raise-hand", "update-participant", "data-refreshed",
		"join-breakout-room",
	}
	large := strings.Repeat("é", 4000)
	custom := func(kind, data string) string {
		return object(map[string]any{"spec": map[string]any{
			"message": nil, "custom": map[string]any{"type": kind, "data": data},
		}})
	}
	return merged(map[string]rule{
		"deadline changed": {edit: `{spec: {deadlineSeconds: 30}}`, want: signalFixed},
		"ttl removed": {
			before: `{spec: {ttlSecondsAfterFinished: 1}}`, edit: `{spec: {ttlSecondsAfterFinished: null}}`,
			want: signalFixed,
		},
		"another body": {
			before: toSet, edit: `{spec: {message: null, custom: null, raiseHand: {participant: Ada, room: red}}}`,
			want: signalFixed,
		},
		"labels changed": {edit: `{metadata: {labels: {team: maths}}}`},
		"status changed": {editStatus: true, edit: `{status: {observedGeneration: 7}}`},
		"both refs": {
			create: true, edit: `{spec: {meetingRoomRef: {name: algebra-101}, breakoutSetRef: {name: groups}}}`,
			want: signalRefs,
		},
		"no ref": {
			create: true, edit: `{spec: {meetingRoomRef: null, breakoutSetRef: null, rooms: null}}`, want: signalRefs,
		},
		"meetingRoomRef": {
			create: true, edit: `{spec: {meetingRoomRef: {name: algebra-101}, breakoutSetRef: null, rooms: null}}`,
		},
		"breakoutSetRef": {create: true, edit: toSet},
		"rooms with meetingRoomRef": {
			create: true, edit: `{spec: {meetingRoomRef: {name: algebra-101}, breakoutSetRef: null, rooms: [red]}}`,
			want: signalRooms,
		},
		"rooms with breakoutSetRef": {create: true, before: toSet, edit: `{spec: {rooms: [red, main]}}`},
		"no body":                   {create: true, edit: silent, want: signalBody},
		"message": {
			create: true, before: silent, edit: `{spec: {message: {from: Ms Jones, text: Hello}}}`,
		},
		"raiseHand": {
			create: true, before: silent, edit: `{spec: {raiseHand: {participant: Ada, room: red}}}`,
		},
		"custom":              {create: true, before: silent, edit: `{spec: {custom: {type: my-signal, data: "{}"}}}`},
		"custom without data": {create: true, before: silent, edit: `{spec: {custom: {type: my-signal}}}`},
		"two bodies": {
			create: true, before: silent,
			edit: `{spec: {message: {from: Ms Jones, text: Hello}, raiseHand: {participant: Ada, room: red}}}`,
			want: signalBody,
		},
		"three bodies": {
			create: true,
			before: silent,
			edit:   `{spec: {message: {from: Ms Jones, text: Hello}, raiseHand: {participant: Ada, room: red}, custom: {type: my-signal}}}`,
			want:   signalBody,
		},
		"message and recall": {
			create: true,
			before: toAll,
			edit:   `{spec: {message: {from: Ms Jones, text: Hello}, recall: {participants: [Ada]}}}`,
			want:   signalBody,
		},
		"recall": {create: true, before: toAll, edit: `{spec: {recall: {participants: [Ada, Luis]}}}`},
		"recall with meetingRoomRef": {
			create: true,
			before: silent,
			edit:   `{spec: {meetingRoomRef: {name: algebra-101}, breakoutSetRef: null, rooms: null, recall: {participants: [Ada]}}}`,
			want:   signalRecall,
		},
		"recall with rooms": {
			create: true,
			before: toAll,
			edit:   `{spec: {rooms: [red], recall: {participants: [Ada]}}}`,
			want:   signalRecall,
		},
		"data of 8000 bytes": {create: true, edit: custom("my-signal", large)},
		"data of 8001 bytes": {
			create: true, edit: custom("my-signal", large+"x"), want: fmt.Sprintf(dataTooLarge, large+"x"),
		},
	}, each("custom type ", reserved, func(kind string) rule {
		return rule{create: true, edit: custom(kind, ""), want: fmt.Sprintf(typeReserved, kind)}
	}), each("message from ", goodNames, func(name string) rule {
		return rule{
			create: true, before: silent,
			edit: object(map[string]any{"spec": map[string]any{"message": map[string]any{
				"from": name, "text": "Hello",
			}}}),
		}
	}), each("message from ", badNames, func(name string) rule {
		return rule{create: true, before: silent,
			edit: object(map[string]any{"spec": map[string]any{"message": map[string]any{
				"from": name, "text": "Hello",
			}}}),
			want: fmt.Sprintf("spec.message.from: "+blankInName, name)}
	}), each("raised hand of ", badNames, func(name string) rule {
		return rule{create: true, before: silent,
			edit: object(map[string]any{"spec": map[string]any{"raiseHand": map[string]any{
				"participant": name, "room": "red",
			}}}),
			want: fmt.Sprintf("spec.raiseHand.participant: "+blankInName, name)}
	}))
}

// each makes a rule of each value.
func each(prefix string, values []string, of func(value string) rule) map[string]rule {
	rules := map[string]rule{}
	for _, value := range values {
		rules[fmt.Sprintf("%s%q", prefix, value)] = of(value)
	}
	return rules
}

func merged(tables ...map[string]rule) map[string]rule {
	all := map[string]rule{}
	for _, table := range tables {
		for name, r := range table {
			if _, ok := all[name]; ok {
				panic("two rules are called " + name)
			}
			all[name] = r
		}
	}
	return all
}

var allRules = map[string]map[string]rule{
	"vonageaccounts": accountRules(),
	"meetingrooms":   roomRules(),
	"breakoutsets":   setRules(),
	"roomsignals":    signalRules(),
}

// TestRules tries every edit on an ordinary object.
func TestRules(t *testing.T) {
	for resource, rules := range allRules {
		befores := &befores{resource: resource}
		for name, r := range rules {
			t.Run(resource+"/"+name, func(t *testing.T) {
				t.Parallel()
				r.check(t, decode(t, basic[resource]), befores)
			})
		}
	}
}

// TestRulesAtMaximum tries enough edits on objects of maximum size for every CEL rule to refuse something there, in the
// same words: that it is too expensive would be others. What is accepted at maximum size TestMaximum shows.
func TestRulesAtMaximum(t *testing.T) {
	for resource, rules := range allRules {
		befores := &befores{resource: resource}
		covered := map[string]bool{}
		for _, name := range cheapestFirst(rules) {
			r := rules[name]
			isNew := false
			for _, fault := range r.faults() {
				isNew = isNew || !covered[fault]
				covered[fault] = true
			}
			if !isNew {
				continue
			}
			t.Run(resource+"/"+name, func(t *testing.T) {
				t.Parallel()
				r.check(t, fieldsOf(t, maximum[resource]), befores)
			})
		}
		for _, want := range celFaults(t, resource) {
			if !covered[want] {
				t.Errorf("%s: no edit that is tried is refused with %q", resource, want)
			}
		}
	}
}

// cheapestFirst returns the names of the rules that can be tried at maximum size: first those that start from the same
// object.
func cheapestFirst(rules map[string]rule) []string {
	var names []string
	for name, r := range rules {
		if !r.basicOnly {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rules[a].before+rules[a].status, rules[b].before+rules[b].status),
			strings.Compare(a, b))
	})
	return names
}

var (
	index        = regexp.MustCompile(`\[\d+\]`)
	refusedValue = regexp.MustCompile(`Invalid value: "(?:[^"\\]|\\.)*": `)
)

// faults are the lines of want without what differs between objects.
func (r rule) faults() []string {
	if r.want == "" {
		return nil
	}
	return strings.Split(refusedValue.ReplaceAllString(index.ReplaceAllString(r.want, "[]"), "Invalid value: "), "\n")
}

// celFaults are the faults that the CEL rules of the resource's CRD find, at every place where they stand.
func celFaults(t *testing.T, resource string) []string {
	t.Helper()
	var faults []string
	walk("", readSchema(t, resource), func(path string, schema *apiextensionsv1.JSONSchemaProps) {
		for _, validation := range schema.XValidations {
			faults = append(faults, strings.TrimPrefix(path+validation.FieldPath, ".")+": Invalid value: "+
				validation.Message)
		}
	})
	return faults
}

// check tries the rule on an object of the given fields.
func (r rule) check(t *testing.T, fields map[string]any, befores *befores) {
	t.Helper()
	ctx := t.Context()
	var err error
	switch edit := decode(t, r.edit); {
	case r.create:
		delete(fields, "status")
		if r.before != "" {
			merge(fields, decode(t, r.before))
		}
		merge(fields, edit)
		err = k8s.Create(ctx, newObject(befores.resource, fields), client.DryRunAll)
	case r.editStatus:
		err = k8s.Status().Patch(ctx, befores.get(t, r, fields), mergePatch(edit), client.DryRunAll)
	default:
		err = k8s.Patch(ctx, befores.get(t, r, fields), mergePatch(edit), client.DryRunAll)
	}
	if got := answer(err); got != r.want {
		t.Errorf("the answer is\n%s\nwant\n%s", shorten(got), shorten(r.want))
	}
}

func mergePatch(edit map[string]any) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(object(edit)))
}

// befores keeps the objects that rules edit. As all edits are dry runs, rules that start from the same share it.
type befores struct {
	resource string
	mu       sync.Mutex
	made     map[string]func() (*unstructured.Unstructured, error)
}

// get returns the object that the rule edits, made out of fields, after creating it if need be.
func (b *befores) get(t *testing.T, r rule, fields map[string]any) *unstructured.Unstructured {
	t.Helper()
	status, _ := fields["status"].(map[string]any)
	key := fmt.Sprintln(r.before, r.status, status != nil)
	b.mu.Lock()
	if b.made == nil {
		b.made = map[string]func() (*unstructured.Unstructured, error){}
	}
	if b.made[key] == nil {
		if r.before != "" {
			merge(fields, decode(t, r.before))
		}
		if r.status != "" && status == nil {
			status = map[string]any{}
		}
		if r.status != "" {
			merge(status, decode(t, r.status))
		}
		before := newObject(b.resource, fields)
		b.made[key] = sync.OnceValues(func() (*unstructured.Unstructured, error) { return store(before, status) })
	}
	made := b.made[key]
	b.mu.Unlock()
	before, err := made()
	if err != nil {
		t.Fatalf("make the object before: %s", shorten(answer(err)))
	}
	return before.DeepCopy()
}

// store creates the object with the status, if any.
func store(object *unstructured.Unstructured, status map[string]any) (*unstructured.Unstructured, error) {
	// Not the context of a test, since others use the object too.
	ctx := context.Background()
	if err := k8s.Create(ctx, object); err != nil || status == nil {
		return object, err
	}
	object.Object["status"] = status
	return object, k8s.Status().Update(ctx, object)
}
