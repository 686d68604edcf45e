// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vote} from "../src/interfaces/ISampledQuorum.sol";
import {ITrainingMarket, OfferState, OfferTerms} from "../src/interfaces/ITrainingMarket.sol";
import {SampledQuorum} from "../src/SampledQuorum.sol";
import {World} from "./World.sol";

/// @notice Twelve people who do anything that the contracts allow, and much that they do not. Each step is random, but
/// mostly one that carries some offer on, so that a sequence reaches every state. Beside the contracts it keeps books
/// of the money that the contracts do not show.
contract Crowd is World {
    uint256 internal constant PEOPLE = 12;

    address[] public people;
    uint256 internal entropy;

    struct Books {
        address[] payers;
        uint256 rewardWei;
        uint256 feeWei;
        uint256 forfeitedWei; // bonds, in ETH
        uint256 feePaidWei;
        uint256 claimedWei;
        uint256 priceWei;
    }

    mapping(uint256 offerId => Books) internal books;
    /// @notice Of a running challenge: what the quorum still holds of its bond.
    mapping(uint256 offerId => uint256) public challengeHeldWei;
    /// @notice How often an offer ended in each state, and how often each rarer thing happened.
    mapping(OfferState => uint256) public outcomes;
    uint256 public challenges;
    uint256 public convictionsByChallenge;
    uint256 public redraws;
    uint256 public takeovers;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < PEOPLE; ++i) {
            address person = account(string.concat("person ", vm.toString(i)));
            people.push(person);
            vm.deal(person, 1_000_000 ether);
            vm.prank(person);
            registry.deposit{value: 100 ether}();
            vm.prank(person);
            quorum.join{value: 1 ether + i * 0.3 ether}();
        }
        for (uint256 i; i < VALIDATORS; ++i) people.push(validators[i]);
        people.push(trainer);
        people.push(rival);
        people.push(third);
        people.push(fourth);
        people.push(challenger);
        people.push(requester);
    }

    function peopleCount() external view returns (uint256) {
        return people.length;
    }

    function contractsUnderTest() external view returns (address, address, address, address) {
        return (address(registry), address(market), address(quorum), address(token));
    }

    function booksOf(uint256 offerId) external view returns (Books memory) {
        return books[offerId];
    }

    // ---------------------------------------------------------------- one step

    function step(uint256 seed) external {
        entropy = seed;
        uint256 kind = _random(100);
        uint256 count = market.offerCount();
        if (count == 0 || kind < 8) return _open();
        if (kind < 20) return _moveStakeOrMoney(_person());
        if (kind < 26) return wait(_random(2 days));
        uint256 offerId = 1 + _random(count);
        if (kind < 34) return _meddle(offerId, _person());
        // Mostly one of the latest offers, and often at a stretch: waiting for one makes the others late.
        if (kind < 80 && count > 4) offerId = count - _random(4);
        uint256 times = _random(3) == 0 ? 1 : 20;
        for (uint256 i; i < times; ++i) _carryOn(offerId);
    }

    function _random(uint256 below) internal returns (uint256) {
        entropy = uint256(keccak256(abi.encode(entropy)));
        return entropy % below;
    }

    function _person() internal returns (address) {
        return people[_random(PEOPLE)];
    }

    function _open() internal {
        OfferTerms memory terms_ = terms();
        bool inToken = _random(3) == 0;
        terms_.token = inToken ? address(token) : address(0);
        terms_.rewardWei = 1 + _random(20 ether);
        terms_.validationFeeWei = _random(4) == 0 ? 0 : _random(1 ether);
        terms_.minStakeWei = inToken ? 1 + _random(10 ether) : terms_.rewardWei;
        uint256 count = 1 + _random(3);
        address[] memory payers_ = new address[](count);
        uint32[] memory units_ = new uint32[](count);
        uint256 first = _random(PEOPLE);
        for (uint256 i; i < count; ++i) {
            payers_[i] = people[(first + i) % PEOPLE];
            units_[i] = uint32(1 + _random(1_000));
        }
        vm.prank(_person());
        uint256 offerId = market.open(header(), terms_, payers_, units_);
        books[offerId].payers = payers_;
        books[offerId].rewardWei = terms_.rewardWei;
        books[offerId].feeWei = terms_.validationFeeWei;
    }

    function _moveStakeOrMoney(address person) internal {
        uint256 kind = _random(9);
        vm.startPrank(person);
        if (kind == 0) registry.deposit{value: 1 + _random(10 ether)}();
        if (kind == 1) _try(address(registry), abi.encodeCall(registry.unbond, (1 + _random(5 ether))));
        if (kind == 2) _try(address(registry), abi.encodeCall(registry.withdrawStake, ()));
        if (kind == 3) quorum.join{value: 1 ether + _random(1 ether)}();
        if (kind == 4 && _random(3) == 0) _try(address(quorum), abi.encodeCall(quorum.leave, ()));
        if (kind == 5) _try(address(quorum), abi.encodeCall(quorum.withdrawStake, ()));
        address asset = _random(2) == 0 ? address(0) : address(token);
        if (kind == 6) _try(address(market), abi.encodeCall(market.withdraw, (asset)));
        if (kind == 7) _try(address(quorum), abi.encodeCall(quorum.withdraw, (address(0))));
        if (kind == 8) _try(address(registry), abi.encodeCall(registry.withdraw, (address(0))));
        vm.stopPrank();
    }

    /// @dev A call that may well be refused.
    function _try(address target, bytes memory data) internal returns (bool ok) {
        (ok,) = target.call(data);
    }

    /// @dev Somebody calls something that is not for him or not for now. If it works, the books follow.
    function _meddle(uint256 offerId, address person) internal {
        uint256 kind = _random(8);
        vm.startPrank(person);
        if (kind == 0) _try(address(market), abi.encodeCall(market.start, (offerId)));
        if (kind == 1) _try(address(market), abi.encodeCall(market.commit, (offerId, LOG, MODEL)));
        if (kind == 2) _try(address(market), abi.encodeCall(market.cancel, (offerId)));
        if (kind == 3) _try(address(market), abi.encodeCall(market.payFee, (offerId, person, 1)));
        if (kind == 4) _try(address(registry), abi.encodeCall(registry.slashSilent, (offerId)));
        if (kind == 5) _try(address(registry), abi.encodeCall(registry.release, (offerId)));
        if (kind == 6) _try(address(market), abi.encodeCall(market.expireFunding, (offerId)));
        if (kind == 7) {
            (bool ok,) = address(market).call{value: 1}(abi.encodeCall(market.fund, (offerId, headerHash())));
            ok;
        }
        vm.stopPrank();
        if (market.offerState(offerId) == OfferState.Refunded) _noteOutcome(offerId);
    }

    function _noteOutcome(uint256 offerId) internal {
        OfferState state = market.offerState(offerId);
        ++outcomes[state];
        if (state == OfferState.Paid) (, books[offerId].priceWei) = market.winner(offerId);
    }

    // ---------------------------------------------------------------- carrying an offer on

    function _carryOn(uint256 offerId) internal {
        OfferState state = market.offerState(offerId);
        if (state == OfferState.Funding) _fundOrExpire(offerId);
        else if (state == OfferState.Bidding) _bidOrAward(offerId);
        else if (state == OfferState.Awarded) _startOrExpire(offerId);
        else if (state == OfferState.Training) _commitOrExpire(offerId);
        else if (state == OfferState.Committed) _verify(offerId);
        else if (state != OfferState.Cancelled) _claim(offerId);
    }

    function _fundOrExpire(uint256 offerId) internal {
        if (_random(40) == 0) {
            waitOver(market.deadlineOf(offerId));
            market.expireFunding(offerId);
            return _noteOutcome(offerId);
        }
        address payer = books[offerId].payers[_random(books[offerId].payers.length)];
        uint256 shareWei = market.shareWei(offerId, payer);
        bool inToken = market.tokenOf(offerId) != address(0);
        if (inToken) {
            token.mint(payer, shareWei);
            vm.prank(payer);
            token.approve(address(market), shareWei);
        }
        vm.prank(payer);
        (bool ok,) =
            address(market).call{value: inToken ? 0 : shareWei}(abi.encodeCall(market.fund, (offerId, headerHash())));
        ok; // he may have paid already, or come too late
    }

    function _bondsHeld(uint256 offerId) internal view returns (uint256 count) {
        (address[3] memory bidders,) = market.bids(offerId);
        for (uint256 i; i < 3; ++i) {
            if (bidders[i] != address(0)) ++count;
        }
        if (market.offerState(offerId) == OfferState.Awarded) ++count;
    }

    function bondsHeld(uint256 offerId) external view returns (uint256) {
        return _bondsHeld(offerId);
    }

    function _bidOrAward(uint256 offerId) internal {
        if (_random(4) != 0) {
            address bidder = _person();
            uint256 bondWei = market.bidBondWei(offerId);
            uint256 priceWei = _random(books[offerId].rewardWei + 1);
            bytes memory data = abi.encodeCall(market.bid, (offerId, headerHash(), priceWei));
            vm.startPrank(bidder);
            (bool ok,) = address(market).call{value: bondWei}(data);
            if (!ok) (ok,) = address(market).call(data); // perhaps he has a bid, and a bond, already
            vm.stopPrank();
            return;
        }
        waitOver(market.deadlineOf(offerId));
        uint256 before = _bondsHeld(offerId);
        market.award(offerId);
        books[offerId].forfeitedWei += (before - _bondsHeld(offerId)) * market.bidBondWei(offerId);
        if (market.offerState(offerId) == OfferState.Refunded) _noteOutcome(offerId);
    }

    function _startOrExpire(uint256 offerId) internal {
        (address winner,) = market.winner(offerId);
        if (_random(4) != 0 && vm.getBlockTimestamp() <= market.deadlineOf(offerId)) {
            vm.prank(winner);
            return market.start(offerId);
        }
        waitOver(market.deadlineOf(offerId));
        uint256 before = _bondsHeld(offerId);
        market.expireAward(offerId);
        books[offerId].forfeitedWei += (before - _bondsHeld(offerId)) * market.bidBondWei(offerId);
        if (market.offerState(offerId) == OfferState.Awarded) ++takeovers;
        else _noteOutcome(offerId);
    }

    function _commitOrExpire(uint256 offerId) internal {
        (address winner,) = market.winner(offerId);
        if (_random(8) != 0 && vm.getBlockTimestamp() <= market.deadlineOf(offerId)) {
            vm.prank(winner);
            return market.commit(offerId, LOG, MODEL);
        }
        waitOver(market.deadlineOf(offerId));
        market.expireTraining(offerId);
        _noteOutcome(offerId);
    }

    function _verify(uint256 offerId) internal {
        if (_random(40) == 0) {
            waitOver(market.deadlineOf(offerId) + market.EXECUTION_WINDOW());
            market.expireVerdict(offerId);
            return _noteOutcome(offerId);
        }
        SampledQuorum.Phase phase = quorum.phaseOf(offerId);
        if (phase == SampledQuorum.Phase.Drawing) return _drawOrTally(offerId);
        if (phase == SampledQuorum.Phase.Voting) return _voteAndTally(offerId);
        if (phase == SampledQuorum.Phase.Open && _random(2) == 0 && _challenge(offerId)) return;
        challengeWindowOver(offerId);
        market.finalize(offerId);
        _noteOutcome(offerId);
        if (market.offerState(offerId) == OfferState.Slashed && quorum.finder(offerId) != address(0)) {
            ++convictionsByChallenge;
        }
    }

    function _drawOrTally(uint256 offerId) internal {
        mine(3);
        if (_random(10) != 0 && _try(address(quorum), abi.encodeCall(quorum.draw, (offerId)))) return;
        wait(1 hours);
        _tally(offerId);
    }

    function _voteAndTally(uint256 offerId) internal {
        (address[] memory drawn,) = quorum.drawn(offerId);
        (,, uint64 commitDeadline, uint64 revealDeadline,) = quorum.roundOf(offerId);
        if (vm.getBlockTimestamp() <= commitDeadline) {
            Vote lean = _random(2) == 0 ? Vote.Valid : Vote(1 + _random(3));
            for (uint256 i; i < drawn.length; ++i) {
                Vote vote = _random(10) == 0 ? Vote(1 + _random(3)) : lean;
                if (_random(8) == 0) continue; // silent from the start
                (bytes32 hash,) = _ballot(offerId, drawn[i]);
                if (hash != 0) continue;
                commitVoteAs(offerId, drawn[i], vote);
                votes[offerId][drawn[i]] = vote;
            }
            waitOver(commitDeadline);
        }
        if (vm.getBlockTimestamp() <= revealDeadline) {
            for (uint256 i; i < drawn.length; ++i) {
                (bytes32 hash, Vote revealed) = _ballot(offerId, drawn[i]);
                if (hash == 0 || revealed != Vote.None || _random(12) == 0) continue;
                revealAs(offerId, drawn[i], votes[offerId][drawn[i]]);
            }
        }
        waitOver(revealDeadline);
        _tally(offerId);
    }

    mapping(uint256 offerId => mapping(address validator => Vote)) internal votes;

    function _ballot(uint256 offerId, address validator) internal view returns (bytes32 hash, Vote vote) {
        (uint32 round,,,,) = quorum.roundOf(offerId);
        return quorum.voteOf(offerId, round, validator);
    }

    function _challenge(uint256 offerId) internal returns (bool ok) {
        uint256 bondWei = quorum.challengeBondWei(offerId);
        bytes memory data = abi.encodeCall(quorum.challenge, (offerId, uint32(_random(10))));
        vm.prank(_person());
        (ok,) = address(quorum).call{value: bondWei}(data);
        if (!ok) return false;
        ++challenges;
        challengeHeldWei[offerId] = bondWei;
    }

    /// @dev All that a tally credits in the quorum comes from a challenge's bond.
    function _tally(uint256 offerId) internal {
        (uint32 round,,,,) = quorum.roundOf(offerId);
        uint256 feeBefore = market.feeLeftWei(offerId);
        uint256 creditsBefore = quorumCredits();
        quorum.tally(offerId);
        books[offerId].feePaidWei += feeBefore - market.feeLeftWei(offerId);
        challengeHeldWei[offerId] -= quorumCredits() - creditsBefore;
        (uint32 next,,,,) = quorum.roundOf(offerId);
        if (next != round) ++redraws;
    }

    function quorumCredits() public view returns (uint256 sum) {
        for (uint256 i; i < people.length; ++i) sum += quorum.credit(people[i], address(0));
    }

    function _claim(uint256 offerId) internal {
        SampledQuorum.Phase phase = quorum.phaseOf(offerId);
        if (phase == SampledQuorum.Phase.Drawing || phase == SampledQuorum.Phase.Voting) _tally(offerId);
        address[] memory payers_ = books[offerId].payers;
        vm.prank(payers_[_random(payers_.length)]);
        (bool ok, bytes memory answer) = address(market).call(abi.encodeCall(market.claimRefund, (offerId)));
        if (!ok) return;
        (uint256 amountWei,) = abi.decode(answer, (uint256, uint256));
        books[offerId].claimedWei += amountWei;
    }

    // ---------------------------------------------------------------- the end

    /// @notice Lets time pass and everybody take what is his, by calls that anyone or its owner can make.
    function emptyEverything() external {
        uint256 count = market.offerCount();
        for (uint256 offerId = 1; offerId <= count; ++offerId) {
            while (uint256(market.offerState(offerId)) < uint256(OfferState.Paid)) _timeOut(offerId);
            SampledQuorum.Phase phase = quorum.phaseOf(offerId);
            if (phase == SampledQuorum.Phase.Drawing || phase == SampledQuorum.Phase.Voting) _tally(offerId);
            if (market.offerState(offerId) == OfferState.Cancelled) continue;
            for (uint256 i; i < books[offerId].payers.length; ++i) {
                vm.prank(books[offerId].payers[i]);
                _try(address(market), abi.encodeCall(market.claimRefund, (offerId)));
            }
        }
        for (uint256 i; i < people.length; ++i) {
            (uint256 freeWei,,,) = registry.stakeOf(people[i]);
            vm.startPrank(people[i]);
            if (freeWei != 0) registry.unbond(freeWei);
            _try(address(quorum), abi.encodeCall(quorum.leave, ()));
            vm.stopPrank();
        }
        wait(UNBONDING + 1 days);
        for (uint256 i; i < people.length; ++i) {
            vm.startPrank(people[i]);
            _try(address(registry), abi.encodeCall(registry.withdrawStake, ()));
            _try(address(quorum), abi.encodeCall(quorum.withdrawStake, ()));
            _try(address(registry), abi.encodeCall(registry.withdraw, (address(0))));
            _try(address(quorum), abi.encodeCall(quorum.withdraw, (address(0))));
            _try(address(market), abi.encodeCall(market.withdraw, (address(0))));
            _try(address(market), abi.encodeCall(market.withdraw, (address(token))));
            vm.stopPrank();
        }
    }

    /// @dev The way out of every state, without the help of whoever is late.
    function _timeOut(uint256 offerId) internal {
        OfferState state = market.offerState(offerId);
        waitOver(market.deadlineOf(offerId));
        if (state == OfferState.Funding) return market.expireFunding(offerId);
        if (state == OfferState.Bidding) return market.award(offerId);
        if (state == OfferState.Awarded) return market.expireAward(offerId);
        if (state == OfferState.Training) return market.expireTraining(offerId);
        if (!_try(address(market), abi.encodeCall(market.finalize, (offerId)))) market.expireVerdict(offerId);
    }
}
