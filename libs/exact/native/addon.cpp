// Node-API: three functions over the memory in which the arrays lie. JavaScript checks the shapes; here every operand's
// extent is checked again, so that no call leaves the memory.
#include <node_api.h>

#include <cstring>
#include <initializer_list>
#include <limits>
#include <new>
#include <string>

#include "contraction.h"
#include "kernel.h"
#include "threads.h"

namespace {

const Kernel* kernel = nullptr;

napi_value fail(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

// Arguments of a call: the memory, and integers (addresses in bytes, sizes, strides in elements).
struct Call {
  uint8_t* memory = nullptr;
  size_t memoryBytes = 0;
  const int32_t* values = nullptr;
  size_t count = 0;
  bool isBad = false;

  // Where `count` floats begin; counts below 0 are bad.
  float* floats(int index, int64_t count) {
    const uint32_t address = static_cast<uint32_t>(values[index]);
    if (count < 0 || address % 4 != 0 || address > memoryBytes ||
        static_cast<uint64_t>(count) > (memoryBytes - address) / 4)
      isBad = true;
    return reinterpret_cast<float*>(memory + (isBad ? 0 : address));
  }
};

// A product of sizes, or -1 if one of them is below 0 or int32 cannot hold a product on the way.
int64_t product(std::initializer_list<int32_t> sizes) {
  int64_t result = 1;
  for (const int32_t size : sizes) {
    if (size < 0) return -1;
    result *= size;
    if (result > std::numeric_limits<int32_t>::max()) return -1;
  }
  return result;
}

// Floats from the first to the last that an operand's vectors reach, or -1.
int64_t reachOf(const int32_t* strides, int32_t count, int32_t length, int32_t items) {
  if (count < 0 || length < 0 || items < 0) return -1;
  if (count == 0 || length == 0 || items == 0) return 0;
  for (int i = 0; i < 3; i++)
    if (strides[i] < 0) return -1;
  // Three products of int32: below 2^64.
  const uint64_t last = static_cast<uint64_t>(count - 1) * strides[0] + static_cast<uint64_t>(length - 1) * strides[1] +
                        static_cast<uint64_t>(items - 1) * strides[2];
  return last > std::numeric_limits<uint32_t>::max() ? -1 : static_cast<int64_t>(last) + 1;
}

// Whether int32 holds every position that the windows of one side look at (§8 states tighter limits).
bool fits(int32_t inSize, int32_t outSize, int32_t filterSize, int32_t stride, int32_t dilation, int32_t inputDilation,
          int32_t pad) {
  if (inSize < 0 || outSize < 0 || filterSize < 1 || stride < 1 || dilation < 1 || inputDilation < 1) return false;
  const int64_t reach = static_cast<int64_t>(outSize) * stride + static_cast<int64_t>(filterSize - 1) * dilation;
  return inSize + reach + (pad < 0 ? -static_cast<int64_t>(pad) : pad) < std::numeric_limits<int32_t>::max();
}

bool readCall(napi_env env, napi_callback_info info, size_t wanted, Call& call) {
  napi_value arguments[2];
  size_t given = 2;
  napi_typedarray_type type;
  if (napi_get_cb_info(env, info, &given, arguments, nullptr, nullptr) != napi_ok || given != 2) return false;
  void* data;
  if (napi_get_typedarray_info(env, arguments[0], &type, &call.memoryBytes, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array)
    return false;
  call.memory = static_cast<uint8_t*>(data);
  if (napi_get_typedarray_info(env, arguments[1], &type, &call.count, &data, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array || call.count < wanted)
    return false;
  call.values = static_cast<const int32_t*>(data);
  return true;
}

template <typename Work>
napi_value guarded(napi_env env, Call& call, Work work) {
  if (call.isBad) return fail(env, "EXACT_ARGUMENT", "An operand leaves the memory, or a size or position is none that int32 holds.");
  try {
    work();
  } catch (const std::bad_alloc&) {
    return fail(env, "EXACT_MEMORY", "Working memory could not be allocated.");
  } catch (const std::exception& error) {
    return fail(env, "EXACT_FAILURE", error.what());
  }
  return nullptr;
}

Geometry geometryAt(const int32_t* v) {
  return {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16]};
}

// 0 out, 1..4 a: address, vector, element and item stride; 5..8 b; 9 batch, 10 m, 11 k, 12 n, 13 and 14 bits.
napi_value contract(napi_env env, napi_callback_info info) {
  Call call;
  if (!readCall(env, info, 15, call)) return fail(env, "EXACT_ARGUMENT", "Expected the memory and 15 integers.");
  const int32_t* v = call.values;
  const int32_t batch = v[9], m = v[10], k = v[11], n = v[12];
  float* out = call.floats(0, product({batch, m, n}));
  Operand a{call.floats(1, reachOf(v + 2, m, k, batch)), v[2], v[3], v[4]};
  Operand b{call.floats(5, reachOf(v + 6, n, k, batch)), v[6], v[7], v[8]};
  return guarded(env, call, [&] { contractItems(*kernel, out, a, b, batch, m, k, n, {v[13], v[14]}); });
}

// 0..16 geometry, 17 out, 18 x, 19 filter or dy, 20 and 21 bits.
template <void (*compute)(const Kernel&, float*, const float*, const float*, const Geometry&, Ranges), bool isGradient>
napi_value convolution(napi_env env, napi_callback_info info) {
  Call call;
  if (!readCall(env, info, 22, call)) return fail(env, "EXACT_ARGUMENT", "Expected the memory and 22 integers.");
  const int32_t* v = call.values;
  const Geometry g = geometryAt(v);
  const int64_t outputs = product({g.batch, g.outHeight, g.outWidth, g.outChannels});
  const int64_t weights = product({g.filterHeight, g.filterWidth, g.inChannels, g.outChannels});
  float* out = call.floats(17, isGradient ? weights : outputs);
  const float* x = call.floats(18, product({g.batch, g.inHeight, g.inWidth, g.inChannels}));
  const float* other = call.floats(19, isGradient ? outputs : weights);
  // Without channels there are no elements, yet patches and their places would be counted.
  if (product({g.batch, g.outHeight, g.outWidth}) < 0 || product({g.filterHeight, g.filterWidth, g.inChannels}) < 0 ||
      !fits(g.inHeight, g.outHeight, g.filterHeight, g.strideHeight, g.dilationHeight, g.inputDilationHeight, g.padTop) ||
      !fits(g.inWidth, g.outWidth, g.filterWidth, g.strideWidth, g.dilationWidth, g.inputDilationWidth, g.padLeft))
    call.isBad = true;
  return guarded(env, call, [&] { compute(*kernel, out, x, other, g, {v[20], v[21]}); });
}

// (kernel's name or '', threads) => the kernel's name. Of the process, not of the caller.
napi_value configure(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t given = 2;
  char name[32] = "";
  int32_t threads = 1;
  if (napi_get_cb_info(env, info, &given, arguments, nullptr, nullptr) != napi_ok || given != 2 ||
      napi_get_value_string_utf8(env, arguments[0], name, sizeof name, nullptr) != napi_ok ||
      napi_get_value_int32(env, arguments[1], &threads) != napi_ok)
    return fail(env, "EXACT_ARGUMENT", "Expected a name and a number of threads.");
  const Kernel* chosen = chooseKernel(name);
  if (!chosen) return fail(env, "EXACT_ARGUMENT", "This processor does not run that kernel.");
  kernel = chosen;
  setThreads(threads);
  napi_value result;
  napi_create_string_utf8(env, kernel->name, NAPI_AUTO_LENGTH, &result);
  return result;
}

void define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  kernel = chooseKernel("");
  define(env, exports, "configure", configure);
  define(env, exports, "contract", contract);
  define(env, exports, "conv2d", convolution<convolve, false>);
  define(env, exports, "conv2dFilterGradient", convolution<convolveFilterGradient, true>);
  return exports;
}
