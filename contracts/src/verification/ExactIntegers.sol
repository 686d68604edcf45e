// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {UnaryOperation} from "./ExactElementwise.sol";

// The numbers are the order of `integerFunctions` in libs/exact/src/backend/kernels/integers.ts.
enum IntegerOperation {
    Add,
    Sub,
    Mul,
    FloorDiv,
    Mod,
    Maximum,
    Minimum,
    SquaredDifference
}

/// @notice Elements of int32 tensors, exact/1, section 2: they wrap modulo 2^32; a division rounds down, by 0 it is 0.
library ExactIntegers {
    /// @notice This operation of one value makes no sense for integers.
    error NotOfIntegers(UnaryOperation operation);

    function unary(UnaryOperation operation, int32 x, int32 parameter0, int32 parameter1)
        internal
        pure
        returns (int32)
    {
        unchecked {
            if (operation == UnaryOperation.Neg) return -x;
            if (operation == UnaryOperation.Abs) return x < 0 ? -x : x;
            if (operation == UnaryOperation.Sign) return x < 0 ? int32(-1) : x > 0 ? int32(1) : int32(0);
            if (operation == UnaryOperation.Floor) return x;
            if (operation == UnaryOperation.Ceil) return x;
            if (operation == UnaryOperation.Round) return x;
            if (operation == UnaryOperation.Square) return _wrap(int256(x) * x);
            if (operation == UnaryOperation.Relu) return x > 0 ? x : int32(0);
            if (operation == UnaryOperation.Clip) {
                int32 raised = x > parameter0 ? x : parameter0;
                return raised < parameter1 ? raised : parameter1;
            }
            if (operation == UnaryOperation.Step) return x > 0 ? int32(1) : parameter0;
        }
        revert NotOfIntegers(operation);
    }

    function binary(IntegerOperation operation, int32 a, int32 b) internal pure returns (int32) {
        int256 x = a;
        int256 y = b;
        unchecked {
            if (operation == IntegerOperation.Add) return _wrap(x + y);
            if (operation == IntegerOperation.Sub) return _wrap(x - y);
            if (operation == IntegerOperation.Mul) return _wrap(x * y);
            if (operation == IntegerOperation.FloorDiv) return _wrap(_floorDiv(x, y));
            if (operation == IntegerOperation.Mod) return _wrap(x - _floorDiv(x, y) * y);
            if (operation == IntegerOperation.Maximum) return a > b ? a : b;
            if (operation == IntegerOperation.Minimum) return a < b ? a : b;
            return _wrap((x - y) * (x - y));
        }
    }

    function _floorDiv(int256 a, int256 b) private pure returns (int256 quotient) {
        if (b == 0) return 0;
        unchecked {
            quotient = a / b;
            if (quotient * b != a && (a < 0) != (b < 0)) --quotient;
        }
    }

    function _wrap(int256 x) private pure returns (int32) {
        return int32(uint32(uint256(x)));
    }
}
