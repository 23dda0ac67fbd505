#pragma once
// The ways from an array of float32 to codes or values that programs run, for one element: the vector loops where they
// cover the format, and the reference.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "binade/array_rounder.hpp"
#include "binade/catalogue.hpp"
#include "binade/codec.hpp"

namespace judged {

/// The reference, encode(), on an array.  Rounding, overflow rule and what a kind of format has are constants of the
/// loop, as in kernels, which makes it several times faster; width, precision, bias and the number of NaNs are not.
class core_codes {
 public:
  /// @throws std::logic_error for a kind of format that has no loop here: add it to `kinds`
  explicit core_codes(const binade::element& e) : shape_(shape_of(e.format.floating)), loop_(loop_of(e)) {}

  void operator()(std::span<const float> x, std::span<std::uint32_t> codes) const {
    loop_(shape_, x.data(), codes.data(), x.size());
  }

 private:
  struct shape {
    int width, precision, bias;
    std::uint64_t high_nans;
  };
  using loop = void(const shape&, const float*, std::uint32_t*, std::size_t);

  /// One format of each kind: they differ in more than their shape.
  static constexpr std::array kinds{binade::formats::e5m2,
                                    binade::formats::e4m3fn,
                                    binade::formats::e4m3fnuz,
                                    binade::formats::e8m0fnu,
                                    binade::formats::ue4m3,
                                    binade::p3109_format(8, 4, true, true),
                                    binade::p3109_format(8, 4, true, false),
                                    binade::p3109_format(8, 4, false, true),
                                    binade::p3109_format(8, 4, false, false)};
  static constexpr std::size_t modes = 6, overflows = 5;

  static constexpr shape shape_of(const binade::float_format& f) { return {f.width, f.precision, f.bias, f.high_nans}; }
  static constexpr binade::float_format with_shape(binade::float_format kind, const shape& s) {
    kind.width = s.width;
    kind.precision = s.precision;
    kind.bias = s.bias;
    kind.high_nans = s.high_nans;
    return kind;
  }

  template <std::size_t Kind, std::size_t Mode, std::size_t Overflow>
  __attribute__((flatten)) static void run(const shape& s, const float* x, std::uint32_t* codes, std::size_t count) {
    const binade::element e{.format = with_shape(kinds[Kind], s),
                            .rounding = binade::rounding_mode(Mode),
                            .overflow = binade::overflow_rule(Overflow)};
    for (std::size_t i = 0; i < count; ++i) codes[i] = static_cast<std::uint32_t>(binade::encode(e, x[i]));
  }

  static loop* loop_of(const binade::element& e) {
    static constexpr auto loops = []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<loop*, sizeof...(I)>{run<I / (modes * overflows), I / overflows % modes, I % overflows>...};
    }(std::make_index_sequence<kinds.size() * modes * overflows>());
    for (std::size_t kind = 0; kind < kinds.size(); ++kind)
      if (with_shape(kinds[kind], shape_of(e.format.floating)) == e.format.floating &&
          static_cast<std::size_t>(e.rounding) < modes)
        return loops[(kind * modes + static_cast<std::size_t>(e.rounding)) * overflows +
                     static_cast<std::size_t>(e.overflow)];
    throw std::logic_error("core_codes: no loop for this kind of format or rounding");
  }

  shape shape_;
  loop* loop_;
};

/// encode() of an array, as the vector loops do it.  @pre fast_rounder::covers(e)
struct vector_codes {
  explicit vector_codes(const binade::element& e) : rounder(e) {}
  void operator()(std::span<const float> x, std::span<std::uint32_t> codes) const {
    rounder.encode(x.data(), nullptr, codes.data(), x.size());
  }
  binade::detail::array_rounder rounder;
};

/// quantize() of an array, as the vector loops do it; the values' bits.  @pre fast_rounder::covers(e)
struct vector_values {
  explicit vector_values(const binade::element& e) : rounder(e) {}
  void operator()(std::span<const float> x, std::span<std::uint32_t> bits) const {
    std::array<float, 1 << 12> values;
    for (std::size_t done = 0; done < x.size(); done += values.size()) {
      const std::size_t count = std::min(values.size(), x.size() - done);
      rounder.quantize(x.data() + done, nullptr, values.data(), count);
      for (std::size_t i = 0; i < count; ++i) bits[done + i] = std::bit_cast<std::uint32_t>(values[i]);
    }
  }
  binade::detail::array_rounder rounder;
};

}  // namespace judged
