#pragma once
// Block scales in the order in which tensor cores read them: tiles of 128 rows and 4 columns.
//
// A matrix of one-byte scales, one row per row of the operand and one column per block along k, is padded to whole
// tiles. Tiles follow each other row-major, 512 bytes each; in a tile, row r and column c stand at (r mod 32) 16 + (r /
// 32) 4 + c, so that the four rows r, r + 32, r + 64, r + 96 share 16 bytes.  (cuBLAS, "1D Block Scaling Factors
// Layout"; the same as to_blocked of torchao and the scale factor atom of CUTLASS)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>

#include "binade/config.hpp"

namespace binade {

/// Rows and columns of scales in a tile.
inline constexpr std::size_t scale_tile_rows = 128, scale_tile_cols = 4;
/// Scales in a tile.
inline constexpr std::size_t scale_tile_size = scale_tile_rows * scale_tile_cols;

/// Bytes of the swizzled scales of a matrix of rows x cols scales, padding included.
/// @throws std::invalid_argument if memory cannot hold so many
constexpr std::size_t swizzled_size(std::size_t rows, std::size_t cols) {
  const std::size_t down = rows / scale_tile_rows + (rows % scale_tile_rows != 0);
  const std::size_t across = cols / scale_tile_cols + (cols % scale_tile_cols != 0);
  if (across != 0 && down > std::numeric_limits<std::size_t>::max() / scale_tile_size / across)
    throw std::invalid_argument("swizzled_size: " + std::to_string(rows) + " x " + std::to_string(cols) +
                                " scales are more than memory holds");
  return down * across * scale_tile_size;
}

/// Where the scale (row, col) of a matrix with `cols` columns of scales stands.
BINADE_HD constexpr std::size_t swizzled_offset(std::size_t row, std::size_t col, std::size_t cols) {
  const std::size_t across = cols / scale_tile_cols + (cols % scale_tile_cols != 0);
  const std::size_t tile = row / scale_tile_rows * across + col / scale_tile_cols, r = row % scale_tile_rows;
  return tile * scale_tile_size + r % 32 * 16 + r / 32 * 4 + col % scale_tile_cols;
}

/// A scale's place in its matrix.
struct scale_position {
  std::size_t row, col;
  bool operator==(const scale_position&) const = default;
};

/// What stands at an offset: the inverse of swizzled_offset.  Beyond the matrix's rows or columns it is padding.
/// @pre offset < swizzled_size(rows, cols)
BINADE_HD constexpr scale_position swizzled_position(std::size_t offset, std::size_t cols) {
  const std::size_t across = cols / scale_tile_cols + (cols % scale_tile_cols != 0);
  const std::size_t tile = offset / scale_tile_size, within = offset % scale_tile_size;
  return {tile / across * scale_tile_rows + within % 16 / 4 * 32 + within / 16,
          tile % across * scale_tile_cols + within % 4};
}

namespace detail {

inline void check_swizzle(const std::string& verb, std::size_t plain, std::size_t swizzled, std::size_t rows,
                          std::size_t cols) {
  const std::size_t padded = swizzled_size(rows, cols);
  const auto check = [&](const char* what, std::size_t given, std::size_t needed) {
    if (given != needed)
      throw std::invalid_argument(verb + ": the " + what + " scales have " + std::to_string(given) + " bytes and " +
                                  std::to_string(needed) + " are needed for " + std::to_string(rows) + " x " +
                                  std::to_string(cols) + " scales");
  };
  check("row-major", plain, rows * cols);
  check("swizzled", swizzled, padded);
}

}  // namespace detail

/// Row-major scales into the order above; padding becomes zero.
/// @param scales  rows x cols codes
/// @param out     swizzled_size(rows, cols) bytes, which do not overlap scales
/// @throws std::invalid_argument if a size is another; nothing is written
inline void swizzle_scales(std::span<const std::uint8_t> scales, std::size_t rows, std::size_t cols,
                           std::span<std::uint8_t> out) {
  detail::check_swizzle("swizzle_scales", scales.size(), out.size(), rows, cols);
  std::fill(out.begin(), out.end(), std::uint8_t(0));
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t col = 0; col < cols; ++col) out[swizzled_offset(row, col, cols)] = scales[row * cols + col];
}

/// The inverse.  Padding is not looked at: what a kernel wrote there does not matter.
/// @throws std::invalid_argument if a size is another; nothing is written
inline void unswizzle_scales(std::span<const std::uint8_t> swizzled, std::size_t rows, std::size_t cols,
                             std::span<std::uint8_t> out) {
  detail::check_swizzle("unswizzle_scales", out.size(), swizzled.size(), rows, cols);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t col = 0; col < cols; ++col) out[row * cols + col] = swizzled[swizzled_offset(row, col, cols)];
}

}  // namespace binade
