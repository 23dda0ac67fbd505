#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "data/image_files.hpp"
#include "util/npy.hpp"

namespace binade::test {

/// Gray or coloured images of the shape (labels.size(), channels, height, width) with these bytes, in files of `folder`
/// that are gone when this returns: the images are mapped.
inline labelled_images images_of(const std::filesystem::path& folder, std::size_t channels, std::size_t height,
                                 std::size_t width, const std::vector<std::uint8_t>& bytes,
                                 const std::vector<std::uint8_t>& labels) {
  const std::filesystem::path pixel_file = folder / "pixels_of_images.npy",
                              label_file = folder / "labels_of_images.npy";
  npy_writer pixels(pixel_file, {.type = npy_type::uint8, .shape = {labels.size(), channels, height, width}});
  pixels.write(std::as_bytes(std::span(bytes)));
  pixels.commit();
  npy_writer classes(label_file, {.type = npy_type::uint8, .shape = {labels.size()}});
  classes.write(std::as_bytes(std::span(labels)));
  classes.commit();
  labelled_images images = read_npy_images(pixel_file, label_file);
  std::filesystem::remove(pixel_file);
  std::filesystem::remove(label_file);
  return images;
}

}  // namespace binade::test
