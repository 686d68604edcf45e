import { setTimeout as delay } from 'node:timers/promises';
import { decodeLogEntry, decodeLogHeader, LOG_ENTRY_BYTES, LOG_HEADER_BYTES, parseReference } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import { type Command, Option } from 'commander';
import type { ApiClient } from '../client/api-client.ts';
import { Connection, type ConnectionFlags, withConnection } from '../client/connection.ts';
import { CommandError, exitCodes } from '../client/errors.ts';
import {
  batchProgress,
  fetchJob,
  fetchOffer,
  isSettled,
  type JobAnswer,
  type OfferAnswer,
  voteName,
} from '../client/offer-queries.ts';
import { positiveInteger } from '../client/parse-value.ts';
import { TokenBook } from '../client/token-book.ts';
import { ether } from '../terminal/amount.ts';
import { jsonLine } from '../terminal/result.ts';
import { Story } from '../terminal/story.ts';

interface WatchFlags extends ConnectionFlags {
  until: 'trained' | 'settled';
}

/** An API that restarts is waited for. */
const patienceMs = 60_000;
const pollMs = 500;

/** job watch, log. */
export function addJobCommands(program: Command): void {
  const job = program.command('job').description('jobs: offers being trained');
  withConnection(
    job
      .command('watch')
      .description('follow an offer until it is trained and settled')
      .argument('<offer>', 'id of the offer', positiveInteger),
    ['api', 'rpc'],
    'a JSON line for each change',
  )
    .addOption(
      new Option('--until <end>', 'where to stop').choices(['trained', 'settled'] as const).default('settled' as const),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 paid (or trained); 5 slashed: the trainer was convicted; 1 refunded, cancelled or failed.\n\nExamples:\n  $ cotrain job watch 1\n  $ cotrain job watch 1 --until trained --json\n',
    )
    .action(watch);
  withConnection(
    job
      .command('log')
      .description('print the training log of an offer from Swarm, one line for each batch')
      .argument('<offer>', 'id of the offer', positiveInteger),
    ['api', 'swarm'],
    'a JSON line for the header and for each batch',
  )
    .addHelpText('after', "\nExamples:\n  $ cotrain job log 1 | tail\n  $ cotrain job log 1 --json | jq -r '.loss'\n")
    .action(printLog);
}

async function watch(offerId: number, flags: WatchFlags): Promise<void> {
  const connection = new Connection(flags);
  const api = await connection.api();
  const story = new Story(process.stdout);
  const watcher = new Watcher(story, new TokenBook(connection), flags.json === true);
  let answeredAt = performance.now();
  for (;;) {
    const seen = await look(api, offerId).catch((error: unknown) => {
      const passing = error instanceof CommandError && error.exitCode === exitCodes.unavailable;
      if (!passing || performance.now() - answeredAt > patienceMs) throw error;
      return null;
    });
    if (seen !== null) {
      answeredAt = performance.now();
      await watcher.tell(seen.offer, seen.job);
      const end = endOf(seen.offer, seen.job, flags.until);
      if (end !== null) {
        process.exitCode = end;
        return;
      }
    }
    await delay(pollMs);
  }
}

async function look(api: ApiClient, offerId: number): Promise<{ offer: OfferAnswer; job: JobAnswer | null }> {
  // The job first: if it is done by then, the offer is at least as far.
  const job = await fetchJob(api, offerId);
  return { offer: await fetchOffer(api, offerId), job };
}

/** The exit code when there is nothing more to wait for. */
export function endOf(
  offer: Pick<OfferAnswer, 'state'>,
  job: Pick<JobAnswer, 'state'> | null,
  until: WatchFlags['until'],
): number | null {
  if (offer.state === 'Paid') return exitCodes.ok;
  if (offer.state === 'Slashed') return exitCodes.verificationFailed;
  if (isSettled(offer)) return exitCodes.failure;
  if (until === 'settled') return null;
  if (job?.state === 'Done' || offer.state === 'Committed') return exitCodes.ok;
  return job?.state === 'Failed' ? exitCodes.failure : null;
}

/** Tells each change once. */
class Watcher {
  private before = '';
  private state = '';
  private jobState = '';
  private round = -1;
  private refusal: string | null = null;

  constructor(
    private readonly story: Story,
    private readonly tokens: TokenBook,
    private readonly json: boolean,
  ) {}

  async tell(offer: OfferAnswer, job: JobAnswer | null): Promise<void> {
    if (this.json) this.tellJson(offer, job);
    else await this.tellPerson(offer, job);
  }

  private tellJson(offer: OfferAnswer, job: JobAnswer | null): void {
    const line = jsonLine({
      offerId: offer.id,
      offerState: offer.state,
      unmatchableReason: offer.matchable === false ? offer.unmatchableReason : null,
      token: offer.terms.token,
      paidWei: offer.paidWei,
      refundableWei: offer.refundableWei,
      slashedWei: offer.slashedWei,
      job,
    });
    if (line === this.before) return;
    this.before = line;
    console.log(line);
  }

  private async tellPerson(offer: OfferAnswer, job: JobAnswer | null): Promise<void> {
    const { story } = this;
    if (job?.state === 'Running') story.progress(job.step, job.steps, batchProgress(job));
    if (job !== null && job.state !== this.jobState) {
      this.jobState = job.state;
      if (job.state === 'Done')
        story.line(
          `trained: ${String(job.steps)} batches, test accuracy ${job.testAccuracy?.toFixed(4) ?? 'not measured'}, model ${job.modelReference ?? ''}`,
        );
      else if (job.state !== 'Running')
        story.line(`job ${job.state.toLowerCase()}${job.failure === null ? '' : `: ${job.failure}`}`);
    }
    if (offer.state !== this.state) {
      this.state = offer.state;
      story.line(`offer ${String(offer.id)}: ${offer.state}${await settlement(offer, this.tokens)}`);
      if (isSettled(offer))
        for (const { validator, vote } of offer.rounds.at(-1)?.votes ?? [])
          story.line(`  validator ${validator}: ${voteName(vote)}`);
    }
    const refusal = offer.matchable === false && !isSettled(offer) ? offer.unmatchableReason : null;
    if (refusal !== this.refusal) {
      this.refusal = refusal;
      story.line(refusal === null ? '  its documents are in order now' : `  no pool can bid: ${refusal}`);
    }
    const round = offer.rounds.at(-1);
    if (round !== undefined && round.validators.length > 0 && round.round !== this.round) {
      this.round = round.round;
      story.line(`  ${String(round.validators.length)} validators check segments ${round.segments.join(', ')}`);
    }
  }
}

async function settlement(offer: OfferAnswer, tokens: TokenBook): Promise<string> {
  if (offer.paidWei === null) return '';
  const { token } = offer.terms;
  const write = await tokens.reader([token]);
  const slashed = BigInt(offer.slashedWei ?? 0);
  return `, paid ${write(token, offer.paidWei)}, ${write(token, offer.refundableWei)} for the payers to claim${slashed > 0n ? `, ${ether(slashed)} ETH of stake slashed` : ''}`;
}

async function printLog(offerId: number, flags: ConnectionFlags): Promise<void> {
  const connection = new Connection(flags);
  const offer = await fetchOffer(await connection.api(), offerId);
  if (offer.logReference === null)
    throw new CommandError(exitCodes.notFound, `Offer ${String(offerId)} has no log yet: it is ${offer.state}.`);
  const swarm = new SwarmClient({ url: await connection.url('swarm'), retries: 5 });
  const file = await swarm.open(parseReference(offer.logReference, 'logReference'));
  const header = decodeLogHeader(await file.read(0, LOG_HEADER_BYTES));
  console.log(
    flags.json === true
      ? jsonLine({ type: 'header', ...header })
      : `# ${header.software} on ${header.backend}, job ${header.jobHeaderHash}`,
  );
  const pageBytes = 1_024 * LOG_ENTRY_BYTES;
  let step = 0;
  for (let start = LOG_HEADER_BYTES; start < file.length; start += pageBytes) {
    const page = await file.read(start, Math.min(pageBytes, file.length - start));
    for (let offset = 0; offset + LOG_ENTRY_BYTES <= page.length; offset += LOG_ENTRY_BYTES, step++) {
      const entry = decodeLogEntry(page.subarray(offset, offset + LOG_ENTRY_BYTES));
      console.log(
        flags.json === true
          ? jsonLine({ type: 'batch', step, ...entry })
          : `${String(step).padStart(7)}  loss ${entry.loss.toFixed(6)}  metric ${entry.metric.toFixed(4)}${entry.stateRoot === null ? '' : `  state ${entry.stateRoot}`}`,
      );
    }
  }
}
