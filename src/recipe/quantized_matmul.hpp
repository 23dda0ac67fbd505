#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/quantizer.hpp"
#include "recipe/site_operand.hpp"
#include "tape.hpp"

namespace binade {

struct recipe;

/// The stream of the rounding noise of an operand: FNV-1a (64 bits) of the text "SITE/GEMM/OPERAND", for instance
/// "blocks.0.mlp.up/weight_gradient/grad_output".
std::uint64_t noise_stream(std::string_view site, site_operand operand);

/// One place in a model where matrices are multiplied.
struct gemm_site {
  std::string name;
  std::array<std::optional<quantizer>, site_operand_count> quantizers = {};  ///< none: the operand is used as it is
  std::array<std::uint64_t, site_operand_count> streams = {};
};

/// A recipe worked out for the sites of one model.
class bound_recipe {
 public:
  /// @param sites  gemm_sites() of the model
  /// @throws std::invalid_argument that names recipe, site and operand if a quantizer's format cannot hold zero: masked
  ///         probabilities and gradients are zero
  bound_recipe(const recipe& recipe, const std::vector<std::string>& sites);

  /// @throws std::invalid_argument for a site that it was not made for
  const gemm_site& site(std::string_view name) const;

 private:
  struct text_hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, gemm_site, text_hash, std::equal_to<>> sites_;
};

/// What happened to one operand.
struct quantization_record {
  std::uint32_t step;
  std::string_view site, gemm, operand;
  quantize_counters counters;
};

/// An operand as a matrix product takes it.
template <class T>
struct gemm_operand {
  tensor<T> values;
  std::optional<quantize_counters> counters;
};

/// Quantization of the operands of one site in one pass.
template <class T>
class site_quantization {
 public:
  /// @throws std::invalid_argument if the recipe of the pass was not made for the site
  site_quantization(const graph<T>& pass, std::string_view site);

  /// True if quantize() changes the operand: the recipe has a quantizer for it.
  bool quantizes(site_operand operand) const;

  /// The operand quantized; x itself, not a copy, where the recipe has no quantizer for it.
  /// @param view  its axis is the one that the product sums over
  /// @throws std::invalid_argument for a quantizer on doubles: emulated values are float32 numbers
  gemm_operand<T> quantize(site_operand operand, const tensor<T>& x, axis_view view) const;

  /// True if quantizing an array for either operand gives the same values, whatever the axis: the quantizers are equal,
  /// the rounding draws no noise, and no part of the array has a scale of its own.
  bool interchangeable(site_operand first, site_operand second) const;

  /// quantize(operand, x, view), or what that gave for another operand where the two are interchangeable.
  /// @param earlier_result  of the same array; may be empty
  gemm_operand<T> quantize_again(site_operand operand, const tensor<T>& x, axis_view view, site_operand earlier,
                                 const gemm_operand<T>& earlier_result) const;

 private:
  void observe(site_operand operand, const std::optional<quantize_counters>& counters) const;

  const graph<T>* pass_;
  const gemm_site* site_;  ///< none: no recipe
};

}  // namespace binade
