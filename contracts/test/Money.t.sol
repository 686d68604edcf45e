// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITrainingMarket, OfferState} from "../src/interfaces/ITrainingMarket.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {TestToken} from "../src/test/TestToken.sol";
import {TrainerRegistry} from "../src/TrainerRegistry.sol";
import {TrainingMarket} from "../src/TrainingMarket.sol";
import {Crowd} from "./Crowd.sol";
import {Vm} from "./Vm.sol";

/// @notice The money invariant: after every step of any sequence, what a contract holds is what it owes, to the wei,
/// in ETH and in tokens; and at the end everybody can take out what is his until nothing is left.
contract MoneyTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Crowd internal crowd;
    TrainerRegistry internal registry;
    TrainingMarket internal market;
    SampledQuorum internal quorum;
    TestToken internal token;

    function setUp() public {
        crowd = new Crowd();
        crowd.setUp();
        (address r, address m, address q, address t) = crowd.contractsUnderTest();
        (registry, market, quorum, token) =
            (TrainerRegistry(r), TrainingMarket(payable(m)), SampledQuorum(q), TestToken(t));
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = crowd.step.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(crowd), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(crowd);
    }

    // ---------------------------------------------------------------- what is owed

    function _creditsOf(address asset) internal view returns (uint256 marketWei, uint256 registryWei) {
        uint256 count = crowd.peopleCount();
        for (uint256 i; i < count; ++i) {
            marketWei += market.credit(crowd.people(i), asset);
            registryWei += registry.credit(crowd.people(i), asset);
        }
    }

    /// @dev What the market owes for an offer, in its asset and in ETH for bonds and slashed stake.
    function _owedFor(uint256 offerId) internal view returns (uint256 assetWei, uint256 etherWei) {
        Crowd.Books memory books = crowd.booksOf(offerId);
        OfferState state = market.offerState(offerId);
        if (state == OfferState.Funding) {
            for (uint256 i; i < books.payers.length; ++i) {
                if (market.hasPaid(offerId, books.payers[i])) assetWei += market.shareWei(offerId, books.payers[i]);
            }
        } else if (state < OfferState.Paid) {
            assetWei = books.rewardWei;
            assetWei += state == OfferState.Committed ? market.feeLeftWei(offerId) : books.feeWei;
            etherWei = books.forfeitedWei + crowd.bondsHeld(offerId) * market.bidBondWei(offerId);
        } else {
            for (uint256 i; i < books.payers.length; ++i) {
                assetWei += market.refundableWei(offerId, books.payers[i]);
                etherWei += market.refundableEtherWei(offerId, books.payers[i]);
            }
        }
    }

    function _check() internal view {
        (uint256 owedEther, uint256 registryOwes) = _creditsOf(address(0));
        (uint256 owedToken,) = _creditsOf(address(token));
        uint256 quorumOwes = crowd.quorumCredits();
        uint256 count = market.offerCount();
        for (uint256 offerId = 1; offerId <= count; ++offerId) {
            (uint256 assetWei, uint256 etherWei) = _owedFor(offerId);
            owedEther += etherWei;
            if (market.tokenOf(offerId) == address(0)) owedEther += assetWei;
            else owedToken += assetWei;
            quorumOwes += crowd.challengeHeldWei(offerId);
            _checkSettled(offerId);
        }
        uint256 people = crowd.peopleCount();
        for (uint256 i; i < people; ++i) {
            (uint256 freeWei, uint256 lockedWei, uint256 unbondingWei,) = registry.stakeOf(crowd.people(i));
            registryOwes += freeWei + lockedWei + unbondingWei;
            quorumOwes += quorum.validatorStake(crowd.people(i));
        }
        vm.assertEq(address(market).balance, owedEther, "the market's ether");
        vm.assertEq(token.balanceOf(address(market)), owedToken, "the market's tokens");
        vm.assertEq(address(registry).balance, registryOwes, "the registry's ether");
        vm.assertEq(address(quorum).balance, quorumOwes, "the quorum's ether");
        vm.assertEq(token.balanceOf(address(quorum)) + token.balanceOf(address(registry)), 0, "no tokens elsewhere");
    }

    /// @dev Of a settled offer: deposits = paid + fees + refunded + held.
    function _checkSettled(uint256 offerId) internal view {
        OfferState state = market.offerState(offerId);
        SampledQuorum.Phase phase = quorum.phaseOf(offerId);
        if (phase == SampledQuorum.Phase.Open || phase == SampledQuorum.Phase.Closed) {
            vm.assertEq(crowd.challengeHeldWei(offerId), 0, "a challenge that is over leaves nothing behind");
        }
        if (state < OfferState.Paid || state == OfferState.Cancelled) return;
        Crowd.Books memory books = crowd.booksOf(offerId);
        uint256 depositedWei;
        uint256 heldWei;
        for (uint256 i; i < books.payers.length; ++i) {
            if (market.hasPaid(offerId, books.payers[i])) depositedWei += market.shareWei(offerId, books.payers[i]);
            heldWei += market.refundableWei(offerId, books.payers[i]);
        }
        vm.assertEq(
            depositedWei, books.priceWei + books.feePaidWei + books.claimedWei + heldWei, "every wei of an offer"
        );
    }

    function invariant_every_contract_holds_what_it_owes() public view {
        _check();
    }

    /// @notice Runs after every sequence.
    function afterInvariant() public {
        crowd.emptyEverything();
        vm.assertEq(address(market).balance, 0, "ether is stuck in the market");
        vm.assertEq(token.balanceOf(address(market)), 0, "tokens are stuck in the market");
        vm.assertEq(address(registry).balance, 0, "ether is stuck in the registry");
        vm.assertEq(address(quorum).balance, 0, "ether is stuck in the quorum");
    }

    /// @notice The crowd gets everywhere: else the invariant would say little.
    function test_a_long_walk_reaches_every_outcome() public {
        uint256 refused;
        for (uint256 i; i < 1_500; ++i) {
            (bool ok,) = address(crowd).call(abi.encodeCall(crowd.step, (uint256(keccak256(abi.encode(i))))));
            if (!ok) ++refused;
            if (i % 50 == 0) _check();
        }
        vm.assertGe(crowd.outcomes(OfferState.Paid), 5, "paid");
        vm.assertGe(crowd.outcomes(OfferState.Slashed), 5, "slashed");
        vm.assertGe(crowd.outcomes(OfferState.Refunded), 5, "refunded");
        vm.assertGe(crowd.challenges(), 5, "challenges");
        vm.assertGe(crowd.convictionsByChallenge(), 1, "convictions by challenge");
        vm.assertGe(crowd.redraws(), 5, "redraws");
        vm.assertGe(crowd.takeovers(), 3, "takeovers");
        vm.assertLe(refused, 30, "steps that did nothing");
        afterInvariant();
    }
}
