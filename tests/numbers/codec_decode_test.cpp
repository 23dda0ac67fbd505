// decode against the golden tables, the oracle, and the machine's own binary32 and binary64.

#include <bit>
#include <random>

#include "numbers/judged.hpp"

namespace {

using binade::decode;
using judged::golden;

TEST(codec_decode, equals_the_golden_table_on_every_listed_code) {
  std::uint64_t codes = 0;
  for (const auto& [name, table] : golden()) {
    const binade::float_format f = judged::format_of(table.definition());
    ASSERT_EQ(binade::defect(f), "") << name;
    for (const auto& [code, value] : table.codes) {
      ++codes;
      EXPECT_TRUE(oracle::same_value(decode(f, code), value))
          << name << " code " << std::hex << code << ": got " << decode(f, code) << ", want " << value;
    }
    if (table.bits() <= 8) {
      EXPECT_EQ(table.codes.size(), std::size_t{1} << table.bits()) << name << ": the table lists every code";
    }
  }
  RecordProperty("codes", std::to_string(codes));
  EXPECT_GT(codes, 10000u);
}

TEST(codec_decode, every_nan_is_the_positive_quiet_one) {
  const auto quiet = std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
  for (const auto& [name, grid] : judged::named_grids())
    for (std::uint64_t code = 0; grid.width <= 16 && code >> grid.width == 0; ++code) {
      if (!grid.is_nan_code(code)) continue;
      const binade::float_format f = judged::format_of(grid);
      ASSERT_EQ(std::bit_cast<std::uint64_t>(decode(f, code)), quiet) << name << " code " << code;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(decode<float>(f, code)), 0x7fc00000u) << name << " code " << code;
    }
}

/// The value of any code by the oracle.
double value_of(const oracle::grid& g, std::uint64_t code) {
  if (g.is_nan_code(code)) return std::numeric_limits<double>::quiet_NaN();
  const std::uint64_t magnitude = code & g.top_code();
  const double value =
      magnitude > g.max_code() ? std::numeric_limits<double>::infinity() : to_double(g.value(magnitude));
  return code != magnitude ? -value : value;
}

TEST(codec_decode, of_any_split_bias_and_specials_equals_the_exact_value) {
  std::uint64_t codes = 0;
  std::mt19937_64 random(1);
  for (const oracle::grid& g : judged::generic_grids()) {
    const binade::float_format f = judged::format_of(g);
    std::vector<std::uint64_t> magnitudes = oracle::steps_of(g, 256);
    for (std::uint64_t m = g.max_code(); m <= g.max_code() + 3 && m <= g.top_code(); ++m) magnitudes.push_back(m);
    magnitudes.push_back(g.top_code());
    for (const std::uint64_t magnitude : magnitudes)
      for (const std::uint64_t code : {magnitude, magnitude | g.sign_code()}) {
        ++codes;
        ASSERT_TRUE(oracle::same_value(decode(f, code), value_of(g, code)))
            << to_string(g) << " code " << std::hex << code << ": got " << decode(f, code);
        ASSERT_TRUE(oracle::same_value(decode<float>(f, code), static_cast<float>(value_of(g, code))))
            << to_string(g) << " code " << std::hex << code;
      }
  }
  RecordProperty("codes", std::to_string(codes));
}

TEST(codec_decode, of_every_code_of_16_bits_equals_the_exact_value) {
  for (const auto& [name, grid] : judged::named_grids())
    for (std::uint64_t code = 0; grid.width <= 19 && code >> grid.width == 0; ++code)
      ASSERT_TRUE(oracle::same_value(decode(judged::format_of(grid), code), value_of(grid, code)))
          << name << " code " << std::hex << code;
}

TEST(codec_decode, of_e8m23_and_e11m52_reads_the_bits_of_float_and_double) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t bits = random();
    const auto low = static_cast<std::uint32_t>(bits);
    ASSERT_TRUE(oracle::same_value(decode(binade::formats::e11m52, bits), std::bit_cast<double>(bits)))
        << std::hex << bits;
    ASSERT_TRUE(oracle::same_value(decode(binade::formats::e8m23, low), std::bit_cast<float>(low))) << std::hex << low;
    ASSERT_TRUE(oracle::same_value(decode<float>(binade::formats::e8m23, low), std::bit_cast<float>(low)))
        << std::hex << low;
    const auto high = static_cast<std::uint16_t>(low >> 16);
    ASSERT_TRUE(
        oracle::same_value(decode(binade::formats::e8m7, high), std::bit_cast<float>(std::uint32_t{high} << 16)))
        << std::hex << high;
  }
}

TEST(codec_decode, of_fnuz_codes_is_half_of_fn_and_equals_p3109) {
  const auto p3109 = [](const char* name) { return judged::format_of(golden().at(name).definition()); };
  for (std::uint64_t code = 0; code < 256; ++code) {
    const double fnuz = decode(binade::formats::e4m3fnuz, code), fn = decode(binade::formats::e4m3fn, code);
    EXPECT_TRUE(oracle::same_value(fnuz, decode(p3109("binary8p4sf"), code))) << code;
    EXPECT_TRUE(oracle::same_value(decode(binade::formats::e5m2fnuz, code), decode(p3109("binary8p3sf"), code)))
        << code;
    if (!std::isnan(fnuz) && !std::isnan(fn)) {
      EXPECT_EQ(fnuz, fn / 2) << code;
    }
    if (code < 128) {
      EXPECT_TRUE(oracle::same_value(decode(binade::formats::ue4m3, code), fn)) << code;
    }
  }
}

TEST(codec_decode, then_encode_gives_the_code_back_in_every_rounding_mode) {
  for (const auto& [name, grid] : judged::named_grids()) {
    if (grid.width > 16) continue;
    const judged::codec encode{judged::format_of(grid)};
    for (int m = 0; m < 9; ++m)
      for (std::uint64_t code = 0; code >> grid.width == 0; ++code) {
        const double value = decode(encode.format, code);
        if (!std::isfinite(value)) continue;
        const oracle::rule r{
            .rounding = static_cast<oracle::mode>(m), .noise_bits = m < 6 ? 32 : 8, .overflow = oracle::beyond::spec};
        const std::uint32_t noise = m < 6 ? 0 : 255;
        ASSERT_EQ(encode(r, value, noise).code, code) << name << " " << to_string(r);
        if (static_cast<double>(static_cast<float>(value)) == value) {
          ASSERT_EQ(encode(r, static_cast<float>(value), noise).code, code) << name << " " << to_string(r);
        }
      }
  }
}

}  // namespace
