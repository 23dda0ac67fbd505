#pragma once
// The transforms of a quantizer over an array, whatever axis they are along.

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "binade/quantizer.hpp"
#include "binade/scale_grid.hpp"
#include "binade/transform.hpp"

namespace binade::detail {

/// Rows along the axis, one after the other, from storage order or back.
inline void gather_rows(std::span<const float> x, const axis_view& view, std::span<float> rows) {
  if (view.inner == 1) return void(std::copy(x.begin(), x.end(), rows.begin()));
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t i = 0; i < view.inner; ++i)
      for (std::size_t j = 0; j < view.length; ++j)
        rows[(o * view.inner + i) * view.length + j] = x[(o * view.length + j) * view.inner + i];
}
inline void scatter_rows(std::span<const float> rows, const axis_view& view, std::span<float> x) {
  if (view.inner == 1) return void(std::copy(rows.begin(), rows.end(), x.begin()));
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t i = 0; i < view.inner; ++i)
      for (std::size_t j = 0; j < view.length; ++j)
        x[(o * view.length + j) * view.inner + i] = rows[(o * view.inner + i) * view.length + j];
}

/// The transforms of a quantizer over an array in storage order.
class transform_chain {
 public:
  transform_chain(const quantizer& q, const axis_view& view) : quantizer_(q), view_(view), rows_(view.size()) {}

  /// x transformed, in storage order.
  std::vector<float> apply(std::span<const float> x) {
    gather_rows(x, view_, rows_);
    for (const transform& t : transforms()) records_.push_back(binade::apply(t, view_.length, rows_, rows_));
    std::vector<float> result(x.size());
    scatter_rows(rows_, view_, result);
    return result;
  }
  /// Takes x back, in place.
  void undo(std::span<float> x) {
    gather_rows(x, view_, rows_);
    for (int k = quantizer_.transform_count; k-- > 0;)
      binade::undo(quantizer_.transforms[std::size_t(k)], records_[std::size_t(k)], view_.length, rows_);
    scatter_rows(rows_, view_, x);
  }
  std::vector<transform_record>& records() { return records_; }
  /// The quantizer of what is transformed.
  quantizer without_transforms() const {
    quantizer q = quantizer_;
    q.transform_count = 0;
    q.transforms = {};
    return q;
  }

 private:
  std::span<const transform> transforms() const {
    return {quantizer_.transforms.data(), std::size_t(quantizer_.transform_count)};
  }

  quantizer quantizer_;
  axis_view view_;
  std::vector<float> rows_;
  std::vector<transform_record> records_;
};

}  // namespace binade::detail
