#include "binade/scale_swizzle.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace binade {
namespace {

using bytes = std::vector<std::uint8_t>;

/// As much of an n-dimensional array as to_blocked of torchao uses: view, permute and a flat copy.
struct nd_array {
  std::vector<std::size_t> shape, strides;
  std::vector<std::size_t> data;

  static nd_array of(std::vector<std::size_t> values, std::vector<std::size_t> shape) {
    nd_array a{std::move(shape), {}, std::move(values)};
    a.strides.assign(a.shape.size(), 1);
    for (std::size_t d = a.shape.size() - 1; d > 0; --d) a.strides[d - 1] = a.strides[d] * a.shape[d];
    return a;
  }
  nd_array permute(const std::vector<std::size_t>& order) const {
    nd_array a{{}, {}, data};
    for (const std::size_t d : order) {
      a.shape.push_back(shape[d]);
      a.strides.push_back(strides[d]);
    }
    return a;
  }
  std::vector<std::size_t> flat() const {
    std::vector<std::size_t> offsets{0};
    for (std::size_t d = 0; d < shape.size(); ++d) {
      std::vector<std::size_t> longer;
      for (const std::size_t o : offsets)
        for (std::size_t i = 0; i < shape[d]; ++i) longer.push_back(o + i * strides[d]);
      offsets = std::move(longer);
    }
    for (std::size_t& o : offsets) o = data[o];
    return offsets;
  }
};

constexpr std::size_t padding = ~std::size_t(0);

/// For each place of the swizzled scales, the row-major index of what stands there, or `padding`: torchao's
/// padded.view(R, 128, C, 4).permute(0, 2, 1, 3).reshape(-1, 4, 32, 4).transpose(1, 2).reshape(-1, 32, 16).
std::vector<std::size_t> to_blocked(std::size_t rows, std::size_t cols) {
  const std::size_t down = (rows + 127) / 128, across = (cols + 3) / 4;
  std::vector<std::size_t> padded(down * 128 * across * 4, padding);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) padded[r * across * 4 + c] = r * cols + c;
  const auto blocks = nd_array::of(padded, {down, 128, across, 4}).permute({0, 2, 1, 3}).flat();
  return nd_array::of(blocks, {down * across, 4, 32, 4}).permute({0, 2, 1, 3}).flat();
}

const std::pair<std::size_t, std::size_t> shapes[] = {{1, 1},   {31, 3},  {32, 4},   {33, 5},  {128, 4}, {129, 4},
                                                      {128, 5}, {200, 7}, {256, 12}, {300, 9}, {1, 64},  {513, 1}};

bytes pattern(std::size_t count) {
  bytes scales(count);
  for (std::size_t i = 0; i < count; ++i) scales[i] = std::uint8_t(i * 37 + i / 251 + 1);
  return scales;
}

TEST(scale_swizzle, every_place_holds_what_to_blocked_of_torchao_puts_there) {
  for (const auto& [rows, cols] : shapes) {
    const std::vector<std::size_t> want = to_blocked(rows, cols);
    ASSERT_EQ(swizzled_size(rows, cols), want.size());
    const bytes scales = pattern(rows * cols);
    bytes out(want.size(), 0xee);
    swizzle_scales(scales, rows, cols, out);
    for (std::size_t k = 0; k < want.size(); ++k)
      ASSERT_EQ(out[k], want[k] == padding ? 0 : scales[want[k]]) << rows << " x " << cols << ", offset " << k;
    bytes back(scales.size());
    unswizzle_scales(out, rows, cols, back);
    ASSERT_EQ(back, scales);
  }
}

struct digest {
  std::size_t rows, cols;
  std::uint64_t value;
};
// FNV-1a of the same pattern after the expression above in NumPy (reshape for view, transpose for permute).
TEST(scale_swizzle, digests_are_those_of_numpy) {
  for (const digest& d :
       {digest{129, 5, 0xfb0bcb9944a0ee83}, digest{256, 12, 0xe2c10efd786e9129}, digest{300, 9, 0x123f88840c69f6e6}}) {
    bytes out(swizzled_size(d.rows, d.cols));
    swizzle_scales(pattern(d.rows * d.cols), d.rows, d.cols, out);
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::uint8_t byte : out) hash = (hash ^ byte) * 0x100000001b3;
    EXPECT_EQ(hash, d.value) << d.rows << " x " << d.cols;
  }
}

TEST(scale_swizzle, position_is_the_inverse_of_offset) {
  for (const auto& [rows, cols] : shapes) {
    const std::vector<std::size_t> want = to_blocked(rows, cols);
    for (std::size_t k = 0; k < want.size(); ++k) {
      const scale_position at = swizzled_position(k, cols);
      ASSERT_EQ(swizzled_offset(at.row, at.col, cols), k);
      ASSERT_EQ(at.row < rows && at.col < cols ? at.row * cols + at.col : padding, want[k]);
    }
  }
}

// The formulas of the cuBLAS documentation, for one tile.
TEST(scale_swizzle, a_tile_is_that_of_the_cublas_documentation) {
  static_assert(swizzled_offset(0, 0, 4) == 0 && swizzled_offset(1, 0, 4) == 16 && swizzled_offset(32, 0, 4) == 4 &&
                swizzled_offset(127, 3, 4) == 511);
  for (std::size_t outer = 0; outer < 128; ++outer)
    for (std::size_t inner = 0; inner < 4; ++inner)
      ASSERT_EQ(swizzled_offset(outer, inner, 4), (outer % 32) * 16 + (outer / 32) * 4 + inner);
}

TEST(scale_swizzle, padding_is_not_looked_at) {
  bytes swizzled(1024, 0xee), back(5, 0);
  for (std::size_t col = 0; col < 5; ++col) swizzled[swizzled_offset(0, col, 5)] = std::uint8_t(col);
  unswizzle_scales(swizzled, 1, 5, back);
  EXPECT_EQ(back, (bytes{0, 1, 2, 3, 4}));
}

TEST(scale_swizzle, no_scales_take_no_bytes_and_other_sizes_are_refused) {
  EXPECT_EQ(swizzled_size(0, 7), 0u);
  EXPECT_EQ(swizzled_size(7, 0), 0u);
  bytes none;
  EXPECT_NO_THROW(swizzle_scales(none, 0, 7, none));
  bytes scales(6), out(511);
  try {
    swizzle_scales(scales, 2, 3, out);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "swizzle_scales: the swizzled scales have 511 bytes and 512 are needed for 2 x 3 scales");
  }
  EXPECT_THROW(unswizzle_scales(bytes(512), 2, 3, out), std::invalid_argument);
  EXPECT_THROW(swizzled_size(~std::size_t(0), ~std::size_t(0)), std::invalid_argument);
}

}  // namespace
}  // namespace binade
