#pragma once
// The conversion instructions of a Hopper GPU from float32, each under the text of the element that must give its
// codes, and the checksum of all its codes that a machine without a GPU can recompute.

#include <array>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "binade/codec.hpp"

namespace binade::conversions {

struct conversion {
  const char* text;
  bool truncates_nans = false;  ///< the code of a NaN is its leading bits, be they an infinity's
};
inline constexpr std::array all{
    conversion{"e4m3fn/as=cuda"},     // cvt.rn.satfinite.e4m3x2.f32
    conversion{"e5m2/as=cuda"},       // cvt.rn.satfinite.e5m2x2.f32
    conversion{"e5m10/as=cuda"},      // cvt.rn.f16.f32
    conversion{"e5m10/rtz/as=cuda"},  // cvt.rz.f16.f32
    conversion{"e5m10/rup/as=cuda"},  // cvt.rp.f16.f32
    conversion{"e5m10/rdn/as=cuda"},  // cvt.rm.f16.f32
    conversion{"e8m7/as=cuda"},       // cvt.rn.bf16.f32
    conversion{"e8m7/rtz/as=cuda"},   // cvt.rz.bf16.f32
    conversion{"e8m10/as=cuda"},      // cvt.rn.tf32.f32; the code is all but the last 13 bits of what it leaves
    conversion{"e8m10/rna", true},    // cvt.rna.tf32.f32
    conversion{"e8m10/rtz/as=cuda"},  // cvt.rz.tf32.f32
};

/// What the instruction must give for the float32 with these bits.  @pre e is parsed from c.text
BINADE_HD constexpr std::uint32_t expected(const conversion& c, const element& e, std::uint32_t input) {
  const float x = std::bit_cast<float>(input);
  if (c.truncates_nans && x != x) return input >> (32 - e.format.width);
  return std::uint32_t(encode(e, x));
}

inline constexpr std::uint64_t inputs = std::uint64_t{1} << 32;
inline constexpr std::uint64_t sample_stride = 1021;  ///< of the inputs that every test run recomputes

/// What the code of an input adds to a checksum: a bijection of (input, code) that leaves no bit as it was
/// (the finalizer of splitmix64).  Sums modulo 2^64 do not depend on the order.
BINADE_HD constexpr std::uint64_t share(std::uint32_t input, std::uint32_t code) {
  std::uint64_t z = (std::uint64_t{input} << 32 | code) + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// The checksum of what is expected of every stride-th of the inputs [first, last).  @pre first is a multiple of stride
inline std::uint64_t checksum(const conversion& c, const element& e, std::uint64_t first, std::uint64_t last,
                              std::uint64_t stride) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = first; i < last; i += stride) sum += share(std::uint32_t(i), expected(c, e, std::uint32_t(i)));
  return sum;
}

struct checksums {
  std::uint64_t all, sample;
};
struct device_record {
  std::string file, name;
  std::map<std::string, checksums> elements;
};

/// What conversions_gpu --write left in tests/golden/gpu_conversions/.
inline std::vector<device_record> stored() {
  std::vector<device_record> records;
  for (const auto& entry : std::filesystem::directory_iterator(BINADE_SOURCE_DIR "/tests/golden/gpu_conversions")) {
    const nlohmann::json report = nlohmann::json::parse(std::ifstream(entry.path()));
    device_record record{.file = entry.path().filename(), .name = report.at("device"), .elements = {}};
    for (const nlohmann::json& e : report.at("conversions"))
      record.elements[e.at("element")] = {.all = e.at("all"), .sample = e.at("sample")};
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace binade::conversions
