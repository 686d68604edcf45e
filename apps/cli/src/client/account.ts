import type { ApiClient } from './api-client.ts';
import type { ConnectionFlags } from './connection.ts';
import { readWallet } from './read-wallet.ts';

/** An address's money in the contracts; credits are in the token that was asked for. */
export interface AccountAnswer {
  address: string;
  freeStakeWei: string;
  lockedStakeWei: string;
  unbondingStakeWei: string;
  withdrawableAt: string | null;
  validatorStakeWei: string;
  marketCreditWei: string;
  quorumCreditWei: string;
}

export async function fetchAccount(api: ApiClient, address: string, token?: string): Promise<AccountAnswer> {
  const { account } = await api.query<{ account: AccountAnswer }>(
    `query ($address: Address!${token === undefined ? '' : ', $token: Address!'}) {
      account(address: $address${token === undefined ? '' : ', token: $token'}) {
        address freeStakeWei lockedStakeWei unbondingStakeWei withdrawableAt validatorStakeWei marketCreditWei quorumCreditWei
      }
    }`,
    token === undefined ? { address } : { address, token },
  );
  return account;
}

/** The address that a command shows: the one that is named, or that of the user's key. */
export function shownAddress(named: string | undefined, flags: ConnectionFlags): string {
  return named ?? readWallet(flags.keyFile).address;
}
