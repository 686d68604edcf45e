// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

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
