#pragma once
// Every named format with the document that defines it.  A name stands here and in no branch.

#include <array>
#include <string_view>

#include "binade/float_format.hpp"

/// The table: row(name, source, descriptor...) for each named floating-point format, the name canonical and in lower
/// case.  From a row come formats::NAME, its entry in `catalogue`, its literal 1.5_NAME, and with the catalogue the
/// text form, the sweeps and the manual's table.
///
/// dlfloat16: one code of each sign, all ones, is NaN or infinity; no subnormals, exponent field 0 is a binade, code 0
/// zero.  ue1m0, a microexponent: 1/2 and 1, nothing else.
// clang-format off
#define BINADE_FORMAT_TABLE(row)                                                                                      \
  row(e11m52, "IEEE 754-2019, binary64", ieee_format(11, 52))                                                         \
  row(e8m23, "IEEE 754-2019, binary32", ieee_format(8, 23))                                                           \
  row(e8m15, "Pixar PXR24, FP24 s1e8m15 (convention)", ieee_format(8, 15))                                            \
  row(e7m16, "ATI R300, FP24 s1e7m16 (convention; specials as IEEE 754)", ieee_format(7, 16))                         \
  row(e8m10, "NVIDIA PTX ISA, tf32", ieee_format(8, 10))                                                              \
  row(e5m10, "IEEE 754-2019, binary16", ieee_format(5, 10))                                                           \
  row(e8m7, "bfloat16, as in ml_dtypes", ieee_format(8, 7))                                                           \
  row(dlfloat16, "Agrawal et al., DLFloat, ARITH 2019",                                                               \
      { .width = 16, .precision = 10, .bias = 31, .high_nans = 1, .has_subnormals = false})                            \
  row(e5m2, "OCP OFP8 1.0, E5M2", ieee_format(5, 2))                                                                  \
  row(e4m3, "ml_dtypes, float8_e4m3", ieee_format(4, 3))                                                              \
  row(e3m4, "ml_dtypes, float8_e3m4", ieee_format(3, 4))                                                              \
  row(e4m3fn, "OCP OFP8 1.0, E4M3", fn_format(4, 3))                                                                  \
  row(e3m4fn, "Intel FP8 Emulation Toolkit, E3M4", fn_format(3, 4))                                                   \
  row(e4m3fnuz, "ml_dtypes, float8_e4m3fnuz", fnuz_format(4, 3))                                                      \
  row(e5m2fnuz, "ml_dtypes, float8_e5m2fnuz", fnuz_format(5, 2))                                                      \
  row(e4m3b11fnuz, "ml_dtypes, float8_e4m3b11fnuz", fnuz_format(4, 3, 11))                                            \
  row(e3m2fn, "OCP MX 1.0, FP6 E3M2", finite_format(3, 2))                                                            \
  row(e2m3fn, "OCP MX 1.0, FP6 E2M3", finite_format(2, 3))                                                            \
  row(e2m1fn, "OCP MX 1.0, FP4 E2M1", finite_format(2, 1))                                                            \
  row(e3m0, "FP4 E3M0 (convention)", finite_format(3, 0))                                                             \
  row(e1m2, "FP4 E1M2 (convention)", finite_format(1, 2))                                                             \
  row(e8m0fnu, "OCP MX 1.0, E8M0", power_format(8, 127))                                                              \
  row(ue4m3, "NVIDIA PTX ISA, ue4m3", unsigned_format(e4m3fn))                                                        \
  row(ue5m3, "NVIDIA PTX ISA, ue5m3", unsigned_format(fn_format(5, 3)))                                               \
  row(ue1m0, "microexponent: Darvish Rouhani et al., ISCA 2023, arXiv:2302.08007",                                    \
      {.width = 1, .precision = 1, .bias = 1, .is_signed = false, .has_negative_zero = false,                         \
       .has_subnormals = false, .has_zero = false})
// clang-format on

namespace binade {
namespace formats {

#define BINADE_DEFINE_FORMAT(name, source, ...) inline constexpr float_format name = __VA_ARGS__;
BINADE_FORMAT_TABLE(BINADE_DEFINE_FORMAT)
#undef BINADE_DEFINE_FORMAT

}  // namespace formats

/// A floating-point format with its name and the document that defines it.
struct named_format {
  std::string_view name;  ///< canonical, lower case
  float_format format;
  std::string_view source;
};

/// The rows of the table, in its order.
inline constexpr std::array catalogue{
#define BINADE_CATALOGUE_ENTRY(name, source, ...) named_format{#name, formats::name, source},
    BINADE_FORMAT_TABLE(BINADE_CATALOGUE_ENTRY)
#undef BINADE_CATALOGUE_ENTRY
};

/// A second name that input may use; output prints the canonical one.
struct format_alias {
  std::string_view alias, name, source;
};

/// Every second name.  An alias is not a name of the catalogue.
inline constexpr std::array aliases{
    format_alias{"f16", "e5m10", "IEEE 754-2019, binary16"},  format_alias{"bf16", "e8m7", "bfloat16"},
    format_alias{"tf32", "e8m10", "NVIDIA PTX ISA, tf32"},    format_alias{"f32", "e8m23", "IEEE 754-2019, binary32"},
    format_alias{"f64", "e11m52", "IEEE 754-2019, binary64"},
};

/// The entry of a name or alias in lower case; nullptr if there is none.
constexpr const named_format* find_format(std::string_view name) {
  for (const format_alias& a : aliases)
    if (a.alias == name) name = a.name;
  for (const named_format& entry : catalogue)
    if (entry.name == name) return &entry;
  return nullptr;
}

/// The entry whose descriptor this is; nullptr if it has no name.
constexpr const named_format* find_format(const float_format& f) {
  for (const named_format& entry : catalogue)
    if (entry.format == f) return &entry;
  return nullptr;
}

namespace detail {
constexpr bool catalogue_is_sound() {
  for (const named_format& entry : catalogue)
    if (!defect(entry.format).empty() || find_format(entry.name) != &entry || find_format(entry.format) != &entry)
      return false;
  for (const format_alias& a : aliases) {
    // Not find_format(a.alias) != nullptr: with -fsanitize=undefined g++ 12 takes that for no constant expression.
    bool found = false;
    for (const named_format& entry : catalogue) found = found || entry.name == a.name;
    if (!found) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::catalogue_is_sound(),
              "each catalogue entry is a possible format with a name and values of its own");

}  // namespace binade
