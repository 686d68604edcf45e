// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TestToken} from "../src/test/TestToken.sol";

/// @notice Moves nothing while it is frozen, as a token with a pause or a block list can.
contract FreezableToken is TestToken {
    bool public frozen;

    function freeze(bool frozen_) external {
        frozen = frozen_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!frozen || from == address(0), "frozen");
        super._update(from, to, amount);
    }
}

/// @notice Keeps a hundredth of every transfer.
contract FeeToken is TestToken {
    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, to, amount - amount / 100);
        super._update(from, address(0xFEE), amount / 100);
    }
}

/// @notice Says that it has moved tokens, and has not.
contract LyingToken is TestToken {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @notice Returns false instead of reverting.
contract FalseToken is TestToken {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Works, and returns nothing, as tokens older than the standard do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Calls a contract that is interested in every transfer, as ERC-777 does, and keeps what it answers.
contract HookedToken is TestToken {
    address internal hooked;
    bytes internal hookData;
    bool public hookSucceeded;
    bytes public hookAnswer;

    function hook(address target, bytes calldata data) external {
        hooked = target;
        hookData = data;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (hooked == address(0) || from == address(0)) return;
        address target = hooked;
        hooked = address(0); // once
        (hookSucceeded, hookAnswer) = target.call(hookData);
    }
}
