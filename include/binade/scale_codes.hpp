#pragma once
// Scales to the codes of their format and back.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "binade/array_decoder.hpp"
#include "binade/array_rounder.hpp"
#include "binade/code_array.hpp"
#include "binade/scaling.hpp"
#include "binade/versions.hpp"

namespace binade::detail {

/// scales[k]: the value of a code that is an exponent field of float32.
template <class Code>
struct fields_body {
  BINADE_ALWAYS_INLINE static void run(const Code* __restrict codes, float* __restrict scales, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t field = std::uint32_t(codes[k]) << 23;
      scales[k] = std::bit_cast<float>(field == 0 ? 0x00400000 : field < 0x7f800000 ? field : 0x7fc00000);
    }
  }
};
/// The codes of scales, which are values of this format.
inline void encode_scales(const float_format& f, const std::vector<float>& scales, code_array& to) {
  const array_rounder storage(element{.format = f, .overflow = overflow_rule::saturate});
  with_codes(to, f.width, scales.size(), [&](auto& codes) {
    using code_type = typename std::remove_reference_t<decltype(codes)>::value_type;
    if (!has_fields_of_float(f)) {
      storage.encode(scales.data(), nullptr, codes.data(), scales.size());
      return;
    }
    for (std::size_t k = 0; k < scales.size(); ++k) codes[k] = code_type(std::bit_cast<std::uint32_t>(scales[k]) >> 23);
  });
}
inline std::vector<float> decode_scales(const float_format& f, const code_array& codes) {
  return std::visit(
      [&](const auto& c) {
        std::vector<float> scales(c.size());
        if (has_fields_of_float(f)) {
          run_best<fields_body<typename std::remove_cvref_t<decltype(c)>::value_type>>(c.data(), scales.data(),
                                                                                       c.size());
          return scales;
        }
        array_decoder(f, c.size())(c.data(), scales.data(), c.size());
        return scales;
      },
      codes);
}

}  // namespace binade::detail
