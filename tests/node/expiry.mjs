// Runs the shipped Worker in Node, takes its lanes away once it has a head, and moves the clock past that head's
// end. Standard input is one line {"module","variables","key","ahead"}; each line of the output is
// {"ahead","ping","code","forwarded","state"}: how far the clock was from the head's end in milliseconds, and what
// became of a request with the key, of one for the origin, and of one for the status.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { clock } from './platform.mjs';

const { module, variables, key, ahead } = JSON.parse(readFileSync(0, 'utf8'));
console.log = console.error;
let away = false;
const send = fetch;
globalThis.fetch = (to, options) => {
  const url = String(to?.url ?? to);
  // Nobody is told of what happened at a time that has not come.
  if (url === variables.KEYWARD_REPORT_URL) return Promise.resolve(new Response(null, { status: 204 }));
  if (away && url.startsWith(variables.KEYWARD_LANE_URL)) return Promise.reject(new TypeError('the connection was refused'));
  return send(to, options);
};
const { default: worker } = await import(pathToFileURL(module).href);

async function asked(path, headers = {}) {
  const waiting = [];
  const context = { waitUntil: (promise) => waiting.push(promise) };
  const response = await worker.fetch(new Request(`https://api.example.com${path}`, { headers }), variables, context);
  await Promise.all(waiting);
  return response;
}

const credential = { authorization: `Basic ${btoa(`${key}:`)}` };
const status = async () => (await asked('/.keyward/status')).json();
const first = await asked('/v1/ping', credential);
if (first.status !== 200) throw new Error(`answered ${first.status} while all is well`);
const end = Date.parse((await status()).expires_at);
away = true;
for (const from of ahead) {
  clock.passed += end + from - Date.now();
  const ping = await asked('/v1/ping', credential);
  const forwarded = await asked(`/expiry/${from}`, credential);
  const told = {
    ahead: from,
    ping: ping.status,
    code: ping.headers.get('x-keyward-code'),
    forwarded: forwarded.status,
    state: (await status()).state,
  };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
