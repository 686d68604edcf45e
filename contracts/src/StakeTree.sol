// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A sum tree over 1,024 seats. Changing a weight and drawing a seat in proportion to weight touch eleven nodes.
library StakeTree {
    uint256 internal constant SEATS = 1_024;
    uint256 internal constant ROOT = 1;

    struct Tree {
        mapping(uint256 node => uint256 weight) nodes; // heap order: children of n are 2n and 2n+1
    }

    function total(Tree storage tree) internal view returns (uint256) {
        return tree.nodes[ROOT];
    }

    function weightOf(Tree storage tree, uint256 seat) internal view returns (uint256) {
        return tree.nodes[SEATS + seat];
    }

    function set(Tree storage tree, uint256 seat, uint256 weight) internal {
        uint256 node = SEATS + seat;
        uint256 old = tree.nodes[node];
        for (; node != 0; node >>= 1) {
            tree.nodes[node] = tree.nodes[node] - old + weight;
        }
    }

    /// @notice The seat that holds position `at` (below the total less the weight of `taken`), the taken seats left out.
    function seatAt(Tree storage tree, uint256 at, uint256[] memory taken, uint256 takenCount)
        internal
        view
        returns (uint256)
    {
        uint256 node = ROOT;
        for (uint256 size = SEATS; size > 1; size >>= 1) {
            node <<= 1;
            uint256 left = tree.nodes[node];
            // Seats below `node` are the half-open range [first, first + size / 2).
            uint256 first = node * (size >> 1) - SEATS;
            for (uint256 i; i < takenCount; ++i) {
                uint256 seat = taken[i];
                if (seat >= first && seat < first + (size >> 1)) left -= tree.nodes[SEATS + seat];
            }
            if (at >= left) {
                at -= left;
                ++node;
            }
        }
        return node - SEATS;
    }
}
