import { decodeLogEntry, decodeLogHeader, LOG_ENTRY_BYTES, LOG_HEADER_BYTES, parseReference } from '@cotrain/protocol';
import { SwarmClient } from '@cotrain/swarm';
import type { Command } from 'commander';
import { CommandError, exitCodes } from '../client/errors.ts';
import { jobFields, type JobAnswer } from '../demo/offer-queries.ts';
import { Story } from '../demo/story.ts';
import { fetchOffer } from './offer-commands.ts';
import { connect, type ConnectionFlags, positiveInteger, withConnection } from './options.ts';

/** job watch, log. */
export function addJobCommands(program: Command): void {
  const job = program.command('job').description('jobs: offers being trained');
  withConnection(
    job
      .command('watch')
      .description('follow the training of an offer until it ends')
      .argument('<offer>', 'id of the offer', positiveInteger),
  ).action(watch);
  withConnection(
    job
      .command('log')
      .description('print the training log of an offer from Swarm, one line for each batch')
      .argument('<offer>', 'id of the offer', positiveInteger),
  ).action(printLog);
}

async function watch(offerId: number, flags: ConnectionFlags): Promise<void> {
  const { api } = await connect(flags);
  const story = new Story(process.stdout);
  const show = (job: JobAnswer): boolean => {
    if (flags.json === true) console.log(JSON.stringify(job));
    else if (process.stdout.isTTY)
      story.bar(
        job.step,
        job.steps,
        `batch ${String(job.step)}/${String(job.steps)}  loss ${(job.loss ?? 0).toFixed(4)}`,
      );
    else console.log(`batch ${String(job.step)}/${String(job.steps)} loss ${(job.loss ?? 0).toFixed(4)}`);
    return job.state === 'done' || job.state === 'failed';
  };
  const end = (job: JobAnswer): void => {
    if (flags.json !== true)
      story.line(
        job.state === 'done'
          ? `done: test accuracy ${String(job.testAccuracy)}, model ${job.modelReference ?? ''}`
          : `failed: ${job.failure ?? ''}`,
      );
    if (job.state === 'failed') process.exitCode = exitCodes.failure;
  };
  const now = async (): Promise<JobAnswer | null> =>
    (
      await api.query<{ job: JobAnswer | null }>(`query ($id: Int!) { job(offerId: $id) { ${jobFields} } }`, {
        id: offerId,
      })
    ).job;
  const current = await now();
  if (current === null) await fetchOffer(api, offerId); // tells apart an offer that waits from one that does not exist
  if (current !== null && show(current)) {
    end(current);
    return;
  }
  for await (const { jobProgress } of api.subscribe<{ jobProgress: JobAnswer }>(
    `subscription ($id: Int!) { jobProgress(offerId: $id) { ${jobFields} } }`,
    { id: offerId },
    new AbortController().signal,
  )) {
    if (show(jobProgress)) {
      end(jobProgress);
      return;
    }
  }
}

async function printLog(offerId: number, flags: ConnectionFlags): Promise<void> {
  const { api, swarmUrl } = await connect(flags);
  const offer = await fetchOffer(api, offerId);
  if (offer.logReference === null)
    throw new CommandError(exitCodes.notFound, `Offer ${String(offerId)} has no log yet: it is ${offer.state}.`);
  const file = await new SwarmClient({ url: swarmUrl }).open(parseReference(offer.logReference, 'logReference'));
  const header = decodeLogHeader(await file.read(0, LOG_HEADER_BYTES));
  console.log(
    flags.json === true
      ? JSON.stringify(header)
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
          ? JSON.stringify({ step, ...entry })
          : `${String(step).padStart(7)}  loss ${entry.loss.toFixed(6)}  metric ${entry.metric.toFixed(4)}${entry.stateRoot === null ? '' : `  state ${entry.stateRoot}`}`,
      );
    }
  }
}
