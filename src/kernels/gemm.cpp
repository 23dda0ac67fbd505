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

// How it works.  op(A) is cut into panels of up to `rows` rows and op(B) into panels of up to two vectors of columns;
// both are copied ("packed") so that a panel lies in memory in the order in which it is read.  A tile is the product of
// one panel of each: its outputs stay in registers while k goes up.  k is cut into blocks that fit the caches; between
// two blocks the unfinished chains rest in C (or beside it, when C is to be added to), and the next block takes them up
// again.  So an output is one chain whatever the cuts are.

namespace binade {
namespace {

using kernels::isa;
using kernels::simd;

/// k per block: a panel of A (14 lines of 2 KiB) then lies in the first-level cache.
template <class T>
constexpr std::size_t k_block = 2048 / sizeof(T);
/// Packed at a time: (2048, 2048) of A and of B at most, 16 MiB each in float.
constexpr std::size_t super_block = 2048;
/// Panels of B that one task goes through: 8 x (2 vectors of 64 bytes) x k_block<T> = 512 KiB, which lie in the
/// second-level cache.
constexpr std::size_t task_column_panels = 8;
/// Up to this many panels of B, A is read where it is.
constexpr std::size_t in_place_column_panels = 4;
/// The same for an A whose rows are steps of k, and up to this many bytes of it.
constexpr std::size_t in_place_a_bytes = 32768;
/// Up to this many bytes of rows that hold whole vectors, B is read where it is: it stays in the first-level cache.
constexpr std::size_t in_place_b_bytes = 16384;
/// From this many bytes of packed A, tiles fetch the next panel of A ahead: fewer are still in the second-level cache.
constexpr std::size_t ahead_from_bytes = 262144;
/// Panels of A per task, when there are tasks enough.
constexpr std::size_t task_row_panels = 10;

// ---- one tile
// ----------------------------------------------------------------------------------------------------------

/// One tile: chains over `depth` steps of k.
template <class T>
struct tile_work {
  std::size_t depth;  ///< steps of k, >= 1
  const T* a;         ///< element (r, p) is at r * a_row + p * a_step
  std::size_t a_row, a_step;
  const T* b;  ///< (depth, vectors * lanes), steps b_step apart: a packed panel, or B itself
  std::size_t b_step;
  const T* chains;  ///< unfinished chains to take up, rows chains_stride apart; null: start from +0
  std::size_t chains_stride;
  T* out;  ///< where the chains go, rows out_stride apart
  std::size_t out_stride;
  bool add;             ///< out += chain instead of out = chain
  std::size_t columns;  ///< columns of the tile that exist, (vectors - 1) * lanes < columns <= vectors * lanes
  const char* ahead;    ///< fetched into the second-level cache meanwhile: ahead_step bytes at each step of k
  std::size_t ahead_step;
};

/// How a tile reads A.  Adjacent: a_row is 1, as in packed panels, so that the rows of a are at constant offsets.
/// Ahead: adjacent, and it fetches what comes next.
enum class a_access { strided, adjacent, ahead };

/// Calls f(0), f(1), ... f(count - 1) with constants: an unrolled loop, whatever the compiler thinks of unrolling.
template <std::size_t Count, class F>
BINADE_ALWAYS_INLINE void unrolled(const F& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>)
      BINADE_KERNEL_BODY { (f(std::integral_constant<std::size_t, i>{}), ...); }(std::make_index_sequence<Count>{});
}

template <class T, isa Level, a_access Access, std::size_t Rows, std::size_t Vectors>
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
      unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { load(chain[r][v], work.chains + r * work.chains_stride, v); });
    });
  }

  const T *a = work.a, *b = work.b;
  const std::size_t a_row = Access == a_access::strided ? work.a_row : 1;
  const char* ahead = work.ahead;
  for (std::size_t p = 0; p < work.depth; ++p, a += work.a_step, b += work.b_step) {
    if constexpr (Access == a_access::ahead) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += work.ahead_step;
    }
    typename ops::vector b_row[Vectors];
    unrolled<Vectors>([&](auto v) BINADE_KERNEL_BODY { ops::load(b_row[v], b + v * lanes); });
    unrolled<Rows>([&](auto r) BINADE_KERNEL_BODY {
      typename ops::vector a_value;
      ops::broadcast(a_value, a + r * a_row);
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

// ---- packing
// -----------------------------------------------------------------------------------------------------------

constexpr std::size_t divide_up(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

/// Rows of A or columns of B cut into panels.  A panel may be padded with zeros: it holds width(i) lines, of which
/// lines(i) exist.
struct panel_cut {
  /// Elements between panels, a line of the caches: panels of 2^n bytes side by side share few of their lines, and
  /// packing, which writes to all of them in turn, would evict what it wrote.
  template <class T>
  static constexpr std::size_t line_between = 64 / sizeof(T);

  std::size_t total, padded, count, quotient, remainder;

  /// The fewest panels of at most `most` lines, of sizes that differ by one at most, so that none is nearly empty.
  static panel_cut even(std::size_t total, std::size_t most) {
    const std::size_t count = divide_up(total, most);
    return {total, total, count, total / count, total % count};
  }
  /// Panels of `width` lines, the last padded to a multiple of `unit`.
  static panel_cut whole(std::size_t total, std::size_t width, std::size_t unit) {
    return {total, divide_up(total, unit) * unit, divide_up(total, width), width, 0};
  }
  BINADE_ALWAYS_INLINE std::size_t begin(std::size_t i) const {
    return std::min(padded, i * quotient + std::min(i, remainder));
  }
  BINADE_ALWAYS_INLINE std::size_t width(std::size_t i) const { return begin(i + 1) - begin(i); }
  BINADE_ALWAYS_INLINE std::size_t lines(std::size_t i) const { return std::min(total, begin(i + 1)) - begin(i); }
  /// Where panel i begins in a packed block of `depth` steps, and where the block ends.
  template <class T>
  BINADE_ALWAYS_INLINE std::size_t offset(std::size_t i, std::size_t depth) const {
    return begin(i) * depth + i * line_between<T>;
  }
};

/// One k block of an operand, to be packed: panel i goes to target + offset(i, depth), as (depth, width(i)).
template <class T>
struct pack_work {
  const T* source;  ///< line l at step p: [p * stride + l] for straight packing, [l * stride + p] for transposed
  std::size_t stride;
  T* target;
  std::size_t depth;  ///< steps of k in the block
  panel_cut cut;
};

/// Packs the steps [first, last) of all panels.  Steps go outermost, as the source is read fastest along its rows.
template <class T, isa Level>
BINADE_ALWAYS_INLINE void pack_straight(const pack_work<T>& work, std::size_t first, std::size_t last) {
  using ops = simd<T, Level>;
  constexpr std::size_t lanes = ops::lanes;
  const panel_cut& cut = work.cut;
  for (std::size_t p = first; p < last; ++p) {
    std::size_t next = 0;
    for (std::size_t panel = 0; panel < cut.count; ++panel) {
      const std::size_t begin = next, width = std::min(cut.quotient + (panel < cut.remainder), cut.padded - begin);
      const std::size_t lines = std::min(width, cut.total - begin);
      next += width;
      const T* const source = work.source + p * work.stride + begin;
      T* const target = work.target + begin * work.depth + panel * panel_cut::line_between<T> + p * width;
      const std::size_t room = (last - p) * width;
      typename ops::vector v;
      std::size_t l = 0;
      for (; l + lanes <= lines; l += lanes) {
        ops::load(v, source + l);
        ops::store(target + l, v);
      }
      // Lanes that are not loaded are zero: the padding, if there is any.  A store may reach into the next steps of the
      // panel, which are written after it, but not beyond the last.  (Stores of some lanes alone take long on some
      // processors.)
      for (; l < width; l += lanes) {
        if (lines == width && begin + l + lanes <= cut.total) {
          ops::load(v, source + l);  // lines of the next panel, in place of padding
        } else {
          ops::load(v, source + l, l < lines ? lines - l : 0);
        }
        if (l + lanes <= room) {
          ops::store(target + l, v);
        } else {
          ops::store(target + l, v, std::min(lanes, width - l));
        }
      }
    }
  }
}

/// Packs the panels [first, last).
template <class T, isa Level>
BINADE_ALWAYS_INLINE void pack_transposed(const pack_work<T>& work, std::size_t first, std::size_t last) {
  using ops = simd<T, Level>;
  for (std::size_t panel = first; panel < last; ++panel) {
    const std::size_t begin = work.cut.begin(panel), width = work.cut.width(panel), lines = work.cut.lines(panel);
    const T* const source = work.source + begin * work.stride;
    T* const target = work.target + work.cut.template offset<T>(panel, work.depth);
    std::size_t done = 0;  // steps that are packed
    unrolled<ops::blocks.size()>([&](auto index) BINADE_KERNEL_BODY {
      constexpr std::size_t block = ops::blocks[index];
      if (lines < block) return;
      for (; done + block <= work.depth; done += block) {
        // The last block of lines begins early and overlaps its neighbour: it writes the same values there.
        for (std::size_t l = 0; l < lines; l += block) {
          const std::size_t line = std::min(l, lines - block);
          ops::template transpose<block>(source + line * work.stride + done, work.stride, target + done * width + line,
                                         width);
        }
      }
    });
    for (std::size_t p = done; p < work.depth; ++p)
      for (std::size_t l = 0; l < lines; ++l) target[p * width + l] = source[l * work.stride + p];
    if (lines < width)
      for (std::size_t p = 0; p < work.depth; ++p)
        std::fill(target + p * width + lines, target + (p + 1) * width, T(0));
  }
}

// ---- one set of kernels per instruction set
// ----------------------------------------------------------------------------

constexpr std::size_t max_rows = 14, max_vectors = 2;

/// The kernels of one instruction set, and the shape of its tiles.
template <class T>
struct kernel_set {
  using tile_function = void (*)(const tile_work<T>&);
  using pack_function = void (*)(const pack_work<T>&, std::size_t first, std::size_t last);
  std::size_t lanes;
  std::size_t rows;  ///< the most rows of a tile: rows * vectors accumulators, b_row and one factor fill the registers
  using tile_table = std::array<std::array<tile_function, max_vectors + 1>, max_rows + 1>;  ///< [rows][vectors]
  std::array<tile_table, 3> tiles;                                                          ///< [a_access]
  pack_function straight, transposed;
};

// One entry per instruction set: attributes cannot depend on a template parameter.
template <class T, isa Level>
struct entry_points;

#define BINADE_ENTRY_POINTS(level, target_attribute)                                                         \
  template <class T>                                                                                         \
  struct entry_points<T, level> {                                                                            \
    template <a_access Access, std::size_t Rows, std::size_t Vectors>                                        \
    target_attribute static void tile(const tile_work<T>& work) {                                            \
      compute_tile<T, level, Access, Rows, Vectors>(work);                                                   \
    }                                                                                                        \
    target_attribute static void straight(const pack_work<T>& work, std::size_t first, std::size_t last) {   \
      pack_straight<T, level>(work, first, last);                                                            \
    }                                                                                                        \
    target_attribute static void transposed(const pack_work<T>& work, std::size_t first, std::size_t last) { \
      pack_transposed<T, level>(work, first, last);                                                          \
    }                                                                                                        \
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
  const auto fill = [&]<a_access Access, std::size_t... r>(std::index_sequence<r...>) {
    ((set.tiles[std::size_t(Access)][r + 1] = {nullptr, &entries::template tile<Access, r + 1, 1>,
                                               &entries::template tile<Access, r + 1, 2>}),
     ...);
  };
  fill.template operator()<a_access::strided>(std::make_index_sequence<Rows>{});
  fill.template operator()<a_access::adjacent>(std::make_index_sequence<Rows>{});
  fill.template operator()<a_access::ahead>(std::make_index_sequence<Rows>{});
  return set;
}

template <class T>
const kernel_set<T>& active_kernels() {
  static constexpr kernel_set<T> portable = make_kernel_set<T, isa::portable, 4>();
#if defined(__x86_64__)
  static constexpr kernel_set<T> v3 = make_kernel_set<T, isa::x86_64_v3, 6>(),
                                 v4 = make_kernel_set<T, isa::x86_64_v4, 14>();
  const isa level = kernels::active_isa();
  if (level == isa::x86_64_v4) return v4;
  if (level == isa::x86_64_v3) return v3;
#endif
  return portable;
}

// ---- the whole product
// -------------------------------------------------------------------------------------------------

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

/// A stored matrix and the way to element (i, p): p runs along k, i across.
template <class T>
struct operand {
  const T* data;
  std::size_t stride;
  bool along_k;  ///< true: the elements along k are neighbours, data[i * stride + p]; false: data[p * stride + i]

  const T* at(std::size_t i, std::size_t p) const { return along_k ? data + i * stride + p : data + p * stride + i; }
  operand from(std::size_t i, std::size_t p) const { return {at(i, p), stride, along_k}; }
};

/// An operand on its way to packed panels.  Layout: k blocks one after the other, in each the panels one after the
/// other.
template <class T>
class packing {
 public:
  packing(const operand<T>& source, const panel_cut& cut, std::size_t k, T* target)
      : source_(source), cut_(cut), k_(k), target_(target) {}

  /// Where the k block that begins at step p begins.
  static std::size_t offset(const panel_cut& cut, std::size_t p) {
    return p / k_block<T> * cut.template offset<T>(cut.count, k_block<T>);
  }
  static std::size_t size(const panel_cut& cut, std::size_t k) { return offset(cut, k + k_block<T> - 1); }
  /// Independent pieces of work: (k block, panel) or (k block, group of steps).
  std::size_t tasks() const { return divide_up(k_, k_block<T>) * tasks_per_block(); }
  void run(const kernel_set<T>& kernels, std::size_t task) const {
    const std::size_t p = task / tasks_per_block() * k_block<T>, part = task % tasks_per_block();
    const pack_work<T> work{source_.at(0, p), source_.stride, target_ + offset(cut_, p), std::min(k_block<T>, k_ - p),
                            cut_};
    if (source_.along_k) {
      kernels.transposed(work, part, part + 1);
    } else if (part * step_group < work.depth) {
      kernels.straight(work, part * step_group, std::min(work.depth, (part + 1) * step_group));
    }
  }

 private:
  static constexpr std::size_t step_group = k_block<T> / 4;
  std::size_t tasks_per_block() const { return source_.along_k ? cut_.count : k_block<T> / step_group; }

  operand<T> source_;
  panel_cut cut_;
  std::size_t k_;
  T* target_;
};

/// Where the chains of a block come from and go to.
template <class T>
struct chain_route {
  T* rest;  ///< where they rest between k blocks
  std::size_t rest_stride;
  T* out;
  std::size_t out_stride;
  bool resume;  ///< they are at rest already (else they start from +0)
  bool finish;  ///< they go to out in the end (else back to rest)
  bool add;     ///< ... and are added there
};

/// The product of two operands of at most super_block in each direction, from packed panels.
template <class T>
class block_product {
 public:
  block_product(const kernel_set<T>& kernels, const operand<T>& a, const panel_cut& rows, const T* packed_a,
                const operand<T>& b, const panel_cut& columns, const T* packed_b, std::size_t k,
                const chain_route<T>& route)
      : kernels_(kernels),
        a_(a),
        b_(b),
        rows_(rows),
        columns_(columns),
        packed_a_(packed_a),
        packed_b_(packed_b),
        k_(k),
        route_(route) {}

  /// The tiles of some panels, over all of k.
  void run(std::size_t row_panel_begin, std::size_t row_panel_end, std::size_t column_panel_begin,
           std::size_t column_panel_end) const {
    const bool packed = packed_a_ != nullptr, adjacent = packed || !a_.along_k, b_packed = packed_b_ != nullptr;
    const bool fetch = packed && rows_.total * k_ * sizeof(T) >= ahead_from_bytes;
    const a_access access = fetch ? a_access::ahead : adjacent ? a_access::adjacent : a_access::strided;
    const auto& tile = kernels_.tiles[std::size_t(access)];
    const std::size_t column_panels = column_panel_end - column_panel_begin;
    for (std::size_t p = 0; p < k_; p += k_block<T>) {
      const std::size_t depth = std::min(k_block<T>, k_ - p);
      const bool start = p == 0 && !route_.resume, end = p + depth == k_ && route_.finish;
      for (std::size_t row_panel = row_panel_begin; row_panel < row_panel_end; ++row_panel) {
        const std::size_t row = rows_.begin(row_panel), rows = rows_.width(row_panel);
        const T* const a = packed ? packed_a(row_panel, p) : a_.at(row, p);
        // Each tile of this row of tiles fetches its part of the panel of A that is read after this one, or touches its
        // own again where none is.
        const T* next_a = a;
        if (fetch && row_panel + 1 < row_panel_end) {
          next_a = packed_a(row_panel + 1, p);
        } else if (fetch && p + depth < k_) {
          next_a = packed_a(row_panel_begin, p + depth);
        }
        const char* ahead = reinterpret_cast<const char*>(next_a);
        const std::size_t ahead_step = next_a == a ? 0 : divide_up(rows * sizeof(T), column_panels);
        const std::size_t ahead_part = depth * ahead_step;
        for (std::size_t panel = column_panel_begin; panel < column_panel_end; ++panel, ahead += ahead_part) {
          const std::size_t column = columns_.begin(panel), width = columns_.width(panel);
          T* const rest = route_.rest + row * route_.rest_stride + column;
          tile[rows][width / kernels_.lanes](
              {.depth = depth,
               .a = a,
               .a_row = adjacent ? 1 : a_.stride,
               .a_step = packed       ? rows
                         : a_.along_k ? 1
                                      : a_.stride,
               .b = b_packed ? packed_b_ + packing<T>::offset(columns_, p) + columns_.template offset<T>(panel, depth)
                             : b_.at(column, p),
               .b_step = b_packed ? width : b_.stride,
               .chains = start ? nullptr : rest,
               .chains_stride = route_.rest_stride,
               .out = end ? route_.out + row * route_.out_stride + column : rest,
               .out_stride = end ? route_.out_stride : route_.rest_stride,
               .add = end && route_.add,
               .columns = columns_.lines(panel),
               .ahead = ahead,
               .ahead_step = ahead_step});
        }
      }
    }
  }

 private:
  /// A packed panel of A in the k block that begins at step p.
  const T* packed_a(std::size_t row_panel, std::size_t p) const {
    return packed_a_ + packing<T>::offset(rows_, p) + rows_.template offset<T>(row_panel, std::min(k_block<T>, k_ - p));
  }

  const kernel_set<T>& kernels_;
  operand<T> a_, b_;
  panel_cut rows_, columns_;
  const T *packed_a_, *packed_b_;  ///< null: it is read in place
  std::size_t k_;
  chain_route<T> route_;
};

/// Whether packing A would cost more than it saves: each element is used for few columns.
template <class T>
bool reads_in_place(const operand<T>& a, const panel_cut& columns, std::size_t k) {
  if (!a.along_k && k * a.stride * sizeof(T) <= in_place_a_bytes) return true;
  // Rows at multiples of 4096 bytes share the lines of the first-level cache: the rows of a tile would evict each
  // other.
  const bool rows_collide = a.along_k && a.stride * sizeof(T) % 4096 == 0;
  return columns.count <= in_place_column_panels && !rows_collide;
}

/// Whether B is small and lies as panels do, but for the steps: packing would be most of the work.
template <class T>
bool reads_in_place_b(const operand<T>& b, const panel_cut& columns, std::size_t k) {
  return !b.along_k && columns.padded == columns.total && k * b.stride * sizeof(T) <= in_place_b_bytes;
}

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
    const panel_cut columns =
        panel_cut::whole(std::min(super_block, n - j), max_vectors * kernels.lanes, kernels.lanes);
    for (std::size_t i = 0; i < m; i += super_block) {
      const panel_cut rows = panel_cut::even(std::min(super_block, m - i), kernels.rows);
      T* const out = c + i * ldc + j;
      // Chains rest in C itself between two k blocks, unless C holds what they will be added to.
      const bool apart = accumulate && k > k_block<T>;
      T* const rest = apart ? thread_workspace<T>(2).reserve(rows.total * columns.total) : out;
      for (std::size_t p = 0; p < k; p += super_block) {
        const std::size_t block_k = std::min(super_block, k - p);
        const operand<T> block_a = a.from(i, p);
        const bool a_in_place = reads_in_place(block_a, columns, k);
        T* const packed_a = a_in_place ? nullptr : thread_workspace<T>(0).reserve(packing<T>::size(rows, block_k));
        const operand<T> block_b = b.from(j, p);
        const bool b_in_place = reads_in_place_b(block_b, columns, k);
        T* const packed_b = b_in_place ? nullptr : thread_workspace<T>(1).reserve(packing<T>::size(columns, block_k));
        const packing<T> pack_a(block_a, rows, block_k, packed_a), pack_b(block_b, columns, block_k, packed_b);
        const bool b_is_ready = b_in_place || (i > 0 && k <= super_block);  // packed for the super blocks above
        const std::size_t a_tasks = a_in_place ? 0 : pack_a.tasks(), b_tasks = b_is_ready ? 0 : pack_b.tasks();
        pool.parallel_for(b_tasks + a_tasks, [&](std::size_t task) {
          if (task < b_tasks) {
            pack_b.run(kernels, task);
          } else {
            pack_a.run(kernels, task - b_tasks);
          }
        });

        const block_product<T> product(kernels, block_a, rows, packed_a, block_b, columns, packed_b, block_k,
                                       {.rest = rest,
                                        .rest_stride = apart ? columns.total : ldc,
                                        .out = out,
                                        .out_stride = ldc,
                                        .resume = p > 0,
                                        .finish = p + block_k == k,
                                        .add = accumulate});
        const std::size_t column_tasks = divide_up(columns.count, task_column_panels);
        const std::size_t wanted_row_tasks = divide_up(4 * pool.size(), column_tasks);
        const std::size_t row_panels = std::clamp<std::size_t>(rows.count / wanted_row_tasks, 1, task_row_panels);
        const std::size_t row_tasks = divide_up(rows.count, row_panels);
        pool.parallel_for(row_tasks * column_tasks, [&](std::size_t task) {
          const std::size_t row = task % row_tasks * row_panels, column = task / row_tasks * task_column_panels;
          product.run(row, std::min(row + row_panels, rows.count), column,
                      std::min(column + task_column_panels, columns.count));
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
