#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace binade {

/// A regular file that is read where it is asked for, so that it may be larger than memory.  Reading goes by position,
/// which suits what is read once from its begin to its end; what is looked at again and again is a mapped_file.
class input_file {
 public:
  /// @param what  what to give instead, for messages: "the path of a .npy file"
  /// @throws std::invalid_argument that names the file if it is not there or no regular file
  /// @throws std::runtime_error that names the file if it cannot be read
  input_file(std::filesystem::path file, std::string_view what);
  ~input_file();
  input_file(const input_file&) = delete;
  input_file& operator=(const input_file&) = delete;

  const std::filesystem::path& path() const { return file_; }
  /// Bytes, when the file was opened.
  std::uint64_t size() const { return size_; }

  /// Bytes [first, first + bytes.size()).
  /// @throws std::runtime_error that names the file if it cannot be read or has shrunk
  void read(std::uint64_t first, std::span<std::byte> bytes) const;
  /// All of it.  @throws as read()
  std::string read_all() const;

  /// @throws std::runtime_error that names the file if somebody wrote to it or shortened it since it was opened
  void require_unchanged() const;
  /// Of a file that was opened twice by one name.
  /// @throws std::runtime_error that names it if it was replaced or written to between the two
  void require_same(const input_file& other) const;
  /// @throws std::invalid_argument that names the file and gunzip if it begins as files of gzip do
  void refuse_gzip() const;

  /// Of the open file, which stays this object's.
  int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  timespec written_{};
  std::uint64_t device_ = 0, number_ = 0;
};

}  // namespace binade
