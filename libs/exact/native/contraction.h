// §6 and §8 on the kernels of a processor: blocks of 1,024, tiles, the tree over the blocks, patches.
#pragma once
#include <cstddef>
#include <cstdint>

struct Operand {
  const float* address;
  ptrdiff_t vectorStride;  // in elements, as all strides here
  ptrdiff_t elementStride;
  ptrdiff_t itemStride;
};

// In the order of `ConvolutionGeometry` in src/kernels.ts.
struct Geometry {
  int batch, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels;
  int filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth;
  int inputDilationHeight, inputDilationWidth, padTop, padLeft;
};

struct Ranges {
  int leftBits, rightBits;
};

// All throw std::bad_alloc where working memory cannot be had.
void contractItems(const struct Kernel&, float* out, const Operand& a, const Operand& b, int batch, int m, int k, int n,
                   Ranges);
void convolve(const struct Kernel&, float* out, const float* x, const float* filter, const Geometry&, Ranges);
void convolveFilterGradient(const struct Kernel&, float* out, const float* x, const float* dy, const Geometry&, Ranges);
