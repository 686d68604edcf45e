import type { FeeData } from 'ethers';

/** What a transaction offers per unit of gas. */
export interface Fees {
  maxFeePerGasWei: bigint;
  maxPriorityFeePerGasWei: bigint;
}

/** What the market asks now. */
export function marketFees(data: FeeData): Fees {
  return {
    maxFeePerGasWei: data.maxFeePerGas ?? data.gasPrice ?? 10n ** 9n,
    maxPriorityFeePerGasWei: data.maxPriorityFeePerGas ?? 0n,
  };
}

const bumpPercent = 13n; // nodes ask for at least 10 %, some for 12.5 %

/** What a replacement must pay at least, and what the market asks now if that is more. */
export function raise(last: Fees, market: Fees): Fees {
  const raised = (wei: bigint, marketWei: bigint): bigint => {
    const least = (wei * (100n + bumpPercent)) / 100n + 1n;
    return least > marketWei ? least : marketWei;
  };
  return {
    maxFeePerGasWei: raised(last.maxFeePerGasWei, market.maxFeePerGasWei),
    maxPriorityFeePerGasWei: raised(last.maxPriorityFeePerGasWei, market.maxPriorityFeePerGasWei),
  };
}

/**
 * What a call may need more than its estimate when others act in the same block: a quarter, and three storage slots that
 * were not to be written (22,100 each). Gas that is not used is not paid. What needs still more is sent again.
 */
export const withMargin = (estimate: bigint): bigint => (estimate * 5n) / 4n + 66_300n;

/** The last 64th of the gas stays with the caller when an inner call runs out. */
export function ranOutOfGas(gasUsed: bigint, gasLimit: bigint): boolean {
  return gasUsed * 64n >= gasLimit * 63n;
}
