import { type Command, Option } from 'commander';
import { Connection, type ConnectionFlags, withConnection } from '../client/connection.ts';
import { fetchOffer, type OfferAnswer, offerStates, voteName } from '../client/offer-queries.ts';
import { positiveInteger } from '../client/parse-value.ts';
import { isEther } from '../client/token.ts';
import { TokenBook } from '../client/token-book.ts';
import { ether } from '../terminal/amount.ts';
import { jsonLine, printResult } from '../terminal/result.ts';

const amounts = '\nAmounts are in ETH or in whole tokens; with --json in the smallest unit of `terms.token`.\n';

/** offer show, list. */
export function addOfferViews(offer: Command): void {
  withConnection(
    offer.command('show').description('show an offer').argument('<offer>', 'id of the offer', positiveInteger),
    ['api', 'rpc'],
  )
    .option('--header-json', 'print only the JobHeader, as JSON: what `cotrain-trainer --header FILE` reads')
    .addHelpText(
      'after',
      `${amounts}\nExamples:\n  $ cotrain offer show 1\n  $ cotrain offer show 1 --json | jq .state\n  $ cotrain offer show 1 --header-json > header.json\n`,
    )
    .action(async (id: number, flags: ConnectionFlags & { headerJson?: boolean }) => {
      const connection = new Connection(flags);
      const found = await fetchOffer(await connection.api(), id);
      if (flags.headerJson === true) {
        console.log(jsonLine(found.header));
        return;
      }
      const lines = flags.json === true ? [] : await describe(found, new TokenBook(connection));
      printResult(flags, found, () => lines);
    });
  addList(offer);
}

function addList(offer: Command): void {
  withConnection(offer.command('list').description('list offers, newest first'), ['api', 'rpc'])
    .addOption(new Option('--state <state>', 'only offers in this state').choices(offerStates))
    .option('--payer <address>', 'only offers that this address pays for')
    .option('--limit <count>', 'at most so many', positiveInteger, 20)
    .addHelpText('after', '\nExamples:\n  $ cotrain offer list --state Bidding\n  $ cotrain offer list --json\n')
    .action(async (flags: ConnectionFlags & { state?: string; payer?: string; limit: number }) => {
      const connection = new Connection(flags);
      const api = await connection.api();
      const nodes: OfferSummary[] = [];
      for (let after: string | null = null; nodes.length < flags.limit;) {
        const { offers }: { offers: OfferPage } = await api.query(
          'query ($first: Int!, $after: String, $filter: OfferFilter) { offers(first: $first, after: $after, filter: $filter) { nodes { id state rewardWei trainer priceWei terms { token } jobSpecJson } pageInfo { hasNextPage endCursor } } }',
          {
            first: Math.min(100, flags.limit - nodes.length),
            after,
            filter: { states: flags.state === undefined ? null : [flags.state], payer: flags.payer ?? null },
          },
        );
        nodes.push(...offers.nodes);
        after = offers.pageInfo.endCursor;
        if (!offers.pageInfo.hasNextPage) break;
      }
      const tokens = flags.json === true ? [] : nodes.map(({ terms }) => terms.token);
      const amount = await new TokenBook(connection).reader(tokens);
      printResult(flags, nodes, () =>
        nodes.length === 0
          ? ['There is no such offer.']
          : nodes.map(
              ({ id, state, rewardWei, priceWei, trainer, terms: { token }, jobSpecJson }) =>
                `${String(id).padStart(5)}  ${state.padEnd(10)} ${jobOf(jobSpecJson, ', ')}reward ${amount(token, rewardWei)}${priceWei === null ? '' : `, ${trainer ?? ''} for ${amount(token, priceWei)}`}`,
            ),
      );
    });
}

type OfferSummary = Pick<OfferAnswer, 'id' | 'state' | 'rewardWei' | 'trainer' | 'priceWei' | 'terms' | 'jobSpecJson'>;
interface OfferPage {
  nodes: OfferSummary[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

/** Name and runtime of a job, once its JobSpec was read; a name is a stranger's text. */
function jobOf(jobSpecJson: string | null, end = ''): string {
  if (jobSpecJson === null) return '';
  const { name, runtime } = JSON.parse(jobSpecJson) as { name?: unknown; runtime?: unknown };
  const printable = String(name)
    .replace(/[^\p{L}\p{N} ._+-]/gu, '?')
    .slice(0, 64);
  return `${printable} (${String(runtime)})${end}`;
}

async function describe(offer: OfferAnswer, tokens: TokenBook): Promise<string[]> {
  const { token } = offer.terms;
  const write = await tokens.reader([token]);
  const amount = (units: string | null): string => write(token, units);
  const stake = (wei: string | null): string => `${ether(BigInt(wei ?? 0))} ETH`;
  return [
    `offer ${String(offer.id)}: ${offer.state}${offer.matchable === false ? `, cannot be matched: ${offer.unmatchableReason ?? ''}` : ''}`,
    ...(offer.jobSpecJson === null ? [] : [`job ${jobOf(offer.jobSpecJson)}`]),
    `reward ${amount(offer.rewardWei)}`,
    ...(isEther({ address: token }) ? [] : [`token ${token}`]),
    ...offer.payers.map(
      ({ payer, units, paidWei, refundedWei }) =>
        `  payer ${payer}, ${String(units)} ${units === 1 ? 'unit' : 'units'}: ${paidWei === null ? 'not paid yet' : `paid ${amount(paidWei)}`}${refundedWei === null ? '' : `, claimed ${amount(refundedWei)}`}`,
    ),
    ...offer.bids.map(({ trainer, priceWei }) => `  bid ${trainer}: ${amount(priceWei)}`),
    ...(offer.trainer === null ? [] : [`awarded to ${offer.trainer} for ${amount(offer.priceWei)}`]),
    ...(offer.logReference === null ? [] : [`log   ${offer.logReference}`, `model ${offer.modelReference ?? ''}`]),
    ...offer.rounds.flatMap((round) => [
      `round ${String(round.round)}: segments ${round.segments.join(', ')}`,
      ...round.votes.map(
        ({ validator, vote, committed }) =>
          `  ${validator}: ${vote === null ? (committed ? 'committed' : 'nothing yet') : voteName(vote)}`,
      ),
    ]),
    ...(offer.paidWei === null
      ? []
      : [
          `paid ${amount(offer.paidWei)}, refundable ${amount(offer.refundableWei)}${offer.refundableEtherWei === null || offer.refundableEtherWei === '0' ? '' : ` and ${stake(offer.refundableEtherWei)} of bonds and stake`}, slashed ${stake(offer.slashedWei)}`,
        ]),
  ];
}
