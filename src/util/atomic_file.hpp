#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string_view>

namespace binade {

/// Writes a whole file or leaves what was there: the bytes go to a temporary file beside it, are flushed to the disk
/// and renamed over it.  A reader sees the old file or the new one, never a part.
///
/// @param file   its folder must exist
/// @param write  receives the stream; what it throws goes through, and the temporary file is removed
/// @throws std::runtime_error that names the file if it cannot be written (no folder, no permission, full disk)
void write_atomically(const std::filesystem::path& file, const std::function<void(std::ostream&)>& write);

/// The same for contents that are at hand.
void write_atomically(const std::filesystem::path& file, std::string_view contents);

}  // namespace binade
