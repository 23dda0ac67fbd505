#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace binade {

/// A named array in a safetensors file.
struct stored_tensor {
  std::string name;
  std::string type;                  ///< as the format names it: "F32", "F64", "BF16", ...
  std::vector<std::size_t> shape;    ///< row-major; empty: one number
  std::span<const std::byte> bytes;  ///< little-endian, element size times the product of the shape

  std::size_t count() const;
  /// The numbers.  @throws std::runtime_error if the type is another one
  std::span<const float> f32() const;
  std::span<const double> f64() const;
  /// The numbers of a type that float32 holds: F32, F16, BF16, F8_E4M3, F8_E5M2.  Exact; a NaN is a NaN.
  /// @throws std::runtime_error if the type is another one
  std::vector<float> to_f32() const;
  std::span<const std::uint8_t> u8() const;
};

/// A view of numbers as something to store.
stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const float> values);
stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const double> values);
stored_tensor stored(std::string name, std::vector<std::size_t> shape, std::span<const std::uint8_t> values);

/// Writes the tensors in the safetensors format, atomically.  The metadata gets one more entry, "xxh3": the hash of the
/// whole file with that entry's 16 digits read as zeros, so that damage anywhere shows.
/// @throws std::runtime_error as write_atomically
void write_safetensors(const std::filesystem::path& file, std::span<const stored_tensor> tensors,
                       const std::map<std::string, std::string>& metadata);

/// A safetensors file in memory.  Header counts are checked against the file's size before anything is believed.
class safetensors_file {
 public:
  /// @throws std::runtime_error that names the file and the reason: missing, truncated, damaged (checksum), not
  /// safetensors
  static safetensors_file read(const std::filesystem::path& file);
  /// The same of the bytes of a file that were read before.
  /// @param file  what error messages call them
  static safetensors_file parse(std::span<const std::byte> bytes, const std::filesystem::path& file);

  /// True if the file carries the checksum that write_safetensors adds; it matches then.  Other writers have none.
  bool has_checksum() const { return has_checksum_; }
  /// Without the checksum.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<stored_tensor>& tensors() const { return tensors_; }
  bool has(const std::string& name) const;
  /// @throws std::runtime_error that names the file if there is none of that name
  const stored_tensor& at(const std::string& name) const;

 private:
  std::filesystem::path file_;
  std::vector<std::byte> data_;  // the tensors look into it; moving a vector keeps its elements in place
  bool has_checksum_ = false;
  std::map<std::string, std::string> metadata_;
  std::vector<stored_tensor> tensors_;
};

}  // namespace binade
