#pragma once
/// Files of small labelled images, as they are published.  Their pixels stay where they are, mapped into memory.  Every
/// reader checks sizes before it allocates anything and believes no count in a header.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/labelled_images.hpp"

namespace binade {

/// An array of bytes in the IDX format of MNIST: big-endian sizes, then bytes in row-major order.  (LeCun, Cortes,
/// Burges)
struct idx_file {
  std::shared_ptr<const mapped_file> file = {};
  std::vector<std::uint32_t> shape = {};
  std::uint64_t data_at = 0;  ///< the byte of the file where the elements begin; they end where it does

  /// The elements.  @throws as mapped_file::bytes()
  std::span<const std::byte> elements() const { return file->bytes(data_at, file->size() - data_at); }
};
/// @throws std::invalid_argument that names the file and says what to do, if it is not there, no regular file,
///         compressed, no IDX file of bytes, truncated, or longer than its header says
/// @throws std::runtime_error that names the file if it cannot be read or mapped
idx_file read_idx(const std::filesystem::path& file);

/// Images and labels of two IDX files: (count, height, width) and (count).
/// @throws as read_idx, also if they do not fit
labelled_images read_mnist(const std::filesystem::path& images, const std::filesystem::path& labels);

/// Adds the images of a binary file of CIFAR-10 (records of one label and 3072 bytes: 32 x 32 red, green, blue), or of
/// CIFAR-100 (two labels; the second, the fine one, is taken).
/// @throws as read_idx, for a size that is no multiple of a record or a label that is not below the number of classes
void add_cifar(labelled_images& images, const std::filesystem::path& file, std::size_t classes);

/// Images of a .npy file, (count, height, width) or (count, channels, height, width), uint8 or floating-point, with the
/// labels of another, (count) of uint8, int32 or int64.
/// @throws as npy_file and read_idx
labelled_images read_npy_images(const std::filesystem::path& images, const std::filesystem::path& labels);

}  // namespace binade
