#pragma once
// All 2^32 float32 inputs through encode() on the device, judged there against what the oracle expects.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "binade/quantizer.hpp"
#include "oracle/block_walk.hpp"

namespace binade {

/// Compares encode(e, x) with expected, as oracle::expectations_of makes it, for every x; adds how many results were
/// compared to `judged`.  Returns the mismatch of the lowest input; `which` in it is 0.
/// @throws std::runtime_error for an error of the device
std::optional<oracle::mismatch> device_walk(const element& e, std::span<const oracle::expectation> expected,
                                            std::uint64_t& judged);

struct device_name {
  std::string processor;  ///< the device and its driver
  std::string compiler;   ///< of the device code
};
/// Nothing where there is no device.
std::optional<device_name> find_device();

}  // namespace binade
