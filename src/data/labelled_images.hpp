#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "util/mapped_file.hpp"
#include "util/npy.hpp"

namespace binade {

/// Pixels of images of one size at equal distances in a file.
struct pixel_run {
  std::shared_ptr<const mapped_file> file = {};
  std::uint64_t first = 0;          ///< byte of the first pixel of the first image
  std::uint64_t stride = 0;         ///< bytes from one image to the next
  std::size_t count = 0;            ///< images
  npy_type type = npy_type::uint8;  ///< of a pixel: uint8 (0..255), float16, bfloat16 or float32
};

/// Images of one size with a label each.  Labels are in memory, pixels where their files are mapped.
struct labelled_images {
  std::size_t channels = 0, height = 0, width = 0;
  std::vector<pixel_run> runs = {};       ///< one behind the other; all of bytes, or none
  std::vector<std::int32_t> labels = {};  ///< (count), 0 or more

  std::size_t count() const { return labels.size(); }
  std::size_t pixels() const { return channels * height * width; }
  /// True if a pixel is a byte, false if it is a number.
  bool has_bytes() const { return runs.empty() || runs.front().type == npy_type::uint8; }

  /// The pixels of image `index`, (channels, height, width), as they are stored.
  /// @pre index < count(), has_bytes()
  /// @throws std::runtime_error as mapped_file::bytes()
  std::span<const std::byte> bytes(std::size_t index) const;
  /// The same as numbers.  @pre index < count(), !has_bytes(), values.size() == pixels()
  /// @throws as bytes()
  void read(std::size_t index, std::span<float> values) const;

  /// The images from `index` on, taken away from these.  @pre index <= count()
  labelled_images split_off(std::size_t index);
};

}  // namespace binade
