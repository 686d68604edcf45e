import type { Program } from '@cotrain/protocol';
import { InvalidJobError } from './errors.ts';
import { tf } from './tf.ts';
import { UndefinedStepError } from './undefined-step.ts';

const smallest = 1e-7;

/** Targets of a batch as the loss wants them: class indices for the sparse loss, otherwise the prediction's shape. */
export type Targets = { kind: 'classes'; indices: Int32Array } | { kind: 'values'; values: Float32Array };

/** Loss and metric of a batch, as scalars. */
export interface Measured {
  loss: tf.Scalar;
  metric: tf.Scalar | null;
}

/** Loss and metric of predictions. @throws InvalidJobError when the targets do not fit the model's output */
export function measure(program: Program, predictions: tf.Tensor, targets: Targets): Measured {
  const expected = targetTensor(predictions, targets);
  const wantsAccuracy = program.metrics.includes('accuracy');
  switch (program.loss) {
    case 'sparseCategoricalCrossentropy':
    case 'categoricalCrossentropy': {
      const classes = predictions.shape.at(-1) ?? 1;
      const rows = tf.reshape(predictions, [-1, classes]);
      const truth = tf.reshape(expected, [-1, classes]);
      const logs = tf.log(tf.clipByValue(rows, smallest, 1 - smallest));
      return {
        loss: tf.neg(tf.mean<tf.Scalar>(tf.sum(tf.mul(truth, logs), -1))),
        metric: wantsAccuracy ? share(tf.equal(tf.argMax(rows, -1), tf.argMax(truth, -1))) : null,
      };
    }
    case 'binaryCrossentropy': {
      const p = tf.clipByValue(predictions, smallest, 1 - smallest);
      const yes = tf.mul(expected, tf.log(p));
      const no = tf.mul(tf.sub(1, expected), tf.log(tf.sub(1, p)));
      return {
        loss: tf.neg(tf.mean<tf.Scalar>(tf.add(yes, no))),
        metric: wantsAccuracy ? share(tf.equal(tf.greater(predictions, 0.5), tf.greater(expected, 0.5))) : null,
      };
    }
    case 'meanSquaredError':
      return { loss: tf.mean(tf.squaredDifference(predictions, expected)), metric: null };
  }
}

function share(hits: tf.Tensor): tf.Scalar {
  return tf.mean(tf.cast(hits, 'float32'));
}

function targetTensor(predictions: tf.Tensor, targets: Targets): tf.Tensor {
  if (targets.kind === 'values') {
    if (targets.values.length !== predictions.size)
      throw new InvalidJobError(
        `The target column has ${String(targets.values.length)} values for a batch, but the model's output has ${String(predictions.size)}: make their shapes agree.`,
      );
    return tf.tensor(targets.values, predictions.shape);
  }
  const classes = predictions.shape.at(-1) ?? 1;
  if (targets.indices.length * classes !== predictions.size)
    throw new InvalidJobError(
      `The target column has ${String(targets.indices.length)} classes for a batch, but the model predicts ${String(predictions.size / classes)}: make their shapes agree.`,
    );
  // Written here, because the WASM kernel fills one-hot rows with integers whatever type is asked for.
  const oneHot = new Float32Array(predictions.size);
  targets.indices.forEach((index, position) => {
    if (index < 0 || index >= classes)
      throw new UndefinedStepError(
        `a row's class is ${String(index)}, but the model has the classes 0 to ${String(classes - 1)}`,
      );
    oneHot[position * classes + index] = 1;
  });
  return tf.tensor(oneHot, predictions.shape);
}
