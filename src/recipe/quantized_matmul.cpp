#include "recipe/quantized_matmul.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "binade/accumulator_text.hpp"
#include "binade/matmul.hpp"
#include "binade/text.hpp"
#include "binade/transform_chain.hpp"
#include "kernels/emulated_gemm.hpp"
#include "kernels/quantize.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

std::string full_name(std::string_view site, site_operand operand) {
  return std::string(site) + "/" + std::string(gemm_name(operand)) + "/" + std::string(operand_name(operand));
}

/// The name of an array in scale_histories: one for both GEMMs that it is an operand of.
std::string array_name(std::string_view site, site_operand operand) {
  return std::string(site) + "/" + std::string(operand_name(operand));
}

const std::optional<quantizer>& quantizer_of(const gemm_site* site, site_operand operand) {
  static const std::optional<quantizer> none;
  return site == nullptr ? none : site->quantizers[std::size_t(operand)];
}

/// The GEMM that gives the gradient of a forward operand.
site_gemm gradient_gemm(site_operand operand) {
  return operand == site_operand::forward_input ? site_gemm::input_gradient : site_gemm::weight_gradient;
}

bool is_hadamard(const transform& t) {
  return t.kind == transform_kind::hadamard || t.kind == transform_kind::random_hadamard;
}

std::span<const transform> transforms_of(const quantizer& q) {
  return {q.transforms.data(), std::size_t(q.transform_count)};
}

/// The Hadamard transforms at the front, which stay in the operands of a product.
std::span<const transform> kept_transforms(const quantizer& q) {
  const auto all = transforms_of(q);
  const auto end = std::find_if(all.begin(), all.end(), [](const transform& t) { return !is_hadamard(t); });
  return all.first(std::size_t(end - all.begin()));
}

/// The quantizer without its first transforms.
quantizer without_first(const quantizer& q, std::size_t count) {
  quantizer rest = q;
  rest.transforms = {};
  rest.transform_count = q.transform_count - int(count);
  const auto later = transforms_of(q).subspan(count);
  std::copy(later.begin(), later.end(), rest.transforms.begin());
  return rest;
}

bool has_clamp(const std::optional<quantizer>& q) {
  return q && std::any_of(q->transforms.begin(), q->transforms.begin() + q->transform_count,
                          [](const transform& t) { return t.kind == transform_kind::clamp; });
}

bool has_varying_scales(const std::optional<quantizer>& q) {
  return q && std::any_of(q->scalings.begin(), q->scalings.begin() + q->levels,
                          [](const scaling& s) { return s.per == granularity::tile || s.per == granularity::col; });
}

/// Why the quantizer of an operand or of a result cannot be used; empty if it can.
std::string quantizer_defect(const quantizer& q) {
  if (!q.elem.format.can_be_zero()) return ", whose format cannot hold zero; choose a format with a zero";
  return {};
}

/// Why an operand cannot go into its product; empty if it can.
std::string operand_defect(const quantizer& q, const gemm_rules& gemm) {
  if (std::string why = quantizer_defect(q); !why.empty()) return why;
  const auto rest = transforms_of(q).subspan(kept_transforms(q).size());
  if (std::any_of(rest.begin(), rest.end(), is_hadamard))
    return "; in a product a Hadamard transform stays in both operands and comes before expand and clamp, which do not";
  if (!rest.empty() && multiplies_unscaled(gemm.sum))
    return " and the accumulator " + to_string(gemm.sum) +
           ", which multiplies elements before their scales; an operand that went through expand or clamp is none, use "
           "f32 or an element";
  if (has_clamp(q) && gemm.residual != residual_rule::added && rest.size() != 1)
    return " and residual = \"product\" or \"dropped\", for which clamp(q) must be the only transform beside Hadamard "
           "ones";
  return {};
}

/// Throws unless the parts of a GEMM fit together.
void check_gemm(const std::string& recipe, const gemm_site& site, site_gemm which) {
  const gemm_rules& gemm = site.gemms[std::size_t(which)];
  const std::string where = "recipe '" + recipe + "': " + site.name + "/" + std::string(gemm_name(which));
  std::vector<const std::optional<quantizer>*> operands;
  std::vector<std::string> names;
  for (const site_operand_names& operand : site_operands) {
    if (operand.gemm != which) continue;
    const std::optional<quantizer>& q = site.quantizers[std::size_t(operand.operand)];
    operands.push_back(&q);
    names.push_back("the " + std::string(operand.name) + " has " + (q ? to_string(*q) : "no quantizer"));
    if (!q) continue;
    const std::string why = operand_defect(*q, gemm);
    if (why.empty()) continue;
    std::string message = "recipe '" + recipe + "': ";
    message.append(full_name(site.name, operand.operand)).append(" has quantizer ").append(to_string(*q)).append(why);
    throw std::invalid_argument(message);
  }
  const auto kept = [](const std::optional<quantizer>& q) {
    return q ? kept_transforms(*q) : std::span<const transform>();
  };
  const auto first = kept(*operands[0]), second = kept(*operands[1]);
  if (!std::equal(first.begin(), first.end(), second.begin(), second.end()))
    throw std::invalid_argument(where + ": " + names[0] + " and " + names[1] +
                                ": both operands of a product must have the same Hadamard transforms, also where one "
                                "is not rounded (hadamard(32)+f32)");
  if (gemm.residual == residual_rule::product && has_clamp(*operands[0]) && has_clamp(*operands[1]))
    throw std::invalid_argument(where + ": residual = \"product\" is for a clamp of one operand, and both have one");
  if (gemm.sum.stages[0].order == summation::mx && !has_varying_scales(*operands[0]) &&
      !has_varying_scales(*operands[1]))
    throw std::invalid_argument(where +
                                " has the accumulator mx, which sums in the blocks of its operands' scales, and " +
                                names[0] + " and " + names[1] + "; give one block scales, or use exact");
  if (!gemm.result) return;
  std::string why = quantizer_defect(*gemm.result);
  if (gemm.result->transform_count > 0) why = ", and a result has no transforms";
  if (is_delayed(*gemm.result)) why = ", and the scale of a result cannot be delayed";
  if (!why.empty()) throw std::invalid_argument(where + "/result has quantizer " + to_string(*gemm.result) + why);
}

/// Throws unless gradients can pass through a forward operand as they are to.
void check_gradient(const std::string& recipe, const gemm_site& site, std::size_t operand) {
  const std::optional<quantizer>& q = site.quantizers[operand];
  if (site.gradients[operand].rule == gradient_rule::plain || !q) return;
  if (kept_transforms(*q).size() != std::size_t(q->transform_count))
    throw std::invalid_argument("recipe '" + recipe + "': " + full_name(site.name, site_operand(operand)) +
                                " has quantizer " + to_string(*q) + " and straight_through " +
                                to_string(site.gradients[operand]) +
                                "; gradients of what went through expand or clamp pass through as \"plain\" alone");
}

/// Throws unless an input can be kept as it is to be.
void check_saved(const std::string& recipe, const gemm_site& site) {
  if (!site.saved) return;
  std::string why = quantizer_defect(*site.saved);
  if (site.saved->transform_count > 0) why = ", and what is kept has no transforms";
  if (is_delayed(*site.saved)) why = ", and the scale of what is kept cannot be delayed";
  if (site.gradients[0].rule != gradient_rule::plain)
    why = ", and straight_through of the input is " + to_string(site.gradients[0]) +
          ", which needs the input as it is; use \"plain\"";
  if (!why.empty())
    throw std::invalid_argument("recipe '" + recipe + "': " + site.name + "/saved has quantizer " +
                                to_string(*site.saved) + why);
}

/// Throws unless results can be rounded by a quantizer.
void check_output_quantizer(const std::string& recipe, output_kind kind, const quantizer& q) {
  std::string why = quantizer_defect(q);
  if (q.transform_count > 0) why = ", and a result has no transforms";
  if (is_delayed(q)) why = ", and the scale of a result cannot be delayed";
  if (is_stochastic(q.elem.rounding)) why = ", and these results have no noise of their own; use another rounding";
  if (!why.empty())
    throw std::invalid_argument("recipe '" + recipe + "': outputs." +
                                std::string(output_kind_names[std::size_t(kind)]) + " has quantizer " + to_string(q) +
                                why);
}

/// What a product is in a profile.
work_kind products_of(site_gemm gemm) {
  if (work_scope::current() == work_kind::attention) return work_kind::attention_products;
  switch (gemm) {
    case site_gemm::forward:
      return work_kind::forward_products;
    case site_gemm::input_gradient:
      return work_kind::input_gradient_products;
    case site_gemm::weight_gradient:
      break;
  }
  return work_kind::weight_gradient_products;
}

std::uint32_t history_of(const std::optional<quantizer>& q) {
  return q && is_delayed(*q) ? q->scalings[std::size_t(q->levels - 1)].history : 0;
}

}  // namespace

std::uint64_t noise_stream(std::string_view site, site_operand operand) {
  return fnv1a(full_name(site, operand));
}
std::uint64_t noise_stream(std::string_view site, site_gemm gemm, std::string_view purpose) {
  return fnv1a(std::string(site) + "/" + std::string(gemm_name(gemm)) + "/" + std::string(purpose));
}

bound_recipe::bound_recipe(const recipe& recipe, const std::vector<std::string>& sites) : outputs_(recipe.outputs) {
  for (std::size_t kind = 0; kind < output_kind_count; ++kind)
    if (outputs_[kind]) check_output_quantizer(recipe.name, output_kind(kind), *outputs_[kind]);
  std::uint32_t longest_history = 0;
  for (const recipe_rule& rule : recipe.rules)
    for (const auto& choice : rule.operands)
      if (choice) longest_history = std::max(longest_history, history_of(choice->value));
  for (const std::uint32_t step : recipe.changes()) {
    phase& now = phases_.emplace_back(phase{step, {}});
    for (const std::string& name : sites) {
      gemm_site site{.name = name, .longest_history = longest_history};
      for (std::size_t index = 0; index < site_operand_count; ++index) {
        site.quantizers[index] = recipe.resolve(name, site_operand(index), step);
        site.streams[index] = noise_stream(name, site_operand(index));
      }
      for (std::size_t index = 0; index < site_gemm_count; ++index) {
        const site_gemm which = site_gemm(index);
        const gemm_choice said = recipe.resolve(name, which, step);
        site.gemms[index] = {.sum = *said.sum,
                             .result = said.result->value,
                             .residual = *said.residual,
                             .signs = *said.signs,
                             .sum_stream = noise_stream(name, which, "accumulator"),
                             .result_stream = noise_stream(name, which, "result"),
                             .sign_stream = noise_stream(name, which, "signs")};
        check_gemm(recipe.name, site, which);
      }
      for (std::size_t index = 0; index < site.gradients.size(); ++index) {
        site.gradients[index] = recipe.resolve_gradient(name, site_operand(index), step);
        check_gradient(recipe.name, site, index);
      }
      site.saved = recipe.resolve_saved(name, step);
      // Each is kept for the gradient of the other operand.
      site.saved_streams = {noise_stream(name, site_gemm::weight_gradient, "saved"),
                            noise_stream(name, site_gemm::input_gradient, "saved")};
      check_saved(recipe.name, site);
      now.sites.emplace(name, std::move(site));
    }
  }
}

const gemm_site& bound_recipe::site(std::string_view name, std::uint32_t step) const {
  const auto next = std::upper_bound(phases_.begin(), phases_.end(), step,
                                     [](std::uint32_t s, const phase& p) { return s < p.first_step; });
  const auto& sites = std::prev(next)->sites;
  const auto found = sites.find(name);
  if (found == sites.end())
    throw std::invalid_argument("bound_recipe: site '" + std::string(name) +
                                "' is not among the sites that the recipe was bound to; bind it to the gemm_sites() of "
                                "the model that uses it");
  return found->second;
}

template <class T>
site_quantization<T>::site_quantization(const graph<T>& pass, std::string_view site)
    : pass_(&pass),
      site_(pass.quantization().recipe == nullptr
                ? nullptr
                : &pass.quantization().recipe->site(site, pass.quantization().optimizer_step)) {}

template <class T>
const gemm_rules* site_quantization<T>::rules_of(site_gemm gemm) const {
  return site_ == nullptr ? nullptr : &site_->gemms[std::size_t(gemm)];
}

template <class T>
noise_source site_quantization<T>::noise_of(std::uint64_t stream) const {
  return {.seed = pass_->quantization().seed, .stream = stream, .step = pass_->quantization().step};
}

/// Whether the product needs more of its operands than their values.
template <class T>
bool site_quantization<T>::wants_parts(site_gemm gemm) const {
  const gemm_rules* const rules = rules_of(gemm);
  return rules != nullptr && (multiplies_unscaled(rules->sum) || rules->residual == residual_rule::product);
}

/// The quantizer with the signs and the delayed scale of this step.
template <class T>
quantizer site_quantization<T>::quantizer_now(site_operand operand, std::span<const float> x) const {
  const quantization_context& context = pass_->quantization();
  quantizer q = *quantizer_of(site_, operand);
  const gemm_rules& rules = site_->gemms[std::size_t(gemm_of(operand))];
  if (rules.signs == sign_rule::fresh)
    for (std::uint32_t i = 0; i < std::uint32_t(q.transform_count); ++i) {
      transform& t = q.transforms[i];
      if (t.kind != transform_kind::random_hadamard) continue;
      const noise_source source = noise_of(rules.sign_stream);
      t.seed ^= std::uint64_t(noise_at(source, 2 * i, 32)) << 32 | noise_at(source, 2 * i + 1, 32);
    }
  if (!is_delayed(q)) return q;
  if (context.histories == nullptr)
    throw std::invalid_argument("site_quantization: " + full_name(site_->name, operand) + " has quantizer " +
                                to_string(q) + ", whose scale follows from the steps before: give the pass histories");
  const scaling& delayed = q.scalings[std::size_t(q.levels - 1)];
  const std::string name = array_name(site_->name, operand);
  const std::optional<float> before = context.histories->amax(name, delayed.history);
  const float now = pass_->records() || !before ? kernels::amax(pass_->pool(), x) : 0;
  if (pass_->records()) context.histories->note(name, site_->longest_history, now);
  return kernels::with_tensor_scale(q, std::ldexp(before.value_or(now), int(delayed.margin)));
}

template <class T>
bool site_quantization<T>::changes(site_operand operand) const {
  return quantizer_of(site_, operand) || wants_parts(gemm_of(operand));
}

template <class T>
bool site_quantization<T>::multiplies_plainly(site_gemm gemm) const {
  const gemm_rules* const rules = rules_of(gemm);
  return rules == nullptr || (rules->sum == accumulator{} && rules->residual != residual_rule::product);
}

template <class T>
gemm_operand<T> site_quantization<T>::quantize(site_operand operand, const tensor<T>& x, axis_view view) const {
  const std::optional<quantizer>& how = quantizer_of(site_, operand);
  const bool has_parts = wants_parts(gemm_of(operand));
  if (!how && !has_parts) return {x, {}};
  const work_scope scope(work_kind::quantization);
  if constexpr (!std::is_same_v<T, float>) {
    throw std::invalid_argument("site_quantization: " + full_name(site_->name, operand) + " has " +
                                (how ? "quantizer " + to_string(*how) : std::string("an emulated product")) +
                                ", but emulated values are float32 numbers: use float, or a recipe without quantizers");
  } else {
    thread_pool& pool = pass_->pool();
    const gemm_rules& rules = site_->gemms[std::size_t(gemm_of(operand))];
    if (!how) {
      return {x, {}, std::make_shared<const operand_parts>(operand_parts{view, {}, {}, x})};
    }
    const noise_source noise = noise_of(site_->streams[std::size_t(operand)]);
    quantizer q = quantizer_now(operand, x.values());

    tensor<float> source = x;
    if (const auto kept = kept_transforms(q); !kept.empty()) {
      for (const transform& t : kept)
        if (view.length % t.block != 0)
          throw std::invalid_argument("site_quantization: " + full_name(site_->name, operand) + " has quantizer " +
                                      to_string(*how) + ", and the summed axis has " + std::to_string(view.length) +
                                      " elements, no whole number of blocks of " + std::to_string(t.block) +
                                      "; take a block that divides it, or a later rule without the transform for "
                                      "this site");
      source = tensor<float>::uninitialized(x.shape());
      kernels::hadamard(pool, kept, view, x.values(), source.values());
      q = without_first(q, kept.size());
    }
    const tensor<float> plain = source;
    std::vector<residual_entry> cut;
    if (rules.residual != residual_rule::added && has_clamp(q)) {
      std::vector<float> rows(source.size());
      detail::gather_rows(source.values(), view, rows);
      cut = clamp_rows(q.transforms[0].quantile, view.length, rows, rows);
      if (rules.residual == residual_rule::dropped) cut.clear();
      source = tensor<float>::uninitialized(x.shape());
      detail::scatter_rows(rows, view, source.values());
      q = without_first(q, 1);
    }

    gemm_operand<T> result{tensor<T>::uninitialized(x.shape()), {}};
    detail::operand_scales scales;
    const bool unscaled = multiplies_unscaled(rules.sum);
    if (pass_->quantization().observer)
      result.counts = kernels::quantize_counted(pool, source.values(), view, q, noise, result.values.values());
    else if (!unscaled)
      kernels::quantize(pool, source.values(), view, q, noise, result.values.values());
    if (unscaled) {
      detail::scaled_operand split = detail::split(source.values(), view, q, noise);
      std::copy(split.elements.begin(), split.elements.end(), result.values.data());
      scales = std::move(split.scales);
    }
    if (has_parts)
      result.parts =
          std::make_shared<const operand_parts>(operand_parts{view, std::move(scales), std::move(cut), plain});
    observe(gemm_of(operand), operand_name(operand), result.counts);
    return result;
  }
}

template <class T>
std::optional<part_quantizer> site_quantization<T>::in_parts([[maybe_unused]] site_operand operand,
                                                             [[maybe_unused]] const tensor<T>& magnitudes,
                                                             [[maybe_unused]] std::size_t length,
                                                             [[maybe_unused]] std::size_t cut) const {
  if constexpr (std::is_same_v<T, float>) {
    const std::optional<quantizer>& how = quantizer_of(site_, operand);
    if (!how || wants_parts(gemm_of(operand)) || pass_->quantization().observer) return {};
    if (how->transform_count != 0 || is_stochastic(how->elem.rounding)) return {};
    std::size_t together = 1;
    for (std::size_t level = 0; level < std::size_t(how->levels); ++level) {
      const scaling& s = how->scalings[level];
      const bool is_outermost = level + 1 == std::size_t(how->levels);
      if (s.per == granularity::col || (s.per == granularity::tile && s.tile_rows != 1)) return {};
      if (s.per == granularity::tensor && !(is_outermost && (needs_only_amax(s) || is_delayed(*how)))) return {};
      if (s.per != granularity::tensor)
        together = std::lcm(together, s.per == granularity::row ? length : std::size_t(s.tile_cols));
    }
    if (cut % together != 0) return {};
    const work_scope scope(work_kind::quantization);
    const quantizer each =
        kernels::with_known_scale(pass_->pool(), quantizer_now(operand, magnitudes.values()), magnitudes.values());
    if (each.levels != 0) {
      const scaling& outermost = each.scalings[std::size_t(each.levels - 1)];
      if (outermost.per == granularity::tensor && outermost.rule != scale_rule::static_scale) return {};
    }
    return part_quantizer{each, together};
  }
  return {};
}

template <class T>
tensor<T> site_quantization<T>::quantize_part(const part_quantizer& how, const tensor<T>& x, axis_view view) const {
  const work_scope scope(work_kind::quantization);
  tensor<T> result = tensor<T>::uninitialized(x.shape());
  if constexpr (std::is_same_v<T, float>)
    kernels::quantize(pass_->pool(), x.values(), view, how.each, {}, result.values());
  return result;
}

template <class T>
bool site_quantization<T>::interchangeable(site_operand first, site_operand second) const {
  const std::optional<quantizer>& how = quantizer_of(site_, first);
  if (how != quantizer_of(site_, second) || wants_parts(gemm_of(first)) || wants_parts(gemm_of(second))) return false;
  if (!how) return true;
  const bool one_scale = how->levels == 0 || (how->levels == 1 && how->scalings[0].per == granularity::tensor);
  return one_scale && how->transform_count == 0 && !is_stochastic(how->elem.rounding);
}

template <class T>
gemm_operand<T> site_quantization<T>::quantize_again(site_operand operand, const tensor<T>& x, axis_view view,
                                                     site_operand earlier,
                                                     const gemm_operand<T>& earlier_result) const {
  if (earlier_result.values.empty() || !interchangeable(earlier, operand)) return quantize(operand, x, view);
  observe(gemm_of(operand), operand_name(operand), earlier_result.counts);
  return earlier_result;
}

template <class T>
kept_array<T> site_quantization<T>::keep(site_operand operand, const tensor<T>& x) const {
  if (!keeps_codes()) return kept_array<T>(x);
  const work_scope scope(work_kind::quantization);
  if constexpr (!std::is_same_v<T, float>)
    throw std::invalid_argument("site_quantization: " + site_->name + "/saved has quantizer " +
                                to_string(*site_->saved) +
                                ", but emulated values are float32 numbers: use float, or a recipe without quantizers");
  else {
    const noise_source noise = noise_of(site_->saved_streams[std::size_t(operand)]);
    if (pass_->quantization().observer) {
      tensor<T> values = tensor<T>::uninitialized(x.shape());
      const std::size_t columns = x.shape().back();
      // Each is kept for the gradient of the other operand.
      const site_gemm used_by =
          operand == site_operand::forward_input ? site_gemm::weight_gradient : site_gemm::input_gradient;
      observe(used_by, "saved",
              kernels::quantize_counted(pass_->pool(), x.values(), {x.size() / columns, columns, 1}, *site_->saved,
                                        noise, values.values()));
    }
    return kept_array<T>(saved_activation(pass_->pool(), x, *site_->saved, noise));
  }
}

template <class T>
std::uint64_t site_quantization<T>::multiply(site_gemm gemm, const gemm_layout& l, const gemm_operand<T>& a,
                                             const gemm_operand<T>& b, T* c, bool accumulate,
                                             std::span<const gemm_place> places, std::uint64_t noise_first) const {
  const work_scope scope(products_of(gemm));
  const gemm_rules* const rules = rules_of(gemm);
  thread_pool& pool = pass_->pool();
  const bool is_f32 = rules == nullptr || rules->sum == accumulator{};
  if (is_f32) {
    pooled_vector<gemm_operands<T>> batch;
    batch.reserve(places.size());
    for (const gemm_place& at : places) batch.push_back({a.values.data() + at.a, b.values.data() + at.b, c + at.c});
    if (batch.size() == 1)
      binade::gemm(l.a_form, l.b_form, l.m, l.n, l.k, batch[0].a, l.lda, batch[0].b, l.ldb, batch[0].c, l.ldc,
                   accumulate, pool);
    else
      gemm_batched(l.a_form, l.b_form, l.m, l.n, l.k, batch, l.lda, l.ldb, l.ldc, accumulate, pool);
    if (rules == nullptr || rules->residual != residual_rule::product) return noise_first;
  }
  if constexpr (!std::is_same_v<T, float>) {
    throw std::invalid_argument("site_quantization: " + site_->name + "/" + std::string(gemm_name(gemm)) +
                                " has accumulator " + to_string(rules->sum) +
                                ", but emulated sums are of float32 numbers: use float, or a recipe without it");
  } else {
    const std::uint64_t noise_step =
        noise_bits(rules->sum) == 0 ? 0 : l.m * matmul_noise_per_row({l.m, l.k, l.n}, rules->sum);
    // The row along k and the place on it of an element of an operand.
    const auto row_of = [](const axis_view& view, std::size_t at) {
      return at / (view.length * view.inner) * view.inner + at % view.inner;
    };
    const auto place_of = [](const axis_view& view, std::size_t at) { return at / view.inner % view.length; };
    const auto multiply_one = [&](std::size_t index) {
      const gemm_place& at = places[index];
      const auto matrix = [](const tensor<float>& x, std::size_t first, std::size_t stride, transpose form) {
        return kernels::product_matrix{x.data() + first, stride, form};
      };
      const kernels::product_matrix left = matrix(a.values, at.a, l.lda, l.a_form),
                                    right = matrix(b.values, at.b, l.ldb, l.b_form);
      noise_source noise = noise_of(rules->sum_stream);
      noise.first = noise_first + index * noise_step;
      float* const to = c + at.c;
      if (!is_f32 && !multiplies_unscaled(rules->sum)) {
        kernels::emulated_gemm(rules->sum, l.m, l.n, l.k, left, right, noise, to, l.ldc, accumulate, pool);
      } else if (!is_f32) {
        const auto scales = [&](const operand_parts& parts, std::size_t first) {
          return parts.scales.part(row_of(parts.view, first), place_of(parts.view, first));
        };
        kernels::emulated_gemm(rules->sum, l.m, l.n, l.k, left, scales(*a.parts, at.a), right, scales(*b.parts, at.b),
                               noise, to, l.ldc, accumulate, pool);
      }
      if (rules->residual != residual_rule::product) return;
      const auto sparse = [&](const operand_parts& parts, std::size_t first) {
        return kernels::sparse_rows{parts.cut, parts.view.length, row_of(parts.view, first),
                                    place_of(parts.view, first)};
      };
      if (!a.parts->cut.empty())
        kernels::add_sparse_left(sparse(*a.parts, at.a), l.m, l.n, l.k, matrix(b.parts->plain, at.b, l.ldb, l.b_form),
                                 to, l.ldc, pool);
      if (!b.parts->cut.empty())
        kernels::add_sparse_right(sparse(*b.parts, at.b), l.m, l.n, l.k, matrix(a.parts->plain, at.a, l.lda, l.a_form),
                                  to, l.ldc, pool);
    };
    if (places.size() == 1)
      multiply_one(0);
    else
      pool.parallel_for(places.size(), multiply_one);
    return noise_first + places.size() * noise_step;
  }
}

template <class T>
bool site_quantization<T>::rounds_result(site_gemm gemm) const {
  const gemm_rules* const rules = rules_of(gemm);
  return rules != nullptr && rules->result;
}

template <class T>
void site_quantization<T>::round_result(site_gemm gemm, tensor<T>& product, axis_view view) const {
  if (!rounds_result(gemm)) return;
  const work_scope scope(work_kind::quantization);
  const gemm_rules& rules = *rules_of(gemm);
  if constexpr (!std::is_same_v<T, float>) {
    throw std::invalid_argument("site_quantization: " + site_->name + "/" + std::string(gemm_name(gemm)) +
                                "/result has quantizer " + to_string(*rules.result) +
                                ", but emulated values are float32 numbers: use float, or a recipe without quantizers");
  } else {
    const noise_source noise = noise_of(rules.result_stream);
    if (pass_->quantization().observer)
      observe(gemm, "result",
              kernels::quantize_counted(pass_->pool(), product.values(), view, *rules.result, noise, product.values()));
    else
      kernels::quantize(pass_->pool(), product.values(), view, *rules.result, noise, product.values());
  }
}

template <class T>
bool site_quantization<T>::changes_gradient(site_operand operand) const {
  return rounds_result(gradient_gemm(operand)) || needs_value(operand);
}

template <class T>
bool site_quantization<T>::needs_value(site_operand operand) const {
  return quantizer_of(site_, operand) && site_->gradients[std::size_t(operand)].rule != gradient_rule::plain;
}

template <class T>
void site_quantization<T>::finish_gradient(site_operand operand, const tensor<T>& x, axis_view view,
                                           tensor<T>& gradient) const {
  round_result(gradient_gemm(operand), gradient);
  if (!needs_value(operand)) return;
  const work_scope scope(work_kind::quantization);
  const straight_through& rule = site_->gradients[std::size_t(operand)];
  if constexpr (std::is_same_v<T, float>) {
    thread_pool& pool = pass_->pool();
    const quantizer q = quantizer_now(operand, x.values());
    const noise_source noise = noise_of(site_->streams[std::size_t(operand)]);
    const auto kept = kept_transforms(q);
    if (kept.empty()) return pass_through(rule, x.values(), view, q, noise, gradient.values());
    tensor<float> transformed = tensor<float>::uninitialized(x.shape());
    kernels::hadamard(pool, kept, view, x.values(), transformed.values());
    kernels::hadamard(pool, kept, view, gradient.values(), gradient.values());
    pass_through(rule, transformed.values(), view, without_first(q, kept.size()), noise, gradient.values());
    kernels::inverse_hadamard(pool, kept, view, gradient.values());
  }
}

template <class T>
void site_quantization<T>::finish_gradient(site_operand operand, const variable<T>& x, axis_view view,
                                           tensor<T>& gradient) const {
  if (needs_value(operand)) return finish_gradient(operand, x.value(), view, gradient);
  round_result(gradient_gemm(operand), gradient);
}

template <class T>
void site_quantization<T>::add_gradient(site_operand operand, axis_view view, const variable<T>& of,
                                        const gemm_layout& layout, const gemm_operand<T>& a,
                                        const gemm_operand<T>& b) const {
  const site_gemm gemm = gradient_gemm(operand);
  if (!changes_gradient(operand)) {
    const auto target = of.target();
    return multiply(gemm, layout, a, b, target.sum.data(), target.accumulate);
  }
  tensor<T> gradient = tensor<T>::uninitialized(of.shape());
  multiply(gemm, layout, a, b, gradient.data(), false);
  finish_gradient(operand, of, view, gradient);
  of.add_gradient(std::move(gradient), pass_->pool());
}

template <class T>
void site_quantization<T>::observe(site_gemm gemm, std::string_view operand,
                                   const std::optional<kernels::rounding_counts>& counts) const {
  if (counts)
    pass_->quantization().observer({pass_->quantization().step, site_->name, gemm_name(gemm), operand, *counts});
}

template class site_quantization<float>;
template class site_quantization<double>;

}  // namespace binade
