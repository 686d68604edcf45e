import { tf } from './tf.ts';

const registered = new Set<string>();

/** Completes the WASM package: a kernel that it lacks, and one that it has only in a slow form. */
export function registerWasmKernels(backendName = 'wasm'): void {
  if (registered.has(backendName)) return;
  registered.add(backendName);
  if (tf.getKernel('Conv2DBackpropFilter', backendName) === undefined) registerFilterGradient(backendName);
  replaceTransposedMatMul(backendName);
}

/**
 * Products of transposed matrices, which every dense layer's gradient is, take the package's plain loop instead of
 * XNNPACK, at a tenth of the speed. Transposing first is worth it.
 */
function replaceTransposedMatMul(backendName: string): void {
  const kernelName = 'BatchMatMul';
  const plain = tf.getKernel(kernelName, backendName);
  // XNNPACK serves single matrices only, so batches keep the package's way.
  const isMatrix = ({ shape }: tf.TensorInfo): boolean => shape.slice(0, -2).every((size) => size === 1);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({
    ...plain,
    kernelName,
    backendName,
    kernelFunc: (params) => {
      const { a, b } = params.inputs as { a: tf.Tensor; b: tf.Tensor };
      const { transposeA, transposeB } = params.attrs as { transposeA: boolean; transposeB: boolean };
      if (!(transposeA || transposeB) || !isMatrix(a) || !isMatrix(b)) return plain.kernelFunc(params);
      const flip = (matrix: tf.Tensor, wanted: boolean): tf.Tensor => (wanted ? transposed(matrix) : matrix);
      return tf.tidy(() => {
        const inputs = { a: flip(a, transposeA), b: flip(b, transposeB) };
        const attrs = { transposeA: false, transposeB: false };
        return tf.engine().makeTensorFromTensorInfo(plain.kernelFunc({ ...params, inputs, attrs }) as tf.TensorInfo);
      });
    },
  });
}

const tile = 32;

/** A single matrix transposed, tile by tile, here: the package's kernel takes several times as long. */
function transposed(matrix: tf.Tensor): tf.Tensor {
  const [rows, columns] = matrix.shape.slice(-2) as [number, number];
  const from = matrix.dataSync<'float32'>();
  const to = new Float32Array(from.length);
  for (let top = 0; top < rows; top += tile)
    for (let left = 0; left < columns; left += tile) {
      const bottom = Math.min(rows, top + tile);
      const right = Math.min(columns, left + tile);
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++) to[column * rows + row] = from[row * columns + column] ?? 0;
    }
  return tf.tensor(to, [...matrix.shape.slice(0, -2), columns, rows]);
}

/**
 * The WASM package has no gradient of a convolution's filter. Here it is one matrix product per filter position:
 * the strided part of the padded input that this position sees, against the output's gradient.
 */
function registerFilterGradient(backendName: string): void {
  const kernelName = 'Conv2DBackpropFilter';
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const { x, dy } = inputs as unknown as { x: tf.Tensor4D; dy: tf.Tensor4D };
      const { strides, pad, dataFormat, dimRoundingMode, filterShape } = attrs as unknown as ConvolutionAttributes;
      if (dataFormat !== 'NHWC')
        throw new Error(`Kernel '${kernelName}' for ${dataFormat} not registered for backend '${backendName}'`);
      const info = tf.backend_util.computeConv2DInfo(
        x.shape,
        filterShape,
        strides,
        1,
        pad,
        dimRoundingMode,
        false,
        'channelsLast',
      );
      return filterGradient(x, dy, info);
    },
  });
}

interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dataFormat: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape: [number, number, number, number];
}

function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor4D {
  const { padInfo, filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth } = info;
  const { batchSize, inChannels, outChannels, inHeight, inWidth } = info;
  // 'same' padding leaves no strip unread; 'valid' may, so the end is extended only as far as the last position needs.
  const needHeight = (outHeight - 1) * strideHeight + filterHeight;
  const needWidth = (outWidth - 1) * strideWidth + filterWidth;
  return tf.tidy(() => {
    const padded = tf.pad(x, [
      [0, 0],
      [padInfo.top, Math.max(0, needHeight - inHeight - padInfo.top)],
      [padInfo.left, Math.max(0, needWidth - inWidth - padInfo.left)],
      [0, 0],
    ]);
    const outputs = tf.reshape(dy, [batchSize * outHeight * outWidth, outChannels]);
    const products: tf.Tensor[] = [];
    for (let row = 0; row < filterHeight; row++)
      for (let column = 0; column < filterWidth; column++) {
        const seen = tf.stridedSlice(
          padded,
          [0, row, column, 0],
          [batchSize, row + (outHeight - 1) * strideHeight + 1, column + (outWidth - 1) * strideWidth + 1, inChannels],
          [1, strideHeight, strideWidth, 1],
        );
        products.push(
          tf.matMul(tf.reshape(seen, [batchSize * outHeight * outWidth, inChannels]), outputs as tf.Tensor2D, true),
        );
      }
    return tf.reshape(tf.stack(products), [filterHeight, filterWidth, inChannels, outChannels]);
  });
}
