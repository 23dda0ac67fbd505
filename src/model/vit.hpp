#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "model/model_config.hpp"
#include "model/transformer_block.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// How the positions become the one vector that the head sees.
enum class vit_pooling {
  class_token,  ///< the vector of a learned token before the patches (Dosovitskiy et al. 2020)
  mean          ///< over the patches; there is no token
};

/// The size of a vision transformer and of its images.
struct vit_config {
  std::size_t layers = 2, width = 64, heads = 4;  ///< width: a multiple of heads
  std::size_t hidden = 0;                         ///< of the mlp; 0: 4 widths, up to a multiple of 16
  std::size_t patch = 4;                          ///< side of a square patch; divides the height and width of an image
  vit_pooling pooling = vit_pooling::class_token;
  bool qk_norm = false;  ///< queries and keys of each head are normed.  (Dehghani et al. 2023)
  std::size_t channels = 1, image_height = 28, image_width = 28, classes = 10;

  /// @throws std::invalid_argument that names the field, the value, what is valid and what to do
  void validate() const;

  /// The blocks: those of GPT-2 (pre-norm, GELU in the tanh form, biases), with a full mask.
  model_config blocks() const;
  std::size_t patches() const { return image_height / patch * (image_width / patch); }
  std::size_t positions() const { return patches() + (pooling == vit_pooling::class_token ? 1 : 0); }
  std::size_t patch_size() const { return channels * patch * patch; }
};

/// Every parameter in the order of the computation, with first values as parameter_plans() of a decoder.
std::vector<parameter_plan> parameter_plans(const vit_config& config);
/// The GEMM sites in the order of the computation: "patches", those of the blocks, "head".
std::vector<std::string> gemm_sites(const vit_config& config);
/// Floating-point operations of one image, forward and backward, of the matrix products alone.
double flops_per_image(const vit_config& config);

/// A vision transformer: square patches through one linear layer, learned positions, blocks in which every position
/// sees every other, a norm and a linear head.  (Dosovitskiy et al. 2020)
template <class T>
class vision_transformer final : public model<T> {
 public:
  /// @throws std::invalid_argument as vit_config::validate
  vision_transformer(const vit_config& config, std::uint64_t seed);

  /// @param images  pixels (rows, channels, height, width)
  /// @return        (rows, classes)
  /// @throws std::invalid_argument if the sizes are not those of the model
  variable<T> logits(graph<T>& pass, const image_batch& images) const;

  /// The mean of -log p(label).  @throws std::invalid_argument also for a batch that holds no images
  model_loss<T> loss(graph<T>& pass, const data_batch& examples) const override;

 private:
  vit_config config_;
  linear_parameters<T> patches_, head_;
  variable<T> class_token_, position_embedding_;
  std::vector<transformer_block<T>> blocks_;
  norm_parameters<T> final_norm_;
};

/// A table [model] of kind "vit".  @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_vit(const toml_section& table);

}  // namespace binade
