#include "recipe/saved_activation.hpp"

#include <algorithm>
#include <span>
#include <variant>
#include <vector>

#include "binade/packing.hpp"
#include "binade/pieces.hpp"
#include "buffer_pool.hpp"
#include "kernels/quantize.hpp"

namespace binade {
namespace {

auto pieces_of(thread_pool& pool) {
  return [&pool](std::size_t count, const auto& f) { pool.parallel_for(count, f); };
}

/// Calls visit with a null pointer to the smallest unsigned integer that holds a code.
template <class Visit>
void with_code_type(int width, Visit visit) {
  if (width <= 8) return visit(static_cast<std::uint8_t*>(nullptr));
  if (width <= 16) return visit(static_cast<std::uint16_t*>(nullptr));
  if (width <= 32) return visit(static_cast<std::uint32_t*>(nullptr));
  visit(static_cast<std::uint64_t*>(nullptr));
}

std::size_t code_bytes(const code_array& codes) {
  return std::visit([](const auto& c) { return c.size() * sizeof(c[0]); }, codes);
}

}  // namespace

saved_activation::saved_activation(thread_pool& pool, const tensor<float>& x, const quantizer& q,
                                   const noise_source& noise)
    : shape_(x.shape()), quantizer_(q) {
  const auto values = x.values();
  if (q.elem.format.refuses_nan() && std::any_of(values.begin(), values.end(), [](float v) { return v != v; })) {
    values_ = tensor<float>::uninitialized(shape_);
    kernels::quantize(pool, values, view(), q, noise, values_.values());
    return;
  }
  const int width = q.elem.format.width;
  packed_size_ = packed_size(values.size(), width);
  packed_ = buffer_pool::instance().take(packed_size_);
  with_code_type(width, [&]<class Code>(Code*) {
    pooled_vector<Code> codes(values.size());
    scales_ = encode_in_pieces(values, view(), q, noise, std::span(codes), pieces_of(pool));
    pack(codes, width, packed_layout::dense, {reinterpret_cast<std::uint8_t*>(packed_.get()), packed_size_});
  });
}

tensor<float> saved_activation::restored(thread_pool& pool) const {
  if (!values_.empty()) return values_;
  tensor<float> result = tensor<float>::uninitialized(shape_);
  const int width = quantizer_.elem.format.width;
  with_code_type(width, [&]<class Code>(Code*) {
    pooled_vector<Code> codes(result.size());
    unpack({reinterpret_cast<const std::uint8_t*>(packed_.get()), packed_size_}, width, packed_layout::dense, codes);
    decode_in_pieces(std::span<const Code>(codes), scales_, view(), quantizer_, result.values(), pieces_of(pool));
  });
  return result;
}

std::size_t saved_activation::bytes() const {
  return values_.size() * sizeof(float) + packed_size_ + code_bytes(scales_.scales) + code_bytes(scales_.outer_scales);
}

}  // namespace binade
