#include "recipe/quantized_matmul.hpp"

#include <stdexcept>
#include <type_traits>

#include "binade/text.hpp"
#include "recipe/recipe.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

std::string full_name(std::string_view site, site_operand operand) {
  return std::string(site) + "/" + std::string(gemm_name(operand)) + "/" + std::string(operand_name(operand));
}

const std::optional<quantizer>& quantizer_of(const gemm_site* site, site_operand operand) {
  static const std::optional<quantizer> none;
  return site == nullptr ? none : site->quantizers[std::size_t(operand)];
}

}  // namespace

std::uint64_t noise_stream(std::string_view site, site_operand operand) {
  return fnv1a(full_name(site, operand));
}

bound_recipe::bound_recipe(const recipe& recipe, const std::vector<std::string>& sites) {
  for (const std::string& name : sites) {
    gemm_site site{.name = name};
    for (const site_operand_names& names : site_operands) {
      const std::size_t index = std::size_t(names.operand);
      site.quantizers[index] = recipe.resolve(name, names.operand);
      site.streams[index] = noise_stream(name, names.operand);
      if (site.quantizers[index] && site.quantizers[index]->transform_count > 0)
        throw std::invalid_argument("recipe '" + recipe.name + "': " + full_name(name, names.operand) +
                                    " has quantizer " + to_string(*site.quantizers[index]) +
                                    ", and the operands of a product have no transform of their own; leave it out");
      if (site.quantizers[index] && !site.quantizers[index]->elem.format.can_be_zero())
        throw std::invalid_argument("recipe '" + recipe.name + "': " + full_name(name, names.operand) +
                                    " has quantizer " + to_string(*site.quantizers[index]) +
                                    ", whose format cannot hold zero; choose a format with a zero");
    }
    sites_.emplace(name, std::move(site));
  }
}

const gemm_site& bound_recipe::site(std::string_view name) const {
  const auto found = sites_.find(name);
  if (found == sites_.end())
    throw std::invalid_argument("bound_recipe: site '" + std::string(name) +
                                "' is not among the sites that the recipe was bound to; bind it to the gemm_sites() of "
                                "the model that uses it");
  return found->second;
}

template <class T>
site_quantization<T>::site_quantization(const graph<T>& pass, std::string_view site)
    : pass_(&pass), site_(pass.quantization().recipe == nullptr ? nullptr : &pass.quantization().recipe->site(site)) {}

template <class T>
bool site_quantization<T>::quantizes(site_operand operand) const {
  return quantizer_of(site_, operand).has_value();
}

template <class T>
gemm_operand<T> site_quantization<T>::quantize(site_operand operand, const tensor<T>& x, axis_view view) const {
  const std::optional<quantizer>& how = quantizer_of(site_, operand);
  if (!how) return {x, {}};
  if constexpr (!std::is_same_v<T, float>) {
    throw std::invalid_argument("site_quantization: " + full_name(site_->name, operand) + " has quantizer " +
                                to_string(*how) +
                                ", but emulated values are float32 numbers: use float, or a recipe without quantizers");
  } else {
    const quantization_context& context = pass_->quantization();
    gemm_operand<T> result{tensor<T>::uninitialized(x.shape()), {}};
    if (context.observer) result.counters.emplace();
    binade::quantize(x.values(), view, *how,
                     {.seed = context.seed, .stream = site_->streams[std::size_t(operand)], .step = context.step},
                     result.values.values(), result.counters ? &*result.counters : nullptr);
    observe(operand, result.counters);
    return result;
  }
}

template <class T>
bool site_quantization<T>::interchangeable(site_operand first, site_operand second) const {
  const std::optional<quantizer>& how = quantizer_of(site_, first);
  if (how != quantizer_of(site_, second)) return false;
  if (!how) return true;
  const bool one_scale = how->levels == 0 || (how->levels == 1 && how->scalings[0].per == granularity::tensor);
  return one_scale && !is_stochastic(how->elem.rounding);
}

template <class T>
gemm_operand<T> site_quantization<T>::quantize_again(site_operand operand, const tensor<T>& x, axis_view view,
                                                     site_operand earlier,
                                                     const gemm_operand<T>& earlier_result) const {
  if (earlier_result.values.empty() || !interchangeable(earlier, operand)) return quantize(operand, x, view);
  observe(operand, earlier_result.counters);
  return earlier_result;
}

template <class T>
void site_quantization<T>::observe(site_operand operand, const std::optional<quantize_counters>& counters) const {
  if (counters)
    pass_->quantization().observer(
        {pass_->quantization().step, site_->name, gemm_name(operand), operand_name(operand), *counters});
}

template class site_quantization<float>;
template class site_quantization<double>;

}  // namespace binade
