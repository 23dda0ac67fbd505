#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/activation.hpp"
#include "model/model.hpp"
#include "util/toml_reader.hpp"

namespace binade {

/// The size of a student and its teacher.
struct student_teacher_config {
  std::size_t layers = 4;
  std::size_t width = 64;                  ///< of inputs and outputs
  std::optional<std::size_t> hidden = {};  ///< of each block; none: four times the width
  activation function = activation::gelu;
  bool student_has_norms = true;  ///< false: the student is built like the teacher
};

/// A residual network that learns what a frozen one computes: the smallest model with the instabilities of a
/// transformer in block formats.  (After the proxy of Su et al. 2025, arXiv 2506.20752)
///
///     student  x := x + down(act(up(layer_norm(x)))) for each block
///     teacher  x := x + down(act(up(x))),                     in float32 whatever the recipe says
///     loss     the mean of (student(x) - (teacher(x) + noise))^2 over all elements
///
/// The up and down projections of the student are GEMM sites "blocks.N.mlp.up" and "blocks.N.mlp.down".  Matrices start
/// normal with deviation 1 / sqrt(inputs), biases at 0.
template <class T>
class student_teacher final : public model<T> {
 public:
  student_teacher(const student_teacher_config& config, std::uint64_t seed);

  /// @param x  (rows, width)
  variable<T> student(graph<T>& pass, const variable<T>& x) const;
  tensor<T> teacher(graph<T>& pass, const tensor<T>& x) const;
  model_loss<T> loss(graph<T>& pass, const data_batch& examples) const override;

 private:
  struct block {
    norm_parameters<T> norm;
    linear_parameters<T> up, down;
  };
  variable<T> run(graph<T>& pass, variable<T> x, const std::vector<block>& blocks) const;

  student_teacher_config config_;
  std::vector<block> student_, teacher_;
};

/// A table [model] of kind student_teacher.  @throws std::invalid_argument with file, line and key
std::shared_ptr<const model_plan> read_student_teacher(const toml_section& table);

}  // namespace binade
