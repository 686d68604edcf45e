import { encodeCall, trainerRegistryAbi } from '@cotrain/chain';
import { type Command, InvalidArgumentError } from 'commander';
import { type AccountAnswer, fetchAccount, shownAddress } from '../client/account.ts';
import { Connection, type ConnectionFlags, withConnection, withKey, withMarket } from '../client/connection.ts';
import { depositStake } from '../client/deposit-stake.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { address, etherAmount } from '../client/parse-value.ts';
import { ether } from '../terminal/amount.ts';
import { printResult } from '../terminal/result.ts';

const showText = `
Free stake can back bids, locked stake backs an award until it is settled, and unbonding stake is on its way out.

Examples:
  $ cotrain stake show --key-file .cotrain/keys/pool-1
  $ cotrain stake show 0x... --json | jq -r .freeStakeWei
`;

const unbondText = `
Stake that backs an award stays locked until the offer is settled. When the unbonding time is over, \`cotrain stake
withdraw\` pays out; unbonding more restarts the time of all that is unbonding.

Examples:
  $ cotrain stake unbond 1.5 --key-file .cotrain/keys/pool-1
  $ cotrain stake unbond all --key-file .cotrain/keys/pool-1
`;

/** stake show, deposit, unbond, withdraw: a trainer's stake, which its pools' bids need. */
export function addStakeCommands(program: Command): void {
  const stake = program.command('stake').description("a trainer's stake, which backs the bids of its pools");
  withKey(
    withConnection(
      stake
        .command('show')
        .description('show the stake of an address')
        .argument('[address]', 'whose stake; that of your key unless given', address),
      ['api'],
    ),
  )
    .addHelpText('after', showText)
    .action(async (named: string | undefined, flags: ConnectionFlags) => {
      const who = shownAddress(named, flags);
      const account = await fetchAccount(await new Connection(flags).api(), who);
      printResult(flags, stakeOf(account), () => describe(account));
    });
  signing(stake.command('deposit').description('add to a stake, in ETH').argument('<ETH>', 'how much', etherAmount))
    .option('--trainer <address>', 'whose stake, that only he can take back; yours unless given', address)
    .addHelpText('after', '\nExample:\n  $ cotrain stake deposit 2 --key-file .cotrain/keys/pool-1\n')
    .action(async (amountWei: bigint, flags: ConnectionFlags & { trainer?: string }) => {
      const account = await new Connection(flags).signedIn();
      const trainer = flags.trainer ?? account.wallet.address;
      const { hash, gasUsed } = await depositStake(account, trainer, amountWei);
      printResult(flags, { trainer, amountWei, transaction: hash, gasUsed }, () => [
        `Deposited ${ether(amountWei)} ETH of stake for ${trainer}`,
        `transaction ${hash}`,
      ]);
    });
  signing(
    stake
      .command('unbond')
      .description('start to take back stake that backs no award')
      .argument('<ETH|all>', 'how much', amountOrAll),
  )
    .addHelpText('after', unbondText)
    .action(unbond);
  signing(stake.command('withdraw').description('pay out the stake whose unbonding time is over'))
    .addHelpText(
      'after',
      '\nExit codes: 3 nothing is unbonding; 1 the time is not over yet.\n\nExample:\n  $ cotrain stake withdraw --key-file .cotrain/keys/pool-1\n',
    )
    .action(withdraw);
}

function signing(command: Command): Command {
  return withMarket(withConnection(command, ['api', 'rpc']));
}

function amountOrAll(text: string): bigint | 'all' {
  if (text === 'all') return text;
  if (!/^\d/.test(text)) throw new InvalidArgumentError('Give an amount in ETH such as 1.5, or all.');
  return etherAmount(text);
}

async function unbond(amount: bigint | 'all', flags: ConnectionFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { api, wallet } = account;
  const amountWei = amount === 'all' ? BigInt((await fetchAccount(api, wallet.address)).freeStakeWei) : amount;
  if (amount === 'all' && amountWei === 0n)
    throw new CommandError(exitCodes.notFound, `${wallet.address} has no free stake. See \`cotrain stake show\`.`);
  const prepared = await api.prepare('prepareUnbond', 'amountWei: $amountWei', '$amountWei: Wei!', {
    amountWei: String(amountWei),
  });
  const { registry } = await account.contracts();
  const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'unbond', args: [amountWei] });
  const { hash, gasUsed } = await account.send(prepared, { to: registry, data, valueWei: 0n });
  const { withdrawableAt } = await fetchAccount(api, wallet.address);
  printResult(flags, { amountWei, withdrawableAt, transaction: hash, gasUsed }, () => [
    `Unbonding ${ether(amountWei)} ETH, to be withdrawn from ${withdrawableAt ?? 'the unbonding time'} on`,
    `transaction ${hash}`,
  ]);
}

async function withdraw(flags: ConnectionFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { api, wallet } = account;
  const { unbondingStakeWei, withdrawableAt } = await fetchAccount(api, wallet.address);
  const amountWei = BigInt(unbondingStakeWei);
  if (amountWei === 0n)
    throw new CommandError(
      exitCodes.notFound,
      `${wallet.address} has no stake that is unbonding. Start with \`cotrain stake unbond\`.`,
    );
  const prepared = await api.prepare('prepareWithdrawStake', '', '', {}).catch((error: unknown) => {
    if (!(error instanceof CommandError) || !error.message.includes('StillUnbonding')) throw error;
    throw new CommandError(
      exitCodes.failure,
      `${ether(amountWei)} ETH are unbonding until ${withdrawableAt ?? 'later'}. Try again then.`,
      { cause: error },
    );
  });
  const { registry } = await account.contracts();
  const { data } = encodeCall({ abi: trainerRegistryAbi, functionName: 'withdrawStake', args: [] });
  const { hash, gasUsed } = await account.send(prepared, { to: registry, data, valueWei: 0n });
  printResult(flags, { amountWei, transaction: hash, gasUsed }, () => [
    `${ether(amountWei)} ETH of stake paid out to ${wallet.address}`,
    `transaction ${hash}`,
  ]);
}

function stakeOf(
  account: AccountAnswer,
): Pick<AccountAnswer, 'address' | 'freeStakeWei' | 'lockedStakeWei' | 'unbondingStakeWei' | 'withdrawableAt'> {
  const { freeStakeWei, lockedStakeWei, unbondingStakeWei, withdrawableAt } = account;
  return { address: account.address, freeStakeWei, lockedStakeWei, unbondingStakeWei, withdrawableAt };
}

function describe({ address: who, ...account }: AccountAnswer): string[] {
  const until = account.withdrawableAt === null ? '' : `, to be withdrawn from ${account.withdrawableAt} on`;
  return [
    `trainer   ${who}`,
    `free      ${ether(BigInt(account.freeStakeWei))} ETH`,
    `locked    ${ether(BigInt(account.lockedStakeWei))} ETH`,
    `unbonding ${ether(BigInt(account.unbondingStakeWei))} ETH${until}`,
  ];
}
