#pragma once
// Conversion profiles: what other libraries choose where binade's default differs.  A profile and a format are a row;
// the codec knows choices, not profiles.  docs/differences.md lists what each library does.

#include <array>
#include <cstdint>
#include <string_view>

#include "binade/catalogue.hpp"
#include "binade/element.hpp"

namespace binade {

/// Whose conversions are followed bit for bit, `as=` in the text form: those of cuda, ml_dtypes, pytorch, p3109 or ocp.
enum class profile : std::uint8_t { cuda, ml_dtypes, pytorch, p3109, ocp };

/// A profile's word, and what it follows.
struct named_profile {
  std::string_view name;
  profile value;
  std::string_view source;
};
/// Every profile by its word.
inline constexpr std::array profiles{
    named_profile{"cuda", profile::cuda, "CUDA 13.0: cuda_fp8.h, cuda_fp6.h, cuda_fp4.h, cuda_fp16.h, cuda_bf16.h"},
    named_profile{"ml_dtypes", profile::ml_dtypes, "ml_dtypes 0.5.3, ndarray.astype"},
    named_profile{"pytorch", profile::pytorch, "PyTorch 2.13.0, Tensor.to in eager mode on a CPU with AVX2"},
    named_profile{"p3109", profile::p3109, "IEEE P3109 interim report 4.0, SatNone"},
    named_profile{"ocp", profile::ocp, "OCP OFP8 1.0, saturating mode; OCP MX 1.0"},
};

namespace detail {

/// A set of enumerators.
template <class Enum>
struct enum_set {
  std::uint32_t bits;
  constexpr bool has(Enum value) const { return (bits >> unsigned(value) & 1) != 0; }
};
template <class Enum, class... Enums>
constexpr enum_set<Enum> set_of(Enum first, Enums... rest) {
  return {((std::uint32_t(1) << unsigned(first)) | ... | (std::uint32_t(1) << unsigned(rest)))};
}
inline constexpr enum_set<rounding_mode> any_rounding{~std::uint32_t(0)};
inline constexpr auto saturate_only = set_of(overflow_rule::saturate), spec_only = set_of(overflow_rule::spec),
                      saturate_or_spec = set_of(overflow_rule::saturate, overflow_rule::spec);

}  // namespace detail

/// What a profile does for one format.
struct profile_row {
  profile as;
  float_format format;
  nan_code nan = nan_code::refuse;  ///< what a NaN becomes in a format without one
  overflow_rule overflow;           ///< unless the text names another one of `overflows`
  detail::enum_set<overflow_rule> overflows;
  conversion_choices choices = {};
  rounding_mode rounding = rounding_mode::nearest_even;  ///< unless the text names another one of `roundings`
  detail::enum_set<rounding_mode> roundings = detail::any_rounding;
  bool every_p3109 = false;  ///< the row is of the whole P3109 family, and `format` is one of it

  constexpr bool is_for(const float_format& f) const { return every_p3109 ? f.sat_none : f == format; }
  /// @pre is_for(f)
  constexpr element applied_to(float_format f) const {
    f.nan = nan;
    return {.format = f, .rounding = rounding, .overflow = overflow, .choices = choices};
  }
  /// True if the row's profile and explicit policies can say e.
  constexpr bool covers(const element& e) const {
    if (e.format.kind != format_kind::floating) return false;
    float_format f = e.format.floating;
    f.nan = nan_code::refuse;
    return is_for(f) && e.format.nan() == nan && e.choices == choices && overflows.has(e.overflow) &&
           roundings.has(e.rounding) && e.subnormals == subnormal_rule::gradual;
  }
};

/// Each row is compared with its library on all inputs of float16 and bfloat16, both sides of every value and midpoint,
/// and a walk through float32 (tests/libraries/); those of cuda on all of float32.
inline constexpr std::array profile_rows = [] {
  using namespace formats;
  using namespace detail;
  using enum profile;
  using enum overflow_rule;
  // CUDA: NaN loses its sign; what overflows to NaN keeps it.  SATFINITE unless `spec` (NOSAT) is said.
  constexpr conversion_choices cuda_nan{.nan = nan_rule::ones, .overflow_nan = nan_rule::ones_signed};
  constexpr conversion_choices cuda_scale{.magnitude_only = true};
  // ml_dtypes: NaN keeps its sign, wherever it comes from.
  constexpr conversion_choices signed_nan{.nan = nan_rule::canonical_signed,
                                          .overflow_nan = nan_rule::canonical_signed};
  constexpr conversion_choices ml_scale{.zero_is_nan = true, .lowest_step_up = true};
  constexpr conversion_choices torch_nan{.nan = nan_rule::ones_signed};
  constexpr conversion_choices torch_scale{.magnitude_only = true, .lowest_step_up = true};
  constexpr auto nearest = rounding_mode::nearest_even, away = rounding_mode::nearest_away, up = rounding_mode::up,
                 inward = rounding_mode::toward_zero;
  return std::array{
      profile_row{cuda, e4m3fn, {}, saturate, saturate_or_spec, cuda_nan},
      profile_row{cuda, e5m2, {}, saturate, saturate_or_spec, cuda_nan},
      profile_row{cuda, e3m2fn, nan_code::max, saturate, saturate_only},
      profile_row{cuda, e2m3fn, nan_code::max, saturate, saturate_only},
      profile_row{cuda, e2m1fn, nan_code::max, saturate, saturate_only},
      profile_row{cuda, e8m0fnu, {}, saturate, saturate_or_spec, cuda_scale, up, set_of(up, inward)},
      profile_row{cuda, e5m10, {}, spec, spec_only, cuda_nan},
      profile_row{cuda, e8m7, {}, spec, spec_only, cuda_nan},
      // No header has tf32: this is cvt.rn and cvt.rz of a Hopper GPU (tests/cuda/conversions_gpu.cu).
      profile_row{cuda, e8m10, {}, spec, spec_only, cuda_nan, nearest, set_of(nearest, inward)},

      profile_row{ml_dtypes, e4m3fn, {}, spec, spec_only, signed_nan},
      profile_row{ml_dtypes, e5m2, {}, spec, spec_only, signed_nan},
      profile_row{ml_dtypes, e4m3, {}, spec, spec_only, signed_nan},
      profile_row{ml_dtypes, e3m4, {}, spec, spec_only, signed_nan},
      profile_row{ml_dtypes, e4m3fnuz, {}, spec, spec_only},
      profile_row{ml_dtypes, e5m2fnuz, {}, spec, spec_only},
      profile_row{ml_dtypes, e4m3b11fnuz, {}, spec, spec_only},
      profile_row{ml_dtypes, e3m2fn, nan_code::opposite_zero, saturate, saturate_only},
      profile_row{ml_dtypes, e2m3fn, nan_code::opposite_zero, saturate, saturate_only},
      profile_row{ml_dtypes, e2m1fn, nan_code::opposite_zero, saturate, saturate_only},
      profile_row{ml_dtypes, e8m0fnu, {}, spec, spec_only, ml_scale, away, set_of(away)},
      profile_row{ml_dtypes, e8m7, {}, spec, spec_only, signed_nan},

      profile_row{pytorch, e4m3fn, {}, saturate, saturate_only, torch_nan},
      profile_row{pytorch, e5m2, {}, spec, spec_only, torch_nan},
      profile_row{pytorch, e4m3fnuz, {}, spec, spec_only},
      profile_row{pytorch, e5m2fnuz, {}, spec, spec_only},
      profile_row{pytorch, e8m0fnu, {}, spec, spec_only, torch_scale, away, set_of(away)},
      profile_row{pytorch, e5m10, {}, spec, spec_only, {.nan = nan_rule::payload}},
      profile_row{pytorch, e8m7, {}, spec, spec_only, {.nan = nan_rule::ones_negative}},

      profile_row{.as = p3109,
                  .format = p3109_format(8, 3, true, true),
                  .overflow = spec,
                  .overflows = set_of(saturate, propagate, spec),
                  .every_p3109 = true},

      profile_row{ocp, e4m3fn, {}, saturate, saturate_or_spec},
      profile_row{ocp, e5m2, {}, saturate, saturate_or_spec},
      profile_row{ocp, e3m2fn, {}, saturate, saturate_only},
      profile_row{ocp, e2m3fn, {}, saturate, saturate_only},
      profile_row{ocp, e2m1fn, {}, saturate, saturate_only},
  };
}();

/// The row of a profile and a format as the catalogue has it; nullptr if the library has no such conversion.
constexpr const profile_row* find_profile_row(profile as, const number_format& f) {
  for (const profile_row& row : profile_rows)
    if (row.as == as && f.kind == format_kind::floating && row.is_for(f.floating)) return &row;
  return nullptr;
}

namespace detail {
constexpr bool profile_rows_are_sound() {
  for (const profile_row& row : profile_rows)
    if (const element e = row.applied_to(row.format);
        !defect(e).empty() || !row.covers(e) || find_profile_row(row.as, row.format) != &row)
      return false;
  return true;
}
}  // namespace detail
static_assert(detail::profile_rows_are_sound(),
              "each row is a possible element and the only one of its profile and format");

}  // namespace binade
