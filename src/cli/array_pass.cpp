#include "cli/array_pass.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "binade/sqnr.hpp"
#include "cli/number_view.hpp"
#include "model/initialization.hpp"
#include "report/number_text.hpp"
#include "util/machine.hpp"

namespace binade::cli {

// ---- the array -----------------------------------------------------------------------------------------------------

input_array::input_array(const std::filesystem::path& file)
    : name_(file.string()), file_(std::make_unique<npy_file>(file)) {
  header_ = file_->header();
  if (!is_floating(header_.type))
    throw std::invalid_argument(name_ + " holds " + std::string(name_of(header_.type)) +
                                " elements, and numbers are needed: float16, bfloat16, float32 or float64");
}

input_array::input_array(std::uint64_t seed, std::uint64_t rows, std::uint64_t columns)
    : header_{npy_type::float32, {rows, columns}},
      name_(std::to_string(rows * columns) + " standard normal numbers, seed " + std::to_string(seed)),
      sample_(rows * columns) {
  fill_normal<float>(seed, "sample", 0, 1, sample_);
}

axis_view input_array::view(std::int64_t axis) const {
  const auto dimensions = static_cast<std::int64_t>(header_.shape.size());
  if (dimensions == 0)
    throw std::invalid_argument(name_ + " is a single number, without an axis; `binade explain SPEC VALUE` is for one");
  if (axis < -dimensions || axis >= dimensions)
    throw std::invalid_argument(name_ + " has shape " + shape_text(header_.shape) + " and no axis " +
                                std::to_string(axis) + "; give one from " + std::to_string(-dimensions) + " to " +
                                std::to_string(dimensions - 1));
  if (header_.count() == 0) return {1, 0, 1};  // the product of some of the sizes need not fit
  const auto place = static_cast<std::size_t>(axis < 0 ? axis + dimensions : axis);
  axis_view view{1, header_.shape[place], 1};
  for (std::size_t d = 0; d < header_.shape.size(); ++d)
    if (d != place) (d < place ? view.outer : view.inner) *= header_.shape[d];
  return view;
}

void input_array::read(std::uint64_t first, std::span<float> values) const {
  if (file_) return file_->read(first, values);
  std::copy_n(sample_.begin() + static_cast<std::ptrdiff_t>(first), values.size(), values.begin());
}
void input_array::read(std::uint64_t first, std::span<double> values) const {
  file_->read(first, std::as_writable_bytes(values));
}

// ---- float64 -------------------------------------------------------------------------------------------------------

double_rounder::double_rounder(const quantizer& q, std::size_t count, const noise_source& source, std::size_t wanted)
    : element_(q.elem),
      count_(count),
      wanted_(wanted),
      source_(source),
      largest_(q.elem.format.max_finite()),
      least_(q.elem.format.is_signed() ? q.elem.format.min_finite() : 0) {
  detail::check_arguments("quantize", count, {1, count, 1}, q, &source);
}

array_part double_rounder::part(std::size_t k) const {
  const std::size_t first = k * wanted_;
  return {{1, std::min(wanted_, count_ - first), 1}, 0, first, first};
}

std::span<const std::uint32_t> double_rounder::noise_of(const array_part& part) {
  noise_.assign(part.size(), 0);
  if (is_stochastic(element_.rounding)) fill_noise(source_, part.first, element_.noise_bits, noise_);
  return noise_;
}

void double_rounder::quantize(const array_part& part, std::span<const double> x, std::span<double> out) {
  const std::span<const std::uint32_t> noise = noise_of(part);
  std::transform(x.begin(), x.end(), noise.begin(), out.begin(),
                 [&](double value, std::uint32_t r) { return round(element_, value, r); });
  count_part(x, out);
}

encoded double_rounder::encode(const array_part& part, std::span<const double> x) {
  const std::span<const std::uint32_t> noise = noise_of(part);
  encoded result;
  detail::with_codes(result.codes, element_.format.width, x.size(), [&](auto& codes) {
    using code_type = typename std::remove_reference_t<decltype(codes)>::value_type;
    for (std::size_t i = 0; i < x.size(); ++i) {
      refused_ += std::uint64_t(refuses(element_, x[i]));
      codes[i] = code_type(binade::encode(element_, x[i], noise[i]));
    }
  });
  return result;
}

void double_rounder::count_part(std::span<const double> x, std::span<const double> values) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool is_nan = std::isnan(x[i]), is_nonzero = !is_nan && x[i] != 0;
    counts_.nans += std::uint64_t(is_nan);
    counts_.nonzero += std::uint64_t(is_nonzero);
    const bool is_saturated = x[i] > largest_ || x[i] < least_;
    counts_.saturated += std::uint64_t(is_saturated);
    counts_.underflowed += std::uint64_t(is_nonzero && !is_saturated && values[i] == 0);
    if (std::isfinite(x[i])) counts_.amax = std::max(counts_.amax, std::fabs(x[i]));
    const bool counts = std::isfinite(x[i]) && std::isfinite(values[i]);
    const double error = counts ? x[i] - values[i] : 0;
    square_.push_back(counts ? x[i] * x[i] : 0);
    error_.push_back(error * error);
    if (square_.size() == reduction::chunk_size) close_chunk();
  }
  counts_.count += x.size();
}

void double_rounder::close_chunk() {
  square_tree_.push(reduction::sum(square_.data(), square_.size()));
  error_tree_.push(reduction::sum(error_.data(), error_.size()));
  square_.clear();
  error_.clear();
}

array_counts double_rounder::counters() {
  if (!square_.empty()) close_chunk();
  counts_.sum_sq = square_tree_.root();
  counts_.sum_sq_error = error_tree_.root();
  return counts_;
}

// ---- what is said --------------------------------------------------------------------------------------------------

bool pass_progress::goes_on(std::uint64_t bytes) {
  done_ += bytes;
  const double seconds = std::chrono::duration<double>(clock::now() - start_).count();
  if (seconds > 1 && done_ < bytes_ && line_.due()) {
    const double speed = double(done_) / seconds;
    line_.show(verb_ + "  " + fixed_text(100 * double(done_) / double(bytes_), 0) + " %  " + count_text(double(done_)) +
               "B of " + count_text(double(bytes_)) + "B  " + count_text(speed) + "B/s  " +
               duration_text(double(bytes_ - done_) / speed) + " left");
  }
  return !stop_.load();
}

void check_memory(std::uint64_t bytes, const std::string& what) {
  const std::optional<std::uint64_t> available = available_memory();
  if (!available || bytes <= *available) return;
  throw std::runtime_error(what + " needs " + count_text(double(bytes)) + "B of memory at once, and " +
                           count_text(double(*available)) +
                           "B are available; take a scaling of smaller groups, or a machine with more memory");
}

double stored_bits(const quantizer& q, const axis_view& view) {
  double bits = q.elem.format.width;
  const double count = double(view.size());
  if (view.size() == 0) return bits;
  if (q.levels > 0) bits += q.scalings[0].format.width * double(scale_count(view, q)) / count;
  if (q.levels > 1) bits += q.scalings[1].format.width * double(outer_scale_count(view, q)) / count;
  return bits;
}

double array_counts::sqnr_db() const {
  return binade::sqnr_db(sum_sq, sum_sq_error);
}

nlohmann::ordered_json to_json(const array_counts& c) {
  return {{"elements", c.count},          {"amax", c.amax},
          {"nonzero", c.nonzero},         {"saturated", c.saturated},
          {"underflowed", c.underflowed}, {"nans", c.nans},
          {"max_error", c.max_error},     {"sqnr_db", c.sqnr_db()},
          {"sum_sq", c.sum_sq},           {"sum_sq_error", c.sum_sq_error}};
}

std::vector<std::vector<std::string>> count_rows(const array_counts& c) {
  const auto share = [&](std::uint64_t part) {
    const std::optional<double> of = c.nonzero == 0 ? std::nullopt : std::optional(double(part) / double(c.nonzero));
    return std::to_string(part) + (part == 0 ? "" : " (" + percent_text(of) + " %)");
  };
  const std::string decibels = c.sum_sq_error == 0 ? "nothing lost" : fixed_text(c.sqnr_db(), 2) + " dB";
  std::vector<std::vector<std::string>> rows{{"elements", std::to_string(c.count)},
                                             {"amax", short_text(c.amax)},
                                             {"saturated", share(c.saturated)},
                                             {"underflowed", share(c.underflowed)},
                                             {"NaN", std::to_string(c.nans)},
                                             {"largest error", short_text(c.max_error)},
                                             {"SQNR", decibels}};
  return rows;
}

}  // namespace binade::cli
