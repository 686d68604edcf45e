// The one place that imports TensorFlow.js, so that every part shares one engine and one version.
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';

// No advice on the console, no per-operation checks.
tf.enableProdMode();

export { tf, tfLayers };
