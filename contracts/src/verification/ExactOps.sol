// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ExactContraction} from "./ExactContraction.sol";
import {BinaryOperation, Comparison, ExactElementwise, UnaryOperation} from "./ExactElementwise.sol";
import {ExactIntegers, IntegerOperation} from "./ExactIntegers.sol";
import {AdamCoefficients, AdamElement, AdamOptions, BetaPowers, ExactOptimizers} from "./ExactOptimizers.sol";
import {ExactReductions} from "./ExactReductions.sol";
import {Float32} from "./Float32.sol";
import {Philox} from "./Philox.sol";

/// @notice One element of each operation of the numeric profile exact/1 (docs/exact-1.md, section 16) from inputs that
/// were proven elsewhere. Floats are the 32 bits of a binary32. The contract has no state and no owner.
///
/// Every float input must be a value (section 2) and every structure within the profile's bounds; anything else reverts
/// by name. So no result is ever defined by what this contract happens to do with bits that the profile does not define.
contract ExactOps {
    modifier ofValues(uint256 a, uint256 b) {
        Float32.requireValue(a);
        Float32.requireValue(b);
        _;
    }

    // ---------------------------------------------------------------- elementwise

    /// @notice N: any bits to a value (section 2).
    function normalise(uint32 bits) external pure returns (uint32) {
        return uint32(Float32.normalise(bits));
    }

    /// @param parameter0 +0 where the operation has none
    function unary(UnaryOperation operation, uint32 x, uint32 parameter0, uint32 parameter1)
        external
        pure
        ofValues(x, parameter0)
        returns (uint32)
    {
        Float32.requireValue(parameter1);
        return uint32(ExactElementwise.unary(operation, x, parameter0, parameter1));
    }

    function binary(BinaryOperation operation, uint32 a, uint32 b) external pure ofValues(a, b) returns (uint32) {
        return uint32(ExactElementwise.binary(operation, a, b));
    }

    function compare(Comparison operation, uint32 a, uint32 b) external pure ofValues(a, b) returns (bool) {
        return ExactElementwise.compare(operation, a, b);
    }

    /// @notice Moves bits without looking at them; elements of any type.
    function select(uint8 condition, uint32 a, uint32 b) external pure returns (uint32) {
        return condition != 0 ? a : b;
    }

    // Bool elements are 0 or 1: `and` and `or` are the minimum and the maximum, and to bool is NotEqual to 0.

    function integerUnary(UnaryOperation operation, int32 x, int32 parameter0, int32 parameter1)
        external
        pure
        returns (int32)
    {
        return ExactIntegers.unary(operation, x, parameter0, parameter1);
    }

    function integerBinary(IntegerOperation operation, int32 a, int32 b) external pure returns (int32) {
        return ExactIntegers.binary(operation, a, b);
    }

    function integerCompare(Comparison operation, int32 a, int32 b) external pure returns (bool) {
        return ExactElementwise.compareOrders(operation, a, b);
    }

    function toInt32(uint32 x) external pure ofValues(x, 0) returns (int32) {
        return int32(Float32.toInt32(x));
    }

    function toFloat(int32 x) external pure returns (uint32) {
        return uint32(Float32.fromInteger(x));
    }

    // ---------------------------------------------------------------- contractions

    /// @notice Exponent of a block of at most 1,024 little-endian floats, which are taken for values.
    function exponent(bytes calldata floats) external pure returns (int256) {
        return ExactContraction.exponent(floats);
    }

    function quantise(uint32 x, int256 blockExponent) external pure ofValues(x, 0) returns (int256) {
        return ExactContraction.quantise(x, blockExponent);
    }

    /// @notice An element of `contract`: the product of a block of at most 1,024 pairs of int8, rescaled.
    function contractBlock(
        bytes calldata left,
        bytes calldata right,
        int256 leftExponent,
        int256 rightExponent
    ) external pure returns (uint32) {
        int256 exact = ExactContraction.product(left, right);
        return uint32(ExactContraction.rescale(exact, leftExponent, rightExponent));
    }

    /// @notice Sum of the products alone, for operations that record it.
    function blockProduct(bytes calldata left, bytes calldata right) external pure returns (int256) {
        return ExactContraction.product(left, right);
    }

    function rescale(int256 blockProduct_, int256 leftExponent, int256 rightExponent) external pure returns (uint32) {
        return uint32(ExactContraction.rescale(blockProduct_, leftExponent, rightExponent));
    }

    // ---------------------------------------------------------------- reductions and windows

    /// @notice S of at most 64 little-endian floats.
    function sum(bytes calldata list) external pure returns (uint32) {
        return uint32(ExactReductions.sum(list));
    }

    function product(bytes calldata list) external pure returns (uint32) {
        return uint32(ExactReductions.product(list));
    }

    /// @notice The largest of at most 64 and its first position.
    function largest(bytes calldata list) external pure returns (uint32 value, uint256 position) {
        (uint256 found, uint256 at) = ExactReductions.largest(list);
        return (uint32(found), at);
    }

    function smallest(bytes calldata list) external pure returns (uint32 value, uint256 position) {
        (uint256 found, uint256 at) = ExactReductions.smallest(list);
        return (uint32(found), at);
    }

    /// @notice As `largest`, among the positions i of a window whose bit i of `inside` is set; -2^100 and -1 without any.
    function largestInside(bytes calldata list, uint64 inside)
        external
        pure
       
        returns (uint32 value, int256 position)
    {
        (uint256 found, int256 at) = ExactReductions.largestInside(list, inside);
        return (uint32(found), at);
    }

    /// @param countInside positions of the window inside of the input; +0 stands in the list for the others
    function average(bytes calldata window, uint256 countInside) external pure returns (uint32) {
        return uint32(ExactReductions.average(window, countInside));
    }

    function largestGradient(bytes calldata gradients, bytes calldata firstPositions)
        external
        pure
       
        returns (uint32)
    {
        return uint32(ExactReductions.largestGradient(gradients, firstPositions));
    }

    function averageGradient(bytes calldata gradients, bytes calldata counts)
        external
        pure
       
        returns (uint32)
    {
        return uint32(ExactReductions.averageGradient(gradients, counts));
    }

    // ---------------------------------------------------------------- randomness

    /// @notice Four words of Philox 4x32-10; counter and words packed with the first one lowest.
    function philox(uint128 counter, uint64 seed) external pure returns (uint128) {
        return uint128(Philox.block_(counter, seed));
    }

    function dropout(
        uint64 seed,
        uint32 step,
        uint32 substream,
        uint32 stream,
        uint256 index,
        uint256 threshold,
        uint32 keepScale
    ) external pure ofValues(keepScale, 0) returns (uint32) {
        return uint32(Philox.dropout(seed, step, substream, stream, index, threshold, keepScale));
    }

    function rowAt(uint64 seed, uint256 position, uint256 rows) external pure returns (uint256) {
        return Philox.rowAt(seed, position, rows);
    }

    // ---------------------------------------------------------------- optimizers

    function sgd(uint32 weight, uint32 gradient, uint32 rate)
        external
        pure
        ofValues(weight, gradient)
        ofValues(rate, 0)
        returns (uint32)
    {
        return uint32(ExactOptimizers.sgd(weight, gradient, rate));
    }

    function momentum(uint32 weight, uint32 velocity, uint32 gradient, uint32 rate, uint32 momentum_)
        external
        pure
        ofValues(weight, velocity)
        ofValues(gradient, rate)
        ofValues(momentum_, 0)
        returns (uint32 newWeight, uint32 newVelocity)
    {
        (uint256 w, uint256 v) = ExactOptimizers.momentum(weight, velocity, gradient, rate, momentum_);
        return (uint32(w), uint32(v));
    }

    function adamCoefficients(AdamOptions memory options, BetaPowers memory before)
        external
        pure
        ofValues(options.learningRate, options.epsilon)
        ofValues(options.beta1, options.beta2)
        ofValues(options.weightDecay, 0)
        ofValues(before.beta1Power, before.beta2Power)
        returns (BetaPowers memory powers, AdamCoefficients memory coefficients)
    {
        return ExactOptimizers.adamCoefficients(options, before);
    }

    function adam(AdamElement memory element, uint32 gradient, AdamCoefficients memory coefficients)
        external
        pure
        ofValues(element.weight, element.firstMoment)
        ofValues(element.secondMoment, gradient)
        ofValues(coefficients.towardsGradient, coefficients.towardsSquare)
        ofValues(coefficients.step, coefficients.shift)
        ofValues(coefficients.decay, 0)
        returns (AdamElement memory)
    {
        return ExactOptimizers.adam(element, gradient, coefficients);
    }
}
