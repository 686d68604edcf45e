import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

const watch =
  'read -r _; kill -TERM "$0" 2>/dev/null; left=$1; ' +
  'while [ "$left" -gt 0 ] && kill -0 "$0" 2>/dev/null; do sleep 1; left=$((left - 1)); done; kill -KILL "$0" 2>/dev/null';

/**
 * Sees to it that a child does not outlive this process, however this process ends: when it is killed, the pipe to a
 * small shell breaks, which asks the child to end and after a while kills it.
 * @param graceSeconds how long the child may take to end in order
 * @returns what lets go of the child; not needed when it ends first
 */
export function endWithThisProcess(child: ChildProcess, graceSeconds: number): () => void {
  if (child.pid === undefined) return () => undefined;
  if (process.platform === 'win32') {
    const end = (): void => {
      child.kill();
    };
    process.once('exit', end);
    const letGo = (): void => {
      process.off('exit', end);
    };
    child.once('exit', letGo);
    return letGo;
  }
  const watchdog = spawn('/bin/sh', ['-c', watch, String(child.pid), String(graceSeconds)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'] },
    // Not in our process group: what ends all of it at once must not end the watchdog.
    detached: true,
  });
  // Neither is a reason for this process to stay.
  watchdog.unref();
  (watchdog.stdin as Socket).unref();
  const letGo = (): void => {
    watchdog.kill('SIGKILL');
  };
  child.once('exit', letGo); // its process id may soon be another's
  return letGo;
}
