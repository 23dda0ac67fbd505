#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/parameter_plan.hpp"

namespace binade {

enum class normalization { layer_norm, rms_norm };
enum class position_encoding { learned, rotary };
enum class feed_forward { gelu, swiglu };

/// What tells one kind of decoder from another.  All are pre-norm: x + attention(norm(x)), then x + mlp(norm(x)).
struct architecture {
  std::string_view name;
  normalization norm;
  position_encoding positions;
  feed_forward mlp;
  bool has_biases;  ///< on linear layers and norms
  bool ties_head;   ///< the output projection is the token embedding, unless the model says otherwise
  std::size_t hidden_numerator, hidden_denominator;  ///< hidden size of the mlp / width, rounded up to a multiple of 16
  double epsilon;                                    ///< of the norms
  double rotary_base;                                ///< of rotary positions
};

inline constexpr architecture architectures[] = {
    // Radford et al. 2019.
    {"gpt2", normalization::layer_norm, position_encoding::learned, feed_forward::gelu, true, true, 4, 1, 1e-5, 0},
    // Touvron et al. 2023.
    {"llama", normalization::rms_norm, position_encoding::rotary, feed_forward::swiglu, false, false, 8, 3, 1e-5, 1e4},
};

/// @throws std::invalid_argument that lists the kinds
const architecture& find_architecture(std::string_view kind);

/// The size of a decoder.
struct model_config {
  std::string kind = "gpt2";  ///< name of an architecture
  std::size_t layers = 2;
  std::size_t width = 64;  ///< of the residual stream: a multiple of heads
  std::size_t heads = 4;
  std::size_t context = 128;           ///< most positions of a sequence
  std::size_t vocabulary = 260;        ///< number of token ids; padded inside to a multiple of 16
  std::size_t hidden = 0;              ///< of the mlp; 0: the architecture's
  std::optional<bool> tied_head = {};  ///< none: the architecture's

  /// @throws std::invalid_argument that names the field, the value, what is valid and what to do
  void validate() const;

  const architecture& shape() const { return find_architecture(kind); }
  std::size_t head_width() const { return width / heads; }
  std::size_t hidden_width() const;
  std::size_t padded_vocabulary() const { return (vocabulary + 15) / 16 * 16; }
  bool ties_head() const { return tied_head.value_or(shape().ties_head); }
};

/// Every parameter in the order of the computation, a tied head once.
///
/// Matrices start normal with deviation 0.02, the two of each block that write to the residual stream with 0.02 /
/// sqrt(2 layers); biases start at 0 and norm weights at 1.  (Radford et al. 2019)
std::vector<parameter_plan> parameter_plans(const model_config& config);

/// The GEMM sites in the order of the computation: what patterns of a recipe are matched against.
std::vector<std::string> gemm_sites(const model_config& config);

parameter_counts count_parameters(const model_config& config);

/// Floating-point operations of one training token at full context, forward and backward: 6 per weight of a linear
/// layer, the head included, and 12 layers width context for attention, the masked half counted too.  (Chowdhery et al.
/// 2022, appendix B)
double flops_per_token(const model_config& config);

}  // namespace binade
