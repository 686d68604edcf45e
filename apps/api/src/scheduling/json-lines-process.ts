import { type ChildProcess, spawn } from 'node:child_process';
import { endWithThisProcess } from '@cotrain/processes';
import { onLines } from './bounded-lines.ts';

/** How a process ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last of what it wrote to standard error. */
  lastWords: string;
}

export interface JsonLinesProcess {
  child: ChildProcess;
  ended: Promise<ProcessEnd>;
}

const maxLineLength = 65_536;
const maxLastWords = 4_000;
/** What a trainer needs of our environment; keys and tokens of ours are not among it. */
const passedOn = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'NODE_ENV', 'NODE_OPTIONS'];
/** Seconds that a process has to end by itself after the one that started it is gone. */
const graceSeconds = 30;

/**
 * The shell writes its process id, which stays the command's, before the command runs: so whoever finds the file finds
 * the process, also if the one that started it died in between.
 */
const recordPid = 'printf %s "$$" > "$0.new" && mv "$0.new" "$0" && exec "$@"';
/**
 * Starts a command that reports by JSON lines on standard output. Lines that are no JSON objects, or too long, are
 * ignored. The command does not outlive this process, not even if this process is killed.
 * @param pidFile where to note the process id, for whoever has to end it later
 */
export function startJsonLinesProcess(
  command: readonly string[],
  onMessage: (message: Record<string, unknown>) => void,
  pidFile?: string,
): JsonLinesProcess {
  const [program = '', ...args] = pidFile === undefined ? command : ['/bin/sh', '-c', recordPid, pidFile, ...command];
  const env = Object.fromEntries(
    passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  endWithThisProcess(child, graceSeconds);
  let lastWords = '';
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-maxLastWords);
  });
  onLines(child.stdout, maxLineLength, (line) => {
    const message = parseObject(line);
    if (message !== null) onMessage(message);
  });
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('error', (error) => {
      resolve({ code: null, signal: null, lastWords: error.message });
    });
    child.once('close', (code, signal) => {
      resolve({ code, signal, lastWords: lastWords.trim() });
    });
  });
  return { child, ended };
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
