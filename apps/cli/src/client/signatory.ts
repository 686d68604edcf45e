import type { Provider, Wallet } from 'ethers';
import type { ApiClient, UnsignedTransaction } from './api-client.ts';
import { type ContractCall, describeCall } from './describe-call.ts';
import { CommandError, exitCodes } from './errors.ts';
import type { MarketContracts } from './market-contracts.ts';
import { sendTransaction, type SentTransaction } from './send-transaction.ts';

export interface SignatoryOptions {
  /** Signed in to with the wallet. */
  api: ApiClient;
  wallet: Wallet;
  /** The contracts that it acts on. */
  contracts: () => Promise<MarketContracts>;
  /** Throws if the user has to agree to this first; absent when he has named the market himself. */
  consent?: (what: string) => Promise<void>;
}

/**
 * An account that acts through an API without trusting it. The API prepares a transaction and says at once what the
 * contract would refuse; but it is signed only if it is, to the byte, the one that the command itself means.
 */
export class Signatory {
  readonly api: ApiClient;
  readonly wallet: Wallet;

  constructor(private readonly options: SignatoryOptions) {
    this.api = options.api;
    this.wallet = options.wallet;
  }

  /** The chain that it acts on. */
  get provider(): Provider {
    const { provider } = this.wallet;
    if (provider === null) throw new TypeError('The wallet has no provider.');
    return provider;
  }

  /** @throws CommandError when the API names other contracts than the user or the chain */
  contracts(): Promise<MarketContracts> {
    return this.options.contracts();
  }

  /** @throws CommandError when the user has to agree first */
  async consent(what: string): Promise<void> {
    await this.options.consent?.(what);
  }

  /**
   * Signs what is meant, if it is what was prepared, and sends it.
   * @throws CommandError with exit code 1 when it is something else; nothing is signed then
   */
  async send(prepared: UnsignedTransaction, meant: ContractCall): Promise<SentTransaction> {
    const { to, data } = prepared;
    const isSame =
      to.toLowerCase() === meant.to.toLowerCase() &&
      data.toLowerCase() === meant.data.toLowerCase() &&
      parseWei(prepared.valueWei) === meant.valueWei;
    if (!isSame)
      throw new CommandError(
        exitCodes.failure,
        `The API prepared another transaction than this command means. Nothing was signed. Do you trust this API?\n  meant:    ${describeCall(meant)}\n  prepared: ${describeCall({ to, data, valueWei: parseWei(prepared.valueWei) ?? 0n })}`,
      );
    await this.consent(describeCall(meant));
    return sendTransaction(this.wallet, {
      to: meant.to,
      data: meant.data,
      valueWei: String(meant.valueWei),
      chainId: prepared.chainId,
    });
  }
}

function parseWei(text: string): bigint | null {
  return /^\d{1,78}$/.test(text) ? BigInt(text) : null;
}
