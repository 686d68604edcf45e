// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @notice A sum tree over 1,024 seats that remembers its past, so that seats are drawn in proportion to the weights
/// as they were at the end of a block. Were today's weights used, then whoever sees the randomness could add one wei
/// here or there until the draw suits him. Changing a weight and drawing a seat touch eleven nodes.
library StakeTree {
    using Checkpoints for Checkpoints.Trace208;

    uint256 internal constant SEATS = 1_024;
    uint256 internal constant ROOT = 1;

    struct Tree {
        mapping(uint256 node => Checkpoints.Trace208) nodes; // heap order: children of n are 2n and 2n+1
    }

    /// @notice A draw without replacement, in progress.
    struct Draw {
        uint48 blockNumber; // weights as of the end of this block
        uint256 leftWeight; // of the seats that are not taken yet
        uint256[] nodes; // what is left in each node, plus one; zero is not read yet
    }

    function set(Tree storage tree, uint256 seat, uint256 weight) internal {
        uint256 node = SEATS + seat;
        uint256 old = tree.nodes[node].latest();
        if (old == weight) return;
        for (; node != 0; node >>= 1) {
            Checkpoints.Trace208 storage trace = tree.nodes[node];
            trace.push(SafeCast.toUint48(block.number), SafeCast.toUint208(trace.latest() - old + weight));
        }
    }

    /// @param blockNumber a past block, so that its weights cannot change any more
    function startDraw(Tree storage tree, uint48 blockNumber) internal view returns (Draw memory draw) {
        draw.blockNumber = blockNumber;
        draw.leftWeight = tree.nodes[ROOT].upperLookupRecent(blockNumber);
        draw.nodes = new uint256[](2 * SEATS);
    }

    /// @notice Takes one more seat, each with a chance in proportion to its weight. `draw.leftWeight` must not be zero.
    function take(Tree storage tree, Draw memory draw, uint256 random) internal view returns (uint256 seat) {
        uint256 at = random % draw.leftWeight;
        uint256 weight = draw.leftWeight;
        uint256 node = ROOT;
        while (node < SEATS) {
            node <<= 1;
            uint256 left = draw.nodes[node];
            if (left == 0) {
                left = tree.nodes[node].upperLookupRecent(draw.blockNumber) + 1;
                draw.nodes[node] = left;
            }
            --left;
            if (at < left) {
                weight = left;
            } else {
                at -= left;
                weight -= left;
                ++node;
            }
        }
        seat = node - SEATS;
        draw.leftWeight -= weight;
        // Only left children are read, so only theirs need to be kept.
        for (; node != ROOT; node >>= 1) {
            if (node & 1 == 0) draw.nodes[node] -= weight;
        }
    }
}
