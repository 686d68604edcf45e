// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vote} from "../src/interfaces/ISampledQuorum.sol";
import {OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {World} from "./World.sol";

/// @notice Gas of every external call as a transaction of its own: with its 21,000, its calldata and cold storage.
/// scripts/test.ts compares the figures with gas-snapshot.json.
/// forge-config: default.isolate = true
contract GasTest is World {
    string internal constant MARKET = "TrainingMarket";
    string internal constant REGISTRY = "TrainerRegistry";
    string internal constant QUORUM = "SampledQuorum";

    function _note(string memory contractName, string memory name) internal {
        vm.snapshotGasLastCall(contractName, name);
    }

    function test_gas_of_opening_and_funding() public {
        uint256 offerId = openOffer(terms());
        _note(MARKET, "open 3 payers");
        fundAs(offerId, payers[0]);
        _note(MARKET, "fund");
        fundAs(offerId, payers[1]);
        fundAs(offerId, payers[2]);
        _note(MARKET, "fund last share");
        uint256 cancelled = openOffer(terms());
        vm.prank(requester);
        market.cancel(cancelled);
        _note(MARKET, "cancel");
        OfferTerms memory inToken = terms();
        inToken.token = address(token);
        uint256 other = openOffer(inToken);
        fundAs(other, payers[0]);
        _note(MARKET, "fund with a token");
        waitOver(market.deadlineOf(other));
        market.expireFunding(other);
        _note(MARKET, "expireFunding");
        claimAs(other, payers[0]);
        _note(MARKET, "claimRefund of a token");
        vm.prank(payers[0]);
        market.withdraw(address(token));
        _note(MARKET, "withdraw a token");
        delete payers;
        delete units;
        for (uint256 i; i < 64; ++i) {
            payers.push(vm.addr(i + 1));
            units.push(uint32(i + 1));
        }
        openOffer(terms());
        _note(MARKET, "open 64 payers");
    }

    function test_gas_of_the_auction() public {
        uint256 offerId = fundedOffer(terms());
        bidAs(offerId, trainer, 4 ether);
        _note(MARKET, "bid first");
        bidAs(offerId, rival, 3 ether);
        bidAs(offerId, third, 2 ether);
        _note(MARKET, "bid third, best");
        bidAs(offerId, fourth, 1 ether);
        _note(MARKET, "bid displacing");
        vm.prank(third);
        market.bid(offerId, headerHash(), 0.5 ether);
        _note(MARKET, "bid lowered");
        waitOver(market.deadlineOf(offerId));
        uint256 id = vm.snapshotState();
        market.award(offerId);
        _note(MARKET, "award");
        vm.prank(third);
        market.start(offerId);
        _note(MARKET, "start with 3 bids");
        vm.revertToState(id);
        address[3] memory bidders = [third, fourth, rival];
        for (uint256 i; i < 3; ++i) {
            vm.prank(bidders[i]);
            registry.unbond(10 ether);
        }
        market.award(offerId);
        _note(MARKET, "award without anybody's stake");
        vm.revertToState(id);
        market.award(offerId);
        waitOver(market.deadlineOf(offerId));
        market.expireAward(offerId);
        _note(MARKET, "expireAward");
    }

    function test_gas_of_training_and_settlement() public {
        uint256 offerId = startedOffer(terms(), 4 ether);
        uint256 id = vm.snapshotState();
        waitOver(market.deadlineOf(offerId));
        market.expireTraining(offerId);
        _note(MARKET, "expireTraining");
        vm.revertToState(id);
        vm.prank(trainer);
        market.commit(offerId, LOG, MODEL);
        _note(MARKET, "commit");
        id = vm.snapshotState();
        decideAll(offerId, Vote.Invalid);
        _note(QUORUM, "tally convicting");
        market.finalize(offerId);
        _note(MARKET, "finalize slashed");
        claimAs(offerId, payers[1]);
        _note(MARKET, "claimRefund with slashed stake");
        vm.revertToState(id);
        decideAll(offerId, Vote.Unavailable);
        market.finalize(offerId);
        _note(MARKET, "finalize refunded");
        vm.revertToState(id);
        waitOver(market.deadlineOf(offerId));
        market.expireVerdict(offerId);
        _note(MARKET, "expireVerdict");
        vm.revertToState(id);
        decideAll(offerId, Vote.Valid);
        challengeWindowOver(offerId);
        market.finalize(offerId);
        _note(MARKET, "finalize paid");
        claimAs(offerId, payers[1]);
        _note(MARKET, "claimRefund");
        vm.prank(trainer);
        market.withdraw(address(0));
        _note(MARKET, "withdraw");
    }

    function test_gas_of_stake() public {
        vm.prank(anyone);
        registry.deposit{value: 1 ether}();
        _note(REGISTRY, "deposit first");
        vm.prank(anyone);
        registry.deposit{value: 1 ether}();
        _note(REGISTRY, "deposit more");
        vm.prank(anyone);
        registry.depositFor{value: 1 ether}(challenger);
        _note(REGISTRY, "depositFor");
        vm.prank(anyone);
        registry.unbond(1 ether);
        _note(REGISTRY, "unbond");
        wait(UNBONDING);
        vm.prank(anyone);
        registry.withdrawStake();
        _note(REGISTRY, "withdrawStake");
        vm.startPrank(owner);
        registry.admitMarket(anyone, true);
        _note(REGISTRY, "admitMarket");
        registry.setBurntShare(1);
        _note(REGISTRY, "setBurntShare");
        market.admitVerifier(anyone, true);
        _note(MARKET, "admitVerifier");
        vm.stopPrank();
        vm.prank(trainer);
        registry.acceptMarkets();
        _note(REGISTRY, "acceptMarkets");
    }

    function test_gas_of_validating() public {
        vm.prank(anyone);
        quorum.join{value: 1 ether}();
        _note(QUORUM, "join");
        mine(1);
        vm.prank(anyone);
        quorum.join{value: 1 ether}();
        _note(QUORUM, "join with more stake");
        vm.prank(anyone);
        quorum.leave();
        _note(QUORUM, "leave");
        wait(2 hours);
        vm.prank(anyone);
        quorum.withdrawStake();
        _note(QUORUM, "withdrawStake");
        vm.prank(anyone);
        quorum.withdraw(address(0));
        _note(QUORUM, "withdraw");
        uint256 offerId = committedOffer(terms(), 4 ether);
        uint256 id = vm.snapshotState();
        vm.roll(vm.getBlockNumber() + 300);
        quorum.draw(offerId);
        _note(QUORUM, "draw fixing another block");
        vm.revertToState(id);
        mine(3);
        quorum.draw(offerId);
        _note(QUORUM, "draw 3 of 9");
        (address[] memory drawn,) = quorum.drawn(offerId);
        for (uint256 i; i < 3; ++i) commitVoteAs(offerId, drawn[i], Vote.Valid);
        _note(QUORUM, "commitVote");
        for (uint256 i; i < 3; ++i) revealAs(offerId, drawn[i], Vote.Valid);
        _note(QUORUM, "revealVote");
        quorum.tally(offerId);
        _note(QUORUM, "tally valid");
        challengeAs(challenger, offerId, 1);
        _note(QUORUM, "challenge");
        decideAll(offerId, Vote.None);
        _note(QUORUM, "tally silent");
    }
}

/// @notice The largest quorum and every party in its way.
/// forge-config: default.isolate = true
contract WorstCaseGasTest is World {
    function quorumParameters() internal view override returns (SampledQuorum.Parameters memory large) {
        large = super.quorumParameters();
        large.quorumSize = 16;
        large.drawCount = 64;
    }

    function test_gas_of_the_largest_draw_and_tally() public {
        for (uint256 i; i < 16; ++i) joinAs(vm.addr(9_000 + i), 1 ether);
        delete payers;
        delete units;
        for (uint256 i; i < 64; ++i) {
            payers.push(vm.addr(500 + i));
            units.push(1);
            joinAs(payers[i], 1_000_000 ether); // so heavy that all of them are drawn, and stepped over, first
            vm.deal(payers[i], 1 ether);
        }
        joinAs(trainer, 1_000_000 ether);
        joinAs(requester, 1_000_000 ether);
        mine(1);
        uint256 offerId = committedOffer(terms(), 4 ether);
        mine(3);
        quorum.draw(offerId);
        uint256 gasUsed = vm.snapshotGasLastCall("SampledQuorum", "draw 16 past 66 parties");
        vm.assertLe(gasUsed, 10_000_000, "fits into a third of a block");
        (,,, uint64 revealDeadline,) = quorum.roundOf(offerId);
        waitOver(revealDeadline);
        quorum.tally(offerId);
        gasUsed = vm.snapshotGasLastCall("SampledQuorum", "tally 16 silent");
        vm.assertLe(gasUsed, 10_000_000, "fits into a third of a block");
    }
}
