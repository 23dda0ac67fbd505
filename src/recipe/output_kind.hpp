#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tape.hpp"

namespace binade {

/// Results of operations other than matrix products, by what they are.
enum class output_kind : std::uint8_t {
  norm,        ///< of layer_norm, rms_norm and batch_norm
  softmax,     ///< the probabilities of attention; its backward step uses the rounded ones
  residual,    ///< sums of the residual stream
  activation,  ///< of gelu, swiglu, silu and relu
};

/// Their names in recipe files, in the order of the enumerators.
inline constexpr std::array<std::string_view, 4> output_kind_names{"norm", "softmax", "residual", "activation"};
inline constexpr std::size_t output_kind_count = output_kind_names.size();

/// Quantizes a result along its last size, in place, as the recipe of the pass says for its kind; without effect where
/// it says nothing.  Gradients go through as they are.
/// @throws std::invalid_argument for a quantizer on doubles
template <class T>
void round_output(const graph<T>& pass, output_kind kind, tensor<T>& result);

}  // namespace binade
