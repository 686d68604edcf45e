// Node-API: three functions over the memory in which the arrays lie. JavaScript checks the shapes; here only the extent
// of the memory is known.
#include <node_api.h>

#include <cstring>
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

  float* floats(int index) {
    uint32_t address = static_cast<uint32_t>(values[index]);
    if (address % 4 != 0 || address >= memoryBytes) isBad = true;
    return reinterpret_cast<float*>(memory + (isBad ? 0 : address));
  }
};

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
  if (call.isBad) return fail(env, "EXACT_ARGUMENT", "An address lies outside of the memory.");
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
  float* out = call.floats(0);
  Operand a{call.floats(1), v[2], v[3], v[4]};
  Operand b{call.floats(5), v[6], v[7], v[8]};
  return guarded(env, call, [&] { contractItems(*kernel, out, a, b, v[9], v[10], v[11], v[12], {v[13], v[14]}); });
}

// 0..16 geometry, 17 out, 18 x, 19 filter or dy, 20 and 21 bits.
template <void (*compute)(const Kernel&, float*, const float*, const float*, const Geometry&, Ranges)>
napi_value convolution(napi_env env, napi_callback_info info) {
  Call call;
  if (!readCall(env, info, 22, call)) return fail(env, "EXACT_ARGUMENT", "Expected the memory and 22 integers.");
  const int32_t* v = call.values;
  float* out = call.floats(17);
  const float* x = call.floats(18);
  const float* other = call.floats(19);
  return guarded(env, call, [&] { compute(*kernel, out, x, other, geometryAt(v), {v[20], v[21]}); });
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
  define(env, exports, "conv2d", convolution<convolve>);
  define(env, exports, "conv2dFilterGradient", convolution<convolveFilterGradient>);
  return exports;
}
