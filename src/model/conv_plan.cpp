#include "model/conv_plan.hpp"

namespace binade {
namespace {

std::vector<std::size_t> read_list(const toml_section& table, const char* key, std::size_t most,
                                   const std::vector<std::size_t>& fallback) {
  std::vector<std::size_t> result;
  const std::vector<std::int64_t> otherwise(fallback.begin(), fallback.end());
  for (const std::int64_t value : table.integers(key, otherwise)) {
    if (value < 1 || value > std::int64_t(most))
      table.fail(key, "holds " + std::to_string(value) + "; valid are 1 to " + std::to_string(most));
    result.push_back(std::size_t(value));
  }
  return result;
}

}  // namespace

std::vector<std::size_t> read_stages(const toml_section& table, const char* key, std::size_t most,
                                     const std::vector<std::size_t>& fallback) {
  std::vector<std::size_t> result = read_list(table, key, most, fallback);
  if (result.empty()) table.fail(key, "is empty; there must be at least one stage");
  return result;
}

std::vector<std::size_t> read_per_stage(const toml_section& table, const char* key, std::size_t most,
                                        std::size_t fallback, std::size_t stages) {
  std::vector<std::size_t> result = read_list(table, key, most, {fallback});
  if (result.size() == 1) result.resize(stages, result[0]);
  if (result.size() != stages)
    table.fail(key, "has " + std::to_string(result.size()) + " numbers; there must be one, or one for each of the " +
                        std::to_string(stages) + " stages");
  return result;
}

std::string list_text(const std::vector<std::size_t>& values) {
  std::string text;
  for (const std::size_t value : values) text += (text.empty() ? "[" : ", ") + std::to_string(value);
  return text + "]";
}

}  // namespace binade
