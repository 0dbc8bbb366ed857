// `@logto/node` as a program that takes part.
// `logto.mjs <endpoint>` does what it is told; `logto.mjs <endpoint> cold` prints one sign-in URL.

import LogtoClient from '@logto/node';

import { calls, parameter, redirectUri, run } from './protocol.mjs';

const [endpoint, cold] = process.argv.slice(2);
const config = { endpoint, appId: 'app', appSecret: 'secret' };

class Memory {
  values = new Map();

  async getItem(key) {
    return this.values.get(key) ?? null;
  }

  async setItem(key, value) {
    this.values.set(key, value);
  }

  async removeItem(key) {
    this.values.delete(key);
  }
}

class Nowhere {
  async getItem() {
    return null;
  }

  async setItem() {}

  async removeItem() {}
}

/** A client that keeps the URL to go to. */
const newClient = (storage = new Memory()) => {
  const place = {};
  const navigate = (url) => {
    place.url = url;
  };
  return { client: new LogtoClient(config, { navigate, storage }), place };
};

// The library sends no nonce; the code asks for one.
const callback = (url, defect = '') =>
  `${redirectUri}?code=ES384~nonce~${defect}&state=${parameter(url, 'state')}`;

const signIn = async ({ client, place }) => {
  await client.signIn(redirectUri);
  await client.handleSignInCallback(callback(place.url));
};

const verify = (algorithm) => async () => {
  const { client } = newClient();
  const body = new URLSearchParams({ grant_type: 'authorization_code', code: `${algorithm}~` });
  const answer = await fetch(`${endpoint}/oidc/token`, { method: 'POST', body });
  const { id_token: idToken } = await answer.json();
  return () => client.jwtVerifier.verifyIdToken(idToken);
};

const expire = async (storage) => {
  const tokens = JSON.parse(await storage.getItem('accessToken'));
  tokens['@'].expiresAt = 1;
  await storage.setItem('accessToken', JSON.stringify(tokens));
};

const rows = {
  'verify-es384': verify('ES384'),
  'verify-es256': verify('ES256'),
  'verify-rs256': verify('RS256'),
  'cached-one': async () => {
    const one = newClient();
    await signIn(one);
    return () => one.client.getAccessToken();
  },
  'cached-new': async () => {
    const storage = new Memory();
    await signIn(newClient(storage));
    return async () => {
      const { client } = newClient(storage);
      // The stored tokens are read by the constructor, which cannot be awaited.
      while (client.accessTokenMap.size === 0) {
        await Promise.resolve();
      }
      return client.getAccessToken();
    };
  },
  'url-alone': async () => {
    const { client } = newClient(new Nowhere());
    return () => client.signIn(redirectUri);
  },
  url: async () => {
    const { client } = newClient();
    return () => client.signIn(redirectUri);
  },
  'url-new': async () => () => newClient().client.signIn(redirectUri),
  'callback-one': async () => {
    const one = newClient();
    return () => signIn(one);
  },
  'callback-new': async () => async () => {
    const storage = new Memory();
    const { client, place } = newClient(storage);
    await client.signIn(redirectUri);
    await newClient(storage).client.handleSignInCallback(callback(place.url));
  },
  'refresh-one': async () => {
    const storage = new Memory();
    await signIn(newClient(storage));
    return async () => {
      await expire(storage);
      const { client } = newClient(storage);
      await Promise.all(Array.from({ length: calls }, () => client.getAccessToken()));
    };
  },
  'refresh-fifty': async () => {
    const storage = new Memory();
    await signIn(newClient(storage));
    return async () => {
      await expire(storage);
      const clients = Array.from({ length: calls }, () => newClient(storage).client);
      await Promise.all(clients.map((client) => client.getAccessToken()));
    };
  },
};

const isRefused = async (defect) => {
  const { client, place } = newClient();
  await client.signIn(redirectUri);
  try {
    await client.handleSignInCallback(callback(place.url, defect));
    return false;
  } catch {
    return true;
  }
};

if (cold) {
  const { client, place } = newClient();
  await client.signIn(redirectUri);
  console.log(place.url);
} else {
  await run(rows, isRefused);
}
