import { generateKeyPairSync } from 'node:crypto';

/** A signing key as a private JWK. Logto publishes its RSA keys without `alg`, and so does the library. */
export function generateKey(alg) {
  switch (alg) {
    case 'ES384':
      return jwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
    case 'ES256':
      return jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    case 'ES512':
      return jwk(generateKeyPairSync('ec', { namedCurve: 'P-521' }));
    case 'RS256':
      return jwk(generateKeyPairSync('rsa', { modulusLength: 4096 }));
    default:
      throw new Error(`no key for the algorithm ${alg}`);
  }
}

const jwk = ({ privateKey }) => privateKey.export({ format: 'jwk' });
