import type { Deployment, Logger } from '@cotrain/chain';
import { encodeCall, sampledQuorumAbi } from '@cotrain/chain';
import { AbiCoder, keccak256 } from 'ethers';
import { z } from 'zod';
import { headerOf } from '../bidding/offer-documents.ts';
import type { Database } from '../database/database.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import type { OfferView, RoundView } from '../indexing/fold-offer.ts';
import { startJsonLinesProcess } from '../scheduling/json-lines-process.ts';
import { headerJson } from '../scheduling/scheduler.ts';
import { SignerRefusedError, type SignerClient } from '../signer/signer-client.ts';
import type { ChainTime } from '../bidding/offer-actions.ts';

type Hex = `0x${string}`;

export interface ValidatorEngineOptions {
  database: Database;
  deployment: Deployment;
  signer: SignerClient;
  swarmUrl: string;
  /** Command of the trainer, which also validates. */
  command: readonly string[];
  /** Accounts in the signer that validate. */
  validators: readonly string[];
  logger: Logger;
}

const voteNumbers = { Valid: 1, Invalid: 2, Unavailable: 3 } as const;
const verdictMessage = z.object({
  type: z.literal('verdict'),
  vote: z.enum(['Valid', 'Invalid', 'Unavailable']),
  evidence: z.string().regex(/^0x[0-9a-f]{64}$/),
  segments: z.array(z.unknown()).max(10_000).optional(),
});

/** Does the duty of the validators of this deployment: re-execute what was drawn, commit to the vote, reveal it. */
export class ValidatorEngine {
  /** One re-execution at a time: they use all cores. */
  private work: Promise<unknown> = Promise.resolve();
  private readonly busy = new Set<string>();

  constructor(private readonly options: ValidatorEngineOptions) {}

  /** Does what is due for an offer; safe to call on every block. */
  async tend(offer: OfferView, now: ChainTime): Promise<void> {
    const round = offer.rounds.at(-1);
    if (offer.state !== 'Committed' || round === undefined || round.verdict !== null) return;
    for (const validator of this.options.validators) {
      const ballot = round.votes.find((vote) => vote.validator.toLowerCase() === validator.toLowerCase());
      if (ballot === undefined || ballot.vote !== null) continue;
      const where = { offerId_round_validator: { offerId: offer.id, round: round.round, validator } };
      const task = await this.options.database.prisma.validationTask.findUnique({ where });
      if (task === null || task.state !== 'voted') {
        this.validateInTurn(offer, round, validator);
        continue;
      }
      const vote = task.vote ?? voteNumbers.Unavailable;
      const evidence = (task.evidence ?? `0x${'0'.repeat(64)}`) as Hex;
      await this.vote(offer, round, validator, vote, evidence, ballot.committed, now);
    }
  }

  async close(): Promise<void> {
    await this.work;
  }

  private validateInTurn(offer: OfferView, round: RoundView, validator: string): void {
    const key = `${String(offer.id)}-${String(round.round)}-${validator}`;
    if (this.busy.has(key)) return;
    this.busy.add(key);
    this.work = this.work
      .then(() => this.validate(offer, round, validator))
      .catch((error: unknown) => {
        this.options.logger.warn(
          { offerId: offer.id, validator, error: String(error) },
          'validation failed; again soon',
        );
      })
      .finally(() => this.busy.delete(key));
  }

  private async validate(offer: OfferView, round: RoundView, validator: string): Promise<void> {
    const { command, swarmUrl, database, logger } = this.options;
    let verdict: z.infer<typeof verdictMessage> | undefined;
    const { ended } = startJsonLinesProcess(
      [
        ...command,
        'validate',
        '--swarm',
        swarmUrl,
        '--header-json',
        headerJson(headerOf(offer)),
        '--log',
        offer.logReference ?? '',
        '--model',
        offer.modelReference ?? '',
        '--segments',
        round.segments.join(','),
      ],
      (message) => {
        verdict = verdictMessage.safeParse(message).data ?? verdict;
      },
    );
    const end = await ended;
    const where = { offerId_round_validator: { offerId: offer.id, round: round.round, validator } };
    const key = { offerId: offer.id, round: round.round, validator };
    if (verdict === undefined) {
      const failure = end.lastWords.slice(-500) || `exit code ${String(end.code)}`;
      await database.prisma.validationTask.upsert({
        where,
        create: { ...key, state: 'failed', failure },
        update: { state: 'failed', failure },
      });
      throw new Error(`the validator's process gave no verdict: ${failure}`);
    }
    const row = {
      state: 'voted',
      vote: voteNumbers[verdict.vote],
      evidence: verdict.evidence,
      report: (verdict.segments ?? []) as Prisma.InputJsonArray,
      failure: null,
    };
    await database.prisma.validationTask.upsert({ where, create: { ...key, ...row }, update: row });
    logger.info({ ...key, vote: verdict.vote }, 'segments re-executed');
  }

  private async vote(
    offer: OfferView,
    round: RoundView,
    validator: string,
    vote: number,
    evidence: Hex,
    committed: boolean,
    now: ChainTime,
  ): Promise<void> {
    const { deployment, signer } = this.options;
    const subject = `${String(deployment.chainId)}:${deployment.quorum.toLowerCase()}:${String(offer.id)}:${String(round.round)}`;
    const salt = await signer.salt(validator, subject);
    const offerId = BigInt(offer.id);
    const send = async (kind: string, data: Hex): Promise<void> => {
      try {
        await signer.submit({
          intentId: `${kind}:${subject}:${validator.toLowerCase()}`,
          account: validator as Hex,
          to: deployment.quorum,
          data,
          valueWei: '0',
        });
      } catch (error) {
        // The round moved on meanwhile; the next block tells what is due then.
        if (!(error instanceof SignerRefusedError)) throw error;
        this.options.logger.debug({ validator, reason: error.message }, 'vote not accepted now');
      }
    };
    if (!committed && (round.commitDeadline === null || now.timestamp <= round.commitDeadline)) {
      const hash = keccak256(
        AbiCoder.defaultAbiCoder().encode(
          ['uint256', 'address', 'uint256', 'uint32', 'address', 'uint8', 'bytes32', 'bytes32'],
          [deployment.chainId, deployment.quorum, offerId, round.round, validator, vote, evidence, salt],
        ),
      ) as Hex;
      await send('vote', encodeCall({ abi: sampledQuorumAbi, functionName: 'commitVote', args: [offerId, hash] }).data);
    }
    const revealing =
      round.votes.every((other) => other.committed) ||
      (round.commitDeadline !== null && now.timestamp > round.commitDeadline);
    if (committed && revealing) {
      await send(
        'reveal',
        encodeCall({ abi: sampledQuorumAbi, functionName: 'revealVote', args: [offerId, vote, evidence, salt] }).data,
      );
    }
  }
}
