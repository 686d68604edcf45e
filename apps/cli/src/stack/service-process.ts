import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@cotrain/chain';
import { endWithThisProcess } from '@cotrain/processes';
import { z } from 'zod';
import type { Handover } from './secret-handover.ts';

/** A program of Cotrain that runs as a process of its own, and is started again when it dies. */
export interface ServiceProcess {
  url: string;
  /** Of the process that runs now. */
  pid(): number;
  /** Asks it to end, and waits. */
  close(): Promise<void>;
}

export interface ServiceOptions {
  /** As messages call it, such as `The API`. */
  name: string;
  /** Its main file. It says `{"url"}` in a line when it listens, and logs JSON lines to standard error. */
  main: string;
  environment: NodeJS.ProcessEnv;
  /** Variable that tells it its port, and the first one; 0 takes a free one, and a restart takes the same again. */
  port: { variable: string; first: number };
  /** Made anew for each start; the process finds it at descriptor 3. */
  secret?: () => Handover;
  /** What must answer 200 before it counts as started. */
  readyPath: '/health' | '/ready';
  startTimeoutMs: number;
  /** How long an orderly end may take. */
  stopTimeoutMs: number;
  logger: Logger;
  /** It died, and a new process has taken its place. */
  onRestart?: (() => void) | undefined;
}

/** A service ended, or did not answer, before it was ready. */
export class ServiceStartError extends Error {
  override readonly name = 'ServiceStartError';
  readonly retryable = false;

  constructor(
    what: string,
    /** The last of what it wrote to standard error. */
    readonly lastWords: string,
  ) {
    super(lastWords === '' ? `${what}.` : `${what}: ${lastWords}`);
  }
}

const firstPauseMs = 500;
const longestPauseMs = 30_000;
const lookMs = 100;
const answerTimeoutMs = 5_000;
const maxLastWords = 2_000;

/**
 * Starts a service and waits until it is ready. One that dies is said to the logger and started again: what it does
 * for its users (bids, jobs and votes with stakes on them) has deadlines on the chain that no person should have to
 * meet, and its state is on disk. It has a process group of its own, so that Ctrl-C ends only us and we end the
 * services one after the other; when we are killed, it ends all the same.
 * @throws ServiceStartError
 */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { logger, name } = options;
  let running = launch(options, options.port.first);
  const url = await untilReady(running, options).catch(async (error: unknown) => {
    running.child.kill('SIGKILL');
    await running.ended;
    throw error;
  });
  const port = Number(new URL(url).port);
  const closing = new AbortController();

  const supervise = async (): Promise<void> => {
    let pauseMs = firstPauseMs;
    for (;;) {
      const startedAt = performance.now();
      const how = await running.ended;
      if (closing.signal.aborted) return;
      if (performance.now() - startedAt > longestPauseMs) pauseMs = firstPauseMs;
      logger.warn({ service: name, how, lastWords: running.lastWords() }, 'a service died and is started again');
      await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined); // closing: the next line knows
      if (closing.signal.aborted) return;
      pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      running = launch(options, port);
      running.url.catch(() => undefined); // it has ended again, which the next turn says
      options.onRestart?.();
    }
  };
  const supervision = supervise();

  const killOnExit = (): void => {
    running.child.kill('SIGKILL');
  };
  process.once('exit', killOnExit);
  return {
    url,
    pid: () => running.child.pid ?? 0,
    async close() {
      closing.abort();
      running.child.kill('SIGTERM');
      const killing = setTimeout(() => {
        logger.warn({ service: name, afterMs: options.stopTimeoutMs }, 'a service did not end and is killed');
        running.child.kill('SIGKILL');
      }, options.stopTimeoutMs);
      await running.ended;
      clearTimeout(killing);
      process.off('exit', killOnExit);
      await supervision;
    },
  };
}

interface Running {
  child: ChildProcess;
  /** How it ended, in words. */
  ended: Promise<string>;
  /** Of the line that it says when it listens; rejected when it ends before. */
  url: Promise<string>;
  lastWords: () => string;
}

function launch(options: ServiceOptions, port: number): Running {
  const secret = options.secret?.();
  const child = spawn(process.execPath, [options.main], {
    stdio: ['ignore', 'pipe', 'pipe', secret?.descriptor ?? 'ignore'],
    env: { ...options.environment, [options.port.variable]: String(port) },
    detached: true,
  });
  endWithThisProcess(child, Math.ceil(options.stopTimeoutMs / 1_000));
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => {
      resolve(message);
    });
    child.once('close', (code, signal) => {
      resolve(signal === null ? `code ${String(code)}` : `signal ${signal}`);
    });
  });
  let listening = false;
  let lastWords = '';
  forEachLine(child.stderr, (line) => {
    lastWords = `${lastWords}${line}\n`.slice(-maxLastWords);
    pass(line, options, listening);
  });
  const url = new Promise<string>((resolve, reject) => {
    forEachLine(child.stdout, (line) => {
      const said = urlLine.safeParse(parse(line));
      if (!said.success) return;
      listening = true;
      resolve(said.data.url);
    });
    void ended.then((how) => {
      reject(new ServiceStartError(`${options.name} ended with ${how} before it was ready`, lastWords.trim()));
    });
  });
  // It has read its secret when it listens; if it ends before, nobody needs the secret any more.
  url.catch(() => undefined).finally(() => secret?.end());
  return { child, ended, url, lastWords: () => lastWords.trim() };
}

const urlLine = z.object({ url: z.url() });

/** @throws ServiceStartError */
async function untilReady(running: Running, options: ServiceOptions): Promise<string> {
  const { name, readyPath, startTimeoutMs } = options;
  const settled = new AbortController();
  const { signal } = settled;
  let answer = 'it does not listen';
  const late = async (): Promise<never> => {
    await delay(startTimeoutMs, undefined, { signal });
    const seconds = String(startTimeoutMs / 1_000);
    throw new ServiceStartError(`${name} was not ready within ${seconds} s (${answer})`, running.lastWords());
  };
  const ended = async (): Promise<never> => {
    const how = await running.ended;
    throw new ServiceStartError(`${name} ended with ${how} before it was ready`, running.lastWords());
  };
  const answers = async (): Promise<string> => {
    const url = await running.url;
    for (;;) {
      try {
        const patience = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]);
        const response = await fetch(`${url}${readyPath}`, { signal: patience });
        const text = await response.text();
        if (response.ok) return url;
        answer = `${readyPath}: ${String(response.status)} ${text.slice(0, 500)}`;
      } catch {
        answer = `${readyPath} does not answer`;
      }
      await delay(lookMs, undefined, { signal });
    }
  };
  try {
    return await Promise.race([answers(), ended(), late()]);
  } finally {
    settled.abort();
  }
}

/** What a service logs is passed on, with its level; before it listens, lines that are no log belong to the error. */
function pass(line: string, { logger, name }: ServiceOptions, listening: boolean): void {
  const entry = logLine.safeParse(parse(line));
  if (entry.success) {
    const { level, msg, time: _time, pid: _pid, hostname: _hostname, ...fields } = entry.data;
    const log = level >= 40 ? 'warn' : level >= 30 ? 'info' : 'debug';
    logger[log](fields, msg);
  } else if (listening && line !== '') logger.warn({ service: name, line }, 'a service wrote what is no log');
}

/** As pino writes them. */
const logLine = z.looseObject({
  level: z.number(),
  msg: z.string(),
  time: z.unknown(),
  pid: z.unknown(),
  hostname: z.unknown(),
});

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function forEachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}
