// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BidBook} from "../src/BidBook.sol";
import {ITrainingMarket, JobHeader, OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {Vote} from "../src/interfaces/ISampledQuorum.sol";
import {PullPayments} from "../src/PullPayments.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {TrainerRegistry} from "../src/TrainerRegistry.sol";
import {TrainingMarket} from "../src/TrainingMarket.sol";
import {World} from "./World.sol";

/// @notice Opening, funding, auction, award, training and settlement of offers in ETH.
contract MarketTest is World {
    // ---------------------------------------------------------------- opening

    function test_open_keeps_header_terms_and_shares() public {
        vm.expectEmit(address(market));
        emit ITrainingMarket.OfferOpened(1, requester, keccak256(abi.encode(header())), header(), terms(), payers, units);
        uint256 offerId = openOffer(terms());
        vm.assertEq(offerId, 1, "first offer");
        vm.assertEq(market.offerCount(), 1, "count");
        vm.assertEq(market.requesterOf(offerId), requester, "requester");
        vm.assertEq(market.registry(), address(registry), "registry");
        vm.assertEq(market.deadlineOf(offerId), vm.getBlockTimestamp() + 1 days, "funding deadline");
        assertState(offerId, OfferState.Funding, "funding");
        uint256 sum;
        for (uint256 i; i < 3; ++i) sum += market.shareWei(offerId, payers[i]);
        vm.assertEq(sum, REWARD + FEE, "shares add up to the wei");
        vm.assertEq(market.shareWei(offerId, anyone), 0, "a stranger has no share");
        vm.assertTrue(market.isPayer(offerId, payers[0]) && !market.isPayer(offerId, anyone), "payers are known");
    }

    function _expectOpenReverts(JobHeader memory header_, OfferTerms memory terms_, bytes memory reason) internal {
        vm.expectRevert(reason);
        vm.prank(requester);
        market.open(header_, terms_, payers, units);
    }

    function test_open_refuses_a_header_out_of_range() public {
        bytes memory reason = abi.encodeWithSelector(TrainingMarket.HeaderOutOfRange.selector);
        JobHeader memory wrong = header();
        wrong.steps = 0;
        _expectOpenReverts(wrong, terms(), reason);
        wrong.steps = market.MAX_STEPS() + 1;
        _expectOpenReverts(wrong, terms(), reason);
        wrong = header();
        wrong.commitEvery = 0;
        _expectOpenReverts(wrong, terms(), reason);
        wrong.commitEvery = 129;
        _expectOpenReverts(wrong, terms(), reason);
        wrong = header();
        wrong.batchSize = 0;
        _expectOpenReverts(wrong, terms(), reason);
        wrong = header();
        wrong.rows = 0;
        _expectOpenReverts(wrong, terms(), reason);
        wrong = header();
        wrong.rowBytes = 0;
        _expectOpenReverts(wrong, terms(), reason);
    }

    function test_open_refuses_terms_out_of_range() public {
        OfferTerms memory wrong = terms();
        wrong.rewardWei = 0;
        _expectOpenReverts(header(), wrong, abi.encodeWithSelector(TrainingMarket.ZeroReward.selector));
        uint256 tooMuch = uint256(type(uint128).max) + 1;
        wrong.rewardWei = tooMuch;
        _expectOpenReverts(header(), wrong, abi.encodeWithSelector(TrainingMarket.AmountTooLarge.selector, tooMuch));
        wrong = terms();
        wrong.validationFeeWei = type(uint256).max;
        _expectOpenReverts(
            header(), wrong, abi.encodeWithSelector(TrainingMarket.AmountTooLarge.selector, type(uint256).max)
        );
        wrong = terms();
        wrong.verifier = anyone;
        _expectOpenReverts(header(), wrong, abi.encodeWithSelector(TrainingMarket.VerifierNotAdmitted.selector, anyone));
        wrong = terms();
        wrong.minStakeWei = REWARD / 2 - 1;
        _expectOpenReverts(
            header(), wrong, abi.encodeWithSelector(TrainingMarket.StakeBelowReward.selector, REWARD / 2 - 1, REWARD / 2)
        );
        wrong = terms();
        wrong.token = address(token);
        wrong.minStakeWei = 0;
        _expectOpenReverts(header(), wrong, abi.encodeWithSelector(TrainingMarket.StakeBelowReward.selector, 0, 1));
    }

    function test_open_refuses_windows_out_of_range() public {
        uint32 year = market.MAX_WINDOW();
        for (uint256 i; i < 5; ++i) {
            uint32 longest = i == 4 ? market.MAX_CHALLENGE_WINDOW() : year;
            uint32[2] memory wrongs = [0, longest + 1];
            for (uint256 j; j < 2; ++j) {
                OfferTerms memory wrong = terms();
                if (i == 0) wrong.fundingWindow = wrongs[j];
                if (i == 1) wrong.bidWindow = wrongs[j];
                if (i == 2) wrong.startWindow = wrongs[j];
                if (i == 3) wrong.trainingWindow = wrongs[j];
                if (i == 4) wrong.challengeWindow = wrongs[j];
                _expectOpenReverts(
                    header(), wrong, abi.encodeWithSelector(TrainingMarket.WindowOutOfRange.selector, wrongs[j])
                );
            }
        }
    }

    function test_open_refuses_wrong_payers() public {
        address[] memory none = new address[](0);
        uint32[] memory noUnits = new uint32[](0);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.PayersOutOfRange.selector, 0, 0));
        market.open(header(), terms(), none, noUnits);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.PayersOutOfRange.selector, 3, 0));
        market.open(header(), terms(), payers, noUnits);
        address[] memory many = new address[](65);
        uint32[] memory manyUnits = new uint32[](65);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.PayersOutOfRange.selector, 65, 65));
        market.open(header(), terms(), many, manyUnits);
        units[1] = 0;
        _expectOpenReverts(header(), terms(), abi.encodeWithSelector(TrainingMarket.ZeroUnits.selector, payers[1]));
        units[1] = 1;
        payers[2] = payers[0];
        _expectOpenReverts(header(), terms(), abi.encodeWithSelector(TrainingMarket.DuplicatePayer.selector, payers[0]));
    }

    function test_an_unknown_offer_is_named() public {
        bytes memory reason = abi.encodeWithSelector(TrainingMarket.UnknownOffer.selector, 9);
        vm.expectRevert(reason);
        market.fund(9, headerHash());
        vm.expectRevert(reason);
        market.bid(9, headerHash(), 1);
        vm.expectRevert(reason);
        market.award(9);
        vm.expectRevert(reason);
        market.deadlineOf(9);
        vm.expectRevert(reason);
        market.jobHeaderHash(9);
        vm.expectRevert(reason);
        market.shareWei(9, anyone);
        expectWrongState(9, OfferState.None);
        market.claimRefund(9);
    }

    // ---------------------------------------------------------------- funding

    function test_fund_takes_exactly_each_share_and_then_opens_the_auction() public {
        uint256 offerId = openOffer(terms());
        uint256 shareWei = market.shareWei(offerId, payers[0]);
        vm.expectRevert(abi.encodeWithSelector(PullPayments.WrongValue.selector, shareWei + 1, shareWei));
        vm.prank(payers[0]);
        market.fund{value: shareWei + 1}(offerId, headerHash());
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotAPayer.selector, anyone));
        vm.prank(anyone);
        market.fund{value: shareWei}(offerId, headerHash());
        vm.expectEmit(address(market));
        emit ITrainingMarket.ShareFunded(offerId, payers[0], shareWei);
        fundAs(offerId, payers[0]);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.AlreadyPaid.selector, payers[0]));
        vm.prank(payers[0]);
        market.fund{value: shareWei}(offerId, headerHash());
        fundAs(offerId, payers[2]);
        assertState(offerId, OfferState.Funding, "one share is missing");
        vm.assertEq(market.refundableWei(offerId, payers[0]), 0, "nothing to claim while it runs");
        vm.expectEmit(address(market));
        emit ITrainingMarket.BiddingStarted(offerId, uint64(vm.getBlockTimestamp() + 1 hours));
        fundAs(offerId, payers[1]);
        assertState(offerId, OfferState.Bidding, "all shares are in");
        vm.assertEq(address(market).balance, REWARD + FEE, "the escrow holds everything");
        expectWrongState(offerId, OfferState.Bidding);
        vm.prank(payers[1]);
        market.fund(offerId, headerHash());
    }

    function test_fund_too_late_and_expiry_gives_every_share_back() public {
        uint256 offerId = openOffer(terms());
        fundAs(offerId, payers[0]);
        fundAs(offerId, payers[1]);
        uint64 deadline = market.deadlineOf(offerId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooEarly.selector, offerId, deadline));
        market.expireFunding(offerId);
        vm.warp(deadline + 1);
        uint256 shareWei = market.shareWei(offerId, payers[2]);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooLate.selector, offerId, deadline));
        vm.prank(payers[2]);
        market.fund{value: shareWei}(offerId, headerHash());
        vm.prank(anyone);
        market.expireFunding(offerId);
        assertState(offerId, OfferState.Refunded, "not funded in time");
        for (uint256 i; i < 2; ++i) {
            uint256 dueWei = market.shareWei(offerId, payers[i]);
            vm.assertEq(market.refundableWei(offerId, payers[i]), dueWei, "the whole share is refundable");
            (uint256 amountWei, uint256 etherWei) = claimAs(offerId, payers[i]);
            vm.assertEq(amountWei, dueWei, "the whole share is refunded");
            vm.assertEq(etherWei, 0, "nothing was slashed");
        }
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotAPayer.selector, payers[2]));
        claimAs(offerId, payers[2]);
    }

    function test_cancel_is_the_requesters_until_a_share_is_paid() public {
        uint256 offerId = openOffer(terms());
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotRequester.selector, anyone));
        vm.prank(anyone);
        market.cancel(offerId);
        vm.prank(requester);
        market.cancel(offerId);
        assertState(offerId, OfferState.Cancelled, "cancelled");
        expectWrongState(offerId, OfferState.Cancelled);
        vm.prank(payers[0]);
        market.fund(offerId, headerHash());
        expectWrongState(offerId, OfferState.Cancelled);
        claimAs(offerId, payers[0]);

        uint256 other = openOffer(terms());
        fundAs(other, payers[0]);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.SharePaid.selector, other));
        vm.prank(requester);
        market.cancel(other);
    }

    // ---------------------------------------------------------------- which job it is

    /// @dev What a reorganisation does to transactions that were signed before: the id is another job's.
    function test_a_payment_or_bid_for_another_job_under_the_same_id_is_refused() public {
        JobHeader memory other = header();
        other.programReference = keccak256("another program");
        bytes32 meant = headerHash();
        bytes32 stored = keccak256(abi.encode(other));
        bytes memory reason = abi.encodeWithSelector(TrainingMarket.HeaderMismatch.selector, meant, stored);
        vm.prank(requester);
        uint256 offerId = market.open(other, terms(), payers, units);
        vm.assertEq(market.jobHeaderHash(offerId), stored, "the market knows the job");
        for (uint256 i; i < payers.length; ++i) {
            uint256 shareWei = market.shareWei(offerId, payers[i]);
            vm.prank(payers[i]);
            vm.expectRevert(reason);
            market.fund{value: shareWei}(offerId, meant);
            vm.prank(payers[i]);
            market.fund{value: shareWei}(offerId, stored);
        }
        uint256 bondWei = market.bidBondWei(offerId);
        vm.startPrank(trainer);
        vm.expectRevert(reason);
        market.bid{value: bondWei}(offerId, meant, 1 ether);
        market.bid{value: bondWei}(offerId, stored, 2 ether);
        vm.expectRevert(reason);
        market.bid(offerId, meant, 1 ether); // lowering one is a bid too
        vm.stopPrank();
        (, uint256[3] memory pricesWei) = market.bids(offerId);
        vm.assertEq(pricesWei[0], 2 ether, "the bid for this job stands");
    }

    // ---------------------------------------------------------------- auction

    function test_bid_needs_price_bond_and_stake() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        vm.assertEq(bondWei, REWARD / 100, "one percent");
        vm.startPrank(trainer);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.PriceAboveReward.selector, REWARD + 1, REWARD));
        market.bid{value: bondWei}(offerId, headerHash(), REWARD + 1);
        vm.expectRevert(abi.encodeWithSelector(PullPayments.WrongValue.selector, bondWei - 1, bondWei));
        market.bid{value: bondWei - 1}(offerId, headerHash(), 1 ether);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.FreeStakeTooSmall.selector, anyone, 0, MIN_STAKE));
        vm.prank(anyone);
        market.bid{value: bondWei}(offerId, headerHash(), 1 ether);
        vm.expectEmit(address(market));
        emit ITrainingMarket.BidPlaced(offerId, trainer, 1 ether, bondWei);
        bidAs(offerId, trainer, 1 ether);
        waitOver(market.deadlineOf(offerId));
        vm.expectRevert(
            abi.encodeWithSelector(TrainingMarket.TooLate.selector, offerId, market.deadlineOf(offerId))
        );
        vm.prank(rival);
        market.bid{value: bondWei}(offerId, headerHash(), 1);
    }

    function test_a_bid_can_only_be_lowered_and_keeps_its_bond() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 5 ether);
        bidAs(offerId, rival, 4 ether);
        vm.startPrank(trainer);
        vm.expectRevert(abi.encodeWithSelector(BidBook.BidNotBetter.selector, trainer, 5 ether, 5 ether));
        market.bid(offerId, headerHash(), 5 ether);
        vm.expectRevert(abi.encodeWithSelector(PullPayments.WrongValue.selector, bondWei, 0));
        market.bid{value: bondWei}(offerId, headerHash(), 3 ether);
        market.bid(offerId, headerHash(), 3 ether);
        vm.stopPrank();
        (address[3] memory bidders, uint256[3] memory pricesWei) = market.bids(offerId);
        vm.assertEq(bidders[0], trainer, "the lower bid leads");
        vm.assertEq(pricesWei[1], 4 ether, "the rival follows");
    }

    function test_a_fourth_bid_displaces_the_worst_which_gets_its_bond_back() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 5 ether);
        bidAs(offerId, rival, 4 ether);
        bidAs(offerId, third, 5 ether);
        vm.expectRevert(abi.encodeWithSelector(BidBook.BidTooHigh.selector, 5 ether, 5 ether));
        vm.prank(fourth);
        market.bid{value: bondWei}(offerId, headerHash(), 5 ether);
        vm.expectEmit(address(market));
        emit ITrainingMarket.BidDisplaced(offerId, third);
        bidAs(offerId, fourth, 5 ether - 1);
        vm.assertEq(creditOf(third), bondWei, "a tie goes to the earlier bid, the later one is displaced");
        vm.assertEq(creditOf(trainer), 0, "the earlier one stays");
    }

    function test_award_goes_to_the_best_bid_and_locks_its_stake() public {
        uint256 offerId = fundedOffer(terms());
        bidAs(offerId, rival, 5 ether);
        bidAs(offerId, trainer, 4 ether);
        uint64 deadline = market.deadlineOf(offerId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooEarly.selector, offerId, deadline));
        market.award(offerId);
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit ITrainingMarket.OfferAwarded(offerId, trainer, 4 ether, MIN_STAKE, uint64(deadline + 1 + 2 hours));
        vm.prank(anyone);
        market.award(offerId);
        (address winner, uint256 priceWei) = market.winner(offerId);
        vm.assertEq(winner, trainer, "winner");
        vm.assertEq(priceWei, 4 ether, "price");
        (uint256 freeWei, uint256 lockedWei,,) = registry.stakeOf(trainer);
        vm.assertEq(lockedWei, MIN_STAKE, "locked");
        vm.assertEq(freeWei, 10 ether - MIN_STAKE, "free");
        expectWrongState(offerId, OfferState.Awarded);
        market.award(offerId);
    }

    function test_an_offer_without_bids_is_refunded() public {
        uint256 offerId = fundedOffer(terms());
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        assertState(offerId, OfferState.Refunded, "nobody bid");
        (uint256 amountWei, uint256 etherWei) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "all of it, to the wei");
        vm.assertEq(etherWei, 0, "no bond");
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.AlreadyRefunded.selector, payers[0]));
        claimAs(offerId, payers[0]);
        vm.assertEq(market.refundableWei(offerId, payers[0]), 0, "claimed");
    }

    function test_winners_who_never_start_lose_their_bonds_to_the_payers_in_turn() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 0);
        bidAs(offerId, rival, 0);
        bidAs(offerId, third, 3 ether);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        address[3] memory order = [trainer, rival, third];
        for (uint256 i; i < 3; ++i) {
            (address winner,) = market.winner(offerId);
            vm.assertEq(winner, order[i], "next best, ties by time");
            uint64 deadline = market.deadlineOf(offerId);
            vm.warp(deadline);
            vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooEarly.selector, offerId, deadline));
            market.expireAward(offerId);
            vm.warp(deadline + 1);
            vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooLate.selector, offerId, deadline));
            vm.prank(order[i]);
            market.start(offerId);
            vm.expectEmit(address(market));
            emit ITrainingMarket.AwardForfeited(offerId, order[i], bondWei);
            market.expireAward(offerId);
            vm.assertEq(freeStake(order[i]), 10 ether, "the stake itself is free again");
        }
        assertState(offerId, OfferState.Refunded, "nobody is left");
        (address nobody,) = market.winner(offerId);
        vm.assertEq(nobody, address(0), "no winner");
        (uint256 amountWei, uint256 etherWei) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "the escrow");
        vm.assertEq(etherWei, 3 * bondWei, "and three bonds, to the wei");
    }

    function test_a_bidder_who_took_his_stake_away_is_stepped_over_and_loses_his_bond() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 1 ether);
        bidAs(offerId, rival, 2 ether);
        vm.prank(trainer);
        registry.unbond(10 ether);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        (address winner,) = market.winner(offerId);
        vm.assertEq(winner, rival, "the next one");
        vm.prank(rival);
        market.start(offerId);
        vm.assertEq(creditOf(trainer), 0, "no bond back");
        vm.assertEq(creditOf(rival), bondWei, "the winner's bond is returned when he starts");
    }

    function test_a_market_that_may_not_lock_any_more_returns_bonds_and_escrow() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 1 ether);
        bidAs(offerId, rival, 2 ether);
        vm.prank(owner);
        registry.admitMarket(address(market), false);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.FreeStakeTooSmall.selector, third, 0, MIN_STAKE));
        vm.prank(third);
        market.bid{value: bondWei}(offerId, headerHash(), 1);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        assertState(offerId, OfferState.Refunded, "no award without a lock");
        vm.assertEq(creditOf(trainer), bondWei, "bond of the first");
        vm.assertEq(creditOf(rival), bondWei, "bond of the second");
        (uint256 amountWei,) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "escrow");
    }

    // ---------------------------------------------------------------- training

    function test_start_is_the_winners_and_returns_every_bond() public {
        uint256 offerId = fundedOffer(terms());
        uint256 bondWei = market.bidBondWei(offerId);
        bidAs(offerId, trainer, 1 ether);
        bidAs(offerId, rival, 2 ether);
        bidAs(offerId, third, 3 ether);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotTheTrainer.selector, rival));
        vm.prank(rival);
        market.start(offerId);
        vm.expectEmit(address(market));
        emit ITrainingMarket.TrainingStarted(offerId, trainer, uint64(vm.getBlockTimestamp() + 3 days));
        vm.prank(trainer);
        market.start(offerId);
        vm.assertEq(creditOf(trainer) + creditOf(rival) + creditOf(third), 3 * bondWei, "all bonds");
        (address[3] memory bidders,) = market.bids(offerId);
        vm.assertEq(bidders[0], address(0), "the book is empty");
        expectWrongState(offerId, OfferState.Training);
        vm.prank(trainer);
        market.start(offerId);
    }

    function test_commit_is_the_winners_in_time_with_both_references() public {
        uint256 offerId = startedOffer(terms(), 4 ether);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotTheTrainer.selector, rival));
        vm.prank(rival);
        market.commit(offerId, LOG, MODEL);
        vm.startPrank(trainer);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.ZeroReference.selector));
        market.commit(offerId, 0, MODEL);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.ZeroReference.selector));
        market.commit(offerId, LOG, 0);
        bytes32 commitment =
            keccak256(abi.encode(block.chainid, market, offerId, trainer, headerHash(), LOG, MODEL));
        vm.expectCall(
            address(quorum),
            abi.encodeCall(quorum.onCommit, (offerId, trainer, headerHash(), commitment, 10, terms().challengeWindow)),
            1
        );
        vm.expectEmit(address(market));
        emit ITrainingMarket.JobCommitted(offerId, trainer, LOG, MODEL, commitment);
        market.commit(offerId, LOG, MODEL);
        expectWrongState(offerId, OfferState.Committed);
        market.commit(offerId, LOG, MODEL);
        vm.stopPrank();
        vm.assertEq(market.feeLeftWei(offerId), FEE, "the fee is the verifier's to spend");
    }

    function test_a_silent_trainer_is_slashed_and_the_payers_refunded() public {
        uint256 offerId = startedOffer(terms(), 4 ether);
        uint64 deadline = market.deadlineOf(offerId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooEarly.selector, offerId, deadline));
        market.expireTraining(offerId);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooLate.selector, offerId, deadline));
        vm.prank(trainer);
        market.commit(offerId, LOG, MODEL);
        vm.expectEmit(address(market));
        emit ITrainingMarket.OfferSettled(offerId, OfferState.Slashed, 0, REWARD + FEE, MIN_STAKE / 2, MIN_STAKE);
        market.expireTraining(offerId);
        (uint256 amountWei, uint256 etherWei) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "the escrow");
        vm.assertEq(etherWei, MIN_STAKE / 2, "half of the stake");
        vm.assertEq(registry.BURN_ADDRESS().balance, MIN_STAKE / 2, "the other half is burnt");
        vm.assertEq(freeStake(trainer), 10 ether - MIN_STAKE, "the rest of his stake is untouched");
    }

    // ---------------------------------------------------------------- settlement

    function test_valid_pays_the_price_after_the_challenge_window_and_refunds_the_rest() public {
        uint256 offerId = committedOffer(terms(), 4 ether + 1);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.VerdictPending.selector, offerId));
        market.finalize(offerId);
        decideAll(offerId, Vote.Valid);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.VerdictPending.selector, offerId));
        market.finalize(offerId);
        uint256 feeLeftWei = market.feeLeftWei(offerId);
        challengeWindowOver(offerId);
        uint256 refundWei = REWARD - (4 ether + 1) + feeLeftWei;
        uint256 before = creditOf(trainer);
        vm.expectEmit(address(market));
        emit ITrainingMarket.OfferSettled(offerId, OfferState.Paid, 4 ether + 1, refundWei, 0, 0);
        vm.prank(anyone);
        market.finalize(offerId);
        vm.assertEq(creditOf(trainer) - before, 4 ether + 1, "the price");
        vm.assertEq(freeStake(trainer), 10 ether, "the stake is free");
        vm.assertEq(market.feeLeftWei(offerId), 0, "no fee is left");
        (uint256 amountWei,) = claimAll(offerId);
        vm.assertEq(amountWei, refundWei, "the surplus, to the wei");
        expectWrongState(offerId, OfferState.Paid);
        market.finalize(offerId);
    }

    function test_invalid_slashes_and_refunds() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        decideAll(offerId, Vote.Invalid);
        uint256 feeLeftWei = market.feeLeftWei(offerId);
        market.finalize(offerId);
        assertState(offerId, OfferState.Slashed, "convicted");
        (uint256 amountWei, uint256 etherWei) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + feeLeftWei, "reward and unspent fee");
        vm.assertEq(etherWei, MIN_STAKE / 2, "the finder's part, as the drawn quorum found it");
        vm.assertEq(freeStake(trainer), 10 ether - MIN_STAKE, "slashed");
    }

    function test_unavailable_and_undecided_refund_and_release_the_stake() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        decideAll(offerId, Vote.Unavailable);
        assertVerdict(offerId, Verdict.Unavailable, "two thirds could not fetch it");
        market.finalize(offerId);
        assertState(offerId, OfferState.Refunded, "unavailable");
        vm.assertEq(freeStake(trainer), 10 ether, "released");

        offerId = committedOffer(terms(), 4 ether);
        decideAll(offerId, Vote.None);
        assertVerdict(offerId, Verdict.Pending, "redrawn once");
        decideAll(offerId, Vote.None);
        assertVerdict(offerId, Verdict.Undecided, "silent twice");
        market.finalize(offerId);
        assertState(offerId, OfferState.Refunded, "undecided");
        (uint256 amountWei,) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "silent validators were paid nothing");
    }

    function test_a_verifier_that_never_decides_means_a_refund() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        drawNow(offerId);
        uint64 deadline = market.deadlineOf(offerId);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.TooEarly.selector, offerId, deadline));
        market.expireVerdict(offerId);
        vm.warp(deadline + 1);
        market.expireVerdict(offerId);
        assertState(offerId, OfferState.Refunded, "never decided");
        (uint256 amountWei,) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD + FEE, "with the whole fee");
        vm.assertEq(freeStake(trainer), 10 ether, "released");
        // The quorum's round is closed without fines, and its validators are free.
        quorum.tally(offerId);
        for (uint256 i; i < VALIDATORS; ++i) {
            vm.assertEq(quorum.validatorStake(validators[i]), 1 ether, "no fine");
            vm.prank(validators[i]);
            quorum.leave();
        }
        wait(1 hours + 12);
        for (uint256 i; i < VALIDATORS; ++i) {
            vm.prank(validators[i]);
            quorum.withdrawStake();
        }
    }

    function test_a_verdict_that_was_reached_is_executed_rather_than_expired() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        decideAll(offerId, Vote.Valid);
        vm.warp(market.deadlineOf(offerId) + 1);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.VerdictReached.selector, offerId, Verdict.Valid));
        market.expireVerdict(offerId);
        uint256 id = vm.snapshotState();
        market.finalize(offerId);
        assertState(offerId, OfferState.Paid, "paid, though late");
        vm.revertToState(id);
        vm.warp(market.deadlineOf(offerId) + market.EXECUTION_WINDOW() + 1);
        market.expireVerdict(offerId);
        assertState(offerId, OfferState.Refunded, "nobody executed it in thirty days");
    }

    function test_a_verifier_that_reverts_means_a_refund() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        vm.mockCallRevert(address(quorum), abi.encodeWithSelector(quorum.verdict.selector), "broken");
        vm.expectRevert(bytes("broken"));
        market.finalize(offerId);
        vm.warp(market.deadlineOf(offerId) + 1);
        market.expireVerdict(offerId);
        assertState(offerId, OfferState.Refunded, "broken verifier");
    }

    function test_every_step_is_refused_in_a_wrong_state() public {
        uint256 offerId = openOffer(terms());
        expectWrongState(offerId, OfferState.Funding);
        market.bid(offerId, headerHash(), 1);
        expectWrongState(offerId, OfferState.Funding);
        market.award(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.start(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.expireAward(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.commit(offerId, LOG, MODEL);
        expectWrongState(offerId, OfferState.Funding);
        market.expireTraining(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.finalize(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.expireVerdict(offerId);
        expectWrongState(offerId, OfferState.Funding);
        market.payFee(offerId, anyone, 0);
        expectWrongState(offerId, OfferState.Funding);
        market.claimRefund(offerId);
        for (uint256 i; i < 3; ++i) fundAs(offerId, payers[i]);
        expectWrongState(offerId, OfferState.Bidding);
        vm.prank(requester);
        market.cancel(offerId);
        expectWrongState(offerId, OfferState.Bidding);
        market.expireFunding(offerId);
    }

    function test_only_the_pinned_verifier_spends_the_fee_and_no_more_than_it() public {
        uint256 offerId = committedOffer(terms(), 4 ether);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.NotTheVerifier.selector, owner));
        vm.prank(owner);
        market.payFee(offerId, owner, 1);
        vm.startPrank(address(quorum));
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.FeeSpent.selector, FEE, FEE + 1));
        market.payFee(offerId, anyone, FEE + 1);
        market.payFee(offerId, anyone, FEE);
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.FeeSpent.selector, 0, 1));
        market.payFee(offerId, anyone, 1);
        vm.stopPrank();
        vm.assertEq(creditOf(anyone), FEE, "credited");
    }

    // ---------------------------------------------------------------- money out

    function test_withdraw_pays_once() public {
        uint256 offerId = startedOffer(terms(), 1 ether);
        uint256 bondWei = market.bidBondWei(offerId);
        uint256 before = trainer.balance;
        vm.expectEmit(address(market));
        emit PullPayments.Withdrawn(trainer, address(0), bondWei);
        vm.prank(trainer);
        market.withdraw(address(0));
        vm.assertEq(trainer.balance - before, bondWei, "paid");
        vm.expectRevert(abi.encodeWithSelector(PullPayments.NothingToWithdraw.selector, trainer, address(0)));
        vm.prank(trainer);
        market.withdraw(address(0));
    }

    function test_ether_nobody_asked_for_is_refused_and_forced_ether_changes_nothing() public {
        vm.prank(anyone);
        (bool sent, bytes memory reason) = address(market).call{value: 1}("");
        vm.assertFalse(sent, "refused");
        vm.assertEq(
            keccak256(reason),
            keccak256(abi.encodeWithSelector(TrainingMarket.UnexpectedEther.selector, anyone)),
            "with its reason"
        );
        vm.prank(address(quorum));
        vm.deal(address(quorum), address(quorum).balance + 1);
        (sent,) = address(market).call{value: 1}("");
        vm.assertFalse(sent, "from the verifier too");
        vm.deal(address(market), 5 ether); // what selfdestruct or a block reward can do
        uint256 offerId = committedOffer(terms(), 4 ether);
        decideAll(offerId, Vote.Valid);
        uint256 feeLeftWei = market.feeLeftWei(offerId);
        challengeWindowOver(offerId);
        market.finalize(offerId);
        (uint256 amountWei,) = claimAll(offerId);
        vm.assertEq(amountWei, REWARD - 4 ether + feeLeftWei, "the forced ether is nobody's");
    }

    function testFuzz_refunds_of_odd_shares_add_up_to_the_wei(
        uint128 rewardWei,
        uint128 feeWei,
        uint32[8] calldata parts,
        uint8 count,
        uint256 order
    ) public {
        rewardWei = uint128(1 + uint256(rewardWei) % 1e24);
        feeWei = uint128(uint256(feeWei) % 1e24);
        uint256 payerCount = 1 + uint256(count) % 8;
        address[] memory many = new address[](payerCount);
        uint32[] memory manyUnits = new uint32[](payerCount);
        for (uint256 i; i < payerCount; ++i) {
            many[i] = vm.addr(i + 1);
            manyUnits[i] = parts[i] == 0 ? 1 : parts[i];
        }
        OfferTerms memory terms_ = terms();
        terms_.rewardWei = rewardWei;
        terms_.validationFeeWei = feeWei;
        terms_.minStakeWei = rewardWei;
        uint256 offerId = market.open(header(), terms_, many, manyUnits);
        uint256 paidWei;
        for (uint256 i; i < payerCount; ++i) {
            uint256 shareWei = market.shareWei(offerId, many[i]);
            vm.deal(many[i], shareWei);
            fundAs(offerId, many[i]);
            paidWei += shareWei;
        }
        vm.assertEq(paidWei, uint256(rewardWei) + feeWei, "paid in");
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        uint256 backWei;
        for (uint256 i; i < payerCount; ++i) {
            // In any order: a share does not depend on who claimed before.
            (uint256 amountWei,) = claimAs(offerId, many[(i + order % payerCount) % payerCount]);
            backWei += amountWei;
        }
        vm.assertEq(backWei, paidWei, "paid back");
    }
}
