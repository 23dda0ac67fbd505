#include "model/model_kinds.hpp"

#include <string>
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

std::shared_ptr<const model_plan> read_model(const toml_section& table) {
  const std::string kind = table.text("kind", "gpt2");
  std::vector<std::string_view> names;
  std::string list;
  for (const model_kind& candidate : model_kinds()) {
    if (candidate.name == kind) return candidate.read(table);
    names.push_back(candidate.name);
    list += (list.empty() ? "" : ", ") + std::string(candidate.name);
  }
  table.fail("kind", "model: unknown kind '" + kind + "'; valid: " + list + "; the nearest is " +
                         std::string(nearest_name(kind, names)));
}

}  // namespace binade
