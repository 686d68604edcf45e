import { UnsupportedArgumentError } from '../../errors.ts';
import { sizeOf } from '../tensors.ts';
import { type Attributes, floats, type KernelTable } from '../kernel.ts';

/** For every pixel of an enlarged image the pixel that it shows: floor(y * inHeight / outHeight), in whole numbers. */
export function sourcePixels(input: readonly number[], output: readonly number[], pixels: Int32Array): Int32Array {
  const [, inHeight = 0, inWidth = 0] = input;
  const [, outHeight = 0, outWidth = 0] = output;
  for (let y = 0; y < outHeight; y++)
    for (let x = 0; x < outWidth; x++)
      pixels[y * outWidth + x] =
        Math.floor((y * inHeight) / outHeight) * inWidth + Math.floor((x * inWidth) / outWidth);
  return pixels;
}

export function refuseCentres(kernel: string, attributes: Attributes): void {
  const { alignCorners, halfPixelCenters } = attributes as { alignCorners?: boolean; halfPixelCenters?: boolean };
  if (alignCorners === true || halfPixelCenters === true)
    throw new UnsupportedArgumentError(kernel, 'alignCorners and halfPixelCenters are not defined; leave them false.');
}

/** Calls `use` for each image of a batch with the parts of both arrays that belong to it. */
function eachImage(
  batch: number,
  whole: readonly [Float32Array, Float32Array],
  use: (first: Float32Array, second: Float32Array) => void,
): void {
  for (let image = 0; image < batch; image++) {
    const [first, second] = whole.map((values) => {
      const size = values.length / batch;
      return values.subarray(image * size, (image + 1) * size);
    }) as [Float32Array, Float32Array];
    use(first, second);
  }
}

/** Enlarging by repetition, as UpSampling2D does. */
export const resizingKernels: KernelTable = {
  ResizeNearestNeighbor: (backend, inputs, attributes) => {
    const images = floats('ResizeNearestNeighbor', inputs, 'images');
    refuseCentres('ResizeNearestNeighbor', attributes);
    const { size } = attributes as { size: [number, number] };
    const [batch = 0, height = 0, width = 0, channels = 0] = images.shape;
    const [out, values] = backend.output([batch, ...size, channels], 'float32');
    backend.withScratch((take) => {
      const pixels = sourcePixels(images.shape, out.shape, take('int32', size[0] * size[1]));
      eachImage(batch, [values, backend.values(images)], (to, from) => {
        backend.kernels.gatherRows(to, from, pixels, height * width, channels);
      });
    });
    return out;
  },
  ResizeNearestNeighborGrad: (backend, inputs, attributes) => {
    const images = floats('ResizeNearestNeighborGrad', inputs, 'images');
    const dy = floats('ResizeNearestNeighborGrad', inputs, 'dy');
    refuseCentres('ResizeNearestNeighborGrad', attributes);
    const [batch = 0, height = 0, width = 0, channels = 0] = images.shape;
    const [out, values] = backend.output(images.shape, 'float32');
    if (sizeOf(dy.shape) > 0)
      backend.withScratch((take) => {
        const pixels = sourcePixels(images.shape, dy.shape, take('int32', sizeOf(dy.shape.slice(1, 3))));
        eachImage(batch, [values, backend.values(dy)], (to, from) => {
          backend.kernels.segmentSum(to, from, pixels, height * width, channels);
        });
      });
    return out;
  },
};
