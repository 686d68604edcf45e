import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  decodeLogEntry,
  encodeLogEntry,
  type JobHeader,
  LOG_ENTRY_BYTES,
  logEntryOffset,
  type Reference,
} from '@cotrain/protocol';
import { startSwarmStore, SwarmClient, type SwarmStore } from '@cotrain/swarm';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alteredRunner } from './testing/altered-runner.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { publishJob } from './testing/publish-job.ts';
import { xorJob } from './testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';
import { type CommitmentVerdict, validateCommitment, type ValidateOptions } from './validate.ts';
import { drawSegments, verifyCommitment } from './verify.ts';

afterAll(removeTemporaryDirectories);

interface Trained {
  store: MemoryStore;
  header: JobHeader;
  result: TrainResult;
}

async function train(more: Partial<TrainOptions> = {}): Promise<Trained> {
  const store = new MemoryStore();
  const header = await publishJob(store, xorJob());
  const result = await trainJob({ store, header, workdir: temporaryDirectory(), ...more });
  return { store, header, result };
}

function validate({ store, header, result }: Trained, more: Partial<ValidateOptions> = {}): Promise<CommitmentVerdict> {
  const { logReference, modelReference } = result;
  return validateCommitment({ store, header, logReference, modelReference, segments: [0, 1, 2], ...more });
}

/** The same log with one step's entry changed. */
function changeEntry(
  trained: Trained,
  step: number,
  change: { loss?: number; stateRoot?: Reference | null },
): Promise<Reference> {
  return trained.store.replace((bytes) => {
    const at = logEntryOffset(step);
    const entry = decodeLogEntry(bytes.subarray(at, at + LOG_ENTRY_BYTES));
    bytes.set(encodeLogEntry({ ...entry, ...change }), at);
  }, trained.result.logReference);
}

describe('validateCommitment', () => {
  it('finds an honest commitment valid, to the bit on the same backend', async () => {
    const verdict = await validate(await train());
    expect(verdict.vote).toBe('Valid');
    expect(verdict.segments.map(({ maxAbsoluteError, drift }) => [maxAbsoluteError, drift])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('finds an honest commitment valid within tolerance on another backend', async () => {
    const verdict = await validate(await train({ backend: 'wasm' }), { backend: 'cpu' });
    expect(verdict).toMatchObject({ vote: 'Valid' });
    expect(Math.max(...verdict.segments.map((segment) => segment.maxAbsoluteError))).toBeGreaterThan(0);
  });

  it('gives evidence that depends on what was executed', async () => {
    const trained = await train();
    const [first, again, other] = [
      await validate(trained, { segments: [1] }),
      await validate(trained, { segments: [1] }),
      await validate(trained, { segments: [2] }),
    ];
    expect(first.evidence).toBe(again.evidence);
    expect(first.evidence).not.toBe(other.evidence);
  });

  it.each([0, 7, 16, 39])('convicts a forged loss at step %i', async (step) => {
    const trained = await train({
      createRunner: alteredRunner((outcome) =>
        outcome.step === step ? { loss: outcome.loss * 1.01, metric: outcome.metric } : undefined,
      ),
    });
    const verdict = await validate(trained, { segments: [Math.floor(step / 16)] });
    expect(verdict.vote).toBe('Invalid');
    expect(verdict.reason).toContain(`step ${String(step)}`);
  });

  it('convicts a trainer who skips an update', async () => {
    let before: Uint8Array | undefined;
    const trained = await train({
      createRunner: alteredRunner(({ step, readState, writeState }) => {
        if (step === 19) before = readState();
        if (step === 20 && before !== undefined) writeState(before);
        return undefined;
      }),
    });
    expect(await validate(trained, { segments: [1] })).toMatchObject({ vote: 'Invalid' });
    expect(await validate(trained, { segments: [0, 2] })).toMatchObject({ vote: 'Valid' });
  });

  it('convicts a replaced optimizer slot that is small beside the tolerance', async () => {
    const trained = await train({
      createRunner: alteredRunner(({ step, readState, writeState }) => {
        if (step !== 31) return undefined;
        const state = readState();
        // The second moments and powers are the last third of the state.
        new Float32Array(state.buffer).fill(0, Math.floor((state.length / 4) * 0.7), state.length / 4 - 2);
        writeState(state);
        return undefined;
      }),
    });
    expect(await validate(trained, { segments: [1] })).toMatchObject({ vote: 'Invalid' });
  });

  it('bounds the drift over the checked segments', async () => {
    const nudge = 5e-5;
    const trained = await train({
      createRunner: alteredRunner(({ step, readState, writeState }) => {
        if ((step + 1) % 16 !== 0) return undefined;
        const state = readState();
        const values = new Float32Array(state.buffer);
        for (let i = 0; i < 20; i++) values[i] = (values[i] ?? 0) + nudge;
        writeState(state);
        return undefined;
      }),
    });
    expect(await validate(trained)).toMatchObject({ vote: 'Valid' });
    const strict = { absolute: 1e-4, relative: 1e-3, drift: 1e-6 };
    expect(await validate(trained, { tolerance: strict })).toMatchObject({
      vote: 'Invalid',
      reason: expect.stringContaining('drift') as unknown as string,
    });
  });

  it('refuses a log whose form is wrong without executing anything', async () => {
    const trained = await train();
    const shorter = await trained.store.upload(
      (trained.store.files.get(trained.result.logReference) ?? new Uint8Array()).slice(0, -64),
    );
    const cases: [Promise<CommitmentVerdict>, RegExp][] = [
      [validate(trained, { logReference: shorter }), /bytes/],
      [
        validate(trained, { logReference: await changeEntry(trained, 15, { stateRoot: null }) }),
        /lacks its state root/,
      ],
      [
        validate(trained, {
          logReference: await changeEntry(trained, 3, { stateRoot: trained.result.modelReference }),
        }),
        /has a state root/,
      ],
      [validate(trained, { modelReference: trained.header.initialStateReference }), /last state root/],
      [validate(trained, { header: { ...trained.header, commitEvery: 20 } }), /./],
    ];
    for (const [verdict, reason] of cases.slice(0, 4))
      expect(await verdict).toMatchObject({
        vote: 'Invalid',
        segments: [],
        reason: expect.stringMatching(reason) as unknown as string,
      });
    await expect(cases[4]?.[0]).rejects.toThrow(/commitEvery/);
  });

  it('finds what the trainer does not keep available unavailable', async () => {
    const trained = await train();
    const { store, result } = trained;
    const missing = `0x${'ab'.repeat(32)}` as const;
    expect(await validate(trained, { logReference: missing })).toMatchObject({ vote: 'Unavailable' });
    store.files.delete(result.modelReference);
    expect(await validate(trained, { segments: [0] })).toMatchObject({ vote: 'Unavailable' });
  });

  it("does not blame the trainer for the job's missing inputs", async () => {
    const trained = await train();
    trained.store.files.delete(trained.header.trainingViewReference);
    await expect(validate(trained)).rejects.toMatchObject({ name: 'JobInputUnavailableError', retryable: true });
  });

  it('draws a sample of different segments', async () => {
    expect(drawSegments(10, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(drawSegments(3, 10)).toEqual([0, 1, 2]);
    const counts = new Array<number>(6).fill(0);
    for (let round = 0; round < 3_000; round++)
      for (const segment of drawSegments(6, 2)) counts[segment] = (counts[segment] ?? 0) + 1;
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    const { store, header, result } = await train();
    expect(await verifyCommitment({ store, header, ...result, sample: 1 })).toMatchObject({ vote: 'Valid' });
  });
});

describe('on the embedded store', () => {
  let swarm: SwarmStore;
  let directory: string;

  beforeAll(async () => {
    directory = temporaryDirectory();
    swarm = await startSwarmStore({ dir: directory });
  });
  afterAll(() => swarm.close());

  it('trains and validates; a damaged chunk of the log is unavailable, never valid', async () => {
    const store = new SwarmClient({ url: swarm.url });
    const header = await publishJob(store, xorJob());
    const result = await trainJob({ store, header, workdir: temporaryDirectory() });
    const commitment = {
      header,
      logReference: result.logReference,
      modelReference: result.modelReference,
      segments: [2],
    };
    const fresh = (): SwarmClient => new SwarmClient({ url: swarm.url, retries: 1, sleep: () => Promise.resolve() });
    expect(await validateCommitment({ ...commitment, store: fresh() })).toMatchObject({ vote: 'Valid' });
    expect(damage(directory, result.logReference.slice(2))).toBe(true);
    const verdict = await validateCommitment({ ...commitment, store: fresh(), patience: { storePatienceMs: 1 } }).catch(
      (error: unknown) => error,
    );
    expect(verdict).toMatchObject({ vote: 'Unavailable' });
  });
});

/** Flips a bit in the middle of the chunk's file on disk. */
function damage(directory: string, address: string): boolean {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (!name.replaceAll(/[^0-9a-f]/g, '').includes(address.slice(4)) || !statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    const middle = bytes.length - 20;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    return true;
  }
  return false;
}
