// What an emulated kernel and the emulator agree on: the indices of the running thread, and the operations in which
// threads wait for one another. The emulator is compiled once and implements `Machine`; every kernel file is compiled
// by itself and is handed a pointer to it. No standard header is needed here, so that kernel files compile quickly.
#pragma once

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 12
#error "emulating CUDA C needs g++ 12 or newer; name one in the environment variable CXX"
#endif

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace graphopt::emulation {

// A place in the kernel's source where a thread waits. `#line` directives are honoured, so it may lie in a template.
struct Site {
  const char* operation;
  const char* file;
  int line;

  bool operator==(const Site& other) const {
    return operation == other.operation && line == other.line && __builtin_strcmp(file, other.file) == 0;
  }
};

// One CUDA multiprocessor that holds one block. The data members describe the thread that runs now.
class Machine {
 public:
  uint3 thread_index{};
  uint3 block_index{};
  dim3 block_dimensions;
  dim3 grid_dimensions;
  unsigned lane = 0;
  unsigned char* dynamic_shared = nullptr;

  // Waits for all threads of the block, none of which may have returned; gives the number of those whose predicate
  // holds.
  virtual unsigned barrier(bool predicate, Site site) = 0;

  // Waits for the lanes in `mask`; gives the bits that lane `source` brought. A lane that takes no part has no value:
  // what is read from it is all ones, which is NaN.
  virtual unsigned long long shuffle(unsigned mask, unsigned long long bits, unsigned source, Site site) = 0;

  // Waits for the lanes in `mask`; gives the set of those whose predicate holds.
  virtual unsigned ballot(unsigned mask, bool predicate, Site site) = 0;

  // Ends the launch with an error.
  [[noreturn]] virtual void fail(const char* reason, Site site) = 0;

 protected:
  ~Machine() = default;
};

// What a kernel file tells the emulator about a parameter: 'p' pointer, 'f' floating, 'i' integer, 's' structure.
struct Parameter {
  char kind;
  unsigned size;
};

// Static shared memory of a kernel file: its thread-local storage, which holds nothing else.
struct SharedMemory {
  unsigned char* begin;
  unsigned long size;
};

}  // namespace graphopt::emulation
