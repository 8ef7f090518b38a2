// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package browser is a model of the browser client of Vonage's sample app for breakout rooms
// (github.com/nexmo-se/video-breakout-room), on a simulated clock: what one open tab does with the signals that it
// receives. It knows nothing of the operator and reads the signals' JSON by itself, so that tests can find out what
// people with that client would see.
//
// What the model keeps of the client, because whoever sends to it must live with it:
//
//   - It listens only in the session that it joined last. A signal whose text equals the one before clears its state:
//     the first repeat does nothing, a second one acts again.
//   - It acts on a notice 5 s later, with the session that it had at the notice. So two notices that move it to two
//     rooms within 5 s disconnect the same session twice and connect two new ones: a ghost stays behind. The SDK keeps
//     one object per session for the life of the page, so two notices for the same room connect it once.
//   - Each signal of type breakout-room replaces its whole list of rooms. It finds a room by its name; a name that is
//     not in the list means the main room. The list is that of the notice, or the present one with Config.FreshList:
//     builds of the client differ in it.
//   - It learns its own room's new name from roomEdited, by session, and only 5 s later; unless another room has the
//     old name by then. After roomRemoved it goes back when the name that it knows is not listed, whatever room it is
//     in.
//   - participantMoved moves whoever finds its name in any memberAssigned, also when it is there already. It ignores
//     only a repeat for the same room between notice and action.
//   - roomCreated (automatic) is ignored in a breakout room and by hosts, who do not know forceReturn either.
//   - Any signal of type breakout-room closes an open prompt to choose a room; the control panel of hosts and co-hosts
//     closes only when the list is empty.
//   - The countdown ticks every second since it was received, counts whole seconds, and is over only when a tick hits
//     second 0. It is dropped in the main room, other than for hosts and co-hosts. A count-down-timer without "period"
//     while it ticks breaks the page. One whose end has passed leaves the running one alone.
//   - When the countdown is over and the return is automatic, it goes back by itself after a notice.
//
// Not in the model: media, HTTP calls to the sample app's server (data-refreshed, the lists when a page is loaded), and
// what people do with the pages other than choosing a room.
package browser
