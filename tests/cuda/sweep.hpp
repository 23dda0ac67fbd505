#pragma once
// What the GPU check sweeps and how its results become digests that a machine without a GPU can recompute.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "binade/codec.hpp"
#include "binade/noise.hpp"
#include "binade/text.hpp"
#include "util/hash.hpp"

namespace binade::sweep {

/// Element i of the swept array is the float32 whose bits are i.
inline constexpr std::uint64_t inputs = std::uint64_t(1) << 32;
/// The sweep goes slice by slice; a digest of all is the digest of the slices' digests, in order.
inline constexpr std::uint64_t slice = std::uint64_t(1) << 26;
/// The sample is every 1021st input: small enough for every test run.
inline constexpr std::uint64_t sample_stride = 1021;
inline constexpr noise_source noise{.seed = 0x0123456789abcdef, .stream = 0xfedcba9876543210, .step = 7};

inline constexpr std::array elements{
    "e4m3fn",         "e4m3fn/rtz",         "e4m3fn/sr",         "e5m2",        "e5m2/rtz",       "e5m2/sr",
    "e2m1fn:nan=max", "e2m1fn:nan=max/rtz", "e2m1fn:nan=max/sr", "e4m3fn/spec", "e5m2/spec/sr:8", "e5m2/rup/spec",
};

/// Values and codes of a range of inputs.
struct results {
  std::vector<float> values;
  std::vector<std::uint8_t> codes;
  explicit results(std::size_t count) : values(count), codes(count) {}
};

/// The CPU's answer for input i.
inline void evaluate(const element& e, std::uint64_t i, float& value, std::uint8_t& code) {
  const float x = std::bit_cast<float>(std::uint32_t(i));
  const std::uint32_t bits = is_stochastic(e.rounding) ? noise_at(noise, i, e.noise_bits) : 0;
  value = round(e, x, bits);
  code = std::uint8_t(encode(e, x, bits));
}

struct digests {
  std::string values, codes;
  bool operator==(const digests&) const = default;
};

inline digests digest(const results& r) {
  return {.values = byte_hasher().add(std::as_bytes(std::span(r.values))).digest(),
          .codes = byte_hasher().add(std::as_bytes(std::span(r.codes))).digest()};
}

inline digests join(const std::vector<digests>& slices) {
  byte_hasher values, codes;
  for (const digests& d : slices) {
    values.add(d.values);
    codes.add(d.codes);
  }
  return {.values = values.digest(), .codes = codes.digest()};
}

/// Digests of the sample.  evaluate_at(i, value, code) answers for input i.
template <class Evaluate>
digests sample_digests(Evaluate evaluate_at) {
  results r(std::size_t((inputs + sample_stride - 1) / sample_stride));
  for (std::size_t j = 0; j < r.values.size(); ++j) evaluate_at(j * sample_stride, r.values[j], r.codes[j]);
  return digest(r);
}

}  // namespace binade::sweep
