// The runs of training_digests_test.cpp to their end, and the way to renew the stored bits after a change that is meant
// to change them:
//   BINADE_RENEW_DIGESTS=1 build/release/tests/train_training_digests_full
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "train/training_digests.hpp"
#include "util/atomic_file.hpp"

namespace binade {
namespace {

nlohmann::ordered_json digests_of(const std::string& name, std::size_t threads) {
  test::training_run run(name, threads);
  nlohmann::ordered_json result;
  const auto early = run.digests_after(20);
  result["losses"] = run.losses();
  result["after_20_steps"] = early;
  result["after_1000_steps"] = run.digests_after(1000);
  return result;
}

TEST(training_digests, of_a_thousand_steps_are_the_stored_ones_on_one_and_two_threads) {
  nlohmann::ordered_json stored = test::stored_training_digests();
  if (std::getenv("BINADE_RENEW_DIGESTS") != nullptr) {
    stored.clear();
    for (const std::string& name : test::training_names()) stored[name] = digests_of(name, 1);
    write_atomically(test::training_digests_file, stored.dump(1) + "\n");
  }
  for (const std::string& name : test::training_names())
    for (const std::size_t threads : {1u, 2u}) EXPECT_EQ(digests_of(name, threads), stored.at(name)) << name;
}

}  // namespace
}  // namespace binade
