// Arithmetic between codes, judged by exact numbers of any size and comparisons.

#include <algorithm>
#include <cmath>

#include "numbers/arithmetic_judged.hpp"

namespace {

using judged::arithmetic;
using judged::exmy;
using judged::grid_named;
using judged::named_grid;
using judged::specials;
using oracle::beyond;
using oracle::mode;

/// Formats of 4 bits and fewer of every kind of specials; precision 1, and none of subnormals, sign or zero among them.
std::vector<named_grid> tiny_formats() {
  std::vector<named_grid> all;
  for (const named_grid& entry : judged::named_grids())
    if (entry.grid.width <= 4) all.push_back(entry);
  for (const auto& [x, y] : {std::pair{2, 1}, {1, 2}, {3, 0}})
    for (const specials kind : {specials::ieee, specials::fn, specials::fnuz, specials::none}) {
      oracle::grid g = exmy(x, y, kind, 1);
      const std::string name =
          "e" + std::to_string(x) + "m" + std::to_string(y) + " kind " + std::to_string(static_cast<int>(kind));
      all.push_back({name, g});
      g.has_subnormals = false;
      all.push_back({name + " without subnormals", g});
      if (kind != specials::fn && kind != specials::none) continue;
      g.is_signed = g.has_negative_zero = false;
      --g.width;
      all.push_back({name + " unsigned without subnormals", g});
      g.has_zero = false;
      all.push_back({name + " unsigned without zero", g});
    }
  for (const bool is_signed : {true, false})
    for (const bool is_extended : {true, false})
      for (int p = 1; p < 4; ++p) {
        const oracle::grid g = oracle::grid_of(binade::p3109_format(4, p, is_signed, is_extended));
        all.push_back({to_string(g), g});
      }
  return all;
}

std::vector<named_grid> grids_of_width(int least, int most) {
  std::vector<named_grid> all;
  for (const named_grid& entry : judged::named_grids())
    if (entry.grid.width >= least && entry.grid.width <= most) all.push_back(entry);
  return all;
}

TEST(arithmetic, every_pair_of_codes_of_formats_of_4_bits_is_rounded_once_under_every_rule) {
  std::uint64_t judged = 0;
  for (const auto& [name, grid] : tiny_formats()) {
    arithmetic judge(name, grid);
    auto rules = judged::arithmetic_rules(grid);
    for (const oracle::rule& daz : judged::deterministic_rules(beyond::saturate, oracle::tiny::flush_inputs))
      rules.push_back(daz);
    judge.all_operands(2, rules);
    rules.resize(rules.size() - std::size(judged::deterministic_modes));  // a conversion has its own daz: encode's
    judge.all_operands(1, rules);
    judged += judge.judged();
  }
  EXPECT_GT(judged, 1'000'000u);
}

TEST(arithmetic, every_triple_of_codes_of_formats_of_4_bits_is_rounded_once) {
  for (const auto& [name, grid] : tiny_formats()) {
    arithmetic judge(name, grid);
    judge.all_operands(3, judged::deterministic_rules(beyond::spec));
  }
}

TEST(arithmetic, every_pair_of_codes_of_formats_of_6_bits_is_rounded_once) {
  for (const auto& [name, grid] : grids_of_width(5, 6)) {
    arithmetic judge(name, grid);
    judge.all_operands(1, judged::arithmetic_rules(grid));
    judge.all_operands(2, judged::deterministic_rules(beyond::spec));
  }
}

TEST(arithmetic, sampled_operands_of_wider_formats_are_rounded_once_under_every_rule) {
  std::mt19937_64 random(1);
  for (const auto& [name, grid] : grids_of_width(7, 64)) {
    arithmetic judge(name, grid);
    judge.random_operands(300, random, judged::arithmetic_rules(grid));
  }
}

TEST(arithmetic, operands_of_different_formats_give_one_rounding_into_a_third) {
  std::mt19937_64 random(2);
  const std::vector<named_grid> all = judged::named_grids();
  for (int i = 0; i < 400; ++i) {
    const auto pick = [&] { return all[random() % all.size()]; };
    const named_grid a = pick(), b = pick(), c = pick(), r = pick();
    arithmetic judge(a.name + ", " + b.name + ", " + c.name + " -> " + r.name, {a.grid, b.grid, c.grid}, r.grid);
    judge.random_operands(10, random, judged::arithmetic_rules(r.grid));
  }
}

TEST(arithmetic, formats_without_a_name_are_served_too) {
  std::mt19937_64 random(3);
  for (const oracle::grid& g : judged::generic_grids()) {
    if (random() % 8 != 0) continue;
    arithmetic judge(to_string(g), g);
    judge.random_operands(4, random, judged::deterministic_rules(beyond::spec));
    oracle::grid without = g;
    without.has_subnormals = false;
    if (!without.fits_binary64()) continue;
    arithmetic judge_without(to_string(without), without);
    judge_without.random_operands(4, random, judged::deterministic_rules(beyond::spec));
  }
}

// ---- stochastic ----------------------------------------------------------------------------------------------------

constexpr mode stochastic_modes[] = {mode::stochastic_a, mode::stochastic_b, mode::stochastic_c};

TEST(arithmetic, every_noise_value_of_1_to_5_bits_goes_where_the_exact_tail_says) {
  std::mt19937_64 random(4);
  for (const auto& [name, grid] : judged::named_grids()) {
    arithmetic judge(name, grid);
    for (const mode m : stochastic_modes)
      for (int bits = 1; bits <= 5; ++bits) {
        std::vector<std::uint32_t> noises;
        for (std::uint32_t noise = 0; noise >> bits == 0; ++noise) noises.push_back(noise);
        judge.random_operands(2, random, {{.rounding = m, .noise_bits = bits, .overflow = beyond::spec}}, noises);
      }
  }
}

/// Judges one tuple with 32 noise bits.  The noise is the least that goes up, found by bisection of the oracle's
/// decision, and its neighbour: there the exact tail decides.
bool judge_at_the_noise_threshold(arithmetic& judge, const oracle::grid& g, const judged::operation& o,
                                  const std::array<std::uint64_t, 3>& codes) {
  oracle::exact_result x[3];
  for (std::size_t k = 0; k < o.operands; ++k) x[k] = oracle::number_of(g, codes[k]);
  const oracle::exact_result exact = o.exact(x, false);
  const oracle::exact_place place = oracle::locate(g, exact);
  for (const mode m : stochastic_modes) {
    const oracle::rule r{.rounding = m, .noise_bits = 32, .overflow = beyond::spec};
    std::uint64_t stays = 0, goes = std::uint64_t{1} << 32;
    while (goes - stays > 1) {
      const std::uint64_t middle = stays + (goes - stays) / 2;
      const bool up = exact.is == oracle::kind::finite &&
                      oracle::exact_goes_up(exact, place, r, static_cast<std::uint32_t>(middle));
      (up ? goes : stays) = middle;
    }
    std::vector<std::uint32_t> noises{0, 0xffffffff, static_cast<std::uint32_t>(stays)};
    if (goes >> 32 == 0) noises.push_back(static_cast<std::uint32_t>(goes));
    if (!judge(o, codes, {r}, noises)) return false;
  }
  return true;
}

TEST(arithmetic, noise_of_32_bits_sees_the_exact_tail_of_every_operation) {
  std::mt19937_64 random(5);
  for (const auto& [name, grid] : judged::named_grids()) {
    arithmetic judge(name, grid);
    for (const judged::operation& o : judged::operations)
      for (int i = 0; i < 8; ++i) ASSERT_TRUE(judge_at_the_noise_threshold(judge, grid, o, judge.random_codes(random)));
  }
}

TEST(arithmetic, a_tie_or_noise_threshold_is_decided_by_a_term_far_below) {
  std::mt19937_64 random(7);
  // Formats whose exponents reach far, subnormals or none, and up to 53 bits of precision.
  std::vector<named_grid> all;
  for (const char* name : {"e11m52", "e8m23", "e8m15", "e8m7", "e8m10"}) all.push_back({name, grid_named(name)});
  all.push_back({"e11m51", exmy(11, 51, specials::ieee, 1023)});
  for (std::size_t i = 0, size = all.size(); i < size; ++i) {
    oracle::grid g = all[i].grid;
    g.has_subnormals = false;
    all.push_back({all[i].name + " without subnormals", g});
  }
  for (const auto& [name, g] : all) {
    arithmetic judge(name, g);
    const std::uint64_t binade = std::uint64_t{1} << (g.precision - 1);
    const auto fields = static_cast<int>(g.max_code() / binade);
    const auto power = [&](int field) { return static_cast<std::uint64_t>(std::max(field, 1)) * binade; };
    for (int i = 0; i < 400; ++i) {
      const int field = 1 + static_cast<int>(random() % static_cast<unsigned>(fields));
      // x; a power of two at the half of its ulp, at its noise thresholds or between; and something far below that.
      const int distance = g.precision - 2 + static_cast<int>(random() % (i % 2 == 0 ? 4 : 38));
      const int further = static_cast<int>(random() % static_cast<unsigned>(fields / 3));
      std::array<std::uint64_t, 3> codes{
          power(field) | (i % 3 == 0 ? 0 : random() % binade), power(field - distance),
          power(field - distance - further) | (random() % 2 == 0 ? 0 : random() % binade)};
      for (std::uint64_t& code : codes) code |= random() % 2 == 0 ? g.sign_code() : 0;
      std::shuffle(codes.begin(), codes.end(), random);
      ASSERT_TRUE(judge("faa", codes, judged::deterministic_rules(beyond::spec)));
      ASSERT_TRUE(judge_at_the_noise_threshold(judge, g, judged::operation_of("faa"), codes));
      // The same with products: 1 * x + z, and x * y whose last bits reach far below z.
      const std::array<std::uint64_t, 3> product{power(g.bias) | (random() % 2 == 0 ? 0 : random() % binade), codes[0],
                                                 codes[1]};
      ASSERT_TRUE(judge("fma", product, judged::deterministic_rules(beyond::spec)));
      ASSERT_TRUE(judge_at_the_noise_threshold(judge, g, judged::operation_of("fma"), product));
      ASSERT_TRUE(judge("add", codes, judged::deterministic_rules(beyond::spec)));
      ASSERT_TRUE(judge_at_the_noise_threshold(judge, g, judged::operation_of("add"), codes));
    }
  }
}

TEST(arithmetic, thresholds_between_zero_and_the_smallest_value_see_a_term_far_below) {
  // Without subnormals that step is no power of two: a fraction j / 2^k of it, and a little more or less.
  std::mt19937_64 random(8);
  std::vector<named_grid> all{{"dlfloat16", grid_named("dlfloat16")}};
  for (const auto& [x, y] : {std::pair{5, 10}, {4, 3}, {5, 2}, {8, 7}, {4, 0}}) {
    oracle::grid g = exmy(x, y, y == 0 ? specials::none : specials::ieee, (1 << (x - 1)) - 1);
    g.has_subnormals = false;
    all.push_back({to_string(g), g});
  }
  const oracle::grid wide = grid_named("e11m52");
  for (const auto& [name, g] : all) {
    arithmetic judge(name, {wide, wide, wide}, g);
    const double smallest = to_double(g.value(1));
    for (int i = 0; i < 1500; ++i) {
      const int k = 1 + static_cast<int>(random() % 33);
      const double part = std::ldexp(smallest, -k) * static_cast<double>(1 + random() % ((std::uint64_t{1} << k) - 1));
      const double little = std::ldexp(part, -50 - static_cast<int>(random() % 150)) * (random() % 2 == 0 ? 1 : -1);
      const double sign_of_all = random() % 2 == 0 ? 1 : -1;
      const std::array<std::uint64_t, 3> codes{std::bit_cast<std::uint64_t>(sign_of_all * part),
                                               std::bit_cast<std::uint64_t>(sign_of_all * little),
                                               std::bit_cast<std::uint64_t>(0.0)};
      for (const char* o : {"add", "faa"})
        for (const mode m : stochastic_modes) {
          // R = 0 and the R whose threshold part is, and the one before it.
          const int bits = std::min(k, 32);
          const auto up = static_cast<std::uint32_t>(std::ldexp(1 - part / smallest, bits));
          std::vector<std::uint32_t> noises{0, up};
          if (up > 0) noises.push_back(up - 1);
          ASSERT_TRUE(judge(o, codes, {{.rounding = m, .noise_bits = bits, .overflow = beyond::spec}}, noises));
        }
      ASSERT_TRUE(judge("add", codes, judged::deterministic_rules(beyond::spec)));
    }
  }
}

// ---- golden cases --------------------------------------------------------------------------------------------------

using binade::element;
using binade::operand;
using binade::overflow_rule;
using binade::rounding_mode;
namespace formats = binade::formats;

constexpr element ieee16{.format = formats::e5m10};
constexpr element ieee16_down{.format = formats::e5m10, .rounding = rounding_mode::down};
constexpr operand half(std::uint64_t code) {
  return {formats::e5m10, code};
}
constexpr std::uint64_t one = 0x3c00, inf = 0x7c00, nan = 0x7e00, zero = 0, sign = 0x8000;

TEST(arithmetic, zeros_have_the_signs_of_ieee_754) {
  EXPECT_EQ(subtract(ieee16, half(one), half(one)), zero);
  EXPECT_EQ(subtract(ieee16_down, half(one), half(one)), sign);
  EXPECT_EQ(add(ieee16_down, half(zero), half(zero)), zero);
  EXPECT_EQ(add(ieee16_down, half(zero), half(sign)), sign);
  EXPECT_EQ(add(ieee16, half(sign), half(sign)), sign);
  EXPECT_EQ(add(ieee16, half(zero), half(sign)), zero);
  EXPECT_EQ(multiply(ieee16, half(sign), half(one)), sign);
  EXPECT_EQ(multiply(ieee16, half(sign), half(one | sign)), zero);
  EXPECT_EQ(divide(ieee16, half(one), half(inf | sign)), sign);
  EXPECT_EQ(sqrt(ieee16, half(sign)), sign);
  EXPECT_EQ(fma(ieee16, half(one), half(one), half(one | sign)), zero);
  EXPECT_EQ(fma(ieee16_down, half(one), half(one), half(one | sign)), sign);
  EXPECT_EQ(fma(ieee16, half(sign), half(one), half(sign)), sign);
  EXPECT_EQ(faa(ieee16, half(sign), half(sign), half(sign)), sign);
  EXPECT_EQ(faa(ieee16, half(sign), half(one), half(one | sign)), zero);
  constexpr element fnuz{.format = formats::e4m3fnuz};
  EXPECT_EQ(multiply(fnuz, {formats::e4m3fnuz, 0xc0}, {formats::e4m3fnuz, 0}), 0u);
  constexpr element scale{.format = formats::e8m0fnu};
  EXPECT_EQ(subtract(scale, {formats::e8m0fnu, 127}, {formats::e8m0fnu, 127}), 0u);  // no zero: the smallest value
}

TEST(arithmetic, invalid_operations_are_nan_and_infinities_follow_ieee_754) {
  EXPECT_EQ(subtract(ieee16, half(inf), half(inf)), nan);
  EXPECT_EQ(add(ieee16, half(inf), half(inf)), inf);
  EXPECT_EQ(multiply(ieee16, half(inf), half(zero)), nan);
  EXPECT_EQ(divide(ieee16, half(zero), half(sign)), nan);
  EXPECT_EQ(divide(ieee16, half(inf), half(inf)), nan);
  EXPECT_EQ(divide(ieee16, half(one), half(sign)), inf | sign);
  EXPECT_EQ(divide(ieee16, half(inf), half(zero)), inf);
  EXPECT_EQ(sqrt(ieee16, half(one | sign)), nan);
  EXPECT_EQ(sqrt(ieee16, half(inf | sign)), nan);
  EXPECT_EQ(sqrt(ieee16, half(inf)), inf);
  EXPECT_EQ(fma(ieee16, half(zero), half(inf), half(nan)), nan);
  EXPECT_EQ(fma(ieee16, half(inf), half(one), half(inf | sign)), nan);
  EXPECT_EQ(faa(ieee16, half(inf), half(one), half(inf | sign)), nan);
  EXPECT_EQ(faa(ieee16, half(one), half(inf | sign), half(one)), inf | sign);
  EXPECT_EQ(add(ieee16, half(nan | sign | 1), half(one)), nan);  // the canonical one
}

TEST(arithmetic, division_by_zero_is_an_infinity_that_the_overflow_rule_takes) {
  const operand one8{formats::e4m3fn, 0x38}, zero8{formats::e4m3fn, 0x80};
  EXPECT_EQ(divide({.format = formats::e4m3fn}, one8, zero8), 0xfeu);
  EXPECT_EQ(divide({.format = formats::e4m3fn, .overflow = overflow_rule::nan}, one8, zero8), 0x7fu);
  EXPECT_EQ(divide({.format = formats::e5m2, .overflow = overflow_rule::propagate}, one8, zero8), 0xfcu);
}

TEST(arithmetic, an_exact_result_that_two_roundings_would_spoil_is_rounded_once) {
  // 1 + 2^-11 + 2^-40 in binary16: through binary32 it is a tie, and goes down.
  const operand tiny{formats::e8m23, 0x2b800000}, middle{formats::e8m23, 0x3a000000};
  EXPECT_EQ(faa(ieee16, half(one), middle, tiny), one + 1);
  EXPECT_EQ(fma(ieee16, middle, half(one), half(one)), one);
  EXPECT_EQ(binade::convert({.format = formats::e4m3fn},
                            {formats::e11m52, std::bit_cast<std::uint64_t>(-431.99999999999994)}),
            0xfdu);
  EXPECT_EQ(binade::encode({.format = formats::e8m7}, 16973823), 0x4b81u);
}

// ---- conversions ---------------------------------------------------------------------------------------------------

TEST(arithmetic, convert_is_encode_of_the_value_for_every_code_and_rule) {
  for (const auto& [from_name, from] : grids_of_width(2, 8))
    for (const auto& [to_name, to] : judged::named_grids())
      for (oracle::rule r : judged::deterministic_rules(to)) {
        if (r.subnormals == oracle::tiny::flush_results && r.rounding == mode::nearest_even)
          r.subnormals = oracle::tiny::flush_inputs;
        const element e = judged::element_of(judged::format_of(to), r);
        const binade::float_format f = judged::format_of(from);
        for (std::uint64_t code = 0; code <= f.code_mask(); ++code)
          ASSERT_EQ(binade::convert(e, {f, code}), encode(e, binade::decode(f, code)))
              << from_name << " code " << code << " -> " << to_name << " " << to_string(r);
      }
}

/// Integers beside every power of two, the ends of the types, and random ones.
template <class T>
std::vector<T> some_integers() {
  std::vector<T> all{std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
  std::mt19937_64 random(6);
  for (int i = 0; i < 64; ++i)
    for (const std::uint64_t part : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, random() >> (64 - i - 1),
                                     std::uint64_t{1} << i / 2, (std::uint64_t{1} << i / 2) - 1})
      for (const std::uint64_t x : {(std::uint64_t{1} << i) + part, (std::uint64_t{1} << i) - part}) {
        all.push_back(static_cast<T>(x));
        all.push_back(static_cast<T>(0 - x));
      }
  return all;
}

template <class T>
void integers_are_rounded_once() {
  for (const auto& [name, grid] : judged::named_grids())
    for (const oracle::rule& r : judged::deterministic_rules(beyond::spec)) {
      const element e = judged::element_of(judged::format_of(grid), r);
      for (const T x : some_integers<T>()) {
        const oracle::exact_result exact =
            x == 0 ? oracle::zero_result(false) : oracle::finite_result({oracle::cpp_int(x), 0});
        ASSERT_EQ(encode(e, x), oracle::project(grid, r, exact, oracle::locate(grid, exact)).code)
            << name << " " << to_string(r) << " " << x;
      }
    }
}
TEST(arithmetic, signed_integers_are_rounded_once) {
  integers_are_rounded_once<std::int64_t>();
}
TEST(arithmetic, unsigned_integers_are_rounded_once) {
  integers_are_rounded_once<std::uint64_t>();
}

template <class T>
void every_code_to_an_integer() {
  for (const auto& [name, grid] : grids_of_width(2, 16)) {
    const binade::float_format f = judged::format_of(grid);
    for (std::uint64_t code = 0; code <= f.code_mask(); ++code) {
      const double value = binade::decode(f, code);
      for (const mode m : judged::deterministic_modes) {
        // Every value of these formats is a double, and these functions are exact on it.
        double whole = 0;
        const double below = std::floor(value);
        switch (m) {
          case mode::nearest_even:
            whole = std::nearbyint(value);
            break;
          case mode::nearest_away:
            whole = std::round(value);
            break;
          case mode::toward_zero:
            whole = std::trunc(value);
            break;
          case mode::up:
            whole = std::ceil(value);
            break;
          case mode::down:
            whole = below;
            break;
          default:
            whole = value == below || std::fmod(below, 2) != 0 ? below : below + 1;
            break;
        }
        T want = 0;
        if (whole >= std::ldexp(1.0, std::numeric_limits<T>::digits))
          want = std::numeric_limits<T>::max();
        else if (whole < static_cast<double>(std::numeric_limits<T>::min()))
          want = std::numeric_limits<T>::min();
        else if (!std::isnan(whole))
          want = static_cast<T>(whole);
        ASSERT_EQ(binade::to_integer<T>({f, code}, static_cast<rounding_mode>(m)), want)
            << name << " code " << code << " value " << value << " mode " << static_cast<int>(m);
      }
    }
  }
}
TEST(arithmetic, every_code_of_narrow_formats_rounds_to_the_integer_that_the_mode_says) {
  every_code_to_an_integer<std::int64_t>();
  every_code_to_an_integer<std::uint64_t>();
  every_code_to_an_integer<std::int8_t>();
  every_code_to_an_integer<std::uint32_t>();
}

}  // namespace
