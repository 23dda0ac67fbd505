#pragma once
// A transform before quantization as one plain value, and the two verbs that every transform has: apply and undo.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/config.hpp"
#include "binade/hadamard.hpp"
#include "binade/power_expansion.hpp"
#include "binade/quantile_clamp.hpp"

namespace binade {

/// What a transform does to each row.
enum class transform_kind : std::uint8_t {
  hadamard,         ///< of `block` elements
  random_hadamard,  ///< with the signs of `seed`
  expand,           ///< `expansion`
  clamp,            ///< `quantile`, and what is cut off is added back
};

/// A transform of rows.  Fields that the kind does not name are default.
struct transform {
  transform_kind kind = transform_kind::hadamard;
  std::uint32_t block = 0;
  std::uint64_t seed = 0;
  power_expansion expansion = {};
  quantile_clamp quantile = {};

  bool operator==(const transform&) const = default;
};

/// The Hadamard transform of blocks of `block` elements: a power of two up to hadamard_max_block.
constexpr transform hadamard_transform(std::uint32_t block) {
  return {.block = block};
}
/// The same after the signs that `seed` gives.
constexpr transform random_hadamard_transform(std::uint32_t block, std::uint64_t seed) {
  return {.kind = transform_kind::random_hadamard, .block = block, .seed = seed};
}
/// The expansion of each group.
constexpr transform expand_transform(const power_expansion& e) {
  return {.kind = transform_kind::expand, .expansion = e};
}
/// The clamp, whose loss is added back.
constexpr transform clamp_transform(const quantile_clamp& c) {
  return {.kind = transform_kind::clamp, .quantile = c};
}

/// Why a transform is impossible; empty if it is not.
constexpr std::string_view defect(const transform& t) {
  const bool is_hadamard = t.kind == transform_kind::hadamard || t.kind == transform_kind::random_hadamard;
  if (!is_hadamard && t.block != 0) return "only a Hadamard transform has a block";
  if (t.kind != transform_kind::random_hadamard && t.seed != 0)
    return "only a Hadamard transform with signs has a seed";
  if (t.kind != transform_kind::expand && t.expansion != power_expansion{}) return "only an expansion has its settings";
  if (t.kind != transform_kind::clamp && t.quantile != quantile_clamp{}) return "only a clamp has a quantile";
  switch (t.kind) {
    case transform_kind::hadamard:
    case transform_kind::random_hadamard:
      return hadamard_defect(t.block);
    case transform_kind::expand:
      return defect(t.expansion);
    case transform_kind::clamp:
      return defect(t.quantile);
  }
  return "the kind is none of the enumerators";
}

/// What a transform remembers of an array, to be undone.
struct transform_record {
  std::vector<expanded_group> groups = {};  ///< expand: one per group, row by row
  std::vector<residual_entry> cut = {};     ///< clamp: what was cut off, by ascending index

  bool operator==(const transform_record&) const = default;
};

namespace detail {

inline void check_transform(const std::string& verb, const transform& t, std::size_t count, std::size_t row_length) {
  if (const std::string_view why = defect(t); !why.empty())
    throw std::invalid_argument(verb + ": the transform is impossible: " + std::string(why));
  if (row_length == 0 ? count != 0 : count % row_length != 0)
    throw std::invalid_argument(verb + ": " + std::to_string(count) + " elements are not whole rows of " +
                                std::to_string(row_length));
  if (t.block != 0 && row_length % t.block != 0)
    throw std::invalid_argument(verb + ": rows of " + std::to_string(row_length) +
                                " are no whole number of blocks of " + std::to_string(t.block) +
                                "; pad the axis or take a block size that divides it");
}

}  // namespace detail

/// Transforms every row of an array.  A row's result depends on the row alone.
///
/// @param x    whole rows of row_length
/// @param out  x.size() elements; may be x
/// @throws std::invalid_argument if the transform is impossible or a size does not fit; nothing is written
inline transform_record apply(const transform& t, std::size_t row_length, std::span<const float> x,
                              std::span<float> out) {
  detail::check_transform("apply", t, x.size(), row_length);
  if (out.size() != x.size())
    throw std::invalid_argument("apply: out has room for " + std::to_string(out.size()) + " elements and " +
                                std::to_string(x.size()) + " are needed");
  transform_record record;
  switch (t.kind) {
    case transform_kind::hadamard:
    case transform_kind::random_hadamard:
      if (x.data() != out.data()) std::copy(x.begin(), x.end(), out.begin());
      if (t.kind == transform_kind::hadamard)
        hadamard(out, t.block);
      else
        rht(out, t.block, t.seed);
      break;
    case transform_kind::expand:
      record.groups.resize(expanded_group_count(t.expansion, x.size(), row_length));
      expand(t.expansion, row_length, x, out, record.groups);
      break;
    case transform_kind::clamp:
      record.cut = clamp_rows(t.quantile, row_length, x, out);
      break;
  }
  return record;
}

/// Takes an array back, in place: the inverse transform, or the residual added.
/// @param record  what apply returned for the array of this shape
/// @throws std::invalid_argument if the transform is impossible or a size does not fit; y is as before
inline void undo(const transform& t, const transform_record& record, std::size_t row_length, std::span<float> y) {
  detail::check_transform("undo", t, y.size(), row_length);
  switch (t.kind) {
    case transform_kind::hadamard:
      return hadamard(y, t.block);
    case transform_kind::random_hadamard:
      return inverse_rht(y, t.block, t.seed);
    case transform_kind::expand:
      return contract(t.expansion, row_length, record.groups, y);
    case transform_kind::clamp:
      return compensate(record.cut, y);
  }
}

}  // namespace binade
