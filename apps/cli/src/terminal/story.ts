/** Where a story is told: a terminal, a file or a pipe. */
export type StoryOutput = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean };

export interface StoryOptions {
  environment?: NodeJS.ProcessEnv;
  /** Monotonic milliseconds. */
  now?: () => number;
  /** Between two lines of progress where there is no terminal. */
  lineEveryMs?: number;
}

const barWidth = 30;

/**
 * Tells a person what happens: headings, lines and progress. On a terminal progress is a bar that stays on one line;
 * elsewhere it is a line every few seconds, so that a log shows that something is going on.
 */
export class Story {
  private readonly terminal: boolean;
  private readonly colours: boolean;
  private readonly now: () => number;
  private readonly lineEveryMs: number;
  private barShown = false;
  private toldAt = Number.NEGATIVE_INFINITY;
  private told = '';

  constructor(
    private readonly output: StoryOutput,
    options: StoryOptions = {},
  ) {
    const { environment = process.env, now = () => performance.now(), lineEveryMs = 3_000 } = options;
    this.terminal = output.isTTY === true && environment['TERM'] !== 'dumb';
    // https://no-color.org: any value but the empty one.
    this.colours = this.terminal && (environment['NO_COLOR'] ?? '') === '';
    this.now = now;
    this.lineEveryMs = lineEveryMs;
  }

  heading(text: string): void {
    this.line('');
    this.line(this.colours ? `\u001b[1m${text}\u001b[0m` : text);
  }

  line(text: string): void {
    this.clearBar();
    this.output.write(`${text}\n`);
  }

  /** Progress so far; may be told as often as one likes. */
  progress(done: number, total: number, text: string): void {
    if (this.terminal) {
      const filled = Math.round((barWidth * Math.min(done, total)) / Math.max(1, total));
      this.output.write(`\r\u001b[2K  ${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)} ${text}`);
      this.barShown = true;
      return;
    }
    // The same again is told as well, though less often: something still goes on.
    const patience = text === this.told ? 5 * this.lineEveryMs : this.lineEveryMs;
    if (this.now() - this.toldAt < patience) return;
    this.toldAt = this.now();
    this.told = text;
    this.output.write(`  ${text}\n`);
  }

  /** Takes the bar away. */
  clearBar(): void {
    if (!this.barShown) return;
    this.output.write('\r\u001b[2K');
    this.barShown = false;
  }
}
