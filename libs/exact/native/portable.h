// Packing and tiles in plain C++. Each instruction set compiles them for itself: the compiler makes vectors of the loops.
#pragma once
#include <cstring>

#include "kernel.h"

#define EXACT_INLINE static inline __attribute__((always_inline))

EXACT_INLINE int32_t bitsOf(float x) {
  int32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

EXACT_INLINE float floatOf(int32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// The exponent's bits of a block whose largest magnitude is given: e + 126, and e = -99 where all is zero (§6.1).
EXACT_INLINE int32_t exponentBits(float largest) {
  int32_t bits = bitsOf(largest) >> 23;
  return bits < 27 ? 27 : bits;
}

// Quantised elements of one vector, padded with zeros to a multiple of 4 (§6.2). Returns 2^(e - bits).
EXACT_INLINE float quantiseVector(const float* x, ptrdiff_t stride, int length, int bits, int32_t* q) {
  float largest = 0;
  for (int i = 0; i < length; i++) {
    float size = x[i * stride] < 0 ? -x[i * stride] : x[i * stride];
    largest = size > largest ? size : largest;
  }
  int32_t exponent = exponentBits(largest);
  float scale = floatOf((253 + bits - exponent) << 23);
  // Adding it rounds a float below 2^22 to an integer, ties to even, in the sum's lower bits.
  const float rounder = 0x1.8p23f;
  int32_t limit = (1 << bits) - 1;
  for (int i = 0; i < length; i++) {
    int32_t rounded = bitsOf(x[i * stride] * scale + rounder) - bitsOf(rounder);
    q[i] = rounded > limit ? limit : rounded < -limit ? -limit : rounded;
  }
  for (int i = length; i < ((length + 3) & ~3); i++) q[i] = 0;
  return floatOf((exponent - (bits - 1)) << 23);
}

// Panels of int16 pairs: step s holds elements 2s and 2s + 1 of each vector.
template <int panel>
EXACT_INLINE void packInt16(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales) {
  int32_t q[1024];
  int count = vectors.count - first < panel ? vectors.count - first : panel;
  for (int v = 0; v < count; v++) {
    scales[v] = quantiseVector(vectors.source + (first + v) * vectors.vectorStride, vectors.elementStride, length, bits, q);
    int16_t* to = reinterpret_cast<int16_t*>(packed) + v * 2;
    for (int i = 0; i < length; i += 2) {
      to[i * panel] = static_cast<int16_t>(q[i]);
      to[i * panel + 1] = static_cast<int16_t>(q[i + 1]);
    }
    if (length % 4 == 1 || length % 4 == 2) {
      int last = ((length + 3) & ~3) - 2;
      to[last * panel] = 0;
      to[last * panel + 1] = 0;
    }
  }
}

// Panels of int8 fours: step s holds elements 4s to 4s + 3 of each vector. `flip` 0x80 adds 128.
template <int panel>
EXACT_INLINE void packInt8(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales,
                           int32_t* sums, uint8_t flip) {
  int32_t q[1024];
  int count = vectors.count - first < panel ? vectors.count - first : panel;
  for (int v = 0; v < count; v++) {
    scales[v] = quantiseVector(vectors.source + (first + v) * vectors.vectorStride, vectors.elementStride, length, bits, q);
    int32_t sum = 0;
    for (int i = 0; i < ((length + 3) & ~3); i += 4)
      for (int j = 0; j < 4; j++) {
        packed[i * panel + v * 4 + j] = static_cast<uint8_t>(q[i + j]) ^ flip;
        sum += q[i + j];
      }
    if (sums) sums[v] = sum;
  }
}

// §6.4
EXACT_INLINE float rescaled(int32_t sum, float leftScale, float rightScale) {
  float scaled = static_cast<float>(sum) * leftScale;
  return toValue(scaled * rightScale);
}
