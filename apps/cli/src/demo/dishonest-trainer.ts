#!/usr/bin/env node
/**
 * A trainer that cheats, for the demo: it trains as it should, but in one step it adds noise to the weights, as a
 * trainer would who skips work and makes something up. It takes the same arguments as the honest one.
 */
import { parseArgs } from 'node:util';
import { uniformFloats } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { parseHeaderJson, progressPrinter, trainJob } from '@cotrain/training';

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
const alteredStep = Math.floor(header.steps / 2);
const print = progressPrinter('json', process.stdout, process.stderr);

await trainJob({
  store: new SwarmClient({ url: values.swarm ?? '' }),
  header,
  workdir: values.workdir ?? '',
  onProgress: print,
  onStep(outcome) {
    if (outcome.step !== alteredStep) return undefined;
    const state = outcome.readState();
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    const noise = uniformFloats(99n, 9, 0, 0, 1_000);
    noise.forEach((value, index) => {
      view.setFloat32(index * 4, view.getFloat32(index * 4, true) + 0.2 * (value - 0.5), true);
    });
    outcome.writeState(state);
    return undefined;
  },
});
