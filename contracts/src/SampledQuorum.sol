// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BlockRandomness} from "./BlockRandomness.sol";
import {ISampledQuorum, Vote} from "./interfaces/ISampledQuorum.sol";
import {ITrainingMarket, OfferState} from "./interfaces/ITrainingMarket.sol";
import {IVerifier, Verdict} from "./interfaces/IVerifier.sol";
import {PullPayments} from "./PullPayments.sol";
import {StakeTree} from "./StakeTree.sol";

/// @title Verification by drawn validators (mode SAMPLED)
/// @notice Validators are drawn by stake after the commitment, re-execute drawn segments and vote by commit and reveal.
/// Two thirds of the drawn decide. Pay does not depend on the verdict. Silence or disagreement is redrawn once.
/// Who is eligible for a round, and with what weight, is fixed before the block whose hash draws.
/// @dev Bounds: 1,024 validators, a quorum of at most 16, at most 64 drawn segments, 3 challenges an offer.
contract SampledQuorum is ISampledQuorum, PullPayments {
    using StakeTree for StakeTree.Tree;

    struct Parameters {
        uint32 quorumSize;
        uint32 drawCount;
        uint32 drawDelayBlocks; // from opening a round to the block whose hash draws
        uint32 drawWindow; // seconds to draw, before the round counts as silent
        uint32 commitWindow; // seconds for validators to commit their votes
        uint32 revealWindow; // seconds to reveal them
        uint256 minStakeWei;
        uint256 silencePenaltyWei;
        uint256 challengeBondWei;
    }

    enum Phase {
        None,
        Drawing,
        Voting,
        Open, // found valid; challenges are possible until challengeEndsAt
        Closed
    }

    struct Case {
        Phase phase;
        Verdict decided; // Pending while not closed
        uint32 round;
        bool redrawn; // this question has been redrawn already
        uint8 challenges;
        uint32 segments;
        uint32 challengeWindow;
        uint32 named; // segment that the challenger names
        uint48 eligibleAt; // stakes as of the end of this block are drawn from
        uint64 drawBlock;
        uint64 drawDeadline;
        uint64 commitDeadline;
        uint64 revealDeadline;
        uint64 challengeEndsAt;
        uint8 committed;
        uint8 revealed;
        address trainer;
        address challenger; // of the running challenge, or the one who won
        bytes32 commitment;
        uint256 challengeStakeWei; // what the running challenge loses if it is wrong, in ETH
        uint256 challengeFeeWei; // left to pay the validators of the running challenge with, in ETH
        address[] validators;
        uint32[] drawnSegments;
    }

    struct Ballot {
        bytes32 voteHash;
        Vote vote;
    }

    struct Validator {
        uint256 stakeWei;
        uint16 seat;
        bool joined;
        uint32 duties; // running rounds in which he is drawn
        uint64 withdrawableAfter; // set while leaving
    }

    error ParametersOutOfRange();
    error NotTheMarket(address caller);
    error WrongPhase(uint256 offerId, Phase phase);
    error DrawBlockNotReached(uint64 drawBlock);
    error TooFewValidators(uint256 eligible, uint32 needed);
    error NotDrawn(uint256 offerId, address validator);
    error AlreadyCommitted(address validator);
    error NotCommitted(address validator);
    error AlreadyRevealed(address validator);
    error EmptyVote();
    error VoteHashMismatch(bytes32 given, bytes32 committed);
    error WindowOver(uint64 deadline);
    error WindowOpen(uint64 deadline);
    error StakeTooSmall(uint256 stakeWei, uint256 neededWei);
    error OnDuty(address validator, uint32 duties);
    error NotAValidator(address account);
    error NotLeaving(address account);
    error StillLeaving(address account, uint64 withdrawableAfter);
    error OfferSettledAlready(uint256 offerId);
    error SeatsTaken();
    error NoSuchSegment(uint32 segment, uint32 segments);
    error TooManyChallenges(uint256 offerId);

    uint256 public constant MAX_QUORUM = 16;
    uint256 public constant MAX_DRAWN_SEGMENTS = 64;
    uint8 public constant MAX_CHALLENGES = 3;
    /// @notice Draw, votes and reveals of one round, in seconds at most: the first round and all challenges, each redrawn
    /// once, and the windows between them fit into the market's VERDICT_WINDOW.
    uint256 public constant MAX_ROUND = 3 days;
    uint256 public constant MAX_DRAW_DELAY_BLOCKS = 256;
    /// @notice A fine for silence is at most so many times the pay. Jobs that pay nothing could else ruin validators.
    uint256 public constant MAX_FINE_OVER_PAY = 10;
    uint256 internal constant BOND_GROWTH = 4;
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    ITrainingMarket public immutable market;
    Parameters public parameters;
    StakeTree.Tree internal tree;
    mapping(uint256 seat => address) internal seatHolder;
    uint256 internal seatsUsed;
    uint16[] internal freeSeats;
    mapping(address validator => Validator) internal roster;
    mapping(uint256 offerId => Case) internal cases;
    mapping(uint256 offerId => mapping(uint32 round => mapping(address validator => Ballot))) internal ballots;

    constructor(ITrainingMarket market_, Parameters memory parameters_) {
        if (
            parameters_.quorumSize == 0 || parameters_.quorumSize > MAX_QUORUM || parameters_.drawCount == 0
                || parameters_.drawCount > MAX_DRAWN_SEGMENTS || parameters_.drawDelayBlocks == 0
                || parameters_.drawWindow == 0 || parameters_.commitWindow == 0 || parameters_.revealWindow == 0
                || parameters_.drawDelayBlocks > MAX_DRAW_DELAY_BLOCKS || parameters_.minStakeWei == 0
                || uint256(parameters_.drawWindow) + parameters_.commitWindow + parameters_.revealWindow > MAX_ROUND
                || parameters_.silencePenaltyWei > parameters_.minStakeWei
        ) revert ParametersOutOfRange();
        market = market_;
        parameters = parameters_;
    }

    modifier onlyMarket() {
        if (msg.sender != address(market)) revert NotTheMarket(msg.sender);
        _;
    }

    // ---------------------------------------------------------------- validators

    function join() external payable {
        Validator storage validator = roster[msg.sender];
        if (!validator.joined) {
            uint16 seat;
            if (freeSeats.length != 0) {
                seat = freeSeats[freeSeats.length - 1];
                freeSeats.pop();
            } else {
                if (seatsUsed == StakeTree.SEATS) revert SeatsTaken();
                seat = uint16(seatsUsed++);
            }
            validator.joined = true;
            validator.seat = seat;
            seatHolder[seat] = msg.sender;
        }
        validator.stakeWei += msg.value;
        if (validator.stakeWei < parameters.minStakeWei) {
            revert StakeTooSmall(validator.stakeWei, parameters.minStakeWei);
        }
        validator.withdrawableAfter = 0;
        tree.set(validator.seat, validator.stakeWei);
        emit ValidatorJoined(msg.sender, validator.stakeWei);
    }

    function leave() external {
        Validator storage validator = roster[msg.sender];
        if (!validator.joined || validator.withdrawableAfter != 0) revert NotAValidator(msg.sender);
        tree.set(validator.seat, 0);
        // A round that counts him was opened by now, so it is drawn by then or not at all.
        validator.withdrawableAfter = uint64(block.timestamp) + parameters.drawWindow;
        emit ValidatorLeaving(msg.sender, validator.withdrawableAfter);
    }

    function withdrawStake() external {
        Validator storage validator = roster[msg.sender];
        if (validator.withdrawableAfter == 0) revert NotLeaving(msg.sender);
        if (block.timestamp <= validator.withdrawableAfter) {
            revert StillLeaving(msg.sender, validator.withdrawableAfter);
        }
        if (validator.duties != 0) revert OnDuty(msg.sender, validator.duties);
        uint256 stakeWei = validator.stakeWei;
        delete seatHolder[validator.seat];
        freeSeats.push(validator.seat);
        delete roster[msg.sender];
        emit ValidatorLeft(msg.sender, stakeWei);
        _credit(msg.sender, address(0), stakeWei);
    }

    // ---------------------------------------------------------------- a case

    function onCommit(
        uint256 offerId,
        address trainer,
        bytes32, // jobHeaderHash: the commitment binds it, and validators read the header from the event
        bytes32 commitment,
        uint32 segments,
        uint32 challengeWindow
    ) external onlyMarket {
        Case storage c = cases[offerId];
        if (c.phase != Phase.None) revert WrongPhase(offerId, c.phase);
        c.trainer = trainer;
        c.commitment = commitment;
        c.segments = segments;
        c.challengeWindow = challengeWindow;
        _openRound(offerId, c);
    }

    function _openRound(uint256 offerId, Case storage c) internal {
        c.phase = Phase.Drawing;
        c.eligibleAt = uint48(block.number - 1);
        c.drawBlock = uint64(block.number) + parameters.drawDelayBlocks;
        c.drawDeadline = uint64(block.timestamp) + parameters.drawWindow;
        c.committed = 0;
        c.revealed = 0;
        delete c.validators;
        delete c.drawnSegments;
        emit VerificationOpened(offerId, c.round, c.drawBlock, c.drawDeadline, c.segments);
    }

    function draw(uint256 offerId) external {
        Case storage c = _caseIn(offerId, Phase.Drawing);
        if (block.timestamp > c.drawDeadline) revert WindowOver(c.drawDeadline);
        if (block.number <= c.drawBlock) revert DrawBlockNotReached(c.drawBlock);
        bytes32 seed = BlockRandomness.blockHash(c.drawBlock);
        if (seed == 0) {
            // Too old to be known: another block, fixed now, draws from the same stakes.
            c.drawBlock = uint64(block.number) + parameters.drawDelayBlocks;
            emit VerificationOpened(offerId, c.round, c.drawBlock, c.drawDeadline, c.segments);
            return;
        }
        seed = keccak256(abi.encode(seed, address(this), offerId, c.round, c.commitment));
        c.validators = _drawValidators(offerId, c, seed);
        c.drawnSegments = _drawSegments(c, seed);
        c.phase = Phase.Voting;
        c.commitDeadline = uint64(block.timestamp) + parameters.commitWindow;
        c.revealDeadline = c.commitDeadline + parameters.revealWindow;
        emit QuorumDrawn(offerId, c.round, c.validators, c.drawnSegments, c.commitDeadline, c.revealDeadline);
    }

    /// @dev Without replacement; the trainer, the requester, the payers and the challenger are stepped over, 67 at most.
    function _drawValidators(uint256 offerId, Case storage c, bytes32 seed)
        internal
        returns (address[] memory drawn_)
    {
        uint256 size = parameters.quorumSize;
        drawn_ = new address[](size);
        StakeTree.Draw memory draw_ = tree.startDraw(c.eligibleAt);
        address requester = market.requesterOf(offerId);
        uint256 attempt;
        for (uint256 i; i < size;) {
            if (draw_.leftWeight == 0) revert TooFewValidators(i, uint32(size));
            uint256 seat = tree.take(draw_, uint256(keccak256(abi.encode(seed, attempt++))));
            address validator = seatHolder[seat];
            if (
                validator == c.trainer || validator == requester || validator == c.challenger
                    || market.isPayer(offerId, validator)
            ) continue;
            drawn_[i++] = validator;
            ++roster[validator].duties;
        }
    }

    /// @dev A uniform sample without replacement (Floyd's algorithm); all of them if there are few. A challenged segment
    /// is always among them.
    function _drawSegments(Case storage c, bytes32 seed) internal view returns (uint32[] memory drawn_) {
        uint32 total = c.segments;
        uint32 count = parameters.drawCount < total ? parameters.drawCount : total;
        drawn_ = new uint32[](count);
        for (uint32 i; i < count; ++i) {
            uint32 last = total - count + i;
            uint32 segment = uint32(uint256(keccak256(abi.encode(seed, "segment", i))) % (uint256(last) + 1));
            drawn_[i] = _contains(drawn_, i, segment) ? last : segment;
        }
        if (c.challenger != address(0) && !_contains(drawn_, count, c.named)) drawn_[0] = c.named;
    }

    function _contains(uint32[] memory list, uint256 count, uint32 value) internal pure returns (bool) {
        for (uint256 i; i < count; ++i) {
            if (list[i] == value) return true;
        }
        return false;
    }

    function commitVote(uint256 offerId, bytes32 voteHash) external {
        Case storage c = _caseIn(offerId, Phase.Voting);
        if (block.timestamp > c.commitDeadline) revert WindowOver(c.commitDeadline);
        if (!_isDrawn(c, msg.sender)) revert NotDrawn(offerId, msg.sender);
        if (voteHash == 0) revert EmptyVote();
        Ballot storage ballot = ballots[offerId][c.round][msg.sender];
        if (ballot.voteHash != 0) revert AlreadyCommitted(msg.sender);
        ballot.voteHash = voteHash;
        ++c.committed;
        emit VoteCommitted(offerId, c.round, msg.sender);
    }

    /// @notice From the moment when all have committed, or the commit window is over. The hash binds the validator, so
    /// a copied one cannot be revealed.
    function revealVote(uint256 offerId, Vote vote, bytes32 evidence, bytes32 salt) external {
        Case storage c = _caseIn(offerId, Phase.Voting);
        if (c.committed < c.validators.length && block.timestamp <= c.commitDeadline) {
            revert WindowOpen(c.commitDeadline);
        }
        if (block.timestamp > c.revealDeadline) revert WindowOver(c.revealDeadline);
        Ballot storage ballot = ballots[offerId][c.round][msg.sender];
        if (ballot.voteHash == 0) revert NotCommitted(msg.sender);
        if (ballot.vote != Vote.None) revert AlreadyRevealed(msg.sender);
        if (vote == Vote.None) revert EmptyVote();
        bytes32 hash = keccak256(
            abi.encode(block.chainid, address(this), offerId, c.round, msg.sender, vote, evidence, salt)
        );
        if (hash != ballot.voteHash) revert VoteHashMismatch(hash, ballot.voteHash);
        ballot.vote = vote;
        ++c.revealed;
        emit VoteRevealed(offerId, c.round, msg.sender, vote, evidence);
    }

    function tally(uint256 offerId) external {
        Case storage c = cases[offerId];
        if (c.phase != Phase.Drawing && c.phase != Phase.Voting) revert WrongPhase(offerId, c.phase);
        if (market.offerState(offerId) != OfferState.Committed) {
            // Settled without us: nobody is fined, and the challenger has his money back.
            for (uint256 i; i < c.validators.length; ++i) --roster[c.validators[i]].duties;
            _close(offerId, c, Verdict.Undecided);
            return;
        }
        if (c.phase == Phase.Drawing) {
            if (block.timestamp <= c.drawDeadline) revert WindowOpen(c.drawDeadline);
            _redraw(offerId, c);
            return;
        }
        if (c.revealed < c.validators.length && block.timestamp <= c.revealDeadline) {
            revert WindowOpen(c.revealDeadline);
        }
        uint256[4] memory votes = _closeBallots(offerId, c);
        uint256 needed = (2 * c.validators.length + 2) / 3;
        if (votes[uint256(Vote.Invalid)] >= needed) _close(offerId, c, Verdict.Invalid);
        else if (votes[uint256(Vote.Unavailable)] >= needed) _close(offerId, c, Verdict.Unavailable);
        else if (votes[uint256(Vote.Valid)] >= needed) {
            // A challenger who was wrong pays the trainer for the delay.
            _credit(c.trainer, address(0), c.challengeStakeWei);
            _leaveOpen(offerId, c);
        } else {
            _redraw(offerId, c);
        }
    }

    /// @dev Pays who revealed, fines who did not, and frees all from duty. At most MAX_QUORUM rounds. Of the money for
    /// one question half is kept for its redraw, and a redraw may spend what is left.
    function _closeBallots(uint256 offerId, Case storage c) internal returns (uint256[4] memory votes) {
        uint256 count = c.validators.length;
        bool challenged = c.challenger != address(0);
        uint256 leftWei = challenged ? c.challengeFeeWei : market.feeLeftWei(offerId);
        address token = challenged ? address(0) : market.tokenOf(offerId);
        uint256 payWei = (c.redrawn ? leftWei : leftWei - leftWei / 2) / count;
        // What a token is worth is not known here, so silence costs no more than the pay.
        uint256 fineWei = token == address(0) ? payWei * MAX_FINE_OVER_PAY : 0;
        if (fineWei > parameters.silencePenaltyWei) fineWei = parameters.silencePenaltyWei;
        uint256 burntWei;
        for (uint256 i; i < count; ++i) {
            address account = c.validators[i];
            --roster[account].duties;
            Vote vote = ballots[offerId][c.round][account].vote;
            ++votes[uint256(vote)];
            if (vote == Vote.None) {
                burntWei += _fine(offerId, c.round, account, fineWei);
                continue;
            }
            if (challenged) {
                c.challengeFeeWei -= payWei;
                _credit(account, address(0), payWei);
            } else {
                market.payFee(offerId, account, payWei);
            }
            emit ValidatorPaid(offerId, account, token, payWei);
        }
        _push(BURN_ADDRESS, address(0), burntWei);
    }

    function _fine(uint256 offerId, uint32 round, address account, uint256 fineWei)
        internal
        returns (uint256 penaltyWei)
    {
        Validator storage validator = roster[account];
        penaltyWei = fineWei > validator.stakeWei ? validator.stakeWei : fineWei;
        validator.stakeWei -= penaltyWei;
        // Too little left: stays on the roster, but is not drawn before adding stake.
        bool drawable = validator.stakeWei >= parameters.minStakeWei && validator.withdrawableAfter == 0;
        tree.set(validator.seat, drawable ? validator.stakeWei : 0);
        emit ValidatorSilent(offerId, round, account, penaltyWei);
    }

    /// @dev Found valid, or found so before.
    function _leaveOpen(uint256 offerId, Case storage c) internal {
        _returnChallengeFee(c);
        c.challenger = address(0);
        c.phase = Phase.Open;
        c.challengeEndsAt = uint64(block.timestamp) + c.challengeWindow;
        emit RoundTallied(offerId, c.round, uint8(Verdict.Valid), c.challengeEndsAt);
    }

    function _redraw(uint256 offerId, Case storage c) internal {
        if (!c.redrawn) {
            emit RoundTallied(offerId, c.round, uint8(Verdict.Undecided), 0);
            c.redrawn = true;
            ++c.round;
            // The second round is paid from what the first one left.
            _openRound(offerId, c);
        } else if (c.challenger != address(0)) {
            // A challenge that nobody decides does not undo what an earlier quorum found.
            _credit(c.challenger, address(0), c.challengeStakeWei);
            _leaveOpen(offerId, c);
        } else {
            _close(offerId, c, Verdict.Undecided);
        }
    }

    function _close(uint256 offerId, Case storage c, Verdict verdict_) internal {
        if (c.challenger != address(0)) {
            _credit(c.challenger, address(0), c.challengeStakeWei);
            _returnChallengeFee(c);
            if (verdict_ != Verdict.Invalid) c.challenger = address(0);
        }
        c.phase = Phase.Closed;
        c.decided = verdict_;
        emit RoundTallied(offerId, c.round, uint8(verdict_), 0);
    }

    /// @dev What silent validators left of it is the challenger's again.
    function _returnChallengeFee(Case storage c) internal {
        _credit(c.challenger, address(0), c.challengeFeeWei);
        c.challengeFeeWei = 0;
        c.challengeStakeWei = 0;
    }

    function challenge(uint256 offerId, uint32 segment) external payable {
        Case storage c = _caseIn(offerId, Phase.Open);
        if (block.timestamp > c.challengeEndsAt) revert WindowOver(c.challengeEndsAt);
        if (segment >= c.segments) revert NoSuchSegment(segment, c.segments);
        if (c.challenges == MAX_CHALLENGES) revert TooManyChallenges(offerId);
        if (market.offerState(offerId) != OfferState.Committed) revert OfferSettledAlready(offerId);
        uint256 bondWei = _challengeBondWei(c);
        if (msg.value != bondWei) revert WrongValue(msg.value, bondWei);
        ++c.challenges;
        ++c.round;
        c.redrawn = false;
        c.challenger = msg.sender;
        // One half pays the validators, the other is at stake.
        c.challengeFeeWei = bondWei / 2;
        c.challengeStakeWei = bondWei - bondWei / 2;
        c.named = segment;
        emit SampledChallenge(offerId, c.round, msg.sender, segment, msg.value);
        _openRound(offerId, c);
    }

    /// @dev Grows, so that a trainer cannot use up the challenges cheaply by challenging himself.
    function _challengeBondWei(Case storage c) internal view returns (uint256) {
        return parameters.challengeBondWei * BOND_GROWTH ** c.challenges;
    }

    // ---------------------------------------------------------------- views

    function verdict(uint256 offerId) external view returns (Verdict) {
        Case storage c = cases[offerId];
        if (c.phase == Phase.Closed) return c.decided;
        if (c.phase == Phase.Open && block.timestamp > c.challengeEndsAt) return Verdict.Valid;
        return Verdict.Pending;
    }

    function finder(uint256 offerId) external view returns (address) {
        Case storage c = cases[offerId];
        return c.decided == Verdict.Invalid ? c.challenger : address(0);
    }

    function challengeBondWei(uint256 offerId) external view returns (uint256) {
        return _challengeBondWei(cases[offerId]);
    }

    function drawCount() external view returns (uint32) {
        return parameters.drawCount;
    }

    function quorumSize() external view returns (uint32) {
        return parameters.quorumSize;
    }

    function validatorStake(address validator) external view returns (uint256) {
        return roster[validator].stakeWei;
    }

    function roundOf(uint256 offerId)
        external
        view
        returns (uint32 round, uint64 drawBlock, uint64 commitDeadline, uint64 revealDeadline, uint64 challengeEndsAt)
    {
        Case storage c = cases[offerId];
        return (c.round, c.drawBlock, c.commitDeadline, c.revealDeadline, c.challengeEndsAt);
    }

    function phaseOf(uint256 offerId) external view returns (Phase) {
        return cases[offerId].phase;
    }

    function drawn(uint256 offerId) external view returns (address[] memory validators, uint32[] memory segments) {
        Case storage c = cases[offerId];
        return (c.validators, c.drawnSegments);
    }

    function voteOf(uint256 offerId, uint32 round, address validator) external view returns (bytes32 voteHash, Vote vote) {
        Ballot storage ballot = ballots[offerId][round][validator];
        return (ballot.voteHash, ballot.vote);
    }

    function _isDrawn(Case storage c, address account) internal view returns (bool) {
        for (uint256 i; i < c.validators.length; ++i) {
            if (c.validators[i] == account) return true;
        }
        return false;
    }

    function _caseIn(uint256 offerId, Phase phase) internal view returns (Case storage c) {
        c = cases[offerId];
        if (c.phase != phase) revert WrongPhase(offerId, c.phase);
    }
}
