#include "binade/hadamard.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace binade {
namespace {

/// Sylvester's matrix by its recursion: H_2n = [H H; H -H].  Row i times column j, +1 or -1.
int entry(std::size_t i, std::size_t j, std::size_t n) {
  if (n == 1) return 1;
  const std::size_t half = n / 2;
  const int sign = i >= half && j >= half ? -1 : 1;
  return sign * entry(i % half, j % half, half);
}
std::vector<int> row_of(std::size_t i, std::size_t n) {
  std::vector<int> row(n);
  for (std::size_t j = 0; j < n; ++j) row[j] = entry(i, j, n);
  return row;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i])) return false;
  return true;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

// Between the midpoints to both neighbours: a midpoint has 25 bits, its square 50, so the comparison with 1/n is exact.
TEST(hadamard, scale_is_the_float_nearest_to_the_inverse_root) {
  for (std::uint32_t n = 1; n <= hadamard_max_block; n *= 2) {
    const float s = hadamard_scale(n);
    const double above = (double(s) + double(std::nextafter(s, 2.0f))) / 2;
    const double below = (double(s) + double(std::nextafter(s, 0.0f))) / 2;
    EXPECT_LT(below * below * n, 1) << n;
    EXPECT_GT(above * above * n, 1) << n;
  }
  static_assert(hadamard_scale(16) == 0.25f && hadamard_scale(32) == 0x1.6a09e6p-3f);
}

// Small integers: every sum is exact, and the one multiplication is the only rounding.
TEST(hadamard, integers_are_summed_exactly_and_rounded_once) {
  std::mt19937 engine(4);
  for (std::uint32_t n = 2; n <= hadamard_max_block; n *= 2) {
    const std::size_t blocks = n <= 512 ? 3 : 1;
    std::vector<float> x(blocks * n);
    for (float& v : x) v = float(int(engine() % 511) - 255);
    std::vector<float> y = x;
    hadamard(y, n);
    const std::size_t step = n <= 512 ? 1 : n / 64 + 1;  // some rows of the large matrices
    for (std::size_t i = 0; i < n; i += step) {
      const std::vector<int> row = row_of(i, n);
      for (std::size_t b = 0; b < blocks; ++b) {
        std::int64_t sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += row[j] * std::int64_t(x[b * n + j]);
        ASSERT_EQ(y[b * n + i], float(sum) * hadamard_scale(n)) << "row " << i << " of " << n;
      }
    }
  }
}

// Any array of whole blocks, wherever it begins: the written order of additions decides the bits.
TEST(hadamard, gives_the_bits_of_its_stages_one_after_the_other) {
  std::mt19937 engine(6);
  for (std::uint32_t n = 2; n <= hadamard_max_block; n *= 2)
    for (const std::size_t blocks : {1u, 2u, 3u, 5u, 17u, 40u}) {
      if (blocks * n > 100000) continue;
      for (const std::size_t shift : {0u, 1u, 3u}) {
        std::vector<float> x(shift + blocks * n);
        for (float& v : x) v = std::bit_cast<float>(std::uint32_t((engine() & 0x807fffff) | (engine() % 200) << 23));
        std::vector<float> want(x.begin() + std::ptrdiff_t(shift), x.end());
        for (std::uint32_t stride = 1; stride < n; stride *= 2) hadamard_stage(want.data(), want.size(), stride);
        for (float& v : want) v *= hadamard_scale(n);
        hadamard(std::span(x).subspan(shift), n);
        ASSERT_TRUE(same_bits({x.begin() + std::ptrdiff_t(shift), x.end()}, want)) << blocks << " blocks of " << n;
      }
    }
}

TEST(hadamard, rows_of_the_matrix_are_orthogonal_and_it_is_symmetric) {
  for (const std::uint32_t n : {2u, 4u, 8u, 16u, 32u, 64u, 128u}) {
    std::vector<std::vector<float>> columns;
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<float> unit(n, 0.0f);
      unit[j] = 1;
      hadamard(unit, n);
      columns.push_back(unit);
    }
    const float s = hadamard_scale(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        ASSERT_EQ(std::fabs(columns[i][j]), s);
        ASSERT_EQ(columns[i][j], columns[j][i]);
        int sum = 0;
        for (std::size_t k = 0; k < n; ++k) sum += columns[i][k] * columns[j][k] > 0 ? 1 : -1;
        ASSERT_EQ(sum, i == j ? int(n) : 0);
      }
  }
}

// k additions in a chain, the constant and the product: |error| <= ((1 + u)^(k + 2) - 1) n^-1/2 sum |x|, u = 2^-24, if
// nothing is subnormal.  (Higham, Accuracy and Stability, 3.1)
TEST(hadamard, error_stays_below_the_derived_bound) {
  std::mt19937_64 engine(5);
  std::normal_distribution<double> normal;
  for (int k = 1; k <= 10; ++k) {
    const std::uint32_t n = std::uint32_t(1) << k;
    std::vector<float> x(n);
    for (float& v : x) v = float(normal(engine) * std::exp(2 * normal(engine)));
    std::vector<float> y = x;
    hadamard(y, n);
    long double total = 0;
    for (const float v : x) total += std::fabs(v);
    const long double bound = (std::pow(1.0L + 0x1p-24L, k + 2) - 1) * total / std::sqrt(static_cast<long double>(n));
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<int> row = row_of(i, n);
      long double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += row[j] * static_cast<long double>(x[j]);
      ASSERT_LE(std::fabs(y[i] - sum / std::sqrt(static_cast<long double>(n))), bound) << i << " of " << n;
    }
  }
}

/// The rule as it is written, one block and one pair at a time.
void by_the_rule(float* x, std::size_t n) {
  for (std::size_t stride = 1; stride < n; stride *= 2)
    for (std::size_t i = 0; i < n; ++i)
      if ((i & stride) == 0) {
        const volatile float sum = x[i] + x[i + stride], difference = x[i] - x[i + stride];
        x[i] = sum;
        x[i + stride] = difference;
      }
  for (std::size_t i = 0; i < n; ++i) x[i] *= hadamard_scale(std::uint32_t(n));
}
TEST(hadamard, bits_are_those_of_the_stages_in_order_for_any_number_of_blocks) {
  std::mt19937 engine(6);
  for (std::uint32_t n = 2; n <= hadamard_max_block; n *= 2)
    for (const std::size_t blocks : {std::size_t(0), std::size_t(1), std::size_t(3), std::size_t(8192 / n + 3)}) {
      if (blocks * n > 200000) continue;
      std::vector<float> x(blocks * n);
      for (float& v : x)
        v = std::bit_cast<float>(std::uint32_t(engine() % 0x20000000 + 0x30000000) ^
                                 std::uint32_t(engine() & 0x80000000));
      std::vector<float> want = x;
      for (std::size_t b = 0; b < blocks; ++b) by_the_rule(want.data() + b * n, n);
      std::vector<float> y = x;
      hadamard(y, n);
      ASSERT_TRUE(same_bits(y, want)) << blocks << " blocks of " << n;
      // A block at a time, as several threads would have it.
      std::vector<float> parts = x;
      for (std::size_t b = 0; b < blocks; ++b) hadamard(std::span(parts).subspan(b * n, n), n);
      ASSERT_TRUE(same_bits(parts, want));
    }
}

TEST(hadamard, twice_is_the_identity_for_integers_where_the_scale_is_a_power_of_two) {
  std::mt19937 engine(7);
  for (std::uint32_t n = 4; n <= 4096; n *= 4) {
    std::vector<float> x(2 * n);
    for (float& v : x) v = float(int(engine() % 63) - 31);
    std::vector<float> y = x, z = x;
    hadamard(y, n);
    EXPECT_NE(y, x);
    hadamard(y, n);
    EXPECT_EQ(y, x);
    rht(z, n, 99);
    inverse_rht(z, n, 99);
    EXPECT_EQ(z, x);
  }
}

TEST(hadamard, nan_and_infinity_spread_over_their_own_block_only) {
  std::vector<float> x(12, 1.0f);
  x[5] = std::nanf("");
  hadamard(x, 4);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(std::isnan(x[i]), i / 4 == 1) << i;
  std::vector<float> y{1, INFINITY, 1, 1};
  hadamard(y, 4);
  EXPECT_EQ(y, (std::vector<float>{INFINITY, -INFINITY, INFINITY, -INFINITY}));
}

TEST(hadamard, impossible_blocks_are_refused) {
  for (const std::uint32_t block : {0u, 1u, 3u, 12u, 65536u}) {
    std::vector<float> x(12, 1.0f);
    EXPECT_EQ(refusal([&] { hadamard(x, block); }),
              "hadamard: block is " + std::to_string(block) + "; a Hadamard block has 2, 4, 8, ... or 32768 elements");
  }
  std::vector<float> x(12, 1.0f);
  EXPECT_EQ(
      refusal([&] { rht(x, 8, 1); }),
      "rht: 12 elements are not a whole number of blocks of 8; pad the axis or take a block size that divides it");
  EXPECT_NE(refusal([&] { inverse_rht(x, 8, 1); }).find("inverse_rht: 12"), std::string::npos);
  EXPECT_EQ(x, std::vector<float>(12, 1.0f));
}

/// The sign of an element by the generator itself: bit 7 + 8 p of word w of counter 16 g + l serves element
/// 256 g + 64 p + 16 w + l.
bool negated(std::uint64_t seed, std::uint32_t j) {
  const std::uint32_t group = j / 256, part = j / 64 % 4, word = j / 16 % 4, lane = j % 16;
  const auto words =
      philox({16 * group + lane, 0, 0x7369676e, 0x72687420}, {std::uint32_t(seed), std::uint32_t(seed >> 32)});
  return (words[word] >> (8 * part + 7) & 1) != 0;
}

TEST(rht, signs_are_the_named_bits_and_every_block_has_the_same) {
  for (const std::uint64_t seed : {std::uint64_t(0), std::uint64_t(1), std::uint64_t(0x0123456789abcdef)}) {
    for (std::uint32_t j = 0; j < hadamard_max_block; ++j) ASSERT_EQ(rht_negates(seed, j), negated(seed, j)) << j;
    for (const std::uint32_t n : {2u, 16u, 512u}) {
      std::vector<float> x(3 * n), y(3 * n);
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = float(i) - 7;
        y[i] = negated(seed, std::uint32_t(i % n)) ? -x[i] : x[i];
      }
      rht(x, n, seed);
      hadamard(y, n);
      ASSERT_TRUE(same_bits(x, y)) << n;
    }
  }
}

// Worked out by an independent Philox4x32-10, which reproduces Random123's known answers.
TEST(rht, known_signs) {
  const auto signs = [](std::uint64_t seed) {
    std::string text;
    for (std::uint32_t j = 0; j < 32; ++j) text += rht_negates(seed, j) ? '-' : '+';
    return text;
  };
  EXPECT_EQ(signs(0), "+-++-+++--+++--+----+---+++---++");
  EXPECT_EQ(signs(1), "+-+----+--+--+++--+-+++-+----+++");
  EXPECT_EQ(signs(0x0123456789abcdef), "+++---+-++-+--+-+-++---+-+-+--+-");
}

// Five standard deviations of a fair coin, for the number of minus signs and for that of changes between neighbours.
TEST(rht, signs_are_balanced_and_unrelated) {
  std::set<std::vector<bool>> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    int minus = 0, changes = 0;
    std::vector<bool> signs;
    for (std::uint32_t j = 0; j < hadamard_max_block; ++j) {
      signs.push_back(rht_negates(seed, j));
      minus += signs.back();
      changes += j > 0 && signs[j] != signs[j - 1];
    }
    EXPECT_NEAR(minus, 16384, 5 * 90.5) << seed;
    EXPECT_NEAR(changes, 16383.5, 5 * 90.5) << seed;
    seen.insert(std::vector<bool>(signs.begin(), signs.begin() + 64));
  }
  EXPECT_EQ(seen.size(), 20u);
}

TEST(rht, products_of_two_operands_survive) {
  std::mt19937 engine(8);
  std::vector<float> a(64), b(64);
  for (float& v : a) v = float(int(engine() % 31) - 15);
  for (float& v : b) v = float(int(engine() % 31) - 15);
  const auto dot = [&] {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
    return sum;
  };
  const double before = dot();
  rht(a, 16, 3);
  rht(b, 16, 3);
  EXPECT_EQ(dot(), before);  // multiples of 1/16 below 2^20: exact
}

}  // namespace
}  // namespace binade
