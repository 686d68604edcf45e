import { InvalidReceiptError, type MatchReceipt, replayReceipt } from '@cotrain/matching';
import type { ApiClient } from './api-client.ts';
import { CommandError, exitCodes } from './errors.ts';

/** A match receipt, and what came out when the decision was made again from it. */
export interface ReplayedReceipt {
  receipt: MatchReceipt;
  /** The inputs are those that the receipt's hash names. */
  inputsAgree: boolean;
  /** They lead to the choice and the reasons that it states. */
  decisionAgrees: boolean;
}

/** The newest match receipt of an offer. @throws CommandError with exit code 3 when the API has none */
export async function fetchReceipt(api: ApiClient, offerId: number): Promise<string> {
  const { matchReceipts } = await api.query<{ matchReceipts: { nodes: { receiptJson: string }[] } }>(
    'query ($id: Int!) { matchReceipts(offerId: $id, first: 1) { nodes { receiptJson } } }',
    { id: offerId },
  );
  const [newest] = matchReceipts.nodes;
  if (newest !== undefined) return newest.receiptJson;
  throw new CommandError(
    exitCodes.notFound,
    `This API has no match receipt of offer ${String(offerId)}: it has not looked for a pool for it.`,
  );
}

/**
 * Makes the decision of a receipt again, here, with nothing but what the receipt holds.
 * @throws CommandError with exit code 5 when it is no receipt, or that of another offer
 */
export function replay(receiptJson: string, offerId: number): ReplayedReceipt {
  try {
    const receipt = JSON.parse(receiptJson) as MatchReceipt;
    const result = replayReceipt(receipt);
    if (receipt.offerId === offerId) return { receipt, ...result };
  } catch (cause) {
    if (!(cause instanceof InvalidReceiptError) && !(cause instanceof SyntaxError)) throw cause;
    throw new CommandError(exitCodes.verificationFailed, cause.message, { cause });
  }
  throw new CommandError(
    exitCodes.verificationFailed,
    `The API was asked for the receipt of offer ${String(offerId)} and gave that of another one.`,
  );
}
