#include "model/mobilenet.hpp"

#include <string>
#include <utility>

#include "model/conv_plan.hpp"
#include "util/toml_numbers.hpp"

namespace binade {

conv_network_plan mobilenet_layers(const mobilenet_config& config, const image_shape& images) {
  conv_network_plan network{{}, config.classifier, images};
  std::size_t channels = config.widths[0];
  network.blocks.push_back({{{"stem", images.channels, channels, 3}}});
  for (std::size_t stage = 0; stage < config.widths.size(); ++stage)
    for (std::size_t block = 0; block < config.blocks[stage]; ++block) {
      const std::string name = "stages." + std::to_string(stage) + ".blocks." + std::to_string(block);
      const std::size_t width = config.widths[stage], inside = channels * config.expansion;
      const std::size_t stride = block == 0 ? config.strides[stage] : 1;
      conv_block_plan plan;
      if (config.expansion > 1) plan.layers.push_back({name + ".expand", channels, inside, 1});
      plan.layers.push_back({name + ".depthwise", inside, inside, 3, stride, inside});
      plan.layers.push_back({name + ".project", inside, width, 1, 1, 1, false});
      plan.is_residual = stride == 1 && channels == width;
      network.blocks.push_back(std::move(plan));
      channels = width;
    }
  network.blocks.push_back({{{"last", channels, 4 * channels, 1}}});
  return network;
}

std::shared_ptr<const model_plan> read_mobilenet(const toml_section& table) {
  mobilenet_config c;
  c.widths = read_stages(table, "widths", 4096, c.widths);
  c.blocks = read_per_stage(table, "blocks", 256, 2, c.widths.size());
  std::vector<std::size_t> halving(c.widths.size(), 2);
  halving[0] = 1;
  c.strides = table.has("strides") ? read_per_stage(table, "strides", 2, 1, c.widths.size()) : halving;
  c.expansion = read_size(table, "expansion", 1, 64, std::int64_t(c.expansion));
  c.classifier =
      read_classifier(table, activation::relu6, {.kind = initialization_kind::kaiming_normal, .uses_fan_out = true});
  return std::make_shared<conv_plan>(
      "mobilenet",
      "widths = " + list_text(c.widths) + "\nblocks = " + list_text(c.blocks) + "\nstrides = " + list_text(c.strides) +
          "\nexpansion = " + std::to_string(c.expansion) + "\n",
      c.classifier, [c](const image_shape& images) { return mobilenet_layers(c, images); });
}

}  // namespace binade
