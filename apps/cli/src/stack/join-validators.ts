import { encodeCall, readContract, sampledQuorumAbi } from '@cotrain/chain';
import { Wallet } from 'ethers';
import { sendTransaction, type SentTransaction } from '../client/send-transaction.ts';
import { localRoles, type Stack } from './stack.ts';

export const validatorStakeWei = 10n ** 18n;

/** A market without validators can check nothing: the local ones join, unless they have done so before. */
export async function joinValidators(
  stack: Pick<Stack, 'anvil' | 'provider' | 'deployment'>,
): Promise<SentTransaction[]> {
  const { quorum } = stack.deployment;
  const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'join', args: [] });
  const joined = await Promise.all(
    localRoles.validators.map(async (index) => {
      const wallet = new Wallet(stack.anvil.accounts[index]?.privateKey ?? '', stack.provider);
      const stakeWei = await readContract(stack.provider, {
        abi: sampledQuorumAbi,
        address: quorum,
        functionName: 'validatorStake',
        args: [wallet.address as `0x${string}`],
      });
      return stakeWei === 0n
        ? sendTransaction(wallet, { to: quorum, data, valueWei: String(validatorStakeWei) })
        : null;
    }),
  );
  return joined.filter((sent) => sent !== null);
}
