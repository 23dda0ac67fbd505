#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace binade {

/// The amax of arrays in the steps before: what delayed scales follow from.
///
/// An array has the name "SITE/input", "SITE/weight" or "SITE/grad_output" (array_name()).  The scale of a step follows
/// from the steps before it alone, so that all micro-batches of a step have the same one; a checkpoint keeps the state
/// between two steps.
class scale_histories {
 public:
  /// The largest amax of the array in up to `steps` steps before; none if there is no step with one above zero.
  std::optional<float> amax(std::string_view name, std::uint32_t steps) const;

  /// Notes an array of this step; of several the largest amax counts.
  /// @param steps  how many amax are to be kept
  void note(std::string_view name, std::uint32_t steps, float amax);

  /// Ends the step: what was noted is what the next one looks back at.
  void advance();

  /// The amax of every array, the oldest first: the state between two steps.
  std::map<std::string, std::vector<float>> past() const;
  /// Takes up past() of another.
  void restore(const std::map<std::string, std::vector<float>>& past);

 private:
  struct history {
    std::vector<float> past = {};  ///< the newest last
    std::uint32_t steps = 0;       ///< how many are kept
    std::optional<float> now = {};
  };
  std::map<std::string, history, std::less<>> histories_;
};

}  // namespace binade
