import { UnsupportedArgumentError } from '../../errors.ts';
import type { ConvolutionGeometry, PoolGeometry } from '../../kernels.ts';

/**
 * §8: the largest side, stride, dilation and padding, and the furthest that a filter or a row of windows reaches. A
 * position is a sum of four of these at most, also in the gradient of the input, and so is an int32.
 */
const maximumReach = 2 ** 28;

/** §9: positions of a pooling window; what a contract computes again, and one block of S. */
const maximumPoolPositions = 64;

interface Limit {
  field: string;
  value: number;
  smallest: number;
}

/**
 * Refuses geometries whose positions int32 cannot hold, or that no image has.
 * @throws UnsupportedArgumentError naming field and value
 */
export function checkWindows(kernel: string, g: ConvolutionGeometry | PoolGeometry): void {
  const sides = [
    {
      ...{ name: 'Height', inSize: g.inHeight, outSize: g.outHeight, filterSize: g.filterHeight },
      ...{ stride: g.strideHeight, dilation: g.dilationHeight, padName: 'padTop', pad: g.padTop },
    },
    {
      ...{ name: 'Width', inSize: g.inWidth, outSize: g.outWidth, filterSize: g.filterWidth },
      ...{ stride: g.strideWidth, dilation: g.dilationWidth, padName: 'padLeft', pad: g.padLeft },
    },
  ];
  for (const { name, inSize, outSize, filterSize, stride, dilation, padName, pad } of sides)
    checkLimits(kernel, [
      { field: `in${name}`, value: inSize, smallest: 0 },
      { field: `filter${name}`, value: filterSize, smallest: 1 },
      { field: `stride${name}`, value: stride, smallest: 1 },
      { field: `dilation${name}`, value: dilation, smallest: 1 },
      { field: padName, value: pad, smallest: -maximumReach },
      { field: `out${name}`, value: outSize, smallest: 0 },
      { field: `(filter${name} - 1) * dilation${name}`, value: (filterSize - 1) * dilation, smallest: 0 },
      { field: `(out${name} - 1) * stride${name}`, value: (outSize - 1) * stride, smallest: -stride },
    ]);
}

function checkLimits(kernel: string, limits: readonly Limit[]): void {
  for (const { field, value, smallest } of limits)
    if (!(Number.isInteger(value) && value >= smallest && value <= maximumReach))
      throw new UnsupportedArgumentError(
        kernel,
        `${field} is ${String(value)}; it must be an integer from ${String(smallest)} to ${String(maximumReach)}.`,
      );
}

/** @throws UnsupportedArgumentError */
export function checkPoolPositions(kernel: string, { filterHeight, filterWidth }: PoolGeometry): void {
  if (filterHeight * filterWidth > maximumPoolPositions)
    throw new UnsupportedArgumentError(
      kernel,
      `filterHeight * filterWidth is ${String(filterHeight * filterWidth)}; a window has at most ${String(maximumPoolPositions)} positions: pool in two steps, or over the whole image.`,
    );
}

/** The gradient of an output must have its shape. @throws UnsupportedArgumentError */
export function checkGradientShape(kernel: string, shape: readonly number[], wanted: readonly number[]): void {
  if (shape.length !== wanted.length || shape.some((length, axis) => length !== wanted[axis]))
    throw new UnsupportedArgumentError(
      kernel,
      `the shape of its input 'dy' is [${shape.join(', ')}]; the output has the shape [${wanted.join(', ')}].`,
    );
}
