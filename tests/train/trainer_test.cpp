#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "recipe/error_text.hpp"
#include "train/small_training.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

using test::small_run;
using test::training;

const counter_record& row(const trainer::step_result& result, const std::string& site, const std::string& gemm,
                          const std::string& operand) {
  for (const counter_record& r : result.counters)
    if (r.site == site && r.gemm == gemm && r.operand == operand) return r;
  throw std::logic_error("no row " + site + " " + gemm + " " + operand);
}

TEST(trainer, micro_batches_average_the_losses_and_gradients_of_the_same_batch) {
  run_settings run = small_run();
  training whole(run);
  const auto expected = whole.steps(3);
  for (const std::size_t parts : {2u, 3u, 6u}) {
    run.train.accumulate = parts;
    training split(run);
    const auto given = split.steps(3);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(*given[i].record.floor, *expected[i].record.floor, 1e-12);  // the same sequences
      EXPECT_NEAR(given[i].record.loss, expected[i].record.loss, 1e-5) << parts;
      EXPECT_NEAR(given[i].record.gradient_norm / expected[i].record.gradient_norm, 1, 1e-3) << parts;
    }
    EXPECT_NE(split->weights_digest(), whole->weights_digest());  // sums in another order
    EXPECT_NE(split->identity(), whole->identity());
  }
}

TEST(trainer, micro_batches_have_noise_of_their_own_and_counters_together) {
  run_settings run = small_run();
  const recipe formats = find_recipe("e4m3fn/sr@tensor");
  const auto one = training(run, formats).steps(1, true);
  run.train.accumulate = 3;
  const auto three = training(run, formats).steps(1, true);
  ASSERT_EQ(one[0].counters.size(), three[0].counters.size());
  for (std::size_t i = 0; i < one[0].counters.size(); ++i) {
    const counter_record &a = one[0].counters[i], &b = three[0].counters[i];
    EXPECT_EQ(a.site + a.gemm + a.operand, b.site + b.gemm + b.operand);
    // A weight is quantized once per micro-batch, the rest in parts.
    const bool weight = a.operand == "weight" && a.site.find("attention.scores") == a.site.npos &&
                        a.site.find("attention.values") == a.site.npos;
    EXPECT_EQ(b.count, weight ? 3 * a.count : a.count) << a.site << " " << a.operand;
  }
}

TEST(trainer, a_loss_scale_that_is_a_power_of_two_changes_no_bit) {
  run_settings run = small_run();
  training plain(run);
  const auto expected = plain.steps(4);
  run.train.loss_scaling.how = loss_scaling_settings::kind::fixed;
  run.train.loss_scaling.scale = 0x1p16;
  training scaled(run);
  const auto given = scaled.steps(4);
  EXPECT_EQ(scaled->weights_digest(), plain->weights_digest());
  EXPECT_EQ(scaled->skipped_steps(), 0);
  for (std::size_t i = 0; i < given.size(); ++i) {
    EXPECT_EQ(given[i].record.gradient_norm, expected[i].record.gradient_norm);
    EXPECT_EQ(row(given[i], "loss", loss_scale_row, "scale").amax, 0x1p16);
    EXPECT_EQ(row(given[i], "loss", loss_scale_row, "scale").saturated, 0);
  }
}

TEST(trainer, steps_whose_scaled_gradients_overflow_are_skipped_and_the_scale_comes_down) {
  run_settings run = small_run();
  run.train.loss_scaling = {
      .how = loss_scaling_settings::kind::dynamic, .scale = 0x1p90, .growth = 4, .backoff = 0x1p-20, .interval = 2};
  training t(run);
  const std::string start = t->weights_digest();
  std::vector<double> scales;
  for (int i = 0; i < 7; ++i) {
    const auto result = t->step(false);
    EXPECT_TRUE(result.finite);
    const counter_record& scale = row(result, "loss", loss_scale_row, "scale");
    scales.push_back(scale.amax);
    EXPECT_EQ(scale.saturated, i < 2);  // 2^90 and 2^70: the sum of squares is beyond float32
    EXPECT_EQ(t->weights_digest() == start, i < 2);
  }
  EXPECT_EQ(scales, (std::vector<double>{0x1p90, 0x1p70, 0x1p50, 0x1p50, 0x1p52, 0x1p52, 0x1p54}));
  EXPECT_EQ(t->skipped_steps(), 2);
  EXPECT_EQ(t->steps_done(), 7);
}

TEST(trainer, a_gradient_format_that_saturates_hides_no_overflow) {
  run_settings run = small_run();
  run.train.loss_scaling = {.how = loss_scaling_settings::kind::fixed, .scale = 0x1p40};
  const std::string result = "[[rule]]\nlayers = \"*\"\nweight_gradient = { result = \"e5m10\" }\n";
  training plain(run, parse_recipe(result, "test"));
  training rounded(run, parse_recipe(result + "[optimizer]\ngradients = \"e5m2@tensor\"\n", "test"));
  plain.steps(3);
  rounded.steps(3);
  EXPECT_EQ(plain->skipped_steps(), 3);  // binary16 holds no 2^40 times a gradient
  EXPECT_EQ(rounded->skipped_steps(), 3);
}

struct optimizer_case {
  optimizer_choice choice;
  std::string table;
};

TEST(trainer, resumes_with_the_same_bits_under_every_optimizer_and_format_on_any_number_of_threads) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "binade_trainer_resumes.safetensors";
  const std::vector<optimizer_case> cases{
      {adamw_settings{}, ""},
      {adamw_settings{},
       "first_moment = \"expand(128)+e4m3fn@block(128,f32)\"\nsecond_moment = \"e5m2/sr@tensor\"\n"
       "master_weights = \"e8m7/sr\"\ngradients = \"e5m2@tensor\"\npacked = true\n"},
      {sgd_settings{}, "momentum = \"e4m3fn/sr@block(128)\"\nflat = true\n"},
      {lion_settings{}, "momentum = \"e8m7\"\nmatrices_only = true\npacked = true\n"},
      {madam_settings{}, "master_weights = \"lns16:gamma=1024:bias=28000:zero\"\n"}};
  for (const optimizer_case& c : cases) {
    run_settings run = small_run();
    run.train.optimizer = c.choice;
    run.train.accumulate = 2;
    run.train.loss_scaling = {.how = loss_scaling_settings::kind::dynamic, .scale = 0x1p80, .interval = 2};
    run.train.loss_scaling.backoff = 0x1p-30;
    const recipe formats = parse_recipe(c.table.empty() ? "rule = []\n" : "[optimizer]\n" + c.table, "test");
    std::string expected;
    for (const std::size_t threads : {1u, 2u, 3u}) {
      training straight(run, formats, threads);
      straight.steps(6, true);
      training first_half(run, formats, threads);
      first_half.steps(3);
      first_half->save(file, {.losses = {1, 2, 3}, .seconds = 4});
      training second_half(run, formats, 4 - threads);
      EXPECT_EQ(second_half->restore(file).losses.size(), 3u);
      second_half.steps(3);
      if (expected.empty()) expected = straight->weights_digest();
      EXPECT_EQ(straight->weights_digest(), expected) << name_of(c.choice) << " " << c.table;
      EXPECT_EQ(second_half->weights_digest(), expected) << name_of(c.choice) << " " << c.table;
      EXPECT_EQ(second_half->skipped_steps(), straight->skipped_steps());
      EXPECT_GT(straight->skipped_steps(), 0);
      EXPECT_EQ(second_half->optimizer_bytes(), straight->optimizer_bytes());
    }
  }
  std::filesystem::remove(file);
}

TEST(trainer, reports_lost_updates_and_the_rounding_of_states_where_there_are_formats) {
  const recipe formats = parse_recipe(
      "[optimizer]\nmaster_weights = \"e8m7\"\nfirst_moment = \"e4m3fn@tensor\"\n"
      "gradients = \"e5m2@tensor\"\n",
      "test");
  training t(small_run(), formats);
  const auto results = t.steps(2, true);
  const counter_record& update = row(results[1], "blocks.0.mlp.up", update_row, "weight");
  EXPECT_EQ(update.count, 32 * 128);
  EXPECT_GT(update.nonzero, 0);
  EXPECT_LT(update.underflowed, update.nonzero);
  EXPECT_EQ(row(results[1], "blocks.0.mlp.up", "first_moment", "weight").count, 32 * 128);
  EXPECT_EQ(row(results[1], "blocks.0.mlp.up", "gradients", "bias").count, 128);
  training plain(small_run());
  EXPECT_TRUE(plain.steps(1, true)[0].counters.empty());
}

double value(const trainer::step_result& result, const std::string& subject, const std::string& quantity) {
  for (const measurement_record& m : result.measurements)
    if (m.subject == subject && m.quantity == quantity) return m.value;
  throw std::logic_error("no measurement " + subject + " " + quantity);
}

TEST(trainer, measures_what_weights_gradients_and_updates_are_like) {
  run_settings run = small_run();
  run.train.optimizer = sgd_settings{.momentum = 0};
  run.train.clip = 0;
  training whole(run);
  const auto results = whole.steps(2, true);
  const std::string weight = "blocks.0.mlp.up.weight";
  const double ratio = results[1].record.learning_rate * value(results[1], weight, "gradient_rms") /
                       value(results[1], weight, "weight_rms");
  EXPECT_NEAR(value(results[1], weight, "update_ratio") / ratio, 1, 1e-3);  // a difference of float32 weights
  EXPECT_GT(value(results[1], "blocks.0.attention.scores", "entropy"), 0.5);
  EXPECT_GT(value(results[1], "head", "input_kurtosis"), 1);
  EXPECT_TRUE(whole.steps(1)[0].measurements.empty());
  // Nothing that is measured changes a bit, and micro-batches make one value, near that of the whole batch.
  training unwatched(run);
  unwatched.steps(3);
  EXPECT_EQ(unwatched->weights_digest(), whole->weights_digest());
  run.train.accumulate = 3;
  run.train.loss_scaling = {.how = loss_scaling_settings::kind::fixed, .scale = 0x1p16};
  training parts(run);
  const auto scaled = parts.steps(2, true);
  ASSERT_EQ(scaled[1].measurements.size(), results[1].measurements.size());
  for (const auto& [subject, quantity] : std::vector<std::pair<std::string, std::string>>{{weight, "gradient_rms"},
                                                                                          {weight, "update_ratio"},
                                                                                          {"head", "input_rms"},
                                                                                          {"logits", "log_z"},
                                                                                          {"logits", "largest_log_z"}})
    EXPECT_NEAR(value(scaled[1], subject, quantity) / value(results[1], subject, quantity), 1, 1e-2) << quantity;
}

TEST(trainer, tells_of_every_rounding_what_became_of_each_element) {
  const recipe formats = parse_recipe(
      "[[rule]]\nlayers = \"*\"\noperands = \"mxfp4\"\nresult = \"e8m7\"\nsaved = \"e4m3fn@tensor\"\n"
      "[outputs]\nresidual = \"e8m7\"\n[optimizer]\nmaster_weights = \"e8m7\"\nsecond_moment = \"e8m7\"\n"
      "gradients = \"e5m2@tensor\"\n",
      "test");
  std::vector<trainer::step_result> first;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    run_settings run = small_run();
    run.train.batch = 48;  // arrays that are cut
    const auto results = training(run, formats, threads).steps(2, true);
    if (first.empty()) first = results;
    ASSERT_EQ(results[1].counters.size(), first[1].counters.size());
    for (std::size_t i = 0; i < results[1].counters.size(); ++i) {
      const counter_record &got = results[1].counters[i], &want = first[1].counters[i];
      const std::string what = got.site + "/" + got.gemm + "/" + got.operand;
      ASSERT_TRUE(got.details) << what;
      const rounding_details &a = *got.details, &b = *want.details;
      EXPECT_EQ(a.exact, b.exact) << what;
      EXPECT_EQ(a.subnormal, b.subnormal) << what;
      EXPECT_EQ(a.top_binade, b.top_binade) << what;
      EXPECT_EQ(a.bias, b.bias) << what;
      EXPECT_EQ(a.cosine, b.cosine) << what;
      EXPECT_EQ(a.exponents, b.exponents) << what;
      EXPECT_EQ(a.nans + got.saturated + got.underflowed + a.exact + rounded_of(got), got.count) << what;
      EXPECT_GE(a.exact, 0) << what;
      EXPECT_GE(rounded_of(got), 0) << what;
      EXPECT_GT(a.cosine, 0.5) << what;
      if (got.gemm == update_row) {
        EXPECT_TRUE(std::isnan(a.largest_scale)) << what;
        continue;
      }
      EXPECT_LE(a.smallest_scale, a.largest_scale) << what;
      EXPECT_GE(a.headroom, -1) << what;  // the floor rule of MX leaves less than a binade above
      EXPECT_FALSE(a.exponents.counts.empty()) << what;
    }
  }
  EXPECT_GT(row(first[1], "blocks.0.mlp.up", "forward", "input").details->subnormal, 0);
  EXPECT_GT(row(first[1], "blocks.0.mlp.up", "forward", "input").details->top_binade, 0);
  EXPECT_EQ(row(first[1], "blocks.0.mlp.up", "forward", "result").details->smallest_scale, 1);
  EXPECT_GT(row(first[1], "blocks.0.mlp.up", "weight_gradient", "saved").details->headroom, -0.01);
  EXPECT_GT(row(first[1], "blocks.0.mlp.up", "second_moment", "weight").count, 0);
  EXPECT_GT(row(first[1], "outputs", "forward", "residual").count, 0);
}

TEST(trainer, measures_updates_as_adam_makes_them_and_counts_alarms) {
  run_settings run = small_run();
  run.train.optimizer = adamw_settings{.weight_decay = 0};
  training t(run);
  const auto results = t.steps(2, true);
  const std::string weight = "blocks.0.mlp.up.weight";
  // In the first step both moments are of one gradient, and the step is its sign.
  EXPECT_NEAR(value(results[0], weight, "rms_t"), 1, 1e-3);
  EXPECT_NEAR(value(results[0], weight, "update_rms"), 1, 1e-2);
  EXPECT_NEAR(value(results[1], weight, "update_rms") * results[1].record.learning_rate /
                  value(results[1], weight, "weight_rms"),
              value(results[1], weight, "update_ratio"), 1e-4);
  EXPECT_EQ(value(results[1], weight, "lost_updates"), 0);
  const double clip = results[1].record.clipped ? 1 / results[1].record.gradient_norm : 1;
  EXPECT_NEAR(
      value(results[1], weight, "gradient_over_epsilon") / (value(results[1], weight, "gradient_rms") * clip / 1e-8), 1,
      1e-2);
  EXPECT_EQ(value(results[1], alarms_subject, "rms_t"), 0);
  EXPECT_EQ(value(results[1], alarms_subject, "largest_logit"), 0);
  run.train.optimizer = adamw_settings{.epsilon = 1, .weight_decay = 0};
  const auto damped = training(run).steps(1, true);
  EXPECT_GT(value(damped[0], alarms_subject, "gradient_over_epsilon"), 5);
  const recipe coarse = parse_recipe("[optimizer]\nmaster_weights = \"e4m3fn\"\n", "test");
  EXPECT_GT(value(training(small_run(), coarse).steps(2, true)[1], weight, "lost_updates"), 0.05);
}

TEST(trainer, compares_gradients_with_those_of_float32_and_changes_no_bit) {
  const std::string weight = "blocks.0.mlp.up.weight";
  run_settings run = small_run();
  const auto shadowed = [&](const recipe& formats, std::size_t threads) {
    training t(run, formats, threads);
    t.steps(1);
    const trainer::step_result result = t->step(false, true);
    t.steps(1);
    training plain(run, formats);
    plain.steps(3);
    EXPECT_EQ(t->weights_digest(), plain->weights_digest());
    EXPECT_TRUE(result.counters.empty() || run.train.loss_scaling.how != loss_scaling_settings::kind::none);
    return result;
  };
  const trainer::step_result same = shadowed(find_recipe("f32"), 1);
  EXPECT_EQ(value(same, "model", "error_ratio"), 0);
  EXPECT_NEAR(value(same, "model", "gradient_cosine"), 1, 1e-12);
  const trainer::step_result coarse = shadowed(find_recipe("mxfp4"), 1), fine = shadowed(find_recipe("mxfp8_e4m3"), 1);
  EXPECT_GT(value(coarse, "model", "error_ratio"), 3 * value(fine, "model", "error_ratio"));
  EXPECT_LT(value(coarse, "model", "error_ratio"), 1);
  EXPECT_GT(value(coarse, weight, "gradient_cosine"), 0.7);
  EXPECT_LT(value(coarse, weight, "gradient_cosine"), value(fine, weight, "gradient_cosine"));
  EXPECT_EQ(value(coarse, alarms_subject, "error_ratio"), 0);
  for (const std::size_t threads : {2u, 3u}) {
    const trainer::step_result again = shadowed(find_recipe("mxfp4"), threads);
    for (const char* quantity : {"error_ratio", "gradient_cosine"})
      EXPECT_EQ(value(again, "model", quantity), value(coarse, "model", quantity)) << threads;
  }
  // Micro-batches, a loss scale, a delayed scale and rounded gradients.
  run.train.accumulate = 3;
  run.train.loss_scaling = {.how = loss_scaling_settings::kind::fixed, .scale = 0x1p10};
  EXPECT_NEAR(value(shadowed(find_recipe("f32"), 1), "model", "error_ratio"), 0, 1e-5);
  EXPECT_LT(value(shadowed(find_recipe("e4m3fn@tensor(delayed=4)"), 1), "model", "error_ratio"), 0.5);
  EXPECT_GT(
      value(shadowed(parse_recipe("[optimizer]\ngradients = \"e5m2@tensor\"\n", "test"), 1), "model", "error_ratio"),
      0.01);
}

TEST(trainer, a_format_for_a_state_that_the_optimizer_has_not_is_refused) {
  run_settings run = small_run();
  run.train.optimizer = lion_settings{};
  const recipe formats = parse_recipe("[optimizer]\nfirst_moment = \"e8m7\"\n", "test");
  EXPECT_THROW(training(run, formats), std::invalid_argument);
}

class initial_values : public testing::Test {
 protected:
  std::filesystem::path path(const char* name) const {
    return std::filesystem::temp_directory_path() /
           (std::string("binade_") + testing::UnitTest::GetInstance()->current_test_info()->name() + "_" + name);
  }
  void TearDown() override {
    for (const char* name : {"weights", "again", "checkpoint", "next"}) std::filesystem::remove(path(name));
  }
  static void expect_same_arrays(const std::filesystem::path& one, const std::filesystem::path& other) {
    const safetensors_file a = safetensors_file::read(one), b = safetensors_file::read(other);
    ASSERT_EQ(a.tensors().size(), b.tensors().size());
    for (const stored_tensor& t : a.tensors()) {
      const auto x = t.bytes, y = b.at(t.name).bytes;
      EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin(), y.end())) << t.name;
    }
  }
};

TEST_F(initial_values, come_from_a_file_and_a_resumed_run_is_the_same_run) {
  training first(small_run());
  first.steps(2);
  first->export_weights(path("weights"));
  run_settings run = small_run();
  run.from = path("weights");
  training whole(run);
  EXPECT_EQ(whole->weights_digest(), first->weights_digest());
  EXPECT_NE(whole->identity(), training(small_run())->identity());
  whole.steps(4);
  training half(run);
  half.steps(2);
  half->save(path("checkpoint"), {});
  training rest(run);
  rest->restore(path("checkpoint"));
  rest.steps(2);
  EXPECT_EQ(rest->weights_digest(), whole->weights_digest());
}

// Another process may put a new file in the place of the old one at any time.
TEST_F(initial_values, have_the_hash_of_the_file_that_they_came_from) {
  // So large that a hash takes longer than the other process waits for a processor.
  const auto wide = [](int width) {
    run_settings run = small_run();
    run.model = read_model(
        toml_section::parse("layers = 1\nheads = 2\ncontext = 16\nwidth = " + std::to_string(width), "model"));
    return run;
  };
  training(wide(514))->export_weights(path("checkpoint"));
  run_settings run = wide(512);
  training(run)->export_weights(path("weights"));
  open_source(run);  // fits the model to the data
  const std::string fitting = initial_weights(path("weights")).sha256();
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done)
      for (const char* name : {"checkpoint", "weights"}) {
        std::filesystem::create_hard_link(path(name), path("next"));
        std::filesystem::rename(path("next"), path("again"));
      }
  });
  while (!std::filesystem::exists(path("again"))) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
    const initial_weights read(path("again"));
    const bool fits = test::error_of([&] { read.require_fit(*run.model); }) == "no error";
    EXPECT_EQ(read.sha256() == fitting, fits);
  }
  done = true;
  other.join();
}

TEST_F(initial_values, are_of_buffers_too_and_kept_as_they_are) {
  const std::string train = "[train]\nsteps = 2\nbatch = 4\nlearning_rate = 1e-2\n";
  for (const std::string& tables :
       {std::string(
            "[model]\nkind = \"resnet\"\nwidths = [4, 8]\nblocks = 1\n[data]\ncorpus = \"prototypes\"\nsize = 8\n"
            "validation_images = 2\n"),
        std::string("[model]\nkind = \"student_teacher\"\nlayers = 1\n[data]\ncorpus = \"gaussian\"\nwidth = 8\n")}) {
    std::ofstream(path("again")) << tables << train;
    run_settings run = read_train_file(path("again")).run;
    training first(run);
    first.steps(2);
    first->export_weights(path("weights"));
    run.from = path("weights");
    training(run)->export_weights(path("again"));
    expect_same_arrays(path("again"), path("weights"));
  }
}

}  // namespace
}  // namespace binade
