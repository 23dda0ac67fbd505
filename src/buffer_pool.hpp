#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace binade {

/// Blocks of memory that are kept for the next request of their size.
///
/// A training step asks for the same sizes as the one before it, so from the second step on it takes every tensor from
/// here instead of from the system.  Sizes are rounded up to an eighth of a power of two, so that nearly equal requests
/// share blocks.  The sizes in use change in the course of a step, so that more is kept than ever is in use at once; it
/// never exceeds twice the most that was.  Beyond that the sizes go that nobody has asked for in the longest time
/// (those of an earlier model, say).  Thread-safe.
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

  buffer_pool() = default;
  ~buffer_pool() { trim(); }
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;

  /// At least `bytes` bytes at a multiple of `alignment`, not cleared.  The pool must outlive the result.
  /// @throws std::bad_alloc
  std::shared_ptr<std::byte> take(std::size_t bytes);

  /// Gives the blocks that nobody uses back to the system.
  void trim();

  statistics usage() const;

 private:
  struct size_class {
    std::vector<std::byte*> waiting;  ///< has room for all blocks of the size that are in use
    std::uint64_t last_request = 0;
  };

  void give_back(std::byte* block, std::size_t size) noexcept;
  void free_waiting(std::size_t size, size_class& blocks) noexcept;

  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, size_class> classes_;
  std::uint64_t requests_ = 0;
  statistics usage_;
};

}  // namespace binade
