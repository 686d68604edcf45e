// node try-tfjs-node.ts FOLDER: fails unless the tfjs-node in the folder multiplies two matrices.
import { tf } from '../src/backend/tf.ts';
import { loadTfjsNode } from '../src/composed/tfjs-node.ts';

await loadTfjsNode(process.argv[2]);
await tf.setBackend('tensorflow');
const product = tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync();
if (product[0] !== 11) throw new Error(`[1 2] * [3 4] is ${String(product[0])} here`);
