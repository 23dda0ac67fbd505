#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "util/input_file.hpp"

namespace binade {

/// A regular file that is mapped into memory, read-only: all processes that read it share one copy, and what nobody
/// looks at takes no memory.
///
/// A run must see the same bytes from its first step to its last, so that each look at them asks whether the file is
/// as it was when it was opened.  To replace a file (rename) or to remove it does no harm.
class mapped_file {
 public:
  /// @param what  as of input_file
  /// @throws as input_file's constructor; std::runtime_error that names the file if it cannot be mapped
  mapped_file(std::filesystem::path file, std::string_view what);
  ~mapped_file();
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;

  const std::filesystem::path& path() const { return file_.path(); }
  /// Bytes.
  std::uint64_t size() const { return file_.size(); }

  /// Bytes [first, first + count), where they lie: to be read at once, for as long as nobody shortens the file.
  /// @pre first + count <= size()
  /// @throws std::runtime_error that names the file if somebody wrote to it or shortened it since it was opened
  std::span<const std::byte> bytes(std::uint64_t first, std::size_t count) const;
  /// All of them.  @throws as bytes()
  std::span<const std::byte> bytes() const;

  /// @throws as input_file::require_same()
  void require_same(const input_file& other) const { file_.require_same(other); }
  /// @throws as input_file::refuse_gzip()
  void refuse_gzip() const { file_.refuse_gzip(); }

 private:
  input_file file_;
  const std::byte* data_ = nullptr;
};

}  // namespace binade
