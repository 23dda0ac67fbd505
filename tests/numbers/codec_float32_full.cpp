// All 2^32 float32 inputs into several formats, against exact thresholds.  The element is a constant of each loop, as
// it is in kernels; that makes the loop several times faster than with a run-time element.

#include "numbers/judged.hpp"
#include "oracle/float_walk.hpp"

namespace {

using oracle::beyond;
using oracle::mode;
using oracle::rule;
using namespace binade::formats;

struct sweep {
  std::string name;
  oracle::grid described, defined;  ///< by the descriptor, by the golden table
  std::optional<oracle::counterexample> (*find)(oracle::tally&);
};

template <binade::float_format F, rule R, std::uint32_t Noise>
std::optional<oracle::counterexample> find(oracle::tally& seen) {
  static constexpr binade::element e = judged::element_of(F, R);
  static_assert(binade::defect(e).empty());
  const auto convert = [](float x) { return binade::encode(e, x, Noise); };
  return oracle::float_walk_counterexample(oracle::grid_of(F), R, Noise, convert, seen);
}

template <binade::float_format F, rule R = rule{}, std::uint32_t Noise = 0>
sweep into(const std::string& format) {
  std::string name = format + "_" + to_string(R);
  for (char& c : name)
    if (c == '/' || c == ':') c = '_';
  return {.name = name,
          .described = oracle::grid_of(F),
          .defined = judged::golden().at(format).definition(),
          .find = find<F, R, Noise>};
}

std::vector<sweep> sweeps() {
  return {
      into<e4m3fn>("e4m3fn"),
      into<e4m3fn, rule{.overflow = beyond::spec}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::nearest_away, .overflow = beyond::spec}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::toward_zero}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::up, .overflow = beyond::nan}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::down, .overflow = beyond::nan}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::to_odd}>("e4m3fn"),
      into<e4m3fn, rule{.rounding = mode::stochastic_a, .noise_bits = 8}, 137>("e4m3fn"),
      into<e5m2>("e5m2"),
      into<e5m2, rule{.overflow = beyond::spec}>("e5m2"),
      into<e5m2, rule{.rounding = mode::up, .overflow = beyond::infinity}>("e5m2"),
      into<e5m2, rule{.rounding = mode::stochastic_c, .noise_bits = 4, .overflow = beyond::spec}, 11>("e5m2"),
      into<e2m1fn>("e2m1fn"),
      into<e2m1fn, rule{.rounding = mode::toward_zero}>("e2m1fn"),
      into<e2m1fn, rule{.rounding = mode::stochastic_b, .noise_bits = 5}, 19>("e2m1fn"),
      into<e2m3fn>("e2m3fn"),
      into<e3m2fn>("e3m2fn"),
      into<e8m0fnu, rule{.rounding = mode::up}>("e8m0fnu"),
      into<e4m3fnuz, rule{.overflow = beyond::spec}>("e4m3fnuz"),
      into<binade::p3109_format(8, 4, false, true), rule{.overflow = beyond::spec}>("binary8p4ue"),
      into<e8m7, rule{.overflow = beyond::spec}>("e8m7"),
      into<e5m10, rule{.overflow = beyond::spec}>("e5m10"),
  };
}

class codec_float32 : public testing::TestWithParam<sweep> {};

TEST_P(codec_float32, every_input_gets_the_code_between_whose_thresholds_it_lies) {
  ASSERT_EQ(GetParam().described, GetParam().defined);
  oracle::tally seen;
  judged::expect_none(GetParam().name, GetParam().find(seen));
  RecordProperty("conversions", std::to_string(seen.conversions));
  EXPECT_EQ(seen.conversions, std::uint64_t{1} << 32);
}

INSTANTIATE_TEST_SUITE_P(sweeps, codec_float32, testing::ValuesIn(sweeps()),
                         [](const auto& sweep_info) { return sweep_info.param.name; });

}  // namespace
