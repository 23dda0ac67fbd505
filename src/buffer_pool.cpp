#include "buffer_pool.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <utility>

namespace binade {
namespace {

constexpr std::align_val_t block_alignment{buffer_pool::alignment};

/// The smallest j * 2^e with 8 <= j <= 16 that holds the bytes; never less than a cache line's eightfold.
std::size_t block_size(std::size_t bytes) {
  constexpr std::size_t smallest = 8 * buffer_pool::alignment;
  if (bytes <= smallest) return smallest;
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

}  // namespace

buffer_pool& buffer_pool::instance() {
  static buffer_pool* const pool = new buffer_pool;  // never deleted: tensors may die after any static object
  return *pool;
}

std::shared_ptr<std::byte> buffer_pool::take(std::size_t bytes) {
  const std::size_t size = block_size(bytes);
  std::byte* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    size_class& blocks = classes_[size];
    blocks.last_request = ++requests_;
    if (!blocks.waiting.empty()) {
      block = blocks.waiting.back();
      blocks.waiting.pop_back();
      usage_.kept -= size;
    } else {
      // Room for this block to come back to, so that giving it back never allocates.
      blocks.waiting.reserve(blocks.waiting.capacity() + 1);
      block = static_cast<std::byte*>(::operator new(size, block_alignment));
      ++usage_.system_requests;
    }
    usage_.in_use += size;
    if (usage_.peak < usage_.in_use) usage_.peak = usage_.in_use;
  }
  return {block, [this, size](std::byte* p) { give_back(p, size); }};
}

void buffer_pool::give_back(std::byte* block, std::size_t size) noexcept {
  const std::lock_guard lock(mutex_);
  usage_.in_use -= size;
  classes_.find(size)->second.waiting.push_back(block);
  usage_.kept += size;
  while (usage_.kept > 2 * usage_.peak) {
    const auto oldest = std::min_element(classes_.begin(), classes_.end(), [](const auto& a, const auto& b) {
      // Sizes of which nothing waits come last.
      return std::pair(a.second.waiting.empty(), a.second.last_request) <
             std::pair(b.second.waiting.empty(), b.second.last_request);
    });
    free_waiting(oldest->first, oldest->second);
  }
}

void buffer_pool::free_waiting(std::size_t size, size_class& blocks) noexcept {
  for (std::byte* block : blocks.waiting) ::operator delete(block, block_alignment);
  usage_.kept -= size * blocks.waiting.size();
  blocks.waiting.clear();
}

void buffer_pool::trim() {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : classes_) free_waiting(size, blocks);
}

buffer_pool::statistics buffer_pool::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

}  // namespace binade
