#pragma once
/// A quantizer over the array of a .npy file, part by part: what `quantize` and `compare` share.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "binade/quantize_parts.hpp"
#include "binade/reduction.hpp"
#include "cli/progress.hpp"
#include "util/npy.hpp"

namespace binade::cli {

/// Elements of a part: 4 MiB of float32, so that neither the number of calls nor memory matters.
inline constexpr std::size_t part_elements = std::size_t(1) << 20;

/// The array that a command works on: of a file, or a sample in memory.
class input_array {
 public:
  /// @throws std::invalid_argument as npy_file, or if the elements are no floating-point numbers
  explicit input_array(const std::filesystem::path& file);
  /// Standard normal numbers, a function of the seed alone, as (rows, columns).
  input_array(std::uint64_t seed, std::uint64_t rows, std::uint64_t columns);

  const npy_header& header() const { return header_; }
  /// The file's name, or what the sample is.
  const std::string& name() const { return name_; }
  /// @throws std::invalid_argument if the array has no such axis
  axis_view view(std::int64_t axis) const;

  void read(std::uint64_t first, std::span<float> values) const;
  /// @pre the elements are float64
  void read(std::uint64_t first, std::span<double> values) const;

 private:
  npy_header header_;
  std::string name_;
  std::unique_ptr<npy_file> file_;
  std::vector<float> sample_;
};

/// What happened to the elements of an array: quantize_counters, of float64 too.
struct array_counts {
  std::uint64_t count = 0, nonzero = 0, saturated = 0, underflowed = 0, nans = 0;
  double amax = 0, sum_sq = 0, sum_sq_error = 0;
  double max_error = 0;  ///< largest |x - value| where both are finite

  double sqnr_db() const;
};

/// Rounds float64 elements without scales, each once, part by part: part_quantizer for what float32 cannot hold.
class double_rounder {
 public:
  /// @param q  an element alone, a possible one
  /// @throws std::invalid_argument if the noise stream is too short
  double_rounder(const quantizer& q, std::size_t count, const noise_source& source, std::size_t wanted);

  std::size_t part_count() const { return (count_ + wanted_ - 1) / wanted_; }
  array_part part(std::size_t k) const;
  std::size_t largest_part() const { return std::min(count_, wanted_); }
  static bool reads_twice() { return false; }
  static void look_at(const array_part&, std::span<const double>) {}
  void quantize(const array_part& part, std::span<const double> x, std::span<double> out);
  /// Codes; check_codes() is the last call.
  encoded encode(const array_part& part, std::span<const double> x);
  void check_codes() const { detail::check_refused(refused_); }
  array_counts counters();

 private:
  std::span<const std::uint32_t> noise_of(const array_part& part);
  void count_part(std::span<const double> x, std::span<const double> values);
  void close_chunk();

  element element_;
  std::size_t count_, wanted_;
  noise_source source_;
  std::vector<std::uint32_t> noise_;
  std::uint64_t refused_ = 0;
  double largest_, least_;
  array_counts counts_;
  // Sums in the written order of every reduction: chunks of 4096, whose squares wait here.
  std::vector<double> square_, error_;
  reduction::neighbour_tree<double> square_tree_, error_tree_;
};

/// Live progress of reading an array once or twice, and whether the user wants it to end.
class pass_progress {
 public:
  pass_progress(std::string verb, std::uint64_t bytes, const std::atomic<bool>& stop)
      : verb_(std::move(verb)), bytes_(bytes), stop_(stop), start_(clock::now()) {}
  /// Adds to what is read; false if the work should end.
  bool goes_on(std::uint64_t bytes);

 private:
  using clock = std::chrono::steady_clock;
  std::string verb_;
  std::uint64_t bytes_, done_ = 0;
  const std::atomic<bool>& stop_;
  clock::time_point start_;
  progress_line line_;
};

/// @param what  what needs the memory
/// @throws std::runtime_error if the system says that so many bytes are not there
void check_memory(std::uint64_t bytes, const std::string& what);

inline array_counts counts_of(part_quantizer& parts) {
  const quantize_counters c = parts.counters();
  return {c.count, c.nonzero, c.saturated, c.underflowed, c.nans, double(c.amax), c.sum_sq, c.sum_sq_error, 0};
}
inline array_counts counts_of(double_rounder& parts) {
  return parts.counters();
}

/// Largest |x - value| where both are finite.
template <class T>
double largest_error(std::span<const T> x, std::span<const T> values) {
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = std::fabs(double(x[i]) - double(values[i]));
    if (error > largest && error <= std::numeric_limits<double>::max()) largest = error;
  }
  return largest;
}

/// quantize_array() for one kind of parts.
template <class T, class Parts, class Visit>
std::optional<array_counts> pass(const std::string& verb, const input_array& in, const quantizer& q, Parts& parts,
                                 const std::atomic<bool>& stop, const Visit& visit) {
  const std::uint64_t copies = 3 + 4 * std::uint64_t(q.transform_count > 0);
  check_memory(parts.largest_part() * copies * sizeof(T), verb + ": one group of elements with a common scale");
  const std::uint64_t element = size_of(in.header().type);
  pass_progress progress(verb, in.header().count() * element * (parts.reads_twice() ? 2 : 1), stop);
  std::vector<T> x(parts.largest_part()), values(x.size());
  const auto elements = [&](const array_part& part) {
    const std::span<T> here = std::span(x).first(part.size());
    in.read(part.first, here);
    return here;
  };
  for (std::size_t k = 0; parts.reads_twice() && k < parts.part_count(); ++k) {
    const array_part part = parts.part(k);
    parts.look_at(part, elements(part));
    if (!progress.goes_on(part.size() * element)) return std::nullopt;
  }
  double max_error = 0;
  for (std::size_t k = 0; k < parts.part_count(); ++k) {
    const array_part part = parts.part(k);
    const std::span<const T> from = elements(part);
    const std::span<T> to = std::span(values).first(part.size());
    parts.quantize(part, from, to);
    max_error = std::max(max_error, largest_error<T>(from, to));
    visit(parts, part, from, std::span<const T>(to));
    if (!progress.goes_on(part.size() * element)) return std::nullopt;
  }
  array_counts counts = counts_of(parts);
  counts.max_error = max_error;
  return counts;
}

/// Quantizes an array part by part.  float64 elements without scales are rounded as they are; all others as float32,
/// which they must be exactly.
/// @param visit   is called with (parts, part, x, values) for each part: part_quantizer and float32, or double_rounder
///                and float64
/// @param finish  is called with (parts) at the end
/// @returns what happened to the elements; none if `stop` came to be true
/// @throws std::invalid_argument, std::runtime_error as reading and quantizing do
template <class Visit, class Finish>
std::optional<array_counts> quantize_array(const std::string& verb, const input_array& in, std::int64_t axis,
                                           const quantizer& q, const noise_source& source,
                                           const std::atomic<bool>& stop, const Visit& visit, const Finish& finish) {
  const auto run = [&]<class T, class Parts>(Parts parts) {
    const std::optional<array_counts> counts = pass<T>(verb, in, q, parts, stop, visit);
    if (counts) finish(parts);
    return counts;
  };
  const axis_view view = in.view(axis);
  if (in.header().type == npy_type::float64 && q.levels == 0 && q.transform_count == 0)
    return run.template operator()<double>(double_rounder(q, view.size(), source, part_elements));
  return run.template operator()<float>(part_quantizer(q, view, source, part_elements));
}

/// Bits that elements and scales take when they are packed, per element.
double stored_bits(const quantizer& q, const axis_view& view);

/// The counts as JSON: a number that is not finite is null.
nlohmann::ordered_json to_json(const array_counts& counts);
/// Lines for people: {name, text} each.
std::vector<std::vector<std::string>> count_rows(const array_counts& counts);

}  // namespace binade::cli
