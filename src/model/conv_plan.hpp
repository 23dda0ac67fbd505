#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/conv_network.hpp"
#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// The plan of a kind of convolutional network: what its table says, and the layers that follow once the images are
/// known.
class conv_plan final : public model_plan {
 public:
  using layers_function = std::function<conv_network_plan(const image_shape&)>;

  /// @param lines   of the keys of the kind itself, each ending in a line feed
  /// @param layers  of images of a shape
  conv_plan(std::string kind, std::string lines, classifier_settings classifier, layers_function layers)
      : kind_(std::move(kind)), lines_(std::move(lines)), classifier_(classifier), layers_(std::move(layers)) {
    network_ = layers_({.channels = 1, .height = 1, .width = 1, .classes = 1});
  }

  std::string kind() const override { return kind_; }
  std::string canonical_text() const override {
    return "kind = \"" + kind_ + "\"\n" + lines_ + binade::canonical_text(classifier_);
  }
  std::size_t positions() const override { return 1; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    auto fitted = std::make_shared<conv_plan>(*this);
    fitted->network_ = layers_(images_of(data, kind_));
    return fitted;
  }
  std::vector<parameter_plan> parameters() const override { return network_.parameters(); }
  std::vector<std::string> gemm_sites() const override { return network_.gemm_sites(); }
  std::vector<parameter_plan> buffers() const override { return network_.buffers(); }
  std::vector<output_kind> outputs() const override { return network_.outputs(); }
  double flops_per_example() const override { return network_.flops_per_example(); }
  std::unique_ptr<model<float>> make(std::uint64_t seed) const override {
    return std::make_unique<conv_network<float>>(network_, seed);
  }

 private:
  std::string kind_, lines_;
  classifier_settings classifier_;
  layers_function layers_;
  conv_network_plan network_;  ///< the sites are known before the images are
};

/// A list of at least one whole number of 1 to most.  @throws std::invalid_argument with file, line and key
std::vector<std::size_t> read_stages(const toml_section& table, const char* key, std::size_t most,
                                     const std::vector<std::size_t>& fallback);
/// One whole number of 1 to most for every stage: a list of as many, or a single one for all.
/// @throws std::invalid_argument with file, line and key
std::vector<std::size_t> read_per_stage(const toml_section& table, const char* key, std::size_t most,
                                        std::size_t fallback, std::size_t stages);
/// "[16, 32, 64]"
std::string list_text(const std::vector<std::size_t>& values);

}  // namespace binade
