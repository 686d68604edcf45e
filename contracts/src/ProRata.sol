// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice Shares that add up to the whole exactly, whatever the rounding: they telescope.
library ProRata {
    /// @notice Part of `amountWei` for `units` of `totalUnits` that follow `unitsBefore` others:
    /// floor(amount * (before + units) / total) - floor(amount * before / total).
    function share(uint256 amountWei, uint256 unitsBefore, uint256 units, uint256 totalUnits) internal pure returns (uint256) {
        return Math.mulDiv(amountWei, unitsBefore + units, totalUnits) - Math.mulDiv(amountWei, unitsBefore, totalUnits);
    }
}
