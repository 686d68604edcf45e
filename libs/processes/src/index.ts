export { isAlive, isSameProcess, type ProcessRecord, recordProcess } from './liveness.ts';
export { endWithThisProcess } from './watchdog.ts';
