// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";

/// @notice The composed functions of exact/1, section 4, step by step as docs/exact-1.md writes them. Operands are values.
library ExactFunctions {
    uint256 private constant SEVENTY = 0x428c0000;
    uint256 private constant MINUS_SEVENTY = 0xc28c0000;
    uint256 private constant MINUS_ONE = 0xbf800000;
    uint256 private constant LOG2_E = 0x3fb8aa3b;
    uint256 private constant EXP_LN2_HIGH = 0x3f317200;
    uint256 private constant EXP_LN2_LOW = 0x35bfbe8e;
    uint256 private constant LOG_LN2_HIGH = 0x3f318000;
    uint256 private constant LOG_LN2_LOW = 0x395e8083;
    uint256 private constant TANH_LIMIT = 0x3f200000;
    uint256 private constant ERF_LIMIT = 0x3f6d8000;
    uint256 private constant FOUR = 0x40800000;
    uint256 private constant SQRT_TWO = 0x3fb504f3;
    uint256 private constant SELU_SCALE = 0x3f867d5f;
    uint256 private constant SELU_SCALE_ALPHA = 0x3fe10966;

    // Polynomials: the highest coefficient, then the others, packed 32 bits each, the next one lowest.
    uint256 private constant E_TOP = 0x3ab4a000;
    uint256 private constant E = 0x3f8000003f8000003efffffb3e2aaa283d2aadad3c092f6e;
    uint256 private constant L_TOP = 0x3d9021bb;
    uint256 private constant L = 0x3eaaaaaabe7ffffc3e4cceacbe2aae503e11e9bfbdfe5d4f3def251abdebd1b8;
    uint256 private constant T_TOP = 0xbbbaf0ea;
    uint256 private constant T = 0xbeaaaa993e088393bd5c1e2d3ca9134e;
    uint256 private constant A_TOP = 0xba1c7000;
    uint256 private constant A = 0x003e0375d4bec093803de70e22bcdb48d93ba38d2c;
    uint256 private constant B_TOP = 0xb7910000;
    uint256 private constant B = 0xbe03ce86bf228550bddaae5c3cc6b1a1bb7e8a1c39c8e7d9;

    /// @dev Horner's scheme with plain steps; `lower` has no zero coefficient.
    function _polynomial(uint256 sum, uint256 lower, uint256 t) private pure returns (uint256) {
        for (; lower != 0; lower >>= 32) {
            sum = Float32.addPlain(Float32.mulPlain(sum, t), lower & 0xffffffff);
        }
        return sum;
    }

    /// @notice e^x before flush and saturation; for any float.
    function expCore(uint256 x) internal pure returns (uint256) {
        x = Float32.minimum(Float32.maximum(x, MINUS_SEVENTY), SEVENTY);
        int256 j = Float32.toIntegerNearest(Float32.mulPlain(x, LOG2_E));
        uint256 whole = Float32.fromInteger(j);
        uint256 f = Float32.subPlain(x, Float32.mulPlain(whole, EXP_LN2_HIGH));
        f = Float32.subPlain(f, Float32.mulPlain(whole, EXP_LN2_LOW));
        return Float32.mulPlain(_polynomial(E_TOP, E, f), Float32.powerOfTwo(j));
    }

    function exp(uint256 x) internal pure returns (uint256) {
        return Float32.normalise(expCore(x));
    }

    /// @notice ln x; whatever is below 2^-100 counts as 2^-100.
    function log(uint256 x) internal pure returns (uint256) {
        x = Float32.maximum(x, Float32.SMALLEST);
        int256 e = (int256(x) - 0x3f3504f3) >> 23;
        uint256 whole = Float32.fromInteger(e);
        uint256 f = Float32.subPlain(uint256(int256(x) - (e << 23)), Float32.ONE);
        uint256 z = Float32.mulPlain(f, f);
        uint256 y = Float32.mulPlain(Float32.mulPlain(_polynomial(L_TOP, L, f), f), z);
        y = Float32.subPlain(y, Float32.mulPlain(whole, LOG_LN2_LOW));
        y = Float32.subPlain(y, Float32.mulPlain(Float32.HALF, z));
        return Float32.add(Float32.addPlain(f, y), Float32.mulPlain(whole, LOG_LN2_HIGH));
    }

    /// @notice ln(1 + x)
    function log1p(uint256 x) internal pure returns (uint256) {
        uint256 u = Float32.add(Float32.ONE, x);
        if (u == Float32.ONE) return x;
        return Float32.mul(log(u), Float32.div(x, Float32.sub(u, Float32.ONE)));
    }

    /// @notice e^x - 1
    function expm1(uint256 x) internal pure returns (uint256) {
        uint256 u = exp(x);
        if (u == Float32.ONE) return x;
        uint256 d = Float32.sub(u, Float32.ONE);
        return d == MINUS_ONE ? d : Float32.mul(d, Float32.div(x, log(u)));
    }

    function reciprocal(uint256 x) internal pure returns (uint256) {
        return Float32.div(Float32.ONE, x);
    }

    function sign(uint256 x) internal pure returns (uint256) {
        if (x == 0) return 0;
        return Float32.isNegative(x) ? MINUS_ONE : Float32.ONE;
    }

    function sigmoid(uint256 x) internal pure returns (uint256) {
        uint256 t = exp(Float32.negate(Float32.absolute(x)));
        return Float32.div(Float32.isNegative(x) ? t : Float32.ONE, Float32.add(Float32.ONE, t));
    }

    function tanh(uint256 x) internal pure returns (uint256) {
        uint256 size = Float32.absolute(x);
        if (size < TANH_LIMIT) {
            uint256 z = Float32.mulPlain(x, x);
            return Float32.add(Float32.mulPlain(Float32.mulPlain(_polynomial(T_TOP, T, z), z), x), x);
        }
        uint256 t = expCore(Float32.mulPlain(Float32.TWO, size));
        uint256 quotient = Float32.divPlain(Float32.TWO, Float32.addPlain(t, Float32.ONE));
        return _withSign(x, Float32.subPlain(Float32.ONE, quotient));
    }

    function erf(uint256 x) internal pure returns (uint256) {
        uint256 t = Float32.minimum(Float32.absolute(x), FOUR);
        if (t <= ERF_LIMIT) {
            return Float32.add(Float32.mulPlain(_polynomial(A_TOP, A, Float32.mulPlain(t, t)), x), x);
        }
        uint256 r = Float32.subPlain(Float32.mulPlain(_polynomial(B_TOP, B, t), t), t);
        return _withSign(x, Float32.subPlain(Float32.ONE, expCore(r)));
    }

    /// @dev N(x < 0 ? 0 - r : r)
    function _withSign(uint256 x, uint256 r) private pure returns (uint256) {
        return Float32.normalise(Float32.isNegative(x) ? Float32.negate(r) : r);
    }

    function gelu(uint256 x) internal pure returns (uint256) {
        uint256 share = Float32.add(Float32.ONE, erf(Float32.div(x, SQRT_TWO)));
        return Float32.mul(x, Float32.mul(Float32.HALF, share));
    }

    function softplus(uint256 x) internal pure returns (uint256) {
        return Float32.add(relu(x), log1p(exp(Float32.negate(Float32.absolute(x)))));
    }

    function relu(uint256 x) internal pure returns (uint256) {
        return Float32.isNegative(x) ? 0 : x;
    }

    function elu(uint256 x) internal pure returns (uint256) {
        return Float32.isNegative(x) ? expm1(x) : x;
    }

    function selu(uint256 x) internal pure returns (uint256) {
        return Float32.isNegative(x) ? Float32.mul(SELU_SCALE_ALPHA, expm1(x)) : Float32.mul(SELU_SCALE, x);
    }

    function floorDiv(uint256 a, uint256 b) internal pure returns (uint256) {
        return Float32.floor(Float32.div(a, b));
    }

    function mod(uint256 a, uint256 b) internal pure returns (uint256) {
        return Float32.sub(a, Float32.mul(floorDiv(a, b), b));
    }

    function pow(uint256 a, uint256 b) internal pure returns (uint256) {
        if (b == Float32.HALF) return Float32.sqrt(a);
        uint256 n = uint256(Float32.toIntegerDown(Float32.absolute(b)));
        if (n > 64 || Float32.fromInteger(int256(n)) != Float32.absolute(b)) {
            return Float32.isPositive(a) ? exp(Float32.mul(b, log(a))) : 0;
        }
        uint256 power = Float32.ONE;
        for (uint256 square = a; n != 0; square = Float32.mul(square, square)) {
            if (n & 1 == 1) power = Float32.mul(power, square);
            n >>= 1;
        }
        return Float32.isNegative(b) ? reciprocal(power) : power;
    }
}
