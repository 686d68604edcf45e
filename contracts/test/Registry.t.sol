// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ITrainerRegistry} from "../src/interfaces/ITrainerRegistry.sol";
import {OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {Vote} from "../src/interfaces/ISampledQuorum.sol";
import {TrainerRegistry} from "../src/TrainerRegistry.sol";
import {TrainingMarket} from "../src/TrainingMarket.sol";
import {World} from "./World.sol";

/// @notice Stake, locks, unbonding, slashing, and what an owner can and cannot do.
contract RegistryTest is World {
    function test_deposits_are_free_stake_of_whom_they_name() public {
        vm.startPrank(anyone);
        vm.expectRevert(TrainerRegistry.ZeroAmount.selector);
        registry.deposit();
        vm.expectRevert(TrainerRegistry.ZeroAmount.selector);
        registry.depositFor(trainer);
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.StakeDeposited(trainer, 2 ether);
        registry.depositFor{value: 2 ether}(trainer);
        vm.stopPrank();
        vm.assertEq(freeStake(trainer), 12 ether, "added");
        vm.assertEq(freeStake(anyone), 0, "not his");
    }

    function test_unbonding_takes_its_time_and_a_second_call_restarts_it() public {
        vm.startPrank(trainer);
        vm.expectRevert(TrainerRegistry.ZeroAmount.selector);
        registry.unbond(0);
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.StakeTooSmall.selector, trainer, 10 ether, 11 ether));
        registry.unbond(11 ether);
        vm.expectRevert(TrainerRegistry.ZeroAmount.selector);
        registry.withdrawStake();
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.UnbondingStarted(trainer, 3 ether, uint64(vm.getBlockTimestamp()) + UNBONDING);
        registry.unbond(3 ether);
        wait(UNBONDING - 12);
        registry.unbond(1 ether);
        (uint256 freeWei,, uint256 unbondingWei, uint64 withdrawableAt) = registry.stakeOf(trainer);
        vm.assertEq(freeWei, 6 ether, "free");
        vm.assertEq(unbondingWei, 4 ether, "unbonding");
        wait(12);
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.StillUnbonding.selector, trainer, withdrawableAt));
        registry.withdrawStake();
        vm.warp(withdrawableAt);
        uint256 before = trainer.balance;
        vm.assertEq(registry.withdrawStake(), 4 ether, "amount");
        vm.assertEq(trainer.balance - before, 4 ether, "paid");
        vm.stopPrank();
    }

    function test_only_an_admitted_market_locks_and_only_free_stake_once() public {
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.NotAMarket.selector, anyone));
        vm.prank(anyone);
        registry.lock(trainer, 1, 1 ether, address(quorum));
        vm.startPrank(address(market));
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.StakeTooSmall.selector, trainer, 10 ether, 11 ether));
        registry.lock(trainer, 1, 11 ether, address(quorum));
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.StakeLocked(trainer, address(market), 1, 4 ether, address(quorum));
        registry.lock(trainer, 1, 4 ether, address(quorum));
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.LockExists.selector, market, 1));
        registry.lock(trainer, 1, 1 ether, address(quorum));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.StakeTooSmall.selector, trainer, 6 ether, 7 ether));
        vm.prank(trainer);
        registry.unbond(7 ether);
    }

    function test_a_lock_is_its_markets_to_release_or_slash() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        vm.startPrank(anyone);
        bytes memory noLock = abi.encodeWithSelector(TrainerRegistry.NoLock.selector, anyone, offerId);
        vm.expectRevert(noLock);
        registry.release(offerId);
        vm.expectRevert(noLock);
        registry.slashConvicted(offerId);
        vm.expectRevert(noLock);
        registry.slashSilent(offerId);
        vm.stopPrank();
        vm.expectRevert(
            abi.encodeWithSelector(TrainerRegistry.NotConvicted.selector, market, offerId, Verdict.Pending)
        );
        vm.prank(address(market));
        registry.slashConvicted(offerId);
    }

    function testFuzz_a_slashed_lock_is_split_to_the_wei(uint256 lockedWei, uint16 burntBps, bool found) public {
        lockedWei = 1 + lockedWei % 10 ether;
        burntBps = burntBps % 10_001;
        vm.prank(owner);
        registry.setBurntShare(burntBps);
        address verifier = address(new Convicts(found ? challenger : address(0)));
        vm.prank(address(market));
        registry.lock(trainer, 99, lockedWei, verifier);
        uint256 marketBefore = address(market).balance;
        vm.prank(owner);
        registry.setBurntShare(0); // later changes do not touch a lock that exists
        vm.prank(address(market));
        (uint256 amountWei, uint256 toPayersWei) = registry.slashConvicted(99);
        uint256 burntWei = registry.BURN_ADDRESS().balance;
        vm.assertEq(amountWei, lockedWei, "all of it");
        vm.assertEq(burntWei, lockedWei * burntBps / 10_000, "burnt");
        vm.assertEq(address(market).balance - marketBefore, toPayersWei, "sent to the market");
        vm.assertEq(burntWei + toPayersWei + registry.credit(challenger, address(0)), lockedWei, "to the wei");
        vm.assertEq(found ? toPayersWei : registry.credit(challenger, address(0)), 0, "either finder or payers");
        vm.assertEq(freeStake(trainer), 10 ether - lockedWei, "the rest is untouched");
    }

    function test_the_burnt_share_is_at_most_all() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(TrainerRegistry.ShareTooLarge.selector, 10_001));
        registry.setBurntShare(10_001);
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.BurntShareChanged(10_000);
        registry.setBurntShare(10_000);
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- the owner

    function test_only_the_owner_changes_parameters_and_ownership_moves_in_two_steps() public {
        bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, anyone);
        vm.startPrank(anyone);
        vm.expectRevert(reason);
        registry.admitMarket(anyone, true);
        vm.expectRevert(reason);
        registry.setBurntShare(0);
        vm.expectRevert(reason);
        market.admitVerifier(anyone, true);
        vm.stopPrank();
        vm.prank(owner);
        market.transferOwnership(anyone);
        vm.assertEq(market.owner(), owner, "not before it is accepted");
        vm.prank(anyone);
        market.acceptOwnership();
        vm.assertEq(market.owner(), anyone, "accepted");
    }

    function test_a_market_admitted_later_cannot_touch_stake_until_its_trainer_accepts_it() public {
        Thief thief = new Thief(registry);
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.MarketAdmitted(address(thief), true);
        vm.prank(owner);
        registry.admitMarket(address(thief), true);
        bytes memory reason =
            abi.encodeWithSelector(TrainerRegistry.MarketNotAccepted.selector, trainer, address(thief));
        vm.expectRevert(reason);
        thief.take(trainer, 1 ether);
        // A gift does not accept it for him.
        vm.prank(anyone);
        registry.depositFor{value: 1}(trainer);
        vm.expectRevert(reason);
        thief.take(trainer, 1 ether);
        vm.assertEq(registry.lockableOf(trainer, address(thief)), 0, "nothing to lock");
        vm.assertEq(registry.lockableOf(trainer, address(market)), 10 ether + 1, "the old market is as before");
        vm.expectEmit(address(registry));
        emit ITrainerRegistry.MarketsAccepted(trainer, 2);
        vm.prank(trainer);
        registry.acceptMarkets();
        thief.take(trainer, 1 ether);
        vm.assertEq(address(thief).balance, 0.5 ether, "who accepts a thief is robbed");
        // Depositing is accepting, also by the first gift to a new trainer.
        vm.prank(anyone);
        registry.depositFor{value: 1 ether}(challenger);
        vm.assertEq(registry.lockableOf(challenger, address(thief)), 1 ether, "a new trainer");
    }

    function test_a_market_that_is_not_admitted_any_more_settles_what_it_has() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        vm.startPrank(owner);
        registry.admitMarket(address(market), false);
        market.admitVerifier(address(quorum), false);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.VerifierNotAdmitted.selector, quorum));
        openOffer(terms());
        decideAll(offerId, Vote.Invalid);
        market.finalize(offerId);
        assertState(offerId, OfferState.Slashed, "the verifier is the one that was pinned");
        claimAll(offerId);
    }

    function test_a_hostile_verifier_harms_its_own_offers_only() public {
        uint256 honest = fundedOffer(terms());
        Convicts hostile = new Convicts(address(this));
        vm.prank(owner);
        market.admitVerifier(address(hostile), true);
        uint256 offerId = committedOfferWith(address(hostile));
        // It may spend the fee of its offer, and nothing else.
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.WrongState.selector, honest, OfferState.Bidding));
        vm.prank(address(hostile));
        market.payFee(honest, anyone, 1);
        vm.prank(address(hostile));
        market.payFee(offerId, anyone, FEE);
        market.finalize(offerId);
        claimAll(offerId);
        // Whatever it did, the escrow of the honest offer is whole.
        waitOver(market.deadlineOf(honest));
        market.award(honest);
        (uint256 amountWei,) = claimAll(honest);
        vm.assertEq(amountWei, REWARD + FEE, "whole");
        for (uint256 i; i < payers.length; ++i) {
            vm.prank(payers[i]);
            market.withdraw(address(0));
        }
    }

    function committedOfferWith(address verifier) internal returns (uint256 offerId) {
        offerId = openWith(verifier);
        for (uint256 i; i < payers.length; ++i) fundAs(offerId, payers[i]);
        bidAs(offerId, trainer, 1 ether);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        vm.startPrank(trainer);
        market.start(offerId);
        market.commit(offerId, LOG, MODEL);
        vm.stopPrank();
    }

    function openWith(address verifier) internal returns (uint256) {
        OfferTerms memory terms_ = terms();
        terms_.verifier = verifier;
        return openOffer(terms_);
    }
}

/// @notice A verifier that convicts everybody.
contract Convicts {
    address public immutable found;

    constructor(address finder_) {
        found = finder_;
    }

    function onCommit(uint256, address, bytes32, bytes32, uint32, uint32) external {}

    function verdict(uint256) external pure returns (Verdict) {
        return Verdict.Invalid;
    }

    function finder(uint256) external view returns (address) {
        return found;
    }
}

/// @notice A market that locks and slashes stake for nothing.
contract Thief {
    TrainerRegistry internal immutable registry;

    constructor(TrainerRegistry registry_) {
        registry = registry_;
    }

    function take(address trainer, uint256 amountWei) external {
        registry.lock(trainer, 1, amountWei, address(this));
        registry.slashSilent(1);
    }

    receive() external payable {}
}
