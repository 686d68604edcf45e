import { createDatabase } from '../dist/database/database.js';

export interface PoolRow {
  id: string;
  wallet: string;
  gpuCount: number;
  gpuMemoryMiB: number;
  maxParallelJobs: number;
  floorPriceWeiPerGpuHour: string;
  marginBps: number;
  tokens: string[];
  paused: boolean;
}

/** Registers a pool in a database that nothing else has open, as its operator would. */
export async function addPool(
  where: { databaseUrl?: string; pgliteFolder?: string },
  pool: Partial<PoolRow> & Pick<PoolRow, 'id' | 'wallet'>,
): Promise<void> {
  const database = await createDatabase(where);
  try {
    await database.prisma.pool.create({
      data: {
        name: pool.id,
        owner: pool.wallet,
        gpuCount: 1,
        gpuMemoryMiB: 24_576,
        cpuMilli: 16_000,
        memoryMiB: 65_536,
        floorPriceWeiPerGpuHour: String(10n ** 16n),
        marginBps: 0,
        runtimes: ['tfjs/1'],
        backends: ['wasm', 'cpu'],
        tokens: [`0x${'0'.repeat(40)}`],
        windows: [],
        maxParallelJobs: 8,
        ...pool,
      },
    });
  } finally {
    await database.close();
  }
}
