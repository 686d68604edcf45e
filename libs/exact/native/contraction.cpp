#include "contraction.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "kernel.h"
#include "threads.h"

namespace {

constexpr int block = 1024;
constexpr int tileSide = 64;
constexpr int branches = 64;

int ceilDivide(int a, int b) { return a / b + (a % b != 0); }
int roundUp(int a, int b) { return ceilDivide(a, b) * b; }

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// Working memory on cache lines, without initial values.
template <typename T>
class Room {
 public:
  explicit Room(size_t count) : data_(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) / 64 + 2) * 64))) {
    if (!data_) throw std::bad_alloc();
  }
  T* at(size_t index) const { return data_.get() + index; }

 private:
  std::unique_ptr<T, Free> data_;
};

// A packed operand: panels by block. The last block's panels are shorter, at the same places.
class Packed {
 public:
  Packed(const Kernel& kernel, bool isLeft, int count, int length)
      : kernel_(kernel),
        isLeft_(isLeft),
        panel_(isLeft ? kernel.leftPanel : kernel.rightPanel),
        panels_(ceilDivide(count, panel_)),
        blocks_(std::max(1, ceilDivide(length, block))),
        panelBytes_(static_cast<size_t>(panel_) * kernel.elementBytes * (blocks_ > 1 ? block : roundUp(length, 4))),
        bytes_(panelBytes_ * panels_ * blocks_),
        scales_(static_cast<size_t>(panel_) * panels_ * blocks_),
        corrections_(static_cast<size_t>(panel_) * panels_ * blocks_) {}

  int units() const { return panels_ * blocks_; }

  // Packs one panel of one block.
  void pack(const Vectors& vectors, int unit, int length, int bits) {
    int index = unit / panels_;
    Vectors part = vectors;
    part.source += static_cast<ptrdiff_t>(index) * block * vectors.elementStride;
    (isLeft_ ? kernel_.packLeft : kernel_.packRight)(part, unit % panels_ * panel_, std::min(block, length - index * block),
                                                     bits, bytes_.at(unit * panelBytes_), scales_.at(unit * panel_),
                                                     corrections_.at(unit * panel_));
  }

  size_t unitOf(int index, int vector) const { return static_cast<size_t>(index) * panels_ + vector / panel_; }
  const uint8_t* panelAt(size_t unit) const { return bytes_.at(unit * panelBytes_); }
  const float* scalesAt(size_t unit) const { return scales_.at(unit * panel_); }
  const int32_t* correctionsAt(size_t unit) const { return corrections_.at(unit * panel_); }

 private:
  const Kernel& kernel_;
  bool isLeft_;
  int panel_;
  int panels_;
  int blocks_;
  size_t panelBytes_;
  Room<uint8_t> bytes_;
  Room<float> scales_;
  Room<int32_t> corrections_;
};

// One tile of a contraction, through all its blocks.
struct Tile {
  const Kernel& kernel;
  const Packed& left;
  const Packed& right;
  int length;
  int row, column, rows, columns;

  // S over blocks first to first + count - 1.
  void sum(int first, int count, float* out, ptrdiff_t stride) const {
    if (count == 1) return multiply(first, out, stride);
    int span = 1;
    while (span * branches < count) span *= branches;
    sumOfEvery(1, 0, ceilDivide(count, span), span, first, count, out, stride);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++) out[i * stride + j] = toValue(out[i * stride + j]);
  }

  // The leaves start, start + step, .. of a block of S, halves first; a leaf is a run of `span` blocks.
  void sumOfEvery(int step, int start, int leaves, int span, int first, int count, float* out, ptrdiff_t stride) const {
    if (start + step >= leaves) return sum(first + start * span, std::min(span, count - start * span), out, stride);
    float other[tileSide * tileSide];
    sumOfEvery(step * 2, start, leaves, span, first, count, out, stride);
    sumOfEvery(step * 2, start + step, leaves, span, first, count, other, tileSide);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++) out[i * stride + j] += other[i * tileSide + j];
  }

  void multiply(int index, float* out, ptrdiff_t stride) const {
    int padded = roundUp(std::min(block, length - index * block), 4);
    for (int j = 0; j < columns; j += kernel.rightPanel) {
      size_t y = right.unitOf(index, column + j);
      for (int i = 0; i < rows; i += kernel.leftPanel) {
        size_t x = left.unitOf(index, row + i);
        kernel.tile(left.panelAt(x), right.panelAt(y), padded, left.scalesAt(x), right.scalesAt(y),
                    right.correctionsAt(y), out + i * stride + j, stride, std::min(kernel.leftPanel, rows - i),
                    std::min(kernel.rightPanel, columns - j));
      }
    }
  }
};

void multiplyTile(const Kernel& kernel, const Packed& left, const Packed& right, float* out, int tile, int m, int k,
                  int n) {
  int across = ceilDivide(n, tileSide);
  int row = tile / across * tileSide;
  int column = tile % across * tileSide;
  float* corner = out + static_cast<ptrdiff_t>(row) * n + column;
  Tile part{kernel, left, right, k, row, column, std::min(tileSide, m - row), std::min(tileSide, n - column)};
  if (k == 0)
    for (int i = 0; i < part.rows; i++) std::fill_n(corner + static_cast<ptrdiff_t>(i) * n, part.columns, 0.0f);
  else
    part.sum(0, ceilDivide(k, block), corner, n);
}

int tilesOf(int m, int n) { return ceilDivide(m, tileSide) * ceilDivide(n, tileSide); }

Vectors vectorsOf(const Operand& operand, int item, int count) {
  return {operand.address + item * operand.itemStride, operand.vectorStride, operand.elementStride, count};
}

// Position in the input of what lies `spread` steps into the dilated input, or -1.
int sourceIndex(int spread, int inputDilation, int size) {
  if (inputDilation == 1) return spread < size ? std::max(spread, -1) : -1;
  if (spread < 0 || spread % inputDilation != 0) return -1;
  int index = spread / inputDilation;
  return index < size ? index : -1;
}

// For a few floats a loop is faster than a call.
void copyFloats(float* to, const float* from, int count) {
  int i = 0;
  for (; i + 4 <= count; i += 4) memcpy(to + i, from + i, 16);
  for (; i < count; i++) to[i] = from[i];
}

// `count` pixels of a line from `at` on, with zeros outside of it.
void copyPixels(float* to, const float* line, int at, int count, int width, int channels) {
  if (at >= 0 && at <= width - count) return copyFloats(to, line + at * channels, count * channels);
  const int before = std::min(std::max(-at, 0), count);
  const int end = std::max(std::min(width - at, count), before);
  std::fill(to, to + before * channels, 0.0f);
  copyFloats(to + before * channels, line + (at + before) * channels, (end - before) * channels);
  std::fill(to + end * channels, to + count * channels, 0.0f);
}

// The line of the input that a row of the filter sees from a row of the output, or null outside.
const float* lineOf(const float* x, const Geometry& g, int item, int outY, int kh) {
  const int spread = outY * g.strideHeight + kh * g.dilationHeight - g.padTop;
  const int y = sourceIndex(spread, g.inputDilationHeight, g.inHeight);
  return y < 0 ? nullptr : x + (static_cast<ptrdiff_t>(item) * g.inHeight + y) * g.inWidth * g.inChannels;
}

// Patches from `first` on, one after another.
void writePatches(float* to, const float* x, const Geometry& g, int first, int count) {
  const int rowFloats = g.filterWidth * g.inChannels;
  const bool areNeighbours = g.dilationWidth == 1 && g.inputDilationWidth == 1;
  for (int p = first; p < first + count; p++) {
    const int left = p % g.outWidth * g.strideWidth - g.padLeft;
    const int outY = p / g.outWidth % g.outHeight;
    const int item = p / g.outWidth / g.outHeight;
    for (int kh = 0; kh < g.filterHeight; kh++, to += rowFloats) {
      const float* line = lineOf(x, g, item, outY, kh);
      if (!line) std::fill_n(to, rowFloats, 0.0f);
      else if (areNeighbours) copyPixels(to, line, left, g.filterWidth, g.inWidth, g.inChannels);
      else
        for (int kw = 0; kw < g.filterWidth; kw++) {
          const int at = sourceIndex(left + kw * g.dilationWidth, g.inputDilationWidth, g.inWidth);
          if (at < 0) std::fill_n(to + kw * g.inChannels, g.inChannels, 0.0f);
          else copyFloats(to + kw * g.inChannels, line + at * g.inChannels, g.inChannels);
        }
    }
  }
}

// The same side by side, for one channel: an element of neighbouring patches is neighbouring pixels.
void writePatchesAcross(float* to, const float* x, const Geometry& g, int first, int count) {
  const bool areNeighbours = g.strideWidth == 1 && g.inputDilationWidth == 1;
  for (int kh = 0; kh < g.filterHeight; kh++)
    for (int kw = 0; kw < g.filterWidth; kw++)
      for (int p = first, run; p < first + count; p += run, to += run) {
        const int outX = p % g.outWidth;
        const int row = p / g.outWidth;
        run = std::min(g.outWidth - outX, first + count - p);
        const float* line = lineOf(x, g, row / g.outHeight, row % g.outHeight, kh);
        const int left = outX * g.strideWidth + kw * g.dilationWidth - g.padLeft;
        if (!line) std::fill_n(to, run, 0.0f);
        else if (areNeighbours) copyPixels(to, line, left, run, g.inWidth, 1);
        else
          for (int i = 0; i < run; i++) {
            const int at = sourceIndex(left + i * g.strideWidth, g.inputDilationWidth, g.inWidth);
            to[i] = at < 0 ? 0.0f : line[at];
          }
      }
}

// `count` patches of `length` elements as vectors, and their elements as vectors.
struct Patches {
  Room<float> floats;
  Vectors vectors;
  Vectors elements;

  Patches(const float* x, const Geometry& g, int first, int count, int length)
      : floats(static_cast<size_t>(count) * length) {
    const bool areAcross = g.inChannels == 1;
    (areAcross ? writePatchesAcross : writePatches)(floats.at(0), x, g, first, count);
    const ptrdiff_t apart = areAcross ? count : length;
    vectors = areAcross ? Vectors{floats.at(0), 1, apart, count} : Vectors{floats.at(0), apart, 1, count};
    elements = {floats.at(0), vectors.elementStride, vectors.vectorStride, length};
  }
};

// Products for which it does not pay to wake a thread.
constexpr double smallWork = 4e6;

}  // namespace

void contractItems(const Kernel& kernel, float* out, const Operand& a, const Operand& b, int batch, int m, int k, int n,
                   Ranges ranges) {
  const double work = static_cast<double>(m) * k * n;
  const bool sharesItems = work < smallWork && work * batch >= smallWork;
  auto contract = [&](int item, bool sharesTiles) {
    Packed left(kernel, true, m, k);
    Packed right(kernel, false, n, k);
    Vectors rows = vectorsOf(a, item, m);
    Vectors columns = vectorsOf(b, item, n);
    float* to = out + static_cast<ptrdiff_t>(item) * m * n;
    parallelFor(left.units() + right.units(), sharesTiles, [&](int unit) {
      if (k == 0) return;
      if (unit < left.units()) left.pack(rows, unit, k, ranges.leftBits);
      else right.pack(columns, unit - left.units(), k, ranges.rightBits);
    });
    parallelFor(tilesOf(m, n), sharesTiles, [&](int tile) { multiplyTile(kernel, left, right, to, tile, m, k, n); });
  };
  if (sharesItems) parallelFor(batch, true, [&](int item) { contract(item, false); });
  else
    for (int item = 0; item < batch; item++) contract(item, work >= smallWork);
}

void convolve(const Kernel& kernel, float* out, const float* x, const float* filter, const Geometry& g, Ranges ranges) {
  const int k = g.filterHeight * g.filterWidth * g.inChannels;
  const int n = g.outChannels;
  const int total = g.batch * g.outHeight * g.outWidth;
  const int rows = std::max(16, 65536 / std::max(1, k) / 16 * 16);
  Packed right(kernel, false, n, k);
  Vectors columns{filter, 1, n, n};
  for (int unit = 0; unit < right.units() && k > 0; unit++) right.pack(columns, unit, k, ranges.rightBits);
  parallelFor(ceilDivide(total, rows), static_cast<double>(total) * k * n >= smallWork, [&](int run) {
    const int first = run * rows;
    const int m = std::min(rows, total - first);
    Patches patches(x, g, first, m, k);
    Packed left(kernel, true, m, k);
    for (int unit = 0; unit < left.units() && k > 0; unit++) left.pack(patches.vectors, unit, k, ranges.leftBits);
    for (int tile = 0; tile < tilesOf(m, n); tile++)
      multiplyTile(kernel, left, right, out + static_cast<ptrdiff_t>(first) * n, tile, m, k, n);
  });
}

namespace {

// S over the rows first, first + step, .. below count of a matrix, in place in the first of them, halves first.
void sumRows(float* rows, int first, int step, int count, size_t width) {
  if (first + step >= count) return;
  sumRows(rows, first, step * 2, count, width);
  sumRows(rows, first + step, step * 2, count, width);
  for (size_t i = 0; i < width; i++) rows[first * width + i] += rows[(first + step) * width + i];
}

}  // namespace

void convolveFilterGradient(const Kernel& kernel, float* out, const float* x, const float* dy, const Geometry& g,
                            Ranges ranges) {
  const int m = g.filterHeight * g.filterWidth * g.inChannels;
  const int n = g.outChannels;
  const int total = g.batch * g.outHeight * g.outWidth;
  const int blocks = ceilDivide(total, block);
  const size_t width = static_cast<size_t>(m) * n;
  if (blocks == 0) {
    std::fill_n(out, width, 0.0f);
    return;
  }
  Room<float> results(blocks > 1 ? width * blocks : 0);
  parallelFor(blocks, static_cast<double>(total) * m * n >= smallWork, [&](int index) {
    const int first = index * block;
    const int k = std::min(block, total - first);
    Patches patches(x, g, first, k, m);
    Packed left(kernel, true, m, k);
    Packed right(kernel, false, n, k);
    Vectors columns{dy + static_cast<ptrdiff_t>(first) * n, 1, n, n};
    for (int unit = 0; unit < left.units(); unit++) left.pack(patches.elements, unit, k, ranges.leftBits);
    for (int unit = 0; unit < right.units(); unit++) right.pack(columns, unit, k, ranges.rightBits);
    float* to = blocks > 1 ? results.at(width * index) : out;
    for (int tile = 0; tile < tilesOf(m, n); tile++) multiplyTile(kernel, left, right, to, tile, m, k, n);
  });
  // S: blocks of 64 to one each, until one is left.
  for (int left = blocks; left > 1; left = ceilDivide(left, branches))
    for (int first = 0; first < left; first += branches) {
      float* rows = results.at(width * first);
      sumRows(rows, 0, 1, std::min(branches, left - first), width);
      float* to = left <= branches ? out : results.at(width * (first / branches));
      for (size_t i = 0; i < width; i++) to[i] = toValue(rows[i]);
    }
}
