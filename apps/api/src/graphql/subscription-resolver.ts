import { Inject } from '@nestjs/common';
import { Args, Int, Resolver, Subscription } from '@nestjs/graphql';
import { z } from 'zod';
import { API_CONTEXT, type ApiContext } from '../context.ts';
import { changeStream } from './change-stream.ts';
import { Batch, TrainingJob } from './job-types.ts';
import { Offer } from './offer-types.ts';
import { jobView } from './offer-view.ts';
import { readOffer } from './offer-resolver.ts';

const batchSchema = z.object({ step: z.number(), loss: z.number(), metric: z.number(), wallMs: z.number() });

/** What happens, as it happens, on whichever replica it happens. Open to anyone. */
@Resolver()
export class SubscriptionResolver {
  constructor(@Inject(API_CONTEXT) private readonly api: ApiContext) {}

  @Subscription(() => Offer, {
    resolve: (offer: Offer) => offer,
    description:
      'An offer as it is now and after each change; with no id, every offer after each of its changes. Anyone.',
  })
  offerChanged(
    @Args('offerId', { type: () => Int, nullable: true, description: 'Number of the offer; all offers unless given.' })
    offerId?: number | null,
  ): AsyncIterableIterator<Offer> {
    return changeStream<Offer>(
      this.api.changes,
      'offer',
      offerId ?? null,
      (change) => readOffer(this.api, change.offerId),
      offerId == null ? undefined : () => readOffer(this.api, offerId),
    );
  }

  @Subscription(() => TrainingJob, {
    resolve: (job: TrainingJob) => job,
    description: 'The training job of an offer as it is now, if it has begun, and after each change. Anyone.',
  })
  jobProgress(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
  ): AsyncIterableIterator<TrainingJob> {
    const read = async (): Promise<TrainingJob | null> =>
      jobView(await this.api.database.prisma.trainingJob.findUnique({ where: { offerId } }));
    return changeStream<TrainingJob>(this.api.changes, 'job', offerId, read, read);
  }

  @Subscription(() => Batch, {
    resolve: (batch: Batch) => batch,
    description: 'Batches of a training log as they are trained, from now on. Anyone.',
  })
  batchLogged(
    @Args('offerId', { type: () => Int, description: 'Number of the offer.' }) offerId: number,
  ): AsyncIterableIterator<Batch> {
    return changeStream<Batch>(this.api.changes, 'batch', offerId, (change) => {
      const batch = batchSchema.safeParse(change.payload);
      return Promise.resolve(batch.success ? { offerId, ...batch.data } : null);
    });
  }
}
