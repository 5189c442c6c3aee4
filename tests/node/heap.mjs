// Prints what V8 holds of a Worker as it is, and after a collection of garbage, asked through workerd's
// inspector, whose address is the one argument. One line of JSON, in bytes. Wants V8's flag --expose-gc.

const [address] = process.argv.slice(2);
setTimeout(() => {
  console.error('the inspector did not answer');
  process.exit(1);
}, 10_000).unref();
const targets = await (await fetch(`http://${address}/json`)).json();
const socket = new WebSocket(targets[0].webSocketDebuggerUrl);
await new Promise((resolve, reject) => {
  socket.onopen = resolve;
  socket.onerror = reject;
});

let last = 0;
let context;
const waiting = new Map();
socket.onmessage = ({ data }) => {
  const { id, method, params, result, error } = JSON.parse(data);
  if (method === 'Runtime.executionContextCreated') context = params.context.id;
  if (id !== undefined) waiting.get(id)(error ? Promise.reject(new Error(error.message)) : result);
};
function call(method, params) {
  last += 1;
  const answer = new Promise((resolve) => waiting.set(last, resolve));
  socket.send(JSON.stringify({ id: last, method, params }));
  return answer;
}

await call('Runtime.enable');
const uncollected = (await call('Runtime.getHeapUsage')).usedSize;
await call('Runtime.evaluate', { expression: 'gc()', contextId: context });
const collected = (await call('Runtime.getHeapUsage')).usedSize;
console.log(JSON.stringify({ uncollected, collected }));
socket.close();
