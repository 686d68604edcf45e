// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Stake of trainers in ETH, locked per award. Only the verifier pinned at award can have a lock slashed, and
/// only a market that the trainer has accepted can make one.
interface ITrainerRegistry {
    event StakeDeposited(address indexed trainer, uint256 amountWei);
    event StakeLocked(address indexed trainer, address indexed market, uint256 indexed offerId, uint256 amountWei, address verifier);
    event StakeReleased(address indexed trainer, address indexed market, uint256 indexed offerId, uint256 amountWei);
    event StakeSlashed(address indexed trainer, address indexed market, uint256 indexed offerId, uint256 amountWei, address finder, uint256 finderWei, uint256 burntWei);
    event MarketAdmitted(address indexed market, bool admitted);
    event BurntShareChanged(uint16 burntShareBps);
    event MarketsAccepted(address indexed trainer, uint64 markets);
    event UnbondingStarted(address indexed trainer, uint256 amountWei, uint64 withdrawableAt);
    event StakeWithdrawn(address indexed trainer, uint256 amountWei);

    function deposit() external payable;
    function depositFor(address trainer) external payable;
    /// @notice Lets the markets admitted so far lock the caller's stake; his own deposit does the same.
    function acceptMarkets() external;
    function unbond(uint256 amountWei) external;
    function withdrawStake() external returns (uint256 amountWei);
    function stakeOf(address trainer) external view returns (uint256 freeWei, uint256 lockedWei, uint256 unbondingWei, uint64 withdrawableAt);
    function isMarket(address market) external view returns (bool);
    /// @notice Free stake that `market` may lock now: zero if it is not admitted, or was admitted after the trainer last accepted.
    function lockableOf(address trainer, address market) external view returns (uint256 freeWei);
    // market only
    function lock(address trainer, uint256 offerId, uint256 amountWei, address verifier) external;
    function release(uint256 offerId) external;
    /// @notice Only when the pinned verifier says Invalid. Without a finder his part goes to the market, for the payers.
    function slashConvicted(uint256 offerId) external returns (uint256 amountWei, uint256 toPayersWei);
    /// @notice For a trainer who never committed: the finder's part goes to the market, for the payers.
    function slashSilent(uint256 offerId) external returns (uint256 amountWei, uint256 toPayersWei);
}
