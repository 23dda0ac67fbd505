#include "model/mlp.hpp"

#include <charconv>
#include <utility>

#include "ops/dropout.hpp"
#include "ops/linear.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

std::string layer_name(std::size_t layer) {
  return "layers." + std::to_string(layer);
}

std::vector<parameter_plan> plans(const mlp_config& c) {
  std::vector<parameter_plan> result;
  std::size_t inputs = c.images.channels * c.images.height * c.images.width;
  for (std::size_t layer = 0; layer < c.layers; ++layer, inputs = c.width) {
    result.push_back({layer_name(layer) + ".weight", {c.width, inputs}, 0, 0, c.classifier.weights});
    result.push_back({layer_name(layer) + ".bias", {c.width}, 0, 0});
  }
  result.push_back(head_weight(c.images.classes, inputs));
  result.push_back(head_bias(c.images.classes));
  return result;
}

class mlp_plan final : public model_plan {
 public:
  explicit mlp_plan(const mlp_config& config) : config_(config) {}

  std::string kind() const override { return "mlp"; }
  std::string canonical_text() const override {
    char digits[32];
    const std::string dropout(digits, std::to_chars(digits, digits + sizeof digits, config_.dropout).ptr);
    return "kind = \"mlp\"\nlayers = " + std::to_string(config_.layers) + "\nwidth = " + std::to_string(config_.width) +
           "\ndropout = " + dropout + "\n" + binade::canonical_text(config_.classifier);
  }
  std::size_t positions() const override { return 1; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    mlp_config fitted = config_;
    fitted.images = images_of(data, kind());
    return std::make_shared<mlp_plan>(fitted);
  }
  std::vector<parameter_plan> parameters() const override { return plans(config_); }
  std::vector<std::string> gemm_sites() const override {
    std::vector<std::string> sites;
    for (std::size_t layer = 0; layer < config_.layers; ++layer) sites.push_back(layer_name(layer));
    sites.push_back("head");
    return sites;
  }
  std::vector<output_kind> outputs() const override {
    if (config_.layers == 0) return {};
    return {output_kind::activation};
  }
  double flops_per_example() const override { return 6 * double(count_matrix_elements(plans(config_))); }
  std::unique_ptr<model<float>> make(std::uint64_t seed) const override {
    return std::make_unique<mlp<float>>(config_, seed);
  }

 private:
  mlp_config config_;
};

}  // namespace

template <class T>
mlp<T>::mlp(const mlp_config& config, std::uint64_t seed) : model<T>(plans(config), {}, seed), config_(config) {
  for (std::size_t layer = 0; layer < config_.layers; ++layer) layers_.push_back(this->find_linear(layer_name(layer)));
  head_ = this->find_linear("head");
}

template <class T>
model_loss<T> mlp<T>::loss(graph<T>& pass, const data_batch& examples) const {
  const tensor<T> pixels = pixels_of<T>(examples, config_.images).value();
  const std::size_t rows = pixels.shape()[0];
  variable<T> x(pixels.reshaped({rows, pixels.size() / rows}));
  for (const linear_parameters<T>& layer : layers_) {
    x = apply(pass, config_.classifier.function, linear(pass, layer.site, x, layer.weight, layer.bias));
    x = dropout(pass, layer.site, x, 1 - config_.dropout);
  }
  x = linear(pass, head_.site, x, head_.weight, head_.bias);
  return classification_loss(pass, x, examples, config_.classifier);
}

std::shared_ptr<const model_plan> read_mlp(const toml_section& table) {
  mlp_config c;
  c.layers = read_size(table, "layers", 0, 256, std::int64_t(c.layers));
  c.width = read_size(table, "width", 1, 65536, std::int64_t(c.width));
  c.dropout = read_real(table, "dropout", 0, bound::included, 1, bound::excluded, 0);
  c.classifier = read_classifier(table, activation::relu, {.kind = initialization_kind::kaiming_uniform});
  return std::make_shared<mlp_plan>(c);
}

template class mlp<float>;
template class mlp<double>;

}  // namespace binade
