#pragma once
// The verbs without scales, element by element, for either binary type: what binary64 needs, and codes without scales.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "binade/codec.hpp"
#include "binade/noise.hpp"

namespace binade {

namespace detail {

/// Throws unless an element is possible, both arrays have one size and the noise lasts.
inline void check_elementwise(const std::string& verb, const element& e, std::size_t given, std::size_t room,
                              const noise_source& source) {
  if (const std::string_view why = defect(e); !why.empty())
    throw std::invalid_argument(verb + ": the element is impossible: " + std::string(why));
  if (given != room)
    throw std::invalid_argument(verb + ": the result has room for " + std::to_string(room) + " elements and " +
                                std::to_string(given) + " are needed");
  if (!is_stochastic(e.rounding)) return;
  const std::uint64_t capacity = noise_capacity(e.noise_bits);
  if (source.first > capacity || given > capacity - source.first)
    throw std::invalid_argument(verb + ": noise for elements " + std::to_string(source.first) + " to " +
                                std::to_string(source.first + given) + " is asked for and one stream has " +
                                std::to_string(capacity) + "; give each array a stream of its own");
}

/// Calls visit(i, noise of element i) for every element.
template <class Visit>
void with_noise(const element& e, const noise_source& source, std::size_t count, Visit visit) {
  constexpr std::size_t chunk = 1024;
  std::uint32_t noise[chunk] = {};
  for (std::size_t first = 0; first < count; first += chunk) {
    const std::size_t n = std::min(chunk, count - first);
    if (is_stochastic(e.rounding)) fill_noise(source, first, e.noise_bits, {noise, n});
    for (std::size_t i = 0; i < n; ++i) visit(first + i, noise[i]);
  }
}

}  // namespace detail

/// out[i] = round(e, x[i]): each element rounded once from its own type.
/// @param source  of the stochastic modes: element k has noise index k
/// @param out     x.size() elements; x itself or memory apart from it
/// @throws std::invalid_argument if sizes disagree, the element is impossible or the noise stream is too short; nothing
///         is written
template <detail::binary_float T>
void round_each(const element& e, std::span<const T> x, const noise_source& source, std::span<T> out) {
  detail::check_elementwise("round_each", e, x.size(), out.size(), source);
  detail::with_noise(e, source, x.size(), [&](std::size_t i, std::uint32_t noise) { out[i] = round(e, x[i], noise); });
}

/// codes[i] = encode(e, x[i]).
/// @param codes  x.size() unsigned integers that hold a code
/// @throws std::invalid_argument as round_each, and if x has NaNs that the format refuses: the message counts them, and
///         the codes there are 0
template <detail::binary_float T, std::unsigned_integral Code>
void encode_each(const element& e, std::span<const T> x, const noise_source& source, std::span<Code> codes) {
  detail::check_elementwise("encode", e, x.size(), codes.size(), source);
  std::size_t refused = 0;
  detail::with_noise(e, source, x.size(), [&](std::size_t i, std::uint32_t noise) {
    const bool is_refused = refuses(e, x[i]);
    codes[i] = is_refused ? Code(0) : Code(encode(e, x[i], noise));
    refused += std::size_t(is_refused);
  });
  if (refused != 0)
    throw std::invalid_argument("encode: x has " + std::to_string(refused) +
                                " NaN and the format has no code for it; say what to take instead (:nan=max or "
                                ":nan=zero) or remove them");
}

/// The values of a format's codes, of 16 bits or fewer from a table where so many codes are asked for that it pays.
template <detail::binary_float T>
class code_values {
 public:
  /// @param count  codes that will be asked for
  code_values(const number_format& f, std::size_t count) : format_(f) {
    if (f.width > 16 || count <= f.code_mask()) return;
    for (std::uint64_t code = 0; code <= f.code_mask(); ++code) table_.push_back(decode<T>(f, code));
  }
  /// @pre code < 2^width
  T operator()(std::uint64_t code) const { return table_.empty() ? decode<T>(format_, code) : table_[code]; }

 private:
  number_format format_;
  std::vector<T> table_;
};

/// out[i] = the value of codes[i].
/// @throws std::invalid_argument if sizes disagree or a code is wider than the format; nothing is written
template <detail::binary_float T, std::unsigned_integral Code>
void decode_each(const number_format& f, std::span<const Code> codes, const code_values<T>& values, std::span<T> out) {
  if (out.size() != codes.size())
    throw std::invalid_argument("decode: out has room for " + std::to_string(out.size()) + " values and " +
                                std::to_string(codes.size()) + " are needed");
  const auto wide = std::find_if(codes.begin(), codes.end(), [&](Code code) { return code > f.code_mask(); });
  if (wide != codes.end())
    throw std::invalid_argument("decode: element code " + std::to_string(*wide) + " at index " +
                                std::to_string(wide - codes.begin()) + " is wider than the " + std::to_string(f.width) +
                                " bits of its format");
  std::transform(codes.begin(), codes.end(), out.begin(), [&](Code code) { return values(code); });
}

}  // namespace binade
