// Any text is a recipe, a training file or a study file that can be used, or a std::invalid_argument that names the
// file; and the canonical text of a recipe reads back to equal rules.

#include <optional>
#include <stdexcept>
#include <string_view>

#include "fuzz/require.hpp"
#include "recipe/recipe.hpp"
#include "train/settings.hpp"

namespace {

constexpr const char* source = "fuzzed.toml";

template <class Read>
auto accepted(const std::string& name, Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const std::invalid_argument& error) {
    fuzz::require(std::string_view(error.what()).find(name) != std::string_view::npos, "an error names the file");
    return {};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto recipe = accepted(source, [&] { return binade::parse_recipe(text, source, "fuzzed"); })) {
    const std::string canonical = recipe->canonical_text();
    const binade::recipe again = binade::parse_recipe(canonical, source, "fuzzed");
    fuzz::require(again.rules == recipe->rules, "the canonical text reads back to equal rules");
    fuzz::require(again.canonical_text() == canonical, "the canonical text is its own canonical text");
  }
  const fuzz::memory_file file(data, size);
  if (const auto train = accepted(file.path(), [&] { return binade::read_train_file(file.path()); })) {
    fuzz::require(train->run.train.steps > 0 && train->learning_rate > 0 && train->seed >= 0,
                  "an accepted training file can be run");
    fuzz::require(train->run.model->positions() > 0 && !train->run.model->canonical_text().empty(),
                  "a model that was read says what it is");
  }
  if (const auto study = accepted(file.path(), [&] { return binade::read_study_file(file.path()); })) {
    fuzz::require(!study->recipes.empty() && !study->learning_rates.empty() && !study->seeds.empty(),
                  "an accepted study file can be run");
    fuzz::require(study->run.model->positions() > 0, "a model that was read says what it is");
  }
  return 0;
}
