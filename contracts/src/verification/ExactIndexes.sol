// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Which element of the input an element of the output of `move` and of the windows reads: exact/1, sections 3,
/// 8, 9 and 16. Indices count elements. A geometry comes from a validated Program, so that its products cannot overflow:
/// each of its numbers is at most 2^31.
library ExactIndexes {
    /// @notice The element lies beyond the end of its tensor.
    error IndexOutOfShape(uint256 index);

    /// @notice Says that a position is outside of the input.
    int256 internal constant OUTSIDE = -1;

    /// @notice Where an operand's element stands, in a tensor of four axes with these strides; a stride of 0 repeats.
    function broadcast(uint256 index, uint32[4] memory shape, uint32[4] memory strides)
        internal
        pure
        returns (uint256 operandIndex)
    {
        uint256 rest = index;
        for (uint256 left = 4; left != 0; --left) {
            uint256 axis = left - 1;
            if (shape[axis] == 0) revert IndexOutOfShape(index);
            operandIndex += (rest % shape[axis]) * strides[axis];
            rest /= shape[axis];
        }
        if (rest != 0) revert IndexOutOfShape(index);
    }

    /// @notice Where the element `index` of what a strided copy moves, counted over `shape`, comes from and goes to.
    function strided(uint256 index, uint32[6] memory shape, int64 offset, int64[6] memory strides)
        internal
        pure
        returns (int256 place)
    {
        uint256 rest = index;
        place = offset;
        for (uint256 left = 6; left != 0; --left) {
            uint256 axis = left - 1;
            if (shape[axis] == 0) revert IndexOutOfShape(index);
            place += int256(rest % shape[axis]) * strides[axis];
            rest /= shape[axis];
        }
        if (rest != 0) revert IndexOutOfShape(index);
    }

    /// @notice One axis of a window: a filter of `filter` positions over an input of `input` elements, `output` times.
    struct Axis {
        uint32 input;
        uint32 output;
        uint32 filter;
        uint32 stride;
        uint32 dilation;
        uint32 inputDilation; // 1 for pooling
        int32 pad; // before the first element; may be negative
    }

    /// @notice The input's element on an axis that position `k` of window `o` sees, or OUTSIDE.
    function onAxis(Axis memory axis, uint256 o, uint256 k) internal pure returns (int256) {
        int256 y = int256(o * axis.stride + k * axis.dilation) - axis.pad;
        if (y < 0 || uint256(y) % axis.inputDilation != 0) return OUTSIDE;
        uint256 at = uint256(y) / axis.inputDilation;
        return at < axis.input ? int256(at) : OUTSIDE;
    }

    /// @notice The element of a channels-last input that stands in the patches (section 8) at (row, column).
    function patch(Axis memory height, Axis memory width, uint256 channels, uint256 row, uint256 column)
        internal
        pure
        returns (int256)
    {
        uint256 outX = row % width.output;
        uint256 outY = (row / width.output) % height.output;
        uint256 item = row / width.output / height.output;
        uint256 channel = column % channels;
        uint256 kw = (column / channels) % width.filter;
        uint256 kh = column / channels / width.filter;
        if (kh >= height.filter) revert IndexOutOfShape(column);
        return _element(item, onAxis(height, outY, kh), onAxis(width, outX, kw), height.input, width.input, channels, channel);
    }

    /// @notice The input's element that position (kh, kw), counted row by row, of a pooling window sees, or OUTSIDE.
    /// @param index of the pooled output's element
    function window(Axis memory height, Axis memory width, uint256 channels, uint256 index, uint256 position)
        internal
        pure
        returns (int256)
    {
        return patch(height, width, channels, index / channels, position * channels + index % channels);
    }

    /// @notice The pooled output's element whose window sees the input's element `index` at this position, or OUTSIDE.
    function windowSeeing(Axis memory height, Axis memory width, uint256 channels, uint256 index, uint256 position)
        internal
        pure
        returns (int256)
    {
        if (position >= uint256(height.filter) * width.filter) revert IndexOutOfShape(position);
        uint256 channel = index % channels;
        uint256 x = (index / channels) % width.input;
        uint256 y = (index / channels / width.input) % height.input;
        uint256 item = index / channels / width.input / height.input;
        int256 outY = _outputSeeing(height, y, position / width.filter);
        int256 outX = _outputSeeing(width, x, position % width.filter);
        return _element(item, outY, outX, height.output, width.output, channels, channel);
    }

    function _outputSeeing(Axis memory axis, uint256 y, uint256 k) private pure returns (int256) {
        int256 start = int256(y * axis.inputDilation) + axis.pad - int256(k * axis.dilation);
        if (start < 0 || uint256(start) % axis.stride != 0) return OUTSIDE;
        uint256 o = uint256(start) / axis.stride;
        return o < axis.output ? int256(o) : OUTSIDE;
    }

    function _element(
        uint256 item,
        int256 y,
        int256 x,
        uint256 height,
        uint256 width,
        uint256 channels,
        uint256 channel
    ) private pure returns (int256) {
        if (y == OUTSIDE || x == OUTSIDE) return OUTSIDE;
        return int256(((item * height + uint256(y)) * width + uint256(x)) * channels + channel);
    }
}
