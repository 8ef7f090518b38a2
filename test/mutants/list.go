// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

const (
	controllers = "internal/controller/"
	decisions   = "internal/breakout/"
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

	// What is planned before it is said, and by what.
	{
		name: "no plan before telling", fault: "after a crash people are told once more to move, and change rooms twice",
		file: controllers + "breakoutset_plan.go",
		line: `if err := r.writeStatus(ctx, s); err != nil {`, becomes: `if err := error(nil); err != nil {`,
		soonest: "TestMatrix/^open$/^(before|after)$",
	},
	{
		name: "no lock on the plan", fault: "an operator that does not know that it was replaced plans anew over what its successor says",
		file:    controllers + "breakoutset_plan.go",
		line:    `if err := r.writeStatus(ctx, s); err != nil {`,
		becomes: `latest := &v1alpha1.BreakoutSet{}; _ = r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.set), latest); s.set.ResourceVersion = latest.ResourceVersion; if err := r.writeStatus(ctx, s); err != nil {`,
		soonest: "TestMatrix/^(edit|move)$/late-sets",
	},
	{
		name: "no live read of the set", fault: "an operator that does not know that it was replaced tells people what was true before",
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
		name: "revisions do not go up", fault: "pages take a newer plan for a repetition of the older one",
		file: decisions + "plan.go",
		line: `s.Revision = max(s.Revision+1, now.UnixMilli())`, becomes: `s.Revision = max(s.Revision, 1)`,
		soonest: "TestMatrix/^open$/late-rooms",
	},

	// How telling goes.
	{
		name: "a lost answer counts as heard", fault: "who has not heard where to go is never told",
		file: controllers + "breakoutset_signals.go",
		line: `t.mayHaveHeard(t.steps[i])`, becomes: `t.did(room, i+1, false)`,
		soonest: "TestMatrix/^open$/burst-of-503",
	},
	{
		name: "a rate limit counts as a refusal", fault: "in a busy moment rooms are given up for good",
		file: controllers + "breakoutset_signals.go",
		line: `case vonage.ClassTerminal:`, becomes: `case vonage.ClassTerminal, vonage.ClassRateLimited:`,
		soonest: "TestMatrix/^open$/^limited$",
	},
	{
		name: "a timeout counts as unsent", fault: "who has heard where to go is told again at once, and changes rooms twice",
		file: vendor + "call.go",
		line: `e.Class = op.unclear()`, becomes: `e.Class = ClassTransient`,
		soonest: "TestMatrix/^(open|move)$/^(silence|timeout-after|reset-after)$",
	},
	{
		name: "repetitions after 4 s", fault: "who has heard where to go is told again before the page acted on it",
		file: decisions + "steps.go",
		line: `const RepeatAfter = reactionTime`, becomes: `const RepeatAfter = 4 * time.Second`,
		soonest: "TestMatrix/^(open|move)$/^(silence|timeout-after|reset-after)$",
	},
	{
		name: "a barrier of 4 s", fault: "the next step comes before pages have acted on the one before",
		file: decisions + "clock.go",
		line: `reactionTime = 6 * time.Second`, becomes: `reactionTime = 4 * time.Second`,
		soonest: "TestStories",
	},
	{
		name: "who was given up is forgotten", fault: "a set is Ready though whole rooms were not told",
		file: controllers + "breakoutset_signals.go",
		line: `breakout.Settle(s.status(), t.steps, append(t.refused(), t.missing()...), time.Now())`, becomes: `breakout.Settle(s.status(), t.steps, nil, time.Now())`,
	},
	{
		name: "Ready while telling", fault: "whoever waits for Ready goes on before people know",
		file: controllers + "breakoutset_status.go",
		line: `case st.Signals.Pending != nil:`, becomes: `case false:`,
		soonest: "TestMatrix/^move$/burst-of-503",
	},

	// What is said.
	{
		name: "rooms go while people move", fault: "a room is removed before those who were in it have gone elsewhere",
		file: decisions + "steps.go",
		line: `b.moving = b.moving || len(s.Moves) > 0`, becomes: ``,
	},
	{
		name: "people are told twice", fault: "who was sent to one room is sent to another before the page acted on it",
		file: decisions + "steps.go",
		line: `case recentlyTold(b.st, m.Participant).After(b.now):`, becomes: `case false:`,
	},
	{
		name: "a running countdown is dropped", fault: "a page breaks that is told of no countdown while it shows one",
		file: decisions + "steps.go",
		line: `if until := timerRunsOut(b.st); until.After(b.now) {`, becomes: `if until := timerRunsOut(b.st); until.IsZero() {`,
	},
	{
		name: "memberAssigned names all", fault: "who is in a room already is sent there once more",
		file: decisions + "message.go",
		line: `if sent[n] {`, becomes: `if sent[n] || place != mainRoom {`,
		soonest: "TestMatrix/^open$/api-outage",
	},
	{
		name: "a farewell as the time is up", fault: "people who may come back when they are ready are called back at once",
		file: decisions + "clock.go",
		line: `return closesAt.Add(CloseGrace(set))`, becomes: `return closesAt`,
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

	// Coming back.
	{
		name: "no grace", fault: "people are thrown out of a room that closes before they can leave it",
		file: controllers + "breakoutset_rooms.go",
		line: `if at := s.drainEnd(name, room); at.After(s.now) {`, becomes: `if at := s.drainEnd(name, room); at.IsZero() {`,
	},
	{
		name: "sets go without farewell", fault: "when a set is deleted nobody is called back",
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
		line: `if held {`, becomes: `if true {`,
	},
	{
		name: "the main room is freed by hearsay", fault: "another set opens while the first one is open",
		file: controllers + "meetingroom_lock.go",
		line: `if err == nil && !held {`, becomes: `if false {`,
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
		line: `s.recall(r.sent.peek(signal))`, becomes: ``,
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
