#include "model/model_kinds.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binade/nearest_name.hpp"
#include "model/decoder.hpp"
#include "model/mlp.hpp"
#include "model/mobilenet.hpp"
#include "model/resnet.hpp"
#include "model/student_teacher.hpp"
#include "model/vit.hpp"

namespace binade {

std::span<const model_kind> model_kinds() {
  static constexpr model_kind kinds[] = {
      // language
      {"gpt2", read_decoder},
      {"llama", read_decoder},
      {"moe", read_decoder},
      // images
      {"vit", read_vit},
      {"mlp", read_mlp},
      {"resnet", read_resnet},
      {"mobilenet", read_mobilenet},
      // vectors
      {"student_teacher", read_student_teacher},
  };
  return kinds;
}

namespace {

/// Every kind, and every choice within one that has keys of its own.
std::vector<key_sample> samples() {
  const auto sample = [](std::string choice, const model_kind& kind, const char* lines) {
    return key_sample{
        std::move(choice),
        "kind = \"" + std::string(kind.name) + "\"\nlayers = 1\nwidth = 16\nheads = 1\ncontext = 16\n" + lines,
        [read = kind.read](const toml_section& table) { read(table); }};
  };
  std::vector<key_sample> result;
  for (const model_kind& kind : model_kinds()) result.push_back(sample(std::string(kind.name), kind, ""));
  const model_kind& decoder = model_kinds()[1];  // llama, which has them all
  result.push_back(sample("experts = 8", decoder, "experts = 8"));
  result.push_back(sample("attention = \"latent\"", decoder, "attention = \"latent\""));
  result.push_back(sample("smooth_swiglu = \"channel\"", decoder, "smooth_swiglu = \"channel\""));
  return result;
}

}  // namespace

std::shared_ptr<const model_plan> read_model(const toml_section& table) {
  const std::string kind = table.text("kind", "gpt2");
  std::vector<std::string_view> names;
  std::string list;
  table.explain_unknown([kind](std::string_view key) {
    const std::string choices = choices_with_key(samples(), key);
    return choices.empty() ? choices : "is a key of " + choices + "; kind " + kind + " has";
  });
  for (const model_kind& candidate : model_kinds()) {
    if (candidate.name == kind) return candidate.read(table);
    names.push_back(candidate.name);
    list += (list.empty() ? "" : ", ") + std::string(candidate.name);
  }
  table.fail("kind", "model: unknown kind '" + kind + "'; valid: " + list + "; the nearest is " +
                         std::string(nearest_name(kind, names)));
}

}  // namespace binade
