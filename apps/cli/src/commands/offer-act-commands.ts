import type { Command } from 'commander';
import { decodeEvent, encodeCall, readContract, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import { actOnOffer, type OfferAct } from '../client/act-on-offer.ts';
import { Connection, type ConnectionFlags, withConnection, withMarket } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import { fundOffer, tokenOfOffer } from '../client/fund-offer.ts';
import { fetchOffer } from '../client/offer-queries.ts';
import { etherAmount, positiveInteger, wholeNumber } from '../client/parse-value.ts';
import { isEther, tokenAmount } from '../client/token.ts';
import { TokenBook } from '../client/token-book.ts';
import { ether } from '../terminal/amount.ts';
import { printResult } from '../terminal/result.ts';

/** offer fund, cancel, claim, challenge: what an account does about an offer, with its own money. */
export function addOfferActs(offer: Command): void {
  act(offer.command('fund'), 'pay your share of an offer')
    .addHelpText(
      'after',
      example('fund', 'If the offer is in a token, the market is first allowed to take exactly your share of it.'),
    )
    .action(fund);
  act(offer.command('cancel'), 'cancel your offer that nobody has paid for yet')
    .addHelpText('after', example('cancel'))
    .action(sendOne('cancel', 'Cancelled'));
  act(offer.command('claim').alias('refund'), 'claim your part of what a settled offer did not spend')
    .addHelpText('after', example('claim', '`cotrain withdraw` pays it out, with --token if the offer is in a token.'))
    .action(claim);
  addChallenge(offer);
}

function act(command: Command, description: string): Command {
  return withMarket(
    withConnection(command.description(description).argument('<offer>', 'id of the offer', positiveInteger), [
      'api',
      'rpc',
    ]),
  );
}

function example(name: string, text = ''): string {
  return `${text === '' ? '' : `\n${text}\n`}\nExample:\n  $ cotrain offer ${name} 1 --key-file .cotrain/keys/payer-1\n`;
}

/** Claims, and says how much it was: the contract credits it, and a withdrawal pays it out. */
async function claim(id: number, flags: ConnectionFlags): Promise<void> {
  const connection = new Connection(flags);
  const account = await connection.signedIn();
  const { hash, gasUsed, summary, logs } = await actOnOffer(account, 'claimRefund', id);
  const { market } = await account.contracts();
  const credits = logs.flatMap((log) => {
    if (log.address.toLowerCase() !== market.toLowerCase()) return [];
    const event = decodeEvent(trainingMarketAbi, log);
    return event?.eventName === 'Credited' && event.args.amountWei > 0n
      ? [{ token: event.args.token, amountWei: event.args.amountWei }]
      : [];
  });
  const write = await new TokenBook(connection).reader(flags.json === true ? [] : credits.map(({ token }) => token));
  printResult(flags, { offerId: id, summary, valueWei: 0n, credits, transaction: hash, gasUsed }, () => [
    `Claimed ${credits.length === 0 ? 'nothing' : credits.map(({ token, amountWei }) => write(token, String(amountWei))).join(' and ')} of offer ${String(id)}`,
    `transaction ${hash}`,
    ...credits.map(
      ({ token }) =>
        `Next, to be paid out: cotrain withdraw${isEther({ address: token }) ? '' : ` --token ${token}`} --key-file FILE`,
    ),
  ]);
}

function sendOne(act: OfferAct, done: string): (id: number, flags: ConnectionFlags) => Promise<void> {
  return async (id, flags) => {
    const { hash, gasUsed, summary } = await actOnOffer(await new Connection(flags).signedIn(), act, id);
    printResult(flags, { offerId: id, summary, valueWei: 0n, transaction: hash, gasUsed }, () => [
      `${done}: ${summary}`,
      `transaction ${hash}`,
    ]);
  };
}

async function fund(id: number, flags: ConnectionFlags): Promise<void> {
  const connection = new Connection(flags);
  const account = await connection.signedIn();
  await fetchOffer(account.api, id);
  const token = await new TokenBook(connection).of(await tokenOfOffer(account, id));
  const { hash, gasUsed, amountWei, valueWei, approval, summary } = await fundOffer(account, id, token);
  printResult(
    flags,
    { offerId: id, summary, valueWei, token: token.address, amountWei, approval, transaction: hash, gasUsed },
    () => [
      `Paid ${tokenAmount(token, amountWei)}, your share of offer ${String(id)}`,
      ...(isEther(token) ? [] : [`token ${token.address}`]),
      ...(approval === null ? [] : [`approval ${approval}`]),
      `transaction ${hash}`,
    ],
  );
}

interface ChallengeFlags extends ConnectionFlags {
  segment: number;
  maxBond?: bigint;
  dryRun?: boolean;
}

const challengeText = `
\`cotrain verify\` says which segments are wrong. Another quorum executes the named one again. If it agrees with you, the
trainer is convicted, and you get your part of his stake beside the bond; if it agrees with him, the bond is lost. The
bond grows with each challenge of an offer: --dry-run shows it, and --max-bond refuses a higher one.

Examples:
  $ cotrain offer challenge 1 --segment 3 --dry-run --key-file .cotrain/keys/payer-1
  $ cotrain offer challenge 1 --segment 3 --max-bond 0.5 --key-file .cotrain/keys/payer-1
`;

function addChallenge(offer: Command): void {
  act(offer.command('challenge'), 'have a segment of a committed log executed again, against a bond')
    .requiredOption('--segment <number>', 'segment that is wrong, from 0', wholeNumber)
    .option('--max-bond <ETH>', 'send nothing if the bond is higher', etherAmount)
    .option('--dry-run', 'show the bond and whether the contract would take the challenge, and send nothing')
    .addHelpText('after', challengeText)
    .action(challenge);
}

async function challenge(id: number, flags: ChallengeFlags): Promise<void> {
  const account = await new Connection(flags).signedIn();
  const { segment, maxBond, dryRun = false } = flags;
  const prepared = await account.api.prepare(
    'prepareChallenge',
    'offerId: $offerId, segment: $segment',
    '$offerId: Int!, $segment: Int!',
    { offerId: id, segment },
  );
  const { quorum } = await account.contracts();
  const bondWei = await readContract(account.provider, {
    abi: sampledQuorumAbi,
    address: quorum,
    functionName: 'challengeBondWei',
    args: [BigInt(id)],
  });
  if (maxBond !== undefined && bondWei > maxBond)
    throw new CommandError(
      exitCodes.failure,
      `The bond is ${ether(bondWei)} ETH, more than --max-bond ${ether(maxBond)}. Nothing was sent.`,
    );
  const { data } = encodeCall({ abi: sampledQuorumAbi, functionName: 'challenge', args: [BigInt(id), segment] });
  const sent = dryRun ? null : await account.send(prepared, { to: quorum, data, valueWei: bondWei });
  printResult(flags, { offerId: id, segment, bondWei, transaction: sent?.hash ?? null, gasUsed: sent?.gasUsed }, () => [
    `${sent === null ? 'Would challenge' : 'Challenged'} segment ${String(segment)} of offer ${String(id)}`,
    `bond ${ether(bondWei)} ETH`,
    sent === null ? 'Nothing was sent.' : `transaction ${sent.hash}`,
  ]);
}
