#pragma once
/// Arrays in the .npy format of NumPy, versions 1.0, 2.0 and 3.0, read and written piece by piece.
///
/// Little-endian, in C order.  bfloat16 is what NumPy makes of an array of ml_dtypes.bfloat16: `<V2`, two raw bytes.
/// Big-endian and Fortran-ordered files are refused with the NumPy call that converts them: the index of an element
/// decides its noise, so that an array has one order here.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/atomic_file.hpp"
#include "util/input_file.hpp"

namespace binade {

enum class npy_type : std::uint8_t { float16, bfloat16, float32, float64, uint8, uint16, uint32, uint64, int32, int64 };

/// "float32"
std::string_view name_of(npy_type type);
/// Bytes of an element.
std::size_t size_of(npy_type type);
/// True if the type is a floating-point one.
bool is_floating(npy_type type);

/// Stored elements as float32, exactly.  @pre the type is float16, bfloat16 or float32, and the sizes fit
void widen(npy_type type, std::span<const std::byte> elements, std::span<float> values);

/// What a file says about its array.
struct npy_header {
  npy_type type = npy_type::float32;
  std::vector<std::uint64_t> shape = {};  ///< empty: one number

  /// Elements.  @pre the product fits, as that of every file that was opened does
  std::uint64_t count() const;
  bool operator==(const npy_header&) const = default;
};
/// "(3, 4)", as NumPy prints a shape.
std::string shape_text(std::span<const std::uint64_t> shape);

/// A file whose elements are read where they are asked for, so that it may be larger than memory.  Header and size are
/// checked against the file before anything is allocated or believed.
class npy_file {
 public:
  /// @throws std::invalid_argument that names the file and says what to do, if it is not there, no regular file, or a
  ///         sound .npy file that is not read here (another type, big-endian, Fortran order, Python objects)
  /// @throws std::runtime_error that names the file and the reason, if it cannot be read, is no .npy file, or is
  ///         truncated or damaged
  explicit npy_file(std::filesystem::path file);

  const std::filesystem::path& path() const { return file_.path(); }
  const input_file& file() const { return file_; }
  const npy_header& header() const { return header_; }
  /// The byte of the file where the elements begin; they end where the file does.
  std::uint64_t data_at() const { return data_at_; }

  /// Elements [first, first + bytes.size() / size of the type) as they are stored.
  /// @pre they lie in the array
  /// @throws std::runtime_error that names the file if it cannot be read or has shrunk
  void read(std::uint64_t first, std::span<std::byte> bytes) const;
  /// Elements as float32, exactly; the payload of a NaN stays as far as there is room.
  /// @pre the type is a floating-point one
  /// @throws std::invalid_argument if a float64 element is no float32 number: it would be rounded twice, unseen
  void read(std::uint64_t first, std::span<float> values) const;

 private:
  input_file file_;
  std::uint64_t data_at_ = 0;
  npy_header header_;
};

/// Writes a .npy file (version 1.0) element by element; it is there as a whole after commit() or not at all.
class npy_writer {
 public:
  /// @throws std::runtime_error that names the file if it cannot be made
  npy_writer(const std::filesystem::path& file, npy_header header);

  /// The next elements, as they are stored.
  /// @throws std::runtime_error that names the file and the cause if they cannot be written (full disk)
  void write(std::span<const std::byte> bytes);
  /// The next elements, rounded to nearest even where the file's type cannot hold them: how many of them that were.
  /// @pre the type is a floating-point one
  std::size_t write(std::span<const float> values);
  /// As of atomic_file.
  /// @throws std::logic_error if there are fewer elements than the shape has
  /// @throws std::runtime_error as write()
  void complete();
  /// The last call.  @throws as complete(), or std::runtime_error if the file cannot be renamed
  void commit();

 private:
  npy_header header_;
  atomic_file file_;
  std::uint64_t bytes_left_;
  bool is_complete_ = false;
};

}  // namespace binade
