#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { type BackendName, backendNames, type JobHeader, parseReference } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import {
  checkJob,
  type ExactImplementation,
  exactImplementations,
  InvalidJobError,
  isRetryable,
  parseHeaderJson,
  type ProgressStyle,
  progressPrinter,
  trainJob,
  TrainingInterruptedError,
  validateCommitment,
  verifyCommitment,
} from '@cotrain/training';
import { Command, InvalidArgumentError, Option } from 'commander';

/** 0: done. 2: the input is wrong, do not try again. 3: try again later. 130, 143: stopped after a checkpoint. */
const exitCodes = { badInput: 2, retryLater: 3 } as const;
const signals = { SIGINT: 130, SIGTERM: 143 } as const;

interface CommonFlags {
  swarm: string;
  header?: string;
  headerJson?: string;
  postageBatch?: string;
  backend?: BackendName;
  implementation?: ExactImplementation;
  cacheMib: number;
  storePatience: number;
}

interface TrainFlags extends CommonFlags {
  workdir: string;
  progress?: ProgressStyle;
  poolName?: string;
  resumeFrom?: string;
}

interface ValidateFlags extends CommonFlags {
  log: string;
  model: string;
  segments?: number[];
  sample?: number;
}

interface CheckFlags extends CommonFlags {
  maxMemoryMib?: number;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number from 1 on.');
  return value;
}

function segmentList(text: string): number[] {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (part.trim() === '' || !Number.isSafeInteger(value) || value < 0)
      throw new InvalidArgumentError('give whole numbers separated by commas, such as 0,3,7.');
    return value;
  });
}

async function readHeader(flags: CommonFlags): Promise<JobHeader> {
  if ((flags.header === undefined) === (flags.headerJson === undefined))
    throw new InvalidJobError('Give the job header once: --header FILE or --header-json JSON.');
  if (flags.headerJson !== undefined) return parseHeaderJson(flags.headerJson);
  const file = flags.header ?? '';
  try {
    return parseHeaderJson(await readFile(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === undefined) throw cause;
    throw new InvalidJobError(`--header is ${file}, which cannot be read: name a file with the JobHeader's JSON.`, {
      cause,
    });
  }
}

/** The work directory's disk is at fault, not the job; what was checkpointed continues when there is room. */
function isFullDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function connect(flags: CommonFlags): SwarmClient {
  return new SwarmClient({
    url: flags.swarm,
    // A few; the rest is --store-patience, which a signal cuts short.
    retries: 2,
    ...(flags.postageBatch === undefined ? {} : { postageBatchId: flags.postageBatch }),
  });
}

async function train(flags: TrainFlags): Promise<void> {
  const abort = new AbortController();
  let askedAtMs = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      // Whoever asks again after a while does not want to wait; what is on disk continues all the same. A terminal
      // and a parent process may both pass one wish on, which is no second one.
      if (abort.signal.aborted && performance.now() - askedAtMs > 1_000) process.exit(signals[signal]);
      askedAtMs = performance.now();
      process.exitCode = signals[signal];
      abort.abort();
    });
  const style = flags.progress ?? (process.stderr.isTTY ? 'bar' : 'json');
  const report = progressPrinter(
    style,
    process.stdout,
    process.stderr,
    flags.poolName === undefined ? {} : { pool: flags.poolName },
  );
  await trainJob({
    // Without the signal: what is under way when a stop is asked for is finished, so that it can be checkpointed.
    store: connect(flags),
    header: await readHeader(flags),
    workdir: flags.workdir,
    signal: abort.signal,
    cacheBytes: flags.cacheMib * 2 ** 20,
    onProgress: report,
    patience: {
      storePatienceMs: flags.storePatience * 1_000,
      onRetry: (error) => {
        report({ type: 'retry', reason: error.message });
      },
    },
    backend: flags.backend,
    implementation: flags.implementation,
    ...(flags.resumeFrom === undefined ? {} : { resumeFrom: parseReference(flags.resumeFrom, '--resume-from') }),
  });
  // Asked to stop during the last step, it is done all the same.
  process.exitCode = 0;
}

async function validate(flags: ValidateFlags): Promise<void> {
  if ((flags.segments === undefined) === (flags.sample === undefined))
    throw new InvalidJobError('Say which segments to execute: --segments 0,3,7 or --sample COUNT.');
  const options = {
    store: connect(flags),
    header: await readHeader(flags),
    logReference: parseReference(flags.log, '--log'),
    modelReference: parseReference(flags.model, '--model'),
    cacheBytes: flags.cacheMib * 2 ** 20,
    patience: { storePatienceMs: flags.storePatience * 1_000 },
    backend: flags.backend,
    implementation: flags.implementation,
  };
  const verdict =
    flags.segments === undefined
      ? await verifyCommitment({ ...options, sample: flags.sample ?? 1 })
      : await validateCommitment({ ...options, segments: flags.segments });
  process.stdout.write(`${JSON.stringify({ type: 'verdict', ...verdict })}\n`);
}

async function check(flags: CheckFlags): Promise<void> {
  const outcome = await checkJob({
    store: connect(flags),
    header: await readHeader(flags),
    patience: { storePatienceMs: flags.storePatience * 1_000 },
    backend: flags.backend,
    implementation: flags.implementation,
    ...(flags.maxMemoryMib === undefined ? {} : { maxMemoryBytes: flags.maxMemoryMib * 2 ** 20 }),
  });
  process.stdout.write(`${JSON.stringify({ type: 'check', ...outcome })}\n`);
}

function withCommonFlags(command: Command): Command {
  return command
    .requiredOption('--swarm <url>', 'a Bee node or the embedded store')
    .option('--header <file>', "the job's header as JSON in a file")
    .option('--header-json <json>', "the job's header as JSON")
    .option('--postage-batch <id>', 'postage batch that pays for uploads')
    .addOption(new Option('--backend <name>', 'exactly this backend; for jobs of tfjs/1').choices(backendNames))
    .addOption(
      new Option('--implementation <name>', 'exactly this implementation; for jobs of exact/1').choices(
        exactImplementations,
      ),
    )
    .option('--cache-mib <mib>', 'memory for the training view', positiveInteger, 64)
    .option('--store-patience <seconds>', 'how long an unavailable store is waited for', positiveInteger, 600);
}

const program = new Command('cotrain-trainer')
  .description('Trains a job, checks what another trained, or whether a job can be trained.')
  .exitOverride()
  .showHelpAfterError();

withCommonFlags(program.command('train'))
  .description('train a job; run again with the same workdir to continue')
  .requiredOption('--workdir <dir>', 'directory of the log and the checkpoint')
  .addOption(new Option('--progress <style>', 'how to report').choices(['json', 'bar', 'none']))
  .option('--resume-from <reference>', 'published log to continue from when the workdir was lost')
  .option('--pool-name <name>', 'label on every line of progress')
  .action((flags: TrainFlags) => train(flags));

withCommonFlags(program.command('validate'))
  .description('check a commitment by executing segments of it')
  .requiredOption('--log <reference>', "the committed log's reference")
  .requiredOption('--model <reference>', "the committed model's reference")
  .option('--segments <list>', 'segments to execute, such as 0,3,7', segmentList)
  .option('--sample <count>', 'execute this many segments, drawn at random', positiveInteger)
  .action((flags: ValidateFlags) => validate(flags));

withCommonFlags(program.command('check'))
  .description('find out before training whether a job can be trained')
  .option('--max-memory-mib <mib>', "memory that the model may take, if less than the job's own", positiveInteger)
  .action((flags: CheckFlags) => check(flags));

try {
  await program.parseAsync();
} catch (error) {
  const { code, exitCode } = error as { code?: unknown; exitCode?: number };
  if (typeof code === 'string' && code.startsWith('commander.')) {
    // Commander has printed help or what is wrong with the flags.
    process.exitCode = exitCode === 0 ? 0 : exitCodes.badInput;
  } else {
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
    const retryable = isRetryable(error) || isFullDisk(error);
    process.stderr.write(`${JSON.stringify({ type: 'error', name, retryable, message })}\n`);
    if (!(error instanceof TrainingInterruptedError) || process.exitCode === undefined)
      process.exitCode = retryable ? exitCodes.retryLater : exitCodes.badInput;
  }
}
// Sockets kept alive by the store's client must not hold the process.
process.exit();
