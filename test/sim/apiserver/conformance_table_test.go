// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver_test

// scripts are what TestConformance asks; see parse for the notation. Every script has a namespace of its own.
//
// Server-side apply is left out, since neither the operator nor its tests on a simulated clock use it (internal/sandbox
// does, with a real API server). The server in memory refuses it, as TestRefusals shows, with whatever else is left out
// and could be mistaken for something else. doc.go has the rest.
//
// A real API server may work with a copy that is a moment old. So a request that has it write what is there already
// names the latest version, and a list comes before a watch that names no version: a list waits until the copy is up to
// date.
var scripts = []struct{ name, steps string }{
	{"create", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}, annotations: {k: v}, finalizers: [example.org/f]}
spec: {displayName: Algebra, participants: [{name: Ann}, {name: Bob, role: Host}]}

GET meetingrooms/a 200

POST meetingrooms 409
metadata: {name: a}

POST meetingrooms 201
metadata: {generateName: room-}

POST meetingrooms 201
metadata: {generateName: room-, name: named}

POST meetingrooms 422
metadata: {}

POST meetingrooms 422
spec: {}

POST meetingrooms 422
metadata: {name: "No Name"}

POST meetingrooms 422
metadata: {name: labelled, labels: {"no label": "no value!"}, annotations: {"no key ": v}, finalizers: ["no finalizer"]}

POST meetingrooms 422
metadata: {name: owned, ownerReferences: [{apiVersion: v1, kind: Secret, name: s}]}

POST meetingrooms 422
metadata:
  name: owned
  ownerReferences:
  - {apiVersion: v1, kind: Secret, name: s, uid: 00000000-0000-4000-8000-000000000001, controller: true}
  - {apiVersion: v1, kind: Secret, name: r, uid: 00000000-0000-4000-8000-000000000002, controller: true}

POST meetingrooms 201
metadata:
  name: owned
  ownerReferences:
  - {apiVersion: breakout-operator.io/v1alpha1, kind: MeetingRoom, name: a, uid: $a.uid, controller: true, blockOwnerDeletion: true}
  - {apiVersion: breakout-operator.io/v1alpha1, kind: MeetingRoom, name: a, uid: $a.uid, controller: true, blockOwnerDeletion: true}

POST meetingrooms 500
metadata: {name: b, resourceVersion: "1"}

POST meetingrooms 500
metadata: {name: a, resourceVersion: "$a.rv"}

POST meetingrooms 201
metadata:
  name: system
  uid: 00000000-0000-4000-8000-000000000000
  generation: 7
  creationTimestamp: "2020-01-01T00:00:00Z"
  deletionTimestamp: "2020-01-01T00:00:00Z"
  deletionGracePeriodSeconds: 3
  selfLink: /self

POST meetingrooms 201
metadata: {name: empty, labels: {}, annotations: {}, finalizers: [], ownerReferences: []}
`},
	{"create in the wrong place", `
POST /apis/breakout-operator.io/v1alpha1/namespaces/nowhere/meetingrooms 404
kind: MeetingRoom
apiVersion: breakout-operator.io/v1alpha1
metadata: {name: a}

POST /api/v1/namespaces/nowhere/secrets 404
kind: Secret
apiVersion: v1
metadata: {name: a}

POST meetingrooms 400
metadata: {name: a, namespace: elsewhere}

POST secrets 400
metadata: {name: a, namespace: elsewhere}

POST meetingrooms 201
metadata: {name: a, namespace: $ns}

POST meetingrooms 400
kind: null
metadata: {name: b}

POST meetingrooms 400
apiVersion: null
metadata: {name: b}

POST meetingrooms 422
kind: RoomSignal
metadata: {name: b}

POST meetingrooms 400
apiVersion: breakout-operator.io/v1
metadata: {name: b}

POST meetingrooms 400
apiVersion: v1
kind: Secret
metadata: {name: b}

POST secrets 201
kind: null
apiVersion: null
metadata: {name: untyped}

POST meetingrooms 400
metadata: {name: 1}

POST meetingrooms 400
metadata: {name: b, labels: {x: 1}}

POST meetingrooms 400
metadata: {name: b, unknown: 1, finalizers: f}

POST /apis/breakout-operator.io/v1alpha1/meetingrooms 404
kind: MeetingRoom
apiVersion: breakout-operator.io/v1alpha1
metadata: {name: a}

POST vonageaccounts 201
metadata: {name: $ns, namespace: $ns}
spec: {projectID: "1", environment: OpenTok, credentialsSecretRef: {name: s}}
`},
	{"what is wrong by the schema", `
POST meetingrooms 422
metadata: {name: a}
spec:
  displayName: ""
  sessionID: short
  accountRef: {}
  participants: [{role: Nobody, name: Ann}, {name: 5}, {}, text]
  session: {location: 1.2.3.4.5, archiveMode: Always, mediaMode: Relayed}
  tokens: {ttlSeconds: 1, shared: []}

POST meetingrooms 422
metadata: {name: a}
spec: text

POST meetingrooms 422
metadata: {name: a}
spec: {participants: [{name: Ann}, {name: Bob}, {name: Ann}], tokens: {shared: [Host, Host]}}

POST meetingrooms 422
metadata: {name: a}
spec: {tokens: {ttlSeconds: 400.5}}

POST meetingrooms 422
metadata: {name: a}
spec: {participants: [{name: Ann, connectionData: {}}, {name: Bob, connectionData: {x: 1}}]}

POST vonageaccounts 422
metadata: {name: $ns}

POST breakoutsets 422
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, replicas: -1, openAt: tomorrow}

POST breakoutsets 422
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, openAt: "2020-01-01"}

GET meetingrooms 200

GET breakoutsets 200
`},
	{"what is wrong by a rule", `
POST meetingrooms 422
metadata: {name: a}
spec: {displayName: " a", session: {archiveMode: Always, mediaMode: Relayed, encryption: EndToEnd, archiveName: x}}

POST meetingrooms 422
metadata: {name: a}
spec: {participants: [{name: "Ann ", connectionData: {id: x}}]}

POST roomsignals 422
metadata: {name: a}
spec: {}

POST roomsignals 422
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, breakoutSetRef: {name: b}, rooms: [red], message: {from: A, text: T}, custom: {type: message}}

POST breakoutsets 422
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, replicas: 1, rooms: [{name: main}]}

POST breakoutsets 422
metadata: {name: a123456789a123456789a123456789a123456789a123456789a123456789abcd}
spec: {meetingRoomRef: {name: a}}

POST vonageaccounts 422
metadata: {name: $ns}
spec: {projectID: x, credentialsSecretRef: {name: s}, endpoint: "ftp://a@b", allowedNamespaces: {from: Selector}}

GET meetingrooms 200
`},
	{"pruning, nulls and defaults", `
POST meetingrooms 201
metadata: {name: a, unknown: x}
spec: {displayName: A, unknown: {a: b}, session: {unknown: x, mediaMode: Routed}, participants: [{name: Ann, unknown: 1}]}
status: {sessionID: 1_abcdefghi, unknown: x}
unknown: x

GET meetingrooms/a 200

POST meetingrooms 201
metadata: {name: nulls, labels: null, annotations: null, finalizers: null, generateName: null}
spec: {displayName: null, participants: null, tokens: null, session: {mediaMode: null}}
status: null

POST meetingrooms 201
metadata: {name: nospec}
spec: null

POST meetingrooms 201
metadata: {name: keys}
spec: {participants: [{name: Ann, connectionData: {a: "1", b: ""}}]}

POST vonageaccounts 201
metadata: {name: $ns}
spec: {projectID: "1", environment: OpenTok, credentialsSecretRef: {name: s, namespace: x}, rateLimit: {burst: 5, requestsPerSecond: null}}

POST breakoutsets 201
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, openAt: "2030-01-01T00:00:00.5+01:00", assignment: {placements: []}}

POST roomsignals 201
metadata: {name: a}
spec: {meetingRoomRef: {name: a}, message: {from: A, text: T}}
`},
	{"get and list", `
GET meetingrooms 200

GET meetingrooms as=list 200

GET secrets 200

GET meetingrooms/a 404

GET secrets/a 404

GET meetingrooms/a/status 404

POST meetingrooms 201
metadata: {name: b, labels: {x: "1", w: "1"}}

POST meetingrooms 201
metadata: {name: a, labels: {x: "2"}}

POST meetingrooms 201
metadata: {name: c}

POST secrets 201
metadata: {name: b, labels: {x: "1"}}
data: {k: dg==}

POST secrets 201
metadata: {name: a}

GET meetingrooms 200

GET meetingrooms?resourceVersion=0 200

GET meetingrooms?resourceVersion=0&resourceVersionMatch=NotOlderThan 200

GET meetingrooms?labelSelector=x 200

GET meetingrooms?labelSelector=x%3D1 200

GET meetingrooms?labelSelector=x%21%3D1 200

GET meetingrooms?labelSelector=x+in+(1,2),w 200

GET meetingrooms?labelSelector=!x 200

GET meetingrooms?labelSelector=x+y 400

GET meetingrooms?fieldSelector=metadata.name%3Da 200

GET meetingrooms?fieldSelector=metadata.name%3Dz 200

GET meetingrooms?fieldSelector=metadata.namespace%3D$ns 200

GET meetingrooms?fieldSelector=metadata.name%21%3Da 200

GET meetingrooms?fieldSelector=spec.displayName%3Da 400

GET meetingrooms?fieldSelector=spec 400

GET meetingrooms?sendInitialEvents=true 422

GET meetingrooms?resourceVersionMatch=Exact 422

GET meetingrooms?resourceVersion=x 400

GET meetingrooms?limit=500 200

GET meetingrooms as=list 200

GET meetingrooms?labelSelector=x as=list 200

GET /apis/breakout-operator.io/v1alpha1/meetingrooms?labelSelector=x&fieldSelector=metadata.namespace%3D$ns 200

GET secrets 200

GET secrets?labelSelector=x 200

GET secrets?fieldSelector=metadata.name%3Da as=list 200

GET secrets?fieldSelector=metadata.namespace%3Dx 200

GET events 200

GET vonageaccounts?fieldSelector=metadata.name%3D$ns 200

GET namespaces?fieldSelector=metadata.name%3D$ns 200

GET meetingrooms/a as=metadata 200

GET secrets/a as=metadata 200

GET meetingrooms/z as=metadata 404

GET meetingrooms/a/status 200

GET meetingrooms/a?resourceVersion=0 200
`},
	{"what is not found", `
POST meetingrooms 201
metadata: {name: a}

POST secrets 201
metadata: {name: a}

GET meetingrooms/b 404

GET meetingrooms/a/unknown 404

GET secrets/a/status 404

GET secrets/a/unknown 404

GET /apis/breakout-operator.io/v1alpha1/namespaces/nowhere/meetingrooms 200

GET /apis/breakout-operator.io/v1alpha1/namespaces/nowhere/meetingrooms/a 404

GET /apis/breakout-operator.io/v1alpha1/namespaces/$ns/unknowns 404

GET /apis/breakout-operator.io/v1/namespaces/$ns/meetingrooms 404

GET /apis/breakout-operator.io/v1alpha1/meetingrooms/a 404

GET /apis/breakout-operator.io/v1alpha1/namespaces/$ns/vonageaccounts 404

GET /apis/example.org/v1/namespaces/$ns/meetingrooms 404

GET /api/v1/namespaces/$ns/meetingrooms 404

GET vonageaccounts/$ns 404

GET namespaces/nowhere 404

PUT meetingrooms/b 404
metadata: {name: b, resourceVersion: "1"}

PUT secrets/b 404
metadata: {name: b}

PUT meetingrooms/b/status 404
metadata: {name: b, resourceVersion: "1"}

MERGE meetingrooms/b 404

JSON meetingrooms/b 404
[]

STRATEGIC secrets/b 404

DELETE meetingrooms/b 404

DELETE secrets/b 404
`},
	{"update", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: "1"}, annotations: {k: v}}
spec: {displayName: A}

b = PUT meetingrooms/a <a 200
spec: {displayName: B}

PUT meetingrooms/a <a 409
spec: {displayName: C}

PUT meetingrooms/a <b 422
metadata: {resourceVersion: null}

PUT meetingrooms/a <b 500
metadata: {resourceVersion: x}

PUT meetingrooms/a <b 409
metadata: {resourceVersion: "1"}

PUT meetingrooms/a <b 409
metadata: {uid: 00000000-0000-4000-8000-000000000000}

PUT meetingrooms/a <b 400
metadata: {name: b}

PUT meetingrooms/a <b 400
metadata: {name: null}

PUT meetingrooms/a <b 400
metadata: {namespace: elsewhere}

PUT meetingrooms/a <b 422
kind: RoomSignal

PUT meetingrooms/a <b 400
apiVersion: breakout-operator.io/v2

PUT meetingrooms/a <b 422
spec: {displayName: ""}

GET meetingrooms/a 200

c = PUT meetingrooms/a <b 200
metadata: {uid: null, namespace: null, creationTimestamp: null, generation: null}
spec: {displayName: C}

d = PUT meetingrooms/a <c 200
metadata: {generation: 100, labels: {x: "2"}}

PUT meetingrooms/a <d 200
metadata: {creationTimestamp: "2020-01-01T00:00:00Z"}

PUT meetingrooms/a <d 422
metadata: {deletionTimestamp: "2020-01-01T00:00:00Z"}

PUT meetingrooms/a <d 200
metadata: {generateName: x-}

POST secrets 201
metadata: {name: a}

PUT meetingrooms 400
metadata: {name: a}
`},
	{"updates that change nothing", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}}
spec: {displayName: A}

b = PUT meetingrooms/a <a 200

c = PUT meetingrooms/a <b 200

PUT meetingrooms/a <c 200
metadata: {annotations: {}, finalizers: [], ownerReferences: []}

PUT meetingrooms/a <c 200
metadata: {unknown: x}
spec: {unknown: x, tokens: null}

d = PUT meetingrooms/a/status <c 200

MERGE meetingrooms/a 200

MERGE meetingrooms/a 200
spec: {displayName: A}

JSON meetingrooms/a 200
[]

e = PUT meetingrooms/a/status <d 200
status: {sessionID: 1_abcdefghi}

PUT meetingrooms/a/status <e 200

PUT meetingrooms/a <e 200

f = PUT meetingrooms/a <e 200
spec: {displayName: B}

PUT meetingrooms/a <e 409
spec: {displayName: C}

PUT meetingrooms/a/status <f 200
spec: {displayName: C}
metadata: {labels: {x: z}}

s = POST secrets 201
metadata: {name: a}
data: {k: dg==}

PUT secrets/a <s 200

PUT secrets/a <s 200
metadata: {resourceVersion: null, uid: null}

MERGE secrets/a 200

STRATEGIC secrets/a 200
data: {k: dg==}

GET secrets/a 200
`},
	{"the first change of a status", `
a = POST meetingrooms 201
metadata: {name: a}

MERGE meetingrooms/a/status 200
status: {observedGeneration: -1}

b = POST meetingrooms 201
metadata: {name: b}

PUT meetingrooms/b/status <b 200

c = POST meetingrooms 201
metadata: {name: c, finalizers: [example.org/f]}

MERGE meetingrooms/c 200
metadata: {finalizers: [example.org/f]}

GET meetingrooms 200

d = POST meetingrooms 201
metadata: {name: d}

PUT meetingrooms/d/status <d 200
status: {observedGeneration: 1}

e = POST meetingrooms 201
metadata: {name: e}

PUT meetingrooms/e/status <e 200
status: null
`},
	{"generations", `
a = POST meetingrooms 201
metadata: {name: a}
spec: {displayName: A}

b = MERGE meetingrooms/a 200
metadata: {labels: {x: b}, annotations: {x: b}, finalizers: [example.org/f]}

c = MERGE meetingrooms/a 200
spec: {displayName: B}

d = MERGE meetingrooms/a 200
spec: {displayName: B}

e = MERGE meetingrooms/a 200
spec: {participants: []}

f = MERGE meetingrooms/a 200
spec: {participants: null}

g = MERGE meetingrooms/a/status 200
status: {observedGeneration: 2}

h = MERGE meetingrooms/a 200
spec: null

DELETE meetingrooms/a 200

MERGE meetingrooms/a 200
spec: {displayName: C}

s = POST secrets 201
metadata: {name: a, generation: 5}

MERGE secrets/a 200
data: {a: YQ==}
`},
	{"metadata", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}, annotations: {x: b}, finalizers: [example.org/f, example.org/g]}

b = PUT meetingrooms/a <a 200
metadata: {labels: {}, annotations: {}, finalizers: []}

c = PUT meetingrooms/a <b 200
metadata: {labels: null, annotations: null, finalizers: null}

d = PUT meetingrooms/a <c 200
metadata: {labels: {x: ""}, annotations: {w: ""}, finalizers: [example.org/f, example.org/f]}

e = PUT meetingrooms/a <d 200
metadata:
  ownerReferences:
  - {apiVersion: v1, kind: Secret, name: s, uid: 00000000-0000-4000-8000-000000000000}
  - {apiVersion: v1, kind: Secret, name: s, uid: 00000000-0000-4000-8000-000000000000, controller: false, blockOwnerDeletion: false}

f = PUT meetingrooms/a <e 200
metadata: {ownerReferences: []}

PUT meetingrooms/a <f 422
metadata: {labels: {"a b": c}}

PUT meetingrooms/a <f 422
metadata: {finalizers: ["a b"]}

PUT meetingrooms/a <f 422
metadata: {ownerReferences: [{name: s}]}

PUT meetingrooms/a <f 400
metadata: {labels: {x: 1}}

PUT meetingrooms/a <f 400
metadata: {annotations: text}

MERGE meetingrooms/a 422
metadata: {labels: {x: 1}}

GET meetingrooms/a 200
`},
	{"what is immutable", `
a = POST meetingrooms 201
metadata: {name: a}
spec: {session: {mediaMode: Routed}, sessionID: 1_abcdefghi}

PUT meetingrooms/a <a 422
spec: {session: {mediaMode: Relayed}}

PUT meetingrooms/a <a 422
spec: {session: null, sessionID: null}

MERGE meetingrooms/a 422
spec: {session: null}

b = PUT meetingrooms/a <a 200
spec: {sessionID: 2_abcdefghi}

s = POST roomsignals 201
metadata: {name: s}
spec: {meetingRoomRef: {name: a}, message: {from: A, text: T}}

PUT roomsignals/s <s 422
spec: {deadlineSeconds: 5}

PUT roomsignals/s <s 200
metadata: {labels: {x: b}}

t = POST breakoutsets 201
metadata: {name: t}
spec: {meetingRoomRef: {name: a}}

MERGE breakoutsets/t 422
spec: {meetingRoomRef: {name: b}}

MERGE breakoutsets/t 422
spec: {template: {session: {}}}

MERGE breakoutsets/t 422
spec: {meetingRoomRef: null}

MERGE breakoutsets/t 200
spec: {template: {tokens: {delivery: Secret}}}

v = POST vonageaccounts 201
metadata: {name: $ns}
spec: {projectID: "1", environment: OpenTok, credentialsSecretRef: {name: s}}

MERGE vonageaccounts/$ns 422
spec: {projectID: "2"}

MERGE vonageaccounts/$ns 422
spec: {environment: null}

MERGE vonageaccounts/$ns 422
spec: {projectID: null}

MERGE vonageaccounts/$ns 200
spec: {credentialsSecretRef: {name: r}}
`},
	{"merge patches", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}}
spec: {displayName: A, tokens: {ttlSeconds: 400}, participants: [{name: Ann}]}

b = MERGE meetingrooms/a 200
metadata: {labels: {z: w}, annotations: {k: v}}
spec: {tokens: {delivery: Secret}, participants: [{name: Bob}]}

MERGE meetingrooms/a 409
metadata: {resourceVersion: "$a.rv"}
spec: {displayName: B}

MERGE meetingrooms/a 200
metadata: {resourceVersion: "$b.rv"}
spec: {displayName: B}

MERGE meetingrooms/a 200
metadata: {labels: {x: null}, annotations: null}
spec: {displayName: null, tokens: {ttlSeconds: null}}

MERGE meetingrooms/a 422
metadata: {resourceVersion: null}
spec: {displayName: C}

MERGE meetingrooms/a 422
metadata: {uid: 00000000-0000-4000-8000-000000000000}

MERGE meetingrooms/a 200
metadata: {uid: $a.uid}

MERGE meetingrooms/a 200
metadata: {uid: null}

MERGE meetingrooms/a 400
metadata: {name: b}

MERGE meetingrooms/a 400
metadata: {namespace: elsewhere}

MERGE meetingrooms/a 200
metadata: {creationTimestamp: "2020-01-01T00:00:00Z"}

MERGE meetingrooms/a 200
metadata: {creationTimestamp: null}

MERGE meetingrooms/a 422
kind: RoomSignal

MERGE meetingrooms/a 422
apiVersion: breakout-operator.io/v2

MERGE meetingrooms/a 422
spec: {displayName: 5}

MERGE meetingrooms/a 422
spec: {participants: {name: Ann}}

MERGE meetingrooms/a 200
spec: {unknown: x}
status: {sessionID: 1_abcdefghi}

MERGE meetingrooms/a as=metadata 200
metadata: {labels: {m: d}}

MERGE meetingrooms/a 400
!{"spec":

MERGE meetingrooms/a 400
!text

MERGE meetingrooms/a/status 200
metadata: {labels: {s: t}, finalizers: [example.org/f]}
spec: {displayName: Z}
status: {sessionID: 1_abcdefghi}

MERGE meetingrooms/a/status 409
metadata: {resourceVersion: "$a.rv"}
status: {accountName: a}

MERGE meetingrooms/a 200
metadata: {finalizers: [example.org/f]}

MERGE secrets/a 404
data: {a: YQ==}
`},
	{"JSON patches", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}}
spec: {displayName: A}

JSON meetingrooms/a 200
- {op: test, path: /spec/displayName, value: A}
- {op: replace, path: /spec/displayName, value: B}
- {op: add, path: /metadata/labels/z, value: w}
- {op: remove, path: /metadata/labels/x}

JSON meetingrooms/a 422
- {op: test, path: /spec/displayName, value: A}
- {op: replace, path: /spec/displayName, value: C}

JSON meetingrooms/a 422
- {op: test, path: /metadata/resourceVersion, value: "$a.rv"}
- {op: replace, path: /spec/displayName, value: C}

JSON meetingrooms/a 422
- {op: remove, path: /spec/tokens}

JSON meetingrooms/a 422
- {op: replace, path: /spec/displayName, value: ""}

JSON meetingrooms/a 200
- {op: add, path: /spec/participants, value: [{name: Ann}]}
- {op: add, path: /spec/participants/-, value: {name: Bob}}

JSON meetingrooms/a/status 200
- {op: add, path: /status/sessionID, value: 1_abcdefghi}
- {op: replace, path: /spec/displayName, value: Z}

JSON meetingrooms/a/status 422
- {op: replace, path: /status/sessionID, value: 1_bcdefghij}

JSON meetingrooms/a 409
- {op: replace, path: /metadata/resourceVersion, value: "$a.rv"}

JSON meetingrooms/a 422
- {op: unknown, path: /spec}

JSON meetingrooms/a 400
!text

GET meetingrooms/a 200
`},
	{"other patches", `
a = POST meetingrooms 201
metadata: {name: a}

STRATEGIC meetingrooms/a 415
spec: {displayName: A}

PATCH meetingrooms/a type=application/json 415
spec: {displayName: A}

PATCH meetingrooms/a type=text/plain 415
spec: {displayName: A}

PATCH meetingrooms/a/status type=application/json 415
status: {}

PATCH meetingrooms/a type=application/merge-patch+json;charset=utf-8 200
spec: {displayName: A}

b = POST secrets 201
metadata: {name: b, finalizers: [example.org/f]}
data: {a: YQ==}

STRATEGIC secrets/b 200
metadata: {labels: {x: b}, finalizers: [example.org/g]}
data: {b: Yg==}
stringData: {c: c}

STRATEGIC secrets/b 200
metadata: {$deleteFromPrimitiveList/finalizers: [example.org/f], labels: {$patch: replace, z: w}}
data: {a: null}

STRATEGIC secrets/b 409
metadata: {resourceVersion: "$b.rv"}
data: {b: Yg==}

JSON secrets/b 200
- {op: add, path: /data/d, value: ZA==}

PATCH secrets/b type=application/json 415
data: {}
`},
	{"status", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}}
spec: {displayName: A}
status: {sessionID: 1_ignoredxx}

b = PUT meetingrooms/a/status <a 200
metadata: {labels: {x: z}, annotations: {k: v}, finalizers: [example.org/f]}
spec: {displayName: B}
status: {sessionID: 1_abcdefghi, unknown: x}

PUT meetingrooms/a/status <a 409
status: {accountName: a}

PUT meetingrooms/a/status <b 422
metadata: {resourceVersion: null}

PUT meetingrooms/a/status <b 409
metadata: {uid: 00000000-0000-4000-8000-000000000000}

PUT meetingrooms/a/status <b 400
metadata: {name: b}

PUT meetingrooms/a/status <b 422
status: {sessionID: 1_bcdefghij}

PUT meetingrooms/a/status <b 422
status: {sessionID: null}

PUT meetingrooms/a/status <b 422
status: null

PUT meetingrooms/a/status <b 422
status: {observedGeneration: -5, conditions: [{type: Ready}]}

PUT meetingrooms/a/status <b 422
status: text

PUT meetingrooms/a/status <b 422
status: {sharedTokens: 1}

PUT meetingrooms/a/status <b 422
status:
  conditions:
  - {type: Ready, status: "True", reason: R, message: "", lastTransitionTime: "2020-01-01T00:00:00Z"}
  - {type: Ready, status: "False", reason: R, message: "", lastTransitionTime: "2020-01-01T00:00:00Z"}

PUT meetingrooms/a/status <b 422
spec: {displayName: ""}
status: {accountName: ""}

c = PUT meetingrooms/a/status <b 200
spec: {displayName: ""}
status:
  accountName: account
  projectID: "1"
  observedGeneration: null
  conditions:
  - {type: Ready, status: "True", reason: R, message: "", lastTransitionTime: "2020-01-01T00:00:00Z", unknown: x}

PUT meetingrooms/a <c 200
spec: {displayName: B}
status: {sessionID: 1_bcdefghij, conditions: null}

PUT meetingrooms/a <c 409
status: null

MERGE meetingrooms/a 200
status: null
spec: {displayName: C}

MERGE meetingrooms/a/status 422
status: null

POST meetingrooms/a/status 405

DELETE meetingrooms/a/status 405

POST breakoutsets 201
metadata: {name: a}
spec: {meetingRoomRef: {name: a}}

MERGE breakoutsets/a/status 422
status: {replicas: -1}

MERGE breakoutsets/a/status 200
status: {state: Open}
`},
	{"an update that is wrong in several ways", `
a = POST meetingrooms 201
metadata: {name: a}
spec: {session: {mediaMode: Routed}, displayName: A, participants: [{name: Ann}]}

MERGE meetingrooms/a 422
spec: {displayName: " b"}

MERGE meetingrooms/a 422
spec: {session: {archiveMode: Always, encryption: EndToEnd}, displayName: " b", participants: [{name: " Ann"}]}
`},
	{"deletion", `
a = POST meetingrooms 201
metadata: {name: a}

DELETE meetingrooms/a 200

GET meetingrooms/a 404

b = POST meetingrooms 201
metadata: {name: a}

DELETE meetingrooms/a 409
preconditions: {uid: $a.uid}

DELETE meetingrooms/a 409
preconditions: {resourceVersion: "1"}

DELETE meetingrooms/a 200
kind: DeleteOptions
apiVersion: v1
preconditions: {uid: $b.uid, resourceVersion: "$b.rv"}
propagationPolicy: Background

POST meetingrooms 201
metadata: {name: c}

DELETE meetingrooms/c?propagationPolicy=Background 200

POST meetingrooms 201
metadata: {name: d}

DELETE meetingrooms/d 422
propagationPolicy: Unknown

DELETE meetingrooms/d 422
propagationPolicy: Background
orphanDependents: true

DELETE meetingrooms/d as=metadata 200
gracePeriodSeconds: 5

s = POST secrets 201
metadata: {name: s}

DELETE secrets/s 409
preconditions: {uid: $a.uid}

DELETE secrets/s 200

v = POST vonageaccounts 201
metadata: {name: $ns}
spec: {projectID: "1", environment: OpenTok, credentialsSecretRef: {name: s}}

DELETE vonageaccounts/$ns 200
`},
	{"deletion with finalizers", `
a = POST meetingrooms 201
metadata: {name: a, finalizers: [example.org/f, example.org/g]}
spec: {displayName: A}

DELETE meetingrooms/a 409
preconditions: {uid: 00000000-0000-4000-8000-000000000000}

b = DELETE meetingrooms/a 200
propagationPolicy: Background

DELETE meetingrooms/a 200

GET meetingrooms/a 200

POST meetingrooms 409
metadata: {name: a}

PUT meetingrooms/a <b 422
metadata: {finalizers: [example.org/f, example.org/g, example.org/h]}

MERGE meetingrooms/a 422
metadata: {finalizers: [example.org/f, example.org/h]}

c = PUT meetingrooms/a <b 200
metadata: {deletionTimestamp: null, deletionGracePeriodSeconds: null, labels: {x: b}}
spec: {displayName: B}

d = PUT meetingrooms/a <c 200
metadata: {finalizers: [example.org/g]}

e = PUT meetingrooms/a/status <d 200
metadata: {finalizers: []}
status: {sessionID: 1_abcdefghi}

PUT meetingrooms/a <d 409
metadata: {finalizers: []}

PUT meetingrooms/a <e 422
metadata: {finalizers: []}
spec: {displayName: ""}

PUT meetingrooms/a <e 200
metadata: {finalizers: [], labels: {z: w}}
spec: {displayName: C}

GET meetingrooms/a 404

PUT meetingrooms/a <e 404

s = POST secrets 201
metadata: {name: s, finalizers: [example.org/f]}

DELETE secrets/s 200

MERGE secrets/s 200
metadata: {finalizers: null}

GET secrets/s 404

t = POST meetingrooms 201
metadata: {name: t, finalizers: [example.org/f]}

DELETE meetingrooms/t as=metadata 200

JSON meetingrooms/t as=metadata 200
- {op: remove, path: /metadata/finalizers}

GET meetingrooms/t 404
`},
	{"Secrets", `
a = POST secrets 201
metadata: {name: a, labels: {}, annotations: {k: v}}
data: {x: dg==, empty: "", nothing: null}
stringData: {p: w, x: new}
unknown: x

GET secrets/a 200

POST secrets 201
metadata: {generateName: s-}
type: example.org/t

POST secrets 400
metadata: {name: b}
data: {x: "not base64"}

POST secrets 400
metadata: {name: b}
data: text

POST secrets 422
metadata: {name: b}
data: {"not a key": dg==}

POST secrets 422
metadata: {name: "No Name"}

POST secrets 409
metadata: {name: a}

b = PUT secrets/a <a 200
data: {x: null, z: eg==}
stringData: {q: q}

PUT secrets/a <a 409
data: {z: null}

PUT secrets/a <b 422
type: example.org/t

PUT secrets/a <b 200
type: null
metadata: {resourceVersion: null}

PUT secrets/a <b 409
metadata: {uid: 00000000-0000-4000-8000-000000000000}

PUT secrets/a <b 400
metadata: {name: b}

c = PUT secrets/a <b 200
metadata: {resourceVersion: null}
immutable: true

PUT secrets/a <c 422
data: {d: bg==}

PUT secrets/a <c 422
immutable: false

MERGE secrets/a 422
data: {d: bg==}

PUT secrets/a <c 200
metadata: {labels: {x: b}}

PUT secrets/a <c 200
metadata: {labels: null, resourceVersion: null}

MERGE secrets/a 422
data: {d: "not base64"}

GET secrets/a 200
`},
	{"events", `
a = POST events 201
metadata: {name: a.1, namespace: $ns}
eventTime: "2030-01-01T00:00:00.123456Z"
reportingController: breakout-operator
reportingInstance: breakout-operator-host
action: Reconcile
reason: SessionCreated
regarding: {kind: MeetingRoom, namespace: $ns, name: a, apiVersion: breakout-operator.io/v1alpha1}
note: made
type: Normal

POST events 409
metadata: {name: a.1}
eventTime: "2030-01-01T00:00:00.123456Z"
reportingController: breakout-operator
reportingInstance: breakout-operator-host
action: Reconcile
reason: SessionCreated
regarding: {namespace: $ns}
type: Normal

STRATEGIC events/a.1 200
series: {count: 2, lastObservedTime: "2030-01-01T00:00:01.123456Z"}

STRATEGIC events/a.1 200
series: {count: 3, lastObservedTime: "2030-01-01T00:00:02.123456Z"}

STRATEGIC events/a.2 404
series: {count: 2, lastObservedTime: "2030-01-01T00:00:01.123456Z"}

GET events/a.1 200

GET events 200
`},
	{"Namespaces", `
a = POST namespaces 201
metadata: {name: $ns-a, labels: {x: b}}

POST namespaces 201
metadata: {generateName: $ns-g-}
status: {phase: Terminating}

POST namespaces 409
metadata: {name: $ns-a}

POST namespaces 422
metadata: {name: $ns.b}

GET namespaces/$ns-a 200

MERGE namespaces/$ns-a 200
metadata: {labels: {x: z}}

PUT namespaces/$ns-a <a 409
metadata: {labels: {x: null}}

PUT namespaces/$ns-a <a 200
metadata: {labels: null, resourceVersion: null}

GET namespaces?labelSelector=kubernetes.io/metadata.name%3D$ns-a 200

GET namespaces?labelSelector=kubernetes.io/metadata.name%3D$ns-a as=list 200
`},
	{"watch from the start", `
POST meetingrooms 201
metadata: {name: b}

POST meetingrooms 201
metadata: {name: a}

GET meetingrooms 200

all = WATCH meetingrooms?watch=true 200

zero = WATCH meetingrooms?watch=1&resourceVersion=0 200

old = WATCH meetingrooms?watch=true&allowWatchBookmarks=true&resourceVersion=0 200

list = WATCH meetingrooms?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true 200

silent = WATCH meetingrooms?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan 200

live = WATCH meetingrooms?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan 200

one = WATCH meetingrooms?watch=true&fieldSelector=metadata.name%3Da 200

meta = WATCH meetingrooms?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true as=metadata 200

none = WATCH meetingrooms?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=x 200

MERGE meetingrooms/b 200
metadata: {labels: {x: b}}

DELETE meetingrooms/a 200

MERGE meetingrooms/b/status 200
status: {sessionID: 1_abcdefghi}

READ all 5 200

READ zero 5 200

READ old 6 200

READ list 6 200

READ silent 5 200

READ live 3 200

READ one 2 200

READ meta 6 200

READ none 3 200
`},
	{"watch from a version", `
a = POST meetingrooms 201
metadata: {name: a, labels: {x: b}, finalizers: [example.org/f]}

b = POST meetingrooms 201
metadata: {name: b}

c = MERGE meetingrooms/a 200
spec: {displayName: A}

MERGE meetingrooms/a 200
spec: {displayName: A}

d = MERGE meetingrooms/a/status 200
status: {sessionID: 1_abcdefghi}

DELETE meetingrooms/a 200

MERGE meetingrooms/a 200
metadata: {finalizers: [], annotations: {lost: "yes"}}

DELETE meetingrooms/b 200

POST meetingrooms 201
metadata: {name: a}

w = WATCH meetingrooms?watch=true&resourceVersion=$a.rv 200

READ w 7 200

v = WATCH meetingrooms?watch=true&resourceVersion=$d.rv&allowWatchBookmarks=true as=metadata 200

READ v 4 200

POST meetingrooms 201
metadata: {name: c}

READ w 1 200

READ v 1 200

u = WATCH meetingrooms?watch=true&resourceVersion=$d.rv&fieldSelector=metadata.name%3Db 200

READ u 1 200
`},
	{"watch with a label selector", `
POST meetingrooms 201
metadata: {name: a, labels: {x: "1"}}

POST meetingrooms 201
metadata: {name: b, labels: {x: "2"}}

v = POST meetingrooms 201
metadata: {name: c}

GET meetingrooms 200

w = WATCH meetingrooms?watch=true&labelSelector=x%3D1 200

m = WATCH meetingrooms?watch=true&labelSelector=x%3D1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true as=metadata 200

MERGE meetingrooms/b 200
metadata: {labels: {x: "1"}}

MERGE meetingrooms/b 200
spec: {displayName: B}

MERGE meetingrooms/c 200
spec: {displayName: C}

DELETE meetingrooms/c 200

MERGE meetingrooms/a 200
metadata: {labels: {x: "2"}}
spec: {displayName: A}

MERGE meetingrooms/a 200
spec: {displayName: AA}

DELETE meetingrooms/a 200

DELETE meetingrooms/b 200

POST meetingrooms 201
metadata: {name: d, labels: {x: "1"}}

READ w 6 200

READ m 7 200

s = WATCH meetingrooms?watch=true&labelSelector=x%3D1&resourceVersion=$v.rv 200

READ s 5 200
`},
	{"watch other resources", `
POST secrets 201
metadata: {name: a, labels: {x: b}}
data: {k: dg==}

s = WATCH secrets?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=x 200

m = WATCH secrets?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true as=metadata 200

MERGE secrets/a 200
data: {k: null}

DELETE secrets/a 200

READ s 4 200

READ m 4 200

n = WATCH namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=metadata.name%3D$ns 200

READ n 2 200

MERGE namespaces/$ns 200
metadata: {labels: {x: b}}

READ n 1 200

v = WATCH vonageaccounts?watch=true&labelSelector=x%3D$ns 200

POST vonageaccounts 201
metadata: {name: $ns, labels: {x: $ns}}
spec: {projectID: "1", environment: OpenTok, credentialsSecretRef: {name: s}}

READ v 1 200
`},
	{"watch what is refused", `
a = POST meetingrooms 201
metadata: {name: a}

old = WATCH meetingrooms?watch=true&resourceVersion=1 200

READ old 1 200

END old 200

old = WATCH meetingrooms?watch=true&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=100 as=metadata 200

READ old 1 200

END old 200

future = WATCH meetingrooms?watch=true&resourceVersion=1000000000 200

WATCH meetingrooms?watch=true&resourceVersion=x 500

WATCH meetingrooms?watch=true&sendInitialEvents=true 422

WATCH meetingrooms?watch=true&resourceVersionMatch=NotOlderThan 422

WATCH meetingrooms?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact 422

WATCH meetingrooms?watch=true&labelSelector=x+y 400

WATCH meetingrooms?watch=true&fieldSelector=spec.displayName%3Da 400
`},
}

// refused are requests that a real API server carries out, and the one in memory refuses.
const refused = `
POST meetingrooms 201
metadata: {name: a, finalizers: [example.org/f]}

POST secrets 201
metadata: {name: a}

POST breakoutsets 201
metadata: {name: a}
spec: {meetingRoomRef: {name: a}}

PATCH meetingrooms/a?fieldManager=me type=application/apply-patch+yaml 501
spec: {displayName: A}

PATCH meetingrooms/a/status?fieldManager=me type=application/apply-patch+yaml 501
status: {}

PATCH secrets/a?fieldManager=me type=application/apply-patch+yaml 501
data: {}

POST meetingrooms?dryRun=All 501
metadata: {name: b}

MERGE meetingrooms/a?dryRun=All 501
spec: {displayName: A}

POST meetingrooms?fieldValidation=Strict 501
metadata: {name: b}

GET breakoutsets/a/scale 501

PUT breakoutsets/a/scale 501

DELETE meetingrooms/a?dryRun=All 501

DELETE meetingrooms/a 501
dryRun: [All]

DELETE meetingrooms/a 501
propagationPolicy: Foreground

DELETE meetingrooms/a?propagationPolicy=Orphan 501

DELETE meetingrooms/a 501
orphanDependents: false

DELETE meetingrooms 501

DELETE namespaces/$ns 501

MERGE namespaces/$ns/status 501
status: {}

GET meetingrooms?resourceVersion=1&resourceVersionMatch=Exact 501

GET meetingrooms?continue=x 501

GET meetingrooms?resourceVersion=1000000000 501
`
