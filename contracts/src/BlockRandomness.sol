// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Randomness from the hash of a block whose number was fixed before. Whoever builds that block can discard it
/// and so choose between few outcomes; that costs him the block's reward each time. A chain whose block hashes are
/// weaker needs another library with this function.
library BlockRandomness {
    /// @notice History of block hashes, EIP-2935: the last 8,191 blocks.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @return found the hash, or zero if it is not known any more
    function blockHash(uint64 number) internal view returns (bytes32 found) {
        found = blockhash(number);
        if (found == 0) {
            (bool ok, bytes memory data) = HISTORY.staticcall(abi.encode(uint256(number)));
            if (ok && data.length == 32) found = abi.decode(data, (bytes32));
        }
    }
}
