// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ExactIndexes} from "../../src/verification/ExactIndexes.sol";

/// @notice ExactIndexes as a contract: all indices of a tensor at once.
contract IndexHarness {
    function broadcast(uint256 count, uint32[4] memory shape, uint32[4] memory strides)
        external
        pure
        returns (uint256[] memory indices)
    {
        indices = new uint256[](count);
        for (uint256 i; i < count; ++i) indices[i] = ExactIndexes.broadcast(i, shape, strides);
    }

    function strided(uint256 count, uint32[6] memory shape, int64 offset, int64[6] memory strides)
        external
        pure
        returns (int256[] memory indices)
    {
        indices = new int256[](count);
        for (uint256 i; i < count; ++i) indices[i] = ExactIndexes.strided(i, shape, offset, strides);
    }

    function patches(
        uint256 rows,
        uint256 columns,
        ExactIndexes.Axis memory height,
        ExactIndexes.Axis memory width,
        uint256 channels
    ) external pure returns (int256[] memory indices) {
        indices = new int256[](rows * columns);
        for (uint256 i; i < indices.length; ++i) {
            indices[i] = ExactIndexes.patch(height, width, channels, i / columns, i % columns);
        }
    }

    /// @return indices for each of `count` elements, and for each position of the filter
    function windows(
        uint256 count,
        bool seeing,
        ExactIndexes.Axis memory height,
        ExactIndexes.Axis memory width,
        uint256 channels
    ) external pure returns (int256[] memory indices) {
        uint256 positions = uint256(height.filter) * width.filter;
        indices = new int256[](count * positions);
        for (uint256 i; i < indices.length; ++i) {
            indices[i] = seeing
                ? ExactIndexes.windowSeeing(height, width, channels, i / positions, i % positions)
                : ExactIndexes.window(height, width, channels, i / positions, i % positions);
        }
    }
}
