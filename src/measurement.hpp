#pragma once

#include <string_view>

#include "tape.hpp"

namespace binade {

/// What an operation says about its arrays to who watches a run.
struct measurement {
  std::string_view subject;   ///< a GEMM site, or "logits"
  std::string_view quantity;  ///< input_rms, ...
  double value;
  bool largest = false;  ///< of several passes the largest counts; else their mean
};

/// Measures what enters a site: input_rms, the root mean square of all elements, and input_kurtosis, the mean fourth
/// power of their distance from the mean over the squared variance (3 for normal numbers; outliers raise it), which is
/// left out where all elements are equal.  In double, in the written order of sums.  Without effect in a pass without a
/// meter.
template <class T>
void measure_input(const graph<T>& pass, std::string_view site, const tensor<T>& x);

}  // namespace binade
