#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "binade/matmul_operands.hpp"
#include "binade/quantize.hpp"
#include "binade/quantizer.hpp"
#include "kernels/gemm.hpp"
#include "kernels/quantize.hpp"
#include "recipe/recipe.hpp"
#include "recipe/saved_activation.hpp"
#include "recipe/scale_histories.hpp"
#include "recipe/site_operand.hpp"
#include "tape.hpp"

namespace binade {

/// The stream of the rounding noise of an operand: FNV-1a (64 bits) of the text "SITE/GEMM/OPERAND", for instance
/// "blocks.0.mlp.up/weight_gradient/grad_output".
std::uint64_t noise_stream(std::string_view site, site_operand operand);
/// The same of a GEMM: of "SITE/GEMM/accumulator", "SITE/GEMM/result" and "SITE/GEMM/signs".
std::uint64_t noise_stream(std::string_view site, site_gemm gemm, std::string_view purpose);

/// What a recipe says about one of the three products of a site, beside its operands.
struct gemm_rules {
  accumulator sum;
  std::optional<quantizer> result;
  residual_rule residual = residual_rule::added;
  sign_rule signs = sign_rule::fixed;
  std::uint64_t sum_stream = 0, result_stream = 0, sign_stream = 0;
};

/// One place in a model where matrices are multiplied.
struct gemm_site {
  std::string name;
  std::array<std::optional<quantizer>, site_operand_count> quantizers = {};  ///< none: the operand is used as it is
  std::array<std::uint64_t, site_operand_count> streams = {};
  std::array<gemm_rules, site_gemm_count> gemms = {};  ///< by site_gemm
  std::array<straight_through, 2> gradients = {};      ///< of the forward operands
  std::optional<quantizer> saved = {};                 ///< of what is kept of operands for the backward pass
  std::array<std::uint64_t, 2> saved_streams = {};     ///< of the forward operands
  std::uint32_t longest_history = 0;                   ///< of all delayed scales of the recipe, in steps
};

/// A recipe worked out for the sites of one model.
class bound_recipe {
 public:
  /// @param sites  gemm_sites() of the model
  /// @throws std::invalid_argument that names recipe, site and operand if a quantizer's format cannot hold zero (masked
  ///         probabilities and gradients are zero), if the operands of a product have different Hadamard transforms, or
  ///         if a transform or scale does not fit the accumulator
  bound_recipe(const recipe& recipe, const std::vector<std::string>& sites);

  /// @param step  of the optimizer: recipes may change with it
  /// @throws std::invalid_argument for a site that it was not made for
  const gemm_site& site(std::string_view name, std::uint32_t step = 0) const;
  const std::optional<quantizer>& output(output_kind kind) const { return outputs_[std::size_t(kind)]; }

 private:
  struct text_hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  /// From a step on, until the next phase.
  struct phase {
    std::uint32_t first_step;
    std::unordered_map<std::string, gemm_site, text_hash, std::equal_to<>> sites;
  };
  std::vector<phase> phases_;
  std::array<std::optional<quantizer>, output_kind_count> outputs_;
};

/// What happened to one operand.
struct quantization_record {
  std::uint32_t step;
  std::string_view site, gemm, operand;
  kernels::rounding_counts counts;
};

/// What some products want to know of an operand beside its values.
struct operand_parts {
  axis_view view;
  detail::operand_scales scales;    ///< of values that are elements without their scales
  std::vector<residual_entry> cut;  ///< what the product adds as a sparse one; index = row length + place on the axis
  tensor<float> plain;              ///< the operand before rounding: what the residual of the other one multiplies
};

/// An operand as a matrix product takes it.
template <class T>
struct gemm_operand {
  tensor<T> values;
  std::optional<kernels::rounding_counts> counts;
  std::shared_ptr<const operand_parts> parts = {};  ///< none: values is all
};

/// The shape of a product and how its matrices are stored, as gemm() takes them.
struct gemm_layout {
  transpose a_form, b_form;
  std::size_t m, n, k;
  std::size_t lda, ldb, ldc;
};
/// Where a product of a batch finds its matrices: their first elements in the arrays.
struct gemm_place {
  std::size_t a = 0, b = 0, c = 0;
};

/// How parts of an operand are quantized on their own, to the values of the whole.
struct part_quantizer {
  quantizer each;
  std::size_t together;  ///< elements along the axis that have a scale in common; 1: every element is on its own
};

/// What the recipe of one pass says about one site: the quantization of its operands, their products, and what comes
/// after.
template <class T>
class site_quantization {
 public:
  /// @throws std::invalid_argument if the recipe of the pass was not made for the site
  site_quantization(const graph<T>& pass, std::string_view site);

  /// True if quantize() gives anything but the array itself.
  bool changes(site_operand operand) const;
  /// True if multiply() of a GEMM is gemm(): its chains can be summed in another way that gives their bits.
  bool multiplies_plainly(site_gemm gemm) const;

  /// The operand quantized; x itself, not a copy, where the recipe has no quantizer for it.  Hadamard transforms stay
  /// in it: both operands of a product have the same ones.
  /// @param view  its axis is the one that the product sums over
  /// @throws std::invalid_argument for a quantizer on doubles: emulated values are float32 numbers; and for a delayed
  ///         scale in a pass without histories
  gemm_operand<T> quantize(site_operand operand, const tensor<T>& x, axis_view view) const;

  /// None where only the whole can be quantized: scales that reach farther than along the axis and are not known from
  /// the largest magnitude, transforms, noise, counters, and products that take more than values.
  /// @param magnitudes  an array of the largest magnitude that the operand has
  /// @param length      of the axis
  /// @param cut         parts begin at multiples of this along the axis, or, if it is 0, have the whole axis
  std::optional<part_quantizer> in_parts(site_operand operand, const tensor<T>& magnitudes, std::size_t length,
                                         std::size_t cut) const;
  /// The values that quantize() has in a part which begins at a multiple of `together` along the axis.
  /// @param view  of the part
  tensor<T> quantize_part(const part_quantizer& how, const tensor<T>& x, axis_view view) const;

  /// True if quantizing an array for either operand gives the same values, whatever the axis: the quantizers are equal
  /// and have no transforms, the rounding draws no noise, no part of the array has a scale of its own, and both
  /// products take operands in the same form.
  bool interchangeable(site_operand first, site_operand second) const;

  /// quantize(operand, x, view), or what that gave for another operand where the two are interchangeable.
  /// @param earlier_result  of the same array; may be empty
  gemm_operand<T> quantize_again(site_operand operand, const tensor<T>& x, axis_view view, site_operand earlier,
                                 const gemm_operand<T>& earlier_result) const;

  /// True if keep() gives codes.
  bool keeps_codes() const { return site_ != nullptr && site_->saved; }
  /// What the recipe has kept of a forward operand that is no parameter, for the gradient of the other one: its codes
  /// and scales along its last size, or the array as it is.
  /// @param operand  forward_input or forward_weight
  /// @throws std::invalid_argument for codes of doubles
  kept_array<T> keep(site_operand operand, const tensor<T>& x) const;

  /// c = op(a) op(b), or c += op(a) op(b) by one addition, summed as the recipe says: gemm() for `f32`, else
  /// binade::matmul bit for bit.
  ///
  /// Stochastic accumulators draw their noise from the stream of the GEMM, place after place.
  /// @param places  the products of a batch; one call of multiply() has all products of the GEMM that are of one shape
  /// @param noise_first  where the noise of this call begins; returns where that of the next one does
  /// @throws std::invalid_argument for an accumulator other than f32 on doubles
  std::uint64_t multiply(site_gemm gemm, const gemm_layout& layout, const gemm_operand<T>& a, const gemm_operand<T>& b,
                         T* c, bool accumulate, std::span<const gemm_place> places,
                         std::uint64_t noise_first = 0) const;
  /// One product of whole arrays.
  void multiply(site_gemm gemm, const gemm_layout& layout, const gemm_operand<T>& a, const gemm_operand<T>& b, T* c,
                bool accumulate) const {
    const gemm_place whole;
    multiply(gemm, layout, a, b, c, accumulate, {&whole, 1});
  }

  /// Whether the product of a GEMM is quantized.
  bool rounds_result(site_gemm gemm) const;
  /// Quantizes a product along its last size, in place; without effect where the recipe has no quantizer for it.
  void round_result(site_gemm gemm, tensor<T>& product) const {
    const std::size_t columns = product.shape().back();
    round_result(gemm, product, {product.size() / columns, columns, 1});
  }
  /// The same along another axis.
  void round_result(site_gemm gemm, tensor<T>& product, axis_view view) const;

  /// Whether finish_gradient() would change a gradient.
  bool changes_gradient(site_operand operand) const;
  /// Whether it looks at the operand.
  bool needs_value(site_operand operand) const;
  /// What comes after the product that gives the gradient of a forward operand: round_result(), and the derivative of
  /// the operand's quantizer.  (A Hadamard transform of the operand goes before it, and its inverse after it.)
  /// @param operand  forward_input or forward_weight
  /// @param x, view  as they were given to quantize()
  void finish_gradient(site_operand operand, const tensor<T>& x, axis_view view, tensor<T>& gradient) const;
  /// The same; of a variable without its value where needs_value() is false.
  void finish_gradient(site_operand operand, const variable<T>& x, axis_view view, tensor<T>& gradient) const;
  /// Adds the gradient of a forward operand that is a variable: a product of whole arrays, and what comes after it.
  void add_gradient(site_operand operand, axis_view view, const variable<T>& of, const gemm_layout& layout,
                    const gemm_operand<T>& a, const gemm_operand<T>& b) const;

 private:
  const gemm_rules* rules_of(site_gemm gemm) const;
  bool wants_parts(site_gemm gemm) const;
  quantizer quantizer_now(site_operand operand, std::span<const float> x) const;
  noise_source noise_of(std::uint64_t stream) const;
  void observe(site_gemm gemm, std::string_view operand, const std::optional<kernels::rounding_counts>& counts) const;

  const graph<T>* pass_;
  const gemm_site* site_;  ///< none: no recipe
};

}  // namespace binade
