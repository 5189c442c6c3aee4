// The hot half of the Worker: one synchronous call into WebAssembly judges a request; this module
// answers or forwards it. All that is rare (cold start, loading, waiting, /.keyward/*) goes to the
// async handlers of the `worker` crate. It never looks into a credential and never judges.

import Inner from './build/index.js';
import { noteRefused, report } from './report.mjs';

const wasm = Inner.prototype;
const { linear_memory, input_at, output_at, judge, settle, refresh, challenge, key_header, problem } = wasm;

// Mirrored in src/verdict.rs, which tests that they agree.
const NO_SNAPSHOT = 5;
const PONG = 16;
const PUBLIC = 17;
const FACTS = 18;
const SETTLE = 19;
const OWN = 20;
const GRANT = 21;
const REBIND = 22;
const DUE = 32;
const KEY_HEADER = 64;
const REPORT = 128;
const GRANT_SHIFT = 8;
const SETTINGS_SHIFT = 8;
// A verdict's number, without what stands beside it.
const NUMBER = 31;
// Of each buffer (limits.rs).
const BUFFER_BYTES = 4096;
const IDENTITY_HEADERS = [
  'x-keyward-key-id',
  'x-keyward-workspace-id',
  'x-keyward-member-id',
  'x-keyward-access',
  'x-keyward-generation',
  'x-keyward-assertion',
];

// Longer than any credential; not worth copying (MAX_AUTHORIZATION_BYTES in shared).
const MAX_AUTHORIZATION = 768;
// A header that restrictions ask for is cut to this (limits.rs).
const MAX_FACT = 2048;
const INTERNAL = '{"type":"urn:keyward:problem:internal","title":"The edge failed; the request was not forwarded","status":500,"code":"internal"}';
const PING = '{"data":"pong!"}';
// As Cargo.toml has it; verdict.rs tests that.
const VERSION = '0.1.0';

export default {
  // Most requests are judged and answered without a promise.
  fetch(request, env, ctx) {
    const requestId = nextRequestId();
    try {
      revive(env, ctx);
      const { url, method, headers } = request;
      const now = Date.now();
      const authorization = credential(headers);
      if (env.KEYWARD_MODE === 'observe' && !url.startsWith('/.keyward/', pathStart(url))) {
        return observe(request, env, ctx, requestId, authorization, now);
      }
      let verdict = ask(method, url, authorization, now);
      if ((verdict & NUMBER) === FACTS) verdict = ask(method, url, authorization, now, collect(request));
      const number = verdict & NUMBER;
      // Read before anything else is asked of WebAssembly.
      const identity = number === GRANT ? granted(verdict >>> GRANT_SHIFT) : undefined;
      if (verdict & (DUE | REPORT)) ctx.waitUntil(background(verdict, env, request.cf?.colo));
      if (number === PONG) return respond(200, 'application/json', PING, requestId);
      if (identity !== undefined) {
        return forward(request, url, env, requestId, identity, verdict & KEY_HEADER ? [key_header()] : undefined);
      }
      if (number < NO_SNAPSHOT) noteRefused(request, env);
      if (number < PONG) return refuse(number, undefined, requestId, verdict >>> SETTINGS_SHIFT);
      return rare(number, request, env, ctx, requestId, authorization, now).catch((error) => failed(error, requestId));
    } catch (error) {
      return failed(error, requestId);
    }
  },
};

// What is due beside the request: a refresh first, for a report may tell of what it brings. The request is
// answered, or its origin asked, before any of it begins.
async function background(verdict, env, location) {
  try {
    await undefined;
    if (verdict & DUE ? await refresh(env) : true) await report(env, wasm, isolateId, location);
  } catch (error) {
    noteCritical(error);
    console.error(JSON.stringify({ keyward: 'background_failed', error: String(error) }));
  }
}

async function rare(number, request, env, ctx, requestId, authorization, now) {
  const { method, url } = request;
  let verdict = number;
  // Under all of its names a key is kept from the origin, for the settings may be replaced meanwhile.
  const keyHeaders = [key_header()];
  const facts = () => collect(request, keyHeaders);
  if (verdict === SETTLE) {
    verdict = await settle(env, ctx, method, url, authorization, facts, now, ordinal(requestId));
    // It was counted just now, and may be the last for long.
    ctx.waitUntil(background(REPORT, env, request.cf?.colo));
  }
  if (verdict === PONG) return respond(200, 'application/json', PING, requestId);
  keyHeaders.push(key_header());
  if (verdict === PUBLIC) return forward(request, url, env, requestId, [], keyHeaders);
  if (typeof verdict === 'string') return forward(request, url, env, requestId, verdict.split('\n'), keyHeaders);
  if (verdict === OWN) return own(request, env, ctx, requestId);
  if (verdict < NO_SNAPSHOT) noteRefused(request, env);
  return refuse(verdict, undefined, requestId);
}

function failed(error, requestId) {
  const told = { keyward: 'internal', request_id: requestId, version: VERSION, error: String(error) };
  // A panic and an allocation that failed end alike: what tells them apart is how much memory there was.
  if (error instanceof WebAssembly.RuntimeError) told.wasm_bytes = memory?.buffer.byteLength;
  noteCritical(error);
  console.error(JSON.stringify(told));
  return respond(500, 'application/problem+json', INTERNAL, requestId);
}

// The buffers of the instance that runs, and the memory that they lie in.
let memory;
let input;
let output;
const decoder = new TextDecoder();

function bind() {
  memory = linear_memory();
  const { buffer } = memory;
  input = new Uint8Array(buffer, input_at(), BUFFER_BYTES);
  output = new Uint8Array(buffer, output_at(), BUFFER_BYTES);
  // Another instance counts its settings anew.
  challengedBy = undefined;
}

// The one call of a request, which is the latest: its text is written where WebAssembly reads it.
function ask(method, url, authorization, now, facts) {
  const bound = facts === undefined ? BUFFER_BYTES : BUFFER_BYTES - facts.length;
  if (method.length + url.length + MAX_AUTHORIZATION > bound) return SETTLE;
  for (let tries = 0; tries < 2; tries += 1) {
    // Memory that has grown leaves the old views empty.
    if (input === undefined || input.byteLength === 0) bind();
    let at = put(method, 0);
    at = put(url, at);
    if (authorization !== undefined) at = put(authorization, at);
    if (facts !== undefined) at = put(facts, at);
    // Beyond ASCII a character takes more than a byte.
    if (Number.isNaN(at)) return SETTLE;
    const verdict = judge(method.length, url.length, authorization?.length ?? -1, facts?.length ?? -1, now, requests);
    if (verdict !== REBIND) return verdict;
    bind();
  }
  return SETTLE;
}

function put(text, from) {
  const { length } = text;
  let seen = 0;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    seen |= code;
    input[from + at] = code;
  }
  return seen > 127 ? NaN : from + length;
}

// A slice of one text shares its characters; finding where identifiers end is left out, for all of a
// kind are equally long (verdict.rs tests that).
const WORKSPACE_AT = 16;
const MEMBER_AT = 31;
const ACCESS_AT = 47;

function granted(length) {
  if (output.byteLength === 0) bind();
  const lines = decoder.decode(output.subarray(0, length));
  const generationAt = lines.indexOf('\n', ACCESS_AT) + 1;
  const assertionAt = lines.indexOf('\n', generationAt) + 1;
  return [
    lines.slice(0, WORKSPACE_AT - 1),
    lines.slice(WORKSPACE_AT, MEMBER_AT - 1),
    lines.slice(MEMBER_AT, ACCESS_AT - 1),
    lines.slice(ACCESS_AT, generationAt - 1),
    lines.slice(generationAt, assertionAt - 1),
    lines.slice(assertionAt),
  ];
}

// Everything passes unchanged; the verdict is only logged, once the origin has been asked.
function observe(request, env, ctx, requestId, authorization, now) {
  const { method, url } = request;
  ctx.waitUntil(
    settle(env, ctx, method, url, authorization, () => collect(request), now, ordinal(requestId))
      .then((verdict) => {
        if (verdict < NO_SNAPSHOT) noteRefused(request, env);
        const [status, code] = typeof verdict === 'string' || verdict === PONG || verdict === PUBLIC
          ? ['200', 'allowed'] : problem(verdict, '').split('\n');
        console.log(JSON.stringify({ keyward: 'observed', request_id: requestId, status: Number(status), code }));
        return background(REPORT, env, request.cf?.colo);
      })
      .catch(noteCritical),
  );
  const to = target(url, env);
  if (to === undefined) return refuse(undefined, 'no_origin', requestId);
  return fetch(copy(request, to)).then(
    (response) => marked(response, requestId),
    (error) => unreachable(error, requestId),
  ).catch((error) => failed(error, requestId));
}

// To the origin, as who the snapshot says; what the client says of itself in our names is dropped.
// One promise and no more: each costs as much as a header.
async function forward(request, url, env, requestId, identity, keyHeaders) {
  try {
    const to = target(url, env);
    if (to === undefined) return refuse(undefined, 'no_origin', requestId);
    const authenticated = identity.length > 0;
    const forwarded = copy(request, to);
    const { headers } = forwarded;
    // A public route judges no credential, so none travels.
    if (env.KEYWARD_KEEP_AUTHORIZATION !== 'true' || !authenticated) headers.delete('authorization');
    keyHeaders?.forEach((name) => name !== undefined && headers.delete(name));
    let dropped;
    headers.forEach((_, name) => {
      if (isDropped(name)) (dropped ??= []).push(name);
    });
    dropped?.forEach((name) => headers.delete(name));
    for (let at = 0; at < identity.length; at += 1) {
      if (identity[at] !== '') headers.set(IDENTITY_HEADERS[at], identity[at]);
    }
    headers.set('x-keyward-request-id', requestId);
    let response;
    try {
      response = await fetch(forwarded);
    } catch (error) {
      return unreachable(error, requestId);
    }
    const answered = marked(response, requestId);
    if (authenticated) keepFromSharedCaches(answered.headers);
    return answered;
  } catch (error) {
    return failed(error, requestId);
  }
}

function unreachable(error, requestId) {
  console.error(JSON.stringify({ keyward: 'origin_unreachable', request_id: requestId, error: String(error) }));
  return refuse(undefined, 'origin_unreachable', requestId);
}

function marked(response, requestId) {
  const answered = new Response(response.body, response);
  answered.headers.set('x-keyward-request-id', requestId);
  return answered;
}

// No redirect is followed and no cache asked. Told to `fetch` beside a request, the same would cost
// another copy of it.
function copy(request, to) {
  const { method, headers, body } = request;
  if (body === null || (method !== 'GET' && method !== 'HEAD')) {
    return new Request(to, { method, headers, body, redirect: 'manual', cache: 'no-store' });
  }
  // A GET with a body can be copied whole, but not be made.
  return new Request(new Request(to, request), { redirect: 'manual', cache: 'no-store' });
}

// Would strip or change what a later hop sees.
const DROPPED = new Set([
  'connection',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
]);

// What was decided of a name, for most come again and again. Clients choose them, so it is bounded.
const decided = new Map();

function isDropped(name) {
  let drops = decided.get(name);
  if (drops === undefined) {
    // As CGI and its heirs read names.
    const read = name.replace(/[_.]/g, '-');
    drops = read.startsWith('x-keyward-') || DROPPED.has(read);
    if (decided.size >= 256) decided.clear();
    if (name.length <= 64) decided.set(name, drops);
  }
  return drops;
}

// RFC 9111, section 3.5: `public` and `s-maxage` would let a shared cache store an answer to a
// request with credentials, and caches of a CDN listen to names of their own.
function keepFromSharedCaches(headers) {
  headers.delete('cdn-cache-control');
  headers.delete('cloudflare-cdn-cache-control');
  headers.delete('surrogate-control');
  const told = headers.get('cache-control');
  if (told === null) return headers.set('cache-control', 'private');
  const directives = told.split(',').map((directive) => directive.trim());
  if (directives.some((directive) => /^(private|no-store)$/i.test(directive))) return undefined;
  const kept = directives.filter((directive) => directive !== '' && !/^(public|s-maxage)\b/i.test(directive));
  return headers.set('cache-control', ['private', ...kept].join(', '));
}

// Where a request goes: the origin's base URL and the path and query exactly as they were judged.
let origin;
let base;
function target(url, env) {
  const { KEYWARD_ORIGIN } = env;
  if (!KEYWARD_ORIGIN) return undefined;
  if (origin !== KEYWARD_ORIGIN) {
    origin = KEYWARD_ORIGIN;
    base = origin.replace(/\/+$/, '');
  }
  const path = url.slice(pathStart(url));
  return path.startsWith('/') ? base + path : `${base}/${path}`;
}

// Where the path begins in an absolute URL: the authority ends at the first of /?#, as in request.rs.
function pathStart(url) {
  let at = url.indexOf('://') + 3;
  for (; at < url.length; at += 1) {
    const code = url.charCodeAt(at);
    if (code === 47 || code === 63 || code === 35) break;
  }
  return at;
}

async function own(request, env, ctx, requestId) {
  const numbered = new Request(request);
  numbered.headers.set('x-keyward-ordinal', ordinal(requestId));
  const response = await new Inner(ctx, env).fetch(numbered);
  const { status, headers } = response;
  // A proxy without the secret asks for nobody.
  if ((status === 401 || status === 403) && headers.get('x-keyward-code') !== 'proxy_secret') {
    noteRefused(request, env, true);
  }
  // Behind a proxy every request that is judged comes this way.
  ctx.waitUntil(background(REPORT, env, request.cf?.colo));
  return marked(response, requestId);
}

// What each refusal says never changes, but for the realm, which the settings name.
const problems = new Map();
let challenged;
let challengedBy;

// `settings` is the version of the settings that judged, where it is known.
function refuse(number, code, requestId, settings) {
  const key = code ?? number;
  let told = problems.get(key);
  if (told === undefined) {
    const [status, named, body] = problem(number, code ?? '').split('\n');
    told = { status: Number(status), named, body };
    problems.set(key, told);
  }
  const { status, named, body } = told;
  const headers = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-keyward-request-id': requestId,
    'x-keyward-code': named,
  };
  if (status === 401) {
    if (settings === undefined || settings !== challengedBy) {
      challenged = challenge();
      challengedBy = settings;
    }
    headers['www-authenticate'] = challenged;
  }
  if (status === 503) headers['retry-after'] = '1';
  return new Response(body, { status, headers });
}

function respond(status, type, body, requestId) {
  return new Response(body, {
    status,
    headers: { 'content-type': type, 'cache-control': 'no-store', 'x-keyward-request-id': requestId },
  });
}

function credential(headers) {
  const authorization = headers.get('authorization');
  if (authorization === null) return undefined;
  // An empty one is malformed too.
  return authorization.length > MAX_AUTHORIZATION ? '' : authorization;
}

// What few keys and settings ask of a request, in the order of `Facts::parse`. A header can hold no
// newline, so none can be slipped in.
function collect(request, keyHeaders) {
  const { headers, method, cf } = request;
  const own = key_header();
  keyHeaders?.push(own);
  const bounded = (name) => (headers.get(name) ?? '').slice(0, MAX_FACT);
  return [
    method === 'OPTIONS' && headers.has('access-control-request-method') ? '1' : '',
    own === undefined ? '' : bounded(own),
    bounded('cf-connecting-ip'),
    typeof cf?.clientIp === 'string' ? cf.clientIp : '',
    // The end is what the last proxies wrote; the beginning is the client's.
    (headers.get('x-forwarded-for') ?? '').slice(-MAX_FACT),
    bounded('referer') || bounded('origin'),
    bounded('x-android-package'),
    bounded('x-android-cert'),
    bounded('x-ios-bundle-identifier'),
  ].join('\n');
}

// As many as reports can number; then the isolate is as good as another one.
const MAX_REQUESTS = 2 ** 31 - 1;

// Unique without a random call per request: drawn once an isolate, then counted.
let isolateId;
let requests = 0;
function nextRequestId() {
  if (requests === MAX_REQUESTS) {
    requests = 0;
    isolateId = undefined;
  }
  isolateId ??= [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  requests += 1;
  return `${isolateId}-${requests.toString(36)}`;
}

// The how manieth request of the isolate it is.
function ordinal(requestId) {
  return Number.parseInt(requestId.slice(requestId.indexOf('-') + 1), 36);
}

// A panic leaves the instance unusable; worker-build's own handler makes a new one when its class
// is constructed, and the synchronous path goes the same way.
function revive(env, ctx) {
  if (globalThis.__worker_init_state?.criticalError) new Inner(ctx, env);
}

function noteCritical(error) {
  if (error instanceof WebAssembly.RuntimeError && globalThis.__worker_init_state) {
    globalThis.__worker_init_state.criticalError = true;
  }
}
