#pragma once
// One kernel body, two ways to run it.  A body is a function object over an index; the device calls it from a grid
// (launch.cuh), the host from this loop, so that what a kernel computes is tested on machines without a GPU.

#include <cstddef>

namespace binade::cuda {

/// Calls body(i) for 0 <= i < count, ascending.  No body may depend on the order.
template <class Body>
void for_each_index_on_host(std::size_t count, const Body& body) {
  for (std::size_t i = 0; i < count; ++i) body(i);
}

}  // namespace binade::cuda
