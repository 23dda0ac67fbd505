#include "optim/state_array.hpp"

#include <array>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "binade/packing.hpp"
#include "kernels/quantize.hpp"

namespace binade {
namespace {

/// Codes of `width` bits as a dense bit stream.
tensor<std::uint8_t> to_bytes(const code_array& codes, int width) {
  return std::visit(
      [&](const auto& c) {
        if (c.empty()) return tensor<std::uint8_t>();
        auto bytes = tensor<std::uint8_t>::uninitialized({packed_size(c.size(), width)});
        pack(c, width, packed_layout::dense, bytes.values());
        return bytes;
      },
      codes);
}
code_array from_bytes(const tensor<std::uint8_t>& bytes, int width, std::size_t count) {
  code_array codes;
  detail::with_codes(codes, width, count, [&](auto& c) { unpack(bytes.values(), width, packed_layout::dense, c); });
  return codes;
}

/// The quantizer that encodes what is kept: a NaN is no reason to stop a run in which it shows elsewhere.
quantizer encoding(quantizer q) {
  number_format& f = q.elem.format;
  if (!f.refuses_nan()) return q;
  switch (f.kind) {
    case format_kind::floating:
      f.floating.nan = nan_code::zero;
      break;
    case format_kind::fixed:
      f.fixed.nan = nan_code::zero;
      break;
    case format_kind::logarithmic:
      f.logarithmic.nan = nan_code::zero;
      break;
    case format_kind::book:
      f.book.nan = nan_code::zero;
      break;
    case format_kind::tapered:
      break;  // has a NaN
  }
  return q;
}

std::span<const float> numbers_of(const std::vector<expanded_group>& groups) {
  static_assert(sizeof(expanded_group) == 2 * sizeof(float));
  return {reinterpret_cast<const float*>(groups.data()), 2 * groups.size()};
}

constexpr std::array<const char*, 3> code_names{".codes", ".scales", ".outer_scales"};

std::string record_name(const std::string& name, std::size_t transform) {
  return name + ".transform_" + std::to_string(transform);
}

}  // namespace

template <class T>
state_array<T>::state_array(const extents& shape, const storage_format& storage, const noise_source& noise)
    : shape_(shape), storage_(storage) {
  storage_.packed = storage.packed && storage.format;
  thread_pool one(1);
  store(one, tensor<T>::zeros(shape), noise);
}

template <class T>
tensor<T> state_array<T>::load() const {
  if (!storage_.packed) return values_;
  tensor<T> values = tensor<T>::uninitialized(shape_);
  if constexpr (std::is_same_v<T, float>) {
    const quantizer& q = *storage_.format;
    const auto codes = [&](const tensor<std::uint8_t>& bytes, int width, std::size_t count) {
      return from_bytes(bytes, width, count);
    };
    decode({.codes = codes(codes_, q.elem.format.width, shape_.count()),
            .scales = codes(scales_, q.scalings[0].format.width, scale_count(storage_.view, q)),
            .outer_scales = codes(outer_scales_, q.scalings[1].format.width, outer_scale_count(storage_.view, q)),
            .transforms = records_},
           storage_.view, q, values.values());
  }
  return values;
}

template <class T>
void state_array<T>::store(thread_pool& pool, tensor<T> values, const noise_source& noise,
                           kernels::rounding_counts* counts) {
  if (counts != nullptr) *counts = {};
  if (storage_.format) {
    if constexpr (std::is_same_v<T, float>) {
      const quantizer& q = *storage_.format;
      if (!storage_.packed) {
        if (counts != nullptr)
          *counts = kernels::quantize_counted(pool, values.values(), storage_.view, q, noise, values.values());
        else
          kernels::quantize(pool, values.values(), storage_.view, q, noise, values.values());
      } else {
        if (counts != nullptr) {
          auto rounded = tensor<float>::uninitialized(shape_);
          *counts = kernels::quantize_counted(pool, values.values(), storage_.view, q, noise, rounded.values());
        }
        return pack_codes(encode(std::as_const(values).values(), storage_.view, encoding(q), noise));
      }
    } else {
      throw std::invalid_argument("state_array: emulated values are float32 numbers, and this array is float64");
    }
  }
  values_ = std::move(values);
}

template <class T>
void state_array<T>::pack_codes(const encoded& array) {
  const quantizer& q = *storage_.format;
  codes_ = to_bytes(array.codes, q.elem.format.width);
  scales_ = to_bytes(array.scales, q.scalings[0].format.width);
  outer_scales_ = to_bytes(array.outer_scales, q.scalings[1].format.width);
  records_ = array.transforms;
}

template <class T>
std::size_t state_array<T>::bytes() const {
  std::size_t total = values_.size() * sizeof(T) + codes_.size() + scales_.size() + outer_scales_.size();
  for (const transform_record& r : records_) total += r.groups.size() * sizeof(expanded_group);
  return total;
}

template <class T>
void state_array<T>::save(const std::string& name, std::vector<stored_tensor>& to) const {
  if (!storage_.packed) return to.push_back(stored(name, shape_.sizes(), values_.values()));
  const std::array arrays{&codes_, &scales_, &outer_scales_};
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (!arrays[i]->empty()) to.push_back(stored(name + code_names[i], {arrays[i]->size()}, arrays[i]->values()));
  for (std::size_t k = 0; k < records_.size(); ++k)
    if (const auto& groups = records_[k].groups; !groups.empty())
      to.push_back(stored(record_name(name, k), {groups.size(), 2}, numbers_of(groups)));
}

template <class T>
void state_array<T>::restore(const std::string& name, const safetensors_file& from) {
  if (!storage_.packed) {
    if constexpr (std::is_same_v<T, float>)
      values_ = tensor<T>::from(shape_, from.at(name).f32());
    else
      values_ = tensor<T>::from(shape_, from.at(name).f64());
    return;
  }
  const std::array arrays{&codes_, &scales_, &outer_scales_};
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (!arrays[i]->empty())
      *arrays[i] = tensor<std::uint8_t>::from(arrays[i]->shape(), from.at(name + code_names[i]).u8());
  for (std::size_t k = 0; k < records_.size(); ++k) {
    auto& groups = records_[k].groups;
    if (groups.empty()) continue;
    const auto numbers = tensor<float>::from({groups.size(), 2}, from.at(record_name(name, k)).f32());
    for (std::size_t g = 0; g < groups.size(); ++g) groups[g] = {numbers[2 * g], numbers[2 * g + 1]};
  }
}

template class state_array<float>;
template class state_array<double>;

}  // namespace binade
