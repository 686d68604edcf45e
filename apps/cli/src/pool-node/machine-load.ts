import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Processor time since some moment, in milliseconds over all processors. */
export interface ProcessorTimes {
  busyMs: number;
  totalMs: number;
  /** Of `busyMs`, what this process and its descendants used. */
  ownMs: number;
}

/**
 * How much of the machine others use, 0 to 1, from one sample to the next. The pool's own jobs do not count: a machine
 * that only trains for the pool is idle as far as its owner is concerned.
 */
export class MachineLoad {
  private last: ProcessorTimes;

  constructor(private readonly read: () => ProcessorTimes = readProcessorTimes) {
    this.last = read();
  }

  sample(): number {
    const now = this.read();
    const { busyMs, totalMs, ownMs } = this.last;
    const elapsedMs = now.totalMs - totalMs;
    if (elapsedMs <= 0) return 0;
    this.last = now;
    // A job that ended takes its time with it: what is left of the difference can be negative.
    const othersMs = now.busyMs - busyMs - Math.max(0, now.ownMs - ownMs);
    return Math.min(1, Math.max(0, othersMs / elapsedMs));
  }
}

/** What the system says now. Where there is no /proc, all load counts as that of others. */
export function readProcessorTimes(): ProcessorTimes {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busyMs += used;
    totalMs += used + times.idle;
  }
  return { busyMs, totalMs, ownMs: ownTicks() * tickMs };
}

/** The kernel counts in hundredths of a second, whatever its own clock is (USER_HZ). */
const tickMs = 10;

function ownTicks(): number {
  const processes = new Map<number, { parent: number; ticks: number }>();
  let entries: string[];
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return 0; // no Linux: see above
  }
  for (const pid of entries) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // User and system time, its own and that of its children that ended.
      const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
      processes.set(Number(pid), { parent: Number(fields[1]), ticks });
    } catch {
      // It ended between the listing and the reading.
    }
  }
  const isOwn = (pid: number): boolean => {
    for (let current: number | undefined = pid, hops = 0; current !== undefined && hops < 64; hops++) {
      if (current === process.pid) return true;
      current = processes.get(current)?.parent;
    }
    return false;
  };
  let ticks = 0;
  for (const [pid, entry] of processes) if (isOwn(pid)) ticks += entry.ticks;
  return ticks;
}
