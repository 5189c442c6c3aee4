// Sends what the isolate has applied and counted to the control plane. WebAssembly writes what a report
// says, this module whose it is, and keeps it until it has arrived: the same bytes again, under the same
// number, so that it counts once. The form is told in shared/src/report.rs.

const KIND_AND_VERSION = [0x4b, 0x57, 0x52, 0x50, 1];
// Kind and version 5, instance 10, sequence 4, flags 1, the lengths of location and addresses.
const ENVELOPE_BYTES = 22;
const FLAGS_AT = 19;
const LOST = 1;
const HELD_UP = 2;
const MAX_LOCATION = 16;
const MAX_ADDRESSES = 32;
const MAX_ADDRESS = 45;
// Before an address: its count, by how much that may be too high, its length.
const ADDRESS_BYTES = 9;
const MAX_COUNT = 0xffffffff;
// A chain of proxies is read from its end, as request.rs is given it.
const MAX_CHAIN = 2048;
const TIMEOUT_MS = 5000;
// Where attempts fail for longer than that, others may be gone with what they had to say.
const HELD_UP_MS = 60_000;
// After that long nobody begins to wait for another 10 s: the platform ends what goes on for 30.
const MAX_STAY = 15_000;
// Where reports go that belong to an http lane.
const LANE_END = '/v1/snapshot';
const REPORT_END = '/v1/edges/report';

// The report that has not arrived yet.
let pending;
// When it could not be sent for the first time.
let failedAt;
// Whose reports are numbered, and the last number.
let numbered;
let sequence = 0;
let lost = false;
// Every start of WebAssembly has a number: after another one, what was counted and not yet taken is gone.
const start = () => globalThis.__worker_init_state?.instanceId;
let started = start();
// How often requests from an address were refused since the last report, and by how much that may be too
// high, of the addresses that were refused most: Space-Saving, as in src/tally/hitters.rs.
const refused = new Map();

// Counts a refusal for the address that the request came from, where the Worker is told which to believe.
// `isAsked` where a proxy asks about a request that it forwards.
export function noteRefused(request, env, isAsked) {
  const address = clientAddress(request, env.KEYWARD_CLIENT_ADDRESS, isAsked);
  if (address === undefined) return;
  let counted = refused.get(address);
  if (counted === undefined) {
    let error = 0;
    if (refused.size === MAX_ADDRESSES) {
      let least;
      error = Infinity;
      for (const [other, { count }] of refused) {
        if (count < error) [least, error] = [other, count];
      }
      refused.delete(least);
    }
    counted = { count: error, error };
    refused.set(address, counted);
  }
  counted.count = Math.min(counted.count + 1, MAX_COUNT);
}

// Sends a report, or waits for its time unless somebody does: the next request may never come. `wasm` is the
// prototype of the build's class, `instance` the isolate's part of request ids. Never more than one at a
// time: WebAssembly sees to that.
export async function report(env, wasm, instance, location) {
  const url = address(env);
  if (url === undefined) return;
  // On and on, for what is counted while one is under way, as long as a request may stay behind its answer.
  const begun = Date.now();
  const stays = () => Date.now() - begun <= MAX_STAY;
  for (let may = true; ; may = stays()) {
    const length = wasm.report_take(pending !== undefined, may, Date.now());
    if (length === -1) return;
    if (length < 0) {
      // And then it is looked at once more: another report may have gone before, and this one's time moved.
      await scheduler.wait(-length);
      continue;
    }
    await send(url, env, wasm, length, instance, location);
    if (!stays()) return;
  }
}

async function send(url, env, wasm, length, instance, location) {
  if (pending === undefined) {
    const body = new Uint8Array(wasm.linear_memory().buffer, wasm.report_at(), length);
    pending = enclose(instance, location, body);
  }
  const sent = pending;
  let arrived = false;
  try {
    const { status, body } = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${env.KEYWARD_EDGE_CREDENTIAL.trim()}`,
        'content-type': 'application/octet-stream',
      },
      body: sent,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await body?.cancel();
    arrived = status >= 200 && status < 300;
    if (status === 400 || status === 413) {
      // It will not be taken the next time either.
      console.error(JSON.stringify({ keyward: 'report_refused', status }));
      arrived = true;
      lost = true;
    } else if (!arrived) {
      console.warn(JSON.stringify({ keyward: 'report_not_taken', status }));
    }
  } catch (error) {
    console.warn(JSON.stringify({ keyward: 'report_not_sent', error: String(error) }));
  }
  // Else it arrived before, sent by another request that was slower than it may be.
  if (pending !== sent) return;
  const now = Date.now();
  if (arrived) {
    pending = undefined;
    failedAt = undefined;
  } else {
    failedAt ??= now;
    if (now - failedAt > HELD_UP_MS) pending[FLAGS_AT] |= HELD_UP;
  }
  wasm.report_sent(arrived, now);
}

// Where reports go, or nothing: told apart as in config.rs.
function address({ KEYWARD_REPORT_URL, KEYWARD_LANE_URL, KEYWARD_EDGE_CREDENTIAL, KEYWARD_LANE_TOKEN }) {
  if (!KEYWARD_EDGE_CREDENTIAL) return undefined;
  const told = KEYWARD_REPORT_URL?.trim();
  if (told) return told;
  // The lane has a token of its own, so the credential is not for those whom it leads to.
  if (KEYWARD_LANE_TOKEN?.trim()) return undefined;
  const lane = KEYWARD_LANE_URL?.trim().replace(/\/+$/, '');
  return lane?.endsWith(LANE_END) ? lane.slice(0, -LANE_END.length) + REPORT_END : undefined;
}

// As request.rs reads it, by the same variable: an address, or nothing where there is none. What a proxy asks
// about comes from whom it says, the last hop where the chain is not read.
function clientAddress({ headers, cf }, variable, isAsked) {
  let source = typeof variable === 'string' ? variable.trim() : '';
  if (source === '') return undefined;
  if (isAsked && !source.startsWith('xff:')) source = 'xff:1';
  let told;
  if (source === 'cf-connecting-ip') told = headers.get(source);
  else if (source === 'peer') told = typeof cf?.clientIp === 'string' ? cf.clientIp : '';
  else told = headers.get('x-forwarded-for')?.slice(-MAX_CHAIN).split(',').at(-source.slice('xff:'.length));
  // It may have a port behind it, and then brackets around it.
  const text = (told ?? '').trim().slice(0, MAX_ADDRESS + '[]:65535'.length + 1);
  const address = text.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1');
  return address.length <= MAX_ADDRESS && /^[\da-f]*[.:][\da-f.:]*$/i.test(address) ? address : undefined;
}

function enclose(instance, location, body) {
  // A new instance begins anew.
  if (numbered !== instance) [numbered, sequence] = [instance, 0];
  sequence += 1;
  const begun = start();
  lost ||= begun !== started;
  started = begun;
  const addresses = [...refused];
  refused.clear();
  const place = String(location ?? '').replace(/[^!-~]/g, '').slice(0, MAX_LOCATION);
  const told = addresses.reduce((length, [address]) => length + ADDRESS_BYTES + address.length, 0);
  const bytes = new Uint8Array(ENVELOPE_BYTES + place.length + told + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(KIND_AND_VERSION);
  for (let at = 0; at < 10; at += 1) bytes[5 + at] = Number.parseInt(instance.slice(2 * at, 2 * at + 2), 16);
  view.setUint32(15, sequence);
  bytes[FLAGS_AT] = lost ? LOST : 0;
  let at = put(bytes, 20, place);
  bytes[at] = addresses.length;
  at += 1;
  for (const [address, { count, error }] of addresses) {
    view.setUint32(at, count);
    view.setUint32(at + 4, error);
    at = put(bytes, at + 8, address);
  }
  bytes.set(body, at);
  lost = false;
  return bytes;
}

// A short text behind its length. Gives where the next goes.
function put(bytes, from, text) {
  bytes[from] = text.length;
  for (let at = 0; at < text.length; at += 1) bytes[from + 1 + at] = text.charCodeAt(at);
  return from + 1 + text.length;
}
