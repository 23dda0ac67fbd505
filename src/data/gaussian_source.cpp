#include "data/gaussian_source.hpp"

#include <cmath>
#include <memory>
#include <span>
#include <stdexcept>

#include "data/data_kind.hpp"
#include "data/mix.hpp"
#include "data/validation_range.hpp"
#include "model/initialization.hpp"
#include "report/number_text.hpp"
#include "util/toml_numbers.hpp"

namespace binade {
namespace {

constexpr std::uint64_t split_tag = 0x220;  // training is split_tag + 0, validation + 1
constexpr std::int64_t most_width = 65536;

}  // namespace

gaussian_source::gaussian_source(const parameters& p, std::size_t validation_rows)
    : p_(p), validation_rows_(validation_rows) {
  if (p.width < 1 || p.width > most_width)
    throw std::invalid_argument("gaussian_source: width is " + std::to_string(p.width) + "; valid is 1..65536");
  if (!(p.noise >= 0) || !std::isfinite(p.noise))
    throw std::invalid_argument("gaussian_source: noise is " + exact_text(p.noise) + "; valid is at least 0");
  if (validation_rows < 1)
    throw std::invalid_argument("gaussian_source: validation_rows is 0; at least 1 sample is needed");
}

regression_batch gaussian_source::make(std::uint64_t which, std::uint64_t first, std::size_t rows) const {
  regression_batch batch{.rows = rows,
                         .width = p_.width,
                         .inputs = std::vector<float>(rows * p_.width),
                         .noise = std::vector<float>(p_.noise > 0 ? rows * p_.width : 0)};
  const std::uint64_t key = derived_seed(p_.seed, split_tag + which);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t seed = derived_seed(key, first + r);
    fill_normal<float>(seed, "inputs", 0, 1, std::span(batch.inputs).subspan(r * p_.width, p_.width));
    if (p_.noise > 0)
      fill_normal<float>(seed, "noise", 0, p_.noise, std::span(batch.noise).subspan(r * p_.width, p_.width));
  }
  return batch;
}

data_batch gaussian_source::training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const {
  return make(0, (data_seed << 32) + step * rows, rows);
}

data_batch gaussian_source::validation_batch(std::size_t first, std::size_t rows) const {
  require_validation_range("gaussian_source::validation_batch", "samples", first, rows, validation_rows_);
  return make(1, first, rows);
}

std::string gaussian_source::description() const {
  return "gaussian: standard normal inputs of width " + std::to_string(p_.width) + ", noise " + exact_text(p_.noise) +
         " on the targets, seed " + std::to_string(p_.seed) + "; validation on " + std::to_string(validation_rows_) +
         " samples";
}

std::string gaussian_source::canonical_text() const {
  return "corpus = \"gaussian\"\nwidth = " + std::to_string(p_.width) + "\nnoise = " + exact_text(p_.noise) +
         "\nseed = " + std::to_string(p_.seed) + "\nvalidation_samples = " + std::to_string(validation_rows_) + "\n";
}

data_kind gaussian_kind() {
  return {"gaussian", "normal inputs for a student and its teacher", [](const data_request& r) -> data_opener {
            gaussian_source::parameters p;
            p.width = read_size(r.table, "width", 1, most_width);
            p.noise = read_real(r.table, "noise", 0, bound::included, unlimited, bound::included, 0);
            p.seed = r.seed();
            const std::size_t rows = read_size(r.table, "validation_samples", 1, 1 << 20, 1024);
            return [=] { return std::make_unique<gaussian_source>(p, rows); };
          }};
}

}  // namespace binade
