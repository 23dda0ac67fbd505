// Arithmetic between codes on the device: every pair of 8-bit codes and samples of wide ones, equal to the CPU's, bit
// for bit.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "binade/catalogue.hpp"
#include "binade/minifloat.hpp"
#include "device.cuh"

namespace {

using namespace binade;

constexpr int results = 11;

/// Index: for narrow formats the codes themselves, for wide ones spread over all bits.
struct arithmetic_body {
  element e;
  std::uint64_t* out;
  BINADE_HD void operator()(std::size_t i) const {
    const float_format& f = e.format.floating;
    const auto code = [&](std::uint64_t x) {
      return f.width <= 8 ? x & f.code_mask() : (x * 0x9e3779b97f4a7c15 ^ x << 40) & f.code_mask();
    };
    const operand x{f, code(i)}, y{f, code(i >> 8)}, z{f, code(i * 37 + (i >> 5))};
    const auto noise = std::uint32_t(i * 2654435761u) >> (32 - e.noise_bits);
    const std::uint64_t all[results] = {add(e, x, y, noise),
                                        subtract(e, x, y, noise),
                                        multiply(e, x, y, noise),
                                        divide(e, x, y, noise),
                                        sqrt(e, x, noise),
                                        fma(e, x, y, z, noise),
                                        faa(e, x, y, z, noise),
                                        convert(e, {formats::e11m52, i * 0x9e3779b97f4a7c15}, noise),
                                        encode(e, std::int64_t(i * 0x9e3779b97f4a7c15) >> (i % 64), noise),
                                        std::uint64_t(to_integer<std::int32_t>(x, e.rounding, noise, e.noise_bits)),
                                        std::uint64_t(to_integer<std::uint64_t>(x, e.rounding, noise, e.noise_bits))};
    for (int k = 0; k < results; ++k) out[i * results + k] = all[k];
  }
};

/// The number types, whose constants and orderings take other paths on the device.
template <auto F>
struct shell_body {
  std::uint64_t* out;
  BINADE_HD void operator()(std::size_t i) const {
    using number = binade::number<F>;
    constexpr std::uint64_t mask = number_format(F).code_mask();
    const number x = number::from_code(i & mask), y = number::from_code((i >> 8) & mask);
    std::uint64_t all[results] = {
        std::uint64_t((x < y) + 2 * (x <= y) + 4 * (x == y) + 8 * (x > y) + 16 * (x != y)),
        std::uint64_t((total_order(x, y) < 0) + 2 * (total_order(x, y) > 0)),
        next_up(x).code,
        next_down(x).code,
        minimum(x, y).code,
        maximum_magnitude_number(x, y).code,
        (x * y + -x / number(3)).code,
        copysign(abs(x), y).code,
        std::uint64_t(is_nan(x) + 2 * is_infinite(x) + 4 * is_zero(x) + 8 * is_normal(x) + 16 * is_subnormal(x)),
        number(float(double(x) * 1.1)).code,
        std::numeric_limits<number>::max().code};
    for (int k = 0; k < results; ++k) out[i * results + k] = all[k];
  }
};

template <class Body>
std::uint64_t differences(const char* name, std::size_t count, Body body) {
  const device_array<std::uint64_t> device(count * results);
  body.out = device.get();
  cuda::for_each_index("arithmetic", count, body, nullptr);
  const std::vector<std::uint64_t> got = device.host();
  std::vector<std::uint64_t> want(count * results);
  body.out = want.data();
  std::uint64_t differing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    body(i);
    for (int k = 0; k < results; ++k) {
      if (got[i * results + k] == want[i * results + k]) continue;
      if (differing++ == 0)
        std::printf("%s: result %d of index %zu: device 0x%llx, CPU 0x%llx\n", name, k, i,
                    static_cast<unsigned long long>(got[i * results + k]),
                    static_cast<unsigned long long>(want[i * results + k]));
    }
  }
  return differing;
}

}  // namespace

int main() try {
  if (!has_device()) return skipped;
  std::uint64_t differing = 0, compared = 0;
  constexpr std::size_t pairs = 1 << 16;
  for (const named_format& entry : catalogue)
    for (int mode = 0; mode <= int(rounding_mode::stochastic_c); ++mode)
      for (const overflow_rule overflow : {overflow_rule::saturate, overflow_rule::spec}) {
        element e{.format = entry.format, .rounding = rounding_mode(mode), .overflow = overflow};
        if (is_stochastic(e.rounding)) e.noise_bits = 8;
        differing += differences(std::string(entry.name).c_str(), pairs, arithmetic_body{e, nullptr});
        compared += pairs * results;
      }
  differing += differences("minifloat e4m3fn", pairs, shell_body<formats::e4m3fn>{});
  differing += differences("minifloat e5m2", pairs, shell_body<formats::e5m2>{});
  differing += differences("minifloat e4m3fnuz", pairs, shell_body<formats::e4m3fnuz>{});
  differing += differences("minifloat ue4m3", pairs, shell_body<formats::ue4m3>{});
  differing += differences("minifloat binary8p4se", pairs, shell_body<p3109_format(8, 4, true, true)>{});
  differing += differences("fixed int8", pairs, shell_body<int_format(8)>{});
  differing += differences("lns lns8", pairs, shell_body<lns_format{}>{});
  differing += differences("posit posit8", pairs, shell_body<posit_format(8)>{});
  differing += differences("takum takum8", pairs, shell_body<takum_format(8)>{});
  compared += 9 * pairs * results;
  std::printf("%s: %llu results, %llu differences\n", differing == 0 ? "equal" : "DIFFERENT",
              static_cast<unsigned long long>(compared), static_cast<unsigned long long>(differing));
  return differing == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "arithmetic_gpu: " << error.what() << '\n';
  return 1;
}
