// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const xmlHeader = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`

// reply is what is sent, and what the call log gets to know.
type reply struct {
	status      int
	contentType string // "" for none
	body        []byte
	xml         []byte // the XML form of a reply that has one
	retryAfter  string

	reason     string // of an error
	effective  bool
	createdID  string
	recipients int
}

type errorBody struct {
	XMLName     xml.Name `json:"-" xml:"errorPayload"`
	Code        int      `json:"code" xml:"code"`
	Message     string   `json:"message" xml:"message"`
	Description string   `json:"description" xml:"description"`
}

// errorReply is the vendor's error envelope, in JSON or, when JSON was not asked for, in XML.
func errorReply(asJSON bool, status, code int, message string) reply {
	b := errorBody{Code: code, Message: message, Description: message}
	rep := reply{status: status, reason: message}
	if asJSON {
		rep.contentType, rep.body = "application/json", mustJSON(b)
		return rep
	}
	text, err := xml.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("simulator: %v", err)) // plain strings and numbers: cannot fail
	}
	rep.contentType, rep.body = "application/xml", append([]byte(xmlHeader), text...)
	return rep
}

func jsonReply(v any) reply {
	return reply{status: http.StatusOK, contentType: "application/json", body: mustJSON(v)}
}

func mustJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("simulator: %v", err)) // only called with types that cannot fail
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}

func fmtHTML(status int) []byte {
	return fmt.Appendf(nil, htmlPage, status, status, http.StatusText(status))
}

// wantsJSON says whether the caller asked for JSON by name. Without it the vendor answers XML, as it does for */*
// (recorded in the Ruby SDK's fixtures).
func wantsJSON(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "application/json") {
			return true
		}
	}
	return false
}

func (r reply) write(w http.ResponseWriter) {
	h := w.Header()
	if r.contentType != "" {
		h.Set("Content-Type", r.contentType)
	} else {
		h["Content-Type"] = nil // do not sniff
	}
	if r.retryAfter != "" {
		h.Set("Retry-After", r.retryAfter)
	}
	if r.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(r.body)))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // the caller may be gone
}
