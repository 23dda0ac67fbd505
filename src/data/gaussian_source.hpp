#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "data/data_source.hpp"

namespace binade {

/// Inputs of a student and its teacher: independent standard normal numbers, and noise for the teacher's outputs.  The
/// teacher is the model's.
///
/// Sample d of a split is a function of (settings, split, d): training samples never come twice.
class gaussian_source final : public data_source {
 public:
  struct parameters {
    std::size_t width = 64;  ///< numbers of a sample, 1..65536
    double noise = 0;        ///< deviation of the noise on each output, >= 0
    std::uint64_t seed = 0;
  };

  /// @param validation_rows  >= 1
  /// @throws std::invalid_argument outside the ranges
  gaussian_source(const parameters& p, std::size_t validation_rows);

  data_shape shape() const override { return regression_shape{p_.width}; }
  data_batch training_batch(std::uint64_t data_seed, std::uint64_t step, std::size_t rows) const override;
  std::size_t validation_rows() const override { return validation_rows_; }
  data_batch validation_batch(std::size_t first, std::size_t rows) const override;
  std::optional<double> validation_floor() const override { return std::nullopt; }
  std::optional<double> trivial_loss() const override { return std::nullopt; }
  std::string unit() const override { return "sample"; }
  std::string description() const override;
  std::string canonical_text() const override;

 private:
  regression_batch make(std::uint64_t which, std::uint64_t first, std::size_t rows) const;

  parameters p_;
  std::size_t validation_rows_;
};

}  // namespace binade
