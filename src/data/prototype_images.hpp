#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/image_source.hpp"

namespace binade {

/// Synthetic images of known difficulty, for which nothing is downloaded: a class is a smooth random pattern; an image
/// is the pattern of its class, shifted at random around the edges, with normal noise.
///
/// A pattern has mean 0 and variance 1 in each channel; an image is (pattern + noise) / sqrt(1 + noise^2), so that its
/// pixels have about variance 1.  All shifts by -shift..shift in both directions are equally likely.  As the process is
/// known, so is the probability of a label given the pixels, by Bayes' rule over all classes and shifts: its mean
/// surprise is the floor of the loss.
///
/// Image d of a split is a function of (settings, split, d): training images never come twice.
class prototype_images final : public image_source {
 public:
  struct parameters {
    std::size_t classes = 10;  ///< 2..1000
    std::size_t channels = 1;  ///< 1..16
    std::size_t size = 16;     ///< height and width, 4..128
    std::size_t shift = 2;     ///< below size / 2
    double noise = 2;          ///< deviation per pixel, more than 0
    std::uint64_t seed = 0;    ///< selects the patterns
  };

  /// @param validation_rows  >= 1
  /// @throws std::invalid_argument outside the ranges
  prototype_images(const parameters& p, std::size_t validation_rows);

  image_shape images() const override { return {p_.channels, p_.size, p_.size, p_.classes}; }
  image_batch training_images(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  image_batch validation_images(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return floor_; }
  std::optional<double> trivial_loss() const override;
  std::string description() const override;
  std::string canonical_text() const override;

  /// Probabilities of the classes given the pixels of one image.
  /// @param pixels  (channels, size, size), as of a batch
  std::vector<double> label_probabilities(std::span<const float> pixels) const;

 private:
  std::size_t pixels() const { return p_.channels * p_.size * p_.size; }
  image_batch make(std::uint64_t which, std::uint64_t first, std::size_t rows) const;

  parameters p_;
  std::size_t validation_rows_;
  std::vector<double> patterns_;  // (classes, channels, size, size)
  double floor_;
};

}  // namespace binade
