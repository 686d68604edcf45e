import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { pino } from 'pino';
import type { LogLevel } from '../stack/api-process.ts';
import { jsonLine } from '../terminal/result.ts';
import { stopSignal } from '../terminal/stop-signal.ts';
import { Story } from '../terminal/story.ts';

interface DemoFlags {
  json?: string | true;
  dir?: string;
  keep?: boolean;
  logLevel: LogLevel;
}

const example = `
Starts a stack of its own, lets three companies pay for a model of handwritten digits, has it trained, checked and
paid, and then convicts a trainer who cheats. Exit code 0 only if everything came out as it must.

Examples:
  $ cotrain demo
  $ cotrain demo --json report.json
  $ cotrain demo --json | jq '.offers[].outcome'
`;

/** demo: the whole story on a local stack. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('run two offers end to end on a local stack: one is paid, one convicts a cheat')
    .option(
      '--json [file]',
      'write a report to this file; without a file to standard output, the story to standard error',
    )
    .option('--dir <folder>', 'keep the state in this (empty) folder instead of a temporary one')
    .option('--keep', 'leave the stack up at the end, until Ctrl-C')
    .addOption(
      new Option('--log-level <level>', 'of the messages on standard error')
        .choices(['debug', 'info', 'warn'])
        .default('warn'),
    )
    .addHelpText('after', example)
    .action(demo);
}

async function demo(flags: DemoFlags): Promise<void> {
  const stopping = stopSignal();
  const folder = flags.dir ?? mkdtempSync(join(tmpdir(), 'cotrain-demo-'));
  const story = new Story(flags.json === true ? process.stderr : process.stdout);
  const { runDemo } = await import('../demo/demo.ts');
  try {
    const report = await runDemo({
      stack: { folder, logger: pino({ level: flags.logLevel }, pino.destination(2)), logLevel: flags.logLevel },
      story,
      stopping,
      jsonFile: typeof flags.json === 'string' ? flags.json : undefined,
      keep: flags.keep === true,
    });
    if (flags.json === true) console.log(jsonLine(report));
  } finally {
    story.clearBar();
    if (flags.dir === undefined) rmSync(folder, { recursive: true, force: true });
  }
}
