/** When a machine counts as idle. */
export interface IdleRule {
  /** How long the load must have been low. */
  idleAfterMs: number;
  /** Load per processor that still counts as low. */
  maxLoad: number;
}

/** Decides from samples of the load whether a machine is idle. Busy at once, idle only after a while. */
export class IdleDetector {
  private quietSinceMs: number | null = null;

  constructor(private readonly rule: IdleRule) {}

  /** @param load per processor; @param nowMs monotonic milliseconds */
  observe(load: number, nowMs: number): boolean {
    if (load > this.rule.maxLoad) {
      this.quietSinceMs = null;
      return false;
    }
    this.quietSinceMs ??= nowMs;
    return nowMs - this.quietSinceMs >= this.rule.idleAfterMs;
  }
}
