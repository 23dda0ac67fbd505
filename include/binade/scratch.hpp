#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <limits>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define BINADE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BINADE_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef BINADE_ADDRESS_SANITIZER
#define BINADE_ADDRESS_SANITIZER 0
#endif

namespace binade::detail {

/// Blocks of memory that a thread keeps for its next lists of scales: small ones, and few of each size.  Who quantizes
/// the same arrays again and again asks the system once.
class scratch_blocks {
 public:
  static constexpr std::size_t smallest = 64, largest = std::size_t{1} << 18;  ///< bytes; powers of two
  static constexpr std::size_t most_kept = 8;                                  ///< of a size

  scratch_blocks() = default;
  scratch_blocks(const scratch_blocks&) = delete;
  scratch_blocks& operator=(const scratch_blocks&) = delete;
  ~scratch_blocks() {
    for (size_class& kept : sizes_)
      while (kept.count > 0) ::operator delete(kept.blocks[--kept.count]);
  }

  void* take(std::size_t bytes) {
    if (bytes > largest) return ::operator new(bytes);
    size_class& kept = sizes_[index_of(bytes)];
    return kept.count > 0 ? kept.blocks[--kept.count] : ::operator new(smallest << index_of(bytes));
  }
  /// @param block  of take() of any object, or of operator new   @param bytes  as they were given to it
  void give_back(void* block, std::size_t bytes) noexcept {
    if (bytes > largest) return ::operator delete(block);
    size_class& kept = sizes_[index_of(bytes)];
    if (kept.count == most_kept) return ::operator delete(block);
    kept.blocks[kept.count++] = block;
  }

  static constexpr std::size_t index_of(std::size_t bytes) {
    return bytes <= smallest ? 0 : static_cast<std::size_t>(std::bit_width((bytes - 1) / smallest));
  }

 private:
  struct size_class {
    std::array<void*, most_kept> blocks;
    std::size_t count = 0;
  };
  std::array<size_class, static_cast<std::size_t>(std::bit_width(largest / smallest))> sizes_;
};

/// Those of this thread; null once they are gone (destructors of other objects may still run), and under the address
/// sanitizer, which is to see every list.
inline scratch_blocks* scratch_of_thread() {
#if BINADE_ADDRESS_SANITIZER
  return nullptr;
#else
  static constinit thread_local bool is_over = false;
  struct owner {
    scratch_blocks blocks;
    ~owner() { is_over = true; }
  };
  if (is_over) return nullptr;
  static thread_local owner of_thread;
  return &of_thread.blocks;
#endif
}

/// Of std::vector.
template <class T>
struct scratch_allocator {
  using value_type = T;
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

  scratch_allocator() = default;
  template <class Other>
  scratch_allocator(const scratch_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    scratch_blocks* const blocks = scratch_of_thread();
    // Whole size classes, as the block may go back to a thread that keeps it.
    return static_cast<T*>(blocks != nullptr ? blocks->take(count * sizeof(T))
                                             : ::operator new(size_of_class(count * sizeof(T))));
  }
  void deallocate(T* block, std::size_t count) noexcept {
    scratch_blocks* const blocks = scratch_of_thread();
    if (blocks == nullptr) return ::operator delete(block);
    blocks->give_back(block, count * sizeof(T));
  }
  template <class Other>
  bool operator==(const scratch_allocator<Other>&) const {
    return true;
  }

 private:
  static std::size_t size_of_class(std::size_t bytes) {
    if (BINADE_ADDRESS_SANITIZER || bytes > scratch_blocks::largest) return bytes;
    return scratch_blocks::smallest << scratch_blocks::index_of(bytes);
  }
};

/// A list for the time of one call.
template <class T>
using scratch_vector = std::vector<T, scratch_allocator<T>>;

}  // namespace binade::detail
