#pragma once
/// Event files, which TensorBoard reads: TFRecords of Event messages with scalars.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/records.hpp"

namespace binade {

/// Number of one step.
struct named_scalar {
  std::string name;
  double value;
};

/// Exponents of one step: TensorBoard's histogram of floor(log2 |x|), zeros left out.
struct named_histogram {
  std::string name;
  exponent_counts exponents;
};

/// What TensorBoard shows of a step, of its counters and of what it measured.  TensorBoard groups by what stands before
/// the first stroke: saturated/SITE/GEMM/OPERAND (a share of the elements that are not 0, as are underflowed, subnormal
/// and top_binade; not_finite and exact are shares of all), amax/..., sqnr_db/..., scale/... (the largest),
/// headroom/..., bias/..., cosine/..., QUANTITY/SUBJECT.  What is not known is left out.
std::vector<named_scalar> scalars_of(const step_record& record);
std::vector<named_scalar> scalars_of(const counter_record& row);
std::vector<named_scalar> scalars_of(const measurement_record& row);
std::vector<named_scalar> scalars_of(const evaluation_record& record);
/// exponents/SITE/GEMM/OPERAND; none of a row without exponents.
std::optional<named_histogram> histogram_of(const counter_record& row);

/// A TFRecord: length, masked CRC-32C of the length, data, masked CRC-32C of the data; little-endian.
std::string tf_record(std::string_view data);
/// The record with which a file begins.
std::string event_file_head(double wall_time);
/// The record after which a reader forgets what earlier files say of this step and those after it.
std::string event_restart(double wall_time, std::int64_t step);
/// The record of a step's scalars, in float32, and histograms.
std::string event_values(double wall_time, std::int64_t step, const std::vector<named_scalar>& scalars,
                         const std::vector<named_histogram>& histograms = {});

/// Where a run that goes on after so many steps writes its events: each start has a file of its own, so that nothing is
/// written twice; their names sort in the order of the steps.
std::filesystem::path event_file_path(const std::filesystem::path& folder, std::int64_t first_step);
/// Removes event files of a folder that begin after this step: of a run that was taken up further back.
void remove_later_event_files(const std::filesystem::path& folder, std::int64_t first_step);

/// Seconds since 1970.
double seconds_since_1970();

}  // namespace binade
