#pragma once
// Codes of any format as an array.

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace binade {

/// Codes in the smallest unsigned type that holds one.
using code_array = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>,
                                std::vector<std::uint64_t>>;

namespace detail {

inline std::size_t size_of(const code_array& codes) {
  return std::visit([](const auto& c) { return c.size(); }, codes);
}

/// The codes as a vector of this type and size, in the memory that they have if that is of this type.
template <class T>
std::vector<T>& resized(code_array& codes, std::size_t count) {
  if (!std::holds_alternative<std::vector<T>>(codes)) codes.emplace<std::vector<T>>();
  std::get<std::vector<T>>(codes).resize(count);
  return std::get<std::vector<T>>(codes);
}
/// Calls visit with a vector of the smallest type for codes of this width.
template <class Visit>
void with_codes(code_array& codes, int width, std::size_t count, Visit visit) {
  if (width <= 8) return visit(resized<std::uint8_t>(codes, count));
  if (width <= 16) return visit(resized<std::uint16_t>(codes, count));
  if (width <= 32) return visit(resized<std::uint32_t>(codes, count));
  return visit(resized<std::uint64_t>(codes, count));
}

}  // namespace detail

}  // namespace binade
