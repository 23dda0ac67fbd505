#include "data/token_source.hpp"

#include "binade/elementary.hpp"

namespace binade {

double entropy_of_counts(std::span<const std::uint64_t> counts) {
  std::uint64_t total = 0;
  for (const std::uint64_t c : counts) total += c;
  double sum = 0;
  for (const std::uint64_t c : counts)
    if (c > 0) {
      const double p = static_cast<double>(c) / static_cast<double>(total);
      sum -= p * math::log(p);
    }
  return sum;
}

}  // namespace binade
