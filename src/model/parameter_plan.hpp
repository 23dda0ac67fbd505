#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace binade {

/// A parameter before it has values.
struct parameter_plan {
  std::string name;
  std::vector<std::size_t> sizes;
  double initial_mean, initial_deviation;  ///< of a normal distribution; deviation 0: the mean everywhere
};

/// Number of elements.
std::size_t count_elements(const parameter_plan& plan);

/// Numbers of parameters: all of them, and those outside the tables of embeddings ("..._embedding.weight"; a tied head
/// is one).
struct parameter_counts {
  std::size_t total, without_embeddings;
};
parameter_counts count_parameters(std::span<const parameter_plan> plans);

/// The elements of the matrices that a linear layer multiplies by: of two sizes and no embedding.
std::size_t count_matrix_elements(std::span<const parameter_plan> plans);

}  // namespace binade
