#include "util/crc32c.hpp"

#include <array>

namespace binade {
namespace {

constexpr std::array<std::uint32_t, 256> table = [] {
  std::array<std::uint32_t, 256> result{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t c = byte;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
    result[byte] = c;
  }
  return result;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = 0xFFFFFFFFu;
  for (const char byte : bytes) c = (c >> 8) ^ table[(c ^ static_cast<unsigned char>(byte)) & 0xFFu];
  return c ^ 0xFFFFFFFFu;
}

}  // namespace binade
