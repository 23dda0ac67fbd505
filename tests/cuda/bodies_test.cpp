// The kernel bodies as host loops: what the device will compute, judged by the verbs, without a GPU.
#include "cuda/bodies.hpp"

#include <gtest/gtest.h>

#include "cases.hpp"
#include "cuda/index_space.hpp"

namespace binade {
namespace {

using namespace cuda;

bool has_one_scale(const quantizer& q) {
  return q.levels == 0 || q.scalings[0].per == granularity::tensor;
}

struct host_run {
  std::vector<float> x;
  axis_view view;
  quantizer q;
  element_rounder rounder{q.elem, cases::noise};
  scale_finder finder{q.scalings[0], q.elem.format};
  block_groups groups{view,
                      q.scalings[0].per == granularity::row ? view.length : std::max(1u, q.scalings[0].tile_cols)};
  std::uint32_t amax = 0;

  const std::uint32_t* found_amax() {
    if (q.levels == 0) return nullptr;
    amax = 0;
    for_each_index_on_host(x.size(), amax_body{x.data(), &amax});
    return &amax;
  }
  std::vector<float> quantized() {
    std::vector<float> out(x.size(), -1.0f);
    if (has_one_scale(q))
      for_each_index_on_host(x.size(), fake_quantize_body{rounder, finder, found_amax(), x.data(), out.data()});
    else
      for_each_index_on_host(groups.count(), fake_quantize_group_body{rounder, finder, groups, x.data(), out.data()});
    return out;
  }
};

std::vector<std::uint32_t> bits_of(std::span<const float> values) {
  std::vector<std::uint32_t> bits(values.size());
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = std::bit_cast<std::uint32_t>(values[i]);
  return bits;
}

class kernel_bodies : public testing::TestWithParam<const char*> {};

TEST_P(kernel_bodies, quantize_encode_and_decode_equal_the_verbs) {
  const quantizer q = parse_quantizer(GetParam());
  for (const axis_view& view : cases::views)
    for (const bool wild : {false, true}) {
      SCOPED_TRACE(testing::Message() << view.outer << " x " << view.length << " x " << view.inner << " wild " << wild);
      host_run run{cases::inputs(view.size(), wild), view, q};
      std::vector<float> want(run.x.size());
      quantize(run.x, view, q, cases::noise, want);
      EXPECT_EQ(bits_of(run.quantized()), bits_of(want));
      if (wild && q.elem.format.refuses_nan()) continue;

      const encoded code = encode(run.x, view, q, cases::noise);
      std::vector<float> values(run.x.size());
      decode(code, view, q, values);
      std::visit(
          [&]<class Code, class ScaleCode>(const std::vector<Code>& codes, const std::vector<ScaleCode>& scales) {
            std::vector<Code> got(codes.size());
            std::vector<ScaleCode> got_scales(scales.size());
            std::vector<float> got_values(values.size(), -1.0f);
            if (has_one_scale(q)) {
              for_each_index_on_host(
                  got.size(), encode_body<Code>{run.rounder, run.finder, run.found_amax(), run.x.data(), got.data()});
              const float scale = q.levels == 0 ? 1.0f : decode<float>(q.scalings[0].format, scales[0]);
              for_each_index_on_host(got.size(), decode_body<Code>{q.elem.format, q.levels == 0 ? nullptr : &scale,
                                                                   codes.data(), got_values.data()});
            } else {
              for_each_index_on_host(run.groups.count(), encode_group_body<Code, ScaleCode>{
                                                             run.rounder, run.finder, q.scalings[0].format, run.groups,
                                                             run.x.data(), got.data(), got_scales.data()});
              EXPECT_EQ(got_scales, scales);
              for_each_index_on_host(run.groups.count(), decode_group_body<Code, ScaleCode>{
                                                             q.elem.format, q.scalings[0].format, run.groups,
                                                             codes.data(), scales.data(), got_values.data()});
            }
            EXPECT_EQ(got, codes);
            EXPECT_EQ(bits_of(got_values), bits_of(values));
          },
          code.codes, code.scales);
    }
}

INSTANTIATE_TEST_SUITE_P(all, kernel_bodies, testing::ValuesIn(cases::quantizers));

TEST(block_groups, cover_every_element_once) {
  for (const axis_view& view : cases::views)
    for (const std::size_t block : {1u, 7u, 32u, 1000u}) {
      const block_groups groups{view, block};
      std::vector<int> seen(view.size()), scales(view.rows() * groups.per_row());
      for (std::size_t g = 0; g < groups.count(); ++g) {
        ++scales.at(groups[g].scale);
        for (std::size_t j = 0; j < groups[g].size; ++j) ++seen.at(groups[g].first + j * view.inner);
      }
      EXPECT_EQ(seen, std::vector<int>(view.size(), 1));
      EXPECT_EQ(scales, std::vector<int>(scales.size(), 1));
    }
}

}  // namespace
}  // namespace binade
