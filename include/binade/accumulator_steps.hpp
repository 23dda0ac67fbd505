#pragma once
// The steps of a running sum, each rounded once: the reference that the lanes of matmul() equal.

#include <cstdint>

#include "binade/arithmetic.hpp"

namespace binade {

namespace detail {

/// True if e counts x, a value of format f, as zero: a subnormal, where e flushes inputs.
BINADE_HD constexpr bool flushes(const element& e, const number_format& f, double x) {
  if (e.subnormals != subnormal_rule::flush_inputs || f.kind != format_kind::floating) return false;
  return f.floating.has_subnormals && x != 0 && (x < 0 ? -x : x) < f.floating.min_normal();
}
BINADE_HD constexpr double flushed(const element& e, const number_format& f, double x) {
  return flushes(e, f, x) ? (x < 0 ? -0.0 : 0.0) : x;
}

}  // namespace detail

/// A product of two float32 operands, exactly, as an operation that rounds into e takes it: under daz subnormal
/// operands count as zeros.
BINADE_HD constexpr double operand_product(const element& e, float a, float b) {
  const float_format single = detail::native_format<float>;
  return detail::flushed(e, single, a) * detail::flushed(e, single, b);
}

/// x rounded once into e, as a value: NaN stays NaN in every format.
/// @param noise  of the stochastic modes, below 2^e.noise_bits
BINADE_HD constexpr double rounded_term(const element& e, double x, std::uint32_t noise = 0) {
  const element result = detail::result_element(e);
  return e.format.visit([&](const auto& f) { return detail::rounded_value(f, result, detail::unpack(x), noise); });
}

/// term + sum rounded once into e, as a value: the step of a running sum, fused where the term is an exact product.
/// Zeros, infinities and NaN as add() of arithmetic.hpp.
/// @param sum  a value of e.format, or the +0 that sums start from
BINADE_HD constexpr double rounded_step(const element& e, double term, double sum, std::uint32_t noise = 0) {
  const element result = detail::result_element(e);
  const detail::exact exact = detail::exact_sum(detail::exactly(detail::unpack(term)),
                                                detail::exactly(detail::unpack(detail::flushed(e, e.format, sum))),
                                                detail::zero_is_negative(e));
  return e.format.visit([&](const auto& f) { return detail::rounded_value(f, result, exact, noise); });
}

}  // namespace binade
