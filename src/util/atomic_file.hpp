#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string_view>

namespace binade {

/// A file that is there as a whole or not at all: the bytes go to a temporary file beside it, which commit() flushes to
/// the disk and renames over it.  A reader sees the old file or the new one, never a part.  Without commit() nothing is
/// left behind; what a process that was killed left is removed by the next one that writes the same file.
class atomic_file {
 public:
  /// @param file  its folder must exist
  /// @throws std::runtime_error that names the file if it is there and no regular file (a device, a folder), or if its
  ///         temporary file cannot be made
  explicit atomic_file(std::filesystem::path file);
  ~atomic_file();
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;

  const std::filesystem::path& path() const { return file_; }
  std::ostream& stream() { return stream_; }
  /// @throws std::runtime_error that names the file and the cause if the bytes cannot be written (full disk)
  void write(std::span<const std::byte> bytes);
  /// Flushes what was written to the disk, which is the end of writing: commit() can then fail for want of room no
  /// more. Of several files that belong together, all are completed before the first one is committed.
  /// @throws std::runtime_error as write()
  void complete();
  /// The last call: complete() if it was not called, and the new name.
  /// @throws std::runtime_error as write(), or if the file cannot be renamed
  void commit();

 private:
  std::filesystem::path file_, temporary_;
  std::ofstream stream_;
  int lock_;  // a descriptor of the temporary file, locked: somebody writes it
  bool complete_ = false, kept_ = false;
};

/// The process that made a temporary file of an atomic_file, by the file's name; nothing for other files.
std::optional<pid_t> writer_of(const std::filesystem::path& temporary);

/// Writes a whole file or leaves what was there.
///
/// @param write  receives the stream; what it throws goes through, and nothing is left behind
/// @throws std::runtime_error as atomic_file
void write_atomically(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write);

/// The same for contents that are at hand.
void write_atomically(const std::filesystem::path& file, std::string_view contents);

}  // namespace binade
