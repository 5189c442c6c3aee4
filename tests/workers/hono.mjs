// Hono's own middleware over a Map in the Worker's memory.

import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { KEYS } from './keys.mjs';

let isolateId;
let requests = 0;

const app = new Hono();
app.use(basicAuth({ verifyUser: (user) => KEYS.has(user) }));
app.get('/v1/ping', (c) => {
  c.header('cache-control', 'no-store');
  isolateId ??= [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  requests += 1;
  c.header('x-keyward-request-id', `${isolateId}-${requests.toString(36)}`);
  return c.json({ data: 'pong!' });
});

export default app;
