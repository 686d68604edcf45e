#!/usr/bin/env node
import { CommanderError } from 'commander';
import { exitCodes, explain } from './client/errors.ts';
import { createProgram } from './program.ts';

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

try {
  await createProgram().parseAsync();
  // Sockets of finished clients may linger; the work is done.
  process.exit(process.exitCode ?? exitCodes.ok);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? exitCodes.ok : exitCodes.usage);
  const explained = explain(error);
  // What nobody foresaw is a bug: the stack helps whoever reports it.
  console.error(explained === null ? error : explained.message);
  process.exit(explained?.exitCode ?? exitCodes.failure);
}
