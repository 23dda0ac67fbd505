#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/image_classifier.hpp"
#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// Layers of neurons over the pixels of an image, a function after each, and a linear head.
struct mlp_config {
  std::size_t layers = 2;   ///< hidden ones
  std::size_t width = 128;  ///< neurons of each
  double dropout = 0;       ///< probability that the output of a neuron is left out in training
  classifier_settings classifier = {};
  image_shape images = {};  ///< of the data
};

/// The table [model] of `kind = "mlp"`: keys layers, width, dropout, and those of read_classifier().
/// @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_mlp(const toml_section& table);

/// The sites are "layers.0", "layers.1", ... and "head".
template <class T>
class mlp final : public model<T> {
 public:
  mlp(const mlp_config& config, std::uint64_t seed);

  /// The mean of -log p(label) over the images.
  model_loss<T> loss(graph<T>& pass, const data_batch& examples) const override;

 private:
  mlp_config config_;
  std::vector<linear_parameters<T>> layers_;
  linear_parameters<T> head_;
};

}  // namespace binade
