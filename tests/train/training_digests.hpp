// Reads tests/golden/training: small runs (NAME.toml) and the bits that they have on every machine (digests.json).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "study/plan.hpp"
#include "train/settings.hpp"
#include "train/trainer.hpp"
#include "util/hash.hpp"

namespace binade::test {

inline const std::filesystem::path training_folder = BINADE_SOURCE_DIR "/tests/golden/training";
inline const std::filesystem::path training_digests_file = training_folder / "digests.json";

inline std::vector<std::string> training_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(training_folder))
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

inline nlohmann::ordered_json stored_training_digests() {
  std::ifstream file(training_digests_file);
  return file ? nlohmann::ordered_json::parse(file) : nlohmann::ordered_json::object();
}

inline std::string bits_of(double x) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = digits[(std::bit_cast<std::uint64_t>(x) >> (60 - 4 * i)) & 15];
  return text;
}

/// The first steps of one of the runs.
class training_run {
 public:
  training_run(const std::string& name, std::size_t threads)
      : file_(read_train_file(training_folder / (name + ".toml"))) {
    source_ = open_source(file_.run);
    trainer_ = std::make_unique<trainer>(file_.run, *source_,
                                         trial_settings{.formats = checked_recipe(file_.recipe, file_.file, file_.run),
                                                        .learning_rate = file_.learning_rate,
                                                        .seed = file_.seed,
                                                        .threads = threads});
  }

  /// Makes steps up to that number of them, and says what all of them, with those before, came to.
  nlohmann::ordered_json digests_after(std::int64_t steps) {
    while (trainer_->steps_done() < steps) {
      const trainer::step_result result = trainer_->step(trainer_->steps_done() < counted_steps);
      losses_.push_back(bits_of(result.record.loss));
      history_.add(losses_.back()).add(bits_of(result.record.gradient_norm));
      for (const counter_record& row : result.counters) {
        telemetry_.add(row.site).add(row.gemm).add(row.operand).add(bits_of(row.amax)).add(bits_of(row.sqnr_db));
        for (const std::int64_t number : {row.count, row.nonzero, row.saturated, row.underflowed})
          telemetry_.add(std::to_string(number) + " ");
        if (!row.details) continue;
        const rounding_details& d = *row.details;
        for (const std::int64_t number : {d.nans, d.infinities, d.exact, d.subnormal, d.top_binade, d.exponents.zeros,
                                          std::int64_t{d.exponents.first}})
          telemetry_.add(std::to_string(number) + " ");
        for (const std::int64_t number : d.exponents.counts) telemetry_.add(std::to_string(number) + " ");
        for (const double number : {d.smallest_scale, d.largest_scale, d.headroom, d.bias, d.cosine})
          telemetry_.add(std::isnan(number) ? "nan" : bits_of(number));
      }
      for (const measurement_record& m : result.measurements)
        telemetry_.add(m.subject).add(m.quantity).add(bits_of(m.value));
    }
    return {{"losses_and_norms", history_.digest()},
            {"telemetry", telemetry_.digest()},
            {"validation_loss", bits_of(trainer_->validation_loss())},
            {"weights", trainer_->weights_digest()}};
  }
  const std::vector<std::string>& losses() const { return losses_; }

 private:
  static constexpr std::int64_t counted_steps = 20;

  train_file file_;
  std::unique_ptr<data_source> source_;
  std::unique_ptr<trainer> trainer_;
  std::vector<std::string> losses_;
  byte_hasher history_, telemetry_;
};

}  // namespace binade::test
