#pragma once
// Codes as bytes: the storage layout of arrays whose codes are not whole machine words.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>

#include "binade/packing_lanes.hpp"

namespace binade {

/// How codes lie in bytes.
enum class packed_layout : std::uint8_t {
  /// A little-endian bit stream: code i has the bits [i width, (i + 1) width), and bit b of the stream is bit b mod 8
  /// of
  /// byte b / 8.  So 4-bit codes stand two to a byte with element 0 in the low nibble, as tensor cores and PyTorch have
  /// them; four 6-bit codes take three bytes; 8, 16, 32 and 64 bits are little-endian words.  Bits after the last code
  /// are zero.
  dense,
  /// Each code in the smallest little-endian word of 8, 16, 32 or 64 bits that holds it; its upper bits are zero.
  padded,
};

/// A contiguous array of unsigned integers.
template <class T>
concept code_range = std::ranges::contiguous_range<T> && std::ranges::sized_range<T> &&
                     std::unsigned_integral<std::ranges::range_value_t<T>>;

namespace detail {

/// Bits that a code takes, its padding included.  width: 1..64
BINADE_HD constexpr int stored_width(int width, packed_layout layout) {
  if (layout == packed_layout::dense) return width;
  return width <= 8 ? 8 : width <= 16 ? 16 : width <= 32 ? 32 : 64;
}

/// The first `count` <= 8 bytes of a little-endian word; the others are zero.
constexpr std::uint64_t load_bytes(const std::uint8_t* bytes, std::size_t count) {
  std::uint64_t word = 0;
  for (std::size_t b = 0; b < count; ++b) word |= std::uint64_t(bytes[b]) << (8 * b);
  return word;
}
constexpr void store_bytes(std::uint64_t word, std::uint8_t* bytes, std::size_t count) {
  for (std::size_t b = 0; b < count; ++b) bytes[b] = std::uint8_t(word >> (8 * b));
}

constexpr std::uint64_t low_bits(int width) {
  return ~std::uint64_t(0) >> (64 - width);
}

[[noreturn]] inline void refuse_packed_size(const std::string& verb, const char* what, std::size_t given,
                                            std::size_t needed, std::size_t count, int width) {
  throw std::invalid_argument(verb + ": " + what + " has " + std::to_string(given) + " bytes and " +
                              std::to_string(needed) + " are needed for " + std::to_string(count) + " codes of " +
                              std::to_string(width) + " bits; give packed_size() bytes");
}

}  // namespace detail

/// Bytes that `count` codes take.
/// @param width  bits of a code, 1..64
/// @throws std::invalid_argument if the width is not 1..64 or memory cannot hold so many
constexpr std::size_t packed_size(std::size_t count, int width, packed_layout layout = packed_layout::dense) {
  if (width < 1 || width > 64)
    throw std::invalid_argument("packed_size: width is " + std::to_string(width) + "; a code has 1 to 64 bits");
  const std::size_t bits = std::size_t(detail::stored_width(width, layout)), tail = (count % 8 * bits + 7) / 8;
  if (count / 8 > (std::numeric_limits<std::size_t>::max() - tail) / bits)
    throw std::invalid_argument("packed_size: " + std::to_string(count) + " codes of " + std::to_string(width) +
                                " bits are more than memory holds");
  return count / 8 * bits + tail;
}

/// Packs codes into bytes.
///
/// @param codes  unsigned integers of any width, each below 2^width
/// @param out    packed_size(codes.size(), width, layout) bytes, which do not overlap codes
/// @throws std::invalid_argument if the width is not 1..64, out has another size, or a code is wider than width;
///         nothing is written
template <code_range Codes>
constexpr void pack(const Codes& codes, int width, packed_layout layout, std::span<std::uint8_t> out) {
  const auto* const code = std::ranges::data(codes);
  const std::size_t count = std::ranges::size(codes), needed = packed_size(count, width, layout);
  if (out.size() != needed) detail::refuse_packed_size("pack", "out", out.size(), needed, count, width);
  if (!detail::all_fit(code, count, detail::low_bits(width))) {
    const auto* const wide = std::find_if(code, code + count, [&](auto c) { return c > detail::low_bits(width); });
    throw std::invalid_argument("pack: code " + std::to_string(*wide) + " at index " + std::to_string(wide - code) +
                                " is wider than " + std::to_string(width) + " bits; give the width of its format");
  }
  const int stored = detail::stored_width(width, layout);
  std::size_t done = 0;
  if constexpr (sizeof(*code) == 1)
    if (stored == width && !std::is_constant_evaluated()) done = detail::pack_lanes(code, width, count, out.data());
  std::uint8_t* next = out.data() + done / 8 * std::size_t(stored);
  std::uint64_t word = 0;
  int filled = 0;  // bits of word that are taken, below 64
  for (std::size_t i = done; i < count; ++i) {
    const std::uint64_t value = code[i];
    word |= value << filled;
    const int room = 64 - filled;
    if (stored < room) {
      filled += stored;
      continue;
    }
    detail::store_bytes(word, next, 8);
    next += 8;
    word = room == 64 ? 0 : value >> room;
    filled = stored - room;
  }
  detail::store_bytes(word, next, std::size_t(filled + 7) / 8);
}

/// The codes that bytes hold: the inverse of pack.
///
/// @param bytes  packed_size(out.size(), width, layout) bytes
/// @param out    unsigned integers of `width` bits or more: as many as there are codes; they do not overlap bytes
/// @throws std::invalid_argument if the width is not 1..64, bytes has another size, the integers of out are narrower
///         than width, or a padding bit is set (the message has the offset of its byte); nothing is written
template <code_range Codes>
constexpr void unpack(std::span<const std::uint8_t> bytes, int width, packed_layout layout, Codes&& out) {
  using code_type = std::ranges::range_value_t<Codes>;
  const std::size_t count = std::ranges::size(out), needed = packed_size(count, width, layout);
  if (bytes.size() != needed) detail::refuse_packed_size("unpack", "bytes", bytes.size(), needed, count, width);
  if (width > std::numeric_limits<code_type>::digits)
    throw std::invalid_argument("unpack: out holds codes of " + std::to_string(std::numeric_limits<code_type>::digits) +
                                " bits and " + std::to_string(width) + " are needed; give wider integers");

  const int stored = detail::stored_width(width, layout);
  const auto refuse_padding = [&](std::size_t offset) {
    throw std::invalid_argument("unpack: the byte at offset " + std::to_string(offset) + " is " +
                                std::to_string(bytes[offset]) +
                                ", with padding bits that must be zero; the bytes are "
                                "damaged, or of another width, layout or count than " +
                                std::to_string(count) + " codes of " + std::to_string(width) + " bits");
  };
  if (stored > width) {
    const std::size_t step = std::size_t(stored) / 8;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t b = std::size_t(width) / 8; b < step; ++b) {
        const int used = width - int(8 * b);  // bits of this byte that belong to the code, if positive
        if (bytes[i * step + b] >> (used > 0 ? used : 0) != 0) refuse_padding(i * step + b);
      }
  } else if (const int used = int(count % 8 * std::size_t(width) % 8); used != 0 && bytes[needed - 1] >> used != 0) {
    refuse_padding(needed - 1);
  }

  auto* const code = std::ranges::data(out);
  std::size_t done = 0;
  if constexpr (sizeof(*code) == 1)
    if (stored == width && !std::is_constant_evaluated()) done = detail::unpack_lanes(bytes.data(), width, count, code);
  std::size_t next = done / 8 * std::size_t(stored);
  std::uint64_t word = 0;
  int used = 64;  // bits of word that are gone
  const auto load = [&] {
    const std::size_t here = std::min<std::size_t>(8, needed - next);
    word = detail::load_bytes(bytes.data() + next, here);
    next += here;
  };
  for (std::size_t i = done; i < count; ++i) {
    if (used == 64) {
      load();
      used = 0;
    }
    std::uint64_t value = word >> used;
    const int left = 64 - used;
    if (stored > left) {
      load();
      value |= word << left;
      used = stored - left;
    } else {
      used += stored;
    }
    code[i] = code_type(value & detail::low_bits(width));
  }
}

}  // namespace binade
