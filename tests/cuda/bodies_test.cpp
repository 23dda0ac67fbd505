// What the device computes, as host loops judged by the verbs, without a GPU: the bodies of every quantizer, and what
// a lane of the kernels in segments does.
#include "cuda/bodies.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"
#include "cuda/index_space.hpp"
#include "cuda/scale_codec.hpp"
#include "cuda/segment.hpp"

namespace binade {
namespace {

using namespace cuda;

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> bits(values.size());
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = std::bit_cast<std::uint32_t>(values[i]);
  return bits;
}

/// The scales of an array, found by the bodies.
struct found_on_host {
  axis_view view;
  quantizer q;
  std::vector<float> inner;
  std::vector<outer_scale> outer;

  array_scales get() const { return {view, q, inner.data(), outer.data()}; }
  std::vector<std::uint32_t> amax(std::span<const float> x, const scaling& s, std::size_t count) const {
    std::vector<std::uint32_t> largest(count);
    for_each_index_on_host(
        x.size(), amax_body{detail::plain_grid_of(s, view), detail::magnitude_filter::of(s), x.data(), largest.data()});
    return largest;
  }
  found_on_host(std::span<const float> x, const axis_view& of, const quantizer& by) : view(of), q(by) {
    if (q.levels > 1) {
      outer.resize(outer_scale_count(view, q));
      const std::vector<std::uint32_t> largest = amax(x, q.scalings[1], outer.size());
      for_each_index_on_host(outer.size(), outer_scale_body{scale_levels(q), largest.data(), outer.data()});
    }
    if (q.levels > 0) {
      inner.resize(scale_count(view, q));
      const std::vector<std::uint32_t> largest = amax(x, q.scalings[0], inner.size());
      for_each_index_on_host(inner.size(), inner_scale_body{scale_levels(q), get(), largest.data(), inner.data()});
    }
  }
};

template <class Scale>
void expect_scale_codes(const std::vector<Scale>& scales, const float_format& f, const code_array& want) {
  std::visit(
      [&]<class Code>(const std::vector<Code>& codes) {
        std::vector<Code> got(scales.size());
        for_each_index_on_host(got.size(), encode_scale_body<Scale, Code>{f, scales.data(), got.data()});
        EXPECT_EQ(got, codes);
      },
      want);
}

class kernel_bodies : public testing::TestWithParam<const char*> {};

TEST_P(kernel_bodies, quantize_encode_and_decode_equal_the_verbs) {
  const quantizer q = parse_quantizer(GetParam());
  for (const axis_view& view : cases::views)
    for (const bool wild : {false, true}) {
      SCOPED_TRACE(testing::Message() << view.outer << " x " << view.length << " x " << view.inner << " wild " << wild);
      const std::vector<float> x = cases::inputs(view.size(), wild);
      std::vector<float> want(x.size()), got(x.size(), -1.0f);
      const found_on_host scales(x, view, q);
      const scaled_element one(q, q.elem, cases::noise);
      quantize(x, view, q, cases::noise, want);
      for_each_index_on_host(x.size(), quantize_body{one, scales.get(), x.data(), got.data()});
      EXPECT_EQ(bits_of(got), bits_of(want));

      unsigned long long nans = 0;
      if (q.elem.format.refuses_nan())
        for_each_index_on_host(x.size(), count_nan_body{scale_levels(q), scales.get(), x.data(), &nans});
      if (nans > 0) {
        EXPECT_THROW((void)encode(x, view, q, cases::noise), std::invalid_argument);
        continue;
      }
      const encoded code = encode(x, view, q, cases::noise);
      if (q.levels > 0) expect_scale_codes(scales.inner, q.scalings[0].format, code.scales);
      if (q.levels > 1) expect_scale_codes(scales.outer, q.scalings[1].format, code.outer_scales);
      decode(code, view, q, want);
      std::visit(
          [&]<class Code>(const std::vector<Code>& codes) {
            std::vector<Code> found(codes.size());
            for_each_index_on_host(x.size(), encode_body<Code>{one, scales.get(), x.data(), found.data()});
            EXPECT_EQ(found, codes);
            for_each_index_on_host(x.size(), decode_body<Code>{one, scales.get(), codes.data(), got.data()});
          },
          code.codes);
      EXPECT_EQ(bits_of(got), bits_of(want));
    }
}

INSTANTIATE_TEST_SUITE_P(all, kernel_bodies, testing::ValuesIn(cases::quantizers));

TEST(segment_noise, is_that_of_each_element) {
  for (const int bits : {1, 7, 8, 9, 16, 17, 31, 32})
    for (const std::uint64_t segment : {0u, 1u, 2u, 3u, 1001u})
      for (unsigned lane = 0; lane < quad_lanes; ++lane) {
        std::uint32_t noise[elements_of_lane];
        segment_noise(cases::noise, segment, bits, lane, noise);
        for (unsigned i = 0; i < elements_of_lane; ++i)
          EXPECT_EQ(noise[i] >> (32 - bits),
                    noise_at(cases::noise, segment_size * segment + word_position(lane, i / 4) + i % 4, bits));
      }
}

/// Every 2^16th float32, the ends of each binade, and what any bit pattern is.
std::vector<float> all_kinds() {
  std::vector<float> x = cases::inputs(1 << 16, true);
  for (std::uint32_t high = 0; high < 0x10000; ++high)
    for (const std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      x.push_back(std::bit_cast<float>(high << 16 | low));
  return x;
}

TEST(segment_rounder, equals_round_and_encode) {
  const std::vector<float> x = all_kinds();
  for (const char* text : {"e4m3fn",
                           "e5m2",
                           "e5m2/spec",
                           "e2m1fn:nan=max",
                           "e3m4",
                           "e5m10",
                           "e8m7",
                           "e8m7/spec",
                           "e4m3fn/sr",
                           "e5m2/spec/sr",
                           "e4m3fn/sr:8",
                           "e8m7/sr:16",
                           "e8m3/sr",
                           "e5m10/sr:20",
                           "e2m1fn:nan=max/sr",
                           "e6m15/sr:31",
                           "e8m15/sr",
                           "e5m10/sr",
                           "e5m10/sr:12",
                           "e4m3fnuz",
                           "e4m3fnuz/sr",
                           "e5m2fnuz/sr:8",
                           "e4m3fn/rtz",
                           "e4m3fn/rup",
                           "e4m3fnuz/rdn",
                           "e5m2/rna",
                           "e2m1fn:nan=max/rdn",
                           "e8m3/saturate/rup",
                           "e8m3/saturate/rna"}) {
    SCOPED_TRACE(text);
    const element e = parse_quantizer(text).elem;
    if (!segment_rounder::covers(e)) continue;
    const segment_rounder rounder(e);
    std::size_t wrong = 0;
    const auto check = [&]<bool Stochastic>(float value, std::uint32_t noise) {
      const std::uint32_t upper = Stochastic ? noise << (32 - e.noise_bits) : 0;
      const float got = rounder.any_value<Stochastic>(value, upper), want = round(e, value, noise);
      const std::uint64_t code = encode(e, value, noise);
      wrong += std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(want);
      wrong += rounder.any_code<Stochastic>(value, upper) != code;
      if (value != value || e.format.width > 8) return;
      const float four[word_size] = {1, value, -0.0f, value};
      const std::uint32_t noise_of_four[word_size] = {0, upper, 0, upper};
      rounder.with_way<Stochastic>([&]<segment_way Way>() {
        const std::uint32_t codes = rounder.four_codes<Way>(four, noise_of_four);
        wrong += codes != (encode(e, 1.0f) | code << 8 | encode(e, -0.0f) << 16 | code << 24);
      });
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!rounder.is_stochastic()) {
        check.operator()<false>(x[i], 0);
        continue;
      }
      const std::uint32_t most = ~0u >> (32 - e.noise_bits);
      for (const std::uint32_t noise : {0u, 1u, most, most - 1, noise_at(cases::noise, i, e.noise_bits)})
        check.operator()<true>(x[i], noise);
    }
    EXPECT_EQ(wrong, 0u);
  }
}

TEST(largest_magnitudes, are_those_of_finite_numbers) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float x[] = {1, -2, nan, 0.5f, -inf, 3, -nan, 0x1p-149f, nan, inf, -nan, -inf};
  std::uint32_t of_pairs[6], of_columns[2];
  largest_magnitudes<6, 2, 2, 1>(x, of_pairs);
  const float want[] = {2, 0.5f, 3, 0x1p-149f, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(std::bit_cast<float>(of_pairs[i]), want[i]) << i;
  largest_magnitudes<2, 1, 6, 2>(x, of_columns);
  EXPECT_EQ(std::bit_cast<float>(of_columns[0]), 1);
  EXPECT_EQ(std::bit_cast<float>(of_columns[1]), 3);
  EXPECT_EQ(std::bit_cast<float>(largest_magnitude(x)), 3);
}

TEST(group_scaler, equals_scale_levels) {
  const std::vector<float> x = all_kinds();
  for (const char* text : {"mxfp8_e4m3", "mxfp4", "e4m3fn@block(32,e8m0fnu,rceil)", "e4m3fn@block(32,e8m0fnu,even)",
                           "e4m3fn@block(32,f32,amax)", "int4@block(16,e4m3fn,amax)", "nvfp4",
                           "e2m1fn:nan=zero@block(16,e4m3fn,amax,zero=zero)@tensor(f32)"}) {
    SCOPED_TRACE(text);
    const quantizer q = parse_quantizer(text);
    const group_scaler scaler(q);
    const scale_levels levels(q);
    std::size_t wrong = 0;
    for (const float outer : {1.0f, 0x1.8p-9f, 0x1.234568p-20f, 0x1p-140f, 0x1.fffffep127f, 0.0f})
      for (const float value : x) {
        const float amax = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0x7fffffff);
        if (amax - amax != 0 || (q.levels == 1 && outer != 1)) continue;
        const float got = scaler(amax, {outer}), want = levels.inner(amax, {outer});
        wrong += std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(want);
      }
    EXPECT_EQ(wrong, 0u);
  }
}

TEST(scale_codec, equals_encode_and_decode) {
  for (const float_format& f : {formats::e4m3fn, formats::e8m0fnu, formats::e5m2, float_storage}) {
    const scale_codec codec(f);
    const element stored{.format = f, .overflow = overflow_rule::saturate};
    const std::uint64_t step = f.width > 16 ? 65521 : 1;
    for (std::uint64_t code = 0; code <= f.code_mask(); code += step) {
      const float value = decode<float>(f, code);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(codec.value(code)), std::bit_cast<std::uint32_t>(value));
      if (!std::signbit(value)) {
        EXPECT_EQ(codec.code(value), encode(stored, value));
      }
    }
  }
}

}  // namespace
}  // namespace binade
