import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Deployment, Logger } from '@cotrain/chain';
import { encodeCall, sampledQuorumAbi } from '@cotrain/chain';
import { formatHeaderJson, type Hex } from '@cotrain/protocol';
import { AbiCoder, keccak256 } from 'ethers';
import { z } from 'zod';
import { Backoff } from '../bidding/backoff.ts';
import { IntentSubmitter } from '../bidding/intent-submitter.ts';
import type { ChainTime } from '../bidding/offer-actions.ts';
import { headerOf } from '../bidding/offer-documents.ts';
import type { Database } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { OfferView, RoundView } from '../indexing/fold-offer.ts';
import { startJsonLinesProcess } from '../scheduling/json-lines-process.ts';
import type { SignerClient } from '../signer/signer-client.ts';
import { isDutyOpen, isRevealing, mayVoteUnavailable, storePatienceSeconds } from './validation-rules.ts';

export interface ValidatorEngineOptions {
  database: Database;
  deployment: Deployment;
  signer: Pick<SignerClient, 'submitMany' | 'salt'>;
  swarmUrl: string;
  /** Command of the trainer, which also validates. */
  command: readonly string[];
  /** Accounts in the signer that validate. */
  validators: readonly string[];
  logger: Logger;
  /** Validations at a time; one less than the processors unless given. */
  parallel?: number;
  /** Pause after a run that failed or found something missing; it doubles up to a minute. */
  firstPauseMs?: number;
}

const voteNumbers = { Valid: 1, Invalid: 2, Unavailable: 3 } as const;
const verdictMessage = z.object({
  type: z.literal('verdict'),
  vote: z.enum(['Valid', 'Invalid', 'Unavailable']),
  evidence: z.string().regex(/^0x[0-9a-f]{64}$/),
  segments: z.array(z.unknown()).max(10_000).optional(),
  reason: z.string().max(4_000).optional(),
});
type VerdictMessage = z.infer<typeof verdictMessage>;

const longestPauseMs = 60_000;
const maxFailureLength = 500;

/** One validator's duty in one round. */
interface Duty {
  offer: OfferView;
  round: RoundView;
  validator: string;
  key: string;
}

interface Run {
  duty: Duty;
  child: ChildProcess | null;
  cancelled: boolean;
}

/**
 * Does the duty of the validators of this deployment: re-execute what was drawn, commit to the vote, reveal it. Each
 * validator executes by himself, in a process of his own; none takes over what another found.
 */
export class ValidatorEngine {
  private readonly runs = new Map<string, Run>();
  private readonly queue: Run[] = [];
  private readonly underWay = new Set<Promise<void>>();
  /** Runs that came to `Unavailable`, and when by the chain's clock the first was due. */
  private readonly unavailable = new Map<string, { runs: number; firstRunAt: number }>();
  private readonly backoff: Backoff;
  private readonly submitter: IntentSubmitter;
  private readonly parallel: number;
  private now: ChainTime = { block: 0, timestamp: 0 };
  private closed = false;

  constructor(private readonly options: ValidatorEngineOptions) {
    this.parallel = options.parallel ?? Math.max(1, availableParallelism() - 1);
    this.backoff = new Backoff(options.firstPauseMs ?? 1_000, longestPauseMs);
    this.submitter = new IntentSubmitter(options);
  }

  /** Does what is due for an offer; safe to call on every block. The trouble of one offer is its own. */
  async tend(offer: OfferView, now: ChainTime): Promise<void> {
    this.now = now;
    this.cancelOutdated(offer);
    const round = offer.rounds.at(-1);
    if (offer.state !== 'Committed' || round === undefined || round.verdict !== null) return;
    for (const validator of this.options.validators) {
      const ballot = round.votes.find((vote) => vote.validator.toLowerCase() === validator.toLowerCase());
      if (ballot === undefined || ballot.vote !== null || !isDutyOpen(round, ballot.committed, now)) continue;
      const key = `${String(offer.id)}-${offer.commitment ?? ''}-${String(round.round)}-${validator.toLowerCase()}`;
      const duty = { offer, round, validator, key };
      try {
        const where = { offerId_round_validator: { offerId: offer.id, round: round.round, validator } };
        const task = await this.options.database.prisma.validationTask.findUnique({ where });
        if (task?.state !== 'voted') this.enqueue(duty);
        else await this.vote(duty, task.vote ?? 0, (task.evidence ?? '') as Hex, ballot.committed);
      } catch (error) {
        this.options.logger.warn(
          { offerId: offer.id, validator, error: String(error) },
          'vote could not be cast; again with the next block',
        );
      }
    }
  }

  /** Ends the runs that are under way; what they found is not lost, because they found nothing yet. */
  async close(): Promise<void> {
    this.closed = true;
    for (const run of this.runs.values()) this.cancel(run);
    await Promise.all(this.underWay);
  }

  private enqueue(duty: Duty): void {
    if (this.closed || this.runs.has(duty.key) || this.backoff.isWaiting(duty.key)) return;
    const run: Run = { duty, child: null, cancelled: false };
    this.runs.set(duty.key, run);
    this.queue.push(run);
    this.startWhatFits();
  }

  private startWhatFits(): void {
    while (this.underWay.size < this.parallel) {
      const run = this.queue.shift();
      if (run === undefined) return;
      const work = this.execute(run).finally(() => {
        this.runs.delete(run.duty.key);
        this.underWay.delete(work);
        this.startWhatFits();
      });
      this.underWay.add(work);
    }
  }

  /** A round that is over, or that a reorganisation took back, needs no work any more. */
  private cancelOutdated(offer: OfferView): void {
    for (const run of this.runs.values()) {
      if (run.duty.offer.id !== offer.id) continue;
      const round = offer.rounds.at(-1);
      const same = offer.commitment === run.duty.offer.commitment && round?.round === run.duty.round.round;
      const ballot = round?.votes.find(({ validator }) => validator.toLowerCase() === run.duty.validator.toLowerCase());
      const open = round !== undefined && ballot !== undefined && isDutyOpen(round, ballot.committed, this.now);
      if (!same || !open) this.cancel(run);
    }
  }

  private cancel(run: Run): void {
    run.cancelled = true;
    run.child?.kill('SIGKILL');
  }

  private async execute(run: Run): Promise<void> {
    const { duty } = run;
    const about = { offerId: duty.offer.id, round: duty.round.round, validator: duty.validator };
    if (run.cancelled) return;
    try {
      const { verdict, failure } = await this.reexecute(run);
      if (run.cancelled) return;
      if (verdict === null) throw new Error(`the validator's process gave no verdict: ${failure}`);
      if (verdict.vote === 'Unavailable' && !this.isReallyUnavailable(duty)) {
        await this.note(duty, `not available yet: ${verdict.reason ?? 'no reason given'}`);
        this.backoff.failed(duty.key);
        return;
      }
      await this.record(duty, verdict);
      this.backoff.succeeded(duty.key);
      this.options.logger.info({ ...about, vote: verdict.vote }, 'segments re-executed');
    } catch (error) {
      if (run.cancelled) return;
      const failures = this.backoff.failed(duty.key);
      this.options.logger.warn({ ...about, failures, error: String(error) }, 'validation failed; again later');
      await this.note(duty, String(error)).catch((cause: unknown) => {
        this.options.logger.warn({ ...about, error: String(cause) }, 'failure could not be recorded');
      });
    }
  }

  private async reexecute(run: Run): Promise<{ verdict: VerdictMessage | null; failure: string }> {
    const { command, swarmUrl } = this.options;
    const { offer, round } = run.duty;
    const flags = {
      swarm: swarmUrl,
      'header-json': formatHeaderJson(headerOf(offer)),
      log: offer.logReference ?? '',
      model: offer.modelReference ?? '',
      segments: round.segments.join(','),
      'store-patience': String(storePatienceSeconds(round, this.now)),
    };
    let verdict: VerdictMessage | null = null;
    const { child, ended } = startJsonLinesProcess(
      [...command, 'validate', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])],
      (message) => {
        verdict = verdictMessage.safeParse(message).data ?? verdict;
      },
    );
    run.child = child;
    const end = await ended;
    return { verdict: end.code === 0 ? verdict : null, failure: end.lastWords || `exit code ${String(end.code)}` };
  }

  private isReallyUnavailable({ key, round }: Duty): boolean {
    const before = this.unavailable.get(key) ?? { runs: 0, firstRunAt: this.now.timestamp };
    const known = { ...before, runs: before.runs + 1 };
    if (this.unavailable.size >= 10_000) this.unavailable.clear();
    this.unavailable.set(key, known);
    return mayVoteUnavailable(round, known.firstRunAt, known.runs, this.now);
  }

  /**
   * The first verdict stands: what was committed to must be revealed, and another execution could differ in the last
   * bit of a float.
   */
  private async record({ offer, round, validator }: Duty, verdict: VerdictMessage): Promise<void> {
    const key = { offerId: offer.id, round: round.round, validator };
    const row = {
      state: 'voted',
      vote: voteNumbers[verdict.vote],
      evidence: verdict.evidence,
      report: (verdict.segments ?? []) as Prisma.InputJsonArray,
      failure: null,
    };
    const tasks = this.options.database.prisma.validationTask;
    const { count } = await tasks.updateMany({ where: { ...key, state: { not: 'voted' } }, data: row });
    if (count === 0) await tasks.createMany({ data: [{ ...key, ...row }], skipDuplicates: true });
  }

  private async note({ offer, round, validator }: Duty, reason: string): Promise<void> {
    const key = { offerId: offer.id, round: round.round, validator };
    const row = { state: 'failed', failure: reason.replaceAll('\0', '').slice(-maxFailureLength) };
    const tasks = this.options.database.prisma.validationTask;
    const { count } = await tasks.updateMany({ where: { ...key, state: { not: 'voted' } }, data: row });
    if (count === 0) await tasks.createMany({ data: [{ ...key, ...row }], skipDuplicates: true });
  }

  private async vote(duty: Duty, vote: number, evidence: Hex, committed: boolean): Promise<void> {
    const { offer, round, validator } = duty;
    if (committed && !isRevealing(round, this.now)) return;
    const { deployment, signer } = this.options;
    const subject = `${String(deployment.chainId)}:${deployment.quorum.toLowerCase()}:${String(offer.id)}:${String(round.round)}`;
    const salt = await signer.salt(validator, subject);
    const offerId = BigInt(offer.id);
    const hash = keccak256(
      AbiCoder.defaultAbiCoder().encode(
        ['uint256', 'address', 'uint256', 'uint32', 'address', 'uint8', 'bytes32', 'bytes32'],
        [deployment.chainId, deployment.quorum, offerId, round.round, validator, vote, evidence, salt],
      ),
    ) as Hex;
    const { data } = committed
      ? encodeCall({ abi: sampledQuorumAbi, functionName: 'revealVote', args: [offerId, vote, evidence, salt] })
      : encodeCall({ abi: sampledQuorumAbi, functionName: 'commitVote', args: [offerId, hash] });
    await this.submitter.submit([
      {
        intentId: `${committed ? 'reveal' : 'vote'}:${subject}:${validator.toLowerCase()}`,
        account: validator as Hex,
        to: deployment.quorum,
        data,
        valueWei: '0',
      },
    ]);
  }
}
