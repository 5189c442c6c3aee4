// Sends what the isolate has applied and counted to the control plane. WebAssembly writes what a report
// says, this module whose it is, and keeps it until it has arrived: the same bytes again, under the same
// number, so that it counts once. The form is told in shared/src/report.rs.

const KIND_AND_VERSION = [0x4b, 0x57, 0x52, 0x50, 1];
// Kind and version 5, instance 10, sequence 4, lost 1, the lengths of location and addresses.
const ENVELOPE_BYTES = 22;
const MAX_LOCATION = 16;
const TIMEOUT_MS = 5000;
// Where reports go that belong to an http lane.
const LANE_END = '/v1/snapshot';
const REPORT_END = '/v1/edges/report';

// The report that has not arrived yet.
let pending;
let sequence = 0;
let lost = false;

// What was counted and not yet taken is gone, as when WebAssembly's memory is.
export function noteLost() {
  lost = true;
}

// Sends a report, if it is time for one. `wasm` is the prototype of the build's class, `instance` the
// isolate's part of request ids. Never more than one at a time: WebAssembly sees to that.
export async function report(env, wasm, instance, location) {
  const url = address(env);
  if (url === undefined) return;
  const length = wasm.report_take(pending !== undefined, Date.now());
  if (length < 0) return;
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
  if (arrived && pending === sent) pending = undefined;
  wasm.report_sent(arrived, Date.now());
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

function enclose(instance, location, body) {
  sequence += 1;
  const place = String(location ?? '').replace(/[^!-~]/g, '').slice(0, MAX_LOCATION);
  const bytes = new Uint8Array(ENVELOPE_BYTES + place.length + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(KIND_AND_VERSION);
  for (let at = 0; at < 10; at += 1) bytes[5 + at] = Number.parseInt(instance.slice(2 * at, 2 * at + 2), 16);
  view.setUint32(15, sequence);
  bytes[19] = lost ? 1 : 0;
  bytes[20] = place.length;
  for (let at = 0; at < place.length; at += 1) bytes[21 + at] = place.charCodeAt(at);
  // No client address is told: the byte behind the location stays zero.
  bytes.set(body, ENVELOPE_BYTES + place.length);
  lost = false;
  return bytes;
}
