// What a checkpoint must be: exact wherever the run stopped, complete, refused if anything is wrong with it, and there
// whatever kills the process that writes the next one.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "binade/version.hpp"
#include "data/image_source.hpp"
#include "data/images_in_files.hpp"
#include "data/text_source.hpp"
#include "train/run.hpp"
#include "train/small_training.hpp"
#include "util/atomic_file.hpp"
#include "util/safetensors.hpp"

namespace binade {
namespace {

using test::small_run;
using test::training;

class checkpoint : public testing::Test {
 protected:
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() /
             ("binade_checkpoint_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    file = folder / "checkpoint.safetensors";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string contents() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// Why a trainer of the run refuses these bytes; empty if it takes them.
  std::string refusal(training& into, const std::string& bytes) const {
    std::ofstream(file, std::ios::binary) << bytes;
    try {
      into->restore(file);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }
  /// Stops the run at each of its steps and goes on in a new trainer: the end must be that of the run that never
  /// stopped.
  void expect_exact_at_every_step(const run_settings& run, int steps) const {
    const recipe formats = find_recipe("e4m3fn/sr@tensor(delayed=4)");
    training straight(run, formats);
    const auto expected = straight.steps(steps);
    for (int stop = 0; stop <= steps; ++stop) {
      training before(run, formats, 2);
      before.steps(stop);
      before->save(file, {});
      training after(run, formats, 3);
      after->restore(file);
      const auto given = after.steps(steps - stop);
      for (std::size_t i = 0; i < given.size(); ++i)
        ASSERT_EQ(given[i].record.loss, expected[i + std::size_t(stop)].record.loss) << "stopped at " << stop;
      ASSERT_EQ(after->weights_digest(), straight->weights_digest()) << "stopped at " << stop;
    }
  }

  std::filesystem::path folder, file;
};

// An optimizer step is indivisible: between two micro-batches nothing is saved, so every place where a run can stop is
// tried here.
TEST_F(checkpoint, of_an_accumulating_run_is_exact_at_every_step) {
  run_settings run = small_run();
  run.train.accumulate = 3;
  expect_exact_at_every_step(run, 6);
}

TEST_F(checkpoint, is_exact_in_the_middle_of_an_epoch_and_of_a_batch_that_goes_over_its_end) {
  std::vector<std::uint8_t> pixels, labels;
  for (std::size_t i = 0; i < 10; ++i) {
    labels.push_back(static_cast<std::uint8_t>(i % 3));
    for (std::size_t pixel = 0; pixel < 16; ++pixel) pixels.push_back(static_cast<std::uint8_t>(i * 20 + pixel));
  }
  const labelled_images images = test::images_of(folder, 1, 4, 4, pixels, labels);
  run_settings run = small_run();
  run.model = read_model(toml_section::parse("kind = \"mlp\"\nwidth = 32\ndropout = 0.25\n", "model"));
  run.data = {
      .corpus = "images", .open = [images] {
        return std::make_unique<image_set_source>(
            images, images,
            image_set_settings{
                .name = "images", .classes = 3, .mean = {0.5}, .deviation = {0.25}, .crop_padding = 1, .flip = true});
      }};
  run.train.batch = 4;  // an epoch is two and a half of them
  run.train.accumulate = 2;
  expect_exact_at_every_step(run, 8);
}

TEST_F(checkpoint, of_a_run_on_a_text_is_exact_at_every_step) {
  const std::filesystem::path text = folder / "text.txt";
  std::ofstream book(text);
  for (int i = 0; i < 200; ++i) book << "line " << i * i << " of a book\n";
  book.close();
  run_settings run = small_run();
  run.data = {.corpus = "text", .open = [text] { return std::make_unique<text_source>(text, 16, 4); }};
  expect_exact_at_every_step(run, 4);
}

TEST_F(checkpoint, says_what_it_is_of) {
  run_settings run = small_run();
  run.train.loss_scaling = {.how = loss_scaling_settings::kind::dynamic, .scale = 0x1p10};
  const recipe formats = find_recipe("mxfp8");
  training t(run, formats);
  t.steps(2);
  t->save(file, {.losses = {3, 2}, .seconds = 1.5});
  const safetensors_file saved = safetensors_file::read(file);
  EXPECT_TRUE(saved.has_checksum());
  const auto& notes = saved.metadata();
  EXPECT_EQ(notes.at("steps"), "2");
  EXPECT_EQ(notes.at("seed"), "3");
  EXPECT_EQ(notes.at("recipe"), formats.canonical_text());
  EXPECT_EQ(notes.at("learning_rate"), "0.01");
  EXPECT_EQ(notes.at("binade_version"), version_and_commit);
  EXPECT_EQ(notes.at("identity"), t->identity());
  EXPECT_EQ(notes.at("loss_scale"), "1024");
  EXPECT_NE(notes.at("settings").find("[data]\ncorpus = \"zm\""), std::string::npos) << notes.at("settings");
}

TEST_F(checkpoint, with_one_changed_bit_anywhere_or_cut_off_is_refused_by_name_and_changes_nothing) {
  const run_settings run = small_run();
  training t(run);
  t.steps(1);
  t->save(file, {.losses = {3}, .seconds = 1});
  const std::string whole = contents();
  training into(run);
  const std::string untouched = into->weights_digest();
  const std::size_t header = 8 + static_cast<unsigned char>(whole[0]) + 256u * static_cast<unsigned char>(whole[1]);
  // The length of the header, its first and last texts, the checksum, the manifest, the first and last numbers.
  std::vector<std::size_t> places{0, 1, 2, 7, 8, 9, header - 1, header, header + 1, whole.size() - 1};
  for (const char* text : {"xxh3", "identity", "steps", "binade_version", "dtype", "data_offsets", "F32"})
    for (const std::size_t offset : {0u, 1u, 8u}) places.push_back(whole.find(text) + offset);
  for (std::size_t i = 13; i < whole.size(); i += whole.size() / 40) places.push_back(i);
  for (const std::size_t place : places) {
    for (const int bit : {0, 3, 7}) {
      std::string changed = whole;
      changed.at(place) = static_cast<char>(changed[place] ^ (1 << bit));
      const std::string why = refusal(into, changed);
      ASSERT_NE(why.find(file.string()), std::string::npos) << "byte " << place << ", bit " << bit << ": " << why;
    }
  }
  for (const std::size_t size : {std::size_t(0), std::size_t(7), std::size_t(8), header - 1, header, header + 1,
                                 whole.size() / 2, whole.size() - 1})
    ASSERT_NE(refusal(into, whole.substr(0, size)).find("truncated"), std::string::npos) << size << " bytes";
  EXPECT_NE(refusal(into, whole + "x").find(file.string()), std::string::npos);
  EXPECT_EQ(into->weights_digest(), untouched);
  EXPECT_EQ(refusal(into, whole), "");
  EXPECT_EQ(into->weights_digest(), t->weights_digest());
}

TEST_F(checkpoint, of_something_else_is_refused_with_the_reason) {
  training t(small_run());
  EXPECT_NE(refusal(t, "just some text, longer than eight bytes").find("no safetensors file"), std::string::npos);
  // Good files that are no checkpoints: weights of another program, weights of this one.
  const std::vector<float> numbers{1, 2};
  write_safetensors(file, std::vector{stored("w", {2}, numbers)}, {});
  EXPECT_NE(refusal(t, contents()).find("no checkpoint of this program"), std::string::npos);
  t->export_weights(file);
  EXPECT_NE(refusal(t, contents()).find("no checkpoint of this program"), std::string::npos);
  // A checkpoint of a run that differs in one thing.
  run_settings other = small_run();
  other.train.accumulate = 2;
  training(other)->save(file, {});
  EXPECT_NE(refusal(t, contents()).find("another run"), std::string::npos);
}

class silent final : public run_observer {
 public:
  void starts_at(std::int64_t, double) override {}
  void step_done(const trainer::step_result&) override {}
  void evaluated(const evaluation_record&) override {}
  void before_checkpoint(std::int64_t, double) override {}
};

TEST_F(checkpoint, of_another_version_is_not_gone_on_with_unless_the_run_was_at_its_end) {
  run_settings run = small_run();
  const auto source = open_source(run);
  for (const int steps : {3, 8}) {
    training t(run);
    t.steps(steps);
    t->save(file, {.losses = std::vector<double>(std::size_t(steps), 3.0), .seconds = 1});
    const safetensors_file saved = safetensors_file::read(file);
    auto notes = saved.metadata();
    notes["binade_version"] = "0.0.1";
    write_safetensors(file, saved.tensors(), notes);
    training into(run);
    silent observer;
    std::string why;
    try {
      run_training(*into, run, *source, file, observer, [] { return false; });
    } catch (const std::runtime_error& e) {
      why = e.what();
    }
    EXPECT_EQ(why.find("was written by binade 0.0.1, and this is ") != why.npos, steps < 8) << why;
  }
}

/// Runs it in another process, which must be killed by SIGKILL.
template <class Work>
void killed(const Work& work, useconds_t microseconds) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    ::_exit(1);
  }
  if (microseconds > 0) {
    ::usleep(microseconds);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST_F(checkpoint, before_stays_as_it_was_when_the_process_dies_while_it_writes_the_next_one) {
  training t(small_run());
  t.steps(1);
  t->save(file, {.losses = {3}, .seconds = 1});
  const std::string whole = contents();
  for (const bool complete : {false, true}) {
    killed(
        [&] {
          atomic_file next(file);
          next.write(std::as_bytes(std::span(whole).first(whole.size() / 2)));
          if (complete) next.complete();
          ::raise(SIGKILL);
        },
        0);
    EXPECT_EQ(contents(), whole);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 2);  // what the dead one left
    training into(small_run());
    into->restore(file);
    EXPECT_EQ(into->weights_digest(), t->weights_digest());
    t->save(file, {.losses = {3}, .seconds = 1});
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  }
}

TEST_F(checkpoint, is_one_of_those_that_were_written_when_the_process_is_killed_at_any_time) {
  const run_settings run = small_run();
  std::vector<std::string> digests;
  for (int steps = 0; steps < 3; ++steps) {
    training t(run);
    t.steps(steps);
    digests.push_back(t->weights_digest());
    if (steps == 0) t->save(file, {});
  }
  for (useconds_t microseconds = 500; microseconds <= 20000; microseconds += 1500) {
    killed(
        [&] {
          training t(run);
          for (int steps = 0; steps < 3; ++steps) {
            for (int again = 0; again < (steps == 2 ? 1000000 : 3); ++again) t->save(file, {});
            t.steps(1);
          }
        },
        microseconds);
    training into(run);
    into->restore(file);
    EXPECT_EQ(into->weights_digest(), digests.at(static_cast<std::size_t>(into->steps_done())));
  }
}

}  // namespace
}  // namespace binade
