// The yardstick: reads the credential and answers what the edge answers to a ping, judging nothing.

const PING = '{"data":"pong!"}';
let isolateId;
let requests = 0;

export default {
  fetch(request) {
    isolateId ??= [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    requests += 1;
    const headers = {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-keyward-request-id': `${isolateId}-${requests.toString(36)}`,
    };
    if (request.headers.get('authorization') === null) return new Response('', { status: 401, headers });
    return new Response(PING, { status: 200, headers });
  },
};
