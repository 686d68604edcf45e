// For processors without a kernel of their own, and for ARM with its dot products of int8.
#include "portable.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

namespace {

constexpr int leftPanel = 4;
constexpr int rightPanel = 8;

#if defined(__ARM_FEATURE_DOTPROD)

void packLeft(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales, int32_t*) {
  packInt8<leftPanel>(vectors, first, length, bits, packed, scales, nullptr, 0);
}

void packRight(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales, int32_t*) {
  packInt8<rightPanel>(vectors, first, length, bits, packed, scales, nullptr, 0);
}

void tile(const uint8_t* left, const uint8_t* right, int paddedLength, const float* leftScales,
          const float* rightScales, const int32_t*, float* out, ptrdiff_t outStride, int rows, int columns) {
  const int8_t* a = reinterpret_cast<const int8_t*>(left);
  const int8_t* b = reinterpret_cast<const int8_t*>(right);
  int32x4_t sums[leftPanel][2] = {};
  for (int k = 0; k < paddedLength; k += 4) {
    int8x16_t x = vld1q_s8(a);
    int8x16_t y0 = vld1q_s8(b);
    int8x16_t y1 = vld1q_s8(b + 16);
    sums[0][0] = vdotq_laneq_s32(sums[0][0], y0, x, 0);
    sums[0][1] = vdotq_laneq_s32(sums[0][1], y1, x, 0);
    sums[1][0] = vdotq_laneq_s32(sums[1][0], y0, x, 1);
    sums[1][1] = vdotq_laneq_s32(sums[1][1], y1, x, 1);
    sums[2][0] = vdotq_laneq_s32(sums[2][0], y0, x, 2);
    sums[2][1] = vdotq_laneq_s32(sums[2][1], y1, x, 2);
    sums[3][0] = vdotq_laneq_s32(sums[3][0], y0, x, 3);
    sums[3][1] = vdotq_laneq_s32(sums[3][1], y1, x, 3);
    a += 16;
    b += 32;
  }
  int32_t stored[leftPanel][rightPanel];
  for (int i = 0; i < leftPanel; i++)
    for (int h = 0; h < 2; h++) vst1q_s32(stored[i] + 4 * h, sums[i][h]);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) out[i * outStride + j] = rescaled(stored[i][j], leftScales[i], rightScales[j]);
}

const Kernel portable = {"neon dot product", leftPanel, rightPanel, 1, packLeft, packRight, tile};

#else

void packLeft(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales, int32_t*) {
  packInt16<leftPanel>(vectors, first, length, bits, packed, scales);
}

void packRight(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales, int32_t*) {
  packInt16<rightPanel>(vectors, first, length, bits, packed, scales);
}

void tile(const uint8_t* left, const uint8_t* right, int paddedLength, const float* leftScales,
          const float* rightScales, const int32_t*, float* out, ptrdiff_t outStride, int rows, int columns) {
  const int16_t* a = reinterpret_cast<const int16_t*>(left);
  const int16_t* b = reinterpret_cast<const int16_t*>(right);
  int32_t sums[leftPanel][rightPanel] = {};
  for (int k = 0; k < paddedLength; k += 2) {
    for (int i = 0; i < leftPanel; i++)
      for (int j = 0; j < rightPanel; j++) sums[i][j] += a[2 * i] * b[2 * j] + a[2 * i + 1] * b[2 * j + 1];
    a += 2 * leftPanel;
    b += 2 * rightPanel;
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) out[i * outStride + j] = rescaled(sums[i][j], leftScales[i], rightScales[j]);
}

const Kernel portable = {"portable", leftPanel, rightPanel, 2, packLeft, packRight, tile};

#endif

}  // namespace

const Kernel* portableKernel() { return &portable; }
