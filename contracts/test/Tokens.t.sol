// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Vote} from "../src/interfaces/ISampledQuorum.sol";
import {OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {PullPayments} from "../src/PullPayments.sol";
import {TestToken} from "../src/test/TestToken.sol";
import {FalseToken, FeeToken, FreezableToken, HookedToken, LyingToken, SilentToken} from "./HostileTokens.sol";
import {World} from "./World.sol";

/// @notice Offers whose reward is an ERC-20, decent or not.
contract TokensTest is World {
    function _termsIn(address paidIn) internal view returns (OfferTerms memory terms_) {
        terms_ = terms();
        terms_.token = paidIn;
        terms_.minStakeWei = MIN_STAKE;
    }

    function _tokenCredit(address who, address paidIn) internal view returns (uint256) {
        return market.credit(who, paidIn);
    }

    function _wholeLife(address paidIn) internal {
        uint256 offerId = committedOffer(_termsIn(paidIn), 4 ether + 1);
        vm.assertEq(market.bidBondWei(offerId), TOKEN_OFFER_BOND, "a flat bond in ether");
        vm.assertEq(IERC20(paidIn).balanceOf(address(market)), REWARD + FEE, "escrow");
        address[] memory drawn = decideAll(offerId, Vote.Valid);
        challengeWindowOver(offerId);
        market.finalize(offerId);
        claimAll(offerId);
        for (uint256 i; i < 3; ++i) {
            vm.prank(drawn[i]);
            market.withdraw(paidIn);
            vm.assertGe(IERC20(paidIn).balanceOf(drawn[i]), 1, "validators are paid in the token");
            vm.prank(payers[i]);
            market.withdraw(paidIn);
        }
        vm.prank(trainer);
        market.withdraw(paidIn);
        vm.assertEq(IERC20(paidIn).balanceOf(trainer), 4 ether + 1, "the price");
        vm.assertEq(IERC20(paidIn).balanceOf(address(market)), 0, "nothing is left, to the wei");
    }

    function test_a_token_offer_from_funding_to_the_last_wei() public {
        _wholeLife(address(token));
    }

    function test_a_token_that_returns_nothing_works() public {
        _wholeLife(address(new SilentToken()));
    }

    function test_silence_in_a_token_offer_is_not_fined() public {
        uint256 offerId = committedOffer(_termsIn(address(token)), 1);
        address[] memory drawn = decideAll(offerId, Vote.None);
        for (uint256 i; i < 3; ++i) vm.assertEq(quorum.validatorStake(drawn[i]), 1 ether, "what is it worth?");
    }

    function test_ether_sent_along_with_a_token_is_refused() public {
        uint256 offerId = openOffer(_termsIn(address(token)));
        vm.expectRevert(abi.encodeWithSelector(PullPayments.WrongValue.selector, 1, 0));
        vm.prank(payers[0]);
        market.fund{value: 1}(offerId, headerHash());
    }

    function test_funding_without_allowance_or_with_a_token_that_reverts_fails() public {
        uint256 offerId = openOffer(_termsIn(address(token)));
        vm.expectRevert();
        vm.prank(payers[0]);
        market.fund(offerId, headerHash());
        FreezableToken frozen = new FreezableToken();
        frozen.freeze(true);
        uint256 other = openOffer(_termsIn(address(frozen)));
        frozen.mint(payers[0], 100 ether);
        vm.prank(payers[0]);
        frozen.approve(address(market), 100 ether);
        vm.expectRevert(bytes("frozen"));
        vm.prank(payers[0]);
        market.fund(other, headerHash());
        assertState(other, OfferState.Funding, "nothing happened");
    }

    function _expectFundingReverts(TestToken bad, bytes memory reason) internal {
        uint256 offerId = openOffer(_termsIn(address(bad)));
        bad.mint(payers[0], 100 ether);
        vm.startPrank(payers[0]);
        bad.approve(address(market), 100 ether);
        vm.expectRevert(reason);
        market.fund(offerId, headerHash());
        vm.stopPrank();
    }

    function test_a_token_that_takes_a_fee_lies_or_returns_false_is_refused() public {
        uint256 shareWei = (REWARD + FEE) / 2;
        FeeToken fee = new FeeToken();
        _expectFundingReverts(
            fee,
            abi.encodeWithSelector(
                PullPayments.TokenTookFee.selector, address(fee), shareWei - shareWei / 100, shareWei
            )
        );
        LyingToken lying = new LyingToken();
        _expectFundingReverts(
            lying, abi.encodeWithSelector(PullPayments.TokenTookFee.selector, address(lying), 0, shareWei)
        );
        FalseToken bad = new FalseToken();
        _expectFundingReverts(bad, abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad)));
        uint256 offerId = openOffer(_termsIn(anyone)); // no contract at all
        vm.expectRevert();
        vm.prank(payers[0]);
        market.fund(offerId, headerHash());
    }

    function test_a_token_frozen_at_the_commitment_does_not_get_the_trainer_slashed() public {
        FreezableToken freezable = new FreezableToken();
        uint256 offerId = startedOffer(_termsIn(address(freezable)), 4 ether);
        freezable.freeze(true);
        vm.prank(trainer);
        market.commit(offerId, LOG, MODEL);
        address[] memory drawn = decideAll(offerId, Vote.Valid);
        challengeWindowOver(offerId);
        market.finalize(offerId);
        vm.assertEq(freeStake(trainer), 10 ether, "not slashed");
        vm.expectRevert(bytes("frozen"));
        vm.prank(drawn[0]);
        market.withdraw(address(freezable));
        freezable.freeze(false);
        vm.prank(drawn[0]);
        market.withdraw(address(freezable));
        vm.prank(trainer);
        market.withdraw(address(freezable));
        vm.assertEq(freezable.balanceOf(trainer), 4 ether, "what was earned is still there");
    }

    // ---------------------------------------------------------------- hooks

    function test_a_token_that_calls_back_cannot_enter_again() public {
        HookedToken hooked = new HookedToken();
        uint256 offerId = openOffer(_termsIn(address(hooked)));
        bytes32 guarded = keccak256(
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        bytes[2] memory attempts =
            [abi.encodeCall(market.fund, (offerId, headerHash())), abi.encodeCall(market.withdraw, (address(hooked)))];
        for (uint256 i; i < 2; ++i) {
            hooked.hook(address(market), attempts[i]);
            fundAs(offerId, payers[i]);
            vm.assertFalse(hooked.hookSucceeded(), "refused");
            vm.assertEq(keccak256(hooked.hookAnswer()), guarded, "by the guard");
        }
        // What is not guarded sees the state as it is after the payment, and gets nothing out of it.
        hooked.hook(address(market), abi.encodeCall(market.claimRefund, (offerId)));
        fundAs(offerId, payers[2]);
        vm.assertFalse(hooked.hookSucceeded(), "nothing to claim");
        assertState(offerId, OfferState.Bidding, "funded once");
        vm.assertEq(hooked.balanceOf(address(market)), REWARD + FEE, "exactly");
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        claimAll(offerId);
        hooked.hook(address(market), abi.encodeCall(market.withdraw, (address(hooked))));
        vm.prank(payers[0]);
        market.withdraw(address(hooked));
        vm.assertEq(keccak256(hooked.hookAnswer()), guarded, "nor while being paid");
    }

    function test_receivers_that_enter_again_are_paid_once() public {
        Reenterer greedy = new Reenterer();
        payers = [address(greedy)];
        units = [uint32(1)];
        vm.deal(address(greedy), 100 ether);
        uint256 other = fundedOffer(terms()); // escrow that could be stolen
        uint256 offerId = openOffer(terms());
        greedy.run{value: 0}(address(market), abi.encodeCall(market.fund, (offerId, headerHash())), REWARD + FEE);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        greedy.run(address(market), abi.encodeCall(market.claimRefund, (offerId)), 0);
        uint256 before = address(greedy).balance;
        bytes[3] memory attempts = [
            abi.encodeCall(market.withdraw, (address(0))),
            abi.encodeCall(market.claimRefund, (offerId)),
            abi.encodeCall(market.claimRefund, (other))
        ];
        for (uint256 i; i < 3; ++i) {
            uint256 id = vm.snapshotState();
            greedy.reenterWith(attempts[i]);
            greedy.run(address(market), abi.encodeCall(market.withdraw, (address(0))), 0);
            vm.assertFalse(greedy.succeeded(), "refused");
            vm.assertEq(address(greedy).balance - before, REWARD + FEE, "once");
            vm.revertToState(id);
        }
        // Stake and validators' money go through the same guard.
        greedy.run(address(registry), abi.encodeCall(registry.deposit, ()), 1 ether);
        greedy.run(address(registry), abi.encodeCall(registry.unbond, (1 ether)), 0);
        wait(UNBONDING);
        greedy.reenterWith(abi.encodeCall(registry.withdrawStake, ()));
        greedy.run(address(registry), abi.encodeCall(registry.withdrawStake, ()), 0);
        vm.assertFalse(greedy.succeeded(), "refused");
        greedy.run(address(quorum), abi.encodeCall(quorum.join, ()), 1 ether);
        greedy.run(address(quorum), abi.encodeCall(quorum.leave, ()), 0);
        wait(2 hours);
        greedy.run(address(quorum), abi.encodeCall(quorum.withdrawStake, ()), 0);
        greedy.reenterWith(abi.encodeCall(quorum.withdraw, (address(0))));
        greedy.run(address(quorum), abi.encodeCall(quorum.withdraw, (address(0))), 0);
        vm.assertFalse(greedy.succeeded(), "refused");
        vm.assertEq(address(quorum).balance, VALIDATORS * 1 ether, "the others' stake is there");
    }

    function test_a_payer_who_refuses_ether_harms_only_himself() public {
        Refuser refuser = new Refuser();
        payers[1] = address(refuser);
        vm.deal(address(refuser), 100 ether);
        uint256 offerId = openOffer(terms());
        fundAs(offerId, payers[0]);
        uint256 shareWei = market.shareWei(offerId, address(refuser));
        refuser.run(address(market), abi.encodeCall(market.fund, (offerId, headerHash())), shareWei);
        fundAs(offerId, payers[2]);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        refuser.run(address(market), abi.encodeCall(market.claimRefund, (offerId)), 0);
        vm.expectRevert(
            abi.encodeWithSelector(PullPayments.EtherTransferFailed.selector, address(refuser), shareWei)
        );
        vm.prank(address(refuser));
        market.withdraw(address(0));
        claimAs(offerId, payers[0]);
        vm.prank(payers[0]);
        market.withdraw(address(0));
        refuser.accept();
        vm.prank(address(refuser));
        market.withdraw(address(0));
        vm.assertEq(address(refuser).balance, 100 ether, "later he can");
    }
}

/// @notice Does what it is told, and when it is paid, once more.
contract Reenterer {
    bytes internal again;
    bool public succeeded;

    function run(address target, bytes calldata data, uint256 valueWei) external payable {
        (bool ok, bytes memory answer) = target.call{value: valueWei}(data);
        require(ok, string(answer));
    }

    function reenterWith(bytes calldata data) external {
        again = data;
    }

    receive() external payable {
        if (again.length != 0) (succeeded,) = msg.sender.call(again);
    }
}

/// @notice A payer who cannot be paid.
contract Refuser {
    bool internal accepts;

    function run(address target, bytes calldata data, uint256 valueWei) external {
        (bool ok,) = target.call{value: valueWei}(data);
        require(ok, "failed");
    }

    function accept() external {
        accepts = true;
    }

    receive() external payable {
        require(accepts, "no");
    }
}
