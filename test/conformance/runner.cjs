// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Lets the Go test call the vendor's SDKs. Each line on standard input is a request
//   {"client": name, "new": "opentok" | "vonage", "args": [...]}      makes a client
//   {"client": name, "method": name, "args": [...], "callback": bool}  calls one of its methods
// and gets one line on standard output: {"value": ...} or {"error": {"name", "message", "status"}}.
// The SDKs are used as published; only their base URL is given.

'use strict';

const readline = require('node:readline');
const OpenTok = require('opentok');
const { Vonage } = require('@vonage/server-sdk');

const clients = new Map();

const make = {
  opentok: (key, secret, url) => new OpenTok(key, secret, url),
  vonage: (applicationId, privateKey, videoHost) => new Vonage({ applicationId, privateKey }, { videoHost }).video,
};

// The OpenTok SDK takes a callback as its last argument, except for minting; the Vonage SDK returns promises.
function call({ client, method, args, callback }) {
  const target = clients.get(client);
  if (!callback) {
    return Promise.resolve(target[method](...args));
  }
  return new Promise((resolve, reject) => {
    target[method](...args, (err, value) => (err ? reject(err) : resolve(value)));
  });
}

// A session of the OpenTok SDK refers back to its client, which holds the secret.
const replacer = (key, value) => (key === 'ot' ? undefined : value);

async function answer(request) {
  try {
    if (request.new) {
      clients.set(request.client, make[request.new](...request.args));
      return { value: true };
    }
    return { value: (await call(request)) ?? null };
  } catch (err) {
    const name = Object.keys(OpenTok).find((k) => k.endsWith('Error') && Object.getPrototypeOf(err) === OpenTok[k].prototype);
    return { error: { name: name ?? err.name, message: err.message, status: err.response?.status ?? 0 } };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)), replacer)}\n`);
  }
})();
