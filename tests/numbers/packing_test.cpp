#include "binade/packing.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/codec.hpp"

namespace binade {
namespace {

using bytes = std::vector<std::uint8_t>;

template <class Code>
bytes packed(const std::vector<Code>& codes, int width, packed_layout layout = packed_layout::dense) {
  bytes out(packed_size(codes.size(), width, layout), 0xee);
  pack(codes, width, layout, out);
  return out;
}
template <class Code>
std::vector<Code> unpacked(const bytes& data, int width, packed_layout layout, std::size_t count) {
  std::vector<Code> out(count, Code(0xee));
  unpack(data, width, layout, out);
  return out;
}

/// The layouts written down bit by bit.
bytes expected(const std::vector<std::uint64_t>& codes, int width, packed_layout layout) {
  std::vector<bool> stream;
  for (const std::uint64_t code : codes) {
    for (int b = 0; b < width; ++b) stream.push_back((code >> b & 1) != 0);
    if (layout == packed_layout::dense) continue;
    int word = 8;
    while (word < width) word *= 2;
    stream.insert(stream.end(), std::size_t(word - width), false);
  }
  bytes out((stream.size() + 7) / 8, 0);
  for (std::size_t b = 0; b < stream.size(); ++b)
    if (stream[b]) out[b / 8] = std::uint8_t(out[b / 8] | 1 << b % 8);
  return out;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

// {1, 6} in e2m1fn and {1, 448} in e4m3fn, as CUDA's vector types store them.
TEST(packing, published_bytes) {
  const element fp4{formats::e2m1fn}, fp8{formats::e4m3fn};
  EXPECT_EQ(packed<std::uint8_t>({std::uint8_t(encode(fp4, 1.0f)), std::uint8_t(encode(fp4, 6.0f))}, 4), bytes{0x72});
  EXPECT_EQ(packed<std::uint8_t>({std::uint8_t(encode(fp8, 1.0f)), std::uint8_t(encode(fp8, 448.0f))}, 8),
            (bytes{0x38, 0x7e}));
}

TEST(packing, element_0_is_in_the_low_bits) {
  EXPECT_EQ(packed<std::uint8_t>({1, 2, 3}, 4), (bytes{0x21, 0x03}));
  EXPECT_EQ(packed<std::uint8_t>({1, 2, 3, 0, 2}, 2), (bytes{0x39, 0x02}));
  EXPECT_EQ(packed<std::uint8_t>({1, 0, 1, 1, 0, 0, 0, 1, 1}, 1), (bytes{0x8d, 0x01}));
  EXPECT_EQ(packed<std::uint16_t>({0x1234, 0xabcd}, 16), (bytes{0x34, 0x12, 0xcd, 0xab}));
  EXPECT_EQ(packed<std::uint32_t>({0x12345678}, 32), (bytes{0x78, 0x56, 0x34, 0x12}));
  EXPECT_EQ(packed<std::uint64_t>({0x123456789abcdef0}, 64), (bytes{0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12}));
}

TEST(packing, four_6_bit_codes_take_three_bytes) {
  std::mt19937 engine(1);
  for (int trial = 0; trial < 10000; ++trial) {
    std::vector<std::uint8_t> c(4);
    for (std::uint8_t& code : c) code = std::uint8_t(engine() % 64);
    const bytes want{std::uint8_t(c[0] | c[1] << 6), std::uint8_t(c[1] >> 2 | c[2] << 4),
                     std::uint8_t(c[2] >> 4 | c[3] << 2)};
    ASSERT_EQ(packed(c, 6), want);
  }
  EXPECT_EQ(packed<std::uint8_t>({0x3f, 0x01}, 6), (bytes{0x7f, 0x00}));
  EXPECT_EQ(packed<std::uint8_t>({0x3f, 0x01}, 6, packed_layout::padded), (bytes{0x3f, 0x01}));
}

template <class Code>
void round_trips(std::mt19937_64& engine) {
  constexpr int bits = std::numeric_limits<Code>::digits;
  for (const packed_layout layout : {packed_layout::dense, packed_layout::padded})
    for (int width = 1; width <= bits; ++width)
      for (const std::size_t count : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 31u, 64u, 65u, 129u}) {
        std::vector<std::uint64_t> codes(count);
        for (std::uint64_t& code : codes) code = engine() >> (64 - width);
        if (count > 2) codes[1] = ~std::uint64_t(0) >> (64 - width);
        const std::vector<Code> narrow(codes.begin(), codes.end());
        const bytes want = expected(codes, width, layout);
        ASSERT_EQ(packed_size(count, width, layout), want.size()) << count << " of " << width;
        ASSERT_EQ(packed(narrow, width, layout), want) << count << " of " << width;
        ASSERT_EQ(unpacked<Code>(want, width, layout, count), narrow) << count << " of " << width;
      }
}
TEST(packing, every_width_layout_and_integer_type_is_the_bit_stream_and_comes_back) {
  std::mt19937_64 engine(2);
  round_trips<std::uint8_t>(engine);
  round_trips<std::uint16_t>(engine);
  round_trips<std::uint32_t>(engine);
  round_trips<std::uint64_t>(engine);
}

TEST(packing, a_code_wider_than_the_width_is_refused_with_its_index_and_nothing_is_written) {
  for (const packed_layout layout : {packed_layout::dense, packed_layout::padded}) {
    const std::vector<std::uint16_t> codes{15, 3, 16, 99};
    bytes out(packed_size(4, 4, layout), 0xee);
    EXPECT_EQ(refusal([&] { pack(codes, 4, layout, out); }),
              "pack: code 16 at index 2 is wider than 4 bits; give the width of its format");
    EXPECT_EQ(out, bytes(out.size(), 0xee));
  }
}

TEST(packing, buffers_of_another_size_are_refused) {
  const std::vector<std::uint8_t> codes{1, 2, 3};
  bytes out(3);
  EXPECT_EQ(refusal([&] { pack(codes, 4, packed_layout::dense, out); }),
            "pack: out has 3 bytes and 2 are needed for 3 codes of 4 bits; give packed_size() bytes");
  std::vector<std::uint8_t> back(3, 0xee);
  EXPECT_EQ(refusal([&] { unpack(bytes{1}, 4, packed_layout::dense, back); }),
            "unpack: bytes has 1 bytes and 2 are needed for 3 codes of 4 bits; give packed_size() bytes");
  EXPECT_EQ(refusal([&] { unpack(bytes(5), 12, packed_layout::dense, back); }),
            "unpack: out holds codes of 8 bits and 12 are needed; give wider integers");
  EXPECT_EQ(back, std::vector<std::uint8_t>(3, 0xee));
}

TEST(packing, widths_and_counts_that_cannot_be_are_refused) {
  for (const int width : {-1, 0, 65})
    EXPECT_EQ(refusal([&] { packed_size(1, width); }),
              "packed_size: width is " + std::to_string(width) + "; a code has 1 to 64 bits");
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(packed_size(most, 8), most);
  EXPECT_EQ(packed_size(most, 1), most / 8 + 1);
  EXPECT_NE(refusal([&] { packed_size(most, 9); }).find("more than memory holds"), std::string::npos);
  EXPECT_NE(refusal([&] { packed_size(most / 8 + 1, 64); }).find("more than memory holds"), std::string::npos);
  EXPECT_EQ(packed_size(most / 8, 64), most / 8 * 8);
}

// Every padding bit of every shape, one at a time: it is refused with the byte that has it; every other bit is a
// code's.
TEST(packing, each_set_padding_bit_is_refused_with_its_offset) {
  for (const packed_layout layout : {packed_layout::dense, packed_layout::padded})
    for (const int width : {1, 2, 3, 4, 6, 7, 8, 9, 12, 16, 17, 24, 31, 33, 56, 63})
      for (const std::size_t count : {1u, 3u, 5u}) {
        const bytes ones =
            expected(std::vector<std::uint64_t>(count, ~std::uint64_t(0) >> (64 - width)), width, layout);
        for (std::size_t bit = 0; bit < 8 * ones.size(); ++bit) {
          bytes data(ones.size(), 0);
          data[bit / 8] = std::uint8_t(1 << bit % 8);
          std::vector<std::uint64_t> out(count, 0xee);
          const std::string why = refusal([&] { unpack(data, width, layout, out); });
          if ((ones[bit / 8] >> bit % 8 & 1) != 0) {
            ASSERT_EQ(why, "no error") << width;
            ASSERT_EQ(expected(out, width, layout), data) << width;
          } else {
            ASSERT_NE(why.find("the byte at offset " + std::to_string(bit / 8) + " is"), std::string::npos) << why;
            ASSERT_EQ(out, std::vector<std::uint64_t>(count, 0xee)) << width;
          }
        }
      }
}

constexpr std::uint8_t packed_at_compile_time() {
  const std::array<std::uint8_t, 2> codes{2, 7};
  std::array<std::uint8_t, 1> out{};
  pack(codes, 4, packed_layout::dense, out);
  return out[0];
}
static_assert(packed_at_compile_time() == 0x72);

TEST(packing, long_arrays_of_any_length_are_packed_as_written_down_bit_by_bit) {
  std::mt19937 engine(7);
  for (const int width : {3, 4, 5, 6, 7})
    for (std::size_t count = 0; count < 300; ++count) {
      std::vector<std::uint8_t> codes(count);
      for (std::uint8_t& code : codes) code = std::uint8_t(engine() % (1u << width));
      const bytes data = packed(codes, width);
      ASSERT_EQ(data, expected({codes.begin(), codes.end()}, width, packed_layout::dense)) << width << " " << count;
      ASSERT_EQ(unpacked<std::uint8_t>(data, width, packed_layout::dense, count), codes) << width << " " << count;
      if (count == 0) continue;
      const std::size_t place = engine() % count;
      codes[place] = std::uint8_t(1u << width);
      EXPECT_NE(refusal([&] { packed(codes, width); }).find("at index " + std::to_string(place)), std::string::npos);
    }
}

}  // namespace
}  // namespace binade
