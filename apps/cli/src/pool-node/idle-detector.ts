/** When a machine counts as idle. */
export interface IdleRule {
  /** How long the load must have been low. */
  idleAfterMs: number;
  /** Part of the processors that others may use, 0 to 1. */
  maxLoad: number;
}

/** Decides from samples of the load whether a machine is idle: busy at once, idle only after a while. */
export class IdleDetector {
  private quietSinceMs: number | null = null;

  constructor(private readonly rule: IdleRule) {}

  /** @param load part of the processors that others use; @param nowMs monotonic milliseconds */
  observe(load: number, nowMs: number): boolean {
    if (load > this.rule.maxLoad) {
      this.quietSinceMs = null;
      return false;
    }
    this.quietSinceMs ??= nowMs;
    return nowMs - this.quietSinceMs >= this.rule.idleAfterMs;
  }
}
