#include "train/initial_weights.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "util/input_file.hpp"
#include "util/sha256.hpp"

namespace binade {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw std::invalid_argument(file.string() + " cannot be what training starts from: " + why);
}

safetensors_file parse(const std::string& bytes, const std::filesystem::path& file) {
  try {
    return safetensors_file::parse(std::as_bytes(std::span(bytes)), file);
  } catch (const std::runtime_error& e) {
    throw std::invalid_argument(e.what());
  }
}

std::string shape_text(const std::vector<std::size_t>& sizes) {
  std::string text = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
  return text + ")";
}

/// "a, b, c and 4 more"
std::string names_text(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

/// Parameters and buffers.
std::vector<parameter_plan> arrays_of(const model_plan& plan) {
  std::vector<parameter_plan> arrays = plan.parameters();
  for (parameter_plan& buffer : plan.buffers()) arrays.push_back(std::move(buffer));
  return arrays;
}

}  // namespace

initial_weights::initial_weights(const std::filesystem::path& file)
    : initial_weights(file, input_file(file, "a .safetensors file with the weights of a model").read_all()) {}

initial_weights::initial_weights(const std::filesystem::path& file, const std::string& bytes)
    : file_(file), sha256_(sha256_of(bytes)), arrays_(parse(bytes, file)) {}

void initial_weights::require_fit(const model_plan& plan) const {
  const std::vector<parameter_plan> arrays = arrays_of(plan);
  std::vector<std::string> missing, misshapen, extra;
  for (const parameter_plan& array : arrays) {
    if (!arrays_.has(array.name)) {
      missing.push_back(array.name);
      continue;
    }
    const stored_tensor& given = arrays_.at(array.name);
    if (const std::vector<std::size_t>& wanted = array.sizes; given.shape != wanted)
      misshapen.push_back(array.name + " with shape " + shape_text(given.shape) + ", which must be " +
                          shape_text(wanted));
  }
  for (const stored_tensor& given : arrays_.tensors())
    if (std::none_of(arrays.begin(), arrays.end(), [&](const parameter_plan& a) { return a.name == given.name; }))
      extra.push_back(given.name);
  std::string why;
  const auto add = [&why](const std::string& what, const std::vector<std::string>& names) {
    if (!names.empty()) why += (why.empty() ? "" : "; ") + what + names_text(names);
  };
  add("it lacks ", missing);
  add("it has ", misshapen);
  add("the model (kind " + plan.kind() + ") has no ", extra);
  if (arrays_.metadata().contains("identity") && !extra.empty())
    why += "; it is a checkpoint: binade train --export writes the weights alone";
  if (!why.empty()) refuse(file_, why);
  for (const parameter_plan& array : arrays) try {
      arrays_.at(array.name).to_f32();
    } catch (const std::runtime_error& e) {
      refuse(file_, e.what());
    }
}

void initial_weights::copy_to(const model<float>& network) const {
  for (const auto& arrays : {network.parameters(), network.buffers()})
    for (const auto& [name, value] : arrays)
      value.mutable_value() = tensor<float>::from(value.shape(), arrays_.at(name).to_f32());
}

}  // namespace binade
