// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ITrainerRegistry} from "./interfaces/ITrainerRegistry.sol";
import {IVerifier, Verdict} from "./interfaces/IVerifier.sol";
import {PullPayments} from "./PullPayments.sol";

/// @title Stake of trainers
/// @notice Stake is free, locked for one award, or unbonding. A lock is slashed only while the verifier that was
/// pinned when it was made says Invalid, or when its market reports a trainer who never committed. A market can lock
/// only the stake of trainers who have accepted it, so that admitting a hostile market takes nothing from anybody.
/// @dev All amounts are wei of ETH.
contract TrainerRegistry is ITrainerRegistry, PullPayments, Ownable2Step {
    struct Account {
        uint256 freeWei;
        uint256 lockedWei;
        uint256 unbondingWei;
        uint64 withdrawableAt;
        uint64 acceptedMarkets; // the first so many of those ever admitted
    }

    struct Lock {
        address trainer;
        uint16 burntShareBps; // as it was when the lock was made
        address verifier;
        uint256 amountWei;
    }

    error NotAMarket(address caller);
    error MarketNotAccepted(address trainer, address market);
    error StakeTooSmall(address trainer, uint256 freeWei, uint256 neededWei);
    error LockExists(address market, uint256 offerId);
    error NoLock(address market, uint256 offerId);
    error NotConvicted(address market, uint256 offerId, Verdict verdict);
    error StillUnbonding(address trainer, uint64 withdrawableAt);
    error ZeroAmount();
    error ShareTooLarge(uint16 bps);

    /// @notice Where burnt ETH goes: nobody has its key.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;
    uint16 internal constant WHOLE_BPS = 10_000;

    /// @notice Seconds between unbonding and withdrawal; longer than the longest verification.
    uint64 public immutable unbondingSeconds;
    /// @notice Part of a slashed lock that is burnt, so that a cheat who convicts himself still pays.
    uint16 public burntShareBps = 5_000;
    mapping(address market => bool) public isMarket;
    /// @notice Markets admitted so far, and each one's place in that order, from 1.
    uint64 public marketCount;
    mapping(address market => uint64) public marketNumber;
    mapping(address trainer => Account) internal accounts;
    mapping(address market => mapping(uint256 offerId => Lock)) public locks;

    constructor(address owner, uint64 unbondingSeconds_) Ownable(owner) {
        unbondingSeconds = unbondingSeconds_;
    }

    modifier onlyMarket() {
        if (!isMarket[msg.sender]) revert NotAMarket(msg.sender);
        _;
    }

    /// @notice Admits a market, or stops it from making new locks; locks that exist are settled all the same.
    function admitMarket(address market, bool admitted) external onlyOwner {
        isMarket[market] = admitted;
        if (admitted && marketNumber[market] == 0) marketNumber[market] = ++marketCount;
        emit MarketAdmitted(market, admitted);
    }

    /// @notice Applies to locks made from now on.
    function setBurntShare(uint16 bps) external onlyOwner {
        if (bps > WHOLE_BPS) revert ShareTooLarge(bps);
        burntShareBps = bps;
        emit BurntShareChanged(bps);
    }

    function deposit() external payable {
        _deposit(msg.sender);
    }

    function depositFor(address trainer) external payable {
        _deposit(trainer);
    }

    function acceptMarkets() external {
        _acceptMarkets(msg.sender);
    }

    function _acceptMarkets(address trainer) internal {
        Account storage account = accounts[trainer];
        if (account.acceptedMarkets == marketCount) return;
        account.acceptedMarkets = marketCount;
        emit MarketsAccepted(trainer, marketCount);
    }

    function _deposit(address trainer) internal {
        if (msg.value == 0) revert ZeroAmount();
        Account storage account = accounts[trainer];
        // A gift accepts nothing on behalf of a trainer who has stake already.
        bool isNew = account.freeWei == 0 && account.lockedWei == 0 && account.unbondingWei == 0;
        if (trainer == msg.sender || isNew) _acceptMarkets(trainer);
        account.freeWei += msg.value;
        emit StakeDeposited(trainer, msg.value);
    }

    /// @notice Starts to take free stake out. A second call restarts the clock for the whole unbonding amount.
    function unbond(uint256 amountWei) external {
        Account storage account = accounts[msg.sender];
        if (amountWei == 0) revert ZeroAmount();
        if (amountWei > account.freeWei) revert StakeTooSmall(msg.sender, account.freeWei, amountWei);
        account.freeWei -= amountWei;
        account.unbondingWei += amountWei;
        account.withdrawableAt = uint64(block.timestamp) + unbondingSeconds;
        emit UnbondingStarted(msg.sender, amountWei, account.withdrawableAt);
    }

    function withdrawStake() external nonReentrant returns (uint256 amountWei) {
        Account storage account = accounts[msg.sender];
        amountWei = account.unbondingWei;
        if (amountWei == 0) revert ZeroAmount();
        if (block.timestamp < account.withdrawableAt) revert StillUnbonding(msg.sender, account.withdrawableAt);
        account.unbondingWei = 0;
        emit StakeWithdrawn(msg.sender, amountWei);
        _push(msg.sender, address(0), amountWei);
    }

    function lock(address trainer, uint256 offerId, uint256 amountWei, address verifier) external onlyMarket {
        Account storage account = accounts[trainer];
        if (marketNumber[msg.sender] > account.acceptedMarkets) revert MarketNotAccepted(trainer, msg.sender);
        if (account.freeWei < amountWei) revert StakeTooSmall(trainer, account.freeWei, amountWei);
        if (locks[msg.sender][offerId].trainer != address(0)) revert LockExists(msg.sender, offerId);
        account.freeWei -= amountWei;
        account.lockedWei += amountWei;
        locks[msg.sender][offerId] = Lock(trainer, burntShareBps, verifier, amountWei);
        emit StakeLocked(trainer, msg.sender, offerId, amountWei, verifier);
    }

    function release(uint256 offerId) external {
        Lock memory held = _takeLock(offerId);
        accounts[held.trainer].freeWei += held.amountWei;
        emit StakeReleased(held.trainer, msg.sender, offerId, held.amountWei);
    }

    function slashConvicted(uint256 offerId) external nonReentrant returns (uint256 amountWei, uint256 toPayersWei) {
        Lock memory held = _takeLock(offerId);
        Verdict verdict = IVerifier(held.verifier).verdict(offerId);
        if (verdict != Verdict.Invalid) revert NotConvicted(msg.sender, offerId, verdict);
        return _slash(held, offerId, IVerifier(held.verifier).finder(offerId));
    }

    function slashSilent(uint256 offerId) external nonReentrant returns (uint256 amountWei, uint256 toPayersWei) {
        return _slash(_takeLock(offerId), offerId, address(0));
    }

    /// @dev Only the market that made a lock can name it, so no other check of the caller is needed.
    function _takeLock(uint256 offerId) internal returns (Lock memory held) {
        held = locks[msg.sender][offerId];
        if (held.trainer == address(0)) revert NoLock(msg.sender, offerId);
        delete locks[msg.sender][offerId];
        accounts[held.trainer].lockedWei -= held.amountWei;
    }

    function _slash(Lock memory held, uint256 offerId, address finder)
        internal
        returns (uint256 amountWei, uint256 toPayersWei)
    {
        amountWei = held.amountWei;
        uint256 burntWei = amountWei * held.burntShareBps / WHOLE_BPS;
        uint256 finderWei = amountWei - burntWei;
        emit StakeSlashed(held.trainer, msg.sender, offerId, amountWei, finder, finderWei, burntWei);
        if (finder == address(0)) toPayersWei = finderWei;
        else _credit(finder, address(0), finderWei);
        _push(BURN_ADDRESS, address(0), burntWei);
        _push(msg.sender, address(0), toPayersWei);
    }

    function lockableOf(address trainer, address market) external view returns (uint256 freeWei) {
        Account storage account = accounts[trainer];
        if (isMarket[market] && marketNumber[market] <= account.acceptedMarkets) freeWei = account.freeWei;
    }

    function stakeOf(address trainer)
        external
        view
        returns (uint256 freeWei, uint256 lockedWei, uint256 unbondingWei, uint64 withdrawableAt)
    {
        Account storage account = accounts[trainer];
        return (account.freeWei, account.lockedWei, account.unbondingWei, account.withdrawableAt);
    }
}
