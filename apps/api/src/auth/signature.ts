import { ChainUnavailableError } from '@cotrain/chain';
import { hashMessage, Interface, isError, type Provider, verifyMessage } from 'ethers';

const eip1271 = new Interface(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)']);
const magicValue = '0x1626ba7e';
const maxSignatureDigits = 2 + 2 * 4_096;

/**
 * Whether `address` has signed `message` (EIP-191): with its key, or, when it is a contract, by its own judgement
 * (EIP-1271).
 * @throws ChainUnavailableError when the contract cannot be asked
 */
export async function isSignedBy(
  address: string,
  message: string,
  signature: string,
  provider: Pick<Provider, 'call'>,
): Promise<boolean> {
  if (!/^0x([0-9a-fA-F]{2})+$/.test(signature) || signature.length > maxSignatureDigits) return false;
  if (signerOf(message, signature) === address) return true;
  try {
    const data = eip1271.encodeFunctionData('isValidSignature', [hashMessage(message), signature]);
    const answer = await provider.call({ to: address, data });
    // bytes4 comes padded to a word; an account without code answers nothing.
    return answer.length === 66 && answer.startsWith(magicValue);
  } catch (error) {
    if (isError(error, 'CALL_EXCEPTION')) return false; // the contract says no by reverting
    throw new ChainUnavailableError('isValidSignature', error);
  }
}

function signerOf(message: string, signature: string): string | null {
  try {
    return verifyMessage(message, signature);
  } catch {
    return null; // not a signature of a key: a contract may still understand it
  }
}
