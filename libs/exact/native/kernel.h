// What differs between processors: how quantised vectors are packed and how a small tile of the result is computed.
#pragma once
#include <cstddef>
#include <cstdint>

// Vectors of an operand: element i of vector v is source[v * vectorStride + i * elementStride].
struct Vectors {
  const float* source;
  ptrdiff_t vectorStride;
  ptrdiff_t elementStride;
  int count;
};

struct Kernel {
  const char* name;
  // Vectors in a panel of the left and of the right operand; at most 64, divisors of 64.
  int leftPanel;
  int rightPanel;
  int elementBytes;
  // Packs one panel: `count` vectors from `first` on (fewer than a panel at the end), `length` elements of each. `scales`
  // receives 2^(e - bits) of each vector, `corrections` what the tile adds to each sum. Lengths are padded to a multiple of 4.
  void (*packLeft)(const Vectors&, int first, int length, int bits, uint8_t* packed, float* scales, int32_t* corrections);
  void (*packRight)(const Vectors&, int first, int length, int bits, uint8_t* packed, float* scales, int32_t* corrections);
  // A panel times a panel, rescaled (§6.3, §6.4); `rows` and `columns` of it are stored.
  void (*tile)(const uint8_t* left, const uint8_t* right, int paddedLength, const float* leftScales,
               const float* rightScales, const int32_t* rightCorrections, float* out, ptrdiff_t outStride, int rows,
               int columns);
};

// The fastest kernel that this processor runs, or the named one; null if it does not run it.
const Kernel* chooseKernel(const char* name);

constexpr float largestValue = 0x1p100f;
constexpr float smallestMagnitude = 0x1p-100f;

// N of a float that is no NaN (§2).
static inline float toValue(float x) {
  float clamped = x > largestValue ? largestValue : x < -largestValue ? -largestValue : x;
  return (x < 0 ? -x : x) >= smallestMagnitude ? clamped : 0.0f;
}
