/**
 * A process that sends intents and dies where it is told to: it reads {rpcUrl, privateKey, file, intents, dieAt} from
 * its argument, sends, waits until all are final, prints their hashes and ends.
 */
import { FileIntentStore, type IntentStore, TransactionSender } from '@cotrain/chain';
import { JsonRpcProvider, Wallet } from 'ethers';

export type FaultPoint =
  | 'before storing'
  | 'after storing'
  | 'before recording the signature'
  | 'after recording the signature'
  | 'after sending'
  | 'before recording the receipt'
  | 'after recording the receipt';

export interface SendingTask {
  rpcUrl: string;
  privateKey: string;
  file: string;
  intents: { intentId: string; to: `0x${string}`; valueWei: string }[];
  dieAt: FaultPoint | null;
}

const task = JSON.parse(process.argv[2] ?? '') as SendingTask;

/** As hard as a power cut for this process: no handler runs, no buffer is written. */
function diesAt(point: FaultPoint): void {
  if (task.dieAt === point) process.kill(process.pid, 'SIGKILL');
}

const store = await FileIntentStore.open(task.file);
const fragile: IntentStore = {
  insertIfAbsent: async (record) => {
    diesAt('before storing');
    const stored = await store.insertIfAbsent(record);
    diesAt('after storing');
    return stored;
  },
  get: (intentId) => store.get(intentId),
  list: (sender, statuses) => store.list(sender, statuses),
  noncesFrom: (sender, first) => store.noncesFrom(sender, first),
  update: async (intentId, changes) => {
    if (changes.status === 'signed') diesAt('before recording the signature');
    if (changes.status === 'confirmed') diesAt('before recording the receipt');
    const stored = await store.update(intentId, changes);
    if (changes.status === 'signed') diesAt('after recording the signature');
    if (changes.status === 'confirmed') diesAt('after recording the receipt');
    return stored;
  },
};

class FragileProvider extends JsonRpcProvider {
  override async send(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    const answer: unknown = await super.send(method, params);
    if (method === 'eth_sendRawTransaction') diesAt('after sending');
    return answer;
  }
}

const provider = new FragileProvider(task.rpcUrl, undefined, { cacheTimeout: -1, pollingInterval: 20 });
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const sender = new TransactionSender({
  provider,
  wallet: new Wallet(task.privateKey, provider),
  store: fragile,
  logger: quiet,
  confirmations: 0,
  pollMs: 20,
});
const hashes = await Promise.all(
  task.intents.map(async ({ intentId, to, valueWei }) => {
    await sender.send({ intentId, to, data: '0x', valueWei: BigInt(valueWei) });
    return (await sender.wait(intentId)).minedHash;
  }),
);
await store.close();
console.log(JSON.stringify(hashes));
process.exit(0);
