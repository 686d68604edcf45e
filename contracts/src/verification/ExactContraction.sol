// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";

/// @notice A block of a contraction, exact/1, section 6: the exponent of up to 1,024 floats, the quantised value, the
/// product of up to 1,024 pairs of int8, and the rescaled product.
library ExactContraction {
    uint256 internal constant BLOCK = 1_024;
    int256 internal constant LEAST_EXPONENT = -99;
    int256 internal constant LARGEST_EXPONENT = 101;

    /// @dev One bit, a byte and a sign bit in each of eight lanes of 32 bits.
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant BYTES = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
    uint256 private constant OFFSETS = 0x0000008000000080000000800000008000000080000000800000008000000080;
    uint256 private constant SIGNS = 0x8080808080808080808080808080808080808080808080808080808080808080;
    /// @dev 2^31 in each lane but the highest.
    uint256 private constant LIFT = 0x0000000080000000800000008000000080000000800000008000000080000000;

    /// @notice A block has 1 to 1,024 elements, and both sides of a product have the same number.
    error WrongBlockLength(uint256 bytes_, uint256 largestBytes);
    /// @notice Not an exponent that a block of values can have.
    error ExponentOutOfRange(int256 exponent);
    /// @notice Not a product that a block of int8 can have.
    error ProductOutOfRange(int256 product);

    /// @notice The integer e with 2^(e-1) <= m < 2^e for the largest magnitude m; -99 if all are 0 (6.1).
    /// @param floats 1 to 1,024 little-endian float32
    /// @dev An exponent's bits lie in a float's last two bytes; eight floats are compared at a time. The bit above each of
    /// eight lanes of 8 bits survives the subtraction where the first is not the smaller one.
    function exponent(bytes calldata floats) internal pure returns (int256 e) {
        if (floats.length == 0 || floats.length > 4 * BLOCK || floats.length % 4 != 0) {
            revert WrongBlockLength(floats.length, 4 * BLOCK);
        }
        uint256 field;
        assembly ("memory-safe") {
            let largest := 0
            let end := add(floats.offset, floats.length)
            for { let at := floats.offset } lt(at, end) { at := add(at, 32) } {
                let word := calldataload(at)
                if gt(add(at, 32), end) { word := shl(shl(3, sub(add(at, 32), end)), shr(shl(3, sub(add(at, 32), end)), word)) }
                let x := or(and(shl(1, word), sub(BYTES, ONES)), and(shr(15, word), ONES))
                let keep := mul(0xff, and(shr(8, sub(or(largest, shl(8, ONES)), x)), ONES))
                largest := xor(x, and(xor(x, largest), keep))
            }
            for {} largest { largest := shr(32, largest) } {
                let x := and(largest, 0xff)
                if gt(x, field) { field := x }
            }
        }
        unchecked {
            e = field == 0 ? LEAST_EXPONENT : int256(field) - 126;
        }
        _requireExponent(e);
    }

    /// @notice clamp(rne(x * 2^(7-e)), -127, 127) (6.2)
    function quantise(uint256 x, int256 exponent_) internal pure returns (int256 q) {
        _requireExponent(exponent_);
        unchecked {
            q = Float32.toIntegerNearest(Float32.mulPlain(x, Float32.powerOfTwo(7 - exponent_)));
        }
        if (q > 127) return 127;
        if (q < -127) return -127;
    }

    /// @notice Sum of the products of up to 1,024 pairs of int8 (6.3).
    /// @dev Eight bytes of a word, one in each lane of 32 bits, are the coefficients of a polynomial in X = 2^32, eight of the
    /// other side those of one in reverse order. Modulo X^8 their product has at X^7 the sum of the eight products of
    /// pairs; what lies higher is cut off by the multiplication itself. Four such multiplications serve the 32 pairs
    /// of a word, and their results add up lane by lane until the end.
    ///
    /// The bytes are signed (xor 128, then minus 128), and so are the coefficients: a polynomial with signed coefficients
    /// is the same number modulo 2^256. Each coefficient of the sum, also those below X^7 that nobody wants, is at most
    /// 1,024 * 128 * 128 = 2^24 in magnitude: 128 multiplications add at most eight products each. Lifted by
    /// 2^31, the seven lower lanes are positive and below 2^32, so none borrows from the highest, which then holds
    /// its coefficient modulo 2^32. This holds for -128 too, which a lying trace may contain.
    function product(bytes calldata left, bytes calldata right) internal pure returns (int256 sum) {
        if (left.length != right.length || left.length == 0 || left.length > BLOCK) {
            revert WrongBlockLength(left.length == right.length ? left.length : right.length, BLOCK);
        }
        assembly ("memory-safe") {
            let distance := sub(right.offset, left.offset)
            let end := add(left.offset, left.length)
            for { let at := left.offset } lt(at, end) { at := add(at, 32) } {
                let a := calldataload(at)
                let b := calldataload(add(at, distance))
                if gt(add(at, 32), end) {
                    // Zeros behind the last pair.
                    let bits := shl(3, sub(add(at, 32), end))
                    a := shl(bits, shr(bits, a))
                    b := shl(bits, shr(bits, b))
                }
                a := xor(a, SIGNS)
                // The eight lanes in reverse order.
                b := xor(or(shl(128, b), shr(128, b)), SIGNS)
                b := or(
                    and(shl(64, b), 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000),
                    and(shr(64, b), 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff)
                )
                b := or(
                    and(shl(32, b), 0xffffffff00000000ffffffff00000000ffffffff00000000ffffffff00000000),
                    and(shr(32, b), 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff)
                )
                sum := add(sum, mul(sub(and(a, BYTES), OFFSETS), sub(and(b, BYTES), OFFSETS)))
                sum := add(sum, mul(sub(and(shr(8, a), BYTES), OFFSETS), sub(and(shr(8, b), BYTES), OFFSETS)))
                sum := add(sum, mul(sub(and(shr(16, a), BYTES), OFFSETS), sub(and(shr(16, b), BYTES), OFFSETS)))
                sum := add(sum, mul(sub(and(shr(24, a), BYTES), OFFSETS), sub(and(shr(24, b), BYTES), OFFSETS)))
            }
            sum := sar(224, add(sum, LIFT))
        }
    }

    /// @notice N((p * 2^(eA-7)) * 2^(eB-7)), plain inside (6.4).
    function rescale(int256 product_, int256 leftExponent, int256 rightExponent) internal pure returns (uint256) {
        _requireExponent(leftExponent);
        _requireExponent(rightExponent);
        if (product_ > 1 << 24 || product_ < -(1 << 24)) revert ProductOutOfRange(product_);
        unchecked {
            uint256 half = Float32.mulPlain(Float32.fromInteger(product_), Float32.powerOfTwo(leftExponent - 7));
            return Float32.mul(half, Float32.powerOfTwo(rightExponent - 7));
        }
    }

    function _requireExponent(int256 e) private pure {
        if (e < LEAST_EXPONENT || e > LARGEST_EXPONENT) revert ExponentOutOfRange(e);
    }
}
