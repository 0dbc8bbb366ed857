// Makes table.json, the tokens and keys of this test and of the benchmark `verification`, with nothing but Node's
// own crypto:
//
//     node make.mjs > table.json
//
// The private keys are thrown away, so that every run makes other tokens.

import crypto from 'node:crypto';

const NOW = 1_800_000_000;
const SECRET = 'the client secret';
const CLAIMS = { iss: 'https://foo.logto.app/oidc', sub: 'alice', aud: 'app', exp: NOW + 3600, iat: NOW };

/** What Logto says of a user to whom all scopes are granted. */
const TYPICAL = {
  sub: 'k9x1m4w2q7pz',
  name: 'Alice Example',
  picture: 'https://images.example.com/tenants/default/users/k9x1m4w2q7pz/2026/01/avatar-of-alice-256x256.png',
  updated_at: 1_799_990_000_123,
  username: 'alice',
  created_at: 1_712_345_678_901,
  email: 'alice@example.com',
  email_verified: true,
  phone_number: null,
  phone_number_verified: false,
  roles: ['admin', 'editor'],
  organizations: ['org7k2m9x4w1q8p', 'org3z6v1c8n5b2m'],
  organization_roles: ['org7k2m9x4w1q8p:admin', 'org7k2m9x4w1q8p:billing', 'org3z6v1c8n5b2m:member'],
  sid: 'Zr4Vv0aQd2Yp7fWnB8sKx',
  nonce: 'q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c',
  aud: 'app',
  exp: NOW + 3600,
  iat: NOW,
  iss: 'https://foo.logto.app/oidc',
};

const base64url = (data) => Buffer.from(data).toString('base64url');
const number = (bytes) => BigInt(`0x${bytes.toString('hex')}`);
const bytes = (value, length) => Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');

// ---- Keys

const pairs = {
  rsa: crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  rsa4096: crypto.generateKeyPairSync('rsa', { modulusLength: 4096 }),
  p256: crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: crypto.generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  ed25519: crypto.generateKeyPairSync('ed25519'),
  stranger: crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }),
};
const jwk = (name) => ({ ...pairs[name].publicKey.export({ format: 'jwk' }), kid: name, use: 'sig' });

const keys = Object.fromEntries(Object.keys(pairs).map((name) => [name, jwk(name)]));
keys['off the curve'] = { ...keys.p384, y: keys.stranger.y };
const small = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
keys['rsa of 1024 bits'] = { ...small.publicKey.export({ format: 'jwk' }), kid: 'rsa' };
keys['even exponent'] = { ...keys.rsa, e: base64url([1, 0, 0]) };
keys['exponent of one'] = { ...keys.rsa, e: base64url([1]) };
keys.symmetric = { kty: 'oct', kid: 'rsa', k: base64url(SECRET) };

// ---- Tokens

const ORDERS = {
  p256: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  p384: BigInt('0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
  p521: BigInt(
    '0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
  ),
};
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const hash = (algorithm) => `sha${algorithm.slice(2)}`;
const PSS = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
const MAKERS = {
  RS: (input, key, algorithm) => crypto.sign(hash(algorithm), input, key),
  PS: (input, key, algorithm) => crypto.sign(hash(algorithm), input, { key, ...PSS }),
  ES: (input, key, algorithm) => crypto.sign(hash(algorithm), input, { key, dsaEncoding: 'ieee-p1363' }),
  Ed: (input, key) => crypto.sign(null, input, key),
};
const make = (input, name, algorithm) =>
  MAKERS[algorithm.slice(0, 2)](Buffer.from(input), pairs[name].privateKey, algorithm);

/** A token of parts that are already encoded, with the signature that `sign` makes of them. */
const sealed = (header, payload, sign) => `${header}.${payload}.${base64url(sign(`${header}.${payload}`))}`;
const json = (value) => base64url(typeof value === 'string' ? value : JSON.stringify(value));

/** A token whose signature by this key is right, whatever else is wrong. */
const token = (header, payload = CLAIMS, name = 'p384', algorithm = 'ES384') =>
  sealed(json(header), json(payload), (input) => make(input, name, algorithm));

const tokens = {};
const HEADER = { alg: 'ES384', kid: 'p384' };

const GOOD = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((algorithm) => [algorithm, 'rsa']),
  ['ES256', 'p256'],
  ['ES384', 'p384'],
  ['ES512', 'p521'],
  ['EdDSA', 'ed25519'],
  ['Ed25519', 'ed25519'],
];
for (const [alg, name] of GOOD) {
  tokens[alg] = token({ alg, kid: name }, TYPICAL, name, alg);
  tokens[`${alg} without kid`] = token({ alg }, TYPICAL, name, alg);
}
tokens['RS256 by 4096 bits'] = token({ alg: 'RS256', kid: 'rsa4096' }, TYPICAL, 'rsa4096', 'RS256');

// ---- The algorithm is another than it seems

const spki = (type) => pairs.rsa.publicKey.export({ type: 'spki', format: type });
const hmac = (secret) => (input) => crypto.createHmac('sha256', secret).update(input).digest();
const HMAC_KEYS = {
  'the public key as PEM': spki('pem'),
  'the public key as PEM without its last newline': spki('pem').trimEnd(),
  'the public key as DER': spki('der'),
  'the public key as PKCS1': pairs.rsa.publicKey.export({ type: 'pkcs1', format: 'der' }),
  'the public key as JWK': JSON.stringify(keys.rsa),
  'the modulus': Buffer.from(keys.rsa.n, 'base64url'),
  'the client secret': SECRET,
};
for (const [name, secret] of Object.entries(HMAC_KEYS)) {
  const header = json({ alg: 'HS256', kid: 'rsa' });
  tokens[`HS256 with ${name}`] = sealed(header, json(CLAIMS), hmac(secret));
}
for (const alg of ['none', 'None', 'nOnE', 'NONE', '', 'es384', 'ES256K', 'RS1', 'HS512', 'EdDSA ', 'Ed448']) {
  tokens[`alg "${alg}"`] = token({ ...HEADER, alg });
}
tokens['alg none without signature'] = `${json({ alg: 'none' })}.${json(CLAIMS)}.`;
for (const alg of ['RS256', 'ES384', 'EdDSA']) {
  const name = { RS256: 'rsa', ES384: 'p384', EdDSA: 'ed25519' }[alg];
  tokens[`${alg} without signature`] = `${json({ alg, kid: name })}.${json(CLAIMS)}.`;
}
tokens['RS256 of an EC key'] = token({ alg: 'RS256', kid: 'p384' });
tokens['ES256 of a P-384 key'] = token({ alg: 'ES256', kid: 'p384' }, CLAIMS, 'p384', 'ES256');
tokens['ES384 of a P-256 key'] = token({ alg: 'ES384', kid: 'p256' }, CLAIMS, 'p256', 'ES384');
tokens['ES384 of an RSA key'] = token({ alg: 'ES384', kid: 'rsa' }, CLAIMS, 'rsa', 'RS384');
tokens['EdDSA of a P-384 key'] = token({ alg: 'EdDSA', kid: 'p384' });
tokens['RS256 over a PS256 signature'] = token({ alg: 'RS256', kid: 'rsa' }, CLAIMS, 'rsa', 'PS256');
tokens['PS256 over a RS256 signature'] = token({ alg: 'PS256', kid: 'rsa' }, CLAIMS, 'rsa', 'RS256');
tokens['RS256 over a RS512 signature'] = token({ alg: 'RS256', kid: 'rsa' }, CLAIMS, 'rsa', 'RS512');
tokens['PS256 without salt'] = sealed(json({ alg: 'PS256', kid: 'rsa' }), json(CLAIMS), (input) =>
  crypto.sign('sha256', Buffer.from(input), { key: pairs.rsa.privateKey, ...PSS, saltLength: 0 }),
);

// ---- The key is another than it seems

tokens['kid of another key'] = token({ alg: 'ES384', kid: 'p384' }, CLAIMS, 'stranger');
tokens['kid of no key'] = token({ alg: 'ES384', kid: 'nobody' });
tokens['kid in another case'] = token({ alg: 'ES384', kid: 'P384' });
const { kid, ...bare } = keys.stranger;
const BROUGHT = {
  jwk: bare,
  jku: 'https://evil.example/jwks',
  x5u: 'https://evil.example/certificate',
  x5c: [pairs.stranger.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')],
};
for (const [member, value] of Object.entries(BROUGHT)) {
  tokens[`${member} that signed it`] = token({ ...HEADER, [member]: value }, CLAIMS, 'stranger');
  tokens[`${member} that signed it, without kid`] = token({ alg: 'ES384', [member]: value }, CLAIMS, 'stranger');
  tokens[`${member} beside the right signature`] = token({ ...HEADER, [member]: value });
}

// ---- The header says more

for (const [name, value] of [
  ['exp', ['exp']],
  ['b64', ['b64']],
  ['nothing', []],
  ['null', null],
]) {
  tokens[`crit of ${name}`] = token({ ...HEADER, crit: value });
}
tokens['b64 false'] = token({ ...HEADER, b64: false });
tokens['b64 true'] = token({ ...HEADER, b64: true });
for (const typ of ['JWT', 'jwt', 'at+jwt', 'logout+jwt', 'application/jwt', '']) {
  tokens[`typ "${typ}"`] = token({ ...HEADER, typ });
}
tokens['header without alg'] = token({ kid: 'p384' });
tokens['header with alg of a number'] = token({ ...HEADER, alg: 384 });
tokens['header with kid of a number'] = token({ ...HEADER, kid: 1 });
tokens['header of a list'] = token([HEADER]);
tokens['header with more after it'] = token(`${JSON.stringify(HEADER)}{}`);

// ---- The form

tokens.encrypted = [json({ alg: 'RSA-OAEP', enc: 'A256GCM' }), 'AA', 'AA', 'AA', 'AA'].join('.');
tokens.opaque = crypto.randomBytes(32).toString('base64url');
tokens['two parts'] = tokens.ES384.split('.').slice(0, 2).join('.');
tokens['four parts'] = `${tokens.ES384}.AA`;
tokens['JSON serialization'] = JSON.stringify({ payload: json(CLAIMS), signatures: [] });
tokens['too large'] = token(HEADER, { ...CLAIMS, padding: 'x'.repeat(16 * 1024) });
tokens['almost too large'] = token(HEADER, { ...CLAIMS, padding: 'x'.repeat(11 * 1024) });

// Text that is one byte too long for its last character, and that has both special characters.
const special = (value) => {
  for (let text = JSON.stringify({ ...value, z: '>>>???~~~ÿÿÿ' }); ; text += ' ') {
    if (Buffer.byteLength(text) % 3 === 1) return base64url(text);
  }
};
const DEFECTS = {
  'trailing bits': (text) => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1),
  padding: (text) => `${text}==`,
  'a plus': (text) => text.replace('-', '+'),
  'a slash': (text) => text.replace('_', '/'),
  'a space': (text) => `${text.slice(0, 8)} ${text.slice(8)}`,
  'a newline in it': (text) => `${text.slice(0, 8)}\n${text.slice(8)}`,
  'a newline at its end': (text) => `${text}\n`,
  'a lone character': (text) => `${text}AAA`,
};
const [plainHeader, plainPayload] = [special(HEADER), special(CLAIMS)];
for (const [name, damage] of Object.entries(DEFECTS)) {
  const sign = (input) => make(input, 'p384', 'ES384');
  tokens[`header with ${name}`] = sealed(damage(plainHeader), plainPayload, sign);
  tokens[`payload with ${name}`] = sealed(plainHeader, damage(plainPayload), sign);
  // A signature of 256 bytes ends in a character with bits to spare.
  for (;;) {
    const header = json({ alg: 'PS256', kid: 'rsa' });
    const [, , signature] = sealed(header, plainPayload, (input) => make(input, 'rsa', 'PS256')).split('.');
    const damaged = damage(signature);
    if (damaged === signature) continue;
    tokens[`signature with ${name}`] = `${header}.${plainPayload}.${damaged}`;
    break;
  }
}

// ---- The same member twice

const text = (value) => JSON.stringify(value).slice(1, -1);
tokens['header with alg twice'] = token(`{"alg":"none",${text(HEADER)}}`);
tokens['header with kid twice'] = token(`{${text(HEADER)},"kid":"rsa"}`);
tokens['header with an unknown member twice'] = token(`{${text(HEADER)},"x":1,"x":2}`);
tokens['header with a member of a member twice'] = token(`{${text(HEADER)},"x":{"y":1,"y":2}}`);
tokens['claims with sub twice'] = token(HEADER, `{${text(CLAIMS)},"sub":"eve"}`);
tokens['claims with sub twice, once in disguise'] = token(HEADER, `{${text(CLAIMS)},"\\u0073ub":"eve"}`);
tokens['claims with nbf twice, once null'] = token(HEADER, `{${text(CLAIMS)},"nbf":null,"nbf":1}`);
tokens['claims with an unknown member twice'] = token(HEADER, `{${text(CLAIMS)},"x":1,"x":2}`);
tokens['claims with a member of a member twice'] = token(HEADER, `{${text(CLAIMS)},"x":[{"y":1,"y":2}]}`);
tokens['claims with the same member in two places'] = token(HEADER, `{${text(CLAIMS)},"x":[{"y":1},{"y":2}]}`);

// ---- Numbers

const dated = (claim, literal) => {
  const { [claim]: _, ...others } = CLAIMS;
  return token(HEADER, `{${text(others)},"${claim}":${literal}}`);
};
for (const literal of [
  '1800003600.0', '1800003600.5', '1.8000036e9', '18000036e2', '-1', '-0.5', '1e15', '1e400', '-1e400', '1e300',
  '9223372036854775808', '9223372036854775807', 'NaN', 'Infinity', '"1800003600"', 'true', 'null', '[1800003600]',
]) {
  tokens[`exp of ${literal}`] = dated('exp', literal);
}
for (const literal of ['1.8e9', '1800000059.9', '1800000060.5', '1800000061']) {
  tokens[`iat of ${literal}`] = dated('iat', literal);
  tokens[`nbf of ${literal}`] = dated('nbf', literal);
}

// ---- Signatures next to the right one

/** A token over whose right signature `change` has gone. */
const bent = (name, algorithm, change) =>
  sealed(json({ alg: algorithm, kid: name }), json(CLAIMS), (input) => change(make(input, name, algorithm), input));
const curve = (name) => ({ p256: ['ES256', 32], p384: ['ES384', 48], p521: ['ES512', 66] })[name];
for (const name of ['p256', 'p384', 'p521']) {
  const [algorithm, length] = curve(name);
  const numbers = (signature) => [number(signature.subarray(0, length)), number(signature.subarray(length))];
  const pair = (r, s) => Buffer.concat([bytes(r, length), bytes(s, length)]);
  const order = ORDERS[name];
  const forms = {
    'as DER': (_, input) => crypto.sign(hash(algorithm), Buffer.from(input), pairs[name].privateKey),
    'with r zero': (signature) => pair(0n, numbers(signature)[1]),
    'with s zero': (signature) => pair(numbers(signature)[0], 0n),
    'of zeros': () => Buffer.alloc(2 * length),
    'of ones': () => Buffer.alloc(2 * length, 255),
    'with r and s of the order': () => pair(order, order),
    'with -s': (signature) => pair(numbers(signature)[0], order - numbers(signature)[1]),
    'a byte short': (signature) => signature.subarray(0, -1),
    'a byte long': (signature) => Buffer.concat([signature, Buffer.alloc(1)]),
    'with each half a byte long': (signature) =>
      Buffer.concat([Buffer.alloc(1), signature.subarray(0, length), Buffer.alloc(1), signature.subarray(length)]),
    'with its halves swapped': (signature) =>
      Buffer.concat([signature.subarray(length), signature.subarray(0, length)]),
  };
  for (const [form, change] of Object.entries(forms)) tokens[`${algorithm} ${form}`] = bent(name, algorithm, change);
}
// Only here the sum fits into the same bytes.
tokens['ES512 with r and the order'] = bent('p521', 'ES512', (signature) =>
  Buffer.concat([bytes(number(signature.subarray(0, 66)) + ORDERS.p521, 66), signature.subarray(66)]),
);

const reversed = (data) => Buffer.from(data).reverse();
const little = (value) => reversed(bytes(value, 32));
tokens['EdDSA with S and the order'] = bent('ed25519', 'EdDSA', (signature) =>
  Buffer.concat([signature.subarray(0, 32), little(number(reversed(signature.subarray(32))) + ED25519_ORDER)]),
);
tokens['EdDSA with S zero'] = bent('ed25519', 'EdDSA', (signature) =>
  Buffer.concat([signature.subarray(0, 32), Buffer.alloc(32)]),
);
tokens['EdDSA with R of small order'] = bent('ed25519', 'EdDSA', () => Buffer.concat([little(1n), Buffer.alloc(32)]));
tokens['EdDSA of zeros'] = bent('ed25519', 'EdDSA', () => Buffer.alloc(64));
tokens['EdDSA a byte short'] = bent('ed25519', 'EdDSA', (signature) => signature.subarray(0, -1));
tokens['EdDSA a byte long'] = bent('ed25519', 'EdDSA', (signature) => Buffer.concat([signature, Buffer.alloc(1)]));

// RSA over an encoded message of our own (RFC 8017, section 9.2).
const SHA256 = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const SHA256_WITHOUT_NULL = Buffer.from('302f300b0609608648016503040201' + '0420', 'hex');
const digest = (input) => crypto.createHash('sha256').update(input).digest();
const padded = (padding, rest) => {
  const message = Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(padding, 255), Buffer.from([0]), rest]);
  const filled = Buffer.concat([message, Buffer.alloc(256 - message.length, 0)]);
  return crypto.privateEncrypt({ key: pairs.rsa.privateKey, padding: crypto.constants.RSA_NO_PADDING }, filled);
};
const raw = (encode) => bent('rsa', 'RS256', (_, input) => encode(digest(input)));
const whole = (info) => padded(256 - 3 - info.length, info);
tokens['RS256 by hand'] = raw((hashed) => whole(Buffer.concat([SHA256, hashed])));
tokens['RS256 with garbage after the hash'] = raw((hashed) => padded(8, Buffer.concat([SHA256, hashed])));
tokens['RS256 without the NULL'] = raw((hashed) => whole(Buffer.concat([SHA256_WITHOUT_NULL, hashed])));
tokens['RS256 of the bare hash'] = raw(whole);
tokens['RS256 a byte short'] = bent('rsa', 'RS256', (signature) => signature.subarray(0, -1));
tokens['RS256 a byte long'] = bent('rsa', 'RS256', (signature) => Buffer.concat([signature, Buffer.alloc(1)]));
tokens['RS256 with a zero before it'] = bent('rsa', 'RS256', (signature) =>
  Buffer.concat([Buffer.alloc(1), signature]),
);
tokens['RS256 of zeros'] = bent('rsa', 'RS256', () => Buffer.alloc(256));
tokens['RS256 of the number one'] = bent('rsa', 'RS256', () => bytes(1n, 256));
tokens['RS256 larger than the modulus'] = bent('rsa', 'RS256', () => Buffer.alloc(256, 255));
// What an exponent of one would take for a signature.
tokens['RS256 of an exponent of one'] = raw((hashed) => {
  const info = Buffer.concat([SHA256, hashed]);
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - info.length, 255), Buffer.from([0]), info]);
});

delete keys.stranger;
process.stdout.write(`${JSON.stringify({ keys, tokens }, null, 1)}\n`);
