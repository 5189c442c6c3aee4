// Times in V8 the one call that the shipped entry.mjs makes of a request, and the same work done with
// WebCrypto. The first line of standard input says what to judge; each further line names a set of
// credentials, and is answered with a line: nanoseconds a call, and how many calls were let pass.

import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

// What the Workers runtime has and Node has not: modules of its own, and WebAssembly as an import.
const CLOUDFLARE = 'class Base { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }'
  + 'export class WorkerEntrypoint extends Base {} export class DurableObject extends Base {}'
  + 'export class RpcTarget {} export const env = {};';
globalThis.addEventListener ??= () => {};

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { module, variables, kv, url, sets, decisions } = JSON.parse((await lines.next()).value);
const entry = pathToFileURL(module).href;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('cloudflare:') ? { url: specifier, format: 'module', shortCircuit: true } : next(specifier, context),
  load: (url, context, next) => {
    if (url.startsWith('cloudflare:')) return { format: 'module', source: CLOUDFLARE, shortCircuit: true };
    if (url === entry) {
      // Its own functions, as they are shipped.
      const source = `${readFileSync(fileURLToPath(url))}\nexport { ask, granted, GRANT, GRANT_SHIFT, NUMBER };`;
      return { format: 'module', source, shortCircuit: true };
    }
    if (!url.endsWith('.wasm')) return next(url, context);
    const source = `import { readFileSync } from 'node:fs';
      export default new WebAssembly.Module(readFileSync(${JSON.stringify(fileURLToPath(url))}));`;
    return { format: 'module', source, shortCircuit: true };
  },
});

const { ask, granted, GRANT, GRANT_SHIFT, NUMBER } = await import(entry);
const { default: Inner } = await import(new URL('./build/index.js', entry));
const { settle } = Inner.prototype;

const waiting = [];
const ctx = { waitUntil: (promise) => waiting.push(promise) };
const env = {
  ...variables,
  KEYWARD: {
    async get(key, { type }) {
      const response = await fetch(`http://${kv}/${key}?urlencoded=true`);
      if (response.status !== 200) return null;
      return type === 'stream' ? response.body : response.arrayBuffer();
    },
  },
};

// One time for all calls: within the window in which the head counts as confirmed.
let now = Date.now();
// All leaves that are needed are loaded once; judging is timed afterwards.
for (const set of Object.values(sets)) {
  for (const authorization of set) {
    await settle(env, ctx, 'GET', url, authorization, undefined, Date.now());
  }
}
await Promise.all(waiting);
// The head was confirmed when it was loaded, or by a refresh since.
now = Date.now();
await settle(env, ctx, 'GET', url, Object.values(sets)[0][0], undefined, now);

function judgeOnce(set) {
  let passed = 0;
  for (const authorization of set) {
    const verdict = ask('GET', url, authorization, now);
    if ((verdict & NUMBER) === GRANT && granted(verdict >>> GRANT_SHIFT).length > 0) passed += 1;
  }
  return passed;
}

// The first pass finds what others left in the processor's caches; it is not timed.
function judgeAll(set) {
  judgeOnce(set);
  let [passed, passes] = [0, 0];
  const begun = process.hrtime.bigint();
  for (; passes * set.length < decisions; passes += 1) passed = judgeOnce(set);
  return [Number(process.hrtime.bigint() - begun) / (passes * set.length), passed];
}

// What most people write: two calls of WebCrypto and a look into a Map of fingerprints.
const pepper = Buffer.from(variables.KEYWARD_PEPPER, 'base64url');
const hmacKey = await crypto.subtle.importKey('raw', pepper, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
const encoder = new TextEncoder();
async function fingerprint(authorization) {
  const [user] = atob(authorization.slice('Basic '.length)).split(':');
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(user));
  const tag = await crypto.subtle.sign('HMAC', hmacKey, digest);
  return Buffer.from(tag, 0, 16).toString('latin1');
}
const known = new Map();
async function webCrypto(set) {
  if (known.size === 0) {
    for (const authorization of set) known.set(await fingerprint(authorization), true);
  }
  let passed = 0;
  const begun = process.hrtime.bigint();
  for (const authorization of set) {
    if (known.has(await fingerprint(authorization))) passed += 1;
  }
  return [Number(process.hrtime.bigint() - begun) / set.length, passed];
}

// The code is compiled in tiers: it is timed when it no longer gets faster.
const warm = Date.now() + 1500;
while (Date.now() < warm) {
  for (const set of Object.values(sets)) judgeAll(set);
}
console.log(JSON.stringify({ ready: true }));
for await (const line of lines) {
  const [how, name] = line.split(' ');
  const [nanoseconds, passed] = how === 'webcrypto' ? await webCrypto(sets[name]) : judgeAll(sets[name]);
  console.log(JSON.stringify({ nanoseconds, passed }));
}
