// The part of CUDA C that is plain C++: vector types, arithmetic intrinsics, atomics (threads are never switched within
// one), cached loads, and the mathematical functions that the C library lacks.
#pragma once

// The C library's own headers; the C++ ones around them take longer to read than most kernels.
#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef _GLIBCXX_INCLUDE_NEXT_C_HEADERS

// --- vector types ----------------------------------------------------------------------------------------------------

#define GRAPHOPT_VECTOR2(name, type)                    \
  struct alignas(2 * sizeof(type)) name {               \
    type x, y;                                          \
  };                                                    \
  inline name make_##name(type x, type y) { return {x, y}; }
#define GRAPHOPT_VECTOR3(name, type)                    \
  struct name {                                         \
    type x, y, z;                                       \
  };                                                    \
  inline name make_##name(type x, type y, type z) { return {x, y, z}; }
#define GRAPHOPT_VECTOR4(name, type)                    \
  struct alignas(4 * sizeof(type)) name {               \
    type x, y, z, w;                                    \
  };                                                    \
  inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }

GRAPHOPT_VECTOR2(char2, signed char)
GRAPHOPT_VECTOR2(uchar2, unsigned char)
GRAPHOPT_VECTOR2(short2, short)
GRAPHOPT_VECTOR2(ushort2, unsigned short)
GRAPHOPT_VECTOR2(int2, int)
GRAPHOPT_VECTOR2(uint2, unsigned)
GRAPHOPT_VECTOR2(longlong2, long long)
GRAPHOPT_VECTOR2(ulonglong2, unsigned long long)
GRAPHOPT_VECTOR2(float2, float)
GRAPHOPT_VECTOR2(double2, double)
GRAPHOPT_VECTOR3(int3, int)
GRAPHOPT_VECTOR3(float3, float)
GRAPHOPT_VECTOR3(double3, double)
GRAPHOPT_VECTOR4(char4, signed char)
GRAPHOPT_VECTOR4(uchar4, unsigned char)
GRAPHOPT_VECTOR4(short4, short)
GRAPHOPT_VECTOR4(ushort4, unsigned short)
GRAPHOPT_VECTOR4(int4, int)
GRAPHOPT_VECTOR4(uint4, unsigned)
GRAPHOPT_VECTOR4(float4, float)

// --- bits ------------------------------------------------------------------------------------------------------------

inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
inline long long __double_as_longlong(double x) { return __builtin_bit_cast(long long, x); }
inline double __longlong_as_double(long long x) { return __builtin_bit_cast(double, x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }

inline int __mulhi(int a, int b) { return static_cast<int>(static_cast<long long>(a) * b >> 32); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}

// --- arithmetic with its rounding spelled out ------------------------------------------------------------------------

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

// --- mathematical functions ------------------------------------------------------------------------------------------

inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
inline double rcbrt(double x) { return 1.0 / cbrt(x); }

namespace graphopt::emulation {

inline float reciprocal_root(float x) { return 1.0f / sqrtf(x); }
inline double reciprocal_root(double x) { return 1.0 / sqrt(x); }

// sin(pi x): the argument is reduced without error before pi comes in.
inline double sine_of_pi(double x) {
  const double rest = x - 2.0 * rint(0.5 * x);  // in [-1, 1]
  if (fabs(rest) > 0.75) return copysign(sin(M_PI * (1.0 - fabs(rest))), rest);
  return fabs(rest) > 0.25 ? copysign(cos(M_PI * (0.5 - fabs(rest))), rest) : sin(M_PI * rest);
}

inline double cosine_of_pi(double x) {
  const double rest = fabs(x - 2.0 * rint(0.5 * x));
  return rest > 0.25 && rest < 0.75 ? sin(M_PI * (0.5 - rest)) : cos(M_PI * rest);
}

}  // namespace graphopt::emulation

// Macros, because a newer C library may declare functions of these names.
#define rsqrt(x) graphopt::emulation::reciprocal_root(static_cast<double>(x))
#define rsqrtf(x) graphopt::emulation::reciprocal_root(static_cast<float>(x))
#define sinpi(x) graphopt::emulation::sine_of_pi(static_cast<double>(x))
#define cospi(x) graphopt::emulation::cosine_of_pi(static_cast<double>(x))
#define sinpif(x) static_cast<float>(sinpi(x))
#define cospif(x) static_cast<float>(cospi(x))

inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return b < a ? b : a; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// --- loads, stores and atomics ---------------------------------------------------------------------------------------

template <class T> T __ldg(const T* address) { return *address; }
template <class T> T __ldcs(const T* address) { return *address; }
template <class T> T __ldcg(const T* address) { return *address; }
template <class T> T __ldca(const T* address) { return *address; }
template <class T> void __stcs(T* address, T value) { *address = value; }
template <class T> void __stcg(T* address, T value) { *address = value; }
template <class T> void __stwb(T* address, T value) { *address = value; }

namespace graphopt::emulation {

template <class T>
T replace(T* address, T value) {
  const T old = *address;
  *address = value;
  return old;
}

}  // namespace graphopt::emulation

#define GRAPHOPT_ATOMIC(name, type, result)                                     \
  inline type name(type* address, type value) {                                 \
    return graphopt::emulation::replace(address, static_cast<type>(result));    \
  }
#define GRAPHOPT_INTEGER_ATOMICS(type)                                \
  GRAPHOPT_ATOMIC(atomicMin, type, value < *address ? value : *address) \
  GRAPHOPT_ATOMIC(atomicMax, type, value > *address ? value : *address) \
  GRAPHOPT_ATOMIC(atomicAnd, type, *address & value)                    \
  GRAPHOPT_ATOMIC(atomicOr, type, *address | value)                     \
  GRAPHOPT_ATOMIC(atomicXor, type, *address ^ value)                    \
  GRAPHOPT_ATOMIC(atomicExch, type, value)                              \
  inline type atomicCAS(type* address, type expected, type value) {     \
    const type old = *address;                                          \
    if (old == expected) *address = value;                              \
    return old;                                                         \
  }

GRAPHOPT_INTEGER_ATOMICS(int)
GRAPHOPT_INTEGER_ATOMICS(unsigned)
GRAPHOPT_INTEGER_ATOMICS(unsigned long long)
GRAPHOPT_ATOMIC(atomicMin, long long, value < *address ? value : *address)
GRAPHOPT_ATOMIC(atomicMax, long long, value > *address ? value : *address)
GRAPHOPT_ATOMIC(atomicAdd, int, static_cast<unsigned>(*address) + static_cast<unsigned>(value))
GRAPHOPT_ATOMIC(atomicAdd, unsigned, *address + value)
GRAPHOPT_ATOMIC(atomicAdd, unsigned long long, *address + value)
GRAPHOPT_ATOMIC(atomicAdd, float, *address + value)
GRAPHOPT_ATOMIC(atomicAdd, double, *address + value)
GRAPHOPT_ATOMIC(atomicSub, int, static_cast<unsigned>(*address) - static_cast<unsigned>(value))
GRAPHOPT_ATOMIC(atomicSub, unsigned, *address - value)
GRAPHOPT_ATOMIC(atomicExch, float, value)
