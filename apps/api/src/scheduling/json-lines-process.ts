import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How a process ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last of what it wrote to standard error. */
  lastWords: string;
}

const maxLineLength = 65_536;
/** What a trainer needs of our environment; keys and tokens of ours are not among it. */
const passedOn = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'NODE_ENV', 'NODE_OPTIONS'];

/** Starts a command that reports by JSON lines on standard output. Lines that are no JSON objects are ignored. */
export function startJsonLinesProcess(
  command: readonly string[],
  onMessage: (message: Record<string, unknown>) => void,
): { child: ChildProcess; ended: Promise<ProcessEnd> } {
  const [program = '', ...args] = command;
  const env = Object.fromEntries(
    passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let lastWords = '';
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-4_000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = line.length > maxLineLength ? null : parseObject(line);
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
