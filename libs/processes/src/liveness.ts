import { readFileSync } from 'node:fs';

/** A process of this machine, told from a later one that has its number. */
export interface ProcessRecord {
  pid: number;
  /** When it started, in the kernel's words; null where the system does not say. */
  identity: string | null;
}

/** Notes a process that runs now. */
export function recordProcess(pid: number): ProcessRecord {
  return { pid, identity: statFields(pid)?.[19] ?? null };
}

/** Whether the very process of the record still runs. */
export function isSameProcess({ pid, identity }: ProcessRecord): boolean {
  return isAlive(pid) && (identity === null || recordProcess(pid).identity === identity);
}

/**
 * Whether a process runs, whoever's it is. One that has ended and was not yet waited for by its parent does not: it
 * writes nothing any more.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return false;
    // It is there, but somebody else's.
    if (code !== 'EPERM') throw error;
  }
  return statFields(pid)?.[0] !== 'Z';
}

/** The fields of /proc/PID/stat after the name, which may hold anything; null where there is no /proc. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null; // no Linux, or the process is gone by now: the next look tells
  }
}
