#include "recipe/scale_histories.hpp"

#include <algorithm>

namespace binade {

std::optional<float> scale_histories::amax(std::string_view name, std::uint32_t steps) const {
  const auto found = histories_.find(name);
  if (found == histories_.end()) return {};
  const std::vector<float>& past = found->second.past;
  float largest = 0;
  for (std::size_t i = past.size() - std::min<std::size_t>(past.size(), steps); i < past.size(); ++i)
    largest = std::max(largest, past[i]);
  return largest > 0 ? std::optional(largest) : std::nullopt;
}

void scale_histories::note(std::string_view name, std::uint32_t steps, float amax) {
  auto found = histories_.find(name);
  if (found == histories_.end()) found = histories_.emplace(std::string(name), history()).first;
  history& h = found->second;
  h.steps = std::max(h.steps, steps);
  h.now = std::max(h.now.value_or(0), amax);
}

void scale_histories::advance() {
  for (auto& [name, h] : histories_) {
    if (!h.now) continue;
    h.past.push_back(*h.now);
    if (h.past.size() > h.steps) h.past.erase(h.past.begin(), h.past.end() - std::ptrdiff_t(h.steps));
    h.now.reset();
  }
}

std::map<std::string, std::vector<float>> scale_histories::past() const {
  std::map<std::string, std::vector<float>> result;
  for (const auto& [name, h] : histories_)
    if (!h.past.empty()) result.emplace(name, h.past);
  return result;
}

void scale_histories::restore(const std::map<std::string, std::vector<float>>& past) {
  histories_.clear();
  for (const auto& [name, values] : past) histories_.emplace(name, history{.past = values});
}

}  // namespace binade
