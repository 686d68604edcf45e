// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float32} from "../../src/verification/Float32.sol";

/// @notice Runs one operation of Float32 over many packed vectors in one call.
contract Float32Harness {
    /// @notice Vectors are three words of 32 bits, big-endian: two operands (the second may be unused) and the result.
    /// @return mismatches how many results differ
    /// @return first the index of the first that does
    /// @return got what came out there
    function check(uint256 operation, bytes calldata vectors)
        external
        pure
        returns (uint256 mismatches, uint256 first, uint256 got)
    {
        function(uint256, uint256) internal pure returns (uint256) run = _operation(operation);
        for (uint256 i; i < vectors.length / 12; ++i) {
            (uint256 a, uint256 b, uint256 expected) = _vector(vectors, i);
            uint256 result = run(a, b);
            if (result != expected) {
                if (mismatches == 0) (first, got) = (i, result);
                ++mismatches;
            }
        }
    }

    // Gas of one operation, the call of it included and the loop around it left out. Each is called by its name: solc
    // makes a search of a function pointer, which would be measured too.

    function measureAdd(bytes calldata vectors) external view returns (uint256 mean, uint256 worst) {
        uint256[] memory operands = _operands(vectors);
        for (uint256 i; i < operands.length / 2; ++i) {
            (uint256 a, uint256 b) = (operands[2 * i], operands[2 * i + 1]);
            uint256 before = gasleft();
            uint256 between = gasleft();
            uint256 result = Float32.add(a, b);
            uint256 left = gasleft();
            (mean, worst) = _note(mean, worst, before, between, left, result);
        }
        mean /= operands.length / 2;
    }

    function measureMul(bytes calldata vectors) external view returns (uint256 mean, uint256 worst) {
        uint256[] memory operands = _operands(vectors);
        for (uint256 i; i < operands.length / 2; ++i) {
            (uint256 a, uint256 b) = (operands[2 * i], operands[2 * i + 1]);
            uint256 before = gasleft();
            uint256 between = gasleft();
            uint256 result = Float32.mul(a, b);
            uint256 left = gasleft();
            (mean, worst) = _note(mean, worst, before, between, left, result);
        }
        mean /= operands.length / 2;
    }

    function measureDiv(bytes calldata vectors) external view returns (uint256 mean, uint256 worst) {
        uint256[] memory operands = _operands(vectors);
        for (uint256 i; i < operands.length / 2; ++i) {
            (uint256 a, uint256 b) = (operands[2 * i], operands[2 * i + 1]);
            uint256 before = gasleft();
            uint256 between = gasleft();
            uint256 result = Float32.div(a, b);
            uint256 left = gasleft();
            (mean, worst) = _note(mean, worst, before, between, left, result);
        }
        mean /= operands.length / 2;
    }

    function measureSqrt(bytes calldata vectors) external view returns (uint256 mean, uint256 worst) {
        uint256[] memory operands = _operands(vectors);
        for (uint256 i; i < operands.length / 2; ++i) {
            uint256 a = operands[2 * i];
            uint256 before = gasleft();
            uint256 between = gasleft();
            uint256 result = Float32.sqrt(a);
            uint256 left = gasleft();
            (mean, worst) = _note(mean, worst, before, between, left, result);
        }
        mean /= operands.length / 2;
    }

    /// @dev In memory, so that the optimizer does not move the unpacking into what is measured.
    function _operands(bytes calldata vectors) private pure returns (uint256[] memory operands) {
        operands = new uint256[](vectors.length / 6);
        for (uint256 i; i < vectors.length / 12; ++i) {
            (operands[2 * i], operands[2 * i + 1],) = _vector(vectors, i);
        }
    }

    /// @dev Reading what is left twice without anything between costs what reading it costs.
    function _note(uint256 sum, uint256 worst, uint256 before, uint256 between, uint256 left, uint256 result)
        private
        pure
        returns (uint256, uint256)
    {
        require(result >> 32 == 0, "not a float");
        uint256 spent = (between - left) - (before - between);
        return (sum + spent, spent > worst ? spent : worst);
    }

    function _vector(bytes calldata vectors, uint256 i) private pure returns (uint256 a, uint256 b, uint256 expected) {
        assembly ("memory-safe") {
            let word := calldataload(add(vectors.offset, mul(i, 12)))
            a := shr(224, word)
            b := and(shr(192, word), 0xffffffff)
            expected := and(shr(160, word), 0xffffffff)
        }
    }

    /// @dev The numbers are those of float-operations.ts.
    function _operation(uint256 number)
        private
        pure
        returns (function(uint256, uint256) internal pure returns (uint256))
    {
        if (number == 0) return Float32.add;
        if (number == 1) return Float32.sub;
        if (number == 2) return Float32.mul;
        if (number == 3) return Float32.div;
        if (number == 4) return _sqrt;
        if (number == 5) return Float32.addPlain;
        if (number == 6) return Float32.subPlain;
        if (number == 7) return Float32.mulPlain;
        if (number == 8) return Float32.divPlain;
        if (number == 9) return Float32.maximum;
        if (number == 10) return Float32.minimum;
        if (number == 11) return _less;
        if (number == 12) return _floor;
        if (number == 13) return _ceil;
        if (number == 14) return _round;
        if (number == 15) return _normalise;
        if (number == 16) return _toInt32;
        if (number == 17) return _fromInt32;
        if (number == 18) return _negate;
        if (number == 19) return _isValue;
        revert("no such operation");
    }

    function _sqrt(uint256 a, uint256) private pure returns (uint256) {
        return Float32.sqrt(a);
    }

    function _less(uint256 a, uint256 b) private pure returns (uint256) {
        return Float32.less(a, b) ? 1 : 0;
    }

    function _floor(uint256 a, uint256) private pure returns (uint256) {
        return Float32.floor(a);
    }

    function _ceil(uint256 a, uint256) private pure returns (uint256) {
        return Float32.ceil(a);
    }

    function _round(uint256 a, uint256) private pure returns (uint256) {
        return Float32.round(a);
    }

    function _normalise(uint256 a, uint256) private pure returns (uint256) {
        return Float32.normalise(a);
    }

    function _toInt32(uint256 a, uint256) private pure returns (uint256) {
        return uint32(int32(Float32.toInt32(a)));
    }

    function _fromInt32(uint256 a, uint256) private pure returns (uint256) {
        return Float32.fromInteger(int32(uint32(a)));
    }

    function _negate(uint256 a, uint256) private pure returns (uint256) {
        return Float32.negate(a);
    }

    function _isValue(uint256 a, uint256) private pure returns (uint256) {
        return Float32.isValue(a) ? 1 : 0;
    }
}
