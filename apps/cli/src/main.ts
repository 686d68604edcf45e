#!/usr/bin/env node
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { pino } from 'pino';
import { CommandError, exitCodes } from './client/errors.ts';
import { runDemo } from './demo/demo.ts';
import { Story } from './demo/story.ts';

const program = new Command('cotrain').description('Train AI models that a community owns: fund, bid, train, check, pay.').version('0.1.0');

program
  .command('demo')
  .description('run two offers end to end on a local stack: one is paid, one convicts a cheat')
  .option('--json <file>', 'also write a report to this file')
  .option('--dir <folder>', 'keep the state in this folder instead of a temporary one')
  .option('--log-level <level>', 'debug, info or warn', 'warn')
  .addHelpText('after', '\nExample:\n  $ cotrain demo --json report.json\n')
  .action(async (flags: { json?: string; dir?: string; logLevel: string }) => {
    const folder = flags.dir ?? mkdtempSync(join(tmpdir(), 'cotrain-demo-'));
    try {
      const logger = pino({ level: flags.logLevel }, pino.destination(2));
      await runDemo({ stack: { folder, logger }, story: new Story(process.stdout), jsonFile: flags.json });
    } finally {
      if (flags.dir === undefined) rmSync(folder, { recursive: true, force: true });
    }
  });

try {
  await program.parseAsync();
  // Sockets of finished clients may linger; the work is done.
  process.exit(process.exitCode ?? exitCodes.ok);
} catch (error) {
  if (error instanceof CommandError) console.error(error.message);
  else console.error(error);
  process.exit(error instanceof CommandError ? error.exitCode : exitCodes.failure);
}
