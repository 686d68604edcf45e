import { availableParallelism, totalmem } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '@cotrain/chain';
import { formatHeaderJson, type JobHeader } from '@cotrain/protocol';
import { z } from 'zod';
import { type ProcessEnd, startJsonLinesProcess } from '../scheduling/json-lines-process.ts';
import { Backoff } from './backoff.ts';

/** Whether a job can be trained. `final`: asking again cannot help. */
export type CheckVerdict = { ok: true } | { ok: false; reason: string; final: boolean };

/** Finds out whether a job can be trained before a pool stakes anything on it; see `cotrain-trainer check`. */
export interface JobChecker {
  /** The verdict on the job's documents if there is one that is not older than this; a final refusal never is. */
  known(header: JobHeader, maxAgeMs: number): CheckVerdict | undefined;
  /** Checks now, or joins a check of the same documents that is under way. What goes wrong is the verdict. */
  check(header: JobHeader, urgency: 'urgent' | 'leisurely'): Promise<CheckVerdict>;
  close(): Promise<void>;
}

export interface TrainerJobCheckerOptions {
  swarmUrl: string;
  /** Command of the trainer, which also checks. */
  command: readonly string[];
  logger: Logger;
  /** Checks at a time; at least two, one of which is kept for what is urgent. One less than the processors unless given. */
  parallel?: number;
  /** A check that takes longer is ended. */
  timeLimitMs?: number;
  /** Memory that a job's model may take while it is checked; half of this machine's unless given. */
  maxMemoryMiB?: number;
  /** Monotonic milliseconds. */
  now?: () => number;
}

const checkMessage = z.object({
  type: z.literal('check'),
  ok: z.boolean(),
  reason: z.string().max(20_000).nullable(),
});
type CheckMessage = z.infer<typeof checkMessage>;

/** Exit code of the trainer: something cannot be retrieved now. */
const tryAgainCode = 3;
/** A check that crashes or takes too long so often, in a row, is the job's fault. */
const maxCrashes = 3;
const firstRetryMs = 2_000;
const longestRetryMs = 60_000;
const storePatienceSeconds = 30;
const maxRemembered = 20_000;
const maxReasonLength = 500;

interface Check {
  key: string;
  header: JobHeader;
  urgent: boolean;
  verdict: Promise<CheckVerdict>;
  resolve: (verdict: CheckVerdict) => void;
}

/**
 * Checks jobs with the trainer's `check`, each in a process of its own, a few at a time. A verdict is remembered by what
 * it is about: the program, the initial state, the training view and the JobSpec. Many offers of the same documents cost
 * one check.
 */
export class TrainerJobChecker implements JobChecker {
  private readonly verdicts = new Map<string, { verdict: CheckVerdict; at: number }>();
  private readonly checks = new Map<string, Check>();
  private readonly waiting = new Set<Check>();
  private readonly running = new Map<Check, Promise<void>>();
  private readonly children = new Set<ChildProcess>();
  private readonly crashes = new Map<string, number>();
  private readonly retries: Backoff;
  private readonly now: () => number;
  private readonly parallel: number;
  private closed = false;

  constructor(private readonly options: TrainerJobCheckerOptions) {
    this.now = options.now ?? (() => performance.now());
    this.parallel = Math.max(2, options.parallel ?? availableParallelism() - 1);
    this.retries = new Backoff(firstRetryMs, longestRetryMs, this.now, maxRemembered);
  }

  known(header: JobHeader, maxAgeMs: number): CheckVerdict | undefined {
    const key = keyOf(header);
    const found = this.verdicts.get(key);
    if (found === undefined) return undefined;
    const { verdict, at } = found;
    const holds = verdict.ok ? this.now() - at <= maxAgeMs : verdict.final || this.retries.isWaiting(key);
    return holds ? verdict : undefined;
  }

  check(header: JobHeader, urgency: 'urgent' | 'leisurely'): Promise<CheckVerdict> {
    const key = keyOf(header);
    const underWay = this.checks.get(key);
    if (underWay !== undefined) {
      underWay.urgent ||= urgency === 'urgent';
      this.startWhatFits();
      return underWay.verdict;
    }
    const { promise, resolve } = Promise.withResolvers<CheckVerdict>();
    const check: Check = { key, header, urgent: urgency === 'urgent', verdict: promise, resolve };
    this.checks.set(key, check);
    this.waiting.add(check);
    this.startWhatFits();
    return promise;
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const check of this.waiting) this.end(check, closing);
    for (const child of this.children) child.kill('SIGKILL');
    await Promise.all(this.running.values());
  }

  private startWhatFits(): void {
    for (;;) {
      const next = this.next();
      if (next === undefined) return;
      this.waiting.delete(next);
      const work = this.execute(next).finally(() => {
        this.running.delete(next);
        this.startWhatFits();
      });
      this.running.set(next, work);
    }
  }

  /** Offers that are not paid for cost their requester nothing, so they never take all places. */
  private next(): Check | undefined {
    if (this.closed || this.running.size >= this.parallel) return undefined;
    for (const check of this.waiting) if (check.urgent) return check;
    if (this.running.size >= this.parallel - 1) return undefined;
    for (const check of this.waiting) return check;
    return undefined;
  }

  private async execute(check: Check): Promise<void> {
    const { key, header } = check;
    const { message, end, isLate } = await this.run(header);
    if (this.closed) {
      this.end(check, closing);
      return;
    }
    const verdict = this.judge(key, message, end, isLate);
    this.verdicts.delete(key);
    if (this.verdicts.size >= maxRemembered)
      for (const oldest of this.verdicts.keys()) if (this.verdicts.delete(oldest)) break;
    this.verdicts.set(key, { verdict, at: this.now() });
    if (verdict.ok || verdict.final) this.retries.succeeded(key);
    else this.retries.failed(key);
    if (!verdict.ok)
      this.options.logger.info(
        { jobSpecReference: header.jobSpecReference, reason: verdict.reason, final: verdict.final },
        'job cannot be trained',
      );
    this.end(check, verdict);
  }

  private end(check: Check, verdict: CheckVerdict): void {
    this.waiting.delete(check);
    this.checks.delete(check.key);
    check.resolve(verdict);
  }

  private judge(key: string, message: CheckMessage | null, end: ProcessEnd, isLate: boolean): CheckVerdict {
    if (end.code === 0 && message !== null) {
      this.crashes.delete(key);
      return message.ok
        ? { ok: true }
        : { ok: false, reason: (message.reason ?? 'no reason given').slice(0, maxReasonLength), final: true };
    }
    if (end.code === tryAgainCode) return { ok: false, reason: messageIn(end.lastWords), final: false };
    const crashes = (this.crashes.get(key) ?? 0) + 1;
    if (this.crashes.size >= maxRemembered) this.crashes.clear();
    this.crashes.set(key, crashes);
    const why = isLate
      ? 'it took too long'
      : messageIn(end.lastWords) || `it ended with ${end.signal ?? `exit code ${String(end.code)}`}`;
    return { ok: false, reason: `The job could not be checked: ${why}`, final: crashes >= maxCrashes };
  }

  private async run(header: JobHeader): Promise<{ message: CheckMessage | null; end: ProcessEnd; isLate: boolean }> {
    const { command, swarmUrl, timeLimitMs = 300_000, maxMemoryMiB } = this.options;
    const flags = {
      swarm: swarmUrl,
      'header-json': formatHeaderJson(header),
      'store-patience': String(storePatienceSeconds),
      'max-memory-mib': String(maxMemoryMiB ?? Math.floor(totalmem() / 2 ** 21)),
    };
    let message: CheckMessage | null = null;
    let isLate = false;
    const { child, ended } = startJsonLinesProcess(
      [...command, 'check', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])],
      (line) => {
        message = checkMessage.safeParse(line).data ?? message;
      },
    );
    this.children.add(child);
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, timeLimitMs);
    const end = await ended;
    clearTimeout(timer);
    this.children.delete(child);
    return { message, end, isLate };
  }
}

const closing: CheckVerdict = { ok: false, reason: 'The checker is closing.', final: false };

/** What a verdict is about. The rest of a JobHeader is what its JobSpec says, or the offer is refused before. */
function keyOf(header: JobHeader): string {
  const { programReference, initialStateReference, trainingViewReference, jobSpecReference } = header;
  return [programReference, initialStateReference, trainingViewReference, jobSpecReference].join(':');
}

/** The trainer's last words are a line of JSON with a message, or anything if it crashed. */
function messageIn(lastWords: string): string {
  const last = lastWords.split('\n').at(-1) ?? '';
  try {
    const { message } = JSON.parse(last) as { message?: unknown };
    if (typeof message === 'string') return message.slice(0, maxReasonLength);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return lastWords.slice(-maxReasonLength);
}
