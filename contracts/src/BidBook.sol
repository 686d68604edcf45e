// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The three best bids of an offer, best first: the lowest price wins, a tie goes to the earlier bid.
/// Every operation touches at most three slots.
library BidBook {
    struct Bid {
        address bidder;
        uint256 priceWei;
    }

    struct Book {
        Bid[3] slots;
        uint8 count;
    }

    error BidNotBetter(address bidder, uint256 priceWei, uint256 currentWei);
    error BidTooHigh(uint256 priceWei, uint256 worstKeptWei);

    /// @notice Places a bid, or lowers the one that the bidder already has.
    /// @return improved whether the bidder had one; @return displaced who fell out of the book, or zero
    function place(Book storage book, address bidder, uint256 priceWei)
        internal
        returns (bool improved, address displaced)
    {
        uint256 count = book.count;
        uint256 hole = count; // the slot that will be filled by moving worse bids down
        for (uint256 i; i < count; ++i) {
            if (book.slots[i].bidder == bidder) {
                if (priceWei >= book.slots[i].priceWei) {
                    revert BidNotBetter(bidder, priceWei, book.slots[i].priceWei);
                }
                improved = true;
                hole = i;
                break;
            }
        }
        if (!improved) {
            if (count == 3) {
                if (priceWei >= book.slots[2].priceWei) revert BidTooHigh(priceWei, book.slots[2].priceWei);
                displaced = book.slots[2].bidder;
                hole = 2;
            } else {
                book.count = uint8(count + 1);
            }
        }
        while (hole > 0 && book.slots[hole - 1].priceWei > priceWei) {
            book.slots[hole] = book.slots[hole - 1];
            --hole;
        }
        book.slots[hole] = Bid(bidder, priceWei);
    }

    /// @notice Takes the best bid out.
    function takeBest(Book storage book) internal returns (address bidder, uint256 priceWei) {
        bidder = book.slots[0].bidder;
        priceWei = book.slots[0].priceWei;
        book.slots[0] = book.slots[1];
        book.slots[1] = book.slots[2];
        delete book.slots[2];
        --book.count;
    }

    function isEmpty(Book storage book) internal view returns (bool) {
        return book.count == 0;
    }

    function list(Book storage book) internal view returns (address[3] memory bidders, uint256[3] memory pricesWei) {
        for (uint256 i; i < book.count; ++i) {
            bidders[i] = book.slots[i].bidder;
            pricesWei[i] = book.slots[i].priceWei;
        }
    }
}
