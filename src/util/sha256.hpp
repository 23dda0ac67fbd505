#pragma once

#include <string>
#include <string_view>

namespace binade {

/// SHA-256 of a whole text: 64 hexadecimal digits.  (FIPS 180-4, 6.2)  For files that others check with their own
/// tools; byte_hasher is far faster where only this program reads what it wrote.
std::string sha256_of(std::string_view bytes);

}  // namespace binade
