// binary32 and binary64 arithmetic, judged by the processor's own in four rounding directions.

#include <bit>
#include <cfenv>
#include <cmath>

#include "numbers/arithmetic_judged.hpp"

namespace {

using binade::element;
using binade::operand;
using binade::rounding_mode;
namespace formats = binade::formats;

template <class T>
struct native;
template <>
struct native<float> {
  using bits = std::uint32_t;
  static constexpr binade::float_format format = formats::e8m23;
};
template <>
struct native<double> {
  using bits = std::uint64_t;
  static constexpr binade::float_format format = formats::e11m52;
};

/// Opaque to the optimizer, which must not compute with the rounding direction of compile time.
template <class T>
T opaque(T x) {
  volatile T held = x;
  return held;
}

template <class T>
void operations_agree(int tuples, std::uint64_t seed) {
  using bits = typename native<T>::bits;
  constexpr binade::float_format f = native<T>::format;
  const oracle::grid g = oracle::grid_of(f);
  const judged::arithmetic source("", g);
  std::mt19937_64 random(seed);
  const bits special[] = {0,
                          bits(f.sign_bit()),
                          bits(f.infinity_code()),
                          bits(f.infinity_code() | f.sign_bit()),
                          bits(f.canonical_nan()),
                          1,
                          bits(f.leading()),
                          bits(f.leading() - 1),
                          bits(f.max_finite_code()),
                          std::bit_cast<bits>(T(1))};
  const std::pair<int, rounding_mode> directions[] = {{FE_TONEAREST, rounding_mode::nearest_even},
                                                      {FE_TOWARDZERO, rounding_mode::toward_zero},
                                                      {FE_UPWARD, rounding_mode::up},
                                                      {FE_DOWNWARD, rounding_mode::down}};
  for (int i = 0; i < tuples; ++i) {
    auto codes = source.random_codes(random);
    for (std::uint64_t& code : codes)
      if (random() % 16 == 0) code = special[random() % std::size(special)];
    if (random() % 4 == 0) codes[2] = codes[0] ^ f.sign_bit();                   // cancels
    if (random() % 4 == 0) codes[1] = (codes[0] ^ f.sign_bit()) + random() % 3;  // nearly
    for (std::uint64_t& code : codes) code &= f.code_mask();
    const operand x{f, codes[0]}, y{f, codes[1]}, z{f, codes[2]};
    for (const auto& [direction, mode] : directions) {
      std::fesetround(direction);
      const T a = opaque(std::bit_cast<T>(bits(codes[0]))), b = opaque(std::bit_cast<T>(bits(codes[1]))),
              c = opaque(std::bit_cast<T>(bits(codes[2])));
      const T want[] = {opaque(a + b), opaque(a - b),        opaque(a * b),
                        opaque(a / b), opaque(std::sqrt(a)), opaque(std::fma(a, b, c))};
      std::fesetround(FE_TONEAREST);
      const element e{.format = f, .rounding = mode};
      const std::uint64_t got[] = {add(e, x, y),    subtract(e, x, y), multiply(e, x, y),
                                   divide(e, x, y), sqrt(e, x),        fma(e, x, y, z)};
      for (std::size_t k = 0; k < std::size(want); ++k)
        ASSERT_EQ(got[k], std::isnan(want[k]) ? f.canonical_nan() : std::bit_cast<bits>(want[k]))
            << "operation " << k << " of " << a << ", " << b << ", " << c << ", mode " << static_cast<int>(mode);
    }
  }
}

TEST(arithmetic_native, binary32_gives_the_bits_of_the_processor_in_four_directions) {
  operations_agree<float>(200'000, 1);
}
TEST(arithmetic_native, binary64_gives_the_bits_of_the_processor_in_four_directions) {
  operations_agree<double>(200'000, 2);
}

TEST(arithmetic_native, conversions_between_binary64_and_binary32_agree) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300'000; ++i) {
    const std::uint64_t uniform = random();
    // Exponents that binary32 reaches, subnormals included, for three of four.
    const std::uint64_t code = i % 4 == 0 ? uniform : (uniform & 0x800fffffffffffff) | (0x36a + random() % 0x118) << 52;
    const double x = std::bit_cast<double>(code);
    const float want = static_cast<float>(opaque(x));
    ASSERT_EQ(binade::convert({.format = formats::e8m23}, {formats::e11m52, code}),
              std::isnan(want) ? formats::e8m23.canonical_nan() : std::bit_cast<std::uint32_t>(want));
    const auto integer = static_cast<std::int64_t>(uniform) >> random() % 64;
    ASSERT_EQ(binade::encode({.format = formats::e8m23}, integer),
              std::bit_cast<std::uint32_t>(static_cast<float>(opaque(integer))));
    ASSERT_EQ(binade::encode({.format = formats::e11m52}, integer),
              std::bit_cast<std::uint64_t>(static_cast<double>(opaque(integer))));
  }
}

}  // namespace
