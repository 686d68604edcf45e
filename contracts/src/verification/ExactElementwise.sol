// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ExactFunctions} from "./ExactFunctions.sol";
import {Float32} from "./Float32.sol";

// The numbers of these are those of the lists in libs/exact/src/kernels.ts.

enum UnaryOperation {
    Neg,
    Abs,
    Sign,
    Floor,
    Ceil,
    Round,
    Square,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sigmoid,
    Tanh,
    Erf,
    Softplus,
    Gelu,
    Relu,
    Clip, // parameter0 = smallest, parameter1 = largest
    Step, // x > 0 ? 1 : parameter0
    LeakyRelu, // parameter0 = slope below 0
    Elu,
    Selu
}

enum BinaryOperation {
    Add,
    Sub,
    Mul,
    Div,
    Maximum,
    Minimum,
    SquaredDifference,
    FloorDiv,
    Mod,
    Pow,
    Prelu, // a >= 0 ? a : a * b
    EluGradient // a = dy, b = y
}

enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual
}

/// @notice One element of an elementwise operation of exact/1, sections 2 and 4, by its number. Operands are values.
library ExactElementwise {
    function unary(UnaryOperation operation, uint256 x, uint256 parameter0, uint256 parameter1)
        internal
        pure
        returns (uint256)
    {
        if (operation == UnaryOperation.Neg) return Float32.negate(x);
        if (operation == UnaryOperation.Abs) return Float32.absolute(x);
        if (operation == UnaryOperation.Sign) return ExactFunctions.sign(x);
        if (operation == UnaryOperation.Floor) return Float32.floor(x);
        if (operation == UnaryOperation.Ceil) return Float32.ceil(x);
        if (operation == UnaryOperation.Round) return Float32.round(x);
        if (operation == UnaryOperation.Square) return Float32.mul(x, x);
        if (operation == UnaryOperation.Sqrt) return Float32.sqrt(x);
        if (operation == UnaryOperation.Rsqrt) return ExactFunctions.reciprocal(Float32.sqrt(x));
        if (operation == UnaryOperation.Reciprocal) return ExactFunctions.reciprocal(x);
        if (operation == UnaryOperation.Exp) return ExactFunctions.exp(x);
        if (operation == UnaryOperation.Expm1) return ExactFunctions.expm1(x);
        if (operation == UnaryOperation.Log) return ExactFunctions.log(x);
        if (operation == UnaryOperation.Log1p) return ExactFunctions.log1p(x);
        if (operation == UnaryOperation.Sigmoid) return ExactFunctions.sigmoid(x);
        if (operation == UnaryOperation.Tanh) return ExactFunctions.tanh(x);
        if (operation == UnaryOperation.Erf) return ExactFunctions.erf(x);
        if (operation == UnaryOperation.Softplus) return ExactFunctions.softplus(x);
        if (operation == UnaryOperation.Gelu) return ExactFunctions.gelu(x);
        if (operation == UnaryOperation.Relu) return ExactFunctions.relu(x);
        if (operation == UnaryOperation.Clip) return Float32.minimum(Float32.maximum(x, parameter0), parameter1);
        if (operation == UnaryOperation.Step) return Float32.isPositive(x) ? Float32.ONE : parameter0;
        if (operation == UnaryOperation.LeakyRelu) return Float32.isPositive(x) ? x : Float32.mul(parameter0, x);
        if (operation == UnaryOperation.Elu) return ExactFunctions.elu(x);
        return ExactFunctions.selu(x);
    }

    function binary(BinaryOperation operation, uint256 a, uint256 b) internal pure returns (uint256) {
        if (operation == BinaryOperation.Add) return Float32.add(a, b);
        if (operation == BinaryOperation.Sub) return Float32.sub(a, b);
        if (operation == BinaryOperation.Mul) return Float32.mul(a, b);
        if (operation == BinaryOperation.Div) return Float32.div(a, b);
        if (operation == BinaryOperation.Maximum) return Float32.maximum(a, b);
        if (operation == BinaryOperation.Minimum) return Float32.minimum(a, b);
        if (operation == BinaryOperation.SquaredDifference) {
            uint256 difference = Float32.sub(a, b);
            return Float32.mul(difference, difference);
        }
        if (operation == BinaryOperation.FloorDiv) return ExactFunctions.floorDiv(a, b);
        if (operation == BinaryOperation.Mod) return ExactFunctions.mod(a, b);
        if (operation == BinaryOperation.Pow) return ExactFunctions.pow(a, b);
        if (operation == BinaryOperation.Prelu) return Float32.isNegative(a) ? Float32.mul(a, b) : a;
        return Float32.isNegative(b) ? Float32.mul(a, Float32.add(b, Float32.ONE)) : a;
    }

    function compare(Comparison operation, uint256 a, uint256 b) internal pure returns (bool) {
        return compareOrders(operation, Float32.order(a), Float32.order(b));
    }

    /// @notice Comparison of integers, or of what `Float32.order` makes of floats.
    function compareOrders(Comparison operation, int256 a, int256 b) internal pure returns (bool) {
        if (operation == Comparison.Equal) return a == b;
        if (operation == Comparison.NotEqual) return a != b;
        if (operation == Comparison.Less) return a < b;
        if (operation == Comparison.LessEqual) return a <= b;
        if (operation == Comparison.Greater) return a > b;
        return a >= b;
    }
}
