// The one place that imports TensorFlow.js, so that every part shares one engine.
import * as tf from '@tensorflow/tfjs-core';

export { tf };
