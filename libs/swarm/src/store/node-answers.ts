import { PRICE_PER_BLOCK } from './stamps.ts';

const zeros = (bytes: number): string => '00'.repeat(bytes);
// The generator point of secp256k1: a valid public key that nobody holds anything under.
const publicKey = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';

/** What a Bee node says of itself, for a store without network or chain. */
export const nodeAnswers: Record<string, object> = {
  '/': { status: 'ok', message: 'Cotrain Swarm store' },
  '/health': { status: 'ok', version: '2.7.0-cotrain', apiVersion: '7.3.0' },
  '/readiness': { status: 'ready', version: '2.7.0-cotrain', apiVersion: '7.3.0' },
  '/node': { beeMode: 'dev', gatewayMode: false, chequebookEnabled: false, swapEnabled: false },
  '/addresses': { overlay: zeros(32), underlay: [], ethereum: `0x${zeros(20)}`, publicKey, pssPublicKey: publicKey },
  '/peers': { peers: [] },
  '/batches': { batches: [] },
  '/chainstate': { chainTip: 1, block: 1, totalAmount: '0', currentPrice: String(PRICE_PER_BLOCK) },
};
