#include "util/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "util/atomic_file.hpp"

namespace binade {

folder_lock::folder_lock(const std::filesystem::path& folder)
    : descriptor_(::open((folder / file_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0)
    throw std::runtime_error("cannot create " + (folder / file_name).string() + ": " +
                             std::generic_category().message(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  if (error == EWOULDBLOCK)
    throw std::runtime_error(folder.string() +
                             " is in use by another process; wait for it to end or choose another folder");
  throw std::runtime_error("cannot lock " + (folder / file_name).string() + ": " +
                           std::generic_category().message(error));
}

folder_lock::~folder_lock() {
  ::close(descriptor_);
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw std::runtime_error("cannot create the folder " + folder.string() + ": " + error.message());
}

void remove_temporary_files(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (writer_of(entry.path())) std::filesystem::remove(entry.path());
}

}  // namespace binade
