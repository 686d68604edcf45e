import { encodeCall, trainerRegistryAbi } from '@cotrain/chain';
import type { SentTransaction } from './send-transaction.ts';
import type { Signatory } from './signatory.ts';

/** Deposits the account's ETH as a trainer's stake, which only that trainer can take back. */
export async function depositStake(account: Signatory, trainer: string, amountWei: bigint): Promise<SentTransaction> {
  const prepared = await account.api.prepare(
    'prepareDepositStake',
    'trainer: $trainer, amountWei: $amountWei',
    '$trainer: Address!, $amountWei: Wei!',
    { trainer, amountWei: String(amountWei) },
  );
  const { registry } = await account.contracts();
  const { data } = encodeCall({
    abi: trainerRegistryAbi,
    functionName: 'depositFor',
    args: [trainer as `0x${string}`],
  });
  return account.send(prepared, { to: registry, data, valueWei: amountWei });
}
