// What most people write: the password's SHA-256 by WebCrypto names a record in Workers KV, read anew
// for every request.

let isolateId;
let requests = 0;

export default {
  async fetch(request, env) {
    const authorization = request.headers.get('authorization') ?? '';
    if (!authorization.startsWith('Basic ')) return refused();
    const credential = atob(authorization.slice(6));
    const key = credential.slice(0, credential.indexOf(':'));
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)));
    const name = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const record = await env.KEYWARD.get(`key:${name}`, 'json');
    if (record === null || !record.active || record.expires_at <= Date.now()) return refused();
    isolateId ??= [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    requests += 1;
    return new Response('{"data":"pong!"}', {
      headers: {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-keyward-request-id': `${isolateId}-${requests.toString(36)}`,
      },
    });
  },
};

function refused() {
  return new Response('', { status: 401, headers: { 'www-authenticate': 'Basic realm="API"' } });
}
