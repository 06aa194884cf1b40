// Which thread of a block runs next. Threads are switched only where they wait, never in between, so a schedule is a
// list of choices among those that are ready. With seed 0 the one with the lowest number runs. With any other, choices
// are random but repeatable, in one of two manners that alternate with seeds and blocks: any warp, or always the same
// warps first (in an order drawn anew at each barrier), so that some run far ahead of others. A race that needs a
// switch in the middle of straight-line code is therefore not found; one between two barriers is, as soon as a schedule
// runs its two sides in the other order.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace graphopt::emulation {

constexpr unsigned warp_size = 32;

// A small generator of pseudo-random numbers (a 64-bit linear congruence, its upper half taken).
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 0x632BE59BD9B4E019u) { below(1); }

  unsigned below(unsigned bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(((state_ >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

class Schedule {
 public:
  static constexpr unsigned nobody = ~0u;

  void open(unsigned threads, std::uint64_t seed) {
    seed_ = seed;
    ready_.assign((threads + warp_size - 1) / warp_size, 0);
    order_.resize(ready_.size());
    std::iota(order_.begin(), order_.end(), 0u);
  }

  void begin_block(std::uint64_t number) {
    chance_ = Chance(seed_ + (number << 20));
    any_warp_ = seed_ != 0 && (seed_ + number) % 2 == 0;
    std::fill(ready_.begin(), ready_.end(), 0u);
    draw_order();
  }

  void draw_order() {
    if (seed_ == 0) return;
    for (auto i = static_cast<unsigned>(order_.size()); i > 1; i--) std::swap(order_[i - 1], order_[chance_.below(i)]);
  }

  void make_ready(unsigned thread) { ready_[thread / warp_size] |= 1u << thread % warp_size; }

  // The number of a thread that was ready and now runs, or `nobody`.
  unsigned take() {
    const auto warps = static_cast<unsigned>(ready_.size());
    const unsigned start = any_warp_ ? chance_.below(warps) : 0;
    for (unsigned i = 0; i < warps; i++) {
      const unsigned warp = order_[(start + i) % warps];
      if (ready_[warp] == 0) continue;
      const unsigned turn = seed_ == 0 ? 0 : chance_.below(warp_size);
      const auto next = static_cast<unsigned>(std::countr_zero(std::rotr(ready_[warp], static_cast<int>(turn))));
      const unsigned lane = (next + turn) % warp_size;
      ready_[warp] &= ~(1u << lane);
      return warp * warp_size + lane;
    }
    return nobody;
  }

 private:
  std::uint64_t seed_ = 0;
  Chance chance_{0};
  bool any_warp_ = false;
  std::vector<unsigned> ready_;  // for each warp, the set of lanes that wait for nothing but their turn
  std::vector<unsigned> order_;  // in which warps are looked at
};

}  // namespace graphopt::emulation
