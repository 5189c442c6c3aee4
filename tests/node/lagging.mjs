// Runs the shipped Worker in Node with both lanes. The http lane lags: what it answers tells of an older head
// while KV has a newer one. Standard input is one line {"module","variables","objects","credential","heads":
// {"older","newer"}}, heads in hex; "objects" is where the real ones are, for the credential. Prints a line of
// the Worker's status at three times: before there is a newer head, when KV has brought it and the lane
// answers that nothing is newer than the older one, and when the lane has it too.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { clock } from './platform.mjs';

const { module, variables, objects, credential, heads } = JSON.parse(readFileSync(0, 'utf8'));
// What it logs is not what is printed here.
console.log = console.error;

const { older, newer } = Object.fromEntries(Object.entries(heads).map(([name, hex]) => [name, Buffer.from(hex, 'hex')]));
const etag = (head) => `"${createHash('sha256').update(head).digest('hex')}"`;

// What each lane has, and what holds the http lane's answer back once it has been made.
let inKv = older;
let overHttp = older;
let held = Promise.resolve();
const send = fetch;
globalThis.fetch = async (to, options) => {
  const url = String(to?.url ?? to);
  if (!url.startsWith(variables.KEYWARD_LANE_URL)) return send(to, options);
  const path = url.slice(variables.KEYWARD_LANE_URL.length);
  if (path !== '/head') {
    const authorization = `Bearer ${credential}`;
    return send(objects + path.slice('/objects'.length), { headers: { authorization } });
  }
  const { 'if-none-match': shown } = options.headers;
  const answer = shown === etag(overHttp) ? new Response(null, { status: 304 }) : new Response(overHttp);
  await held;
  return answer;
};
const KEYWARD = {
  async get(key, { type }) {
    if (key !== 'head') return null;
    return type === 'stream' ? new Response(inKv).body : new Uint8Array(inKv).buffer;
  },
};

const { default: worker } = await import(pathToFileURL(module).href);

// What the Worker says of itself, once `meanwhile` is over, and with it what went on behind the answer.
async function status(meanwhile = async () => {}) {
  const waiting = [];
  const ctx = { waitUntil: (promise) => waiting.push(promise) };
  const response = await worker.fetch(new Request('https://api.example.com/.keyward/status'), { ...variables, KEYWARD }, ctx);
  await meanwhile();
  await Promise.all(waiting);
  return response.json();
}
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

await status();
print(await status());
// Both lanes are asked; KV answers first.
clock.passed += 60_000;
inKv = newer;
let release;
held = new Promise((resolve) => { release = resolve; });
await status(async () => {
  await pause(500);
  release();
});
print(await status());
overHttp = newer;
clock.passed += 2_000;
await status();
print(await status());
