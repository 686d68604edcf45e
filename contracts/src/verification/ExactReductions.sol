// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";
import {LittleEndian} from "./LittleEndian.sol";

/// @notice One block of at most 64 elements of a reduction (exact/1, section 5), and one element of pooling and its
/// gradients (section 9). Lists are little-endian elements of 32 bits, one after another, as a trace holds them; floats among
/// them must be values.
library ExactReductions {
    uint256 internal constant BLOCK = 64;
    uint256 private constant MINUS_LARGEST = Float32.LARGEST | Float32.SIGN;

    /// @notice A list has at most 64 elements of 4 bytes; lists that belong together have the same number.
    error WrongListLength(uint256 bytes_);

    /// @notice S of a block; +0 of an empty list.
    function sum(bytes calldata list) internal pure returns (uint256) {
        return _sum(_read(list));
    }

    /// @notice `prod` of a block: as S, with N after each product; 1 of an empty list.
    function product(bytes calldata list) internal pure returns (uint256) {
        uint256[] memory elements = _read(list);
        unchecked {
            uint256 count = elements.length;
            if (count == 0) return Float32.ONE;
            // What is behind the end counts as 1.
            for (uint256 half = _halfOf(count); half != 0; half >>= 1) {
                for (uint256 i; i + half < count; ++i) {
                    _set(elements, i, Float32.mul(_at(elements, i), _at(elements, i + half)));
                }
                count = half;
            }
        }
        return _at(elements, 0);
    }

    /// @notice The largest element and the first position where it stands; -2^100 and 0 of an empty list.
    function largest(bytes calldata list) internal pure returns (uint256 value, uint256 position) {
        return _first(_read(list), false);
    }

    /// @notice The smallest element and the first position where it stands; 2^100 and 0 of an empty list.
    function smallest(bytes calldata list) internal pure returns (uint256 value, uint256 position) {
        return _first(_read(list), true);
    }

    /// @notice The largest element among the positions whose bit is set, as of a window that reaches beyond its input, and
    /// the first position where it stands; -2^100 and -1 if there is none.
    function largestInside(bytes calldata list, uint64 inside) internal pure returns (uint256 value, int256 position) {
        uint256[] memory elements = _read(list);
        (value, position) = (MINUS_LARGEST, -1);
        unchecked {
            for (uint256 i; i < elements.length; ++i) {
                if ((inside >> i) & 1 == 0) continue;
                if (position < 0 || Float32.less(value, _at(elements, i))) {
                    (value, position) = (_at(elements, i), int256(i));
                }
            }
        }
    }

    /// @notice An element of `avgPool`: of the window in row-major order, +0 for positions outside of the input.
    function average(bytes calldata window, uint256 countInside) internal pure returns (uint256) {
        if (countInside > window.length / 4) revert WrongListLength(window.length);
        return Float32.div(sum(window), Float32.fromInteger(int256(countInside)));
    }

    /// @notice An element of `maxPoolGradient`. For each position of the filter, in row-major order: the gradient of the
    /// window that sees the input's element there, and the first position of that window's largest value.
    /// @param firstPositions int32; -1 where there is no such window
    function largestGradient(bytes calldata gradients, bytes calldata firstPositions) internal pure returns (uint256) {
        if (firstPositions.length != gradients.length) revert WrongListLength(firstPositions.length);
        uint256[] memory given = _read(gradients);
        unchecked {
            for (uint256 i; i < given.length; ++i) {
                if (LittleEndian.word32(firstPositions, i) != i) given[i] = 0;
            }
        }
        return _sum(given);
    }

    /// @notice An element of `avgPoolGradient`, with the number of positions inside of each window.
    /// @param counts int32; 0 where there is no such window
    function averageGradient(bytes calldata gradients, bytes calldata counts) internal pure returns (uint256) {
        if (counts.length != gradients.length) revert WrongListLength(counts.length);
        uint256[] memory given = _read(gradients);
        unchecked {
            for (uint256 i; i < given.length; ++i) {
                uint256 count = LittleEndian.word32(counts, i);
                if (count > BLOCK) revert WrongListLength(4 * count);
                given[i] = count == 0 ? 0 : Float32.div(given[i], Float32.fromInteger(int256(count)));
            }
        }
        return _sum(given);
    }

    /// @dev From the smallest power of two that holds the list: what is behind the end counts as +0.
    function _sum(uint256[] memory elements) private pure returns (uint256) {
        unchecked {
            uint256 count = elements.length;
            if (count == 0) return 0;
            for (uint256 half = _halfOf(count); half != 0; half >>= 1) {
                for (uint256 i; i + half < count; ++i) {
                    _set(elements, i, Float32.addPlain(_at(elements, i), _at(elements, i + half)));
                }
                count = half;
            }
        }
        return Float32.normalise(_at(elements, 0));
    }

    function _first(uint256[] memory elements, bool wantSmallest)
        private
        pure
        returns (uint256 value, uint256 position)
    {
        value = wantSmallest ? Float32.LARGEST : MINUS_LARGEST;
        unchecked {
            for (uint256 i; i < elements.length; ++i) {
                uint256 element = _at(elements, i);
                if (wantSmallest ? Float32.less(element, value) : Float32.less(value, element)) {
                    (value, position) = (element, i);
                }
            }
        }
    }

    /// @dev Half of the smallest power of two that is not below `count`; 0 for 0 and 1.
    function _halfOf(uint256 count) private pure returns (uint256 half) {
        if (count > 1) for (half = 1; half << 1 < count; half <<= 1) {}
    }

    function _read(bytes calldata list) private pure returns (uint256[] memory elements) {
        if (list.length > 4 * BLOCK || list.length % 4 != 0) revert WrongListLength(list.length);
        unchecked {
            uint256 count = list.length / 4;
            elements = new uint256[](count);
            for (uint256 i; i < count; ++i) {
                uint256 element = LittleEndian.word32(list, i);
                Float32.requireValue(element);
                _set(elements, i, element);
            }
        }
    }

    // Without a check of the bounds, which the loops above keep by themselves.

    function _at(uint256[] memory elements, uint256 index) private pure returns (uint256 element) {
        assembly ("memory-safe") {
            element := mload(add(add(elements, 32), shl(5, index)))
        }
    }

    function _set(uint256[] memory elements, uint256 index, uint256 element) private pure {
        assembly ("memory-safe") {
            mstore(add(add(elements, 32), shl(5, index)), element)
        }
    }
}
