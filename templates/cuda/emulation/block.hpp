// One block of CUDA threads, each on a fibre: how they wait for one another at barriers and in the collectives of a
// warp, and what is said when they wait for something that cannot come.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fibres.hpp"
#include "machine.hpp"
#include "schedule.hpp"

namespace graphopt::emulation {

class Block final : public Machine {
 public:
  using Kernel = void (*)(void** parameters);

  // Readies `threads` fibres for a launch; false when memory for their stacks is refused.
  bool open(dim3 grid, dim3 block, Kernel kernel, void** parameters, std::uint64_t seed) {
    grid_dimensions = grid;
    block_dimensions = block;
    kernel_ = kernel;
    parameters_ = parameters;
    failure_.clear();
    const unsigned count = block.x * block.y * block.z;
    threads_.assign(count, Thread{});
    warps_.assign((count + warp_size - 1) / warp_size, Warp{});
    schedule_.open(count, seed);
    for (unsigned i = 0; i < count; i++) {
      threads_[i].number = i;
      threads_[i].index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    }
    return stacks.reserve(count);
  }

  // Runs the block to its end. False when a thread failed; `failure()` then says why.
  bool run(uint3 index, std::uint64_t number) {
    block_index = index;
    schedule_.begin_block(number);
    live_ = count();
    arrived_ = votes_ = 0;
    for (unsigned i = 0; i < warps_.size(); i++) {
      const unsigned lanes = count() - i * warp_size;
      warps_[i].used = 0;
      warps_[i].alive = lanes < warp_size ? (1u << lanes) - 1 : ~0u;
    }
    for (unsigned i = 0; i < count(); i++) {
      threads_[i].state = State::ready;
      prepare_context(threads_[i].context, stacks.stack(i), Stacks::size(), &Block::thread_main);
      make_ready(threads_[i]);
    }
    active = this;
    running_ = nullptr;
    busy = true;
    resume_next(main_);
    busy = false;
    return failure_.empty();
  }

  unsigned barrier(bool predicate, Site site) override {
    const Busy guard(this);
    if (arrived_ > 0 && !(barrier_site_ == site)) {
      running_->wait(State::at_barrier, site);
      stop("threads of one block wait at different barriers");
    }
    barrier_site_ = site;
    arrived_++;
    votes_ += predicate;
    running_->wait(State::at_barrier, site);
    if (arrived_ == live_) open_barrier();
    suspend();
    return barrier_result_;
  }

  unsigned long long shuffle(unsigned mask, unsigned long long bits, unsigned source, Site site) override {
    const Busy guard(this);
    const Meeting& meeting = meet(mask, bits, true, site);
    return source < warp_size && (meeting.present >> source & 1) ? meeting.bits[source] : ~0ull;
  }

  unsigned ballot(unsigned mask, bool predicate, Site site) override {
    const Busy guard(this);
    return meet(mask, 0, predicate, site).votes;
  }

  [[noreturn]] void fail(const char* reason, Site site) override {
    busy = true;
    running_->wait(State::failed, site);
    stop(reason);
  }

  const std::string& failure() const { return failure_; }
  bool in_thread() const { return running_ != nullptr; }

  static inline Block* active = nullptr;
  Stacks stacks;
  volatile bool busy = false;  // the emulator itself is at work: a bad moment to interrupt it

 private:
  enum class State { ready, at_barrier, in_warp, failed, done };

  struct Thread {
    Context context;
    uint3 index{};
    unsigned number = 0;
    State state = State::ready;
    Site site{"", "", 0};

    void wait(State where, Site at) {
      state = where;
      site = at;
    }
  };

  // What the lanes of a warp bring to a collective. Two of them alternate, so that a lane may go on to the next
  // collective while others have yet to read the result of this one.
  struct Meeting {
    std::array<unsigned long long, warp_size> bits;
    unsigned present, votes;
  };

  struct Group {
    unsigned mask = 0, arrived = 0, generation = 0;
    Site site{"", "", 0};
    Meeting meetings[2]{};
  };

  struct Warp {
    static constexpr unsigned capacity = 16;
    unsigned used = 0;   // groups in use
    unsigned alive = 0;  // lanes that exist and have not returned
    std::array<Group, capacity> groups;
  };

  struct Busy {
    Block* block;
    explicit Busy(Block* owner) : block(owner) { block->busy = true; }
    ~Busy() { block->busy = false; }
  };

  unsigned count() const { return static_cast<unsigned>(threads_.size()); }

  // --- whose turn it is ---------------------------------------------------------------------------------------------

  void make_ready(Thread& thread) {
    thread.state = State::ready;
    schedule_.make_ready(thread.number);
  }

  void resume_next(Context& from) {
    const unsigned number = schedule_.take();
    Thread* next = number == Schedule::nobody ? nullptr : &threads_[number];
    if (!next && live_ > 0) stop("deadlock: every thread waits for one that does not come");
    if (next && next == running_) return;
    running_ = next;
    if (!next) {
      switch_context(from, main_);
      return;
    }
    thread_index = next->index;
    lane = next->number % warp_size;
    switch_context(from, next->context);
  }

  void suspend() {
    resume_next(running_->context);
    busy = true;  // whoever ran meanwhile has cleared it
  }

  static void thread_main() {
    active->busy = false;
    active->kernel_(active->parameters_);
    active->busy = true;
    active->leave();
    __builtin_unreachable();
  }

  void leave() {
    Thread& self = *running_;
    self.state = State::done;
    live_--;
    if (arrived_ > 0 && arrived_ == live_) open_barrier();
    Warp& warp = warps_[self.number / warp_size];
    warp.alive &= ~(1u << lane);
    for (unsigned i = 0; i < warp.used; i++) close_if_complete(warp.groups[i], self.number / warp_size);
    resume_next(self.context);
  }

  // --- barriers of the block ----------------------------------------------------------------------------------------

  void open_barrier() {
    if (live_ < count()) stop("threads of the block returned before a barrier at which others wait");
    barrier_result_ = votes_;
    arrived_ = votes_ = 0;
    schedule_.draw_order();
    for (auto& thread : threads_)
      if (thread.state == State::at_barrier) make_ready(thread);
  }

  // --- collectives of a warp ----------------------------------------------------------------------------------------

  Group& group_of(Warp& warp, unsigned mask, Site site) {
    for (unsigned i = 0; i < warp.used; i++)
      if (warp.groups[i].mask == mask) return warp.groups[i];
    if (warp.used == Warp::capacity) {
      running_->wait(State::failed, site);
      stop("more than 16 different lane masks in one warp of one block");
    }
    Group& group = warp.groups[warp.used++];
    group.mask = mask;
    group.arrived = group.generation = 0;
    group.meetings[0].present = group.meetings[1].present = 0;
    group.meetings[0].votes = group.meetings[1].votes = 0;
    return group;
  }

  const Meeting& meet(unsigned mask, unsigned long long bits, bool vote, Site site) {
    const unsigned warp = running_->number / warp_size;
    if (!(mask >> lane & 1)) {
      running_->wait(State::failed, site);
      stop("a lane is not in the mask that it gives");
    }
    Group& group = group_of(warps_[warp], mask, site);
    running_->wait(State::in_warp, site);
    if (group.arrived > 0 && !(group.site == site)) stop("lanes of one warp meet in different collectives");
    Meeting& meeting = group.meetings[group.generation & 1];
    if (group.arrived++ == 0) meeting.present = meeting.votes = 0;
    group.site = site;
    meeting.bits[lane] = bits;
    meeting.present |= 1u << lane;
    meeting.votes |= static_cast<unsigned>(vote) << lane;
    close_if_complete(group, warp);
    suspend();
    return meeting;
  }

  void close_if_complete(Group& group, unsigned warp) {
    if (group.arrived == 0) return;
    const Meeting& meeting = group.meetings[group.generation & 1];
    if (meeting.present != (group.mask & warps_[warp].alive)) return;
    group.arrived = 0;
    group.generation++;
    for (unsigned i = 0; i < warp_size; i++)
      if (meeting.present >> i & 1) make_ready(threads_[warp * warp_size + i]);
  }

  // --- failing ------------------------------------------------------------------------------------------------------

  [[noreturn]] void stop(const char* reason) {
    failure_ = reason;
    describe_waiting();
    running_ = nullptr;
    Context abandoned;
    switch_context(abandoned, main_);
    __builtin_unreachable();
  }

  // One line for each place where threads wait, and the ranges of their numbers.
  void describe_waiting() {
    std::vector<const Thread*> first;
    for (const auto& thread : threads_) {
      if (thread.state == State::ready || thread.state == State::done) continue;
      bool known = false;
      for (const auto* other : first) known = known || (other->site == thread.site && other->state == thread.state);
      if (!known) first.push_back(&thread);
    }
    for (const auto* thread : first) {
      failure_ += thread->state == State::failed ? "\n  in " : "\n  waiting in ";
      failure_ += thread->site.operation;
      failure_ += std::string(" at ") + thread->site.file + ":" + std::to_string(thread->site.line) + ": ";
      failure_ += threads_where([&](const Thread& t) { return t.state == thread->state && t.site == thread->site; });
    }
    const std::string gone = threads_where([](const Thread& t) { return t.state == State::done; });
    if (!gone.empty()) failure_ += "\n  returned: " + gone;
  }

  // "thread 5", "threads 0–15, 20", or nothing.
  template <class Predicate>
  std::string threads_where(Predicate holds) const {
    constexpr unsigned most = 8;
    std::string text;
    unsigned found = 0;
    for (unsigned i = 0, written = 0; i < count(); i++) {
      if (!holds(threads_[i])) continue;
      if (written++ == most) {
        text += ", …";
        break;
      }
      unsigned last = i;
      while (last + 1 < count() && holds(threads_[last + 1])) last++;
      text += (text.empty() ? "" : ", ") + std::to_string(i) + (last > i ? "–" + std::to_string(last) : "");
      found += last - i + 1;
      i = last;
    }
    return text.empty() ? text : (found == 1 ? "thread " : "threads ") + text;
  }

  Kernel kernel_ = nullptr;
  void** parameters_ = nullptr;

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Schedule schedule_;
  unsigned live_ = 0;

  unsigned arrived_ = 0, votes_ = 0, barrier_result_ = 0;
  Site barrier_site_{"", "", 0};

  Context main_;
  Thread* running_ = nullptr;
  std::string failure_;
};

}  // namespace graphopt::emulation
