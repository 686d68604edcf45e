import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ApiContext } from '../context.ts';
import { readiness } from './readiness.ts';

const registry = new Registry();
collectDefaultMetrics({ register: registry, prefix: 'cotrain_' });
const head = new Gauge({ name: 'cotrain_chain_head_block', help: 'Newest block of the chain', registers: [registry] });
const cursor = new Gauge({ name: 'cotrain_indexed_block', help: 'Newest indexed block', registers: [registry] });
const offers = new Gauge({
  name: 'cotrain_offers',
  help: 'Offers by state',
  labelNames: ['state'],
  registers: [registry],
});
const jobs = new Gauge({
  name: 'cotrain_training_jobs',
  help: 'Training jobs by state',
  labelNames: ['state'],
  registers: [registry],
});
const up = new Gauge({
  name: 'cotrain_dependency_up',
  help: '1 when a part answers',
  labelNames: ['part'],
  registers: [registry],
});

/** The figures of this moment in Prometheus' text format. */
export async function renderMetrics(api: ApiContext): Promise<string> {
  const status = api.indexer.status();
  head.set(status.head ?? 0);
  cursor.set(status.cursor ?? 0);
  const [byOffer, byJob, report] = await Promise.all([
    api.database.prisma.offer.groupBy({ by: ['state'], _count: true }),
    api.database.prisma.trainingJob.groupBy({ by: ['state'], _count: true }),
    readiness(api),
  ]);
  offers.reset();
  jobs.reset();
  for (const { state, _count } of byOffer) offers.set({ state }, _count);
  for (const { state, _count } of byJob) jobs.set({ state }, _count);
  for (const part of ['database', 'chain', 'swarm', 'signer'] as const) up.set({ part }, report[part] === 'ok' ? 1 : 0);
  return registry.metrics();
}
