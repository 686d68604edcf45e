// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BinaryOperation, ExactElementwise, UnaryOperation} from "../src/verification/ExactElementwise.sol";
import {ExactFunctions} from "../src/verification/ExactFunctions.sol";
import {Float32} from "../src/verification/Float32.sol";
import {Vm} from "./Vm.sol";

/// @notice What holds for any values, whatever machine they are compared with. (test/verification compares bits.)
contract Float32Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev Half of the drawn bits are close to each other or to 1, the others anywhere.
    function _value(uint256 bits) private pure returns (uint256) {
        if (bits >> 255 == 1) bits = 0x3f000000 + (bits % 0x01000000) + ((bits >> 64) & 1) * Float32.SIGN;
        return Float32.normalise(bits & 0xffffffff);
    }

    function testFuzz_normalise_makes_values_and_leaves_them(uint32 bits) public pure {
        uint256 x = Float32.normalise(bits);
        vm.assertTrue(Float32.isValue(x), "a value");
        vm.assertEq(Float32.normalise(x), x, "again");
        vm.assertTrue(Float32.isValue(bits) == (x == bits), "values are what does not change");
    }

    function testFuzz_the_laws_of_arithmetic_that_rounding_keeps(uint256 p, uint256 q) public pure {
        (uint256 a, uint256 b) = (_value(p), _value(q));
        vm.assertEq(Float32.add(a, b), Float32.add(b, a), "a + b = b + a");
        vm.assertEq(Float32.mul(a, b), Float32.mul(b, a), "a * b = b * a");
        vm.assertEq(Float32.sub(a, b), Float32.negate(Float32.sub(b, a)), "a - b = -(b - a)");
        vm.assertEq(Float32.sub(a, b), Float32.add(a, Float32.negate(b)), "a - b = a + -b");
        vm.assertEq(Float32.mul(a, Float32.negate(b)), Float32.negate(Float32.mul(a, b)), "a * -b = -(a * b)");
        vm.assertEq(Float32.div(Float32.negate(a), b), Float32.negate(Float32.div(a, b)), "-a / b = -(a / b)");
        vm.assertEq(Float32.add(a, 0), a, "a + 0");
        vm.assertEq(Float32.sub(a, a), 0, "a - a");
        vm.assertEq(Float32.mul(a, Float32.ONE), a, "a * 1");
        vm.assertEq(Float32.mul(a, 0), 0, "a * 0");
        vm.assertEq(Float32.div(a, Float32.ONE), a, "a / 1");
        vm.assertEq(Float32.div(a, a), a == 0 ? 0 : Float32.ONE, "a / a");
        vm.assertEq(Float32.add(a, a), Float32.mul(a, Float32.TWO), "a + a = 2a");
        uint256 square = Float32.mul(a, a);
        if (square != 0 && square != Float32.LARGEST) {
            uint256 root = Float32.sqrt(square);
            vm.assertLe(root, Float32.absolute(a) + 1, "sqrt(a * a) = |a| but for the last bit");
            vm.assertGe(root + 1, Float32.absolute(a), "sqrt(a * a) = |a| but for the last bit");
        }
        vm.assertTrue(Float32.less(a, b) == Float32.less(Float32.negate(b), Float32.negate(a)), "order turns round");
        vm.assertEq(
            Float32.maximum(a, b), Float32.negate(Float32.minimum(Float32.negate(a), Float32.negate(b))), "max = -min"
        );
    }

    function testFuzz_addition_and_multiplication_keep_the_order(uint256 p, uint256 q, uint256 r) public pure {
        (uint256 a, uint256 b, uint256 c) = (_value(p), _value(q), _value(r));
        if (Float32.less(b, a)) (a, b) = (b, a);
        vm.assertFalse(Float32.less(Float32.add(b, c), Float32.add(a, c)), "a <= b, so a + c <= b + c");
        c = Float32.absolute(c);
        vm.assertFalse(Float32.less(Float32.mul(b, c), Float32.mul(a, c)), "a <= b, so a * c <= b * c");
        vm.assertFalse(Float32.less(Float32.sqrt(b), Float32.sqrt(a)), "roots");
        vm.assertFalse(Float32.less(Float32.floor(b), Float32.floor(a)), "floors");
        vm.assertFalse(Float32.less(a, Float32.floor(a)), "floor(a) <= a");
        vm.assertFalse(Float32.less(Float32.ceil(a), a), "a <= ceil(a)");
        vm.assertEq(Float32.ceil(a), Float32.negate(Float32.floor(Float32.negate(a))), "ceil(a) = -floor(-a)");
        vm.assertEq(Float32.round(Float32.round(a)), Float32.round(a), "rounded once");
    }

    function testFuzz_whole_numbers_come_back(int32 whole) public pure {
        if (whole > 1 << 24 || whole < -(1 << 24)) whole >>= 8;
        uint256 x = Float32.fromInteger(whole);
        vm.assertTrue(Float32.isValue(x), "a value");
        vm.assertTrue(Float32.toInt32(x) == whole, "exactly");
        vm.assertEq(Float32.floor(x), x, "floor");
        vm.assertEq(Float32.round(x), x, "round");
    }

    function testFuzz_every_function_gives_values(uint256 p, uint256 q) public pure {
        (uint256 a, uint256 b) = (_value(p), _value(q));
        for (uint256 i; i <= uint256(type(UnaryOperation).max); ++i) {
            uint256 x = ExactElementwise.unary(UnaryOperation(i), a, b, Float32.ONE);
            vm.assertTrue(Float32.isValue(x), vm.toString(i));
        }
        for (uint256 i; i <= uint256(type(BinaryOperation).max); ++i) {
            uint256 x = ExactElementwise.binary(BinaryOperation(i), a, b);
            vm.assertTrue(Float32.isValue(x), vm.toString(i));
        }
    }

    function testFuzz_functions_stay_in_their_ranges_and_keep_their_symmetries(uint256 p) public pure {
        uint256 x = _value(p);
        uint256 minus = Float32.negate(x);
        vm.assertEq(ExactFunctions.tanh(minus), Float32.negate(ExactFunctions.tanh(x)), "tanh is odd");
        vm.assertEq(ExactFunctions.erf(minus), Float32.negate(ExactFunctions.erf(x)), "erf is odd");
        vm.assertFalse(Float32.less(Float32.ONE, ExactFunctions.sigmoid(x)), "sigmoid <= 1");
        vm.assertFalse(Float32.isNegative(ExactFunctions.sigmoid(x)), "sigmoid >= 0");
        vm.assertFalse(Float32.less(Float32.ONE, Float32.absolute(ExactFunctions.tanh(x))), "|tanh| <= 1");
        vm.assertFalse(Float32.less(Float32.ONE, Float32.absolute(ExactFunctions.erf(x))), "|erf| <= 1");
        vm.assertFalse(Float32.isNegative(ExactFunctions.exp(x)), "exp >= 0");
        vm.assertFalse(Float32.isNegative(ExactFunctions.softplus(x)), "softplus >= 0");
    }
}
