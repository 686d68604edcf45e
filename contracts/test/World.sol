// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISampledQuorum, Vote} from "../src/interfaces/ISampledQuorum.sol";
import {ITrainerRegistry} from "../src/interfaces/ITrainerRegistry.sol";
import {ITrainingMarket, JobHeader, OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {TestToken} from "../src/test/TestToken.sol";
import {TrainerRegistry} from "../src/TrainerRegistry.sol";
import {TrainingMarket} from "../src/TrainingMarket.sol";
import {Vm} from "./Vm.sol";

/// @notice A market with its registry and quorum, people with money, and the steps of an offer's life. The contracts
/// are the ones that are deployed: their bytecode comes from contracts/build.
abstract contract World {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 internal constant UNBONDING = 90 days;
    uint256 internal constant TOKEN_OFFER_BOND = 0.01 ether;
    uint256 internal constant REWARD = 10 ether + 7;
    uint256 internal constant FEE = 1 ether + 3;
    uint256 internal constant MIN_STAKE = 6 ether;
    uint256 internal constant CHALLENGE_BOND = 0.5 ether;
    uint256 internal constant VALIDATORS = 9;
    bytes32 internal constant LOG = keccak256("log");
    bytes32 internal constant MODEL = keccak256("model");
    bytes32 internal constant EVIDENCE = keccak256("evidence");
    bytes32 internal constant SALT = keccak256("salt");

    TrainerRegistry internal registry;
    TrainingMarket internal market;
    SampledQuorum internal quorum;
    TestToken internal token;

    address internal owner = account("owner");
    address internal requester = account("requester");
    address internal trainer = account("trainer");
    address internal rival = account("rival");
    address internal third = account("third");
    address internal fourth = account("fourth");
    address internal challenger = account("challenger");
    address internal anyone = account("anyone");
    address[] internal payers;
    uint32[] internal units;
    address[] internal validators;

    function setUp() public virtual {
        vm.roll(1_000);
        vm.warp(1_700_000_000);
        registry = TrainerRegistry(payable(deploy("TrainerRegistry", abi.encode(owner, UNBONDING))));
        market = TrainingMarket(payable(deploy("TrainingMarket", abi.encode(owner, registry, TOKEN_OFFER_BOND))));
        quorum = SampledQuorum(payable(deploy("SampledQuorum", abi.encode(market, quorumParameters()))));
        token = new TestToken();
        vm.startPrank(owner);
        registry.admitMarket(address(market), true);
        market.admitVerifier(address(quorum), true);
        vm.stopPrank();

        payers = [account("payer 1"), account("payer 2"), account("payer 3")];
        units = [uint32(5), 3, 2];
        address[10] memory people = [
            requester, trainer, rival, third, fourth, challenger, anyone, payers[0], payers[1], payers[2]
        ];
        for (uint256 i; i < people.length; ++i) vm.deal(people[i], 1_000 ether);
        address[4] memory trainers = [trainer, rival, third, fourth];
        for (uint256 i; i < trainers.length; ++i) {
            vm.prank(trainers[i]);
            registry.deposit{value: 10 ether}();
        }
        for (uint256 i; i < VALIDATORS; ++i) {
            validators.push(account(string.concat("validator ", vm.toString(i))));
            joinAs(validators[i], 1 ether);
        }
        mine(1);
    }

    function quorumParameters() internal view virtual returns (SampledQuorum.Parameters memory) {
        return SampledQuorum.Parameters({
            quorumSize: 3,
            drawCount: 4,
            drawDelayBlocks: 2,
            drawWindow: 1 hours,
            commitWindow: 1 days,
            revealWindow: 6 hours,
            minStakeWei: 1 ether,
            silencePenaltyWei: 0.05 ether,
            challengeBondWei: CHALLENGE_BOND
        });
    }

    // ---------------------------------------------------------------- chain and people

    function deploy(string memory name, bytes memory args) internal returns (address deployed) {
        bytes memory code = bytes.concat(vm.getCode(string.concat("build/", name, ".json")), args);
        assembly {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed != address(0), string.concat(name, " was not deployed"));
    }

    function account(string memory name) internal returns (address made) {
        made = vm.addr(uint256(keccak256(bytes(name))));
        vm.label(made, name);
    }

    /// @dev Twelve seconds a block.
    function mine(uint256 blocks) internal {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + 12 * blocks);
    }

    function wait(uint256 seconds_) internal {
        vm.roll(vm.getBlockNumber() + 1 + seconds_ / 12);
        vm.warp(vm.getBlockTimestamp() + seconds_);
    }

    function waitOver(uint256 deadline) internal {
        if (vm.getBlockTimestamp() <= deadline) wait(deadline + 1 - vm.getBlockTimestamp());
    }

    function joinAs(address validator, uint256 stakeWei) internal {
        vm.deal(validator, validator.balance + stakeWei);
        vm.prank(validator);
        quorum.join{value: stakeWei}();
    }

    // ---------------------------------------------------------------- an offer, step by step

    function header() internal pure returns (JobHeader memory) {
        return JobHeader({
            jobSpecReference: keccak256("spec"),
            programReference: keccak256("program"),
            trainingViewReference: keccak256("rows"),
            initialStateReference: keccak256("S0"),
            rows: 60_000,
            rowBytes: 788,
            seed: 7,
            steps: 1_000,
            batchSize: 32,
            commitEvery: 100
        });
    }

    function headerHash() internal pure returns (bytes32) {
        return keccak256(abi.encode(header()));
    }

    function terms() internal view returns (OfferTerms memory) {
        return OfferTerms({
            token: address(0),
            rewardWei: REWARD,
            validationFeeWei: FEE,
            verifier: address(quorum),
            minStakeWei: MIN_STAKE,
            fundingWindow: 1 days,
            bidWindow: 1 hours,
            startWindow: 2 hours,
            trainingWindow: 3 days,
            challengeWindow: 1 days
        });
    }

    function openOffer(OfferTerms memory terms_) internal returns (uint256 offerId) {
        vm.prank(requester);
        return market.open(header(), terms_, payers, units);
    }

    function fundAs(uint256 offerId, address payer) internal {
        uint256 shareWei = market.shareWei(offerId, payer);
        address paidIn = market.tokenOf(offerId);
        bytes32 hash = market.jobHeaderHash(offerId);
        if (paidIn == address(0)) {
            vm.prank(payer);
            market.fund{value: shareWei}(offerId, hash);
            return;
        }
        TestToken(paidIn).mint(payer, shareWei);
        vm.prank(payer);
        (bool approved,) = paidIn.call(abi.encodeWithSelector(token.approve.selector, address(market), shareWei));
        require(approved, "not approved");
        vm.prank(payer);
        market.fund(offerId, hash);
    }

    function fundedOffer(OfferTerms memory terms_) internal returns (uint256 offerId) {
        offerId = openOffer(terms_);
        for (uint256 i; i < payers.length; ++i) fundAs(offerId, payers[i]);
    }

    function bidAs(uint256 offerId, address bidder, uint256 priceWei) internal {
        uint256 bondWei = market.bidBondWei(offerId);
        bytes32 hash = market.jobHeaderHash(offerId);
        vm.prank(bidder);
        market.bid{value: bondWei}(offerId, hash, priceWei);
    }

    function awardedOffer(OfferTerms memory terms_, uint256 priceWei) internal returns (uint256 offerId) {
        offerId = fundedOffer(terms_);
        bidAs(offerId, trainer, priceWei);
        waitOver(market.deadlineOf(offerId));
        market.award(offerId);
    }

    function startedOffer(OfferTerms memory terms_, uint256 priceWei) internal returns (uint256 offerId) {
        offerId = awardedOffer(terms_, priceWei);
        vm.prank(trainer);
        market.start(offerId);
    }

    function committedOffer(OfferTerms memory terms_, uint256 priceWei) internal returns (uint256 offerId) {
        offerId = startedOffer(terms_, priceWei);
        wait(1 hours);
        vm.prank(trainer);
        market.commit(offerId, LOG, MODEL);
    }

    function drawNow(uint256 offerId) internal returns (address[] memory drawn_) {
        mine(quorumParameters().drawDelayBlocks + 1);
        quorum.draw(offerId);
        (drawn_,) = quorum.drawn(offerId);
    }

    function voteHash(uint256 offerId, address validator, Vote vote) internal view returns (bytes32) {
        (uint32 round,,,,) = quorum.roundOf(offerId);
        return keccak256(abi.encode(block.chainid, quorum, offerId, round, validator, vote, EVIDENCE, SALT));
    }

    function commitVoteAs(uint256 offerId, address validator, Vote vote) internal {
        bytes32 hash = voteHash(offerId, validator, vote);
        vm.prank(validator);
        quorum.commitVote(offerId, hash);
    }

    function revealAs(uint256 offerId, address validator, Vote vote) internal {
        vm.prank(validator);
        quorum.revealVote(offerId, vote, EVIDENCE, SALT);
    }

    /// @dev Draws a quorum which votes as given; `None` stays silent. Then the round is tallied.
    function decide(uint256 offerId, Vote[3] memory votes) internal returns (address[] memory drawn_) {
        drawn_ = drawNow(offerId);
        for (uint256 i; i < 3; ++i) {
            if (votes[i] != Vote.None) commitVoteAs(offerId, drawn_[i], votes[i]);
        }
        (,, uint64 commitDeadline, uint64 revealDeadline,) = quorum.roundOf(offerId);
        waitOver(commitDeadline);
        for (uint256 i; i < 3; ++i) {
            if (votes[i] != Vote.None) revealAs(offerId, drawn_[i], votes[i]);
        }
        waitOver(revealDeadline);
        quorum.tally(offerId);
    }

    function decideAll(uint256 offerId, Vote vote) internal returns (address[] memory drawn_) {
        return decide(offerId, [vote, vote, vote]);
    }

    function challengeAs(address who, uint256 offerId, uint32 segment) internal {
        uint256 bondWei = quorum.challengeBondWei(offerId);
        vm.prank(who);
        quorum.challenge{value: bondWei}(offerId, segment);
    }

    function challengeWindowOver(uint256 offerId) internal {
        (,,,, uint64 endsAt) = quorum.roundOf(offerId);
        waitOver(endsAt);
    }

    function claimAs(uint256 offerId, address payer) internal returns (uint256 amountWei, uint256 etherWei) {
        vm.prank(payer);
        return market.claimRefund(offerId);
    }

    function claimAll(uint256 offerId) internal returns (uint256 amountWei, uint256 etherWei) {
        for (uint256 i; i < payers.length; ++i) {
            (uint256 amount, uint256 inEther) = claimAs(offerId, payers[i]);
            amountWei += amount;
            etherWei += inEther;
        }
    }

    // ---------------------------------------------------------------- what tests ask

    function assertState(uint256 offerId, OfferState state, string memory what) internal view {
        vm.assertEq(uint256(market.offerState(offerId)), uint256(state), what);
    }

    function assertVerdict(uint256 offerId, Verdict verdict, string memory what) internal view {
        vm.assertEq(uint256(quorum.verdict(offerId)), uint256(verdict), what);
    }

    function expectWrongState(uint256 offerId, OfferState state) internal {
        vm.expectRevert(abi.encodeWithSelector(TrainingMarket.WrongState.selector, offerId, state));
    }

    function creditOf(address who) internal view returns (uint256) {
        return market.credit(who, address(0));
    }

    function freeStake(address who) internal view returns (uint256 freeWei) {
        (freeWei,,,) = registry.stakeOf(who);
    }
}
