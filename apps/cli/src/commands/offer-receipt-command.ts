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

docs/cli.md explains the reasons. Of an offer whose documents are refused only those are printed that do not depend on them.

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
      const { terms, matchable, unmatchableReason } = await fetchOffer(api, id);
      const replayed = replay(await fetchReceipt(api, id), id);
      const refusal = matchable === false ? unmatchableReason : null;
      const amount = await new TokenBook(connection).reader(flags.json === true ? [] : [terms.token]);
      printResult(flags, { ...replayed, unmatchableReason: refusal }, () =>
        describe(replayed, refusal, (units) => amount(terms.token, units)),
      );
      if (!replayed.inputsAgree || !replayed.decisionAgrees) process.exitCode = exitCodes.verificationFailed;
    });
}

/** Where the documents are refused, the job's needs in a receipt are placeholders; these reasons do not come from them. */
const reasonsWithoutDocuments = new Set([
  'OFFER_NOT_BIDDING',
  'SPEC_INVALID',
  'VALIDATION_FEE_TOO_LOW',
  'POOL_PAUSED',
  'TOKEN_NOT_ACCEPTED',
  'STAKE_TOO_LOW',
  'BID_REFUSED',
]);

function describe(
  { receipt, inputsAgree, decisionAgrees }: ReplayedReceipt,
  refusal: string | null,
  amount: (units: string) => string,
): string[] {
  const { chosen, rejected, rejectedNotListed } = receipt;
  const { specValid } = receipt.inputs.offer;
  return [
    `offer ${String(receipt.offerId)}, decided at ${receipt.decidedAt}`,
    ...(specValid ? [] : [`its documents were refused${refusal === null ? '' : `: ${refusal}`}`]),
    chosen === null ? 'no pool was chosen' : `pool ${chosen.poolId.padEnd(24)} chosen at ${amount(chosen.priceWei)}`,
    ...rejected.map(
      ({ poolId, reasons, priceWei }) =>
        `pool ${poolId.padEnd(24)} not chosen: ${specValid ? `${reasons.join(', ')} (its price is ${amount(priceWei)})` : reasons.filter((reason) => reasonsWithoutDocuments.has(reason)).join(', ')}`,
    ),
    ...(rejectedNotListed === 0 ? [] : [`${String(rejectedNotListed)} more were not chosen`]),
    `inputs   ${inputsAgree ? `agree with their hash ${receipt.inputsHash}` : `DIFFER from their hash ${receipt.inputsHash}`}`,
    `decision ${decisionAgrees ? 'agrees: it follows from the inputs' : 'DIFFERS: it does not follow from the inputs'}`,
  ];
}
