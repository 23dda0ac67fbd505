#include "ops/embedding.hpp"

#include <algorithm>
#include <string>

#include "buffer_pool.hpp"

namespace binade {
namespace {

/// Positions in the order of their ids, ascending among equal ids.
struct positions_by_id {
  pooled_vector<std::size_t> positions;
  pooled_vector<std::size_t> begin;  ///< of every id, and the end of the last

  positions_by_id(std::span<const std::int32_t> ids, std::size_t id_count)
      : positions(ids.size()), begin(id_count + 1) {
    for (const std::int32_t id : ids) ++begin[std::size_t(id) + 1];
    for (std::size_t id = 0; id < id_count; ++id) begin[id + 1] += begin[id];
    pooled_vector<std::size_t> next(begin.begin(), begin.end() - 1);
    for (std::size_t position = 0; position < ids.size(); ++position)
      positions[next[std::size_t(ids[position])]++] = position;
  }
};

template <class T>
void scatter(thread_pool& pool, std::span<const std::int32_t> ids, const tensor<T>& gradient, std::size_t width,
             const variable<T>& table) {
  const auto [sum, accumulate] = table.target();
  const positions_by_id order(ids, table.shape()[0]);
  pool.parallel_for(table.shape()[0], [&, accumulate = accumulate, table_gradient = sum.data()](std::size_t id) {
    const std::size_t begin = order.begin[id], end = order.begin[id + 1];
    T* const row = table_gradient + id * width;
    if (begin == end) {
      if (!accumulate) std::fill_n(row, width, T(0));
      return;
    }
    pooled_vector<T> chain(width, T(0));
    for (std::size_t i = begin; i < end; ++i) {
      const T* const from = gradient.data() + order.positions[i] * width;
      for (std::size_t j = 0; j < width; ++j) chain[j] += from[j];
    }
    for (std::size_t j = 0; j < width; ++j) row[j] = accumulate ? row[j] + chain[j] : chain[j];
  });
}

}  // namespace

template <class T>
variable<T> embedding(graph<T>& pass, const variable<T>& table, std::span<const std::int32_t> ids,
                      const extents& shape) {
  require_rank("embedding", "table", table.shape(), 2);
  const std::size_t rows = table.shape()[0], width = table.shape()[1];
  if (shape.rank() == 0 || shape.back() != width || shape.count() != ids.size() * width)
    throw std::invalid_argument("embedding: shape " + to_string(shape) + " does not fit " + std::to_string(ids.size()) +
                                " ids into a table of shape " + to_string(table.shape()));
  for (std::size_t position = 0; position < ids.size(); ++position)
    if (ids[position] < 0 || std::size_t(ids[position]) >= rows)
      throw std::invalid_argument("embedding: id " + std::to_string(ids[position]) + " at position " +
                                  std::to_string(position) + " is outside the table, which has " +
                                  std::to_string(rows) + " rows (0 to " + std::to_string(rows - 1) + ")");
  tensor<T> taken = tensor<T>::uninitialized(shape);
  for (std::size_t position = 0; position < ids.size(); ++position)
    std::copy_n(table.value().data() + std::size_t(ids[position]) * width, width, taken.data() + position * width);
  pooled_vector<std::int32_t> saved(ids.begin(), ids.end());
  return pass.result(std::move(taken), {&table},
                     [&pool = pass.pool(), table, saved = std::move(saved), width](const tensor<T>& gradient) {
                       scatter<T>(pool, saved, gradient, width, table);
                     });
}

template variable<float> embedding(graph<float>&, const variable<float>&, std::span<const std::int32_t>,
                                   const extents&);
template variable<double> embedding(graph<double>&, const variable<double>&, std::span<const std::int32_t>,
                                    const extents&);

}  // namespace binade
