// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BlockRandomness} from "../src/BlockRandomness.sol";
import {ISampledQuorum, Vote} from "../src/interfaces/ISampledQuorum.sol";
import {JobHeader, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {World} from "./World.sol";

/// @notice Who and what is drawn, and that nobody can bend it.
contract DrawTest is World {
    uint256 internal offerId;

    function setUp() public override {
        super.setUp();
        offerId = committedOffer(terms(), 4 ether);
    }

    function _drawBlock() internal view returns (uint64 drawBlock) {
        (, drawBlock,,,) = quorum.roundOf(offerId);
    }

    function _drawWith(bytes32 hash) internal returns (address[] memory drawn, uint32[] memory segments) {
        mine(_drawBlock() + 1 - vm.getBlockNumber());
        vm.setBlockhash(_drawBlock(), hash);
        quorum.draw(offerId);
        return quorum.drawn(offerId);
    }

    function _contains(address[] memory list, address one) internal pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == one) return true;
        }
        return false;
    }

    // ---------------------------------------------------------------- time

    function test_the_draw_waits_for_its_block() public {
        uint64 drawBlock = _drawBlock();
        vm.assertEq(drawBlock, vm.getBlockNumber() + 2, "fixed at the commitment");
        mine(2);
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.DrawBlockNotReached.selector, drawBlock));
        quorum.draw(offerId);
        mine(1);
        vm.prank(anyone);
        quorum.draw(offerId);
        (address[] memory drawn, uint32[] memory segments) = quorum.drawn(offerId);
        vm.assertEq(drawn.length, 3, "a quorum");
        vm.assertEq(segments.length, 4, "segments");
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WrongPhase.selector, offerId, SampledQuorum.Phase.Voting)
        );
        quorum.draw(offerId);
    }

    function test_the_history_contract_knows_hashes_that_the_opcode_has_forgotten() public {
        // The code and the storage layout of EIP-2935.
        vm.etch(
            BlockRandomness.HISTORY,
            hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
        );
        uint64 drawBlock = _drawBlock();
        bytes32 hash = keccak256("hash of the draw block");
        uint256 id = vm.snapshotState();
        (address[] memory expected,) = _drawWith(hash);
        vm.revertToState(id);
        vm.store(BlockRandomness.HISTORY, bytes32(uint256(drawBlock % 8_191)), hash);
        vm.roll(drawBlock + 8_000);
        quorum.draw(offerId);
        (address[] memory drawn,) = quorum.drawn(offerId);
        vm.assertEq(keccak256(abi.encode(drawn)), keccak256(abi.encode(expected)), "the same draw, later");
    }

    function test_a_hash_that_is_gone_is_replaced_by_a_block_fixed_now_among_the_same_validators() public {
        vm.roll(_drawBlock() + 257); // no history contract here
        joinAs(anyone, 1_000_000 ether); // who would now be drawn for certain, had he been eligible
        uint64 next = uint64(vm.getBlockNumber() + 2);
        vm.expectEmit(address(quorum));
        emit ISampledQuorum.VerificationOpened(offerId, 0, next, uint64(vm.getBlockTimestamp() + 1 hours), 10);
        quorum.draw(offerId);
        vm.assertEq(_drawBlock(), next, "another block");
        vm.expectRevert(abi.encodeWithSelector(SampledQuorum.DrawBlockNotReached.selector, next));
        quorum.draw(offerId);
        vm.roll(next + 1);
        quorum.draw(offerId);
        (address[] memory drawn,) = quorum.drawn(offerId);
        vm.assertEq(drawn.length, 3, "drawn");
        vm.assertFalse(_contains(drawn, anyone), "who joined since the commitment is not eligible");
    }

    function test_waiting_out_the_history_ends_with_the_draw_deadline() public {
        vm.roll(_drawBlock() + 10_000);
        vm.warp(vm.getBlockTimestamp() + 1 hours + 1);
        vm.expectRevert(
            abi.encodeWithSelector(SampledQuorum.WindowOver.selector, uint64(vm.getBlockTimestamp() - 1))
        );
        quorum.draw(offerId);
    }

    // ---------------------------------------------------------------- nobody bends it

    /// @dev Whoever sees the hash may try anything with stake: the draw is what it would have been.
    function testFuzz_stake_moved_after_the_commitment_changes_nothing(bytes32 hash, uint256 moves) public {
        if (hash == 0) hash = bytes32(uint256(1));
        uint256 id = vm.snapshotState();
        (address[] memory expected, uint32[] memory segments) = _drawWith(hash);
        vm.revertToState(id);
        mine(moves % 3); // in the very block of the commitment, too
        for (uint256 i; i < VALIDATORS; ++i) {
            uint256 move = (moves >> (8 * i)) % 4;
            if (move == 0) joinAs(validators[i], 1 + (moves % 1e18));
            if (move == 1) {
                vm.prank(validators[i]);
                quorum.leave();
            }
        }
        joinAs(vm.addr(77), 50 ether);
        (address[] memory drawn, uint32[] memory drawnSegments) = _drawWith(hash);
        vm.assertEq(keccak256(abi.encode(drawn)), keccak256(abi.encode(expected)), "validators");
        vm.assertEq(keccak256(abi.encode(drawnSegments)), keccak256(abi.encode(segments)), "segments");
    }

    function test_who_joins_after_the_commitment_is_drawn_in_the_next_round_only() public {
        joinAs(anyone, 1_000_000 ether);
        vm.assertFalse(_contains(decideAll(offerId, Vote.None), anyone), "not in this round");
        vm.assertTrue(_contains(drawNow(offerId), anyone), "but in the redraw");
    }

    function test_parties_are_never_drawn_whatever_their_stake() public {
        address[5] memory parties = [trainer, requester, payers[0], payers[1], payers[2]];
        for (uint256 i; i < 5; ++i) joinAs(parties[i], 1_000 ether);
        mine(1);
        vm.prank(trainer);
        registry.deposit{value: 10 ether}();
        offerId = committedOffer(terms(), 4 ether);
        address[] memory drawn = drawNow(offerId);
        for (uint256 i; i < 5; ++i) vm.assertFalse(_contains(drawn, parties[i]), "a party");
    }

    function test_payers_who_validate_cannot_block_the_draw() public {
        delete payers;
        delete units;
        for (uint256 i; i < 64; ++i) {
            payers.push(vm.addr(500 + i));
            units.push(1);
            joinAs(payers[i], 1_000 ether);
            vm.deal(payers[i], 1 ether);
        }
        joinAs(trainer, 100 ether);
        joinAs(requester, 100 ether);
        vm.prank(trainer);
        registry.deposit{value: 10 ether}();
        offerId = committedOffer(terms(), 4 ether);
        address[] memory drawn = drawNow(offerId);
        for (uint256 i; i < 3; ++i) vm.assertTrue(_contains(validators, drawn[i]), "one of the nine honest ones");
    }

    function test_too_few_validators_cannot_be_drawn_and_the_offer_is_refunded() public {
        for (uint256 i = 2; i < VALIDATORS; ++i) {
            vm.prank(validators[i]);
            quorum.leave();
        }
        vm.prank(trainer);
        registry.deposit{value: 10 ether}();
        mine(1);
        offerId = committedOffer(terms(), 4 ether);
        for (uint256 i; i < 2; ++i) {
            mine(3);
            vm.expectRevert(abi.encodeWithSelector(SampledQuorum.TooFewValidators.selector, 2, 3));
            quorum.draw(offerId);
            wait(1 hours);
            quorum.tally(offerId);
        }
        assertVerdict(offerId, Verdict.Undecided, "refunded");
    }

    // ---------------------------------------------------------------- in proportion to stake

    function test_validators_are_drawn_in_proportion_to_stake() public {
        // First seats of a quorum; a stake of 3 against eight of 1.
        joinAs(validators[4], 2 ether);
        mine(1);
        vm.prank(trainer);
        registry.deposit{value: 10 ether}();
        offerId = committedOffer(terms(), 4 ether);
        mine(3);
        uint256[] memory times = new uint256[](VALIDATORS);
        uint256 draws = 1_100;
        uint256 id = vm.snapshotState();
        for (uint256 n; n < draws; ++n) {
            vm.setBlockhash(_drawBlock(), keccak256(abi.encode("draw", n)));
            quorum.draw(offerId);
            (address[] memory drawn,) = quorum.drawn(offerId);
            for (uint256 i; i < VALIDATORS; ++i) {
                if (drawn[0] == validators[i]) ++times[i];
            }
            vm.revertToState(id);
        }
        // 11 shares of 100 draws each: chi square with 8 degrees of freedom is above 26.1 once in a thousand.
        uint256 chiSquareTimes300;
        for (uint256 i; i < VALIDATORS; ++i) {
            uint256 expected = i == 4 ? 300 : 100;
            uint256 off = times[i] > expected ? times[i] - expected : expected - times[i];
            chiSquareTimes300 += off * off * 300 / expected;
        }
        vm.assertLe(chiSquareTimes300, 261 * 30, "chi square");
    }

    function test_segments_are_drawn_evenly() public {
        mine(3);
        uint256[10] memory times;
        uint256 id = vm.snapshotState();
        for (uint256 n; n < 500; ++n) {
            vm.setBlockhash(_drawBlock(), keccak256(abi.encode("segments", n)));
            quorum.draw(offerId);
            (, uint32[] memory segments) = quorum.drawn(offerId);
            for (uint256 i; i < 4; ++i) ++times[segments[i]];
            vm.revertToState(id);
        }
        // 200 each; samples without replacement scatter less than chi square with 9 degrees of freedom (27.9).
        uint256 chiSquareTimes200;
        for (uint256 i; i < 10; ++i) {
            uint256 off = times[i] > 200 ? times[i] - 200 : 200 - times[i];
            chiSquareTimes200 += off * off;
        }
        vm.assertLe(chiSquareTimes200, 279 * 20, "chi square");
    }

    function test_a_short_job_is_checked_whole() public {
        vm.prank(trainer);
        registry.deposit{value: 10 ether}();
        OfferTerms memory terms_ = terms();
        address[] memory one = new address[](1);
        one[0] = payers[0];
        uint32[] memory unit = new uint32[](1);
        unit[0] = 1;
        // 1,000 steps in 10 segments of 100 are more than are drawn; 201 steps make three segments.
        delete payers;
        payers.push(one[0]);
        delete units;
        units.push(1);
        offerId = market.offerCount() + 1;
        vm.prank(requester);
        market.open(_shortHeader(), terms_, one, unit);
        fundAs(offerId, one[0]);
        bidAs(offerId, trainer, 1);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
        vm.startPrank(trainer);
        market.start(offerId);
        market.commit(offerId, LOG, MODEL);
        vm.stopPrank();
        drawNow(offerId);
        (, uint32[] memory segments) = quorum.drawn(offerId);
        vm.assertEq(segments.length, 3, "all of them");
        vm.assertEq(segments[0] + segments[1] + segments[2], 3, "0, 1 and 2");
    }

    function _shortHeader() internal pure returns (JobHeader memory short) {
        short = header();
        short.steps = 201;
    }
}
