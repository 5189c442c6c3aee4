// Sigstore's own verifier, unchanged: whether it takes a signed checkpoint, and that an event is in the
// log of it. Each line of standard input is {"name","public_key","checkpoint","seq","proof","event"}, and is
// answered with a line: {"origin","size"}, or {"refused"} where the verifier says no.

import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// What it verifies Rekor's log with. Neither is exported, for its users have bundles.
const require = createRequire(import.meta.url);
const { VerificationError } = require('@sigstore/verify/dist/error.js');
const { verifyCheckpoint } = require('@sigstore/verify/dist/tlog/checkpoint.js');
const { verifyMerkleInclusion } = require('@sigstore/verify/dist/tlog/merkle.js');

// The log as a verifier knows it. A signed note tells Ed25519 keys by SHA-256(name, line feed, 1, key).
const log = (name, key) => ({
  baseURL: name,
  logID: createHash('sha256').update(`${name}\n\x01`).update(Buffer.from(key, 'base64url')).digest(),
  publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' }),
});

// RFC 8785, which is written in terms of this language's own JSON.
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
};

const verify = ({ name, public_key, checkpoint, seq, proof, event: { hash, ...event } }) => {
  const entry = {
    canonicalizedBody: Buffer.from(canonical(event)),
    inclusionProof: {
      checkpoint: { envelope: checkpoint },
      logIndex: String(seq - 1),
      hashes: proof.map((step) => Buffer.from(step, 'hex')),
    },
  };
  const signed = verifyCheckpoint(entry, [log(name, public_key)]);
  verifyMerkleInclusion(entry, signed);
  return { origin: signed.origin, size: Number(signed.logSize) };
};

// Not by readline, for which U+2028 ends a line too.
for (const line of readFileSync(0, 'utf8').trimEnd().split('\n')) {
  let answer;
  try {
    answer = verify(JSON.parse(line));
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    answer = { refused: error.message };
  }
  console.log(JSON.stringify(answer));
}
