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
        uint256 count;
        uint256[] seats; // taken
        uint256[] weights; // theirs
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
    /// @param most how many seats will be taken at most
    function startDraw(Tree storage tree, uint48 blockNumber, uint256 most) internal view returns (Draw memory draw) {
        draw.blockNumber = blockNumber;
        draw.leftWeight = tree.nodes[ROOT].upperLookupRecent(blockNumber);
        draw.seats = new uint256[](most);
        draw.weights = new uint256[](most);
    }

    /// @notice Takes one more seat, each with a chance in proportion to its weight. `draw.leftWeight` must not be zero.
    function take(Tree storage tree, Draw memory draw, uint256 random) internal view returns (uint256 seat) {
        uint256 at = random % draw.leftWeight;
        uint256 node = ROOT;
        for (uint256 size = SEATS >> 1; size != 0; size >>= 1) {
            node <<= 1;
            uint256 left = tree.nodes[node].upperLookupRecent(draw.blockNumber);
            // Seats below `node` are the half-open range [first, first + size).
            uint256 first = node * size - SEATS;
            for (uint256 i; i < draw.count; ++i) {
                if (draw.seats[i] >= first && draw.seats[i] < first + size) left -= draw.weights[i];
            }
            if (at >= left) {
                at -= left;
                ++node;
            }
        }
        seat = node - SEATS;
        uint256 weight = tree.nodes[node].upperLookupRecent(draw.blockNumber);
        draw.seats[draw.count] = seat;
        draw.weights[draw.count++] = weight;
        draw.leftWeight -= weight;
    }
}
