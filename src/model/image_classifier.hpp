#pragma once

#include <optional>
#include <string>

#include "data/data_source.hpp"
#include "model/activation.hpp"
#include "model/initialization.hpp"
#include "model/parameter_plan.hpp"
#include "ops/cross_entropy.hpp"
#include "tape.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// What every classifier of images can choose.
struct classifier_settings {
  activation function = activation::relu;
  initialization weights = {};  ///< of all weights but the head's, which are xavier_uniform; biases start at 0
  double label_smoothing = 0;   ///< of the loss (cross_entropy.hpp); validation counts the plain one
};

/// The keys `activation`, `initialization` and `label_smoothing`.
/// @param function, weights  where the table says nothing
/// @throws std::invalid_argument with file, line and key
classifier_settings read_classifier(const toml_section& table, activation function, const initialization& weights);
/// The lines of the same keys.
std::string canonical_text(const classifier_settings& settings);

/// The shape of the images of a source.  @throws std::invalid_argument that names the model if it has none
image_shape images_of(const data_shape& data, const std::string& kind);

/// The weight of the last linear layer, "head".
parameter_plan head_weight(std::size_t classes, std::size_t width);
/// Its bias.
parameter_plan head_bias(std::size_t classes);

/// The pixels of a batch: (rows, channels, height, width).
/// @throws std::invalid_argument for a batch of another kind, or images of another shape
template <class T>
variable<T> pixels_of(const data_batch& examples, const image_shape& shape);

/// The loss of a batch of images.  @param logits  (rows, classes)
template <class T>
language_model_loss<T> classification_loss(graph<T>& pass, const variable<T>& logits, const data_batch& examples,
                                           const classifier_settings& settings);

}  // namespace binade
