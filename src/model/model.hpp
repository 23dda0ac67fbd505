#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_source.hpp"
#include "model/parameter.hpp"
#include "model/parameter_plan.hpp"
#include "ops/cross_entropy.hpp"
#include "recipe/output_kind.hpp"
#include "tape.hpp"

namespace binade {

/// Weight and bias of a norm; a bias of no variable is none.
template <class T>
struct norm_parameters {
  variable<T> weight, bias;
};
/// A linear layer: a GEMM site of the name of its parameters.
template <class T>
struct linear_parameters {
  std::string site;
  variable<T> weight, bias;
};

/// What a batch costs: the mean that is differentiated, and each example's or position's share.
template <class T>
using model_loss = language_model_loss<T>;

/// Something that learns: named arrays and a loss of a batch.
template <class T>
class model {
 public:
  virtual ~model() = default;
  model(const model&) = delete;
  model& operator=(const model&) = delete;

  /// The trained arrays, in the order of the computation.
  std::span<const parameter<T>> parameters() const { return parameters_; }
  /// Arrays that training changes without a gradient, such as running statistics: a checkpoint keeps them too.
  std::span<const parameter<T>> buffers() const { return buffers_; }
  /// The parameter or buffer of that name.  @throws std::invalid_argument if there is none
  const variable<T>& at(std::string_view name) const;
  void clear_gradients() const;

  /// @throws std::invalid_argument for a batch of another kind or of sizes that do not fit
  virtual model_loss<T> loss(graph<T>& pass, const data_batch& examples) const = 0;

 protected:
  /// Parameters and buffers with first values that depend on plan and seed alone (see initialization.hpp).
  model(std::span<const parameter_plan> parameters, std::span<const parameter_plan> buffers, std::uint64_t seed);

  /// The parameter of that name, or no variable.
  variable<T> find(std::string_view name) const;
  norm_parameters<T> find_norm(const std::string& name) const;
  linear_parameters<T> find_linear(const std::string& name) const;

 private:
  std::vector<parameter<T>> parameters_, buffers_;
};

/// A model before it has values: what the table [model] of a file says, with the sizes that come from the data.
class model_plan {
 public:
  virtual ~model_plan() = default;

  /// The name under which files know it.
  virtual std::string kind() const = 0;
  /// The lines of the table [model], every default spelled out; a function of the values alone.
  virtual std::string canonical_text() const = 0;
  /// Positions of an example that predict something: the context of a language model, 1 for one answer per example.
  virtual std::size_t positions() const = 0;

  /// The plan with the sizes that the data have (vocabulary, classes, size of an image).
  /// @throws std::invalid_argument for data that a model of this kind does not read
  virtual std::shared_ptr<const model_plan> fitted_to(const data_shape& data) const = 0;

  /// Every parameter, in the order of the computation.  @pre fitted
  virtual std::vector<parameter_plan> parameters() const = 0;
  /// Arrays that training changes without a gradient; none for most kinds.  @pre fitted
  virtual std::vector<parameter_plan> buffers() const { return {}; }
  /// The GEMM sites in the order of the computation: what the patterns of a recipe are matched against.
  virtual std::vector<std::string> gemm_sites() const = 0;
  /// The kinds of results that a recipe can round, in the order of the enumerators.
  virtual std::vector<output_kind> outputs() const = 0;
  /// Floating-point operations of one example, forward and backward, of the matrix products alone.  @pre fitted
  virtual double flops_per_example() const = 0;

  /// The model with its first values.  @pre fitted
  virtual std::unique_ptr<model<float>> make(std::uint64_t seed) const = 0;
};

}  // namespace binade
