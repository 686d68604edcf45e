import type { Logger } from '@cotrain/chain';

/** What the API stands on. */
export const parts = ['database', 'chain', 'swarm', 'signer'] as const;
export type Part = (typeof parts)[number];

/** Which of the parts answer: `ok`, or what is wrong with it. */
export type Readiness = { ready: boolean } & Record<Part, string>;

export interface ReadinessOptions {
  checks: Record<Part, () => Promise<unknown>>;
  logger: Logger;
  /** For each check; a part that takes longer counts as down. */
  timeoutMs?: number;
  /** How long an answer is good: many who ask cost no more than one. */
  freshMs?: number;
}

/** Asks each part whether it answers. The answer is public, so it names the part and not its address; the log has the rest. */
export class ReadinessProbe {
  private latest: { at: number; report: Promise<Readiness> } | null = null;
  private readonly lastState = new Map<Part, string>();

  constructor(private readonly options: ReadinessOptions) {}

  report(): Promise<Readiness> {
    const { freshMs = 1_000 } = this.options;
    const now = performance.now();
    if (this.latest === null || now - this.latest.at > freshMs) this.latest = { at: now, report: this.ask() };
    return this.latest.report;
  }

  private async ask(): Promise<Readiness> {
    const [database, chain, swarm, signer] = await Promise.all([
      this.check('database'),
      this.check('chain'),
      this.check('swarm'),
      this.check('signer'),
    ]);
    return { ready: [database, chain, swarm, signer].every((each) => each === 'ok'), database, chain, swarm, signer };
  }

  private async check(part: Part): Promise<string> {
    const { checks, logger, timeoutMs = 2_000 } = this.options;
    let detail: string | null = null;
    let state = 'ok';
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => {
        resolve('late');
      }, timeoutMs);
    });
    try {
      const question = checks[part]();
      // When it fails after the time limit, nobody waits for it any more.
      question.catch(() => undefined);
      if ((await Promise.race([question, late])) === 'late') state = `does not answer within ${String(timeoutMs)} ms`;
    } catch (error) {
      state = 'does not answer';
      detail = error instanceof Error ? error.message : String(error);
    } finally {
      clearTimeout(timer);
    }
    const before = this.lastState.get(part) ?? 'ok';
    this.lastState.set(part, state);
    if (state !== 'ok' && before === 'ok') logger.warn({ part, state, detail }, 'a part is down');
    if (state === 'ok' && before !== 'ok') logger.info({ part }, 'the part is back');
    return state;
  }
}
