#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/data_source.hpp"
#include "data/labelled_images.hpp"

namespace binade {

/// Images with classes.
class image_source : public data_source {
 public:
  virtual image_shape images() const = 0;

  /// training_batch() and validation_batch(), as what they are.
  virtual image_batch training_images(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const = 0;
  virtual image_batch validation_images(std::size_t first, std::size_t rows) const = 0;

  data_shape shape() const final { return images(); }
  data_batch training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const final {
    return training_images(data_seed, step, rows);
  }
  data_batch validation_batch(std::size_t first, std::size_t rows) const final {
    return validation_images(first, rows);
  }
  std::string unit() const final { return "image"; }
};

/// How an image set is served.
struct image_set_settings {
  std::string name = {};               ///< of the kind of data
  std::size_t classes = 0;             ///< labels are below it
  std::vector<double> mean = {};       ///< per channel, or one for all; of bytes / 255 or of reals
  std::vector<double> deviation = {};  ///< > 0, as mean
  std::size_t crop_padding = 0;        ///< training images are cut at random from a frame of so many black pixels
  bool flip = false;                   ///< every other training image, at random, is mirrored
  std::size_t validation_rows = 0;     ///< images of the validation set, spread evenly over it; 0: all
};

/// A finite set of images.  Pixels are (x - mean) / deviation, where x is byte / 255, or the number itself.
///
/// An epoch is a permutation of the training images that (data_seed, epoch) settles; a batch goes over the end of an
/// epoch into the next.  What happens to a training image at random is settled by (data_seed, its place in the order).
class image_set_source final : public image_source {
 public:
  /// @throws std::invalid_argument if a set is empty, the two are of different sizes, a label is not below the number
  ///         of classes, or a setting is outside its range
  /// @throws std::runtime_error as mapped_file::bytes()
  image_set_source(labelled_images training, labelled_images validation, image_set_settings settings);

  image_shape images() const override;
  image_batch training_images(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  image_batch validation_images(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return std::nullopt; }
  std::optional<double> trivial_loss() const override { return label_entropy_; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  image_batch empty_batch(std::size_t rows) const;
  void write_image(image_batch& batch, std::size_t row, const labelled_images& from, std::size_t index,
                   std::uint64_t chance) const;

  labelled_images training_, validation_;
  image_set_settings settings_;
  std::size_t validation_rows_;
  std::vector<float> value_of_byte_;  // (channels, 256)
  std::string training_digest_, validation_digest_;
  double label_entropy_;
};

/// Element i of a permutation of 0..n-1 that `key` selects.  @pre i < n
std::uint64_t permuted(std::uint64_t i, std::uint64_t n, std::uint64_t key);

}  // namespace binade
