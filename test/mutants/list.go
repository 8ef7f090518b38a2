// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

const (
	controllers = "internal/controller/"
	decisions   = "internal/breakout/"
	dialect     = "internal/sampleapp/"
	vendor      = "internal/vonage/"
)

// mutants are faults that people in a meeting, or those who run one, would suffer from.
var mutants = []mutant{
	// Sessions.
	{
		name: "no live read before creating", fault: "a session is created for a room that has one by then, and costs a session nobody uses",
		file: controllers + "meetingroom_session.go",
		line: `if err := r.ensureLive(ctx, s); err != nil {`, becomes: `if err := error(nil); err != nil {`,
		soonest: "TestMatrix/^open$/late-rooms",
	},
	{
		name: "created sessions are not held", fault: "a session is lost when its room's status cannot be written, and another one made",
		file: controllers + "meetingroom_session.go",
		line: `*mem = roomMemory{held: &heldSession{id, s.account.Name, s.account.ProjectID}}`, becomes: `*mem = roomMemory{}`,
		soonest: "TestMatrix/^open$/^refused$",
	},

	// What is planned before it is sent, and by what.
	{
		name: "no plan before sending", fault: "after a crash nobody knows what people were sent, and they are sent it anew",
		file: controllers + "breakoutset_plan.go",
		line: `return r.writeStatus(ctx, s)`, becomes: `return nil`,
		soonest: "TestMatrix/^open$/^(before|after)$",
	},
	{
		name: "no lock on the plan", fault: "an operator that does not know that it was replaced plans anew over what its successor sends",
		file:    controllers + "breakoutset_plan.go",
		line:    `return r.writeStatus(ctx, s)`,
		becomes: `latest := &v1alpha1.BreakoutSet{}; _ = r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.set), latest); s.set.ResourceVersion = latest.ResourceVersion; return r.writeStatus(ctx, s)`,
		soonest: "TestMatrix/^(edit|move)$/late-sets",
	},
	{
		name: "no live read of the set", fault: "an operator that does not know that it was replaced sends people what was true before",
		file: controllers + "breakoutset_signals.go",
		line: `if live.ResourceVersion != s.set.ResourceVersion {`, becomes: `if false {`,
		soonest: "TestMatrix/^edit$/late-sets",
	},
	{
		name: "no live read of the rooms", fault: "people are sent by rooms and a roster that are not so any more",
		file: controllers + "breakoutset_plan.go",
		line: `if err := r.ensureRoomsLive(ctx, s); err != nil {`, becomes: `if err := error(nil); err != nil {`,
		soonest: "TestMatrix/^move$/late-rooms",
	},
	{
		name: "revisions do not go up", fault: "pages take a newer state for a repetition of the older one",
		file: decisions + "plan.go",
		line: `s.Revision = max(s.Revision+revisionStep, p.now.UnixMilli())`, becomes: `s.Revision = max(s.Revision, 1)`,
		soonest: "TestMatrix/^open$/late-rooms",
	},
	{
		name: "an edit drops what is owed", fault: "who lagged when the spec changed is never sent what came before",
		file: dialect + "delivery.go",
		line: `if isDone(st, e, s) {`, becomes: `if true {`,
		soonest: "TestProtocol",
	},

	// How delivery goes.
	{
		name: "a lost answer counts as delivered", fault: "who has not received where to go is not sent it again",
		file: controllers + "breakoutset_signals.go",
		line: `outcome = sampleapp.Ambiguous`, becomes: `outcome = sampleapp.Delivered`,
		soonest: "TestMatrix/^open$/burst-of-503",
	},
	{
		name: "given up after a failure", fault: "who could not be sent something once is never sent it",
		file: controllers + "breakoutset_signals.go",
		line: `outcome, now := sampleapp.Failed, time.Now()`, becomes: `outcome, now := sampleapp.Delivered, time.Now()`,
		soonest: "TestMatrix/^open$/burst-of-503",
	},
	{
		name: "a rate limit counts as delivered", fault: "in a busy moment rooms are given up for good",
		file: controllers + "breakoutset_signals.go",
		line: `case "", vonage.ClassNoRecipients:`, becomes: `case "", vonage.ClassNoRecipients, vonage.ClassRateLimited:`,
		soonest: "TestMatrix/^open$/^limited$",
	},
	{
		name: "who failed is not tried again", fault: "after an outage some sessions lag for ever",
		file: dialect + "delivery.go",
		line: `s.retryAt = now.Add(min(firstRetry<<min(s.tries-1, 10), lastRetry))`, becomes: `s.retryAt = now.Add(1000 * time.Hour)`,
		soonest: "TestMatrix/^open$/burst-of-503",
	},
	{
		name: "a timeout counts as unsent", fault: "who has received where to go is sent it again at once",
		file: vendor + "call.go",
		line: `e.Class = op.unclear()`, becomes: `e.Class = ClassTransient`,
		soonest: "TestMatrix/^(open|move)$/^(silence|timeout-after|reset-after)$",
	},
	{
		name: "moves 4 s apart", fault: "people are sent elsewhere before their page has acted on the move before",
		file: dialect + "pacing.go",
		line: `MoveInterval = 10 * time.Second`, becomes: `MoveInterval = 4 * time.Second`,
		soonest: "TestDirected",
	},
	{
		name: "two targets at once", fault: "who was sent to one room is sent to another before the page acted on it",
		file: dialect + "delivery.go",
		line: `case !until.After(now):`, becomes: `case true:`,
		soonest: "TestDirected",
	},
	{
		name: "a new process waits for nobody", fault: "after a crash people are sent elsewhere before their page acted on what the operator before sent",
		file: dialect + "delivery.go",
		line: `d.named[name], d.movesAt = naming{at: now}, now // as late as that, to wherever`, becomes: `_ = name`,
		soonest: "TestMatrix/^(edit|move)$/^(before|after)$",
	},
	{
		name: "no rounds", fault: "who was between two sessions when the signal came stays where they were",
		file: dialect + "delivery.go",
		line: `is = (is || slices.Contains(sent, v1alpha1.SignalOpening)) && len(st.Signals.Moving) > 0`, becomes: `is = false`,
	},
	{
		name: "rounds of one revision", fault: "pages do not act on a text that equals the one before",
		file: dialect + "message.go",
		line: `revision := c.st.Signals.Revision + int64(step.Round)`, becomes: `revision := c.st.Signals.Revision`,
		soonest: "TestProtocol",
	},
	{
		name: "Ready while sessions lag", fault: "whoever waits for Ready goes on before people know",
		file: controllers + "breakoutset_status.go",
		line: `switch lags := len(breakout.Lagging(s.status())) > 0; {`, becomes: `switch lags := false; {`,
		soonest: "TestMatrix/^move$/burst-of-503",
	},
	{
		name: "delivered while sessions lag", fault: "SignalsDelivered is True though whole rooms were sent nothing",
		file: controllers + "breakoutset_status.go",
		line: `lagging := breakout.Lagging(st)`, becomes: `lagging := breakout.Lagging(st)[:0]`,
		soonest: "TestMatrix/^move$/burst-of-503",
	},

	// What is sent.
	{
		name: "rooms go while people move", fault: "a room is removed before those who were in it have gone elsewhere",
		file: dialect + "delivery.go",
		line: `if at := d.emptyAt(st, e.Room, now); s.round == 0 && at.After(now) {`, becomes: `if at := d.emptyAt(st, e.Room, now); at.IsZero() && at.After(now) {`,
	},
	{
		name: "who is there is sent there", fault: "who is in a room already leaves and joins it once more, and is seen by nobody",
		file: dialect + "delivery.go",
		line: `if target == room || (kind == v1alpha1.SignalOpening && slices.Contains(view.Hosts, name)) {`, becomes: `if kind == v1alpha1.SignalOpening && slices.Contains(view.Hosts, name) {`,
	},
	{
		name: "the countdown is cleared", fault: "a page goes blank that is sent no countdown while it shows one",
		file: dialect + "message.go",
		line: `t := c.st.Timer`, becomes: `t := c.st.Timer; if t.DurationSeconds == 0 { return "{}" }`,
	},
	{
		name: "pages go back by themselves", fault: "who goes back at the end of the countdown misses that all are called back",
		file: dialect + "message.go",
		line: `IsManualReturn: true,`, becomes: `IsManualReturn: false,`,
	},
	{
		name: "called back as the time is up", fault: "pages whose clock is behind are called back while they count, and count for ever",
		file: dialect + "pacing.go",
		line: `return closesAt.Add(callBackAfter)`, becomes: `return closesAt`,
	},
	{
		name: "no grace for a manual return", fault: "people who may come back when they are ready are called back at once",
		file: dialect + "pacing.go",
		line: `return closesAt.Add(max(callBackAfter, breakout.CloseGrace(set)))`, becomes: `return closesAt.Add(callBackAfter + 0*breakout.CloseGrace(set))`,
	},
	{
		name: "an expired countdown stays", fault: "the host's page asks to delete the next set's rooms",
		file: decisions + "decide.go",
		line: `case had != nil, !IsOpen(in.Set) && in.Main.Status.CountdownTime != nil:`, becomes: `case had != nil:`,
		soonest: "TestProtocol",
	},
	{
		name: "new names at once", fault: "people are sent to a room by a name that it has no more",
		file: decisions + "view.go",
		line: `func (in ViewInput) fixed(room roomName) bool { return in.NamesFixed[room] || in.NamesFixed[""] }`, becomes: `func (in ViewInput) fixed(roomName) bool { return false }`,
		soonest: "TestProtocol",
	},
	{
		name: "co-hosts without controls", fault: "who is a co-host from the beginning cannot do what a co-host does",
		file: decisions + "plan.go",
		line: `if len(v.CoHosts) > 0 {`, becomes: `if false {`,
		soonest: "TestProtocol",
	},
	{
		name: "rooms are left for ever", fault: "a room that is gone stays in status, and never comes back",
		file: decisions + "plan.go",
		line: `return r.State == v1alpha1.RoomLeaving && !IsKnown(st, r.Name) && gone(r)`, becomes: `return false && gone(r)`,
	},
	{
		name: "people do not stay", fault: "whoever adds a room sends everybody elsewhere",
		file: decisions + "assign.go",
		line: `if room := load[now[p.Name]]; room != nil {`, becomes: `if room := load[now[p.Name]]; room != nil && false {`,
	},
	{
		name: "signals before tokens", fault: "people are sent to a room before they have a token for it",
		file: decisions + "view.go",
		line: `if i, listed := index[target]; wanted && listed && in.Children[target].Tokens[p.Name] {`, becomes: `if i, listed := index[target]; wanted && listed {`,
		soonest: "TestMeetings",
	},

	{
		name: "tokens go while people move", fault: "who could not go yet has no token for the room that they are in",
		file: controllers + "breakoutset_rooms.go",
		line: `if slices.Contains(s.status().Signals.Moving, p.Name) {`, becomes: `if false {`,
		soonest: "TestProtocol",
	},

	// Coming back.
	{
		name: "no grace", fault: "people are thrown out of a room that closes before they can leave it",
		file: controllers + "breakoutset_rooms.go",
		line: `if at := s.drainEnd(name, room); at.After(s.now) {`, becomes: `if at := s.drainEnd(name, room); at.IsZero() {`,
	},
	{
		name: "sets go without closing", fault: "when a set is deleted nobody is called back",
		file: controllers + "breakoutset_controller.go",
		line: `if !s.set.DeletionTimestamp.IsZero() || !controllerutil.AddFinalizer(s.set, v1alpha1.BreakoutSetFinalizer) {`, becomes: `if true {`,
	},
	{
		name: "nobody is disconnected", fault: "who has not left goes on in a room that is gone",
		file: controllers + "meetingroom_deletion.go",
		line: `if c.State != vonage.ConnectionDisconnected {`, becomes: `if c.State == vonage.ConnectionDisconnected {`,
	},
	{
		name: "no alarm for the end", fault: "the rooms stay open after their time",
		file: controllers + "breakoutset_scope.go",
		line: `s.requeueAt(s.schedule.Next)`, becomes: ``,
	},

	// The main room.
	{
		name: "no lock of the main room", fault: "two sets open for one meeting, and pull people to and fro",
		file: controllers + "breakoutset_queue.go",
		line: `s.holds = holder != nil && holder.UID == string(s.set.UID)`, becomes: `s.holds = true`,
	},
	{
		name: "the main room is never freed", fault: "after one set no other one ever opens",
		file: controllers + "meetingroom_lock.go",
		line: `s.room.Status.ActiveBreakoutSet = nil`, becomes: ``,
	},
	{
		name: "the main room is freed by hearsay", fault: "another set opens while the first one is open",
		file: controllers + "meetingroom_lock.go",
		line: `if err == nil && set == nil {`, becomes: `if false {`,
		soonest: "TestMatrix/^open$/late-sets",
	},

	// Tokens.
	{
		name: "tokens are not renewed", fault: "after four hours nobody can connect",
		file: controllers + "meetingroom_plan.go",
		line: `return expires.Add(-life/3 - early).Truncate(time.Second)`, becomes: `return expires.Add(life*100 - early).Truncate(time.Second)`,
	},
	{
		name: "Ready without tokens", fault: "whoever waits for a room to be Ready finds no token in it",
		file: controllers + "meetingroom_status.go",
		line: `case !tokens.ok():`, becomes: `case false:`,
	},
	{
		name: "tokens keep their role", fault: "a new co-host cannot do what a co-host does",
		file: controllers + "meetingroom_plan.go",
		line: `right := exists && inputs == want.inputs && in.located(current)`, becomes: `right := exists && inputs != "" && in.located(current)`,
	},

	// RoomSignals.
	{
		name: "no plan before a RoomSignal", fault: "two operators send one signal twice",
		file: controllers + "roomsignal_send.go",
		line: `return r.writeStatus(ctx, s)`, becomes: `return nil`,
		soonest: "TestMatrix/room-signal",
	},
	{
		name: "what was sent is forgotten", fault: "a RoomSignal is sent again when its status could not be written",
		file: controllers + "roomsignal_controller.go",
		line: `s.takeOver(r.sent.peek(signal))`, becomes: ``,
		soonest: "TestMatrix/room-signal/^refused$",
	},
	{
		name: "RoomSignals overtake each other", fault: "messages come in another order than they were sent in",
		file: controllers + "roomsignal_send.go",
		line: `if waits {`, becomes: `if waits && false {`,
		soonest: "TestMatrix/room-signal/burst-of-503",
	},

	// The vendor's client.
	{
		name: "no second try after a 401", fault: "an expired JWT shows as rejected credentials, and calls go wrong",
		file: vendor + "call.go",
		line: `return provenBefore, failed`, becomes: `return provenBefore && false, failed`,
		soonest: "TestMatrix/^open$/^expired$",
	},
	{
		name: "the circuit stays open", fault: "after an outage the operator never calls Vonage again",
		file: vendor + "circuit.go",
		line: `func (s *circuitState) answered() { s.outage, s.failures, s.trials = Outage{}, 0, 0 }`, becomes: `func (s *circuitState) answered() { s.failures, s.trials = 0, 0 }`,
	},
}
