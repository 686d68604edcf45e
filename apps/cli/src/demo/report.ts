import { interfaceOf, sampledQuorumAbi, trainingMarketAbi } from '@cotrain/chain';
import { fetchJob, type OfferAnswer } from '../client/offer-queries.ts';
import type { Balances } from './ledger.ts';
import type { Stage } from './stage.ts';

/** What `cotrain demo --json` writes. Amounts are decimal strings in wei. */
export interface DemoReport {
  offers: OfferReport[];
  /** By address. */
  balances: { before: Record<string, string>; after: Record<string, string> };
  durationsMs: Record<string, number>;
}

export interface OfferReport {
  id: number;
  mode: string;
  runtime: string;
  outcome: 'paid' | 'slashed' | 'refunded';
  pool: string;
  priceWei: string;
  rewardWei: string;
  testAccuracy: number;
  steps: number;
  logReference: string;
  modelReference: string;
  /** In chain order, each once; `name` is the function that was called. */
  transactions: { name: string; hash: string; gasUsed: string }[];
}

export function balancesReport(balances: Balances): Record<string, string> {
  return Object.fromEntries([...balances].map(([address, wei]) => [address, String(wei)]));
}

/** What the chain and the API say of a settled offer. */
export async function offerReport(stage: Stage, offer: OfferAnswer): Promise<OfferReport> {
  const job = await fetchJob(stage.api, offer.id);
  stage.expect(job?.testAccuracy != null, `the job of offer ${String(offer.id)} has no test accuracy.`);
  const { verifiers } = stage.stack.deployment;
  const { verifier } = offer.terms;
  const mode = Object.entries(verifiers).find(([, address]) => address.toLowerCase() === verifier.toLowerCase())?.[0];
  const { runtime } = JSON.parse(offer.jobSpecJson ?? '{}') as { runtime?: string };
  const outcome = offer.state.toLowerCase();
  stage.expect(
    (outcome === 'paid' || outcome === 'slashed' || outcome === 'refunded') &&
      mode !== undefined &&
      runtime !== undefined &&
      offer.logReference !== null &&
      offer.modelReference !== null,
    `offer ${String(offer.id)} is not settled, or its documents are not known.`,
  );
  return {
    id: offer.id,
    mode,
    runtime,
    outcome,
    pool: stage.poolOf(offer.trainer ?? ''),
    priceWei: offer.priceWei ?? '0',
    rewardWei: offer.rewardWei,
    testAccuracy: job.testAccuracy,
    steps: job.steps,
    logReference: offer.logReference,
    modelReference: offer.modelReference,
    transactions: await readTransactions(stage, offer.id),
  };
}

async function readTransactions(stage: Stage, offerId: number): Promise<OfferReport['transactions']> {
  const { offerTransactions } = await stage.api.query<{ offerTransactions: { nodes: { hash: string }[] } }>(
    'query ($id: Int!) { offerTransactions(offerId: $id, first: 100) { nodes { hash } } }',
    { id: offerId },
  );
  // A transaction with several events is one transaction, with one gas bill.
  const hashes = [...new Set(offerTransactions.nodes.map(({ hash }) => hash))];
  const { provider } = stage.stack;
  return Promise.all(
    hashes.map(async (hash) => {
      const [transaction, receipt] = await Promise.all([
        provider.getTransaction(hash),
        provider.getTransactionReceipt(hash),
      ]);
      stage.expect(transaction !== null && receipt !== null, `the chain does not know transaction ${hash}.`);
      return { name: functionName(transaction.data), hash, gasUsed: String(receipt.gasUsed) };
    }),
  );
}

const contracts = [interfaceOf(trainingMarketAbi), interfaceOf(sampledQuorumAbi)];

/** Name of the contract's function that the call data is for; its selector when it is none of ours. */
export function functionName(data: string): string {
  const selector = data.slice(0, 10);
  return (
    contracts.map((contract) => contract.getFunction(selector)?.name).find((name) => name !== undefined) ?? selector
  );
}
