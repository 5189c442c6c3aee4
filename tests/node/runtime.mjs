// Lets Node import the shipped Worker: to be imported first.

import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

// What the Workers runtime has and Node has not: modules of its own, and WebAssembly as an import.
const CLOUDFLARE = 'class Base { constructor(ctx, env) { this.ctx = ctx; this.env = env; } }'
  + 'export class WorkerEntrypoint extends Base {} export class DurableObject extends Base {}'
  + 'export class RpcTarget {} export const env = {};';
globalThis.addEventListener ??= () => {};
registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('cloudflare:') ? { url: specifier, format: 'module', shortCircuit: true } : next(specifier, context),
  load: (url, context, next) => {
    if (url.startsWith('cloudflare:')) return { format: 'module', source: CLOUDFLARE, shortCircuit: true };
    if (!url.endsWith('.wasm')) return next(url, context);
    const source = `import { readFileSync } from 'node:fs';
      export default new WebAssembly.Module(readFileSync(${JSON.stringify(fileURLToPath(url))}));`;
    return { format: 'module', source, shortCircuit: true };
  },
});
