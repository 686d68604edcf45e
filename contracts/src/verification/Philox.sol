// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Philox 4x32-10 (Salmon et al., SC 2011): any word of the stream alone. Exact/1, section 11, and the draws of
/// docs/formats.md.
library Philox {
    uint256 private constant WORD = 0xffffffff;
    uint32 private constant ROW_ORDER = 1;
    uint256 private constant ROUNDS = 6;

    /// @notice A job has 1 to 2^48 rows.
    error RowsOutOfRange(uint256 rows);

    /// @param counter four words, the first one lowest: c0 + c1 * 2^32 + c2 * 2^64 + c3 * 2^96
    /// @param seed the key: its lower and upper 32 bits
    /// @return words four words, packed as the counter is
    function block_(uint256 counter, uint64 seed) internal pure returns (uint256 words) {
        assembly ("memory-safe") {
            let c0 := and(counter, WORD)
            let c1 := and(shr(32, counter), WORD)
            let c2 := and(shr(64, counter), WORD)
            let c3 := and(shr(96, counter), WORD)
            let k0 := and(seed, WORD)
            let k1 := and(shr(32, seed), WORD)
            for { let round := 0 } lt(round, 10) { round := add(round, 1) } {
                let p0 := mul(0xd2511f53, c0)
                let p1 := mul(0xcd9e8d57, c2)
                c0 := xor(xor(shr(32, p1), c1), k0)
                c1 := and(p1, WORD)
                c2 := xor(xor(shr(32, p0), c3), k1)
                c3 := and(p0, WORD)
                k0 := and(add(k0, 0x9e3779b9), WORD)
                k1 := and(add(k1, 0xbb67ae85), WORD)
            }
            words := or(or(c0, shl(32, c1)), or(shl(64, c2), shl(96, c3)))
        }
    }

    /// @notice Element `index` of a dropout mask: 0 if its 16 bits are below the threshold, else `keepScale`.
    /// @param threshold floor(rate * 65,536 + 0.5)
    function dropout(
        uint64 seed,
        uint32 step,
        uint32 substream,
        uint32 stream,
        uint256 index,
        uint256 threshold,
        uint256 keepScale
    ) internal pure returns (uint256) {
        unchecked {
            // Counters have 32 bits: beyond 2^35 elements a mask repeats, as everywhere.
            uint256 counter = ((index >> 3) & WORD) | (uint256(step) << 32) | (uint256(substream) << 64) | (uint256(stream) << 96);
            uint256 bits = (block_(counter, seed) >> (16 * (index & 7))) & 0xffff;
            return bits < threshold ? 0 : keepScale;
        }
    }

    /// @notice Row of the training view at a position, step * batchSize + i, of the endless sequence of epochs
    /// (docs/formats.md, "Row order"): a Feistel network of six rounds that walks its cycle until it is back in range.
    /// @dev The square that it permutes is less than four times the rows, or four: fewer than four steps on average.
    function rowAt(uint64 seed, uint256 position, uint256 rows) internal pure returns (uint256 row) {
        if (rows == 0 || rows > 1 << 48) revert RowsOutOfRange(rows);
        if (rows == 1) return 0;
        unchecked {
            uint256 bits = 1;
            while (1 << (2 * bits) < rows) ++bits;
            uint256 mask = (1 << bits) - 1;
            uint256 epoch = (position / rows) & WORD;
            row = position % rows;
            do {
                uint256 left = row >> bits;
                uint256 right = row & mask;
                for (uint256 round; round < ROUNDS; ++round) {
                    uint256 counter = right | (round << 32) | (epoch << 64) | (uint256(ROW_ORDER) << 96);
                    (left, right) = (right, left ^ (block_(counter, seed) & mask));
                }
                row = (left << bits) | right;
            } while (row >= rows);
        }
    }
}
