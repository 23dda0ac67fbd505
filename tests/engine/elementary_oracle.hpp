// The judge of binade/elementary.hpp: the C library in the next wider type, and the error in units of the last place.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "binade/elementary.hpp"

namespace binade::elementary_oracle {

/// |got - exact| in ulp of exact, as T has them there (subnormals included).  Infinity for a wrong NaN or infinity.
template <class T, class Wide>
double ulp_error(T got, Wide exact) {
  using limits = std::numeric_limits<T>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0.0 : wrong;
  if (std::isinf(got)) {
    const Wide overflow_threshold =
        std::ldexp(Wide(1), limits::max_exponent) - std::ldexp(Wide(1), limits::max_exponent - limits::digits - 1);
    return std::fabs(exact) >= overflow_threshold && std::signbit(exact) == std::signbit(got) ? 0.0 : wrong;
  }
  if (std::isinf(exact)) return wrong;
  int exponent = limits::min_exponent;  // of frexp: 0.5 <= |fraction| < 1
  if (exact != 0) std::frexp(exact, &exponent);
  exponent = std::max(exponent, int(limits::min_exponent));
  return double(std::ldexp(std::fabs(Wide(got) - exact), limits::digits - exponent));
}

/// One function under test: its float and double versions, the oracles, and the bounds that the docstrings state.
struct entry {
  const char* name;
  float (*narrow)(float);
  double (*narrow_oracle)(double);
  double narrow_bound;
  double (*wide)(double);
  long double (*wide_oracle)(long double);
  double wide_bound;
};

template <class T>
T sigmoid(T x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
template <class T>
T rsqrt(T x) {
  return 1 / std::sqrt(x);
}

#define BINADE_ENTRY(function, oracle, narrow_bound, wide_bound)                                            \
  entry {                                                                                                   \
    #function, [](float x) { return math::function(x); }, [](double x) { return oracle(x); }, narrow_bound, \
        [](double x) { return math::function(x); }, [](long double x) { return oracle(x); }, wide_bound     \
  }
inline const std::array entries{
    BINADE_ENTRY(exp, std::exp, 0.5001, 0.8),   BINADE_ENTRY(log, std::log, 0.5001, 0.85),
    BINADE_ENTRY(tanh, std::tanh, 0.5002, 2.5), BINADE_ENTRY(sigmoid, sigmoid, 0.5001, 2.3),
    BINADE_ENTRY(erfc, std::erfc, 0.5001, 8),   BINADE_ENTRY(sin, std::sin, 0.5003, 0.9),
    BINADE_ENTRY(cos, std::cos, 0.5003, 0.9),   BINADE_ENTRY(sqrt, std::sqrt, 0.5, 0.5),
    BINADE_ENTRY(rsqrt, rsqrt, 0.5001, 1.5),
};
#undef BINADE_ENTRY

struct worst_case {
  double error = 0;  ///< in ulp; not below 0.5 for float, where correctly rounded results are not measured further
  double input = 0;
  std::uint64_t misrounded = 0;
  void add(double new_error, double new_input) {
    if (new_error > error) error = new_error, input = new_input;
  }
  void add(const worst_case& other) {
    add(other.error, other.input);
    misrounded += other.misrounded;
  }
};

/// The worst of float codes first, first + step, ... below last.
inline worst_case worst_float(const entry& function, std::uint64_t first, std::uint64_t last, std::uint64_t step) {
  worst_case worst{.error = 0.5};
  for (std::uint64_t code = first; code < last; code += step) {
    const float x = std::bit_cast<float>(std::uint32_t(code)), got = function.narrow(x);
    const double exact = function.narrow_oracle(double(x));
    if (got == float(exact)) continue;
    const double error = ulp_error(got, exact);
    worst.misrounded += error != 0;
    worst.add(error, double(x));
  }
  return worst;
}

}  // namespace binade::elementary_oracle
