// AVX2 with int16 pairs, and AVX-512 VNNI with int8 fours, whose left operand is stored plus 128: the instruction
// multiplies unsigned by signed. The processor is asked at run time which of them it knows.
#include <cstring>

#include "kernel.h"
#include "portable.h"

const Kernel* portableKernel();

#if defined(__x86_64__)
#include <immintrin.h>

namespace avx2 {

constexpr int leftPanel = 4;
constexpr int rightPanel = 16;

__attribute__((target("avx2"))) void packLeft(const Vectors& vectors, int first, int length, int bits, uint8_t* packed,
                                              float* scales, int32_t*) {
  packInt16<leftPanel>(vectors, first, length, bits, packed, scales);
}

__attribute__((target("avx2"))) void packRight(const Vectors& vectors, int first, int length, int bits, uint8_t* packed,
                                               float* scales, int32_t*) {
  packInt16<rightPanel>(vectors, first, length, bits, packed, scales);
}

__attribute__((target("avx2"))) void tile(const uint8_t* a, const uint8_t* b, int paddedLength, const float* leftScales,
                                          const float* rightScales, const int32_t*, float* out, ptrdiff_t outStride,
                                          int rows, int columns) {
  __m256i sums[leftPanel][2];
  for (int i = 0; i < leftPanel; i++) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
  for (int k = 0; k < paddedLength; k += 2) {
    __m256i y0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
    __m256i y1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 32));
    for (int i = 0; i < leftPanel; i++) {
      int32_t pair;
      memcpy(&pair, a + 4 * i, 4);
      __m256i x = _mm256_set1_epi32(pair);
      sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(x, y0));
      sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(x, y1));
    }
    a += 4 * leftPanel;
    b += 4 * rightPanel;
  }
  alignas(32) int32_t stored[leftPanel][rightPanel];
  for (int i = 0; i < leftPanel; i++)
    for (int h = 0; h < 2; h++) _mm256_store_si256(reinterpret_cast<__m256i*>(stored[i] + 8 * h), sums[i][h]);
  for (int i = 0; i < rows; i++) {
    if (columns == rightPanel)
      for (int j = 0; j < rightPanel; j++)
        out[i * outStride + j] = rescaled(stored[i][j], leftScales[i], rightScales[j]);
    else
      for (int j = 0; j < columns; j++)
        out[i * outStride + j] = rescaled(stored[i][j], leftScales[i], rightScales[j]);
  }
}

const Kernel kernel = {"avx2", leftPanel, rightPanel, 2, packLeft, packRight, tile};

}  // namespace avx2

#define EXACT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2")))

namespace avx512vnni {

constexpr int leftPanel = 16;
constexpr int rightPanel = 32;
// Vectors that are packed at a time: their fours of one step fill a register.
constexpr int group = 16;

EXACT_AVX512 static inline __mmask16 firstLanes(int count) {
  return count >= 16 ? 0xffff : static_cast<__mmask16>((1 << count) - 1);
}

// Lane v of a group is its vector v.
struct Scale {
  __m512 down;  // 2^(bits - e)
  __m512 up;    // 2^(e - bits)
};

EXACT_AVX512 static inline Scale scaleOf(__m512 largest, int bits) {
  __m512i exponent = _mm512_max_epi32(_mm512_srli_epi32(_mm512_castps_si512(largest), 23), _mm512_set1_epi32(27));
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(253 + bits), exponent), 23)),
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(bits - 1)), 23)),
  };
}

// The conversion rounds to the nearest integer, ties to even: the mode that C++ starts with and Node.js keeps.
EXACT_AVX512 static inline __m512i quantised(__m512 x, __m512 down) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(x, down));
}

// Where the steps of a group go, and what is done to each of them.
struct Steps {
  uint8_t* to;
  int stepBytes;
  __m512i limit;
  __m512i flips;
  __m512i sums;  // of each vector's elements

  EXACT_AVX512 inline void store(__m512i fours) {
    fours = _mm512_max_epi8(_mm512_min_epi8(fours, limit), _mm512_sub_epi8(_mm512_setzero_si512(), limit));
    sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), fours);
    _mm512_storeu_si512(to, _mm512_xor_si512(fours, flips));
    to += stepBytes;
  }
};

// From four 32-bit elements of each of 16 vectors to 16 vectors of each of four elements.
EXACT_AVX512 static inline void turn(const __m128i (&rows)[group], __m512i (&columns)[4]) {
  __m512i r[4];
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_inserti32x4(_mm512_castsi128_si512(rows[i]), rows[i + 4], 1);
    r[i] = _mm512_inserti32x4(_mm512_inserti32x4(r[i], rows[i + 8], 2), rows[i + 12], 3);
  }
  __m512i low01 = _mm512_unpacklo_epi32(r[0], r[1]);
  __m512i high01 = _mm512_unpackhi_epi32(r[0], r[1]);
  __m512i low23 = _mm512_unpacklo_epi32(r[2], r[3]);
  __m512i high23 = _mm512_unpackhi_epi32(r[2], r[3]);
  columns[0] = _mm512_unpacklo_epi64(low01, low23);
  columns[1] = _mm512_unpackhi_epi64(low01, low23);
  columns[2] = _mm512_unpacklo_epi64(high01, high23);
  columns[3] = _mm512_unpackhi_epi64(high01, high23);
}

EXACT_AVX512 static inline __m512 largestAlong(const float* const (&x)[group], int length) {
  __m128i folded[group];
  for (int v = 0; v < group; v++) {
    __m512 largest = _mm512_setzero_ps();
    for (int k = 0; k < length; k += 16)
      largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(firstLanes(length - k), x[v] + k)));
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256(largest), _mm512_extractf32x8_ps(largest, 1));
    folded[v] = _mm_castps_si128(_mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }
  __m512i parts[4];
  turn(folded, parts);
  // Magnitudes are ordered as their bits are.
  return _mm512_castsi512_ps(
      _mm512_max_epi32(_mm512_max_epi32(parts[0], parts[1]), _mm512_max_epi32(parts[2], parts[3])));
}

// Vectors whose elements are neighbours.
EXACT_AVX512 static inline Scale packAlong(const float* const (&x)[group], int length, int bits, Steps& steps) {
  Scale scale = scaleOf(largestAlong(x, length), bits);
  float down[group];
  _mm512_storeu_ps(down, scale.down);
  for (int k = 0; k < length; k += 16) {
    __m128i quarters[group];
    for (int v = 0; v < group; v++)
      quarters[v] = _mm512_cvtsepi32_epi8(
          quantised(_mm512_maskz_loadu_ps(firstLanes(length - k), x[v] + k), _mm512_set1_ps(down[v])));
    __m512i fours[4];
    turn(quarters, fours);
    for (int f = 0; f < 4 && k + 4 * f < length; f++) steps.store(fours[f]);
  }
  return scale;
}

// Vectors that lie side by side, `stride` elements from one of their elements to the next.
EXACT_AVX512 static inline Scale packAcross(const float* x, ptrdiff_t stride, int count, int length, int bits,
                                            Steps& steps) {
  const __mmask16 inside = firstLanes(count);
  __m512 largest[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  int k = 0;
  for (; k + 4 <= length; k += 4)
    for (int j = 0; j < 4; j++)
      largest[j] = _mm512_max_ps(largest[j], _mm512_abs_ps(_mm512_maskz_loadu_ps(inside, x + (k + j) * stride)));
  for (; k < length; k++)
    largest[0] = _mm512_max_ps(largest[0], _mm512_abs_ps(_mm512_maskz_loadu_ps(inside, x + k * stride)));
  Scale scale = scaleOf(_mm512_max_ps(_mm512_max_ps(largest[0], largest[1]), _mm512_max_ps(largest[2], largest[3])), bits);
  // Within each quarter of a register: from four elements of each row to four rows of each element.
  const __m512i turned = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (k = 0; k < length; k += 4) {
    __m512i q[4];
    for (int j = 0; j < 4; j++)
      q[j] = k + j < length ? quantised(_mm512_maskz_loadu_ps(inside, x + (k + j) * stride), scale.down)
                            : _mm512_setzero_si512();
    __m512i rows = _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
    steps.store(_mm512_shuffle_epi8(rows, turned));
  }
  return scale;
}

// Packs a group of vectors from `first` on; beyond the last one it packs anything. Returns the sums of their elements.
EXACT_AVX512 static __m512i packGroup(const Vectors& vectors, int first, int length, int bits, int flip, uint8_t* to,
                                      int stepBytes, float* scales) {
  Steps steps{to, stepBytes, _mm512_set1_epi8(static_cast<char>((1 << bits) - 1)),
              _mm512_set1_epi8(static_cast<char>(flip)), _mm512_setzero_si512()};
  Scale scale;
  if (vectors.elementStride == 1) {
    const float* x[group];
    for (int v = 0; v < group; v++)
      x[v] = vectors.source + (first + v < vectors.count ? first + v : vectors.count - 1) * vectors.vectorStride;
    scale = packAlong(x, length, bits, steps);
  } else
    scale = packAcross(vectors.source + first * vectors.vectorStride, vectors.elementStride, vectors.count - first, length,
                       bits, steps);
  _mm512_storeu_ps(scales, scale.up);
  return steps.sums;
}

EXACT_AVX512 void packLeft(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales,
                           int32_t*) {
  packGroup(vectors, first, length, bits, 0x80, packed, 4 * leftPanel, scales);
}

// A sum of products with a left operand that is 128 too large is too large by 128 times the sum of the right one.
EXACT_AVX512 void packRight(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales,
                            int32_t* corrections) {
  for (int v = 0; v < rightPanel && first + v < vectors.count; v += group) {
    __m512i sums = packGroup(vectors, first + v, length, bits, 0, packed + 4 * v, 4 * rightPanel, scales + v);
    _mm512_storeu_si512(corrections + v, _mm512_mullo_epi32(sums, _mm512_set1_epi32(-128)));
  }
}

EXACT_AVX512 static inline __m512 valuesOf(__m512i sums, __m512 leftScale, __m512 rightScales) {
  __m512 x = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), leftScale), rightScales);
  __mmask16 isValue = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(smallestMagnitude), _CMP_GE_OQ);
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(largestValue)), _mm512_set1_ps(-largestValue));
  return _mm512_maskz_mov_ps(isValue, x);
}

// `height` rows by `width` registers of columns: as many sums as hide the latency of the products.
template <int height, int width>
EXACT_AVX512 static inline void multiply(const uint8_t* a, const uint8_t* b, int paddedLength, const float* leftScales,
                                         const float* rightScales, const int32_t* rightCorrections, float* out,
                                         ptrdiff_t outStride, int rows, int columns) {
  __m512i sums[height][width];
  for (int i = 0; i < height; i++)
    for (int j = 0; j < width; j++) sums[i][j] = _mm512_loadu_si512(rightCorrections + 16 * j);
  for (int k = 0; k < paddedLength; k += 4) {
    __m512i y[width];
    for (int j = 0; j < width; j++) y[j] = _mm512_loadu_si512(b + 64 * j);
#pragma GCC unroll 16
    for (int i = 0; i < height; i++) {
      int32_t four;
      memcpy(&four, a + 4 * i, 4);
      __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 2
      for (int j = 0; j < width; j++) sums[i][j] = _mm512_dpbusd_epi32(sums[i][j], x, y[j]);
    }
    a += 4 * leftPanel;
    b += 4 * rightPanel;
  }
#pragma GCC unroll 16
  for (int i = 0; i < height; i++) {
    if (i >= rows) break;
    __m512 scale = _mm512_set1_ps(leftScales[i]);
#pragma GCC unroll 2
    for (int j = 0; j < width; j++)
      _mm512_mask_storeu_ps(out + i * outStride + 16 * j, firstLanes(columns - 16 * j),
                            valuesOf(sums[i][j], scale, _mm512_loadu_ps(rightScales + 16 * j)));
  }
}

EXACT_AVX512 void tile(const uint8_t* a, const uint8_t* b, int paddedLength, const float* leftScales,
                       const float* rightScales, const int32_t* rightCorrections, float* out, ptrdiff_t outStride,
                       int rows, int columns) {
  if (columns <= 16)
    return multiply<16, 1>(a, b, paddedLength, leftScales, rightScales, rightCorrections, out, outStride, rows, columns);
  for (int i = 0; i < rows; i += 8)
    multiply<8, 2>(a + 4 * i, b, paddedLength, leftScales + i, rightScales, rightCorrections, out + i * outStride,
                   outStride, rows - i, columns);
}

const Kernel kernel = {"avx512 vnni", leftPanel, rightPanel, 1, packLeft, packRight, tile};

}  // namespace avx512vnni

const Kernel* chooseKernel(const char* name) {
  __builtin_cpu_init();
  const bool hasAvx2 = __builtin_cpu_supports("avx2");
  const bool hasVnni = hasAvx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vnni");
  if (hasVnni && (!*name || !strcmp(name, avx512vnni::kernel.name))) return &avx512vnni::kernel;
  if (hasAvx2 && (!*name || !strcmp(name, avx2::kernel.name))) return &avx2::kernel;
  if (!*name || !strcmp(name, portableKernel()->name)) return portableKernel();
  return nullptr;
}

#else

const Kernel* chooseKernel(const char* name) {
  return !*name || !strcmp(name, portableKernel()->name) ? portableKernel() : nullptr;
}

#endif
