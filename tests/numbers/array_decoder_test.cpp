// The vector loops that decode arrays, against decode() of each code.

#include "binade/array_decoder.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/text.hpp"

namespace binade {
namespace {

template <class Code>
void expect_values(const number_format& f, std::size_t least) {
  std::vector<Code> codes;
  while (codes.size() < least)
    for (std::uint64_t code = 0; code <= f.code_mask(); ++code) codes.push_back(Code(code));
  codes.push_back(Code(f.code_mask()));
  std::vector<float> values(codes.size());
  detail::array_decoder(f, codes.size())(codes.data(), values.data(), codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(decode<float>(f, codes[i])))
        << to_string(f) << " code " << std::uint64_t(codes[i]);
}

TEST(array_decoder, gives_the_value_of_every_code) {
  int in_lanes = 0, others = 0;
  const auto judge = [&](const number_format& f) {
    if (f.width > 16) return;
    ++(detail::lane_decoder::covers(f) ? in_lanes : others);
    for (const std::size_t least : {100u, 5000u})  // whole vectors and some elements more; enough for tables of bytes
      f.width <= 8 ? expect_values<std::uint8_t>(f, least) : expect_values<std::uint16_t>(f, least);
  };
  for (const named_format& entry : catalogue) judge(entry.format);
  for (int width = 3; width <= 16; ++width)
    for (int precision = 1; precision <= width; ++precision)
      for (const bool is_signed : {false, true})
        for (const bool extended : {false, true})
          if (precision < width || !is_signed)
            if (const float_format f = p3109_format(width, precision, is_signed, extended);
                defect(f).empty() && f.fits_float())
              judge(f);
  for (const char* text : {"int8", "posit8", "takum12", "lns8:gamma=8", "nf4", "e2m3:specials=ieee", "e5m6", "e7m8"})
    judge(parse_format(text));
  EXPECT_GT(in_lanes, 150);
  EXPECT_GT(others, 50);
}

}  // namespace
}  // namespace binade
