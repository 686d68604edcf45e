// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {BidBook} from "./BidBook.sol";
import {ITrainerRegistry} from "./interfaces/ITrainerRegistry.sol";
import {ITrainingMarket, JobHeader, OfferState, OfferTerms} from "./interfaces/ITrainingMarket.sol";
import {IVerifier, Verdict} from "./interfaces/IVerifier.sol";
import {ProRata} from "./ProRata.sol";
import {PullPayments} from "./PullPayments.sol";

/// @title Market for training jobs
/// @notice Escrow of the payers' shares, auction, award, commitment and settlement of offers.
/// @dev Amounts are in the smallest unit of the offer's token, bonds and stake in wei of ETH, times in seconds.
contract TrainingMarket is ITrainingMarket, PullPayments, Ownable2Step {
    using BidBook for BidBook.Book;

    struct Offer {
        OfferTerms terms;
        OfferState state;
        uint64 deadline; // of the current state
        uint32 segments;
        uint32 payersLeft; // who have not paid yet
        uint64 totalUnits;
        address requester;
        address trainer;
        bytes32 jobHeaderHash;
        uint256 bondWei; // of one bid
        uint256 priceWei;
        uint256 winnerBondWei; // held until the winner starts
        uint256 feeWei; // left for the verifier to spend, in the offer's token
        uint256 refundableWei; // in the offer's token, for the payers
        uint256 refundableEtherWei; // forfeited bonds and slashed stake, for the payers
    }

    struct Share {
        uint64 unitsBefore;
        uint32 units;
        bool paid;
        bool refunded;
    }

    error UnknownOffer(uint256 offerId);
    error WrongState(uint256 offerId, OfferState state);
    error TooEarly(uint256 offerId, uint64 deadline);
    error TooLate(uint256 offerId, uint64 deadline);
    error WindowOutOfRange(uint32 seconds_);
    error HeaderOutOfRange();
    error HeaderMismatch(bytes32 given, bytes32 stored);
    error PayersOutOfRange(uint256 payers, uint256 units);
    error ZeroUnits(address payer);
    error DuplicatePayer(address payer);
    error NotAPayer(address account);
    error AlreadyPaid(address payer);
    error AlreadyRefunded(address payer);
    error NotRequester(address account);
    error NotTheTrainer(address account);
    error SharePaid(uint256 offerId);
    error VerifierNotAdmitted(address verifier);
    error StakeBelowReward(uint256 stakeWei, uint256 neededWei);
    error ZeroReward();
    error AmountTooLarge(uint256 amountWei);
    error PriceAboveReward(uint256 priceWei, uint256 rewardWei);
    error FreeStakeTooSmall(address trainer, uint256 freeWei, uint256 neededWei);
    error VerdictPending(uint256 offerId);
    error VerdictReached(uint256 offerId, Verdict verdict);
    error NotTheVerifier(address account);
    error FeeSpent(uint256 leftWei, uint256 askedWei);
    error ZeroReference();
    error UnexpectedEther(address from);

    uint256 public constant MAX_PAYERS = 64;
    uint32 public constant MAX_WINDOW = 365 days;
    uint32 public constant MAX_STEPS = 2 ** 24;
    uint32 public constant MAX_COMMIT_EVERY = 128;
    /// @notice A verifier that has not decided by then loses its say, and the payers get their money back.
    uint32 public constant VERDICT_WINDOW = 60 days;
    /// @notice After that, time to execute a verdict that was reached.
    uint32 public constant EXECUTION_WINDOW = 30 days;
    /// @notice So short that every challenge a verifier allows fits into VERDICT_WINDOW: were it longer, payers could wait
    /// for the backstop and keep a good model for nothing.
    uint32 public constant MAX_CHALLENGE_WINDOW = 7 days;
    /// @notice Larger amounts are refused, so that no product overflows.
    uint256 public constant MAX_AMOUNT = type(uint128).max;
    uint256 internal constant WHOLE_BPS = 10_000;
    /// @notice Bond of a bid, as part of an ETH reward.
    uint256 public constant BID_BOND_BPS = 100;
    /// @notice Least stake of an award, as part of an ETH reward.
    uint256 public constant MIN_STAKE_BPS = 5_000;

    ITrainerRegistry internal immutable trainers;
    /// @notice Bond of a bid where the reward is a token, whose worth the market does not know.
    uint256 public immutable tokenOfferBondWei;
    uint256 public offerCount;
    mapping(address verifier => bool) public isVerifier;
    mapping(uint256 offerId => Offer) internal offers;
    mapping(uint256 offerId => BidBook.Book) internal books;
    mapping(uint256 offerId => mapping(address payer => Share)) internal shares;

    constructor(address owner, ITrainerRegistry registry_, uint256 tokenOfferBondWei_) Ownable(owner) {
        trainers = registry_;
        tokenOfferBondWei = tokenOfferBondWei_;
    }

    /// @dev Unasked for, ETH comes only with a slashed stake, while settling.
    receive() external payable {
        if (msg.sender != address(trainers)) revert UnexpectedEther(msg.sender);
    }

    /// @notice Admits a verifier for new offers. An offer keeps the verifier that it opened with.
    function admitVerifier(address verifier, bool admitted) external onlyOwner {
        isVerifier[verifier] = admitted;
        emit VerifierAdmitted(verifier, admitted);
    }

    // ---------------------------------------------------------------- opening and funding

    function open(
        JobHeader calldata header,
        OfferTerms calldata terms,
        address[] calldata payers,
        uint32[] calldata units
    ) external returns (uint256 offerId) {
        _checkHeader(header);
        _checkTerms(terms);
        if (payers.length == 0 || payers.length > MAX_PAYERS || payers.length != units.length) {
            revert PayersOutOfRange(payers.length, units.length);
        }
        offerId = ++offerCount;
        uint64 total;
        for (uint256 i; i < payers.length; ++i) {
            if (units[i] == 0) revert ZeroUnits(payers[i]);
            if (shares[offerId][payers[i]].units != 0) revert DuplicatePayer(payers[i]);
            shares[offerId][payers[i]] = Share(total, units[i], false, false);
            total += units[i];
        }
        Offer storage offer = offers[offerId];
        offer.terms = terms;
        offer.state = OfferState.Funding;
        offer.deadline = uint64(block.timestamp) + terms.fundingWindow;
        offer.segments = (header.steps + header.commitEvery - 1) / header.commitEvery;
        offer.payersLeft = uint32(payers.length);
        offer.totalUnits = total;
        offer.requester = msg.sender;
        offer.jobHeaderHash = keccak256(abi.encode(header));
        offer.bondWei = terms.token == address(0) ? terms.rewardWei * BID_BOND_BPS / WHOLE_BPS : tokenOfferBondWei;
        emit OfferOpened(offerId, msg.sender, offer.jobHeaderHash, header, terms, payers, units);
    }

    function _checkHeader(JobHeader calldata header) internal pure {
        if (
            header.steps == 0 || header.steps > MAX_STEPS || header.commitEvery == 0
                || header.commitEvery > MAX_COMMIT_EVERY || header.batchSize == 0 || header.rows == 0
                || header.rowBytes == 0
        ) revert HeaderOutOfRange();
    }

    function _checkTerms(OfferTerms calldata terms) internal view {
        if (terms.rewardWei == 0) revert ZeroReward();
        if (terms.rewardWei > MAX_AMOUNT) revert AmountTooLarge(terms.rewardWei);
        if (terms.validationFeeWei > MAX_AMOUNT) revert AmountTooLarge(terms.validationFeeWei);
        if (!isVerifier[terms.verifier]) revert VerifierNotAdmitted(terms.verifier);
        _checkWindow(terms.fundingWindow, MAX_WINDOW);
        _checkWindow(terms.bidWindow, MAX_WINDOW);
        _checkWindow(terms.startWindow, MAX_WINDOW);
        _checkWindow(terms.trainingWindow, MAX_WINDOW);
        _checkWindow(terms.challengeWindow, MAX_CHALLENGE_WINDOW);
        uint256 neededWei = terms.token == address(0) ? terms.rewardWei * MIN_STAKE_BPS / WHOLE_BPS : 1;
        if (terms.minStakeWei < neededWei) revert StakeBelowReward(terms.minStakeWei, neededWei);
    }

    function _checkWindow(uint32 window, uint32 longest) internal pure {
        if (window == 0 || window > longest) revert WindowOutOfRange(window);
    }

    function cancel(uint256 offerId) external {
        Offer storage offer = _offerIn(offerId, OfferState.Funding);
        if (msg.sender != offer.requester) revert NotRequester(msg.sender);
        if (offer.refundableWei != 0) revert SharePaid(offerId);
        _end(offerId, offer, OfferState.Cancelled, 0, 0);
    }

    function fund(uint256 offerId, bytes32 jobHeaderHash_) external payable nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Funding);
        _checkJob(offer, jobHeaderHash_);
        _notAfter(offerId, offer.deadline);
        Share storage share = shares[offerId][msg.sender];
        if (share.units == 0) revert NotAPayer(msg.sender);
        if (share.paid) revert AlreadyPaid(msg.sender);
        uint256 amountWei = shareWei(offerId, msg.sender);
        share.paid = true;
        offer.refundableWei += amountWei;
        emit ShareFunded(offerId, msg.sender, amountWei);
        if (--offer.payersLeft == 0) {
            offer.state = OfferState.Bidding;
            offer.deadline = uint64(block.timestamp) + offer.terms.bidWindow;
            emit BiddingStarted(offerId, offer.deadline);
        }
        _pull(offer.terms.token, amountWei);
    }

    function expireFunding(uint256 offerId) external {
        Offer storage offer = _offerIn(offerId, OfferState.Funding);
        _after(offerId, offer.deadline);
        // Who has paid claims exactly his share: the formula of a full refund, over the full amount.
        _end(offerId, offer, OfferState.Refunded, 0, 0);
    }

    // ---------------------------------------------------------------- auction

    function bid(uint256 offerId, bytes32 jobHeaderHash_, uint256 priceWei) external payable {
        Offer storage offer = _offerIn(offerId, OfferState.Bidding);
        _checkJob(offer, jobHeaderHash_);
        _notAfter(offerId, offer.deadline);
        if (priceWei > offer.terms.rewardWei) revert PriceAboveReward(priceWei, offer.terms.rewardWei);
        uint256 freeWei = trainers.lockableOf(msg.sender, address(this));
        if (freeWei < offer.terms.minStakeWei) {
            revert FreeStakeTooSmall(msg.sender, freeWei, offer.terms.minStakeWei);
        }
        (bool improved, address displaced) = books[offerId].place(msg.sender, priceWei);
        // A better price from the same bidder keeps the bond that is already here.
        uint256 neededWei = improved ? 0 : offer.bondWei;
        if (msg.value != neededWei) revert WrongValue(msg.value, neededWei);
        emit BidPlaced(offerId, msg.sender, priceWei, offer.bondWei);
        if (displaced != address(0)) {
            emit BidDisplaced(offerId, displaced);
            _credit(displaced, address(0), offer.bondWei);
        }
    }

    function award(uint256 offerId) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Bidding);
        _after(offerId, offer.deadline);
        _awardNext(offerId, offer);
    }

    function expireAward(uint256 offerId) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Awarded);
        _after(offerId, offer.deadline);
        trainers.release(offerId);
        _forfeit(offerId, offer, offer.trainer);
        offer.winnerBondWei = 0;
        _awardNext(offerId, offer);
    }

    /// @dev At most three rounds: the book holds three bids. A bidder whose stake is gone by now loses his bond too; a
    /// market that may not lock stake any more gives every bond back.
    function _awardNext(uint256 offerId, Offer storage offer) internal {
        BidBook.Book storage book = books[offerId];
        uint256 stakeWei = offer.terms.minStakeWei;
        bool admitted = trainers.isMarket(address(this));
        while (!book.isEmpty()) {
            (address trainer, uint256 priceWei) = book.takeBest();
            if (!admitted) {
                _credit(trainer, address(0), offer.bondWei);
                continue;
            }
            if (trainers.lockableOf(trainer, address(this)) < stakeWei) {
                _forfeit(offerId, offer, trainer);
                continue;
            }
            offer.state = OfferState.Awarded;
            offer.deadline = uint64(block.timestamp) + offer.terms.startWindow;
            offer.trainer = trainer;
            offer.priceWei = priceWei;
            offer.winnerBondWei = offer.bondWei;
            emit OfferAwarded(offerId, trainer, priceWei, stakeWei, offer.deadline);
            trainers.lock(trainer, offerId, stakeWei, offer.terms.verifier);
            return;
        }
        offer.trainer = address(0);
        offer.priceWei = 0;
        _end(offerId, offer, OfferState.Refunded, 0, 0);
    }

    function _forfeit(uint256 offerId, Offer storage offer, address trainer) internal {
        offer.refundableEtherWei += offer.bondWei;
        emit AwardForfeited(offerId, trainer, offer.bondWei);
    }

    // ---------------------------------------------------------------- training

    function start(uint256 offerId) external {
        Offer storage offer = _offerIn(offerId, OfferState.Awarded);
        _notAfter(offerId, offer.deadline);
        if (msg.sender != offer.trainer) revert NotTheTrainer(msg.sender);
        offer.state = OfferState.Training;
        offer.deadline = uint64(block.timestamp) + offer.terms.trainingWindow;
        emit TrainingStarted(offerId, msg.sender, offer.deadline);
        _credit(msg.sender, address(0), offer.winnerBondWei);
        offer.winnerBondWei = 0;
        BidBook.Book storage book = books[offerId];
        while (!book.isEmpty()) {
            (address loser,) = book.takeBest();
            _credit(loser, address(0), offer.bondWei);
        }
    }

    function commit(uint256 offerId, bytes32 logReference, bytes32 modelReference) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Training);
        _notAfter(offerId, offer.deadline);
        if (msg.sender != offer.trainer) revert NotTheTrainer(msg.sender);
        if (logReference == 0 || modelReference == 0) revert ZeroReference();
        bytes32 headerHash = offer.jobHeaderHash;
        bytes32 commitment = keccak256(
            abi.encode(block.chainid, address(this), offerId, msg.sender, headerHash, logReference, modelReference)
        );
        offer.state = OfferState.Committed;
        offer.deadline = uint64(block.timestamp) + VERDICT_WINDOW;
        uint256 feeWei = offer.terms.validationFeeWei;
        offer.refundableWei -= feeWei;
        offer.feeWei = feeWei;
        emit JobCommitted(offerId, msg.sender, logReference, modelReference, commitment);
        // No token moves here: one that refuses to be transferred would keep the trainer from committing.
        IVerifier(offer.terms.verifier).onCommit(
            offerId, msg.sender, headerHash, commitment, offer.segments, offer.terms.challengeWindow
        );
    }

    function payFee(uint256 offerId, address to, uint256 amountWei) external {
        Offer storage offer = _offerIn(offerId, OfferState.Committed);
        if (msg.sender != offer.terms.verifier) revert NotTheVerifier(msg.sender);
        if (amountWei > offer.feeWei) revert FeeSpent(offer.feeWei, amountWei);
        offer.feeWei -= amountWei;
        _credit(to, offer.terms.token, amountWei);
    }

    function expireTraining(uint256 offerId) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Training);
        _after(offerId, offer.deadline);
        (uint256 slashedWei, uint256 toPayersWei) = trainers.slashSilent(offerId);
        offer.refundableEtherWei += toPayersWei;
        _end(offerId, offer, OfferState.Slashed, 0, slashedWei);
    }

    // ---------------------------------------------------------------- settlement

    function finalize(uint256 offerId) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Committed);
        IVerifier verifier = IVerifier(offer.terms.verifier);
        Verdict verdict = verifier.verdict(offerId);
        if (verdict == Verdict.Pending) revert VerdictPending(offerId);
        if (verdict == Verdict.Valid) {
            trainers.release(offerId);
            offer.refundableWei -= offer.priceWei;
            _credit(offer.trainer, offer.terms.token, offer.priceWei);
            _end(offerId, offer, OfferState.Paid, offer.priceWei, 0);
        } else if (verdict == Verdict.Invalid) {
            (uint256 slashedWei, uint256 toPayersWei) = trainers.slashConvicted(offerId);
            offer.refundableEtherWei += toPayersWei;
            _end(offerId, offer, OfferState.Slashed, 0, slashedWei);
        } else {
            trainers.release(offerId);
            _end(offerId, offer, OfferState.Refunded, 0, 0);
        }
    }

    function expireVerdict(uint256 offerId) external nonReentrant {
        Offer storage offer = _offerIn(offerId, OfferState.Committed);
        _after(offerId, offer.deadline);
        if (block.timestamp <= offer.deadline + EXECUTION_WINDOW) {
            // A verifier that reverts is broken and counts as silent. One that is starved of gas leaves too little gas for
            // what follows.
            try IVerifier(offer.terms.verifier).verdict(offerId) returns (Verdict verdict) {
                if (verdict != Verdict.Pending) revert VerdictReached(offerId, verdict);
            } catch {}
        }
        trainers.release(offerId);
        _end(offerId, offer, OfferState.Refunded, 0, 0);
    }

    function _end(uint256 offerId, Offer storage offer, OfferState outcome, uint256 paidWei, uint256 slashedWei)
        internal
    {
        offer.state = outcome;
        offer.refundableWei += offer.feeWei;
        offer.feeWei = 0;
        emit OfferSettled(offerId, outcome, paidWei, offer.refundableWei, offer.refundableEtherWei, slashedWei);
    }

    function claimRefund(uint256 offerId) external returns (uint256 amountWei, uint256 etherWei) {
        Offer storage offer = offers[offerId];
        if (offer.state < OfferState.Paid || offer.state == OfferState.Cancelled) {
            revert WrongState(offerId, offer.state);
        }
        Share storage share = shares[offerId][msg.sender];
        if (!share.paid) revert NotAPayer(msg.sender);
        if (share.refunded) revert AlreadyRefunded(msg.sender);
        amountWei = refundableWei(offerId, msg.sender);
        etherWei = refundableEtherWei(offerId, msg.sender);
        share.refunded = true;
        emit RefundClaimed(offerId, msg.sender, amountWei, etherWei);
        _credit(msg.sender, offer.terms.token, amountWei);
        _credit(msg.sender, address(0), etherWei);
    }

    // ---------------------------------------------------------------- views

    function shareWei(uint256 offerId, address payer) public view returns (uint256) {
        Offer storage offer = _offer(offerId);
        Share storage share = shares[offerId][payer];
        uint256 wholeWei = offer.terms.rewardWei + offer.terms.validationFeeWei;
        return ProRata.share(wholeWei, share.unitsBefore, share.units, offer.totalUnits);
    }

    /// @notice What the payer may still claim in the offer's token; zero before the offer is settled.
    function refundableWei(uint256 offerId, address payer) public view returns (uint256) {
        Offer storage offer = _offer(offerId);
        Share storage share = shares[offerId][payer];
        if (offer.state < OfferState.Paid || !share.paid || share.refunded) return 0;
        // Not fully funded: each payer's own share, whole.
        if (offer.payersLeft != 0) return shareWei(offerId, payer);
        return ProRata.share(offer.refundableWei, share.unitsBefore, share.units, offer.totalUnits);
    }

    /// @notice What the payer may still claim of forfeited bonds and slashed stake; zero before the offer is settled.
    function refundableEtherWei(uint256 offerId, address payer) public view returns (uint256) {
        Offer storage offer = _offer(offerId);
        Share storage share = shares[offerId][payer];
        if (offer.state < OfferState.Paid || !share.paid || share.refunded) return 0;
        return ProRata.share(offer.refundableEtherWei, share.unitsBefore, share.units, offer.totalUnits);
    }

    function bidBondWei(uint256 offerId) external view returns (uint256) {
        return _offer(offerId).bondWei;
    }

    function feeLeftWei(uint256 offerId) external view returns (uint256) {
        return _offer(offerId).feeWei;
    }

    function offerState(uint256 offerId) external view returns (OfferState) {
        return offers[offerId].state;
    }

    function jobHeaderHash(uint256 offerId) external view returns (bytes32) {
        return _offer(offerId).jobHeaderHash;
    }

    function deadlineOf(uint256 offerId) external view returns (uint64) {
        return _offer(offerId).deadline;
    }

    function requesterOf(uint256 offerId) external view returns (address) {
        return _offer(offerId).requester;
    }

    function winner(uint256 offerId) external view returns (address trainer, uint256 priceWei) {
        Offer storage offer = _offer(offerId);
        return (offer.trainer, offer.priceWei);
    }

    function bids(uint256 offerId) external view returns (address[3] memory bidders, uint256[3] memory pricesWei) {
        return books[offerId].list();
    }

    function tokenOf(uint256 offerId) external view returns (address) {
        return _offer(offerId).terms.token;
    }

    function hasPaid(uint256 offerId, address payer) external view returns (bool) {
        return shares[offerId][payer].paid;
    }

    function isPayer(uint256 offerId, address account) external view returns (bool) {
        return shares[offerId][account].units != 0;
    }

    function registry() external view returns (address) {
        return address(trainers);
    }

    // ---------------------------------------------------------------- checks

    function _offer(uint256 offerId) internal view returns (Offer storage offer) {
        offer = offers[offerId];
        if (offer.state == OfferState.None) revert UnknownOffer(offerId);
    }

    function _offerIn(uint256 offerId, OfferState state) internal view returns (Offer storage offer) {
        offer = _offer(offerId);
        if (offer.state != state) revert WrongState(offerId, offer.state);
    }

    /// @dev Ids are given out by order: after a reorganisation the same one can be another job's.
    function _checkJob(Offer storage offer, bytes32 given) internal view {
        if (given != offer.jobHeaderHash) revert HeaderMismatch(given, offer.jobHeaderHash);
    }

    function _notAfter(uint256 offerId, uint64 deadline) internal view {
        if (block.timestamp > deadline) revert TooLate(offerId, deadline);
    }

    function _after(uint256 offerId, uint64 deadline) internal view {
        if (block.timestamp <= deadline) revert TooEarly(offerId, deadline);
    }
}
