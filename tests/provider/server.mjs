import './process.mjs';

import { once } from 'node:events';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

import { configuration, logtoErrors } from './configuration.mjs';
import { Control } from './control.mjs';
import { generateKey } from './keys.mjs';
import { interact } from './pages.mjs';
import { createStore } from './store.mjs';

// See README.md for its members.
const options = JSON.parse(process.env.LOGTO_TEST_PROVIDER ?? '{}');

const server = createServer(handle);
// What Node announces and Logto lives with; it closes an idle connection up to a second later.
server.keepAliveTimeout = 5000;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const endpoint = `http://127.0.0.1:${port}`;

const Adapter = createStore(options.reuse_grace ?? 0);
const control = new Control(rotateKeys);
let keys = [];
let provider;
let answer;
rotateKeys(options.alg ?? 'ES384', false);

// The test holds the other end: it closes when the test ends, however it does.
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ ready: true, issuer: provider.issuer, port })}\n`);

// A provider has its keys for good, so a new one takes over; all state is in the store, which stays.
function rotateKeys(alg, keep) {
  keys = [generateKey(alg), ...(keep ? keys : [])];
  provider = new Provider(`${endpoint}/oidc`, configuration({ ...options, Adapter, keys, alg }));
  logtoErrors(provider);
  provider.use(async (ctx, next) => {
    await next();
    ctx.req.record.grant_type = ctx.oidc?.params?.grant_type;
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  answer = provider.callback();
}

async function handle(req, res) {
  try {
    const url = new URL(req.url, endpoint);
    // Node would write the system's time, also where a test has moved ours.
    res.setHeader('date', new Date().toUTCString());

    if (url.pathname.startsWith('/control/')) return control.handle(req, res, url);
    control.record(req, res, url);
    if (await control.fault(req, res, url)) return undefined;

    if (/^\/(sign-in|consent)\//.test(url.pathname)) return await interact(provider, req, res);
    if (!url.pathname.startsWith('/oidc/')) return res.writeHead(404).end('Not Found');
    // With both addresses the library finds out where it is mounted.
    req.originalUrl = req.url;
    req.url = req.url.slice('/oidc'.length);
    return await answer(req, res);
  } catch (error) {
    console.error(error);
    return res.headersSent ? res.destroy() : res.writeHead(500).end();
  }
}
