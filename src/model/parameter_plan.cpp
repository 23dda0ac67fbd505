#include "model/parameter_plan.hpp"

namespace binade {
namespace {

bool is_embedding(const parameter_plan& plan) {
  return plan.name.find("_embedding.") != std::string::npos;
}

}  // namespace

std::size_t count_elements(const parameter_plan& plan) {
  std::size_t total = 1;
  for (const std::size_t size : plan.sizes) total *= size;
  return total;
}

parameter_counts count_parameters(std::span<const parameter_plan> plans) {
  parameter_counts counts{0, 0};
  for (const parameter_plan& plan : plans) {
    counts.total += count_elements(plan);
    if (!is_embedding(plan)) counts.without_embeddings += count_elements(plan);
  }
  return counts;
}

std::size_t count_matrix_elements(std::span<const parameter_plan> plans) {
  std::size_t total = 0;
  for (const parameter_plan& plan : plans)
    if (plan.sizes.size() == 2 && !is_embedding(plan)) total += count_elements(plan);
  return total;
}

}  // namespace binade
