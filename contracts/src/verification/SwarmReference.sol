// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Proofs that bytes lie at an offset of the file with a given Swarm reference and length. A reference is the
/// root of a tree of chunks of 4,096 bytes; an intermediate chunk holds up to 128 references; a chunk's address is
/// keccak(span, Merkle root over its 128 segments of 32 bytes), the span being the little-endian length of what is below.
///
/// Where a piece stands in the tree follows from offset and length alone. A prover says neither which level a node has
/// nor what its span is, so no reference of an intermediate chunk, and no chunk at another place, passes as data. The
/// length must come from where the reference does, or be bound to it otherwise.
library SwarmReference {
    uint256 internal constant CHUNK_BYTES = 4_096;
    uint256 internal constant SEGMENT_BYTES = 32;
    uint256 internal constant BRANCHES = 128;
    uint256 private constant PIECE_SIZES = 0x1fe0; // 32 + 64 + .. + 4,096

    /// @notice A file has at least one and, as spans have 64 bits, less than 2^64 bytes; the offset lies inside.
    error OutOfFile(uint256 offset, uint256 lengthBytes);
    /// @notice A piece has 32 * 2^k bytes, at most 4,096, and stands at a multiple of its size.
    error NotAPiece(uint256 offset, uint256 sizeBytes);
    /// @notice Behind the end of the file a chunk has zeros.
    error NonZeroTail(uint256 lengthBytes);
    error WrongProofLength(uint256 words, uint256 expectedWords);
    error WrongPayloadLength(uint256 bytes_, uint256 expectedBytes);
    error OtherReference(bytes32 computed, bytes32 expected);

    /// @notice Reverts unless `piece` stands at `offset` of the file: a segment (32 bytes), an aligned subtree of a chunk
    /// (64 to 2,048 bytes) or a chunk (4,096). What it has behind the end of the file must be zero.
    /// @param proof the siblings from the piece up to the root: those inside its chunk, then seven for each intermediate
    /// chunk above. There is none where a lone last child stands in its parent's place
    function prove(
        bytes32 fileReference,
        uint256 lengthBytes,
        uint256 offset,
        bytes calldata piece,
        bytes32[] calldata proof
    ) internal pure {
        uint256 size = piece.length;
        if (offset >= lengthBytes || lengthBytes > type(uint64).max) revert OutOfFile(offset, lengthBytes);
        bytes32 node;
        unchecked {
            // A power of two from 32 to 4,096 that divides the offset.
            if ((size | offset) & (size - 1) != 0 || size & PIECE_SIZES == 0) revert NotAPiece(offset, size);
            if (lengthBytes - offset < size) _requireZeroTail(piece, lengthBytes - offset, lengthBytes);
            uint256 next;
            assembly ("memory-safe") {
                next := proof.offset
                node := calldataload(piece.offset)
            }
            if (size == SEGMENT_BYTES) {
                node = _climbChunk(node, offset >> 5, next);
                next += 7 * 32;
            } else {
                (node, next) = _climb(_merkleRoot(piece, size), offset, size, next);
            }
            node = _address(node, _below(lengthBytes, offset, 12));
            for (uint256 bits = 12; lengthBytes - 1 >> bits != 0; bits += 7) {
                uint256 span = _below(lengthBytes, offset, bits + 7);
                if (span >> bits == 0 || span == 1 << bits) continue; // a lone last child
                node = _address(_climbChunk(node, offset >> bits, next), span);
                next += 7 * 32;
            }
            uint256 words;
            assembly ("memory-safe") {
                words := shr(5, sub(next, proof.offset))
            }
            if (words != proof.length) revert WrongProofLength(proof.length, words);
        }
        if (node != fileReference) revert OtherReference(node, fileReference);
    }

    /// @notice Reverts unless `payload` is the chunk with this address. A leaf has `span` bytes, an intermediate chunk the
    /// references of its children, each of which is the reference of a file of its own (see `childSpan`).
    function open(bytes32 chunkAddress_, uint256 span, bytes calldata payload) internal pure {
        uint256 expected = span <= CHUNK_BYTES ? span : childCount(span) * SEGMENT_BYTES;
        if (payload.length != expected) revert WrongPayloadLength(payload.length, expected);
        bytes32 computed = chunkAddress(span, payload);
        if (computed != chunkAddress_) revert OtherReference(computed, chunkAddress_);
    }

    /// @notice Address of the chunk with this span and a payload of at most 4,096 bytes.
    function chunkAddress(uint256 span, bytes calldata payload) internal pure returns (bytes32) {
        if (span > type(uint64).max) revert OutOfFile(0, span);
        if (payload.length > CHUNK_BYTES) revert WrongPayloadLength(payload.length, CHUNK_BYTES);
        return _address(_merkleRoot(payload, CHUNK_BYTES), span);
    }

    /// @notice Bytes below each child, but the last, of a chunk with this span: the largest 4,096 * 128^k below the span.
    /// The last child has the rest, and the shape of a file of that length.
    function childSpan(uint256 span) internal pure returns (uint256 size) {
        if (span > type(uint64).max) revert OutOfFile(0, span);
        size = CHUNK_BYTES;
        while (size << 7 < span) size <<= 7;
    }

    /// @notice Children of a chunk with this span; none for a leaf.
    function childCount(uint256 span) internal pure returns (uint256) {
        if (span <= CHUNK_BYTES) return 0;
        uint256 size = childSpan(span);
        return (span + size - 1) / size;
    }

    /// @dev Bytes of the file in the aligned stretch of 2^bits bytes around `offset`.
    function _below(uint256 lengthBytes, uint256 offset, uint256 bits) private pure returns (uint256) {
        unchecked {
            uint256 left = lengthBytes - (offset >> bits << bits);
            return left >> bits == 0 ? left : 1 << bits;
        }
    }

    /// @dev From the segment at `index` modulo 128 of a chunk to the root over its payload. Unrolled: most of what a proof
    /// costs is here.
    /// @param next where in the calldata the first of the seven siblings stands
    function _climbChunk(bytes32 node, uint256 index, uint256 next) private pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let path := shl(5, index)
            let place := and(path, 32) // of the node: 32 is the right side
            mstore(place, node)
            mstore(xor(place, 32), calldataload(next))
            place := and(shr(1, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 32)))
            place := and(shr(2, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 64)))
            place := and(shr(3, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 96)))
            place := and(shr(4, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 128)))
            place := and(shr(5, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 160)))
            place := and(shr(6, path), 32)
            mstore(place, keccak256(0, 64))
            mstore(xor(place, 32), calldataload(add(next, 192)))
            root := keccak256(0, 64)
        }
    }

    /// @dev From a node over `size` bytes to the one over 4,096. The bits of the offset say where it stands.
    function _climb(bytes32 node, uint256 offset, uint256 size, uint256 next)
        private
        pure
        returns (bytes32 root, uint256 end)
    {
        assembly ("memory-safe") {
            root := node
            end := next
            for {} lt(size, CHUNK_BYTES) { size := shl(1, size) } {
                let place := shl(5, iszero(and(offset, size))) // of the sibling
                mstore(xor(place, 32), root)
                mstore(place, calldataload(end))
                root := keccak256(0, 64)
                end := add(end, 32)
            }
        }
    }

    /// @dev keccak(span, root)
    function _address(bytes32 root, uint256 span) private pure returns (bytes32 address_) {
        assembly ("memory-safe") {
            // Eight bytes, the lowest first; most leaves are full.
            switch span
            case 4096 { span := 0x0010000000000000 }
            default {
                span := or(shl(8, and(span, 0x00ff00ff00ff00ff)), and(shr(8, span), 0x00ff00ff00ff00ff))
                span := or(shl(16, and(span, 0x0000ffff0000ffff)), and(shr(16, span), 0x0000ffff0000ffff))
                span := or(shl(32, span), shr(32, span)) // what stands above 64 bits is cut off below
            }
            mstore(0, shl(192, span))
            mstore(8, root)
            address_ := keccak256(0, 40)
        }
    }

    /// @dev Merkle root over `size` bytes, 32 * 2^k, of which `data` are the first and the others zero.
    function _merkleRoot(bytes calldata data, uint256 size) private pure returns (bytes32 root) {
        assembly ("memory-safe") {
            let nodes := mload(0x40) // scratch: the memory behind the free pointer
            mstore(add(nodes, data.length), 0)
            calldatacopy(nodes, data.offset, data.length)
            let end := and(add(data.length, 31), not(31))
            if iszero(end) { end := 32 }
            let zero := 0 // root of a subtree of zeros
            for {} gt(size, 32) { size := shr(1, size) } {
                if and(end, 32) {
                    mstore(add(nodes, end), zero)
                    end := add(end, 32)
                }
                end := shr(1, end)
                let from := nodes
                for { let to := nodes } lt(to, add(nodes, end)) { to := add(to, 32) } {
                    mstore(to, keccak256(from, 64))
                    from := add(from, 64)
                }
                mstore(0, zero)
                mstore(32, zero)
                zero := keccak256(0, 64)
            }
            root := mload(nodes)
        }
    }

    /// @dev Whether all behind the first `used` bytes are zero, by words.
    function _requireZeroTail(bytes calldata piece, uint256 used, uint256 lengthBytes) private pure {
        bool isZero;
        assembly ("memory-safe") {
            let end := add(piece.offset, piece.length)
            let at := add(piece.offset, and(used, not(31)))
            let bits := shl(shl(3, and(used, 31)), calldataload(at))
            for { at := add(at, 32) } lt(at, end) { at := add(at, 32) } { bits := or(bits, calldataload(at)) }
            isZero := iszero(bits)
        }
        if (!isZero) revert NonZeroTail(lengthBytes);
    }
}
