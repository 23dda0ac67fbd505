#include "binade/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <tuple>

#include "binade/lane_round.hpp"
#include "binade/quantizer_catalogue.hpp"
#include "binade/text.hpp"

namespace binade {
namespace {

// ---- the oracle: lists of values from the specification, search, and the C library; nothing of the codec -----------

/// Non-negative values of a format with these bits, in code order, up to max.  (OFP8 and MX: no special exponent)
std::vector<double> values_of(int exponent_bits, int trailing_bits, int bias, double max) {
  std::vector<double> values;
  for (int field = 0; field < 1 << exponent_bits; ++field)
    for (int t = 0; t < 1 << trailing_bits; ++t) {
      const double significand = (field == 0 ? 0 : 1) + std::ldexp(t, -trailing_bits);
      const double value = std::ldexp(significand, (field == 0 ? 1 : field) - bias);
      if (value <= max) values.push_back(value);
    }
  return values;
}

struct grid {
  float_format format;
  std::vector<double> values;  ///< index = code
  int emax, trailing_bits;
  double max() const { return values.back(); }
};
const grid e2m1{formats::e2m1fn, {0, 0.5, 1, 1.5, 2, 3, 4, 6}, 2, 1};
const grid e4m3{formats::e4m3fn, values_of(4, 3, 7, 448), 8, 3};
const grid e5m2{formats::e5m2, values_of(5, 2, 15, 57344), 15, 2};
const grid e3m2{formats::e3m2fn, values_of(3, 2, 3, 28), 4, 2};
const grid e2m3{formats::e2m3fn, values_of(2, 3, 1, 7.5), 2, 3};
const grid mx_grids[] = {e2m1, e4m3, e5m2, e3m2, e2m3};

/// Code of the nearest value, ties to the even code, saturating.  @pre t is not NaN
std::size_t nearest(const grid& g, double t) {
  t = std::min(std::fabs(t), g.max());
  std::size_t best = 0;
  for (std::size_t c = 0; c < g.values.size(); ++c) {
    const double distance = std::fabs(t - g.values[c]), least = std::fabs(t - g.values[best]);
    if (distance < least || (distance == least && c % 2 == 0)) best = c;
  }
  return best;
}
float expected_value(const grid& g, float x, float s) {
  if (std::isnan(x)) return x;
  const volatile float t = x / s;
  const volatile float q = float(std::copysign(g.values[nearest(g, double(t))], t));
  return q * s;
}
float finite_amax(std::span<const float> x) {
  float amax = 0;
  for (const float v : x)
    if (std::isfinite(v)) amax = std::fmax(amax, std::fabs(v));
  return amax;
}
/// OCP MX 1.0, 6.3: 2^(floor(log2 amax) - emax), within E8M0.
int mx_exponent(const grid& g, float amax) {
  return amax == 0 ? 0 : std::clamp(std::ilogb(amax) - g.emax, -127, 127);
}

::testing::AssertionResult same(float got, float want) {
  if (std::isnan(want) ? std::isnan(got) : std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(want))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << std::hexfloat << got << " instead of " << want;
}

struct sequence {
  std::uint64_t state = 1;
  std::uint32_t bits() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return std::uint32_t(state >> 32);
  }
  /// Of either sign, spread over `binades` binades around 1.
  float spread(int binades) {
    const float significand = 1 + float(bits() >> 9) * 0x1p-23f;
    const float x = std::ldexp(significand, int(bits() % unsigned(binades)) - binades / 2);
    return bits() % 2 == 0 ? x : -x;
  }
};
std::vector<float> sample(std::size_t count, int binades, std::uint64_t seed = 1) {
  sequence random{seed};
  std::vector<float> x(count);
  for (float& v : x) v = random.spread(binades);
  return x;
}

constexpr noise_source no_noise{};
constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

quantizer mx(const grid& g) {
  return scaled({g.format}, scale_per_block(32));
}
std::vector<float> quantized(std::span<const float> x, const axis_view& view, const quantizer& q,
                             noise_source source = {}, quantize_counters* counters = nullptr) {
  std::vector<float> out(x.size(), -12345.0f);
  quantize(x, view, q, source, out, counters);
  return out;
}
template <class T>
const std::vector<T>& held(const code_array& codes) {
  return std::get<std::vector<T>>(codes);
}

// ---- MX blocks
// -------------------------------------------------------------------------------------------------------

TEST(mx_block, follows_the_floor_rule_in_scale_codes_element_codes_and_values) {
  for (const grid& g : mx_grids) {
    const std::vector<float> x = sample(32 * 50 + 7, 20);  // the last block is short
    const axis_view view{1, x.size(), 1};
    const std::vector<float> values = quantized(x, view, mx(g));
    const encoded codes = encode(x, view, mx(g), no_noise);
    ASSERT_EQ(held<std::uint8_t>(codes.scales).size(), 51u);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t block = i / 32;
      const int exponent = mx_exponent(
          g, finite_amax(std::span(x).subspan(32 * block, std::min<std::size_t>(32, x.size() - 32 * block))));
      const float s = std::ldexp(1.0f, exponent);
      ASSERT_EQ(held<std::uint8_t>(codes.scales)[block], exponent + 127);
      const std::size_t sign = std::signbit(x[i]) ? std::size_t(1) << (g.format.width - 1) : 0;
      ASSERT_EQ(held<std::uint8_t>(codes.codes)[i], nearest(g, double(x[i] / s)) | sign);
      ASSERT_TRUE(same(values[i], expected_value(g, x[i], s))) << "element " << i << " x " << x[i];
    }
  }
}

/// The values of one block and its scale code, judged.
void expect_block(const grid& g, std::vector<float> block, int exponent) {
  const axis_view view{1, block.size(), 1};
  const std::vector<float> values = quantized(block, view, mx(g));
  for (std::size_t i = 0; i < block.size(); ++i)
    EXPECT_TRUE(same(values[i], expected_value(g, block[i], std::ldexp(1.0f, exponent)))) << "element " << i;
  quantizer q = mx(g);
  if (!q.elem.format.has_nan()) q.elem.format.floating.nan = nan_code::max;
  EXPECT_EQ(held<std::uint8_t>(encode(block, view, q, no_noise).scales)[0], exponent + 127);
}

TEST(mx_block, of_zeros_has_scale_1_and_keeps_their_signs) {
  expect_block(e2m1, {0.0f, -0.0f, 0.0f, -0.0f}, 0);
}
TEST(mx_block, with_one_large_value_flushes_the_small_ones) {
  std::vector<float> block(32, 1.0f);
  block[31] = -1000.0f;  // 2^9.97: s = 2^7, 1 / 128 is below half the smallest value
  expect_block(e2m1, block, 7);
}
TEST(mx_block, with_a_nan_keeps_it_and_scales_by_the_others) {
  std::vector<float> block = sample(32, 3);
  block[5] = nan;
  expect_block(e2m1, block, mx_exponent(e2m1, finite_amax(block)));
  expect_block(e4m3, block, mx_exponent(e4m3, finite_amax(block)));
}
TEST(mx_block, with_an_infinity_saturates_it_and_scales_by_the_others) {
  std::vector<float> block = sample(32, 3);
  block[0] = infinity;
  block[1] = -infinity;
  expect_block(e4m3, block, mx_exponent(e4m3, finite_amax(block)));
}
TEST(mx_block, of_nans_and_infinities_alone_has_scale_1) {
  expect_block(e4m3, {nan, infinity, -infinity, nan}, 0);
}
TEST(mx_block, normalizes_a_subnormal_amax) {
  // Elements so small that the scale of a subnormal amax is in range: E2M1 divided by 2^20, emax -18.
  grid tiny{finite_format(2, 1, 21), e2m1.values, -18, 1};
  for (double& v : tiny.values) v = std::ldexp(v, -20);
  expect_block(tiny, {0x1.8p-130f, 0x1p-149f}, -112);
  expect_block(tiny, {0x1p-149f}, -127);  // -149 + 18 is clamped
  expect_block(tiny, {0x1p-140f}, -122);
}
TEST(mx_block, clamps_its_scale_at_2_to_the_minus_127) {
  expect_block(e5m2, {0x1p-149f, -0x1p-149f}, -127);
  expect_block(e4m3, {0x1p-119f}, -127);  // -119 - 8: the last one without a clamp
  expect_block(e4m3, {0x1p-118f}, -126);
}
TEST(mx_block, reaches_the_largest_float) {
  expect_block(e2m1, {0x1.fffffep127f, -0x1p127f, 1.0f}, 125);
}

TEST(mx_block, with_a_nan_scale_decodes_to_nan_alone) {
  encoded codes{std::vector<std::uint8_t>(64, 2), std::vector<std::uint8_t>{0xff, 127}};
  std::vector<float> out(64);
  decode(codes, {1, 64, 1}, mx(e2m1), out);
  for (std::size_t i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(out[i]));
  for (std::size_t i = 32; i < 64; ++i) EXPECT_EQ(out[i], 1.0f);
}

// ---- scale rules
// -----------------------------------------------------------------------------------------------------

/// Exponent of the scale by the formula of each rule, in exact arithmetic: search and halving.
int rule_exponent(scale_rule rule, const grid& g, double amax) {
  switch (rule) {
    case scale_rule::floor:
      return std::ilogb(amax) - g.emax;
    case scale_rule::ceil:
      return std::ilogb(amax) + (std::ldexp(1.0, std::ilogb(amax)) < amax ? 1 : 0) - g.emax;
    case scale_rule::even: {
      const double ulp = std::ldexp(1.0, std::ilogb(amax) - g.trailing_bits);
      return std::ilogb(std::floor(amax / ulp + 0.5) * ulp) - g.emax;
    }
    default: {
      int exponent = -400;
      while (std::ldexp(g.max(), exponent) < amax) ++exponent;
      return exponent;
    }
  }
}

TEST(scale_rules, follow_their_formulas_for_every_significand_and_its_neighbours) {
  for (const grid& g : mx_grids)
    for (const scale_rule rule : {scale_rule::floor, scale_rule::ceil, scale_rule::even, scale_rule::rceil}) {
      scaling s = scale_per_block(32);
      s.rule = rule;
      scaling as_pow2{.per = granularity::row, .power_of_two = true, .rule = rule};
      const scale_finder find(s, g.format), find_pow2(as_pow2, g.format);
      for (const int exponent : {-149, -140, -127, -126, -119, -5, 0, 1, 100, 127})
        for (int significand = 0; significand < 256; ++significand)
          for (const float direction : {-infinity, 0.0f, infinity}) {
            float amax = std::ldexp(1.0f + float(significand) / 256, exponent);
            if (direction != 0) amax = std::nextafter(amax, direction);
            if (!(amax > 0) || std::isinf(amax)) continue;
            const int want = rule_exponent(rule, g, double(amax));
            ASSERT_EQ(find(amax), std::ldexp(1.0f, std::clamp(want, -127, 127)))
                << std::hexfloat << amax << " rule " << int(rule);
            ASSERT_EQ(find_pow2(amax), std::ldexp(1.0f, std::clamp(want, -126, 127)));
          }
    }
}

TEST(scale_rules, put_the_scaled_amax_where_the_card_says) {
  for (const grid& g : mx_grids)
    for (const scale_rule rule : {scale_rule::floor, scale_rule::ceil, scale_rule::even, scale_rule::rceil}) {
      scaling s = scale_per_block(32);
      s.rule = rule;
      const scale_finder find(s, g.format);
      const double top = std::ldexp(1.0, g.emax);
      for (int significand = 0; significand < 4096; ++significand) {
        const float amax = 1.0f + float(significand) / 4096;
        const double t = double(amax) / double(find(amax));
        const double below_even = (2 - std::ldexp(1.0, -g.trailing_bits - 1)) * top;
        const bool inside = rule == scale_rule::floor  ? top <= t && t < 2 * top
                            : rule == scale_rule::ceil ? top / 2 < t && t <= top
                            : rule == scale_rule::even ? t < below_even
                                                       : g.max() / 2 < t && t <= g.max();
        EXPECT_TRUE(inside) << "rule " << int(rule) << " amax " << amax;
      }
    }
}

TEST(scale_rules, amax_divides_in_float_and_stays_within_the_normal_floats) {
  const scale_finder find(scale_per(granularity::tensor), formats::e4m3fn);
  for (const float amax : sample(1000, 40)) {
    const volatile float want = std::fabs(amax) / 448.0f;
    EXPECT_EQ(find(std::fabs(amax)), want);
  }
  EXPECT_EQ(find(0), 1.0f);
  EXPECT_EQ(find(0x1p-149f), 0x1p-126f);
  EXPECT_EQ(find(448 * 0x1p-126f), 0x1p-126f);
  const scale_finder narrow(scale_per(granularity::tensor), finite_format(2, 1, 6));  // largest value 6 / 32
  EXPECT_EQ(narrow(0x1.fffffep127f), 0x1.fffffep127f);
}

TEST(scale_rules, amax_in_a_format_rounds_to_nearest_even_down_to_its_smallest_value) {
  scaling s = scale_per(granularity::row);
  s.format = formats::e4m3fn;
  const scale_finder find(s, formats::e2m1fn);
  for (const float amax : sample(1000, 24)) {
    const volatile float quotient = std::fabs(amax) / 6.0f;
    const double t = std::clamp(double(quotient), 0x1p-9, 448.0);
    EXPECT_EQ(double(find(std::fabs(amax))), e4m3.values[nearest(e4m3, t)]) << amax;
  }
}

TEST(scale_rules, amax_in_pow2_rounds_up_as_rceil_does) {
  scaling s = scale_per(granularity::row);
  s.power_of_two = true;
  const scale_finder find(s, formats::e4m3fn);
  EXPECT_EQ(find(448), 1.0f);
  EXPECT_EQ(find(std::nextafter(448.0f, 500.0f)), 2.0f);
  EXPECT_EQ(find(225), 1.0f);
  EXPECT_EQ(find(224), 0.5f);
}

TEST(scale_rules, static_scales_do_not_look_at_the_data) {
  scaling s = scale_per(granularity::tensor);
  s.rule = scale_rule::static_scale;
  s.static_value = 0.25f;
  const std::vector<float> x = {1, 200, -0.3f};
  const std::vector<float> got = quantized(x, {1, 3, 1}, scaled({formats::e4m3fn}, s));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(same(got[i], expected_value(e4m3, x[i], 0.25f)));
}

// ---- who shares a scale
// ----------------------------------------------------------------------------------------------

/// The scales of e4m3fn, f32, amax, by the definition: group number of each element, then the amax of each group.
std::vector<float> expected_by_groups(
    std::span<const float> x, const axis_view& v,
    const std::function<std::pair<std::size_t, std::size_t>(std::size_t, std::size_t)>& group) {
  std::map<std::pair<std::size_t, std::size_t>, float> amax;
  const auto key = [&](std::size_t k) {
    const std::size_t o = k / (v.length * v.inner), j = k / v.inner % v.length, i = k % v.inner;
    return group(o * v.inner + i, j);
  };
  for (std::size_t k = 0; k < x.size(); ++k)
    if (std::isfinite(x[k])) amax[key(k)] = std::fmax(amax[key(k)], std::fabs(x[k]));
  std::vector<float> want(x.size());
  for (std::size_t k = 0; k < x.size(); ++k) {
    const volatile float s = amax[key(k)] == 0 ? 1.0f : amax[key(k)] / 448.0f;
    want[k] = expected_value(e4m3, x[k], s);
  }
  return want;
}

const axis_view views[] = {{1, 100, 1}, {7, 33, 1},   {5, 64, 1},  {1, 33, 7},   {3, 10, 5}, {4, 6, 8},
                           {1, 1, 1},   {2, 3000, 1}, {1, 70, 45}, {1500, 2, 1}, {2, 1, 3},  {1, 5, 1100}};

TEST(granularities, share_scales_as_defined_whatever_the_view) {
  using group = std::pair<std::size_t, std::size_t>;
  for (const axis_view& view : views) {
    std::vector<float> x = sample(view.size(), 12, view.length);
    if (x.size() > 5) x[3] = nan, x[4] = -infinity;
    const auto judge = [&](scaling s, const auto& group_of) {
      s.format = formats::e8m23;
      s.rule = scale_rule::amax;
      const std::vector<float> got = quantized(x, view, scaled({formats::e4m3fn}, s));
      const std::vector<float> want = expected_by_groups(x, view, group_of);
      for (std::size_t k = 0; k < x.size(); ++k)
        ASSERT_TRUE(same(got[k], want[k])) << detail::described(view) << " granularity " << int(s.per) << " tile "
                                           << s.tile_rows << "x" << s.tile_cols << " element " << k;
    };
    judge(scale_per(granularity::tensor), [](std::size_t, std::size_t) { return group{0, 0}; });
    judge(scale_per(granularity::row), [](std::size_t row, std::size_t) { return group{row, 0}; });
    judge(scale_per(granularity::col), [](std::size_t, std::size_t j) { return group{0, j}; });
    for (const auto& [r, c] :
         {std::pair{1u, 32u}, {1u, 1u}, {1u, 5u}, {2u, 3u}, {4u, 4u}, {3u, 1000u}, {1000u, 3u}, {1000u, 1u}})
      judge(scale_per_tile(r, c), [r = r, c = c](std::size_t row, std::size_t j) { return group{row / r, j / c}; });
  }
}

TEST(granularities, encode_numbers_scales_by_tile_row_and_tile_column) {
  // Rows (o, i): 4, columns: 5, tiles 2 x 3: scale (r, c) is 2^(10 r + c - 8) by construction.
  const axis_view view{2, 5, 2};
  std::vector<float> x(view.size());
  for (std::size_t k = 0; k < x.size(); ++k) {
    const std::size_t row = k / 10 * 2 + k % 2, column = k / 2 % 5;
    x[k] = std::ldexp(1.0f, int(10 * (row / 2) + column / 3));
  }
  const encoded got = encode(x, view, scaled({formats::e4m3fn}, scale_per_tile(2, 3)), no_noise);
  EXPECT_EQ(held<std::uint8_t>(got.scales), (std::vector<std::uint8_t>{119, 120, 129, 130}));
  EXPECT_EQ(scale_count(view, scaled({formats::e4m3fn}, scale_per_tile(2, 3))), 4u);
}

TEST(granularities, a_strided_axis_gives_what_the_transposed_array_gives) {
  const std::size_t rows = 96, columns = 70;
  const std::vector<float> x = sample(rows * columns, 20);
  std::vector<float> transposed(x.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) transposed[c * rows + r] = x[r * columns + c];
  for (const scaling& s : {scale_per_block(32), scale_per_block(17), scale_per_tile(8, 16), scale_per(granularity::row),
                           scale_per(granularity::col), scale_per(granularity::tensor)}) {
    const quantizer q = scaled({formats::e4m3fn}, s);
    const std::vector<float> strided = quantized(x, {1, rows, columns}, q);
    const std::vector<float> contiguous = quantized(transposed, {columns, rows, 1}, q);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c)
        ASSERT_TRUE(same(strided[r * columns + c], contiguous[c * rows + r]))
            << int(s.per) << " (" << r << ", " << c << ")";
    EXPECT_EQ(encode(x, {1, rows, columns}, q, no_noise).scales,
              encode(transposed, {columns, rows, 1}, q, no_noise).scales);
  }
}

// ---- noise
// -----------------------------------------------------------------------------------------------------------

TEST(stochastic_quantize, takes_noise_by_storage_index_whatever_the_axis) {
  const std::vector<float> x = sample(60 * 70, 10);
  for (const int noise_bits : {4, 12, 32}) {
    const element e{.format = formats::e4m3fn, .rounding = rounding_mode::stochastic_a, .noise_bits = noise_bits};
    const noise_source source{.seed = 7, .stream = 8, .step = 9};
    const std::vector<float> got = quantized(x, {60, 70, 1}, unscaled(e), source);
    for (const axis_view& view : {axis_view{1, 60, 70}, axis_view{6, 10, 70}, axis_view{1, x.size(), 1}})
      EXPECT_EQ(quantized(x, view, unscaled(e), source), got);
    for (std::size_t k = 0; k < x.size(); ++k)
      ASSERT_TRUE(same(got[k], round(e, x[k], noise_at(source, k, noise_bits)))) << k;
  }
}

TEST(stochastic_quantize, of_a_part_equals_the_part_of_the_whole) {
  const std::vector<float> x = sample(5000, 10);
  const quantizer q = scaled({.format = formats::e2m1fn, .rounding = rounding_mode::stochastic_b}, scale_per_block(32));
  noise_source source{.seed = 1};
  const std::vector<float> whole = quantized(x, {1, x.size(), 1}, q, source);
  source.first = 32 * 70;
  const std::vector<float> part = quantized(std::span(x).subspan(32 * 70), {1, x.size() - 32 * 70, 1}, q, source);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 32 * 70));
}

TEST(stochastic_quantize, goes_up_as_often_as_the_place_between_two_values_says) {
  const std::vector<float> x(1 << 16, 2.25f);  // between 2 and 3 of E2M1
  const std::vector<float> got =
      quantized(x, {1, x.size(), 1}, unscaled({.format = formats::e2m1fn, .rounding = rounding_mode::stochastic_a}));
  const auto up = std::count(got.begin(), got.end(), 3.0f), down = std::count(got.begin(), got.end(), 2.0f);
  EXPECT_EQ(std::size_t(up + down), x.size());
  EXPECT_NEAR(double(up) / double(x.size()), 0.25, 5 * std::sqrt(0.25 * 0.75 / double(x.size())));
}

// ---- values, codes, places
// -------------------------------------------------------------------------------------------

std::vector<quantizer> assorted() {
  std::vector<quantizer> list;
  for (const named_quantizer& entry : quantizer_catalogue) list.push_back(entry.value);
  for (const float_format& f : {formats::e4m3fn, formats::e8m7, formats::e5m10, formats::e8m23, formats::ue4m3,
                                formats::e8m0fnu, formats::e11m52, formats::e4m3fnuz, p3109_format(8, 1, true, true)})
    for (const rounding_mode mode : {rounding_mode::nearest_even, rounding_mode::stochastic_a, rounding_mode::up}) {
      list.push_back(unscaled({.format = f, .rounding = mode}));
      list.push_back(scaled({.format = f, .rounding = mode}, scale_per_tile(2, 16)));
      list.push_back(scaled({.format = f, .rounding = mode}, scale_per(granularity::row)));
    }
  return list;
}

TEST(encode, decoded_gives_what_quantize_gives) {
  std::vector<float> x = sample(40 * 50, 30);
  x[17] = infinity;
  x[18] = -0.0f;
  for (const quantizer& q : assorted())
    for (const axis_view& view : {axis_view{40, 50, 1}, axis_view{1, 40, 50}, axis_view{4, 10, 50}}) {
      if (q.elem.format.has_nan())
        x[19] = nan;
      else
        x[19] = 1;
      const noise_source source{.seed = 3, .step = 4};
      const encoded codes = encode(x, view, q, source);
      std::vector<float> decoded(x.size());
      decode(codes, view, q, decoded);
      const std::vector<float> direct = quantized(x, view, q, source);
      for (std::size_t k = 0; k < x.size(); ++k)
        ASSERT_TRUE(same(decoded[k], direct[k]))
            << "width " << q.elem.format.width << " element " << k << " x " << x[k];
    }
}

TEST(encode, keeps_codes_in_the_smallest_type) {
  const std::vector<float> x = {1.0f};
  const auto index = [&](const float_format& f) { return encode(x, {1, 1, 1}, unscaled({f}), no_noise).codes.index(); };
  EXPECT_EQ(index(formats::e4m3fn), 0u);
  EXPECT_EQ(index(formats::e8m7), 1u);
  EXPECT_EQ(index(formats::e8m10), 2u);
  EXPECT_EQ(index(formats::e11m52), 3u);
}

TEST(encode, stores_float_scales_as_their_bits) {
  const std::vector<float> x = {448 * 3.0f, 1.0f};
  const encoded got = encode(x, {1, 2, 1}, scaled({formats::e4m3fn}, scale_per(granularity::tensor)), no_noise);
  EXPECT_EQ(held<std::uint32_t>(got.scales), std::vector<std::uint32_t>{std::bit_cast<std::uint32_t>(3.0f)});
}

TEST(quantize, in_place_gives_the_same_values) {
  const std::vector<float> x = sample(64 * 48, 20);
  for (const quantizer& q : assorted())
    for (const axis_view& view : {axis_view{64, 48, 1}, axis_view{2, 32, 48}}) {
      std::vector<float> in_place = x;
      quantize_counters apart, together;
      quantize(in_place, view, q, {.seed = 5}, in_place, &together);
      EXPECT_EQ(quantized(x, view, q, {.seed = 5}, &apart), in_place);
      EXPECT_EQ(apart, together);
    }
}

TEST(quantize, of_nothing_is_nothing) {
  for (const quantizer& q : assorted())
    for (const axis_view& view : {axis_view{0, 5, 1}, axis_view{1, 0, 1}, axis_view{1, 5, 0}}) {
      quantize_counters counters{.count = 9};
      quantize({}, view, q, no_noise, {}, &counters);
      EXPECT_EQ(counters, quantize_counters{});
      const encoded codes = encode({}, view, q, no_noise);
      decode(codes, view, q, {});
    }
}

// ---- counters
// --------------------------------------------------------------------------------------------------------

/// The written order of sums, by recursion: lanes of 32 in chunks of 4096, joined in halves, chunks as a tree.
template <class Lane>
double tree_sum(std::span<const Lane> terms) {
  std::vector<double> chunks;
  for (std::size_t begin = 0; begin < terms.size(); begin += 4096) {
    Lane own[32] = {};
    for (std::size_t i = begin; i < std::min(terms.size(), begin + 4096); ++i) own[(i - begin) % 32] += terms[i];
    double lanes[32];
    std::copy_n(own, 32, lanes);
    for (int half = 16; half > 0; half /= 2)
      for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    chunks.push_back(lanes[0]);
  }
  while (chunks.size() > 1) {
    std::vector<double> next;
    for (std::size_t i = 0; i < chunks.size(); i += 2)
      next.push_back(i + 1 < chunks.size() ? chunks[i] + chunks[i + 1] : chunks[i]);
    chunks = next;
  }
  return chunks.empty() ? 0 : chunks[0];
}

TEST(counters, are_what_a_plain_count_gives_and_the_sums_have_the_written_order) {
  for (const std::size_t length : {1u, 31u, 100u, 4096u, 4097u, 12300u, 28673u})
    for (const scaling& s : {scale_per(granularity::tensor), scale_per_block(32), scale_per_block(30)}) {
      std::vector<float> x = sample(length, 30, length);
      // Not in every chunk: those without infinities and NaN go another way.
      for (std::size_t k = 0; k + 7 < length; k += 97) {
        x[k + 2] = 0, x[k + 3] = -0.0f, x[k + 4] = 1e30f;
        if (k / 4096 % 2 == 0) x[k] = nan, x[k + 1] = infinity;
      }
      const quantizer q = scaled({formats::e4m3fn}, s);
      const axis_view view{1, length, 1};
      quantize_counters got;
      const std::vector<float> values = quantized(x, view, q, no_noise, &got);
      quantize_counters want;
      std::vector<double> squares, errors, value_squares;
      std::vector<float> magnitudes, growths;
      const encoded codes = encode(x, view, q, no_noise);
      for (std::size_t k = 0; k < length; ++k) {
        const float scale = s.per == granularity::tensor
                                ? std::bit_cast<float>(held<std::uint32_t>(codes.scales)[0])
                                : std::ldexp(1.0f, held<std::uint8_t>(codes.scales)[k / s.tile_cols] - 127);
        ++want.count;
        want.nans += std::isnan(x[k]);
        want.nonzero += x[k] != 0 && !std::isnan(x[k]);
        want.saturated += std::fabs(x[k] / scale) > 448;
        want.underflowed += x[k] != 0 && values[k] == 0;
        want.infinities += std::isinf(x[k]);
        want.exact += std::fabs(x[k] / scale) <= 448 && values[k] == x[k];
        const double element = std::fabs(double(values[k]) / double(scale));
        want.subnormal += element > 0 && element < 0x1p-6 * 0.99;
        want.top_binade += std::isfinite(element) && element > 256 * 0.99;
        want.smallest_scale = std::min(want.smallest_scale, scale);
        want.largest_scale = std::max(want.largest_scale, scale);
        if (std::isfinite(x[k])) want.amax = std::max(want.amax, std::fabs(x[k]));
        const bool both = std::isfinite(x[k]) && std::isfinite(values[k]);
        squares.push_back(both ? double(x[k]) * double(x[k]) : 0);
        errors.push_back(both ? (double(x[k]) - double(values[k])) * (double(x[k]) - double(values[k])) : 0);
        magnitudes.push_back(both ? std::fabs(x[k]) : 0);
        growths.push_back(both ? std::fabs(values[k]) - std::fabs(x[k]) : 0);
        value_squares.push_back(both ? double(values[k]) * double(values[k]) : 0);
      }
      want.sum_sq = tree_sum<double>(squares);
      want.sum_sq_error = tree_sum<double>(errors);
      want.sum_sq_value = tree_sum<double>(value_squares);
      want.sum_magnitude = tree_sum<float>(magnitudes);
      want.sum_growth = tree_sum<float>(growths);
      EXPECT_EQ(got, want) << length;
    }
}

/// The scale of every element: what decode() makes of codes of 1.
std::vector<float> scales_of(const encoded& array, const axis_view& view, const quantizer& q) {
  encoded ones = array;
  std::visit(
      [&](auto& codes) {
        for (auto& code : codes) code = std::remove_reference_t<decltype(code)>(encode(q.elem, 1.0));
      },
      ones.codes);
  std::vector<float> scales(view.size());
  decode(ones, view, q, scales);
  return scales;
}

TEST(counters, put_every_element_in_one_class_whatever_the_loop) {
  // Groups in rows and in columns, of one and two levels; the whole array; none; scales that are too small; an unsigned
  // format and one with infinities.
  constexpr const char* texts[] = {"mxfp4",
                                   "mxfp8_e5m2",
                                   "nvfp4",
                                   "e4m3fn@tensor",
                                   "e5m2",
                                   "int8@row",
                                   "e2m1fn/sr:8@block(16)",
                                   "e2m1fn/sr@block(16,e4m3fn)@tensor",
                                   "e4m3fn@tensor(static=0.01)",
                                   "e4m3fn@tile(4,64)",
                                   "e8m7",
                                   "e5m2@block(32,e8m0fnu,floor)"};
  constexpr axis_view shapes[] = {{40, 128, 1}, {3, 64, 37}, {2, 40, 64}, {1, 5, 1}};
  for (const char* text : texts)
    for (const auto& [view, all_finite] : {std::pair(shapes[0], false),
                                           {shapes[0], true},
                                           {shapes[1], false},
                                           {shapes[1], true},
                                           {shapes[2], false},
                                           {shapes[2], true},
                                           {shapes[3], false}}) {
      std::vector<float> x = sample(view.size(), 12, 5);
      for (std::size_t k = 0; k + 7 < x.size(); k += 97) {
        x[k + 2] = 0, x[k + 3] = -0.0f, x[k + 4] = 1e30f, x[k + 5] = 1e-30f;
        if (!all_finite) x[k] = infinity, x[k + 1] = -infinity;
      }
      quantizer q = parse_quantizer(text);
      const element e = q.elem;
      if (e.format.has_nan() && !all_finite)
        for (std::size_t k = 50; k < x.size(); k += 101) x[k] = nan;
      quantize_counters got;
      const std::vector<float> values = quantized(x, view, q, {.seed = 1}, &got);
      const encoded codes = encode(x, view, q, {.seed = 1});
      const std::vector<float> scales = scales_of(codes, view, q);
      encoded unscaled_codes{.codes = codes.codes};
      std::vector<float> elements(x.size());
      decode(unscaled_codes, view, unscaled(e), elements);
      const bool is_float = e.format.kind == format_kind::floating;
      quantize_counters want;
      std::uint64_t rounded = 0;
      for (std::size_t k = 0; k < x.size(); ++k) {
        const double over = std::fabs(q.levels == 2 ? double(x[k]) / double(scales[k]) : double(x[k] / scales[k]));
        const double element = std::fabs(double(elements[k]));
        const bool saturates = over > e.format.max_finite();
        const int classes = int(std::isnan(x[k])) + int(saturates) + int(x[k] != 0 && values[k] == 0 && !saturates) +
                            int(x[k] == values[k] && !saturates);
        ASSERT_LE(classes, 1);
        rounded += classes == 0;
        want.nans += std::isnan(x[k]);
        want.infinities += std::isinf(x[k]);
        want.saturated += saturates;
        want.underflowed += x[k] != 0 && values[k] == 0;
        want.exact += x[k] == values[k] && !saturates;
        want.subnormal += is_float && element > 0 && element < e.format.floating.min_normal();
        want.top_binade += std::isfinite(element) && element >= std::ldexp(1.0, e.format.max_exponent());
        want.smallest_scale = std::min(want.smallest_scale, scales[k]);
        want.largest_scale = std::max(want.largest_scale, scales[k]);
      }
      const std::string what = std::string(text) + " of " + std::to_string(view.length) + ", " +
                               std::to_string(view.inner) + (all_finite ? ", all finite" : "");
      EXPECT_EQ(got.count, x.size()) << what;
      EXPECT_EQ(got.nans, want.nans) << what;
      EXPECT_EQ(got.infinities, want.infinities) << what;
      EXPECT_EQ(got.saturated, want.saturated) << what;
      EXPECT_EQ(got.underflowed, want.underflowed) << what;
      EXPECT_EQ(got.exact, want.exact) << what;
      EXPECT_EQ(got.rounded(), rounded) << what;
      EXPECT_EQ(got.subnormal, want.subnormal) << what;
      EXPECT_EQ(got.top_binade, want.top_binade) << what;
      EXPECT_EQ(got.smallest_scale, want.smallest_scale) << what;
      EXPECT_EQ(got.largest_scale, want.largest_scale) << what;
      EXPECT_EQ(got.exact + got.rounded() + got.underflowed + got.saturated + got.nans, got.count) << what;
    }
}

TEST(counters, sampled_sums_are_of_the_same_quarter_however_the_array_is_cut) {
  const auto is_sampled = [](std::size_t i) {
    std::size_t digits = 0;
    for (std::size_t group = i / 128; group > 0; group /= 4) digits ^= group % 4;
    return i / 32 % 4 == digits;
  };
  const std::vector<float> ones(20000, 1);
  for (const bool all_finite : {true, false}) {
    std::vector<float> x = sample(ones.size(), 3, 9);
    const float not_finite[] = {infinity, nan};
    for (std::size_t k = 40; k < x.size() && !all_finite; k += 97) x[k] = not_finite[k % 2];
    const std::vector<float> values = quantized(x, {1, x.size(), 1}, unscaled({formats::e4m3fn}), no_noise);
    std::vector<double> squares, errors;
    std::vector<float> growths;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool is_counted = is_sampled(i) && std::isfinite(x[i]) && std::isfinite(values[i]);
      const float from = is_counted ? x[i] : 0, to = is_counted ? values[i] : 0;
      squares.push_back(double(from) * double(from));
      errors.push_back((double(from) - double(to)) * (double(from) - double(to)));
      growths.push_back(std::fabs(to) - std::fabs(from));
    }
    for (const std::size_t piece : {20000u, 1024u, 1000u, 130u, 33u, 1u}) {
      detail::counter counter(formats::e4m3fn, 0);
      for (std::size_t first = 0; first < x.size(); first += piece)
        counter.add(x.data() + first, ones.data() + first, values.data() + first, std::min(piece, x.size() - first));
      const quantize_counters got = counter.total();
      EXPECT_EQ(got.sum_sq, tree_sum<double>(squares)) << piece;
      EXPECT_EQ(got.sum_sq_error, tree_sum<double>(errors)) << piece;
      EXPECT_EQ(got.sum_growth, tree_sum<float>(growths)) << piece;
    }
  }
}

/// Elements next to the largest value times both scales, which is no float32 number, along rows and along columns.
TEST(counters, of_two_levels_saturate_beyond_the_exact_product) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  const quantizer q = parse_quantizer("nvfp4");
  std::size_t beyond = 0;
  for (const axis_view view : {axis_view{1, 1024, 1}, axis_view{1, 16, 64}})
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<float> x(1024);
      for (float& v : x) v = normal(random);
      const auto group_of = [&](std::size_t i) { return view.inner == 1 ? i / 16 : i % view.inner; };
      const auto limits = [&] {
        const encoded codes = encode(x, view, q, no_noise);
        const double outer = std::bit_cast<float>(held<std::uint32_t>(codes.outer_scales)[0]);
        std::vector<double> found;
        for (const std::uint8_t code : held<std::uint8_t>(codes.scales))
          found.push_back(6 * decode<double>(formats::e4m3fn, code) * outer);
        return found;
      };
      const std::vector<double> limit = limits();
      std::vector<bool> is_set(limit.size());
      float most = 0;
      for (const float v : x) most = std::max(most, std::fabs(v));
      for (std::size_t i = 0; i < x.size(); ++i) {  // one of each group, not the largest
        const float near = float(limit[group_of(i)]);
        if (is_set[group_of(i)] || std::fabs(x[i]) > 0.5f * near || near >= most) continue;
        is_set[group_of(i)] = true;
        x[i] = trial % 2 == 0 ? near : -near;
      }
      if (limits() != limit) continue;  // it became the largest
      std::uint64_t saturated = 0;
      for (std::size_t i = 0; i < x.size(); ++i) saturated += double(std::fabs(x[i])) > limit[group_of(i)];
      for (std::size_t i = 0; i < x.size(); ++i)
        beyond += double(std::fabs(x[i])) > limit[group_of(i)] && std::fabs(x[i]) == float(limit[group_of(i)]);
      quantize_counters got;
      quantized(x, view, q, no_noise, &got);
      ASSERT_EQ(got.saturated, saturated) << trial;
    }
  EXPECT_GT(beyond, 100u);
}

TEST(counters, of_an_unsigned_format_saturate_below_zero_and_do_not_underflow_there) {
  quantize_counters got;
  const std::vector<float> x = {-1.0f, -infinity, 1e-9f, 1.0f, 0.0f};
  quantized(x, {1, 5, 1}, unscaled({formats::ue4m3}), no_noise, &got);
  EXPECT_EQ(got.saturated, 2u);
  EXPECT_EQ(got.underflowed, 1u);
  EXPECT_EQ(got.exact, 2u);
  EXPECT_EQ(got.rounded(), 0u);
}

TEST(counters, give_bias_and_cosine) {
  quantize_counters got;
  // 17 lies between 16 and 18 of e4m3fn and goes to the even code; 1e-9 to zero.
  const std::vector<float> x = {-17, 1, 1e-9f, 448};
  const std::vector<float> values = quantized(x, {1, 4, 1}, unscaled({formats::e4m3fn}), no_noise, &got);
  double growth = 0, magnitude = 0, dot = 0, xx = 0, vv = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    growth += (double(values[k]) - double(x[k])) * (x[k] < 0 ? -1 : 1);
    magnitude += std::fabs(double(x[k]));
    dot += double(x[k]) * double(values[k]);
    xx += double(x[k]) * double(x[k]);
    vv += double(values[k]) * double(values[k]);
  }
  EXPECT_NEAR(got.bias(), growth / magnitude, 1e-7);
  EXPECT_NEAR(got.cosine(), dot / std::sqrt(xx * vv), 1e-15);
  EXPECT_EQ(quantize_counters{}.bias(), 0);
  EXPECT_EQ(quantize_counters{}.cosine(), 1);
  EXPECT_EQ((quantize_counters{.sum_sq = 4, .sum_sq_error = 4}.cosine()), 0);
}

TEST(counters, do_not_depend_on_the_view) {
  const std::vector<float> x = sample(90 * 100, 40);
  quantize_counters flat, strided;
  quantized(x, {1, x.size(), 1}, unscaled({formats::e4m3fn}), no_noise, &flat);
  quantized(x, {3, 30, 100}, unscaled({formats::e4m3fn}), no_noise, &strided);
  EXPECT_EQ(flat, strided);
}

/// What quantize() must give for one group, by the rules of one element: scale_levels for the scales, and the exact
/// quotient rounded once.
std::vector<float> values_of_group(const quantizer& q, const std::vector<float>& x) {
  const scale_levels levels(q);
  float amax = 0;
  for (const float v : x)
    if (v - v == 0) amax = std::max(amax, std::fabs(v));
  const outer_scale outer = q.levels == 2 ? levels.outer(amax) : outer_scale{};
  const float inner = levels.inner(amax, outer);
  const double product = q.levels == 2 ? levels.product(inner, outer) : double(inner);
  std::vector<float> values;
  for (const float v : x) {
    if (q.levels == 1) {
      values.push_back(rescaled(round(q.elem, v / inner), inner));
    } else if (product == 0) {
      values.push_back(std::copysign(0.0f, v));
    } else {
      const auto quotient = detail::exact_quotient(detail::unpack(double(v)), detail::unpack(product));
      const double on_grid =
          q.elem.format.visit([&](const auto& f) { return detail::rounded_value(f, q.elem, quotient, 0); });
      values.push_back(float(on_grid * product));
    }
  }
  return values;
}

TEST(quantize, loops_over_groups_give_what_the_rules_of_one_element_give) {
  // Elements whose largest value is below 1 or beyond float32, or whose steps reach float32's last ones; scale formats
  // of as many bits; scales of 0; quotients beyond double.
  constexpr const char* texts[] = {"fixed0.7@block(16,e8m0fnu,ceil)",
                                   "fixed0.7@block(16,e8m0fnu,rceil)",
                                   "fixed0.7@row(pow2)",
                                   "f64@block(16)",
                                   "e4m3fn:bias=30@block(16)",
                                   "e5m2:bias=148@block(16,e4m3fn)@tensor",
                                   "e4m3fn:bias=147@block(16,e4m3fn)@tensor",
                                   "e2m1fn:bias=148@block(16,e4m3fn)@tensor",
                                   "e2m1fn@row(e8m22,exact)",
                                   "e2m1:specials=nan:bias=953@block(16,e8m7,exact)",
                                   "e2m1fn@block(16,e4m3fn,zero=zero)@tensor",
                                   "e2m1fn@block(16,e4m3fn)@tensor(e4m3fn,zero=zero)",
                                   "e2m1fn@block(16,e4m3fn,zero=zero)@tensor(e4m3fn,zero=zero)",
                                   "e5m10@block(16,e4m3fn)@tensor",
                                   "mxfp8_e4m3",
                                   "nvfp4"};
  std::uint64_t random = 1;
  const auto next = [&] { return std::uint32_t((random = random * 6364136223846793005 + 1442695040888963407) >> 32); };
  for (const char* text : texts) {
    const quantizer q = parse_quantizer(text);
    for (int group = 0; group < 400; ++group) {
      // Magnitudes within eight binades, anywhere in float32; some zeros of both signs.
      const std::uint32_t binade = next() % 254;
      std::vector<float> x(16);
      for (float& v : x) {
        const std::uint32_t field = std::min(binade + next() % 8, 254u), bits = next();
        v = std::bit_cast<float>((bits & 0x807fffff) | field << 23);
        if (bits % 16 == 0) v = std::copysign(0.0f, v);
      }
      const std::vector<float> want = values_of_group(q, x);
      std::vector<float> got(x.size());
      quantize(x, {1, x.size(), 1}, q, {}, got);
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(want[i]))
            << text << " group " << group << " element " << i << ": " << x[i] << " gives " << got[i] << ", want "
            << want[i];
    }
  }
}

TEST(two_levels, chance_does_not_keep_what_lies_on_the_grid_beyond_the_largest_value) {
  // The quotient, 2^128 or more, is no float32 number.
  const quantizer q = parse_quantizer("e8m7/sr:8/infinity@block(4,e4m3fn,static=0.5)@tensor(f32,static=1)");
  const std::vector<float> x(4096, 0x1p127f);
  std::vector<float> values(x.size());
  quantize(x, {1, x.size(), 1}, q, {}, values);
  for (const float v : values) ASSERT_EQ(v, std::numeric_limits<float>::infinity());
}

TEST(counters, merge_by_addition_and_maximum) {
  quantize_counters a{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0.5f, 2, 15, 16, 17};
  a.merge({10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 0.25f, 1, 150, 160, 170});
  EXPECT_EQ(a, (quantize_counters{11, 22, 33, 44, 55, 60, 77, 88, 99, 110, 121, 132, 0.25f, 2, 165, 176, 187}));
}

// ---- wrong use
// -------------------------------------------------------------------------------------------------------

/// The message of the std::invalid_argument that call throws.
std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(wrong_use, is_refused_with_a_reason_before_anything_is_written) {
  const std::vector<float> x(6, 1.0f);
  std::vector<float> out(6, 7.0f), small(5, 7.0f);
  const quantizer q = mx(e4m3);
  EXPECT_EQ(
      refusal([&] {
        quantize(x, {2, 4, 1}, q, no_noise, out);
      }),
      "quantize: the array has 6 elements and the axis view (outer 2, length 4, inner 1) names 8; give the view of "
      "the whole array");
  EXPECT_NE(refusal([&] {
              quantize(x, {std::size_t(1) << 33, std::size_t(1) << 33, 6}, q, no_noise, out);
            }).find("more than memory holds"),
            std::string::npos);
  EXPECT_EQ(refusal([&] {
              quantize(x, {1, 6, 1}, q, no_noise, small);
            }),
            "quantize: out has room for 5 values and 6 are needed for (outer 1, length 6, inner 1)");
  quantizer impossible = q;
  impossible.elem.overflow = overflow_rule::infinity;
  EXPECT_EQ(
      refusal([&] {
        quantize(x, {1, 6, 1}, impossible, no_noise, out);
      }),
      "quantize: the quantizer is impossible: the format has no infinity to overflow to: use saturate, nan or spec");
  quantizer noisy = q;
  noisy.elem.rounding = rounding_mode::stochastic_a;
  EXPECT_NE(refusal([&] {
              quantize(x, {1, 6, 1}, noisy, {.first = noise_capacity(32) - 5}, out);
            }).find("a stream of its own"),
            std::string::npos);
  std::vector<float> shared(9, 1.0f);
  EXPECT_NE(refusal([&] {
              quantize(std::span(shared).first(6), {1, 6, 1}, q, no_noise, std::span(shared).last(6));
            }).find("overlaps"),
            std::string::npos);
  EXPECT_EQ(out, std::vector<float>(6, 7.0f));
  EXPECT_EQ(shared, std::vector<float>(9, 1.0f));
}

TEST(wrong_use, encode_counts_the_nans_that_it_has_no_code_for) {
  const std::vector<float> x = {nan, 1, nan};
  EXPECT_EQ(
      refusal([&] {
        encode(x, {1, 3, 1}, mx(e2m1), no_noise);
      }),
      "encode: x has 2 NaN and the format has no code for it; say what to take instead (:nan=max or :nan=zero), let "
      "it take its group (nan=group) or remove them");
  quantizer q = mx(e2m1);
  q.elem.format.floating.nan = nan_code::max;
  EXPECT_EQ(held<std::uint8_t>(encode(x, {1, 3, 1}, q, no_noise).codes), (std::vector<std::uint8_t>{7, 6, 7}));
  q.elem.format.floating.nan = nan_code::zero;
  EXPECT_EQ(held<std::uint8_t>(encode(x, {1, 3, 1}, q, no_noise).codes), (std::vector<std::uint8_t>{0, 6, 0}));
}

TEST(wrong_use, decode_refuses_codes_and_sizes_that_do_not_fit) {
  std::vector<float> out(3, 7.0f);
  const encoded good{std::vector<std::uint8_t>{1, 2, 3}, std::vector<std::uint8_t>{127}};
  encoded wide = good, few = good;
  std::get<std::vector<std::uint8_t>>(wide.codes)[1] = 16;
  std::get<std::vector<std::uint8_t>>(few.scales).clear();
  EXPECT_EQ(refusal([&] {
              decode(wide, {1, 3, 1}, mx(e2m1), out);
            }),
            "decode: element code 16 at index 1 is wider than the 4 bits of its format");
  EXPECT_EQ(refusal([&] {
              decode(few, {1, 3, 1}, mx(e2m1), out);
            }),
            "decode: 0 scales are given and 1 are needed for (outer 1, length 3, inner 1)");
  EXPECT_NE(refusal([&] { decode(good, {1, 4, 1}, mx(e2m1), out); }).find("names 4"), std::string::npos);
  EXPECT_NE(refusal([&] {
              decode(good, {1, 3, 1}, mx(e2m1), std::span(out).first(2));
            }).find("room for 2"),
            std::string::npos);
  EXPECT_EQ(out, std::vector<float>(3, 7.0f));
}

TEST(wrong_use, impossible_scalings_have_a_reason) {
  const auto reason = [](scaling s) { return std::string(defect(scaled({formats::e4m3fn}, s))); };
  scaling s;
  EXPECT_EQ(reason(s), "");
  s.per = granularity::tile;
  EXPECT_NE(reason(s), "");
  s = scale_per(granularity::row);
  s.tile_cols = 4;
  EXPECT_NE(reason(s), "");
  s = scale_per(granularity::row);
  s.format = formats::e11m52;
  EXPECT_NE(reason(s), "");
  s = scale_per_block(32);
  s.rule = scale_rule::static_scale;
  s.static_value = 0.3f;
  EXPECT_EQ(reason(s), "the static scale is not a value of the scale format");
  s.static_value = nan;
  EXPECT_NE(reason(s), "");
  quantizer two = scaled({formats::e2m1fn}, scale_per_block(16));
  two.levels = 3;
  EXPECT_EQ(defect(two), "a quantizer has at most two levels of scales");
}

}  // namespace
}  // namespace binade
