// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"net/url"
	"time"
)

// Environment is one of the two environments of the Vonage Video API.
type Environment string

const (
	// Unified is the Vonage Video API: application ID, RS256 JWTs, header Authorization.
	Unified Environment = "Unified"
	// OpenTok is the legacy environment: API key, HS256 JWTs or T1 tokens, header X-OPENTOK-AUTH.
	OpenTok Environment = "OpenTok"
)

// EmptySessionMode says what a signal to a session nobody is connected to gets. The vendor's answer is not documented;
// a client has to live with each of these.
type EmptySessionMode string

const (
	// EmptySessionNotFound answers 404, the best supported reading. The default.
	EmptySessionNotFound EmptySessionMode = "NotFound"
	// EmptySessionNoContent answers 204, as if somebody had been there; listing connections gives an empty list.
	EmptySessionNoContent EmptySessionMode = "NoContent"
	// EmptySessionNoContentAfterUse answers like NoContent once somebody has been connected, until the grace after the
	// last disconnect is over (zero: for ever), and like NotFound otherwise.
	EmptySessionNoContentAfterUse EmptySessionMode = "NoContentAfterUse"
)

// SignalSizeMode says how the length of a signal's data is counted, of which there may be 8192. The vendor documents
// 8 kB and not of what; its JavaScript SDK counts the encoded length. A client has to live with both.
type SignalSizeMode string

const (
	// SignalSizeRaw counts the bytes of the data as they are. The default.
	SignalSizeRaw SignalSizeMode = "raw"
	// SignalSizeEncoded counts as JSON.stringify(data).length does: UTF-16 code units of the data as a JSON string,
	// with its quotes and escapes.
	SignalSizeEncoded SignalSizeMode = "encoded"
)

// Op names an operation of the vendor's API.
type Op string

// The operations. OpUnknown is logged for paths the vendor does not have; OpOther for those it has and this simulator
// does not (they answer 501).
const (
	OpCreateSession    Op = "createSession"
	OpSignal           Op = "signal"
	OpSignalConnection Op = "signalConnection"
	OpListConnections  Op = "listConnections"
	OpForceDisconnect  Op = "forceDisconnect"
	OpListStreams      Op = "listStreams"
	OpGetStream        Op = "getStream"
	OpSetStreamLayout  Op = "setStreamLayout"
	OpMuteStream       Op = "muteStream"
	OpMuteSession      Op = "muteSession"
	OpListArchives     Op = "listArchives"
	OpGetArchive       Op = "getArchive"
	OpStartArchive     Op = "startArchive"
	OpStopArchive      Op = "stopArchive"
	OpDeleteArchive    Op = "deleteArchive"
	OpOther            Op = "other"
	OpUnknown          Op = "unknown"
)

// Call is one call of the vendor's API, as the simulator saw it. It never holds a credential.
type Call struct {
	// Seq numbers the calls from 1 in order of arrival.
	Seq int `json:"seq"`
	// Time is when the call arrived.
	Time time.Time `json:"time"`
	// Finished is when its outcome was known, right before the reply was written; zero while it is under way.
	Finished time.Time `json:"finished,omitzero"`
	Op       Op        `json:"op"`
	// ProjectID is the one in the path; for OpCreateSession the authenticated one.
	ProjectID    string `json:"projectId,omitempty"`
	SessionID    string `json:"sessionId,omitempty"`
	ConnectionID string `json:"connectionId,omitempty"`
	SignalType   string `json:"signalType,omitempty"`
	SignalData   string `json:"signalData,omitempty"`
	// Options are the form parameters of OpCreateSession.
	Options url.Values `json:"options,omitempty"`
	// Status is the HTTP status sent, 0 if none was (reset, silence, still under way).
	Status int `json:"status,omitempty"`
	// Reason is the message of the reply when it is an error.
	Reason string `json:"reason,omitempty"`
	// Fault is the kind of the scripted fault the call met, "" for none.
	Fault FaultKind `json:"fault,omitempty"`
	// Effective says that the effect took place, whatever the caller was told.
	Effective bool `json:"effective,omitempty"`
	// EffectSeq numbers the effects from 1 in the order they took place; 0 when there was none.
	EffectSeq int `json:"effectSeq,omitempty"`
	// CreatedSessionID is the session an effective OpCreateSession made, also when the reply was lost.
	CreatedSessionID string `json:"createdSessionId,omitempty"`
	// Recipients is how many clients a signal was delivered to.
	Recipients int `json:"recipients,omitempty"`
}

// Signal is a signal as a client received it.
type Signal struct {
	// Seq numbers the signals one client received, from 1.
	Seq int `json:"seq"`
	// ID is the same for all recipients of one signal, and grows with every signal of the simulator.
	ID   int       `json:"id"`
	Time time.Time `json:"time"`
	Type string    `json:"type"`
	Data string    `json:"data"`
	// From is the connection ID of the sender, "" for a signal sent over REST.
	From string `json:"from,omitempty"`
}

// SessionSignal is a signal as the session's history keeps it.
type SessionSignal struct {
	ID   int       `json:"id"`
	Time time.Time `json:"time"`
	Type string    `json:"type"`
	Data string    `json:"data"`
	From string    `json:"from,omitempty"`
	// Recipients are the connection IDs it was delivered to.
	Recipients []string `json:"recipients"`
}

// SessionInfo describes a session that was created here or has had a client.
type SessionInfo struct {
	ID          string      `json:"id"`
	ProjectID   string      `json:"projectId"`
	Environment Environment `json:"environment"`
	CreatedAt   time.Time   `json:"createdAt"`
	// MediaMode is "routed" or "relayed".
	MediaMode string `json:"mediaMode"`
	// ArchiveMode is "manual" or "always".
	ArchiveMode string `json:"archiveMode"`
	E2EE        bool   `json:"e2ee"`
	// Used says that a client has been connected at some time.
	Used        bool             `json:"used"`
	Connections []ConnectionInfo `json:"connections"`
	// Signals are the latest ones sent to it, oldest first; at most Options.MaxHistory.
	Signals []SessionSignal `json:"signals,omitempty"`
}

// ConnectionInfo describes a simulated client.
type ConnectionInfo struct {
	ID        string    `json:"id"`
	SessionID string    `json:"sessionId"`
	CreatedAt time.Time `json:"createdAt"`
	Role      string    `json:"role"`
	// Data is the connection data of its token, as text.
	Data      string `json:"data"`
	Connected bool   `json:"connected"`
	// Reason says why it is not connected any more: clientDisconnected, forceDisconnected or networkDisconnected.
	Reason  string       `json:"reason,omitempty"`
	Signals int          `json:"signals"`
	Mutes   int          `json:"mutes,omitempty"`
	Streams []StreamInfo `json:"streams,omitempty"`
}

// StreamInfo describes a published stream.
type StreamInfo struct {
	ID           string    `json:"id"`
	ConnectionID string    `json:"connectionId"`
	CreatedAt    time.Time `json:"createdAt"`
	Name         string    `json:"name"`
	// VideoType is camera, screen or custom; "" for audio only.
	VideoType   string   `json:"videoType,omitempty"`
	LayoutClass []string `json:"layoutClassList"`
	Muted       bool     `json:"muted,omitempty"`
}

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	EventCall                EventKind = "call"
	EventSessionMade         EventKind = "sessionMade"
	EventConnectionCreated   EventKind = "connectionCreated"
	EventConnectionDestroyed EventKind = "connectionDestroyed"
	EventStreamCreated       EventKind = "streamCreated"
	EventStreamDestroyed     EventKind = "streamDestroyed"
	EventSignal              EventKind = "signal"
	EventCallback            EventKind = "callback"
)

// Event is something that happened, in the order it happened. Which fields are set depends on the kind.
type Event struct {
	Seq        int               `json:"seq"`
	Time       time.Time         `json:"time"`
	Kind       EventKind         `json:"kind"`
	SessionID  string            `json:"sessionId,omitempty"`
	Call       *Call             `json:"call,omitempty"`
	Session    *SessionInfo      `json:"session,omitempty"`
	Connection *ConnectionInfo   `json:"connection,omitempty"`
	Stream     *StreamInfo       `json:"stream,omitempty"`
	Signal     *SessionSignal    `json:"signal,omitempty"`
	Callback   *CallbackDelivery `json:"callback,omitempty"`
	// Reason of a connectionDestroyed or streamDestroyed.
	Reason string `json:"reason,omitempty"`
}
