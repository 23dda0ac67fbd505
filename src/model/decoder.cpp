#include "model/decoder.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "model/model_config.hpp"
#include "model/transformer.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

class decoder_plan final : public model_plan {
 public:
  explicit decoder_plan(model_config config) : config_(std::move(config)) {}

  std::string kind() const override { return config_.kind; }
  std::string canonical_text() const override {
    const model_config& c = config_;
    return "kind = \"" + c.kind + "\"\nlayers = " + std::to_string(c.layers) + "\nwidth = " + std::to_string(c.width) +
           "\nheads = " + std::to_string(c.heads) + "\ncontext = " + std::to_string(c.context) +
           "\nhidden = " + std::to_string(c.hidden_width()) + "\ntied_head = " + (c.ties_head() ? "true" : "false") +
           "\n";
  }
  std::size_t positions() const override { return config_.context; }
  std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const override {
    const auto* tokens = std::get_if<token_shape>(&data);
    if (tokens == nullptr)
      throw std::invalid_argument("model: " + config_.kind +
                                  " reads tokens, and the data are none; choose a corpus of text or tokens, or another "
                                  "kind of model");
    model_config fitted = config_;
    fitted.vocabulary = tokens->vocabulary;
    return std::make_shared<decoder_plan>(fitted);
  }
  std::vector<parameter_plan> parameters() const override { return parameter_plans(config_); }
  std::vector<std::string> gemm_sites() const override { return binade::gemm_sites(config_); }
  double flops_per_example() const override { return flops_per_token(config_) * double(config_.context); }
  std::unique_ptr<model<float>> make(std::uint64_t seed) const override {
    return std::make_unique<transformer<float>>(config_, seed);
  }

 private:
  model_config config_;
};

}  // namespace

std::shared_ptr<const model_plan> read_decoder(const toml_section& table) {
  model_config m;
  m.kind = table.text("kind", m.kind);
  m.layers = read_size(table, "layers", 1, 256);
  m.width = read_size(table, "width", 1, 65536);
  m.heads = read_size(table, "heads", 1, 65536);
  m.context = read_size(table, "context", 2, 65536);
  m.hidden = read_size(table, "hidden", 1, 1 << 20, static_cast<std::int64_t>(m.hidden_width()));
  m.tied_head = table.flag("tied_head", m.ties_head());
  try {
    m.validate();
  } catch (const std::invalid_argument& e) {
    table.fail("width", e.what());
  }
  return std::make_shared<decoder_plan>(std::move(m));
}

}  // namespace binade
