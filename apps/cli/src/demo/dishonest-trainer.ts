#!/usr/bin/env node
/**
 * A trainer that cheats, for the demo: it trains as it should, but at the end of one segment it changes the last bit of
 * one weight. It takes the same arguments as the honest one.
 */
import { parseArgs } from 'node:util';
import { parseHeaderJson } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { progressPrinter, trainJob } from '@cotrain/training';
import { alteredRunner } from '@cotrain/training/testing';

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    swarm: { type: 'string' },
    'header-json': { type: 'string' },
    workdir: { type: 'string' },
    progress: { type: 'string' },
  },
});
const header = parseHeaderJson(values['header-json'] ?? '');
const alteredStep = Math.floor(header.steps / header.commitEvery / 2) * header.commitEvery - 1;
const print = progressPrinter('json', process.stdout, process.stderr);

await trainJob({
  store: new SwarmClient({ url: values.swarm ?? '' }),
  header,
  workdir: values.workdir ?? '',
  onProgress: print,
  createRunner: alteredRunner(({ step, readState, writeState }) => {
    if (step !== alteredStep) return undefined;
    const state = readState();
    const words = new DataView(state.buffer, state.byteOffset, state.byteLength);
    // The first weight that is not 0: of little-endian floats, the last bit of the first byte.
    let at = 0;
    while (words.getUint32(at, true) === 0) at += 4;
    words.setUint32(at, words.getUint32(at, true) ^ 1, true);
    writeState(state);
    return undefined;
  }),
});
