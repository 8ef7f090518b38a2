// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crash holds the crash matrix: every story of a meeting is told once to count what the operator writes to the API server and asks of
// the vendor, and then once more for each of these operations and each way to come between:
//
//   - before: the operator dies when it is about to send it, and another one takes over that knows nothing of the first;
//   - after: it dies when the operation was carried out and before it hears of that;
//   - late-rooms, late-sets: it stops, another one takes over, and at the end of the story it goes on as if nothing had been, a leader that does
//     not know that it is none any more; its cache of MeetingRooms, or of BreakoutSets, is the last to see what happened meanwhile;
//   - stale: its cache does not see the write, which was its own, until it has nothing more to do;
//   - timeout-after, reset-before, limited, and so on, see vendorFaults: the vendor fails in the call, in this way;
//   - conflict, refused, unheard: the API server refuses the write as outdated, or fails, or carries it out and the answer gets lost;
//
// and once with two operators at work from the beginning. In another test the API server restarts in the middle of all stories.
//
// Until something comes between, reconciles start and operations are sent one by one, in an order of names, when nothing else goes on: so a story
// has the same operations in every run, however fast the machine is. From then on all go as they come.
//
// The API server is a real one, the vendor is internal/simulator, and what is right is read from these two alone: see oracles_test.go.
//
// Each case is a test of its own, named by what it comes between:
//
//	go test ./test/crash -v -run 'TestMatrix/open/after/vendor.createSession.2$'
//
// With CRASH_TRACE set, a case prints every operation, the turns of its clock and what the operator logs.
package crash
