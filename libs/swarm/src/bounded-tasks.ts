/** Runs tasks side by side, so many at a time. After one has failed, no other is begun. */
export class BoundedTasks {
  private readonly pending = new Set<Promise<void>>();
  private failure: { error: unknown } | undefined;

  constructor(private readonly limit: number) {}

  /** Begins a task and returns when another one could begin. @throws what an earlier task failed with */
  async run(task: () => Promise<void>): Promise<void> {
    this.rethrow();
    const tracked = task()
      .catch((error: unknown) => {
        this.failure ??= { error };
      })
      .finally(() => this.pending.delete(tracked));
    this.pending.add(tracked);
    while (this.pending.size >= this.limit) await Promise.race(this.pending);
    this.rethrow();
  }

  /** Waits for all tasks. @throws what one failed with */
  async settled(): Promise<void> {
    await Promise.all(this.pending);
    this.rethrow();
  }

  private rethrow(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }
}
