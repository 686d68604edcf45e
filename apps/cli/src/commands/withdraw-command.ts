import type { Command } from 'commander';
import { Connection, type ConnectionFlags, withConnection, withKey } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { address } from '../client/parse-value.ts';
import { sendTransaction } from '../client/send-transaction.ts';
import { ether } from '../terminal/amount.ts';
import { printResult } from '../terminal/result.ts';

const etherToken = `0x${'0'.repeat(40)}`;

/** withdraw: what the market owes the caller: claimed refunds, returned bonds, earnings. */
export function addWithdrawCommand(program: Command): void {
  withKey(
    withConnection(
      program
        .command('withdraw')
        .description('pay out what the market has credited to you: claimed refunds, bonds, earnings'),
      ['api', 'rpc'],
    ),
  )
    .option('--token <address>', 'ERC-20 token; ETH unless given', address)
    .addHelpText(
      'after',
      '\nExit code 3: nothing is credited.\n\nExample:\n  $ cotrain offer claim 1 --key-file .cotrain/keys/payer-1 && cotrain withdraw --key-file .cotrain/keys/payer-1\n',
    )
    .action(async (flags: ConnectionFlags & { token?: string }) => {
      const { api, wallet } = await new Connection(flags).signedIn();
      const token = flags.token ?? etherToken;
      const { account } = await api.query<{ account: { marketCreditWei: string } }>(
        'query ($address: Address!, $token: Address!) { account(address: $address, token: $token) { marketCreditWei } }',
        { address: wallet.address, token },
      );
      const amountWei = BigInt(account.marketCreditWei);
      if (amountWei === 0n)
        throw new CommandError(
          exitCodes.notFound,
          `Nothing is credited to ${wallet.address}. What an offer did not spend is claimed first: \`cotrain offer claim OFFER\`.`,
        );
      const transaction = await api.prepare('prepareWithdraw', 'token: $token', '$token: Address!', { token });
      const { hash, gasUsed } = await sendTransaction(wallet, transaction);
      printResult(flags, { token, amountWei, transaction: hash, gasUsed }, () => [
        token === etherToken
          ? `${ether(amountWei)} ETH paid out to ${wallet.address}`
          : `${String(amountWei)} units of ${token} paid out to ${wallet.address}`,
        `transaction ${hash}`,
      ]);
    });
}
