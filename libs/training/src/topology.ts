import { UnsupportedProgramError, ProgramTooLargeError } from './errors.ts';
import { ownLayers, replacedLayers } from './layers/register.ts';

// A topology comes from anyone. It is read by TensorFlow.js's deserializer, which looks class names up in plain
// objects, so only names and values listed here reach it.

const modelClasses = ['Sequential', 'Model', 'Functional'];
const layerClasses = [
  ...['InputLayer', 'Dense', 'Activation', 'Flatten', 'Reshape', 'Permute', 'RepeatVector', 'Masking'],
  ...['ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'Softmax', 'Embedding', 'Dropout'],
  ...['LayerNormalization', 'BatchNormalization', 'TimeDistributed', 'SimpleRNN', 'GRU', 'LSTM'],
  ...['Add', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate', 'Dot'],
  ...['Conv1D', 'Conv2D', 'Conv2DTranspose', 'DepthwiseConv2D', 'SeparableConv2D', 'ZeroPadding2D', 'UpSampling2D'],
  ...['MaxPooling1D', 'MaxPooling2D', 'AveragePooling1D', 'AveragePooling2D', 'Cropping2D'],
  ...['GlobalAveragePooling1D', 'GlobalAveragePooling2D', 'GlobalMaxPooling1D', 'GlobalMaxPooling2D'],
];
const initializerClasses = [
  ...['Zeros', 'Ones', 'Constant', 'RandomUniform', 'RandomNormal', 'TruncatedNormal', 'VarianceScaling'],
  ...['GlorotUniform', 'GlorotNormal', 'HeUniform', 'HeNormal', 'LeCunUniform', 'LeCunNormal'],
];
const activations = new Set([
  ...['linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardSigmoid', 'hard_sigmoid', 'softplus', 'softsign'],
  ...['tanh', 'softmax', 'logSoftmax', 'log_softmax', 'gelu', 'swish', 'mish'],
]);
const allowedClasses = new Set([
  ...modelClasses,
  ...layerClasses,
  ...initializerClasses,
  ...ownLayers.map((layer) => layer.className),
]);
const initializerNames = new Set(
  initializerClasses.flatMap((name) => [name, name[0]?.toLowerCase() + name.slice(1), snakeCase(name)]),
);

/** Largest count, size or index that a layer's configuration may hold. */
const maxNumber = 2 ** 31;
/** Largest size of a window, step or margin; what exact/1 takes is far more (docs/exact-1.md §8). */
const maxExtent = 2 ** 16;
/** Largest number of a layer's units, such as the tokens of a vocabulary. */
const maxUnits = 2 ** 20;
const maxListLength = 4_096;
const maxLayers = 1_024;

interface Range {
  smallest: number;
  largest: number;
}

const extent = { smallest: 1, largest: maxExtent };
const margin = { smallest: 0, largest: maxExtent };
const units = { smallest: 1, largest: maxUnits };

/** What numbers under these keys, alone or in lists, must be; words such as 'same' are the deserializer's to check. */
const ranges: ReadonlyMap<string, Range> = new Map([
  ...(['kernel_size', 'pool_size', 'strides', 'dilation_rate', 'size'] as const).map((key) => [key, extent] as const),
  ...(['padding', 'cropping'] as const).map((key) => [key, margin] as const),
  ...(['units', 'filters', 'depth_multiplier'] as const).map((key) => [key, units] as const),
]);

/**
 * Checks a topology and returns a copy for TensorFlow.js's deserializer, with the layers that ours replace renamed.
 * @throws UnsupportedProgramError naming the class or field; ProgramTooLargeError
 */
export function checkTopology(topology: unknown): Record<string, unknown> {
  const counts = { layers: 0 };
  // A file saved by Keras wraps the model.
  const wrapped = (topology as { model_config?: unknown }).model_config ?? topology;
  const checked = check(wrapped, 'topology', counts);
  if (
    typeof checked !== 'object' ||
    checked === null ||
    !modelClasses.includes(String((checked as ClassRecord).class_name))
  )
    throw new UnsupportedProgramError(
      `Program: topology.class_name must be one of ${modelClasses.join(', ')}: give the modelTopology of a LayersModel.`,
    );
  return checked as Record<string, unknown>;
}

interface ClassRecord {
  class_name?: unknown;
}

function check(value: unknown, path: string, counts: { layers: number }): unknown {
  if (typeof value === 'number' && !(Math.abs(value) <= maxNumber))
    throw new ProgramTooLargeError(path, value, maxNumber);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (value.length > maxListLength) throw new ProgramTooLargeError(`${path}.length`, value.length, maxListLength);
    return value.map((item, index) => check(item, `${path}[${String(index)}]`, counts));
  }
  const className = 'class_name' in value ? checkClass(value.class_name, path, counts) : undefined;
  const copy = Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      checkMember(key, member, `${path}.${key}`);
      return [key, check(member, `${path}.${key}`, counts)];
    }),
  );
  if (className !== undefined) copy['class_name'] = replacedLayers.get(className) ?? className;
  return copy;
}

function checkClass(className: unknown, path: string, counts: { layers: number }): string {
  if (typeof className !== 'string' || !allowedClasses.has(className))
    throw new UnsupportedProgramError(
      `Program: ${path}.class_name is ${JSON.stringify(className).slice(0, 100)}, a class that this trainer does not run: ` +
        'a layer must be built in, compute tensors only, and give the same result every time.',
    );
  if (!initializerClasses.includes(className) && ++counts.layers > maxLayers)
    throw new ProgramTooLargeError('number of layers', counts.layers, maxLayers);
  return className;
}

function checkMember(key: string, member: unknown, path: string): void {
  const refuse = (remedy: string): never => {
    throw new UnsupportedProgramError(
      `Program: ${path} is ${JSON.stringify(member).slice(0, 100)}, which is not supported: ${remedy}.`,
    );
  };
  // The deserializer takes keys in either spelling.
  const name = snakeCase(key);
  if (key === '__proto__' || key === 'constructor' || key === 'customObjects' || key === 'custom_objects')
    refuse('remove it');
  if (member === null) return;
  if (/_?regularizer$/.test(name)) refuse("use the optimizer's weightDecay");
  if (/_?constraint$/.test(name)) refuse('remove the constraint');
  if (/activation$/.test(name) && !(typeof member === 'string' && activations.has(member)))
    refuse(`use one of ${[...activations].join(', ')}`);
  if (/_?initializer$/.test(name) && typeof member === 'string' && !initializerNames.has(member))
    refuse('use an initializer such as glorotUniform, heNormal or zeros');
  if ((name === 'dropout' || name === 'recurrent_dropout') && member !== 0)
    refuse('set it to 0 and use a Dropout layer, whose mask follows from the seed');
  if (name === 'stateful' && member !== false) refuse('set it to false');
  if (name === 'mask_zero' && member !== false) refuse('set it to false');
  const range = ranges.get(name);
  if (range !== undefined) checkRange(member, range, path);
}

/** @throws UnsupportedProgramError, ProgramTooLargeError naming the number's path */
function checkRange(member: unknown, range: Range, path: string): void {
  if (Array.isArray(member)) {
    if (member.length > maxListLength) throw new ProgramTooLargeError(`${path}.length`, member.length, maxListLength);
    member.forEach((item, index) => {
      checkRange(item, range, `${path}[${String(index)}]`);
    });
    return;
  }
  if (typeof member !== 'number') return;
  if (member > range.largest) throw new ProgramTooLargeError(path, member, range.largest);
  if (!Number.isInteger(member) || member < range.smallest)
    throw new UnsupportedProgramError(
      `Program: ${path} is ${String(member)}; give an integer from ${String(range.smallest)} to ${String(range.largest)}.`,
    );
}

function snakeCase(name: string): string {
  return name.replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase();
}
