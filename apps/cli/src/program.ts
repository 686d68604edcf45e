import { Command } from 'commander';
import { addDatasetCommands } from './commands/dataset-commands.ts';
import { addDemoCommand } from './commands/demo-command.ts';
import { addJobCommands } from './commands/job-commands.ts';
import { addOfferCommands } from './commands/offer-commands.ts';
import { addPoolCommands } from './commands/pool-commands.ts';
import { addProgramCommands } from './commands/program-commands.ts';
import { addStakeCommands } from './commands/stake-commands.ts';
import { addStackCommands } from './commands/stack-commands.ts';
import { addValidatorCommands } from './commands/validator-commands.ts';
import { addVerifyCommand } from './commands/verify-command.ts';
import { addWithdrawCommand } from './commands/withdraw-command.ts';

const help = `
Exit codes:
  0    done
  1    failure: the reason is on standard error
  2    wrong usage: a flag, a file or a value
  3    not found: no such offer, log or credit
  4    not available: API, chain or store does not answer, or is not ready
  5    verification failed: the published work is wrong or cannot be had
  6    forbidden: it belongs to somebody else
  130  interrupted

Start here:
  $ cotrain demo
  $ cotrain up
`;

/** The command line: every command with its flags and help. */
export function createProgram(): Command {
  const program = new Command('cotrain')
    .description('Train AI models that a community owns: fund, bid, train, check, pay.')
    .version('0.1.0')
    .addHelpText('after', help);
  addStackCommands(program);
  addDatasetCommands(program);
  addOfferCommands(program);
  addWithdrawCommand(program);
  addPoolCommands(program);
  addStakeCommands(program);
  addValidatorCommands(program);
  addJobCommands(program);
  addVerifyCommand(program);
  addProgramCommands(program);
  addDemoCommand(program);
  exitLikeProgram(program);
  return program;
}

/** Wrong usage has an exit code of its own, in every command: it is thrown, and `main` ends the process. */
function exitLikeProgram(command: Command): void {
  command.exitOverride().showHelpAfterError('(add --help for the flags and examples)');
  for (const child of command.commands) exitLikeProgram(child);
}
