#pragma once

#include <filesystem>
#include <string>

#include "model/model.hpp"
#include "util/safetensors.hpp"

namespace binade {

/// The first values of a model from a file, in the place of random ones.
class initial_weights {
 public:
  /// @throws std::invalid_argument that names the file if it is not there, is damaged or is no safetensors file
  explicit initial_weights(const std::filesystem::path& file);

  const std::filesystem::path& file() const { return file_; }
  /// Of the whole file: 64 hexadecimal digits.
  const std::string& sha256() const { return sha256_; }

  /// Throws unless the file has every parameter and buffer of the model, in its shape and in a type that float32 holds,
  /// and nothing else.
  /// @throws std::invalid_argument that names the file and the arrays that are missing, of another shape or too much:
  /// of each of the three the first five, and how many more there are
  void require_fit(const model_plan& plan) const;
  /// Any float32 is taken as it is, infinities and NaN too.  @pre require_fit() of its plan
  void copy_to(const model<float>& network) const;

 private:
  /// Of what was read once, so that the hash is that of the weights whatever becomes of the file.
  initial_weights(const std::filesystem::path& file, const std::string& bytes);

  std::filesystem::path file_;
  std::string sha256_;
  safetensors_file arrays_;
};

}  // namespace binade
