#include "kernels/parallel.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace binade {
namespace {

/// True while this thread runs a tile: a parallel_for inside runs inline then.
thread_local bool inside_tile = false;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  // Some tens of cycles.  YIELD is no wait on cores of one thread, and the system's yield one of a time slice when
  // others want the processor.
  __asm__ volatile("isb" ::: "memory");
#else
  std::this_thread::yield();
#endif
}

/// About 10 to 20 microseconds: longer than the gap between two operations of a training step, shorter than a time
/// slice.
constexpr int spin_count = 500;

struct tile_scope {
  bool outer = std::exchange(inside_tile, true);
  ~tile_scope() { inside_tile = outer; }
};

}  // namespace

struct thread_pool::shared_state {
  // The job: written by the caller under mutex while no worker is in it.
  tile_function call = nullptr;
  void* context = nullptr;
  std::size_t tiles = 0;
  std::atomic<std::size_t> next_tile{0};
  std::exception_ptr error;
  std::size_t error_tile = 0;

  std::mutex mutex;
  std::condition_variable job_opened, workers_left;
  std::atomic<std::uint64_t> generation{0};  // grows with each job; changed under mutex, watched by spinning workers
  std::atomic<std::size_t> workers_inside{0};
  bool open =
      false;  // a worker that wakes up after the last tile was taken stays out, and the caller need not wait for it
  std::atomic<bool> stopping{false};

  std::mutex callers;  // one job at a time
  std::vector<std::thread> workers;

  /// Takes tiles in ascending order until none is left.  An exception closes the supply; tiles below the throwing one
  /// were all taken before it and will finish, so the lowest throwing tile is always known.
  void work() {
    const tile_scope scope;
    for (;;) {
      const std::size_t tile = next_tile.fetch_add(1, std::memory_order_relaxed);
      if (tile >= tiles) return;
      try {
        call(context, tile);
      } catch (...) {
        const std::lock_guard lock(mutex);
        next_tile.store(tiles, std::memory_order_relaxed);
        if (!error || tile < error_tile) {
          error = std::current_exception();
          error_tile = tile;
        }
      }
    }
  }

  void worker_loop() {
    std::uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < spin_count && generation.load(std::memory_order_acquire) == seen; ++i) pause_briefly();
      {
        std::unique_lock lock(mutex);
        job_opened.wait(lock, [&] { return stopping || generation.load(std::memory_order_relaxed) != seen; });
        if (stopping) return;
        seen = generation.load(std::memory_order_relaxed);
        if (!open) continue;
        workers_inside.fetch_add(1, std::memory_order_relaxed);
      }
      work();
      if (workers_inside.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock(mutex);  // the caller may be between its test and its wait
        workers_left.notify_one();
      }
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    job_opened.notify_all();
    for (std::thread& worker : workers) worker.join();
  }
};

thread_pool::thread_pool(std::size_t threads) : threads_(threads) {
  if (threads == 0 || threads > max_threads)
    throw std::invalid_argument("thread_pool: threads is " + std::to_string(threads) + "; valid: 1 to " +
                                std::to_string(max_threads));
  if (threads == 1) return;
  state_ = std::make_unique<shared_state>();
  try {
    for (std::size_t i = 1; i < threads; ++i)
      state_->workers.emplace_back([state = state_.get()] { state->worker_loop(); });
  } catch (...) {
    state_->stop();
    throw;
  }
}

thread_pool::~thread_pool() {
  if (state_) state_->stop();
}

void thread_pool::run(std::size_t tiles, tile_function call, void* context) {
  if (!state_ || tiles <= 1 || inside_tile) {
    const tile_scope scope;
    for (std::size_t tile = 0; tile < tiles; ++tile) call(context, tile);
    return;
  }
  shared_state& state = *state_;
  const std::lock_guard turn(state.callers);
  {
    const std::lock_guard lock(state.mutex);
    state.call = call;
    state.context = context;
    state.tiles = tiles;
    state.next_tile.store(0, std::memory_order_relaxed);
    state.error = nullptr;
    state.open = true;
    state.generation.fetch_add(1, std::memory_order_release);
  }
  state.job_opened.notify_all();
  state.work();

  std::exception_ptr error;
  {
    std::unique_lock lock(state.mutex);
    state.open = false;
    if (state.workers_inside.load(std::memory_order_acquire) != 0) {
      lock.unlock();
      for (int i = 0; i < spin_count && state.workers_inside.load(std::memory_order_acquire) != 0; ++i) pause_briefly();
      lock.lock();
    }
    state.workers_left.wait(lock, [&] { return state.workers_inside.load(std::memory_order_acquire) == 0; });
    error = std::exchange(state.error, nullptr);
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace binade
