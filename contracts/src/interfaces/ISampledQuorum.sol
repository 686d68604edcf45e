// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IVerifier} from "./IVerifier.sol";

/// @notice A validator's vote after re-executing the drawn segments.
enum Vote {
    None,
    Valid,
    Invalid,
    Unavailable
}

/// @notice Verification mode SAMPLED: validators drawn by stake re-execute drawn segments and vote by commit-reveal.
/// Rounds: 0 after the commitment, 1 redraws after silence, later ones by challenge.
interface ISampledQuorum is IVerifier {
    event ValidatorJoined(address indexed validator, uint256 stakeWei);
    event ValidatorLeaving(address indexed validator, uint64 withdrawableAfter);
    event ValidatorLeft(address indexed validator, uint256 stakeWei);
    event VerificationOpened(uint256 indexed offerId, uint32 round, uint64 drawBlock, uint64 drawDeadline, uint32 segments);
    event QuorumDrawn(uint256 indexed offerId, uint32 round, address[] validators, uint32[] segments, uint64 commitDeadline, uint64 revealDeadline);
    event VoteCommitted(uint256 indexed offerId, uint32 round, address indexed validator);
    event VoteRevealed(uint256 indexed offerId, uint32 round, address indexed validator, Vote vote, bytes32 evidence);
    event RoundTallied(uint256 indexed offerId, uint32 round, uint8 verdict, uint64 challengeEndsAt);
    event SampledChallenge(uint256 indexed offerId, uint32 round, address indexed challenger, uint32 segment, uint256 bondWei);
    event ValidatorSilent(uint256 indexed offerId, uint32 round, address indexed validator, uint256 penaltyWei);
    event ValidatorPaid(uint256 indexed offerId, address indexed validator, address token, uint256 amountWei);

    /// @notice Joins, adds stake, or calls off leaving. Drawn for rounds that open in a later block.
    function join() external payable;
    /// @notice Is not drawn for rounds that open from now on; until every earlier one is drawn, the stake stays.
    function leave() external;
    /// @notice Credits the stake of a caller who has left, once no round can draw him any more and his duties are done.
    function withdrawStake() external;
    /// @notice Draws validators and segments from the hash of the block fixed at opening, among who had joined before the
    /// round was opened. If that hash is gone, another block is fixed. Until the draw deadline.
    function draw(uint256 offerId) external;
    /// @param voteHash keccak256(abi.encode(chainId, quorum, offerId, round, validator, vote, evidence, salt))
    function commitVote(uint256 offerId, bytes32 voteHash) external;
    /// @param evidence what only the re-execution yields (digest of the recomputed states and losses)
    function revealVote(uint256 offerId, Vote vote, bytes32 evidence, bytes32 salt) external;
    /// @notice Closes the round once all revealed or its time is over. Fines who stayed silent.
    function tally(uint256 offerId) external;
    /// @notice In the challenge window, bonded: a fresh quorum re-executes the named segment too.
    function challenge(uint256 offerId, uint32 segment) external payable;
    /// @notice Bond of the next challenge of an offer: four times that of the one before.
    function challengeBondWei(uint256 offerId) external view returns (uint256);
    function roundOf(uint256 offerId) external view returns (uint32 round, uint64 drawBlock, uint64 commitDeadline, uint64 revealDeadline, uint64 challengeEndsAt);
    function drawn(uint256 offerId) external view returns (address[] memory validators, uint32[] memory segments);
    function validatorStake(address validator) external view returns (uint256);
    /// @notice Segments drawn in a round = min(segments, drawCount).
    function drawCount() external view returns (uint32);
    function quorumSize() external view returns (uint32);
}
