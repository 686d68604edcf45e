// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISampledQuorum, Vote} from "../src/interfaces/ISampledQuorum.sol";
import {OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {TrainingMarket} from "../src/TrainingMarket.sol";
import {PullPayments} from "../src/PullPayments.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {World} from "./World.sol";

/// @notice Votes, tallies, fines and challenges.
contract QuorumTest is World {
    uint256 internal offerId;

    function setUp() public override {
        super.setUp();
        offerId = committedOffer(terms(), 4 ether);
    }

    function _round() internal view returns (uint32 round) {
        (round,,,,) = quorum.roundOf(offerId);
    }

    function _commitDeadline() internal view returns (uint64 deadline) {
        (,, deadline,,) = quorum.roundOf(offerId);
    }

    function _revealDeadline() internal view returns (uint64 deadline) {
        (,,, deadline,) = quorum.roundOf(offerId);
    }

    function _phase(SampledQuorum.Phase phase, string memory what) internal view {
        vm.assertEq(uint256(quorum.phaseOf(offerId)), uint256(phase), what);
    }

    // ---------------------------------------------------------------- parameters

    function _expectRefused(SampledQuorum.Parameters memory wrong) internal {
        vm.expectRevert(SampledQuorum.ParametersOutOfRange.selector);
        new SampledQuorum(market, wrong);
    }

    function test_parameters_out_of_range_are_refused() public {
        SampledQuorum.Parameters memory p = quorumParameters();
        p.quorumSize = 0;
        _expectRefused(p);
        p.quorumSize = 17;
        _expectRefused(p);
        p = quorumParameters();
        p.drawCount = 0;
        _expectRefused(p);
        p.drawCount = 65;
        _expectRefused(p);
        p = quorumParameters();
        p.drawDelayBlocks = 0;
        _expectRefused(p);
        p.drawDelayBlocks = 257;
        _expectRefused(p);
        p = quorumParameters();
        p.drawWindow = 0;
        _expectRefused(p);
        p = quorumParameters();
        p.commitWindow = 0;
        _expectRefused(p);
        p.commitWindow = 3 days;
        _expectRefused(p);
        p = quorumParameters();
        p.revealWindow = 0;
        _expectRefused(p);
        p = quorumParameters();
        p.minStakeWei = 0;
        _expectRefused(p);
        p = quorumParameters();
        p.silencePenaltyWei = p.minStakeWei + 1;
        _expectRefused(p);
    }

    function test_the_longest_game_ends_before_the_market_gives_up() public view {
        // The first round and three challenges, each redrawn once, and a challenge window after each.
        uint256 games = 1 + uint256(quorum.MAX_CHALLENGES());
        uint256 longest = games * (2 * quorum.MAX_ROUND() + market.MAX_CHALLENGE_WINDOW());
        vm.assertLe(longest, market.VERDICT_WINDOW(), "fits");
    }

    function test_only_the_market_opens_a_case_and_only_once() public {
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotTheMarket.selector, anyone));
        vm.prank(anyone);
        quorum.onCommit(77, trainer, headerHash(), keccak256("c"), 1, 1);
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WrongPhase.selector, offerId, SampledQuorum.Phase.Drawing)
        );
        vm.prank(address(market));
        quorum.onCommit(offerId, trainer, headerHash(), keccak256("c"), 1, 1);
    }

    // ---------------------------------------------------------------- votes

    function test_a_vote_is_committed_by_the_drawn_once_and_in_time() public {
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WrongPhase.selector, offerId, SampledQuorum.Phase.Drawing)
        );
        quorum.commitVote(offerId, keccak256("vote"));
        address[] memory drawn = drawNow(offerId);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotDrawn.selector, offerId, anyone));
        vm.prank(anyone);
        quorum.commitVote(offerId, keccak256("vote"));
        vm.expectRevert(SampledQuorum.EmptyVote.selector);
        vm.prank(drawn[0]);
        quorum.commitVote(offerId, 0);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.VoteCommitted(offerId, 0, drawn[0]);
        commitVoteAs(offerId, drawn[0], Vote.Valid);
        bytes32 another = voteHash(offerId, drawn[0], Vote.Invalid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.AlreadyCommitted.selector, drawn[0]));
        vm.prank(drawn[0]);
        quorum.commitVote(offerId, another);
        vm.warp(_commitDeadline() + 1);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOver.selector, _commitDeadline()));
        vm.prank(drawn[1]);
        quorum.commitVote(offerId, keccak256("late"));
    }

    function test_a_vote_is_revealed_as_committed_once_and_in_time() public {
        address[] memory drawn = drawNow(offerId);
        commitVoteAs(offerId, drawn[0], Vote.Valid);
        commitVoteAs(offerId, drawn[1], Vote.Invalid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOpen.selector, _commitDeadline()));
        vm.prank(drawn[0]);
        quorum.revealVote(offerId, Vote.Valid, EVIDENCE, SALT);
        vm.warp(_commitDeadline() + 1);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotCommitted.selector, drawn[2]));
        vm.prank(drawn[2]);
        quorum.revealVote(offerId, Vote.Valid, EVIDENCE, SALT);
        vm.expectRevert(SampledQuorum.EmptyVote.selector);
        vm.prank(drawn[0]);
        quorum.revealVote(offerId, Vote.None, EVIDENCE, SALT);
        bytes32 committed = voteHash(offerId, drawn[0], Vote.Valid);
        bytes32 given = voteHash(offerId, drawn[0], Vote.Invalid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.VoteHashMismatch.selector, given, committed));
        vm.prank(drawn[0]);
        quorum.revealVote(offerId, Vote.Invalid, EVIDENCE, SALT);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.VoteRevealed(offerId, 0, drawn[0], Vote.Valid, EVIDENCE);
        revealAs(offerId, drawn[0], Vote.Valid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.AlreadyRevealed.selector, drawn[0]));
        vm.prank(drawn[0]);
        quorum.revealVote(offerId, Vote.Valid, EVIDENCE, SALT);
        vm.warp(_revealDeadline() + 1);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOver.selector, _revealDeadline()));
        vm.prank(drawn[1]);
        quorum.revealVote(offerId, Vote.Invalid, EVIDENCE, SALT);
    }

    function test_a_copied_vote_cannot_be_revealed() public {
        address[] memory drawn = drawNow(offerId);
        commitVoteAs(offerId, drawn[0], Vote.Valid);
        commitVoteAs(offerId, drawn[1], Vote.Valid);
        bytes32 copied = voteHash(offerId, drawn[0], Vote.Valid);
        vm.prank(drawn[2]);
        quorum.commitVote(offerId, copied);
        revealAs(offerId, drawn[0], Vote.Valid);
        // He now knows vote, evidence and salt, but the hash names the one whom he copied.
        bytes32 his = voteHash(offerId, drawn[2], Vote.Valid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.VoteHashMismatch.selector, his, copied));
        vm.prank(drawn[2]);
        quorum.revealVote(offerId, Vote.Valid, EVIDENCE, SALT);
    }

    function test_a_vote_of_another_chain_offer_or_round_is_worth_nothing() public {
        address[] memory drawn = drawNow(offerId);
        bytes32[3] memory foreign = [
            keccak256(abi.encode(block.chainid + 1, quorum, offerId, uint32(0), drawn[0], Vote.Valid, EVIDENCE, SALT)),
            keccak256(abi.encode(block.chainid, quorum, offerId + 1, uint32(0), drawn[1], Vote.Valid, EVIDENCE, SALT)),
            keccak256(abi.encode(block.chainid, quorum, offerId, uint32(1), drawn[2], Vote.Valid, EVIDENCE, SALT))
        ];
        for (uint256 i; i < 3; ++i) {
            vm.prank(drawn[i]);
            quorum.commitVote(offerId, foreign[i]);
        }
        for (uint256 i; i < 3; ++i) {
            bytes32 his = voteHash(offerId, drawn[i], Vote.Valid);
            vm.expectRevert(abi.encodeWithSelector(SampledQuorum.VoteHashMismatch.selector, his, foreign[i]));
            vm.prank(drawn[i]);
            quorum.revealVote(offerId, Vote.Valid, EVIDENCE, SALT);
        }
    }

    function test_reveals_begin_as_soon_as_all_have_committed() public {
        address[] memory drawn = drawNow(offerId);
        for (uint256 i; i < 3; ++i) commitVoteAs(offerId, drawn[i], Vote.Valid);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOpen.selector, _revealDeadline()));
        quorum.tally(offerId);
        for (uint256 i; i < 3; ++i) revealAs(offerId, drawn[i], Vote.Valid);
        quorum.tally(offerId);
        _phase(SampledQuorum.Phase.Open, "no need to wait for the deadlines");
    }

    // ---------------------------------------------------------------- tallies

    function test_two_thirds_decide() public {
        Vote[3][4] memory decided = [
            [Vote.Valid, Vote.Valid, Vote.Invalid],
            [Vote.Invalid, Vote.None, Vote.Invalid],
            [Vote.Unavailable, Vote.Unavailable, Vote.Valid],
            [Vote.Valid, Vote.Invalid, Vote.Unavailable]
        ];
        SampledQuorum.Phase[4] memory phases = [
            SampledQuorum.Phase.Open,
            SampledQuorum.Phase.Closed,
            SampledQuorum.Phase.Closed,
            SampledQuorum.Phase.Drawing
        ];
        Verdict[4] memory verdicts = [Verdict.Pending, Verdict.Invalid, Verdict.Unavailable, Verdict.Pending];
        for (uint256 i; i < 4; ++i) {
            uint256 id = vm.snapshotState();
            decide(offerId, decided[i]);
            _phase(phases[i], "phase");
            assertVerdict(offerId, verdicts[i], "verdict");
            vm.revertToState(id);
        }
    }

    function test_events_tell_a_round_from_its_opening_to_its_verdict() public {
        mine(3);
        uint64 commitDeadline = uint64(vm.getBlockTimestamp()) + 1 days;
        uint256 id = vm.snapshotState();
        quorum.draw(offerId);
        (address[] memory drawn, uint32[] memory segments) = quorum.drawn(offerId);
        vm.revertToState(id);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.QuorumDrawn(offerId, 0, drawn, segments, commitDeadline, commitDeadline + 6 hours);
        quorum.draw(offerId);
        for (uint256 i; i < 3; ++i) commitVoteAs(offerId, drawn[i], Vote.Valid);
        for (uint256 i; i < 3; ++i) revealAs(offerId, drawn[i], Vote.Valid);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.ValidatorPaid(offerId, drawn[0], address(0), (FEE - FEE / 2) / 3);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.RoundTallied(
            offerId, 0, uint8(Verdict.Valid), uint64(vm.getBlockTimestamp()) + 1 days
        );
        quorum.tally(offerId);
        uint64 now_ = uint64(vm.getBlockTimestamp());
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.VerificationOpened(
            offerId, 1, uint64(vm.getBlockNumber()) + 2, now_ + 1 hours, 10
        );
        challengeAs(challenger, offerId, 5);
        decideAll(offerId, Vote.None);
        mine(3);
        wait(1 hours);
        vm.expectEmit(address(quorum)); // undecided: what was found before stands
        emit ISampledQuorum.RoundTallied(
            offerId, 2, uint8(Verdict.Valid), uint64(vm.getBlockTimestamp()) + 1 days
        );
        quorum.tally(offerId);
    }

    function test_a_conviction_by_the_drawn_quorum_has_no_finder() public {
        vm.assertEq(quorum.finder(offerId), address(0), "nothing is decided");
        decideAll(offerId, Vote.Invalid);
        vm.assertEq(quorum.finder(offerId), address(0), "the payers take that part");
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WrongPhase.selector, offerId, SampledQuorum.Phase.Closed)
        );
        quorum.tally(offerId);
    }

    function test_pay_does_not_depend_on_the_verdict_and_half_of_the_fee_is_kept_for_a_redraw() public {
        address[] memory drawn = decide(offerId, [Vote.Valid, Vote.Invalid, Vote.Unavailable]);
        uint256 firstWei = (FEE - FEE / 2) / 3;
        for (uint256 i; i < 3; ++i) vm.assertEq(creditOf(drawn[i]), firstWei, "an equal share of one half");
        uint256[3] memory before;
        uint256 secondWei = market.feeLeftWei(offerId) / 3;
        vm.assertGe(secondWei, firstWei - 1, "the redraw is paid as well");
        address[] memory again = drawNow(offerId);
        for (uint256 i; i < 3; ++i) {
            before[i] = creditOf(again[i]);
            commitVoteAs(offerId, again[i], Vote.Valid);
        }
        for (uint256 i; i < 3; ++i) revealAs(offerId, again[i], Vote.Valid);
        quorum.tally(offerId);
        for (uint256 i; i < 3; ++i) vm.assertEq(creditOf(again[i]) - before[i], secondWei, "all of the rest");
        vm.assertLe(market.feeLeftWei(offerId), 2, "nothing but the rounding is left, and goes to the payers");
    }

    function test_silence_is_fined_burnt_and_redrawn_once() public {
        address[] memory drawn = drawNow(offerId);
        commitVoteAs(offerId, drawn[0], Vote.Valid);
        commitVoteAs(offerId, drawn[1], Vote.Valid); // commits, but does not reveal
        vm.warp(_commitDeadline() + 1);
        revealAs(offerId, drawn[0], Vote.Valid);
        vm.warp(_revealDeadline() + 1);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.ValidatorSilent(offerId, 0, drawn[1], 0.05 ether);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.ValidatorSilent(offerId, 0, drawn[2], 0.05 ether);
        quorum.tally(offerId);
        vm.assertEq(quorum.validatorStake(drawn[1]), 0.95 ether, "fined");
        vm.assertEq(quorum.BURN_ADDRESS().balance, 0.1 ether, "burnt");
        vm.assertEq(_round(), 1, "redrawn");
        decideAll(offerId, Vote.None);
        assertVerdict(offerId, Verdict.Undecided, "once only");
    }

    function test_a_fine_is_at_most_ten_times_the_pay() public {
        vm.prank(trainer);
        registry.deposit{value: 20 ether}();
        OfferTerms memory cheap = terms();
        cheap.validationFeeWei = 600; // 300 in the first round, 100 each
        uint256 other = committedOffer(cheap, 1);
        address[] memory drawn = decideAll(other, Vote.None);
        for (uint256 i; i < 3; ++i) vm.assertEq(quorum.validatorStake(drawn[i]), 1 ether - 1_000, "ten times 100");
        // The stake is below the least one now, so none of them is drawn before adding to it.
        decideAll(other, Vote.None);

        cheap.validationFeeWei = 0;
        other = committedOffer(cheap, 1);
        for (uint256 i; i < VALIDATORS; ++i) joinAs(validators[i], 10_000);
        drawn = decideAll(other, Vote.None);
        for (uint256 i; i < 3; ++i) {
            vm.assertGe(quorum.validatorStake(drawn[i]), 1 ether, "work that pays nothing may be left undone");
        }
    }

    function test_a_round_that_nobody_draws_is_closed_after_its_deadline() public {
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WindowOpen.selector, uint64(vm.getBlockTimestamp() + 1 hours))
        );
        quorum.tally(offerId);
        wait(1 hours + 12);
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WindowOver.selector, uint64(vm.getBlockTimestamp() - 12))
        );
        quorum.draw(offerId);
        quorum.tally(offerId);
        vm.assertEq(_round(), 1, "redrawn");
        wait(1 hours + 12);
        quorum.tally(offerId);
        market.finalize(offerId);
        assertState(offerId, OfferState.Refunded, "refunded");
    }

    // ---------------------------------------------------------------- challenges

    function _challenged(uint32 segment) internal {
        decideAll(offerId, Vote.Valid);
        challengeAs(challenger, offerId, segment);
    }

    function test_a_challenge_needs_window_segment_and_bond() public {
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WrongPhase.selector, offerId, SampledQuorum.Phase.Drawing)
        );
        quorum.challenge(offerId, 0);
        decideAll(offerId, Vote.Valid);
        vm.startPrank(challenger);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NoSuchSegment.selector, 10, 10));
        quorum.challenge{value: CHALLENGE_BOND}(offerId, 10);
        vm.expectRevert(abi.encodeWithSelector(PullPayments.WrongValue.selector, CHALLENGE_BOND - 1, CHALLENGE_BOND));
        quorum.challenge{value: CHALLENGE_BOND - 1}(offerId, 9);
        (,,,, uint64 endsAt) = quorum.roundOf(offerId);
        vm.warp(endsAt + 1);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOver.selector, endsAt));
        quorum.challenge{value: CHALLENGE_BOND}(offerId, 9);
        vm.warp(endsAt);
        assertVerdict(offerId, Verdict.Pending, "the last second of the window");
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.SampledChallenge(offerId, 1, challenger, 9, CHALLENGE_BOND);
        quorum.challenge{value: CHALLENGE_BOND}(offerId, 9);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.VerdictPending.selector, offerId));
        market.finalize(offerId);
    }

    function test_a_challenge_after_settlement_is_refused() public {
        decideAll(offerId, Vote.Valid);
        challengeWindowOver(offerId);
        market.finalize(offerId);
        (,,,, uint64 endsAt) = quorum.roundOf(offerId);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.WindowOver.selector, endsAt));
        vm.prank(challenger);
        quorum.challenge{value: CHALLENGE_BOND}(offerId, 0);
        vm.warp(endsAt); // were the clock to allow it
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.OfferSettledAlready.selector, offerId));
        vm.prank(challenger);
        quorum.challenge{value: CHALLENGE_BOND}(offerId, 0);
    }

    function testFuzz_the_named_segment_is_always_drawn(uint32 segment, bytes32 hash) public {
        segment %= 10;
        decideAll(offerId, Vote.Valid);
        challengeAs(challenger, offerId, segment);
        (, uint64 drawBlock,,,) = quorum.roundOf(offerId);
        mine(3);
        vm.setBlockhash(drawBlock, hash == 0 ? bytes32(uint256(1)) : hash);
        quorum.draw(offerId);
        (, uint32[] memory segments) = quorum.drawn(offerId);
        vm.assertEq(segments.length, 4, "as many as always");
        bool found;
        for (uint256 i; i < 4; ++i) {
            found = found || segments[i] == segment;
            vm.assertLe(segments[i], 9, "in range");
            for (uint256 j; j < i; ++j) vm.assertTrue(segments[i] != segments[j], "each once");
        }
        vm.assertTrue(found, "the named one is among them");
    }

    function test_a_challenger_who_is_right_gets_his_bond_and_half_of_the_stake() public {
        _challenged(3);
        address[] memory drawn = decideAll(offerId, Vote.Invalid);
        uint256 payWei = CHALLENGE_BOND / 2 / 2 / 3;
        vm.assertEq(quorum.finder(offerId), challenger, "the finder");
        vm.assertEq(
            quorum.credit(challenger, address(0)), CHALLENGE_BOND - 3 * payWei, "his bond less the validators' pay"
        );
        for (uint256 i; i < 3; ++i) vm.assertEq(quorum.credit(drawn[i], address(0)), payWei, "paid from the bond");
        market.finalize(offerId);
        vm.assertEq(registry.credit(challenger, address(0)), MIN_STAKE / 2, "half of the stake");
        vm.assertEq(registry.BURN_ADDRESS().balance, MIN_STAKE / 2, "half is burnt");
        (uint256 amountWei, uint256 etherWei) = claimAll(offerId);
        vm.assertEq(etherWei, 0, "the finder took what would have been the payers'");
        vm.assertGe(amountWei, REWARD, "the reward goes back");
    }

    function test_a_challenger_who_is_wrong_pays_the_trainer_and_the_window_opens_again() public {
        _challenged(3);
        decideAll(offerId, Vote.Valid);
        vm.assertEq(quorum.credit(trainer, address(0)), CHALLENGE_BOND / 2, "for the delay");
        vm.assertLe(quorum.credit(challenger, address(0)), CHALLENGE_BOND / 2, "at most what validators left");
        _phase(SampledQuorum.Phase.Open, "open again");
        challengeWindowOver(offerId);
        market.finalize(offerId);
        assertState(offerId, OfferState.Paid, "paid after all");
        vm.assertEq(quorum.finder(offerId), address(0), "no finder");
    }

    function test_an_undecided_challenge_leaves_what_was_found_before() public {
        _challenged(3);
        decideAll(offerId, Vote.None);
        _phase(SampledQuorum.Phase.Drawing, "redrawn");
        decide(offerId, [Vote.Valid, Vote.Invalid, Vote.None]);
        _phase(SampledQuorum.Phase.Open, "still valid");
        uint256 payWei = CHALLENGE_BOND / 2 / 3;
        vm.assertEq(quorum.credit(challenger, address(0)), CHALLENGE_BOND - 2 * payWei, "nobody proved him wrong");
        vm.assertEq(quorum.credit(trainer, address(0)), 0, "nor right");
        challengeWindowOver(offerId);
        market.finalize(offerId);
        assertState(offerId, OfferState.Paid, "paid");
    }

    function test_a_challenge_that_finds_the_model_unavailable_returns_the_bond() public {
        _challenged(0);
        decideAll(offerId, Vote.Unavailable);
        uint256 payWei = CHALLENGE_BOND / 2 / 2 / 3;
        vm.assertEq(quorum.credit(challenger, address(0)), CHALLENGE_BOND - 3 * payWei, "bond");
        market.finalize(offerId);
        assertState(offerId, OfferState.Refunded, "refunded");
    }

    function test_three_challenges_each_four_times_as_dear() public {
        decideAll(offerId, Vote.Valid);
        for (uint256 i; i < 3; ++i) {
            vm.assertEq(quorum.challengeBondWei(offerId), CHALLENGE_BOND * 4 ** i, "bond");
            challengeAs(challenger, offerId, 0);
            decideAll(offerId, Vote.Valid);
        }
        uint256 bondWei = quorum.challengeBondWei(offerId);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.TooManyChallenges.selector, offerId));
        vm.prank(challenger);
        quorum.challenge{value: bondWei}(offerId, 0);
    }

    function test_a_challenge_is_void_when_the_market_gives_up_meanwhile() public {
        _challenged(0);
        drawNow(offerId);
        vm.warp(market.deadlineOf(offerId) + 1);
        market.expireVerdict(offerId);
        quorum.tally(offerId);
        vm.assertEq(quorum.credit(challenger, address(0)), CHALLENGE_BOND, "the whole bond");
        vm.assertEq(quorum.BURN_ADDRESS().balance, 0, "no fine");
    }

    function test_unbonding_during_a_challenge_does_not_free_the_lock() public {
        _challenged(3);
        vm.prank(trainer);
        registry.unbond(10 ether - MIN_STAKE);
        vm.expectRevert();
        vm.prank(trainer);
        registry.unbond(1);
        vm.warp(vm.getBlockTimestamp() + 1);
        decideAll(offerId, Vote.Invalid);
        market.finalize(offerId);
        vm.assertEq(registry.credit(challenger, address(0)), MIN_STAKE / 2, "the lock was there to be slashed");
    }

    function test_a_challenger_does_not_judge_his_own_challenge() public {
        decideAll(offerId, Vote.Valid);
        joinAs(validators[0], 1_000_000 ether); // who else would be drawn for certain
        mine(1);
        vm.deal(validators[0], 10 ether);
        challengeAs(validators[0], offerId, 0);
        address[] memory drawn = drawNow(offerId);
        for (uint256 i; i < 3; ++i) vm.assertTrue(drawn[i] != validators[0], "not himself");
    }

    // ---------------------------------------------------------------- roster

    function test_join_needs_the_least_stake_and_can_add_to_it() public {
        vm.deal(anyone, 10 ether);
        vm.startPrank(anyone);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.StakeTooSmall.selector, 1 ether - 1, 1 ether));
        quorum.join{value: 1 ether - 1}();
        quorum.join{value: 1 ether}();
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.ValidatorJoined(anyone, 3 ether);
        quorum.join{value: 2 ether}();
        vm.stopPrank();
        vm.assertEq(quorum.validatorStake(anyone), 3 ether, "stake");
    }

    function test_who_leaves_waits_until_no_round_can_draw_him_and_is_paid_his_stake() public {
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotAValidator.selector, anyone));
        vm.prank(anyone);
        quorum.leave();
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotLeaving.selector, validators[0]));
        vm.prank(validators[0]);
        quorum.withdrawStake();
        // One by one they leave after the round was opened: they are drawn and judge all the same.
        for (uint256 i; i < VALIDATORS; ++i) {
            vm.prank(validators[i]);
            quorum.leave();
        }
        uint64 after_ = uint64(vm.getBlockTimestamp() + 1 hours);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotAValidator.selector, validators[0]));
        vm.prank(validators[0]);
        quorum.leave();
        address[] memory drawn = drawNow(offerId);
        vm.warp(after_);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.StillLeaving.selector, drawn[0], after_));
        vm.prank(drawn[0]);
        quorum.withdrawStake();
        vm.warp(after_ + 1);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.OnDuty.selector, drawn[0], 1));
        vm.prank(drawn[0]);
        quorum.withdrawStake();
        for (uint256 i; i < 3; ++i) commitVoteAs(offerId, drawn[i], Vote.Valid);
        for (uint256 i; i < 3; ++i) revealAs(offerId, drawn[i], Vote.Valid);
        quorum.tally(offerId);
        for (uint256 i; i < VALIDATORS; ++i) {
            vm.prank(validators[i]);
            quorum.withdrawStake();
            vm.assertEq(quorum.credit(validators[i], address(0)), 1 ether, "the whole stake");
            vm.assertEq(quorum.validatorStake(validators[i]), 0, "gone");
        }
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotLeaving.selector, validators[0]));
        vm.prank(validators[0]);
        quorum.withdrawStake();
    }

    function test_who_is_fined_while_leaving_is_not_drawn_again() public {
        address[] memory drawn = drawNow(offerId);
        for (uint256 i; i < 3; ++i) {
            joinAs(drawn[i], 1_000_000 ether); // who else would be drawn for certain
            vm.prank(drawn[i]);
            quorum.leave();
        }
        waitOver(_revealDeadline());
        quorum.tally(offerId);
        address[] memory again = drawNow(offerId);
        for (uint256 i; i < 3; ++i) {
            for (uint256 j; j < 3; ++j) vm.assertTrue(drawn[i] != again[j], "he has left");
            vm.prank(drawn[i]);
            quorum.withdrawStake();
        }
    }

    function test_joining_again_calls_off_leaving() public {
        vm.prank(validators[0]);
        quorum.leave();
        joinAs(validators[0], 1);
        wait(2 hours);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.NotLeaving.selector, validators[0]));
        vm.prank(validators[0]);
        quorum.withdrawStake();
        vm.assertEq(quorum.validatorStake(validators[0]), 1 ether + 1, "stays");
    }

    function test_seats_are_bounded_and_used_again() public {
        for (uint256 i = VALIDATORS; i < 1_024; ++i) joinAs(vm.addr(10_000 + i), 1 ether);
        vm.expectRevert(SampledQuorum.SeatsTaken.selector);
        vm.prank(anyone);
        quorum.join{value: 1 ether}();
        address last = vm.addr(10_000 + 1_023);
        vm.prank(last);
        quorum.leave();
        wait(1 hours + 12);
        vm.prank(last);
        quorum.withdrawStake();
        joinAs(anyone, 1 ether);
        vm.assertEq(quorum.validatorStake(anyone), 1 ether, "the free seat");
    }
}
