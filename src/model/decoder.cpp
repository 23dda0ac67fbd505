#include "model/decoder.hpp"

#include <array>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "model/model_config.hpp"
#include "model/transformer.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

/// By enumerator: their names in files.
constexpr std::array<std::string_view, 4> position_words{"learned", "rotary", "alibi", "none"};
constexpr std::array<std::string_view, 2> attention_words{"multi_head", "latent"};
constexpr std::array<std::string_view, 2> gate_words{"softmax", "sigmoid"};
constexpr std::array<std::string_view, 3> smoothing_words{"channel", "token", "none"};  // none is no smoothing

template <class Enum, std::size_t Count>
std::string text_of(const std::array<std::string_view, Count>& words, Enum value) {
  return "\"" + std::string(words[static_cast<std::size_t>(value)]) + "\"";
}

/// The lines of what differs from the plain decoder of that kind.
std::string text_of_parts(const model_config& c) {
  const model_config plain;
  std::string text;
  const auto line = [&text](const char* key, const std::string& value) {
    text += std::string(key) + " = " + value + "\n";
  };
  if (c.position_kind() != c.shape().positions) line("positions", text_of(position_words, c.position_kind()));
  if (c.attention == attention_kind::latent) {
    line("attention", text_of(attention_words, c.attention));
    line("kv_latent", std::to_string(c.kv_latent_width()));
    line("query_latent", std::to_string(c.query_latent));
    line("rotary_width", std::to_string(c.rotated_width()));
  }
  if (c.kv_head_count() != c.heads) line("kv_heads", std::to_string(c.kv_head_count()));
  if (c.qk_norm) line("qk_norm", "true");
  if (c.residual_scale != plain.residual_scale) line("residual_scale", exact_text(c.residual_scale));
  if (c.smooth_swiglu) {
    line("smooth_swiglu", text_of(smoothing_words, c.smooth_swiglu->per));
    line("smooth_power_of_two", c.smooth_swiglu->power_of_two ? "true" : "false");
  }
  if (c.expert_count() != c.shape().experts || c.expert_count() != 0) line("experts", std::to_string(c.expert_count()));
  if (c.expert_count() != 0) {
    line("top_k", std::to_string(c.experts_per_token()));
    line("shared_experts", std::to_string(c.shared_experts));
    line("gate", text_of(gate_words, c.gate));
    line("balance_loss", exact_text(c.balance_loss));
  }
  if (c.dropout != plain.dropout) line("dropout", exact_text(c.dropout));
  if (c.z_loss != plain.z_loss) line("z_loss", exact_text(c.z_loss));
  if (c.label_smoothing != plain.label_smoothing) line("label_smoothing", exact_text(c.label_smoothing));
  if (c.weights) line("initialization", "\"" + to_string(*c.weights) + "\"");
  return text;
}

void read_attention(const toml_section& table, model_config& m) {
  if (table.has("positions")) m.positions = table.word<position_encoding>("positions", position_words);
  m.attention = table.word("attention", attention_words, std::optional(m.attention));
  if (m.attention == attention_kind::latent) {
    m.kv_latent = read_size(table, "kv_latent", 0, 65536, 0);
    m.query_latent = read_size(table, "query_latent", 0, 65536, 0);
    m.rotary_width = read_size(table, "rotary_width", 0, 65536, 0);
  } else {
    m.kv_heads = read_size(table, "kv_heads", 1, 65536, static_cast<std::int64_t>(m.heads));
    m.qk_norm = table.flag("qk_norm", false);
  }
}

void read_mlp(const toml_section& table, model_config& m) {
  constexpr std::size_t none = smoothing_words.size() - 1;
  const std::size_t smooth = table.word("smooth_swiglu", std::span<const std::string_view>(smoothing_words), none);
  if (smooth != none) m.smooth_swiglu = {static_cast<smoothing>(smooth), table.flag("smooth_power_of_two", false)};
  m.experts = read_size(table, "experts", 0, 4096, static_cast<std::int64_t>(m.expert_count()));
  if (m.expert_count() == 0) return;
  m.top_k = read_size(table, "top_k", 1, 4096, static_cast<std::int64_t>(m.experts_per_token()));
  m.shared_experts = read_size(table, "shared_experts", 0, 4096, 0);
  m.gate = table.word("gate", gate_words, std::optional(m.gate));
  m.balance_loss = read_real(table, "balance_loss", 0, bound::included, unlimited, bound::included, m.balance_loss);
}

void read_training(const toml_section& table, model_config& m) {
  m.residual_scale = read_positive(table, "residual_scale", m.residual_scale);
  m.dropout = read_real(table, "dropout", 0, bound::included, 1, bound::excluded, m.dropout);
  m.z_loss = read_real(table, "z_loss", 0, bound::included, unlimited, bound::included, m.z_loss);
  m.label_smoothing = read_real(table, "label_smoothing", 0, bound::included, 1, bound::excluded, m.label_smoothing);
  if (!table.has("initialization")) return;
  try {
    m.weights = parse_initialization(table.text("initialization"));
  } catch (const std::invalid_argument& e) {
    table.fail("initialization", e.what());
  }
}

class decoder_plan final : public model_plan {
 public:
  explicit decoder_plan(model_config config) : config_(std::move(config)) {}

  std::string kind() const override { return config_.kind; }
  std::string canonical_text() const override {
    const model_config& c = config_;
    return "kind = \"" + c.kind + "\"\nlayers = " + std::to_string(c.layers) + "\nwidth = " + std::to_string(c.width) +
           "\nheads = " + std::to_string(c.heads) + "\ncontext = " + std::to_string(c.context) +
           "\nhidden = " + std::to_string(c.hidden_width()) + "\ntied_head = " + (c.ties_head() ? "true" : "false") +
           "\n" + text_of_parts(c);
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
  std::vector<output_kind> outputs() const override {
    using enum output_kind;
    return {norm, softmax, residual, activation};
  }
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
  read_attention(table, m);
  read_mlp(table, m);
  read_training(table, m);
  try {
    m.validate();
  } catch (const std::invalid_argument& e) {
    // "model: FIELD is ...": the key to blame, where the file has it.
    const std::string why = e.what(), field = why.substr(7, why.find(' ', 7) - 7);
    table.fail(table.has(field) ? field : "width", why);
  }
  return std::make_shared<decoder_plan>(std::move(m));
}

}  // namespace binade
