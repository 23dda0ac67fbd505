#pragma once
// The formats that are no floating point, of the golden tables, beside the library's.

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "binade/codec.hpp"
#include "binade/text.hpp"
#include "numbers/judged.hpp"
#include "numbers/small_formats.hpp"
#include "oracle/block_walk.hpp"
#include "oracle/other_form.hpp"

namespace judged {

inline const std::vector<oracle::other_form>& other_forms() {
  static const auto all = oracle::read_other_forms(source_folder() + "/tests/golden/other");
  return all;
}
/// Those of 8 bits or fewer.
inline std::vector<oracle::other_form> small_other_forms() {
  std::vector<oracle::other_form> all = other_forms();
  std::erase_if(all, [](const auto& f) { return f.width > 8; });
  return all;
}

inline binade::element element_of(const oracle::other_form& f, const oracle::rule& r) {
  return {.format = binade::parse_format(f.text),
          .rounding = static_cast<binade::rounding_mode>(r.rounding),
          .noise_bits = r.noise_bits,
          .overflow = static_cast<binade::overflow_rule>(r.overflow)};
}

/// Every deterministic rounding with every overflow rule that is possible.
inline std::vector<oracle::rule> deterministic_rules(const oracle::other_form& f) {
  std::vector<oracle::rule> all;
  for (const oracle::mode m : deterministic_modes)
    for (const oracle::beyond b : possible_overflows(f)) all.push_back({.rounding = m, .overflow = b});
  return all;
}
/// Every stochastic rounding.
inline std::vector<oracle::rule> stochastic_rules(int noise_bits) {
  std::vector<oracle::rule> all;
  for (const oracle::mode m : stochastic_modes)
    all.push_back({.rounding = m, .noise_bits = noise_bits, .overflow = oracle::beyond::spec});
  return all;
}

/// encode() of an array: what programs run for these formats.
struct other_codes {
  explicit other_codes(const binade::element& e) : element(e) {}
  void operator()(std::span<const float> x, std::span<std::uint32_t> codes) const {
    const binade::element e = element;
    for (std::size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<std::uint32_t>(binade::encode(e, x[i]));
  }
  binade::element element;
};

inline std::string name_of_form(const testing::TestParamInfo<oracle::other_form>& info) {
  return info.param.name;
}

}  // namespace judged
