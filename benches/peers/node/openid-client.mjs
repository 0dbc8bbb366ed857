// `openid-client` as a program that takes part, with its check of ID tokens' signatures turned on.
// `openid-client.mjs <endpoint>` does what it is told; with `cold` it prints one sign-in URL.

import * as client from 'openid-client';

import { calls, parameter, redirectUri, run } from './protocol.mjs';

const [endpoint, cold] = process.argv.slice(2);

const discover = () =>
  client.discovery(new URL(`${endpoint}/oidc`), 'app', 'secret', undefined, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });

const signIn = async (config) => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid offline_access profile',
    prompt: 'consent',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  });
  return { url: url.href, checks: { pkceCodeVerifier, expectedState, expectedNonce } };
};

const finish = (config, { url, checks }, defect = '') => {
  const code = `ES384~${parameter(url, 'nonce')}~${defect}`;
  const issuer = `${endpoint}/oidc`;
  const query = `code=${code}&state=${parameter(url, 'state')}&iss=${issuer}`;
  return client.authorizationCodeGrant(config, new URL(`${redirectUri}?${query}`), checks);
};

/** It verifies nothing but a whole grant: here one whose request is answered in the process. */
const verify = (algorithm) => async () => {
  const config = await discover();
  const code = `${algorithm}~nonce`;
  const url = new URL(`${redirectUri}?code=${code}&state=state&iss=${endpoint}/oidc`);
  const checks = { expectedState: 'state', expectedNonce: 'nonce', pkceCodeVerifier: 'verifier' };
  // The keys are fetched by the first one.
  await client.authorizationCodeGrant(config, url, checks);
  const body = new URLSearchParams({ grant_type: 'authorization_code', code });
  const text = await (await fetch(`${endpoint}/oidc/token`, { method: 'POST', body })).text();
  const headers = { 'content-type': 'application/json' };
  config[client.customFetch] = async () => new Response(text, { headers });
  return () => client.authorizationCodeGrant(config, url, checks);
};

const url = async () => {
  const config = await discover();
  return () => signIn(config);
};

const rows = {
  'verify-es384': verify('ES384'),
  'verify-es256': verify('ES256'),
  'verify-rs256': verify('RS256'),
  // It stores nothing.
  'url-alone': url,
  url,
  'url-new': async () => async () => signIn(await discover()),
  'callback-one': async () => {
    const config = await discover();
    return async () => finish(config, await signIn(config));
  },
  'callback-new': async () => async () => {
    const started = await signIn(await discover());
    await finish(await discover(), started);
  },
  'refresh-one': async () => {
    const config = await discover();
    return () =>
      Promise.all(Array.from({ length: calls }, () => client.refreshTokenGrant(config, 'token')));
  },
};

const isRefused = async (defect) => {
  const config = await discover();
  try {
    await finish(config, await signIn(config), defect);
    return false;
  } catch {
    return true;
  }
};

if (cold) {
  console.log((await signIn(await discover())).url);
} else {
  await run(rows, isRefused);
}
