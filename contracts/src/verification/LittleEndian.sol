// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Reads 32-bit elements as traces, states and rows hold them: the lowest byte first.
library LittleEndian {
    /// @notice Element `index` of `elements`. The caller sees to it that it lies inside.
    function word32(bytes calldata elements, uint256 index) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := shr(224, calldataload(add(elements.offset, shl(2, index))))
            word := or(shl(8, and(word, 0xff00ff)), and(shr(8, word), 0xff00ff))
            word := or(and(shl(16, word), 0xffff0000), shr(16, word))
        }
    }
}
