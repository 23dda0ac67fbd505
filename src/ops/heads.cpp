#include "ops/heads.hpp"

#include <algorithm>
#include <string>

#include "kernels/elementwise.hpp"

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
pooled_vector<variable<T>> split_columns(graph<T>& pass, const variable<T>& joint,
                                         std::initializer_list<head_columns> parts) {
  const work_scope scope(work_kind::attention);
  require_rank("split_columns", "joint", joint.shape(), 3);
  const std::size_t batch = joint.shape()[0], length = joint.shape()[1], columns = joint.shape()[2];
  std::size_t needed = 0;
  for (const head_columns& part : parts) needed += part.heads * part.width;
  if (needed != columns)
    throw std::invalid_argument("split_columns: the last size of joint is " + std::to_string(columns) +
                                "; the parts have " + std::to_string(needed) + " columns");
  const bool differentiates = pass.differentiates({&joint});
  pooled_vector<variable<T>> arrays, gradients;
  std::size_t first = 0;
  for (const head_columns& part : parts) {
    tensor<T> value = tensor<T>::uninitialized({batch, part.heads, length, part.width});
    copy_heads<direction::to_heads>(pass.pool(), value.shape(), value.data(), joint.value().data(), columns, first);
    arrays.emplace_back(std::move(value), differentiates);
    gradients.push_back(arrays.back().without_value());
    first += part.heads * part.width;
  }
  if (differentiates)
    pass.record([&pool = pass.pool(), joint = joint.without_value(), gradients, columns] {
      tensor<T> gradient = tensor<T>::uninitialized(joint.shape());
      std::size_t column = 0;
      for (const variable<T>& array : gradients) {
        const tensor<T>& arrived = array.gradient();
        const tensor<T> source = arrived.empty() ? tensor<T>::zeros(array.shape()) : arrived;
        copy_heads<direction::from_heads>(pool, array.shape(), source.data(), gradient.data(), columns, column);
        column += array.shape()[1] * array.shape()[3];
      }
      joint.add_gradient(std::move(gradient), pool);
    });
  return arrays;
}

template <class T>
attention_heads<T> split_heads(graph<T>& pass, const variable<T>& joint, std::size_t heads,
                               std::size_t key_value_heads) {
  const work_scope scope(work_kind::attention);
  require_rank("split_heads", "joint", joint.shape(), 3);
  const std::size_t columns = joint.shape()[2], all = heads + 2 * key_value_heads;
  if (heads == 0 || key_value_heads == 0 || columns % all != 0)
    throw std::invalid_argument("split_heads: the last size of joint is " + std::to_string(columns) + "; for " +
                                std::to_string(heads) + " heads of queries and " + std::to_string(key_value_heads) +
                                " of keys and values it must be a multiple of " + std::to_string(all) +
                                ", and neither number 0");
  const head_columns query{heads, columns / all}, shared{key_value_heads, columns / all};
  const pooled_vector<variable<T>> parts = split_columns(pass, joint, {query, shared, shared});
  return {parts[0], parts[1], parts[2]};
}

template <class T>
variable<T> merge_heads(graph<T>& pass, const variable<T>& x) {
  const work_scope scope(work_kind::attention);
  require_rank("merge_heads", "x", x.shape(), 4);
  const extents shape = x.shape();
  const std::size_t columns = shape[1] * shape[3];
  tensor<T> merged = tensor<T>::uninitialized({shape[0], shape[2], columns});
  copy_heads<direction::from_heads>(pass.pool(), shape, x.value().data(), merged.data(), columns, 0);
  return pass.result(std::move(merged), {&x},
                     [&pool = pass.pool(), x = x.without_value(), shape, columns](const tensor<T>& gradient) {
                       tensor<T> split = tensor<T>::uninitialized(shape);
                       copy_heads<direction::to_heads>(pool, shape, split.data(), gradient.data(), columns, 0);
                       x.add_gradient(std::move(split), pool);
                     });
}

template <class T>
variable<T> concatenate_widths(graph<T>& pass, const variable<T>& left, const variable<T>& right) {
  const work_scope scope(work_kind::attention);
  require_rank("concatenate_widths", "left", left.shape(), 4);
  require_rank("concatenate_widths", "right", right.shape(), 4);
  const extents a = left.shape(), b = right.shape();
  if (a[0] != b[0] || a[1] % b[1] != 0 || a[2] != b[2])
    throw std::invalid_argument("concatenate_widths: right has shape " + to_string(b) + " and left " + to_string(a) +
                                "; batch and length must be equal and the heads of left a multiple of those of right");
  const std::size_t length = a[2], group = a[1] / b[1], left_width = a[3], right_width = b[3];
  const std::size_t width = left_width + right_width;
  tensor<T> joined = tensor<T>::uninitialized({a[0], a[1], length, width});
  kernels::for_each_row(pass.pool(), a[0] * a[1] * length, width,
                        [=, x = left.value().data(), y = right.value().data(), out = joined.data()](std::size_t row)
                            BINADE_KERNEL_BODY {
                              const std::size_t shared = row / length / group * length + row % length;
                              std::copy_n(x + row * left_width, left_width, out + row * width);
                              std::copy_n(y + shared * right_width, right_width, out + row * width + left_width);
                            });
  return pass.result(
      std::move(joined), {&left, &right},
      [=, &pool = pass.pool(), left = left.without_value(), right = right.without_value()](const tensor<T>& gradient) {
        tensor<T> left_gradient = tensor<T>::uninitialized(left.shape());
        tensor<T> right_gradient = tensor<T>::uninitialized(right.shape());
        kernels::for_each_row(pool, left_gradient.size() / left_width, left_width,
                              [=, d = gradient.data(), dx = left_gradient.data()](std::size_t row) BINADE_KERNEL_BODY {
                                std::copy_n(d + row * width, left_width, dx + row * left_width);
                              });
        kernels::for_each_row(pool, right_gradient.size() / right_width, right_width,
                              [=, d = gradient.data(), dy = right_gradient.data()](std::size_t row) BINADE_KERNEL_BODY {
                                T* const sum = dy + row * right_width;
                                for (std::size_t member = 0; member < group; ++member) {
                                  const std::size_t reader = (row / length * group + member) * length + row % length;
                                  const T* const from = d + reader * width + left_width;
                                  for (std::size_t j = 0; j < right_width; ++j)
                                    sum[j] = member == 0 ? from[j] : sum[j] + from[j];
                                }
                              });
        left.add_gradient(std::move(left_gradient), pool);
        right.add_gradient(std::move(right_gradient), pool);
      });
}

#define BINADE_INSTANTIATE(T)                                                                       \
  template pooled_vector<variable<T>> split_columns(graph<T>&, const variable<T>&,                  \
                                                    std::initializer_list<head_columns>);           \
  template attention_heads<T> split_heads(graph<T>&, const variable<T>&, std::size_t, std::size_t); \
  template variable<T> merge_heads(graph<T>&, const variable<T>&);                                  \
  template variable<T> concatenate_widths(graph<T>&, const variable<T>&, const variable<T>&);
BINADE_INSTANTIATE(float)
BINADE_INSTANTIATE(double)
#undef BINADE_INSTANTIATE

}  // namespace binade
