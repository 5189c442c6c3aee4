// Hono's own middleware over a Map in the Worker's memory.

import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { KEYS } from './keys.mjs';

const app = new Hono();
app.use(basicAuth({ verifyUser: (user) => KEYS.has(user) }));
app.get('/v1/ping', (c) => {
  c.header('cache-control', 'no-store');
  c.header('x-keyward-request-id', crypto.randomUUID());
  return c.json({ data: 'pong!' });
});

export default app;
