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

constexpr int leftPanel = 8;
constexpr int rightPanel = 32;

struct Scale {
  __m512 down;  // 2^(bits - e)
  __m512 up;    // 2^(e - bits)
};

EXACT_AVX512 static inline __m512i clamped(__m512 x, __m512 scale, __m512i limit) {
  // The conversion rounds to the nearest integer, ties to even: the mode that C++ starts with and Node.js keeps.
  __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(x, scale));
  return _mm512_max_epi32(_mm512_min_epi32(q, limit), _mm512_sub_epi32(_mm512_setzero_si512(), limit));
}

EXACT_AVX512 static inline Scale scaleOf(__m512 largest, int bits) {
  __m512i exponent = _mm512_max_epi32(_mm512_srli_epi32(_mm512_castps_si512(largest), 23), _mm512_set1_epi32(27));
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(253 + bits), exponent), 23)),
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(bits - 1)), 23)),
  };
}

// A vector whose elements are neighbours. Writes its fours `step` bytes apart and returns the sum of its elements.
EXACT_AVX512 static int32_t packAlong(const float* x, int length, int bits, uint8_t* to, int step, int flip,
                                      float* scale) {
  __m512 largest = _mm512_setzero_ps();
  for (int k = 0; k < length; k += 16) {
    __mmask16 inside = length - k >= 16 ? 0xffff : static_cast<__mmask16>((1 << (length - k)) - 1);
    largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(inside, x + k)));
  }
  Scale s = scaleOf(_mm512_set1_ps(_mm512_reduce_max_ps(largest)), bits);
  *scale = _mm512_cvtss_f32(s.up);
  __m512i limit = _mm512_set1_epi32((1 << bits) - 1);
  __m512i sums = _mm512_setzero_si512();
  __m128i flips = _mm_set1_epi8(static_cast<char>(flip));
  int padded = (length + 3) & ~3;
  for (int k = 0; k < length; k += 16) {
    __mmask16 inside = length - k >= 16 ? 0xffff : static_cast<__mmask16>((1 << (length - k)) - 1);
    __m512i q = clamped(_mm512_maskz_loadu_ps(inside, x + k), s.down, limit);
    sums = _mm512_add_epi32(sums, q);
    alignas(16) int32_t fours[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(fours), _mm_xor_si128(_mm512_cvtepi32_epi8(q), flips));
    for (int f = 0; f < 4 && k + 4 * f < padded; f++) {
      memcpy(to, fours + f, 4);
      to += step;
    }
  }
  return _mm512_reduce_add_epi32(sums);
}

// Up to 16 neighbouring columns: the fours of a step are 16 neighbouring integers, of which `store` takes care.
template <typename Store>
EXACT_AVX512 static inline __attribute__((always_inline)) void packAcross(const float* x, ptrdiff_t stride, int count,
                                                                           int length, int bits, int flip, float* scales,
                                                                           int32_t* sums, Store store) {
  __mmask16 inside = count >= 16 ? 0xffff : static_cast<__mmask16>((1 << count) - 1);
  __m512 largest = _mm512_setzero_ps();
  for (int k = 0; k < length; k++)
    largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(inside, x + k * stride)));
  Scale s = scaleOf(largest, bits);
  _mm512_mask_storeu_ps(scales, inside, s.up);
  __m512i limit = _mm512_set1_epi32((1 << bits) - 1);
  __m512i byte = _mm512_set1_epi32(255);
  __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  __m512i total = _mm512_setzero_si512();
  for (int k = 0; k < length; k += 4) {
    __m512i fours = _mm512_setzero_si512();
    for (int j = 0; j < 4; j++) {
      if (k + j >= length) break;
      __m512i q = clamped(_mm512_maskz_loadu_ps(inside, x + (k + j) * stride), s.down, limit);
      total = _mm512_add_epi32(total, q);
      fours = _mm512_or_si512(fours, _mm512_slli_epi32(_mm512_and_si512(q, byte), 8 * j));
    }
    store(k >> 2, _mm512_xor_si512(fours, flips));
  }
  if (sums) _mm512_mask_storeu_epi32(sums, inside, total);
}

EXACT_AVX512 void packLeft(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales,
                           int32_t*) {
  int count = vectors.count - first < leftPanel ? vectors.count - first : leftPanel;
  const float* x = vectors.source + first * vectors.vectorStride;
  if (vectors.elementStride == 1)
    for (int v = 0; v < count; v++)
      packAlong(x + v * vectors.vectorStride, length, bits, packed + 4 * v, 4 * leftPanel, 0x80, scales + v);
  else
    packAcross(x, vectors.elementStride, count, length, bits, 0x80, scales, nullptr, [=](int step, __m512i fours) EXACT_AVX512 {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + step * 4 * leftPanel), _mm512_castsi512_si256(fours));
    });
}

// A sum of products with a left operand that is 128 too large is too large by 128 times the sum of the right one.
EXACT_AVX512 void packRight(const Vectors& vectors, int first, int length, int bits, uint8_t* packed, float* scales,
                            int32_t* corrections) {
  int count = vectors.count - first < rightPanel ? vectors.count - first : rightPanel;
  const float* x = vectors.source + first * vectors.vectorStride;
  if (vectors.elementStride == 1)
    for (int v = 0; v < count; v++)
      corrections[v] =
          packAlong(x + v * vectors.vectorStride, length, bits, packed + 4 * v, 4 * rightPanel, 0, scales + v);
  else
    for (int v = 0; v < count; v += 16)
      packAcross(x + v, vectors.elementStride, count - v, length, bits, 0, scales + v, corrections + v,
                 [=](int step, __m512i fours) EXACT_AVX512 {
                   _mm512_storeu_si512(packed + step * 4 * rightPanel + 4 * v, fours);
                 });
  for (int v = 0; v < count; v++) corrections[v] *= -128;
}

EXACT_AVX512 static inline __m512 valuesOf(__m512i sums, __m512 leftScale, __m512 rightScales) {
  __m512 x = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), leftScale), rightScales);
  __mmask16 isValue = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(smallestMagnitude), _CMP_GE_OQ);
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(largestValue)), _mm512_set1_ps(-largestValue));
  return _mm512_maskz_mov_ps(isValue, x);
}

EXACT_AVX512 void tile(const uint8_t* a, const uint8_t* b, int paddedLength, const float* leftScales,
                       const float* rightScales, const int32_t* rightCorrections, float* out, ptrdiff_t outStride,
                       int rows, int columns) {
  __m512i sums[leftPanel][2];
  for (int i = 0; i < leftPanel; i++) {
    sums[i][0] = _mm512_loadu_si512(rightCorrections);
    sums[i][1] = _mm512_loadu_si512(rightCorrections + 16);
  }
  for (int k = 0; k < paddedLength; k += 4) {
    __m512i y0 = _mm512_loadu_si512(b);
    __m512i y1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 8
    for (int i = 0; i < leftPanel; i++) {
      int32_t four;
      memcpy(&four, a + 4 * i, 4);
      __m512i x = _mm512_set1_epi32(four);
      sums[i][0] = _mm512_dpbusd_epi32(sums[i][0], x, y0);
      sums[i][1] = _mm512_dpbusd_epi32(sums[i][1], x, y1);
    }
    a += 4 * leftPanel;
    b += 4 * rightPanel;
  }
  __mmask16 lower = columns >= 16 ? 0xffff : static_cast<__mmask16>((1 << columns) - 1);
  __mmask16 upper = columns >= 32 ? 0xffff : columns <= 16 ? 0 : static_cast<__mmask16>((1 << (columns - 16)) - 1);
  __m512 s0 = _mm512_loadu_ps(rightScales);
  __m512 s1 = _mm512_loadu_ps(rightScales + 16);
#pragma GCC unroll 8
  for (int i = 0; i < leftPanel; i++) {
    if (i >= rows) break;
    __m512 scale = _mm512_set1_ps(leftScales[i]);
    _mm512_mask_storeu_ps(out + i * outStride, lower, valuesOf(sums[i][0], scale, s0));
    _mm512_mask_storeu_ps(out + i * outStride + 16, upper, valuesOf(sums[i][1], scale, s1));
  }
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
