import { setTimeout as sleep } from 'node:timers/promises';

import { suspend } from './accounts.mjs';
import { readForm } from './pages.mjs';
import { setClockOffset } from './process.mjs';

/** What a test sees of this server beside its answers, and what it can do to it. */
export class Control {
  #requests = [];

  #connections = 0;

  #faults = [];

  #rotateKeys;

  constructor(rotateKeys) {
    this.#rotateKeys = rotateKeys;
  }

  handle(req, res, { pathname, searchParams }) {
    const command = `${req.method} ${pathname}`;
    const number = (name, otherwise) => Number(searchParams.get(name) ?? otherwise);

    switch (command) {
      case 'POST /control/clock':
        setClockOffset(number('offset', 0));
        break;
      case 'GET /control/stats':
        return answer(res, 200, { requests: this.#requests, connections: this.#connections });
      case 'POST /control/reset-stats':
        this.#requests = [];
        this.#connections = 0;
        break;
      case 'POST /control/fail':
        this.#faults.push({
          path: searchParams.get('path'),
          times: number('times', 1),
          status: number('status', 500),
          error: searchParams.get('error') ?? 'server_error',
          mode: searchParams.get('mode') ?? 'answer',
          delay: number('delay', 0),
        });
        break;
      case 'POST /control/rotate-keys':
        this.#rotateKeys(searchParams.get('alg') ?? 'ES384', searchParams.get('keep') !== 'no');
        break;
      case 'POST /control/suspend':
        suspend(searchParams.get('username'), searchParams.get('lift') !== 'yes');
        break;
      default:
        return answer(res, 404, { error: `no such command: ${command}` });
    }
    return answer(res, 200, {});
  }

  record(req, res, { pathname, search }) {
    // Counted with its first request, so that connections which carry only commands are left out.
    if (!req.socket.counted) {
      req.socket.counted = true;
      this.#connections += 1;
    }
    const record = { method: req.method, path: pathname, query: search.slice(1), status: 0 };
    this.#requests.push(record);
    req.record = record;
    // Zero stays for an answer that was never sent.
    res.once('finish', () => {
      record.status = res.statusCode;
    });
  }

  /** Applies the next fault for this path. True when it took the request's place. */
  async fault(req, res, { pathname }) {
    const fault = this.#faults.find(({ path, times }) => path === pathname && times > 0);
    if (!fault) return false;
    fault.times -= 1;
    if (fault.delay) await sleep(fault.delay);

    switch (fault.mode) {
      case 'delay':
        return false;
      case 'drop':
        req.socket.destroy();
        return true;
      case 'lose':
        res.write = () => true;
        res.end = () => {
          req.socket.destroy();
          return res;
        };
        return false;
      default:
        req.record.grant_type = (await readForm(req)).get('grant_type') ?? undefined;
        answer(res, fault.status, { error: fault.error, error_description: 'asked for by the test' });
        return true;
    }
  }
}

function answer(res, status, body) {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
