import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { type BackendName, decodeLogEntry, LOG_ENTRY_BYTES, LOG_HEADER_BYTES, logLength } from '@cotrain/protocol';
import { alteredRunner } from './testing/altered-runner.ts';
import { MemoryStore } from './testing/memory-store.ts';
import { type JobToPublish, publishJob } from './testing/publish-job.ts';
import { dense, gptJob, sequential, xorJob } from './testing/small-jobs.ts';
import { removeTemporaryDirectories, temporaryDirectory } from './testing/workdir.ts';
import { TrainingInterruptedError, WorkdirInUseError, WorkdirLockedError } from './errors.ts';
import type { ProgressEvent } from './progress.ts';
import { trainJob, type TrainOptions, type TrainResult } from './train-job.ts';

afterAll(removeTemporaryDirectories);

async function run(
  job: JobToPublish,
  more: Partial<TrainOptions> = {},
): Promise<{ result: TrainResult; store: MemoryStore; events: ProgressEvent[]; log: Uint8Array }> {
  const store = new MemoryStore();
  const header = await publishJob(store, job);
  const events: ProgressEvent[] = [];
  const result = await trainJob({
    store,
    header,
    workdir: temporaryDirectory(),
    onProgress: (event) => events.push(event),
    ...more,
  });
  return { result, store, events, log: store.files.get(result.logReference) ?? new Uint8Array() };
}

function losses(log: Uint8Array): number[] {
  return Array.from({ length: (log.length - LOG_HEADER_BYTES) / LOG_ENTRY_BYTES }, (_, step) => {
    const at = LOG_HEADER_BYTES + step * LOG_ENTRY_BYTES;
    return decodeLogEntry(log.subarray(at, at + LOG_ENTRY_BYTES)).loss;
  });
}

describe.each<BackendName>(['wasm', 'cpu'])('training on %s', (backend) => {
  it('gives the same bytes in two runs, dropout included', async () => {
    const first = await run(xorJob({ evaluateEvery: 16 }), { backend });
    const second = await run(xorJob({ evaluateEvery: 16 }), { backend });
    expect(second.result).toEqual(first.result);
    expect(second.log).toEqual(first.log);
    expect(first.log.length).toBe(logLength(40));
    expect(first.result.backend).toBe(backend);
  });

  it('trains a convolution', async () => {
    const image = { batch_input_shape: [null, 2, 1, 1], dtype: 'float32' };
    const convolution = {
      class_name: 'Conv2D',
      config: {
        ...(dense('convolution', 8, 'relu', image) as { config: object }).config,
        filters: 8,
        kernel_size: [2, 1],
        strides: [1, 1],
        padding: 'same',
        data_format: 'channels_last',
        dilation_rate: [1, 1],
      },
    };
    const program = sequential([
      convolution,
      { class_name: 'Flatten', config: { name: 'flat' } },
      dense('class', 2, 'softmax'),
    ]);
    const { log } = await run(xorJob({ program, steps: 60 }), { backend });
    const all = losses(log);
    expect(all.at(-1)).toBeLessThan((all[0] ?? 0) * 0.9);
  });
});

describe('trainJob', () => {
  it('lets a small GPT learn', async () => {
    const { log } = await run(gptJob(), { backend: 'wasm' });
    const all = losses(log);
    const mean = (part: number[]): number => part.reduce((sum, loss) => sum + loss, 0) / part.length;
    expect(mean(all.slice(0, 3))).toBeGreaterThan(3.9);
    expect(mean(all.slice(-5))).toBeLessThan(2);
  });

  it('reports each batch, each segment, the evaluation and the result', async () => {
    const { events, result } = await run(xorJob());
    const count = (type: ProgressEvent['type']): number => events.filter((event) => event.type === type).length;
    expect([count('start'), count('batch'), count('segment'), count('evaluation'), count('result')]).toEqual([
      1, 40, 3, 1, 1,
    ]);
    expect(events.at(-1)).toEqual({ type: 'result', ...result });
    expect(events.filter((event) => event.type === 'segment').at(-1)?.stateRoot).toBe(result.modelReference);
  });

  it.each([2, 5, 16, 17, 31, 39])('continues after an interruption at step %i with the same bytes', async (stopAt) => {
    const whole = await run(xorJob());
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob());
    const workdir = temporaryDirectory();
    const abort = new AbortController();
    const stopped = trainJob({
      store,
      header,
      workdir,
      signal: abort.signal,
      createRunner: alteredRunner(({ step }) => {
        if (step === stopAt) abort.abort();
        return undefined;
      }),
    });
    await expect(stopped).rejects.toThrow(TrainingInterruptedError);
    const steps: number[] = [];
    const result = await trainJob({
      store,
      header,
      workdir,
      createRunner: alteredRunner(({ step }) => {
        steps.push(step);
        return undefined;
      }),
    });
    expect(steps[0]).toBe(stopAt + 1 < 40 ? stopAt + 1 : undefined);
    expect(result).toEqual(whole.result);
    expect(store.files.get(result.logReference)).toEqual(whole.log);
    expect(new Uint8Array(readFileSync(join(workdir, 'training.log')))).toEqual(whole.log);
  });

  it('waits for a store that is away', async () => {
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob());
    const slept: number[] = [];
    const result = await trainJob({
      store,
      header,
      workdir: temporaryDirectory(),
      createRunner: alteredRunner(({ step }) => {
        if (step === 15) store.outages = 5;
        return undefined;
      }),
      patience: {
        sleep: (milliseconds) => {
          slept.push(milliseconds);
          return Promise.resolve();
        },
      },
    });
    expect(slept).toHaveLength(5);
    expect(result).toEqual((await run(xorJob())).result);
  });

  it('gives up on a store that stays away, as something to try again', async () => {
    const store = new MemoryStore();
    const header = await publishJob(store, xorJob());
    store.outages = Infinity;
    let now = 0;
    const training = trainJob({
      store,
      header,
      workdir: temporaryDirectory(),
      patience: { now: () => (now += 60_000), sleep: () => Promise.resolve() },
    });
    await expect(training).rejects.toMatchObject({ name: 'JobInputUnavailableError', retryable: true });
  });

  it('keeps a second trainer out of its workdir, and lets go when it ends', async () => {
    const workdir = temporaryDirectory();
    let second: Promise<unknown> | undefined;
    await run(xorJob(), {
      workdir,
      createRunner: alteredRunner(({ step }) => {
        if (step === 3) second = run(xorJob(), { workdir }).catch((error: unknown) => error);
        return undefined;
      }),
    });
    expect(await second).toBeInstanceOf(WorkdirLockedError);
    expect(await second).toMatchObject({ retryable: true });
    await run(xorJob(), { workdir });
  });

  it("refuses another job's workdir", async () => {
    const workdir = temporaryDirectory();
    await run(xorJob(), { workdir });
    await expect(run(xorJob({ seed: 8n }), { workdir })).rejects.toThrow(WorkdirInUseError);
  });

  it.each([
    [
      'the shape of the input',
      xorJob({ program: sequential([dense('out', 2, 'softmax', { batch_input_shape: [null, 3], dtype: 'float32' })]) }),
      /shape \[2\].*\[3\]/,
    ],
  ])('names what does not fit: %s', async (_, job, message) => {
    await expect(run(job)).rejects.toThrow(message);
  });
});
