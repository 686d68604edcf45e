/** A worker thread: an instance of the kernels over the shared memory, which takes parts of jobs until it is stopped. */
import { workerData } from 'node:worker_threads';
import { instantiate } from './module.ts';
import type { CompiledModule, LinearMemory } from './web-assembly.ts';

export interface WorkerSetup {
  module: CompiledModule;
  memory: LinearMemory;
  format: number;
  leftBits: number;
  rightBits: number;
  thread: number;
}

const setup = workerData as WorkerSetup;
const kernels = instantiate(setup.module, setup.memory);
kernels.configure(setup.format, setup.leftBits, setup.rightBits);
kernels.serve(setup.thread);
