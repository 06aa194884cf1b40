// Memory whose ends are guarded: a buffer lies flush against pages that may not be touched, so that a kernel that
// leaves it is stopped at the very access. What remains between the buffer and the page's edge is filled with a
// pattern that is looked at after each launch, which finds stray writes (not reads) there.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace graphopt::emulation {

enum class Guard { end, start };

class GuardedMemory {
 public:
  unsigned char* data = nullptr;
  std::size_t size = 0;

  // Fills the buffer with `poison`; false when memory is refused. With Guard::end the buffer ends at the untouchable
  // page, but for the bytes that `alignment` costs; with Guard::start it begins behind one.
  bool create(std::size_t bytes, std::size_t alignment, Guard guard, unsigned char poison) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t aligned = round_up(bytes ? bytes : 1, alignment);
    usable_ = round_up(aligned, page);
    mapped_ = usable_ + 2 * margin;
    void* area = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) return false;
    mapping_ = static_cast<unsigned char*>(area);
    first_ = mapping_ + margin;
    if (mprotect(first_, usable_, PROT_READ | PROT_WRITE) != 0) {
      destroy();
      return false;
    }
    data = guard == Guard::end ? first_ + usable_ - aligned : first_;
    size = bytes;
    fill_surroundings();
    std::memset(data, poison, bytes);
    return true;
  }

  // Makes every later access a fault, and gives the memory back but not the addresses.
  void retire() {
    madvise(first_, usable_, MADV_DONTNEED);
    mprotect(first_, usable_, PROT_NONE);
  }

  void destroy() {
    if (mapping_) munmap(mapping_, mapped_);
    mapping_ = data = nullptr;
  }

  // Whether a byte outside the buffer was changed, and where the first of them: as an offset from the buffer's start.
  // What was changed is repaired.
  bool stray_write(std::ptrdiff_t& offset) {
    for (const unsigned char* byte = first_; byte < first_ + usable_; byte++) {
      if (byte == data) byte += size;
      if (byte == first_ + usable_ || *byte == canary) continue;
      offset = byte - data;
      fill_surroundings();
      return true;
    }
    return false;
  }

  // Whether an address lies in the buffer or in the guards around it.
  bool owns(const void* address) const {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(mapping_);
    return mapping_ && offset < mapped_;
  }

 private:
  static constexpr std::size_t margin = 1 << 20;  // address space only: a stride too far is caught as well
  static constexpr unsigned char canary = 0x7F;  // read as a number, it is too large to go unnoticed

  void fill_surroundings() {
    std::memset(first_, canary, static_cast<std::size_t>(data - first_));
    std::memset(data + size, canary, static_cast<std::size_t>(first_ + usable_ - (data + size)));
  }

  static std::size_t round_up(std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }

  unsigned char* mapping_ = nullptr;
  unsigned char* first_ = nullptr;
  std::size_t usable_ = 0;
  std::size_t mapped_ = 0;
};

}  // namespace graphopt::emulation
