#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/elementwise.hpp"
#include "kernels/parallel.hpp"
#include "tensor.hpp"
#include "time_shares.hpp"

namespace binade {

/// A tensor in a computation, together with the derivative of the loss by it.  Copies are the same variable.
template <class T>
class variable {
 public:
  /// No variable; what an absent optional operand (a bias, say) is passed as.
  variable() = default;
  explicit variable(tensor<T> value, bool requires_gradient = false)
      : node_(std::allocate_shared<node>(pool_allocator<node>(), node{value.shape(), {}, requires_gradient})),
        value_(std::allocate_shared<tensor<T>>(pool_allocator<tensor<T>>(), std::move(value))) {}

  explicit operator bool() const { return node_ != nullptr; }
  /// @pre not without_value()
  const tensor<T>& value() const { return *value_; }
  const extents& shape() const { return node_->shape; }
  /// The same variable for who needs its gradient and shape alone: it does not keep the value in memory.
  variable without_value() const {
    variable result = *this;
    result.value_.reset();
    return result;
  }
  /// For who owns the parameters (initialisation, optimizer, checkpoint), between a backward pass and the next forward.
  tensor<T>& mutable_value() const { return *value_; }

  bool requires_gradient() const { return node_ && node_->requires_gradient; }
  /// The sum of the contributions since the last clear_gradient(); empty before the first.
  const tensor<T>& gradient() const { return node_->gradient; }
  void clear_gradient() const { node_->gradient.release(); }

  /// Adds a contribution: the first is taken as it is, each further one is added to the sum so far, element by element.
  /// The caller may keep its tensor: it is never written.  Without effect on a variable that requires no gradient.
  /// @throws std::invalid_argument unless the contribution has the shape of the value
  void add_gradient(tensor<T> contribution, thread_pool& pool) const {
    if (!requires_gradient()) return;
    require_shape("variable::add_gradient", "contribution", contribution.shape(), shape());
    tensor<T>& sum = node_->gradient;
    if (sum.empty()) {
      sum = std::move(contribution);
      return;
    }
    // A sum that somebody else also holds (a residual connection hands one tensor to both branches) is not written.
    tensor<T> result = sum.is_sole_owner() ? sum : tensor<T>::uninitialized(shape());
    const T* const a = sum.data();
    const T* const b = contribution.data();
    T* const out = result.data();
    kernels::for_each_element(pool, result.size(),
                              [a, b, out](std::size_t i) BINADE_KERNEL_BODY { out[i] = a[i] + b[i]; });
    sum = std::move(result);
  }

  /// For operations that add in place.
  struct gradient_target {
    tensor<T>& sum;
    bool accumulate;  ///< false: sum holds anything and every element must be written; true: it is added to
  };
  /// @pre requires_gradient()
  gradient_target target() const {
    tensor<T>& sum = node_->gradient;
    const bool accumulate = !sum.empty();
    if (!accumulate) sum = tensor<T>::uninitialized(shape());
    if (!sum.is_sole_owner()) sum = sum.clone();
    return {sum, accumulate};
  }

 private:
  struct node {
    extents shape;
    tensor<T> gradient;
    bool requires_gradient;
  };
  std::shared_ptr<node> node_;
  std::shared_ptr<tensor<T>> value_;
};

/// The backward steps of the operations that ran, in the order in which they ran.
template <class T>
class tape {
 public:
  /// In a profile, a step is work of the kind that the operation is.
  /// @param backward  reads the gradient of the operation's result and adds to those of its operands
  template <class Backward>
  void record(Backward backward) {
    steps_.push_back({.saved = std::allocate_shared<Backward>(pool_allocator<Backward>(), std::move(backward)),
                      .run = [](void* saved) { (*static_cast<Backward*>(saved))(); },
                      .kind = work_scope::current()});
  }

  /// Runs the steps from the last to the first, starting from the gradient of the loss.  A gradient's contributions are
  /// therefore added in the reverse order of the operations that read the variable, always the same one.  Each step is
  /// freed, with the tensors that it saved, before the next one runs; the tape is empty afterwards.
  /// @param loss      a variable of one element that requires a gradient
  /// @param gradient  of the loss: 1, or what scales all gradients
  /// @throws std::invalid_argument if it is not
  void backward(const variable<T>& loss, thread_pool& pool, T gradient = T(1)) {
    if (!loss.requires_gradient() || loss.value().size() != 1)
      throw std::invalid_argument(
          "tape::backward: the loss must be one element that depends on a variable that requires a gradient; given "
          "is " +
          (loss ? "shape " + to_string(loss.shape()) : std::string("no variable")) +
          (loss && !loss.requires_gradient() ? ", which requires none" : ""));
    loss.add_gradient(tensor<T>::full(loss.shape(), gradient), pool);
    while (!steps_.empty()) {
      const step last = std::move(steps_.back());
      steps_.pop_back();
      const work_scope scope(last.kind);
      last.run(last.saved.get());
    }
  }

 private:
  struct step {
    std::shared_ptr<void> saved;
    void (*run)(void* saved);
    work_kind kind;
  };
  pooled_vector<step> steps_;
};

/// What a pass is for: operations that behave otherwise in training (dropout, batch_norm) ask it.
enum class pass_mode {
  training,   ///< dropout drops; batch norm uses the batch and moves its buffers
  evaluation  ///< neither: a result depends on its own example alone
};

class bound_recipe;          // recipe/quantized_matmul.hpp
class scale_histories;       // recipe/scale_histories.hpp
struct quantization_record;  // recipe/quantized_matmul.hpp
struct measurement;          // measurement.hpp

/// What the quantized operands of a step draw on.
struct quantization_context {
  const bound_recipe* recipe = nullptr;  ///< none: nothing is quantized
  std::uint64_t seed = 0;                ///< of stochastic rounding and dropout
  std::uint32_t step = 0;                ///< number of the forward and backward pass, counted over micro-batches too
  std::uint32_t optimizer_step = 0;      ///< number of the optimizer's step: recipes may change with it
  scale_histories* histories = nullptr;  ///< of delayed scales; a pass that records notes its arrays there
  /// Receives the counters of every quantized operand; empty: none are taken.
  std::function<void(const quantization_record&)> observer = {};
  /// Receives what operations measure of their arrays; empty: nothing is measured.
  std::function<void(const measurement&)> meter = {};
};

/// One forward and backward pass: where operations run, what they record and how matrix products quantize.
///
///     graph<float> pass(pool, {.recipe = &recipe, .seed = seeds.rounding, .step = step});
///     variable<float> loss = model.loss(pass, tokens, targets);
///     pass.backward(loss);
///
/// It must outlive the backward pass; the variables may live longer.
template <class T>
class graph {
 public:
  /// @param records  false for a forward pass alone (validation): nothing is saved, and the mode is evaluation
  explicit graph(thread_pool& pool, quantization_context quantization = {}, bool records = true)
      : graph(pool, std::move(quantization), records, records ? pass_mode::training : pass_mode::evaluation) {}
  /// The mode apart from what is saved: gradients of a frozen network, or a forward pass with dropout.
  graph(thread_pool& pool, quantization_context quantization, bool records, pass_mode mode)
      : pool_(pool), quantization_(std::move(quantization)), records_(records), mode_(mode) {}
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;

  thread_pool& pool() const { return pool_; }
  const quantization_context& quantization() const { return quantization_; }
  bool records() const { return records_; }
  bool is_training() const { return mode_ == pass_mode::training; }
  /// True if an operation on these operands has to record its backward step.
  bool differentiates(std::initializer_list<const variable<T>*> operands) const {
    return records_ && std::any_of(operands.begin(), operands.end(), [](auto* v) { return v->requires_gradient(); });
  }
  template <class Backward>
  void record(Backward backward) {
    tape_.record(std::move(backward));
  }
  /// The result of an operation on the operands.
  /// @param backward  called once with the gradient of the result, if one arrived: what it saved it may use up
  template <class Backward>
  variable<T> result(tensor<T> value, std::initializer_list<const variable<T>*> operands, Backward backward) {
    variable<T> output(std::move(value), differentiates(operands));
    if (output.requires_gradient())
      record([output = output.without_value(), backward = std::move(backward)]() mutable {
        if (!output.gradient().empty()) backward(output.gradient());
      });
    return output;
  }

  void backward(const variable<T>& loss, T gradient = T(1)) { tape_.backward(loss, pool_, gradient); }

 private:
  thread_pool& pool_;
  quantization_context quantization_;
  bool records_;
  pass_mode mode_;
  tape<T> tape_;
};

}  // namespace binade
