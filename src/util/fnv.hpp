#pragma once

#include <cstdint>
#include <string_view>

namespace binade {

/// FNV-1a, 64 bits: turns a name into a stream number.  (Fowler, Noll, Vo; offset basis and prime as published)
/// @param hash  of what goes before the text: fnv1a("ab") is fnv1a("b", fnv1a("a"))
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}
static_assert(fnv1a("") == 0xcbf29ce484222325 && fnv1a("a") == 0xaf63dc4c8601ec8c);  // the published test vectors

}  // namespace binade
