#include "buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "binade/scratch.hpp"
#if BINADE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace binade {
namespace {

constexpr std::align_val_t block_alignment{buffer_pool::alignment};

/// Class 8 e + j, for 0 <= j < 8, has blocks of 64 (8 + j) 2^(e - 1) bytes; for e = 0 of 64 (j + 1), 512 at the most.
/// @pre 0 < bytes <= the largest std::ptrdiff_t
std::size_t class_of(std::size_t bytes) {
  const std::size_t lines = (bytes - 1) / buffer_pool::alignment;  // less one
  if (lines < 8) return lines;
  const auto exponent = static_cast<std::size_t>(std::bit_width(lines)) - 3;
  return 8 * exponent + ((lines >> (exponent - 1)) & 7) + 1;
}
std::size_t size_of_class(std::size_t index) {
  const std::size_t exponent = index / 8, part = index % 8;
  return buffer_pool::alignment * (exponent == 0 ? part + 1 : (8 + part) << (exponent - 1));
}

// What waits, and what a block has beyond the bytes that were asked for, is nobody's: the address sanitizer finds who
// touches it.  The address of the next block stays in sight, where the search for leaks follows it.
#if BINADE_ADDRESS_SANITIZER
void hide(const std::byte* block, std::size_t size) {
  __asan_poison_memory_region(block, size);
}
void show(const std::byte* block, std::size_t size) {
  __asan_unpoison_memory_region(block, size);
}
#else
void hide(const std::byte*, std::size_t) {}
void show(const std::byte*, std::size_t) {}
#endif

std::byte* next_of(const std::byte* block) {
  std::byte* next = nullptr;
  std::memcpy(&next, block, sizeof next);
  return next;
}

}  // namespace

// Neither is ever deleted: tensors may die after any static object.
buffer_pool& buffer_pool::instance() {
  static buffer_pool* const pool = new buffer_pool;
  return *pool;
}
buffer_pool& buffer_pool::of_small_things() {
  static buffer_pool* const pool = new buffer_pool;
  return *pool;
}

std::shared_ptr<std::byte> buffer_pool::take(std::size_t bytes) {
  std::byte* const block = allocate(bytes);
  return {block, [this, bytes](std::byte* p) { deallocate(p, bytes); }, pool_allocator<std::byte>()};
}

std::byte* buffer_pool::allocate(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
  const std::size_t index = class_of(std::max<std::size_t>(bytes, 1)), size = size_of_class(index);
  const std::lock_guard lock(mutex_);
  size_class& blocks = classes_[index];
  blocks.last_request = ++requests_;
  std::byte* block = blocks.waiting;
  if (block != nullptr) {
    blocks.waiting = next_of(block);
    usage_.kept -= size;
  } else {
    block = static_cast<std::byte*>(::operator new(size, block_alignment));
    ++usage_.system_requests;
  }
  usage_.in_use += size;
  if (usage_.peak < usage_.in_use) usage_.peak = usage_.in_use;
  hide(block, size);
  show(block, bytes);
  return block;
}

void buffer_pool::deallocate(std::byte* block, std::size_t bytes) noexcept {
  const std::size_t index = class_of(std::max<std::size_t>(bytes, 1)), size = size_of_class(index);
  const std::lock_guard lock(mutex_);
  size_class& blocks = classes_[index];
  usage_.in_use -= size;
  hide(block, size);
  show(block, sizeof blocks.waiting);
  std::memcpy(block, &blocks.waiting, sizeof blocks.waiting);
  blocks.waiting = block;
  usage_.kept += size;
  while (usage_.kept > 2 * usage_.peak) {
    const auto oldest =
        std::min_element(classes_.begin(), classes_.end(), [](const size_class& a, const size_class& b) {
          // Sizes of which nothing waits come last.
          return std::pair(a.waiting == nullptr, a.last_request) < std::pair(b.waiting == nullptr, b.last_request);
        });
    free_waiting(static_cast<std::size_t>(oldest - classes_.begin()));
  }
}

void buffer_pool::free_waiting(std::size_t index) noexcept {
  std::byte*& waiting = classes_[index].waiting;
  while (waiting != nullptr) {
    std::byte* const block = std::exchange(waiting, next_of(waiting));
    show(block, size_of_class(index));
    ::operator delete(block, block_alignment);
    usage_.kept -= size_of_class(index);
  }
}

void buffer_pool::trim() {
  const std::lock_guard lock(mutex_);
  for (std::size_t index = 0; index < class_count; ++index) free_waiting(index);
}

buffer_pool::statistics buffer_pool::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

}  // namespace binade
