#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "model/conv_network.hpp"
#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// A network of inverted residuals for small images: a 3 x 3 stem; stages of blocks that widen the channels by a 1 x 1
/// convolution, convolve each on its own (depthwise, 3 x 3), narrow them again without a function, and add the input
/// where the shape is the same; a 1 x 1 convolution to four times the last width; a linear head on the channel means.
/// (Sandler et al. 2018)
struct mobilenet_config {
  std::vector<std::size_t> widths = {16, 32, 64};  ///< channels between the blocks of each stage
  std::vector<std::size_t> blocks = {2, 2, 2};     ///< of each stage
  std::vector<std::size_t> strides = {1, 2, 2};    ///< of the first block of each stage
  std::size_t expansion = 6;                       ///< times the channels inside a block
  classifier_settings classifier = {};
};

/// The layers for images of that shape.  Sites: "stem", "stages.S.blocks.B.expand", ".depthwise", ".project", "last"
/// and "head".
conv_network_plan mobilenet_layers(const mobilenet_config& config, const image_shape& images);

/// The table [model] of `kind = "mobilenet"`: keys widths, blocks and strides (one number for every stage, or a list),
/// expansion, and those of read_classifier().
/// @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_mobilenet(const toml_section& table);

}  // namespace binade
