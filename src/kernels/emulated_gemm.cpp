#include "kernels/emulated_gemm.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "binade/matmul.hpp"

namespace binade::kernels {
namespace {

/// op(matrix) in one piece.
std::vector<float> gathered(const product_matrix& x, std::size_t rows, std::size_t columns) {
  std::vector<float> result(rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    if (x.form == transpose::no) {
      std::copy_n(x.first + r * x.stride, columns, result.data() + r * columns);
      continue;
    }
    for (std::size_t c = 0; c < columns; ++c) result[r * columns + c] = x.first[c * x.stride + r];
  }
  return result;
}

/// op(matrix) in one piece: itself if it is one.
class whole_matrix {
 public:
  whole_matrix(const product_matrix& x, std::size_t rows, std::size_t columns)
      : copy_(x.form == transpose::no && x.stride == columns ? std::vector<float>() : gathered(x, rows, columns)),
        values_(copy_.empty() ? std::span(x.first, rows * columns) : std::span<const float>(copy_)) {}
  std::span<const float> values() const { return values_; }

 private:
  std::vector<float> copy_;
  std::span<const float> values_;
};

/// Writes the product that multiply() gives in one piece to where it belongs.
template <class Multiply>
void place(std::size_t m, std::size_t n, float* c, std::size_t ldc, bool accumulate, Multiply multiply) {
  if (!accumulate && ldc == n) return multiply(std::span(c, m * n));
  std::vector<float> product(m * n);
  multiply(std::span(product));
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      float& to = c[i * ldc + j];
      to = accumulate ? to + product[i * n + j] : product[i * n + j];
    }
}

auto bands_of(thread_pool& pool) {
  return [&pool](std::size_t count, const auto& f) { pool.parallel_for(count, f); };
}

/// Calls visit(p, value) for the entries of row r of the part, which is k long.
template <class Visit>
void visit_row(const sparse_rows& d, std::size_t r, std::size_t k, Visit visit) {
  const std::size_t begin = (d.row + r) * d.length + d.p;
  auto entry = std::lower_bound(d.entries.begin(), d.entries.end(), begin,
                                [](const residual_entry& e, std::size_t index) { return e.index < index; });
  for (; entry != d.entries.end() && entry->index < begin + k; ++entry) visit(entry->index - begin, entry->value);
}

constexpr std::size_t rows_of_task = 16;

}  // namespace

void emulated_gemm(const accumulator& sum, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                   const product_matrix& b, const noise_source& noise, float* c, std::size_t ldc, bool accumulate,
                   thread_pool& pool) {
  const whole_matrix left(a, m, k), right(b, k, n);
  place(m, n, c, ldc, accumulate, [&](std::span<float> out) {
    matmul(left.values(), right.values(), {m, k, n}, sum, noise, out, bands_of(pool));
  });
}

void emulated_gemm(const accumulator& sum, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                   const binade::detail::operand_scales& a_scales, const product_matrix& b,
                   const binade::detail::operand_scales& b_scales, const noise_source& noise, float* c, std::size_t ldc,
                   bool accumulate, thread_pool& pool) {
  const binade::detail::scaled_operand left{gathered(a, m, k), a_scales}, right{gathered(b, k, n), b_scales};
  place(m, n, c, ldc, accumulate, [&](std::span<float> out) {
    binade::detail::check_product(left.elements, right.elements, {m, k, n}, sum, noise, out);
    binade::detail::multiply_unscaled(
        left, right, {{m, k, n}, sum, noise, binade::detail::chunk_ends(k, sum.stages[0].chunk)}, out, bands_of(pool));
  });
}

void add_sparse_left(const sparse_rows& d, std::size_t m, std::size_t n, std::size_t k, const product_matrix& b,
                     float* c, std::size_t ldc, thread_pool& pool) {
  const whole_matrix right(b, k, n);
  pool.parallel_ranges(m, rows_of_task, [&](std::size_t begin, std::size_t end) {
    std::vector<float> chains(n);
    for (std::size_t i = begin; i < end; ++i) {
      std::fill(chains.begin(), chains.end(), 0.0f);
      visit_row(d, i, k, [&](std::size_t p, float value) {
        const float* const row = right.values().data() + p * n;
        for (std::size_t j = 0; j < n; ++j) chains[j] = std::fma(value, row[j], chains[j]);
      });
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] += chains[j];
    }
  });
}

void add_sparse_right(const sparse_rows& d, std::size_t m, std::size_t n, std::size_t k, const product_matrix& a,
                      float* c, std::size_t ldc, thread_pool& pool) {
  const whole_matrix left(a, m, k);
  pool.parallel_ranges(m, rows_of_task, [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = 0; j < n; ++j) {
      float chains[rows_of_task] = {};
      visit_row(d, j, k, [&](std::size_t p, float value) {
        for (std::size_t i = begin; i < end; ++i)
          chains[i - begin] = std::fma(left.values()[i * k + p], value, chains[i - begin]);
      });
      for (std::size_t i = begin; i < end; ++i) c[i * ldc + j] += chains[i - begin];
    }
  });
}

}  // namespace binade::kernels
