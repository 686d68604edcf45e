// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a verifier says of a committed job.
enum Verdict {
    Pending, // not decided yet
    Valid, // may be paid now (its challenge window is over)
    Invalid, // convicted: slash
    Unavailable, // log or model cannot be retrieved: refund, no pay, stake released
    Undecided // validators stayed silent after the redraw: refund, stake released
}

/// @notice Decides on commitments of one market. Pinned per offer, so that new modes need no new market.
/// A verifier holds no money of an offer: it spends the validation fee through ITrainingMarket.payFee.
interface IVerifier {
    /// @notice The market hands over a commitment. Must not revert for its market: the trainer could not commit.
    /// @param jobHeaderHash keccak256(abi.encode(header)): whoever presents the header proves program, view and first state with it
    /// @param commitment keccak256(abi.encode(chainId, market, offerId, trainer, jobHeaderHash, logReference, modelReference))
    function onCommit(uint256 offerId, address trainer, bytes32 jobHeaderHash, bytes32 commitment, uint32 segments, uint32 challengeWindow) external;
    function verdict(uint256 offerId) external view returns (Verdict);
    /// @notice Who proved an Invalid verdict and takes the finder's part; zero when the drawn quorum found it (then that part goes to the payers).
    function finder(uint256 offerId) external view returns (address);
}
