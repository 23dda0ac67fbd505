#include "util/crc32c.hpp"

#include <array>
#include <cstddef>

namespace binade {
namespace {

/// Bytes that are taken at once: their places in the remainder do not depend on one another.
constexpr std::size_t slice = 8;

/// [k][byte]: what a byte and k bytes of zero after it leave.
constexpr std::array<std::array<std::uint32_t, 256>, slice> tables = [] {
  std::array<std::array<std::uint32_t, 256>, slice> result{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t c = byte;
    for (std::size_t k = 0; k < slice; ++k) {
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
      result[k][byte] = c;
    }
  }
  return result;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = 0xFFFFFFFFu;
  for (; bytes.size() >= slice; bytes.remove_prefix(slice)) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < slice; ++i) {
      const std::uint32_t before = i < 4 ? c >> (8 * i) : 0;
      next ^= tables[slice - 1 - i][(before ^ static_cast<unsigned char>(bytes[i])) & 0xFFu];
    }
    c = next;
  }
  for (const char byte : bytes) c = (c >> 8) ^ tables[0][(c ^ static_cast<unsigned char>(byte)) & 0xFFu];
  return c ^ 0xFFFFFFFFu;
}

}  // namespace binade
