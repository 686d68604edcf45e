/** Prints a story for a person: headings, lines, and on a terminal a bar that stays on one line. */
export class Story {
  private readonly colours: boolean;
  private barShown = false;

  constructor(
    private readonly output: NodeJS.WriteStream,
    environment: NodeJS.ProcessEnv = process.env,
  ) {
    this.colours = output.isTTY && environment['NO_COLOR'] === undefined;
  }

  heading(text: string): void {
    this.line('');
    this.line(this.colours ? `\u001b[1m${text}\u001b[0m` : text);
  }

  line(text: string): void {
    this.clearBar();
    this.output.write(`${text}\n`);
  }

  /** Shown on a terminal only: a log file has no use for a moving bar. */
  bar(done: number, total: number, text: string): void {
    if (!this.output.isTTY) return;
    const width = 30;
    const filled = Math.round((width * done) / Math.max(1, total));
    this.output.write(`\r\u001b[2K  ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${text}`);
    this.barShown = true;
  }

  private clearBar(): void {
    if (!this.barShown) return;
    this.output.write('\r\u001b[2K');
    this.barShown = false;
  }
}
