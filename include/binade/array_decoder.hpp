#pragma once
// Arrays of codes to float32, in the fastest of the ways that give the reference's bits.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "binade/lane_round.hpp"

namespace binade::detail {

class array_decoder {
 public:
  /// @param count  how many codes there will be: a table of all values is worth it for many
  array_decoder(const number_format& f, std::size_t count)
      : format_(f), has_lanes_(lane_decoder::covers(f)), lanes_(has_lanes_ ? f.floating : ieee_format(5, 2)) {
    if (has_lanes_ || f.width > 16 || count <= f.code_mask()) return;
    for (std::uint64_t code = 0; code <= f.code_mask(); ++code) table_.push_back(decode<float>(f, code));
  }

  /// values[i] = decode<float>(f, codes[i])
  template <class Code>
  void operator()(const Code* codes, float* values, std::size_t count) const {
    if constexpr (sizeof(Code) <= sizeof(std::uint16_t))
      if (has_lanes_) return lane_decode(lanes_, codes, values, count);
    if (!table_.empty())
      for (std::size_t i = 0; i < count; ++i) values[i] = table_[codes[i]];
    else
      for (std::size_t i = 0; i < count; ++i) values[i] = decode<float>(format_, codes[i]);
  }

 private:
  number_format format_;
  bool has_lanes_;
  lane_decoder lanes_;
  std::vector<float> table_;
};

}  // namespace binade::detail
