#include "model/vit.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "model/block_plan.hpp"
#include "model/image_classifier.hpp"
#include "ops/add.hpp"
#include "ops/dropout.hpp"
#include "ops/embedding.hpp"
#include "ops/linear.hpp"
#include "ops/positions.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

/// (rows, channels, height, width) to (rows, patches, channels * patch * patch): patches row by row; in a patch
/// channel, row, column.
template <class T>
tensor<T> cut_into_patches(const vit_config& c, const tensor<T>& pixels, thread_pool& pool) {
  const std::size_t rows = pixels.shape()[0], across = c.images.width / c.patch, side = c.patch;
  tensor<T> result = tensor<T>::uninitialized({rows, c.patches(), c.patch_size()});
  pool.parallel_for(rows, [&, from = pixels.data(), out = result.data()](std::size_t image) {
    T* to = out + image * c.patches() * c.patch_size();
    for (std::size_t patch = 0; patch < c.patches(); ++patch)
      for (std::size_t channel = 0; channel < c.images.channels; ++channel)
        for (std::size_t y = 0; y < side; ++y, to += side) {
          const std::size_t row = (image * c.images.channels + channel) * c.images.height + patch / across * side + y;
          std::copy_n(from + row * c.images.width + patch % across * side, side, to);
        }
  });
  return result;
}

/// By enumerator: their names in files.
constexpr std::array<std::string_view, 2> pooling_words{"class_token", "mean"};

class vit_plan final : public model_plan {
 public:
  explicit vit_plan(const vit_config& config) : config_(config) {}

  std::string kind() const override { return "vit"; }
  std::string canonical_text() const override {
    const vit_config& c = config_;
    return "kind = \"vit\"\nlayers = " + std::to_string(c.layers) + "\nwidth = " + std::to_string(c.width) +
           "\nheads = " + std::to_string(c.heads) + "\nhidden = " + std::to_string(c.blocks().hidden_width()) +
           "\npatch = " + std::to_string(c.patch) + "\npooling = \"" +
           std::string(pooling_words[std::size_t(c.pooling)]) + "\"" + "\nqk_norm = " + (c.qk_norm ? "true" : "false") +
           "\ndropout = " + exact_text(c.dropout) + "\nlabel_smoothing = " + exact_text(c.label_smoothing) + "\n";
  }
  std::size_t positions() const override { return 1; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    vit_config fitted = config_;
    fitted.images = images_of(data, kind());
    fitted.validate();
    return std::make_shared<vit_plan>(fitted);
  }
  std::vector<parameter_plan> parameters() const override { return parameter_plans(config_); }
  std::vector<std::string> gemm_sites() const override { return binade::gemm_sites(config_); }
  std::vector<output_kind> outputs() const override {
    using enum output_kind;
    return {norm, softmax, residual, activation};
  }
  double flops_per_example() const override { return flops_per_image(config_); }
  std::unique_ptr<model<float>> make(std::uint64_t seed) const override {
    return std::make_unique<vision_transformer<float>>(config_, seed);
  }

 private:
  vit_config config_;
};

}  // namespace

model_config vit_config::blocks() const {
  return {.kind = "gpt2",
          .layers = layers,
          .width = width,
          .heads = heads,
          .context = positions(),
          .hidden = hidden,
          .qk_norm = qk_norm,
          .dropout = dropout,
          .label_smoothing = label_smoothing};
}

void vit_config::validate() const {
  if (patch == 0 || images.height % patch != 0 || images.width % patch != 0)
    throw std::invalid_argument("model: patch is " + std::to_string(patch) + "; it must divide the " +
                                std::to_string(images.height) + " x " + std::to_string(images.width) +
                                " pixels of an image");
  if (images.channels == 0 || patches() == 0 || images.classes < 2)
    throw std::invalid_argument("model: images of " + std::to_string(images.channels) + " x " +
                                std::to_string(images.height) + " x " + std::to_string(images.width) + " in " +
                                std::to_string(images.classes) +
                                " classes; no size may be 0 and there must be at least 2 classes");
  blocks().validate();
}

std::vector<parameter_plan> parameter_plans(const vit_config& config) {
  config.validate();
  const model_config blocks = config.blocks();
  const double deviation = 0.02;
  std::vector<parameter_plan> plans{{"patches.weight", {config.width, config.patch_size()}, 0, deviation},
                                    {"patches.bias", {config.width}, 0, 0}};
  if (config.pooling == vit_pooling::class_token) plans.push_back({"class_token", {config.width}, 0, deviation});
  plans.push_back({"position_embedding.weight", {config.positions(), config.width}, 0, deviation});
  for (std::size_t layer = 0; layer < config.layers; ++layer) append_block_parameters(plans, blocks, layer);
  append_norm(plans, blocks.shape(), "final_norm", config.width);
  plans.push_back({"head.weight", {config.images.classes, config.width}, 0, deviation});
  plans.push_back({"head.bias", {config.images.classes}, 0, 0});
  return plans;
}

std::vector<std::string> gemm_sites(const vit_config& config) {
  config.validate();
  const model_config blocks = config.blocks();
  std::vector<std::string> sites{"patches"};
  for (std::size_t layer = 0; layer < config.layers; ++layer) append_block_sites(sites, blocks, layer);
  sites.push_back("head");
  return sites;
}

double flops_per_image(const vit_config& config) {
  const double width = double(config.width), head = width * double(config.images.classes);
  const double patches = width * double(config.patch_size()), positions = double(config.positions());
  const double blocks = double(count_matrix_elements(parameter_plans(config))) - head - patches;
  return 6 * (patches * double(config.patches()) + blocks * positions + head) +
         12 * double(config.layers) * width * positions * positions;
}

template <class T>
vision_transformer<T>::vision_transformer(const vit_config& config, std::uint64_t seed)
    : model<T>(parameter_plans(config), {}, seed), config_(config) {
  patches_ = this->find_linear("patches");
  class_token_ = this->find("class_token");
  position_embedding_ = this->at("position_embedding.weight");
  for (std::size_t layer = 0; layer < config_.layers; ++layer)
    blocks_.emplace_back(config_.blocks(), layer, this->parameters(), rotation_table<T>());
  final_norm_ = this->find_norm("final_norm");
  head_ = this->find_linear("head");
}

template <class T>
variable<T> vision_transformer<T>::logits(graph<T>& pass, const data_batch& examples) const {
  const vit_config& c = config_;
  const tensor<T> images = pixels_of<T>(examples, c.images).value();
  const variable<T> pixels(cut_into_patches(c, images, pass.pool()));
  variable<T> x = linear(pass, patches_.site, pixels, patches_.weight, patches_.bias);
  if (class_token_) x = prepend_position(pass, x, class_token_);
  std::vector<std::int32_t> places(images.shape()[0] * c.positions());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = std::int32_t(i % c.positions());
  x = add_to_stream(pass, x, embedding<T>(pass, position_embedding_, places, x.shape()));
  x = dropout(pass, "embedding", x, 1 - c.dropout);
  for (const transformer_block<T>& block : blocks_) x = block.forward(pass, x, kernels::row_mask::none).x;
  x = apply_norm(pass, c.blocks().shape(), x, final_norm_);
  const variable<T> pooled = class_token_ ? first_position(pass, x) : mean_over_positions(pass, x);
  return linear(pass, head_.site, pooled, head_.weight, head_.bias);
}

template <class T>
model_loss<T> vision_transformer<T>::loss(graph<T>& pass, const data_batch& examples) const {
  return classification_loss(pass, logits(pass, examples), examples, {.label_smoothing = config_.label_smoothing});
}

std::shared_ptr<const model_plan> read_vit(const toml_section& table) {
  vit_config c;
  c.layers = read_size(table, "layers", 1, 256);
  c.width = read_size(table, "width", 1, 65536);
  c.heads = read_size(table, "heads", 1, 65536);
  c.hidden = read_size(table, "hidden", 1, 1 << 20, static_cast<std::int64_t>(c.blocks().hidden_width()));
  c.patch = read_size(table, "patch", 1, 65536, static_cast<std::int64_t>(c.patch));
  c.pooling = table.word("pooling", pooling_words, std::optional(c.pooling));
  c.qk_norm = table.flag("qk_norm", false);
  c.dropout = read_real(table, "dropout", 0, bound::included, 1, bound::excluded, c.dropout);
  c.label_smoothing = read_real(table, "label_smoothing", 0, bound::included, 1, bound::excluded, c.label_smoothing);
  c.images.height = c.images.width = c.patch;  // those of the data are known later
  try {
    c.validate();
  } catch (const std::invalid_argument& e) {
    // "model: FIELD is ...": the key to blame, where the file has it.
    const std::string why = e.what(), field = why.substr(7, why.find(' ', 7) - 7);
    table.fail(table.has(field) ? field : "width", why);
  }
  return std::make_shared<vit_plan>(c);
}

template class vision_transformer<float>;
template class vision_transformer<double>;

}  // namespace binade
