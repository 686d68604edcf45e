import { encodeCall, sampledQuorumAbi } from '@cotrain/chain';
import type { Command } from 'commander';
import { fetchAccount, shownAddress } from '../client/account.ts';
import type { UnsignedTransaction } from '../client/api-client.ts';
import { Connection, type ConnectionFlags, withConnection, withKey, withMarket } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { address, etherAmount } from '../client/parse-value.ts';
import type { SentTransaction } from '../client/send-transaction.ts';
import type { Signatory } from '../client/signatory.ts';
import { withdrawCredit } from '../client/withdraw-credit.ts';
import { ether } from '../terminal/amount.ts';
import { printResult } from '../terminal/result.ts';

const joinText = `
Somebody must execute and vote when you are drawn: an API whose validators include your address and whose signer holds
your key, as that of the local stack does for .cotrain/keys/validator-1 to validator-3. A validator who is drawn and
stays silent loses a part of the stake. A smaller stake than the quorum's least is refused.

Example:
  $ cotrain validator join 1 --key-file key
`;

const withdrawText = `
Leave first, and wait until you are not on duty any more. Pays out what the quorum owes you besides.

Exit codes: 3 you have no stake; 1 it is too early, or you have not left.

Example:
  $ cotrain validator withdraw --key-file key
`;

/** validator join, leave, withdraw, show: the stake of those who check the work. */
export function addValidatorCommands(program: Command): void {
  const validator = program.command('validator').description('validators: those who are drawn to check the work');
  signing(
    validator
      .command('join')
      .description('join the quorum with a stake in ETH, or add to it')
      .argument('<ETH>', 'stake to add', etherAmount),
  )
    .addHelpText('after', joinText)
    .action(join);
  signing(validator.command('leave').description('be drawn no more; the stake can be withdrawn some time later'))
    .addHelpText('after', '\nExample:\n  $ cotrain validator leave --key-file key\n')
    .action(leave);
  signing(validator.command('withdraw').description('pay out the stake after leaving'))
    .addHelpText('after', withdrawText)
    .action(withdraw);
  withKey(
    withConnection(
      validator
        .command('show')
        .description("show a validator's stake and what it has earned")
        .argument('[address]', 'of the validator; that of your key unless given', address),
      ['api'],
    ),
  )
    .addHelpText('after', '\nExample:\n  $ cotrain validator show 0x... --json\n')
    .action(show);
}

function signing(command: Command): Command {
  return withMarket(withConnection(command, ['api', 'rpc']));
}

async function toQuorum(
  account: Signatory,
  prepared: UnsignedTransaction,
  functionName: 'join' | 'leave' | 'withdrawStake',
  valueWei = 0n,
): Promise<SentTransaction> {
  const { quorum } = await account.contracts();
  const { data } = encodeCall({ abi: sampledQuorumAbi, functionName, args: [] });
  return account.send(prepared, { to: quorum, data, valueWei });
}

async function join(amountWei: bigint, flags: ConnectionFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { api, wallet } = account;
  const prepared = await api.prepare('prepareJoinAsValidator', 'amountWei: $amountWei', '$amountWei: Wei!', {
    amountWei: String(amountWei),
  });
  const { hash, gasUsed } = await toQuorum(account, prepared, 'join', amountWei);
  const { validatorStakeWei } = await fetchAccount(api, wallet.address);
  printResult(flags, { validator: wallet.address, amountWei, validatorStakeWei, transaction: hash, gasUsed }, () => [
    `${wallet.address} is a validator with ${ether(BigInt(validatorStakeWei))} ETH of stake`,
    `transaction ${hash}`,
  ]);
}

async function leave(flags: ConnectionFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { api, wallet } = account;
  const { hash, gasUsed } = await toQuorum(account, await api.prepare('prepareLeaveAsValidator', '', '', {}), 'leave');
  printResult(flags, { validator: wallet.address, transaction: hash, gasUsed }, () => [
    `${wallet.address} is leaving: \`cotrain validator withdraw\` pays the stake out after the waiting time`,
    `transaction ${hash}`,
  ]);
}

async function withdraw(flags: ConnectionFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { api, wallet } = account;
  const { validatorStakeWei, quorumCreditWei } = await fetchAccount(api, wallet.address);
  const stakeWei = BigInt(validatorStakeWei);
  // The stake may have become a credit already, if the second transaction of an earlier attempt failed.
  if (stakeWei === 0n && BigInt(quorumCreditWei) === 0n)
    throw new CommandError(exitCodes.notFound, `${wallet.address} has no stake as a validator, and nothing is owed.`);
  const released =
    stakeWei === 0n
      ? null
      : await toQuorum(account, await api.prepare('prepareWithdrawValidatorStake', '', '', {}), 'withdrawStake');
  const paid = await withdrawCredit(account, 'Quorum');
  printResult(flags, { stakeWei, released: released?.hash ?? null, ...paid }, () => [
    `${ether(paid?.amountWei ?? 0n)} ETH paid out to ${wallet.address}, of which ${ether(stakeWei)} ETH are the stake`,
    ...(paid === null ? [] : [`transaction ${paid.transaction}`]),
  ]);
}

async function show(named: string | undefined, flags: ConnectionFlags): Promise<void> {
  const who = shownAddress(named, flags);
  const account = await fetchAccount(await new Connection(flags).api(), who);
  const { validatorStakeWei, marketCreditWei, quorumCreditWei } = account;
  printResult(flags, { address: account.address, validatorStakeWei, marketCreditWei, quorumCreditWei }, () => [
    `validator ${account.address}`,
    `stake     ${ether(BigInt(validatorStakeWei))} ETH`,
    `owed      ${ether(BigInt(marketCreditWei))} ETH by the market, ${ether(BigInt(quorumCreditWei))} ETH by the quorum`,
  ]);
}
