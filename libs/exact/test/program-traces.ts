import { expect } from '@jest/globals';
import type { StepProgram } from '@cotrain/protocol';
import { kernelMachine } from '../src/program/kernel-machine.ts';
import { elementMachine, type StepInput, type StepMachine, type StepResult, StepRun } from '../src/program/run-step.ts';
import { bytesIn } from '../src/program/typed-arrays.ts';
import { createReferenceKernels } from '../src/reference/reference-kernels.ts';
import { createWasmKernels } from '../src/wasm/wasm-kernels.ts';

const machines: [string, StepMachine][] = [
  ['elements', elementMachine],
  ['reference kernels', kernelMachine(createReferenceKernels())],
  ['wasm kernels', kernelMachine(createWasmKernels({ threads: 1 }))],
];

/** Runs a step element by element and on kernels; every byte of the traces and of the results must be the same. */
export function expectSameTraces(program: StepProgram, input: StepInput): StepResult {
  const [first, ...others] = machines.map(([name, machine]) => {
    const outputs: Uint8Array[] = [];
    const result = new StepRun(program, machine).run(input, (output) => {
      outputs.push(bytesIn(output).slice());
    });
    return { name, outputs, result };
  });
  for (const { name, outputs, result } of others) {
    outputs.forEach((bytes, index) => {
      if (Buffer.compare(bytes, first!.outputs[index]!) !== 0)
        throw new Error(
          `${name} computes operation ${String(index)} differently: ${JSON.stringify(program.operations[index])}`,
        );
    });
    expect(result.loss).toBe(first!.result.loss);
    expect(Buffer.compare(result.state, first!.result.state)).toBe(0);
  }
  return first!.result;
}
