#pragma once

#include <atomic>

namespace binade::cli {

/// While it lives, Ctrl-C and a polite request to end (SIGINT, SIGTERM) set the flag and say so on standard error; the
/// second one ends the process at once.  One at a time.
class interruption {
 public:
  interruption();
  ~interruption();
  interruption(const interruption&) = delete;
  interruption& operator=(const interruption&) = delete;

  /// Becomes true with the first request and stays so.
  const std::atomic<bool>& requested() const;
};

}  // namespace binade::cli
