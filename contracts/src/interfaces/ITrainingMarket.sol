// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a job is, fixed when its offer opens. Its hash is keccak256(abi.encode(header)).
struct JobHeader {
    bytes32 jobSpecReference; // Swarm reference of the JobSpec document
    bytes32 programReference; // Swarm reference of the program (model, optimizer, loss)
    bytes32 trainingViewReference; // Swarm reference of the fixed-stride rows
    bytes32 initialStateReference; // state root of S0
    uint64 rows; // rows in the training view
    uint32 rowBytes; // stride of a row
    uint64 seed; // seed of every counter-based generator of the job
    uint32 steps; // batches to train
    uint32 batchSize; // rows per batch
    uint32 commitEvery; // steps per segment, 1..128
}

/// @notice Terms of an offer. Money is in the smallest unit of `token` (address(0) is ETH); times are seconds.
struct OfferTerms {
    address token;
    uint256 rewardWei; // the most that the payers pay for training; escrowed in full
    uint256 validationFeeWei; // escrowed beside the reward: pays the verifier's helpers whatever their verdict; what is left goes back to the payers
    address verifier; // IVerifier admitted by the market, pinned for this offer
    uint256 minStakeWei; // ETH stake locked for the award
    uint32 fundingWindow; // to collect every payer's share
    uint32 bidWindow; // from full funding on
    uint32 startWindow; // for the winner to start, from the award on
    uint32 trainingWindow; // for the trainer to commit, from the start on
    uint32 challengeWindow; // after attestation, before payment; at most MAX_CHALLENGE_WINDOW
}

/// @notice Life of an offer. Each state but the last four has a timeout that anyone may trigger.
enum OfferState {
    None, // 0
    Funding, // 1 -> Bidding | Refunded (funding window over)
    Bidding, // 2 -> Awarded | Refunded (no bid)
    Awarded, // 3 -> Training | Awarded (next best) | Refunded
    Training, // 4 -> Committed | Slashed (trainer silent: award bond forfeited, see expireTraining)
    Committed, // 5 -> Paid | Slashed | Refunded (verifier decides or falls silent)
    Paid, // 6
    Slashed, // 7
    Refunded, // 8
    Cancelled // 9: by the requester before any share is paid
}

/// @notice Escrow, auction and settlement of training offers.
interface ITrainingMarket {
    event OfferOpened(uint256 indexed offerId, address indexed requester, bytes32 jobHeaderHash, JobHeader header, OfferTerms terms, address[] payers, uint32[] units);
    event ShareFunded(uint256 indexed offerId, address indexed payer, uint256 amountWei);
    event BiddingStarted(uint256 indexed offerId, uint64 biddingEndsAt);
    event BidPlaced(uint256 indexed offerId, address indexed trainer, uint256 priceWei, uint256 bondWei);
    event BidDisplaced(uint256 indexed offerId, address indexed trainer);
    event OfferAwarded(uint256 indexed offerId, address indexed trainer, uint256 priceWei, uint256 lockedStakeWei, uint64 startDeadline);
    event AwardForfeited(uint256 indexed offerId, address indexed trainer, uint256 bondWei);
    event TrainingStarted(uint256 indexed offerId, address indexed trainer, uint64 commitDeadline);
    event JobCommitted(uint256 indexed offerId, address indexed trainer, bytes32 logReference, bytes32 modelReference, bytes32 commitment);
    event OfferSettled(uint256 indexed offerId, OfferState outcome, uint256 paidWei, uint256 refundableWei, uint256 refundableEtherWei, uint256 slashedWei);
    event RefundClaimed(uint256 indexed offerId, address indexed payer, uint256 amountWei, uint256 etherWei);
    event VerifierAdmitted(address indexed verifier, bool admitted);

    /// @param payers who may pay, at most 64; @param units each payer's share of the reward and fee, in parts of their sum
    function open(JobHeader calldata header, OfferTerms calldata terms, address[] calldata payers, uint32[] calldata units) external returns (uint256 offerId);
    function cancel(uint256 offerId) external;
    /// @notice The caller pays his whole share; ETH offers take exactly that value, ERC-20 offers pull it.
    /// @param jobHeaderHash of the job that he means: a reorganisation can give its id to another
    function fund(uint256 offerId, bytes32 jobHeaderHash) external payable;
    /// @notice Places (or lowers) the caller's bid for the job of that hash; msg.value is the bid bond (BID_BOND_BPS of the reward in ETH offers, a flat amount otherwise: see bidBondWei).
    function bid(uint256 offerId, bytes32 jobHeaderHash, uint256 priceWei) external payable;
    function award(uint256 offerId) external;
    /// @notice The awarded trainer starts: his bond becomes withdrawable.
    function start(uint256 offerId) external;
    /// @notice Bond of the silent winner to the payers, next best bid takes over; without one, refund.
    function expireAward(uint256 offerId) external;
    function expireFunding(uint256 offerId) external;
    function commit(uint256 offerId, bytes32 logReference, bytes32 modelReference) external;
    /// @notice The trainer did not commit in time: his lock is slashed as for a conviction, the payers are refunded.
    function expireTraining(uint256 offerId) external;
    /// @notice Settles a committed offer as its verifier says: pay, slash or refund. Anyone may call.
    function finalize(uint256 offerId) external;
    /// @notice Backstop: a verifier that has not decided in VERDICT_WINDOW means a refund. One that has decided can still be
    /// executed by finalize in EXECUTION_WINDOW; after that the refund is unconditional.
    function expireVerdict(uint256 offerId) external;
    /// @notice The offer's verifier credits part of the validation fee while the offer is committed.
    function payFee(uint256 offerId, address to, uint256 amountWei) external;
    /// @notice Credits the caller's pro-rata part of what is refundable of a settled offer.
    function claimRefund(uint256 offerId) external returns (uint256 amountWei, uint256 etherWei);

    function bidBondWei(uint256 offerId) external view returns (uint256);
    function shareWei(uint256 offerId, address payer) external view returns (uint256);
    function refundableWei(uint256 offerId, address payer) external view returns (uint256);
    function refundableEtherWei(uint256 offerId, address payer) external view returns (uint256);
    /// @notice What the verifier has not spent of the validation fee; zero unless the offer is committed.
    function feeLeftWei(uint256 offerId) external view returns (uint256);
    function offerState(uint256 offerId) external view returns (OfferState);
    /// @notice keccak256(abi.encode(header)) of the offer's JobHeader.
    function jobHeaderHash(uint256 offerId) external view returns (bytes32);
    function winner(uint256 offerId) external view returns (address trainer, uint256 priceWei);
    function bids(uint256 offerId) external view returns (address[3] memory trainers, uint256[3] memory pricesWei);
    function deadlineOf(uint256 offerId) external view returns (uint64);
    function requesterOf(uint256 offerId) external view returns (address);
    function tokenOf(uint256 offerId) external view returns (address);
    function hasPaid(uint256 offerId, address payer) external view returns (bool);
    function isPayer(uint256 offerId, address account) external view returns (bool);
    function registry() external view returns (address);
    function offerCount() external view returns (uint256);
}
