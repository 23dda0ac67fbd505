#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "model/conv_network.hpp"
#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// A residual network for small images: a 3 x 3 stem, stages of basic blocks (two 3 x 3 convolutions, the function
/// after the sum), each stage but the first at half the size, and a linear head on the channel means.  Where the shape
/// changes the shortcut is a 1 x 1 convolution.  (He et al. 2016, section 4.2; with three blocks per stage of widths
/// 16, 32 and 64 it has the 20 layers of ResNet-20)
struct resnet_config {
  std::vector<std::size_t> widths = {16, 32, 64};  ///< channels of each stage
  std::vector<std::size_t> blocks = {3, 3, 3};     ///< of each stage
  classifier_settings classifier = {};
};

/// The layers for images of that shape.  Sites: "stem", "stages.S.blocks.B.conv1", ".conv2", ".shortcut", and "head".
conv_network_plan resnet_layers(const resnet_config& config, const image_shape& images);

/// The table [model] of `kind = "resnet"`: keys widths, blocks (one number for every stage, or a list), and those of
/// read_classifier().
/// @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_resnet(const toml_section& table);

}  // namespace binade
