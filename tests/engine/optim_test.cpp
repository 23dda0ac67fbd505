#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "binade/quantize.hpp"
#include "binade/text.hpp"
#include "engine/random_values.hpp"
#include "optim/clip.hpp"
#include "optim/loss_scale.hpp"
#include "optim/optimizer.hpp"
#include "optim/schedule.hpp"
#include "util/fnv.hpp"

namespace binade {
namespace {

using test::random_values;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

TEST(schedule, warms_up_in_equal_steps_to_the_peak_and_falls_along_half_a_cosine) {
  const learning_rate_schedule schedule{.peak = 0.5, .steps = 110, .warmup = 10, .final_fraction = 0.1};
  for (std::uint64_t step = 0; step < 10; ++step) EXPECT_NEAR(schedule.at(step), 0.05 * double(step + 1), 1e-15);
  for (std::uint64_t step = 10; step < 110; ++step) {
    const double fall = (1 + std::cos(M_PI * double(step - 10) / 100)) / 2;
    EXPECT_NEAR(schedule.at(step), 0.5 * (0.1 + 0.9 * fall), 1e-15) << step;
  }
  EXPECT_EQ(schedule.at(110), 0.05);
  EXPECT_EQ(schedule.at(1000), 0.05);
}

TEST(schedule, without_warmup_the_first_step_has_the_peak) {
  EXPECT_EQ((learning_rate_schedule{.peak = 0.5, .steps = 7}.at(0)), 0.5);
}

TEST(schedule, that_is_all_warmup_ends_at_the_peak) {
  EXPECT_EQ((learning_rate_schedule{.peak = 0.5, .steps = 7, .warmup = 7}.at(6)), 0.5);
}

TEST(schedule, linear_and_constant_follow_their_formulas_after_the_warm_up) {
  const learning_rate_schedule linear{
      .peak = 2, .steps = 50, .warmup = 10, .final_fraction = 0.25, .shape = schedule_shape::linear};
  EXPECT_EQ(linear.at(4), 1);
  for (std::uint64_t step = 10; step < 50; ++step)
    EXPECT_NEAR(linear.at(step), 2 * (0.25 + 0.75 * (1 - double(step - 10) / 40)), 1e-15) << step;
  EXPECT_EQ(linear.at(50), 0.5);
  const learning_rate_schedule constant{.peak = 2, .steps = 50, .warmup = 10, .shape = schedule_shape::constant};
  EXPECT_EQ(constant.at(4), 1);
  for (const std::uint64_t step : {10u, 49u, 50u, 99u}) EXPECT_EQ(constant.at(step), 2);
}

TEST(schedule, wsd_is_stable_up_to_its_last_steps_and_falls_by_either_shape) {
  learning_rate_schedule wsd{
      .peak = 1, .steps = 100, .warmup = 5, .final_fraction = 0, .shape = schedule_shape::wsd, .decay = 0.2};
  EXPECT_EQ(wsd.decay_steps(), 20u);
  for (std::uint64_t step = 5; step <= 80; ++step) EXPECT_EQ(wsd.at(step), 1) << step;
  for (std::uint64_t step = 80; step < 100; ++step)
    EXPECT_NEAR(wsd.at(step), 1 - double(step - 80) / 20, 1e-15) << step;
  wsd.fall = decay_shape::one_minus_sqrt;
  for (std::uint64_t step = 80; step < 100; ++step)
    EXPECT_NEAR(wsd.at(step), 1 - std::sqrt(double(step - 80) / 20), 1e-15) << step;
  EXPECT_EQ(wsd.at(100), 0);
  for (const double decay : {0.0, -1.0, 1.1, nan_value, 0.96}) {
    wsd.decay = decay;
    EXPECT_THROW(wsd.validate(), std::invalid_argument) << decay;
  }
  wsd.decay = 0.95;
  EXPECT_NO_THROW(wsd.validate());
}

TEST(loss_scale, halves_on_overflow_and_doubles_after_the_interval_without_one) {
  using kind = loss_scaling_settings::kind;
  loss_scale scale({.how = kind::dynamic, .scale = 1024, .interval = 3});
  EXPECT_TRUE(scale.update(true));
  EXPECT_EQ(scale.scale(), 512);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(scale.update(false));
  EXPECT_EQ(scale.scale(), 512);
  EXPECT_TRUE(scale.update(false));
  EXPECT_EQ(scale.scale(), 1024);
  EXPECT_TRUE(scale.update(false));
  EXPECT_TRUE(scale.update(true));  // the count starts again
  EXPECT_EQ(scale.scale(), 512);
  EXPECT_EQ(scale.steps_without_overflow(), 0);
  int halvings = 0;
  while (scale.update(true)) ++halvings;
  EXPECT_EQ(halvings, 109);  // 2^9 to 2^-100
  loss_scale fixed({.how = kind::fixed, .scale = 8});
  EXPECT_TRUE(fixed.update(true));
  EXPECT_EQ(fixed.scale(), 8);
  EXPECT_FALSE(loss_scale({}).is_on());
  EXPECT_EQ(loss_scale({}).scale(), 1);
  const std::vector<std::pair<loss_scaling_settings, std::string>> refused{
      {{.scale = 3}, "scale"},     {{.scale = 0}, "scale"},      {{.scale = nan_value}, "scale"},
      {{.growth = 1}, "growth"},   {{.growth = 3}, "growth"},    {{.backoff = 1}, "backoff"},
      {{.backoff = 0}, "backoff"}, {{.interval = 0}, "interval"}};
  for (const auto& [settings, key] : refused) EXPECT_EQ(settings.defect()->key, key);
  EXPECT_FALSE(loss_scaling_settings{}.defect());
}

TEST(schedule, impossible_settings_are_refused) {
  for (const double peak : {0.0, -1.0, nan_value, HUGE_VAL})
    EXPECT_THROW((learning_rate_schedule{.peak = peak, .steps = 7}.validate()), std::invalid_argument) << peak;
  EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 0}.validate()), std::invalid_argument);
  EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .warmup = 4}.validate()), std::invalid_argument);
  for (const double fraction : {-0.1, 1.1, nan_value})
    EXPECT_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .final_fraction = fraction}.validate()),
                 std::invalid_argument);
  EXPECT_NO_THROW((learning_rate_schedule{.peak = 1, .steps = 3, .warmup = 3, .final_fraction = 0}.validate()));
}

template <class T>
std::vector<parameter<T>> random_parameters(thread_pool& pool, double gradient_scale = 1) {
  random_values random(5);
  std::vector<parameter<T>> parameters;
  const std::vector<std::pair<std::string, extents>> shapes{{"matrix", {7, 9}}, {"bias", {9}}, {"large", {300, 301}}};
  for (const auto& [name, shape] : shapes) {
    parameters.push_back({name, variable<T>(random.values<T>(shape), true)});
    parameters.back().value.add_gradient(random.values<T>(shape, gradient_scale), pool);
  }
  return parameters;
}

TEST(clipping, the_norm_is_the_root_of_all_squares_and_parameters_without_gradient_count_nothing) {
  thread_pool pool(2);
  auto parameters = random_parameters<float>(pool);
  parameters.push_back({"unused", variable<float>(tensor<float>::full({5}, 1), true)});
  double squares = 0;
  for (const auto& p : parameters)
    for (const float g : p.value.gradient().values()) squares += double(g) * double(g);
  EXPECT_NEAR(gradient_norm<float>(parameters, pool), std::sqrt(squares), 1e-5 * std::sqrt(squares));
}

TEST(clipping, the_norm_has_the_same_bits_for_any_number_of_threads) {
  thread_pool one(1);
  const auto parameters = random_parameters<float>(one);
  const double expected = gradient_norm<float>(parameters, one);
  for (const std::size_t threads : {2u, 3u, 7u}) {
    thread_pool pool(threads);
    EXPECT_EQ(gradient_norm<float>(parameters, pool), expected) << threads;
  }
}

TEST(clipping, the_factor_brings_a_large_norm_to_the_limit_and_leaves_a_small_one) {
  EXPECT_DOUBLE_EQ(clip_factor(4, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clip_factor(0.5, 1), 1);
  EXPECT_EQ(clip_factor(1000, 0), 1);
  EXPECT_EQ(clip_factor(HUGE_VAL, 1), 0);
  EXPECT_TRUE(std::isnan(clip_factor(nan_value, 1)));
  EXPECT_THROW(clip_factor(1, -1), std::invalid_argument);
  EXPECT_THROW(clip_factor(1, nan_value), std::invalid_argument);
}

std::vector<std::vector<double>> weights_of(std::span<const parameter<double>> parameters) {
  std::vector<std::vector<double>> result;
  for (const auto& p : parameters) {
    const auto values = p.value.value().values();
    result.emplace_back(values.begin(), values.end());
  }
  return result;
}

/// One step of a reference for one element, which keeps two states.
using reference_update =
    std::function<void(int step, double rate, bool is_matrix, double g, double& w, double& first, double& second)>;

void expect_reference(const optimizer_choice& choice, double tolerance, const reference_update& reference) {
  thread_pool pool(1);
  const auto parameters = random_parameters<double>(pool);
  optimizer<double> updates(parameters, choice);
  auto weights = weights_of(parameters);
  auto first = weights, second = weights;
  for (auto* states : {&first, &second})
    for (auto& state : *states) state.assign(state.size(), 0.0);
  for (int t = 1; t <= 5; ++t) {
    const double rate = 0.1 / t, factor = 0.5;
    updates.step(rate, factor, pool);
    for (std::size_t p = 0; p < parameters.size(); ++p)
      for (std::size_t i = 0; i < weights[p].size(); ++i) {
        reference(t, rate, parameters[p].name != "bias", parameters[p].value.gradient()[i] * factor, weights[p][i],
                  first[p][i], second[p][i]);
        ASSERT_NEAR(parameters[p].value.value()[i], weights[p][i], tolerance) << parameters[p].name << " step " << t;
      }
  }
  EXPECT_EQ(updates.steps(), 5u);
}

TEST(optimizer, adamw_follows_the_published_update_with_decay_on_matrices_alone) {
  expect_reference(adamw_settings{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.2}, 1e-12,
                   [](int t, double rate, bool is_matrix, double g, double& w, double& m, double& v) {
                     m = 0.8 * m + 0.2 * g;
                     v = 0.9 * v + 0.1 * g * g;
                     const double mean = m / (1 - std::pow(0.8, t)), square = v / (1 - std::pow(0.9, t));
                     w -= (is_matrix ? rate * 0.2 * w : 0) + rate * mean / (std::sqrt(square) + 1e-3);
                   });
}

TEST(optimizer, sgd_follows_the_published_update_with_and_without_momentum) {
  for (const bool nesterov : {false, true})
    expect_reference(sgd_settings{.momentum = 0.7, .nesterov = nesterov, .weight_decay = 0.2}, 1e-12,
                     [nesterov](int, double rate, bool is_matrix, double g, double& w, double& m, double&) {
                       if (is_matrix) g += 0.2 * w;
                       m = 0.7 * m + g;
                       w -= rate * (nesterov ? g + 0.7 * m : m);
                     });
  expect_reference(sgd_settings{.momentum = 0}, 1e-12,
                   [](int, double rate, bool, double g, double& w, double&, double&) { w -= rate * g; });
}

TEST(optimizer, lion_follows_the_published_update) {
  expect_reference(lion_settings{.beta1 = 0.7, .beta2 = 0.9, .weight_decay = 0.2}, 1e-12,
                   [](int, double rate, bool is_matrix, double g, double& w, double& m, double&) {
                     const double mixed = 0.7 * m + 0.3 * g;
                     w -= rate * (double(mixed > 0) - double(mixed < 0) + (is_matrix ? 0.2 * w : 0));
                     m = 0.9 * m + 0.1 * g;
                   });
}

TEST(optimizer, madam_follows_the_published_update) {
  for (const bool whole : {true, false})
    expect_reference(
        madam_settings{.beta = 0.9, .largest_step = 1.4, .whole_steps = whole, .weight_limit = 0, .weight_decay = 0.1},
        1e-12, [whole](int t, double rate, bool is_matrix, double g, double& w, double&, double& v) {
          v = 0.9 * v + 0.1 * g * g;
          double ratio = std::clamp(g / std::sqrt(v / (1 - std::pow(0.9, t))), -1.4, 1.4);
          if (whole) ratio = std::nearbyint(ratio);
          if (is_matrix)
            w *= std::exp2(-rate * ratio * (w > 0 ? 1 : -1)) * (1 - rate * 0.1);
          else
            w -= rate * ratio;
        });
}

TEST(optimizer, madam_keeps_signs_and_its_limit_and_leaves_weights_without_gradient) {
  thread_pool pool(1);
  tensor<float> start = tensor<float>::from({1, 4}, std::vector<float>{1, -1, 2, 0});
  const std::vector<parameter<float>> parameters{{"matrix", variable<float>(start.clone(), true)}};
  parameters[0].value.add_gradient(tensor<float>::from({1, 4}, std::vector<float>{0, 3, -1, 5}), pool);
  optimizer<float> updates(parameters, madam_settings{.weight_limit = 1.7});
  for (int i = 0; i < 100; ++i) updates.step(0.25, 1, pool);
  const float limit = float(1.7 * std::sqrt(6.0 / 4));
  const auto w = parameters[0].value.value();
  EXPECT_EQ(w[0], 1);
  EXPECT_EQ(w[1], -limit);  // a positive gradient makes a negative weight larger
  EXPECT_EQ(w[2], limit);
  EXPECT_EQ(w[3], 0);
}

/// Exponent codes of a format move by whole numbers: 128 of them to an octave, steps of 2^-7 octaves.
TEST(optimizer, madam_on_a_fine_logarithmic_grid_adds_integers_to_codes) {
  thread_pool pool(2);
  const quantizer grid = parse_quantizer("lns14:gamma=128:bias=7000");
  random_values random(3);
  const std::vector<parameter<float>> parameters{{"matrix", variable<float>(random.values<float>({40, 50}), true)}};
  optimizer<float> updates(parameters, madam_settings{.weight_limit = 0}, {.master_weights = grid});
  const axis_view view{40, 50, 1};
  const auto codes_of = [&] {
    return std::get<std::vector<std::uint16_t>>(encode(parameters[0].value.value().values(), view, grid, {}).codes);
  };
  double second[2000] = {};
  for (int t = 1; t <= 3; ++t) {
    const auto before = codes_of();
    parameters[0].value.clear_gradient();
    parameters[0].value.add_gradient(random.values<float>({40, 50}), pool);
    updates.step(0x1p-7, 1, pool);
    const auto after = codes_of();
    for (std::size_t i = 0; i < before.size(); ++i) {
      const double g = double(parameters[0].value.gradient()[i]);
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      const double ratio = g / std::sqrt(second[i] / (1 - std::pow(0.999, t)));
      if (std::abs(std::abs(ratio - std::trunc(ratio)) - 0.5) < 1e-4) continue;  // float32 may fall to either side
      const int sign = before[i] >> 13 ? -1 : 1;                                 // the sign bit of a code
      const int expected = int(before[i] & 0x1fff) - sign * int(std::nearbyint(ratio));
      ASSERT_EQ(int(after[i]), expected | (before[i] & 0x2000)) << i;
    }
  }
}

TEST(optimizer, leaves_parameters_without_a_gradient_alone) {
  thread_pool pool(1);
  const std::vector<parameter<float>> parameters{{"unused", variable<float>(tensor<float>::full({2, 2}, 1), true)}};
  optimizer<float> updates(parameters, adamw_settings{});
  updates.step(1, 1, pool);
  EXPECT_EQ(parameters[0].value.value()[0], 1);
}

// ---- formats
// ---------------------------------------------------------------------------------------------------------

optimizer_formats formats_of(const std::map<std::string, std::string>& texts, bool packed = false) {
  optimizer_formats f{.packed = packed};
  for (const auto& [key, text] : texts) {
    const quantizer q = parse_quantizer(text);
    if (key == "master_weights") f.master_weights = q;
    if (key == "first_moment") f.first_moment = q;
    if (key == "second_moment") f.second_moment = q;
    if (key == "momentum") f.momentum = q;
    if (key == "gradients") f.gradients = q;
  }
  return f;
}

struct formatted_case {
  optimizer_choice choice;
  std::map<std::string, std::string> formats;
};

std::vector<formatted_case> formatted_cases() {
  return {
      {adamw_settings{}, {}},
      {adamw_settings{},
       {{"master_weights", "e8m7/sr"}, {"first_moment", "e4m3fn@block(128)"}, {"second_moment", "e5m2/sr:8@tensor"}}},
      {adamw_settings{},
       {{"first_moment", "expand(128)+e4m3fn@block(128,f32)"},
        {"second_moment", "expand(128)+e4m3fn@block(128,f32)"},
        {"gradients", "e5m2/sr@tensor"}}},
      {adamw_settings{},
       {{"first_moment", "int4/sr@block(16,e4m3fn)@tensor"}, {"second_moment", "lns16:gamma=1024:bias=30000"}}},
      {sgd_settings{.nesterov = true, .weight_decay = 0.1}, {{"momentum", "e4m3fn/sr@block(128)"}}},
      {sgd_settings{.momentum = 0}, {{"master_weights", "e4m3fn/sr@row"}}},
      {lion_settings{}, {{"momentum", "e8m7"}, {"master_weights", "e8m7"}}},
      {madam_settings{}, {{"second_moment", "e8m7/sr"}, {"master_weights", "lns14:gamma=128:bias=7000/sr"}}},
  };
}

std::string description(const formatted_case& c) {
  std::string text(name_of(c.choice));
  for (const auto& [key, format] : c.formats) text += " " + key + "=" + format;
  return text;
}

class saved_states {
 public:
  explicit saved_states(const optimizer<float>& o)
      : file_(std::filesystem::temp_directory_path() /
              ("binade_optim_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    write_safetensors(file_, o.states(), {});
  }
  ~saved_states() { std::filesystem::remove(file_); }
  saved_states(const saved_states&) = delete;
  saved_states& operator=(const saved_states&) = delete;
  safetensors_file read() const { return safetensors_file::read(file_); }

 private:
  std::filesystem::path file_;
};

void step(optimizer<float>& o, thread_pool& pool) {
  o.round_gradients(pool);
  o.step(0.01, 0.5, pool);
}

TEST(optimizer, has_the_same_bits_packed_or_not_saved_or_not_on_any_number_of_threads) {
  for (const formatted_case& c : formatted_cases()) {
    std::string expected;
    for (const bool packed : {false, true})
      for (const std::size_t threads : {1u, 2u, 3u}) {
        thread_pool pool(threads);
        const auto straight = random_parameters<float>(pool);
        optimizer<float> whole(straight, c.choice, formats_of(c.formats, packed), 7);
        for (int i = 0; i < 4; ++i) step(whole, pool);
        if (expected.empty()) expected = weights_digest(straight);
        EXPECT_EQ(weights_digest(straight), expected) << description(c) << " packed " << packed << " on " << threads;
        if (threads != 2) continue;

        const auto stopped = random_parameters<float>(pool);
        optimizer<float> first_half(stopped, c.choice, formats_of(c.formats, packed), 7);
        for (int i = 0; i < 2; ++i) step(first_half, pool);
        const auto resumed = random_parameters<float>(pool);
        optimizer<float> second_half(resumed, c.choice, formats_of(c.formats, packed), 7);
        const saved_states saved(first_half);
        for (std::size_t i = 0; i < resumed.size(); ++i) {
          resumed[i].value.mutable_value() = stopped[i].value.value().clone();
          resumed[i].value.target().sum = stopped[i].value.gradient().clone();
        }
        second_half.restore(first_half.steps(), saved.read());
        for (int i = 0; i < 2; ++i) step(second_half, pool);
        EXPECT_EQ(weights_digest(resumed), expected) << description(c) << " packed " << packed;
      }
  }
}

TEST(optimizer, packed_states_take_the_bytes_of_their_codes_and_scales) {
  thread_pool pool(1);
  const auto parameters = random_parameters<float>(pool);
  const std::size_t elements = 7 * 9 + 9 + 300 * 301;
  const auto bytes = [&](const std::map<std::string, std::string>& texts, bool packed) {
    return optimizer<float>(parameters, adamw_settings{}, formats_of(texts, packed)).states_bytes();
  };
  EXPECT_EQ(bytes({}, false), 8 * elements);
  const std::map<std::string, std::string> fp8{{"first_moment", "e4m3fn@tensor"}, {"second_moment", "e4m3fn@tensor"}};
  EXPECT_EQ(bytes(fp8, false), 8 * elements);
  EXPECT_EQ(bytes(fp8, true), 2 * (elements + 3 * 4));  // a float32 scale for each of three arrays
  EXPECT_EQ(bytes({{"first_moment", "int4@tensor"}}, true), 4 * elements + (7 * 9 + 1) / 2 + 5 + 300 * 301 / 2 + 3 * 4);
  // Blocks of 128 in rows of 9, 9 and 301: 7 + 1 + 300 3 scales, and for an expansion a center and a power of each.
  const std::size_t groups = 7 + 1 + 300 * 3;
  EXPECT_EQ(bytes({{"first_moment", "e4m3fn@block(128)"}}, true), 5 * elements + groups);
  EXPECT_EQ(bytes({{"first_moment", "expand(128)+e4m3fn@block(128,f32)"}}, true), 5 * elements + groups * (4 + 8));
  optimizer_formats flat = formats_of({{"first_moment", "e4m3fn@block(128)"}}, true);
  flat.flat = true;
  EXPECT_EQ(optimizer<float>(parameters, adamw_settings{}, flat).states_bytes(),
            5 * elements + 1 + 1 + (300 * 301 + 127) / 128);
}

axis_view rows_of(const extents& shape) {
  return shape.rank() > 1 ? axis_view{shape[0], shape[1], 1} : axis_view{1, shape[0], 1};
}

TEST(optimizer, states_and_weights_are_what_the_quantizer_makes_of_the_float32_result) {
  thread_pool pool(1);
  const auto exact = random_parameters<float>(pool), rounded = random_parameters<float>(pool);
  const quantizer q = parse_quantizer("e4m3fn@block(32)"), w = parse_quantizer("e8m7/sr");
  optimizer<float> in_float(exact, adamw_settings{});
  optimizer<float> in_format(rounded, adamw_settings{}, {.master_weights = w, .first_moment = q}, 5);
  for (std::size_t p = 0; p < exact.size(); ++p) {
    const auto& shape = exact[p].value.shape();
    const axis_view view = rows_of(shape);
    std::vector<float> start(shape.count());
    quantize(exact[p].value.value().values(), view, w,
             {.seed = 5, .stream = fnv1a(exact[p].name + "/initial_weights"), .step = 0}, start);
    exact[p].value.mutable_value() = tensor<float>::from(shape, start);
  }
  in_float.step(0.01, 1, pool);
  in_format.step(0.01, 1, pool);
  for (std::size_t p = 0; p < exact.size(); ++p) {
    const auto& shape = exact[p].value.shape();
    const axis_view view = rows_of(shape);
    std::vector<float> moment(shape.count()), weight(shape.count());
    quantize(in_float.state(p, optimizer_state::first_moment).values(), view, q, {}, moment);
    quantize(exact[p].value.value().values(), view, w,
             {.seed = 5, .stream = fnv1a(exact[p].name + "/master_weights"), .step = 0}, weight);
    const auto kept = in_format.state(p, optimizer_state::first_moment);
    const auto second = in_format.state(p, optimizer_state::second_moment);
    const auto second_expected = in_float.state(p, optimizer_state::second_moment);
    for (std::size_t i = 0; i < moment.size(); ++i) {
      ASSERT_EQ(kept[i], moment[i]);
      ASSERT_EQ(rounded[p].value.value()[i], weight[i]);
      ASSERT_EQ(second[i], second_expected[i]);
    }
  }
}

TEST(optimizer, tells_of_each_update_before_it_copies_the_next_parameter) {
  thread_pool pool(1);
  const auto parameters = random_parameters<float>(pool);
  std::vector<tensor<float>> first;
  for (const auto& p : parameters) first.push_back(p.value.value().clone());
  const auto is_changed = [&](std::size_t i) {
    return !std::ranges::equal(first[i].values(), parameters[i].value.value().values());
  };
  optimizer<float> updates(parameters, sgd_settings{});
  std::vector<std::size_t> told;
  updates.step(0.1, 1, pool, {}, [&](std::size_t i, const tensor<float>& before, const update_sizes&) {
    EXPECT_TRUE(std::ranges::equal(before.values(), first[i].values()));
    EXPECT_TRUE(is_changed(i));
    if (i + 1 < parameters.size()) {
      EXPECT_FALSE(is_changed(i + 1));
    }
    told.push_back(i);
  });
  EXPECT_EQ(told, (std::vector<std::size_t>{0, 1, 2}));
}

TEST(optimizer, counts_updates_that_the_format_of_the_weights_undid) {
  thread_pool pool(1);
  const auto exact = random_parameters<float>(pool), rounded = random_parameters<float>(pool);
  const quantizer bf16 = parse_quantizer("e8m7");
  std::map<std::string, quantize_counters> rows;
  const auto observer = [&](const quantization_record& q) {
    rows[std::string(q.site) + "/" + std::string(q.gemm) + "/" + std::string(q.operand)] = q.counts.counters;
  };
  optimizer<float> updates(rounded, sgd_settings{.momentum = 0}, {.master_weights = bf16});
  for (std::size_t p = 0; p < exact.size(); ++p) exact[p].value.mutable_value() = rounded[p].value.value().clone();
  optimizer<float>(exact, sgd_settings{.momentum = 0}).step(2e-3, 1, pool);
  std::vector<tensor<float>> before;
  for (const auto& p : rounded) before.push_back(p.value.value().clone());
  updates.step(2e-3, 1, pool, observer);
  ASSERT_EQ(rows.size(), 3u);
  for (std::size_t p = 0; p < exact.size(); ++p) {
    std::uint64_t changed = 0, lost = 0;
    for (std::size_t i = 0; i < before[p].size(); ++i) {
      const bool moved = exact[p].value.value()[i] != before[p][i];
      changed += moved;
      lost += moved && rounded[p].value.value()[i] == before[p][i];
    }
    const quantize_counters& c = rows.at(exact[p].name + "/update/weight");
    EXPECT_EQ(c.count, before[p].size());
    EXPECT_EQ(c.nonzero, changed);
    EXPECT_EQ(c.underflowed, lost);
    EXPECT_GT(c.underflowed, c.count / 10);
    EXPECT_LE(c.amax, 2.1e-3f);
  }
}

TEST(optimizer, matrices_only_leaves_vectors_in_float32) {
  thread_pool pool(1);
  const auto all = random_parameters<float>(pool), matrices = random_parameters<float>(pool),
             exact = random_parameters<float>(pool);
  const quantizer bf16 = parse_quantizer("e8m7");
  const optimizer<float> a(all, adamw_settings{}, {.master_weights = bf16});
  const optimizer<float> b(matrices, adamw_settings{}, {.master_weights = bf16, .matrices_only = true});
  EXPECT_EQ(all[0].value.value()[3], matrices[0].value.value()[3]);
  EXPECT_NE(matrices[0].value.value()[3], exact[0].value.value()[3]);
  EXPECT_NE(all[1].value.value()[3], exact[1].value.value()[3]);
  EXPECT_EQ(matrices[1].value.value()[3], exact[1].value.value()[3]);
}

TEST(optimizer, impossible_settings_and_formats_are_refused_by_name) {
  thread_pool pool(1);
  const auto parameters = random_parameters<float>(pool);
  const auto in_double = random_parameters<double>(pool);
  const auto refusal = [](const std::function<void()>& make) {
    try {
      make();
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string("nothing is refused");
  };
  const auto settings_refusal = [&](const optimizer_choice& choice) {
    return refusal([&] { optimizer<float>(parameters, choice); });
  };
  const std::vector<std::pair<optimizer_choice, std::string>> wrong{
      {adamw_settings{.beta1 = 1}, "adamw: betas"},
      {adamw_settings{.beta2 = -0.1}, "adamw: betas"},
      {adamw_settings{.epsilon = 0}, "adamw: epsilon is 0"},
      {adamw_settings{.weight_decay = nan_value}, "adamw: weight_decay is nan"},
      {sgd_settings{.momentum = 1}, "sgd: momentum is 1"},
      {sgd_settings{.momentum = 0, .nesterov = true}, "sgd: nesterov"},
      {sgd_settings{.weight_decay = -1}, "sgd: weight_decay is -1"},
      {lion_settings{.beta2 = nan_value}, "lion: betas"},
      {madam_settings{.beta = 1}, "madam: beta is 1"},
      {madam_settings{.largest_step = 0}, "madam: largest_step is 0"},
      {madam_settings{.largest_step = 0x1p31}, "madam: largest_step"},
      {madam_settings{.weight_limit = -1}, "madam: weight_limit is -1"}};
  for (const auto& [choice, expected] : wrong)
    EXPECT_NE(settings_refusal(choice).find(expected), std::string::npos) << settings_refusal(choice);
  const auto format_refusal = [&](const optimizer_choice& choice, const std::map<std::string, std::string>& texts) {
    return refusal([&] { optimizer<float>(parameters, choice, formats_of(texts)); });
  };
  EXPECT_EQ(format_refusal(lion_settings{}, {{"second_moment", "e8m7"}}),
            "optimizer: a format is given for second_moment, and optimizer lion keeps momentum alone; remove it");
  EXPECT_NE(format_refusal(sgd_settings{.momentum = 0}, {{"momentum", "e8m7"}}).find("keeps no state"),
            std::string::npos);
  EXPECT_NE(format_refusal(adamw_settings{}, {{"first_moment", "hadamard(32)+e4m3fn@tensor"}})
                .find("optimizer: first_moment of matrix: "),
            std::string::npos);
  for (const char* key : {"master_weights", "first_moment"})
    EXPECT_NE(refusal([&] {
                optimizer<double>(in_double, adamw_settings{}, formats_of({{key, "e8m7"}}));
              }).find("float64"),
              std::string::npos);
}

TEST(optimizer, states_that_are_not_there_or_have_another_size_are_refused) {
  thread_pool pool(1);
  const auto parameters = random_parameters<float>(pool);
  const std::span<const parameter<float>> all(parameters);
  const optimizer<float> some(all.first(2), adamw_settings{});
  const saved_states saved(some);
  optimizer<float> more(parameters, adamw_settings{});
  EXPECT_THROW(more.restore(1, saved.read()), std::runtime_error);
  optimizer<float> other(all.first(2), lion_settings{});
  EXPECT_THROW(other.restore(1, saved.read()), std::runtime_error);
  const std::vector<parameter<float>> smaller{{"matrix", variable<float>(tensor<float>::zeros({7, 8}), true)}};
  optimizer<float> of_smaller(smaller, adamw_settings{});
  EXPECT_THROW(of_smaller.restore(1, saved.read()), std::invalid_argument);
  EXPECT_EQ(of_smaller.steps(), 0u);
}

}  // namespace
}  // namespace binade
