#include "model/image_classifier.hpp"

#include <algorithm>
#include <charconv>
#include <span>
#include <stdexcept>
#include <variant>

#include "util/toml_numbers.hpp"

namespace binade {

classifier_settings read_classifier(const toml_section& table, activation function, const initialization& weights) {
  classifier_settings s;
  const auto named = [&](const char* key, const std::string& fallback, const auto& find) {
    const std::string name = table.text(key, fallback);
    try {
      return find(name);
    } catch (const std::invalid_argument& e) {
      table.fail(key, e.what());
    }
  };
  s.function = named("activation", std::string(to_string(function)), find_activation);
  s.weights = named("initialization", to_string(weights), parse_initialization);
  s.label_smoothing = read_real(table, "label_smoothing", 0, bound::included, 1, bound::excluded, 0);
  return s;
}

std::string canonical_text(const classifier_settings& settings) {
  char digits[32];
  const std::string smoothing(digits, std::to_chars(digits, digits + sizeof digits, settings.label_smoothing).ptr);
  return "activation = \"" + std::string(to_string(settings.function)) + "\"\ninitialization = \"" +
         to_string(settings.weights) + "\"\nlabel_smoothing = " + smoothing + "\n";
}

image_shape images_of(const data_shape& data, const std::string& kind) {
  const auto* images = std::get_if<image_shape>(&data);
  if (images == nullptr)
    throw std::invalid_argument("model: " + kind +
                                " reads images, and the data are none; choose a source of images, or another kind of "
                                "model");
  return *images;
}

parameter_plan head_weight(std::size_t classes, std::size_t width) {
  return {"head.weight", {classes, width}, 0, 0, initialization{.kind = initialization_kind::xavier_uniform}};
}
parameter_plan head_bias(std::size_t classes) {
  return {"head.bias", {classes}, 0, 0};
}

template <class T>
variable<T> pixels_of(const data_batch& examples, const image_shape& shape) {
  const auto* batch = std::get_if<image_batch>(&examples);
  if (batch == nullptr) throw std::invalid_argument("model: the batch holds no images; give a batch of images");
  const extents given{batch->rows, batch->channels, batch->height, batch->width};
  require_shape("model", "the batch", given, {batch->rows, shape.channels, shape.height, shape.width});
  tensor<T> pixels = tensor<T>::uninitialized(given);
  if (batch->pixels.size() != pixels.size())
    throw std::invalid_argument("model: the batch has " + std::to_string(batch->pixels.size()) + " pixels; its shape " +
                                to_string(given) + " needs " + std::to_string(pixels.size()));
  std::copy(batch->pixels.begin(), batch->pixels.end(), pixels.data());
  return variable<T>(std::move(pixels));
}

template <class T>
language_model_loss<T> classification_loss(graph<T>& pass, const variable<T>& logits, const data_batch& examples,
                                           const classifier_settings& settings) {
  const image_batch& batch = std::get<image_batch>(examples);
  return cross_entropy(pass, logits, std::span(batch.labels), logits.shape().back(),
                       {.label_smoothing = settings.label_smoothing});
}

#define BINADE_INSTANTIATE(T)                                                                           \
  template variable<T> pixels_of(const data_batch&, const image_shape&);                                \
  template language_model_loss<T> classification_loss(graph<T>&, const variable<T>&, const data_batch&, \
                                                      const classifier_settings&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
