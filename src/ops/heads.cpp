#include "ops/heads.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace binade {
namespace {

enum class direction { to_heads, from_heads };

/// Copies between (batch, heads, length, width) and the columns first .. first + heads * width of (batch, length,
/// columns).
template <direction D, class Heads, class Joint>
void copy_heads(thread_pool& pool, const extents& heads_shape, Heads* heads, Joint* joint, std::size_t columns,
                std::size_t first) {
  const std::size_t head_count = heads_shape[1], length = heads_shape[2], width = heads_shape[3];
  pool.parallel_for(heads_shape[0] * head_count, [=](std::size_t tile) {
    const std::size_t batch = tile / head_count, head = tile % head_count;
    Heads* h = heads + tile * length * width;
    Joint* j = joint + batch * length * columns + first + head * width;
    for (std::size_t position = 0; position < length; ++position, h += width, j += columns) {
      if constexpr (D == direction::to_heads)
        std::copy_n(j, width, h);
      else
        std::copy_n(h, width, j);
    }
  });
}

}  // namespace

template <class T>
attention_heads<T> split_heads(graph<T>& pass, const variable<T>& joint, std::size_t heads) {
  require_rank("split_heads", "joint", joint.shape(), 3);
  const std::size_t batch = joint.shape()[0], length = joint.shape()[1], columns = joint.shape()[2];
  if (heads == 0 || columns % (3 * heads) != 0)
    throw std::invalid_argument("split_heads: the last size of joint is " + std::to_string(columns) + "; for " +
                                std::to_string(heads) + " heads it must be a multiple of 3 heads");
  const extents shape{batch, heads, length, columns / (3 * heads)};
  const bool differentiates = pass.differentiates({&joint});
  std::array<variable<T>, 3> parts;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    tensor<T> value = tensor<T>::uninitialized(shape);
    copy_heads<direction::to_heads>(pass.pool(), shape, value.data(), joint.value().data(), columns,
                                    part * columns / 3);
    parts[part] = variable<T>(std::move(value), differentiates);
  }
  if (differentiates)
    pass.record([&pool = pass.pool(), joint, parts, shape, columns] {
      tensor<T> gradient = tensor<T>::uninitialized(joint.shape());
      for (std::size_t part = 0; part < parts.size(); ++part) {
        const tensor<T>& arrived = parts[part].gradient();
        const tensor<T> source = arrived.empty() ? tensor<T>::zeros(shape) : arrived;
        copy_heads<direction::from_heads>(pool, shape, source.data(), gradient.data(), columns, part * columns / 3);
      }
      joint.add_gradient(std::move(gradient), pool);
    });
  return {parts[0], parts[1], parts[2]};
}

template <class T>
variable<T> merge_heads(graph<T>& pass, const variable<T>& x) {
  require_rank("merge_heads", "x", x.shape(), 4);
  const extents shape = x.shape();
  const std::size_t columns = shape[1] * shape[3];
  tensor<T> merged = tensor<T>::uninitialized({shape[0], shape[2], columns});
  copy_heads<direction::from_heads>(pass.pool(), shape, x.value().data(), merged.data(), columns, 0);
  return pass.result(std::move(merged), {&x}, [&pool = pass.pool(), x, shape, columns](const tensor<T>& gradient) {
    tensor<T> split = tensor<T>::uninitialized(shape);
    copy_heads<direction::to_heads>(pool, shape, split.data(), gradient.data(), columns, 0);
    x.add_gradient(std::move(split), pool);
  });
}

template attention_heads<float> split_heads(graph<float>&, const variable<float>&, std::size_t);
template attention_heads<double> split_heads(graph<double>&, const variable<double>&, std::size_t);
template variable<float> merge_heads(graph<float>&, const variable<float>&);
template variable<double> merge_heads(graph<double>&, const variable<double>&);

}  // namespace binade
