#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "study/plan.hpp"

namespace binade {

/// A study's folder: study.db, binade.lock, checkpoints/ while trials run, report.html.
enum class study_folder { fresh, same_study };

/// Looks at a folder and changes nothing.
/// @returns fresh for a folder that is not there or empty, same_study for one that this very study has begun
/// @throws std::invalid_argument for a folder with other files, or with another study: it says what differs
/// @throws std::runtime_error for a store that cannot be read
study_folder look_at_folder(const std::filesystem::path& folder, const study_plan& plan);

/// How far a study has come.
struct study_progress {
  struct running_trial {
    std::int64_t id = 0, step = 0;
    std::optional<double> loss;  ///< of the last step made by this process
  };
  std::size_t trials = 0, ended = 0, diverged = 0;  ///< diverged ones are among the ended ones
  std::int64_t steps = 0, steps_done = 0;           ///< of all trials; a diverged trial counts as all its steps
  double tokens_per_second = 0;                     ///< of this process
  double seconds_left = 0;                          ///< at this speed; 0 while it is not known
  std::vector<running_trial> running;
};

enum class study_end { complete, interrupted };

/// Runs every trial that has not ended, `jobs` at a time, each on one thread; starts the folder or goes on in it. Which
/// numbers come out does not depend on jobs, on interruptions or on kills.
///
/// @param stop   true: every running trial finishes its step and writes its checkpoint, no other begins; any thread
/// asks
/// @param watch  is called on this thread several times a second and after the last trial
/// @throws std::invalid_argument as look_at_folder
/// @throws std::runtime_error if the folder is in use, a checkpoint is damaged, the disk is full, ...: everything
/// stored
///         so far stays, and the next call goes on from there
study_end run_study(const study_plan& plan, const std::filesystem::path& folder, std::size_t jobs,
                    const std::function<bool()>& stop, const std::function<void(const study_progress&)>& watch);

}  // namespace binade
