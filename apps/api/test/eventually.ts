import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is not undefined, null or false; fails with what was waited for. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T> | T,
  timeoutMs = 60_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  do {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer as NonNullable<Exclude<T, false>>;
      last = answer;
    } catch (error) {
      last = error;
    }
    await delay(50);
  } while (performance.now() < deadline);
  throw new Error(`Waited ${String(timeoutMs)} ms for ${what}; the last answer was ${String(last)}.`, { cause: last });
}
