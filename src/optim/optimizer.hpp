#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/parallel.hpp"
#include "model/parameter.hpp"
#include "optim/optimizer_choice.hpp"
#include "optim/state_array.hpp"
#include "recipe/optimizer_formats.hpp"
#include "recipe/quantized_matmul.hpp"

namespace binade {

/// Updates the parameters of a model, step by step, and keeps what that needs in the formats of a recipe.
///
///     optimizer<float> updates(model.parameters(), adamw_settings{});
///     pass.backward(loss.mean);
///     updates.step(learning_rate, clip_factor(gradient_norm(model.parameters(), pool), 1), pool);
///
/// The arithmetic of an update is in T.  Rounding noise is a function of (seed, FNV-1a of "PARAMETER/WHAT", number of
/// the update, element), WHAT being master_weights, gradients or a state: so an optimizer that was saved and restored
/// goes on with the same bits, on any number of threads.
template <class T>
class optimizer {
 public:
  /// What a rounding did, under the part of a parameter's name before its last dot as site and the rest as operand:
  /// - gemm "update": the change of a weight that is kept in a format.  Nonzero are changes in float32; underflowed
  ///   those that the rounding undid, so that the stored weight is what it was.  The error is that of the change.
  /// - gemm "gradients" or the name of a state: the rounding of that array.
  using observer_function = std::function<void(const quantization_record&)>;
  /// Told of each parameter when it has been updated: its index, the values that it had, and what the rule says of the
  /// update.
  using update_function = std::function<void(std::size_t parameter, tensor<T> before, const update_sizes& sizes)>;

  /// Rounds the weights to their format, if they have one.
  /// @param parameters  hold their initial values; must outlive the optimizer
  /// @throws std::invalid_argument for impossible settings, a format for a state that this optimizer has not, a format
  ///         that does not fit a parameter (which is named), or any format where T is double
  optimizer(std::span<const parameter<T>> parameters, const optimizer_choice& choice,
            const optimizer_formats& formats = {}, std::uint64_t seed = 0);

  /// Rounds the gradients to their format, if they have one; before their norm is taken.
  void round_gradients(thread_pool& pool, const observer_function& observer = {});

  /// Updates every parameter that has a gradient.
  /// @param gradient_factor  multiplies the gradients first; what clip_factor() gives
  /// @param on_update        if there is one, a parameter is copied before its update, one at a time
  void step(double learning_rate, double gradient_factor, thread_pool& pool, const observer_function& observer = {},
            const update_function& on_update = {});

  /// Steps taken so far.
  std::uint64_t steps() const { return steps_; }
  /// Bytes that hold the states between steps; weights not counted.
  std::size_t states_bytes() const;
  /// The values of a state of the parameter of that index; empty if the optimizer has no such state.
  tensor<T> state(std::size_t parameter, optimizer_state which) const;

  /// Views of all states, "STATE.PARAMETER" and for packed ones "STATE.PARAMETER.codes" and the like: what restore()
  /// takes up from, together with the weights.
  std::vector<stored_tensor> states() const;
  /// Goes on from where steps() and states() were taken.  @throws as state_array::restore
  void restore(std::uint64_t steps, const safetensors_file& saved);

 private:
  noise_source noise(std::size_t parameter, std::string_view what) const;
  bool is_formatted(std::size_t parameter) const;
  axis_view view_of(std::size_t parameter, bool flat) const;
  void report(const observer_function& observer, std::size_t parameter, std::string_view what,
              const kernels::rounding_counts& counts) const;
  void round_weight(std::size_t parameter, thread_pool& pool, std::string_view stream, const tensor<T>& before,
                    const observer_function& observer);

  std::span<const parameter<T>> parameters_;
  optimizer_formats formats_;
  std::uint64_t seed_;
  std::uint64_t steps_ = 0;
  std::unique_ptr<update_rule<T>> rule_;
  std::vector<std::vector<state_array<T>>> states_;  ///< by parameter, in the order of the rule's states
};

}  // namespace binade
