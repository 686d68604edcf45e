// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";

/// @notice Hyperparameters of Adam and AdamW (`weightDecay` 0 for Adam), as values.
struct AdamOptions {
    uint32 learningRate;
    uint32 beta1;
    uint32 beta2;
    uint32 epsilon;
    uint32 weightDecay;
}

/// @notice The powers of the betas, which are state; 1 before the first step.
struct BetaPowers {
    uint32 beta1Power;
    uint32 beta2Power;
}

/// @notice What the elements of one Adam(W) step share.
struct AdamCoefficients {
    uint32 towardsGradient; // 1 - beta1
    uint32 towardsSquare; // 1 - beta2
    uint32 step;
    uint32 shift;
    uint32 decay; // 1 for Adam
}

/// @notice One weight with its moments.
struct AdamElement {
    uint32 weight;
    uint32 firstMoment;
    uint32 secondMoment;
}

/// @notice One element of an optimizer's step, exact/1, section 12. All operands are values.
library ExactOptimizers {
    function sgd(uint256 weight, uint256 gradient, uint256 rate) internal pure returns (uint256) {
        return Float32.sub(weight, Float32.mul(gradient, rate));
    }

    function momentum(uint256 weight, uint256 velocity, uint256 gradient, uint256 rate, uint256 momentum_)
        internal
        pure
        returns (uint256 newWeight, uint256 newVelocity)
    {
        newVelocity = Float32.add(Float32.mul(velocity, momentum_), gradient);
        newWeight = sgd(weight, newVelocity, rate);
    }

    /// @notice Moves the powers of the betas on by one step, which is once per step.
    function adamCoefficients(AdamOptions memory options, BetaPowers memory before)
        internal
        pure
        returns (BetaPowers memory powers, AdamCoefficients memory coefficients)
    {
        powers.beta1Power = uint32(Float32.mul(before.beta1Power, options.beta1));
        powers.beta2Power = uint32(Float32.mul(before.beta2Power, options.beta2));
        uint256 correction = Float32.sqrt(_complement(powers.beta2Power));
        coefficients.towardsGradient = uint32(_complement(options.beta1));
        coefficients.towardsSquare = uint32(_complement(options.beta2));
        coefficients.step = uint32(
            Float32.div(Float32.mul(options.learningRate, correction), _complement(powers.beta1Power))
        );
        coefficients.shift = uint32(Float32.mul(options.epsilon, correction));
        coefficients.decay = uint32(_complement(Float32.mul(options.learningRate, options.weightDecay)));
    }

    /// @dev 1 - x
    function _complement(uint256 x) private pure returns (uint256) {
        return Float32.sub(Float32.ONE, x);
    }

    function adam(AdamElement memory element, uint256 gradient, AdamCoefficients memory coefficients)
        internal
        pure
        returns (AdamElement memory)
    {
        uint256 first = _towards(element.firstMoment, gradient, coefficients.towardsGradient);
        uint256 second =
            _towards(element.secondMoment, Float32.mul(gradient, gradient), coefficients.towardsSquare);
        uint256 scale = Float32.add(Float32.sqrt(second), coefficients.shift);
        uint256 weight = Float32.sub(
            Float32.mul(element.weight, coefficients.decay), Float32.mul(Float32.div(first, scale), coefficients.step)
        );
        return AdamElement(uint32(weight), uint32(first), uint32(second));
    }

    function _towards(uint256 from, uint256 to, uint256 share) private pure returns (uint256) {
        return Float32.add(from, Float32.mul(Float32.sub(to, from), share));
    }
}
