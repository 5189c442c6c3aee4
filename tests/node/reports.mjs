// Runs the shipped Worker in Node with a clock that can be moved, answers its reports as a script says, and
// prints what became of it. Standard input is one line {"module","variables","keys":{"usable","disabled"}};
// each line of the output is {"report","outcome"} with a report's bytes in hex and what became of it, or
// {"refused"} with the request id of a refusal, in their order; the last is {"allowed"}, how many there were.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { clock } from './platform.mjs';

const { module, variables, keys } = JSON.parse(readFileSync(0, 'utf8'));
// What it logs is not what is printed here.
console.log = console.error;
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// What becomes of the reports that are sent: the status they are answered with, or `lost` where they arrive
// and the answer does not, `cut off` where neither is ever known.
let outcome;
let reports = 0;
let allowed = 0;
const send = fetch;
globalThis.fetch = async (to, options) => {
  if (String(to?.url ?? to) !== variables.KEYWARD_REPORT_URL) return send(to, options);
  print({ report: Buffer.from(options.body).toString('hex'), outcome: String(outcome) });
  reports += 1;
  if (outcome === 'lost') throw new TypeError('the connection was reset');
  if (outcome === 'cut off') return new Promise(() => {});
  return new Response(null, { status: outcome });
};

const entry = pathToFileURL(module).href;
const { default: worker } = await import(entry);
const { report } = await import(new URL('./report.mjs', entry));
const { default: Inner } = await import(new URL('./build/index.js', entry));

// Who waits for the time of a report waits until the script lets that time pass, or is cut off.
let sleeping;
let slept;
globalThis.scheduler = {
  wait: (ms) => new Promise((resolve) => {
    sleeping = { ms, resolve };
    slept();
  }),
};

// Sends a request, and waits for what goes on behind the answer, unless that is cut off, or itself waits.
async function fetched(path, headers, told = variables, cf = {}) {
  const request = new Request(`https://api.example.com${path}`, { headers });
  Object.defineProperty(request, 'cf', { value: { colo: 'AMS', ...cf } });
  const waiting = [];
  const over = [new Promise((resolve) => { slept = resolve; })];
  const response = await worker.fetch(request, told, { waitUntil: (promise) => waiting.push(promise) });
  if (outcome === 'cut off') over.push(new Promise((resolve) => { setTimeout(resolve, 500); }));
  await Promise.race([Promise.all(waiting), ...over]);
  return response;
}

// Lets the time pass that somebody waits for, and waits until that has come to something.
async function awoken() {
  const { ms, resolve } = sleeping;
  const over = new Promise((done) => { slept = done; });
  clock.passed += ms;
  resolve();
  await Promise.race([over, new Promise((done) => { setTimeout(done, 500); })]);
  return ms;
}

// Asks as a client at this address.
async function ask(key, status, address = '203.0.113.7') {
  const response = await fetched('/v1/ping', { authorization: `Basic ${btoa(`${key}:`)}`, 'cf-connecting-ip': address });
  if (response.status !== status) throw new Error(`answered ${response.status}, not ${status}`);
  if (status === 200) allowed += 1;
  else print({ refused: response.headers.get('x-keyward-request-id') });
}

// Asks a minute later, when it is time for a report whatever was before. The request waits for the head to
// be confirmed, and is counted after that.
async function reported(next) {
  clock.passed += 60_000;
  outcome = next;
  const before = reports;
  await ask(keys.usable, 200);
  if (reports !== before + 1) throw new Error(`${reports - before} reports that are to be ${next}`);
}

const times = async (count, step) => {
  for (let at = 0; at < count; at += 1) await step(at);
};

outcome = 204;
await ask(keys.usable, 200);
if (reports !== 1) throw new Error(`${reports} reports of the first request of all`);
await times(4, () => ask(keys.usable, 200));
await reported(204);
// Arrived, but that was lost; then the same again, while more is counted.
await times(3, () => ask(keys.usable, 200));
await reported('lost');
await times(4, () => ask(keys.disabled, 401));
await reported(503);
await reported(204);
await reported(204);
// Cut off without a word.
await reported('cut off');
await reported(204);
// Not a report at all, says the control plane.
await times(2, () => ask(keys.usable, 200));
await reported(400);
await reported(204);
await reported(204);
// What WebAssembly counted is gone, as after a panic: it was started anew.
globalThis.__worker_init_state.instanceId += 1;
await reported(204);
await reported(204);
// Forty addresses, one of them far more often.
await times(40, (at) => ask(keys.disabled, 401, `192.0.2.${at}`));
await times(20, () => ask(keys.disabled, 401, '2001:db8::1'));
await times(2, () => ask(keys.disabled, 401, 'not an address'));
await reported(204);
await reported(204);
// An address that is none, whatever it is: that decides nothing.
const strange = [{ ...variables, KEYWARD_CLIENT_ADDRESS: { not: 'a text' } }, { ...variables, KEYWARD_CLIENT_ADDRESS: 'peer' }];
for (const told of strange) {
  const response = await fetched('/v1/ping', { authorization: `Basic ${btoa(`${keys.disabled}:`)}` }, told, { clientIp: 7 });
  if (response.status !== 401) throw new Error(`answered ${response.status}`);
  print({ refused: response.headers.get('x-keyward-request-id') });
}
// What is counted behind a report is sent when its time comes, though no request does, by one who waits.
outcome = 204;
await reported(204);
await times(3, () => ask(keys.usable, 200));
let before = reports;
const waited = await awoken();
if (waited < 9_000 || waited > 10_001 || reports !== before + 1) throw new Error(`waited for ${waited} ms, ${reports - before} reports`);
// An isolate that numbers its requests anew is another one, with reports of its own.
await ask(keys.usable, 200);
clock.passed += 60_000;
before = reports;
await report(variables, Inner.prototype, 'ff'.repeat(10), 'AMS');
if (reports !== before + 1) throw new Error(`${reports - before} reports of another instance`);
print({ allowed });
