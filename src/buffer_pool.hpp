#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace binade {

/// Blocks of memory that are kept for the next request of their size.
///
/// A training step asks for the same sizes as the one before it, so from the second step on it takes everything from
/// here instead of from the system.  Sizes are rounded up to an eighth of a power of two (small ones to a cache line),
/// so that nearly equal requests share blocks.  The sizes in use change in the course of a step, so that more is kept
/// than ever is in use at once; it never exceeds twice the most that was.  Beyond that the sizes go that nobody has
/// asked for in the longest time (those of an earlier model, say).  Thread-safe.
class buffer_pool {
 public:
  static constexpr std::size_t alignment = 64;  ///< one cache line, one AVX-512 register

  struct statistics {
    std::size_t in_use = 0;             ///< bytes in blocks handed out
    std::size_t peak = 0;               ///< the largest in_use so far
    std::size_t kept = 0;               ///< bytes in blocks waiting for the next request
    std::uint64_t system_requests = 0;  ///< blocks ever taken from the system
  };

  /// The pool of all tensors of the process; it outlives every static object.
  static buffer_pool& instance();
  /// The pool of what else a step makes and forgets: nodes, closures and lists, by way of pool_allocator<T>.
  static buffer_pool& of_small_things();

  buffer_pool() = default;
  ~buffer_pool() { trim(); }
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;

  /// At least `bytes` bytes at a multiple of `alignment`, not cleared.  The pool must outlive the result.
  /// @throws std::bad_alloc
  std::shared_ptr<std::byte> take(std::size_t bytes);

  /// The same for who gives it back himself.  @throws std::bad_alloc
  std::byte* allocate(std::size_t bytes);
  /// @param bytes  as they were given to allocate()
  void deallocate(std::byte* block, std::size_t bytes) noexcept;

  /// Gives the blocks that nobody uses back to the system.
  void trim();

  statistics usage() const;

 private:
  /// Blocks of one size that wait: each begins with the address of the next.
  struct size_class {
    std::byte* waiting = nullptr;
    std::uint64_t last_request = 0;
  };
  static constexpr std::size_t class_count = 8 * 64;

  void free_waiting(std::size_t index) noexcept;

  mutable std::mutex mutex_;
  std::array<size_class, class_count> classes_;
  std::uint64_t requests_ = 0;
  statistics usage_;
};

/// Standard containers and pointers whose memory is of buffer_pool::of_small_things().
template <class T>
struct pool_allocator {
  using value_type = T;

  pool_allocator() = default;
  template <class Other>
  pool_allocator(const pool_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) {
    static_assert(alignof(T) <= buffer_pool::alignment);
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    return reinterpret_cast<T*>(buffer_pool::of_small_things().allocate(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    buffer_pool::of_small_things().deallocate(reinterpret_cast<std::byte*>(block), count * sizeof(T));
  }
  template <class Other>
  bool operator==(const pool_allocator<Other>&) const {
    return true;
  }
};

/// std::vector for what lives no longer than a step.
template <class T>
using pooled_vector = std::vector<T, pool_allocator<T>>;

}  // namespace binade
