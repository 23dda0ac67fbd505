#include "util/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace binade {

struct byte_hasher::state {
  XXH3_state_t xxh;
};

byte_hasher::byte_hasher() : state_(std::make_unique<state>()) {
  XXH3_64bits_reset(&state_->xxh);
}
byte_hasher::~byte_hasher() = default;

byte_hasher& byte_hasher::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->xxh, bytes.data(), bytes.size());
  return *this;
}

std::string byte_hasher::digest() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::uint64_t value = XXH3_64bits_digest(&state_->xxh);
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; value >>= 4) text[i] = digits[value & 15];
  return text;
}

}  // namespace binade
