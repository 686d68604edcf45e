import type { Command } from 'commander';
import { Connection, type ConnectionFlags, withConnection } from '../client/connection.ts';
import { exitCodes } from '../client/errors.ts';
import { fetchReceipt, replay, type ReplayedReceipt } from '../client/match-receipt.ts';
import { fetchOffer } from '../client/offer-queries.ts';
import { positiveInteger } from '../client/parse-value.ts';
import { TokenBook } from '../client/token-book.ts';
import { printResult } from '../terminal/result.ts';

const text = `
A match receipt holds a decision of an API with everything that it followed from. It is made again on this machine from
these inputs alone. That the pools were as the receipt says is the API's word; that the decision follows from it is not.

Exit codes: 0 the inputs are those of the hash, and they lead to the same decision; 5 they are not, or do not; 3 there
is no receipt.

Examples:
  $ cotrain offer receipt 1
  $ cotrain offer receipt 1 --json | jq .receipt.rejectedByReason
`;

/** offer receipt. */
export function addOfferReceipt(offer: Command): void {
  withConnection(
    offer
      .command('receipt')
      .description("replay an offer's match receipt: why this pool, and why not the others")
      .argument('<offer>', 'id of the offer', positiveInteger),
    ['api', 'rpc'],
  )
    .addHelpText('after', text)
    .action(async (id: number, flags: ConnectionFlags) => {
      const connection = new Connection(flags);
      const api = await connection.api();
      const { terms } = await fetchOffer(api, id);
      const replayed = replay(await fetchReceipt(api, id), id);
      const amount = await new TokenBook(connection).reader(flags.json === true ? [] : [terms.token]);
      printResult(flags, replayed, () => describe(replayed, (units) => amount(terms.token, units)));
      if (!replayed.inputsAgree || !replayed.decisionAgrees) process.exitCode = exitCodes.verificationFailed;
    });
}

function describe(
  { receipt, inputsAgree, decisionAgrees }: ReplayedReceipt,
  amount: (units: string) => string,
): string[] {
  const { chosen, rejected, rejectedNotListed } = receipt;
  return [
    `offer ${String(receipt.offerId)}, decided at ${receipt.decidedAt}`,
    chosen === null ? 'no pool was chosen' : `pool ${chosen.poolId.padEnd(24)} chosen at ${amount(chosen.priceWei)}`,
    ...rejected.map(
      ({ poolId, reasons, priceWei }) =>
        `pool ${poolId.padEnd(24)} not chosen: ${reasons.join(', ')} (its price is ${amount(priceWei)})`,
    ),
    ...(rejectedNotListed === 0 ? [] : [`${String(rejectedNotListed)} more were not chosen`]),
    `inputs   ${inputsAgree ? `agree with their hash ${receipt.inputsHash}` : `DIFFER from their hash ${receipt.inputsHash}`}`,
    `decision ${decisionAgrees ? 'agrees: it follows from the inputs' : 'DIFFERS: it does not follow from the inputs'}`,
  ];
}
