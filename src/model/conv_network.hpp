#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/image_classifier.hpp"
#include "model/model.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv2d.hpp"

namespace binade {

/// A convolution without bias and the batch norm after it: parameters NAME.weight, NAME_norm.weight and NAME_norm.bias,
/// buffers NAME_norm.running_mean and NAME_norm.running_variance; the convolution is the site NAME.
struct conv_norm_plan {
  std::string name;
  std::size_t inputs, outputs, kernel;  ///< channels; height and width of the kernel, odd
  std::size_t stride = 1, groups = 1;
  bool activates = true;  ///< the function follows the norm

  conv2d_settings settings() const { return {.stride = stride, .padding = kernel / 2, .groups = groups}; }
};

/// Layers in a row, and what is added to their result.
struct conv_block_plan {
  std::vector<conv_norm_plan> layers;
  bool is_residual = false;                     ///< adds the input of the block
  std::optional<conv_norm_plan> shortcut = {};  ///< of the input that is added, where its shape changes
  bool activates = false;                       ///< the function follows the sum
};

/// A network of convolutions that classifies images: blocks one after the other, the mean of each channel, and a linear
/// head.  What resnet and mobilenet are instances of.
struct conv_network_plan {
  std::vector<conv_block_plan> blocks;
  classifier_settings classifier;
  image_shape images;  ///< of the data

  std::vector<parameter_plan> parameters() const;
  std::vector<parameter_plan> buffers() const;
  std::vector<std::string> gemm_sites() const;
  std::vector<output_kind> outputs() const;
  /// 6 per multiplication of a forward pass: forward and two products backward.
  double flops_per_example() const;
};

/// The network of a plan.
template <class T>
class conv_network final : public model<T> {
 public:
  /// @param plan  fitted to images
  conv_network(const conv_network_plan& plan, std::uint64_t seed);

  /// The mean of -log p(label) over the images.
  model_loss<T> loss(graph<T>& pass, const data_batch& examples) const override;

 private:
  struct layer {
    conv_norm_plan plan;
    variable<T> weight;
    norm_parameters<T> norm;
    batch_norm_buffers<T> running;
  };
  struct block {
    std::vector<layer> layers;
    std::optional<layer> shortcut;
    bool is_residual, activates;
  };

  layer make_layer(const conv_norm_plan& plan) const;
  variable<T> run(graph<T>& pass, const variable<T>& x, const layer& l) const;

  classifier_settings classifier_;
  image_shape images_;
  std::vector<block> blocks_;
  linear_parameters<T> head_;
};

}  // namespace binade
