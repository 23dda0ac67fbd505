#pragma once

#include <atomic>

namespace binade::cli {

/// While it lives, Ctrl-C, a polite request to end and a terminal that closes (SIGINT, SIGTERM, SIGHUP) set the flag
/// and say so on standard error; a second one of the first two ends the process at once.  One at a time.
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
