// The yardsticks of a gateway: `bare` passes a request on as it came; otherwise the headers that the
// edge sets are set too, to constants, and an answer gets the one that the edge adds. Judges nothing.

const IDENTITY = [
  ['x-keyward-key-id', 'key_00000000001'],
  ['x-keyward-workspace-id', 'ws_00000000001'],
  ['x-keyward-member-id', 'mem_00000000001'],
  ['x-keyward-access', 'read-write'],
  ['x-keyward-generation', '1'],
  ['x-keyward-assertion', `eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.${'a'.repeat(360)}.${'b'.repeat(43)}`],
];
let isolateId;
let requests = 0;

export default {
  async fetch(request, env) {
    const path = request.url.slice(request.url.indexOf('/', 8));
    const forwarded = new Request(env.KEYWARD_ORIGIN + path, request);
    if (env.BARE === 'true') return fetch(forwarded);
    isolateId ??= [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    requests += 1;
    const requestId = `${isolateId}-${requests.toString(36)}`;
    const { headers } = forwarded;
    for (const [name, value] of IDENTITY) headers.set(name, value);
    headers.set('x-keyward-request-id', requestId);
    const response = await fetch(forwarded);
    const answered = new Response(response.body, response);
    answered.headers.set('x-keyward-request-id', requestId);
    return answered;
  },
};
