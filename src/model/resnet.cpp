#include "model/resnet.hpp"

#include <string>
#include <utility>

#include "model/conv_plan.hpp"

namespace binade {

conv_network_plan resnet_layers(const resnet_config& config, const image_shape& images) {
  conv_network_plan network{{}, config.classifier, images};
  std::size_t channels = config.widths[0];
  network.blocks.push_back({{{"stem", images.channels, channels, 3}}});
  for (std::size_t stage = 0; stage < config.widths.size(); ++stage)
    for (std::size_t block = 0; block < config.blocks[stage]; ++block) {
      const std::string name = "stages." + std::to_string(stage) + ".blocks." + std::to_string(block);
      const std::size_t width = config.widths[stage], stride = stage > 0 && block == 0 ? 2 : 1;
      conv_block_plan plan{
          .layers = {{name + ".conv1", channels, width, 3, stride}, {name + ".conv2", width, width, 3, 1, 1, false}},
          .is_residual = true,
          .activates = true};
      if (stride != 1 || channels != width)
        plan.shortcut = conv_norm_plan{name + ".shortcut", channels, width, 1, stride, 1, false};
      network.blocks.push_back(std::move(plan));
      channels = width;
    }
  return network;
}

std::shared_ptr<const model_plan> read_resnet(const toml_section& table) {
  resnet_config c;
  c.widths = read_stages(table, "widths", 4096, c.widths);
  c.blocks = read_per_stage(table, "blocks", 256, 3, c.widths.size());
  c.classifier =
      read_classifier(table, activation::relu, {.kind = initialization_kind::kaiming_normal, .uses_fan_out = true});
  return std::make_shared<conv_plan>("resnet",
                                     "widths = " + list_text(c.widths) + "\nblocks = " + list_text(c.blocks) + "\n",
                                     c.classifier, [c](const image_shape& images) { return resnet_layers(c, images); });
}

}  // namespace binade
