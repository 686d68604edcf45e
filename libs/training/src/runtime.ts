import { exactBackend } from '@cotrain/protocol';
import { tf } from './tf.ts';

/**
 * Whether TensorFlow.js's current backend computes exact/1. Then dropout's masks, sums over rows of a table and the
 * optimizer's steps are the profile's own; everything else is TensorFlow.js's kernels on that backend.
 */
export function isExact(): boolean {
  return tf.getBackend() === exactBackend;
}
