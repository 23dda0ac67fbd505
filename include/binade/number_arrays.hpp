#pragma once
// Arithmetic on arrays of numbers of one format: the operators of number.hpp, element by element, a vector at a time
// where float32 and double hold the exact results.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>

#include "binade/array_decoder.hpp"
#include "binade/array_rounder.hpp"
#include "binade/number.hpp"

namespace binade {

namespace detail {

/// True if sums and products of two numbers are exact in float32, and those of a product and a number in double, and no
/// NaN arises in a format that refuses it.
constexpr bool has_exact_operations(const float_format& f) {
  const int lowest = f.min_exponent() - f.trailing_bits(), highest = f.max_exponent() + 1;
  return f.width <= 8 && f.is_signed && f.has_zero && f.fits_float() && 2 * lowest >= -126 && 2 * highest <= 126 &&
         highest - lowest + 1 <= 24 && 2 * (highest - lowest) + 1 <= 53 && (f.has_nan() || !f.has_infinity);
}
template <class Descriptor>
constexpr bool has_exact_operations(const Descriptor&) {
  return false;
}

/// x[i] = operation(x[i], y[i]).
template <class Operation>
struct pairs_body {
  BINADE_ALWAYS_INLINE static void run(float* __restrict x, const float* __restrict y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) x[i] = Operation::of(x[i], y[i]);
  }
};
struct plus_operation {
  BINADE_ALWAYS_INLINE static float of(float x, float y) { return x + y; }
};
struct minus_operation {
  BINADE_ALWAYS_INLINE static float of(float x, float y) { return x - y; }
};
struct times_operation {
  BINADE_ALWAYS_INLINE static float of(float x, float y) { return x * y; }
};
/// x[i] = x[i] * y[i] + z[i], which double holds, rounded to odd.
struct multiply_add_body {
  BINADE_ALWAYS_INLINE static void run(float* __restrict x, const float* __restrict y, const float* __restrict z,
                                       std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const double product = double(x[i]) * double(y[i]), sum = product + double(z[i]);
      const auto near = float(sum);
      const double back = double(near), beyond = (back < 0 ? -back : back) - (sum < 0 ? -sum : sum);
      const std::uint32_t cut = std::bit_cast<std::uint32_t>(near) - std::uint32_t(beyond > 0);
      const std::uint32_t odd = cut | std::uint32_t(beyond < 0 || beyond > 0);
      x[i] = std::bit_cast<float>(odd);
    }
  }
};

inline void check_sizes(const std::string& verb, std::size_t wanted, std::initializer_list<std::size_t> given) {
  for (const std::size_t size : given)
    if (size != wanted)
      throw std::invalid_argument(verb + ": the arrays have " + std::to_string(wanted) + " and " +
                                  std::to_string(size) + " elements; give arrays of one size");
}

/// out[i] = the number nearest to what compute() makes of the operands' values in its first buffer.
template <auto F, std::size_t Operands, class Compute>
void each_in_float(const std::span<const number<F>> (&operands)[Operands], std::span<number<F>> out, Compute compute) {
  constexpr std::size_t chunk = 1024;
  static_assert(sizeof(number<F>) == 1);
  const array_decoder decoder(F, Operands * out.size());
  const array_rounder rounder(policies<F>{}.on());
  float values[Operands][chunk];
  std::uint8_t codes[chunk];
  for (std::size_t first = 0; first < out.size(); first += chunk) {
    const std::size_t n = std::min(chunk, out.size() - first);
    for (std::size_t k = 0; k < Operands; ++k) {
      for (std::size_t i = 0; i < n; ++i) codes[i] = operands[k][first + i].code;
      decoder(codes, values[k], n);
    }
    compute(values, n);
    rounder.encode(values[0], nullptr, codes, n);
    for (std::size_t i = 0; i < n; ++i) out[first + i].code = codes[i];
  }
}
template <class Operation, auto F, class One>
void each_pair(const std::string& verb, std::span<const number<F>> x, std::span<const number<F>> y,
               std::span<number<F>> out, One one) {
  check_sizes(verb, out.size(), {x.size(), y.size()});
  if constexpr (has_exact_operations(F))
    each_in_float<F, 2>({x, y}, out, [](auto& values, std::size_t n) {
      run_best<pairs_body<Operation>>(&values[0][0], static_cast<const float*>(values[1]), n);
    });
  else
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = one(x[i], y[i]);
}

}  // namespace detail

/// out[i] = x[i] + y[i]: the operator's bits.
/// @param out  as many elements as x and y; either of them or memory apart from both
/// @throws std::invalid_argument if sizes disagree, nothing is written; std::domain_error as the operators
template <auto F>
void add_each(std::span<const number<F>> x, std::span<const number<F>> y, std::span<number<F>> out) {
  detail::each_pair<detail::plus_operation>("add_each", x, y, out, [](auto a, auto b) { return a + b; });
}
/// out[i] = x[i] - y[i].  As above.
template <auto F>
void subtract_each(std::span<const number<F>> x, std::span<const number<F>> y, std::span<number<F>> out) {
  detail::each_pair<detail::minus_operation>("subtract_each", x, y, out, [](auto a, auto b) { return a - b; });
}
/// out[i] = x[i] * y[i].  As above.
template <auto F>
void multiply_each(std::span<const number<F>> x, std::span<const number<F>> y, std::span<number<F>> out) {
  detail::each_pair<detail::times_operation>("multiply_each", x, y, out, [](auto a, auto b) { return a * b; });
}
/// out[i] = fma(x[i], y[i], z[i]).  As above.
template <auto F>
void fma_each(std::span<const number<F>> x, std::span<const number<F>> y, std::span<const number<F>> z,
              std::span<number<F>> out) {
  detail::check_sizes("fma_each", out.size(), {x.size(), y.size(), z.size()});
  if constexpr (detail::has_exact_operations(F))
    detail::each_in_float<F, 3>({x, y, z}, out, [](auto& values, std::size_t n) {
      detail::run_best<detail::multiply_add_body>(&values[0][0], static_cast<const float*>(values[1]),
                                                  static_cast<const float*>(values[2]), n);
    });
  else
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = fma(x[i], y[i], z[i]);
}

}  // namespace binade
