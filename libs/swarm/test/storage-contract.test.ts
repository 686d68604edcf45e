import { describeStorageContract, type StoreUnderTest } from './storage-contract.ts';
import { startScratchStore } from './scratch-store.ts';

/** The embedded store, and the Bee node at COTRAIN_BEE_URL with the batch COTRAIN_BEE_POSTAGE_BATCH where one is named. */
const stores: Record<string, () => Promise<StoreUnderTest>> = {
  'the embedded store': async () => {
    const store = await startScratchStore();
    return { url: store.url, stop: () => store.remove() };
  },
};
const beeUrl = process.env['COTRAIN_BEE_URL'];
const postageBatchId = process.env['COTRAIN_BEE_POSTAGE_BATCH'];
if (beeUrl !== undefined)
  stores[`the Bee node at ${beeUrl}`] = () =>
    Promise.resolve({ url: beeUrl, ...(postageBatchId === undefined ? {} : { postageBatchId }) });

for (const [name, start] of Object.entries(stores)) describeStorageContract(name, start);
