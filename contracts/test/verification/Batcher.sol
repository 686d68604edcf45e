// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Calls a contract many times in one call.
contract Batcher {
    /// @param callBytes length of each call's data
    /// @return results what the calls returned, one after another
    function each(address target, uint256 callBytes, bytes calldata calls) external view returns (bytes memory results) {
        for (uint256 at; at < calls.length; at += callBytes) {
            (bool ok, bytes memory result) = target.staticcall(calls[at:at + callBytes]);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(result, 32), mload(result))
                }
            }
            if (at == 0) results = new bytes(calls.length / callBytes * result.length);
            uint256 place = at / callBytes * result.length;
            assembly ("memory-safe") {
                mcopy(add(add(results, 32), place), add(result, 32), mload(result))
            }
            // Its memory serves the next call. (Behind the first one stand the results.)
            if (at != 0) {
                assembly {
                    mstore(0x40, result)
                }
            }
        }
    }

    /// @notice Gas of one call, without what the call itself costs.
    function gasOf(address target, bytes calldata data) external view returns (uint256 spent) {
        (bool warm,) = target.staticcall(data); // the first call of an account costs more
        uint256 left = gasleft();
        (bool ok,) = target.staticcall(data);
        spent = left - gasleft();
        require(warm && ok, "reverted");
    }
}
