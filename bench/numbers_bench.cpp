// Conversions of float32 arrays, each beside a piece of code that does as little as its data allow, in turn in this
// process.  The results are checked before anything is timed.
//
// Columns: G/s, 10^9 elements per second; of_baseline, the baseline's median time over ours (1: as fast); from and to,
// between which 80 % of the single ratios lie; baseline names which.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bench/timing.hpp"
#include "binade/catalogue.hpp"
#include "binade/lanes.hpp"
#include "binade/minifloat.hpp"
#include "binade/number_arrays.hpp"
#include "binade/packing.hpp"
#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "kernels/parallel.hpp"
#include "kernels/quantize.hpp"

namespace binade::bench {
namespace {

constexpr std::size_t in_l2 = 1 << 16, in_memory = 1 << 25;  // elements: 256 KiB and 128 MiB of float32
constexpr int samples = 15;

/// Both signs, spread over 24 binades around 1.
std::vector<float> inputs(std::size_t count) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = noise_at({.seed = 1}, i, 32);
    x[i] = std::bit_cast<float>((bits & 0x807fffff) | (115 + (bits >> 23 & 0xff) % 24) << 23);
  }
  return x;
}

// ---- baselines -----------------------------------------------------------------------------------------------------

#ifdef BINADE_WIDE_256
BINADE_WIDE_256 void copy_256(const float* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i + 8 <= count; i += 8) _mm256_storeu_ps(to + i, _mm256_loadu_ps(from + i));
}
BINADE_WIDE_512 void copy_512(const float* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i + 16 <= count; i += 16) _mm512_storeu_ps(to + i, _mm512_loadu_ps(from + i));
}
/// With stores that go around the caches; from and to begin at multiples of 16 bytes.
void stream_copy(const float* from, float* to, std::size_t count) {
  for (std::size_t i = 0; i + 4 <= count; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  _mm_sfence();
}
#endif

/// Vector loads and stores of the widest kind; beyond the caches the stores that go around them.
void copy(const std::vector<float>& from, std::vector<float>& to) {
#ifdef BINADE_WIDE_256
  if (from.size() >= in_memory) return stream_copy(from.data(), to.data(), from.size());
  if (detail::vector_bits() >= 512) return copy_512(from.data(), to.data(), from.size());
  if (detail::vector_bits() >= 256) return copy_256(from.data(), to.data(), from.size());
#endif
  std::memcpy(to.data(), from.data(), from.size() * sizeof(float));
}

/// Rounding to nearest even one element at a time in the bits of float32, with a branch for each case, as CPFloat's
/// scalar code does it.  For signed formats that saturate.
void scalar_quantize(const float_format& f, const std::vector<float>& x, std::vector<float>& values) {
  const auto largest = std::bit_cast<std::uint32_t>(float(f.max_finite()));
  const int lowest_field = f.min_exponent() + 127, dropped = 23 - f.trailing_bits();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]), sign = bits & 0x80000000, magnitude = bits ^ sign;
    if (magnitude > 0x7f800000) {
      values[i] = std::numeric_limits<float>::quiet_NaN();
      continue;
    }
    const int field = int(magnitude >> 23), shift = dropped + (field < lowest_field ? lowest_field - field : 0);
    std::uint32_t rounded = 0;
    if (shift < 23) {
      const std::uint32_t half = std::uint32_t(1) << (shift - 1);
      rounded = (magnitude + half - 1 + (magnitude >> shift & 1)) & (0 - 2 * half);
    } else if (shift == 23) {  // one or two quanta
      rounded = std::uint32_t(field + int(magnitude >> 22 & 1)) << 23;
    } else if (shift == 24 && (magnitude & 0x7fffff) != 0) {  // more than half a quantum
      rounded = std::uint32_t(field + 1) << 23;
    }
    if (rounded > largest) rounded = largest;
    values[i] = std::bit_cast<float>(rounded | sign);
  }
}

// ---- rows ----------------------------------------------------------------------------------------------------------

struct number_case;

/// What a row times, on arrays of its own.
struct bench_case {
  std::vector<float> x, out;
  quantizer q;
  axis_view view;
  encoded codes = {};
  quantize_counters counters = {};
  std::vector<std::uint32_t> noise = {};
  std::vector<std::uint8_t> packed = {};
  std::unique_ptr<thread_pool> pool = {};
  std::shared_ptr<number_case> numbers = {};

  bench_case(const std::string& text, std::size_t count, std::size_t columns)
      : x(inputs(count)), out(count), q(parse_quantizer(text)) {
    view = columns == 0 ? axis_view{1, count, 1} : axis_view{1, count / columns, columns};
    codes = encode(x, view, q, {});
  }
};
using call = std::function<void(bench_case&)>;

void plain_quantize(bench_case& c) {
  quantize(c.x, c.view, c.q, {}, c.out);
}
bool values_are_right(bench_case& c, const call& ours) {
  if (c.q.transform_count > 0) return true;  // judged by the tests: decode() undoes them in another place
  std::vector<float> want(c.x.size());
  decode(c.codes, c.view, c.q, want);
  ours(c);
  return std::memcmp(c.out.data(), want.data(), want.size() * sizeof(float)) == 0;
}
bool codes_are_right(bench_case& c, const call& ours) {
  const encoded want = c.codes;
  ours(c);
  return c.codes == want;
}

struct baseline {
  const char* name;
  call run;
};
const baseline vector_copy{"copy of the float32", [](bench_case& c) { copy(c.x, c.out); }};
const baseline plain_memcpy{"memcpy of the float32",
                            [](bench_case& c) { std::memcpy(c.out.data(), c.x.data(), c.x.size() * sizeof(float)); }};
const baseline scalar_loop{"a scalar loop of bit operations",
                           [](bench_case& c) { scalar_quantize(c.q.elem.format.floating, c.x, c.out); }};
const baseline encode_alone{"its encode", [](bench_case& c) { encode(c.x, c.view, c.q, {}, c.codes); }};
const baseline noise_alone{"its noise alone", [](bench_case& c) {
                             c.noise.resize(4096);
                             for (std::size_t i = 0; i < c.x.size(); i += c.noise.size())
                               fill_noise({}, i, c.q.elem.noise_bits, c.noise);
                           }};
const baseline element_alone{"its element unscaled",
                             [](bench_case& c) { quantize(c.x, c.view, unscaled(c.q.elem), {}, c.out); }};
const baseline threads_copy{"copy by 2 threads", [](bench_case& c) {
                              c.pool->parallel_ranges(c.x.size(), 1 << 14, [&](std::size_t begin, std::size_t end) {
#ifdef BINADE_WIDE_256
                                stream_copy(c.x.data() + begin, c.out.data() + begin, end - begin);
#else
                                std::memcpy(c.out.data() + begin, c.x.data() + begin, (end - begin) * sizeof(float));
#endif
                              });
                            }};

void compare(benchmark::State& state, const std::string& text, std::size_t count, std::size_t columns,
             const baseline& other, const call& ours, bool (*is_right)(bench_case&, const call&),
             double (*clock)() = thread_seconds) {
  bench_case c(text, count, columns);
  c.pool = std::make_unique<thread_pool>(2);
  if (!is_right(c, ours)) return state.SkipWithError("the result is wrong");
  const int repetitions = int(std::max<std::size_t>(1, (std::size_t(1) << 22) / count));
  std::vector<double> baseline_times, our_times, ratios;
  other.run(c);
  for (auto _ : state) {
    baseline_times.push_back(seconds([&] { other.run(c); }, repetitions, clock));
    our_times.push_back(seconds([&] { ours(c); }, repetitions, clock));
    benchmark::ClobberMemory();
    ratios.push_back(baseline_times.back() / our_times.back());
    state.SetIterationTime(our_times.back());
  }
  state.counters["G/s"] = double(count) / median(our_times) * 1e-9;
  state.counters["of_baseline"] = median(baseline_times) / median(our_times);
  state.counters["from"] = quantile(ratios, 0.1);
  state.counters["to"] = quantile(ratios, 0.9);
  state.SetLabel("of " + std::string(other.name));
}

template <class... Arguments>
void row(const std::string& name, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { compare(state, arguments...); })
      ->UseManualTime()
      ->Iterations(samples)
      ->Unit(benchmark::kMicrosecond);
}

bool packed_is_right(bench_case& c, const call& ours) {
  const encoded want = c.codes;
  ours(c);
  std::vector<std::uint8_t> codes(c.x.size());
  unpack(c.packed, c.q.elem.format.width, packed_layout::dense, codes);
  return codes == std::get<std::vector<std::uint8_t>>(want.codes);
}
void pack_codes(bench_case& c) {
  const int width = c.q.elem.format.width;
  c.packed.resize(packed_size(c.x.size(), width));
  pack(std::get<std::vector<std::uint8_t>>(c.codes.codes), width, packed_layout::dense, c.packed);
}
void unpack_codes(bench_case& c) {
  unpack(c.packed, c.q.elem.format.width, packed_layout::dense, std::get<std::vector<std::uint8_t>>(c.codes.codes));
}
bool unpacked_is_right(bench_case& c, const call& ours) {
  pack_codes(c);
  return codes_are_right(c, ours);
}

using e4m3 = minifloat<formats::e4m3fn>;
/// Arithmetic on arrays of numbers, beside the operators one by one.
struct number_case {
  std::vector<e4m3> x, y, z, out;

  explicit number_case(const bench_case& c) : x(c.x.size()), y(x.size()), z(x.size()), out(x.size()) {
    const auto& codes = std::get<std::vector<std::uint8_t>>(c.codes.codes);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = e4m3::from_code(codes[i]);
      y[i] = e4m3::from_code(codes[x.size() - 1 - i]);
      z[i] = e4m3::from_code(codes[i ^ 1]);
    }
  }
};
number_case& numbers_of(bench_case& c) {
  if (!c.numbers) c.numbers = std::make_shared<number_case>(c);
  return *c.numbers;
}
const baseline add_operator{"the operator +", [](bench_case& c) {
                              number_case& n = numbers_of(c);
                              for (std::size_t i = 0; i < n.x.size(); ++i) n.out[i] = n.x[i] + n.y[i];
                            }};
const baseline multiply_operator{"the operator *", [](bench_case& c) {
                                   number_case& n = numbers_of(c);
                                   for (std::size_t i = 0; i < n.x.size(); ++i) n.out[i] = n.x[i] * n.y[i];
                                 }};
const baseline fma_function{"fma()", [](bench_case& c) {
                              number_case& n = numbers_of(c);
                              for (std::size_t i = 0; i < n.x.size(); ++i) n.out[i] = fma(n.x[i], n.y[i], n.z[i]);
                            }};
void add_numbers(bench_case& c) {
  number_case& n = numbers_of(c);
  add_each<formats::e4m3fn>(n.x, n.y, n.out);
}
void multiply_numbers(bench_case& c) {
  number_case& n = numbers_of(c);
  multiply_each<formats::e4m3fn>(n.x, n.y, n.out);
}
void fma_numbers(bench_case& c) {
  number_case& n = numbers_of(c);
  fma_each<formats::e4m3fn>(n.x, n.y, n.z, n.out);
}
bool judged_by_tests(bench_case&, const call&) {
  return true;
}

const call encode_into = [](bench_case& c) { encode(c.x, c.view, c.q, {}, c.codes); };
const call decode_codes = [](bench_case& c) { decode(c.codes, c.view, c.q, c.out); };

const bool registered = [] {
  for (const std::size_t count : {in_l2, in_memory}) {
    const std::string where = count == in_l2 ? "/L2" : "/DRAM";
    for (const char* text : {"e4m3fn", "e5m2", "e2m1fn", "e3m2fn", "e4m3", "e8m7", "e5m10", "e4m3fn/rtz", "e4m3fn/rup",
                             "e4m3fn/rna", "e4m3fn/rto", "e4m3fnuz"})
      row("quantize/" + std::string(text) + where, text, count, 0u, vector_copy, plain_quantize, values_are_right);
    for (const char* text : {"e4m3fn", "e2m1fn"})
      row("quantize against memcpy/" + std::string(text) + where, text, count, 0u, plain_memcpy, plain_quantize,
          values_are_right);
    if (count == in_l2)
      for (const char* text : {"e4m3fn", "e5m2", "e2m1fn"})
        row("quantize against scalar code/" + std::string(text) + where, text, count, 0u, scalar_loop, plain_quantize,
            values_are_right);
    for (const char* text :
         {"e4m3fn/sr", "e4m3fn/sr:16", "e4m3fn/sr:8", "e8m7/sr:16", "e2m1fn/sr@block(16,e4m3fn)@tensor"})
      row("quantize/" + std::string(text) + where, text, count, 0u, noise_alone, plain_quantize, values_are_right);
    for (const char* text :
         {"mxfp4", "mxfp8_e4m3", "e4m3fn@block(32)", "e4m3fn@tensor", "e4m3fn@row", "nvfp4", "hadamard(32)+mxfp4"})
      row("quantize/" + std::string(text) + where, text, count, 0u, element_alone, plain_quantize, values_are_right);
    for (const char* text : {"mxfp4", "nvfp4"})
      row("quantize/" + std::string(text) + " along columns" + where, text, count, 1024u, element_alone, plain_quantize,
          values_are_right);
    row(
        "counted/mxfp4" + where, "mxfp4", count, 0u, element_alone,
        [](bench_case& c) { quantize(c.x, c.view, c.q, {}, c.out, &c.counters); }, values_are_right);
    for (const char* text : {"e4m3fn", "e5m2", "e4m3fn/sr", "mxfp8_e4m3", "e8m7"})
      row("encode/" + std::string(text) + where, text, count, 0u, vector_copy, encode_into, codes_are_right);
    for (const char* text : {"e2m1fn", "e2m3fn"}) {
      row("pack/" + std::string(text) + where, text, count, 0u, encode_alone, pack_codes, packed_is_right);
      row("unpack/" + std::string(text) + where, text, count, 0u, encode_alone, unpack_codes, unpacked_is_right);
      row(
          "encode and pack/" + std::string(text) + where, text, count, 0u, encode_alone,
          [](bench_case& c) {
            encode(c.x, c.view, c.q, {}, c.codes);
            pack_codes(c);
          },
          packed_is_right);
    }
    for (const char* text : {"e4m3fn", "e5m2", "e2m1fn", "e4m3fnuz", "nf4", "mxfp8_e4m3", "e8m7", "posit8", "takum8"})
      row("decode/" + std::string(text) + where, text, count, 0u, vector_copy, decode_codes, values_are_right);
  }
  row("add/numbers of e4m3fn/L2", "e4m3fn", in_l2, 0u, add_operator, add_numbers, judged_by_tests);
  row("multiply/numbers of e4m3fn/L2", "e4m3fn", in_l2, 0u, multiply_operator, multiply_numbers, judged_by_tests);
  row("fma/numbers of e4m3fn/L2", "e4m3fn", in_l2, 0u, fma_function, fma_numbers, judged_by_tests);
  for (const char* text : {"e4m3fn", "mxfp4", "e4m3fn/sr", "e4m3fn@tensor"})
    row(
        "2 threads/" + std::string(text) + "/DRAM", text, in_memory, 0u, threads_copy,
        [](bench_case& c) { kernels::quantize(*c.pool, c.x, c.view, c.q, {}, c.out, nullptr); }, values_are_right,
        wall_seconds);
  return true;
}();

}  // namespace
}  // namespace binade::bench
