// Fibres: many stacks, one operating-system thread, and a switch from one stack to the other. Each CUDA thread of the
// block that is being emulated runs on a fibre of its own. On x86-64 a switch is a dozen instructions; elsewhere (or
// with GRAPHOPT_USE_UCONTEXT) it goes through the C library's ucontext, which makes a system call and takes about ten
// times as long.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace graphopt::emulation {

using Entry = void (*)();

#if defined(__x86_64__) && !defined(GRAPHOPT_USE_UCONTEXT)

// A suspended fibre is its stack pointer; what the calling convention wants preserved lies on the stack.
struct Context {
  void* stack_pointer = nullptr;
};

extern "C" __attribute__((visibility("hidden"))) void graphopt_switch_stack(void** save, void* resume);

asm(R"(
  .text
  .p2align 4
  .hidden graphopt_switch_stack
  .globl graphopt_switch_stack
  .type graphopt_switch_stack, @function
graphopt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size graphopt_switch_stack, .-graphopt_switch_stack
)");

inline void switch_context(Context& from, Context& to) { graphopt_switch_stack(&from.stack_pointer, to.stack_pointer); }

// Lays out a stack as if `entry` had been suspended before its first instruction.
inline void prepare_context(Context& context, unsigned char* stack, std::size_t size, Entry entry) {
  auto* top = reinterpret_cast<std::uint64_t*>(stack + size);
  constexpr int preserved_registers = 6;
  *--top = 0;                                        // where `entry` would return to; it also aligns the stack
  *--top = reinterpret_cast<std::uint64_t>(entry);   // where the switch's `ret` goes
  for (int i = 0; i < preserved_registers; i++) *--top = 0;
  context.stack_pointer = top;
}

#else

struct Context {
  ucontext_t state;
};

inline void switch_context(Context& from, Context& to) { swapcontext(&from.state, &to.state); }

inline void prepare_context(Context& context, unsigned char* stack, std::size_t size, Entry entry) {
  getcontext(&context.state);
  context.state.uc_stack.ss_sp = stack;
  context.state.uc_stack.ss_size = size;
  context.state.uc_link = nullptr;
  makecontext(&context.state, entry, 0);
}

#endif

// The stacks of a block's threads, each above a page that may not be touched. Kept from launch to launch.
class Stacks {
 public:
  static constexpr std::size_t slot = 128 * 1024;

  ~Stacks() { release(); }

  // Makes room for `count` stacks; false when memory is refused.
  bool reserve(std::size_t count) {
    if (count <= count_) return true;
    release();
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* area = mmap(nullptr, count * slot, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (area == MAP_FAILED) return false;
    area_ = static_cast<unsigned char*>(area);
    count_ = count;
    for (std::size_t i = 0; i < count; i++) mprotect(area_ + i * slot, guard(), PROT_NONE);
    return true;
  }

  unsigned char* stack(std::size_t i) const { return area_ + i * slot + guard(); }
  static std::size_t size() { return slot - guard(); }

  // Whether an address lies in the page below one of the stacks: that stack has overflowed.
  bool overflowed(const void* address) const {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(area_);
    return area_ && offset < count_ * slot && offset % slot < guard();
  }

 private:
  static std::size_t guard() {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return page;
  }

  void release() {
    if (area_) munmap(area_, count_ * slot);
    area_ = nullptr;
    count_ = 0;
  }

  unsigned char* area_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace graphopt::emulation
