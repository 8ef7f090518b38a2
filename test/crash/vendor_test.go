// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"net/http"
	"slices"
	"strings"

	"github.com/breakout-operator/breakout-operator/internal/simulator"
)

// vendorFault is a way for the vendor to fail in a call.
type vendorFault struct {
	way   way
	fault simulator.Fault
}

// vendorFaults are the ways in which the vendor fails, at one call after the other.
var vendorFaults = []vendorFault{
	{way: "timeout-after", fault: simulator.Fault{Kind: simulator.FaultTimeoutAfter}},
	{way: "reset-before", fault: simulator.Fault{Kind: simulator.FaultResetBefore}},
	{way: "reset-after", fault: simulator.Fault{Kind: simulator.FaultResetAfter}},
	{way: "limited", fault: simulator.Fault{Kind: simulator.FaultRateLimited}},
	{way: "limited-for-7s", fault: simulator.Fault{Kind: simulator.FaultRateLimited, RetryAfter: "7"}},
	{way: "burst-of-503", fault: simulator.Fault{Kind: simulator.FaultStatus, Count: 4}},
	{way: "silence", fault: simulator.Fault{Kind: simulator.FaultSilence}},
	{way: "html", fault: simulator.Fault{Kind: simulator.FaultHTML}},
	{way: "html-200", fault: simulator.Fault{Kind: simulator.FaultHTML, Status: http.StatusOK}},
	{way: "xml", fault: simulator.Fault{Kind: simulator.FaultXML}},
	{way: "malformed-json", fault: simulator.Fault{Kind: simulator.FaultMalformedJSON}},
	{way: "empty-list", fault: simulator.Fault{Kind: simulator.FaultEmptyList}},
	{way: "unauthorized", fault: simulator.Fault{Kind: simulator.FaultUnauthorized, Count: 2}}, // twice: a fresh JWT is no better
	{way: "revoked", fault: simulator.Fault{Kind: simulator.FaultForbidden, Count: 2}},
	{way: "expired", fault: simulator.Fault{Kind: simulator.FaultExpired}},
	{way: "clock-skew", fault: simulator.Fault{Kind: simulator.FaultClockSkew}},
}

// faultOf is the fault of a way; false when the way is another.
func (w way) faultOf() (simulator.Fault, bool) {
	i := slices.IndexFunc(vendorFaults, func(f vendorFault) bool { return f.way == w })
	if i < 0 {
		return simulator.Fault{}, false
	}
	return vendorFaults[i].fault, true
}

// vendorOp is which of the vendor's calls an operation is; "" for a write.
func (op operation) vendorOp() simulator.Op {
	kind, called := strings.CutPrefix(op.key, "vendor.")
	kind, _, _ = strings.Cut(kind, ".")
	if !called {
		return ""
	}
	return map[string]simulator.Op{
		"createSession": simulator.OpCreateSession, "signal": simulator.OpSignal,
		"listConnections": simulator.OpListConnections, "disconnect": simulator.OpForceDisconnect,
	}[kind]
}

// fail has the vendor fail in the call that passes now, and in those after it of the same kind, to the same session, as often as the fault says.
// A call that is never answered is not waited for.
func (o *operator) fail(p *pass, fault simulator.Fault) {
	faulty, more := o.world.gate.faulty, fault
	fault.Op, fault.Count = p.op.vendorOp(), 1
	fault.Hook = func(c simulator.Call) {
		if more.Count > 1 {
			more.Count--
			more.Op, more.SessionID, more.ConnectionID, more.SignalType = c.Op, c.SessionID, c.ConnectionID, c.SignalType
			o.world.sim.AddFault(more)
		}
		close(faulty)
		if hangs(fault) {
			o.world.gate.hang(p)
		}
	}
	if fault.Kind == simulator.FaultTimeoutAfter {
		fault.When = simulator.AfterEffect
	}
	o.world.sim.AddFault(fault)
}

// hangs tells whether a call with this fault is never answered.
func hangs(fault simulator.Fault) bool {
	return fault.Kind == simulator.FaultSilence || fault.Kind == simulator.FaultTimeoutAfter
}

// hang notes that nothing more happens to an operation by itself.
func (g *gate) hang(p *pass) {
	g.mu.Lock()
	p.hanging = true
	g.hanging = append(g.hanging, p)
	g.mu.Unlock()
	p.operator.end()
}

// unhang notes that the operator does not wait for an operation any more, and tells whether it was one that hung.
func (g *gate) unhang(p *pass) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hanging = slices.DeleteFunc(g.hanging, func(h *pass) bool { return h == p })
	return p.hanging
}

// judgeFault: the fault was met.
func (w *world) judgeFault(kind simulator.FaultKind) {
	w.t.Helper()
	if !slices.ContainsFunc(w.sim.Calls(), func(c simulator.Call) bool { return c.Fault == kind }) {
		w.t.Errorf("no call met the fault %s", kind)
	}
}
