#pragma once

#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

namespace binade {

/// A file that grows at its end while a run goes on.
class appended_file {
 public:
  explicit appended_file(std::filesystem::path file) : file_(std::move(file)) {}
  ~appended_file();
  appended_file(const appended_file&) = delete;
  appended_file& operator=(const appended_file&) = delete;

  const std::filesystem::path& path() const { return file_; }
  /// Replaces what is there, atomically; what is added comes after it.  To be called first.
  /// @throws std::runtime_error as write_atomically, and what follows as these: the file, the cause and the remedy
  void start_with(std::string_view contents);
  void add(std::string_view bytes);
  /// To the disk.
  void flush();

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path file_;
  std::FILE* stream_ = nullptr;
};

}  // namespace binade
