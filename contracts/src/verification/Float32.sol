// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice IEEE 754 binary32 under the rules of the profile exact/1 (docs/exact-1.md, sections 1 and 2). A float is its
/// 32 bits in the low end of a word. Operands are +0 or normal: no subnormals, no -0, no infinities, no NaN; `normalise`
/// makes a value of any bits. The primitives flush below 2^-100 to +0 and saturate at 2^100. Functions that end in
/// `Plain` only round (to nearest, ties to even): they flush below the normal floats, 2^-126, and their callers see to
/// it that they do not overflow.
/// @dev A result is built as exponent plus significand in one addition: the significand's leading bit carries into the
/// exponent, also where rounding made it a power of two. `Plain` and primitive share one body with other limits.
library Float32 {
    uint256 internal constant ONE = 0x3f800000;
    uint256 internal constant TWO = 0x40000000;
    uint256 internal constant HALF = 0x3f000000;
    uint256 internal constant SIGN = 0x80000000;
    uint256 internal constant MAGNITUDE = 0x7fffffff;
    /// @notice 2^-100 and 2^100: least and largest magnitude of a value other than 0.
    uint256 internal constant SMALLEST = 0x0d800000;
    uint256 internal constant LARGEST = 0x71800000;

    /// @notice These bits are no value of the profile: neither +0 nor a magnitude from 2^-100 to 2^100.
    error NotAValue(uint256 bits);

    /// @dev 2^-126, and from there to infinity.
    uint256 private constant NORMAL = 0x00800000;
    uint256 private constant NORMAL_SPAN = 0x7f000000;
    uint256 private constant VALUE_SPAN = 0x64000000; // LARGEST - SMALLEST
    uint256 private constant EXPONENT = 0x7f800000;
    uint256 private constant FRACTION = 0x007fffff;
    uint256 private constant IMPLICIT = 0x00800000;
    /// @dev Leading zeros of a number of five bits, by byte; 0 for 0.
    uint256 private constant LEADING_ZEROS = 0x0004030302020202010101010101010100000000000000000000000000000000;

    // ---------------------------------------------------------------- values

    /// @notice N: the value of the profile for any 32 bits.
    function normalise(uint256 x) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let m := and(x, MAGNITUDE)
            r := x
            if gt(sub(m, SMALLEST), VALUE_SPAN) {
                // Too small, too large, or (beyond infinity's bits) NaN.
                r := mul(and(gt(m, LARGEST), iszero(gt(m, EXPONENT))), or(and(x, SIGN), LARGEST))
            }
        }
    }

    /// @notice Whether these bits are a value: +0, or a magnitude from 2^-100 to 2^100.
    function isValue(uint256 x) internal pure returns (bool is_) {
        assembly ("memory-safe") {
            is_ := or(iszero(x), and(iszero(shr(32, x)), iszero(gt(sub(and(x, MAGNITUDE), SMALLEST), VALUE_SPAN))))
        }
    }

    function requireValue(uint256 x) internal pure {
        if (!isValue(x)) revert NotAValue(x);
    }

    function negate(uint256 x) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            r := xor(x, mul(SIGN, gt(x, 0)))
        }
    }

    function absolute(uint256 x) internal pure returns (uint256) {
        return x & MAGNITUDE;
    }

    // ---------------------------------------------------------------- arithmetic

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        return _add(a, b, SMALLEST, VALUE_SPAN);
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return _add(a, b ^ SIGN, SMALLEST, VALUE_SPAN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        return _mul(a, b, SMALLEST, VALUE_SPAN);
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        return _div(a, b, SMALLEST, VALUE_SPAN);
    }

    function addPlain(uint256 a, uint256 b) internal pure returns (uint256) {
        return _add(a, b, NORMAL, NORMAL_SPAN);
    }

    function subPlain(uint256 a, uint256 b) internal pure returns (uint256) {
        return _add(a, b ^ SIGN, NORMAL, NORMAL_SPAN);
    }

    function mulPlain(uint256 a, uint256 b) internal pure returns (uint256) {
        return _mul(a, b, NORMAL, NORMAL_SPAN);
    }

    /// @dev For b != 0.
    function divPlain(uint256 a, uint256 b) internal pure returns (uint256) {
        return _div(a, b, NORMAL, NORMAL_SPAN);
    }

    /// @dev The larger significand stands at bits 49 to 26, the smaller is shifted down below it. Up to a distance of 26
    /// exponents the sum is exact; beyond, what is shifted out and what is left are less than a quarter of the last
    /// place and cannot change the result. Here b may be -0.
    function _add(uint256 a, uint256 b, uint256 smallest, uint256 span) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            let x := and(a, MAGNITUDE)
            let y := and(b, MAGNITUDE)
            if lt(x, y) {
                let t := x
                x := y
                y := t
                t := a
                a := b
                b := t
            }
            let m := shr(
                sub(shr(23, x), shr(23, y)),
                shl(26, or(and(y, FRACTION), shl(23, iszero(iszero(y)))))
            )
            // Added or, where the signs differ, subtracted. Of +0 and +0 this makes 2^-127, which is flushed below.
            m := add(
                shl(26, or(and(x, FRACTION), IMPLICIT)),
                mul(m, sub(1, shl(1, shr(31, xor(a, b)))))
            )
            let e := and(x, EXPONENT)
            // Cancellation of more than four bits, which leaves at most 24 and so is exact.
            if iszero(shr(46, m)) {
                switch m
                case 0 { e := 0 }
                default {
                    for {} iszero(shr(46, m)) {} {
                        m := shl(5, m)
                        e := sub(e, 0x02800000) // 5 << 23
                    }
                }
            }
            let zeros := byte(shr(46, m), LEADING_ZEROS)
            m := shl(zeros, m)
            let u := add(
                sub(e, shl(23, zeros)),
                shr(27, add(m, add(0x3ffffff, and(shr(27, m), 1))))
            )
            r := or(and(a, SIGN), u)
            if gt(sub(u, smallest), span) {
                r := mul(sgt(u, smallest), or(and(a, SIGN), add(smallest, span)))
            }
        }
    }

    function _mul(uint256 a, uint256 b, uint256 smallest, uint256 span) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            let m := mul(or(and(a, FRACTION), IMPLICIT), or(and(b, FRACTION), IMPLICIT))
            let zeros := iszero(shr(47, m))
            m := shl(zeros, m)
            let u := add(
                sub(add(and(a, EXPONENT), and(b, EXPONENT)), shl(23, add(127, zeros))),
                shr(24, add(m, add(0x7fffff, and(shr(24, m), 1))))
            )
            u := mul(u, iszero(iszero(mul(a, b)))) // 0 if a factor is 0
            r := or(and(xor(a, b), SIGN), u)
            if gt(sub(u, smallest), span) {
                r := mul(sgt(u, smallest), or(and(xor(a, b), SIGN), add(smallest, span)))
            }
        }
    }

    /// @dev A quotient of two significands of 24 bits lies never half way between two such: 25 bits decide the rounding.
    function _div(uint256 a, uint256 b, uint256 smallest, uint256 span) private pure returns (uint256 r) {
        assembly ("memory-safe") {
            let m := or(and(a, FRACTION), IMPLICIT)
            let n := or(and(b, FRACTION), IMPLICIT)
            let smaller := lt(m, n)
            let u := add(
                sub(and(a, EXPONENT), and(b, EXPONENT)),
                add(
                    shl(23, sub(126, smaller)),
                    shr(1, add(1, div(shl(add(24, smaller), m), n)))
                )
            )
            // Out of reach for a divisor 0, and then 0 for a dividend 0.
            u := mul(add(u, shl(40, iszero(b))), iszero(iszero(a)))
            r := or(and(xor(a, b), SIGN), u)
            if gt(sub(u, smallest), span) {
                r := mul(sgt(u, smallest), or(and(xor(a, b), SIGN), add(smallest, span)))
            }
        }
    }

    /// @notice +0 for a negative number.
    /// @dev Three steps of Newton's method from a straight line (at most 4.2 % off) give the root of a number of 49 or 50
    /// bits to the last of its 25 bits or one too much. No root lies half way between two significands.
    function sqrt(uint256 a) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let e := shr(23, a)
            let m := shl(sub(26, and(e, 1)), or(and(a, FRACTION), IMPLICIT))
            let q := add(0xb55555, div(m, 0x3000000))
            q := shr(1, add(q, div(m, q)))
            q := shr(1, add(q, div(m, q)))
            q := shr(1, add(q, div(m, q)))
            q := sub(q, gt(mul(q, q), m))
            r := add(shl(23, sub(shr(1, add(e, 127)), 1)), shr(1, add(q, 1)))
            r := mul(r, lt(sub(a, 1), MAGNITUDE)) // only for positive ones
        }
    }

    // ---------------------------------------------------------------- order

    /// @notice A signed number that orders floats.
    function order(uint256 x) internal pure returns (int256 key) {
        assembly ("memory-safe") {
            key := signextend(3, x)
            key := xor(key, shr(225, sar(255, key)))
        }
    }

    function less(uint256 a, uint256 b) internal pure returns (bool) {
        return order(a) < order(b);
    }

    /// @notice a > b ? a : b
    function maximum(uint256 a, uint256 b) internal pure returns (uint256) {
        return less(b, a) ? a : b;
    }

    /// @notice a < b ? a : b
    function minimum(uint256 a, uint256 b) internal pure returns (uint256) {
        return less(a, b) ? a : b;
    }

    function isNegative(uint256 x) internal pure returns (bool negative) {
        assembly ("memory-safe") {
            negative := shr(31, x)
        }
    }

    /// @notice Whether x > 0.
    function isPositive(uint256 x) internal pure returns (bool positive) {
        assembly ("memory-safe") {
            positive := lt(sub(x, 1), MAGNITUDE)
        }
    }

    // ---------------------------------------------------------------- whole numbers

    /// @notice The largest whole number that is not above x.
    function floor(uint256 x) internal pure returns (uint256) {
        return _isWhole(x) ? x : fromInteger(toIntegerDown(x));
    }

    /// @notice The smallest whole number that is not below x.
    function ceil(uint256 x) internal pure returns (uint256) {
        return _isWhole(x) ? x : fromInteger(-toIntegerDown(negate(x)));
    }

    /// @notice The nearest whole number, ties to even.
    function round(uint256 x) internal pure returns (uint256) {
        return _isWhole(x) ? x : fromInteger(toIntegerNearest(x));
    }

    /// @dev From 2^23 on every float is whole.
    function _isWhole(uint256 x) private pure returns (bool) {
        return (x & MAGNITUDE) >= 0x4b000000;
    }

    /// @notice The nearest integer, ties to even. Any size: up to 2^100 for a value.
    function toIntegerNearest(uint256 x) internal pure returns (int256 r) {
        assembly ("memory-safe") {
            let e := and(shr(23, x), 0xff)
            let m := or(and(x, FRACTION), IMPLICIT)
            switch gt(e, 149)
            case 1 { m := shl(sub(e, 150), m) }
            default {
                // Below 1/2, 0 included, more than 24 bits are shifted out.
                let bits := sub(150, e)
                m := mul(
                    shr(bits, add(m, add(sub(shl(sub(bits, 1), 1), 1), and(shr(bits, m), 1)))),
                    lt(bits, 25)
                )
            }
            r := mul(m, sub(1, shl(1, and(shr(31, x), 1))))
        }
    }

    /// @notice The largest integer that is not above x. Any size.
    function toIntegerDown(uint256 x) internal pure returns (int256 r) {
        assembly ("memory-safe") {
            let e := and(shr(23, x), 0xff)
            let m := or(and(x, FRACTION), IMPLICIT)
            r := mul(mul(m, iszero(iszero(e))), sub(1, shl(1, and(shr(31, x), 1))))
            switch gt(e, 149)
            case 1 { r := shl(sub(e, 150), r) }
            default { r := sar(sub(150, e), r) }
        }
    }

    /// @notice Towards 0, and saturated at -2^31 and 2^31 - 1.
    function toInt32(uint256 x) internal pure returns (int256 r) {
        r = toIntegerDown(x & MAGNITUDE);
        if (isNegative(x)) r = -r;
        if (r > type(int32).max) return type(int32).max;
        if (r < type(int32).min) return type(int32).min;
    }

    /// @notice RN of an integer of magnitude below 2^32.
    function fromInteger(int256 whole) internal pure returns (uint256 r) {
        assembly ("memory-safe") {
            let negative := shr(255, whole)
            let m := shl(19, mul(whole, sub(1, shl(1, negative))))
            if m {
                let e := 0x4e800000 // of bit 31, less one for the leading bit
                for {} iszero(shr(46, m)) {} {
                    m := shl(5, m)
                    e := sub(e, 0x02800000)
                }
                let zeros := byte(shr(46, m), LEADING_ZEROS)
                m := shl(zeros, m)
                r := add(
                    sub(e, shl(23, zeros)),
                    shr(27, add(m, add(0x3ffffff, and(shr(27, m), 1))))
                )
                r := or(shl(31, negative), r)
            }
        }
    }

    /// @notice 2^e for -126 <= e <= 127.
    function powerOfTwo(int256 e) internal pure returns (uint256) {
        unchecked {
            return uint256(e + 127) << 23;
        }
    }
}
