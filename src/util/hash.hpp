#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace binade {

/// XXH3 (64 bits) of all bytes added, in order: finds damage and tells things apart; no defence against malice.
class byte_hasher {
 public:
  byte_hasher();
  ~byte_hasher();
  byte_hasher(const byte_hasher&) = delete;
  byte_hasher& operator=(const byte_hasher&) = delete;

  byte_hasher& add(std::span<const std::byte> bytes);
  byte_hasher& add(std::string_view text) { return add(std::as_bytes(std::span(text))); }
  /// 16 hexadecimal digits.
  std::string digest() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// The digest of a whole text.
inline std::string hash_of(std::string_view text) {
  return byte_hasher().add(text).digest();
}

}  // namespace binade
