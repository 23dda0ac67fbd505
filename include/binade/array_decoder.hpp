#pragma once
// Arrays of codes to float32, in the fastest of the ways that give the reference's bits.

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "binade/byte_decode.hpp"
#include "binade/lane_round.hpp"

namespace binade::detail {

class array_decoder {
 public:
  /// @param count  how many codes there will be: a table of all values is worth it for many
  array_decoder(const number_format& f, std::size_t count) : format_(f) {
    if (lane_decoder::covers(f)) lanes_.emplace(f.floating);
    const bool has_planes = f.width <= 8 && count >= pays_planes && has_byte_tables();
    if (f.width > 16 || count <= f.code_mask() || (lanes_ && !has_planes)) return;
    table_.resize(f.code_mask() + 1);
    if (lanes_) {
      std::uint8_t codes[256];
      std::iota(codes, codes + table_.size(), std::uint8_t(0));
      lane_decode(*lanes_, codes, table_.data(), table_.size());
    } else {
      for (std::size_t code = 0; code < table_.size(); ++code) table_[code] = decode<float>(f, code);
    }
    if (has_planes) planes_.emplace(table_);
  }

  /// values[i] = decode<float>(f, codes[i])
  template <class Code>
  void operator()(const Code* codes, float* values, std::size_t count) const {
#ifdef BINADE_WIDE_256
    if constexpr (sizeof(Code) == sizeof(std::uint8_t))
      if (planes_ && count >= 64) return byte_decode(*planes_, codes, values, count);
#endif
    if constexpr (sizeof(Code) <= sizeof(std::uint16_t))
      if (lanes_) return lane_decode(*lanes_, codes, values, count);
    if (!table_.empty())
      for (std::size_t i = 0; i < count; ++i) values[i] = table_[codes[i]];
    else
      for (std::size_t i = 0; i < count; ++i) values[i] = decode<float>(format_, codes[i]);
  }

 private:
  static constexpr std::size_t pays_planes = 4096;  ///< codes for which byte_planes are worth their making

  number_format format_;
  std::optional<lane_decoder> lanes_;
  std::vector<float> table_;
  std::optional<byte_planes> planes_;
};

}  // namespace binade::detail
