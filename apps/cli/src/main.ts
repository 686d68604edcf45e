#!/usr/bin/env node
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { pino } from 'pino';
import { CommandError, exitCodes } from './client/errors.ts';
import { addDatasetCommands } from './commands/dataset-commands.ts';
import { addJobCommands } from './commands/job-commands.ts';
import { addOfferCommands } from './commands/offer-commands.ts';
import { addPoolCommands } from './commands/pool-commands.ts';
import { addStackCommands } from './commands/stack-commands.ts';
import { addVerifyCommand } from './commands/verify-command.ts';
import { runDemo } from './demo/demo.ts';
import { Story } from './demo/story.ts';

const program = new Command('cotrain')
  .description('Train AI models that a community owns: fund, bid, train, check, pay.')
  .version('0.1.0')
  .addHelpText(
    'after',
    `
Exit codes: 0 done, 1 failure, 2 wrong usage, 3 not found, 4 not available, 5 verification failed, 6 forbidden.

Start here:
  $ cotrain demo
  $ cotrain up
`,
  );

addStackCommands(program);
addDatasetCommands(program);
addOfferCommands(program);
addPoolCommands(program);
addJobCommands(program);
addVerifyCommand(program);

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

program.exitOverride();
for (const command of program.commands) exitLikeProgram(command);

try {
  await program.parseAsync();
  // Sockets of finished clients may linger; the work is done.
  process.exit(process.exitCode ?? exitCodes.ok);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage);
  if (error instanceof CommandError) console.error(error.message);
  else console.error(error);
  process.exit(error instanceof CommandError ? error.exitCode : exitCodes.failure);
}

/** Wrong usage has an exit code of its own, in every command. */
function exitLikeProgram(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) exitLikeProgram(child);
}
