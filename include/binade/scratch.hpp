#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace binade::detail {

/// Blocks of memory that a thread keeps for its next lists of scales: small ones, and few of each size.  Who quantizes
/// the same arrays again and again asks the system once.
class scratch_blocks {
 public:
  static constexpr std::size_t smallest = 64, largest = std::size_t{1} << 18;  ///< bytes; powers of two
  static constexpr std::size_t most_kept = 8;                                  ///< of a size

  static scratch_blocks& of_thread() {
    thread_local scratch_blocks blocks;
    return blocks;
  }
  scratch_blocks() = default;
  scratch_blocks(const scratch_blocks&) = delete;
  scratch_blocks& operator=(const scratch_blocks&) = delete;
  ~scratch_blocks() {
    for (size_class& kept : sizes_) {
      while (kept.count > 0) ::operator delete(kept.blocks[--kept.count]);
      kept.count = most_kept;  // what still comes back, from a destructor that runs later, is not kept
    }
  }

  void* take(std::size_t bytes) {
    if (bytes > largest) return ::operator new(bytes);
    size_class& kept = sizes_[index_of(bytes)];
    return kept.count > 0 ? kept.blocks[--kept.count] : ::operator new(smallest << index_of(bytes));
  }
  /// @param bytes  as they were given to take(), of this thread or another
  void give_back(void* block, std::size_t bytes) noexcept {
    if (bytes > largest) return ::operator delete(block);
    size_class& kept = sizes_[index_of(bytes)];
    if (kept.count == most_kept) return ::operator delete(block);
    kept.blocks[kept.count++] = block;
  }

 private:
  static std::size_t index_of(std::size_t bytes) {
    return bytes <= smallest ? 0 : static_cast<std::size_t>(std::bit_width((bytes - 1) / smallest));
  }
  struct size_class {
    std::array<void*, most_kept> blocks;
    std::size_t count = 0;
  };
  std::array<size_class, static_cast<std::size_t>(std::bit_width(largest / smallest))> sizes_;
};

/// Of std::vector.
template <class T>
struct scratch_allocator {
  using value_type = T;

  scratch_allocator() = default;
  template <class Other>
  scratch_allocator(const scratch_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(scratch_blocks::of_thread().take(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    scratch_blocks::of_thread().give_back(block, count * sizeof(T));
  }
  bool operator==(const scratch_allocator&) const = default;
};

/// A list for the time of one call.
template <class T>
using scratch_vector = std::vector<T, scratch_allocator<T>>;

}  // namespace binade::detail
