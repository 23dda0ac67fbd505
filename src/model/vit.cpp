#include "model/vit.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "model/block_plan.hpp"
#include "ops/add.hpp"
#include "ops/cross_entropy.hpp"
#include "ops/embedding.hpp"
#include "ops/linear.hpp"
#include "ops/positions.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

/// (rows, patches, channels * patch * patch): patches row by row; in a patch channel, row, column.
template <class T>
tensor<T> cut_into_patches(const vit_config& c, const image_batch& images, thread_pool& pool) {
  const std::size_t across = c.image_width / c.patch, side = c.patch;
  tensor<T> result = tensor<T>::uninitialized({images.rows, c.patches(), c.patch_size()});
  pool.parallel_for(images.rows, [&, out = result.data()](std::size_t image) {
    T* to = out + image * c.patches() * c.patch_size();
    for (std::size_t patch = 0; patch < c.patches(); ++patch)
      for (std::size_t channel = 0; channel < c.channels; ++channel)
        for (std::size_t y = 0; y < side; ++y) {
          const std::size_t row = (image * c.channels + channel) * c.image_height + patch / across * side + y;
          const float* const from = images.pixels.data() + row * c.image_width + patch % across * side;
          for (std::size_t x = 0; x < side; ++x) *to++ = T(from[x]);
        }
  });
  return result;
}

class vit_plan final : public model_plan {
 public:
  explicit vit_plan(vit_config config) : config_(std::move(config)) {}

  std::string kind() const override { return "vit"; }
  std::string canonical_text() const override {
    const vit_config& c = config_;
    return "kind = \"vit\"\nlayers = " + std::to_string(c.layers) + "\nwidth = " + std::to_string(c.width) +
           "\nheads = " + std::to_string(c.heads) + "\nhidden = " + std::to_string(c.blocks().hidden_width()) +
           "\npatch = " + std::to_string(c.patch) +
           "\npooling = " + (c.pooling == vit_pooling::class_token ? "\"class_token\"" : "\"mean\"") +
           "\nqk_norm = " + (c.qk_norm ? "true" : "false") + "\n";
  }
  std::size_t positions() const override { return 1; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    const auto* images = std::get_if<image_shape>(&data);
    if (images == nullptr)
      throw std::invalid_argument("model: vit reads images, and the data are none; choose images or another kind");
    vit_config fitted = config_;
    fitted.channels = images->channels;
    fitted.image_height = images->height;
    fitted.image_width = images->width;
    fitted.classes = images->classes;
    fitted.validate();
    return std::make_shared<vit_plan>(fitted);
  }
  std::vector<parameter_plan> parameters() const override { return parameter_plans(config_); }
  std::vector<std::string> gemm_sites() const override { return binade::gemm_sites(config_); }
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
          .qk_norm = qk_norm};
}

void vit_config::validate() const {
  if (patch == 0 || image_height % patch != 0 || image_width % patch != 0)
    throw std::invalid_argument("model: patch is " + std::to_string(patch) + "; it must divide the " +
                                std::to_string(image_height) + " x " + std::to_string(image_width) +
                                " pixels of an image");
  if (channels == 0 || patches() == 0 || classes < 2)
    throw std::invalid_argument("model: images of " + std::to_string(channels) + " x " + std::to_string(image_height) +
                                " x " + std::to_string(image_width) + " in " + std::to_string(classes) +
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
  plans.push_back({"head.weight", {config.classes, config.width}, 0, deviation});
  plans.push_back({"head.bias", {config.classes}, 0, 0});
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
  const double width = double(config.width), head = width * double(config.classes);
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
variable<T> vision_transformer<T>::logits(graph<T>& pass, const image_batch& images) const {
  const vit_config& c = config_;
  if (images.rows == 0 || images.channels != c.channels || images.height != c.image_height ||
      images.width != c.image_width ||
      images.pixels.size() != images.rows * c.channels * c.image_height * c.image_width)
    throw std::invalid_argument("vision_transformer: " + std::to_string(images.rows) + " images of " +
                                std::to_string(images.channels) + " x " + std::to_string(images.height) + " x " +
                                std::to_string(images.width) + " given; the model reads " + std::to_string(c.channels) +
                                " x " + std::to_string(c.image_height) + " x " + std::to_string(c.image_width) +
                                ", at least 1");
  const variable<T> pixels(cut_into_patches<T>(c, images, pass.pool()));
  variable<T> x = linear(pass, patches_.site, pixels, patches_.weight, patches_.bias);
  if (class_token_) x = prepend_position(pass, x, class_token_);
  std::vector<std::int32_t> places(images.rows * c.positions());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = std::int32_t(i % c.positions());
  x = add(pass, x, embedding<T>(pass, position_embedding_, places, x.shape()));
  for (const transformer_block<T>& block : blocks_) x = block.forward(pass, x, kernels::row_mask::none).x;
  x = apply_norm(pass, c.blocks().shape(), x, final_norm_);
  const variable<T> pooled = class_token_ ? first_position(pass, x) : mean_over_positions(pass, x);
  return linear(pass, head_.site, pooled, head_.weight, head_.bias);
}

template <class T>
model_loss<T> vision_transformer<T>::loss(graph<T>& pass, const data_batch& examples) const {
  const auto* images = std::get_if<image_batch>(&examples);
  if (images == nullptr)
    throw std::invalid_argument("vision_transformer: it reads batches of images; the data give another kind");
  return cross_entropy(pass, logits(pass, *images), images->labels, config_.classes);
}

std::shared_ptr<const model_plan> read_vit(const toml_section& table) {
  vit_config c;
  c.layers = read_size(table, "layers", 1, 256);
  c.width = read_size(table, "width", 1, 65536);
  c.heads = read_size(table, "heads", 1, 65536);
  c.hidden = read_size(table, "hidden", 1, 1 << 20, static_cast<std::int64_t>(c.blocks().hidden_width()));
  c.patch = read_size(table, "patch", 1, 65536, static_cast<std::int64_t>(c.patch));
  const std::string pooling = table.text("pooling", "class_token");
  if (pooling != "class_token" && pooling != "mean")
    table.fail("pooling", "is \"" + pooling + "\"; valid are class_token, mean");
  c.pooling = pooling == "mean" ? vit_pooling::mean : vit_pooling::class_token;
  c.qk_norm = table.flag("qk_norm", false);
  c.image_height = c.image_width = c.patch;  // those of the data are known later
  try {
    c.validate();
  } catch (const std::invalid_argument& e) {
    table.fail("width", e.what());
  }
  return std::make_shared<vit_plan>(c);
}

template class vision_transformer<float>;
template class vision_transformer<double>;

}  // namespace binade
