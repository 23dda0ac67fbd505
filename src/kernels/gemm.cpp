#include "kernels/gemm.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/cpu.hpp"
#include "kernels/simd.hpp"

// How it works.  op(A) is cut into panels of up to `rows` rows and op(B) into panels of up to two vectors of columns; both are
// copied ("packed") so that a panel lies in memory in the order in which it is read.  A tile is the product of one panel of
// each: its outputs stay in registers while k goes up.  k is cut into blocks that fit the caches; between two blocks the
// unfinished chains rest in C (or beside it, when C is to be added to), and the next block takes them up again.  So an output
// is one chain whatever the cuts are.

namespace binade {
namespace {

using kernels::isa;
using kernels::simd;

/// k per block: a panel of A (14 x 256 floats) then lies in the first-level cache and a block of B in the second.
constexpr std::size_t k_block = 256;
/// Packed at a time: (2048, 2048) of A and of B at most, 16 MiB each in float.
constexpr std::size_t super_block = 2048;
/// Panels of B that one task goes through: 16 x 32 columns x 256 k = 512 KiB of float.
constexpr std::size_t task_column_panels = 16;
/// Panels of A per task, when there are tasks enough.
constexpr std::size_t task_row_panels = 10;

// ---- one tile ----------------------------------------------------------------------------------------------------------

/// One tile: chains over `depth` steps of k.
template <class T>
struct tile_work {
  std::size_t depth;    ///< steps of k, >= 1
  const T* a;           ///< packed panel: (depth, rows)
  const T* b;           ///< packed panel: (depth, vectors * lanes)
  const T* chains;      ///< unfinished chains to take up, rows chains_stride apart; null: start from +0
  std::size_t chains_stride;
  T* out;               ///< where the chains go, rows out_stride apart
  std::size_t out_stride;
  bool add;             ///< out += chain instead of out = chain
  std::size_t columns;  ///< columns of the tile that exist, (vectors - 1) * lanes < columns <= vectors * lanes
};

/// Calls f(0), f(1), ... f(count - 1) with constants: an unrolled loop, whatever the compiler thinks of unrolling.
template <std::size_t Count, class F>
BINADE_ALWAYS_INLINE void unrolled(const F& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>) BINADE_KERNEL_BODY {
    (f(std::integral_constant<std::size_t, i>{}), ...);
  }(std::make_index_sequence<Count>{});
}

template <class T, isa Level, std::size_t Rows, std::size_t Vectors>
BINADE_ALWAYS_INLINE void compute_tile(const tile_work<T>& work) {
  using ops = simd<T, Level>;
  constexpr std::size_t lanes = ops::lanes;
  const bool whole = work.columns == Vectors * lanes;
  const std::size_t in_last_vector = work.columns - (Vectors - 1) * lanes;
  const auto load = [&](auto& vector, const T* row, std::size_t v) BINADE_KERNEL_BODY {
    if (whole || v + 1 < Vectors) {
      ops::load(vector, row + v * lanes);
    } else {
      ops::load(vector, row + v * lanes, in_last_vector);
    }
  };

  typename ops::vector chain[Rows][Vectors];
  if (work.chains == nullptr) {
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::zero(chain[r][v]); });
    });
  } else {
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      unrolled<Vectors>(
          [&](auto v) BINADE_KERNEL_BODY { load(chain[r][v], work.chains + r * work.chains_stride, v); });
    });
  }

  const T *a = work.a, *b = work.b;
  for (std::size_t p = 0; p < work.depth; ++p, a += Rows, b += Vectors * lanes) {
    typename ops::vector b_row[Vectors];
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::load(b_row[v], b + v * lanes); });
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      typename ops::vector a_value;
      ops::broadcast(a_value, a + r);
      unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::fma(chain[r][v], a_value, b_row[v]); });
    });
  }

  unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
    T* const row = work.out + r * work.out_stride;
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY {
      if (work.add) {
        typename ops::vector old;
        load(old, row, v);
        ops::add(chain[r][v], old);
      }
      if (whole || v + 1 < Vectors) {
        ops::store(row + v * lanes, chain[r][v]);
      } else {
        ops::store(row + v * lanes, chain[r][v], in_last_vector);
      }
    });
  });
}

// ---- packing -----------------------------------------------------------------------------------------------------------

/// target[p * stride + r] = element (r, p) of a matrix, r < rows, p < depth; zeros for rows <= r < stride.
template <class T>
struct pack_work {
  const T* source;
  std::size_t source_stride;
  T* target;
  std::size_t stride, rows, depth;
};

/// Element (r, p) is source[p * source_stride + r].
template <class T>
BINADE_ALWAYS_INLINE void pack_straight(const pack_work<T>& work) {
  for (std::size_t p = 0; p < work.depth; ++p) {
    const T* const source = work.source + p * work.source_stride;
    T* const target = work.target + p * work.stride;
    std::copy_n(source, work.rows, target);
    std::fill(target + work.rows, target + work.stride, T(0));
  }
}

/// Element (r, p) is source[r * source_stride + p].
template <class T, isa Level>
BINADE_ALWAYS_INLINE void pack_transposed(const pack_work<T>& work) {
  using ops = simd<T, Level>;
  constexpr std::size_t block = ops::block;
  const std::size_t whole_depth = work.rows >= block ? work.depth - work.depth % block : 0;
  for (std::size_t p = 0; p < whole_depth; p += block) {
    // The last block of rows begins early and overlaps its neighbour: it writes the same values there.
    for (std::size_t r = 0; r < work.rows; r += block) {
      const std::size_t row = std::min(r, work.rows - block);
      ops::transpose(work.source + row * work.source_stride + p, work.source_stride,
                     work.target + p * work.stride + row, work.stride);
    }
  }
  for (std::size_t p = whole_depth; p < work.depth; ++p)
    for (std::size_t r = 0; r < work.rows; ++r)
      work.target[p * work.stride + r] = work.source[r * work.source_stride + p];
  if (work.rows < work.stride)
    for (std::size_t p = 0; p < work.depth; ++p)
      std::fill(work.target + p * work.stride + work.rows, work.target + (p + 1) * work.stride, T(0));
}

// ---- one set of kernels per instruction set ----------------------------------------------------------------------------

constexpr std::size_t max_rows = 14, max_vectors = 2;

/// The kernels of one instruction set, and the shape of its tiles.
template <class T>
struct kernel_set {
  using tile_function = void (*)(const tile_work<T>&);
  using pack_function = void (*)(const pack_work<T>&);
  std::size_t lanes;
  std::size_t rows;  ///< the most rows of a tile: rows * vectors accumulators, b_row and one factor fill the registers
  std::array<std::array<tile_function, max_vectors + 1>, max_rows + 1> tile;  ///< [rows][vectors]
  pack_function straight, transposed;
};

// One entry per instruction set: attributes cannot depend on a template parameter.
template <class T, isa Level>
struct entry_points;

#define BINADE_ENTRY_POINTS(level, target)                       \
  template <class T>                                             \
  struct entry_points<T, level> {                                \
    template <std::size_t Rows, std::size_t Vectors>             \
    target static void tile(const tile_work<T>& work) {          \
      compute_tile<T, level, Rows, Vectors>(work);               \
    }                                                            \
    target static void straight(const pack_work<T>& work) {      \
      pack_straight(work);                                       \
    }                                                            \
    target static void transposed(const pack_work<T>& work) {    \
      pack_transposed<T, level>(work);                           \
    }                                                            \
  }
BINADE_ENTRY_POINTS(isa::portable, );
#if defined(__x86_64__)
BINADE_ENTRY_POINTS(isa::x86_64_v3, BINADE_TARGET_V3);
BINADE_ENTRY_POINTS(isa::x86_64_v4, BINADE_TARGET_V4);
#endif
#undef BINADE_ENTRY_POINTS

template <class T, isa Level, std::size_t Rows>
constexpr kernel_set<T> make_kernel_set() {
  using entries = entry_points<T, Level>;
  kernel_set<T> set{simd<T, Level>::lanes, Rows, {}, entries::straight, entries::transposed};
  [&]<std::size_t... r>(std::index_sequence<r...>) {
    ((set.tile[r + 1] = {nullptr, &entries::template tile<r + 1, 1>, &entries::template tile<r + 1, 2>}), ...);
  }(std::make_index_sequence<Rows>{});
  return set;
}

template <class T>
const kernel_set<T>& active_kernels() {
  static constexpr kernel_set<T> portable = make_kernel_set<T, isa::portable, 4>();
#if defined(__x86_64__)
  static constexpr kernel_set<T> v3 = make_kernel_set<T, isa::x86_64_v3, 6>(), v4 = make_kernel_set<T, isa::x86_64_v4, 14>();
  const isa level = kernels::active_isa();
  if (level == isa::x86_64_v4) return v4;
  if (level == isa::x86_64_v3) return v3;
#endif
  return portable;
}

// ---- the whole product -------------------------------------------------------------------------------------------------

/// Memory that a thread keeps from call to call, so that packing does not pay for fresh pages.
template <class T>
class workspace {
 public:
  T* reserve(std::size_t count) {
    if (count > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<T*>(::operator new(count * sizeof(T), alignment)));
      size_ = count;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct free_memory {
    void operator()(T* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<T, free_memory> memory_;
  std::size_t size_ = 0;
};

template <class T>
workspace<T>& thread_workspace(std::size_t which) {
  thread_local std::array<workspace<T>, 3> workspaces;
  return workspaces[which];
}

constexpr std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// `total` rows cut into the fewest panels of at most `most`, of sizes that differ by one at most: no panel is nearly empty.
struct even_cut {
  std::size_t total, count;
  even_cut(std::size_t total_, std::size_t most) : total(total_), count(divide_up(total_, most)) {}
  std::size_t begin(std::size_t index) const { return index * (total / count) + std::min(index, total % count); }
};

/// A stored matrix and the way to element (i, p): p runs along k, i across.
template <class T>
struct operand {
  const T* data;
  std::size_t stride;
  bool along_k;  ///< true: the elements along k are neighbours, data[i * stride + p]; false: data[p * stride + i]
  const T* at(std::size_t i, std::size_t p) const { return along_k ? data + i * stride + p : data + p * stride + i; }
};

/// One super block: C tiles of (m, n) at `out`, over k in [0, k) of operands that are already offset to the block.
template <class T>
class block_product {
 public:
  block_product(const kernel_set<T>& kernels, std::size_t m, std::size_t n, std::size_t k)
      : kernels_(kernels), row_cut_(m, kernels.rows), panel_width_(max_vectors * kernels.lanes), n_(n), k_(k) {
    column_panels_ = divide_up(n, panel_width_);
    // The last panel may do with one vector.
    padded_n_ = divide_up(n, kernels.lanes) * kernels.lanes;
  }

  std::size_t packed_a_size() const { return row_cut_.total * k_; }
  std::size_t packed_b_size() const { return padded_n_ * k_; }
  std::size_t row_panels() const { return row_cut_.count; }
  std::size_t column_panels() const { return column_panels_; }

  /// Packs one panel of B for all of k.  Layout: k blocks one after the other, in each the panels one after the other.
  void pack_b_panel(const operand<T>& b, std::size_t panel, T* packed) const {
    const std::size_t first = panel * panel_width_, width = width_of(panel), columns = std::min(n_ - first, width);
    for (std::size_t p = 0; p < k_; p += k_block) {
      const std::size_t depth = std::min(k_block, k_ - p);
      pack(b, first, p, {nullptr, 0, packed + p * padded_n_ + first * depth, width, columns, depth});
    }
  }
  void pack_a_panel(const operand<T>& a, std::size_t panel, T* packed) const {
    const std::size_t first = row_cut_.begin(panel), rows = row_cut_.begin(panel + 1) - first;
    for (std::size_t p = 0; p < k_; p += k_block) {
      const std::size_t depth = std::min(k_block, k_ - p);
      pack(a, first, p, {nullptr, 0, packed + p * row_cut_.total + first * depth, rows, rows, depth});
    }
  }

  /// All the k blocks of the tiles of some panels.  Chains come from `chains` if take_up (else they start), rest there in
  /// between, and go to `out` in the end if finish (else they stay in chains).
  struct destination {
    T* chains;
    std::size_t chains_stride;
    T* out;
    std::size_t out_stride;
    bool take_up, finish, add;
  };
  void compute(const T* packed_a, const T* packed_b, const destination& to, std::size_t row_panel_begin,
               std::size_t row_panel_end, std::size_t column_panel_begin, std::size_t column_panel_end) const {
    for (std::size_t p = 0; p < k_; p += k_block) {
      const std::size_t depth = std::min(k_block, k_ - p);
      const bool start = p == 0 && !to.take_up, end = p + depth == k_ && to.finish;
      for (std::size_t row_panel = row_panel_begin; row_panel < row_panel_end; ++row_panel) {
        const std::size_t row = row_cut_.begin(row_panel), rows = row_cut_.begin(row_panel + 1) - row;
        for (std::size_t panel = column_panel_begin; panel < column_panel_end; ++panel) {
          const std::size_t column = panel * panel_width_, width = width_of(panel);
          T* const chains = to.chains + row * to.chains_stride + column;
          const tile_work<T> work{.depth = depth,
                                  .a = packed_a + p * row_cut_.total + row * depth,
                                  .b = packed_b + p * padded_n_ + column * depth,
                                  .chains = start ? nullptr : chains,
                                  .chains_stride = to.chains_stride,
                                  .out = end ? to.out + row * to.out_stride + column : chains,
                                  .out_stride = end ? to.out_stride : to.chains_stride,
                                  .add = end && to.add,
                                  .columns = std::min(n_ - column, width)};
          kernels_.tile[rows][width / kernels_.lanes](work);
        }
      }
    }
  }

 private:
  std::size_t width_of(std::size_t panel) const { return std::min(panel_width_, padded_n_ - panel * panel_width_); }
  void pack(const operand<T>& matrix, std::size_t first, std::size_t p, pack_work<T> work) const {
    work.source = matrix.at(first, p);
    work.source_stride = matrix.stride;
    (matrix.along_k ? kernels_.transposed : kernels_.straight)(work);
  }

  const kernel_set<T>& kernels_;
  even_cut row_cut_;
  std::size_t panel_width_, n_, k_, column_panels_, padded_n_;
};

template <class T>
void multiply(const operand<T>& a, const operand<T>& b, std::size_t m, std::size_t n, std::size_t k, T* c,
              std::size_t ldc, bool accumulate, thread_pool& pool) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] = accumulate ? c[i * ldc + j] + T(0) : T(0);
    return;
  }
  const kernel_set<T>& kernels = active_kernels<T>();
  for (std::size_t j = 0; j < n; j += super_block) {
    for (std::size_t i = 0; i < m; i += super_block) {
      const std::size_t block_m = std::min(super_block, m - i), block_n = std::min(super_block, n - j);
      T* const out = c + i * ldc + j;
      // Chains that more than one k block works on rest in C itself, unless C holds what they will be added to.
      const bool apart = accumulate && k > k_block;
      T* const chains = apart ? thread_workspace<T>(2).reserve(block_m * block_n) : out;
      const std::size_t chains_stride = apart ? block_n : ldc;
      for (std::size_t p = 0; p < k; p += super_block) {
        const std::size_t block_k = std::min(super_block, k - p);
        const block_product<T> product(kernels, block_m, block_n, block_k);
        T* const packed_a = thread_workspace<T>(0).reserve(product.packed_a_size());
        T* const packed_b = thread_workspace<T>(1).reserve(product.packed_b_size());
        const operand<T> block_a{a.at(i, p), a.stride, a.along_k}, block_b{b.at(j, p), b.stride, b.along_k};
        const bool b_is_packed = i > 0 && k <= super_block;
        const std::size_t b_panels = b_is_packed ? 0 : product.column_panels();
        pool.parallel_for(b_panels + product.row_panels(), [&](std::size_t index) {
          if (index < b_panels) {
            product.pack_b_panel(block_b, index, packed_b);
          } else {
            product.pack_a_panel(block_a, index - b_panels, packed_a);
          }
        });

        const typename block_product<T>::destination to{.chains = chains,
                                                        .chains_stride = chains_stride,
                                                        .out = out,
                                                        .out_stride = ldc,
                                                        .take_up = p > 0,
                                                        .finish = p + block_k == k,
                                                        .add = accumulate};
        const std::size_t column_tasks = divide_up(product.column_panels(), task_column_panels);
        const std::size_t wanted_row_tasks = divide_up(4 * pool.size(), column_tasks);
        const std::size_t row_panels_per_task =
            std::clamp<std::size_t>(product.row_panels() / wanted_row_tasks, 1, task_row_panels);
        const std::size_t row_tasks = divide_up(product.row_panels(), row_panels_per_task);
        pool.parallel_for(row_tasks * column_tasks, [&](std::size_t task) {
          const std::size_t row_panel = task % row_tasks * row_panels_per_task;
          const std::size_t column_panel = task / row_tasks * task_column_panels;
          product.compute(packed_a, packed_b, to, row_panel,
                          std::min(row_panel + row_panels_per_task, product.row_panels()), column_panel,
                          std::min(column_panel + task_column_panels, product.column_panels()));
        });
      }
    }
  }
}

void check_stride(const char* name, std::size_t given, std::size_t needed) {
  if (given < needed)
    throw std::invalid_argument(std::string("gemm: ") + name + " is " + std::to_string(given) +
                                "; rows of this matrix have " + std::to_string(needed) +
                                " elements, and it must be at least that");
}

template <class T>
struct checked_form {
  bool a_along_k, b_along_k;
  checked_form(transpose a, transpose b, std::size_t m, std::size_t n, std::size_t k, std::size_t lda, std::size_t ldb,
               std::size_t ldc)
      : a_along_k(a == transpose::no), b_along_k(b == transpose::yes) {
    check_stride("lda", lda, a_along_k ? k : m);
    check_stride("ldb", ldb, b_along_k ? k : n);
    check_stride("ldc", ldc, n);
  }
};

template <class T>
void checked_gemm(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k, const T* a,
                  std::size_t lda, const T* b, std::size_t ldb, T* c, std::size_t ldc, bool accumulate,
                  thread_pool& pool) {
  const checked_form<T> form(a_form, b_form, m, n, k, lda, ldb, ldc);
  multiply<T>({a, lda, form.a_along_k}, {b, ldb, form.b_along_k}, m, n, k, c, ldc, accumulate, pool);
}

template <class T>
void checked_gemm_batched(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
                          std::span<const gemm_operands<T>> batch, std::size_t lda, std::size_t ldb, std::size_t ldc,
                          bool accumulate, thread_pool& pool) {
  const checked_form<T> form(a_form, b_form, m, n, k, lda, ldb, ldc);
  const auto multiply_one = [&](std::size_t index) {
    const gemm_operands<T>& one = batch[index];
    multiply<T>({one.a, lda, form.a_along_k}, {one.b, ldb, form.b_along_k}, m, n, k, one.c, ldc, accumulate, pool);
  };
  if (batch.size() < pool.size()) {  // threads share each product instead
    for (std::size_t index = 0; index < batch.size(); ++index) multiply_one(index);
  } else {
    pool.parallel_for(batch.size(), multiply_one);  // a pool inside a tile of its own runs inline
  }
}

}  // namespace

void gemm(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, float* c, std::size_t ldc, bool accumulate,
          thread_pool& pool) {
  checked_gemm(a_form, b_form, m, n, k, a, lda, b, ldb, c, ldc, accumulate, pool);
}
void gemm(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k, const double* a,
          std::size_t lda, const double* b, std::size_t ldb, double* c, std::size_t ldc, bool accumulate,
          thread_pool& pool) {
  checked_gemm(a_form, b_form, m, n, k, a, lda, b, ldb, c, ldc, accumulate, pool);
}

void gemm_batched(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
                  std::span<const gemm_operands<float>> batch, std::size_t lda, std::size_t ldb, std::size_t ldc,
                  bool accumulate, thread_pool& pool) {
  checked_gemm_batched(a_form, b_form, m, n, k, batch, lda, ldb, ldc, accumulate, pool);
}
void gemm_batched(transpose a_form, transpose b_form, std::size_t m, std::size_t n, std::size_t k,
                  std::span<const gemm_operands<double>> batch, std::size_t lda, std::size_t ldb, std::size_t ldc,
                  bool accumulate, thread_pool& pool) {
  checked_gemm_batched(a_form, b_form, m, n, k, batch, lda, ldb, ldc, accumulate, pool);
}

}  // namespace binade
