// How a program takes part; see ../README.md.

import { createInterface } from 'node:readline';

export const redirectUri = 'http://127.0.0.1:3000/callback';
export const calls = 50;

/** Does what it is told: `rows` by name, each giving what one iteration does; `isRefused` by defect. */
export const run = async (rows, isRefused) => {
  const prepared = new Map();
  for await (const line of createInterface({ input: process.stdin })) {
    const [row, argument] = line.split(' ');
    if (row === 'check') {
      console.log((await isRefused(argument)) ? 'refused' : 'accepted');
      continue;
    }
    if (!prepared.has(row)) {
      prepared.set(row, rows[row] && (await rows[row]()));
    }
    const work = prepared.get(row);
    console.log(work ? await time(work, Number(argument)) : '-');
  }
};

const time = async (work, iterations) => {
  const started = process.hrtime.bigint();
  for (let i = 0; i < iterations; i += 1) {
    await work();
  }
  return Number(process.hrtime.bigint() - started) / Math.max(iterations, 1);
};

/** The value of a parameter of a URL whose value needs no decoding. */
export const parameter = (url, name) => {
  const start = url.indexOf(`&${name}=`) + name.length + 2;
  const end = url.indexOf('&', start);
  return url.slice(start, end < 0 ? undefined : end);
};
