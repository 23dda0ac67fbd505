// Replaces operator new and delete of a test program by ones that count.  For one source of a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace binade::test {

inline std::atomic<std::size_t> allocations{0}, releases{0};

inline void* counted_allocation(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  // A size for aligned_alloc is a multiple of the alignment.
  void* const block = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
inline void counted_release(void* block) {
  if (block != nullptr) releases.fetch_add(1, std::memory_order_relaxed);
  std::free(block);
}

}  // namespace binade::test

// Inlined, the two halves of a pair look like strangers to the compiler.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return binade::test::counted_allocation(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return binade::test::counted_allocation(size, std::size_t(alignment));
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
  binade::test::counted_release(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
  binade::test::counted_release(block);
}
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept {
  binade::test::counted_release(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  binade::test::counted_release(block);
}
