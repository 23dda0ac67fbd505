#include "binade/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "binade/accumulator_text.hpp"
#include "binade/lane_sums.hpp"
#include "binade/tiles.hpp"
#include "numbers/accumulated.hpp"

namespace binade {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

::testing::AssertionResult same(float got, float want) {
  const std::uint32_t canonical = 0x7fc00000, bits = std::bit_cast<std::uint32_t>(got);
  if (bits == (std::isnan(want) ? canonical : std::bit_cast<std::uint32_t>(want))) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << std::hexfloat << got << " instead of " << want;
}

/// Kinds of operands, each for one way in which sums go wrong.
enum class data { normal, wide, any_bits, small, smaller, tiny, huge, cancelling, narrow, special };
constexpr data all_data[] = {data::normal, data::wide, data::any_bits,   data::small,  data::smaller,
                             data::tiny,   data::huge, data::cancelling, data::narrow, data::special};

float random_number(data kind, std::mt19937& random) {
  std::normal_distribution<float> normal;
  const auto spread = [&](int low, int high) {
    return std::ldexp(normal(random), low + int(random() % unsigned(high - low + 1)));
  };
  switch (kind) {
    case data::normal:
      return normal(random);
    case data::wide:
      return spread(-40, 40);
    case data::any_bits: {
      const float x = std::bit_cast<float>(std::uint32_t(random()));
      return std::isfinite(x) ? x : 1;
    }
    case data::small:  // products among the subnormals of formats with 4 or 5 exponent bits
      return spread(-12, -3);
    case data::smaller:  // the same for 8
      return spread(-68, -60);
    case data::tiny:
      return spread(-149, -70);
    case data::huge:
      return spread(50, 70);
    case data::cancelling:  // few different numbers, of which many sum to zero
      return std::ldexp(float(int(random() % 7) - 3), int(random() % 3) * 12);
    case data::narrow:
      return float(int(random() % 33) - 16) / 8;
    case data::special:
      break;
  }
  const float specials[] = {0.0f, -0.0f, infinity, -infinity, nan, 1e-45f, 3e38f, -3e38f};
  return random() % 8 == 0 ? specials[random() % std::size(specials)] : normal(random);
}
std::vector<float> random_numbers(std::size_t count, data kind, std::mt19937& random) {
  std::vector<float> x(count);
  for (float& v : x) v = random_number(kind, random);
  return x;
}

std::vector<float> product(const std::vector<float>& a, const std::vector<float>& b, const matmul_shape& shape,
                           const accumulator& sum, const noise_source& noise = {}) {
  std::vector<float> out(shape.m * shape.n, -1.0f);
  matmul(a, b, shape, sum, noise, out);
  return out;
}
std::vector<float> product(const std::vector<float>& a, const char* a_spec, const std::vector<float>& b,
                           const char* b_spec, const matmul_shape& shape, const char* sum,
                           const matmul_noise& noise = {}) {
  std::vector<float> out(shape.m * shape.n, -1.0f);
  matmul(a, parse_quantizer(a_spec), b, parse_quantizer(b_spec), shape, parse_accumulator(sum), noise, out);
  return out;
}
std::vector<float> row_of(const std::vector<float>& a, const matmul_shape& s, std::size_t i) {
  const auto begin = a.begin() + std::ptrdiff_t(i * s.k);
  return {begin, begin + std::ptrdiff_t(s.k)};
}
std::vector<float> column_of(const std::vector<float>& b, const matmul_shape& s, std::size_t j) {
  std::vector<float> column;
  for (std::size_t p = 0; p < s.k; ++p) column.push_back(b[p * s.n + j]);
  return column;
}
void expect_same(const std::vector<float>& got, const std::vector<float>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(same(got[i], want[i])) << what << ", output " << i;
}

/// Output (i, j) by exact numbers, with the noise that the contract of matmul() says.
float expected(const accumulator& sum, const std::vector<float>& a, const std::vector<float>& b, const matmul_shape& s,
               std::size_t i, std::size_t j, const noise_source& noise) {
  const std::uint64_t steps = step_count(sum, s.k);
  const int most = noise_bits(sum);
  return judged::accumulated(sum, row_of(a, s, i), column_of(b, s, j), [&](std::uint64_t step, int bits) {
    return noise_at(noise, (i * steps + step) * s.n + j, most) >> (most - bits);
  });
}

/// Every output of random products against exact numbers.
void judge(const char* text, int rounds = 30) {
  const accumulator sum = parse_accumulator(text);
  std::mt19937 random(17);
  for (const data kind : all_data)
    for (int round = 0; round < rounds; ++round) {
      const matmul_shape s{1 + random() % 3, random() % 40, 1 + random() % 5};
      const std::vector<float> a = random_numbers(s.m * s.k, kind, random), b = random_numbers(s.k * s.n, kind, random);
      const noise_source noise{random(), random(), std::uint32_t(random()), random() % 1000};
      const std::vector<float> got = product(a, b, s, sum, noise);
      for (std::size_t i = 0; i < s.m; ++i)
        for (std::size_t j = 0; j < s.n; ++j)
          ASSERT_TRUE(same(got[i * s.n + j], expected(sum, a, b, s, i, j, noise)))
              << text << ", data " << int(kind) << ", k " << s.k << ", output (" << i << ", " << j << ")";
    }
}

// ---- each accumulator against exact numbers ------------------------------------------------------------------------

TEST(matmul, f32_and_f64_are_chains_rounded_after_each_fused_step) {
  judge("f32");
  judge("f64");
}

TEST(matmul, an_element_rounds_the_running_sum_after_each_fused_step) {
  for (const char* text : {"e8m13",           "e8m13/rtz",
                           "e5m10",           "e8m7",
                           "e8m10/rna",       "e4m3fn",
                           "e5m2/spec",       "e4m3fnuz",
                           "e5m10/rup",       "e5m10/rdn",
                           "e8m13/rto",       "e8m7/rdn",
                           "e3m2fn",          "e6m9/saturate",
                           "e8m21",           "e8m22",
                           "e11m40/rtz",      "e8m23/rtz",
                           "e8m23/rdn",       "binary8p4se",
                           "binary8p3sf/rto", "binary16p11se/propagate",
                           "e5m10/ftz",       "e5m10/daz",
                           "e8m7/daz",        "e4m3fn/nan",
                           "e8m5:bias=120"})
    judge(text);
}

TEST(matmul, a_stochastic_element_takes_the_noise_of_its_step_and_output) {
  for (const char* text : {"e8m13/sr:8", "e8m7/sr:8", "e5m10/sr:4", "e4m3fn/sr:8", "e8m13/sr", "e5m10/srb:8",
                           "e8m7/src:10", "e8m7/sr:14/propagate", "e8m7/sr:1/propagate", "e8m13/srb:1",
                           "e5m2/sr:16/spec", "e11m52/sr", "e5m10/sr:20/ftz"})
    judge(text);
}

TEST(matmul, mul_rounds_the_product_before_the_sum) {
  for (const char* text : {"f32:mul=f32", "f64:mul=e5m10", "e8m13:mul=e8m7/rtz", "e5m10/rtz:mul=e4m3fn/sr:8",
                           "e4m3fn/sr:8:mul=e5m10/srb:3", "e5m10:mul=f64", "e5m10/daz:mul=e8m7", "e8m7:mul=e5m10/daz",
                           "f32:mul=e11m30", "e8m13/rdn:mul=e8m13/rup", "e5m10/daz:mul=e4m3fn"})
    judge(text);
}

TEST(matmul, chunks_start_anew_and_their_results_go_to_the_next_accumulator) {
  for (const char* text : {"f32:chunk=8",
                           "f32:chunk=1",
                           "f32:chunk=40",
                           "e8m13/rtz:chunk=16->f32",
                           "f64:chunk=5->f32",
                           "e4m3fn:chunk=3->e5m10/rdn",
                           "e5m10/sr:8:chunk=4->e8m13/sr:16:chunk=3->f64",
                           "e5m10:mul=e4m3fn/sr:3:chunk=7->e8m7/sr:9",
                           "exact:chunk=4->e8m13/rtz",
                           "f32:chunk=6->exact",
                           "f64:chunk=2->exact",
                           "kahan:chunk=9->pairwise",
                           "pairwise:chunk=5->kahan",
                           "f64:chunk=4->kahan",
                           "f64:chunk=4->pairwise",
                           "exact:chunk=7",
                           "f64:chunk=4->e8m13/daz",
                           "e5m10:chunk=3->e8m13/daz",
                           "e11m40:chunk=2->f32",
                           "f32:chunk=2->f32:chunk=2->f32:chunk=2->f32",
                           "f32:chunk=2->f32:chunk=3->kahan",
                           "pairwise:chunk=1->pairwise:chunk=1->pairwise"})
    judge(text);
}

TEST(matmul, exact_rounds_once) {
  judge("exact", 60);
}

TEST(matmul, kahan_and_pairwise_sum_in_their_written_order) {
  judge("kahan", 30);
  judge("pairwise", 30);
}

TEST(matmul, exact_holds_every_float_and_any_cancellation) {
  const float largest = std::numeric_limits<float>::max(), least = std::numeric_limits<float>::denorm_min();
  const auto exactly = [](const std::vector<float>& a, const std::vector<float>& b) {
    return product(a, b, {1, a.size(), 1}, parse_accumulator("exact"))[0];
  };
  EXPECT_TRUE(same(exactly({largest, 1, -largest}, {largest, 1, largest}), 1));
  EXPECT_TRUE(same(exactly({largest, 0x1p-75f, -largest}, {largest, 0x1p-74f, largest}), 0x1p-149f));
  EXPECT_TRUE(same(exactly({largest, least, -largest}, {largest, least, largest}), 0));
  // Below a tie by less than any sum in float32 or float64 sees; and above it.
  EXPECT_TRUE(same(exactly({1, 0x1p-24f, -least}, {1, 1, least}), 1));
  EXPECT_TRUE(same(exactly({1, 0x1p-24f, least}, {1, 1, least}), 1 + 0x1p-23f));
  EXPECT_TRUE(same(exactly({1, 0x1p-24f}, {1, 1}), 1));
  EXPECT_TRUE(same(exactly({largest, 0x1p103f}, {1, 1}), infinity));
  EXPECT_TRUE(same(exactly({largest, 0x1p103f, -least}, {1, 1, least}), largest));
  EXPECT_TRUE(same(exactly({-0.0f, -1}, {1, 0}), 0)) << "a sum of zero is +0";
}

/// 1 + 2^-24 is a tie, and what lies below decides, however far and among however large numbers that cancel.
TEST(matmul, exact_sees_the_last_bit_at_any_distance) {
  const accumulator sum = parse_accumulator("exact");
  for (const int top : {0, 1, 20, 62, 127})
    for (const std::size_t pairs : {0u, 1u, 3u, 200u})
      for (int below = 25; below <= 298; ++below)
        for (const int sign : {-1, 0, 1}) {
          std::vector<float> a, b;
          const auto add = [&](float x, float y) {
            a.push_back(x);
            b.push_back(y);
          };
          const float large = std::ldexp(1.0f, top);
          for (std::size_t i = 0; i < pairs; ++i) add(large, 1.75f);
          add(1, 1);
          add(0x1p-12f, 0x1p-12f);
          add(float(sign) * std::ldexp(1.0f, -(below / 2)), std::ldexp(1.0f, -(below - below / 2)));
          for (std::size_t i = 0; i < pairs; ++i) add(-large, 1.75f);
          const float got = product(a, b, {1, a.size(), 1}, sum)[0];
          ASSERT_TRUE(same(got, sign > 0 ? 1 + 0x1p-23f : 1))
              << "2^-" << below << ", " << pairs << " pairs of 2^" << top;
        }
}

/// The exact sum of a[p] b[p], as float32.
double exact_dot(const std::vector<double>& a, const std::vector<double>& b) {
  detail::exact_sums sums({detail::number_extent::of(a), detail::number_extent::of(b), a.size()});
  detail::step_noise none({}, 0, 0, 1);
  sums.add_products(a.data(), {b.data(), 1}, a.size(), 1, none, 0);
  double sum = 0;
  sums.result(&sum, 1);
  return sum;
}

TEST(matmul, exact_takes_operands_with_scales_whose_products_no_double_holds) {
  EXPECT_EQ(exact_dot({1 + 0x1p-52, 1, -0x1p-51}, {1 + 0x1p-52, -1, 1}), 0x1p-104);
  // 2^104 - 1 twice: carries run through all its digits, wherever words begin.
  for (int e = -64; e <= 64; ++e) {
    const double a = std::ldexp(0x1p52 + 1, e), b = 0x1p52 - 1;
    EXPECT_EQ(exact_dot({a, a, std::ldexp(-0x1p53, e)}, {b, b, 0x1p52}), std::ldexp(-2.0, e));
  }
}

/// Three products of 52 bits whose sum is one unit off a tie of float32: the 54th bit decides.
TEST(matmul, exact_decides_by_a_bit_that_no_double_holds) {
  std::mt19937_64 random(59);
  const auto factor = [&] { return (std::uint64_t(1) << 25) | (random() >> 39) | 1; };  // odd, 26 bits
  constexpr std::uint64_t place = std::uint64_t(1) << 30;                               // the last one of the result
  int judged = 0;
  while (judged < 2000) {
    std::uint64_t a[3] = {factor(), factor(), factor()}, b[3] = {factor(), factor(), 0};
    const std::uint64_t offset = place / 2 + (random() % 2 == 0 ? 1 : -std::uint64_t(1));
    std::uint64_t inverse = a[2];  // modulo 2^3, then twice as many bits each time
    for (int i = 0; i < 5; ++i) inverse *= 2 - a[2] * inverse;
    b[2] = (offset - a[0] * b[0] - a[1] * b[1]) * inverse % place;
    const std::uint64_t total = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    if (b[2] >> 26 != 0 || total >> 53 == 0) continue;
    const std::uint64_t want = total - offset + (offset > place / 2 ? place : 0);
    ASSERT_EQ(exact_dot({std::begin(a), std::end(a)}, {std::begin(b), std::end(b)}), double(want));
    ++judged;
  }
}

/// All products, then their opposites in another order: a bit lost on the way would be left, or take the last one
/// along.
TEST(matmul, exact_cancels_products_of_any_digits_and_spread) {
  std::mt19937_64 random(53);
  for (int round = 0; round < 20000; ++round) {
    const std::size_t half = 1 + random() % 40;
    const auto digits_a = 1 + random() % 27, digits_b = 1 + random() % 27, spread = 1 + random() % 60;
    const auto number = [&](std::uint64_t digits) {
      return std::ldexp(double(random() >> (64 - digits) | 1 << (digits - 1)), int(random() % spread));
    };
    std::vector<double> a, b;
    for (std::size_t i = 0; i < half; ++i) {
      a.push_back(number(digits_a));
      b.push_back(number(digits_b));
    }
    for (std::size_t i = 0; i < half; ++i) {
      a.push_back(-a[half - 1 - i]);
      b.push_back(b[half - 1 - i]);
    }
    const double last = std::ldexp(1.0, -int(random() % 60));
    a.push_back(last);
    b.push_back(1);
    ASSERT_EQ(exact_dot(a, b), last) << half << " products of " << digits_a << " by " << digits_b << " digits";
  }
}

TEST(matmul, nan_and_infinities_go_the_way_of_ieee_754_in_every_accumulator) {
  struct row {
    std::vector<float> a, b;
    float want;
  };
  const row rows[] = {{{1, nan, 1}, {1, 1, 1}, nan},
                      {{1, 1, 1}, {1, 1, -nan}, nan},
                      {{0, 1}, {infinity, 1}, nan},
                      {{infinity, 1, -infinity}, {1, 1, 1}, nan},
                      {{-infinity, 1, infinity}, {1, 1, 1}, nan},
                      {{1, infinity}, {1, -1}, -infinity}};
  for (const char* text : {"f32", "f64", "exact", "pairwise", "e8m13/rtz", "e5m10", "e5m10:mul=e5m10", "f32:chunk=1",
                           "exact:chunk=2->f32", "e8m7/sr:8", "e8m7/daz"})
    for (const row& r : rows)
      EXPECT_TRUE(same(product(r.a, r.b, {1, r.a.size(), 1}, parse_accumulator(text))[0], r.want)) << text;
  // Formats without NaN or infinity: the sum's NaN stays, and infinities go where the overflow rule says.
  EXPECT_TRUE(same(product({1, nan}, {1, 1}, {1, 2, 1}, parse_accumulator("e2m1fn"))[0], nan));
  EXPECT_TRUE(same(product({1, infinity}, {1, 1}, {1, 2, 1}, parse_accumulator("e2m1fn"))[0], 6));
  // Kahan's correction after an overflow is Inf - Inf.
  EXPECT_TRUE(same(product({infinity}, {1}, {1, 1, 1}, parse_accumulator("kahan"))[0], infinity));
  EXPECT_TRUE(same(product({infinity, 1}, {1, 1}, {1, 2, 1}, parse_accumulator("kahan"))[0], nan));
}

TEST(matmul, a_nan_is_the_positive_quiet_one) {
  const float negative_payload = std::bit_cast<float>(0xffc12345u);
  for (const char* text : {"f32", "f64", "exact", "kahan", "pairwise", "e8m13", "e8m13/daz", "f32:chunk=1"})
    EXPECT_EQ(
        std::bit_cast<std::uint32_t>(product({negative_payload, 1}, {1, 1}, {1, 2, 1}, parse_accumulator(text))[0]),
        0x7fc00000u)
        << text;
}

TEST(matmul, sums_start_from_plus_zero) {
  for (const char* text : {"f32", "f64", "exact", "kahan", "e8m13", "e5m10:mul=f32", "f32:chunk=1"})
    EXPECT_TRUE(same(product({-0.0f}, {1}, {1, 1, 1}, parse_accumulator(text))[0], 0.0f)) << text;
  EXPECT_TRUE(same(product({-0.0f}, {1}, {1, 1, 1}, parse_accumulator("e8m13/rdn"))[0], -0.0f)) << "+0 + -0 under rdn";
  EXPECT_TRUE(same(product({-0.0f}, {1}, {1, 1, 1}, parse_accumulator("pairwise"))[0], -0.0f)) << "a single term";
}

TEST(matmul, formats_of_other_kinds_run_as_their_scalar_arithmetic) {
  std::mt19937 random(5);
  for (const char* text :
       {"posit16", "takum16/rtz", "fixed7.8", "int16/rna", "lns12:gamma=16:bias=1024:zero", "posit8/sr:8"}) {
    const element e = parse_element(text);
    const number_format single = formats::e8m23;
    for (int round = 0; round < 20; ++round) {
      const std::size_t k = random() % 30;
      const std::vector<float> a = random_numbers(k, data::normal, random), b = random_numbers(k, data::normal, random);
      std::uint64_t code = encode(e, 0.0);
      for (std::size_t p = 0; p < k; ++p)
        code = fma(e, {single, std::bit_cast<std::uint32_t>(a[p])}, {single, std::bit_cast<std::uint32_t>(b[p])},
                   {e.format, code}, is_stochastic(e.rounding) ? noise_at({}, p, e.noise_bits) : 0);
      ASSERT_TRUE(same(product(a, b, {1, k, 1}, chain_of(e))[0], decode<float>(e.format, code))) << text;
    }
  }
}

// ---- the lanes' roundings beside the reference ---------------------------------------------------------------------

/// Sums near the ends of float32 and around every border of a format, where a rounding through float32 could differ.
TEST(matmul, lanes_round_as_the_reference_does_in_every_mode) {
  std::mt19937_64 random(11);
  const auto number = [&] {
    const std::uint64_t kind = random() % 8;
    if (kind == 0) return double(std::bit_cast<float>(std::uint32_t(random())));
    const int exponent = kind == 1   ? 120 + int(random() % 12)
                         : kind == 2 ? -155 + int(random() % 40)
                                     : int(random() % 40) - 20;
    const std::uint64_t digits = random() >> (random() % 60);
    return std::ldexp(double(digits >> 11), exponent - 52) * (random() % 2 == 0 ? 1 : -1);
  };
  for (const char* format : {"e8m13", "e8m7", "e5m10", "e4m3fn", "e5m2", "e4m3fnuz", "e2m1fn", "e8m2", "binary8p4se",
                             "e6m9", "e3m4", "e8m21", "e4m3fn:bias=100", "binary16p8se"})
    for (const char* mode :
         {"rne", "rna", "rtz", "rup", "rdn", "rto", "sr:1", "sr:8", "srb:8", "src:8", "sr:13", "src:12", "sr:19"})
      for (const char* rule : {"saturate", "spec", "propagate", "spec/ftz"}) {
        const element e = parse_element(std::string(format) + "/" + mode + "/" + rule);
        const detail::sum_rounder rounder(e);
        for (int round = 0; round < 8; ++round) {
          constexpr std::size_t lanes = detail::tile_lanes - 1;
          double terms[lanes], sums[lanes], rounded[lanes], stepped[lanes];
          std::uint32_t noise[lanes];
          for (std::size_t l = 0; l < lanes; ++l) {
            terms[l] = number();
            sums[l] = binade::round(e, random() % 4 == 0 ? -terms[l] : number());
            noise[l] = std::uint32_t(random()) >> (32 - e.noise_bits);
            if (random() % 8 == 0) noise[l] = random() % 2 == 0 ? 0 : ~0u >> (32 - e.noise_bits);
          }
          std::copy_n(terms, lanes, rounded);
          std::copy_n(sums, lanes, stepped);
          rounder.round(rounded, noise, lanes);
          rounder.step(terms, stepped, noise, lanes, false);
          for (std::size_t l = 0; l < lanes; ++l) {
            ASSERT_TRUE(same(float(rounded[l]), float(rounded_term(e, terms[l], noise[l]))))
                << to_string(e) << std::hexfloat << " of " << terms[l] << ", noise " << noise[l];
            ASSERT_TRUE(same(float(stepped[l]), float(rounded_step(e, terms[l], sums[l], noise[l]))))
                << to_string(e) << std::hexfloat << " of " << terms[l] << " + " << sums[l] << ", noise " << noise[l];
          }
        }
      }
}

// ---- shapes and splits ---------------------------------------------------------------------------------------------

constexpr const char* some_accumulators[] = {
    "f32",        "f64",         "exact",
    "kahan",      "pairwise",    "e8m13/rtz",
    "e5m10/sr:8", "f32:chunk=7", "e8m7/sr:8:mul=e5m10/sr:3:chunk=5->e8m13/sr:9",
    "e8m7/daz"};

TEST(matmul, every_shape_around_a_tile_of_lanes_gives_each_output_alone) {
  std::mt19937 random(23);
  for (const matmul_shape s : {matmul_shape{2, 9, 127}, {1, 10, 128}, {3, 11, 129}, {2, 5, 300}, {5, 1, 2}, {1, 37, 1}})
    for (const char* text : some_accumulators) {
      const accumulator sum = parse_accumulator(text);
      const std::vector<float> a = random_numbers(s.m * s.k, data::wide, random),
                               b = random_numbers(s.k * s.n, data::wide, random);
      const noise_source noise{1, 2, 3, 4};
      const std::vector<float> whole = product(a, b, s, sum, noise);
      for (std::size_t i = 0; i < s.m; ++i)
        for (std::size_t j = 0; j < s.n; j += 1 + random() % 9)
          ASSERT_TRUE(same(whole[i * s.n + j], expected(sum, a, b, s, i, j, noise)))
              << text << " n " << s.n << " output (" << i << ", " << j << ")";
    }
}

TEST(matmul, rows_multiplied_apart_give_the_same_bits) {
  std::mt19937 random(29);
  const matmul_shape s{7, 33, 140};
  const std::vector<float> a = random_numbers(s.m * s.k, data::normal, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  for (const char* text : some_accumulators) {
    const accumulator sum = parse_accumulator(text);
    const noise_source noise{.seed = 9, .first = 77};
    const std::vector<float> whole = product(a, b, s, sum, noise);
    std::vector<float> parts;
    for (const auto& [begin, end] : {std::pair<std::size_t, std::size_t>{0, 1}, {1, 5}, {5, 7}}) {
      noise_source from = noise;
      from.first += begin * matmul_noise_per_row(s, sum);
      const std::vector<float> rows(a.begin() + std::ptrdiff_t(begin * s.k), a.begin() + std::ptrdiff_t(end * s.k));
      const std::vector<float> part = product(rows, b, {end - begin, s.k, s.n}, sum, from);
      parts.insert(parts.end(), part.begin(), part.end());
    }
    expect_same(parts, whole, text);
  }
}

TEST(matmul, bands_of_rows_run_in_any_order_give_the_same_bits) {
  std::mt19937 random(31);
  const matmul_shape s{70, 64, 140};
  const std::vector<float> a = random_numbers(s.m * s.k, data::normal, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  for (const char* text : {"f32", "exact", "e8m10", "e5m10:chunk=5->f32", "e5m10/sr:8:chunk=5->e8m13/sr:9"}) {
    const accumulator sum = parse_accumulator(text);
    const noise_source noise{.seed = 9, .first = 77};
    std::vector<float> whole(s.m * s.n), banded(s.m * s.n);
    matmul(a, b, s, sum, noise, whole);
    std::size_t bands = 0;
    matmul(a, b, s, sum, noise, banded, [&](std::size_t count, const auto& f) {
      bands = count;
      for (std::size_t k = count; k > 0;) f(--k);
    });
    EXPECT_GT(bands, 1u);
    expect_same(banded, whole, text);
  }
}

TEST(matmul, seed_stream_and_step_each_change_the_noise) {
  std::mt19937 random(31);
  const matmul_shape s{4, 64, 16};
  const std::vector<float> a = random_numbers(s.m * s.k, data::normal, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  const accumulator sum = parse_accumulator("e5m10/sr:8");
  const std::vector<float> base = product(a, b, s, sum, {1, 1, 1});
  EXPECT_EQ(product(a, b, s, sum, {1, 1, 1}), base);
  for (const noise_source other : {noise_source{2, 1, 1}, {1, 2, 1}, {1, 1, 2}, {1, 1, 1, 64}})
    EXPECT_NE(product(a, b, s, sum, other), base);
}

TEST(matmul, no_k_gives_plus_zero_and_no_row_or_column_gives_nothing) {
  for (const char* text : some_accumulators) {
    const accumulator sum = parse_accumulator(text);
    expect_same(product({}, {}, {2, 0, 3}, sum), std::vector<float>(6, 0.0f), text);
    EXPECT_TRUE(product({}, std::vector<float>(6, 1), {0, 2, 3}, sum).empty());
    EXPECT_TRUE(product(std::vector<float>(6, 1), {}, {3, 2, 0}, sum).empty());
  }
  for (const char* text : {"f32", "exact", "mx"}) {
    expect_same(product({}, "mxfp4", {}, "nvfp4", {2, 0, 3}, text), std::vector<float>(6, 0.0f), text);
    EXPECT_TRUE(product({}, "mxfp4", std::vector<float>(6, 1), "mxfp4", {0, 2, 3}, text).empty());
    EXPECT_TRUE(product(std::vector<float>(6, 1), "e4m3fn@block(2)@row", {}, "mxfp4", {3, 2, 0}, text).empty());
  }
}

// ---- tiles ---------------------------------------------------------------------------------------------------------

/// The chain of one output, and of one more stage, step by step.
float by_steps(const accumulator& sum, const std::vector<float>& a, const std::vector<float>& b) {
  const accumulator_stage &first = sum.stages[0], &last = sum.stages[1];
  double total = 0, chain = 0;
  for (std::size_t p = 0; p < a.size(); ++p) {
    double term = operand_product(first.rounds_products ? first.product : first.running, a[p], b[p]);
    if (first.rounds_products) term = rounded_term(first.product, term);
    chain = rounded_step(first.running, term, chain);
    if (first.chunk == 0 || ((p + 1) % first.chunk != 0 && p + 1 < a.size())) continue;
    total = rounded_step(last.running, chain, total);
    chain = 0;
  }
  return float(first.chunk == 0 ? chain : total);
}

/// Operands whose products and sums are normal, subnormal and between, and such as have few digits.
std::vector<float> numbers_for_tiles(std::size_t count, int kind, std::mt19937& random) {
  std::vector<float> x(count);
  const char* const formats[] = {"f32", "e4m3fn", "e8m7", "e2m1fn"};
  const element e = parse_element(formats[kind % 4]);
  const data kinds[] = {data::normal, data::small, data::cancelling, data::smaller, data::narrow, data::tiny};
  for (float& v : x) v = float(round(e, random_number(kinds[kind / 4], random)));
  return x;
}
constexpr int kinds_for_tiles = 24;
constexpr const char* chains_for_tiles[] = {"f32",
                                            "f64",
                                            "e8m10",
                                            "e5m10",
                                            "e8m7",
                                            "e8m13",
                                            "e8m13/rtz",
                                            "e5m10/rtz",
                                            "e8m21",
                                            "e4m3fn",
                                            "e5m2",
                                            "e6m9/saturate",
                                            "f32:mul=f32",
                                            "e8m10:mul=f32",
                                            "e8m10:mul=e8m10",
                                            "e8m11:mul=e8m10",
                                            "e8m7:mul=e8m10",
                                            "f32:mul=e8m10",
                                            "e8m10:mul=e8m7",
                                            "e5m10:mul=e5m10",
                                            "e5m10:mul=f32",
                                            "e5m10:mul=e5m7",
                                            "e5m7:mul=e5m10",
                                            "e8m10:mul=e5m7",
                                            "e5m10/rtz:mul=e5m10",
                                            "f32:mul=e5m10",
                                            "f32:mul=e8m12",
                                            "e8m13:mul=e5m12",
                                            "e5m10:mul=e8m7",
                                            "e5m10:mul=e5m10:chunk=20->f32",
                                            "e8m13/rtz:mul=e8m10",
                                            "f32:chunk=32",
                                            "e8m13/rtz:chunk=128->f32",
                                            "e5m10:chunk=7->f32",
                                            "e5m10:chunk=64",
                                            "e8m10:chunk=100->e8m13/rtz",
                                            "f32:chunk=16->e8m10",
                                            "e8m10:mul=e8m10:chunk=150->e8m7"};

TEST(matmul, tiles_give_the_steps_of_every_chain) {
  std::mt19937 random(61);
  for (const char* text : chains_for_tiles)
    for (int kind = 0; kind < kinds_for_tiles; ++kind) {
      const accumulator sum = parse_accumulator(text);
      const matmul_shape s{1 + random() % 40, 1 + random() % 300, 1 + random() % 80};
      const std::vector<float> a = numbers_for_tiles(s.m * s.k, kind, random),
                               b = numbers_for_tiles(s.k * s.n, kind, random), got = product(a, b, s, sum);
      for (int sample = 0; sample < 40; ++sample) {
        const std::size_t i = random() % s.m, j = random() % s.n;
        ASSERT_TRUE(same(got[i * s.n + j], by_steps(sum, row_of(a, s, i), column_of(b, s, j))))
            << text << ", kind " << kind << ", k " << s.k << ", output (" << i << ", " << j << ")";
      }
    }
}

// Their normal numbers reach below float32's: there a float32 has fewer digits to drop.
TEST(matmul, elements_with_normal_numbers_below_those_of_float32_are_rounded_step_by_step) {
  const matmul_shape s{1, 2, 1};
  const std::vector<float> a{0x5p-70f, 0x1p-70f}, b{0x1p-66f, 0x1p-66f};
  for (const char* text : {"e8m2:bias=141/rtz", "e8m2:bias=141", "e8m7:bias=132", "f32:mul=e8m7:bias=132"}) {
    const accumulator sum = parse_accumulator(text);
    EXPECT_EQ(product(a, b, s, sum)[0], by_steps(sum, a, b)) << text;
    EXPECT_EQ(product(a, b, s, sum)[0], 0x1.8p-134f) << text;
  }
}

/// s + x where x is about a tie's distance from s, and more and less, at the ends of binades and within.
TEST(matmul, sums_of_two_numbers_of_11_digits_are_rounded_once) {
  std::mt19937 random(71);
  const auto number = [&](int exponent) {
    const std::uint32_t ends[] = {0, 1, 2, 1021, 1022, 1023};
    const std::uint32_t trailing = random() % 2 == 0 ? ends[random() % 6] : random() % 1024;
    const float x = std::ldexp(1 + float(trailing) / 1024, exponent);
    return random() % 2 == 0 ? x : -x;
  };
  const matmul_shape s{20000, 2, 1};
  std::vector<float> a;
  for (std::size_t i = 0; i < s.m; ++i) {
    const int gap = int(random() % 33) - 16;
    a.push_back(number(gap));
    a.push_back(number(0));
  }
  for (const char* text : {"e8m10:mul=e8m10", "e8m10", "e8m10/rtz", "e8m10:chunk=1"}) {
    const accumulator sum = parse_accumulator(text);
    const std::vector<float> b{1, 1}, got = product(a, b, s, sum);
    for (std::size_t i = 0; i < s.m; ++i)
      ASSERT_TRUE(same(got[i], by_steps(sum, row_of(a, s, i), b))) << text << " " << a[2 * i] << " " << a[2 * i + 1];
  }
}

/// s + x where x is a tie's distance from s and next to it, of 24 digits: what float32 rounds to a tie.  Within the
/// normal numbers of e5m10, and down to its subnormal ones.
TEST(matmul, sums_next_to_ties_of_float32_are_rounded_once) {
  std::mt19937 random(79);
  const auto sign = [&] { return random() % 2 == 0 ? 1.0f : -1.0f; };
  // Products of two short numbers are to be few: most are of 0 and 24 digits.
  const matmul_shape s{2500, 48, 1};
  std::vector<float> b(s.k, 0x1.fffffep-20f);
  b[0] = b[1] = b[2] = 1;
  for (const bool is_small : {false, true})
    for (const int digits : {8, 11, 14}) {
      std::vector<float> a;
      for (std::size_t i = 0; i < s.m; ++i) {
        const int exponent = is_small ? -int(random() % 14) - 12 : -int(random() % 4);
        const float ulp = std::ldexp(1.0f, exponent - digits + 1), power = std::ldexp(1.0f, exponent);
        const float start = power + float(random() % 3 == 0 ? random() % 2 : random() % (1u << (digits - 1))) * ulp;
        float tie = (float(random() % 4) + 0.5f) * ulp;
        if (random() % 4 != 0) tie = std::nextafter(tie, random() % 2 == 0 ? 1.0f : -1.0f);
        a.insert(a.end(), {start * sign(), tie * sign(), float(random() % 64) / 128 * ulp * sign()});
        a.resize((i + 1) * s.k);
      }
      for (const char* text :
           {"e8m10", "e8m7", "e5m10", "e5m7", "e8m13", "e5m13", "e8m10:chunk=2", "e5m10:chunk=3->f32",
            "e8m10:chunk=3->e8m7", "e5m10:chunk=2->e5m7", "e8m10:mul=e8m7", "e5m10:mul=e5m7", "e5m10:mul=e5m10",
            "e8m13:mul=e8m12", "f32:mul=e5m12", "e5m13:mul=e5m12"}) {
        const accumulator sum = parse_accumulator(text);
        const std::vector<float> got = product(a, b, s, sum);
        for (std::size_t i = 0; i < s.m; ++i)
          ASSERT_TRUE(same(got[i], by_steps(sum, row_of(a, s, i), b)))
              << text << " " << a[s.k * i] << " " << a[s.k * i + 1] << " " << a[s.k * i + 2];
      }
    }
}

/// Products and sums around half-way points of subnormal numbers of e5m10, of either sign, zeros included.
TEST(matmul, subnormal_numbers_and_the_signs_of_zeros_are_rounded_once) {
  std::mt19937 random(73);
  const auto number = [&] {
    const float half_ways = float(random() % (random() % 2 == 0 ? 8 : 8192));
    float x = half_ways * 0x1p-25f;
    if (random() % 3 == 0) x = std::nextafter(x, random() % 2 == 0 ? 1.0f : -1.0f);
    return random() % 2 == 0 ? x : -x;
  };
  const matmul_shape s{20000, 3, 1};
  std::vector<float> a;
  for (std::size_t i = 0; i < s.m * s.k; ++i) a.push_back(number());
  const std::vector<float> b{1, -1, 1};
  for (const char* text : {"e5m10", "e5m10/rtz", "e5m10:mul=e5m10", "f32:mul=e5m10", "e5m7:mul=e5m10", "e5m10:mul=e5m7",
                           "e8m10:mul=e5m10", "e5m10:mul=f32", "e5m10:chunk=2", "e5m10:chunk=1->e5m7"}) {
    const accumulator sum = parse_accumulator(text);
    const std::vector<float> got = product(a, b, s, sum);
    for (std::size_t i = 0; i < s.m; ++i)
      ASSERT_TRUE(same(got[i], by_steps(sum, row_of(a, s, i), b)))
          << text << " " << a[3 * i] << " " << a[3 * i + 1] << " " << a[3 * i + 2];
  }
}

TEST(matmul, tiles_give_exact_sums) {
  std::mt19937 random(67);
  const accumulator sum = parse_accumulator("exact");
  for (int kind = 0; kind < kinds_for_tiles; ++kind) {
    const matmul_shape s{1 + random() % 40, 1 + random() % 400, 1 + random() % 80};
    const std::vector<float> a = numbers_for_tiles(s.m * s.k, kind, random),
                             b = numbers_for_tiles(s.k * s.n, kind, random), got = product(a, b, s, sum);
    for (std::size_t i = 0; i < s.m; ++i)
      for (std::size_t j = 0; j < s.n; ++j) {
        detail::wide_sum exact;
        for (std::size_t p = 0; p < s.k; ++p) exact.add_product(double(a[i * s.k + p]), double(b[p * s.n + j]));
        ASSERT_TRUE(same(got[i * s.n + j], detail::nearest_float(exact.total()))) << kind << ", k " << s.k;
      }
  }
}

/// Five products that leave no digit of the sums unused, then two of 1, which a sum without one more digit loses.
struct seven_products {
  std::vector<float> a, b;
  float sum;  ///< the exact one, rounded once
};
/// Of (2^digits_a - 1) (2^digits_b - 1): the fifth sum is odd.
seven_products products_around_float(int digits_a, int digits_b) {
  const auto all_ones = [](int digits) { return std::ldexp(1.0f, digits) - 1; };
  seven_products p{
      .a = std::vector<float>(5, all_ones(digits_a)), .b = std::vector<float>(5, all_ones(digits_b)), .sum = 0};
  p.a.insert(p.a.end(), {1, 1});
  p.b.insert(p.b.end(), {1, 1});
  p.sum = float(5 * std::int64_t(p.a[0]) * std::int64_t(p.b[0]) + 2);
  return p;
}
/// The first five sum up to a tie of float32 that goes down to the even number; the units after it turn it up.
/// @param bits  that the sums need: 53 or 54
seven_products products_around_double(int bits) {
  const int doubled = bits - 54;
  const float x = 0x1p25f - 64, y = std::ldexp(7.0f, 23 + doubled);
  const double tie = 5 * double(x) * double(y), ulp = std::ldexp(1.0, 30 + doubled);
  return {.a = {x, x, x, x, x, 1, 1}, .b = {y, y, y, y, y, 1, 1}, .sum = float(tie + ulp / 2)};
}

TEST(matmul, exact_sums_of_24_digits_are_sums_of_float32_and_of_25_are_not) {
  const accumulator sum = parse_accumulator("exact");
  // Of k = 7 products below 2^(digits of a + of b) every sum is below 2^(digits + 3).
  for (const auto& [digits_a, digits_b] : {std::pair(10, 11), {11, 11}, {12, 9}, {12, 10}}) {
    const seven_products p = products_around_float(digits_a, digits_b);
    EXPECT_TRUE(same(product(p.a, p.b, {1, 7, 1}, sum)[0], p.sum)) << digits_a + digits_b + 3 << " digits";
  }
}
TEST(matmul, exact_sums_of_53_digits_are_sums_of_doubles_and_of_54_are_not) {
  const accumulator sum = parse_accumulator("exact");
  for (const int bits : {53, 54}) {
    const seven_products p = products_around_double(bits);
    const detail::number_extent a = detail::number_extent::of(p.a), b = detail::number_extent::of(p.b);
    ASSERT_EQ(a.highest + b.highest + 3, bits);
    ASSERT_EQ(a.lowest + b.lowest, 0);
    ASSERT_GT(double(p.sum), 5 * double(p.a[0]) * double(p.b[0])) << "the units decide";
    EXPECT_TRUE(same(product(p.a, p.b, {1, 7, 1}, sum)[0], p.sum)) << bits << " digits";
  }
}
TEST(matmul, exact_sums_stay_within_the_exponents_of_float32) {
  const accumulator sum = parse_accumulator("exact");
  const auto sum_of = [&](const std::vector<float>& a, const std::vector<float>& b) {
    return product(a, b, {1, a.size(), 1}, sum)[0];
  };
  // Two halves of the smallest subnormal number; two of it.
  EXPECT_TRUE(same(sum_of({0x1p-75f, 0x1p-75f}, {0x1p-75f, 0x1p-75f}), 0x1p-149f));
  EXPECT_TRUE(same(sum_of({0x1p-75f, 0x1p-75f}, {0x1p-74f, 0x1p-74f}), 0x1p-148f));
  // Five of them pass float32's largest number, and three do not; likewise a binade lower, where all fit.
  for (const float y : {0x1.f8p62f, 0x1.f8p61f}) {
    const float x = 0x1.f8p62f, got = sum_of({x, x, x, x, x, -x, -x}, {y, y, y, y, y, y, y});
    EXPECT_TRUE(same(got, float(3 * double(x) * double(y))));
  }
}

#ifdef BINADE_WIDE_256
/// The sum by tiles, if they take it.
template <class Source>
std::optional<float> exact_by_tiles(const std::vector<Source>& a, const std::vector<Source>& b) {
  const detail::product_plan plan{{1, a.size(), 1}, parse_accumulator("exact"), {}, {a.size()}};
  float out = 0;
  if (!detail::sum_exactly_in_tiles(plan, std::span<const Source>(a), std::span<const Source>(b),
                                    detail::number_extent::of(a), detail::number_extent::of(b), {&out, 1}, in_turn{}))
    return std::nullopt;
  return out;
}

TEST(matmul, tiles_take_exact_sums_of_up_to_53_digits) {
  if (!detail::has_tiles())
    GTEST_SKIP() << "tiles take vectors of 256 bits and FMA: such a processor, and no BINADE_VECTOR_BITS below 256, "
                    "end this skip";
  for (const seven_products& p :
       {products_around_float(10, 11), products_around_float(11, 11), products_around_double(53)})
    EXPECT_EQ(exact_by_tiles(p.a, p.b), p.sum);
  const seven_products p = products_around_double(54);
  EXPECT_EQ(exact_by_tiles(p.a, p.b), std::nullopt);
}
/// Operands in double, which elements times their scales are.
TEST(matmul, exact_sums_of_operands_beyond_float32_are_not_sums_of_float32) {
  if (!detail::has_tiles())
    GTEST_SKIP() << "tiles take vectors of 256 bits and FMA: such a processor, and no BINADE_VECTOR_BITS below 256, "
                    "end this skip";
  const auto expect_both_ways = [](const std::vector<double>& a, const std::vector<double>& b, float sum) {
    EXPECT_EQ(exact_by_tiles(a, b), sum) << a[0];
    EXPECT_EQ(exact_by_tiles(b, a), sum) << a[0];
  };
  expect_both_ways({0x1p128, 0x1p127}, {0x1p-128, 0x1p-128}, 1.5f);
  expect_both_ways({0x1p127, 0x1p126}, {0x1p-127, 0x1p-127}, 1.5f);
  expect_both_ways({0x1p-150, 0x1p-149}, {0x1p100, 0x1p100}, 0x1.8p-49f);
  expect_both_ways({0x1p-149, 0x1p-148}, {0x1p100, 0x1p100}, 0x1.8p-48f);
}
#endif

/// The largest k for which exact sums of E4M3 products are sums of doubles: 448^2 < 2^18, all multiples of 2^-18.
TEST(matmul, exact_sums_of_e4m3_leave_the_doubles_when_k_no_longer_fits) {
  detail::number_extent e4m3;
  for (std::uint32_t code = 0; code < 256; ++code) {
    const std::vector<double> x{decode<double>(formats::e4m3fn, code)};
    const detail::number_extent one = detail::number_extent::of(x);
    if (!one.all_finite || one.is_zero()) continue;
    e4m3.lowest = std::min(e4m3.lowest, one.lowest);
    e4m3.highest = std::max(e4m3.highest, one.highest);
    e4m3.digits = std::max(e4m3.digits, one.digits);
  }
  EXPECT_EQ(e4m3.lowest, -9);
  EXPECT_EQ(e4m3.highest, 9);
  EXPECT_EQ(e4m3.digits, 4);
  EXPECT_EQ(detail::part_plan(e4m3, e4m3, (std::size_t(1) << 17) - 1).parts, 1);
  EXPECT_EQ(detail::part_plan(e4m3, e4m3, std::size_t(1) << 17).parts, 2);
}

#ifdef BINADE_WIDE_256
TEST(matmul, tiles_are_taken_where_no_sum_can_overflow) {
  if (!detail::has_tiles())
    GTEST_SKIP() << "tiles take vectors of 256 bits and FMA: such a processor, and no BINADE_VECTOR_BITS below 256, "
                    "end this skip";
  const auto takes = [](const char* text, float a, float b, std::size_t k) {
    const accumulator sum = parse_accumulator(text);
    return detail::plan_of_chains({{1, k, 1}, sum, {}, detail::chunk_ends(k, sum.stages[0].chunk)},
                                  std::vector<float>(k, a), std::vector<float>(k, b))
        .has_value();
  };
  // Products of at most 2^6: 512 of them are at most 2^15, which e5m10 holds.
  EXPECT_TRUE(takes("e5m10", 7.0f, 7.0f, 512));
  EXPECT_FALSE(takes("e5m10", 7.0f, 7.0f, 513));
  EXPECT_TRUE(takes("e5m10:chunk=32->f32", 7.0f, 7.0f, 4096));
  EXPECT_FALSE(takes("e5m10:chunk=32", 7.0f, 7.0f, 4096));
  // From 16 on, four digits stay where they are.
  EXPECT_TRUE(takes("e4m3fn", 0.9f, 0.9f, 1000000));
  EXPECT_FALSE(takes("e8m10", infinity, 1.0f, 8));
  EXPECT_FALSE(takes("e8m10", 1.0f, nan, 8));
  EXPECT_TRUE(takes("f32", nan, infinity, 8));
  EXPECT_FALSE(takes("e5m10/ftz", 1.0f, 1.0f, 8));
  EXPECT_FALSE(takes("e8m10/rup", 1.0f, 1.0f, 8));
}
#endif

// ---- quantized operands --------------------------------------------------------------------------------------------

std::vector<float> quantized(const std::vector<float>& x, const axis_view& view, const char* spec,
                             const noise_source& noise) {
  std::vector<float> out(x.size());
  quantize(x, view, parse_quantizer(spec), noise, out);
  return out;
}

TEST(matmul, chains_kahan_and_pairwise_multiply_what_quantize_gives_along_k) {
  std::mt19937 random(37);
  const matmul_shape s{5, 70, 6};
  const std::vector<float> a = random_numbers(s.m * s.k, data::wide, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  const matmul_noise noise = matmul_streams({.seed = 5, .stream = 10, .step = 3});
  EXPECT_EQ(noise.a.stream, 10u);
  EXPECT_EQ(noise.b, (noise_source{5, 11, 3}));
  EXPECT_EQ(noise.sum, (noise_source{5, 12, 3}));
  for (const auto& [a_spec, b_spec] : {std::pair{"mxfp4", "mxfp8_e4m3"},
                                       {"nvfp4", "nvfp4:2d"},
                                       {"e4m3fn/sr:8@row", "int8@tensor"},
                                       {"e5m2", "f32"},
                                       {"e4m3fn@col", "e4m3fn/sr@tile(32,4)"}})
    for (const char* sum : {"f32", "f64", "e8m13/rtz", "e5m10/sr:8", "kahan", "pairwise", "f32:chunk=32"})
      expect_same(product(a, a_spec, b, b_spec, s, sum, noise),
                  product(quantized(a, {s.m, s.k, 1}, a_spec, noise.a), quantized(b, {1, s.k, s.n}, b_spec, noise.b), s,
                          parse_accumulator(sum), noise.sum),
                  std::string(a_spec) + " " + b_spec + " " + sum);
}

/// An operand by another way than the product's: codes and scale codes of encode(), decoded one by one.
struct decoded_operand {
  std::vector<float> elements;
  std::vector<double> varying, constant;  ///< scales of each element

  decoded_operand(const std::vector<float>& x, const axis_view& view, const quantizer& q, const noise_source& noise) {
    const encoded e = encode(x, view, q, noise);
    const auto code = [](const code_array& codes, std::size_t i) {
      return std::visit([&](const auto& c) { return std::uint64_t(c[i]); }, codes);
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
      elements.push_back(decode<float>(q.elem.format, code(e.codes, i)));
      const std::size_t p = i / view.inner % view.length,
                        row = i / view.inner / view.length * view.inner + i % view.inner;
      double of_run = 1, of_row = 1;
      for (int l = 0; l < q.levels; ++l) {
        const scaling& s = q.scalings[std::size_t(l)];
        const std::size_t rows = view.outer * view.inner;
        const std::size_t high = s.per == granularity::tile  ? s.tile_rows
                                 : s.per == granularity::row ? 1
                                                             : rows,
                          wide = s.per == granularity::tile  ? s.tile_cols
                                 : s.per == granularity::col ? 1
                                                             : view.length;
        const std::size_t group = row / high * ((view.length + wide - 1) / wide) + p / wide;
        const double scale = decode(s.format, code(l == 0 ? e.scales : e.outer_scales, group));
        (s.per == granularity::tile || s.per == granularity::col ? of_run : of_row) *= scale;
      }
      varying.push_back(of_run);
      constant.push_back(of_row);
    }
  }
};

/// x s, once rounded to float32.
double times(double x, double s) {
  return judged::to_single(oracle::exact_product(oracle::number_of(x), oracle::number_of(s)));
}

void judge_unscaled(const char* a_spec, const char* b_spec, data kind) {
  std::mt19937 random(41);
  const matmul_shape s{3, 70, 4};
  const std::vector<float> a = random_numbers(s.m * s.k, kind, random), b = random_numbers(s.k * s.n, kind, random);
  const matmul_noise noise = matmul_streams({.seed = 6});
  const decoded_operand da(a, {s.m, s.k, 1}, parse_quantizer(a_spec), noise.a),
      db(b, {1, s.k, s.n}, parse_quantizer(b_spec), noise.b);
  const std::vector<float> exact = product(a, a_spec, b, b_spec, s, "exact", noise);
  bool has_blocks = false;
  for (const scaling& level : parse_quantizer(a_spec).scalings) has_blocks |= level.per >= granularity::col;
  for (const scaling& level : parse_quantizer(b_spec).scalings) has_blocks |= level.per >= granularity::col;
  std::vector<float> mx(exact.size());
  if (has_blocks) mx = product(a, a_spec, b, b_spec, s, "mx", noise);
  const judged::oracle_element& single = judged::oracle_single();
  for (std::size_t i = 0; i < s.m; ++i)
    for (std::size_t j = 0; j < s.n; ++j) {
      const std::string what = std::string(a_spec) + " " + b_spec + " data " + std::to_string(int(kind));
      const auto at_a = [&](std::size_t p) { return i * s.k + p; };
      const auto at_b = [&](std::size_t p) { return p * s.n + j; };
      const auto number = [](double x) { return oracle::number_of(x); };
      std::vector<oracle::exact_result> all, block;
      double chain = 0;
      for (std::size_t p = 0; p < s.k; ++p) {
        const oracle::exact_result q = judged::product_of(da.elements[at_a(p)], db.elements[at_b(p)]);
        all.push_back(
            oracle::exact_product(q, oracle::exact_product(number(da.varying[at_a(p)]), number(db.varying[at_b(p)]))));
        block.push_back(q);
        // Sums of blocks whose scales happen to be equal are sums of blocks all the same.
        const auto ends = [&](const quantizer& q_spec) {
          for (int l = 0; l < q_spec.levels; ++l) {
            const scaling& level = q_spec.scalings[std::size_t(l)];
            if (level.per == granularity::col || (level.per == granularity::tile && (p + 1) % level.tile_cols == 0))
              return true;
          }
          return false;
        };
        if (p + 1 < s.k && !ends(parse_quantizer(a_spec)) && !ends(parse_quantizer(b_spec))) continue;
        const double scaled =
            times(times(judged::to_single(judged::sum_of(block)), da.varying[at_a(p)]), db.varying[at_b(p)]);
        chain = single.rounded(oracle::exact_sum({number(scaled), number(chain)}, false), 0, {});
        block.clear();
      }
      const auto finished = [&](double x) {
        return float(times(times(x, da.constant[at_a(0)]), db.constant[at_b(0)]));
      };
      ASSERT_TRUE(same(exact[i * s.n + j], finished(judged::to_single(judged::sum_of(all))))) << what;
      if (has_blocks) {
        ASSERT_TRUE(same(mx[i * s.n + j], finished(chain))) << what;
      }
    }
}

TEST(matmul, exact_and_mx_multiply_elements_and_scale_after) {
  for (const data kind : {data::normal, data::wide, data::narrow, data::tiny})
    for (const auto& [a_spec, b_spec] : {std::pair{"mxfp4", "mxfp4"},
                                         {"mxfp8_e4m3", "mxfp4"},
                                         {"mxint8", "mxfp6_e2m3"},
                                         {"nvfp4", "nvfp4"},
                                         {"nvfp4", "nvfp4:2d"},
                                         {"nvfp4:te", "nvfp4:te"},
                                         {"nvfp4:torchao", "nvfp4:4over6"},
                                         {"mx9", "mx6"},
                                         {"e4m3fn@tensor", "e5m2@tensor"},
                                         {"e4m3fn@row", "int8@row"},
                                         {"int8@row", "e2m1fn@block(16,f32)"},
                                         {"e4m3fn@col", "e4m3fn@tile(16,2)"},
                                         {"e4m3fn@block(32)", "f32"},
                                         {"e4m3fn/sr:8@block(24)", "int4@block(10)"},
                                         {"deepseek_1x128", "deepseek_128x128"},
                                         {"e4m3fn@block(16,e4m3fn)@row", "int4@row(e4m3fn)@tensor"},
                                         {"e8m7", "e5m10"},
                                         {"f32", "f32@row(static=3)"},
                                         {"int8@block(8,e5m2)@tile(1,16,e5m2)", "posit8@block(7)"}})
      judge_unscaled(a_spec, b_spec, kind);
}

TEST(matmul, with_power_of_two_scales_unscaled_and_dequantized_operands_agree) {
  std::mt19937 random(43);
  const matmul_shape s{4, 100, 5};
  const std::vector<float> a = random_numbers(s.m * s.k, data::normal, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  for (const char* spec : {"mxfp4", "mxfp8_e4m3", "e4m3fn@tensor(pow2)", "int8@row(pow2)"})
    expect_same(product(a, spec, b, spec, s, "exact"),
                product(quantized(a, {s.m, s.k, 1}, spec, {}), quantized(b, {1, s.k, s.n}, spec, {}), s,
                        parse_accumulator("exact")),
                spec);
}

TEST(matmul, a_nan_or_infinity_of_an_operand_shows_in_its_row_or_column) {
  for (const char* sum : {"f32", "exact", "mx", "e8m13/rtz"})
    for (const char* spec : {"mxfp4", "mxfp4:torchao", "nvfp4", "e5m2/spec@block(8)"}) {
      const matmul_shape s{2, 40, 2};
      std::vector<float> a(80, 1), b(80, 1);
      a[45] = nan;
      const std::vector<float> got = product(a, spec, b, spec, s, sum);
      EXPECT_EQ(got[0], 40) << sum << " " << spec;
      EXPECT_TRUE(same(got[2], nan)) << sum << " " << spec;
      EXPECT_TRUE(same(got[3], nan)) << sum << " " << spec;
    }
}

TEST(matmul, transforms_stay_in_both_operands) {
  std::mt19937 random(47);
  const matmul_shape s{3, 64, 4};
  const std::vector<float> a = random_numbers(s.m * s.k, data::normal, random),
                           b = random_numbers(s.k * s.n, data::normal, random);
  std::vector<float> ta = a, tb(b.size()), columns(b.size());
  rht(ta, 16, 7);
  for (std::size_t j = 0; j < s.n; ++j)
    for (std::size_t p = 0; p < s.k; ++p) columns[j * s.k + p] = b[p * s.n + j];
  rht(columns, 16, 7);
  for (std::size_t j = 0; j < s.n; ++j)
    for (std::size_t p = 0; p < s.k; ++p) tb[p * s.n + j] = columns[j * s.k + p];
  for (const char* sum : {"f32", "exact", "mx", "e8m13/rtz"})
    expect_same(product(a, "rht(16,7)+mxfp4", b, "rht(16,7)+mxfp4", s, sum), product(ta, "mxfp4", tb, "mxfp4", s, sum),
                sum);
}

// ---- wrong use -----------------------------------------------------------------------------------------------------

template <class Call>
void expect_refused(Call call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "accepted: " << part;
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(matmul, sizes_that_disagree_with_the_shape_are_refused_and_nothing_is_written) {
  const std::vector<float> a(6, 1), b(12, 1);
  std::vector<float> out(8, -1);
  const auto call = [&](std::size_t in_a, std::size_t in_b, std::size_t in_out, const matmul_shape& shape) {
    return [=, &a, &b, &out] {
      matmul(std::span(a).first(in_a), std::span(b).first(in_b), shape, accumulator{}, {},
             std::span(out).first(in_out));
    };
  };
  expect_refused(call(5, 12, 8, {2, 3, 4}), "matmul: a has 5 elements and a shape of (2, 3) has 6; a is (m, k)");
  expect_refused(call(6, 11, 8, {2, 3, 4}), "matmul: b has 11 elements and a shape of (3, 4) has 12");
  expect_refused(call(6, 12, 7, {2, 3, 4}), "matmul: out has 7 elements and a shape of (2, 4) has 8");
  const std::size_t half = std::size_t(1) << 63;
  expect_refused(call(0, 12, 8, {half, 2, 4}), "has more than memory holds");
  const quantizer q = parse_quantizer("mxfp4");
  expect_refused([&] { matmul(a, q, b, q, {2, 3, 5}, accumulator{}, {}, out); }, "matmul: b has 12 elements");
  EXPECT_EQ(out, std::vector<float>(8, -1));
}

TEST(matmul, an_output_that_overlaps_an_operand_is_refused) {
  std::vector<float> x(30, 1);
  const std::span<float> all = x;
  expect_refused(
      [&] {
        matmul(all.first(4), all.subspan(4, 4), {2, 2, 2}, {}, {}, all.subspan(3, 4));
      },
      "matmul: out overlaps an operand");
  expect_refused(
      [&] {
        matmul(all.first(4), all.subspan(4, 4), {2, 2, 2}, {}, {}, all.subspan(7, 4));
      },
      "matmul: out overlaps an operand");
  matmul(all.first(4), all.subspan(4, 4), {2, 2, 2}, {}, {}, all.subspan(8, 4));
  EXPECT_EQ(x[8], 2);
}

TEST(matmul, impossible_accumulators_and_mx_without_blocks_are_refused) {
  const std::vector<float> a(4, 1), b(4, 1);
  std::vector<float> out(4);
  const matmul_shape s{2, 2, 2};
  expect_refused([&] { matmul(a, b, s, {.stage_count = 0}, {}, out); }, "matmul: the accumulator is impossible");
  expect_refused([&] { matmul(a, b, s, summed(summation::mx), {}, out); }, "these operands have none");
  expect_refused([&] { product(a, "e4m3fn@tensor", b, "int8@row", s, "mx"); }, "neither a_spec nor b_spec has any");
}

TEST(matmul, impossible_quantizers_and_transforms_that_do_not_fit_are_refused) {
  const std::vector<float> a(64, 1), b(64, 1);
  std::vector<float> out(4);
  const matmul_shape s{2, 32, 2};
  quantizer q = parse_quantizer("mxfp4");
  q.levels = 3;
  expect_refused([&] { matmul(a, q, b, float_operand, s, {}, {}, out); },
                 "matmul: a_spec: the quantizer is impossible: a quantizer has at most two levels");
  expect_refused([&] { matmul(a, float_operand, b, q, s, {}, {}, out); },
                 "matmul: b_spec: the quantizer is impossible");
  expect_refused([&] { product(a, "hadamard(32)+mxfp4", b, "mxfp4", s, "f32"); }, "different transforms");
  expect_refused([&] { product(a, "rht(32,1)+mxfp4", b, "rht(32,2)+mxfp4", s, "f32"); }, "different transforms");
  expect_refused([&] { product(a, "clamp(0.9)+mxfp4", b, "clamp(0.9)+mxfp4", s, "f32"); }, "expand or clamp");
  expect_refused([&] { product(a, "hadamard(64)+mxfp4", b, "hadamard(64)+mxfp4", s, "f32"); }, "rows of 32");
}

TEST(matmul, noise_beyond_a_stream_is_refused) {
  const std::vector<float> a(4, 1), b(4, 1);
  std::vector<float> out(4);
  const accumulator sum = parse_accumulator("e5m10/sr");
  const std::uint64_t capacity = noise_capacity(32);
  expect_refused(
      [&] {
        matmul(a, b, {2, 2, 2}, sum, {.first = capacity - 7}, out);
      },
      "matmul: 4 outputs of 2 steps ask for more noise than the 17179869184 elements of one stream");
  matmul(a, b, {2, 2, 2}, sum, {.first = capacity - 8}, out);
  matmul(a, b, {2, 2, 2}, accumulator{}, {.first = capacity + 1}, out);
  const quantizer q = parse_quantizer("e4m3fn/sr");
  expect_refused(
      [&] {
        matmul(a, q, b, q, {2, 2, 2}, {}, {.b = {.first = capacity}}, out);
      },
      "matmul: b_spec: noise for elements");
}

}  // namespace
}  // namespace binade
