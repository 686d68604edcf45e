import { contractionBits, contractionBlock } from '../contraction-ranges.ts';
import type { ConvolutionGeometry, ExactKernels, PoolGeometry } from '../kernels.ts';
import { nanosecondsOfPacking, nanosecondsOfProduct, pack, rightPanel, scratchSizes } from './contraction.ts';
import { packedFormats } from './packed-format.ts';
import type { WasmRuntime } from './runtime.ts';
import { stripeRows, stripeScratch } from './scratch.ts';

/** Floats of the patches that a thread has at a time: they and their packed form stay in the second cache. */
const patchFloats = 65_536;
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

const convolutionArguments = (g: ConvolutionGeometry): number[] => [
  ...[g.batch, g.inHeight, g.inWidth, g.inChannels, g.outHeight, g.outWidth, g.outChannels],
  ...[g.filterHeight, g.filterWidth, g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth],
  ...[g.inputDilationHeight, g.inputDilationWidth, g.padTop, g.padLeft],
];

const poolArguments = (g: PoolGeometry): number[] => [
  ...[g.batch, g.channels, g.inHeight, g.inWidth, g.outHeight, g.outWidth, g.filterHeight, g.filterWidth],
  ...[g.strideHeight, g.strideWidth, g.dilationHeight, g.dilationWidth, g.padTop, g.padLeft],
];

/** Whether no element of the input is in two windows. */
const windowsAreApart = (g: PoolGeometry): boolean =>
  g.strideHeight > (g.filterHeight - 1) * g.dilationHeight && g.strideWidth > (g.filterWidth - 1) * g.dilationWidth;

/** Whether every element of the input is in a window, given that windows are apart. */
const windowsCover = (g: PoolGeometry): boolean =>
  g.strideHeight === g.filterHeight &&
  g.strideWidth === g.filterWidth &&
  g.padTop >= 0 &&
  g.padLeft >= 0 &&
  g.outHeight * g.strideHeight - g.padTop >= g.inHeight &&
  g.outWidth * g.strideWidth - g.padLeft >= g.inWidth;

type Windows = Pick<
  ExactKernels,
  'conv2d' | 'conv2dFilterGradient' | 'maxPool' | 'maxPoolGradient' | 'avgPool' | 'avgPoolGradient'
>;

/** §8 and §9 over a WASM runtime. */
export function windowKernels(runtime: WasmRuntime): Windows {
  const { elementBytes } = packedFormats[runtime.format];
  const needsCorrections = runtime.format === 'int8Offset';

  const poolGradient = (out: Float32Array, dy: Float32Array, xAddress: number, g: PoolGeometry): void => {
    const positions = g.filterHeight * g.filterWidth;
    if (windowsAreApart(g)) {
      if (!windowsCover(g)) runtime.clear(out);
      runtime.run('poolGradientApart', g.batch * g.outHeight, g.outWidth * g.channels * positions * 0.5, [
        ...poolArguments(g),
        ...[out.byteOffset, xAddress, 0, 0, dy.byteOffset],
      ]);
      return;
    }
    const bytes = stripeRows(positions) + stripeScratch(positions);
    runtime.withScratch(bytes * runtime.threads, (scratch) => {
      runtime.run('poolGradient', g.batch * g.inHeight, g.inWidth * g.channels * positions, [
        ...poolArguments(g),
        ...[out.byteOffset, xAddress, scratch, bytes, dy.byteOffset],
      ]);
    });
  };

  return {
    conv2d(out, x, filter, g) {
      const k = g.filterHeight * g.filterWidth * g.inChannels;
      const n = g.outChannels;
      const total = g.batch * g.outHeight * g.outWidth;
      if (total * n === 0) return;
      const rows = Math.min(Math.max(16, Math.floor(patchFloats / Math.max(1, k) / 4) * 4), Math.ceil(total / 4) * 4);
      const sizes = scratchSizes(rows, k, n, elementBytes, needsCorrections);
      const packed = align(rows * k * 4);
      const scales = packed + sizes.left;
      const corrections = scales + sizes.leftScales;
      const partialSums = corrections + sizes.corrections;
      const threadBytes = partialSums + sizes.partialSums;
      const filterBytes = sizes.right + sizes.rightScales;
      runtime.withScratch(filterBytes + threadBytes * runtime.threads, (scratch) => {
        const filterLayout = { address: filter.byteOffset, vectorStride: 4, elementStride: n * 4, itemStride: 0 };
        const filterScales = scratch + sizes.right;
        pack(runtime, filterLayout, 0, n, k, rightPanel, contractionBits.right, scratch, filterScales, 0);
        const nanoseconds = rows * k * (n * nanosecondsOfProduct + 2 * nanosecondsOfPacking);
        runtime.run('convolveRows', Math.ceil(total / rows), nanoseconds, [
          ...convolutionArguments(g),
          ...[x.byteOffset, out.byteOffset, scratch, filterScales, rows, contractionBits.left],
          ...[scratch + filterBytes, threadBytes, packed, scales, needsCorrections ? corrections : 0, partialSums],
        ]);
      });
    },

    conv2dFilterGradient(out, x, dy, g) {
      const m = g.filterHeight * g.filterWidth * g.inChannels;
      const n = g.outChannels;
      const k = g.batch * g.outHeight * g.outWidth;
      if (m * n === 0) return;
      const blocks = Math.ceil(k / contractionBlock);
      const inBlock = Math.min(k, contractionBlock);
      const sizes = scratchSizes(m, inBlock, n, elementBytes, needsCorrections);
      const packed = align(inBlock * m * 4);
      const scales = packed + sizes.left;
      const corrections = scales + sizes.leftScales;
      const right = corrections + sizes.corrections;
      const rightScales = right + sizes.right;
      const threadBytes = rightScales + sizes.rightScales;
      // The results of all blocks lie one after another, as the rows of a matrix whose columns are then summed.
      const resultBytes = blocks > 1 ? align(blocks * m * n * 4) : 0;
      const sumBytes = blocks > 1 ? stripeScratch(blocks) : 0;
      runtime.withScratch(resultBytes + Math.max(threadBytes, sumBytes) * runtime.threads, (scratch) => {
        const results = blocks > 1 ? scratch : out.byteOffset;
        const rest = scratch + resultBytes;
        if (blocks === 0) {
          runtime.clear(out);
          return;
        }
        const nanoseconds = inBlock * m * (n * nanosecondsOfProduct + 2 * nanosecondsOfPacking);
        runtime.run('convolveFilterBlocks', blocks, nanoseconds, [
          ...convolutionArguments(g),
          ...[x.byteOffset, dy.byteOffset, results, contractionBits.left, contractionBits.right, rest, threadBytes],
          ...[packed, scales, needsCorrections ? corrections : 0, right, rightScales],
        ]);
        if (blocks > 1)
          runtime.run('reduce', Math.ceil((m * n) / 64), blocks * 64 * 0.3, [
            ...[0, out.byteOffset, results, blocks, m * n, rest, sumBytes],
          ]);
      });
    },

    maxPool(out, x, g) {
      const nanoseconds = g.outWidth * g.channels * g.filterHeight * g.filterWidth * 0.5;
      runtime.run('maxPool', g.batch * g.outHeight, nanoseconds, [...poolArguments(g), out.byteOffset, x.byteOffset]);
    },
    maxPoolGradient(out, dy, x, g) {
      poolGradient(out, dy, x.byteOffset, g);
    },
    avgPool(out, x, g) {
      const positions = g.filterHeight * g.filterWidth;
      const bytes = stripeRows(positions) + stripeScratch(positions);
      runtime.withScratch(bytes * runtime.threads, (scratch) => {
        runtime.run('avgPool', g.batch * g.outHeight, g.outWidth * g.channels * positions, [
          ...poolArguments(g),
          ...[out.byteOffset, x.byteOffset, scratch, bytes],
        ]);
      });
    },
    avgPoolGradient(out, dy, g) {
      poolGradient(out, dy, 0, g);
    },
  };
}
