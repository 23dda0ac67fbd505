// Conversions between number types of any two kinds: every code of the one rounded once into the other, in six modes.

#include "binade/catalogue.hpp"
#include "binade/literals.hpp"
#include "numbers/judged.hpp"
#include "numbers/number_judged.hpp"

namespace {

using binade::number;
using judged::forgiving;
namespace formats = binade::formats;

/// Calls visit.operator()<F>(text form of F) for a format of every kind.
template <class Visit>
void for_each_kind(Visit visit) {
  visit.template operator()<forgiving(binade::int_format(8))>("int8");
  visit.template operator()<forgiving(binade::uint_format(4))>("uint4");
  visit.template operator()<forgiving(binade::fixed_format{.width = 8, .fraction_bits = 6})>("fixed1.6");
  visit.template operator()<forgiving(binade::lns_format{})>("lns8");
  visit.template operator()<forgiving(binade::lns_format{.gamma_log2 = 0, .bias = 64, .has_zero = true})>(
      "lns8:gamma=1:bias=64:zero");
  visit.template operator()<binade::posit_format(8)>("posit8");
  visit.template operator()<binade::posit_format(10)>("posit10");
  visit.template operator()<binade::takum_format(12)>("takum12");
  visit.template operator()<forgiving(binade::format_of(binade::books::nf4))>("nf4");
}

template <auto To, auto From>
void judge_code(const judged::number_line& to, const oracle::exact_result& exact, std::uint64_t code,
                std::uint64_t& judged) {
  const oracle::rung place = to.locate(exact);
  for (int mode = 0; mode < judged::modes; ++mode) {
    const auto got = number<To>(number<From>::from_code(code), judged::rounded_by<To>(mode)).code;
    ASSERT_EQ(got, to.code(exact, place, static_cast<oracle::mode>(mode)))
        << "code " << code << ", " << to_string(exact) << " mode " << mode;
    ++judged;
  }
}

TEST(number_conversion, every_code_of_every_kind_is_rounded_once_into_every_other) {
  std::uint64_t judged = 0;
  for_each_kind([&]<auto To>(const std::string& to_kind) {
    const judged::number_line to(to_kind);
    for_each_kind([&]<auto From>(const std::string& from_kind) {
      if constexpr (!std::is_same_v<number<From>, number<To>>) {
        SCOPED_TRACE(from_kind + " to " + to_kind);
        const judged::number_line from(from_kind);
        for (std::uint64_t code = 0; code < from.size(); ++code)
          judge_code<To, From>(to, from.number(code), code, judged);
      }
    });
    // And of floating-point formats: their NaNs, infinities and negative zeros.
    const oracle::grid e5m2 = oracle::grid_of(formats::e5m2);
    for (std::uint64_t code = 0; code < 256; ++code)
      judge_code<To, formats::e5m2>(to, oracle::number_of(e5m2, code), code, judged);
  });
  EXPECT_GT(judged, 6u * 9 * 256 * 8);
}

TEST(number_conversion, every_code_of_every_kind_is_rounded_once_into_floating_point) {
  for_each_kind([&]<auto From>(const std::string& kind) {
    const judged::number_line from(kind);
    const auto into = [&]<binade::float_format To>() {
      const oracle::grid g = oracle::grid_of(To);
      for (std::uint64_t code = 0; code < from.size(); ++code) {
        const oracle::exact_place place = oracle::locate(g, from.number(code));
        for (int mode = 0; mode < judged::modes; ++mode) {
          const oracle::rule r{.rounding = static_cast<oracle::mode>(mode), .overflow = oracle::beyond::spec};
          const binade::policies<To> how{.rounding = static_cast<binade::rounding_mode>(mode),
                                         .overflow = binade::overflow_rule::spec};
          ASSERT_EQ((number<To>(number<From>::from_code(code), how).code),
                    oracle::project(g, r, from.number(code), place).code)
              << kind << " code " << code << " mode " << mode;
        }
      }
    };
    into.template operator()<formats::e4m3fn>();
    into.template operator()<formats::e5m10>();
    into.template operator()<formats::e8m7>();
  });
}

TEST(number_conversion, operations_take_operands_of_any_kinds) {
  using namespace binade::literals;
  EXPECT_EQ(double(binade::multiply_to<formats::e4m3fn>(1.5_posit16, 7_int8)), 10);  // 10.5, a tie
  EXPECT_EQ(double(binade::add_to<binade::posit_format(16)>(1_takum8, 0.5_e4m3fn)), 1.5);
  EXPECT_EQ(double(binade::fma_to<binade::int_format(16)>(100_int8, 100_int8, -1_int8)), 9999);
  EXPECT_EQ(double(binade::divide_to<binade::format_of(binade::books::nf4)>(3_uint4, 4_int4)), 0.7229568362236023);
  EXPECT_EQ(int(to_integer<int>((2.5_posit8).as_operand(), binade::rounding_mode::up)), 3);
}

}  // namespace
