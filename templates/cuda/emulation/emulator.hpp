// The emulator as a library: the C interface through which graphopt/runtime/emulation.py launches kernels and manages
// memory. This file is compiled once, by itself; kernels are compiled against language.hpp.
#ifdef _FORTIFY_SOURCE
#undef _FORTIFY_SOURCE  // its checks of longjmp know of one stack only
#endif
#include <link.h>

#include "launch.hpp"

#define GRAPHOPT_EXPORT extern "C" __attribute__((visibility("default")))

namespace graphopt::emulation {

static Launcher launcher;

// The calling thread's thread-local storage of the library that holds `address`.
static SharedMemory thread_storage_of(const void* address) {
  struct Search {
    std::uintptr_t address;
    SharedMemory found;
  } search{reinterpret_cast<std::uintptr_t>(address), {nullptr, 0}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& wanted = *static_cast<Search*>(data);
        bool holds_address = false;
        unsigned long size = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& segment = info->dlpi_phdr[i];
          const auto offset = wanted.address - info->dlpi_addr - segment.p_vaddr;
          holds_address = holds_address || (segment.p_type == PT_LOAD && offset < segment.p_memsz);
          if (segment.p_type == PT_TLS) size = segment.p_memsz;
        }
        if (!holds_address || !info->dlpi_tls_data) return static_cast<int>(holds_address);
        wanted.found = {static_cast<unsigned char*>(info->dlpi_tls_data), size};
        return 1;
      },
      &search);
  return search.found;
}

}  // namespace graphopt::emulation

using namespace graphopt::emulation;

GRAPHOPT_EXPORT Machine* graphopt_machine() { return &launcher.machine; }

// `anchor` is an address in the kernel's library, whose thread-local storage is its static shared memory.
GRAPHOPT_EXPORT void graphopt_launch(Request* request, const void* anchor, Report* report) {
  request->static_shared = thread_storage_of(anchor);
  launcher.launch(*request, *report);
}

GRAPHOPT_EXPORT GuardedMemory* graphopt_memory_create(std::uint64_t bytes, std::uint64_t alignment, int guard_start,
                                                      int poison) {
  auto* memory = new GuardedMemory;
  const auto guard = guard_start ? Guard::start : Guard::end;
  if (memory->create(bytes, alignment, guard, static_cast<unsigned char>(poison))) return memory;
  delete memory;
  return nullptr;
}

GRAPHOPT_EXPORT void* graphopt_memory_data(const GuardedMemory* memory) { return memory->data; }

GRAPHOPT_EXPORT int graphopt_memory_owns(const GuardedMemory* memory, const void* address) {
  return memory->owns(address);
}

GRAPHOPT_EXPORT int graphopt_memory_stray_write(GuardedMemory* memory, std::int64_t* offset) {
  std::ptrdiff_t found = 0;
  const bool stray = memory->stray_write(found);
  *offset = found;
  return stray;
}

GRAPHOPT_EXPORT void graphopt_memory_retire(GuardedMemory* memory) { memory->retire(); }

GRAPHOPT_EXPORT void graphopt_memory_destroy(GuardedMemory* memory) {
  memory->destroy();
  delete memory;
}
