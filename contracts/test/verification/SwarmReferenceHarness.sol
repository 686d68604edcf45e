// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SwarmReference} from "../../src/verification/SwarmReference.sol";

/// @notice SwarmReference as a contract, with the gas of its proofs.
contract SwarmReferenceHarness {
    function prove(bytes32 fileReference, uint256 lengthBytes, uint256 offset, bytes calldata piece, bytes32[] calldata proof)
        public
        view
        returns (uint256 gasUsed)
    {
        gasUsed = gasleft();
        SwarmReference.prove(fileReference, lengthBytes, offset, piece, proof);
        gasUsed -= gasleft();
    }

    function open(bytes32 address_, uint256 span, bytes calldata payload) public view returns (uint256 gasUsed) {
        gasUsed = gasleft();
        SwarmReference.open(address_, span, payload);
        gasUsed -= gasleft();
    }

    function chunkAddress(uint256 span, bytes calldata payload) external pure returns (bytes32) {
        return SwarmReference.chunkAddress(span, payload);
    }

    function shape(uint256 span) external pure returns (uint256 childSpan, uint256 childCount) {
        return (SwarmReference.childSpan(span), SwarmReference.childCount(span));
    }
}
