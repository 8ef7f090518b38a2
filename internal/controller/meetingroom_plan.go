// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/vonage"
)

// defaultTokenTTL is how long tokens live where a room does not say.
const defaultTokenTTL = 4 * time.Hour

// tokenID is what a token in status is found by: a participant's name, or the role of a shared one.
type tokenID struct {
	name   string
	shared bool
}

// desiredToken is a token as the spec asks for it.
type desiredToken struct {
	tokenID
	role v1alpha1.ParticipantRole
	// data is the connection data.
	data string
	// inputs identifies what the token is to be made from, the key aside.
	inputs string
}

// tooLong is a participant whose connection data do not fit into a token.
type tooLong struct {
	participant v1alpha1.ParticipantName
	bytes       int
}

// desiredTokens lists the tokens that a room's spec asks for in a session, participants first, in the order of the
// spec; and who can have none.
func desiredTokens(spec *v1alpha1.MeetingRoomSpec, sessionID string) ([]desiredToken, []tooLong) {
	ttl := tokenTTL(spec)
	var desired []desiredToken
	var excluded []tooLong
	for i := range spec.Participants {
		p := &spec.Participants[i]
		data := connectionData(p)
		if len(data) > vonage.MaxConnectionDataBytes {
			excluded = append(excluded, tooLong{p.Name, len(data)})
			continue
		}
		desired = append(desired, newDesiredToken(tokenID{name: string(p.Name)}, roleOf(p), data, sessionID, ttl))
	}
	if spec.Tokens != nil {
		for _, role := range spec.Tokens.Shared {
			desired = append(desired,
				newDesiredToken(tokenID{name: string(role), shared: true}, role, sharedConnectionData(role), sessionID,
					ttl))
		}
	}
	return desired, excluded
}

func newDesiredToken(
	id tokenID, role v1alpha1.ParticipantRole, data, sessionID string, ttl time.Duration,
) desiredToken {
	return desiredToken{tokenID: id, role: role, data: data, inputs: tokenInputs(sessionID, role, data, ttl, id)}
}

// tokenInputs is a short hash over what a token is made from, the key aside, by which a change shows.
func tokenInputs(sessionID string, role v1alpha1.ParticipantRole, data string, ttl time.Duration, id tokenID) string {
	h := sha256.New()
	kind := "participant"
	if id.shared {
		kind = "shared"
	}
	for _, field := range []string{sessionID, string(role), data, ttl.String(), kind, id.name} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		h.Write(length[:])
		h.Write([]byte(field))
	}
	return hex.EncodeToString(h.Sum(nil)[:7])
}

// inputsHash is status's inputsHash: the inputs, and the key that signed. They are apart so that it shows without the
// account whether a token is still as the spec asks. At most 32 characters.
func inputsHash(inputs, keyID string) string {
	return inputs + "." + shortKeyID(keyID)
}

func shortKeyID(keyID string) string { return keyID[:min(len(keyID), 17)] }

// tokenTTL is how long the tokens of a room live.
func tokenTTL(spec *v1alpha1.MeetingRoomSpec) time.Duration {
	if spec.Tokens == nil || spec.Tokens.TTLSeconds == nil {
		return defaultTokenTTL
	}
	return time.Duration(*spec.Tokens.TTLSeconds) * time.Second
}

// tokenDelivery is where the tokens of a room are published.
func tokenDelivery(spec *v1alpha1.MeetingRoomSpec) v1alpha1.TokenDelivery {
	if spec.Tokens == nil || spec.Tokens.Delivery == "" {
		return v1alpha1.TokenDeliveryStatus
	}
	return spec.Tokens.Delivery
}

// tokenAction is what becomes of one token.
type tokenAction int

const (
	// keepToken: it is as the spec asks, and lives.
	keepToken tokenAction = iota
	// mintToken: it is to be made.
	mintToken
	// keepOutdated: it is not quite as the spec asks, but lives, has the right role, and cannot be replaced now.
	keepOutdated
	// lackToken: there is none, and none can be made now.
	lackToken
	// lackExpired: it ran out, and none can be made now.
	lackExpired
)

// plannedToken is what becomes of one token.
type plannedToken struct {
	desiredToken
	action tokenAction
	// current is what status has; the zero value where there is nothing to keep.
	current v1alpha1.TokenStatus
}

// planInput is what a plan of tokens is made from.
type planInput struct {
	desired  []desiredToken
	existing map[tokenID]v1alpha1.TokenStatus
	// keyID identifies the key that can sign now; "" if none can.
	keyID    string
	delivery v1alpha1.TokenDelivery
	// present reports whether a Secret has the key, with delivery Secret; nil where that was not looked up, and is
	// taken for granted.
	present func(v1alpha1.SecretKeyReference) bool
	now     time.Time
	uid     types.UID
}

// tokenPlan is what becomes of the tokens of a room.
type tokenPlan struct {
	// tokens are in the order of the spec.
	tokens []plannedToken
	// removals is whether status has tokens that nobody asks for any more.
	removals bool
	// requeueTime is when the clock will ask for another plan; zero if it never will.
	requeueTime time.Time
}

// planTokens decides for each token whether to keep it, replace it, or do without.
func planTokens(in planInput) tokenPlan {
	plan := tokenPlan{tokens: make([]plannedToken, 0, len(in.desired))}
	kept := 0
	for _, want := range in.desired {
		current, exists := in.existing[want.tokenID]
		if exists {
			kept++
		}
		t := plannedToken{desiredToken: want, action: in.action(want, current, exists)}
		if t.action == keepToken || t.action == keepOutdated {
			t.current = current
			plan.requeueAt(in.requeueTimeFor(current))
		}
		plan.tokens = append(plan.tokens, t)
	}
	plan.removals = kept < len(in.existing)
	return plan
}

func (in *planInput) action(want desiredToken, current v1alpha1.TokenStatus, exists bool) tokenAction {
	alive := exists && in.now.Before(current.ExpiresAt.Time)
	inputs, keyID, _ := strings.Cut(current.InputsHash, ".")
	right := exists && inputs == want.inputs && in.located(current)
	if in.keyID == "" {
		switch {
		case alive && right:
			return keepToken
		case alive && current.Role == want.role && in.reachable(current):
			return keepOutdated
		case exists && !alive:
			return lackExpired
		default:
			return lackToken
		}
	}
	if right && keyID == shortKeyID(in.keyID) &&
		in.now.Before(renewAt(current.IssuedAt.Time, current.ExpiresAt.Time, in.uid)) {
		return keepToken
	}
	return mintToken
}

// located reports whether a token is where the spec wants it published.
func (in *planInput) located(t v1alpha1.TokenStatus) bool {
	if in.delivery == v1alpha1.TokenDeliverySecret {
		return t.SecretKeyRef != nil && (in.present == nil || in.present(*t.SecretKeyRef))
	}
	return t.Token != ""
}

// reachable reports whether a token can be read somewhere, be it not where the spec wants it.
func (in *planInput) reachable(t v1alpha1.TokenStatus) bool {
	return t.Token != "" || (t.SecretKeyRef != nil && (in.present == nil || in.present(*t.SecretKeyRef)))
}

// requeueTimeFor is when a token that is kept needs another look: when it is to be replaced, or, if that time is over
// and it could not be, when it expires.
func (in *planInput) requeueTimeFor(t v1alpha1.TokenStatus) time.Time {
	if at := renewAt(t.IssuedAt.Time, t.ExpiresAt.Time, in.uid); at.After(in.now) {
		return at
	}
	return t.ExpiresAt.Time
}

func (p *tokenPlan) requeueAt(at time.Time) {
	if p.requeueTime.IsZero() || at.Before(p.requeueTime) {
		p.requeueTime = at
	}
}

// changes reports whether anything is to be made or taken away.
func (p *tokenPlan) changes() bool {
	return p.removals || p.count(mintToken) > 0
}

// halfMoved reports whether a token is both in status and in a Secret.
func (p *tokenPlan) halfMoved() bool {
	for i := range p.tokens {
		if c := &p.tokens[i].current; c.Token != "" && c.SecretKeyRef != nil {
			return true
		}
	}
	return false
}

func (p *tokenPlan) count(action tokenAction) int {
	n := 0
	for i := range p.tokens {
		if p.tokens[i].action == action {
			n++
		}
	}
	return n
}

// lacking is how many tokens are not as the spec asks.
func (p *tokenPlan) lacking() int {
	return p.count(keepOutdated) + p.count(lackToken) + p.count(lackExpired)
}

// renewAt is when a token is to be replaced: when a third of its life is left, or up to a tenth of its life earlier,
// which differs from room to room so that not all are replaced at once. In whole seconds.
func renewAt(issued, expires time.Time, uid types.UID) time.Time {
	life := expires.Sub(issued)
	early := time.Duration(jitter(uid, "renewal") * float64(life) / 10)
	return expires.Add(-life/3 - early).Truncate(time.Second)
}

// tokenTimes are the times of a token made now, in whole seconds as in the token itself.
func tokenTimes(now time.Time, ttl time.Duration) (issued, expires time.Time) {
	issued = now.Truncate(time.Second)
	return issued, issued.Add(ttl)
}
