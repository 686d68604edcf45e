import type { Command } from 'commander';
import { Connection, type ConnectionFlags, withConnection, withMarket } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { address } from '../client/parse-value.ts';
import { etherToken, isEther, tokenAmount } from '../client/token.ts';
import { TokenBook } from '../client/token-book.ts';
import { type Payout, withdrawCredit } from '../client/withdraw-credit.ts';
import { printResult } from '../terminal/result.ts';

const example = `
What an offer in a token gave back is in that token; forfeited bonds and slashed stake are in ETH.

Exit code 3: nothing is credited.

Examples:
  $ cotrain offer claim 1 --key-file .cotrain/keys/payer-1 && cotrain withdraw --key-file .cotrain/keys/payer-1
  $ cotrain withdraw --token 0x... --key-file .cotrain/keys/payer-1
`;

/** withdraw: what the contracts owe the caller: claimed refunds, returned bonds, earnings, fees. */
export function addWithdrawCommand(program: Command): void {
  withMarket(
    withConnection(
      program
        .command('withdraw')
        .description('pay out what market and quorum have credited to you: claimed refunds, bonds, earnings, fees'),
      ['api', 'rpc'],
    ),
  )
    .option('--token <address>', 'ERC-20 token; ETH unless given', address)
    .addHelpText('after', example)
    .action(async (flags: ConnectionFlags & { token?: string }) => {
      const connection = new Connection(flags);
      const account = await connection.signedIn();
      const token = await new TokenBook(connection).of(flags.token ?? etherToken.address);
      const payouts: Payout[] = [];
      // One after the other: they are transactions of one account.
      for (const contract of ['Market', 'Quorum'] as const) {
        const paid = await withdrawCredit(account, contract, token.address);
        if (paid !== null) payouts.push(paid);
      }
      if (payouts.length === 0)
        throw new CommandError(
          exitCodes.notFound,
          `Nothing is credited to ${account.wallet.address} in ${isEther(token) ? 'ETH' : `token ${token.address}`}. What an offer did not spend is claimed first: \`cotrain offer claim OFFER\`.`,
        );
      const amountWei = payouts.reduce((sum, paid) => sum + paid.amountWei, 0n);
      printResult(flags, { token: token.address, amountWei, payouts }, () => [
        `${tokenAmount(token, amountWei)} paid out to ${account.wallet.address}`,
        ...(isEther(token) ? [] : [`token ${token.address}`]),
        ...payouts.map((paid) => `transaction ${paid.transaction}`),
      ]);
    });
}
