// CUDA C as ordinary C++: what a kernel file may say, on top of a `Machine`. This is put in front of every emulated
// kernel. A new intrinsic goes into language.hpp when threads or keywords take part in it, into functions.hpp when it
// is plain arithmetic.
#pragma once

#include "functions.hpp"
#include "machine.hpp"

// --- keywords --------------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

// Thread-local storage serves as shared memory: it is one contiguous area of the library, which the emulator finds and
// poisons before each block. (There is one operating-system thread, so all CUDA threads see the same.) Between the
// arrays in it there are no guards: an index outside one is noticed only where the compiler sees the array's size.
#define __shared__ static thread_local

// `extern __shared__ type name[]`, written so that both compilers take it.
#define GO_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(graphopt::emulation::machine->dynamic_shared)

namespace graphopt::emulation {
inline Machine* machine = nullptr;
inline thread_local unsigned char shared_memory_begins;  // so that there always is some
}  // namespace graphopt::emulation

#define threadIdx (graphopt::emulation::machine->thread_index)
#define blockIdx (graphopt::emulation::machine->block_index)
#define blockDim (graphopt::emulation::machine->block_dimensions)
#define gridDim (graphopt::emulation::machine->grid_dimensions)
#define warpSize 32

// --- threads that wait for one another -------------------------------------------------------------------------------
// The last two parameters of each function are filled in by the compiler with the place of the call.

#define GRAPHOPT_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define GRAPHOPT_SITE \
  graphopt::emulation::Site { __func__, file, line }

inline void __syncthreads(GRAPHOPT_PLACE) { graphopt::emulation::machine->barrier(false, GRAPHOPT_SITE); }

inline int __syncthreads_count(int predicate, GRAPHOPT_PLACE) {
  return static_cast<int>(graphopt::emulation::machine->barrier(predicate != 0, GRAPHOPT_SITE));
}

inline int __syncthreads_or(int predicate, GRAPHOPT_PLACE) {
  return graphopt::emulation::machine->barrier(predicate != 0, GRAPHOPT_SITE) != 0;
}

inline int __syncthreads_and(int predicate, GRAPHOPT_PLACE) {
  return graphopt::emulation::machine->barrier(predicate == 0, GRAPHOPT_SITE) == 0;
}

inline void __syncwarp(unsigned mask = 0xffffffffu, GRAPHOPT_PLACE) {
  graphopt::emulation::machine->ballot(mask, true, GRAPHOPT_SITE);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, GRAPHOPT_PLACE) {
  return graphopt::emulation::machine->ballot(mask, predicate != 0, GRAPHOPT_SITE);
}

inline int __any_sync(unsigned mask, int predicate, GRAPHOPT_PLACE) {
  return graphopt::emulation::machine->ballot(mask, predicate != 0, GRAPHOPT_SITE) != 0;
}

inline int __all_sync(unsigned mask, int predicate, GRAPHOPT_PLACE) {
  return graphopt::emulation::machine->ballot(mask, predicate == 0, GRAPHOPT_SITE) == 0;
}

namespace graphopt::emulation {

template <class T>
T shuffle(unsigned mask, T value, unsigned source, Site site) {
  static_assert(sizeof(T) <= 8, "shuffles move 4 or 8 bytes");
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  bits = machine->shuffle(mask, bits, source, site);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// A warp is divided into segments of `width` lanes; the lane a value comes from is counted within one's own.
inline unsigned segment_of(int width) { return machine->lane & ~(static_cast<unsigned>(width) - 1); }

}  // namespace graphopt::emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, GRAPHOPT_PLACE) {
  const unsigned within = static_cast<unsigned>(source) & (static_cast<unsigned>(width) - 1);
  return graphopt::emulation::shuffle(mask, value, graphopt::emulation::segment_of(width) | within, GRAPHOPT_SITE);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, GRAPHOPT_PLACE) {
  const unsigned lane = graphopt::emulation::machine->lane;
  const bool inside = lane >= graphopt::emulation::segment_of(width) + delta;
  return graphopt::emulation::shuffle(mask, value, inside ? lane - delta : lane, GRAPHOPT_SITE);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, GRAPHOPT_PLACE) {
  const unsigned lane = graphopt::emulation::machine->lane;
  const bool inside = lane + delta < graphopt::emulation::segment_of(width) + static_cast<unsigned>(width);
  return graphopt::emulation::shuffle(mask, value, inside ? lane + delta : lane, GRAPHOPT_SITE);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, GRAPHOPT_PLACE) {
  const unsigned lane = graphopt::emulation::machine->lane, source = lane ^ static_cast<unsigned>(lanes);
  const bool inside = source < graphopt::emulation::segment_of(width) + static_cast<unsigned>(width);
  return graphopt::emulation::shuffle(mask, value, inside ? source : lane, GRAPHOPT_SITE);
}

inline void __threadfence() {}
inline void __threadfence_block() {}

[[noreturn]] inline void __trap(GRAPHOPT_PLACE) {
  graphopt::emulation::machine->fail("the kernel stopped itself", GRAPHOPT_SITE);
}

#undef assert
#define assert(condition) \
  ((condition) ? (void)0  \
               : graphopt::emulation::machine->fail("assertion failed: " #condition, {"assert", __FILE__, __LINE__}))

// --- launching -------------------------------------------------------------------------------------------------------

namespace graphopt::emulation {

template <class T>
struct KindOf {
  static constexpr char value = __is_class(T) ? 's' : 'i';
};
template <class T>
struct KindOf<T*> {
  static constexpr char value = 'p';
};
template <>
struct KindOf<float> {
  static constexpr char value = 'f';
};
template <>
struct KindOf<double> {
  static constexpr char value = 'f';
};

// A kernel's parameters as the emulator wants them: their descriptions, and a call through an array of addresses, as
// cuLaunchKernel takes it. (Initializers in braces are evaluated from left to right, arguments in any order.)
template <class... A>
struct Signature {
  struct Call {
    Call(void (*kernel)(A...), A... arguments) { kernel(arguments...); }
  };
  template <class T>
  static T& next(void**& parameters) {
    return *static_cast<T*>(*parameters++);
  }
  static void call(void (*kernel)(A...), [[maybe_unused]] void** parameters) { Call{kernel, next<A>(parameters)...}; }
  static constexpr Parameter parameters[sizeof...(A) + 1] = {{KindOf<A>::value, sizeof(A)}..., {0, 0}};
};

template <class... A>
constexpr Signature<A...> signature_of(void (*)(A...)) {
  return {};
}

}  // namespace graphopt::emulation

#define GRAPHOPT_ENTRY extern "C" __attribute__((visibility("default")))

// One per kernel, behind its definition.
#define GRAPHOPT_EMULATED_KERNEL(name)                                                              \
  GRAPHOPT_ENTRY void graphopt_call_##name(void** parameters) {                                      \
    graphopt::emulation::signature_of(name).call(name, parameters);                                  \
  }                                                                                                  \
  GRAPHOPT_ENTRY const graphopt::emulation::Parameter* graphopt_parameters_##name() {                \
    return graphopt::emulation::signature_of(name).parameters;                                       \
  }

// One per file: takes the machine, sees to it that this thread has shared memory, and gives an address by which the
// emulator finds that.
#define GRAPHOPT_EMULATED_FILE()                                                                     \
  GRAPHOPT_ENTRY const void* graphopt_attach(graphopt::emulation::Machine* machine) {                \
    graphopt::emulation::machine = machine;                                                          \
    static_cast<volatile unsigned char&>(graphopt::emulation::shared_memory_begins) = 0;             \
    return &graphopt::emulation::machine;                                                            \
  }
