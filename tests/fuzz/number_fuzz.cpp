// Any text is a number that std::from_chars reads too, as far; or none for both.  A number that is read prints, and
// reads back.

#include <bit>
#include <charconv>
#include <cstdint>
#include <type_traits>

#include "binade/charconv.hpp"
#include "binade/literals.hpp"
#include "fuzz/require.hpp"

namespace {

using namespace binade::literals;

template <class Number>
void judge(const char* first, const char* last) {
  Number x, again;
  const std::from_chars_result read = from_chars(first, last, x);
  double value = 0;
  const std::from_chars_result wanted = std::from_chars(first, last, value);
  const bool is_number = wanted.ec != std::errc::invalid_argument;
  if (read.ec == std::errc::invalid_argument) {
    fuzz::require(read.ptr == first, "nothing is read of what is no number");
    fuzz::require(!is_number || value != value, "every number is read, and NaN where there is one");
    return;
  }
  fuzz::require(is_number && read.ptr == wanted.ptr, "a number ends where std::from_chars has it end");
  char text[32];
  const std::to_chars_result written = to_chars(text, text + sizeof text, x);
  fuzz::require(written.ec == std::errc(), "32 characters hold every number");
  const std::from_chars_result reread = from_chars(text, written.ptr, again);
  fuzz::require(reread.ec == std::errc() && reread.ptr == written.ptr, "what is written is read");
  fuzz::require(is_nan(x) ? is_nan(again) : again.code == x.code, "what is written reads back");
  if constexpr (std::is_same_v<Number, binade::minifloat<binade::formats::e8m23>>) {
    float same = 0;
    if (std::from_chars(first, last, same).ec == std::errc() && same == same)
      fuzz::require(x.code == std::bit_cast<std::uint32_t>(same), "binary32 is read as float is");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const char *const first = reinterpret_cast<const char*>(data), *const last = first + size;
  judge<binade::minifloat<binade::formats::e4m3fn>>(first, last);
  judge<binade::minifloat<binade::formats::e5m2>>(first, last);
  judge<binade::minifloat<binade::formats::e8m23>>(first, last);
  judge<decltype(1_posit8)>(first, last);
  judge<decltype(1_lns8)>(first, last);
  judge<decltype(1_int8)>(first, last);
  judge<decltype(1_nf4)>(first, last);
  return 0;
}
