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

inline constexpr std::array elements{
    "e4m3fn/as=cuda",  // cvt.rn.satfinite.e4m3x2.f32
    "e5m2/as=cuda",    // cvt.rn.satfinite.e5m2x2.f32
    "e5m10/as=cuda",   // cvt.rn.f16.f32
    "e5m10/rtz/as=cuda", "e5m10/rup/as=cuda", "e5m10/rdn/as=cuda",
    "e8m7/as=cuda",  // cvt.rn.bf16.f32
    "e8m7/rtz/as=cuda",
    "e8m10/as=cuda",  // cvt.rn.tf32.f32; the code is all but the last 13 bits of what it leaves
    "e8m10/rna/as=cuda", "e8m10/rtz/as=cuda",
};

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
