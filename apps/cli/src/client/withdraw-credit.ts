import { encodeCall, trainingMarketAbi } from '@cotrain/chain';
import { fetchAccount } from './account.ts';
import type { Signatory } from './signatory.ts';
import { etherToken } from './token.ts';

/** The contracts that owe money: for offers, and to validators and challengers. */
export type PayingContract = 'Market' | 'Quorum';

/** What was paid out of one contract, in the smallest unit of the token. */
export interface Payout {
  contract: PayingContract;
  amountWei: bigint;
  transaction: string;
  gasUsed: bigint;
}

/** Pays out all that a contract owes the account in a token; null when it owes nothing. */
export async function withdrawCredit(
  signatory: Signatory,
  contract: PayingContract,
  token = etherToken.address,
): Promise<Payout | null> {
  const account = await fetchAccount(signatory.api, signatory.wallet.address, token);
  const amountWei = BigInt(contract === 'Market' ? account.marketCreditWei : account.quorumCreditWei);
  if (amountWei === 0n) return null;
  const prepared = await signatory.api.prepare(
    'prepareWithdraw',
    'token: $token, contract: $contract',
    '$token: Address!, $contract: PayingContract!',
    { token, contract },
  );
  const { market, quorum } = await signatory.contracts();
  // Both contracts keep their accounts alike.
  const { data } = encodeCall({
    abi: trainingMarketAbi,
    functionName: 'withdraw',
    args: [token as `0x${string}`],
  });
  const to = contract === 'Market' ? market : quorum;
  const { hash, gasUsed } = await signatory.send(prepared, { to, data, valueWei: 0n });
  return { contract, amountWei, transaction: hash, gasUsed };
}
