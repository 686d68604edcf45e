/** Waits longer after each failure of the same work. */
export class Backoff {
  private readonly failures = new Map<string, { count: number; until: number }>();

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
    private readonly now: () => number = () => performance.now(),
    private readonly maxKeys = 10_000,
  ) {}

  isWaiting(key: string): boolean {
    return (this.failures.get(key)?.until ?? 0) > this.now();
  }

  /** Notes a failure. Returns how many there were in a row. */
  failed(key: string): number {
    const count = (this.failures.get(key)?.count ?? 0) + 1;
    this.failures.delete(key);
    if (this.failures.size >= this.maxKeys)
      for (const oldest of this.failures.keys()) if (this.failures.delete(oldest)) break;
    this.failures.set(key, {
      count,
      until: this.now() + Math.min(this.longestMs, this.firstMs * 2 ** Math.min(count - 1, 20)),
    });
    return count;
  }

  succeeded(key: string): void {
    this.failures.delete(key);
  }
}
