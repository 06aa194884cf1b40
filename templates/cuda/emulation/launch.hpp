// Launching a kernel: its blocks one after the other, each with fresh, poisoned shared memory, and everything that can
// go wrong turned into a report. An access to memory that is not the kernel's raises a signal on the fibre that made
// it; the handler notes who, where and what, and jumps back to the launch. Handlers, alternate stack and timer are in
// place only during a launch, and only one launch runs at a time (the caller sees to that).
#pragma once

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "block.hpp"
#include "memory.hpp"

namespace graphopt::emulation {

enum Outcome : int { succeeded, failed, faulted, too_long, no_memory };
enum Where : int { elsewhere, in_dynamic_shared, in_stack_guard };

// The result of a launch, laid out for the caller on the other side of the C interface.
struct Report {
  int outcome;
  int signal;       // of a fault, with the rest of these
  int is_write;     // 1, 0, or -1 where the processor does not tell
  int where;        // a Where
  std::uint64_t address;
  std::uint64_t code_offset;  // of the faulting instruction in `module`
  unsigned block[3], thread[3];
  char module[512];
  char message[2048];
};

// What a launch wants, laid out likewise.
struct Request {
  Block::Kernel kernel;
  void** parameters;
  unsigned grid[3], block[3];
  std::uint64_t shared_bytes;
  SharedMemory static_shared;
  std::uint64_t seed;
  double seconds;
  int poison;
};

// Signal handlers, an alternate stack for them, and a timer, for as long as the object lives.
class Watch {
 public:
  explicit Watch(double seconds) {
    thread_ = pthread_self();
    stack_.ss_sp = stack_memory_;
    stack_.ss_size = sizeof stack_memory_;
    sigaltstack(&stack_, &old_stack_);
    struct sigaction action {};
    action.sa_sigaction = &Watch::handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < watched_count; i++) sigaction(watched[i], &action, &old_actions_[i]);
    start_timer(seconds);
  }

  ~Watch() {
    if (has_timer_) timer_delete(timer_);
    for (int i = 0; i < watched_count; i++) sigaction(watched[i], &old_actions_[i], nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  static inline sigjmp_buf back;
  static inline volatile sig_atomic_t armed = 0;
  static inline siginfo_t seen;
  static inline const void* instruction;
  static inline int is_write;

 private:
  static constexpr int timer_signal = SIGVTALRM;
  static constexpr int watched[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, timer_signal};
  static constexpr int watched_count = sizeof watched / sizeof *watched;

  // Only a kernel's own faults are ours. Any other goes to the handler that was there before: it is put back, and the
  // instruction, run again, raises the signal again.
  static void handle(int signal, siginfo_t* info, void* state) {
    const bool ours = armed && pthread_equal(pthread_self(), thread_) && Block::active->in_thread();
    if (signal == timer_signal) {
      if (!ours || Block::active->busy) return;  // the timer comes again
    } else if (!ours) {
      for (int i = 0; i < watched_count; i++)
        if (watched[i] == signal) sigaction(signal, &old_actions_[i], nullptr);
      return;
    }
    seen = *info;
    seen.si_signo = signal;
    note_processor_state(state);
    siglongjmp(back, 1);
  }

  static void note_processor_state([[maybe_unused]] void* state) {
    instruction = nullptr;
    is_write = -1;
#if defined(__x86_64__)
    const auto& registers = static_cast<ucontext_t*>(state)->uc_mcontext.gregs;
    instruction = reinterpret_cast<const void*>(registers[REG_RIP]);
    is_write = static_cast<int>(registers[REG_ERR] >> 1 & 1);
#elif defined(__aarch64__)
    instruction = reinterpret_cast<const void*>(static_cast<ucontext_t*>(state)->uc_mcontext.pc);
#endif
  }

  void start_timer(double seconds) {
    struct sigevent event {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = timer_signal;
#ifdef sigev_notify_thread_id
    event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
#else
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
#endif
    has_timer_ = seconds > 0 && timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) == 0;
    if (!has_timer_) return;
    constexpr long again = 10'000'000;  // nanoseconds
    itimerspec times{};
    times.it_value.tv_sec = static_cast<time_t>(seconds);
    times.it_value.tv_nsec = static_cast<long>((seconds - static_cast<double>(times.it_value.tv_sec)) * 1e9);
    if (times.it_value.tv_sec == 0 && times.it_value.tv_nsec == 0) times.it_value.tv_nsec = 1;
    times.it_interval.tv_nsec = again;
    timer_settime(timer_, 0, &times, nullptr);
  }

  static inline pthread_t thread_;
  static inline struct sigaction old_actions_[watched_count];
  static inline unsigned char stack_memory_[64 * 1024];
  stack_t stack_{}, old_stack_{};
  timer_t timer_{};
  bool has_timer_ = false;
};

class Launcher {
 public:
  void launch(const Request& request, Report& report) {
    std::memset(&report, 0, sizeof report);
    const dim3 grid(request.grid[0], request.grid[1], request.grid[2]);
    const dim3 block(request.block[0], request.block[1], request.block[2]);
    const auto poison = static_cast<unsigned char>(request.poison);
    if (!machine.open(grid, block, request.kernel, request.parameters, request.seed) ||
        !dynamic_shared_.create(request.shared_bytes, alignment, Guard::end, poison)) {
      report.outcome = no_memory;
      return;
    }
    machine.dynamic_shared = dynamic_shared_.data;
    {
      const Watch watch(request.seconds);
      run_watched(request, grid, report);
    }
    copy_index(report.block, machine.block_index);
    copy_index(report.thread, machine.thread_index);
    dynamic_shared_.destroy();
  }

  Block machine;

 private:
  static constexpr std::size_t alignment = 16;

  // `sigsetjmp` returns a second time when a kernel faults; nothing here has a destructor that would be skipped.
  void run_watched(const Request& request, dim3 grid, Report& report) {
    if (sigsetjmp(Watch::back, 1) == 0) {
      Watch::armed = 1;
      report.outcome = run_blocks(request, grid) ? succeeded : failed;
      Watch::armed = 0;
      if (report.outcome == failed) copy_text(report.message, sizeof report.message, machine.failure().c_str());
    } else {
      Watch::armed = 0;
      describe_fault(report);
    }
  }

  // In the order of their numbers, or (an affine permutation) in another.
  bool run_blocks(const Request& request, dim3 grid) {
    const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
    std::uint64_t step = 1, offset = 0;
    if (request.seed != 0) {
      Chance chance(request.seed);
      const auto bound = static_cast<unsigned>(count < 0xffffffffu ? count : 0xffffffffu);
      offset = chance.below(bound);
      do step = 1 + chance.below(bound);
      while (std::gcd(step, count) != 1);
    }
    for (std::uint64_t i = 0, at = offset; i < count; i++, at = (at + step) % count) {
      std::memset(dynamic_shared_.data, request.poison, request.shared_bytes);
      std::memset(request.static_shared.begin, request.poison, request.static_shared.size);
      const uint3 index{static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                        static_cast<unsigned>(at / grid.x / grid.y)};
      if (!machine.run(index, at)) return false;
    }
    return true;
  }

  void describe_fault(Report& report) {
    const void* address = Watch::seen.si_addr;
    report.outcome = Watch::seen.si_signo == SIGVTALRM ? too_long : faulted;
    report.signal = Watch::seen.si_signo;
    report.is_write = Watch::is_write;
    report.address = reinterpret_cast<std::uint64_t>(address);
    report.where = dynamic_shared_.owns(address)           ? in_dynamic_shared
                   : machine.stacks.overflowed(address) ? in_stack_guard
                                                           : elsewhere;
    Dl_info module{};
    if (Watch::instruction && dladdr(Watch::instruction, &module) && module.dli_fname) {
      copy_text(report.module, sizeof report.module, module.dli_fname);
      report.code_offset =
          reinterpret_cast<std::uint64_t>(Watch::instruction) - reinterpret_cast<std::uint64_t>(module.dli_fbase);
    }
  }

  static void copy_index(unsigned (&to)[3], uint3 from) {
    to[0] = from.x;
    to[1] = from.y;
    to[2] = from.z;
  }

  static void copy_text(char* to, std::size_t size, const char* from) {
    std::strncpy(to, from, size - 1);
    to[size - 1] = 0;
  }

  GuardedMemory dynamic_shared_;
};

}  // namespace graphopt::emulation
