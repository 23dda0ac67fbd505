#pragma once
// An array as a matrix along one axis, and the groups of its elements that share a scale.

#include <algorithm>
#include <cstddef>
#include <string>

#include "binade/quantizer.hpp"

namespace binade {

/// An array seen along one axis: element (o, j, i) is at (o * length + j) * inner + i.
///
/// As a matrix for scales it has outer * inner rows, row o * inner + i, and length columns.
struct axis_view {
  std::size_t outer = 1, length = 0, inner = 1;

  constexpr std::size_t rows() const { return outer * inner; }
  constexpr std::size_t size() const { return outer * length * inner; }
  bool operator==(const axis_view&) const = default;
};

namespace detail {

/// Scales of a view: groups of tile_rows x tile_cols, numbered (row / tile_rows) * per_row + column / tile_cols.
struct scale_grid {
  axis_view view;
  std::size_t tile_rows, tile_cols;

  constexpr std::size_t per_row() const { return (view.length + tile_cols - 1) / tile_cols; }
  constexpr std::size_t index(std::size_t row, std::size_t tile) const { return row / tile_rows * per_row() + tile; }
  constexpr std::size_t count() const {
    return view.size() == 0 ? 0 : (view.rows() + tile_rows - 1) / tile_rows * per_row();
  }
};

/// The grid of a scaling.
constexpr scale_grid plain_grid_of(const scaling& s, const axis_view& view) {
  scale_grid grid{view, 1, 1};
  switch (s.per) {
    case granularity::tensor:
      grid.tile_rows = std::max<std::size_t>(1, view.rows());
      grid.tile_cols = std::max<std::size_t>(1, view.length);
      break;
    case granularity::row:
      grid.tile_cols = std::max<std::size_t>(1, view.length);
      break;
    case granularity::col:
      grid.tile_rows = std::max<std::size_t>(1, view.rows());
      break;
    case granularity::tile:
      grid.tile_rows = s.tile_rows;
      grid.tile_cols = s.tile_cols;
      break;
  }
  return grid;
}

/// The grid of a scaling, in the equal view that is walked fastest: same storage, same numbers of scales.
constexpr scale_grid grid_of(const scaling& s, const axis_view& view) {
  if (s.per == granularity::tensor) return {{1, view.size(), 1}, 1, std::max<std::size_t>(1, view.size())};
  const scale_grid grid = plain_grid_of(s, view);
  if (view.inner != 1 || view.size() == 0) return grid;
  // Whole blocks of contiguous rows are rows themselves; columns of contiguous rows are rows of the transposed view.
  if (grid.tile_rows == 1 && view.length % grid.tile_cols == 0)
    return {{view.size() / grid.tile_cols, grid.tile_cols, 1}, 1, grid.tile_cols};
  if (grid.tile_cols == 1 && grid.tile_rows >= view.outer) return {{1, view.outer, view.length}, 1, view.outer};
  return grid;
}

inline std::string described(const axis_view& view) {
  return "(outer " + std::to_string(view.outer) + ", length " + std::to_string(view.length) + ", inner " +
         std::to_string(view.inner) + ")";
}

}  // namespace detail

}  // namespace binade
