#include "recipe/straight_through.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "binade/elementary.hpp"
#include "binade/matmul.hpp"
#include "report/number_text.hpp"

namespace binade {
namespace {

constexpr std::string_view valid_text =
    "plain, clip, trust(T) with T more than 0, dge(K,CAP) with K of 1 or more and CAP more than 0";

[[noreturn]] void refuse(std::string_view text) {
  throw std::invalid_argument("'" + std::string(text) + "' is no straight-through rule; valid are " +
                              std::string(valid_text));
}

/// The numbers of "name(1,2)", `Count` of them.
template <std::size_t Count>
std::array<double, Count> arguments(std::string_view text, std::size_t name_length) {
  std::array<double, Count> numbers{};
  const char* at = text.data() + name_length;
  const char* const end = text.data() + text.size();
  for (double& number : numbers) {
    ++at;  // the '(' or ','
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc() || stop == end || !std::isfinite(number)) refuse(text);
    if (*stop != (&number == &numbers.back() ? ')' : ',')) refuse(text);
    at = stop;
  }
  if (at + 1 != end) refuse(text);
  return numbers;
}

/// The derivative of the differentiable surrogate.
class surrogate {
 public:
  surrogate(const element& e, double k, double cap)
      : below_{.format = e.format, .overflow = overflow_rule::saturate},
        above_(below_),
        exponent_(1 / k - 1),
        edge_(1 / k),
        cap_(cap) {
    below_.rounding = rounding_mode::down;
    above_.rounding = rounding_mode::up;
  }

  double operator()(float v) const {
    const double low = round(below_, v), high = round(above_, v), x = v;
    if (!(low <= x && x <= high)) return 0;
    if (low == high) return std::min(edge_, cap_);
    if (exponent_ == 0) return std::min(1.0, cap_);
    const double from_centre = std::fabs(2 * ((x - low) / (high - low)) - 1);
    return std::min(edge_ * math::exp(exponent_ * math::log(from_centre)), cap_);
  }

 private:
  element below_, above_;
  double exponent_, edge_, cap_;
};

/// A float32 scale is rounded, so that the element it came from may lie one ulp beyond the range: it did not saturate.
float within_an_ulp(float v, float least, float largest) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  if (v > largest && v <= std::nextafter(largest, infinity)) return largest;
  if (v < least && v >= std::nextafter(least, -infinity)) return least;
  return v;
}

}  // namespace

straight_through parse_straight_through(std::string_view text) {
  constexpr std::string_view trust = "trust", dge = "dge";
  if (text == "plain") return {};
  if (text == "clip") return {.rule = gradient_rule::clip};
  if (text.starts_with(std::string(trust) + "(")) {
    const auto [threshold] = arguments<1>(text, trust.size());
    if (!(threshold > 0)) refuse(text);
    return {.rule = gradient_rule::trust, .threshold = threshold};
  }
  if (text.starts_with(std::string(dge) + "(")) {
    const auto [k, cap] = arguments<2>(text, dge.size());
    if (!(k >= 1) || !(cap > 0)) refuse(text);
    return {.rule = gradient_rule::differentiable, .k = k, .cap = cap};
  }
  refuse(text);
}

std::string to_string(const straight_through& s) {
  switch (s.rule) {
    case gradient_rule::plain:
      return "plain";
    case gradient_rule::clip:
      return "clip";
    case gradient_rule::trust:
      return "trust(" + exact_text(s.threshold) + ")";
    case gradient_rule::differentiable:
      return "dge(" + exact_text(s.k) + "," + exact_text(s.cap) + ")";
  }
  return {};
}

void pass_through(const straight_through& s, std::span<const float> x, const axis_view& view, const quantizer& q,
                  const noise_source& noise, std::span<float> gradient) {
  if (s.rule == gradient_rule::plain) return;
  const detail::scaled_operand split = detail::split(x, view, q, noise);
  const surrogate derivative(q.elem, s.k, s.cap);
  const double largest = q.elem.format.max_finite(), least = q.elem.format.min_finite();
  for (std::size_t o = 0; o < view.outer; ++o)
    for (std::size_t j = 0; j < view.length; ++j)
      for (std::size_t i = 0; i < view.inner; ++i) {
        const std::size_t at = (o * view.length + j) * view.inner + i, row = o * view.inner + i;
        const double scale = split.scales.varying(row, j) * split.scales.constant(row);
        const float v = within_an_ulp(float(double(x[at]) / scale), float(least), float(largest));
        switch (s.rule) {
          case gradient_rule::plain:
            break;
          case gradient_rule::clip:
            if (!(double(v) <= largest && double(v) >= least)) gradient[at] = 0;
            break;
          case gradient_rule::trust:
            if (!(std::fabs(double(x[at]) - double(split.elements[at]) * scale) <= s.threshold * scale))
              gradient[at] = 0;
            break;
          case gradient_rule::differentiable:
            gradient[at] = float(double(gradient[at]) * derivative(v));
            break;
        }
      }
}

}  // namespace binade
