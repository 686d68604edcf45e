import type { ApiContext } from '../context.ts';

/** Which of the parts that the API stands on answer. */
export interface Readiness {
  ready: boolean;
  database: string;
  chain: string;
  swarm: string;
  signer: string;
}

/** Asks each part; one that is down is named with its error, and none is waited for longer than its own time limit. */
export async function readiness(
  api: Pick<ApiContext, 'database' | 'indexer' | 'swarm' | 'signer'>,
): Promise<Readiness> {
  const status = api.indexer.status();
  const [database, swarm, signer] = await Promise.all([
    check(() => api.database.prisma.$queryRaw`SELECT 1`),
    check(() => api.swarm.health()),
    check(() => api.signer.accounts()),
  ]);
  const chain =
    status.state === 'following' || status.state === 'catching up' ? 'ok' : (status.lastError ?? status.state);
  return { ready: [database, chain, swarm, signer].every((part) => part === 'ok'), database, chain, swarm, signer };
}

async function check(question: () => Promise<unknown>): Promise<string> {
  try {
    await question();
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
