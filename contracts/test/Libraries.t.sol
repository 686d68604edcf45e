// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BidBook} from "../src/BidBook.sol";
import {ProRata} from "../src/ProRata.sol";
import {StakeTree} from "../src/StakeTree.sol";
import {Vm} from "./Vm.sol";

/// @notice Bid book, shares and stake tree against simple models of themselves.
contract LibrariesTest {
    using BidBook for BidBook.Book;
    using StakeTree for StakeTree.Tree;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    BidBook.Book internal book;
    StakeTree.Tree internal tree;
    uint256[] internal weights;

    // ---------------------------------------------------------------- bids

    struct ModelBid {
        address bidder;
        uint256 priceWei;
        bool gone; // displaced: out until he bids again
    }

    function placeBid(address bidder, uint256 priceWei) external returns (bool improved, address displaced) {
        return book.place(bidder, priceWei);
    }

    /// @dev The model keeps every bid in the order of their arrival and sorts all of them each time.
    function testFuzz_the_book_holds_the_three_best_of_all_bids(uint256[24] calldata seeds) public {
        ModelBid[] memory all = new ModelBid[](24);
        uint256 count;
        for (uint256 i; i < 24; ++i) {
            address bidder = address(uint160(1 + seeds[i] % 6));
            uint256 priceWei = (seeds[i] >> 8) % 12; // few prices, so that many are equal
            ModelBid[3] memory best = _best(all, count);
            uint256 held = _find(best, bidder);
            bool full = best[2].bidder != address(0);
            if (held < 3 && priceWei >= best[held].priceWei) {
                vm.expectRevert(
                    abi.encodeWithSelector(BidBook.BidNotBetter.selector, bidder, priceWei, best[held].priceWei)
                );
                this.placeBid(bidder, priceWei);
                continue;
            }
            if (held == 3 && full && priceWei >= best[2].priceWei) {
                vm.expectRevert(abi.encodeWithSelector(BidBook.BidTooHigh.selector, priceWei, best[2].priceWei));
                this.placeBid(bidder, priceWei);
                continue;
            }
            (bool improved, address displaced) = this.placeBid(bidder, priceWei);
            vm.assertEq(improved ? 1 : 0, held < 3 ? 1 : 0, "improves his own bid");
            vm.assertEq(displaced, held == 3 && full ? best[2].bidder : address(0), "displaces the worst");
            for (uint256 j; j < count; ++j) {
                if (all[j].bidder == bidder || all[j].bidder == displaced) all[j].gone = true;
            }
            all[count++] = ModelBid(bidder, priceWei, false);
            best = _best(all, count);
            (address[3] memory bidders, uint256[3] memory pricesWei) = book.list();
            for (uint256 j; j < 3; ++j) {
                vm.assertEq(bidders[j], best[j].bidder, "bidder");
                vm.assertEq(pricesWei[j], best[j].priceWei, "price");
            }
        }
        ModelBid[3] memory last = _best(all, count);
        for (uint256 j; j < 3 && last[j].bidder != address(0); ++j) {
            (address bidder,) = book.takeBest();
            vm.assertEq(bidder, last[j].bidder, "taken in this order");
        }
        vm.assertTrue(book.isEmpty(), "empty");
    }

    function _best(ModelBid[] memory all, uint256 count) internal pure returns (ModelBid[3] memory best) {
        bool[] memory taken = new bool[](count);
        for (uint256 place; place < 3; ++place) {
            uint256 at = count;
            for (uint256 i; i < count; ++i) {
                // Strictly lower only, so that a tie goes to the earlier one.
                if (!taken[i] && !all[i].gone && (at == count || all[i].priceWei < all[at].priceWei)) at = i;
            }
            if (at == count) return best;
            taken[at] = true;
            best[place] = all[at];
        }
    }

    function _find(ModelBid[3] memory best, address bidder) internal pure returns (uint256 at) {
        for (at = 0; at < 3; ++at) {
            if (best[at].bidder == bidder) return at;
        }
    }

    // ---------------------------------------------------------------- shares

    function testFuzz_shares_telescope(uint256 amountWei, uint32[16] calldata units) public pure {
        uint256 total;
        for (uint256 i; i < 16; ++i) total += units[i];
        vm.assume(total != 0);
        uint256 sum;
        uint256 before;
        for (uint256 i; i < 16; ++i) {
            uint256 share = ProRata.share(amountWei, before, units[i], total);
            if (units[i] == 0) vm.assertEq(share, 0, "no units, no share");
            // Fair to within one wei of the exact part.
            if (amountWei < 2 ** 200) {
                vm.assertLe(share * total, amountWei * units[i] + total, "not too much");
                vm.assertGe(share * total + total, amountWei * units[i], "not too little");
            }
            sum += share;
            before += units[i];
        }
        vm.assertEq(sum, amountWei, "to the wei");
    }

    function testFuzz_two_shares_are_worth_their_sum(uint256 amountWei, uint32 before, uint32 a, uint32 b, uint32 rest)
        public
        pure
    {
        uint256 total = uint256(before) + a + b + rest;
        vm.assume(total != 0);
        vm.assertEq(
            ProRata.share(amountWei, before, a, total) + ProRata.share(amountWei, uint256(before) + a, b, total),
            ProRata.share(amountWei, before, uint256(a) + b, total),
            "splitting a share gains nothing"
        );
    }

    // ---------------------------------------------------------------- stake

    /// forge-config: default.fuzz.runs = 64
    /// @dev Weights change over several blocks; a draw as of any of them finds what a walk along the seats finds.
    function testFuzz_the_tree_draws_what_a_walk_along_the_seats_finds(uint256[20] calldata changes, uint256 random)
        public
    {
        uint256[1_024][3] memory at; // weights at the end of blocks 1, 2 and 3
        for (uint256 blockIndex; blockIndex < 3; ++blockIndex) {
            vm.roll(10 + blockIndex);
            if (blockIndex > 0) at[blockIndex] = _copy(at[blockIndex - 1]);
            for (uint256 i; i < 20; ++i) {
                uint256 change = uint256(keccak256(abi.encode(changes[i], blockIndex)));
                // Small weights, so that positions fall on the borders between seats, or realistic ones.
                uint256 weight = change % 5 == 0 ? 0 : change % (random % 2 == 0 ? 4 : 1e20);
                tree.set((change >> 128) % 1_024, weight);
                at[blockIndex][(change >> 128) % 1_024] = weight;
            }
        }
        vm.roll(20);
        for (uint256 blockIndex; blockIndex < 3; ++blockIndex) {
            uint256[1_024] memory left = _copy(at[blockIndex]);
            uint256 total;
            for (uint256 seat; seat < 1_024; ++seat) total += left[seat];
            StakeTree.Draw memory draw = tree.startDraw(uint48(10 + blockIndex));
            for (uint256 n; n < 8 && total != 0; ++n) {
                vm.assertEq(draw.leftWeight, total, "weight that is left");
                uint256 r = uint256(keccak256(abi.encode(random, n)));
                uint256 seat = tree.take(draw, r);
                vm.assertEq(seat, _walk(left, r % total), "seat");
                total -= left[seat];
                left[seat] = 0;
            }
        }
    }

    function _copy(uint256[1_024] memory from) internal pure returns (uint256[1_024] memory to) {
        for (uint256 i; i < 1_024; ++i) to[i] = from[i];
    }

    function _walk(uint256[1_024] memory left, uint256 position) internal pure returns (uint256 seat) {
        while (position >= left[seat]) position -= left[seat++];
    }
}
