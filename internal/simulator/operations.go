// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Sizes of a signal (Vonage signaling guide: 128 bytes, 8 kB), and the documented alphabet of its type.
const (
	maxSignalType = 128
	maxSignalData = 8192
)

var signalType = regexp.MustCompile(`^[A-Za-z0-9_~-]*$`)

const (
	codePayload   = 15202
	msgNoData     = "Signal payload 'data' must be set"
	msgNoClients  = "Not found. No clients are actively connected to the OpenTok session."
	msgNoStreams  = "The session exists but has not had any streams added to it yet."
	msgBadStream  = "You passed in an invalid stream ID."
	msgNoStream   = "Not found. The session or stream is not found"
	msgBadSession = "Invalid session ID"
)

// describe fills in what the log and the faults want to know of the body.
func describe(req *request, c *Call) {
	switch req.op {
	case OpSignal, OpSignalConnection:
		var b struct{ Type, Data any }
		if json.Unmarshal(req.body, &b) == nil {
			c.SignalType, _ = b.Type.(string)
			c.SignalData, _ = b.Data.(string)
		}
	case OpCreateSession:
		c.Options, _ = url.ParseQuery(string(req.body))
	default: // nobody asks what is in the others
	}
}

// handle carries a call out, in the order: path, credential, project, session ID, body, recipients.
func (s *Simulator) handle(req *request) reply {
	if req.op == OpUnknown {
		return req.fail(http.StatusNotFound, "HTTP 404 Not Found")
	}
	p, aerr := s.authenticate(req.header, req.pathID)
	if aerr != nil {
		return errorReply(req.asJSON, aerr.status, aerr.code, aerr.message)
	}
	req.project = p
	switch {
	case req.wrongMethod:
		return req.fail(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
	case req.tooBig:
		return req.fail(http.StatusRequestEntityTooLarge, "HTTP 413 Request Entity Too Large")
	case req.session != "" && !s.ownSession(req, req.session):
		return req.fail(s.opts.ForeignSessionStatus, msgBadSession)
	}
	switch req.op {
	case OpCreateSession:
		return s.createSession(req)
	case OpSignal, OpSignalConnection:
		return s.signal(req)
	case OpListConnections:
		return s.listConnections(req)
	case OpForceDisconnect:
		return s.forceDisconnect(req)
	case OpListStreams, OpGetStream, OpSetStreamLayout:
		return s.streams(req)
	case OpMuteStream, OpMuteSession:
		return s.mute(req)
	case OpListArchives:
		return s.listArchives(req)
	case OpStartArchive:
		return s.startArchive(req)
	case OpGetArchive, OpStopArchive, OpDeleteArchive:
		return req.fail(http.StatusNotFound, "Not found. The archive is not found") // none can be started here
	default:
		return req.fail(http.StatusNotImplemented, "This operation is not simulated")
	}
}

func (r *request) fail(status int, message string) reply {
	return errorReply(r.asJSON, status, status, message)
}

// ownSession checks format and project of a session ID. There is no look-up: the vendor has no state of a session
// before its first client.
func (s *Simulator) ownSession(req *request, id string) bool {
	parts, err := DecodeSessionID(id)
	req.parts = parts
	return err == nil && parts.ProjectID == req.project.ID
}

// contentType returns the media type of the request's body.
func (r *request) contentType() string {
	kind, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

var resolutions = []string{"640x480", "480x640", "1280x720", "720x1280", "1920x1080", "1080x1920"}

// sessionOptions checks the parameters of a creation and returns what the session is like, or what is wrong.
func sessionOptions(q url.Values, env Environment) (info SessionInfo, location, problem string) {
	for key, v := range q {
		if len(v) > 1 {
			return info, "", "The parameter " + key + " is given more than once"
		}
	}
	// What an absent preference means was never observed: the default of the environment's SDKs.
	relayed := env == OpenTok
	switch q.Get("p2p.preference") {
	case "enabled":
		relayed = true
	case "disabled":
		relayed = false
	default:
		if q.Has("p2p.preference") {
			return info, "", "p2p.preference must be enabled or disabled"
		}
	}
	info.MediaMode = map[bool]string{true: "relayed", false: "routed"}[relayed]
	info.ArchiveMode = "manual"
	switch q.Get("archiveMode") {
	case "always":
		info.ArchiveMode = "always"
	case "manual":
	default:
		if q.Has("archiveMode") {
			return info, "", "archiveMode must be manual or always"
		}
	}
	switch q.Get("e2ee") {
	case "true":
		info.E2EE = true
	case "false", "":
	default:
		return info, "", "e2ee must be true or false"
	}
	// VD sends an empty location and VN the text null when there is none.
	if location = q.Get("location"); location == "null" {
		location = ""
	}
	return info, location, optionConflict(q, info, location)
}

func optionConflict(q url.Values, info SessionInfo, location string) string {
	always, relayed := info.ArchiveMode == "always", info.MediaMode == "relayed"
	switch {
	case always && relayed:
		return "A session with always archive mode must also have the routed media mode"
	case info.E2EE && relayed:
		return "A session with end-to-end encryption must also have the routed media mode"
	case info.E2EE && always:
		return "A session with end-to-end encryption cannot have the always archive mode"
	case !always && (q.Has("archiveName") || q.Has("archiveResolution")):
		return "archiveName and archiveResolution are only allowed with the always archive mode"
	case q.Has("archiveName") && (q.Get("archiveName") == "" || utf8.RuneCountInString(q.Get("archiveName")) > 80):
		return "archiveName must have 1 to 80 characters"
	case q.Has("archiveResolution") && !slices.Contains(resolutions, q.Get("archiveResolution")):
		return "archiveResolution is not one of the supported ones"
	case location != "" && !ipv4.MatchString(location):
		return "location must be an IPv4 address"
	}
	return ""
}

// createdSession is the vendor's reply, key by key as captured by its SDKs.
type createdSession struct {
	SessionID               string  `json:"session_id"`
	ProjectID               string  `json:"project_id"`
	PartnerID               string  `json:"partner_id"`
	CreateDT                string  `json:"create_dt"`
	SessionStatus           *string `json:"session_status"`
	StatusInvalid           *string `json:"status_invalid"`
	MediaServerHostname     *string `json:"media_server_hostname"`
	MessagingServerURL      *string `json:"messaging_server_url"`
	MessagingURL            *string `json:"messaging_url"`
	SymphonyAddress         *string `json:"symphony_address"`
	Properties              *string `json:"properties"`
	IceServer               *string `json:"ice_server"`
	SessionSegmentID        string  `json:"session_segment_id"`
	IceServers              *string `json:"ice_servers"`
	IceCredentialExpiration int     `json:"ice_credential_expiration"`
}

func (s *Simulator) createSession(req *request) reply {
	if len(req.body) > 0 && req.contentType() != "application/x-www-form-urlencoded" {
		return req.fail(http.StatusBadRequest, "Content-Type must be application/x-www-form-urlencoded")
	}
	q, err := url.ParseQuery(string(req.body))
	if err != nil {
		return req.fail(http.StatusBadRequest, "The parameters are malformed")
	}
	info, location, problem := sessionOptions(q, req.project.Environment)
	if problem != "" {
		return req.fail(http.StatusBadRequest, problem)
	}
	now := s.clock.Now()
	info.ID = s.newSessionID(req.project.ID, location, info.MediaMode == "relayed")
	info.ProjectID, info.Environment, info.CreatedAt = req.project.ID, req.project.Environment, now
	ses, _ := s.sessions.ensure(info, s.opts.MaxSessions, 0)
	s.publishSession(ses)

	created := createdSession{
		SessionID: info.ID, ProjectID: info.ProjectID, PartnerID: info.ProjectID, CreateDT: createDate(now),
		SessionSegmentID: s.newUUID(), IceCredentialExpiration: 86100,
	}
	rep := jsonReply([]createdSession{created})
	rep.xml = fmt.Appendf(nil,
		"%s<sessions><Session><session_id>%s</session_id><partner_id>%s</partner_id>"+
			"<create_dt>%s</create_dt></Session></sessions>",
		xmlHeader, created.SessionID, created.PartnerID, created.CreateDT)
	if !req.asJSON {
		rep.contentType, rep.body = "application/xml", rep.xml
	}
	rep.effective, rep.createdID = true, info.ID
	return rep
}

// pacific approximates the zone of the vendor's dates; its daylight saving does not matter to anyone who must not parse
// them.
var pacific = time.FixedZone("PST", -8*3600)

func createDate(t time.Time) string { return t.In(pacific).Format("Mon Jan 02 15:04:05 MST 2006") }

// signalSize is how long data is, and of what.
func (s *Simulator) signalSize(data string) (int, string) {
	if s.opts.SignalSize == SignalSizeEncoded {
		return stringifiedLength(data), "characters as a JSON string"
	}
	return len(data), "bytes"
}

// stringifiedLength is JSON.stringify(data).length.
func stringifiedLength(data string) int {
	n := len(`""`)
	for _, r := range data {
		switch {
		case strings.ContainsRune("\"\\\b\f\n\r\t", r):
			n += len(`\n`)
		case r < ' ':
			n += len(`\u0001`)
		default:
			n += utf16.RuneLen(r)
		}
	}
	return n
}

// checkSignal holds the rules for a signal's contents; true when the reply is a refusal.
func (s *Simulator) checkSignal(asJSON bool, kind, data string) (reply, bool) {
	size, of := s.signalSize(data)
	switch {
	case len(kind) > maxSignalType:
		return errorReply(asJSON, http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge,
			"The signal type is longer than 128 bytes"), true
	case size > maxSignalData:
		return errorReply(asJSON, http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge,
			"The signal data is longer than 8192 "+of), true
	case !signalType.MatchString(kind):
		return errorReply(asJSON, http.StatusBadRequest, http.StatusBadRequest,
			"The signal type has characters other than letters, digits, -, _ and ~"), true
	}
	return reply{}, false
}

func (s *Simulator) signal(req *request) reply {
	var b map[string]json.RawMessage
	if req.contentType() != "application/json" || json.Unmarshal(req.body, &b) != nil || b == nil {
		return req.fail(http.StatusBadRequest, "The body must be a JSON object with Content-Type application/json")
	}
	var kind string
	if raw, ok := b["type"]; ok && (json.Unmarshal(raw, &kind) != nil || string(raw) == "null") {
		return req.fail(http.StatusBadRequest, "Signal payload 'type' must be a string")
	}
	raw, ok := b["data"]
	if !ok || string(raw) == "null" {
		return errorReply(req.asJSON, http.StatusBadRequest, codePayload, msgNoData)
	}
	var data string
	if json.Unmarshal(raw, &data) != nil {
		return errorReply(req.asJSON, http.StatusBadRequest, codePayload, "Signal payload 'data' must be a string")
	}
	if rep, bad := s.checkSignal(req.asJSON, kind, data); bad {
		return rep
	}
	ses := s.sessions.get(req.session)
	if ses != nil {
		ses.mu.Lock()
		defer ses.mu.Unlock()
	}
	to, rep, found := s.recipients(req, ses)
	if !found {
		return rep
	}
	if len(to) == 0 {
		return reply{status: http.StatusNoContent, effective: true}
	}
	n := s.deliver(ses, to, kind, data, "")
	return reply{status: http.StatusNoContent, effective: true, recipients: n}
}

// recipients returns who gets a signal, or the refusal. The session's lock must be held.
func (s *Simulator) recipients(req *request, ses *session) ([]*Client, reply, bool) {
	if req.op == OpSignalConnection {
		if ses != nil {
			if c := ses.connected(req.connection); c != nil {
				return []*Client{c}, reply{}, true
			}
		}
		return nil, s.noSuchConnection(req), false
	}
	if ses != nil && len(ses.conns) > 0 {
		return ses.conns, reply{}, true
	}
	if s.isEmptyOK(ses) {
		return nil, reply{}, true
	}
	return nil, noClients(req), false
}

// noClients is the reply the PHP SDK's fixtures hold: no code, no description.
func noClients(req *request) reply {
	rep := req.fail(http.StatusNotFound, msgNoClients)
	if req.asJSON {
		rep.body = mustJSON(map[string]string{"message": msgNoClients})
	}
	return rep
}

func (s *Simulator) noSuchConnection(req *request) reply {
	if _, err := uuid.Parse(req.connection); err != nil {
		return req.fail(http.StatusBadRequest, "Invalid connection ID")
	}
	return req.fail(http.StatusNotFound, "Not found. The client is not connected to the session")
}

// projectKey is the one difference of replies between the environments.
func projectKey(env Environment) string {
	if env == Unified {
		return "applicationId"
	}
	return "projectId"
}

func (s *Simulator) listConnections(req *request) reply {
	type item struct {
		ConnectionID    string `json:"connectionId"`
		ConnectionState string `json:"connectionState"`
		CreatedAt       int64  `json:"createdAt"`
	}
	items := []item{}
	ses := s.sessions.get(req.session)
	if ses != nil {
		ses.mu.Lock()
		defer ses.mu.Unlock()
		for _, c := range ses.conns {
			items = append(items, item{c.id, "Connected", c.createdAt.UnixMilli()})
		}
	}
	if len(items) == 0 && !s.isEmptyOK(ses) {
		return noClients(req)
	}
	return jsonReply(map[string]any{
		"count": len(items), projectKey(req.project.Environment): req.project.ID, "sessionId": req.session,
		"items": items,
	})
}

func (s *Simulator) forceDisconnect(req *request) reply {
	ses := s.sessions.get(req.session)
	if ses == nil {
		return s.noSuchConnection(req)
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	c := ses.connected(req.connection)
	if c == nil {
		return s.noSuchConnection(req)
	}
	s.disconnect(c, ReasonForceDisconnected)
	return reply{status: http.StatusNoContent, effective: true}
}

type streamItem struct {
	ID              string   `json:"id"`
	VideoType       string   `json:"videoType,omitempty"`
	Name            string   `json:"name"`
	LayoutClassList []string `json:"layoutClassList"`
}

// streamItems returns the session's streams, oldest client first. The lock must be held.
func (ses *session) streamItems() []streamItem {
	items := []streamItem{}
	for _, c := range ses.conns {
		for _, st := range c.Info().Streams {
			items = append(items, streamItem{st.ID, st.VideoType, st.Name, st.LayoutClass})
		}
	}
	return items
}

func (s *Simulator) streams(req *request) reply {
	if req.op == OpGetStream {
		if _, err := uuid.Parse(req.arg); err != nil {
			return req.fail(http.StatusRequestTimeout, msgBadStream) // 408 really means that here
		}
	}
	ses := s.sessions.get(req.session)
	if ses == nil {
		return req.fail(http.StatusNotFound, msgNoStreams)
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if !ses.hadStream {
		return req.fail(http.StatusNotFound, msgNoStreams)
	}
	effective := false
	if req.op == OpSetStreamLayout {
		if rep, ok := setLayout(req, ses); !ok {
			return rep
		}
		effective = true
	}
	items := ses.streamItems()
	if req.op == OpGetStream {
		i := slices.IndexFunc(items, func(it streamItem) bool { return it.ID == req.arg })
		if i < 0 {
			return req.fail(http.StatusNotFound, msgNoStream)
		}
		return jsonReply(items[i])
	}
	rep := jsonReply(map[string]any{"count": len(items), "items": items})
	rep.effective = effective
	return rep
}

func setLayout(req *request, ses *session) (reply, bool) {
	var b struct {
		Items []struct {
			ID              string   `json:"id"`
			LayoutClassList []string `json:"layoutClassList"`
		} `json:"items"`
	}
	if req.contentType() != "application/json" || json.Unmarshal(req.body, &b) != nil || b.Items == nil {
		return req.fail(http.StatusBadRequest, "The body must be a JSON object with a list 'items'"), false
	}
	for _, it := range b.Items {
		if !slices.ContainsFunc(ses.conns, func(c *Client) bool { return slices.Contains(c.streamIDs(), it.ID) }) {
			return req.fail(http.StatusNotFound, msgNoStream), false
		}
	}
	for _, it := range b.Items {
		for _, c := range ses.conns {
			c.setLayout(it.ID, it.LayoutClassList)
		}
	}
	return reply{}, true
}

func (c *Client) setLayout(streamID string, classes []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.streams {
		if st.ID == streamID {
			st.LayoutClass = append([]string{}, classes...)
		}
	}
}

func (s *Simulator) mute(req *request) reply {
	var b struct {
		Active            *bool    `json:"active"`
		ExcludedStreamIDs []string `json:"excludedStreamIds"`
	}
	if req.op == OpMuteStream {
		if _, err := uuid.Parse(req.arg); err != nil {
			return req.fail(http.StatusRequestTimeout, msgBadStream)
		}
	} else if req.contentType() != "application/json" || json.Unmarshal(req.body, &b) != nil || b.Active == nil {
		return req.fail(http.StatusBadRequest, "The body must be a JSON object with a boolean 'active'")
	}
	ses := s.sessions.get(req.session)
	if ses == nil {
		return req.fail(http.StatusNotFound, msgNoStream)
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if len(ses.conns) == 0 {
		return req.fail(http.StatusNotFound, msgNoStream)
	}
	n := 0
	if req.op == OpMuteStream || *b.Active {
		for _, c := range ses.conns {
			n += c.mute(req.arg, b.ExcludedStreamIDs)
		}
	}
	if req.op == OpMuteStream && n == 0 {
		return req.fail(http.StatusNotFound, msgNoStream)
	}
	id := "id"
	if req.project.Environment == Unified {
		id = "applicationId"
	}
	rep := jsonReply(map[string]any{
		id: req.project.ID, "status": "ACTIVE", "name": "simulated", "environment": "standard",
		"createdAt": req.parts.CreatedAt.UnixMilli(),
	})
	rep.effective, rep.recipients = true, n
	return rep
}

// listArchives checks the query and finds none: archives cannot be started here.
func (s *Simulator) listArchives(req *request) reply {
	for key, limit := range map[string]int{"offset": 1 << 31, "count": 1000} {
		if v := req.query.Get(key); v != "" {
			if n, err := strconv.Atoi(v); err != nil || n < 0 || n > limit {
				return req.fail(http.StatusBadRequest, "Invalid "+key)
			}
		}
	}
	if id := req.query.Get("sessionId"); id != "" && !s.ownSession(req, id) {
		return req.fail(http.StatusBadRequest, msgBadSession)
	}
	return jsonReply(map[string]any{"count": 0, "items": []any{}})
}

func (s *Simulator) startArchive(req *request) reply {
	var b struct {
		SessionID string `json:"sessionId"`
	}
	if req.contentType() != "application/json" || json.Unmarshal(req.body, &b) != nil ||
		!s.ownSession(req, b.SessionID) {
		return req.fail(http.StatusBadRequest, msgBadSession)
	}
	switch {
	case len(s.Connections(b.SessionID)) == 0:
		return noClients(req)
	case req.parts.Relayed:
		return errorReply(req.asJSON, http.StatusConflict, 15001, "HTTP 409 Conflict")
	}
	return req.fail(http.StatusNotImplemented, "This operation is not simulated")
}
