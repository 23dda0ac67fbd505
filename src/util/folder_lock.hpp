#pragma once

#include <filesystem>

namespace binade {

/// Holds a folder for one process.  The system lets go when the process ends, however it ends.
class folder_lock {
 public:
  /// Takes folder/binade.lock, which is created if need be and stays.
  /// @throws std::runtime_error that names the folder if another process holds it or the file cannot be made
  explicit folder_lock(const std::filesystem::path& folder);
  ~folder_lock();
  folder_lock(const folder_lock&) = delete;
  folder_lock& operator=(const folder_lock&) = delete;

  static constexpr const char* file_name = "binade.lock";

 private:
  int descriptor_;
};

/// Creates the folder and those above it where they are missing.  @throws std::runtime_error that names the folder
void make_folder(const std::filesystem::path& folder);

/// Removes what a kill in the middle of write_atomically leaves.  @pre the folder's lock is held: nobody is writing
void remove_temporary_files(const std::filesystem::path& folder);

}  // namespace binade
