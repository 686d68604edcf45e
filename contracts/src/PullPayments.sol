// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice Money is credited and then pulled by its owner, so that a receiver who reverts harms only himself.
/// The token address(0) is ETH.
abstract contract PullPayments is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    event Credited(address indexed account, address indexed token, uint256 amountWei);
    event Withdrawn(address indexed account, address indexed token, uint256 amountWei);

    error NothingToWithdraw(address account, address token);
    error EtherTransferFailed(address account, uint256 amountWei);
    error WrongValue(uint256 sentWei, uint256 expectedWei);
    error TokenTookFee(address token, uint256 receivedWei, uint256 expectedWei);

    mapping(address account => mapping(address token => uint256)) public credit;

    /// @notice Pays out everything credited to the caller in `token`.
    function withdraw(address token) external nonReentrant returns (uint256 amountWei) {
        amountWei = credit[msg.sender][token];
        if (amountWei == 0) revert NothingToWithdraw(msg.sender, token);
        credit[msg.sender][token] = 0;
        emit Withdrawn(msg.sender, token, amountWei);
        _push(msg.sender, token, amountWei);
    }

    function _credit(address account, address token, uint256 amountWei) internal {
        if (amountWei == 0) return;
        credit[account][token] += amountWei;
        emit Credited(account, token, amountWei);
    }

    /// @dev Takes exactly `amountWei` from the caller. A token that keeps a fee is refused: shares would not add up.
    function _pull(address token, uint256 amountWei) internal {
        if (token == address(0)) {
            if (msg.value != amountWei) revert WrongValue(msg.value, amountWei);
            return;
        }
        if (msg.value != 0) revert WrongValue(msg.value, 0);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amountWei);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amountWei) revert TokenTookFee(token, received, amountWei);
    }

    function _push(address to, address token, uint256 amountWei) internal {
        if (amountWei == 0) return;
        if (token == address(0)) {
            (bool sent,) = to.call{value: amountWei}("");
            if (!sent) revert EtherTransferFailed(to, amountWei);
        } else {
            IERC20(token).safeTransfer(to, amountWei);
        }
    }
}
